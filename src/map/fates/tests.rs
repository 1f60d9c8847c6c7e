//! The table against the keys that there are, both ways.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use super::*;

/// Keys that the reference implementation reads and the Specification does not have.
const OF_THE_REFERENCE: &[&str] = &[
    "services.*.build.no_cache_filter",
    "services.*.networks.*.use_service_name_alias",
    "services.*.pre_start",
    "services.*.umask",
];

fn own(path: &str) -> bool {
    path.contains(".x-dokku")
}

#[test]
fn every_key_that_the_loader_reads_has_a_fate_and_every_row_has_a_key() {
    let keys: BTreeSet<String> = crate::compose::schema::paths().into_iter().collect();
    assert!(keys.len() > 400, "the keys are walked");
    let without: Vec<_> = keys.iter().filter(|key| fate(key).is_none()).collect();
    assert!(without.is_empty(), "no fate: {without:#?}");
    let rows: Vec<&str> = rows().map(|row| row.path).collect();
    let unknown: Vec<_> = rows.iter().filter(|path| !keys.contains(**path) && !own(path)).collect();
    assert!(unknown.is_empty(), "rows of no key: {unknown:#?}");
    let unique: BTreeSet<_> = rows.iter().collect();
    assert_eq!(unique.len(), rows.len(), "two rows of one key");
}

#[test]
fn no_row_is_without_a_word() {
    for row in rows() {
        let (Fate::Done(text) | Fate::Docker(text) | Fate::Approximated(text) | Fate::NotDone { why: text, .. }) =
            row.fate;
        assert!(!text.trim().is_empty(), "{}", row.path);
    }
}

/// The Specification's schema, which lies beside the repository or below `COMPOSE_SHARED`.
fn specification() -> Option<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("COMPOSE_SHARED").map(std::path::PathBuf::from),
        Some(root.join("../shared")),
        Some(root.join("../../shared")),
    ];
    let text = places.into_iter().flatten().find_map(|place| std::fs::read(place.join("compose-spec.json")).ok())?;
    Some(serde_json::from_slice(&text).unwrap())
}

#[derive(Default)]
struct Schema {
    /// Paths as in the rows.
    paths: BTreeSet<String>,
    /// Where in the schema each property is declared.
    properties: BTreeSet<String>,
}

impl Schema {
    fn walk(&mut self, root: &Value, node: &Value, pointer: &str, path: &str) {
        if let Some(reference) = node["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            return self.walk(root, root.pointer(pointer).unwrap(), pointer, path);
        }
        for (key, value) in node["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let pointer = format!("{pointer}/properties/{key}");
            self.properties.insert(pointer.clone());
            self.paths.insert(path.clone());
            self.walk(root, value, &pointer, &path);
        }
        for (pattern, value) in node["patternProperties"].as_object().into_iter().flatten() {
            if pattern != "^x-" {
                let escaped = pattern.replace('~', "~0").replace('/', "~1");
                self.walk(root, value, &format!("{pointer}/patternProperties/{escaped}"), &format!("{path}.*"));
            }
        }
        if node["additionalProperties"].is_object() {
            let pointer = format!("{pointer}/additionalProperties");
            self.walk(root, &node["additionalProperties"], &pointer, &format!("{path}.*"));
        }
        if node["items"].is_object() {
            self.walk(root, &node["items"], &format!("{pointer}/items"), &format!("{path}[]"));
        }
        for several in ["oneOf", "anyOf", "allOf"] {
            for (index, value) in node[several].as_array().into_iter().flatten().enumerate() {
                self.walk(root, value, &format!("{pointer}/{several}/{index}"), path);
            }
        }
    }
}

/// How many properties a schema declares, wherever they stand.
fn declared(node: &Value) -> usize {
    match node {
        Value::Object(map) => {
            let own = map.get("properties").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            own + map.values().map(declared).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(declared).sum(),
        _ => 0,
    }
}

#[test]
fn every_property_of_the_specification_has_a_fate_and_no_row_is_beside_it() {
    let Some(schema) = specification() else {
        // Not eprintln!, which the test runner keeps to itself.
        let _ = writeln!(std::io::stderr(), "the Specification's schema is absent: the table was held against our own");
        return;
    };
    let mut found = Schema::default();
    found.walk(&schema, &schema, "", "");
    assert_eq!(found.properties.len(), declared(&schema), "every property is reached");
    let without: Vec<_> = found.paths.iter().filter(|path| fate(path).is_none()).collect();
    assert!(without.is_empty(), "no fate: {without:#?}");
    let beside: Vec<&str> = rows()
        .map(|row| row.path)
        .filter(|path| !found.paths.contains(*path) && !own(path) && !OF_THE_REFERENCE.contains(path))
        .collect();
    assert!(beside.is_empty(), "rows of no property: {beside:#?}");
}

#[test]
fn the_document_is_made_from_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conversion.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, markdown()).unwrap();
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert!(text == markdown(), "docs/conversion.md is not what the table says: UPDATE_GOLDEN=1 writes it");
}

#[test]
fn keys_share_the_fate_of_the_one_above_where_it_is_not_done() {
    assert!(matches!(fate("services.*.provider.options"), Some(Fate::NotDone { .. })));
    assert!(matches!(fate("services.*.pre_start[].image"), Some(Fate::NotDone { .. })));
    assert_eq!(fate("services.*.healthcheck.colour"), None);
    assert_eq!(fate("nothing"), None);
}
