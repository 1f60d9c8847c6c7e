//! Every compose file of the corpus, against the reference implementation's answer.
//!
//! The corpus lies beside the repository (`../shared/compose-corpus`, or below
//! `COMPOSE_SHARED`); where it is absent the test says so and passes.
//! `CORPUS_SHOW=N` prints the first N differences, `CORPUS_ONLY=TEXT` runs the
//! entries whose name holds the text.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dokku_compose::compose::{Disk, Request, config_json, load};
use dokku_compose::diag::Severity;
use serde_json::Value;

/// Differences that are known, one a line: the entry, a tab, the reason.
const KNOWN: &str = include_str!("corpus-differences.txt");

struct Entry {
    name: String,
    case: PathBuf,
    project_dir: PathBuf,
    files: Vec<PathBuf>,
    accepted: bool,
    consistency: bool,
    out: PathBuf,
}

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("COMPOSE_SHARED").map(PathBuf::from),
        Some(root.join("../shared")),
        Some(root.join("../../shared")),
    ];
    places.into_iter().flatten().find(|place| place.join("compose-corpus/cases.tar.gz").is_file())
}

fn entries(corpus: &Path) -> Vec<Entry> {
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
                entries.push(Entry {
                    name: name.to_str().unwrap().to_owned(),
                    files: entry["files"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|file| case.join(file.as_str().unwrap()))
                        .collect(),
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

/// How the answer differs from the reference's, if it does.
fn difference(entry: &Entry) -> Option<String> {
    let mut request = Request::new(&entry.project_dir);
    request.files.clone_from(&entry.files);
    request.check_consistency = entry.consistency;
    let pwd = entry.project_dir.to_str().unwrap();
    request.variables = [("PWD", pwd), ("HOME", "/root"), ("USER", "root"), ("HOSTNAME", "oracle")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let loaded = load(&request, &Disk::default());
    let Some(project) = loaded.project else {
        if !entry.accepted {
            return None;
        }
        let errors: Vec<String> = loaded
            .diagnostics
            .items
            .iter()
            .filter(|item| item.severity == Severity::Error)
            .map(|item| {
                let place = item.labels.first().and_then(|label| loaded.sources.position(label.span));
                format!("{}: {}", place.unwrap_or_default(), item.message)
            })
            .collect();
        return Some(format!("refused: {}", errors.join("; ")));
    };
    if !entry.accepted {
        let reason = std::fs::read_to_string(&entry.out).unwrap_or_default();
        return Some(format!("accepted, the reference refuses: {}", reason.trim()));
    }
    let mut ours = config_json(&project).to_string();
    let mut written = "@CASE@".to_owned();
    // Paths of neighbours are written from the case on: `@CASE@/../files`.
    for dir in entry.case.ancestors().take(3) {
        ours = ours.replace(dir.to_str().unwrap(), &written);
        written.push_str("/..");
    }
    let mut ours: Value = serde_json::from_str(&ours).unwrap();
    // The reference's JSON leaves the top-level models out.
    ours.as_object_mut().unwrap().remove("models");
    let theirs: Value = serde_json::from_slice(&std::fs::read(&entry.out).unwrap()).unwrap();
    let mut differences = Vec::new();
    compare(&ours, &theirs, "", &mut differences);
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn compare(ours: &Value, theirs: &Value, path: &str, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in theirs {
                match ours.get(key) {
                    Some(own) => compare(own, value, &format!("{path}.{key}"), out),
                    None => out.push(format!("{path}.{key} missing, should be {value}")),
                }
            }
            for (key, value) in ours.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
                out.push(format!("{path}.{key} should not be, is {value}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (own, value)) in ours.iter().zip(theirs).enumerate() {
                compare(own, value, &format!("{path}[{index}]"), out);
            }
        }
        _ if ours == theirs => {}
        _ => out.push(format!("{path} is {ours}, should be {theirs}")),
    }
}

#[test]
fn every_file_gives_the_reference_implementations_answer() {
    let Some(shared) = shared() else {
        println!(
            "the corpus is absent: nothing was compared (put it at ../shared/compose-corpus or set COMPOSE_SHARED)"
        );
        return;
    };
    let corpus = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(shared.join("compose-corpus/cases.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(corpus.path()).unwrap();
    let corpus_dir = corpus.path().canonicalize().unwrap();
    let only = std::env::var("CORPUS_ONLY").unwrap_or_default();
    let (entries, incomplete): (Vec<Entry>, Vec<Entry>) = entries(&corpus_dir)
        .into_iter()
        .filter(|entry| entry.name.contains(&only))
        .partition(|entry| entry.out.is_file() && entry.files.iter().all(|file| file.is_file()));
    for entry in &incomplete {
        println!("not compared, its files are not in the corpus: {}", entry.name);
    }

    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(difference) = difference(entry) {
                        found.lock().unwrap().insert(entry.name.clone(), difference);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    println!("corpus: {}/{} as the reference", entries.len() - found.len(), entries.len());

    let known: BTreeMap<&str, &str> = KNOWN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('\t').expect("entry, tab, reason"))
        .collect();
    let show = std::env::var("CORPUS_SHOW").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let unknown: Vec<_> = found.iter().filter(|(name, _)| !known.contains_key(name.as_str())).collect();
    for (name, difference) in unknown.iter().take(show) {
        println!("{name}\n    {difference}");
    }
    let healed: Vec<_> = known.keys().filter(|name| name.contains(&only) && !found.contains_key(**name)).collect();
    assert!(unknown.is_empty(), "{} entries differ and are not listed in corpus-differences.txt", unknown.len());
    assert!(healed.is_empty(), "listed in corpus-differences.txt but as the reference now: {healed:?}");
}
