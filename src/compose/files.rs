//! The only way in which loading reads anything.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

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
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Size in bytes beyond which a file is not read.
    pub limit: u64,
}

impl Default for Disk {
    /// A limit of 16 MiB: far above any compose or env file.
    fn default() -> Self {
        Self { limit: 16 << 20 }
    }
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
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
        assert_eq!(Disk { limit: 5 }.read(&path).unwrap(), b"12345");
        assert_eq!(Disk { limit: 4 }.read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(Disk::default().kind(&path), Some(FileKind::File));
        assert_eq!(Disk::default().kind(dir.path()), Some(FileKind::Dir));
        assert_eq!(Disk::default().kind(&dir.path().join("none")), None);
    }
}
