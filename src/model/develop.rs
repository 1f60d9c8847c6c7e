//! The `develop` section of a service.
//!
//! Specification: develop.md.

use serde::Serialize;

use super::scalars::is_unset;
use super::{Extensions, Hook};

/// What `docker compose watch` does.
///
/// Specification: develop.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Develop {
    /// Rules.
    #[serde(skip_serializing_if = "is_unset")]
    pub watch: Vec<Watch>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// One watch rule.
///
/// Specification: develop.md, "watch".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Watch {
    /// Path to watch, absolute.
    pub path: String,
    /// What a change does.
    pub action: WatchAction,
    /// Path in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: Option<String>,
    /// Command for `sync+exec`.
    pub exec: Hook,
    /// Patterns to watch.
    #[serde(skip_serializing_if = "is_unset")]
    pub include: Vec<String>,
    /// Patterns to leave out.
    #[serde(skip_serializing_if = "is_unset")]
    pub ignore: Vec<String>,
    /// Whether files are synchronized at the start.
    #[serde(skip_serializing_if = "is_unset")]
    pub initial_sync: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// What a changed file does.
///
/// Specification: develop.md, "action".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum WatchAction {
    /// Copies it into the container.
    #[default]
    #[serde(rename = "sync")]
    Sync,
    /// Builds the image again.
    #[serde(rename = "rebuild")]
    Rebuild,
    /// Restarts the container.
    #[serde(rename = "restart")]
    Restart,
    /// Copies it and restarts the container.
    #[serde(rename = "sync+restart")]
    SyncRestart,
    /// Copies it and runs a command.
    #[serde(rename = "sync+exec")]
    SyncExec,
}
