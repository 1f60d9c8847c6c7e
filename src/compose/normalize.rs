//! Normalize: what the Specification leaves implicit is written out: the
//! default network, dependencies by links and shared namespaces, names.
//!
//! Specification: 05-services.md, "depends_on", "links" and "networks"; 06-networks.md, "The default network".

use super::budget::Budget;
use super::load::Variables;
use super::merge::merge;
use super::path::{Path, Step};
use super::paths::clean;
use super::tree::{
    boolean, child_map, describe, insert, is_null, map_mut, mapping, node, null, printed, seq_mut, string, text,
};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Kind, Map, Node, Scalar, Value};

/// Completes a whole canonical tree in place.
pub(super) fn normalize(tree: &mut Node, project: &str, variables: &Variables, budget: &Budget, out: &mut Diagnostics) {
    let lookup = &Lookup { variables, budget };
    networks(tree);
    for (name, entry) in child_map(tree, "services").into_iter().flat_map(|services| &mut services.entries) {
        if let Some(service) = map_mut(&mut entry.value) {
            let span = entry.key;
            normalize_service(service, span, &Path::Of(&["services", name]), lookup, out);
        }
    }
    names(tree, project);
    for section in ["networks", "volumes", "secrets", "configs"] {
        for (name, entry) in child_map(tree, section).into_iter().flat_map(|map| &mut map.entries) {
            let path = Path::Of(&[section, name, "labels"]);
            if let Some(labels) = map_mut(&mut entry.value).and_then(|map| map.entries.get_mut("labels")) {
                key_values(&mut labels.value, &path, out);
            }
        }
    }
}

/// Services that name no network are on the default one.
fn networks(tree: &mut Node) {
    let mut used = None;
    for entry in child_map(tree, "services").into_iter().flat_map(|services| services.entries.values_mut()) {
        let span = entry.key;
        let Some(service) = map_mut(&mut entry.value) else { continue };
        if service.entries.contains_key("provider") || service.entries.contains_key("network_mode") {
            continue;
        }
        let named = service.get("networks").and_then(Node::as_map).filter(|networks| !networks.entries.is_empty());
        match named {
            Some(networks) => {
                if networks.entries.contains_key("default") {
                    used = used.or(Some(span));
                }
            }
            None => {
                insert(service, "networks", span, mapping([("default", null(span))], span));
                used = used.or(Some(span));
            }
        }
    }
    let (Some(span), Some(root)) = (used, map_mut(tree)) else { return };
    let networks =
        root.entries.get_or_insert_with("networks".into(), || crate::yaml::Entry { key: span, value: null(span) });
    if is_null(&networks.value) {
        networks.value = node(Kind::Map(Map::default()), span);
    }
    if let Some(networks) = map_mut(&mut networks.value)
        && !networks.entries.contains_key("default")
    {
        insert(networks, "default", span, null(span));
    }
}

/// Variables, and what their values may still come to.
struct Lookup<'a> {
    variables: &'a Variables,
    budget: &'a Budget,
}

fn normalize_service(service: &mut Map, span: Span, path: &Path<'_>, lookup: &Lookup<'_>, out: &mut Diagnostics) {
    if let Some(policy) = service.entries.get_mut("pull_policy")
        && text(&policy.value) == Some("if_not_present")
    {
        policy.value = string("missing", policy.value.span);
    }
    if let Some(build) = service.entries.get_mut("build") {
        normalize_build(&mut build.value, &path.key("build"), lookup, out);
    }
    for key in ["environment", "labels", "annotations", "sysctls"] {
        if let Some(entry) = service.entries.get_mut(key) {
            key_values(&mut entry.value, &path.key(key), out);
        }
    }
    if let Some(labels) = child(service, "deploy").and_then(|deploy| deploy.entries.get_mut("labels")) {
        key_values(&mut labels.value, &path.key("deploy").key("labels"), out);
    }
    if let Some(environment) = child(service, "environment") {
        resolve(environment, lookup, out);
    }
    dependencies(service, span);
    for volume in list(service, "volumes") {
        if let Some(target) = map_mut(volume).and_then(|volume| volume.entries.get_mut("target"))
            && let Some(path) = text(&target.value)
        {
            target.value = string(clean(path), target.value.span);
        }
    }
    pre_start(service, path, out);
}

fn normalize_build(build: &mut Node, path: &Path<'_>, lookup: &Lookup<'_>, out: &mut Diagnostics) {
    let span = build.span;
    let Some(build) = map_mut(build) else { return };
    if build.get("context").is_none_or(is_null) {
        insert(build, "context", span, string(".", span));
    }
    if build.get("dockerfile").is_none_or(is_null) && build.get("dockerfile_inline").is_none_or(is_null) {
        insert(build, "dockerfile", span, string("Dockerfile", span));
    }
    for key in ["args", "labels"] {
        if let Some(entry) = build.entries.get_mut(key) {
            key_values(&mut entry.value, &path.key(key), out);
        }
    }
    if let Some(args) = build.entries.get_mut("args").and_then(|entry| map_mut(&mut entry.value)) {
        resolve(args, lookup, out);
        args.entries.retain(|_, entry| !is_null(&entry.value));
    }
}

