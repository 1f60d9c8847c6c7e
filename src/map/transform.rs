//! Desired resources as an administrator's transformer gets them, and what it may change of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::policy::Policy;
use super::resources::{AppSpec, Desired, Kind, RawSpec, Source};
use super::{container, storage};
use crate::dokku;
use crate::plan::raw::HASH_LABEL;
use crate::secret::{DigestKey, Secret};
use crate::site::Site;

/// Properties that one may set: an import reads them back, and none leads out of a container.
const PROPERTIES: &[&str] = &[
    "logs.max-size",
    "proxy.disabled",
    "ps.dockerfile-start-cmd",
    "ps.restart-policy",
    "ps.stop-timeout-seconds",
    "scheduler-docker-local.init-process",
];

/// Options that lead nowhere out of a container.
const HARMLESS: &[&str] = &[
    "--add-host",
    "--annotation",
    "--blkio-weight",
    "--cap-drop",
    "--cpu-shares",
    "--cpuset-cpus",
    "--dns",
    "--dns-option",
    "--dns-search",
    "--domainname",
    "--env",
    "--expose",
    "--group-add",
    "--health-cmd",
    "--health-interval",
    "--health-retries",
    "--health-start-period",
    "--health-timeout",
    "--hostname",
    "--label",
    "--log-driver",
    "--log-opt",
    "--network-alias",
    "--no-healthcheck",
    "--oom-score-adj",
    "--pids-limit",
    "--platform",
    "--publish",
    "--read-only",
    "--shm-size",
    "--stop-signal",
    "--tmpfs",
    "--ulimit",
    "--user",
    "--workdir",
];

/// The resources in JSON, the values of variables in clear.
pub fn to_json(desired: &Desired) -> Value {
    let mut value = serde_json::to_value(desired).unwrap_or_default();
    for (name, service) in &desired.services {
        let (variables, at): (Vec<(&String, &Secret)>, &[&str]) = match &service.kind {
            Kind::App(app) => (app.config.iter().collect(), &["config"]),
            Kind::Container(raw) | Kind::Job(raw) => {
                (raw.container.environment.iter().collect(), &["container", "environment"])
            }
            Kind::Datastore(store) => (store.container.environment.iter().collect(), &["container", "environment"]),
        };
        let kind = &mut value["services"][name]["kind"];
        let all = at.iter().fold(kind, |value, key| &mut value[*key]);
        for (variable, secret) in variables {
            all[variable] = secret.expose().unwrap_or_default().into();
        }
    }
    value
}

/// The resources that a transformer answers with.
///
/// # Errors
/// Where they are none, or something is changed that is not for it to change.
pub fn from_json(before: &Desired, mut answer: Value, key: &DigestKey) -> Result<Desired, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, service) in answer.get_mut("services").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(kind) = service.get_mut("kind") else { continue };
        let at = if kind.get("kind").is_some_and(|kind| kind == "app") { "/config" } else { "/container/environment" };
        for (variable, value) in kind.pointer_mut(at).and_then(Value::as_object_mut).into_iter().flatten() {
            let Some(text) = value.as_str() else {
                return Err(format!("the variable {variable} of {name} is no string"));
            };
            let secret = Secret::new(text, key);
            texts.insert(secret.digest().to_owned(), text.to_owned());
            *value = serde_json::to_value(&secret).unwrap_or_default();
        }
    }
    let mut after: Desired = serde_json::from_value(answer).map_err(|error| format!("its resources: {error}"))?;
    for secret in before.clone().secrets_mut() {
        if let Some(text) = secret.expose() {
            texts.insert(secret.digest().to_owned(), text.to_owned());
        }
    }
    for secret in after.secrets_mut() {
        if let Some(text) = texts.get(secret.digest()) {
            secret.unseal(text.clone());
        }
    }
    after.spans.clone_from(&before.spans);
    settle(before, &mut after)?;
    Ok(after)
}

