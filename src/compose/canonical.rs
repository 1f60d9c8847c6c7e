//! Canonical: every short form becomes the long form that it stands for.
//!
//! Specification: 05-services.md, the short and long syntax of each element.

use super::budget::Budget;
use super::path::Path;
use super::schema::entry_span;
use super::short;
use super::tree::{
    boolean, child_map, describe, insert, is_null, map_mut, mapping, node, null, plain, printed, same, seq_mut, string,
    text,
};
use crate::diag::{Diagnostic, Diagnostics, Edit, Fix, Span};
use crate::yaml::{Kind, Map, Node, Value};

/// Rewrites `tree` in place. With `lenient`, what cannot be read stays as it
/// is (a short form that still holds variables).
pub(super) fn canonical(tree: &mut Node, lenient: bool, budget: &Budget, out: &mut Diagnostics) {
    let mut canonical = Canonical { lenient, budget, out };
    if let Some(services) = child_map(tree, "services") {
        for (name, entry) in &mut services.entries {
            if let Some(service) = map_mut(&mut entry.value) {
                canonical.service(service, &Path::Of(&["services", name]));
            }
        }
    }
    for section in ["volumes", "networks", "secrets", "configs"] {
        for (name, entry) in child_map(tree, section).into_iter().flat_map(|map| &mut map.entries) {
            canonical.resource(&mut entry.value, &Path::Of(&[section, name]));
        }
    }
}

/// A port in its long form: a mapping, and up to five keys with their values.
const NODES_OF_A_PORT: usize = 6;

struct Canonical<'a> {
    lenient: bool,
    budget: &'a Budget,
    out: &'a mut Diagnostics,
}

