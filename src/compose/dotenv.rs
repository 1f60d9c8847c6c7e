//! Environment files as compose-go's `dotenv` package reads them, and the `raw` format of
//! `env_file` entries, which is that of `docker run --env-file`.
//!
//! Specification: 05-services.md, "env_file", "Env_file format"; 12-interpolation.md for the references.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::diag::{Diagnostic, FileId, Severity, Span};
use crate::hashed::IndexMap;

use super::interpolate;
use super::template::{self, Problem};

/// Bytes of the values of one file once variables are replaced in them.
const MOST_GROWN: usize = 64 << 20;

/// The variables of a file in the order first written, and what was found on the way; with an
/// error among the findings the variables are not to be used.
pub type Parsed = (IndexMap<String, String>, Vec<Diagnostic>);

/// Reads the common format: `KEY=value`, `KEY: value`, `export KEY=value`, a lone `KEY`.
///
/// Unquoted and double-quoted values are templates. A variable in them, and the value of a lone
/// `KEY`, is what `lookup` gives, else what the file itself has set before; a lone `KEY` that
/// `lookup` does not know is left out. Single-quoted values stand for themselves.
pub fn parse(text: &str, file: FileId, lookup: &dyn Fn(&str) -> Option<String>) -> Parsed {
    parse_onto(IndexMap::default(), text, file, lookup)
}

/// Reads the common format over the variables that earlier files have set: references see those,
/// later settings replace them, and the result holds both.
pub fn parse_onto(
    earlier: IndexMap<String, String>,
    text: &str,
    file: FileId,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Parsed {
    let mut reader = Reader::new(text, file, lookup, earlier);
    while reader.skip_to_statement() {
        if let Err((place, message)) = reader.statement() {
            let finding = Diagnostic::error("dotenv-syntax", message).at(reader.span(&place));
            reader.findings.push(finding);
            reader.at = reader.line_end(place.start);
        }
    }
    (reader.variables, reader.findings)
}

/// Where a file in the common format sets each of its variables last: name and value.
pub fn places(text: &str, file: FileId) -> HashMap<String, Span> {
    let mut places = HashMap::new();
    let lookup = |_: &str| Some(String::new());
    let mut reader = Reader::new(text, file, &lookup, IndexMap::default());
    while reader.skip_to_statement() {
        let start = reader.at;
        if let Err((wrong, _)) = reader.statement() {
            reader.at = reader.line_end(wrong.start);
        }
        let statement = text.get(start..reader.at).unwrap_or_default().trim_end();
        let place = span(file, start..start + statement.len());
        places.extend(reader.variables.drain(..).map(|(name, _)| (name, place)));
    }
    places
}

/// Reads `format: raw`: each line is `KEY=value` without quotes, escapes or variables; a lone
/// `KEY` takes the value that `lookup` gives, or is left out.
pub fn parse_raw(text: &str, file: FileId, lookup: &dyn Fn(&str) -> Option<String>) -> Parsed {
    let mut variables = IndexMap::default();
    let mut findings = Vec::new();
    let mut start = bom_length(text);
    for line in text[start..].split_inclusive('\n') {
        let line_start = start;
        start += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let statement = line.trim_start();
        if statement.is_empty() || statement.starts_with('#') {
            continue;
        }
        let (key, value) = match statement.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (statement, None),
        };
        let key_start = line_start + line.len() - statement.len();
        let place = span(file, key_start..key_start + key.len());
        if key.is_empty() {
            findings.push(Diagnostic::error("dotenv-syntax", "a name is missing before `=`").at(place));
        } else if key.contains([' ', '\t']) {
            findings.push(Diagnostic::error("dotenv-syntax", "a variable's name cannot hold a blank").at(place));
        } else if let Some(value) = value.or_else(|| lookup(key)) {
            variables.insert(key.to_owned(), value);
        }
    }
    (variables, findings)
}

fn bom_length(text: &str) -> usize {
    if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 }
}

fn span(file: FileId, place: Range<usize>) -> Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { file, start: offset(place.start), end: offset(place.end) }
}

/// A blank that does not end a line.
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{B}' | '\u{C}' | '\r' | ' ' | '\u{85}' | '\u{A0}')
}

struct Reader<'a> {
    text: &'a str,
    file: FileId,
    /// The byte that is read next.
    at: usize,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    variables: IndexMap<String, String>,
    findings: Vec<Diagnostic>,
    /// Messages of the warnings among the findings.
    warned: HashSet<String>,
    /// Bytes of the values in which variables were replaced.
    grown: usize,
}

/// A place and what is wrong there.
type Failure = (Range<usize>, String);

impl<'a> Reader<'a> {
    fn new(
        text: &'a str,
        file: FileId,
        lookup: &'a dyn Fn(&str) -> Option<String>,
        earlier: IndexMap<String, String>,
    ) -> Self {
        Self {
            text,
            file,
            at: bom_length(text),
            lookup,
            variables: earlier,
            findings: Vec::new(),
            warned: HashSet::new(),
            grown: 0,
        }
    }
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn span(&self, place: &Range<usize>) -> Span {
        span(self.file, place.clone())
    }

