//! The spanned tree that every phase reads and changes.

use super::entries::Entries;
use crate::diag::Span;

/// A key or the text of a scalar. Most of them are short and lie in their node, and a longer one is shared by its
/// copies: a tree of a large file has few allocations of its own.
pub type Text = smol_str::SmolStr;

/// One YAML value with the place where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What the value is.
    pub kind: Kind,
    /// Where the value stands; for a value made by a program, where its cause stands.
    pub span: Span,
    /// An explicit local tag such as `!reset` or `!override`, with its `!`.
    pub tag: Option<Box<Text>>,
}

/// The three YAML node kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A scalar; its type is decided by [`Scalar`]'s readers, not by the parser.
    Scalar(Scalar),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping with unique keys in the order written.
    Map(Map),
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text after YAML's own escapes and folding.
    pub text: Text,
    /// How it was written; only a plain scalar may be null, a boolean or a number.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As a `|` or `>` block.
    Block,
    /// Nothing stood there: an empty value is null.
    Empty,
}

/// A mapping; keys are unique (a duplicate is an error of the loader).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Entries by key text.
    pub entries: Entries,
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key stands.
    pub key: Span,
    /// The value.
    pub value: Node,
}

impl Default for Node {
    /// A null that stands nowhere.
    fn default() -> Self {
        Self {
            kind: Kind::Scalar(Scalar { text: Text::default(), style: Style::Empty }),
            span: Span::default(),
            tag: None,
        }
    }
}

impl Map {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.value)
    }
}

impl Node {
    /// The mapping, where this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The sequence's items, where this is one.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar, where this is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_small() {
        // A thousand services are some fifty thousand nodes.
        assert!(size_of::<Node>() <= 64, "{}", size_of::<Node>());
    }
}
