//! Unicity: in lists whose entries have a key, the last entry for a key takes
//! effect, where the first one stood.
//!
//! Specification: 13-merge.md, "Unique resources".

use std::borrow::Cow;
use std::sync::LazyLock;

use super::patterns::Patterns;
use super::short;
use super::tree::{printed, shown, text};
use crate::hashed::HashMap;
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

static PATTERNS: LazyLock<Patterns<Index>> = LazyLock::new(|| Patterns::of(INDEXES));

/// Removes redefinitions from every such list of a whole tree.
///
/// An entry that gives no key stays; the phases after this one tell what is wrong with it.
pub(super) fn enforce(tree: &mut Node) {
    PATTERNS.each_mut(tree, &mut |node, _, index| {
        if let Kind::Seq(items) = &mut node.kind {
            *items = unique(std::mem::take(items), index);
        }
    });
}

/// One entry a key of a `KEY=VALUE` list.
pub(super) fn by_key(entries: Vec<Node>) -> Vec<Node> {
    unique(entries, Index::KeyValue)
}

fn unique(entries: Vec<Node>, index: Index) -> Vec<Node> {
    if entries.len() < 2 {
        return entries;
    }
    let mut kept: Vec<Node> = Vec::with_capacity(entries.len());
    let mut places: HashMap<String, usize> = HashMap::default();
    for entry in entries {
        let place = key(&entry, index).map(|key| *places.entry(key).or_insert(kept.len()));
        match place.and_then(|place| kept.get_mut(place)) {
            Some(earlier) => *earlier = entry,
            None => kept.push(entry),
        }
    }
    kept
}

/// The key of an entry, if it has one.
fn key(entry: &Node, index: Index) -> Option<String> {
    let field = |name: &str| entry.as_map().and_then(|map| map.get(name));
    let is_map = entry.as_map().is_some();
    match index {
        Index::KeyValue => text(entry).map(|text| text.split_once('=').map_or(text, |(key, _)| key).to_owned()),
        Index::Volume if is_map => field("target").and_then(text).map(str::to_owned),
        Index::Volume => short::volume::parse(text(entry)?).ok().map(|volume| volume.target),
        Index::Device if is_map => field("target").and_then(text).map(str::to_owned),
        Index::Device => {
            let mut parts = text(entry)?.split(':');
            let source = parts.next()?;
            Some(parts.next().unwrap_or(source).to_owned())
        }
        Index::Mount(directory) if is_map => match field("target") {
            Some(target) => text(target).map(str::to_owned),
            None => Some(format!("{directory}/{}", field("source").and_then(printed)?)),
        },
        Index::Mount(directory) => Some(format!("{directory}/{}", text(entry)?)),
        Index::Port if is_map => {
            let part =
                |name: &str, default: &'static str| field(name).and_then(shown).unwrap_or(Cow::Borrowed(default));
            let target = field("target").and_then(shown)?;
            let (address, published) = (part("host_ip", "0.0.0.0"), part("published", ""));
            Some([&address, ":", &published, ":", &target, "/", &part("protocol", "tcp")].concat())
        }
        Index::Port | Index::Expose => match entry.as_scalar()?.value() {
            Value::Str(text) => Some(text.to_owned()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        },
        Index::EnvFile if is_map => field("path").and_then(text).map(str::to_owned),
        Index::EnvFile => text(entry).map(str::to_owned),
    }
}