    fn line_end(&self, from: usize) -> usize {
        self.text[from..].find('\n').map_or(self.text.len(), |at| from + at)
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(skipped).len();
    }

    /// Goes over white space and comments; false at the end of the file.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            self.skip(char::is_whitespace);
            if !self.rest().starts_with('#') {
                return !self.rest().is_empty();
            }
            self.at = self.line_end(self.at);
        }
    }

    fn statement(&mut self) -> Result<(), Failure> {
        if let Some(after) = self.rest().strip_prefix("export")
            && after.starts_with(['\t', '\n', '\u{C}', '\r', ' '])
        {
            let keyword = self.at..self.at + "export".len();
            self.at = keyword.end;
            self.skip(is_blank);
            if self.rest().is_empty() {
                return Err((keyword, "a name is missing after `export`".to_owned()));
            }
        }
        let start = self.at;
        let Some((length, separator)) = self.name()? else {
            return self.name_at_the_end(start);
        };
        let key = self.text[start..start + length].trim_end().to_owned();
        self.at = start + length + separator.len_utf8();
        self.skip(is_blank);
        if key.contains(' ') {
            let place = start..start + key.len();
            return Err((place, "a variable's name cannot hold a blank".to_owned()));
        }
        let value = if separator == '\n' { (self.lookup)(&key) } else { Some(self.value()?) };
        match value {
            Some(_) if key.is_empty() => self.ignored(start..start + length + 1),
            Some(value) => {
                self.variables.insert(key, value);
            }
            None => {}
        }
        Ok(())
    }

    /// Length of the name that starts here and what ends it; none at the end of the file.
    fn name(&self) -> Result<Option<(usize, char)>, Failure> {
        for (index, character) in self.rest().char_indices() {
            match character {
                _ if is_blank(character) => {}
                '=' | ':' | '\n' => return Ok(Some((index, character))),
                '_' | '.' | '-' | '[' | ']' => {}
                _ if character.is_alphabetic() || character.is_numeric() => {}
                _ => {
                    let at = self.at + index;
                    let place = at..at + character.len_utf8();
                    let message = format!("`{character}` cannot stand in a variable's name");
                    return Err((place, message));
                }
            }
        }
        Ok(None)
    }

    /// A lone name on a last line without a line break: compose-go takes it for the value of a
    /// variable without a name, which no program can read.
    fn name_at_the_end(&mut self, start: usize) -> Result<(), Failure> {
        self.at = self.text.len();
        self.ignored(start..self.text.trim_end().len().max(start));
        Ok(())
    }

    fn ignored(&mut self, place: Range<usize>) {
        let finding = Diagnostic::new(Severity::Warning, "dotenv-ignored", "this line sets no variable and is ignored");
        let finding = finding.at(self.span(&place)).hint("write `NAME=value`");
        self.findings.push(finding);
    }

    fn value(&mut self) -> Result<String, Failure> {
        match self.rest().bytes().next() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            _ => Ok(self.unquoted()),
        }
    }

    /// Up to the end of the line, or to a `#` after a blank.
    fn unquoted(&mut self) -> String {
        let start = self.at;
        let end = self.line_end(start);
        let line = &self.text[start..end];
        let value = line.split_once(" #").map_or(line, |(value, _)| value);
        let value = value.trim_end().to_owned();
        self.at = (end + 1).min(self.text.len());
        self.expand(&value, start..start + value.len(), true)
    }

    /// Up to the closing quote, over lines. A backslash keeps a quote from closing.
    fn quoted(&mut self, quote: u8) -> Result<String, Failure> {
        let start = self.at;
        let body = &self.text[start + 1..];
        let mut value = String::new();
        let mut copied = 0;
        let mut escaped = false;
        for (index, byte) in body.bytes().enumerate() {
            if byte == b'\\' {
                escaped = !escaped;
                continue;
            }
            let was_escaped = std::mem::take(&mut escaped);
            if byte != quote {
                continue;
            }
            let before = if was_escaped { index - 1 } else { index };
            value.push_str(&body[copied..before]);
            copied = index;
            if was_escaped {
                continue;
            }
            self.at = start + 1 + index + 1;
            if quote == b'\'' {
                return Ok(value);
            }
            let unescaped = unescape(&value);
            let one_to_one = unescaped.len() == index;
            return Ok(self.expand(&unescaped, start + 1..start + 1 + index, one_to_one));
        }
        let place = start..self.line_end(start);
        Err((place, "the quote is never closed".to_owned()))
    }

    /// Replaces the variables of a value; `place` is where it stands, and with `one_to_one` its
    /// bytes are those of the file.
    fn expand(&mut self, value: &str, place: Range<usize>, one_to_one: bool) -> String {
        if !template::is_template(value) {
            return value.to_owned();
        }
        if self.grown > MOST_GROWN {
            return String::new();
        }
        let mut problems: Vec<Problem> = Vec::new();
        let known = |name: &str| (self.lookup)(name).or_else(|| self.variables.get(name).cloned());
        let expanded = template::expand(value, &known, &mut |problem| problems.push(problem));
        for problem in problems {
            let finding = interpolate::finding(&problem, value, |part| {
                let part = part.start + place.start..part.end + place.start;
                self.span(if one_to_one { &part } else { &place })
            });
            if finding.severity == Severity::Error || self.warned.insert(finding.message.clone()) {
                self.findings.push(finding);
            }
        }
        self.grown += expanded.len();
        if self.grown > MOST_GROWN {
            let message = format!("the variables of this file make it larger than {} MiB", MOST_GROWN >> 20);
            self.findings.push(Diagnostic::error("project-too-large", message).at(self.span(&place)));
        }
        expanded
    }
}

