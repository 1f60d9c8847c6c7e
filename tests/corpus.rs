//! Every compose file of the corpus, against the reference implementation's answer.
//!
//! The corpus lies beside the repository (`../shared/compose-corpus`, or below
//! `COMPOSE_SHARED`); where it is absent the test says so and passes.
//! `CORPUS_SHOW=N` prints the first N differences, `CORPUS_ONLY=TEXT` runs the
//! entries whose name holds the text.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "../benches/common/corpus.rs"]
mod cases;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::Entry;
use dokku_compose::compose::{Disk, Format, Request, config_json, load, render_config};
use dokku_compose::diag::Severity;
use dokku_compose::model::Project;
use serde_json::Value;

/// Differences that are known, one a line: the entry, a tab, the reason.
const KNOWN: &str = include_str!("corpus-differences.txt");

/// How the answer differs from the reference's, if it does, under the name of the entry; how its
/// YAML form differs from it, if it does, under that name and `as YAML`.
fn difference(entry: &Entry) -> Option<(String, String)> {
    let request = entry.request();
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
        return Some((entry.name.clone(), format!("refused: {}", errors.join("; "))));
    };
    if !entry.accepted {
        let reason = std::fs::read_to_string(&entry.out).unwrap_or_default();
        return Some((entry.name.clone(), format!("accepted, the reference refuses: {}", reason.trim())));
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
    if differences.is_empty() {
        return round_trip(&project, request).map(|difference| (format!("{} as YAML", entry.name), difference));
    }
    Some((entry.name.clone(), differences.join("; ")))
}

/// What is printed as YAML must load to the same project; how it does not, if so.
fn round_trip(project: &Project, mut request: Request) -> Option<String> {
    request.files = vec!["-".into()];
    request.stdin = Some(render_config(project, Format::Yaml).unwrap());
    request.project_name = Some(project.name.clone());
    let loaded = load(&request, &Disk::default());
    let Some(again) = loaded.project else {
        let messages: Vec<&str> = loaded.diagnostics.items.iter().map(|item| item.message.as_str()).collect();
        return Some(format!("its own YAML is refused: {}", messages.join("; ")));
    };
    let mut differences = Vec::new();
    compare(&config_json(&again), &config_json(project), "", &mut differences);
    (!differences.is_empty()).then(|| format!("its own YAML differs: {}", differences.join("; ")))
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
    let Some(shared) = cases::shared() else {
        println!(
            "the corpus is absent: nothing was compared (put it at ../shared/compose-corpus or set COMPOSE_SHARED)"
        );
        return;
    };
    let corpus = cases::unpack(&shared);
    let only = std::env::var("CORPUS_ONLY").unwrap_or_default();
    let (entries, incomplete): (Vec<Entry>, Vec<Entry>) = cases::entries(corpus.path())
        .into_iter()
        .filter(|entry| entry.name.contains(&only))
        .partition(Entry::is_complete);
    for entry in &incomplete {
        println!("not compared, its files are not in the corpus: {}", entry.name);
    }

    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some((name, difference)) = difference(entry) {
                        found.lock().unwrap().insert(name, difference);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let (yaml, reference): (Vec<&String>, Vec<&String>) = found.keys().partition(|name| name.ends_with(" as YAML"));
    println!("corpus: {}/{} as the reference", entries.len() - reference.len(), entries.len());
    println!("of these {} print YAML that loads to something else", yaml.len());

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
