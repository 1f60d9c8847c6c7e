//! A project as text: YAML with comments, or JSON. Keys stand in the Specification's order.

use serde_json::{Map, Value};

use super::project::Written;
use super::secrets::references;
use crate::compose::write_limits;
use crate::yaml::emit::{EmitError, emit};

/// Sections in the order of the Specification.
const SECTIONS: &[&str] = &["services", "networks", "volumes", "configs", "secrets"];

/// The whole as JSON, `$` doubled, secrets as interpolations.
pub fn json(written: &Written) -> Value {
    // A model of strings, numbers and maps with string keys always serialises.
    let mut value = serde_json::to_value(&written.project).unwrap_or_default();
    for (name, keys) in &written.dokku {
        if let Some(service) =
            value.pointer_mut("/services").and_then(|all| all.get_mut(name)).and_then(Value::as_object_mut)
        {
            service.insert("x-dokku".into(), Value::Object(keys.clone()));
        }
    }
    escape(&mut value);
    tidy(&mut value);
    let Value::Object(mut map) = value else { return value };
    let mut out = Map::new();
    out.extend(map.shift_remove_entry("name"));
    for section in SECTIONS {
        out.extend(map.shift_remove_entry(*section));
    }
    Value::Object(out)
}

/// The whole as YAML with its comments.
///
/// # Errors
/// Where a value cannot be written, which no project is known to cause.
pub fn yaml(written: &Written) -> Result<String, EmitError> {
    let Value::Object(map) = json(written) else { return Ok(String::new()) };
    let mut out = String::new();
    for line in &written.head {
        comment(&mut out, 0, line);
    }
    for (section, value) in &map {
        if section != "name" {
            out.push('\n');
        }
        let Value::Object(entries) = value else {
            out.push_str(&emit(&one(section, value.clone()))?);
            continue;
        };
        if section != "services" {
            out.push_str(&emit(&one(section, value.clone()))?);
            continue;
        }
        out.push_str("services:\n");
        for (index, (name, service)) in entries.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            for note in written.notes.get(name).into_iter().flatten() {
                comment(&mut out, 2, note);
            }
            indent(&mut out, &emit(&one(name, service.clone()))?);
        }
        if entries.is_empty() {
            out.truncate(out.len() - 1);
            out.push_str(" {}\n");
        }
    }
    Ok(out)
}

fn one(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value)]))
}

fn comment(out: &mut String, by: usize, text: &str) {
    for line in text.lines() {
        out.push_str(&format!("{:by$}# {line}\n", ""));
    }
}

fn indent(out: &mut String, text: &str) {
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str("  ");
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// `$` is doubled, marks become references.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains('$') {
                *text = text.replace('$', "$$");
            }
            *text = references(text);
        }
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => map.values_mut().for_each(escape),
        _ => {}
    }
}

/// Keys of a service in alphabetical order, as the Specification lists them, `x-dokku` last; what the model writes
/// although nothing is in it is left out.
fn tidy(value: &mut Value) {
    for service in value.get_mut("services").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        let Some(map) = service.as_object_mut() else { continue };
        // Absent and empty are one for these; a `null` in a file is what people ask about.
        map.retain(|key, value| !(matches!(key.as_str(), "command" | "entrypoint") && value.is_null()));
        map.sort_keys();
        if let Some(only) = map.shift_remove("x-dokku") {
            map.insert("x-dokku".into(), only);
        }
        if let Some(deploy) = map.get_mut("deploy").and_then(Value::as_object_mut) {
            deploy.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
        }
        write_limits(map);
        // No limit: a number, because earlier releases of docker compose take no text for it.
        if map.get("memswap_limit").is_some_and(|limit| limit == "-1") {
            map.insert("memswap_limit".into(), (-1).into());
        }
        if let Some(build) = map.get_mut("build").and_then(Value::as_object_mut) {
            write_limits(build);
        }
        for key in ["environment", "labels", "depends_on"] {
            if let Some(authored) = map.get_mut(key).and_then(Value::as_object_mut) {
                authored.sort_keys();
            }
        }
    }
    for network in value.get_mut("networks").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        if let Some(map) = network.as_object_mut() {
            map.retain(|key, value| !(key == "ipam" && value.as_object().is_some_and(Map::is_empty)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_and_dollars_doubled() {
        let mut written = Written {
            project: crate::model::Project { name: "shop".into(), ..Default::default() },
            dokku: [("web".to_owned(), Map::from_iter([("as".to_owned(), Value::from("app"))]))].into(),
            notes: [("web".to_owned(), vec!["one\ntwo".to_owned()])].into(),
            head: vec!["head".into()],
            values: Default::default(),
        };
        let mut web = crate::model::Service { image: Some("a".into()), tty: true, ..Default::default() };
        web.memswap_limit = Some(crate::model::Bytes(-1));
        web.environment.insert("B".into(), Some("$1".into()));
        web.environment.insert("A".into(), Some("\u{F8F7}NAME\u{F8F7}".into()));
        written.project.services.insert("web".into(), web);
        let expected = "# head\nname: shop\n\nservices:\n  # one\n  # two\n  web:\n    environment:\n      A: ${NAME?}\n      \
                        B: $$1\n    image: a\n    memswap_limit: -1\n    tty: true\n    x-dokku:\n      as: app\n";
        assert_eq!(yaml(&written).unwrap(), expected);
    }
}
