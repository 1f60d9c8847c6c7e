//! Validation: rules between the keys of one mapping.

use std::net::IpAddr;

use super::path::Path;
use super::tree::{is_null, printed, text};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Kind, Map, Node, Value};

/// Reports every mapping of a canonical tree that breaks such a rule.
pub(super) fn check(tree: &Node, out: &mut Diagnostics) {
    walk(tree, &Path::default(), out);
}

fn walk(node: &Node, path: &Path, out: &mut Diagnostics) {
    if let Kind::Map(map) = &node.kind {
        if path.matches("volumes.*") {
            external(map, path, out);
        } else if path.matches("configs.*") {
            file_object(node.span, map, &["file", "environment", "content"], path, out);
        } else if path.matches("secrets.*") {
            file_object(node.span, map, &["file", "environment"], path, out);
        } else if path.matches("services.*.ports.*") {
            target(node.span, map, "port", path, out);
            host_address(map, path, out);
        } else if path.matches("services.*.volumes.*") {
            target(node.span, map, "mount", path, out);
        } else if path.matches("services.*.devices.*") {
            target(node.span, map, "device", path, out);
        } else if path.matches("services.*.gpus.*")
            || path.matches("services.*.deploy.resources.reservations.devices.*")
        {
            device_request(map, path, out);
        }
    } else if path.matches("services.*.expose.*") {
        if node.as_scalar().is_some_and(|scalar| matches!(scalar.value(), Value::Float(_))) {
            out.push(Diagnostic::error("wrong-type", format!("`{path}` must be a port")).at(node.span));
        }
    } else if path.matches("services.*.develop.watch.*.path") && text(node) == Some("") {
        out.push(Diagnostic::error("invalid-value", format!("`{path}` must not be empty")).at(node.span));
    }
    match &node.kind {
        Kind::Map(map) => map.entries.iter().for_each(|(key, entry)| walk(&entry.value, &path.key(key), out)),
        Kind::Seq(items) => items.iter().enumerate().for_each(|(index, item)| walk(item, &path.index(index), out)),
        Kind::Scalar(_) => {}
    }
}

/// What must exist already has a name and nothing else.
fn external(map: &Map, path: &Path, out: &mut Diagnostics) {
    let Some(external) = map.get("external").filter(|external| printed(external).as_deref() == Some("true")) else {
        return;
    };
    for (key, entry) in &map.entries {
        if !["name", "external"].contains(&key.as_str()) && !key.starts_with("x-") {
            out.push(
                Diagnostic::error("conflicting-keys", format!("`{path}` is external and cannot have `{key}`"))
                    .at(entry.key)
                    .label(external.span, "external here"),
            );
        }
    }
}

/// One source of the content, or a driver that has one, or external.
fn file_object(span: Span, map: &Map, keys: &[&str], path: &Path, out: &mut Diagnostics) {
    let list = || keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let mut given = keys.iter().filter_map(|key| map.entries.get(*key));
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => out.push(
            Diagnostic::error("conflicting-keys", format!("`{path}` takes only one of {}", list()))
                .at(second.key)
                .label(first.key, "the other one"),
        ),
        (None, _) if map.get("driver").is_none() && map.get("external").is_none() => {
            out.push(Diagnostic::error("missing-key", format!("`{path}` needs one of {}", list())).at(span));
        }
        _ => {}
    }
}

/// The schema does not ask for the place in the container, all else does.
fn target(span: Span, map: &Map, what: &str, path: &Path, out: &mut Diagnostics) {
    if map.get("target").is_none_or(is_null) {
        out.push(Diagnostic::error("missing-key", format!("`{path}` is a {what} and needs a `target`")).at(span));
    }
}

fn host_address(map: &Map, path: &Path, out: &mut Diagnostics) {
    let Some(node) = map.get("host_ip").filter(|node| !is_null(node)) else { return };
    if let Some(address) = text(node)
        && address.parse::<IpAddr>().is_err()
    {
        let message = format!("`{path}.host_ip` must be an IP address, but is `{address}`");
        out.push(Diagnostic::error("invalid-value", message).at(node.span));
    }
}

fn device_request(map: &Map, path: &Path, out: &mut Diagnostics) {
    if let (Some(count), Some(ids)) = (map.entries.get("count"), map.entries.get("device_ids")) {
        out.push(
            Diagnostic::error("conflicting-keys", format!("`{path}` takes `count` or `device_ids`, not both"))
                .at(ids.key)
                .label(count.key, "the other one"),
        );
    }
}
