//! Tables of path patterns, and the walk to the places that they name.
//!
//! A phase that acts on some places of a tree names them in a table, as `services.*.ports.*`: keys with dots between
//! them, `*` for any key or index. The table is read once into a tree of its own, and both trees are walked side by
//! side, so that a phase only looks at what can lead to a place of its own.

use super::path::{Path, Step};
use crate::yaml::{Kind, Node};

/// What stands at each of many patterns.
#[derive(Debug)]
pub(super) struct Patterns<T>(Branch<T>);

/// Where the patterns with a common start go on.
#[derive(Debug)]
struct Branch<T> {
    /// What stands at the pattern that ends here.
    here: Option<T>,
    keys: Vec<(&'static str, Self)>,
    /// Below `*`.
    any: Option<Box<Self>>,
}

impl<T: Copy> Patterns<T> {
    /// The patterns of a table. Where one has a key, no other may have `*`.
    pub(super) fn of(table: &[(&'static str, T)]) -> Self {
        Self::below(&[("", table)])
    }

    /// The patterns of several tables, each below a prefix of its own (`services.*.`).
    pub(super) fn below(tables: &[(&'static str, &[(&'static str, T)])]) -> Self {
        let mut root = Branch::default();
        for (prefix, table) in tables {
            for (pattern, value) in *table {
                let steps = prefix.split('.').filter(|step| !step.is_empty()).chain(pattern.split('.'));
                steps.fold(&mut root, Branch::grow).here = Some(*value);
            }
        }
        Self(root)
    }

    /// What stands at `path`.
    pub(super) fn find(&self, path: &Path<'_>) -> Option<T> {
        self.branch(path)?.here
    }

    fn branch(&self, path: &Path<'_>) -> Option<&Branch<T>> {
        match path {
            Path::Of(keys) => keys.iter().try_fold(&self.0, |branch, key| branch.next(Step::Key(key))),
            Path::Below(above, step) => self.branch(above)?.next(*step),
        }
    }

    /// Calls `act` for every node of a whole tree that a pattern fits: in the order written, a node before what is
    /// below it.
    pub(super) fn each(&self, tree: &Node, act: &mut impl FnMut(&Node, &Path<'_>, T)) {
        self.0.each(tree, &Path::default(), act);
    }

    /// The same for nodes that are changed.
    pub(super) fn each_mut(&self, tree: &mut Node, act: &mut impl FnMut(&mut Node, &Path<'_>, T)) {
        self.0.each_mut(tree, &Path::default(), act);
    }
}

impl<T> Default for Branch<T> {
    fn default() -> Self {
        Self { here: None, keys: Vec::new(), any: None }
    }
}

impl<T: Copy> Branch<T> {
    fn grow(&mut self, step: &'static str) -> &mut Self {
        debug_assert!(if step == "*" { self.keys.is_empty() } else { self.any.is_none() }, "`{step}` beside another");
        if step == "*" {
            return self.any.get_or_insert_default();
        }
        let place = self.keys.iter().position(|(key, _)| *key == step).unwrap_or_else(|| {
            self.keys.push((step, Self::default()));
            self.keys.len() - 1
        });
        &mut self.keys[place].1
    }

    fn next(&self, step: Step<'_>) -> Option<&Self> {
        match (&self.any, step) {
            (Some(any), _) => Some(any),
            (None, Step::Key(key)) => self.keys.iter().find(|(known, _)| *known == key).map(|(_, branch)| branch),
            (None, Step::Index(_)) => None,
        }
    }

    fn each(&self, node: &Node, path: &Path<'_>, act: &mut impl FnMut(&Node, &Path<'_>, T)) {
        if let Some(value) = self.here {
            act(node, path, value);
        }
        match &node.kind {
            Kind::Map(map) => {
                for (key, entry) in &map.entries {
                    if let Some(branch) = self.next(Step::Key(key)) {
                        branch.each(&entry.value, &path.key(key), act);
                    }
                }
            }
            Kind::Seq(items) => {
                if let Some(branch) = self.next(Step::Index(0)) {
                    items.iter().enumerate().for_each(|(index, item)| branch.each(item, &path.index(index), act));
                }
            }
            Kind::Scalar(_) => {}
        }
    }

    fn each_mut(&self, node: &mut Node, path: &Path<'_>, act: &mut impl FnMut(&mut Node, &Path<'_>, T)) {
        if let Some(value) = self.here {
            act(node, path, value);
        }
        match &mut node.kind {
            Kind::Map(map) => {
                for (key, entry) in &mut map.entries {
                    if let Some(branch) = self.next(Step::Key(key)) {
                        branch.each_mut(&mut entry.value, &path.key(key), act);
                    }
                }
            }
            Kind::Seq(items) => {
                if let Some(branch) = self.next(Step::Index(0)) {
                    items.iter_mut().enumerate().for_each(|(at, item)| branch.each_mut(item, &path.index(at), act));
                }
            }
            Kind::Scalar(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, load};

    fn patterns() -> Patterns<u8> {
        Patterns::below(&[("", &[("name", 1)]), ("services.*.", &[("ports", 2), ("ports.*", 3), ("deploy.labels", 4)])])
    }

    #[test]
    fn patterns_fit_whole_paths() {
        let patterns = patterns();
        let ports = Path::Of(&["services", "my.web", "ports"]);
        assert_eq!(patterns.find(&ports), Some(2));
        assert_eq!(patterns.find(&ports.index(2)), Some(3));
        assert_eq!(patterns.find(&ports.index(2).key("target")), None);
        assert_eq!(patterns.find(&Path::Of(&["name"])), Some(1));
        for other in [&["services"][..], &["ports"], &["services", "web", "volumes"], &["services", "deploy.labels"]] {
            assert_eq!(patterns.find(&Path::Of(other)), None, "{other:?}");
        }
        assert_eq!(patterns.find(&Path::default()), None);
    }

    #[test]
    fn the_walk_meets_the_same_places_in_their_order() {
        let text =
            "x: {ports: [1]}\nservices:\n  b: {ports: [1, 2], deploy: {labels: [l]}}\n  a: {ports: 3}\nname: n\n";
        let mut tree = load(text, Default::default(), &Limits::default()).unwrap().remove(0);
        let mut met = Vec::new();
        patterns().each(&tree, &mut |_, path, value| met.push(format!("{path} {value}")));
        let expected = [
            "services.b.ports 2",
            "services.b.ports[0] 3",
            "services.b.ports[1] 3",
            "services.b.deploy.labels 4",
            "services.a.ports 2",
            "name 1",
        ];
        assert_eq!(met, expected);
        met.clear();
        patterns().each_mut(&mut tree, &mut |_, path, value| met.push(format!("{path} {value}")));
        assert_eq!(met, expected);
    }
}