/// The escapes of a double-quoted value. `\$` becomes `$$`, which the template reads as a
/// dollar sign; what is no escape stays as it is, backslash included.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, replacement) = match rest.as_bytes().get(1) {
            Some(b'$') => (2, "$$".to_owned()),
            Some(b'0') => octal(rest),
            Some(other) => match simple_escape(*other) {
                Some(character) => (2, character.to_string()),
                None => (1, "\\".to_owned()),
            },
            None => (1, "\\".to_owned()),
        };
        out.push_str(&replacement);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'v' => '\u{B}',
        b'"' => '"',
        b'\\' => '\\',
        _ => return None,
    })
}

/// `\0` and three octal digits up to `\0377` are one character; with fewer or others only the
/// zero goes.
fn octal(text: &str) -> (usize, String) {
    let digits = text[2..].bytes().take(3).take_while(u8::is_ascii_digit);
    let length = 2 + digits.count();
    let code = (length == 5).then(|| u8::from_str_radix(&text[2..length], 8).ok()).flatten();
    match code {
        Some(code) => (length, char::from(code).to_string()),
        None => (length, format!("\\{}", &text[2..length])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;
    use serde_json::Value;

    /// Whether reading failed, and the variables without the nameless one, which is left out.
    fn compare(table: &str, read: impl Fn(&str) -> Parsed) {
        for case in golden::table(table) {
            let text = case["in"].as_str().unwrap();
            let (variables, findings) = read(text);
            let failed = findings.iter().any(|item| item.severity == Severity::Error);
            assert_eq!(failed, case.get("error").is_some(), "{text:?} {findings:?}");
            let Some(Value::Object(expected)) = case.get("out") else {
                continue;
            };
            let expected: IndexMap<_, _> = expected
                .iter()
                .filter(|(key, _)| !key.is_empty())
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(variables, expected, "{text:?}");
        }
    }

    #[test]
    fn reads_as_the_original() {
        compare("dotenv", |text| parse(text, FileId(0), &golden::variable));
    }

    #[test]
    fn reads_the_raw_format_as_the_original() {
        compare("dotenv_raw", |text| parse_raw(text, FileId(0), &golden::variable));
    }

    fn marked(text: &str) -> Vec<(&'static str, &str)> {
        let (_, findings) = parse(text, FileId(0), &golden::variable);
        let findings = findings.iter();
        findings
            .map(|item| {
                let span = item.labels[0].span;
                (&*item.code.to_string().leak(), &text[span.start as usize..span.end as usize])
            })
            .collect()
    }

    #[test]
    fn every_finding_has_its_place() {
        assert_eq!(
            marked("A=1\nB!=2\nC D=3\nE=x ${F:?g} y\nH=\"a\n${1}\"\nI=$J $J\nK='x\nL=2\n"),
            [
                ("dotenv-syntax", "!"),
                ("dotenv-syntax", "C D"),
                ("required-variable", "${F:?g}"),
                ("invalid-interpolation", "${1}"),
                ("unset-variable", "$J"),
                ("dotenv-syntax", "'x"),
            ]
        );
        assert_eq!(marked("\u{FEFF}A=1\n =2\nB"), [("dotenv-ignored", "="), ("dotenv-ignored", "B")]);
        // With escapes before it the place of a reference is that of the whole value.
        assert_eq!(marked("A=\"\\n${1}\""), [("invalid-interpolation", "\\n${1}")]);
    }

    #[test]
    fn the_raw_format_marks_names() {
        let text = "A=1\n  B C=2\n=3\n";
        let (variables, findings) = parse_raw(text, FileId(0), &|_| None);
        assert_eq!(variables.len(), 1);
        let marked: Vec<_> = findings.iter().map(|item| item.labels[0].span.start..item.labels[0].span.end).collect();
        assert_eq!(marked, [6..9, 12..12]);
    }

    #[test]
    fn keeps_the_order_written() {
        let (variables, _) = parse("Z=1\nA=2\nZ=3\n", FileId(0), &|_| None);
        let rows: Vec<_> = variables.into_iter().collect();
        assert_eq!(rows, [("Z".to_owned(), "3".to_owned()), ("A".to_owned(), "2".to_owned())]);
    }
}
