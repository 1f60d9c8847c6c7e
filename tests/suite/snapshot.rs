//! What is on a server, without what differs between two equal ones: times, ids of containers, addresses, records of
//! runs, and images that were fetched (an import leaves them as a cache).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dokku_compose::sandbox::World;
use serde_json::Value;

/// Path to content.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Reads a world.
    pub fn take(world: &World) -> Self {
        let engine: Value = fs::read(world.path("engine/state.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let mut names = BTreeMap::new();
        for (id, one) in engine["containers"].as_object().into_iter().flatten() {
            names.insert(id.clone(), one["name"].as_str().unwrap_or_default().to_owned());
        }
        let mut all = BTreeMap::new();
        for top in ["home", "lib"] {
            walk(world.root(), &world.path(top), &names, &mut all);
        }
        engine_state(&engine, &retired(world), &mut all);
        Self(all)
    }

    /// What differs, empty where nothing does.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        let keys: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        for key in keys {
            match (self.0.get(key), other.0.get(key)) {
                (Some(one), Some(two)) if one == two => {}
                (Some(one), Some(two)) => {
                    let (one, two) = (around_difference(one, two), around_difference(two, one));
                    let _ = writeln!(text, "~ {key}\n    - {one}\n    + {two}");
                }
                (Some(one), None) => drop(writeln!(text, "- {key}: {one}")),
                (None, Some(two)) => drop(writeln!(text, "+ {key}: {two}")),
                (None, None) => {}
            }
        }
        text
    }

    /// Fails where `other` differs.
    #[track_caller]
    pub fn same(&self, other: &Self, when: &str) {
        let difference = self.difference(other);
        assert!(difference.is_empty(), "{when}:\n{difference}");
    }

    /// The same without what another import of the same source differs in: commits carry the time, anonymous volumes
    /// have random names, and the plan of an import that follows a killed one need not fetch its images again.
    pub fn without_commits(&self) -> Self {
        let plan = |path: &str| {
            path.contains("/versions/") && (path.ends_with("/plan.json") || path.ends_with("/result.json"))
        };
        let anonymous = |path: &str| path.starts_with("volume ") && path.len() == "volume ".len() + 64;
        // A plugin chooses the passwords that nobody gives it.
        let of_service = |path: &str| path.starts_with("lib/services/") && path.ends_with("PASSWORD");
        let chosen = |text: &str| text.len() == 32 && text.chars().all(|char| char.is_ascii_hexdigit());
        let passwords: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(path, text)| of_service(path) && chosen(text.trim()))
            .map(|(path, text)| (text.trim(), path.as_str()))
            .collect();
        let mask = |text: &str| {
            let masked = mask_hex(text);
            passwords.iter().fold(masked, |text, (password, path)| text.replace(password, path))
        };
        let kept = self.0.iter().filter(|(path, _)| !plan(path) && !anonymous(path));
        Self(kept.map(|(path, text)| (path.clone(), mask(text))).collect())
    }

    /// The same without the entries whose path `drop` names.
    pub fn without(mut self, drop: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| !drop(path));
        self
    }
}

/// Records of runs and what only the program itself needs between them.
fn left_out(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let of_project = path.starts_with("lib/data/compose/projects/");
    let records = of_project && (last == "lock" || last == "runs" || last == "events.jsonl" || last == "journal");
    records
        || path == "lib/data/compose/digest.key"
        || path == "lib/data/compose/datastore-links.lock"
        || path == "lib/core-plugins"
        || path.starts_with("lib/data/scheduler-docker-local")
        // Dokku keeps an entry for each path that was ever mounted, after storage:unmount and apps:destroy too.
        || path.starts_with("lib/data/storage-registry/entries/legacy-")
        // What was saved before an upgrade stays, whatever became of it.
        || of_project && last == "dumps"
        // Every word that a service's client was told; what came of it lies in its data.
        || path.starts_with("lib/services/") && last == "statements.sql"
        // What git keeps until it is tidied up.
        || path.starts_with("home/") && last == "objects"
}

