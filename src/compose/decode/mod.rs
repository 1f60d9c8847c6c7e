//! Decode: the canonical tree becomes the typed project.
//!
//! Specification: 02-model.md, and for each key the section of its element.

mod build;
mod deploy;
mod fields;
mod resources;
mod service;

use super::path::Path;
use crate::diag::Diagnostics;
use crate::hashed::IndexMap;
use crate::model::{Extends, Project};
use crate::yaml::Node;

use self::fields::Fields;
pub(super) use self::fields::json;

/// The project that `tree` describes; it takes the tree with it.
pub(super) fn project(tree: Node, out: &mut Diagnostics) -> Project {
    let mut project = Project::default();
    let mut fields = Fields::of(&tree, Path::default(), out);
    project.services = fields.each("services", |fields, _| service::service(fields));
    for (name, service) in &mut project.services {
        service.name.clone_from(name);
    }
    project.networks = fields.each("networks", |fields, _| resources::network(fields));
    project.volumes = fields.each("volumes", |fields, _| resources::volume(fields));
    project.secrets = fields.each("secrets", |fields, _| resources::secret(fields));
    project.configs = fields.each("configs", |fields, _| resources::config(fields));
    project.models = fields.each("models", |fields, _| resources::model(fields));
    project.extensions = fields.extensions();
    project.tree = tree;
    project
}

/// What an `extends` value says.
pub(super) fn extends(node: &Node) -> Extends {
    let text = |key: &str| node.as_map().and_then(|map| map.get(key)).and_then(super::tree::printed);
    match super::tree::text(node) {
        Some(service) => Extends { file: None, service: Some(service.to_owned()) },
        None => Extends { file: text("file"), service: text("service") },
    }
}

/// Drops what is null from a mapping whose values must be there.
fn present<T>(map: IndexMap<String, Option<T>>) -> IndexMap<String, T> {
    map.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect()
}
