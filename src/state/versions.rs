//! What was imported, version by version: the files as read, what they asked for, what was done.
//!
//! A version folder appears whole and before `state.json` names it. One with a higher number than
//! `state.json` has was left by a run that did not commit; the next run replaces it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::project_dir::ProjectDir;
use super::store::{self, StoreError};
use crate::map::resources::Desired;
use crate::plan::{Kept, Plan};

/// Format of `result.json`.
pub const FORMAT: u32 = 1;

/// How a version came to be: `result.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionResult {
    /// Format of the file; set when saved.
    pub format: u32,
    /// Number, from 1.
    pub version: u32,
    /// The run that made it.
    pub run: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub who: String,
    /// The command, `compose:import` or `compose:rollback`.
    pub command: String,
    /// Digest of files, variables and plugin version.
    pub checksum: String,
    /// Operations done.
    pub operations: usize,
    /// Milliseconds from the first operation to the commit.
    pub duration_ms: u64,
    /// Exit codes of jobs by service.
    pub jobs: BTreeMap<String, i64>,
    /// What is kept of each service, for rollbacks.
    pub kept: BTreeMap<String, Kept>,
    /// Calls of Dokku.
    pub calls: u64,
    /// The compose files in the order merged, by path below the version's files.
    pub compose_files: Vec<String>,
    /// The profiles that were active.
    pub profiles: Vec<String>,
    /// The version that this one went back to.
    pub rolled_back_to: Option<u32>,
}

/// One version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// How it came to be.
    pub result: VersionResult,
    /// Files as read, by path relative to the project directory.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What they asked for; secrets are sealed once read back.
    pub desired: Desired,
    /// What was done.
    pub plan: Plan,
    /// The texts of its secrets by digest, which a rollback gives back.
    pub secrets: BTreeMap<String, String>,
    /// Delivered files and directories by digest: where they are. Ones beyond [`MOST`] bytes are not kept.
    pub trees: BTreeMap<String, PathBuf>,
}

/// Bytes of a delivered file or directory that a version keeps at most.
pub const MOST: u64 = 32 << 20;

/// Writes a version folder whole. One of that number is an uncommitted run's and is replaced.
pub fn write(dir: &ProjectDir, version: &Version) -> Result<(), StoreError> {
    let target = dir.version(version.result.version);
    store::create_dir(&dir.versions())?;
    let folder = store::temporary_beside(&target)?;
    let attempt = || {
        let files = folder.join("files");
        store::create_dir(&files)?;
        for (name, content) in &version.files {
            let file = files.join(inside(&target, name)?);
            store::create_dir(file.parent().unwrap_or(&files))?;
            store::write_bytes(&file, content)?;
        }
        let private = folder.join("secrets");
        store::create_dir(&private)?;
        for (digest, text) in &version.secrets {
            store::write_bytes(&private.join(inside(&target, digest)?), text.as_bytes())?;
        }
        for (digest, from) in &version.trees {
            if size(from).is_some_and(|bytes| bytes <= MOST) {
                let to = private.join(TREES).join(inside(&target, digest)?);
                store::create_dir(to.parent().unwrap_or(&private))?;
                copy(from, &to).map_err(StoreError::io("copy", from))?;
            }
        }
        store::write_json(&folder.join("desired.json"), &version.desired)?;
        store::write_json(&folder.join("plan.json"), &version.plan)?;
        let result = VersionResult { format: FORMAT, ..version.result.clone() };
        store::write_json(&folder.join("result.json"), &result)?;
        store::remove_tree(&target)?;
        fs::rename(&folder, &target).map_err(StoreError::io("write", &target))?;
        store::sync_dir(&dir.versions())
    };
    let written = attempt();
    if written.is_err() {
        let _ = store::remove_tree(&folder);
    }
    written
}

/// Numbers of the versions on disk, lowest first.
pub fn list(dir: &ProjectDir) -> Result<Vec<u32>, StoreError> {
    let mut numbers: Vec<u32> =
        store::list_names(&dir.versions())?.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// How a version came to be; `None` where there is none of that number.
pub fn result(dir: &ProjectDir, number: u32) -> Result<Option<VersionResult>, StoreError> {
    let path = dir.version(number).join("result.json");
    let result: Option<VersionResult> = store::read_json(&path)?;
    match result {
        Some(result) if result.format > FORMAT => {
            Err(StoreError::Newer { path, found: result.format.into(), known: FORMAT })
        }
        result => Ok(result),
    }
}

/// A whole version; `None` where there is none of that number.
pub fn read(dir: &ProjectDir, number: u32) -> Result<Option<Version>, StoreError> {
    let Some(result) = result(dir, number)? else {
        return Ok(None);
    };
    let folder = dir.version(number);
    let mut files = BTreeMap::new();
    collect(&folder.join("files"), "", &mut files)?;
    let missing = |name: &str| StoreError::damaged(&folder, format!("{name} is missing"));
    let private = folder.join("secrets");
    let trees = store::list_names(&private.join(TREES))?;
    let trees = trees.into_iter().map(|name| (name.clone(), private.join(TREES).join(name))).collect();
    Ok(Some(Version {
        result,
        files,
        desired: store::read_json(&folder.join("desired.json"))?.ok_or_else(|| missing("desired.json"))?,
        plan: store::read_json(&folder.join("plan.json"))?.ok_or_else(|| missing("plan.json"))?,
        secrets: secrets(dir, number)?,
        trees,
    }))
}

/// The texts of a version's secrets by digest; none where it has none.
pub fn secrets(dir: &ProjectDir, number: u32) -> Result<BTreeMap<String, String>, StoreError> {
    let private = dir.version(number).join("secrets");
    let mut out = BTreeMap::new();
    for name in store::list_names(&private)?.into_iter().filter(|name| name != TREES) {
        let bytes = store::read(&private.join(&name))?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|error| StoreError::damaged(&private, error.to_string()))?;
        out.insert(name, text);
    }
    Ok(out)
}

