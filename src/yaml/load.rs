//! Text to [`Node`] trees over granit-parser's events. The only user of that crate.
//!
//! granit-parser gives events; keys, anchors, merges, limits and what a scalar is are decided
//! here, by the rules of the YAML reader that Docker Compose uses (go.yaml.in/yaml/v4).

mod alias;
pub mod anchors;
mod errors;
mod tag;

use std::borrow::Cow;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, Tag};

use crate::diag::{Diagnostic, FileId, Span};

use self::alias::Anchors;
use super::node::{Entry, Kind, Map, Node, Scalar, Style, Text};
use super::scalar::Value;
use super::{merge_key, text};

/// What a file may cost; a file beyond a limit is an error, never a long wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Mappings and sequences inside one another, aliases expanded.
    pub depth: usize,
    /// Nodes that aliases may add, and that anchors may hold; every 64 bytes of a scalar count
    /// as one more.
    pub alias_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 128, alias_nodes: 100_000 }
    }
}

/// The most findings of one file; what follows after so many is noise.
const MOST_FINDINGS: usize = 100;

/// Loads every document of a YAML text; a text without a document gives an empty list.
///
/// Aliases are replaced by what they name, merge keys are resolved, keys are strings and unique.
/// All findings of a file are reported together, but for those after which the text cannot be
/// read on.
///
/// # Errors
///
/// The findings, at least one, each with its place in `file`.
///
/// Specification: 10-fragments.md, for anchors, aliases and merge keys.
pub fn load(text: &str, file: FileId, limits: &Limits) -> Result<Vec<Node>, Vec<Diagnostic>> {
    if text.len() > limits.bytes.min(u32::MAX as usize) {
        return Err(vec![
            Diagnostic::error("yaml-too-large", format!("the file is larger than {} bytes", limits.bytes)).at(Span {
                file,
                start: 0,
                end: 0,
            }),
        ]);
    }
    if let Some(found) = text::forbidden_character(text, file) {
        return Err(vec![found]);
    }
    let mut loader = Loader::new(text, file, *limits);
    let documents = match loader.stream() {
        Ok(documents) => documents,
        Err(fatal) => {
            loader.findings.push(*fatal);
            Vec::new()
        }
    };
    if loader.findings.is_empty() { Ok(documents) } else { Err(loader.findings) }
}

/// A node with what a copy of it costs and how deep it is.
struct Built {
    node: Node,
    cost: usize,
    height: usize,
}

struct Loader<'t> {
    text: &'t str,
    file: FileId,
    limits: Limits,
    parser: Parser<'t, StrInput<'t>>,
    anchors: Anchors,
    findings: Vec<Diagnostic>,
    /// Items of the sequences that are being read, the innermost last.
    items: Vec<Node>,
    /// Mappings without entries, but with room for some: each that is read grows in one of them.
    spare: Vec<Map>,
}

/// The error after which reading stops is the `Err`; findings that allow reading on are collected. It lies on the heap:
/// the good results of every node are small for it.
type Step<T> = Result<T, Box<Diagnostic>>;

impl<'t> Loader<'t> {
    fn new(text: &'t str, file: FileId, limits: Limits) -> Self {
        let options = granit_parser::options! {
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            flow_nesting_limit: limits.depth + 1,
            block_nesting_limit: limits.depth + 1,
        };
        Self {
            text,
            file,
            limits,
            parser: Parser::new_from_str_with_options(text, options),
            anchors: Anchors::new(limits.alias_nodes),
            findings: Vec::new(),
            items: Vec::new(),
            spare: Vec::new(),
        }
    }

    fn stream(&mut self) -> Step<Vec<Node>> {
        let mut documents = Vec::new();
        while let Some(next) = self.parser.next_event() {
            let (event, span) = next.map_err(|error| self.syntax_error(&error))?;
            match event {
                Event::DocumentStart(..) => self.anchors.new_document(),
                event if event.is_node() => documents.push(self.node(event, span, 0)?.node),
                _ => {}
            }
        }
        Ok(documents)
    }

