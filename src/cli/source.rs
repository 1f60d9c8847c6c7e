//! Where the compose files come from: a directory, a file, a git repository, standard input.

use std::cell::Cell;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::args::SourceArgs;
use super::git;
use super::session::Session;
use crate::compose::{Disk, Request};
use crate::hashed::IndexMap;
use anyhow::{Context, Result, bail};

/// Longest standard input: a compose file, or a tar of a directory.
const MOST_COMPOSE: u64 = 16 << 20;
const MOST_TAR: u64 = 2 << 30;
/// The unit of a tar.
const BLOCK: u64 = 512;

/// First bytes of archives that are not unpacked.
const FOREIGN: &[(&[u8], &str)] = &[
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
];

/// A source made ready to be read.
pub(super) struct Source {
    pub(super) request: Request,
    /// Files that somebody sent: nothing outside of this directory is read for them.
    pub(super) sent: Option<PathBuf>,
    /// Files that the command line names, which may lie outside of it.
    named: Vec<PathBuf>,
    /// Dokku's own directories, from which nothing is read.
    private: Vec<PathBuf>,
    /// Deleted when dropped.
    _temporary: Option<tempfile::TempDir>,
}

/// Resolves the source of a command; `fallback` names a project whose files have no directory of their own.
pub(super) fn open(
    args: &SourceArgs,
    session: &Session,
    fallback: &str,
    controls: IndexMap<String, String>,
) -> Result<Source> {
    let given = match args.source.as_deref() {
        Some(source) => source.to_owned(),
        None if args.files.iter().any(|file| file == Path::new("-")) => "-".to_owned(),
        None if !args.files.is_empty() => ".".to_owned(),
        None if std::io::stdin().is_terminal() => ".".to_owned(),
        None => "-".to_owned(),
    };
    let mut temporary = None;
    let mut request = if let Some(root) = &args.pushed {
        let mut request = local(&given)?;
        request.default_name = Some(fallback.to_owned());
        request.place = Some(inside(&request.project_dir, root));
        request
    } else if given == "-" {
        let folder =
            tempfile::Builder::new().prefix("dokku-compose-").tempdir().context("cannot make a temporary directory")?;
        let mut request = standard_input(&folder, fallback)?;
        if args.files.iter().any(|file| file == Path::new("-")) {
            // It is named among the others, in its place.
            request.files.clear();
        }
        temporary = Some(folder);
        request
    } else if git::is_url(&given) {
        let folder =
            tempfile::Builder::new().prefix("dokku-compose-").tempdir().context("cannot make a temporary directory")?;
        let request = clone(&given, &folder, session, fallback)?;
        temporary = Some(folder);
        request
    } else {
        local(&given)?
    };
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mixed = request.stdin.is_some() && request.files.is_empty();
    let base = if mixed { here.clone() } else { request.project_dir.clone() };
    request.files.extend(
        args.files.iter().map(|file| if file == Path::new("-") { file.clone() } else { absolute(file, &base) }),
    );
    request.profiles.extend(args.profiles.iter().cloned());
    request.env_files = args.env_files.iter().map(|file| here.join(file)).collect();
    request.variables = controls;
    for entry in &args.env {
        match entry.split_once('=') {
            Some(("", _)) => bail!("--env {entry} has no name: write --env NAME=VALUE"),
            Some((name, value)) => drop(request.variables.insert(name.to_owned(), value.to_owned())),
            None if entry.is_empty() => bail!("--env needs NAME=VALUE"),
            None => match session.env.get(entry) {
                Some(value) => drop(request.variables.insert(entry.clone(), value.clone())),
                None => bail!("--env {entry}: the environment has no such variable; write --env {entry}=VALUE"),
            },
        }
    }
    let mut named = request.env_files.clone();
    if mixed {
        named.extend(request.files.iter().cloned());
    }
    let sent = temporary.as_ref().map(|folder| folder.path().to_path_buf()).or_else(|| args.pushed.clone());
    Ok(Source { request, sent, named, private: session.site.private(), _temporary: temporary })
}

impl Source {
    /// How its files are read.
    pub(super) fn files(&self) -> Disk {
        Disk { within: self.sent.clone(), named: self.named.clone(), private: self.private.clone(), ..Disk::default() }
    }
}

/// What a pusher calls a directory of the tree.
fn inside(dir: &Path, root: &Path) -> String {
    match dir.strip_prefix(root) {
        Ok(below) if below != Path::new("") => format!("{} of what was pushed", below.display()),
        _ => "the top of what was pushed".to_owned(),
    }
}

fn absolute(file: &Path, dir: &Path) -> PathBuf {
    if file.is_absolute() { file.to_path_buf() } else { dir.join(file) }
}

fn local(given: &str) -> Result<Request> {
    let path = std::path::absolute(given)?;
    let meta = match std::fs::metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            // Whether it is a file or a directory cannot be seen either.
            let file = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
            let dir = if file { path.parent().unwrap_or(&path) } else { &path };
            bail!(
                "user dokku may not read {}: make it readable, or send the directory: tar c -C {} . | dokku compose:import PROJECT -",
                path.display(),
                dir.display()
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "there is no {}: name a directory, a compose file, a git URL, or - for standard input",
            path.display()
        ),
        Err(error) => bail!("cannot read {}: {error}", path.display()),
    };
    if meta.is_dir() {
        return Ok(Request::new(path));
    }
    let dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut request = Request::new(dir);
    request.files = vec![path];
    Ok(request)
}

