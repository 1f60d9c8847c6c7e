//! Small tools for building and comparing trees.

use std::borrow::Cow;

use crate::diag::Span;
use crate::yaml::{Entry, Kind, Map, Node, Scalar, Style, Text, Value};

/// A node of `kind` at `span`.
pub(super) fn node(kind: Kind, span: Span) -> Node {
    Node { kind, span, tag: None }
}

/// A null.
pub(super) fn null(span: Span) -> Node {
    node(Kind::Scalar(Scalar { text: Text::default(), style: Style::Empty }), span)
}

/// A string, whatever its text looks like.
pub(super) fn string(text: impl Into<Text>, span: Span) -> Node {
    node(Kind::Scalar(Scalar { text: text.into(), style: Style::Quoted }), span)
}

/// A boolean.
pub(super) fn boolean(value: bool, span: Span) -> Node {
    plain(if value { "true" } else { "false" }, span)
}

/// A value whose type is decided by its text.
pub(super) fn plain(text: impl Into<Text>, span: Span) -> Node {
    node(Kind::Scalar(Scalar { text: text.into(), style: Style::Plain }), span)
}

/// A mapping of entries whose keys stand where the mapping stands.
pub(super) fn mapping<const N: usize>(entries: [(&str, Node); N], span: Span) -> Node {
    let mut map = Map::default();
    for (key, value) in entries {
        insert(&mut map, key, span, value);
    }
    node(Kind::Map(map), span)
}

/// Puts `value` under `key`; the position of an existing key stays.
pub(super) fn insert(map: &mut Map, key: &str, key_span: Span, value: Node) {
    map.entries.insert(key.into(), Entry { key: key_span, value });
}

/// The string of a scalar that is one.
pub(super) fn text(node: &Node) -> Option<&str> {
    match node.as_scalar()?.value() {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// The text of any scalar as Go prints it; none for null and for what is no scalar.
pub(super) fn printed(node: &Node) -> Option<String> {
    node.as_scalar()?.value().to_text()
}

/// The same, of a string without a copy of it.
pub(super) fn shown(node: &Node) -> Option<Cow<'_, str>> {
    match node.as_scalar()?.value() {
        Value::Str(text) => Some(Cow::Borrowed(text)),
        other => other.to_text().map(Cow::Owned),
    }
}

/// Whether the node is null.
pub(super) fn is_null(node: &Node) -> bool {
    node.as_scalar().is_some_and(Scalar::is_null)
}

/// The mapping under `key` of the mapping that `node` is, to be changed.
pub(super) fn child_map<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Map> {
    map_mut(&mut map_mut(node)?.entries.get_mut(key)?.value)
}

/// The mapping, to be changed.
pub(super) fn map_mut(node: &mut Node) -> Option<&mut Map> {
    match &mut node.kind {
        Kind::Map(map) => Some(map),
        _ => None,
    }
}

/// The sequence, to be changed.
pub(super) fn seq_mut(node: &mut Node) -> Option<&mut Vec<Node>> {
    match &mut node.kind {
        Kind::Seq(items) => Some(items),
        _ => None,
    }
}

/// Whether two trees hold the same values, wherever they were written.
pub(super) fn same(a: &Node, b: &Node) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => a.value() == b.value(),
        (Kind::Seq(a), Kind::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            a.entries.len() == b.entries.len()
                && a.entries.iter().all(|(key, entry)| b.get(key).is_some_and(|other| same(&entry.value, other)))
        }
        _ => false,
    }
}

/// What a node is, in the words of a message.
pub(super) fn describe(node: &Node) -> &'static str {
    match &node.kind {
        Kind::Map(_) => "a mapping",
        Kind::Seq(_) => "a list",
        Kind::Scalar(scalar) => match scalar.value() {
            Value::Null => "empty",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Timestamp(_) => "a date",
            Value::Str(_) => "a string",
        },
    }
}
