//! Fetches git repositories: as a source of compose files, and as the context of a build.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;

/// Longest time of one git command.
const LIMIT: Duration = Duration::from_secs(600);

/// Whether a source is a git URL.
pub(super) fn is_url(given: &str) -> bool {
    let (url, _) = given.split_once('#').unwrap_or((given, ""));
    ["https://", "http://", "ssh://", "git://", "git@", "file://"].iter().any(|scheme| url.starts_with(scheme))
}

/// Fetches `URL#ref:dir` into `target`, which does not exist yet; the directory that is meant, and its name for messages.
///
/// `protocols` are those that git may use, in the form of `GIT_ALLOW_PROTOCOL`; empty: git's own choice.
pub(super) fn fetch<'a>(
    given: &'a str,
    target: &Path,
    protocols: &str,
    env: &BTreeMap<String, String>,
) -> Result<(PathBuf, &'a str)> {
    let (url, fragment) = given.split_once('#').unwrap_or((given, ""));
    let (reference, dir) = fragment.split_once(':').unwrap_or((fragment, ""));
    if Path::new(dir).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        bail!("{dir} leaves the repository");
    }
    let git = |args: &[&OsStr]| -> Result<()> {
        let mut command = process::Command::new("git", env).env("GIT_TERMINAL_PROMPT", "0");
        if !protocols.is_empty() {
            command = command.env("GIT_ALLOW_PROTOCOL", protocols);
        }
        let output = command.args(args).limit(LIMIT).run()?;
        if !output.success() {
            bail!("git failed for {url}: {}", output.stderr.trim());
        }
        Ok(())
    };
    let words = |words: &[&'static str]| words.iter().map(|word| OsStr::new(*word)).collect::<Vec<_>>();
    let place = [OsStr::new(url), target.as_os_str()];
    if reference.is_empty() {
        git(&[words(&["clone", "--quiet", "--depth", "1", "--"]).as_slice(), &place].concat())?;
    } else {
        git(&[words(&["clone", "--quiet", "--no-checkout", "--"]).as_slice(), &place].concat())?;
        let checkout = words(&["checkout", "--quiet", "--detach"]);
        git(&[&[OsStr::new("-C"), target.as_os_str()], checkout.as_slice(), &[OsStr::new(reference)]].concat())?;
    }
    Ok((target.join(dir), if dir.is_empty() { given } else { dir }))
}
