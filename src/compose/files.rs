//! The only way in which loading reads anything.

use std::fs::File;
use std::io::{self, Read};
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

/// What a compose file may make the program read.
///
/// The program reads as user dokku, who may read every app's variables. The files of a project, its links and its
/// paths are written by whoever sends them, who may be allowed a single app.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Where the files were sent (a tar, a git repository): nothing outside of it is read.
    pub within: Option<PathBuf>,
    /// Paths that the command line names, which may lie outside.
    pub named: Vec<PathBuf>,
    /// Dokku's own directories, from which nothing is read at all.
    pub private: Vec<PathBuf>,
}

impl Reach {
    /// Why what stands at `path`, links followed, is not read; `None`: it may be, or there is nothing.
    pub fn refuses(&self, path: &Path) -> Option<&'static str> {
        let real = path.canonicalize().ok()?;
        let below = |root: &Path| root.canonicalize().is_ok_and(|root| real.starts_with(root));
        if self.within.as_deref().is_some_and(below) {
            return None;
        }
        if self.private.iter().any(|root| below(root)) {
            return Some("it lies in a directory of Dokku's own");
        }
        if self.within.is_some() && !self.named.iter().any(|named| named == path) {
            return Some("it lies outside of the directory that was sent");
        }
        None
    }
}

/// The local file system.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Size in bytes beyond which a file is not read.
    pub limit: u64,
    /// What is read at all.
    pub reach: Reach,
}

impl Default for Disk {
    /// A limit of 16 MiB: far above any compose or env file.
    fn default() -> Self {
        Self { limit: 16 << 20, reach: Reach::default() }
    }
}

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(reason) = self.reach.refuses(path) {
            return Err(io::Error::other(reason));
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
        let disk = |limit| Disk { limit, ..Disk::default() };
        assert_eq!(disk(5).read(&path).unwrap(), b"12345");
        assert_eq!(disk(4).read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(Disk::default().kind(&path), Some(FileKind::File));
        assert_eq!(Disk::default().kind(dir.path()), Some(FileKind::Dir));
        assert_eq!(Disk::default().kind(&dir.path().join("none")), None);
    }

    #[test]
    fn what_is_sent_cannot_reach_the_servers_files() {
        let server = tempfile::tempdir().unwrap();
        let (sent, private) = (server.path().join("sent"), server.path().join("private"));
        std::fs::create_dir(&sent).unwrap();
        std::fs::create_dir(&private).unwrap();
        std::fs::write(private.join("ENV"), "PASSWORD=x").unwrap();
        std::fs::write(server.path().join("prod.env"), "A=1").unwrap();
        std::fs::write(sent.join("own"), "A=1").unwrap();
        std::os::unix::fs::symlink(private.join("ENV"), sent.join("link")).unwrap();
        let reach = Reach { within: Some(sent.clone()), named: vec![server.path().join("prod.env")], private: vec![private.clone()] };
        let disk = Disk { reach, ..Disk::default() };
        assert!(disk.read(&sent.join("own")).is_ok());
        assert!(disk.read(&server.path().join("prod.env")).is_ok());
        for path in [sent.join("link"), private.join("ENV"), sent.join("../private/ENV"), PathBuf::from("/etc/hostname")] {
            let error = disk.read(&path).unwrap_err();
            assert!(error.to_string().starts_with("it lies"), "{}: {error}", path.display());
        }
    }
}
