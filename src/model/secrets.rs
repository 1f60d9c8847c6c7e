//! Secrets and configs of the project and their use by services.
//!
//! Specification: 08-configs.md, 09-secrets.md, and 05-services.md, "configs" and "secrets".

use std::fmt;

use crate::hashed::IndexMap;
use serde::{Serialize, Serializer};

use super::Extensions;
use super::scalars::is_unset;

/// A secret or config as a service (or build) uses it.
///
/// Specification: 05-services.md, "configs" and "secrets".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FileReference {
    /// Its key in `secrets` or `configs`.
    #[serde(skip_serializing_if = "is_unset")]
    pub source: Option<String>,
    /// Path in the container; a secret's default is `/run/secrets/<source>`.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: Option<String>,
    /// Owner.
    #[serde(skip_serializing_if = "is_unset")]
    pub uid: Option<String>,
    /// Group.
    #[serde(skip_serializing_if = "is_unset")]
    pub gid: Option<String>,
    /// Permissions.
    #[serde(skip_serializing_if = "is_unset")]
    pub mode: Option<FileMode>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// File permissions, printed in octal with a leading zero.
///
/// Specification: 05-services.md, "configs", "mode".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0{:o}", self.0)
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A secret of the top-level `secrets` section.
///
/// Specification: 09-secrets.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Secret {
    /// Name in the engine: written, else `<project>_<key>`, for external ones the key.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// File that holds it, absolute.
    #[serde(skip_serializing_if = "is_unset")]
    pub file: Option<String>,
    /// Variable that holds it.
    #[serde(skip_serializing_if = "is_unset")]
    pub environment: Option<String>,
    /// The value of `environment`, where it is set; never printed.
    #[serde(skip)]
    pub environment_value: Option<String>,
    /// Whether it must exist already.
    #[serde(skip_serializing_if = "is_unset")]
    pub external: bool,
    /// Labels.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Secret driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver_opts: IndexMap<String, String>,
    /// Template driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub template_driver: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A config of the top-level `configs` section.
///
/// Specification: 08-configs.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// Name in the engine: written, else `<project>_<key>`, for external ones the key.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// File that holds it, absolute.
    #[serde(skip_serializing_if = "is_unset")]
    pub file: Option<String>,
    /// Variable that holds it.
    #[serde(skip_serializing_if = "is_unset")]
    pub environment: Option<String>,
    /// Its text written inline.
    #[serde(skip_serializing_if = "is_unset")]
    pub content: Option<String>,
    /// The value of `environment`, where it is set; never printed.
    #[serde(skip)]
    pub environment_value: Option<String>,
    /// Whether it must exist already.
    #[serde(skip_serializing_if = "is_unset")]
    pub external: bool,
    /// Labels.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Config driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver_opts: IndexMap<String, String>,
    /// Template driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub template_driver: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
