//! Tables of inputs with the answers of the Go originals, for tests.

use serde_json::Value;

/// The cases of `fixtures/go/<name>.json`. `GO_TABLES` names another directory, for longer
/// tables than the repository keeps.
pub(crate) fn table(name: &str) -> Vec<Value> {
    let directory =
        std::env::var("GO_TABLES").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/go").to_owned());
    let path = format!("{directory}/{name}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut table: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = table["cases"].take() else {
        panic!("{path} has no cases");
    };
    assert!(cases.len() > 50, "{path} is cut short");
    cases
}

/// The variables that every table was made with.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = match name {
        "SET" => "value",
        "EMPTY" => "",
        "NUM" => "42",
        "BRACE" => "a}b{c",
        "DOLLAR" => "$SET",
        _ => return None,
    };
    Some(value.to_owned())
}
