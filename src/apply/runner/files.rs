//! Files that the plugin puts on the server, and the notes for the triggers.
//!
//! A file that nobody touched since its delivery follows the source; one that was changed on the server is kept
//! and told; nothing that the server made is ever deleted.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ActionError, Done, Ran, Step};
use crate::map::resources::{AppHooks, FileContent, FileTree};
use crate::state::store;

/// What a delivery replaced, kept in the run's folder.
#[derive(Default, Serialize, Deserialize)]
struct Replaced {
    /// Relative paths that were there before; their content lies beside this file under the same number.
    kept: Vec<PathBuf>,
    /// Relative paths that were not there before.
    new: Vec<PathBuf>,
    /// The target itself was not there.
    created: bool,
}

/// One file to write.
struct Wanted {
    relative: PathBuf,
    content: Content,
    mode: u32,
}

enum Content {
    File(PathBuf),
    Text(String),
    Link(PathBuf),
}

pub(super) fn deliver(step: &Step<'_>, tree: &FileTree) -> Ran {
    let folder = backup(step, &tree.target);
    let wanted = wanted(tree)?;
    for file in &wanted {
        let path = place(&tree.target, &file.relative);
        if let Some(link) = link_above(&step.runner.site, &path) {
            let message = format!("{} is a link on the server: nothing is written through it; remove it", link.display());
            return Err(ActionError::new(message));
        }
    }
    let mut replaced = Replaced { created: !exists(&tree.target), ..Replaced::default() };
    let before = known(step, &tree.target);
    let mut delivered = BTreeMap::new();
    let mut writes = Vec::new();
    for file in wanted {
        let path = place(&tree.target, &file.relative);
        let new = digest(&file.content)?;
        let name = file.relative.to_string_lossy().into_owned();
        let there = digest_at(&path).map_err(|error| problem("read", &path, &error))?;
        delivered.insert(name.clone(), new.clone());
        match there {
            Some(there) if there == new => continue,
            Some(there) if !tree.mirror && before.get(&name) != Some(&there) => {
                step.context.line(&format!(
                    "{} was changed on the server and is kept as it is",
                    path.display()
                ));
                delivered.insert(name, before.get(&file.relative.to_string_lossy().into_owned()).cloned().unwrap_or(there));
                continue;
            }
            Some(_) => replaced.kept.push(file.relative.clone()),
            None => replaced.new.push(file.relative.clone()),
        }
        writes.push((path, file));
    }
    keep(&folder, &tree.target, &replaced)?;
    if matches!(tree.content, FileContent::Empty) || is_directory(tree) {
        fs::create_dir_all(&tree.target).map_err(|error| problem("create", &tree.target, &error))?;
    }
    for (path, file) in &writes {
        write(path, file).map_err(|error| problem("write", path, &error))?;
    }
    remember(step, &tree.target, delivered);
    let detail = match writes.len() {
        0 => "nothing to write".to_owned(),
        count => format!("{count} files"),
    };
    Ok(Done { detail, ..Done::default() })
}