impl Canonical<'_> {
    fn service(&mut self, service: &mut Map, path: &Path<'_>) {
        self.container(service, path);
        for (key, entry) in &mut service.entries {
            let path = path.key(key);
            let value = &mut entry.value;
            match key.as_str() {
                "build" => self.build(value, &path),
                "depends_on" => self.depends_on(value, &path),
                "extends" if text(value).is_some() => {
                    let name = std::mem::take(value);
                    let span = name.span;
                    *value = mapping([("service", name)], span);
                }
                "ports" => self.ports(value, &path),
                "develop" => develop(value),
                "pre_start" => {
                    for (index, hook) in seq_mut(value).into_iter().flatten().enumerate() {
                        if let Some(hook) = map_mut(hook) {
                            self.container(hook, &path.index(index));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What a service and a container of a hook have in common.
    fn container(&mut self, container: &mut Map, path: &Path<'_>) {
        for (key, entry) in &mut container.entries {
            let path = path.key(key);
            let value = &mut entry.value;
            match key.as_str() {
                "env_file" => self.env_file(value, &path),
                "label_file" | "dns" => wrap(value),
                "gpus" if text(value).is_some() => {
                    let span = value.span;
                    *value = node(Kind::Seq(vec![mapping([("count", string("all", span))], span)]), span);
                }
                "networks" | "models" => names(value),
                "volumes" => self.each(value, &path, Self::volume),
                "devices" => self.each(value, &path, Self::device),
                "secrets" | "configs" => self.each(value, &path, Self::file_mount),
                _ => {}
            }
        }
        // A server list of nothing (an empty variable) is no server list.
        if let Some(dns) = container.entries.get_mut("dns").and_then(|entry| seq_mut(&mut entry.value)) {
            dns.retain(|server| !is_null(server) && text(server) != Some(""));
        }
    }

    fn each(&mut self, value: &mut Node, path: &Path<'_>, item: fn(&mut Self, &mut Node, &Path<'_>)) {
        for (index, entry) in seq_mut(value).into_iter().flatten().enumerate() {
            item(self, entry, &path.index(index));
        }
    }

    fn error(&mut self, code: &'static str, span: Span, message: String) {
        self.out.push(Diagnostic::error(code, message).at(span));
    }

    fn build(&mut self, build: &mut Node, path: &Path<'_>) {
        if text(build).is_some() {
            let context = std::mem::take(build);
            let span = context.span;
            *build = mapping([("context", context)], span);
            return;
        }
        for (key, entry) in map_mut(build).into_iter().flat_map(|map| &mut map.entries) {
            let path = path.key(key);
            let value = &mut entry.value;
            match key.as_str() {
                "secrets" => self.each(value, &path, Self::file_mount),
                "provenance" | "sbom" => {
                    if let Some(text) = printed(value) {
                        *value = string(text, value.span);
                    }
                }
                "additional_contexts" => self.contexts(value, &path),
                "ssh" => self.ssh(value, &path),
                _ => {}
            }
        }
    }

    fn contexts(&mut self, value: &mut Node, path: &Path<'_>) {
        let Some(items) = value.as_seq() else { return };
        let mut map = Map::default();
        for item in items {
            match text(item).and_then(|text| text.split_once('=')) {
                Some((name, context)) => insert(&mut map, name, item.span, string(context, item.span)),
                None if self.lenient => return,
                None => self.error("invalid-context", item.span, format!("`{path}` must list `name=context`")),
            }
        }
        *value = node(Kind::Map(map), value.span);
    }

    fn ssh(&mut self, value: &mut Node, path: &Path<'_>) {
        let Some(items) = value.as_seq() else { return };
        let mut map = Map::default();
        for item in items {
            match text(item).and_then(short::ssh::parse) {
                Some((id, key)) => {
                    let key = key.map_or_else(|| null(item.span), |key| string(key, item.span));
                    insert(&mut map, id, item.span, key);
                }
                None if self.lenient => return,
                None => self.error("invalid-ssh", item.span, format!("`{path}` must list `default` or `id=path`")),
            }
        }
        *value = node(Kind::Map(map), value.span);
    }

    fn depends_on(&mut self, value: &mut Node, path: &Path<'_>) {
        let started = |span: Span| {
            mapping([("condition", string("service_started", span)), ("required", boolean(true, span))], span)
        };
        let span = value.span;
        match &mut value.kind {
            Kind::Seq(items) => {
                let mut map = Map::default();
                for item in items.iter() {
                    if let Some(name) = text(item) {
                        insert(&mut map, name, item.span, started(item.span));
                    }
                }
                *value = node(Kind::Map(map), span);
            }
            Kind::Map(map) => {
                for (name, entry) in &mut map.entries {
                    let span = entry.value.span;
                    let Some(dependency) = map_mut(&mut entry.value) else {
                        let message = format!("`{}` must be a mapping, not {}", path.key(name), describe(&entry.value));
                        self.error("wrong-type", span, message);
                        continue;
                    };
                    if !dependency.entries.contains_key("condition") {
                        insert(dependency, "condition", span, string("service_started", span));
                    }
                    if !dependency.entries.contains_key("required") {
                        insert(dependency, "required", span, boolean(true, span));
                    }
                }
            }
            Kind::Scalar(_) => {
                let message = format!("`{path}` must be a list or a mapping, not {}", describe(value));
                self.error("wrong-type", span, message);
            }
        }
    }

    fn env_file(&mut self, value: &mut Node, path: &Path<'_>) {
        wrap(value);
        if value.as_seq().is_none() {
            let message = format!("`{path}` must be a string or a list, not {}", describe(value));
            self.error("wrong-type", value.span, message);
        }
        for item in seq_mut(value).into_iter().flatten() {
            let span = item.span;
            if text(item).is_some() {
                let file = std::mem::take(item);
                *item = mapping([("path", file), ("required", boolean(true, span))], span);
            } else if let Some(map) = map_mut(item)
                && !map.entries.contains_key("required")
            {
                insert(map, "required", span, boolean(true, span));
            }
        }
    }

    fn volume(&mut self, value: &mut Node, path: &Path<'_>) {
        let span = value.span;
        let Some(spec) = text(value) else {
            if value.as_map().is_none() {
                let message = format!("`{path}` must be a mount, not {}", describe(value));
                self.error("wrong-type", span, message);
            }
            return;
        };
        let volume = match short::volume::parse(spec) {
            Ok(volume) => volume,
            Err(_) if self.lenient => return,
            Err(cause) => {
                let message = format!("the mount `{spec}` {cause}");
                self.out.push(
                    Diagnostic::error("invalid-volume", message)
                        .at(span)
                        .hint("write `source:target` or `source:target:options`"),
                );
                return;
            }
        };
        for option in &volume.ignored {
            // Consistency modes of old file-sharing engines are common, harmless and without effect.
            if !["cached", "delegated", "consistent", ""].contains(&option.as_str()) {
                let message = format!("the mount option `{option}` is unknown and has no effect");
                self.out.push(Diagnostic::warning("unknown-mount-option", message).at(span));
            }
        }
        *value = long_volume(volume, span);
    }

    fn device(&mut self, value: &mut Node, _path: &Path<'_>) {
        let span = value.span;
        let Some(spec) = text(value) else { return };
        match short::device::parse(spec) {
            Some(device) => {
                *value = mapping(
                    [
                        ("source", string(device.source, span)),
                        ("target", string(device.target, span)),
                        ("permissions", string(device.permissions, span)),
                    ],
                    span,
                );
            }
            None if self.lenient => {}
            None => {
                let message = format!("the device `{spec}` has more than three parts");
                self.out.push(
                    Diagnostic::error("invalid-device", message)
                        .at(span)
                        .hint("write `source`, `target` and `permissions` as keys"),
                );
            }
        }
    }

    fn file_mount(&mut self, value: &mut Node, _path: &Path<'_>) {
        if text(value).is_some() {
            let source = std::mem::take(value);
            let span = source.span;
            *value = mapping([("source", source)], span);
        }
    }

    fn ports(&mut self, value: &mut Node, path: &Path<'_>) {
        let Some(items) = seq_mut(value) else { return };
        let mut ports = Vec::with_capacity(items.len());
        // One that cannot be read yet leaves the whole list as it was written.
        let written = if self.lenient { items.clone() } else { Vec::new() };
        for (index, item) in std::mem::take(items).into_iter().enumerate() {
            let span = item.span;
            let spec = match item.as_scalar().map(|scalar| scalar.value()) {
                Some(Value::Str(spec)) => spec.to_owned(),
                Some(Value::Int(number)) => number.to_string(),
                None if item.as_map().is_some() => {
                    ports.push(item);
                    continue;
                }
                _ => {
                    let message = format!("`{}` must be a port, not {}", path.index(index), describe(&item));
                    self.error("wrong-type", span, message);
                    continue;
                }
            };
            match short::port::parse(&spec) {
                Ok(list) => match self.budget.nodes(list.len() * NODES_OF_A_PORT) {
                    Ok(()) => ports.extend(list.into_iter().map(|port| long_port(port, span))),
                    Err(exceeded) => {
                        let error = exceeded.at(Some(span));
                        if !self.out.items.iter().any(|item| item.code == error.code) {
                            self.out.push(error);
                        }
                        return;
                    }
                },
                Err(_) if self.lenient => {
                    *items = written;
                    return;
                }
                Err(cause) => {
                    let message = format!("the port `{spec}` {cause}");
                    self.out.push(
                        Diagnostic::error("invalid-port", message)
                            .at(span)
                            .hint("write `[[address:]published:]target[/protocol]`"),
                    );
                }
            }
        }
        *items = ports;
    }

    /// `external: {name: x}` is `name: x` and `external: true`.
    fn resource(&mut self, value: &mut Node, path: &Path<'_>) {
        let span = value.span;
        let Some(resource) = map_mut(value) else {
            if !is_null(value) {
                let message = format!("`{path}` must be a mapping, not {}", describe(value));
                self.error("wrong-type", span, message);
            }
            return;
        };
        let Some(external) = resource.entries.get_mut("external") else { return };
        let Some(named) = external.value.as_map() else { return };
        let name = named.entries.get("name").cloned();
        let place = (named.entries.len() == 1).then(|| entry_span(external)).flatten();
        external.value = boolean(true, external.value.span);
        let Some(name) = name else { return };
        let mut warning = Diagnostic::warning("deprecated-key", format!("`{path}.external.name` is deprecated"))
            .at(name.key)
            .hint("write `name` beside `external: true`");
        if let (Some(place), Some(text)) = (place, text(&name.value).filter(|text| is_plain(text))) {
            let mut entries = vec!["external: true".to_owned()];
            if resource.get("name").is_none() {
                entries.push(format!("name: {text}"));
            }
            let title = "write `name` beside `external: true`".to_owned();
            warning = warning.fix(Fix { title, edits: vec![Edit::Entries(place, entries)] });
        }
        self.out.push(warning);
        match resource.get("name") {
            Some(other) if !same(other, &name.value) => self.out.push(
                Diagnostic::error("conflicting-keys", format!("`{path}` has two names"))
                    .at(name.value.span)
                    .label(other.span, "the other name")
                    .hint("keep `name` only"),
            ),
            Some(_) => {}
            None => {
                resource.entries.insert("name".into(), name);
            }
        }
    }
}

/// Whether a name needs no quotes, whatever it looks like.
fn is_plain(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char))
        && !["true", "false", "null"].contains(&name.to_ascii_lowercase().as_str())
}

fn develop(value: &mut Node) {
    for rule in child_seq(value, "watch") {
        for key in ["ignore", "include"] {
            if let Some(entry) = map_mut(rule).and_then(|rule| rule.entries.get_mut(key)) {
                wrap(&mut entry.value);
            }
        }
    }
}

fn child_seq<'a>(value: &'a mut Node, key: &str) -> impl Iterator<Item = &'a mut Node> {
    map_mut(value)
        .and_then(|map| map.entries.get_mut(key))
        .and_then(|entry| seq_mut(&mut entry.value))
        .into_iter()
        .flatten()
}

