//! `--fix`: makes the safe changes that findings bring along.
//!
//! A change is kept only if the files load to the same project as before it, or, where they did not load, if it takes
//! a finding away and brings none. Files are written whole, at the very end.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::source::Source;
use crate::compose::{self, Disk, FileKind, Files, Loaded, is_within};
use crate::diag::{Diagnostic, Edit, FileId, Fix, Severity, fix};

/// Findings of a later phase show once those of an earlier one are gone; no file needs so many rounds.
const MOST_ROUNDS: usize = 20;

/// A change that was made.
pub(super) struct Fixed {
    pub(super) place: String,
    pub(super) title: String,
    /// The lines that it changed, before and after.
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

impl Fixed {
    pub(super) fn to_json(&self) -> Value {
        json!({ "place": self.place, "title": self.title, "before": self.before, "after": self.after })
    }
}

/// Files on disk under texts that are not written yet.
struct Overlay<'a> {
    disk: &'a Disk,
    texts: &'a BTreeMap<PathBuf, String>,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.disk.read(path),
        }
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        self.disk.kind(path)
    }
}

/// Fixes what can be in the files of a source, and writes them.
pub(super) fn fix(source: &Source) -> Result<Vec<Fixed>> {
    if source.sent.is_some() {
        bail!("--fix changes files of this machine: name a directory or a compose file");
    }
    let disk = source.files();
    let mut texts = BTreeMap::new();
    let mut all = Vec::new();
    let mut refused: HashSet<(PathBuf, Fix)> = HashSet::new();
    for _ in 0..MOST_ROUNDS {
        let loaded = compose::load(&source.request, &Overlay { disk: &disk, texts: &texts });
        let Some((path, found, text)) = candidates(source, &loaded, &refused)? else { break };
        let Some(made) = attempt(source, &disk, &loaded, &mut texts, &path, &found, &text) else {
            refused.extend(found.into_iter().map(|found| (path.clone(), found.fix)));
            continue;
        };
        all.extend(made);
    }
    for (path, text) in &texts {
        write_whole(path, text)?;
    }
    Ok(all)
}

/// A finding with its change.
#[derive(Clone)]
struct Found {
    place: String,
    fix: Fix,
}

/// The changes of the first file that has any, with its text.
fn candidates(
    source: &Source,
    loaded: &Loaded,
    refused: &HashSet<(PathBuf, Fix)>,
) -> Result<Option<(PathBuf, Vec<Found>, String)>> {
    let mut first: Option<(FileId, PathBuf, Vec<Found>, String)> = None;
    for item in &loaded.diagnostics.items {
        let Some((fix, file)) = item.fix.as_deref().and_then(|fix| Some((fix, fix.edits.first().map(Edit::file)?)))
        else {
            continue;
        };
        let (Some(path), Some(text)) = (loaded.paths.get(file.0 as usize), loaded.sources.get(file)) else { continue };
        let named = source.request.files.contains(path);
        if !named && !is_within(path, &source.request.project_dir)? || refused.contains(&(path.clone(), fix.clone())) {
            continue;
        }
        let place = item.labels.first().and_then(|label| loaded.sources.position(label.span)).unwrap_or_default();
        let found = Found { place, fix: fix.clone() };
        match &mut first {
            None => first = Some((file, path.clone(), vec![found], text.text.to_string())),
            Some((other, _, all, _)) if *other == file && !all.iter().any(|one| one.fix == found.fix) => {
                all.push(found)
            }
            _ => {}
        }
    }
    Ok(first.map(|(_, path, found, text)| (path, found, text)))
}

/// Makes all changes at once, else one of them; `None` where none is safe.
fn attempt(
    source: &Source,
    disk: &Disk,
    before: &Loaded,
    texts: &mut BTreeMap<PathBuf, String>,
    path: &Path,
    found: &[Found],
    text: &str,
) -> Option<Vec<Fixed>> {
    let singles = (0..found.len()).map(|index| found.get(index..=index).unwrap_or_default());
    for chosen in std::iter::once(found).chain(singles) {
        let (changed, made) = fix::apply(text, chosen.iter().map(|found| &found.fix).enumerate());
        if made.is_empty() {
            continue;
        }
        let mut trial = texts.clone();
        trial.insert(path.to_owned(), changed);
        let after = compose::load(&source.request, &Overlay { disk, texts: &trial });
        if is_safe(before, &after) {
            *texts = trial;
            return Some(made.into_iter().filter_map(|index| fixed(chosen.get(index)?, text)).collect());
        }
    }
    None
}

/// Whether the second text says the same as the first, or the first nothing that could be compared.
fn is_safe(before: &Loaded, after: &Loaded) -> bool {
    match (&before.project, &after.project) {
        (Some(before), Some(after)) => compose::config_json(before) == compose::config_json(after),
        (Some(_), None) => false,
        (None, _) => {
            let errors = |loaded: &Loaded| -> HashSet<(String, String)> {
                let items = loaded.diagnostics.items.iter().filter(|item| item.severity == Severity::Error);
                items.map(|item: &Diagnostic| (item.code.to_string(), item.message.clone())).collect()
            };
            let gone = errors(before);
            let left = errors(after);
            // Where an error is gone, a later phase may now be reached and find more.
            left.is_subset(&gone) || !gone.is_subset(&left)
        }
    }
}

/// What a change does to the lines that it touches.
fn fixed(found: &Found, text: &str) -> Option<Fixed> {
    let (changed, _) = fix::apply(text, std::iter::once((0, &found.fix)));
    let (old, new): (Vec<&str>, Vec<&str>) = (text.lines().collect(), changed.lines().collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let lines = |lines: &[&str]| -> Vec<String> {
        lines.get(head..lines.len() - tail).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
    };
    let (before, after) = (lines(&old), lines(&new));
    Some(Fixed { place: found.place.clone(), title: found.fix.title.clone(), before, after })
}

/// Writes a file whole or not at all, with the mode and owner that it has; a link stays one.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let target = path.canonicalize().with_context(failed)?;
    let dir = target.parent().unwrap_or(Path::new("/"));
    let meta = fs::metadata(&target).with_context(failed)?;
    let mut temporary = tempfile::Builder::new().prefix(".dokku-compose-").tempfile_in(dir).with_context(failed)?;
    temporary.write_all(text.as_bytes()).with_context(failed)?;
    temporary.as_file().set_permissions(meta.permissions()).with_context(failed)?;
    let now = temporary.as_file().metadata().with_context(failed)?;
    if (now.uid(), now.gid()) != (meta.uid(), meta.gid()) {
        chown(temporary.path(), Some(meta.uid()), Some(meta.gid())).with_context(failed)?;
    }
    temporary.as_file().sync_all().with_context(failed)?;
    temporary.persist(&target).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}
