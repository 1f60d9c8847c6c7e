//! Safe changes of a text: what they are, and how they are made without touching the rest of it.

use super::{FileId, Span};

/// A change that takes a finding away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fix {
    /// What it does, a phrase without a full stop: `put the value in quotes`.
    pub title: String,
    /// The edits; all of them or none.
    pub edits: Vec<Edit>,
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// Another text in place of a span.
    Replace(Span, String),
    /// An entry of a mapping or list goes, with its line, or its comma in a flow collection. A comment that follows it
    /// stays. Where the entry shares its lines with something else, nothing is changed.
    Remove(Span),
    /// Several entries in place of one: on lines of their own, or with commas in a flow collection. A span with a
    /// comment in it is left alone.
    Entries(Span, Vec<String>),
}

impl Fix {
    /// One replacement.
    pub fn replace(title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        Self { title: title.into(), edits: vec![Edit::Replace(span, text.into())] }
    }

    /// One removal.
    pub fn remove(title: impl Into<String>, span: Span) -> Self {
        Self { title: title.into(), edits: vec![Edit::Remove(span)] }
    }
}

impl Edit {
    /// The file that it changes.
    pub fn file(&self) -> FileId {
        match self {
            Self::Replace(span, _) | Self::Remove(span) | Self::Entries(span, _) => span.file,
        }
    }

    /// The bytes of `text` that it replaces, and by what; `None` where it cannot be made.
    pub fn resolve(&self, text: &str) -> Option<(std::ops::Range<usize>, String)> {
        match self {
            Self::Replace(span, by) => {
                let range = span.start as usize..span.end as usize;
                let changes = text.get(range.clone())? != by;
                changes.then(|| (range, by.clone()))
            }
            Self::Remove(span) => removal(text, span.start as usize, span.end as usize),
            Self::Entries(span, entries) => {
                let range = span.start as usize..span.end as usize;
                if text.get(range.clone())?.contains('#') {
                    return None;
                }
                let before = &text[text[..range.start].rfind('\n').map_or(0, |at| at + 1)..range.start];
                let separator =
                    if before.chars().all(|char| char == ' ') { format!("\n{before}") } else { ", ".into() };
                Some((range, entries.join(&separator)))
            }
        }
    }
}

fn removal(text: &str, start: usize, end: usize) -> Option<(std::ops::Range<usize>, String)> {
    let line_start = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at + 1);
    let before = &text[line_start..start];
    let after = text[end..line_end].trim_end_matches(['\r', '\n']);
    let blank = |text: &str| text.chars().all(|char| char == ' ');
    let list_item = before.trim_start_matches(' ') == "- ";
    if (blank(before) || list_item) && (blank(after) || after.trim_start().starts_with('#')) {
        if let Some(comment) = Some(after.trim()).filter(|after| !after.is_empty()) {
            let indent = before.len() - before.trim_start_matches(' ').len();
            return Some((line_start..end + after.len(), format!("{}{comment}", " ".repeat(indent))));
        }
        return Some((line_start..line_end, String::new()));
    }
    flow_removal(text, start, end)
}

/// In `[a, b]` and `{a: 1, b: 2}` one comma goes with the entry.
fn flow_removal(text: &str, start: usize, end: usize) -> Option<(std::ops::Range<usize>, String)> {
    let after = &text[end..];
    if let Some(rest) = after.strip_prefix(',') {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        return Some((start..end + 1 + blanks, String::new()));
    }
    let before = text[..start].trim_end_matches(' ');
    let closes = after.trim_start_matches(' ').starts_with([']', '}']);
    (closes && before.ends_with(',')).then(|| (before.len() - 1..end, String::new()))
}

/// `text` with all edits of `fixes` made that can be made and do not overlap, and the indices of the fixes that were.
/// All edits must be of the file that `text` is.
pub fn apply<'f>(text: &str, fixes: impl Iterator<Item = (usize, &'f Fix)>) -> (String, Vec<usize>) {
    let mut changes: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    let mut made = Vec::new();
    for (index, fix) in fixes {
        let Some(edits) = fix.edits.iter().map(|edit| edit.resolve(text)).collect::<Option<Vec<_>>>() else { continue };
        let overlaps = |range: &std::ops::Range<usize>| {
            changes.iter().any(|(other, _)| range.start < other.end && other.start < range.end || range == other)
        };
        if edits.iter().any(|(range, _)| overlaps(range)) {
            continue;
        }
        changes.extend(edits);
        made.push(index);
    }
    changes.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, by) in changes {
        out.push_str(&text[at..range.start]);
        out.push_str(&by);
        at = range.end;
    }
    out.push_str(&text[at..]);
    (out, made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(text: &str, needle: &str) -> Option<String> {
        let start = u32::try_from(text.find(needle).unwrap()).unwrap();
        let end = start + u32::try_from(needle.len()).unwrap();
        let fix = Fix::remove("remove it", Span { file: FileId(0), start, end });
        let (out, made) = apply(text, std::iter::once((0, &fix)));
        (!made.is_empty()).then_some(out)
    }

    #[test]
    fn an_entry_goes_with_its_line_and_its_comment_stays() {
        assert_eq!(removed("a: 1\nv: 2\nb: 3\n", "v: 2").unwrap(), "a: 1\nb: 3\n");
        assert_eq!(removed("v: 2 # why\nb: 3\n", "v: 2").unwrap(), "# why\nb: 3\n");
        assert_eq!(removed("a:\n  v: 2  # why\r\n  b: 3\r\n", "v: 2").unwrap(), "a:\n  # why\r\n  b: 3\r\n");
        assert_eq!(removed("a:\n  - 1\n  - 2\n", "2").unwrap(), "a:\n  - 1\n");
        assert_eq!(removed("v: 2", "v: 2").unwrap(), "");
    }

    #[test]
    fn in_a_flow_collection_a_comma_goes_too() {
        assert_eq!(removed("a: [1, 2, 3]", "1").unwrap(), "a: [2, 3]");
        assert_eq!(removed("a: [1, 2, 3]", "3").unwrap(), "a: [1, 2]");
        assert_eq!(removed("{v: 2, a: 1}", "v: 2").unwrap(), "{a: 1}");
        assert_eq!(removed("a: [1]", "1"), None, "an empty list is something else than no list");
    }

    #[test]
    fn one_entry_becomes_two_in_the_style_of_the_text() {
        let split = |text: &str| {
            let start = text.find('e').unwrap();
            let end = text.rfind(['}', '\n']).unwrap();
            let offset = |at: usize| u32::try_from(at).unwrap();
            let span = Span { file: FileId(0), start: offset(start), end: offset(end) };
            Edit::Entries(span, vec!["e: 1".into(), "n: x".into()])
                .resolve(text)
                .map(|(range, by)| format!("{}{by}{}", &text[..range.start], &text[range.end..]))
        };
        assert_eq!(split("v:\n  e:\n    n: x\n").unwrap(), "v:\n  e: 1\n  n: x\n");
        assert_eq!(split("v: {e: {n: x}}").unwrap(), "v: {e: 1, n: x}");
        assert_eq!(split("v:\n  e: # why\n    n: x\n"), None);
    }

    #[test]
    fn what_overlaps_is_made_once() {
        let span = |start, end| Span { file: FileId(0), start, end };
        let fixes = [
            Fix::replace("a", span(0, 2), "x"),
            Fix::replace("b", span(1, 3), "y"),
            Fix::replace("c", span(3, 4), "z"),
        ];
        assert_eq!(apply("abcd", fixes.iter().enumerate()), ("xcz".to_owned(), vec![0, 2]));
    }
}
