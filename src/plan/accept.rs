//! Hand changes that somebody accepted: they are wanted from then on, until the file says something new about them.

use std::collections::BTreeMap;

use crate::hashed::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::changes::as_applied;
use crate::map::resources::{AppSpec, Desired, Kind};
use crate::observe::Observed;
use crate::secret::Secret;

/// One accepted value. Secrets are digests; their texts lie with the version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// What the file said then; absent: nothing.
    pub file: Option<Value>,
    /// What counts instead; absent: it is not there.
    pub value: Option<Value>,
}

/// By service, then by field: `config A`, `properties ps.restart-policy`, `scale`, `ports` ...
pub type AcceptedByService = BTreeMap<String, BTreeMap<String, Accepted>>;

/// Puts accepted values in the place of the file's, where the file says what it said then; what it says anew counts, and
/// is no longer accepted. `texts` are those of secrets by digest.
pub fn apply(
    desired: &mut Desired,
    accepted: &AcceptedByService,
    texts: &BTreeMap<String, String>,
) -> AcceptedByService {
    let mut left = AcceptedByService::new();
    for (name, fields) in accepted {
        let Some(Kind::App(app)) = desired.services.get_mut(name).map(|service| &mut service.kind) else { continue };
        for (field, one) in fields {
            if get(app, field) == one.file {
                set(app, field, one.value.as_ref(), texts);
                left.entry(name.clone()).or_default().insert(field.clone(), one.clone());
            }
        }
    }
    left
}

/// Accepts what differs on the server from what was applied, where the file asks for what it asked for before.
pub fn take_over(desired: &mut Desired, last: &Desired, observed: &Observed, accepted: &mut AcceptedByService) {
    for (name, service) in &mut desired.services {
        let Kind::App(app) = &mut service.kind else { continue };
        let Some(Kind::App(applied)) = last.services.get(name).map(|service| &service.kind) else { continue };
        let Some(now) = observed.apps.get(&app.app) else { continue };
        let there = as_applied(applied, now);
        let texts: BTreeMap<String, String> = now
            .config
            .values()
            .filter_map(|secret| Some((secret.digest().to_owned(), secret.expose()?.to_owned())))
            .collect();
        for field in fields(applied, &there) {
            if field == "scale" && applied.scale.is_none() {
                // The file leaves it to `ps:scale`.
                continue;
            }
            let (file, value) = (get(app, &field), get(&there, &field));
            if get(applied, &field) == value || get(applied, &field) != file {
                continue;
            }
            // What was only added is kept anyway, but a scale or a list is one value.
            set(app, &field, value.as_ref(), &texts);
            let before = accepted.entry(name.clone()).or_default();
            let file = before.get(&field).map_or(file, |earlier| earlier.file.clone());
            before.insert(field, Accepted { file, value });
        }
    }
}

/// The names of all fields that either of the two has.
fn fields(one: &AppSpec, two: &AppSpec) -> Vec<String> {
    let mut out: Vec<String> =
        ["scale", "ports", "domains", "mounts", "options build", "options deploy", "options run"]
            .map(str::to_owned)
            .into();
    for app in [one, two] {
        out.extend(app.config.keys().map(|key| format!("config {key}")));
        out.extend(app.properties.keys().map(|key| format!("properties {key}")));
        out.extend(app.resources.keys().map(|key| format!("resources {key}")));
    }
    out.sort();
    out.dedup();
    out
}

fn get(app: &AppSpec, field: &str) -> Option<Value> {
    match field.split_once(' ') {
        Some(("config", key)) => app.config.get(key).and_then(json),
        Some(("properties", key)) => app.properties.get(key).and_then(json),
        Some(("resources", key)) => app.resources.get(key).and_then(json),
        Some(("options", "build")) => json(&sorted(&app.options.build)),
        Some(("options", "deploy")) => json(&sorted(&app.options.deploy)),
        Some(("options", "run")) => json(&sorted(&app.options.run)),
        _ => match field {
            "scale" => app.scale.as_ref().and_then(json),
            "ports" => json(&sorted(&app.ports)),
            "domains" => json(&sorted(&app.domains)),
            "mounts" => json(&sorted(&app.mounts)),
            _ => None,
        },
    }
}

fn json(value: &impl Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}

fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list
}

fn set(app: &mut AppSpec, field: &str, value: Option<&Value>, texts: &BTreeMap<String, String>) {
    match field.split_once(' ') {
        Some(("config", key)) => {
            let secret = read::<Secret>(value).map(|mut secret| {
                if let Some(text) = texts.get(secret.digest()) {
                    secret.unseal(text.clone());
                }
                secret
            });
            put_ordered(&mut app.config, key, secret);
        }
        Some(("properties", key)) => put(&mut app.properties, key, read(value)),
        Some(("resources", key)) => put(&mut app.resources, key, read(value)),
        Some(("options", "build")) => app.options.build = read(value).unwrap_or_default(),
        Some(("options", "deploy")) => app.options.deploy = read(value).unwrap_or_default(),
        Some(("options", "run")) => app.options.run = read(value).unwrap_or_default(),
        _ => match field {
            "scale" => app.scale = read(value),
            "ports" => app.ports = read(value).unwrap_or_default(),
            "domains" => app.domains = read(value).unwrap_or_default(),
            "mounts" => app.mounts = read(value).unwrap_or_default(),
            _ => {}
        },
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Option<T> {
    serde_json::from_value(value?.clone()).ok()
}

fn put<T>(map: &mut BTreeMap<String, T>, key: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

fn put_ordered<T>(map: &mut IndexMap<String, T>, key: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.shift_remove(key)),
    }
}
