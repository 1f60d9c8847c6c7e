//! The phases on small files in memory, each test one rule of the Specification.

mod environment;
mod explain;
mod extends;
mod hostile;
mod include;
mod merge;
mod normalize;
mod select;
mod spans;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{FileKind, Files, Request, config_json, load};
use crate::diag::Severity;
use crate::model::Project;

/// Files of a directory `/shop`, by relative path.
struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (Path::new("/shop").join(path), (*text).to_owned())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.0.contains_key(path) {
            return Some(FileKind::File);
        }
        self.0.keys().any(|file| file.starts_with(path)).then_some(FileKind::Dir)
    }
}

/// The project of `files` as `request` asks for it.
fn project_of(files: &[(&str, &str)], change: impl FnOnce(&mut Request)) -> Project {
    let mut request = Request::new("/shop");
    change(&mut request);
    let loaded = load(&request, &Memory::of(files));
    let findings: Vec<_> = loaded.diagnostics.items.iter().map(|finding| finding.message.clone()).collect();
    loaded.project.unwrap_or_else(|| panic!("refused: {findings:#?}"))
}

/// The project of `files`.
fn project(files: &[(&str, &str)]) -> Project {
    project_of(files, |_| {})
}

/// One service of a project of one file.
fn service_json(yaml: &str, name: &str) -> serde_json::Value {
    config_json(&project(&[("compose.yaml", yaml)]))["services"][name].clone()
}

/// The findings as `position code`, errors and warnings.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let loaded = load(&Request::new("/shop"), &Memory::of(files));
    let worth = loaded.diagnostics.items.iter().filter(|finding| finding.severity > Severity::Note);
    worth
        .map(|finding| {
            let place = finding.labels.first().and_then(|label| loaded.sources.position(label.span));
            format!("{} {}", place.unwrap_or_default(), finding.code)
        })
        .collect()
}
