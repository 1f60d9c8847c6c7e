//! Which places of a text are written elsewhere: its anchors and aliases, for telling how a value came to its place.

use std::collections::HashMap;

use granit_parser::Event;

use super::{Limits, Loader};
use crate::diag::{FileId, Span};

/// A value with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The name, without `&`.
    pub name: String,
    /// Where the name stands.
    pub place: Span,
    /// Where the value stands.
    pub value: Span,
}

/// A place at which a named value stands again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Where `*name` stands.
    pub place: Span,
    /// Index of its anchor.
    pub anchor: usize,
}

/// The anchors and aliases of a text, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    /// Values with names.
    pub anchors: Vec<Anchor>,
    /// Where they stand again.
    pub aliases: Vec<Alias>,
}

/// Finds the anchors and aliases of `text`, as far as it can be read.
pub fn anchors(text: &str, file: FileId) -> Anchors {
    let mut found = Anchors::default();
    // Without a single one, as most files are, there is nothing to look for.
    if !text.contains('*') || !text.contains('&') {
        return found;
    }
    let mut loader = Loader::new(text, file, Limits::default());
    let mut by_id: HashMap<usize, usize> = HashMap::new();
    let mut open: Vec<Option<usize>> = Vec::new();
    while let Some(Ok((event, span))) = loader.parser.next_event() {
        let here = loader.span(&span);
        let mut anchor = |loader: &mut Loader<'_>, id: usize| -> Option<usize> {
            if id == 0 {
                return None;
            }
            let (Event::Anchor(_, name), place) = loader.parser.next_event()?.ok()? else { return None };
            let place = loader.span(&place);
            found.anchors.push(Anchor { name: name.to_string(), place, value: here });
            by_id.insert(id, found.anchors.len() - 1);
            Some(found.anchors.len() - 1)
        };
        match event {
            Event::Scalar(_, _, id, _) => drop(anchor(&mut loader, id)),
            Event::SequenceStart(_, id, _) | Event::MappingStart(_, id, _) => {
                let index = anchor(&mut loader, id);
                open.push(index);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(anchor) = open.pop().flatten().and_then(|index| found.anchors.get_mut(index)) {
                    anchor.value.end = here.end.max(here.start);
                }
            }
            Event::Alias(id) => {
                if let Some(anchor) = by_id.get(&id) {
                    found.aliases.push(Alias { place: here, anchor: *anchor });
                }
            }
            _ => {}
        }
    }
    found
}

impl Anchors {
    /// The aliases, outermost first, by which what is written at `value` came into what is written at `into`; empty
    /// where it stands there itself or no such way is known.
    pub fn way(&self, value: Span, into: Span) -> Vec<Alias> {
        let mut way = Vec::new();
        self.search(value, into, &mut way, &mut vec![false; self.anchors.len()]);
        way
    }

    fn search(&self, value: Span, into: Span, way: &mut Vec<Alias>, seen: &mut [bool]) -> bool {
        if contains(into, value) {
            return true;
        }
        for alias in self.aliases.iter().filter(|alias| contains(into, alias.place)) {
            let (Some(anchor), Some(known)) = (self.anchors.get(alias.anchor), seen.get_mut(alias.anchor)) else {
                continue;
            };
            if std::mem::replace(known, true) {
                continue;
            }
            way.push(*alias);
            if self.search(value, anchor.value, way, seen) {
                return true;
            }
            way.pop();
        }
        false
    }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_followed_through_merge_keys_and_aliases() {
        let text = "x: &x\n  a: 1\ny: &y\n  <<: *x\n  b: &b two\nz:\n  <<: [*y]\n  c: *b\n";
        let found = anchors(text, FileId(0));
        let span = |needle: &str| {
            let start = text.find(needle).unwrap() as u32;
            Span { file: FileId(0), start, end: start + needle.len() as u32 }
        };
        let names: Vec<_> = found.anchors.iter().map(|anchor| anchor.name.as_str()).collect();
        assert_eq!(names, ["x", "y", "b"]);
        let way = |value: &str, into: &str| -> Vec<&str> {
            let way = found.way(span(value), span(into));
            way.into_iter().map(|alias| found.anchors[alias.anchor].name.as_str()).collect()
        };
        assert_eq!(way("a: 1", "<<: [*y]\n  c: *b"), ["y", "x"]);
        assert_eq!(way("two", "c: *b"), ["b"]);
        assert!(way("a: 1", "a: 1").is_empty());
        assert!(way("a: 1", "c: *b").is_empty(), "no way leads there");
    }

    #[test]
    fn a_text_that_ends_early_gives_what_was_read() {
        assert_eq!(anchors("a: &a [1]\nb: *a\nc: [", FileId(0)).aliases.len(), 1);
        assert_eq!(anchors("a: *b\nc: '&'", FileId(0)), Anchors::default());
    }
}
