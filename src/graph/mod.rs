//! The dependency graph of a project: levels, cycles with their path, DOT.
//!
//! Names stand for nodes and an edge means "depends on". Every answer is the same at every run:
//! where the dependencies leave a choice, names decide.
//!
//! Specification: 05-services.md, "depends_on": the order in which services start and stop.

mod dot;

use std::collections::BTreeMap;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use thiserror::Error;

/// A directed graph over names, with a value on every dependency.
#[derive(Clone, Debug)]
pub struct Graph<T> {
    /// Nodes are added in the order of their names, so that an index compares as its name does.
    inner: DiGraph<String, T>,
    indices: BTreeMap<String, NodeIndex>,
}

/// Names that depend on one another in a circle.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("dependency cycle: {}", path.join(" -> "))]
pub struct Cycle {
    /// The circle from its first name in alphabetical order back to that name: `a`, `b`, `a`.
    pub path: Vec<String>,
}

/// Why a graph could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{from}` depends on `{to}`, which is not there")]
pub struct UnknownName {
    /// The dependent.
    pub from: String,
    /// The name that no node has.
    pub to: String,
}

impl<T> Graph<T> {
    /// Builds a graph from nodes with what they depend on. A node given twice has the
    /// dependencies of both; a dependency given twice has the value given last.
    ///
    /// # Errors
    ///
    /// Where a dependency names no node.
    pub fn new<N, D>(nodes: impl IntoIterator<Item = (N, D)>) -> Result<Self, UnknownName>
    where
        N: Into<String>,
        D: IntoIterator<Item = (N, T)>,
    {
        let mut rows: BTreeMap<String, BTreeMap<String, T>> = BTreeMap::new();
        for (name, dependencies) in nodes {
            let row = rows.entry(name.into()).or_default();
            row.extend(dependencies.into_iter().map(|(name, value)| (name.into(), value)));
        }
        let mut inner = DiGraph::new();
        let mut indices = BTreeMap::new();
        for name in rows.keys() {
            indices.insert(name.clone(), inner.add_node(name.clone()));
        }
        for (from, row) in rows {
            for (to, value) in row {
                let (Some(source), Some(target)) = (indices.get(&from), indices.get(&to)) else {
                    return Err(UnknownName { from, to });
                };
                inner.add_edge(*source, *target, value);
            }
        }
        Ok(Self { inner, indices })
    }

    /// All names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.indices.keys().map(String::as_str)
    }

    /// What `name` itself depends on, by name, with the dependency's value; nothing for a name
    /// that is not there.
    pub fn dependencies(&self, name: &str) -> Vec<(&str, &T)> {
        self.neighbours(name, Direction::Outgoing)
    }

    /// What depends on `name` itself, by name.
    pub fn dependents(&self, name: &str) -> Vec<(&str, &T)> {
        self.neighbours(name, Direction::Incoming)
    }

    /// `names` with everything that they depend on over any number of steps, in alphabetical
    /// order; names that are not there are left out.
    pub fn closure<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&str> {
        self.reach(names, Direction::Outgoing)
    }

    /// `names` with everything that depends on them over any number of steps.
    pub fn dependent_closure<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&str> {
        self.reach(names, Direction::Incoming)
    }

    /// The names in levels: the first has no dependencies, each further one depends on names of
    /// the levels before it only, and no name stands later than it must. Within a level the
    /// names are in alphabetical order.
    ///
    /// # Errors
    ///
    /// The first circle, where there is one.
    pub fn levels(&self) -> Result<Vec<Vec<&str>>, Cycle> {
        let mut waiting: Vec<usize> =
            self.inner.node_indices().map(|node| self.edges(node, Direction::Outgoing).count()).collect();
        let mut ready: Vec<NodeIndex> = self.inner.node_indices().filter(|node| waiting[node.index()] == 0).collect();
        let mut levels = Vec::new();
        let mut placed = 0;
        while !ready.is_empty() {
            placed += ready.len();
            let mut next = Vec::new();
            for dependent in (ready.iter()).flat_map(|node| self.edges(*node, Direction::Incoming)) {
                waiting[dependent.index()] -= 1;
                if waiting[dependent.index()] == 0 {
                    next.push(dependent);
                }
            }
            next.sort_unstable();
            let level = std::mem::replace(&mut ready, next);
            levels.push(level.into_iter().map(|node| self.name(node)).collect());
        }
        if placed == self.inner.node_count() {
            return Ok(levels);
        }
        let stuck = |node: NodeIndex| waiting[node.index()] > 0;
        Err(self.cycle_among(stuck))
    }

    /// All names, each after everything that it depends on: the levels in a row.
    ///
    /// # Errors
    ///
    /// As [`Graph::levels`].
    pub fn order(&self) -> Result<Vec<&str>, Cycle> {
        Ok(self.levels()?.concat())
    }

    /// A shortest circle through the first name that is part of one. Some name of `stuck` is:
    /// each has a dependency that is stuck too.
    fn cycle_among(&self, stuck: impl Fn(NodeIndex) -> bool) -> Cycle {
        let found =
            self.inner.node_indices().filter(|node| stuck(*node)).find_map(|start| self.shortest_way_back(start));
        let path = found.unwrap_or_default();
        Cycle { path: path.into_iter().map(|node| self.name(node).to_owned()).collect() }
    }

    /// The way from `start` over dependencies back to it, breadth first in the order of names.
    fn shortest_way_back(&self, start: NodeIndex) -> Option<Vec<NodeIndex>> {
        let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.edges(node, Direction::Outgoing) {
                if next == start {
                    let mut path = vec![start];
                    let mut at = node;
                    while at != start {
                        path.push(at);
                        at = came_from[&at];
                    }
                    path.push(start);
                    path.reverse();
                    return Some(path);
                }
                if let std::collections::btree_map::Entry::Vacant(free) = came_from.entry(next) {
                    free.insert(node);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn name(&self, node: NodeIndex) -> &str {
        &self.inner[node]
    }

    /// Neighbours in the order of their names.
    fn edges(&self, node: NodeIndex, direction: Direction) -> impl Iterator<Item = NodeIndex> {
        let mut neighbours: Vec<_> = self.inner.neighbors_directed(node, direction).collect();
        neighbours.sort_unstable();
        neighbours.into_iter()
    }

    fn neighbours(&self, name: &str, direction: Direction) -> Vec<(&str, &T)> {
        let Some(node) = self.indices.get(name) else {
            return Vec::new();
        };
        let mut found: Vec<_> = self
            .inner
            .edges_directed(*node, direction)
            .map(|edge| {
                let other = match direction {
                    Direction::Outgoing => edge.target(),
                    Direction::Incoming => edge.source(),
                };
                (self.name(other), edge.weight())
            })
            .collect();
        found.sort_unstable_by_key(|(name, _)| *name);
        found
    }

    fn reach<'a>(&self, names: impl IntoIterator<Item = &'a str>, direction: Direction) -> Vec<&str> {
        let mut seen = vec![false; self.inner.node_count()];
        let mut open: Vec<NodeIndex> = names.into_iter().filter_map(|name| self.indices.get(name).copied()).collect();
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut seen[node.index()], true) {
                open.extend(self.edges(node, direction));
            }
        }
        self.inner.node_indices().filter(|node| seen[node.index()]).map(|node| self.name(node)).collect()
    }
}

#[cfg(test)]
mod tests;
