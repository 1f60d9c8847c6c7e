//! Reset: `!reset` removes what earlier files said of a key, `!override` replaces it.

use super::aliases;
use super::path::Path;
use crate::yaml::{Kind, Node};

/// The places of a file that carry one of the two tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets {
    paths: Vec<Path>,
}

impl Resets {
    /// Takes the tags out of a document: what is `!reset` is gone from it, what
    /// is `!override` stays; both are remembered.
    pub(super) fn take(document: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.collect(document, &Path::default());
        // Earlier files hold an extension that became a key under the key's name.
        let aliases: Vec<Path> = resets.paths.iter().filter_map(aliases::resolved).collect();
        resets.paths.extend(aliases);
        resets
    }

    fn collect(&mut self, node: &mut Node, path: &Path) {
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

    fn keep(&mut self, node: &mut Node, path: &Path) -> bool {
        match node.tag.as_deref() {
            Some("!reset") => {
                self.paths.push(path.clone());
                false
            }
            Some("!override") => {
                self.paths.push(path.clone());
                node.tag = None;
                true
            }
            _ => {
                self.collect(node, path);
                true
            }
        }
    }

    /// Removes the remembered places from `tree`, which stands at `path`.
    pub(super) fn apply(&self, tree: &mut Node, path: &Path) {
        if self.paths.is_empty() {
            return;
        }
        match &mut tree.kind {
            Kind::Map(map) => map.entries.retain(|key, entry| {
                let next = path.key(key);
                if self.paths.contains(&next) {
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
