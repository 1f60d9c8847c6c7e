//! Unicity: in lists whose entries have a key, the last entry for a key takes
//! effect, where the first one stood.

use super::path::Path;
use super::short;
use super::tree::{describe, printed, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::{Kind, Node, Value};

/// How entries of a list are told apart.
#[derive(Clone, Copy)]
enum Index {
    /// By what stands before `=`.
    KeyValue,
    /// By mount target.
    Volume,
    /// By device path in the container.
    Device,
    /// By target, else by directory and source.
    Mount(&'static str),
    /// By port number as written.
    Expose,
    /// By address, published port, target and protocol.
    Port,
    /// By path.
    EnvFile,
}

const INDEXES: &[(&str, Index)] = &[
    ("networks.*.labels", Index::KeyValue),
    ("networks.*.ipam.options", Index::KeyValue),
    ("services.*.annotations", Index::KeyValue),
    ("services.*.build.args", Index::KeyValue),
    ("services.*.build.additional_contexts", Index::KeyValue),
    ("services.*.build.tags", Index::KeyValue),
    ("services.*.build.labels", Index::KeyValue),
    ("services.*.cap_add", Index::KeyValue),
    ("services.*.cap_drop", Index::KeyValue),
    ("services.*.devices", Index::Device),
    ("services.*.configs", Index::Mount("")),
    ("services.*.deploy.labels", Index::KeyValue),
    ("services.*.dns", Index::KeyValue),
    ("services.*.dns_opt", Index::KeyValue),
    ("services.*.dns_search", Index::KeyValue),
    ("services.*.environment", Index::KeyValue),
    ("services.*.env_file", Index::EnvFile),
    ("services.*.expose", Index::Expose),
    ("services.*.labels", Index::KeyValue),
    ("services.*.links", Index::KeyValue),
    ("services.*.networks.*.aliases", Index::KeyValue),
    ("services.*.networks.*.link_local_ips", Index::KeyValue),
    ("services.*.ports", Index::Port),
    ("services.*.profiles", Index::KeyValue),
    ("services.*.secrets", Index::Mount("/run/secrets")),
    ("services.*.sysctls", Index::KeyValue),
    ("services.*.tmpfs", Index::KeyValue),
    ("services.*.volumes", Index::Volume),
];

/// Removes redefinitions from every such list of `node`.
pub(super) fn enforce(node: &mut Node, path: &Path, out: &mut Diagnostics) {
    match &mut node.kind {
        Kind::Map(map) => {
            for (key, entry) in &mut map.entries {
                enforce(&mut entry.value, &path.key(key), out);
            }
        }
        Kind::Seq(items) => {
            if let Some((_, index)) = INDEXES.iter().find(|(pattern, _)| path.matches(pattern)) {
                *items = unique(std::mem::take(items), *index, path, out);
            }
        }
        Kind::Scalar(_) => {}
    }
}

/// One entry a key of a `KEY=VALUE` list.
pub(super) fn by_key(entries: Vec<Node>, path: &Path, out: &mut Diagnostics) -> Vec<Node> {
    unique(entries, Index::KeyValue, path, out)
}

fn unique(entries: Vec<Node>, index: Index, path: &Path, out: &mut Diagnostics) -> Vec<Node> {
    let mut kept = indexmap::IndexMap::<String, Node>::with_capacity(entries.len());
    for (position, entry) in entries.into_iter().enumerate() {
        match key(&entry, index) {
            Ok(key) => {
                kept.insert(key, entry);
            }
            Err(expected) => out.push(
                Diagnostic::error("wrong-type", format!("`{}` must be {expected}, but is {}", path.index(position), describe(&entry)))
                    .at(entry.span),
            ),
        }
    }
    kept.into_values().collect()
}

/// The key of an entry, or what it should have been.
fn key(entry: &Node, index: Index) -> Result<String, &'static str> {
    let field = |name: &str| entry.as_map().and_then(|map| map.get(name));
    match index {
        Index::KeyValue => {
            let text = text(entry).ok_or("a string")?;
            Ok(text.split_once('=').map_or(text, |(key, _)| key).to_owned())
        }
        Index::Volume => match (&entry.kind, text(entry)) {
            (Kind::Map(_), _) => field("target").and_then(text).map(str::to_owned).ok_or("a mount with a `target`"),
            (_, Some(spec)) => short::volume::parse(spec).map(|volume| volume.target).map_err(|_| "a mount such as `./data:/data`"),
            _ => Ok(String::new()),
        },
        Index::Device => match (&entry.kind, text(entry)) {
            (Kind::Map(_), _) => field("target").and_then(text).map(str::to_owned).ok_or("a device with a `target`"),
            (_, Some(spec)) => {
                let mut parts = spec.split(':');
                let source = parts.next().unwrap_or_default();
                Ok(parts.next().unwrap_or(source).to_owned())
            }
            _ => Ok(String::new()),
        },
        Index::Mount(directory) => match (&entry.kind, text(entry)) {
            (Kind::Map(_), _) => match field("target") {
                Some(target) => text(target).map(str::to_owned).ok_or("a mount whose `target` is a string"),
                None => Ok(format!("{directory}/{}", field("source").and_then(printed).unwrap_or_default())),
            },
            (_, Some(name)) => Ok(format!("{directory}/{name}")),
            _ => Err("a name or a mapping"),
        },
        Index::Expose => match entry.as_scalar().map(|scalar| scalar.value()) {
            Some(Value::Str(text)) => Ok(text.to_owned()),
            Some(Value::Int(number)) => Ok(number.to_string()),
            _ => Err("a port"),
        },
        Index::Port => match entry.as_scalar().map(|scalar| scalar.value()) {
            Some(Value::Str(text)) => Ok(text.to_owned()),
            Some(Value::Int(number)) => Ok(number.to_string()),
            Some(_) => Ok(String::new()),
            None if entry.as_seq().is_some() => Ok(String::new()),
            None => {
                let part = |name: &str, default: &str| field(name).and_then(printed).unwrap_or_else(|| default.to_owned());
                let target = field("target").and_then(printed).ok_or("a port with a `target`")?;
                Ok(format!("{}:{}:{target}/{}", part("host_ip", "0.0.0.0"), part("published", "<nil>"), part("protocol", "tcp")))
            }
        },
        Index::EnvFile => match (&entry.kind, text(entry)) {
            (Kind::Map(_), _) => field("path").and_then(text).map(str::to_owned).ok_or("a file with a `path`"),
            (_, Some(path)) => Ok(path.to_owned()),
            _ => Ok(String::new()),
        },
    }
}
