//! Volumes of the project and mounts of services.
//!
//! Specification: 07-volumes.md, and 05-services.md, "volumes".

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::{is_true, is_unset};
use super::{Bytes, Extensions};

/// A volume of the top-level `volumes` section.
///
/// Specification: 07-volumes.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Volume {
    /// Name in the engine: written, else `<project>_<key>`, for external ones the key.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// Driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver_opts: IndexMap<String, String>,
    /// Whether it must exist already.
    #[serde(skip_serializing_if = "is_unset")]
    pub external: bool,
    /// Labels.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A mount of a service in long form.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceVolume {
    /// What is mounted.
    #[serde(rename = "type")]
    pub kind: MountType,
    /// Host path (absolute) for a bind, key in `volumes` for a volume, image for an image; `None` is an anonymous volume.
    #[serde(skip_serializing_if = "is_unset")]
    pub source: Option<String>,
    /// Path in the container, cleaned.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: Option<String>,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "is_unset")]
    pub read_only: bool,
    /// Consistency requirement (ignored by Linux engines).
    #[serde(skip_serializing_if = "is_unset")]
    pub consistency: Option<String>,
    /// Options of a bind.
    #[serde(skip_serializing_if = "is_unset")]
    pub bind: Option<Box<BindOptions>>,
    /// Options of a volume.
    #[serde(skip_serializing_if = "is_unset")]
    pub volume: Option<Box<VolumeOptions>>,
    /// Options of a temporary file system.
    #[serde(skip_serializing_if = "is_unset")]
    pub tmpfs: Option<Box<TmpfsOptions>>,
    /// Options of an image.
    #[serde(skip_serializing_if = "is_unset")]
    pub image: Option<Box<ImageOptions>>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// What a mount mounts.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountType {
    /// A path of the host.
    Bind,
    /// A named or anonymous volume.
    #[default]
    Volume,
    /// A temporary file system.
    Tmpfs,
    /// A cluster volume.
    Cluster,
    /// A named pipe (Windows).
    Npipe,
    /// An image's content.
    Image,
}

/// Options of a bind mount.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BindOptions {
    /// `z` (shared) or `Z` (private) relabelling.
    #[serde(skip_serializing_if = "is_unset")]
    pub selinux: Option<String>,
    /// Mount propagation.
    #[serde(skip_serializing_if = "is_unset")]
    pub propagation: Option<String>,
    /// Whether a missing source is made as a directory; true unless written otherwise.
    #[serde(skip_serializing_if = "is_true")]
    pub create_host_path: bool,
    /// How submounts are treated.
    #[serde(skip_serializing_if = "is_unset")]
    pub recursive: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
impl Default for BindOptions {
    fn default() -> Self {
        Self {
            selinux: None,
            propagation: None,
            create_host_path: true,
            recursive: None,
            extensions: Extensions::default(),
        }
    }
}

/// Options of a volume mount.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VolumeOptions {
    /// Labels of an anonymous volume.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Whether the image's content is not copied into an empty volume.
    #[serde(skip_serializing_if = "is_unset")]
    pub nocopy: bool,
    /// Path in the volume.
    #[serde(skip_serializing_if = "is_unset")]
    pub subpath: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Options of a temporary file system.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TmpfsOptions {
    /// Size limit.
    #[serde(skip_serializing_if = "is_unset")]
    pub size: Option<Bytes>,
    /// Mode of its root.
    #[serde(skip_serializing_if = "is_unset")]
    pub mode: Option<u32>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Options of an image mount.
///
/// Specification: 05-services.md, "volumes".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ImageOptions {
    /// Path in the image.
    #[serde(skip_serializing_if = "is_unset")]
    pub subpath: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
