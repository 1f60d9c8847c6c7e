//! Diagnostics as JSON, for programs.

use serde::Serialize;

use super::{Diagnostic, Severity, Sources};

/// Version of the form; it rises when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// A finding with its places as lines and columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonDiagnostic<'a> {
    /// How serious.
    pub severity: Severity,
    /// The stable code.
    pub code: &'a str,
    /// One sentence without a full stop.
    pub message: &'a str,
    /// The first is the primary place.
    pub labels: Vec<JsonLabel<'a>>,
    /// What to do.
    pub hints: &'a [String],
}

/// A place in a file. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonLabel<'a> {
    /// The file's printed name.
    pub file: &'a str,
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the last character.
    pub end_column: usize,
    /// Why the place is shown; may be empty on the primary place.
    pub text: &'a str,
}

/// The JSON form of one finding; a place that is in no known file is left out.
pub fn to_json<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> JsonDiagnostic<'a> {
    let labels = diagnostic.labels.iter().filter_map(|label| {
        let source = sources.get(label.span.file)?;
        let (line, column) = source.line_column(label.span.start)?;
        let (end_line, end_column) = source.line_column(label.span.end)?;
        Some(JsonLabel { file: &source.name, line, column, end_line, end_column, text: &label.text })
    });
    JsonDiagnostic {
        severity: diagnostic.severity,
        code: &diagnostic.code,
        message: &diagnostic.message,
        labels: labels.collect(),
        hints: &diagnostic.hints,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FileId, Span};
    use super::*;

    #[test]
    fn gives_lines_and_columns_of_both_ends() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "é: x\nb:\n  c: 1\n");
        let span = |start, end| Span { file, start, end };
        let found = Diagnostic::warning("some-code", "a word")
            .at(span(4, 5))
            .label(span(6, 15), "the mapping")
            .label(Span { file: FileId(9), start: 0, end: 0 }, "in no file")
            .hint("do this");
        let json = serde_json::to_value(to_json(&found, &sources)).unwrap();
        let expected = serde_json::json!({
            "severity": "warning",
            "code": "some-code",
            "message": "a word",
            "labels": [
                {"file": "a.yaml", "line": 1, "column": 4, "end_line": 1, "end_column": 5, "text": ""},
                {"file": "a.yaml", "line": 2, "column": 1, "end_line": 3, "end_column": 7, "text": "the mapping"},
            ],
            "hints": ["do this"],
        });
        assert_eq!(json, expected);
    }
}
