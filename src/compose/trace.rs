//! Trace: the way of one value through the files, remembered while they are loaded.

use super::reset::Resets;
use super::tree::{is_null, text};
use crate::diag::Span;
use crate::yaml::{Kind, Node};

/// What happened to the value, in order.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A file holds it, or what it is made of.
    Written(Node),
    /// What came before was taken over by `extends` here.
    Extended(Span),
    /// What came before was brought by `include` here.
    Included(Span),
    /// `!reset` (or `!override`, with `true`) here: what came before is gone.
    Reset(Span, bool),
}

/// Follows one path.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// The path in the files being read; another one while a service that is extended is.
    path: String,
    /// Where the value that came out in the end was written, to know an item of a list again.
    place: Option<Span>,
    pub(super) events: Vec<Event>,
}

/// The path as it was before another service was followed.
pub(super) struct Follow {
    path: String,
    seen: usize,
}

impl Trace {
    /// A trace of `path`; `place` is where its value was found to be written.
    pub(super) fn new(path: &str, place: Option<Span>) -> Self {
        Self { path: path.to_owned(), place, events: Vec::new() }
    }

    /// Number of events.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The value, or what it is made of, in a whole document.
    pub(super) fn find(&self, document: &Node) -> Option<Node> {
        locate(document, &self.path, self.place).cloned()
    }

    /// The same in a service.
    pub(super) fn find_in(&self, service: Option<&Node>) -> Option<Node> {
        let (_, rest) = self.service()?;
        locate(service?, rest, self.place).cloned()
    }

    /// The service that the path leads into, and the rest.
    fn service(&self) -> Option<(&str, &str)> {
        let rest = self.path.strip_prefix("services.")?;
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        Some((&rest[..end], &rest[end..]))
    }

    /// A document was read whose own value is `own`.
    pub(super) fn document(&mut self, own: Option<Node>, resets: &Resets) {
        if let Some((span, replaces)) = resets.at(&self.path) {
            self.events.push(Event::Reset(span, replaces));
        }
        self.events.extend(own.map(Event::Written));
    }

    /// Follows `base` in place of the service `name`, if that is the one the path leads into.
    pub(super) fn enter(&mut self, name: &str, base: &str) -> Option<Follow> {
        let rest = self.path.strip_prefix("services.")?.strip_prefix(name)?;
        if !rest.is_empty() && !rest.starts_with(['.', '[']) {
            return None;
        }
        let path = format!("services.{base}{rest}");
        Some(Follow { path: std::mem::replace(&mut self.path, path), seen: self.events.len() })
    }

    /// The service being followed has `own`.
    pub(super) fn base(&mut self, own: Option<Node>) {
        self.events.extend(own.map(Event::Written));
    }

    /// Back to the service that extends, which says so at `place`.
    pub(super) fn leave(&mut self, follow: Follow, place: Span) {
        self.path = follow.path;
        if self.events.len() > follow.seen {
            self.events.push(Event::Extended(place));
        }
    }

    /// Since `seen` events, files were read that `place` includes.
    pub(super) fn included(&mut self, seen: usize, place: Span) {
        if self.events.len() > seen {
            self.events.push(Event::Included(place));
        }
    }
}

/// The value at `path` of `node` in whatever form it is written: a short form stands for all that is below it, and
/// `NAME=value` in a list for a key. An item of a list is known by `place`, where it was written.
pub(super) fn locate<'a>(node: &'a Node, path: &str, place: Option<Span>) -> Option<&'a Node> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Some(node).filter(|node| !is_null(node));
    }
    match &node.kind {
        Kind::Map(map) => {
            let ends: Vec<usize> = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]).collect();
            ends.into_iter().rev().find_map(|end| locate(map.get(&path[..end])?, &path[end..], place))
        }
        Kind::Seq(items) => match path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((index, rest)) => {
                let item = match place {
                    Some(place) => items.iter().find(|item| {
                        item.span.file == place.file && item.span.start <= place.start && place.end <= item.span.end
                    })?,
                    None => items.get(index.parse::<usize>().ok()?)?,
                };
                locate(item, rest, place)
            }
            None => items.iter().rev().find(|item| {
                let word = text(item).unwrap_or_default();
                let name = word.split_once(['=', ':']).map_or(word, |(name, _)| name);
                name == path || path.strip_prefix(name).is_some_and(|rest| !name.is_empty() && rest.starts_with('.'))
            }),
        },
        Kind::Scalar(_) => Some(node).filter(|node| !is_null(node)),
    }
}
