//! A project's folder: what lies where.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::store::{StoreError, TEMPORARY, create_dir, list_all, list_names, random_hex, remove_tree, sync_dir};
use crate::site::Site;

/// One project's folder: `state.json`, `versions/000N/`, `journal/<run>.jsonl`,
/// `runs/<run>/`, `events.jsonl`, `lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectDir {
    project: String,
    root: PathBuf,
}

impl ProjectDir {
    /// The folder of `project`; nothing is created. The name must be one that cannot leave the
    /// data directory.
    pub fn new(site: &Site, project: &str) -> Result<Self, StoreError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !project.starts_with(plain) || !project.chars().all(|c| plain(c) || c == '-') {
            return Err(StoreError::Name(project.to_owned()));
        }
        Ok(Self { project: project.to_owned(), root: site.project(project) })
    }

    /// The folder that keeps the versions of a destroyed project; nothing is created.
    pub fn destroyed(site: &Site, project: &str) -> Result<Self, StoreError> {
        let Self { project, .. } = Self::new(site, project)?;
        let root = site.data().join("destroyed").join(&project);
        Ok(Self { project, root })
    }

    /// Projects that have a folder, by name.
    pub fn list(site: &Site) -> Result<Vec<Self>, StoreError> {
        let names = list_names(&site.data().join("projects"))?;
        Ok(names.iter().filter_map(|name| Self::new(site, name).ok()).collect())
    }

    /// The project's name.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether anything is remembered of the project.
    pub fn exists(&self) -> bool {
        self.root.is_dir()
    }

    /// What was applied last.
    pub fn state_file(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// All versions.
    pub fn versions(&self) -> PathBuf {
        self.root.join("versions")
    }

    /// One version.
    pub fn version(&self, number: u32) -> PathBuf {
        self.versions().join(format!("{number:04}"))
    }

    /// Journals of runs that have not ended; a journal that has ended lies in its run's folder.
    pub fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The journal of a run that has not ended.
    pub fn journal(&self, run: &str) -> PathBuf {
        self.journals().join(format!("{run}.jsonl"))
    }

    /// All runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// A run's folder: plan, log, journal once it has ended.
    pub fn run(&self, run: &str) -> PathBuf {
        self.runs().join(run)
    }

    /// What a run's undo needs and nobody may read; gone once the run has ended.
    pub fn before(&self, run: &str) -> PathBuf {
        self.run(run).join("before")
    }

    /// A run's plan.
    pub fn plan_file(&self, run: &str) -> PathBuf {
        self.run(run).join("plan.json")
    }

    /// A run's log.
    pub fn log_file(&self, run: &str) -> PathBuf {
        self.run(run).join("log.jsonl")
    }

    /// What a run came to.
    pub fn summary_file(&self, run: &str) -> PathBuf {
        self.run(run).join("summary.json")
    }

    /// What happened to the project.
    pub fn events_file(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// The file that a run locks.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The project's own settings.
    pub fn settings_file(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// Who holds the project on purpose.
    pub fn hold_file(&self) -> PathBuf {
        self.root.join("hold.json")
    }

    /// Who holds the lock.
    pub fn lock_info_file(&self) -> PathBuf {
        self.root.join("lock.info")
    }

    /// Runs that have a folder, oldest first.
    pub fn run_ids(&self) -> Result<Vec<String>, StoreError> {
        list_names(&self.runs())
    }

    /// Removes the folders of the oldest runs beyond `keep`, never one whose journal is open.
    pub fn retain_runs(&self, keep: usize) -> Result<(), StoreError> {
        let runs = self.run_ids()?;
        for run in runs.iter().rev().skip(keep).filter(|run| !self.journal(run).exists()) {
            remove_tree(&self.run(run))?;
        }
        Ok(())
    }

    /// Removes what an interrupted write left. Only for the holder of the lock.
    pub fn sweep(&self) -> Result<(), StoreError> {
        for folder in [self.root.clone(), self.versions()] {
            for entry in list_all(&folder)? {
                if entry.starts_with(TEMPORARY) {
                    remove_tree(&folder.join(entry))?;
                }
            }
        }
        Ok(())
    }

    /// Moves the versions to the folder of destroyed projects, without what only a rollback needs: its secrets, whose
    /// images are gone too. The history of an earlier project of that name goes. Only for the holder of the lock.
    pub fn bury(&self, grave: &Self) -> Result<(), StoreError> {
        if !self.versions().is_dir() {
            return Ok(());
        }
        for version in list_names(&self.versions())? {
            remove_tree(&self.versions().join(version).join("secrets"))?;
        }
        remove_tree(grave.root())?;
        create_dir(grave.root())?;
        let (from, to) = (self.versions(), grave.versions());
        fs::rename(&from, &to).map_err(StoreError::io("move", &from))?;
        sync_dir(grave.root())
    }

    /// Forgets the project: the folder is gone at once, its content follows. Only for the holder of the lock.
    pub fn remove(&self) -> Result<(), StoreError> {
        let Some(parent) = self.root.parent() else {
            return Ok(());
        };
        let gone = parent.join(format!("{TEMPORARY}{}-{}", self.project, random_hex(4)?));
        match fs::rename(&self.root, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(StoreError::io("remove", &self.root))?,
        }
        sync_dir(parent)?;
        remove_tree(&gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::write_bytes;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let site = Site::sandbox(PathBuf::from("/nowhere"));
        for name in ["", "..", "a/b", "-x", "Shop", "a.b", "a\0"] {
            assert!(matches!(ProjectDir::new(&site, name), Err(StoreError::Name(_))), "{name:?}");
        }
        assert!(ProjectDir::new(&site, "shop-2").is_ok());
    }

    #[test]
    fn removal_and_sweep_take_only_what_they_should() {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        let dir = ProjectDir::new(&site, "shop").unwrap();
        create_dir(&dir.versions()).unwrap();
        write_bytes(&dir.state_file(), b"{}").unwrap();
        fs::write(dir.root().join(".tmp-abc"), "half").unwrap();
        fs::create_dir(dir.versions().join(".tmp-0001-ff")).unwrap();
        dir.sweep().unwrap();
        assert_eq!(list_all(dir.root()).unwrap(), ["state.json", "versions"]);
        assert!(list_all(&dir.versions()).unwrap().is_empty());
        assert_eq!(ProjectDir::list(&site).unwrap(), std::slice::from_ref(&dir));
        dir.remove().unwrap();
        dir.remove().unwrap();
        assert!(ProjectDir::list(&site).unwrap().is_empty() && !dir.exists());
    }

    #[test]
    fn old_runs_go_and_open_ones_stay() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        for run in ["1", "2", "3", "4"] {
            create_dir(&dir.run(run)).unwrap();
        }
        create_dir(&dir.journals()).unwrap();
        write_bytes(&dir.journal("1"), b"").unwrap();
        dir.retain_runs(2).unwrap();
        assert_eq!(dir.run_ids().unwrap(), ["1", "3", "4"]);
    }
}