fn clone(given: &str, folder: &tempfile::TempDir, session: &Session, fallback: &str) -> Result<Request> {
    // Without a name of its own the compose project is called as the Dokku project.
    let target = folder.path().join(if fallback.is_empty() { "repository" } else { fallback });
    let (dir, place) = git::fetch(given, &target, "", session.dokku.env())?;
    Ok(sent(dir, place))
}

/// A request for a directory with a name that is made up.
fn sent(dir: PathBuf, place: &str) -> Request {
    let mut request = Request::new(dir);
    request.place = Some(place.to_owned());
    request
}

fn standard_input(folder: &tempfile::TempDir, fallback: &str) -> Result<Request> {
    let name = if fallback.is_empty() { "stdin" } else { fallback };
    let dir = folder.path().join(name);
    std::fs::create_dir(&dir)?;
    let mut stdin = std::io::stdin().lock();
    let mut head = vec![0; 512];
    let mut length = 0;
    while length < head.len() {
        let read = stdin.read(&mut head[length..])?;
        if read == 0 {
            break;
        }
        length += read;
    }
    head.truncate(length);
    let zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let tar = head.get(257..262) == Some(b"ustar".as_slice());
    if head.is_empty() {
        bail!(
            "nothing came on standard input: send a compose file or a tar, or name a directory, a compose file or a git URL"
        );
    }
    if let Some((_, kind)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        bail!("what came on standard input is {kind}: send a tar, plain or compressed with gzip or zstd");
    }
    let stream = std::io::Cursor::new(head).chain(stdin);
    if gzip {
        unpack(flate2::read::GzDecoder::new(stream), &dir)?;
        return Ok(sent(dir, "the top directory of the archive on standard input"));
    }
    if zstd {
        let stream = ruzstd::decoding::StreamingDecoder::new(stream)
            .map_err(|error| anyhow::anyhow!("the archive on standard input is broken or cut off: {error}"))?;
        unpack(stream, &dir)?;
        return Ok(sent(dir, "the top directory of the archive on standard input"));
    }
    if tar {
        unpack(stream, &dir)?;
        return Ok(sent(dir, "the top directory of the archive on standard input"));
    }
    let mut bytes = Vec::new();
    stream.take(MOST_COMPOSE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_COMPOSE {
        bail!("the compose file on standard input is larger than {} MiB", MOST_COMPOSE >> 20);
    }
    let mut request = Request::new(dir);
    request.files = vec![PathBuf::from("-")];
    let text = crate::yaml::decode(&bytes).map_err(|error| anyhow::anyhow!("standard input: {}", error.message))?;
    request.stdin = Some(text.to_owned());
    Ok(request)
}

/// Unpacks a tar whose entries stay inside of `dir`; devices and the like are refused, the whole with them.
///
/// One that ends too early is refused, also where it ends between two entries: half of a directory is not what was sent.
fn unpack(stream: impl Read, dir: &Path) -> Result<()> {
    let read = Cell::new(0);
    let mut stream = Counted { stream: stream.take(MOST_TAR), read: &read };
    let mut archive = tar::Archive::new(&mut stream);
    let mut end = 0;
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(false);
    let mut bytes = 0;
    for entry in archive.entries().context("the archive on standard input is broken")? {
        let mut entry = entry.context("the archive on standard input is broken or cut off")?;
        let path = entry.path().context("the archive on standard input has a name that is none")?.into_owned();
        let kind = entry.header().entry_type();
        let fine = kind.is_file()
            || kind.is_dir()
            || kind.is_symlink()
            || kind.is_hard_link()
            || kind.is_pax_global_extensions();
        if !fine {
            bail!("the archive on standard input has {} of a kind that is not accepted", path.display());
        }
        bytes += entry.size();
        end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
        if bytes > MOST_TAR {
            bail!("the archive on standard input unpacks to more than {} GiB", MOST_TAR >> 30);
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        let unpacked = match entry.unpack_in(dir) {
            Err(_) if read.get() < end => bail!("the archive on standard input is cut off in {}", path.display()),
            result => result.with_context(|| format!("cannot unpack {}", path.display()))?,
        };
        if !unpacked {
            bail!("the archive on standard input has {}, which leaves the directory", path.display());
        }
        if kind.is_dir() {
            open_up(dir, &path)?;
        }
    }
    // A tar ends with a block of zeros.
    if read.get() < end + BLOCK {
        bail!("the archive on standard input is cut off");
    }
    // What is left is padding, behind which a compressed stream has its checksum; a sender would wait on a full pipe.
    std::io::copy(&mut stream, &mut std::io::sink()).context("the archive on standard input is broken or cut off")?;
    Ok(())
}

/// Counts what is read.
struct Counted<'a, R> {
    stream: R,
    read: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        Ok(read)
    }
}

/// A read-only directory of an archive (Go's module cache has such) must still be filled, and removed in the end.
fn open_up(dir: &Path, path: &Path) -> Result<()> {
    let inside: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let at = dir.join(inside);
    let meta = std::fs::symlink_metadata(&at)?;
    if meta.is_dir() {
        let mode = meta.permissions().mode();
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode | 0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_directory_is_filled_and_can_be_removed() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind, mode, text: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        };
        add("mod", tar::EntryType::Directory, 0o555, "");
        add("mod/go.mod", tar::EntryType::Regular, 0o444, "module x");
        let bytes = tar.into_inner().unwrap();
        let folder = tempfile::tempdir().unwrap();
        unpack(bytes.as_slice(), folder.path()).unwrap();
        let read = std::fs::read_to_string(folder.path().join("mod/go.mod")).unwrap();
        assert_eq!(read, "module x");
        let mode = std::fs::metadata(folder.path().join("mod")).unwrap().permissions().mode();
        assert_eq!(mode & 0o700, 0o700);
    }
}
