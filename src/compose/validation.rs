//! Validation: rules between the keys of one mapping.
//!
//! Specification: 05-services.md, 07-volumes.md, 08-configs.md, 09-secrets.md.

use std::net::IpAddr;
use std::sync::LazyLock;

use super::path::Path;
use super::patterns::Patterns;
use super::tree::{is_null, printed, text};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Kind, Map, Node, Value};

/// What must hold at a place.
#[derive(Clone, Copy)]
enum Rule {
    External,
    FileObject(&'static [&'static str]),
    Port,
    Mount,
    Device,
    DeviceRequest,
    Expose,
    WatchedPath,
}

const TABLE: &[(&str, Rule)] = &[
    ("volumes.*", Rule::External),
    ("configs.*", Rule::FileObject(&["file", "environment", "content"])),
    ("secrets.*", Rule::FileObject(&["file", "environment"])),
    ("services.*.ports.*", Rule::Port),
    ("services.*.volumes.*", Rule::Mount),
    ("services.*.devices.*", Rule::Device),
    ("services.*.gpus.*", Rule::DeviceRequest),
    ("services.*.deploy.resources.reservations.devices.*", Rule::DeviceRequest),
    ("services.*.expose.*", Rule::Expose),
    ("services.*.develop.watch.*.path", Rule::WatchedPath),
];

static RULES: LazyLock<Patterns<Rule>> = LazyLock::new(|| Patterns::of(TABLE));

/// Reports every place of a canonical tree that breaks such a rule.
pub(super) fn check(tree: &Node, out: &mut Diagnostics) {
    RULES.each(tree, &mut |node, path, rule| match (rule, &node.kind) {
        (Rule::External, Kind::Map(map)) => external(map, path, out),
        (Rule::FileObject(keys), Kind::Map(map)) => file_object(node.span, map, keys, path, out),
        (Rule::Port, Kind::Map(map)) => {
            target(node.span, map, "port", path, out);
            host_address(map, path, out);
        }
        (Rule::Mount, Kind::Map(map)) => target(node.span, map, "mount", path, out),
        (Rule::Device, Kind::Map(map)) => target(node.span, map, "device", path, out),
        (Rule::DeviceRequest, Kind::Map(map)) => device_request(map, path, out),
        (Rule::Expose, Kind::Scalar(scalar)) if matches!(scalar.value(), Value::Float(_)) => {
            out.push(Diagnostic::error("wrong-type", format!("`{path}` must be a port")).at(node.span));
        }
        (Rule::WatchedPath, Kind::Scalar(_)) if text(node) == Some("") => {
            out.push(Diagnostic::error("invalid-value", format!("`{path}` must not be empty")).at(node.span));
        }
        _ => {}
    });
}

/// What must exist already has a name and nothing else.
fn external(map: &Map, path: &Path<'_>, out: &mut Diagnostics) {
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
fn file_object(span: Span, map: &Map, keys: &[&str], path: &Path<'_>, out: &mut Diagnostics) {
    let list = || keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let mut given = keys.iter().filter_map(|key| map.entries.get(key));
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
fn target(span: Span, map: &Map, what: &str, path: &Path<'_>, out: &mut Diagnostics) {
    if map.get("target").is_none_or(is_null) {
        out.push(Diagnostic::error("missing-key", format!("`{path}` is a {what} and needs a `target`")).at(span));
    }
}

fn host_address(map: &Map, path: &Path<'_>, out: &mut Diagnostics) {
    let Some(node) = map.get("host_ip").filter(|node| !is_null(node)) else { return };
    if let Some(address) = text(node)
        && address.parse::<IpAddr>().is_err()
    {
        let message = format!("`{path}.host_ip` must be an IP address, but is `{address}`");
        out.push(Diagnostic::error("invalid-value", message).at(node.span));
    }
}

fn device_request(map: &Map, path: &Path<'_>, out: &mut Diagnostics) {
    if let (Some(count), Some(ids)) = (map.entries.get("count"), map.entries.get("device_ids")) {
        out.push(
            Diagnostic::error("conflicting-keys", format!("`{path}` takes `count` or `device_ids`, not both"))
                .at(ids.key)
                .label(count.key, "the other one"),
        );
    }
}
