//! What each feature of a compose file becomes, and what an import does when the file or the server changed.
//!
//! `fixtures/<feature>/`: compose file with its siblings, what is on the server in `server.json`, the plan
//! in `plan.txt`, every finding in `warnings.txt`. `fixtures/updates/<case>/`: the file `before` and
//! `after`, and the plan between the two.
//! `UPDATE_GOLDEN=1` writes the expected files anew; read the change before committing it.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "its list of what is seen elsewhere is for the tests of effects")]
#[path = "../effects/cases.rs"]
mod cases;
mod drift;
mod export;
mod project;
mod properties;
mod purity;
mod schema;
mod server;
mod show;
mod undo;
mod updates;

use std::path::{Path, PathBuf};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Directories below `root`, in order.
pub(crate) fn directories(root: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

/// The cases of single features: the folders with a `plan.txt`, which may be empty in a new one.
pub(crate) fn features() -> Vec<PathBuf> {
    let mut all = directories(&fixtures());
    all.retain(|dir| dir.join("plan.txt").exists());
    all
}

/// Compares with an expected file, or writes it; says whether they agree.
pub(crate) fn agrees(file: &Path, found: &str) -> bool {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, found).unwrap();
        return true;
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    if expected == found {
        return true;
    }
    println!("--- {}", file.display());
    for line in difference(&expected, found) {
        println!("{line}");
    }
    false
}

/// The lines that only one of the two has.
fn difference(expected: &str, found: &str) -> Vec<String> {
    let only = |mark: char, of: &str, other: &str| -> Vec<String> {
        let there: Vec<&str> = other.lines().collect();
        of.lines().filter(|line| !there.contains(line)).map(|line| format!("{mark} {line}")).collect()
    };
    let mut out = only('-', expected, found);
    out.extend(only('+', found, expected));
    if out.is_empty() {
        out.push("the same lines in another order".into());
    }
    out
}

#[test]
fn every_feature_becomes_what_is_recorded() {
    let cases = features();
    assert!(cases.len() >= 30, "the fixtures are there");
    let mut wrong = Vec::new();
    for dir in &cases {
        let observed = project::server(dir);
        let planned = project::plan(dir, None, &observed, None);
        let tally = &planned.tally;
        let text = match &planned.plan {
            Some(plan) => format!("{} of {} keys honoured\n{}", tally.honoured(), tally.total(), show::plan(plan)),
            None => "refused\n".to_owned(),
        };
        let text = project::place_free(&text, dir);
        let findings = if planned.findings.is_empty() { String::new() } else { planned.findings + "\n" };
        let same = [agrees(&dir.join("plan.txt"), &text), agrees(&dir.join("warnings.txt"), &findings)];
        if same.contains(&false) {
            wrong.push(dir.file_name().unwrap().to_owned());
        }
    }
    assert!(wrong.is_empty(), "other plans or findings than recorded: {wrong:?}");
}