pub(super) fn restore(step: &Step<'_>, target: &Path) -> Ran {
    let folder = backup(step, target);
    let Some(replaced) = store::read_json::<Replaced>(&folder.join("replaced.json"))
        .map_err(|error| ActionError::new(error.to_string()))?
    else {
        return Ok(Done::default());
    };
    for (number, relative) in replaced.kept.iter().enumerate() {
        let path = place(target, relative);
        let saved = folder.join(number.to_string());
        copy(&saved, &path).map_err(|error| problem("restore", &path, &error))?;
    }
    for relative in &replaced.new {
        let path = place(target, relative);
        match fs::symlink_metadata(&path) {
            // The write did not come so far, or somebody made a directory of it: what is empty goes.
            Ok(meta) if meta.is_dir() => prune(Some(&path), target),
            _ => {
                gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
                prune(path.parent(), target);
            }
        }
    }
    if replaced.created {
        prune(Some(target), target);
        // The folder of the project, where it was made for this target alone.
        if let Some(parent) = target.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
    Ok(Done::default())
}

/// Removes what was delivered and nobody changed.
pub(super) fn remove(step: &Step<'_>, target: &Path) -> Ran {
    for (name, digest) in known(step, target) {
        let path = place(target, Path::new(&name));
        let same = digest_at(&path).ok().flatten().is_some_and(|there| there == digest);
        if same {
            gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
            prune(path.parent(), target);
        }
    }
    if target.is_dir() {
        prune(Some(target), target);
    }
    if let Some(parent) = target.parent() {
        // Only an empty folder goes.
        let _ = fs::remove_dir(parent);
    }
    Ok(Done::default())
}

pub(super) fn hooks(step: &Step<'_>, app: &str, hooks: &AppHooks) -> Ran {
    let path = step.runner.site.app_file(app);
    let write = || -> Result<(), store::StoreError> {
        if let Some(folder) = path.parent() {
            store::create_dir(folder)?;
        }
        store::write_json(&path, hooks)
    };
    write().map(|()| Done::default()).map_err(|error| ActionError::new(error.to_string()))
}

pub(super) fn hooks_remove(step: &Step<'_>, app: &str) -> Ran {
    let path = step.runner.site.app_file(app);
    gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
    Ok(Done::default())
}

fn problem(verb: &str, path: &Path, error: &io::Error) -> ActionError {
    ActionError::new(format!("cannot {verb} {}: {error}", path.display()))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        other => other,
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Where a delivered file stands; an empty relative path is the target itself.
fn place(target: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() { target.to_path_buf() } else { target.join(relative) }
}

/// A symbolic link above `path`, within what the plugin delivers: a container that may write its mount can put one
/// there, and what is delivered through it would land anywhere on the server.
fn link_above(site: &crate::site::Site, path: &Path) -> Option<PathBuf> {
    let roots = [site.lib_root.join("data/storage"), site.data()];
    let root = roots.iter().find(|root| path.starts_with(root))?;
    let above = path.ancestors().skip(1).take_while(|above| *above != root.as_path());
    above.filter(|above| fs::symlink_metadata(above).is_ok_and(|meta| meta.file_type().is_symlink())).last().map(Path::to_path_buf)
}

fn backup(step: &Step<'_>, target: &Path) -> PathBuf {
    let name: String = Sha256::digest(target.as_os_str().as_encoded_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    step.context.before.join(format!("files-{name}"))
}

fn keep(folder: &Path, target: &Path, replaced: &Replaced) -> Result<(), ActionError> {
    store::create_dir(folder).map_err(|error| ActionError::new(error.to_string()))?;
    for (number, relative) in replaced.kept.iter().enumerate() {
        let path = place(target, relative);
        copy(&path, &folder.join(number.to_string()))
            .map_err(|error| problem("keep a copy of", &path, &error))?;
    }
    store::write_json(&folder.join("replaced.json"), replaced)
        .map_err(|error| ActionError::new(error.to_string()))
}

fn is_directory(tree: &FileTree) -> bool {
    matches!(&tree.content, FileContent::Path { path } if path.is_dir())
}

fn wanted(tree: &FileTree) -> Result<Vec<Wanted>, ActionError> {
    match &tree.content {
        FileContent::Empty => Ok(Vec::new()),
        FileContent::Inline { text } => {
            let text = text.expose().ok_or_else(|| ActionError::new("the content is not known any more"))?;
            let content = Content::Text(text.to_owned());
            Ok(vec![Wanted { relative: PathBuf::new(), content, mode: tree.mode }])
        }
        FileContent::Path { path } => {
            let mut out = Vec::new();
            walk(path, path, &mut out).map_err(|error| problem("read", path, &error))?;
            if tree.mode != 0 {
                out.iter_mut().for_each(|file| file.mode = tree.mode);
            }
            Ok(out)
        }
    }
}

fn walk(root: &Path, path: &Path, out: &mut Vec<Wanted>) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    if meta.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name() != ".git" {
                walk(root, &entry.path(), out)?;
            }
        }
    } else if meta.file_type().is_symlink() {
        let link = fs::read_link(path)?;
        let real = fs::canonicalize(path);
        let inside = real.is_ok_and(|real| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root)));
        if !inside {
            let text = format!("the link {} leaves the mounted directory", path.display());
            return Err(io::Error::other(text));
        }
        out.push(Wanted { relative, content: Content::Link(link), mode: 0 });
    } else if meta.is_file() {
        let mode = meta.permissions().mode() & 0o777;
        // Containers run as any user; what the owner may read they may read.
        out.push(Wanted { relative, content: Content::File(path.to_path_buf()), mode: mode | 0o444 });
    }
    Ok(())
}

