//! What the parser's errors mean, in words of someone who writes a file.

use granit_parser::ErrorKind;

use crate::diag::{Diagnostic, FileId, Span};

/// A finding for a syntax error at byte `at`; `info` is the parser's own text, for the rare kinds.
pub(super) fn explain(kind: &ErrorKind, info: &str, text: &str, at: usize, file: FileId) -> Diagnostic {
    let span = token(text, at, file);
    let found = |message: &str| Diagnostic::error("yaml-syntax", message).at(span);
    if let Some(place) = tab_in_indentation(kind, text, at, file) {
        return tab(place);
    }
    match kind {
        ErrorKind::UnclosedQuotedScalar => {
            found("the quote is never closed").hint("close it, or put the whole value in the other kind of quotes")
        }
        ErrorKind::UnclosedFlowCollection { open } => found(&format!("the `{open}` is never closed")),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => found(&format!("`{open}` is closed by `{close}`")),
        ErrorKind::MisplacedFlowCollectionEnd => found("this bracket closes nothing"),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => found("a `key:` cannot stand here")
            .hint("indent the line as its neighbours, or put a value that holds `: ` in quotes"),
        ErrorKind::MappingKeyNotAllowed => found("a key cannot stand here").hint("indent the line as its neighbours"),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey | ErrorKind::ExpectedBlockMappingKey => {
            found("a `key: value` is expected here")
                .hint("write a colon and a blank after the key, and indent the line as its neighbours")
        }
        ErrorKind::ExpectedBlockSequenceEntry => found("a list item is expected here")
            .hint("start it with `- `, or indent the line as the key it belongs to"),
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
            found("a list item cannot stand here").hint("put the list on the lines below its key")
        }
        ErrorKind::ExpectedFlowMappingSeparator => found("a `,` or `}` is expected here"),
        ErrorKind::ExpectedFlowSequenceSeparator => found("a `,` or `]` is expected here"),
        ErrorKind::UnexpectedCharacter { character } => {
            found(&format!("a value cannot start with `{character}`")).hint("put the value in quotes")
        }
        ErrorKind::InvalidQuotedScalarIndent => found("quoted text goes on here, indented too little")
            .hint("indent it deeper than its key, or close the quote before"),
        ErrorKind::InvalidIndentation | ErrorKind::InvalidFlowScalarIndent => {
            found("the line is indented too little").hint("indent it deeper than its key")
        }
        ErrorKind::ExpectedDocumentStart => {
            found("the line does not belong to what stands before").hint("indent it as the first line of the file")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            found("text follows a closing quote").hint("put the whole value in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => found("an escape in this string is not one of YAML's")
            .hint("write `\\\\` for a backslash, or use single quotes"),
        ErrorKind::MissingAnchorOrAliasName => {
            found("`*` and `&` start the name of an anchor").hint("put a value that starts with `*` or `&` in quotes")
        }
        ErrorKind::UndeclaredTagHandle => {
            found("`!` starts a tag, and this one is not declared").hint("put a value that starts with `!` in quotes")
        }
        ErrorKind::RecursionLimitExceeded => {
            Diagnostic::error("yaml-too-deep", "too many mappings and lists inside one another").at(span)
        }
        ErrorKind::CommentNotSeparated => found("a `#` needs a blank before it to start a comment"),
        ErrorKind::DocumentIndicatorInQuotedScalar => {
            found("a line `---` or `...` stands inside quotes").hint("the quote before is probably not closed")
        }
        ErrorKind::InvalidBlockScalarHeader => {
            found("nothing but a comment may follow `|` or `>`").hint("put the text on the lines below")
        }
        _ => found(if info.is_empty() { "this is not valid YAML" } else { info }),
    }
}

/// The finding for a tab where only spaces may stand.
pub(super) fn tab(place: Span) -> Diagnostic {
    Diagnostic::error("yaml-tab", "a tab cannot indent a line in YAML").at(place).hint("replace the tab with spaces")
}

/// The tab at fault: the parser says so, or the line of the error is indented with one.
fn tab_in_indentation(kind: &ErrorKind, text: &str, at: usize, file: FileId) -> Option<Span> {
    let said = matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    );
    let line_start = text.get(..at)?.rfind('\n').map_or(0, |before| before + 1);
    let line = &text[line_start..];
    let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    let offset = match indent.find('\t') {
        Some(tab) => line_start + tab,
        // The parser stands at the end of the line before when it sees the tab.
        None if said => at + text[at..].find('\t').unwrap_or(0),
        None => return None,
    };
    let start = u32::try_from(offset).ok()?;
    let end = start + u32::from(text[offset..].starts_with('\t'));
    Some(Span { file, start, end })
}

/// The word at `at`, so that the caret marks more than one character; of brackets, only the one.
fn token(text: &str, at: usize, file: FileId) -> Span {
    let rest = text.get(at..).unwrap_or_default();
    let most = if rest.starts_with(['[', ']', '{', '}']) { 1 } else { usize::MAX };
    let length: usize = rest
        .chars()
        .take(most)
        .enumerate()
        .take_while(|(index, character)| {
            *index == 0 && !matches!(character, '\n' | '\r') || character.is_alphanumeric()
        })
        .map(|(_, character)| character.len_utf8())
        .sum();
    let start = u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start, end: start.saturating_add(u32::try_from(length).unwrap_or(0)) }
}
