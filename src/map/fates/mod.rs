//! The conversion table: what becomes of each key of the Compose Specification, in one place.
//!
//! A row a key. The mapper carries the rows out; where a value makes a difference (a range of ports, a job that has no
//! ports) it says so itself. What is printed of a key that is not done, or done otherwise, comes from here, and so do
//! `docs/conversion.md` and `compose:help --keys`.

mod account;
mod project;
mod service;
#[cfg(test)]
mod tests;
mod text;

use std::sync::LazyLock;

pub(super) use account::account;
pub use account::{Level, Tally};
pub use text::{lines, markdown};

use crate::hashed::HashMap;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Done, by what.
    Done(&'static str),
    /// Passed to Docker: the option of `docker create` or `docker build`.
    Docker(&'static str),
    /// Done in another way, and in which.
    Approximated(&'static str),
    /// Not done.
    NotDone {
        /// Why.
        why: &'static str,
        /// What to do instead; may be empty.
        instead: &'static str,
    },
}

/// One key of the Specification.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The key's path: `*` stands for a name that the author chooses, `[]` for an item of a list.
    pub path: &'static str,
    /// What becomes of it. Below a key that is approximated or not done, keys without a row share its fate.
    pub fate: Fate,
}

const fn done(path: &'static str, how: &'static str) -> Row {
    Row { path, fate: Fate::Done(how) }
}

const fn docker(path: &'static str, option: &'static str) -> Row {
    Row { path, fate: Fate::Docker(option) }
}

const fn otherwise(path: &'static str, how: &'static str) -> Row {
    Row { path, fate: Fate::Approximated(how) }
}

const fn not_done(path: &'static str, why: &'static str, instead: &'static str) -> Row {
    Row { path, fate: Fate::NotDone { why, instead } }
}

/// All rows, in the order in which they are printed.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    project::ROWS.iter().chain(service::ROWS)
}

/// What becomes of the key at `path`, given as in [`Row::path`]; of a key that has no row, what becomes of the one above.
pub fn fate(path: &str) -> Option<Fate> {
    let mut at = Some(&*TREE);
    let mut fate = None;
    for step in steps(path) {
        at = at.and_then(|node| node.below.get(step));
        match at.and_then(|node| node.row) {
            Some(row) => fate = Some(row.fate),
            None if at.is_none() && !fate.is_some_and(inherited) => return None,
            None => {}
        }
    }
    if at.and_then(|node| node.row).is_some() { fate } else { fate.filter(|fate| inherited(*fate)) }
}

/// Whether keys below share the fate.
fn inherited(fate: Fate) -> bool {
    matches!(fate, Fate::Approximated(_) | Fate::NotDone { .. })
}

/// The rows as a tree, for walking a file beside it.
#[derive(Default)]
struct Branch {
    row: Option<&'static Row>,
    /// By key; `*` and `[]` as in the paths.
    below: HashMap<&'static str, Branch>,
}

static TREE: LazyLock<Branch> = LazyLock::new(|| {
    let mut root = Branch::default();
    for row in rows() {
        let mut at = &mut root;
        for step in steps(row.path) {
            at = at.below.entry(step).or_default();
        }
        at.row = Some(row);
    }
    root
});

/// `services.*.ports[].target` as `services`, `*`, `ports`, `[]`, `target`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.')
        .flat_map(|step| match step.strip_suffix("[]") {
            Some(key) => [Some(key), Some("[]")],
            None => [Some(step), None],
        })
        .flatten()
}