    /// The next event inside a collection; the parser reports the end of input itself.
    fn expect_event(&mut self) -> Step<(Event<'t>, granit_parser::Span)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax_error(&error).into()),
            None => Err(Diagnostic::error("yaml-syntax", "the file ends inside a value")
                .at(self.span_of(self.text.len(), self.text.len()))
                .into()),
        }
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        errors::explain(error.kind(), &error.info(), self.text, self.offset(error.marker()), self.file)
    }

    fn node(&mut self, event: Event<'t>, span: granit_parser::Span, depth: usize) -> Step<Built> {
        let here = self.span(&span);
        if depth > self.limits.depth {
            return Err(too_deep(here, self.limits.depth).into());
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.open_anchor(anchor)?;
                let built = self.scalar(text, style, tag.as_deref(), here);
                self.anchors.close(anchor, &built)?;
                Ok(built)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open_anchor(anchor)?;
                self.refuse_tab_before(style, here)?;
                let built = self.sequence(tag.as_deref(), here, depth)?;
                self.anchors.close(anchor, &built)?;
                Ok(built)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.open_anchor(anchor)?;
                self.refuse_tab_before(style, here)?;
                let built = self.mapping(tag.as_deref(), here, depth)?;
                self.anchors.close(anchor, &built)?;
                Ok(built)
            }
            Event::Alias(id) => self.anchors.expand(id, here, depth, self.limits.depth),
            Event::UnresolvedAlias(name) => {
                let finding = self.anchors.unknown(&name, here);
                self.found(finding);
                Ok(empty(here))
            }
            _ => Err(Diagnostic::error("yaml-syntax", "a value is expected here").at(here).into()),
        }
    }

    /// Takes the event with an anchor's name, which follows the start of the anchored node.
    fn open_anchor(&mut self, anchor: usize) -> Step<()> {
        if anchor == 0 {
            return Ok(());
        }
        let (event, span) = self.expect_event()?;
        if let Event::Anchor(id, name) = event {
            let place = self.span(&span);
            self.anchors.open(id, &name, place);
        }
        Ok(())
    }

    fn scalar(&mut self, mut text: Cow<'t, str>, style: ScalarStyle, tag: Option<&Tag>, mut here: Span) -> Built {
        let style = match style {
            // The parser writes `~` for a value that is not there; only its span tells.
            ScalarStyle::Plain if here.start == here.end => {
                text = Cow::Borrowed("");
                Style::Empty
            }
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => {
                // go-yaml gives no line break where the file ends without one.
                if here.end as usize == self.text.len() && !self.text.ends_with('\n') && text.ends_with('\n') {
                    text.to_mut().pop();
                }
                here.end = self.trimmed_end(here);
                Style::Block
            }
        };
        let (style, tag) = self.apply_tag(style, &text, tag, here);
        let cost = 1 + text.len() / 64;
        Built {
            node: Node { kind: Kind::Scalar(Scalar { text: text.into(), style }), span: here, tag },
            cost,
            height: 0,
        }
    }

    /// The style and the local tag of a scalar after its tag has been applied.
    fn apply_tag(&mut self, style: Style, text: &str, tag: Option<&Tag>, here: Span) -> (Style, Option<Box<Text>>) {
        let applied = tag.map_or(Ok((style, None)), |tag| tag::apply(tag, style, text));
        applied.unwrap_or_else(|core| {
            self.found(
                Diagnostic::error("yaml-tag", format!("the value cannot be read as `!!{core}`"))
                    .at(here)
                    .hint("remove the tag"),
            );
            (style, None)
        })
    }

    fn sequence(&mut self, tag: Option<&Tag>, start: Span, depth: usize) -> Step<Built> {
        let before = self.items.len();
        let (mut cost, mut height) = (1, 0);
        let mut last = None;
        let end = loop {
            let (event, span) = self.expect_event()?;
            if matches!(event, Event::SequenceEnd) {
                break self.span(&span);
            }
            let alias = event.is_alias().then(|| self.span(&span));
            let item = self.node(event, span, depth + 1)?;
            last = alias.or(Some(item.node.span));
            cost += item.cost;
            height = height.max(item.height + 1);
            self.items.push(item.node);
        };
        let items = self.items.drain(before..).collect();
        let span = collection_span(start, end, last);
        let node = Node { kind: Kind::Seq(items), span, tag: tag.and_then(tag::local) };
        Ok(Built { node, cost, height })
    }

    fn mapping(&mut self, tag: Option<&Tag>, start: Span, depth: usize) -> Step<Built> {
        let mut map = self.spare.pop().unwrap_or_default();
        let mut merges: Vec<(Span, Node)> = Vec::new();
        let (mut cost, mut height) = (1, 0);
        let mut last = None;
        let end = loop {
            let (event, span) = self.expect_event()?;
            if matches!(event, Event::MappingEnd) {
                break self.span(&span);
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.expect_event()?;
            let alias = event.is_alias().then(|| self.span(&span));
            let mut value = self.node(event, span, depth + 1)?;
            if alias.is_none() && value.node.span.start == value.node.span.end {
                value.node.span = self.empty_value_span(key.node.span);
            }
            cost += value.cost + 1;
            height = height.max(value.height + 1);
            last = alias.or(Some(value.node.span));
            self.insert(&mut map, &mut merges, key.node, value.node);
        };
        // After the mapping's own keys, which win wherever the `<<` stands.
        for (key, value) in merges {
            if let Err(finding) = merge_key::merge_into(&mut map, key, value) {
                self.found(finding);
            }
        }
        let read = Map { entries: map.entries.take() };
        self.spare.push(map);
        let span = collection_span(start, end, last);
        let node = Node { kind: Kind::Map(read), span, tag: tag.and_then(tag::local) };
        Ok(Built { node, cost, height })
    }

    fn insert(&mut self, map: &mut Map, merges: &mut Vec<(Span, Node)>, key: Node, value: Node) {
        let place = key.span;
        let Kind::Scalar(scalar) = key.kind else {
            self.found(self.collection_as_key(place));
            return;
        };
        if tag::is_merge_key(&scalar) {
            match merges.first() {
                Some((first, _)) => self.found(duplicate("<<", *first, place)),
                None => merges.push((place, value)),
            }
            return;
        }
        if !matches!(scalar.value(), Value::Str(_)) {
            self.found(not_a_string_key(&scalar, place));
        }
        if let Some((key, old)) = map.entries.insert_new(scalar.text, Entry { key: place, value }) {
            self.found(duplicate(key, old.key, place));
        }
    }

    fn collection_as_key(&self, place: Span) -> Diagnostic {
        let found = Diagnostic::error("yaml-key", "a mapping or list cannot be a key").at(place);
        let before = self.text.get(..place.start as usize).unwrap_or_default();
        if before.ends_with('{') {
            return found.hint("put a template such as `{{ ... }}` in quotes");
        }
        found.hint("write the key as text, in quotes if it starts with `[` or `{`")
    }

    fn found(&mut self, finding: Diagnostic) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// YAML forbids tabs in indentation; the parser lets one pass before a first key.
    fn refuse_tab_before(&self, style: StructureStyle, here: Span) -> Step<()> {
        if style == StructureStyle::Flow {
            return Ok(());
        }
        let before = self.text.get(..here.start as usize).unwrap_or_default();
        let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        match line.find('\t') {
            Some(at) if line.bytes().all(|byte| matches!(byte, b' ' | b'\t')) => {
                let start = before.len() - line.len() + at;
                Err(errors::tab(self.span_of(start, start + 1)).into())
            }
            _ => Ok(()),
        }
    }

    /// The place of a value that is not there: right after its key's colon.
    fn empty_value_span(&self, key: Span) -> Span {
        let after = self.text.get(key.end as usize..).unwrap_or_default();
        let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
        let at = if after[blanks..].starts_with(':') { key.end as usize + blanks + 1 } else { key.end as usize };
        self.span_of(at, at)
    }

    /// The end of a block scalar's place without the blank lines that follow it.
    fn trimmed_end(&self, span: Span) -> u32 {
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        span.start + u32::try_from(text.trim_end().len()).unwrap_or(0)
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        self.span_of(self.offset(&span.start), self.offset(&span.end))
    }

    fn span_of(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: offset(start), end: offset(end.max(start)) }
    }

    fn offset(&self, marker: &Marker) -> usize {
        let mut at = marker.byte_offset().unwrap_or(self.text.len()).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn empty(span: Span) -> Built {
    let kind = Kind::Scalar(Scalar { text: Text::default(), style: Style::Empty });
    Built { node: Node { kind, span, tag: None }, cost: 1, height: 0 }
}

/// A flow collection ends at its bracket; a block collection's end event comes only after
/// blank lines and comments, so it ends with its last value.
fn collection_span(start: Span, end: Span, last: Option<Span>) -> Span {
    if end.start < end.end {
        return Span { end: end.end, ..start };
    }
    last.map_or(start, |last| Span { end: last.end.max(start.end), ..start })
}

fn duplicate(key: &str, first: Span, second: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("the key `{key}` stands twice in the same mapping"))
        .label(second, "again here")
        .label(first, "first here")
        .hint("keep one of the two")
}

fn not_a_string_key(scalar: &Scalar, place: Span) -> Diagnostic {
    let (kind, text) = match scalar.value() {
        Value::Null => ("null", scalar.text.as_str()),
        Value::Bool(_) => ("a boolean", scalar.text.as_str()),
        Value::Timestamp(_) => ("a date", scalar.text.as_str()),
        _ => ("a number", scalar.text.as_str()),
    };
    let found = Diagnostic::error("yaml-key", format!("a key must be a string, this one is {kind}")).at(place);
    if text.is_empty() {
        found.hint("write the key before the colon")
    } else {
        found.hint(format!("write it in quotes: \"{text}\""))
    }
}

fn too_deep(place: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("yaml-too-deep", format!("more than {limit} mappings and lists inside one another")).at(place)
}

#[cfg(test)]
mod tests;