/// `KEY=VALUE` entries as a mapping; the last entry of a key stands.
fn key_values(value: &mut Node, path: &Path<'_>, out: &mut Diagnostics) {
    let Some(items) = value.as_seq() else { return };
    let mut map = Map::default();
    for (index, item) in items.iter().enumerate() {
        let Some(line) = printed(item) else { continue };
        if matches!(item.as_scalar().map(Scalar::value), Some(Value::Timestamp(_))) {
            let message = format!("`{}` must be a string, not {}", path.index(index), describe(item));
            out.push(Diagnostic::error("wrong-type", message).at(item.span));
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, string(value, item.span)),
            None => (line.as_str(), null(item.span)),
        };
        if is_service_environment(path) && name.ends_with(char::is_whitespace) {
            let message = format!("the variable name `{name}` ends in a space");
            out.push(
                Diagnostic::error("invalid-name", message)
                    .at(item.span)
                    .hint("write `NAME=value` without spaces around `=`"),
            );
        }
        insert(&mut map, name, item.span, value);
    }
    *value = node(Kind::Map(map), value.span);
}

/// Whether `path` is `services.NAME.environment`.
fn is_service_environment(path: &Path<'_>) -> bool {
    matches!(path.steps().as_slice(), [Step::Key("services"), _, Step::Key("environment")])
}

/// Variables named without a value take the one that interpolation sees.
fn resolve(map: &mut Map, lookup: &Lookup<'_>, out: &mut Diagnostics) {
    for (name, entry) in &mut map.entries {
        if is_null(&entry.value)
            && let Some(value) = lookup.variables.get(name.as_str())
        {
            if let Err(exceeded) = lookup.budget.bytes(value.len()) {
                out.push(exceeded.at(Some(entry.key)));
                return;
            }
            entry.value = string(value.clone(), entry.value.span);
        }
    }
}

/// Links, shared namespaces and shared volumes are dependencies.
fn dependencies(service: &mut Map, span: Span) {
    let mut implied: Vec<(String, bool, Span)> = Vec::new();
    for link in list(service, "links") {
        if let Some(name) = text(link) {
            let parts: Vec<&str> = name.split(':').collect();
            let name = if parts.len() == 2 { parts[0] } else { name };
            implied.push((name.to_owned(), true, link.span));
        }
    }
    for namespace in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some(value) = service.get(namespace)
            && let Some(name) = text(value).and_then(|mode| mode.strip_prefix("service:"))
        {
            implied.push((name.to_owned(), true, value.span));
        }
    }
    for volumes in list(service, "volumes_from") {
        if let Some(name) = text(volumes).filter(|name| !name.starts_with("container:")) {
            let name = name.split(':').next().unwrap_or_default();
            implied.push((name.to_owned(), false, volumes.span));
        }
    }
    if implied.is_empty() {
        return;
    }
    let depends_on = service.entries.get_or_insert_with("depends_on".into(), || crate::yaml::Entry {
        key: span,
        value: node(Kind::Map(Map::default()), span),
    });
    let Some(depends_on) = map_mut(&mut depends_on.value) else { return };
    for (name, restart, span) in implied {
        if !depends_on.entries.contains_key(name.as_str()) {
            let dependency = mapping(
                [
                    ("condition", string("service_started", span)),
                    ("restart", boolean(restart, span)),
                    ("required", boolean(true, span)),
                ],
                span,
            );
            insert(depends_on, &name, span, dependency);
        }
    }
}

/// Keys of a service that a container before it does not take over: what is no
/// setting of a container, and mounts, which it shares at run time.
const NOT_INHERITED: &[&str] = &[
    "attach",
    "build",
    "container_name",
    "depends_on",
    "deploy",
    "develop",
    "expose",
    "extends",
    "external_links",
    "healthcheck",
    "links",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "profiles",
    "provider",
    "restart",
    "scale",
    "stdin_open",
    "tty",
    "volumes",
];

/// A container before the service has the service's settings below its own.
fn pre_start(service: &mut Map, path: &Path<'_>, out: &mut Diagnostics) {
    if list(service, "pre_start").next().is_none() {
        return;
    }
    let mut base = service.clone();
    base.entries.retain(|key, _| !NOT_INHERITED.contains(&key.as_str()) && !key.starts_with("x-"));
    for (index, hook) in list(service, "pre_start").enumerate() {
        if hook.as_map().is_none() {
            continue;
        }
        let own = std::mem::take(hook);
        let span = own.span;
        // The rules of merging are those of a service, whatever the hook's own path.
        *hook = merge(node(Kind::Map(base.clone()), span), own, &Path::Of(&["services", "hook"]), out);
        if let Some(map) = map_mut(hook) {
            for key in ["environment", "labels", "annotations", "sysctls"] {
                if let Some(entry) = map.entries.get_mut(key) {
                    key_values(&mut entry.value, &path.key("pre_start").index(index).key(key), out);
                }
            }
        }
    }
}

/// Resources without a name are called after the project and their key.
fn names(tree: &mut Node, project: &str) {
    for section in ["networks", "volumes", "configs", "secrets"] {
        for (key, entry) in child_map(tree, section).into_iter().flat_map(|map| &mut map.entries) {
            let span = if is_null(&entry.value) { entry.key } else { entry.value.span };
            if is_null(&entry.value) {
                entry.value = node(Kind::Map(Map::default()), span);
            }
            let Some(resource) = map_mut(&mut entry.value) else { continue };
            if resource.get("name").is_none_or(is_null) {
                let external = resource.get("external").and_then(printed).as_deref() == Some("true");
                let name = if external { key.clone() } else { format!("{project}_{key}").into() };
                insert(resource, "name", entry.key, string(name, entry.key));
            }
        }
    }
}

fn child<'a>(map: &'a mut Map, key: &str) -> Option<&'a mut Map> {
    map_mut(&mut map.entries.get_mut(key)?.value)
}

fn list<'a>(map: &'a mut Map, key: &str) -> impl Iterator<Item = &'a mut Node> {
    map.entries.get_mut(key).and_then(|entry| seq_mut(&mut entry.value)).into_iter().flatten()
}
