//! The administrator's own programs: executables of a directory, asked one after the other in the order of their names,
//! with JSON on standard input and an answer in JSON.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::session::Session;
use crate::process::{self, Ended, Stdin};

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer in bytes.
const LONGEST: usize = 8 << 20;

/// One of them.
pub(super) struct Program {
    path: PathBuf,
    /// The file's name.
    pub(super) name: String,
    /// Why it must not be run, where that is so.
    unsafe_because: Option<String>,
}

/// The programs of a directory. What is not executable, and what begins with a dot, is none.
pub(super) fn of(dir: &Path) -> Result<Vec<Program>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", dir.display())),
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(meta) = fs::metadata(&path) else { continue };
        if name.starts_with('.') || !meta.is_file() || meta.mode() & 0o111 == 0 {
            continue;
        }
        let unsafe_because = unsafe_because(dir).or_else(|| unsafe_because(&path));
        out.push(Program { path, name, unsafe_because });
    }
    Ok(out)
}

/// Whoever may write such a program is asked at every import: that must be root, or who runs this.
fn unsafe_because(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    if meta.mode() & 0o022 != 0 {
        return Some(format!("{} can be written by others: chmod go-w {0}", path.display()));
    }
    let own = [0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
    (!own).then(|| format!("{} belongs neither to root nor to the user that runs it", path.display()))
}

impl Program {
    /// The name without its ending.
    pub(super) fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What it answers to `input`; empty: nothing.
    pub(super) fn ask(&self, session: &Session, input: Vec<u8>) -> Result<String, String> {
        if let Some(why) = &self.unsafe_because {
            return Err(why.clone());
        }
        let output = process::Command::new(&self.path, session.dokku.env())
            .stdin(Stdin::Bytes(input))
            .cwd("/")
            .limit(LIMIT)
            .keep(LONGEST)
            .run()
            .map_err(|error| error.to_string())?;
        if output.ended == Ended::TimedOut {
            return Err(format!("it took longer than {} seconds", LIMIT.as_secs()));
        }
        if !output.success() {
            let said = output.stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
            return Err(match output.exit {
                process::Exit::Code(code) => format!("it ended with exit code {code}: {said}"),
                process::Exit::Signal(signal) => format!("it was ended by signal {signal}: {said}"),
            });
        }
        if output.stdout_left_out > 0 {
            return Err(format!("its answer is longer than {LONGEST} bytes"));
        }
        Ok(output.stdout)
    }
}
