//! What `compose:set` sets, for all projects or for one: a small JSON file each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::project_dir::ProjectDir;
use super::store::{self, StoreError};
use crate::site::Site;

/// Versions kept where nobody says how many.
pub const KEEP_VERSIONS: usize = 20;

/// Settings of one level; what is absent is not set there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// How many versions are kept with their images, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_versions: Option<usize>,
    /// File for the node exporter's textfile collector; its directory exists. For all projects only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_file: Option<PathBuf>,
}

impl Settings {
    /// Those for all projects.
    pub fn global(site: &Site) -> Result<Self, StoreError> {
        Ok(store::read_json(&global_file(site))?.unwrap_or_default())
    }

    /// Those of one project alone.
    pub fn project(dir: &ProjectDir) -> Result<Self, StoreError> {
        Ok(store::read_json(&dir.settings_file())?.unwrap_or_default())
    }

    /// How many versions of a project are kept: its own word, else that for all, else the default.
    pub fn keep_versions(site: &Site, dir: &ProjectDir) -> Result<usize, StoreError> {
        let own = Self::project(dir)?.keep_versions;
        let set = match own {
            Some(number) => Some(number),
            None => Self::global(site)?.keep_versions,
        };
        Ok(set.unwrap_or(KEEP_VERSIONS).max(1))
    }

    /// Saves those for all projects.
    pub fn save_global(&self, site: &Site) -> Result<(), StoreError> {
        store::create_dir(&site.data())?;
        store::write_json(&global_file(site), self)
    }

    /// Saves those of a project. Only for the holder of the lock.
    pub fn save_project(&self, dir: &ProjectDir) -> Result<(), StoreError> {
        store::write_json(&dir.settings_file(), self)
    }
}

fn global_file(site: &Site) -> PathBuf {
    site.data().join("settings.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_projects_own_word_counts_before_that_for_all() {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        let dir = ProjectDir::new(&site, "shop").unwrap();
        store::create_dir(dir.root()).unwrap();
        let keep = || Settings::keep_versions(&site, &dir).unwrap();
        assert_eq!(keep(), KEEP_VERSIONS);
        Settings { keep_versions: Some(5), ..Settings::default() }.save_global(&site).unwrap();
        assert_eq!(keep(), 5);
        Settings { keep_versions: Some(0), ..Settings::default() }.save_project(&dir).unwrap();
        assert_eq!(keep(), 1, "the current one is always kept");
        Settings::default().save_project(&dir).unwrap();
        assert_eq!(keep(), 5);
    }
}
