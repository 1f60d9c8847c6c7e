//! The `build` section of a service.
//!
//! Specification: build.md.

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::{is_unset, serialize_hosts};
use super::{Bytes, Extensions, FileReference, Ulimit};

/// How an image is built.
///
/// Specification: build.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Build {
    /// Directory (absolute) or remote context.
    #[serde(skip_serializing_if = "is_unset")]
    pub context: Option<String>,
    /// Dockerfile, relative to the context or absolute.
    #[serde(skip_serializing_if = "is_unset")]
    pub dockerfile: Option<String>,
    /// The text of a Dockerfile; excludes `dockerfile`.
    #[serde(skip_serializing_if = "is_unset")]
    pub dockerfile_inline: Option<String>,
    /// Privileges of the build.
    #[serde(skip_serializing_if = "is_unset")]
    pub entitlements: Vec<String>,
    /// Build arguments; one without a value that nothing resolves is left out.
    #[serde(skip_serializing_if = "is_unset")]
    pub args: IndexMap<String, Option<String>>,
    /// Provenance attestation: `true`, `false` or parameters.
    #[serde(skip_serializing_if = "is_unset")]
    pub provenance: Option<String>,
    /// SBOM attestation: `true`, `false` or parameters.
    #[serde(skip_serializing_if = "is_unset")]
    pub sbom: Option<String>,
    /// SSH agents and keys.
    #[serde(skip_serializing_if = "is_unset")]
    pub ssh: Vec<SshKey>,
    /// Image labels.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Cache sources.
    #[serde(skip_serializing_if = "is_unset")]
    pub cache_from: Vec<String>,
    /// Cache destinations.
    #[serde(skip_serializing_if = "is_unset")]
    pub cache_to: Vec<String>,
    /// Whether the cache is left unused.
    #[serde(skip_serializing_if = "is_unset")]
    pub no_cache: bool,
    /// Stages that do not use the cache.
    #[serde(skip_serializing_if = "is_unset")]
    pub no_cache_filter: Vec<String>,
    /// Named contexts; `service:NAME` is another service's image.
    #[serde(skip_serializing_if = "is_unset")]
    pub additional_contexts: IndexMap<String, String>,
    /// Whether base images are pulled anew.
    #[serde(skip_serializing_if = "is_unset")]
    pub pull: bool,
    /// Addresses by host name.
    #[serde(skip_serializing_if = "is_unset", serialize_with = "serialize_hosts")]
    pub extra_hosts: IndexMap<String, Vec<String>>,
    /// Isolation technology (Windows).
    #[serde(skip_serializing_if = "is_unset")]
    pub isolation: Option<String>,
    /// Network of RUN instructions.
    #[serde(skip_serializing_if = "is_unset")]
    pub network: Option<String>,
    /// Stage to build.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: Option<String>,
    /// Secrets for RUN instructions.
    #[serde(skip_serializing_if = "is_unset")]
    pub secrets: Vec<FileReference>,
    /// Size of /dev/shm.
    #[serde(skip_serializing_if = "is_unset")]
    pub shm_size: Option<Bytes>,
    /// Further tags.
    #[serde(skip_serializing_if = "is_unset")]
    pub tags: Vec<String>,
    /// Resource limits by name.
    #[serde(skip_serializing_if = "is_unset")]
    pub ulimits: IndexMap<String, Ulimit>,
    /// Target platforms.
    #[serde(skip_serializing_if = "is_unset")]
    pub platforms: Vec<String>,
    /// Whether the build runs privileged.
    #[serde(skip_serializing_if = "is_unset")]
    pub privileged: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// An SSH agent socket or key given to a build.
///
/// Specification: build.md, "ssh".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshKey {
    /// `default`, or the identifier used in the Dockerfile.
    pub id: String,
    /// Socket or key file; `None` is the caller's agent.
    pub path: Option<String>,
}
impl Serialize for SshKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.path {
            Some(path) => serializer.serialize_str(&format!("{}={path}", self.id)),
            None => serializer.serialize_str(&self.id),
        }
    }
}
