//! The only way in which loading reads anything.
//!
//! Specification: 03-compose-file.md, for the files that there may be; what a file may cost is ours.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file, or a link to one.
    File,
    /// A directory, or a link to one.
    Dir,
}

/// What loading may ask of the world: the content and kind of named paths.
pub trait Files: Sync {
    /// The content of the file at `path`.
    ///
    /// # Errors
    ///
    /// As the file system gives them; `InvalidData` for a file that is too large.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What stands at `path`, links followed; `None` for nothing.
    fn kind(&self, path: &Path) -> Option<FileKind>;
}

/// The local file system.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Size in bytes beyond which a file is not read.
    pub limit: u64,
    /// Where files were sent by somebody: the directory that nothing read may leave, links followed.
    pub within: Option<PathBuf>,
    /// Files that the caller names himself, which may lie outside of it.
    pub named: Vec<PathBuf>,
    /// Directories from which nothing is read: those of Dokku hold every app's variables, which user dokku may read
    /// and the caller perhaps not.
    pub private: Vec<PathBuf>,
}

impl Default for Disk {
    /// A limit of 16 MiB: far above any compose or env file.
    fn default() -> Self {
        Self { limit: 16 << 20, within: None, named: Vec::new(), private: Vec::new() }
    }
}

impl Disk {
    /// Whether `path` may be read: it stands, links followed, below the directory that was sent.
    fn check(&self, path: &Path) -> io::Result<()> {
        if self.within.as_deref().is_some_and(|root| is_within(path, root).unwrap_or(false)) {
            return Ok(());
        }
        if self.private.iter().any(|root| is_within(path, root).unwrap_or(false)) {
            return Err(io::Error::other("it is in a directory of Dokku's own"));
        }
        match &self.within {
            Some(root) if !self.named.iter().any(|named| named == path) && !is_within(path, root)? => {
                Err(io::Error::other("it is outside of what was sent"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether `path` stands below `root`, links followed in both.
///
/// # Errors
///
/// Where either does not exist or cannot be looked at.
pub fn is_within(path: &Path, root: &Path) -> io::Result<bool> {
    Ok(path.canonicalize()?.starts_with(root.canonicalize()?))
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(path)?;
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_fifo() || kind.is_socket() {
            // Opening one could wait for ever.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
        }
        let mut content = Vec::new();
        File::open(path)?.take(self.limit.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > self.limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {} bytes", self.limit)));
        }
        Ok(content)
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        let metadata = std::fs::metadata(path).ok()?;
        // What lies outside is there, so that it is refused when read and not called missing.
        Some(if metadata.is_dir() { FileKind::Dir } else { FileKind::File })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("compose.yaml");
        std::fs::write(&path, "12345").unwrap();
        let limited = |limit| Disk { limit, ..Disk::default() };
        assert_eq!(limited(5).read(&path).unwrap(), b"12345");
        assert_eq!(limited(4).read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(Disk::default().kind(&path), Some(FileKind::File));
        assert_eq!(Disk::default().kind(dir.path()), Some(FileKind::Dir));
        assert_eq!(Disk::default().kind(&dir.path().join("none")), None);
    }

    #[test]
    fn what_was_sent_is_not_left_by_a_path_or_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("sent");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(dir.path().join("secret"), "1").unwrap();
        std::fs::write(root.join("mine"), "2").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link")).unwrap();
        std::fs::create_dir(dir.path().join("dokku")).unwrap();
        std::fs::write(dir.path().join("dokku/ENV"), "3").unwrap();
        std::fs::write(dir.path().join("prod.env"), "4").unwrap();
        let named = vec![dir.path().join("prod.env"), dir.path().join("dokku/ENV")];
        let disk =
            Disk { within: Some(root.clone()), named, private: vec![dir.path().join("dokku")], ..Disk::default() };
        assert_eq!(disk.read(&dir.path().join("prod.env")).unwrap(), b"4");
        assert!(disk.read(&dir.path().join("dokku/ENV")).is_err());
        assert_eq!(disk.read(&root.join("mine")).unwrap(), b"2");
        for outside in [root.join("link"), root.join("../secret"), dir.path().join("secret")] {
            assert!(disk.read(&outside).unwrap_err().to_string().starts_with("it is outside"));
        }
    }
}
