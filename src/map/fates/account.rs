//! Which keys of a file are honoured: every key that was written, held against the table and what the mapper found.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Branch, Fate, TREE, inherited};
use crate::diag::{Severity, Span};
use crate::map::context::Context;
use crate::yaml::{Kind, Node};

/// How well a key that was written is honoured; a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As the file says.
    Done,
    /// In another way.
    Approximated,
    /// Not at all.
    NotDone,
}

/// The keys of a file, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Done, or passed to Docker.
    pub done: usize,
    /// Done in another way: path and place.
    pub approximated: Vec<(String, Option<Span>)>,
    /// Not done: path and place.
    pub not_done: Vec<(String, Option<Span>)>,
}

impl Tally {
    /// Keys that were written.
    pub fn total(&self) -> usize {
        self.honoured() + self.not_done.len()
    }

    /// Those that are done, in whatever way.
    pub fn honoured(&self) -> usize {
        self.done + self.approximated.len()
    }
}

/// Counts the keys of the services that are imported and of what they use, and says what the table has to say of those
/// of which the mapper said nothing.
pub(in crate::map) fn account(ctx: &Context<'_>, imported: &BTreeSet<&str>) -> Tally {
    let mut walk = Walk {
        ctx,
        imported,
        not_done: ctx.findings.not_done(),
        otherwise: ctx.findings.approximated(),
        path: String::with_capacity(128),
        tally: Tally::default(),
    };
    walk.node(&ctx.compose.tree, &TREE, None);
    walk.tally
}

struct Walk<'a, 'c> {
    ctx: &'a Context<'c>,
    imported: &'a BTreeSet<&'a str>,
    /// Paths of which the mapper spoke, as it found them.
    not_done: BTreeSet<String>,
    otherwise: BTreeSet<String>,
    /// Of the node at hand.
    path: String,
    tally: Tally,
}

impl Walk<'_, '_> {
    /// Walks what stands below a node; `above` is a fate that the keys below share. The worst that was found of the node
    /// itself, or of something below it that is no key, which its key has to answer for.
    fn node(&mut self, node: &Node, branch: &Branch, above: Option<Fate>) -> Level {
        let mut worst = self.said();
        let length = self.path.len();
        match &node.kind {
            Kind::Map(map) => {
                for (key, entry) in &map.entries {
                    if key.starts_with("x-") && !branch.below.contains_key(key.as_str()) {
                        continue;
                    }
                    if length == 0 || self.wanted(key) {
                        if length > 0 {
                            self.path.push('.');
                        }
                        self.path.push_str(key);
                        let next = branch.below.get(key.as_str()).or_else(|| branch.below.get("*"));
                        // Whoever made a key beside those that were written gave it the place of its value.
                        let written = entry.key != entry.value.span && !branch.below.contains_key("*");
                        worst = worst.max(self.entry(&entry.value, next, above, written, entry.key));
                        self.path.truncate(length);
                    }
                }
            }
            Kind::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    // Into a string there is no error.
                    let _ = write!(self.path, "[{index}]");
                    worst = worst.max(match branch.below.get("[]") {
                        Some(next) => self.node(item, next, above),
                        None => self.said(),
                    });
                    self.path.truncate(length);
                }
            }
            Kind::Scalar(_) => {}
        }
        worst
    }

    fn entry(&mut self, value: &Node, branch: Option<&Branch>, above: Option<Fate>, written: bool, key: Span) -> Level {
        let Some(branch) = branch else {
            // No key of the Specification, or one below a fate that is shared.
            return self.said();
        };
        let own = branch.row.map(|row| row.fate).or(above);
        let shared = own.filter(|fate| inherited(*fate));
        let found = self.node(value, branch, shared);
        if !written || branch.row.is_none() {
            return found;
        }
        let by_table = match own {
            Some(Fate::NotDone { .. }) => Level::NotDone,
            Some(Fate::Approximated(_)) => Level::Approximated,
            _ => Level::Done,
        };
        if above.is_none() && found < by_table {
            self.say(own);
        }
        let place = Some(key);
        match found.max(by_table) {
            Level::Done => self.tally.done += 1,
            Level::Approximated => self.tally.approximated.push((self.path.clone(), place)),
            Level::NotDone => self.tally.not_done.push((self.path.clone(), place)),
        }
        Level::Done
    }

    /// What the mapper said of the node at hand.
    fn said(&self) -> Level {
        if self.not_done.contains(&self.path) {
            Level::NotDone
        } else if self.otherwise.contains(&self.path) {
            Level::Approximated
        } else {
            Level::Done
        }
    }

    /// Services that are not imported, and what only they use, count for nothing.
    fn wanted(&self, key: &str) -> bool {
        let project = self.ctx.compose;
        match self.path.as_str() {
            "services" => self.imported.contains(key),
            "networks" => project.networks.contains_key(key),
            "volumes" => project.volumes.contains_key(key),
            "secrets" => project.secrets.contains_key(key),
            "configs" => project.configs.contains_key(key),
            _ => true,
        }
    }

    /// What the table has to say of the key at hand.
    fn say(&self, fate: Option<Fate>) {
        let key = self.path.strip_prefix("services.").unwrap_or(&self.path);
        match fate {
            Some(Fate::NotDone { why, instead }) => {
                let message = format!("{key} is not done: {why}");
                self.ctx.report(Severity::Warning, "not-done", &self.path, message, instead);
            }
            Some(Fate::Approximated(how)) => {
                self.ctx.report(Severity::Note, "approximated", &self.path, format!("{key}: {how}"), "");
            }
            _ => {}
        }
    }
}
