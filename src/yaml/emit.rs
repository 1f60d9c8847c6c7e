//! Trees and values to YAML text. The only user of serde-saphyr.
//!
//! What is written reads back equal in go-yaml, which Docker Compose uses, and in YAML 1.1
//! readers such as PyYAML: strings that either would take for something else are quoted.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_saphyr::DoubleQuoted;
use thiserror::Error;

use super::node::{Kind, Node};
use super::scalar::Value;

/// Why a value cannot be written; no value of the two kinds here is known to cause it.
#[derive(Debug, Error)]
#[error("cannot write YAML: {0}")]
pub struct EmitError(String);

/// Writes a value as a YAML document in block style, keys in their order, with a line break at
/// its end.
///
/// # Errors
///
/// As [`EmitError`] says.
pub fn emit(value: &serde_json::Value) -> Result<String, EmitError> {
    write(&Json(value))
}

/// Writes a tree with the types that its scalars have: a plain `0444` as the number it is, a
/// quoted one as a string. Dates become strings of their text; tags, anchors and comments are
/// not written.
///
/// # Errors
///
/// For an integer of more than 64 bits, which no text gives; else as [`EmitError`] says.
pub fn emit_node(node: &Node) -> Result<String, EmitError> {
    write(&Tree(node))
}

fn write(value: &impl Serialize) -> Result<String, EmitError> {
    let options = serde_saphyr::ser_options! {
        indent_step: 2,
        compact_list_indent: false,
        // Folding changes where lines end and is never needed to read a value back.
        folded_wrap_chars: usize::MAX,
        min_fold_chars: usize::MAX,
    };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| EmitError(error.to_string()))
}

struct Json<'a>(&'a serde_json::Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::String(text) => Text(text).serialize(serializer),
            serde_json::Value::Array(items) => serializer.collect_seq(items.iter().map(Json)),
            serde_json::Value::Object(map) => serializer.collect_map(map.iter().map(|(key, value)| (key, Json(value)))),
            other => other.serialize(serializer),
        }
    }
}

struct Tree<'a>(&'a Node);

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scalar = match &self.0.kind {
            Kind::Seq(items) => return serializer.collect_seq(items.iter().map(Tree)),
            Kind::Map(map) => {
                let entries = map.entries.iter();
                return serializer.collect_map(entries.map(|(key, entry)| (key.as_str(), Tree(&entry.value))));
            }
            Kind::Scalar(scalar) => scalar,
        };
        match scalar.value() {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(value),
            Value::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => Err(S::Error::custom("an integer of more than 64 bits")),
            },
            Value::Float(value) => serializer.serialize_f64(value),
            Value::Timestamp(_) => Text(&scalar.text).serialize(serializer),
            Value::Str(text) => Text(text).serialize(serializer),
        }
    }
}

/// A string. Several lines become a block where every reader agrees on it: go-yaml refuses tabs
/// at the start of a line, and blanks at the start of the first or alone on a line are read in
/// more than one way.
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_blank = |character: char| character == ' ' || character == '\t';
        let agreed = !self.0.starts_with([' ', '\t', '\n'])
            && self
                .0
                .split('\n')
                .all(|line| !line.starts_with('\t') && (line.is_empty() || !line.trim_matches(is_blank).is_empty()));
        if agreed || !self.0.contains('\n') {
            serializer.serialize_str(self.0)
        } else {
            DoubleQuoted(self.0).serialize(serializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, Scalar, Style, load};
    use proptest::prelude::*;
    use serde_json::{Value as JsonValue, json};

    /// A loaded tree as the JSON it stands for.
    fn read(text: &str) -> JsonValue {
        let documents = load(text, Default::default(), &Limits::default());
        let documents = documents.unwrap_or_else(|found| panic!("{text}\n{found:?}"));
        assert_eq!(documents.len(), 1, "{text}");
        to_json(&documents[0])
    }

    fn to_json(node: &Node) -> JsonValue {
        match &node.kind {
            Kind::Seq(items) => items.iter().map(to_json).collect(),
            Kind::Map(map) => {
                let entries = map.entries.iter();
                entries.map(|(key, entry)| (key.clone(), to_json(&entry.value))).collect()
            }
            Kind::Scalar(scalar) => match scalar.value() {
                Value::Null => JsonValue::Null,
                Value::Bool(value) => json!(value),
                Value::Int(value) => json!(i64::try_from(value).unwrap()),
                Value::Float(value) => json!(value),
                Value::Timestamp(_) => panic!("{:?} is read as a date", scalar.text),
                Value::Str(text) => json!(text),
            },
        }
    }

    #[test]
    fn writes_block_style_in_order() {
        let value = json!({
            "services": {"web": {"ports": ["80:80", {"target": 8080}], "environment": {"B": "yes", "A": "1", "N": null}}},
            "x": [], "y": {}, "text": "one\ntwo\n",
        });
        let expected = "\
services:
  web:
    ports:
      - 80:80
      - target: 8080
    environment:
      B: \"yes\"
      A: \"1\"
      \"N\": null
x: []
\"y\": {}
text: |
  one
  two
";
        assert_eq!(emit(&value).unwrap(), expected);
    }

    #[test]
    fn a_tree_keeps_the_types_of_its_scalars() {
        let text = "a: 0444\nb: '0444'\nc: 1e3\nd: 2001-01-01\ne:\nf: yes\ng: [TRUE]\n";
        let node = load(text, Default::default(), &Limits::default()).unwrap();
        let expected = "a: 292\nb: \"0444\"\nc: 1000.0\nd: \"2001-01-01\"\ne: null\nf: \"yes\"\ng:\n  - true\n";
        assert_eq!(emit_node(&node[0]).unwrap(), expected);
        let large = Node {
            kind: Kind::Scalar(Scalar { text: u64::MAX.to_string().into(), style: Style::Plain }),
            span: Default::default(),
            tag: None,
        };
        assert_eq!(emit_node(&large).unwrap(), "18446744073709551615\n");
    }

    #[test]
    fn strings_that_look_like_something_else_stay_strings() {
        let hostile = [
            "",
            "~",
            "null",
            "true",
            "No",
            "on",
            "y",
            "0444",
            "0x1F",
            "1_000",
            "1e3",
            ".inf",
            "22:22",
            "190:20:30",
            "2001-12-14",
            "=",
            "<<",
            "-",
            "- a",
            "? a",
            ": a",
            "a: b",
            "a #b",
            "#a",
            "!a",
            "&a",
            "*a",
            "|",
            "%a",
            "@a",
            "`a`",
            "{a}",
            "[a]",
            " a",
            "a ",
            "\ta",
            "a\tb",
            "a\r\nb",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{1b}[0m",
            "\u{0}",
            "---",
            "...",
            "a\n---\nb",
            "\n",
            "\n\n",
            " \n",
            "a\n\n",
            "\t\n",
            "a\n\tb\n",
            "a\n \n",
            "  a\nb",
            "# a\nb",
            "{{ .X }}",
            "\"",
            "'",
            "\\",
            "08",
            "1.",
            "-0",
            "a\n\n\nb",
        ];
        let keys: serde_json::Map<_, _> = hostile.iter().map(|text| ((*text).to_owned(), json!(1))).collect();
        let value = json!({"list": hostile.as_slice(), "keys": keys});
        assert_eq!(read(&emit(&value).unwrap()), value);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_string_reads_back(text in "(\\PC|[ \t\n\r:#'\"|>&*!?%@`\\[\\]{},=~0-9._-]){0,12}") {
            let value = json!([text, {text.as_str(): text}]);
            prop_assert_eq!(read(&emit(&value).unwrap()), value);
        }
    }
}
