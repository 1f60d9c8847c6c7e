//! No key of a file is without effect: each changes the plan, or something is said of it.

use std::collections::BTreeSet;
use std::path::Path;

use dokku_compose::map::fates::{self, Fate};
use dokku_compose::yaml;
use serde_json::{Map, Value, json};

use crate::project;
use crate::samples::{FILE, SAMPLES, SERVICE};

/// YAML as JSON, which is YAML again.
fn json_of(text: &str) -> Value {
    let documents = yaml::load(text, dokku_compose::diag::FileId(0), &yaml::Limits::default()).unwrap();
    value(&documents[0])
}

fn value(node: &yaml::Node) -> Value {
    match &node.kind {
        yaml::Kind::Map(map) => {
            Value::Object(map.entries.iter().map(|(key, entry)| (key.to_string(), value(&entry.value))).collect())
        }
        yaml::Kind::Seq(items) => items.iter().map(value).collect(),
        yaml::Kind::Scalar(scalar) => match scalar.value() {
            yaml::Value::Null => Value::Null,
            yaml::Value::Bool(flag) => flag.into(),
            yaml::Value::Int(number) => json!(i64::try_from(number).unwrap()),
            yaml::Value::Float(number) => json!(number),
            _ => scalar.text.to_string().into(),
        },
    }
}

/// The steps of a path: `a.*.b[].c` is `a`, `*`, `b`, `[]`, `c`.
fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .flat_map(|step| match step.strip_suffix("[]") {
            Some(key) => vec![key, "[]"],
            None => vec![step],
        })
        .collect()
}

/// A file with `value` at a key of a service, up to the first step that is a name or an item.
fn service_file(path: &str, value: Value) -> Value {
    let service = match path {
        _ if path.starts_with("build.") => "built",
        "network_mode" | "pid" | "mac_address" => "bare",
        _ => "web",
    };
    let mut keys = vec!["services", service];
    let place = path.split('|').next().unwrap();
    keys.extend(steps(place).into_iter().take_while(|step| !matches!(*step, "*" | "[]")));
    keys.into_iter().rev().fold(value, |inner, key| Value::Object(Map::from_iter([(key.to_owned(), inner)])))
}

/// The file without the key at `path`; its first name, its first item.
fn without(file: &Value, path: &[&str]) -> Value {
    let mut file = file.clone();
    let (last, above) = path.split_last().unwrap();
    let mut at = &mut file;
    for step in above {
        at = match *step {
            "[]" => &mut at[0],
            "*" => at.as_object_mut().unwrap().values_mut().next().unwrap(),
            key => &mut at[key],
        };
    }
    assert!(at.as_object_mut().unwrap().remove(*last).is_some(), "{path:?} is not in its sample");
    file
}

/// What a file comes to: the desired resources and what is said; `None`: it does not load.
fn outcome(dir: &Path, over: &Value) -> Option<(String, BTreeSet<String>)> {
    std::fs::write(dir.join("compose.override.yaml"), over.to_string()).unwrap();
    let planned = project::plan(dir, None, &observed(), None);
    let said: BTreeSet<String> = planned
        .findings
        .lines()
        .filter(|line| ["error[", "warning[", "note["].iter().any(|start| line.starts_with(start)))
        .map(str::to_owned)
        .collect();
    (!planned.desired.services.is_empty()).then(|| (serde_json::to_string(&planned.desired).unwrap(), said))
}

/// The key and those above it as messages name them: `web.provider`, `networks.front.attachable`.
fn above(file: &Value, path: &[&str]) -> Vec<String> {
    let mut at = file;
    let mut text = String::new();
    let mut out = Vec::new();
    for step in path {
        let (next, name) = match *step {
            "[]" => (&at[0], "[0]".to_owned()),
            "*" => at.as_object().unwrap().iter().next().map(|(key, value)| (value, format!(".{key}"))).unwrap(),
            key => (&at[key], format!(".{key}")),
        };
        at = next;
        text.push_str(&name);
        let short = text.trim_start_matches('.');
        out.push(short.strip_prefix("services.").unwrap_or(short).to_owned());
    }
    // Not the section or the service alone.
    if out.len() > 2 { out.split_off(2) } else { out }
}

fn observed() -> dokku_compose::observe::Observed {
    dokku_compose::observe::Observed::default()
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("compose.yaml", FILE),
        ("token.txt", "s3cret"),
        ("other.txt", "other"),
        (".env", "TOKEN=t0ken\n"),
        ("other.env", "A=b$$c\nD=$E\n"),
        ("labels.env", "a=b\n"),
        ("more.yaml", "services: {more: {image: 'acme/more:${D:-1}'}}\n"),
        ("sub/more.yaml", "services: {more: {image: acme/more:1, volumes: ['./x:/x']}}\n"),
        ("ctx/Dockerfile", "FROM scratch\n"),
        ("ctx/other.Dockerfile", "FROM scratch\n"),
        ("ctx2/Dockerfile", "FROM scratch\n"),
    ] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn every_key_changes_the_plan_or_what_is_said() {
    let dir = directory();
    let base = outcome(dir.path(), &json!({})).unwrap();
    let mut samples: Vec<(String, Value)> =
        SAMPLES.iter().map(|(path, text)| ((*path).to_owned(), json_of(text))).collect();
    for (path, text) in SERVICE {
        samples.push((format!("services.*.{}", path.replace('|', "")), service_file(path, json_of(text))));
    }
    let mut wrong = Vec::new();
    for (path, file) in &samples {
        let mut path_in_file: Vec<&str> = steps(path);
        if path_in_file[0] == "services" && path_in_file.len() > 1 {
            // The service that the sample is of.
            path_in_file[1] = file["services"].as_object().unwrap().keys().next().unwrap();
        }
        let Some(with) = outcome(dir.path(), file) else {
            let refused = project::plan(dir.path(), None, &observed(), None);
            wrong.push(format!("{path}: the sample does not load:\n{}", refused.findings));
            continue;
        };
        // A key that is not done, or otherwise, is named, or the one above it whose fate it shares.
        let said = match fates::fate(path) {
            Some(Fate::NotDone { .. }) => Some("not-done"),
            Some(Fate::Approximated(_)) => Some("approximated"),
            _ => None,
        };
        if let Some(code) = said {
            let names = above(file, &path_in_file);
            let names_it = |line: &String| line.contains(code) && names.iter().any(|name| line.contains(name));
            if !with.1.iter().any(names_it) {
                wrong.push(format!("{path} is {code} by the table, and nothing says so: {:?}", with.1));
            }
            continue;
        }
        // Without the key, where the rest still is a file; `required` is what makes it one.
        let other = outcome(dir.path(), &without(file, &path_in_file));
        let decides = other.is_none() && path.ends_with(".required");
        if !decides && with == other.unwrap_or_else(|| base.clone()) {
            wrong.push(format!("{path} is without any effect"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Every key has a sample: its own, or, for one that only holds others, one of those below.
    let sampled: BTreeSet<&str> = samples.iter().map(|(path, _)| path.as_str()).collect();
    let below = |path: &str| {
        let has = |mark: &str| sampled.iter().any(|other| other.starts_with(&format!("{path}{mark}")));
        has(".") || has("[]")
    };
    let missing: Vec<&str> =
        fates::rows().map(|row| row.path).filter(|path| !sampled.contains(path) && !below(path)).collect();
    assert!(missing.is_empty(), "keys without a sample: {missing:#?}");
}
