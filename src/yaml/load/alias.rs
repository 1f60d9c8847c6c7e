//! Anchors and what their aliases may cost.

use std::collections::HashMap;

use crate::diag::{Diagnostic, Span, suggest};
use crate::yaml::Node;

use super::{Built, Step, too_deep};

/// The anchors of the document that is being read.
pub(super) struct Anchors {
    known: HashMap<usize, Anchor>,
    budget: usize,
    /// What aliases may still copy.
    left: usize,
    /// What may still be kept for aliases; anchors inside anchors keep a value many times.
    left_to_keep: usize,
}

struct Anchor {
    name: String,
    place: Span,
    /// None while the anchored value itself is being read.
    value: Option<Value>,
}

struct Value {
    node: Node,
    cost: usize,
    height: usize,
}

impl Anchors {
    pub(super) fn new(budget: usize) -> Self {
        Self { known: HashMap::new(), budget, left: budget, left_to_keep: budget }
    }

    /// Forgets the anchors of the document before; the budget is the file's.
    pub(super) fn new_document(&mut self) {
        self.known.clear();
    }

    /// An anchored value starts.
    pub(super) fn open(&mut self, id: usize, name: &str, place: Span) {
        self.known.insert(id, Anchor { name: name.to_owned(), place, value: None });
    }

    /// An anchored value is read.
    pub(super) fn close(&mut self, id: usize, built: &Built) -> Step<()> {
        let Some(anchor) = self.known.get_mut(&id) else {
            return Ok(());
        };
        let left = self.left_to_keep.checked_sub(built.cost).ok_or_else(|| {
            let message = format!("anchors hold more than {} values", self.budget);
            Box::new(Diagnostic::error("alias-limit", message).at(anchor.place))
        })?;
        self.left_to_keep = left;
        anchor.value = Some(Value { node: built.node.clone(), cost: built.cost, height: built.height });
        Ok(())
    }

    /// A copy of what an alias names. Its spans stay where the value was written, so that a
    /// finding in it points at the text to change.
    pub(super) fn expand(&mut self, id: usize, alias: Span, depth: usize, deepest: usize) -> Step<Built> {
        let Some(anchor) = self.known.get(&id) else {
            return Err(Diagnostic::error("unknown-anchor", "the alias names no anchor").at(alias).into());
        };
        let Some(value) = &anchor.value else {
            return Err(Diagnostic::error(
                "self-reference",
                format!("the alias `*{}` stands inside its own value", anchor.name),
            )
            .at(alias)
            .label(anchor.place, "the anchor")
            .into());
        };
        if depth + value.height > deepest {
            return Err(too_deep(alias, deepest).into());
        }
        if value.cost > self.left {
            let message = format!("aliases make the file larger than {} values", self.budget);
            return Err(Diagnostic::error("alias-limit", message)
                .at(alias)
                .label(anchor.place, "what is copied here")
                .into());
        }
        self.left -= value.cost;
        Ok(Built { node: value.node.clone(), cost: value.cost, height: value.height })
    }

    /// The finding for an alias without an anchor before it.
    pub(super) fn unknown(&self, name: &str, alias: Span) -> Diagnostic {
        let found =
            Diagnostic::error("unknown-anchor", format!("no anchor `&{name}` stands before this alias")).at(alias);
        match suggest::closest(name, self.known.values().map(|anchor| anchor.name.as_str())) {
            Some(near) => found.hint(format!("did you mean `*{near}`?")),
            None => {
                found.hint("an anchor must be defined earlier in the same document; put a `*` that is text in quotes")
            }
        }
    }
}
