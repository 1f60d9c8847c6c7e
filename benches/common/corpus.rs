//! The corpus of real compose files, which lies beside the repository: what `tests/corpus.rs` and
//! `benches/reference.rs` share.

#![allow(dead_code, reason = "each of them uses its part")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use dokku_compose::compose::Request;
use serde_json::Value;

/// One run of the reference implementation.
pub struct Entry {
    /// `COLLECTION/CASE/expected...`.
    pub name: String,
    /// Folder of the case.
    pub case: PathBuf,
    /// Where relative paths start.
    pub project_dir: PathBuf,
    /// Compose files in their order.
    pub files: Vec<PathBuf>,
    /// Whether the reference loads them.
    pub accepted: bool,
    /// Whether references between services, networks and volumes were checked.
    pub consistency: bool,
    /// The reference's answer.
    pub out: PathBuf,
}

impl Entry {
    /// The variables of the run.
    pub fn variables(&self) -> [(&'static str, &str); 4] {
        [("PWD", self.project_dir.to_str().unwrap()), ("HOME", "/root"), ("USER", "root"), ("HOSTNAME", "oracle")]
    }

    /// The same run for the loader here.
    pub fn request(&self) -> Request {
        let mut request = Request::new(&self.project_dir);
        request.files.clone_from(&self.files);
        request.check_consistency = self.consistency;
        request.variables =
            self.variables().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        request
    }

    /// Whether all its files are in the corpus.
    pub fn is_complete(&self) -> bool {
        self.out.is_file() && self.files.iter().all(|file| file.is_file())
    }
}

/// The folder that holds `compose-corpus`: `COMPOSE_SHARED`, else `../shared`.
pub fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("COMPOSE_SHARED").map(PathBuf::from),
        Some(root.join("../shared")),
        Some(root.join("../../shared")),
    ];
    places.into_iter().flatten().find(|place| place.join("compose-corpus/cases.tar.gz").is_file())
}

/// Unpacks the corpus of `shared` into a folder of its own.
pub fn unpack(shared: &Path) -> tempfile::TempDir {
    let corpus = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(shared.join("compose-corpus/cases.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(corpus.path()).unwrap();
    corpus
}

/// Every run of an unpacked corpus, by name.
pub fn entries(corpus: &Path) -> Vec<Entry> {
    let corpus = &corpus.canonicalize().unwrap();
    let mut entries = Vec::new();
    for collection in std::fs::read_dir(corpus).unwrap().flatten() {
        for case in std::fs::read_dir(collection.path()).unwrap().flatten() {
            let case = case.path();
            let described: Value = serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
            let project_dir = match described["project_dir"].as_str().unwrap() {
                "." => case.clone(),
                dir => case.join(dir),
            };
            for entry in described["entries"].as_array().unwrap() {
                let out = entry["out"].as_str().unwrap();
                let name = case.strip_prefix(corpus).unwrap().join(out);
                let files = entry["files"].as_array().unwrap().iter();
                entries.push(Entry {
                    name: name.to_str().unwrap().to_owned(),
                    files: files.map(|file| case.join(file.as_str().unwrap())).collect(),
                    accepted: entry["ok"].as_bool().unwrap(),
                    consistency: !entry["no_consistency"].as_bool().unwrap_or_default(),
                    out: case.join(out),
                    project_dir: project_dir.clone(),
                    case: case.clone(),
                });
            }
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}
