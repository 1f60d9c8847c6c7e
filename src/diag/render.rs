//! Diagnostics as text in the look of rustc. The only user of annotate-snippets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, FileId, Label, Severity, SourceFile, Sources};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With terminal colours; nothing is told by colour alone.
    pub color: bool,
    /// With ASCII only for frames and carets; what the file itself holds stays as it is.
    pub ascii: bool,
    /// Columns of the terminal; longer source lines are trimmed around the marked place.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, ascii: true, width: 120 }
    }
}

/// Draws one finding: its code and message, each place with its line and a caret, the hints.
///
/// Without a line break at its end. A place that spans lines is marked on its first line only.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_ref());
    let mut group = Group::with_title(title);
    for snippet in snippets(&diagnostic.labels, sources) {
        group = group.element(snippet);
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.message(visible(hint)));
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.ascii { DecorStyle::Ascii } else { DecorStyle::Unicode };
    renderer.term_width(style.width).decor_style(decor).render(&[group])
}

/// Text in which nothing moves the cursor, changes colours or turns the writing direction.
/// annotate-snippets does so for the message and the source only.
fn visible(text: &str) -> Cow<'_, str> {
    let unsafe_in_terminal = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(unsafe_in_terminal) {
        Cow::Owned(text.replace(unsafe_in_terminal, "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// One snippet a file, that of the primary label first.
fn snippets<'a>(labels: &'a [Label], sources: &'a Sources) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut order: Vec<FileId> = Vec::new();
    let mut by_file: BTreeMap<FileId, Vec<Mark<'a>>> = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        let Some(source) = sources.get(label.span.file) else {
            continue;
        };
        let Some(mark) = Mark::new(source, label, index == 0) else {
            continue;
        };
        if !order.contains(&label.span.file) {
            order.push(label.span.file);
        }
        by_file.entry(label.span.file).or_default().push(mark);
    }
    order.into_iter().filter_map(|file| Some(snippet(sources.get(file)?, by_file.get(&file)?))).collect()
}

struct Mark<'a> {
    line: usize,
    bytes: Range<usize>,
    text: &'a str,
    primary: bool,
}

impl<'a> Mark<'a> {
    fn new(source: &SourceFile, label: &'a Label, primary: bool) -> Option<Self> {
        let (line, _) = source.line_column(label.span.start)?;
        let whole = source.line_range(line)?;
        let start = label.span.start as usize;
        let end = (label.span.end as usize).clamp(start, whole.end.max(start));
        let end = (start..=end).rev().find(|at| source.text.is_char_boundary(*at))?;
        Some(Self { line, bytes: start..end, text: &label.text, primary })
    }
}

/// Only the lines between the first and the last mark are handed over, so that drawing does not
/// depend on the size of the file.
fn snippet<'a>(source: &'a SourceFile, marks: &[Mark<'a>]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let first = marks.iter().map(|mark| mark.line).min().unwrap_or(1);
    let last = marks.iter().map(|mark| mark.line).max().unwrap_or(1);
    let from = source.line_range(first).map_or(0, |range| range.start);
    let to = source.line_range(last).map_or(source.text.len(), |range| range.end);
    let annotations = marks.iter().map(|mark| {
        let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = (!mark.text.is_empty()).then(|| visible(mark.text));
        kind.span(mark.bytes.start - from..mark.bytes.end - from).label(label)
    });
    Snippet::source(&source.text[from..to]).line_start(first).path(visible(&source.name)).annotations(annotations)
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    fn place(sources: &Sources, file: FileId, needle: &str) -> Span {
        let at = sources.get(file).unwrap().text.find(needle).unwrap();
        let start = u32::try_from(at).unwrap();
        Span { file, start, end: start + u32::try_from(needle.len()).unwrap() }
    }

    fn plain(found: &Diagnostic, sources: &Sources) -> String {
        render(found, sources, Style::default())
    }

    #[test]
    fn draws_places_of_several_files_and_hints() {
        let mut sources = Sources::default();
        let main = sources.add("compose.yaml", "services:\n  web:\n    networks: [front]\n");
        let other = sources.add("override.yaml", "services:\n  web:\n    networks: [back]\n");
        let found = Diagnostic::error("undefined-network", "network `back` is not declared")
            .label(place(&sources, other, "back"), "used here")
            .label(place(&sources, main, "web"), "the service")
            .label(place(&sources, main, "front"), "")
            .hint("declare it under `networks:`")
            .hint("did you mean `front`?");
        let expected = "\
error[undefined-network]: network `back` is not declared
 --> override.yaml:3:16
  |
3 |     networks: [back]
  |                ^^^^ used here
  |
 ::: compose.yaml:2:3
  |
2 |   web:
  |   --- the service
3 |     networks: [front]
  |                -----
  |
  = help: declare it under `networks:`
  = help: did you mean `front`?";
        assert_eq!(plain(&found, &sources), expected);
    }

    #[test]
    fn draws_a_finding_without_a_place() {
        let found = Diagnostic::warning("no-place", "nothing to see").hint("go on");
        let expected = "warning[no-place]: nothing to see\n |\n = help: go on";
        assert_eq!(plain(&found, &Sources::default()), expected);
        let unknown = Diagnostic::note("no-place", "nothing").at(Span::default());
        assert_eq!(plain(&unknown, &Sources::default()), "note[no-place]: nothing");
    }

    #[test]
    fn marks_a_place_of_many_lines_on_its_first() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "a:\r\n  b: |\r\n    é\r\n");
        let whole = Span { file, start: 0, end: 18 };
        let end = Span { file, start: 18, end: 18 };
        let found = Diagnostic::note("many-lines", "text").at(end).label(whole, "all of it");
        let expected = "\
note[many-lines]: text
 --> a.yaml:3:6
  |
1 | a:
  | -- all of it
2 |   b: |
3 |     é
  |      ^";
        assert_eq!(plain(&found, &sources), expected);
    }

    #[test]
    fn trims_long_lines_around_the_place() {
        let mut sources = Sources::default();
        let text = format!("a: {}HERE{}\n", "x".repeat(100_000), "y".repeat(100_000));
        let file = sources.add("long.yaml", text);
        let found = Diagnostic::error("long-line", "long").at(place(&sources, file, "HERE"));
        let drawn = plain(&found, &sources);
        assert!(drawn.contains("long.yaml:1:100004"), "{drawn}");
        assert!(drawn.contains("xxHEREyy"), "{drawn}");
        let widest = drawn.lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap() <= Style::default().width, "{drawn}");
    }

    #[test]
    fn text_from_a_file_cannot_drive_the_terminal() {
        let mut sources = Sources::default();
        let file = sources.add("a\u{1b}[31m.yaml", "a: \u{1b}[2J\u{202e}b\n");
        let found = Diagnostic::error("bad-text", "key \u{1b}]0;x\u{7} is unknown")
            .label(place(&sources, file, "a"), "\u{1b}[1m")
            .hint("\u{1b}[5m");
        let drawn = plain(&found, &sources);
        assert!(!drawn.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{drawn:?}");
    }

    #[test]
    fn colour_and_frames_follow_the_style() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "a: b\n");
        let found = Diagnostic::error("some-code", "text").at(place(&sources, file, "b"));
        let style = Style { color: true, ascii: false, width: 80 };
        let drawn = render(&found, &sources, style);
        assert!(drawn.contains("\u{1b}[") && drawn.contains('│'), "{drawn}");
        assert!(plain(&found, &sources).is_ascii());
    }
}
