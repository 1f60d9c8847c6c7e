//! Bytes of a file to text that YAML may hold.

use crate::diag::{Diagnostic, FileId, Span};

/// The text of a file in UTF-8, without a byte order mark at its start.
///
/// Refuses invalid UTF-8 and UTF-16 with the line and column of the first bad byte in the
/// message, since a file that is no text cannot be shown as a source.
///
/// # Errors
///
/// One finding, without a place.
pub fn decode(bytes: &[u8]) -> Result<&str, Diagnostic> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Diagnostic::error("not-utf8", "the file is UTF-16, not UTF-8").hint("save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = error.valid_up_to();
        let (line, column) = line_column(&bytes[..good]);
        let byte = bytes.get(good).copied().unwrap_or_default();
        Diagnostic::error(
            "not-utf8",
            format!("the file is not UTF-8: invalid byte 0x{byte:02X} at line {line}, column {column}"),
        )
        .hint("save it as UTF-8")
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        let (line, column) = line_column(&text.as_bytes()[..at]);
        return Err(Diagnostic::error(
            "not-text",
            format!("the file holds a NUL byte at line {line}, column {column}: it is not text"),
        ));
    }
    Ok(text)
}

/// The first character that YAML does not allow anywhere in a file, with its byte offset.
pub(super) fn forbidden_character(text: &str, file: FileId) -> Option<Diagnostic> {
    // Most files are ASCII, for which a look at the bytes is enough: many at once, without a branch between them.
    let harmless = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    if text.as_bytes().chunks(256).all(|chunk| chunk.iter().fold(true, |all, byte| all & harmless(byte))) {
        return None;
    }
    let (at, character) = text.char_indices().find(|(at, character)| {
        let forbidden = matches!(character,
            '\0'..='\u{08}' | '\u{0B}' | '\u{0C}' | '\u{0E}'..='\u{1F}' | '\u{7F}'..='\u{84}'
            | '\u{86}'..='\u{9F}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
        forbidden && !(*character == '\u{FEFF}' && *at == 0)
    })?;
    let start = u32::try_from(at).ok()?;
    let end = u32::try_from(at + character.len_utf8()).ok()?;
    Some(
        Diagnostic::error(
            "yaml-control-character",
            format!("the control character U+{:04X} may not stand in a YAML file", character as u32),
        )
        .at(Span { file, start, end })
        .hint("remove it, or write it as an escape inside double quotes"),
    )
}

/// Line and column from 1, the column in characters, after `before`.
fn line_column(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err().message
    }

    #[test]
    fn takes_off_a_byte_order_mark_and_keeps_the_rest() {
        assert_eq!(decode(b"").unwrap(), "");
        assert_eq!(decode("\u{FEFF}a: é\r\n".as_bytes()).unwrap(), "a: é\r\n");
    }

    #[test]
    fn names_line_and_column_of_what_is_no_text() {
        assert_eq!(message(b"a: 1\n\xc3\xa9: \xff"), "the file is not UTF-8: invalid byte 0xFF at line 2, column 4");
        assert_eq!(message(b"\xc3"), "the file is not UTF-8: invalid byte 0xC3 at line 1, column 1");
        assert_eq!(message(b"a\nb\0"), "the file holds a NUL byte at line 2, column 2: it is not text");
        assert_eq!(message(b"\xff\xfea\0"), "the file is UTF-16, not UTF-8");
    }
}
