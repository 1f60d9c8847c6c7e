//! Files that the plugin puts on the server, and the notes for the triggers.
//!
//! A file that nobody touched since its delivery follows the source, also when it goes there; one that was changed on
//! the server is kept and told; nothing that the server made is ever deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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
    /// Directories that were not there before.
    made: Vec<PathBuf>,
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
    let target = &tree.target;
    let folder = backup(step, target);
    let wanted = wanted(tree)?;
    let before = known(step, target);
    // A delivery that is repeated in its run must not take its own work for what was there before.
    let mut replaced = earlier(&folder)?.unwrap_or_default();
    let kept_before = replaced.kept.len();
    let (mut delivered, mut writes, mut removals) = (BTreeMap::new(), Vec::new(), Vec::new());
    if follows(tree) {
        let names: BTreeSet<&Path> = wanted.iter().map(|file| file.relative.as_path()).collect();
        for (name, digest) in before.iter().filter(|(name, _)| !names.contains(Path::new(name))) {
            let relative = Path::new(name);
            let path = place(target, relative);
            if link_above(target, relative).is_some() {
                continue;
            }
            match digest_at(&path).map_err(|error| problem("read", &path, &error))? {
                Some(there) if tree.mirror || there == *digest => {
                    note(&mut replaced.kept, &replaced.new, relative);
                    removals.push(path);
                }
                Some(_) => {
                    keeps(step, &path);
                    delivered.insert(name.clone(), digest.clone());
                }
                None => {}
            }
        }
    } else {
        delivered.clone_from(&before);
    }
    for file in wanted {
        if let Some(link) = link_above(target, &file.relative) {
            return Err(ActionError::new(format!("{} is a link on the server: remove it", link.display())));
        }
        let path = place(target, &file.relative);
        let new = digest(&file.content)?;
        let name = file.relative.to_string_lossy().into_owned();
        let there = digest_at(&path).map_err(|error| problem("read", &path, &error))?;
        match there {
            Some(there) if there == new => {
                delivered.insert(name, new);
                continue;
            }
            Some(there) if !tree.mirror && before.get(&name) != Some(&there) => {
                keeps(step, &path);
                // What was never delivered stays the server's own.
                delivered.extend(before.get(&name).map(|digest| (name, digest.clone())));
                continue;
            }
            Some(_) => note(&mut replaced.kept, &replaced.new, &file.relative),
            None => note(&mut replaced.new, &replaced.kept, &file.relative),
        }
        missing(path.parent(), &mut replaced.made);
        delivered.insert(name, new);
        writes.push((path, file));
    }
    let directory = matches!(tree.content, FileContent::Empty) || is_directory(tree);
    if directory {
        missing(Some(target), &mut replaced.made);
    }
    keep(&folder, target, &replaced, kept_before)?;
    for path in &removals {
        gone(fs::remove_file(path)).map_err(|error| problem("remove", path, &error))?;
        prune(path.parent(), target);
    }
    if directory {
        fs::create_dir_all(target).map_err(|error| problem("create", target, &error))?;
    }
    for (path, file) in &writes {
        write(path, file).map_err(|error| problem("write", path, &error))?;
    }
    remember(step, target, delivered);
    let detail = match writes.len() + removals.len() {
        0 => "nothing to write".to_owned(),
        count => format!("{count} files"),
    };
    Ok(Done { detail, ..Done::default() })
}

/// Whether a file that left the source leaves the server, too. A source that is not there at all says nothing.
fn follows(tree: &FileTree) -> bool {
    !matches!(tree.content, FileContent::Empty)
}

fn keeps(step: &Step<'_>, path: &Path) {
    step.context.line(&format!("{} was changed on the server and is kept as it is", path.display()));
}

/// Adds a path that neither list has.
fn note(list: &mut Vec<PathBuf>, other: &[PathBuf], relative: &Path) {
    if !list.iter().chain(other).any(|known| known == relative) {
        list.push(relative.to_path_buf());
    }
}

/// Adds `path` and the directories above it that are not there.
fn missing(path: Option<&Path>, out: &mut Vec<PathBuf>) {
    let mut at = path;
    while let Some(dir) = at.filter(|dir| !exists(dir) && !out.iter().any(|known| known == dir)) {
        out.push(dir.to_path_buf());
        at = dir.parent();
    }
}

/// The first directory between `target` and a file below it that is a link. A container may put one there, and it
/// would lead out of the mount.
fn link_above(target: &Path, relative: &Path) -> Option<PathBuf> {
    let mut dir = target.to_path_buf();
    for part in relative.parent()?.components() {
        dir.push(part);
        if fs::symlink_metadata(&dir).is_ok_and(|meta| meta.file_type().is_symlink()) {
            return Some(dir);
        }
    }
    None
}

fn earlier(folder: &Path) -> Result<Option<Replaced>, ActionError> {
    store::read_json(&folder.join("replaced.json")).map_err(|error| ActionError::new(error.to_string()))
}

/// Operations are undone at once, and a file comes back with who delivered it as well as with who mounts it.
static RESTORING: Mutex<()> = Mutex::new(());

