//! A build context as a tar stream for `git:from-archive`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::map::ignore::Ignore;

/// What is sent.
pub(super) struct Archive {
    /// Directory of the context.
    pub(super) context: PathBuf,
    /// Dockerfile, relative to the context.
    pub(super) dockerfile: String,
    /// Content of a Dockerfile that does not stand in the context.
    pub(super) inline: Option<String>,
}

impl Archive {
    /// Writes the tar.
    ///
    /// Dokku commits the tree to a git repository: `.gitignore` would hide files that the build needs and
    /// `.gitattributes` could change them, so both stay behind, as does `.git`. What `.dockerignore` names is
    /// not sent; the file itself and the Dockerfile are.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let ignore = Ignore::read(&self.context);
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        self.directory(&mut tar, &ignore, &self.context)?;
        if let Some(text) = &self.inline {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, "Dockerfile", text.as_bytes())?;
        }
        tar.finish()
    }

    fn directory(&self, tar: &mut tar::Builder<&mut dyn Write>, ignore: &Ignore, dir: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let relative = path.strip_prefix(&self.context).unwrap_or(&path);
            let name = entry.file_name();
            if [".git", ".gitignore", ".gitattributes"].iter().any(|hidden| name == *hidden) {
                continue;
            }
            let needed = relative == Path::new(".dockerignore") || Path::new(&self.dockerfile).starts_with(relative);
            if self.inline.is_some() && relative == Path::new("Dockerfile") {
                continue;
            }
            if !needed && ignore.matches(relative) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directory(tar, ignore, &path)?;
            } else if kind.is_file() || kind.is_symlink() {
                tar.append_path_with_name(&path, relative)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_files_stay_behind_and_the_dockerfile_always_travels() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".gitignore", "dist");
        write(".git/HEAD", "x");
        write(".dockerignore", "*.md\ndocker");
        write("dist/app.js", "1");
        write("README.md", "1");
        write("docker/Dockerfile", "FROM x");
        write("docker/notes", "1");
        let archive =
            Archive { context: dir.path().to_path_buf(), dockerfile: "docker/Dockerfile".into(), inline: None };
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        let mut names: Vec<String> = tar::Archive::new(bytes.as_slice())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, [".dockerignore", "dist/app.js", "docker/Dockerfile"]);
    }
}
