//! The digest of a file or directory: names, permission to execute, content, targets of links.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ignore::Ignore;

/// How many files a delivered or built directory may have, and how many bytes.
const MOST_FILES: usize = 100_000;
const MOST_BYTES: u64 = 2 << 30;

/// The digest of what stands at `path`; `None`: nothing stands there.
///
/// `.git` directories are left out: they change without the content changing.
///
/// # Errors
/// Where something cannot be read, or the tree is beyond 100,000 files or 2 GiB.
pub fn digest(path: &Path) -> io::Result<Option<String>> {
    digest_without(path, &|_| false)
}

/// The same, without the paths (relative to `path`) for which `ignored` says so.
///
/// # Errors
/// As [`digest`].
pub fn digest_without(path: &Path, ignored: &dyn Fn(&Path) -> bool) -> io::Result<Option<String>> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut walk = Walk { hash: Sha256::new(), files: 0, bytes: 0, ignored };
    if meta.is_dir() {
        walk.directory(path, path)?;
    } else {
        walk.entry(path, path)?;
    }
    Ok(Some(walk.hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()))
}

/// The digests of the build contexts of one run: services often share one, which may be large.
#[derive(Default)]
pub struct Contexts(RefCell<BTreeMap<PathBuf, Digested>>);

/// A digest, none where nothing stands there; the error in its words.
type Digested = Result<Option<String>, String>;

impl Contexts {
    /// The digest of `directory` without what its `.dockerignore` leaves out.
    ///
    /// # Errors
    /// As [`digest`], in words.
    pub fn digest(&self, directory: &Path) -> Digested {
        if let Some(known) = self.0.borrow().get(directory) {
            return known.clone();
        }
        let ignore = Ignore::read(directory);
        let digest = digest_without(directory, &|path| ignore.matches(path)).map_err(|error| error.to_string());
        self.0.borrow_mut().insert(directory.to_owned(), digest.clone());
        digest
    }
}

struct Walk<'a> {
    hash: Sha256,
    files: usize,
    bytes: u64,
    ignored: &'a dyn Fn(&Path) -> bool,
}

impl Walk<'_> {
    fn directory(&mut self, root: &Path, dir: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name() == ".git" {
                continue;
            }
            let path = entry.path();
            if (self.ignored)(path.strip_prefix(root).unwrap_or(&path)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.directory(root, &path)?;
            } else {
                self.entry(root, &path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let meta = std::fs::symlink_metadata(path)?;
        self.files += 1;
        self.bytes += meta.len();
        if self.files > MOST_FILES || self.bytes > MOST_BYTES {
            return Err(io::Error::other("more than 100,000 files or 2 GiB"));
        }
        self.hash.update(path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes());
        self.hash.update([0]);
        if meta.file_type().is_symlink() {
            self.hash.update(b"l");
            self.hash.update(std::fs::read_link(path)?.as_os_str().as_encoded_bytes());
        } else if meta.is_file() {
            self.hash.update(if meta.permissions().mode() & 0o111 == 0 { b"f" } else { b"x" });
            self.hash.update(meta.len().to_le_bytes());
            io::copy(&mut std::fs::File::open(path)?, &mut HashWriter(&mut self.hash))?;
        } else {
            // Sockets, devices and pipes are nobody's content.
            self.hash.update(b"o");
        }
        Ok(())
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        std::fs::write(dir.path().join("left-out"), "1").unwrap();
        std::fs::write(dir.path().join(".dockerignore"), "left-out\n").unwrap();
        let contexts = Contexts::default();
        let first = contexts.digest(dir.path());
        assert!(matches!(&first, Ok(Some(_))));
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert_eq!(contexts.digest(dir.path()), first);
        let anew = Contexts::default().digest(dir.path());
        assert_ne!(anew, first);
        std::fs::write(dir.path().join("left-out"), "2").unwrap();
        assert_eq!(Contexts::default().digest(dir.path()), anew);
    }

    #[test]
    fn content_names_and_the_execute_bit_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(digest(&dir.path().join("none")).unwrap(), None);
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let one = digest(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        std::fs::write(dir.path().join(".git/HEAD"), "x").unwrap();
        assert_eq!(digest(dir.path()).unwrap(), one);
        std::fs::write(dir.path().join("a"), "2").unwrap();
        let two = digest(dir.path()).unwrap();
        assert_ne!(one, two);
        std::fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert_ne!(digest(dir.path()).unwrap(), two);
    }
}