/// Keeps further texts with a version that is there.
pub fn add_secrets(dir: &ProjectDir, number: u32, texts: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let private = dir.version(number).join("secrets");
    store::create_dir(&private)?;
    for (digest, text) in texts {
        let file = private.join(inside(&private, digest)?);
        if !file.exists() {
            store::write_bytes(&file, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Removes the oldest versions so that `keep` remain, never `current` or a later one; the removed numbers.
pub fn retain(dir: &ProjectDir, keep: usize, current: u32) -> Result<Vec<u32>, StoreError> {
    let versions = list(dir)?;
    let surplus = versions.len().saturating_sub(keep);
    let old: Vec<u32> = versions.into_iter().take(surplus).filter(|number| *number < current).collect();
    for number in &old {
        store::remove_tree(&dir.version(*number))?;
    }
    Ok(old)
}

/// The app or raw container of an image that a version keeps, `dokku-compose/NAME:vN`; `None` for any other image.
pub fn kept_app(image: &str) -> Option<&str> {
    let (app, tag) = image.strip_prefix("dokku-compose/")?.rsplit_once(':')?;
    tag.strip_prefix('v').is_some_and(|digits| digits.parse::<u32>().is_ok()).then_some(app)
}

/// Folder of kept trees beside the secrets: what is delivered may be secret too.
const TREES: &str = "trees";

/// Bytes of a file or directory; `None` where it cannot be read.
fn size(path: &Path) -> Option<u64> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_dir() {
        return Some(meta.len());
    }
    fs::read_dir(path).ok()?.try_fold(0, |sum: u64, entry| Some(sum.saturating_add(size(&entry.ok()?.path())?)))
}

/// Copies a file or directory with permissions and links.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.file_type().is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)
    } else if meta.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_name() != ".git" {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        // Its owner can always tidy it up.
        fs::set_permissions(to, fs::Permissions::from_mode(meta.permissions().mode() | 0o700))
    } else if meta.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}

/// A path that stays inside the folder that it is joined to.
fn inside<'a>(target: &Path, name: &'a str) -> Result<&'a Path, StoreError> {
    let path = Path::new(name);
    let plain = !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then_some(path).ok_or_else(|| StoreError::damaged(target, format!("`{name}` is not a path inside it")))
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(&path).map_err(StoreError::io("read", &path))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Site;

    fn version(number: u32, text: &str) -> Version {
        let mut version = Version::default();
        version.result.version = number;
        version.result.run = format!("run{number}");
        version.files.insert("compose.yaml".into(), text.into());
        version.files.insert("base/.env".into(), b"A=1\n".to_vec());
        version.files.insert(".env".into(), b"B=\xff\n".to_vec());
        version.plan.project = "shop".into();
        version.desired.project = "shop".into();
        version
    }

    #[test]
    fn a_version_is_read_back_as_written_and_replaced_whole() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        assert_eq!(read(&dir, 1).unwrap(), None);
        let mut first = version(1, "a");
        write(&dir, &first).unwrap();
        first.result.format = FORMAT;
        assert_eq!(read(&dir, 1).unwrap(), Some(first.clone()));
        first.files = BTreeMap::from([("other.yaml".to_owned(), b"b".to_vec())]);
        write(&dir, &first).unwrap();
        assert_eq!(read(&dir, 1).unwrap(), Some(first));
        assert_eq!(fs::read_dir(dir.versions()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_outside_is_refused_and_leaves_nothing() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        for name in ["../x", "/etc/x", ""] {
            let mut bad = version(1, "a");
            bad.files.insert(name.into(), Vec::new());
            assert!(write(&dir, &bad).is_err(), "{name:?}");
        }
        assert!(list(&dir).unwrap().is_empty());
        assert_eq!(fs::read_dir(dir.versions()).unwrap().count(), 0);
    }

    #[test]
    fn retention_keeps_the_newest_and_the_current_one() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        for number in [1, 2, 3, 10] {
            write(&dir, &version(number, "a")).unwrap();
        }
        assert_eq!(retain(&dir, 2, 10).unwrap(), [1, 2]);
        assert_eq!(retain(&dir, 0, 3).unwrap(), Vec::<u32>::new());
        assert_eq!(list(&dir).unwrap(), [3, 10]);
    }
}