fn walk(root: &Path, at: &Path, names: &BTreeMap<String, String>, all: &mut BTreeMap<String, String>) {
    let Ok(meta) = fs::symlink_metadata(at) else { return };
    let path = at.strip_prefix(root).unwrap().display().to_string();
    if left_out(&path) {
        // An open journal is never a record.
        if path.ends_with("/journal") {
            for entry in fs::read_dir(at).unwrap() {
                all.insert(format!("{path}/{}", entry.unwrap().file_name().display()), "an open journal".into());
            }
        }
        return;
    }
    if meta.is_dir() {
        if path.starts_with("home/") || path.starts_with("lib/data/storage/") {
            all.insert(format!("{path}/"), String::new());
        }
        for entry in fs::read_dir(at).unwrap() {
            walk(root, &entry.unwrap().path(), names, all);
        }
        return;
    }
    let mut text = String::from_utf8_lossy(&fs::read(at).unwrap()).into_owned();
    let maker = path.starts_with("lib/data/compose/datastores/");
    if maker || path.ends_with(".json") && path.starts_with("lib/data/compose/") {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        without(&mut value, &["updated_at", "run", "fingerprints", "at", "duration_ms", "who"]);
        text = value.to_string();
    }
    for (id, name) in names {
        text = text.replace(id, &format!("<{name}>"));
    }
    if path.starts_with("lib/data/storage/") {
        text = format!("{:o} {text}", meta.permissions().mode() & 0o777);
    }
    if path.ends_with("/created-at") {
        text = "<time>".into();
    }
    all.insert(path, text);
}

/// Ids of containers that Dokku replaced and lets run on for a minute.
fn retired(world: &World) -> String {
    let lists = fs::read_dir(world.path("lib/data/scheduler-docker-local")).into_iter().flatten().flatten();
    lists.map(|app| fs::read_to_string(app.path().join("dead-containers")).unwrap_or_default()).collect()
}

fn engine_state(engine: &Value, retired: &str, all: &mut BTreeMap<String, String>) {
    for (id, one) in engine["containers"].as_object().into_iter().flatten() {
        let mut one = one.clone();
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        let stamped = name.split('.').any(|part| part.len() > 8 && part.parse::<u64>().is_ok());
        if retired.contains(id.as_str()) || stamped {
            continue;
        }
        without(&mut one, &["id", "created_ms", "started_ms", "address", "log", "restarts"]);
        all.insert(format!("container {name}"), one.to_string());
    }
    for (name, one) in engine["networks"].as_object().into_iter().flatten() {
        if !["bridge", "host", "none"].contains(&name.as_str()) {
            let mut one = one.clone();
            without(&mut one, &["id", "last_host", "subnets"]);
            all.insert(format!("network {name}"), one.to_string());
        }
    }
    for (name, one) in engine["volumes"].as_object().into_iter().flatten() {
        all.insert(format!("volume {name}"), one.to_string());
    }
    for (name, id) in engine["tags"].as_object().into_iter().flatten() {
        // A plugin fetches the image of what holds its ports.
        let fetched = name.starts_with("dokku/ambassador:");
        if !fetched && name.contains("dokku/") || name.contains("dokku-compose/") || name.contains("shop") {
            all.insert(format!("image {name}"), id.to_string());
        }
    }
}

/// The part of `text` where it begins to differ from `other`.
fn around_difference(text: &str, other: &str) -> String {
    let (text, other): (Vec<char>, Vec<char>) = (text.chars().collect(), other.chars().collect());
    let first = text.iter().zip(&other).take_while(|(one, two)| one == two).count();
    text.iter().skip(first.saturating_sub(200)).take(600).collect()
}

fn mask_hex(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let hex = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        if hex.len() == 40 || hex.len() == 64 { out.push_str(&word.replace(hex, "<id>")) } else { out.push_str(word) }
    }
    out
}

/// Takes keys out, wherever they are.
fn without(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|value| without(value, keys));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| without(value, keys)),
        _ => {}
    }
}