/// A string is a list of itself.
fn wrap(value: &mut Node) {
    if text(value).is_some() {
        let item = std::mem::take(value);
        let span = item.span;
        *value = node(Kind::Seq(vec![item]), span);
    }
}

/// A list of names is a mapping of them to nothing.
fn names(value: &mut Node) {
    let Some(items) = value.as_seq() else { return };
    let mut map = Map::default();
    for item in items {
        if let Some(name) = text(item) {
            insert(&mut map, name, item.span, null(item.span));
        }
    }
    *value = node(Kind::Map(map), value.span);
}

fn long_volume(volume: short::volume::ShortVolume, span: Span) -> Node {
    let mut map = Map::default();
    insert(&mut map, "type", span, string(if volume.bind { "bind" } else { "volume" }, span));
    if !volume.source.is_empty() {
        insert(&mut map, "source", span, string(volume.source, span));
    }
    if !volume.target.is_empty() {
        insert(&mut map, "target", span, string(super::paths::clean(&volume.target), span));
    }
    if volume.read_only {
        insert(&mut map, "read_only", span, boolean(true, span));
    }
    if volume.bind || volume.propagation.is_some() || volume.selinux.is_some() {
        let mut bind = Map::default();
        for (key, option) in [("selinux", volume.selinux), ("propagation", volume.propagation)] {
            if let Some(option) = option {
                insert(&mut bind, key, span, string(option, span));
            }
        }
        if volume.bind {
            insert(&mut bind, "create_host_path", span, boolean(true, span));
        }
        insert(&mut map, "bind", span, node(Kind::Map(bind), span));
    }
    if !volume.bind && !volume.bare || volume.nocopy {
        let mut options = Map::default();
        if volume.nocopy {
            insert(&mut options, "nocopy", span, boolean(true, span));
        }
        insert(&mut map, "volume", span, node(Kind::Map(options), span));
    }
    node(Kind::Map(map), span)
}

fn long_port(port: short::port::ShortPort, span: Span) -> Node {
    let mut map = Map::default();
    insert(&mut map, "mode", span, string("ingress", span));
    if !port.host_ip.is_empty() {
        insert(&mut map, "host_ip", span, string(port.host_ip, span));
    }
    insert(&mut map, "target", span, plain(port.target.to_string(), span));
    if !port.published.is_empty() {
        insert(&mut map, "published", span, string(port.published, span));
    }
    insert(&mut map, "protocol", span, string(port.protocol, span));
    node(Kind::Map(map), span)
}