/// Puts what follows from the rest in order, and refuses what is not a transformer's to change.
fn settle(before: &Desired, after: &mut Desired) -> Result<(), String> {
    let mut allowed = before.clone();
    for (name, service) in &mut after.services {
        let Some(old) = allowed.services.get_mut(name) else {
            return Err(format!("there is no service {name}"));
        };
        match (&mut old.kind, &mut service.kind) {
            (Kind::App(old), Kind::App(new)) => app(name, old, new)?,
            (Kind::Container(old), Kind::Container(new)) | (Kind::Job(old), Kind::Job(new)) => raw(old, new),
            // What its plugin keeps true is settled from the file.
            (Kind::Datastore(_), Kind::Datastore(_)) => {}
            _ => return Err(format!("{name} cannot become something else")),
        }
    }
    let text = |desired: &Desired| serde_json::to_value(desired).unwrap_or_default();
    match difference("", &text(&allowed), &text(after)) {
        None => Ok(()),
        Some(path) => Err(format!("{path} is not for a transformer to change")),
    }
}

/// Gives `old` what may be taken over of `new`.
fn app(name: &str, old: &mut AppSpec, new: &mut AppSpec) -> Result<(), String> {
    for options in [&mut new.options.build, &mut new.options.deploy, &mut new.options.run] {
        options.sort();
        options.dedup();
        for option in options {
            dokku::check_option(option).map_err(|error| format!("an option of {name}: {error}"))?;
        }
    }
    for (property, value) in &new.properties {
        if old.properties.get(property) != Some(value) && !PROPERTIES.contains(&property.as_str()) {
            return Err(format!("the property {property} of {name} is not for a transformer to change"));
        }
    }
    if let Some(gone) = old.properties.keys().find(|property| !new.properties.contains_key(*property))
        && !PROPERTIES.contains(&gone.as_str())
    {
        return Err(format!("the property {gone} of {name} is not for a transformer to change"));
    }
    if let (Source::Image { image: before, .. }, Source::Image { image, .. }, None) =
        (&old.source, &new.source, &old.build)
    {
        if before != image {
            // Another image, of which nothing is known yet.
            new.image_id.clear();
            old.image_id.clear();
        }
        old.source.clone_from(&new.source);
    }
    new.mounts.sort();
    old.config.clone_from(&new.config);
    old.options.clone_from(&new.options);
    old.properties.clone_from(&new.properties);
    old.mounts.clone_from(&new.mounts);
    old.ports.clone_from(&new.ports);
    old.domains.clone_from(&new.domains);
    old.scale = new.scale;
    old.order = new.order;
    old.resources.clone_from(&new.resources);
    old.hooks.gate.clone_from(&new.hooks.gate);
    old.await_gate = new.await_gate;
    Ok(())
}

fn raw(old: &mut RawSpec, new: &mut RawSpec) {
    let mut spec = new.container.clone();
    spec.name.clone_from(&old.container.name);
    spec.copies.clone_from(&old.container.copies);
    if old.build.is_some() {
        spec.image.clone_from(&old.container.image);
    }
    // Whose container it is.
    spec.labels.retain(|label, _| !label.starts_with("com.dokku-compose."));
    let own = old.container.labels.iter().filter(|(label, _)| label.starts_with("com.dokku-compose."));
    spec.labels.extend(own.map(|(label, value)| (label.clone(), value.clone())));
    if spec != old.container {
        spec.labels.remove(HASH_LABEL);
        let hash = container::digest(&(&spec, &old.build_digest));
        spec.labels.insert(HASH_LABEL.into(), hash.clone());
        new.container.labels.insert(HASH_LABEL.into(), hash);
    }
    old.container = spec;
    old.replicas = new.replicas;
    old.pull = new.pull;
    old.gate.clone_from(&new.gate);
}

/// The path of the first value that differs.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            keys.into_iter().find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                difference(&path, one.get(key).unwrap_or(&Value::Null), other.get(key).unwrap_or(&Value::Null))
            })
        }
        _ => (one != other).then(|| path.to_owned()),
    }
}

