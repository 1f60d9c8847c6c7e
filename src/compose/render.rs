//! Render: the project as `docker compose config` prints it.
//!
//! The Specification has the keys, Docker Compose (`types` of compose-go) their order and which of them are left out.

use serde_json::{Map, Value};

use super::environment::VALUE;
use super::key_order;
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
    sort_authored(&mut value);
    for service in section(&mut value, "services") {
        limits_of_devices(service);
        key_order::sort(service);
    }
    if let Value::Object(sections) = &mut value {
        sections.sort_keys();
    }
    value
}

/// The reference writes these few keys of a service, and of the containers before it, as its program spells them; it
/// does not load them again.
pub(super) fn limits_of_devices(service: &mut Map<String, Value>) {
    for hook in list(service, "pre_start") {
        limits_of_devices(hook);
    }
    let lists = service.get_mut("blkio_config").and_then(Value::as_object_mut);
    let entries = lists.into_iter().flat_map(|lists| lists.values_mut()).filter_map(Value::as_array_mut).flatten();
    for entry in entries.filter_map(Value::as_object_mut) {
        let spelt = |key: &str| {
            match key {
                "path" => "Path",
                "rate" => "Rate",
                "weight" => "Weight",
                other => other,
            }
            .to_owned()
        };
        *entry = std::mem::take(entry).into_iter().map(|(key, value)| (spelt(&key), value)).collect();
    }
}

fn plain(project: &Project) -> Value {
    // A model of strings, numbers and maps with string keys always serialises.
    let mut value = serde_json::to_value(project).unwrap_or_default();
    if !project.environment_resolved {
        env_files(&mut value, project);
    }
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
            sort_authored(&mut value);
            section(&mut value, "services").for_each(key_order::sort);
            crate::yaml::emit::emit(&value).map_err(|error| error.to_string())
        }
    }
}

/// Env files that nobody read are still the services' own.
fn env_files(value: &mut Value, project: &Project) {
    let services = value.get_mut("services").and_then(Value::as_object_mut);
    for (name, service) in services.into_iter().flatten() {
        let files = project.services.get(name).map(|service| &service.env_file).filter(|files| !files.is_empty());
        if let (Some(service), Some(files)) = (service.as_object_mut(), files) {
            service.insert("env_file".to_owned(), serde_json::to_value(files).unwrap_or_default());
        }
    }
}

/// A tree as text, every mapping in order of its keys: variables in it stay as they are.
///
/// # Errors
///
/// Where the text cannot be written, which no tree is known to cause.
pub fn render_model(tree: &Node, format: Format) -> Result<String, String> {
    let mut value = super::decode::json(tree);
    value.sort_all_objects();
    match format {
        Format::Json => serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(|error| error.to_string()),
        Format::Yaml => crate::yaml::emit::emit(&value).map_err(|error| error.to_string()),
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

/// Mappings whose keys authors choose: these are printed in alphabetical order.
const AUTHORED: &[&str] = &[
    "additional_contexts",
    "annotations",
    "args",
    "aux_addresses",
    "configs",
    "depends_on",
    "driver_opts",
    "environment",
    "labels",
    "models",
    "networks",
    "options",
    "secrets",
    "services",
    "storage_opt",
    "sysctls",
    "ulimits",
    "volumes",
];

/// Sorts what authors name; keys of the Specification stay in its order.
pub(super) fn sort_authored(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if key.starts_with("x-") {
                    value.sort_all_objects();
                    continue;
                }
                if let (true, Value::Object(names)) = (AUTHORED.contains(&key.as_str()), &mut *value) {
                    names.sort_keys();
                }
                sort_authored(value);
            }
            let mut extensions: Vec<String> = map.keys().filter(|key| key.starts_with("x-")).cloned().collect();
            extensions.sort();
            for key in extensions {
                if let Some(value) = map.shift_remove(&key) {
                    map.insert(key, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(sort_authored),
        _ => {}
    }
}

/// What the reference prints in JSON only, although nothing is in it, is left out of YAML.
fn tidy(value: &mut Value) {
    for service in section(value, "services") {
        write_limits(service);
        if let Some(build) = service.get_mut("build").and_then(Value::as_object_mut) {
            write_limits(build);
        }
        drop_if(service, &["command", "entrypoint"], Value::is_null);
        if let Some(deploy) = service.get_mut("deploy").and_then(Value::as_object_mut) {
            drop_if(deploy, &["resources", "placement"], is_nothing);
        }
        let hooks = |service: &mut Map<String, Value>, key: &str| {
            for hook in list(service, key) {
                write_limits(hook);
                drop_if(hook, &["command", "entrypoint"], Value::is_null);
            }
        };
        ["pre_start", "post_start", "pre_stop"].iter().for_each(|key| hooks(service, key));
        if let Some(develop) = service.get_mut("develop").and_then(Value::as_object_mut) {
            for rule in list(develop, "watch") {
                if let Some(exec) = rule.get_mut("exec").and_then(Value::as_object_mut) {
                    drop_if(exec, &["command"], Value::is_null);
                }
                drop_if(rule, &["exec"], is_nothing);
            }
        }
    }
    for network in section(value, "networks") {
        drop_if(network, &["ipam"], is_nothing);
    }
}

/// Writes limits of nothing out, in what holds `ulimits`: the schema asks for both.
pub(crate) fn write_limits(map: &mut Map<String, Value>) {
    let limits = map.get_mut("ulimits").and_then(Value::as_object_mut);
    for limit in limits.into_iter().flat_map(|limits| limits.values_mut()).filter_map(Value::as_object_mut) {
        for key in ["hard", "soft"] {
            let value = limit.shift_remove(key).unwrap_or_else(|| 0.into());
            limit.shift_insert(0, key.to_owned(), value);
        }
    }
}

fn section<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let entries = value.get_mut(name).and_then(Value::as_object_mut);
    entries.into_iter().flat_map(|map| map.values_mut()).filter_map(Value::as_object_mut)
}

fn list<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn drop_if(map: &mut Map<String, Value>, keys: &[&str], condition: fn(&Value) -> bool) {
    map.retain(|key, value| !(keys.contains(&key.as_str()) && condition(value)));
}

fn is_nothing(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
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
        if let Some(entry) = entries.get(key.as_str()) {
            graft(value, &entry.value);
        }
    }
    for (key, entry) in entries {
        if key.starts_with("x-") && key != VALUE && !map.contains_key(key.as_str()) {
            let mut value = super::decode::json(&entry.value);
            escape(&mut value);
            map.insert(key.to_string(), value);
        }
    }
}
