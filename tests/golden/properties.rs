//! A golden fixture or an effect test for each property.
//!
//! `properties-missing.txt` names those that have neither; it may only shrink.

use std::collections::BTreeSet;
use std::path::Path;

use dokku_compose::compose::{self, Disk, Request, load};
use dokku_compose::map::fates::rows;
use dokku_compose::yaml;
use serde_json::Value;

use crate::cases::CASES;
use crate::{features, updates};

/// Whether `value` has the key at the steps of a row's path.
fn has(value: &Value, steps: &[&str]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    match *step {
        "*" => value.as_object().is_some_and(|all| all.values().any(|value| has(value, rest))),
        "[]" => value.as_array().is_some_and(|all| all.iter().any(|value| has(value, rest))),
        key => value.get(key).is_some_and(|value| has(value, rest)),
    }
}

fn json(node: &yaml::Node) -> Value {
    match &node.kind {
        yaml::Kind::Map(map) => {
            Value::Object(map.entries.iter().map(|(key, entry)| (key.to_string(), json(&entry.value))).collect())
        }
        yaml::Kind::Seq(items) => items.iter().map(json).collect(),
        yaml::Kind::Scalar(scalar) => scalar.text.to_string().into(),
    }
}

fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .flat_map(|step| match step.strip_suffix("[]") {
            Some(key) => vec![key, "[]"],
            None => vec![step],
        })
        .collect()
}

/// The files of the fixtures as they are written, and as the loader spells them out.
fn written() -> Vec<Value> {
    let mut out = Vec::new();
    let mut add = |file: &Path| {
        let Ok(text) = std::fs::read_to_string(file) else { return };
        let documents = yaml::load(&text, dokku_compose::diag::FileId(0), &yaml::Limits::default()).unwrap_or_default();
        out.extend(documents.first().map(json));
        let mut request = Request::new(file.parent().unwrap());
        request.files = vec![file.to_path_buf()];
        out.extend(load(&request, &Disk::default()).project.map(|project| compose::config_json(&project)));
    };
    for dir in features() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            if entry.path().extension().is_some_and(|end| end == "yaml" || end == "yml") {
                add(&entry.path());
            }
        }
    }
    for dir in updates::cases() {
        ["before.yaml", "after.yaml"].iter().for_each(|name| add(&dir.join(name)));
    }
    out
}

#[test]
fn every_property_has_a_fixture_or_is_named_as_missing() {
    let files = written();
    let effects: BTreeSet<&str> = CASES.iter().flat_map(|case| case.checks).map(|(key, _, _)| *key).collect();
    let missing: Vec<&str> = rows()
        .map(|row| row.path)
        .filter(|path| !path.strip_prefix("services.*.").is_some_and(|key| effects.contains(key)))
        .filter(|path| !files.iter().any(|file| has(file, &steps(path))))
        .collect();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/properties-missing.txt");
    let known = std::fs::read_to_string(list).unwrap();
    let known: Vec<&str> = known.lines().filter(|line| !line.is_empty()).collect();
    let new: Vec<&&str> = missing.iter().filter(|path| !known.contains(path)).collect();
    assert!(new.is_empty(), "in no fixture of fixtures/ and in no case of tests/effects: {new:#?}");
    let found: Vec<&&str> = known.iter().filter(|path| !missing.contains(path)).collect();
    assert!(found.is_empty(), "not missing any more, take them out of properties-missing.txt: {found:#?}");
}
