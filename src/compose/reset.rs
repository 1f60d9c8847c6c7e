//! Reset: `!reset` removes what earlier files said of a key, `!override` replaces it.
//!
//! Specification: 13-merge.md, "Reset value" and "Replace value".

use super::aliases;
use super::path::{OwnedPath, Path};
use crate::diag::Span;
use crate::yaml::{Kind, Node};

/// The places of a file that carry one of the two tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets {
    paths: Vec<OwnedPath>,
    /// Where each of the tags' values stands, and whether it replaces.
    places: Vec<(String, Span, bool)>,
}

impl Resets {
    /// Takes the tags out of a document: what is `!reset` is gone from it, what
    /// is `!override` stays; both are remembered.
    pub(super) fn take(document: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.collect(document, &Path::default());
        // Earlier files hold an extension that became a key under the key's name.
        let aliases: Vec<OwnedPath> = resets.paths.iter().filter_map(aliases::resolved).collect();
        resets.paths.extend(aliases);
        resets
    }

    fn collect(&mut self, node: &mut Node, path: &Path<'_>) {
        match &mut node.kind {
            Kind::Map(map) => map.entries.retain(|key, entry| self.keep(&mut entry.value, &path.key(key))),
            Kind::Seq(items) => {
                let mut position = 0;
                items.retain_mut(|item| {
                    position += 1;
                    self.keep(item, &path.index(position - 1))
                });
            }
            Kind::Scalar(_) => {}
        }
    }

    fn keep(&mut self, node: &mut Node, path: &Path<'_>) -> bool {
        match node.tag.as_ref().map(|tag| tag.as_str()) {
            Some("!reset") => {
                self.paths.push(path.into());
                self.places.push((path.to_string(), node.span, false));
                false
            }
            Some("!override") => {
                self.paths.push(path.into());
                self.places.push((path.to_string(), node.span, true));
                node.tag = None;
                true
            }
            _ => {
                self.collect(node, path);
                true
            }
        }
    }

    /// The tag that decides of what stands at `path` (as it is written) or below: where, and whether it replaces.
    pub(super) fn at(&self, path: &str) -> Option<(Span, bool)> {
        let covers = |tagged: &str| {
            path.strip_prefix(tagged).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.places.iter().find(|(tagged, ..)| covers(tagged)).map(|(_, span, replaces)| (*span, *replaces))
    }

    /// Removes the remembered places from `tree`, which stands at `path`.
    pub(super) fn apply(&self, tree: &mut Node, path: &Path<'_>) {
        if self.paths.is_empty() {
            return;
        }
        match &mut tree.kind {
            Kind::Map(map) => map.entries.retain(|key, entry| {
                let next = path.key(key);
                if self.paths.iter().any(|reset| next.is(reset)) {
                    return false;
                }
                self.apply(&mut entry.value, &next);
                true
            }),
            // An item of a list has no identity across files: only whole lists are replaced.
            Kind::Seq(_) | Kind::Scalar(_) => {}
        }
    }
}
