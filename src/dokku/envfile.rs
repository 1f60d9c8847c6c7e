//! Which values survive Dokku's file of variables.
//!
//! Dokku writes it with `Marshal` and reads it with `Parse` of `github.com/joho/godotenv` 1.5.1,
//! which do not undo each other: whole numbers lose leading zeros and a plus, a double quote at the
//! end becomes a backslash, and a backslash at the end makes the *whole* file unreadable, so that
//! the app can neither be configured nor deployed. This is what that parser does to one value.

use std::borrow::Cow;

/// Whether a variable of this value is read back as it is.
pub(super) fn survives(value: &str) -> bool {
    match whole_number(value) {
        Some(number) => number.to_string() == value,
        // What neither writing nor reading looks at is most values.
        None if !value.contains(['\n', '\r', '\\', '"', '!', '$', '`']) => true,
        None => read(&write(value)).as_deref() == Some(value),
    }
}

/// What Go's `strconv.Atoi` takes for a number.
fn whole_number(value: &str) -> Option<i64> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| value.parse().ok())?
}

/// The quoted value as it is written, both quotes included.
fn write(value: &str) -> String {
    let mut written = String::from('"');
    for c in value.chars() {
        match c {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\\' | '"' | '!' | '$' | '`' => written.extend(['\\', c]),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

/// What is read from it; `None` where the value does not end at its end, or takes another
/// variable's value in.
fn read(written: &str) -> Option<String> {
    let bytes = written.as_bytes();
    let end = (1..bytes.len()).find(|&at| bytes[at] == b'"' && bytes[at - 1] != b'\\')?;
    if end + 1 != bytes.len() {
        return None;
    }
    expand_variables(&unescape(&expand_escapes(written[..end].trim_matches('"'))))
}

/// `\n` and `\r` become line ends; other pairs stay, and are not looked into again.
fn expand_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let pair = if c == '\\' { chars.as_str().chars().next().filter(|next| *next != '\n') } else { None };
        match pair {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(next) => out.extend([c, next]),
            None => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    out
}

/// A backslash goes before everything but a dollar.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(next)) if *next != '$' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

/// `\$` becomes `$`; `None` where a dollar without a backslash would be taken for a variable.
fn expand_variables(text: &str) -> Option<String> {
    let mut rest = text;
    let mut out: Cow<'_, str> = Cow::Borrowed("");
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        if let Some(before) = before.strip_suffix('\\') {
            out += before;
        } else if after.starts_with('(') || name_follows(after) {
            return None;
        } else {
            out += before;
        }
        out += "$";
        rest = after;
    }
    out += rest;
    Some(out.into_owned())
}

fn name_follows(text: &str) -> bool {
    text.strip_prefix('{')
        .unwrap_or(text)
        .starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of the Go original, which agreed on 200,000 random values too.
    #[test]
    fn as_the_original() {
        for value in [
            "",
            "plain",
            "0",
            "7",
            "-7",
            "1.5",
            "1e3",
            "0x1F",
            "a b",
            "  spaces  ",
            "it's",
            "'x'",
            "mid\"dle",
            "\"first",
            "a\\b",
            "C:\\dir",
            "\\n",
            "\\first",
            "$HOME ${X:-y} $(id) `id`",
            "\\$x",
            "!",
            "a!b",
            "#x",
            "a #b",
            "line\nline\n",
            "\r\n",
            "tab\t",
            "ümläut ☃",
            "{\"a\": \"b\"}",
            "99999999999999999999",
            "a=b",
            "\\\\$(X)",
            "a\\\"b",
            "+",
            "-",
            "$",
            "$$",
            "\u{a0}",
        ] {
            assert!(survives(value), "{value:?}");
        }
        for value in ["007", "022", "+4930", "-0", "00", "last\"", "\"all\"", "\"", "\\", "C:\\dir\\", "\\\\"] {
            assert!(!survives(value), "{value:?}");
        }
    }
}