/// What the administrator does not allow of what `after` has and `before` has not: service and rule.
pub fn forbidden(policy: &Policy, site: &Site, before: &Desired, after: &Desired) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let volumes: BTreeSet<&String> =
        after.volumes.iter().map(|spec| &spec.name).chain(&after.external_volumes).collect();
    for (name, service) in &after.services {
        let Some(old) = before.services.get(name) else { continue };
        let (rules, sources) = match (&old.kind, &service.kind) {
            (Kind::App(old), Kind::App(new)) => (app_rules(old, new), app_sources(old, new)),
            (Kind::Container(old) | Kind::Job(old), Kind::Container(new) | Kind::Job(new)) => {
                (raw_rules(old, new), raw_sources(old, new))
            }
            _ => continue,
        };
        let denied = rules.into_iter().filter(|(key, value)| !policy.allows(key, value));
        out.extend(denied.map(|(key, value)| {
            let rule = if value.is_empty() { key.to_owned() } else { format!("{key}:{value}") };
            (name.clone(), rule)
        }));
        let foreign = sources.into_iter().filter(|source| match source.starts_with('/') {
            true => !storage::is_allowed(site, policy, Path::new(source)),
            false => !volumes.contains(source),
        });
        out.extend(foreign.map(|source| (name.clone(), format!("the mount of {source}"))));
    }
    out
}

type Rules = Vec<(&'static str, String)>;

fn app_rules(old: &AppSpec, new: &AppSpec) -> Rules {
    let mut out = Rules::new();
    for (before, now) in [
        (&old.options.build, &new.options.build),
        (&old.options.deploy, &new.options.deploy),
        (&old.options.run, &new.options.run),
    ] {
        for option in now.iter().filter(|option| !before.contains(option)) {
            let (flag, value) = option.split_once('=').unwrap_or((option, ""));
            match flag {
                "--privileged" => out.push(("privileged", String::new())),
                "--cap-add" => out.extend(capability(value)),
                "--device" => out.push(("devices", value.split(':').next().unwrap_or_default().to_owned())),
                "--security-opt" if value.starts_with("no-new-privileges") => {}
                "--security-opt" => out.push(("security_opt", value.to_owned())),
                flag if HARMLESS.contains(&flag) => {}
                _ => out.push(("docker-options", String::new())),
            }
        }
    }
    out
}

fn capability(name: &str) -> Option<(&'static str, String)> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    (!super::policy::is_harmless(name)).then(|| ("cap_add", name.to_owned()))
}

fn raw_rules(old: &RawSpec, new: &RawSpec) -> Rules {
    let (old, new) = (&old.container, &new.container);
    let mut out = Rules::new();
    if new.privileged && !old.privileged {
        out.push(("privileged", String::new()));
    }
    out.extend(new.cap_add.iter().filter(|name| !old.cap_add.contains(name)).filter_map(|name| capability(name)));
    out.extend(
        new.devices
            .iter()
            .filter(|device| !old.devices.contains(device))
            .map(|device| ("devices", device.source.clone())),
    );
    let added = |now: &[String], before: &[String]| -> Vec<String> {
        now.iter().filter(|item| !before.contains(item)).cloned().collect()
    };
    out.extend(
        added(&new.device_cgroup_rules, &old.device_cgroup_rules).into_iter().map(|rule| ("device_cgroup_rules", rule)),
    );
    let options = added(&new.security_opt, &old.security_opt).into_iter();
    out.extend(
        options.filter(|option| !option.starts_with("no-new-privileges")).map(|option| ("security_opt", option)),
    );
    for (key, before, now) in [
        ("network_mode", &old.network_mode, &new.network_mode),
        ("pid", &old.pid, &new.pid),
        ("ipc", &old.ipc, &new.ipc),
        ("uts", &old.uts, &new.uts),
        ("userns_mode", &old.userns, &new.userns),
        ("cgroup", &old.cgroup, &new.cgroup),
    ] {
        if before != now && (now == "host" || now.starts_with("container:")) {
            out.push((key, now.clone()));
        }
    }
    if old.runtime != new.runtime || old.cgroup_parent != new.cgroup_parent || old.networks != new.networks {
        out.push(("docker-options", String::new()));
    }
    out
}

fn app_sources<'a>(old: &'a AppSpec, new: &'a AppSpec) -> Vec<&'a String> {
    let there: Vec<&String> = old.mounts.iter().map(|mount| &mount.source).collect();
    new.mounts.iter().map(|mount| &mount.source).filter(|source| !there.contains(source)).collect()
}

fn raw_sources<'a>(old: &'a RawSpec, new: &'a RawSpec) -> Vec<&'a String> {
    let there: Vec<&String> = old.container.mounts.iter().map(|mount| &mount.source).collect();
    let all = new.container.mounts.iter().map(|mount| &mount.source);
    all.filter(|source| !source.is_empty() && !there.contains(source)).collect()
}
