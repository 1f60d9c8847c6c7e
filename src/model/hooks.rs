//! Lifecycle hooks, providers, loggers: small sections of a service.
//!
//! Specification: 05-services.md, "post_start", "pre_stop", "provider", "logging", "credential_spec".

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::{is_true, is_unset};
use super::{Extensions, Service};

/// A command run in a service container at an event.
///
/// Specification: 05-services.md, "post_start" and "pre_stop".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hook {
    /// The command.
    pub command: Option<Vec<String>>,
    /// `user[:group]` that it runs as.
    #[serde(skip_serializing_if = "is_unset")]
    pub user: Option<String>,
    /// Whether it runs privileged.
    #[serde(skip_serializing_if = "is_unset")]
    pub privileged: bool,
    /// Working directory.
    #[serde(skip_serializing_if = "is_unset")]
    pub working_dir: Option<String>,
    /// Environment.
    #[serde(skip_serializing_if = "is_unset")]
    pub environment: IndexMap<String, Option<String>>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A container that runs to completion before the service starts.
///
/// It takes the service's own container settings over and may replace them.
///
/// Specification: 05-services.md, "pre_start".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PreStartHook {
    /// Settings of the container; only those of a container are set.
    #[serde(flatten)]
    pub container: Service,
    /// Whether it runs once for each replica.
    #[serde(skip_serializing_if = "is_unset")]
    pub per_replica: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A program that provides a service in place of a container.
///
/// Specification: 05-services.md, "provider".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Provider {
    /// The program.
    #[serde(skip_serializing_if = "is_unset")]
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its options.
    #[serde(skip_serializing_if = "is_unset")]
    pub options: IndexMap<String, Vec<String>>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Log driver and options.
///
/// Specification: 05-services.md, "logging".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Logging {
    /// Log driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub options: IndexMap<String, String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Managed service account (Windows).
///
/// Specification: 05-services.md, "credential_spec".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CredentialSpec {
    /// A config that holds it.
    #[serde(skip_serializing_if = "is_unset")]
    pub config: Option<String>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "is_unset")]
    pub file: Option<String>,
    /// A registry value that holds it.
    #[serde(skip_serializing_if = "is_unset")]
    pub registry: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A file of environment variables.
///
/// Specification: 05-services.md, "env_file".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EnvFile {
    /// The file, absolute.
    #[serde(skip_serializing_if = "is_unset")]
    pub path: Option<String>,
    /// Whether its absence is an error.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
    /// `raw` for values taken as they are; else as `.env` files.
    #[serde(skip_serializing_if = "is_unset")]
    pub format: Option<String>,
}
/// The service that another extends.
///
/// Specification: 05-services.md, "extends".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Extends {
    /// The file it is in; `None` is the same file.
    #[serde(skip_serializing_if = "is_unset")]
    pub file: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "is_unset")]
    pub service: Option<String>,
}
