//! How containers behave (`behaviour.json`): without it they run, turn healthy, and jobs exit 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::fits;
use super::world::World;

/// The world's file of behaviour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// By pattern on the container's name (`shop-api.web.*`), the app's, or the image's (`postgres:*`).
    pub containers: BTreeMap<String, Play>,
    /// How long a deploy takes, milliseconds.
    pub deploy_ms: u64,
    /// Dokku's version; empty: the one that is played.
    pub version: String,
    /// Global domain; empty: `dokku.me`.
    pub domain: String,
}

/// What one container does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Play {
    /// It exits with this code.
    pub exit: Option<i64>,
    /// When it exits, or a job ends: milliseconds after the start.
    pub after_ms: u64,
    /// It does not start; the engine's words.
    pub start_error: String,
    /// It exits as soon as it starts, again and again.
    pub crash_loop: bool,
    /// `healthy` (default), `unhealthy` or `starting`, where it has a health check.
    pub health: String,
    /// How long it stays `starting`, milliseconds.
    pub healthy_after_ms: u64,
    /// Exit codes of commands that are run in it, by program; 0 for all others.
    pub exec: BTreeMap<String, i64>,
    /// What it writes; `{time}` is the time.
    pub log: Vec<String>,
}

impl World {
    /// The world's behaviour.
    pub fn behaviour(&self) -> Behaviour {
        self.json("behaviour.json")
    }

    /// Sets the world's behaviour.
    pub fn set_behaviour(&self, behaviour: &Behaviour) -> std::io::Result<()> {
        self.set_json("behaviour.json", behaviour)
    }
}

impl Behaviour {
    /// What the first pattern that fits one of `names` says.
    pub(super) fn of(&self, names: &[&str]) -> Play {
        let fit = |pattern: &&String| names.iter().any(|name| fits(pattern, name));
        self.containers.keys().find(fit).and_then(|pattern| self.containers.get(pattern)).cloned().unwrap_or_default()
    }
}
