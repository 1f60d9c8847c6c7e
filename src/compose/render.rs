//! Render: the project as `docker compose config` prints it.

use serde_json::{Map, Value};

use crate::model::Project;
use crate::yaml::Node;

/// The format of [`render_config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With `x-*` keys at every level.
    Yaml,
    /// With top-level `x-*` keys only, as the reference prints it.
    Json,
}

/// The project as `docker compose config --format json` prints it: sections and
/// named things in order of name, `$` doubled so that the text can be loaded again.
pub fn config_json(project: &Project) -> Value {
    let mut value = plain(project);
    sort_keys(&mut value);
    value
}

fn plain(project: &Project) -> Value {
    // A model of strings, numbers and maps with string keys always serialises.
    let mut value = serde_json::to_value(project).unwrap_or_default();
    escape(&mut value);
    value
}

/// The project as text that can be loaded again.
///
/// # Errors
///
/// Where the text cannot be written, which no project is known to cause.
pub fn render_config(project: &Project, format: Format) -> Result<String, String> {
    match format {
        Format::Json => serde_json::to_string_pretty(&config_json(project))
            .map(|text| text + "\n")
            .map_err(|error| error.to_string()),
        Format::Yaml => {
            let mut value = plain(project);
            tidy(&mut value);
            graft(&mut value, &project.tree);
            crate::yaml::emit::emit(&value).map_err(|error| error.to_string())
        }
    }
}

/// `$` becomes `$$` in every value and, as the reference does it, in every key.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => {
            map.values_mut().for_each(escape);
            if map.keys().any(|key| key.contains('$')) {
                *map = std::mem::take(map).into_iter().map(|(key, value)| (key.replace('$', "$$"), value)).collect();
            }
        }
        _ => {}
    }
}

/// Top-level keys, and the names in each section, in alphabetical order.
fn sort_keys(value: &mut Value) {
    let Value::Object(sections) = value else { return };
    sections.sort_keys();
    for section in ["services", "networks", "volumes", "secrets", "configs", "models"] {
        if let Some(Value::Object(names)) = sections.get_mut(section) {
            names.sort_keys();
        }
    }
}

/// What is null for JSON only is left out of YAML.
fn tidy(value: &mut Value) {
    let Some(services) = value.get_mut("services").and_then(Value::as_object_mut) else { return };
    for service in services.values_mut().filter_map(Value::as_object_mut) {
        for key in ["command", "entrypoint"] {
            if service.get(key).is_some_and(Value::is_null) {
                service.shift_remove(key);
            }
        }
    }
}

/// Puts the `x-*` keys of the tree where JSON has none.
fn graft(value: &mut Value, tree: &Node) {
    match value {
        Value::Object(map) => graft_map(map, tree),
        Value::Array(items) => {
            items.iter_mut().zip(tree.as_seq().unwrap_or_default()).for_each(|(item, node)| graft(item, node))
        }
        _ => {}
    }
}

fn graft_map(map: &mut Map<String, Value>, tree: &Node) {
    let Some(entries) = tree.as_map().map(|map| &map.entries) else { return };
    for (key, value) in map.iter_mut() {
        if let Some(entry) = entries.get(key) {
            graft(value, &entry.value);
        }
    }
    for (key, entry) in entries {
        if key.starts_with("x-") && !map.contains_key(key) {
            let mut value = super::decode::json(&entry.value);
            escape(&mut value);
            map.insert(key.clone(), value);
        }
    }
}
