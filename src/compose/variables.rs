//! Which variables a file reads, for `config --variables`.
//!
//! Specification: 12-interpolation.md.

use crate::diag::Span;
use crate::hashed::IndexMap;
use crate::yaml::{Kind, Node, Value};

use super::template::{self, Action, Piece};

/// A variable that a file reads, over all its references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The value that holds the first reference.
    pub span: Span,
    /// The text of the first non-empty default, itself a template.
    pub default: Option<String>,
    /// The text of the first non-empty replacement for a set variable, itself a template.
    pub alternate: Option<String>,
    /// Whether any reference fails when the variable is not set.
    pub required: bool,
}

/// The variables that `node`'s values refer to, in the order met; those in defaults and
/// replacements too, used or not.
pub fn variables(node: &Node) -> IndexMap<String, Variable> {
    let mut found = IndexMap::default();
    collect(node, &mut found);
    found
}

fn collect(node: &Node, found: &mut IndexMap<String, Variable>) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            if matches!(scalar.value(), Value::Str(_)) {
                collect_text(&scalar.text, node.span, found, 0);
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| collect(item, found)),
        Kind::Map(map) => {
            let values = map.entries.values();
            values.for_each(|entry| collect(&entry.value, found));
        }
    }
}

pub(super) fn collect_text(text: &str, span: Span, found: &mut IndexMap<String, Variable>, depth: usize) {
    if depth >= template::DEEPEST {
        return;
    }
    for piece in template::parse(text) {
        let Piece::Reference(reference) = piece else {
            continue;
        };
        let variable = found.entry(reference.name.to_owned()).or_insert_with(|| Variable {
            span,
            default: None,
            alternate: None,
            required: false,
        });
        let Some(operator) = reference.operator else {
            continue;
        };
        let argument = Some(operator.argument).filter(|argument| !argument.is_empty());
        let slot = match operator.action {
            Action::Default => &mut variable.default,
            Action::Alternate => &mut variable.alternate,
            Action::Require => {
                variable.required = true;
                continue;
            }
        };
        if slot.is_none() {
            *slot = argument.map(str::to_owned);
        }
        collect_text(operator.argument, span, found, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, load};

    #[test]
    fn lists_variables_in_order_with_all_their_references() {
        let text = "$KEY: x\na: ${B} ${A:-one}\nb: [\"${A:-two}\", '${B?}', '${C:+${D-}}', $$E]\n";
        let node = load(text, Default::default(), &Limits::default()).unwrap().remove(0);
        let found = variables(&node);
        let rows: Vec<_> = found
            .iter()
            .map(|(name, variable)| {
                (name.as_str(), variable.default.as_deref(), variable.alternate.as_deref(), variable.required)
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("B", None, None, true),
                ("A", Some("one"), None, false),
                ("C", None, Some("${D-}"), false),
                ("D", None, None, false),
            ]
        );
    }
}
