//! What differs between two versions of a project, or between a version and the server, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::settings::checks_mode;
use crate::map::resources::{AppSpec, Desired, DesiredService, Kind, Source, UpdateOrder};
use crate::observe::ObservedApp;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Compose service; empty: the project's own.
    pub service: String,
    /// `image`, `variable A`, `domains`, `limit.memory`.
    pub field: String,
    /// The earlier value; absent: there was none. A secret's is `(hidden)`.
    pub before: Option<String>,
    /// The later value.
    pub after: Option<String>,
}

impl Change {
    /// `+` new, `-` gone, `~` other.
    pub fn symbol(&self) -> char {
        match (&self.before, &self.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        }
    }
}

/// What differs between two versions, by service and field.
pub fn between(before: &Desired, after: &Desired) -> Vec<Change> {
    let mut out = Vec::new();
    let names = |desired: &Desired| -> (BTreeSet<String>, BTreeSet<String>) {
        let networks = desired.networks.iter().map(|spec| spec.name.clone()).collect();
        (networks, desired.volumes.iter().map(|spec| spec.name.clone()).collect())
    };
    let (old, new) = (names(before), names(after));
    for (kind, old, new) in [("network", old.0, new.0), ("volume", old.1, new.1)] {
        for name in old.symmetric_difference(&new) {
            let here = |all: &BTreeSet<String>| all.contains(name).then(|| name.clone());
            out.push(Change { service: String::new(), field: kind.into(), before: here(&old), after: here(&new) });
        }
    }
    let all: BTreeSet<&String> = before.services.keys().chain(after.services.keys()).collect();
    for name in all {
        match (before.services.get(name), after.services.get(name)) {
            (Some(old), Some(new)) => out.extend(fields_of(name, &service(old), &service(new))),
            (old, new) => {
                let what = |one: Option<&DesiredService>| {
                    one.map(|one| format!("{} {}", one.kind.word(), one.kind.resource_name()))
                };
                out.push(Change {
                    service: name.clone(),
                    field: "service".into(),
                    before: what(old),
                    after: what(new),
                });
            }
        }
    }
    out
}

/// What somebody changed by hand: an app as it was applied, and as it is.
///
/// What only Dokku or another plugin owns is no change: `*_URL` of a link, `GIT_REV`, `DOKKU_*`.
pub fn by_hand(service: &str, applied: &AppSpec, now: &ObservedApp) -> Vec<Change> {
    let mut before = settings(applied);
    // What belongs to no setting of Dokku is not asked of it.
    before.retain(|field, _| !field.starts_with("build context") && field != "gate" && field != "networks");
    let there = as_applied(applied, now);
    let mut after = settings(&there);
    after.retain(|field, _| !field.starts_with("build context") && field != "gate" && field != "networks");
    if applied.scale.is_none() {
        before.remove("scale");
        after.remove("scale");
    }
    fields_of(service, &before, &after)
}

