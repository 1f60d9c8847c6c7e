//! The whole project and where its parts were written.
//!
//! Specification: 02-model.md.

use std::path::PathBuf;

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::is_unset;
use super::{Config, Extensions, Model, Network, Secret, Service, Volume};
use crate::diag::Span;
use crate::yaml::{Kind, Node};

/// A compose project after every phase of loading.
///
/// Specification: 02-model.md, and 03-compose-file.md for what its parts are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Project {
    /// The project name: as asked for, else `name:`, else the directory's.
    pub name: String,
    /// The directory that relative paths start from, absolute.
    #[serde(skip)]
    pub working_dir: PathBuf,
    /// Services that the active profiles enable, by name.
    pub services: IndexMap<String, Service>,
    /// Services that no active profile enables, by name.
    #[serde(skip)]
    pub disabled_services: IndexMap<String, Service>,
    /// Networks by key; the default network is here if a service uses it.
    #[serde(skip_serializing_if = "is_unset")]
    pub networks: IndexMap<String, Network>,
    /// Volumes by key.
    #[serde(skip_serializing_if = "is_unset")]
    pub volumes: IndexMap<String, Volume>,
    /// Secrets by key.
    #[serde(skip_serializing_if = "is_unset")]
    pub secrets: IndexMap<String, Secret>,
    /// Configs by key.
    #[serde(skip_serializing_if = "is_unset")]
    pub configs: IndexMap<String, Config>,
    /// AI models by key.
    #[serde(skip_serializing_if = "is_unset")]
    pub models: IndexMap<String, Model>,
    /// Top-level `x-*` keys.
    #[serde(flatten)]
    pub extensions: Extensions,
    /// The active profiles.
    #[serde(skip)]
    pub profiles: Vec<String>,
    /// The variables that interpolation saw.
    #[serde(skip)]
    pub environment: IndexMap<String, String>,
    /// The compose files in the order merged, as they were asked for or found.
    #[serde(skip)]
    pub compose_files: Vec<PathBuf>,
    /// Whether the env files and label files of services were read into them.
    #[serde(skip)]
    pub environment_resolved: bool,
    /// Every file that loading read, in the order read: compose, included and
    /// extended files, env files, label files.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// The canonical tree that the model was made from, with the place of every value.
    #[serde(skip)]
    pub tree: Node,
}

impl Project {
    /// Where the value at `path` was written, such as `services.web.ports[0].target`.
    ///
    /// `None` where no such value is in the tree. A key may hold dots: the
    /// longest key that fits is taken.
    pub fn span(&self, path: &str) -> Option<Span> {
        find(&self.tree, path).map(|found| found.value)
    }

    /// Where the key of the entry at `path` was written; for a list item, the item.
    pub fn key_span(&self, path: &str) -> Option<Span> {
        find(&self.tree, path).map(|found| found.key)
    }

    /// The service called `name`, enabled or not.
    pub fn any_service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).or_else(|| self.disabled_services.get(name))
    }
}

struct Found {
    key: Span,
    value: Span,
}

fn find(node: &Node, path: &str) -> Option<Found> {
    walk(node, Found { key: node.span, value: node.span }, path)
}

fn walk(node: &Node, at: Found, path: &str) -> Option<Found> {
    if path.is_empty() {
        return Some(at);
    }
    match &node.kind {
        Kind::Map(map) => {
            // Looked up, not searched for: a mapping may have thousands of keys, a path few places where one may end.
            let path = path.strip_prefix('.').unwrap_or(path);
            let ends: Vec<usize> = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]).collect();
            ends.into_iter().rev().find_map(|end| {
                let entry = map.entries.get(&path[..end])?;
                walk(&entry.value, Found { key: entry.key, value: entry.value.span }, &path[end..])
            })
        }
        Kind::Seq(items) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            let item = items.get(index.parse::<usize>().ok()?)?;
            walk(item, Found { key: item.span, value: item.span }, rest)
        }
        Kind::Scalar(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::FileId;
    use crate::yaml::{Entry, Map, Scalar, Style};

    fn span(start: u32) -> Span {
        Span { file: FileId(0), start, end: start + 1 }
    }

    fn scalar(start: u32) -> Node {
        Node { kind: Kind::Scalar(Scalar { text: "x".into(), style: Style::Plain }), span: span(start), tag: None }
    }

    fn map(start: u32, entries: Vec<(&str, Node)>) -> Node {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.into(), Entry { key: span(value.span.start + 100), value }))
            .collect();
        Node { kind: Kind::Map(Map { entries }), span: span(start), tag: None }
    }

    #[test]
    fn paths_lead_to_spans_even_through_dotted_keys() {
        let ports = Node { kind: Kind::Seq(vec![scalar(7), scalar(8)]), span: span(6), tag: None };
        let services = map(2, vec![("web", map(3, vec![])), ("web.ports", map(4, vec![("ports", ports)]))]);
        let project = Project { tree: map(1, vec![("services", services)]), ..Project::default() };
        assert_eq!(project.span("services.web"), Some(span(3)));
        assert_eq!(project.span("services.web.ports.ports[1]"), Some(span(8)));
        assert_eq!(project.key_span("services.web.ports"), Some(span(104)));
        assert_eq!(project.span("services.web.ports.ports[2]"), None);
        assert_eq!(project.span("services.db"), None);
    }
}
