//! The only way files get into the plugin's data: whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Mode of files: they may hold what a compose file holds.
pub const FILE_MODE: u32 = 0o600;
/// Mode of folders.
pub const DIR_MODE: u32 = 0o700;
/// Prefix of files and folders that are being written.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Why the plugin's data could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried: `write`, `read`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The content is not what this plugin writes.
    #[error("{} is damaged: {cause}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// A later version of the plugin wrote it.
    #[error(
        "{} was written by a newer version of the plugin (format {found}, this one knows up to {known}); update the plugin",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format known here.
        known: u32,
    },
    /// A name that cannot be a folder.
    #[error("`{0}` is not a project name: lower-case letters, digits and `-`, starting with a letter or digit")]
    Name(String),
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { doing, path, source }
    }

    pub(crate) fn damaged(path: &Path, cause: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: path.to_owned(), cause: cause.into() }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space there",
        io::ErrorKind::PermissionDenied => "; the plugin's data belongs to the user that Dokku runs as",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    }
}

/// A run's name: its start in UTC and six random digits, so that names sort by time.
pub fn new_run_id() -> Result<String, StoreError> {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let time: String = time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    Ok(format!("{time}-{}", random_hex(3)?))
}

/// The time now, RFC 3339 in UTC with milliseconds.
pub fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// `N` bytes from the system's random source.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(StoreError::io("read", source))?;
    Ok(bytes)
}

pub(crate) fn random_hex(bytes: usize) -> Result<String, StoreError> {
    Ok(random_bytes::<8>()?.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect())
}

/// Makes a folder and those above it, private; an existing one is left as it is.
pub fn create_dir(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    create_dir(parent)?;
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            return Ok(());
        }
        result => result.map_err(StoreError::io("create", path))?,
    }
    let folder = File::open(path).map_err(StoreError::io("open", path))?;
    give_to_owner_of(parent, &folder).map_err(StoreError::io("give its owner to", path))?;
    sync_dir(parent)
}

/// Replaces `path` by what `write` writes. After an error the old content is untouched.
pub fn write_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), StoreError> {
    let parent = parent_of(path);
    let attempt = || {
        let mut temporary = tempfile::Builder::new()
            .prefix(&temporary_prefix(path))
            .permissions(fs::Permissions::from_mode(FILE_MODE))
            .tempfile_in(parent)?;
        write(temporary.as_file_mut())?;
        give_to_owner_of(parent, temporary.as_file())?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        File::open(parent)?.sync_all()
    };
    attempt().map_err(StoreError::io("write", path))
}

/// Replaces `path` by `bytes`.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces `path` by `value` as JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    write_bytes(path, &to_json(path, value)?)
}

/// `value` as it stands in a file.
pub(crate) fn to_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| StoreError::damaged(path, format!("cannot be written as JSON: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The content of a file, `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// The value in a JSON file, `None` where there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError::damaged(path, error.to_string()))
}

/// Removes a file; none there is success.
pub fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file or a folder with its content; none there is success. Symbolic links are not followed.
pub fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("remove", path)(error)),
        Ok(meta) if meta.is_dir() => match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
            _ => Ok(()),
        },
        Ok(_) => remove_file(path),
    }
}

/// Makes a rename, creation or removal in `path` last.
pub fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", path))
}

/// Names in a folder, sorted, without those that are being written; none where the folder is not there.
pub(crate) fn list_names(path: &Path) -> Result<Vec<String>, StoreError> {
    Ok(list_all(path)?.into_iter().filter(|name| !name.starts_with('.')).collect())
}

pub(crate) fn list_all(path: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(StoreError::io("list", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", path))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A name for something that is being written beside `path`.
pub(crate) fn temporary_beside(path: &Path) -> Result<PathBuf, StoreError> {
    Ok(parent_of(path).join(format!("{}{}", temporary_prefix(path), random_hex(4)?)))
}

/// How the names begin under which `path` is written: a colon stands in no name of an app, so none is another's prefix.
fn temporary_prefix(path: &Path) -> String {
    format!("{TEMPORARY}{}:", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what killed programs left of writing `path`. Only for who alone may write it.
pub(crate) fn sweep(path: &Path) -> Result<(), StoreError> {
    let parent = parent_of(path);
    let prefix = temporary_prefix(path);
    for name in list_all(parent)?.iter().filter(|name| name.starts_with(&prefix)) {
        remove_tree(&parent.join(name))?;
    }
    Ok(())
}

/// Where root runs the program, what it writes still belongs to whom the folder belongs.
pub(crate) fn give_to_owner_of(parent: &Path, file: &File) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(parent)?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_write_replaces_the_whole_file_and_is_private() {
        let world = tempfile::tempdir().unwrap();
        let folder = world.path().join("a/b");
        create_dir(&folder).unwrap();
        let file = folder.join("state.json");
        write_bytes(&file, b"a long first content").unwrap();
        write_bytes(&file, b"short").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"short");
        assert_eq!((mode(&file), mode(&folder)), (FILE_MODE, DIR_MODE));
        assert_eq!(list_all(&folder).unwrap(), ["state.json"]);
    }

    #[test]
    fn a_full_disk_leaves_the_old_content_and_no_litter() {
        let world = tempfile::tempdir().unwrap();
        let file = world.path().join("state.json");
        write_bytes(&file, b"old").unwrap();
        let error = write_with(&file, |out| {
            out.write_all(b"half of the ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(list_all(world.path()).unwrap(), ["state.json"]);
        let text = error.to_string();
        assert!(text.contains("state.json") && text.contains("free some space"), "{text}");
    }

    #[test]
    fn what_a_killed_write_left_is_swept_and_nothing_else() {
        let world = tempfile::tempdir().unwrap();
        for name in [".tmp-shop:a1", ".tmp-shop-web:b2", "shop", "shop-web"] {
            fs::write(world.path().join(name), "half").unwrap();
        }
        sweep(&world.path().join("shop")).unwrap();
        assert_eq!(list_all(world.path()).unwrap(), [".tmp-shop-web:b2", "shop", "shop-web"]);
        sweep(&world.path().join("none/there")).unwrap();
    }

    #[test]
    fn run_names_sort_by_time_and_differ() {
        let (a, b) = (new_run_id().unwrap(), new_run_id().unwrap());
        assert_ne!(a, b);
        assert!(a.len() == 23 && a[..15] <= b[..15], "{a} {b}");
    }
}