/// An observed app in the words of one that is asked for.
pub(super) fn as_applied(applied: &AppSpec, now: &ObservedApp) -> AppSpec {
    let owned = |name: &str| {
        !applied.config.contains_key(name)
            && (name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_") || name.ends_with("_URL"))
    };
    // Those of the plugins' `:link` are `--link` and a word.
    let links = |list: &[String]| list.iter().filter(|option| !option.starts_with("--link ")).cloned().collect();
    let mut out = applied.clone();
    out.config = now.config.iter().filter(|(name, _)| !owned(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    out.options.build = links(&now.options.build);
    out.options.deploy = links(&now.options.deploy);
    out.options.run = links(&now.options.run);
    // Properties that the file says nothing about are the administrator's own business, as are letsencrypt's.
    out.properties =
        applied.properties.keys().filter_map(|name| Some((name.clone(), now.properties.get(name)?.clone()))).collect();
    out.mounts.clone_from(&now.mounts);
    out.ports.clone_from(&now.ports);
    // A domain more is the administrator's, and Dokku gives one itself.
    out.domains = applied.domains.iter().filter(|name| now.domains.contains(name)).cloned().collect();
    out.scale = Some(now.scale);
    out.resources.clone_from(&now.resources);
    if now.checks != checks_mode(applied.order) {
        out.order = if now.checks == "disabled" { UpdateOrder::StopFirst } else { UpdateOrder::StartFirst };
    }
    if let Source::Image { image, .. } = &mut out.source {
        image.clone_from(&now.source_image);
    }
    out
}

/// Field to value of a service.
fn service(service: &DesiredService) -> BTreeMap<String, String> {
    let mut out = match &service.kind {
        Kind::App(app) => settings(app),
        Kind::Datastore(store) => {
            let mut out = BTreeMap::new();
            flatten("", &serde_json::to_value(store).unwrap_or_default(), &mut out);
            out.retain(|name, _| !name.starts_with("container."));
            out
        }
        Kind::Container(raw) | Kind::Job(raw) => {
            let mut out = BTreeMap::new();
            let value = serde_json::to_value(&raw.container).unwrap_or_default();
            flatten("", &value, &mut out);
            out.remove("labels.com.dokku-compose.hash");
            out.insert("replicas".into(), raw.replicas.to_string());
            if !raw.build_digest.is_empty() {
                out.remove("image");
                out.insert("build context".into(), short(&raw.build_digest));
            }
            out
        }
    };
    out.insert("kind".into(), service.kind.word().into());
    for tree in &service.files {
        out.insert(format!("file {}", tree.target.display()), short(&tree.digest));
    }
    out
}

fn settings(app: &AppSpec) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    match &app.source {
        Source::Image { image, .. } if app.build.is_some() => {
            let tag = image.rsplit_once(':').map_or(image.as_str(), |(_, tag)| tag);
            out.insert("build context".to_owned(), short(tag));
        }
        Source::Image { image, .. } => drop(out.insert("image".to_owned(), image.clone())),
        Source::Archive { digest, .. } => drop(out.insert("build context".to_owned(), short(digest))),
    }
    for (name, value) in &app.config {
        out.insert(format!("variable {name}"), format!("secret:{}", value.digest()));
    }
    for (phase, list) in [("build", &app.options.build), ("deploy", &app.options.deploy), ("run", &app.options.run)] {
        for option in list {
            // A variable that only an option can carry may be a secret.
            let (field, value) = match option.strip_prefix("--env=").and_then(|pair| pair.split_once('=')) {
                Some((name, value)) => (format!("{phase} option --env={name}"), format!("secret:{value}")),
                None => (format!("{phase} option {option}"), "set".to_owned()),
            };
            out.insert(field, value);
        }
    }
    out.extend(app.properties.iter().map(|(name, value)| (name.clone(), value.clone())));
    out.extend(app.mounts.iter().map(|mount| (format!("mount {}", mount.target), mount.spec())));
    for (field, list) in [("ports", &app.ports), ("domains", &app.domains)] {
        let mut list = list.clone();
        list.sort();
        if !list.is_empty() {
            out.insert(field.to_owned(), list.join(" "));
        }
    }
    out.extend(app.scale.map(|scale| ("scale".to_owned(), scale.to_string())));
    out.insert("checks".into(), checks_mode(app.order).into());
    out.extend(app.resources.iter().map(|(name, value)| (name.clone(), value.clone())));
    let networks: Vec<&str> = app.hooks.networks.keys().map(String::as_str).collect();
    if !networks.is_empty() {
        out.insert("networks".into(), networks.join(" "));
    }
    out.insert("gate".into(), format!("healthy {}, {} s", app.hooks.gate.healthy, app.hooks.gate.limit));
    out
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Leaves of a JSON value by their path.
fn flatten(path: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, field) in fields {
                match path {
                    "environment" => flatten(&format!("variable {key}"), field, out),
                    _ => flatten(&join(key), field, out),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), item, out);
            }
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => drop(out.insert(path.to_owned(), text.clone())),
        Value::Bool(false) => {}
        other => drop(out.insert(path.to_owned(), other.to_string())),
    }
}

fn fields_of(service: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |value: Option<&String>| {
        value.map(|value| if value.starts_with("secret:") { "(hidden)".to_owned() } else { value.clone() })
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Change {
            service: service.to_owned(),
            field: name.clone(),
            before: shown(before.get(name)),
            after: shown(after.get(name)),
        })
        .collect()
}