fn digest(content: &Content) -> Result<String, ActionError> {
    match content {
        Content::Text(text) => Ok(hex(&Sha256::digest(text.as_bytes()))),
        Content::Link(link) => Ok(format!("link:{}", link.display())),
        Content::File(path) => match digest_at(path) {
            Ok(Some(digest)) => Ok(digest),
            Ok(None) => Err(ActionError::new(format!("{} is gone", path.display()))),
            Err(error) => Err(problem("read", path, &error)),
        },
    }
}

fn digest_at(path: &Path) -> io::Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(meta) if meta.file_type().is_symlink() => {
            Ok(Some(format!("link:{}", fs::read_link(path)?.display())))
        }
        Ok(meta) if meta.is_dir() => Ok(Some("directory".into())),
        Ok(_) => {
            let mut hash = Sha256::new();
            let mut file = fs::File::open(path)?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = io::Read::read(&mut file, &mut buffer)?;
                if read == 0 {
                    return Ok(Some(hex(&hash.finalize())));
                }
                hash.update(&buffer[..read]);
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Path, file: &Wanted) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    if let Content::Link(link) = &file.content {
        gone(fs::remove_file(path))?;
        return std::os::unix::fs::symlink(link, path);
    }
    let mut temp = tempfile::Builder::new().prefix(".dokku-compose-").tempfile_in(folder)?;
    match &file.content {
        Content::File(source) => drop(io::copy(&mut fs::File::open(source)?, temp.as_file_mut())?),
        Content::Text(text) => io::Write::write_all(temp.as_file_mut(), text.as_bytes())?,
        Content::Link(_) => {}
    }
    temp.as_file().set_permissions(fs::Permissions::from_mode(file.mode))?;
    temp.as_file().sync_all()?;
    // A bind-mounted file is one inode: a container that mounts it keeps the old content until it is made anew,
    // which is what the plan does.
    temp.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    if meta.file_type().is_symlink() {
        gone(fs::remove_file(to))?;
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    let content = Content::File(from.to_path_buf());
    let mode = meta.permissions().mode() & 0o777;
    write(to, &Wanted { relative: PathBuf::new(), content, mode })
}

/// Removes empty directories from `path` up to `root`, both included.
fn prune(path: Option<&Path>, root: &Path) {
    let mut at = path;
    while let Some(dir) = at {
        if !dir.starts_with(root) || fs::remove_dir(dir).is_err() {
            return;
        }
        at = dir.parent();
    }
}

fn known(step: &Step<'_>, target: &Path) -> BTreeMap<String, String> {
    let delivered = step.runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    delivered.get(target).cloned().unwrap_or_default()
}

fn remember(step: &Step<'_>, target: &Path, files: BTreeMap<String, String>) {
    let mut delivered = step.runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    delivered.insert(target.to_path_buf(), files);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_a_container_planted_is_seen() {
        let world = tempfile::tempdir().unwrap();
        let site = crate::site::Site::sandbox(world.path().to_owned());
        let data = site.storage("shop").join("data");
        fs::create_dir_all(&data).unwrap();
        assert_eq!(link_above(&site, &data.join("keys/authorized_keys")), None);
        std::os::unix::fs::symlink(world.path(), data.join("keys")).unwrap();
        assert_eq!(link_above(&site, &data.join("keys/authorized_keys")), Some(data.join("keys")));
        // The link itself is replaced, not followed.
        assert_eq!(link_above(&site, &data.join("keys")), None);
    }
}
