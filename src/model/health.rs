//! The `healthcheck` section of a service.
//!
//! Specification: 05-services.md, "healthcheck".

use serde::Serialize;

use super::scalars::is_unset;
use super::{Duration, Extensions};

/// How the health of a container is checked.
///
/// Specification: 05-services.md, "healthcheck".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Healthcheck {
    /// `CMD` and arguments, `CMD-SHELL` and a command, or `NONE`.
    #[serde(skip_serializing_if = "is_unset")]
    pub test: Vec<String>,
    /// Limit of one check.
    #[serde(skip_serializing_if = "is_unset")]
    pub timeout: Option<Duration>,
    /// Pause between checks.
    #[serde(skip_serializing_if = "is_unset")]
    pub interval: Option<Duration>,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_unset")]
    pub retries: Option<u64>,
    /// Time at the start in which failures do not count.
    #[serde(skip_serializing_if = "is_unset")]
    pub start_period: Option<Duration>,
    /// Pause between checks in that time.
    #[serde(skip_serializing_if = "is_unset")]
    pub start_interval: Option<Duration>,
    /// Whether the image's own check is off.
    #[serde(skip_serializing_if = "is_unset")]
    pub disable: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
impl Healthcheck {
    /// Whether it turns health checks off: `disable: true` or a test of `NONE`.
    pub fn is_disabled(&self) -> bool {
        self.disable || self.test.first().is_some_and(|word| word == "NONE")
    }
}
