//! A deliberate hold: nobody changes the project until somebody lifts it. Unlike the lock it outlives its process.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use super::project_dir::ProjectDir;
use super::store::{self, StoreError};

/// Who holds a project, since when, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hold {
    /// As [`Holder::who`].
    pub who: String,
    /// Since when, RFC 3339.
    pub when: String,
    /// Their words; may be empty.
    pub why: String,
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "held by {} since {}", self.who, self.when)?;
        if self.why.is_empty() { Ok(()) } else { write!(f, ": {}", self.why) }
    }
}

impl Hold {
    /// A hold by this process's user; `env` is its environment.
    pub fn new(why: &str, env: &BTreeMap<String, String>) -> Self {
        let Holder { who, when, .. } = Holder::current("compose:lock", env);
        Self { who, when, why: why.to_owned() }
    }

    /// The hold of a project, `None` where there is none.
    pub fn of(dir: &ProjectDir) -> Result<Option<Self>, StoreError> {
        store::read_json(&dir.hold_file())
    }

    /// Holds a project. Only for the holder of the lock.
    pub fn put(&self, dir: &ProjectDir) -> Result<(), StoreError> {
        store::write_json(&dir.hold_file(), self)
    }

    /// Lifts the hold of a project; none there is success.
    pub fn lift(dir: &ProjectDir) -> Result<(), StoreError> {
        store::remove_file(&dir.hold_file())
    }
}
