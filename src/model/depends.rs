//! The `depends_on` section of a service.
//!
//! Specification: 05-services.md, "depends_on".

use serde::Serialize;

use super::Extensions;
use super::scalars::is_unset;

/// How a service waits for another.
///
/// Specification: 05-services.md, "depends_on".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dependency {
    /// What it waits for.
    pub condition: Condition,
    /// Whether it restarts when the other is changed.
    #[serde(skip_serializing_if = "is_unset")]
    pub restart: bool,
    /// Whether the other's absence is an error.
    pub required: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}

/// What a dependent service waits for.
///
/// Specification: 05-services.md, "depends_on".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Condition {
    /// The other's containers are started.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// They are healthy.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// They ended with exit code 0.
    #[serde(rename = "service_completed_successfully")]
    CompletedSuccessfully,
}
