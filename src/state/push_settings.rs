//! What is set for pushes to an app: a file an app, beside the projects, so that it is there before the first import.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::store::{self, StoreError};
use crate::site::Site;

/// Settings of an app that pushes go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PushSettings {
    /// Whether a push imports.
    pub git_push: bool,
    /// Compose files, or the directory of them, from the top of the repository; empty: the usual names at the top.
    pub compose_path: Vec<String>,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// Whether the app was made for pushes, and goes with the project.
    pub created: bool,
}

impl PushSettings {
    fn file(site: &Site, app: &str) -> PathBuf {
        site.settings().join(app)
    }

    /// An app's settings; the defaults where nothing was set.
    ///
    /// # Errors
    /// Where the file is there and cannot be read.
    pub fn load(site: &Site, app: &str) -> Result<Self, StoreError> {
        Ok(store::read_json(&Self::file(site, app))?.unwrap_or_default())
    }

    /// Keeps them; the triggers see an app by this file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save(&self, site: &Site, app: &str) -> Result<(), StoreError> {
        if *self == Self::default() {
            return Self::remove(site, app);
        }
        store::create_dir(&site.settings())?;
        store::write_json(&Self::file(site, app), self)
    }

    /// Forgets them.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn remove(site: &Site, app: &str) -> Result<(), StoreError> {
        store::remove_file(&Self::file(site, app))
    }
}