pub(super) fn restore(step: &Step<'_>, target: &Path) -> Ran {
    let _alone = RESTORING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = backup(step, target);
    let Some(mut replaced) = earlier(&folder)? else {
        return Ok(Done::default());
    };
    for (number, relative) in replaced.kept.iter().enumerate() {
        let path = place(target, relative);
        if let Some(link) = link_above(target, relative) {
            return Err(ActionError::new(format!("{} is a link on the server: remove it", link.display())));
        }
        let saved = folder.join(number.to_string());
        copy(&saved, &path).map_err(|error| problem("restore", &path, &error))?;
    }
    for relative in &replaced.new {
        if link_above(target, relative).is_none() {
            let path = place(target, relative);
            gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
        }
    }
    for relative in replaced.kept.iter().chain(&replaced.new) {
        if link_above(target, relative).is_none() {
            half_written(place(target, relative).parent());
        }
    }
    replaced.made.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
    for dir in &replaced.made {
        // One that something else lies in by now stays.
        let _ = fs::remove_dir(dir);
    }
    Ok(Done::default())
}

/// Removes what was delivered and nobody changed.
pub(super) fn remove(step: &Step<'_>, target: &Path) -> Ran {
    for (name, digest) in known(step, target) {
        let path = place(target, Path::new(&name));
        let inside = link_above(target, Path::new(&name)).is_none();
        let same = digest_at(&path).ok().flatten().is_some_and(|there| there == digest);
        if inside && same {
            gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
            prune(path.parent(), target);
        }
    }
    empty(target);
    // The folders of the project above it, where nothing else lies in them.
    let storage = step.runner.site.storage(step.context.project);
    let root = if target.starts_with(&storage) { storage } else { target.parent().unwrap_or(target).to_path_buf() };
    prune(target.parent(), &root);
    Ok(Done::default())
}

pub(super) fn hooks(step: &Step<'_>, app: &str, hooks: &AppHooks) -> Ran {
    let path = step.runner.site.app_file(app);
    let write = || -> Result<(), store::StoreError> {
        if let Some(folder) = path.parent() {
            store::create_dir(folder)?;
        }
        store::sweep(&path)?;
        store::write_json(&path, hooks)
    };
    write().map(|()| Done::default()).map_err(|error| ActionError::new(error.to_string()))
}

pub(super) fn hooks_remove(step: &Step<'_>, app: &str) -> Ran {
    let path = step.runner.site.app_file(app);
    store::sweep(&path).map_err(|error| ActionError::new(error.to_string()))?;
    gone(fs::remove_file(&path)).map_err(|error| problem("remove", &path, &error))?;
    Ok(Done::default())
}

fn problem(verb: &str, path: &Path, error: &io::Error) -> ActionError {
    ActionError::new(format!("cannot {verb} {}: {error}", path.display()))
}

/// Removing what is not there is done; so is removing a file where a directory stands, which no delivery wrote.
fn gone(result: io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    match result {
        Err(error) if matches!(error.kind(), NotFound | IsADirectory | NotADirectory) => Ok(()),
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

fn backup(step: &Step<'_>, target: &Path) -> PathBuf {
    let name: String = Sha256::digest(target.as_os_str().as_encoded_bytes())
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    step.context.before.join(format!("files-{name}"))
}

/// Keeps copies of what is about to be replaced, from number `first` on, then the list.
fn keep(folder: &Path, target: &Path, replaced: &Replaced, first: usize) -> Result<(), ActionError> {
    store::create_dir(folder).map_err(|error| ActionError::new(error.to_string()))?;
    for (number, relative) in replaced.kept.iter().enumerate().skip(first) {
        let path = place(target, relative);
        copy(&path, &folder.join(number.to_string())).map_err(|error| problem("keep a copy of", &path, &error))?;
    }
    store::write_json(&folder.join("replaced.json"), replaced).map_err(|error| ActionError::new(error.to_string()))
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
        Ok(meta) if meta.file_type().is_symlink() => Ok(Some(format!("link:{}", fs::read_link(path)?.display()))),
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
    let mut temp = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(folder)?;
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

/// How the name of a file begins that is not written whole yet.
const HALF_WRITTEN: &str = ".dokku-compose-";

/// Removes from a directory what a delivery that was killed had begun to write.
fn half_written(dir: Option<&Path>) {
    for entry in dir.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(HALF_WRITTEN.as_bytes()) {
            // One that stays is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
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

/// Removes the empty directories in `dir` and at last itself. The engine makes one, as root, wherever a mount lies
/// within another; it holds nothing that could be lost. Links are not followed, and what holds a file stays.
fn empty(dir: &Path) {
    if !fs::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir()) {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        empty(&entry.path());
    }
    // One that cannot be removed is not empty, or somebody else's.
    let _ = fs::remove_dir(dir);
}

fn known(step: &Step<'_>, target: &Path) -> BTreeMap<String, String> {
    let delivered = step.runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    delivered.get(target).cloned().unwrap_or_default()
}

fn remember(step: &Step<'_>, target: &Path, files: BTreeMap<String, String>) {
    let mut delivered = step.runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    delivered.insert(target.to_path_buf(), files);
}
