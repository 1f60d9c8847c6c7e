//! Values that must not stand in a compose file: they go to the companion `.env` under a name of their own.

use std::collections::BTreeMap;

use crate::hashed::IndexMap;

/// What becomes of secret values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Secrets {
    /// To the companion `.env`, by interpolation.
    #[default]
    Env,
    /// Into the file.
    Inline,
}

/// Marks a reference in a value of the model; `$` of all else is doubled when the file is written. A character for
/// private use, which no value that Dokku keeps has reason to hold.
const MARK: char = '\u{F8F7}';

/// The companion file as it fills.
pub struct Vault<'a> {
    how: Secrets,
    /// The project's own variables.
    known: &'a BTreeMap<String, String>,
    values: IndexMap<String, String>,
}

impl<'a> Vault<'a> {
    /// An empty one; `known` are variables whose name a secret of the same value takes.
    pub fn new(how: Secrets, known: &'a BTreeMap<String, String>) -> Self {
        Self { how, known, values: IndexMap::default() }
    }

    /// The text of a value in the model: itself, or a reference where the name or the value says that it is secret.
    pub fn value(&mut self, service: &str, name: &str, value: &str) -> String {
        let told = crate::secret::is_telling(name) || crate::secret::url_password(value).is_some();
        let secret = !value.is_empty() && (told || self.holds_known(value));
        if self.how == Secrets::Inline || !secret {
            return value.to_owned();
        }
        format!("{MARK}{}{MARK}", self.name(service, name, value))
    }

    /// The words of a command: the values of options whose names say that they are secret (`--requirepass X`,
    /// `--password=X`), URLs with a password, and what has one of the project's own secrets in it.
    pub(super) fn words(&mut self, service: &str, words: &[String]) -> Vec<String> {
        let mut option = "";
        let mut out = Vec::with_capacity(words.len());
        for word in words {
            let (name, value) = match word.split_once('=').filter(|(name, _)| name.starts_with('-')) {
                Some((name, value)) => (name, value),
                None => (option, word.as_str()),
            };
            let prefix = &word[..word.len() - value.len()];
            let telling = ["pass", "secret", "token"].iter().any(|part| name.to_ascii_lowercase().contains(part));
            // A file that holds one is none, and neither is the next option.
            let text = match telling && !value.is_empty() && !value.starts_with(['/', '-']) {
                true => self.always(service, &name.trim_start_matches('-').to_ascii_uppercase(), value),
                false => self.value(service, "COMMAND", value),
            };
            out.push(format!("{prefix}{text}"));
            option = if word.starts_with('-') && prefix.is_empty() { word } else { "" };
        }
        out
    }

    /// Puts references in the place of secret values that a text has in it.
    pub(super) fn veil(&self, text: &mut String) {
        // A mere word (`postgres`) stands in a command for other things too, and hides nothing.
        let hides = |value: &str| value.len() >= 6 && value.contains(|char: char| !char.is_alphabetic());
        let mut known: Vec<_> = self.values.iter().filter(|(_, value)| hides(value)).collect();
        known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (name, value) in known {
            let pieces: Vec<String> = pieces(text)
                .map(|piece| match piece {
                    Piece::Text(text) => text.replace(value.as_str(), &format!("{MARK}{name}{MARK}")),
                    Piece::Variable(name) => format!("{MARK}{name}{MARK}"),
                })
                .collect();
            *text = pieces.concat();
        }
    }

    /// Whether a value that looks harmless has one of the project's own secrets in it.
    fn holds_known(&self, value: &str) -> bool {
        self.known.iter().any(|(name, text)| text.len() >= 6 && crate::secret::is_telling(name) && value.contains(text))
    }

    /// A value that stands in the companion file whatever its name says, unless values go inline.
    pub(super) fn always(&mut self, service: &str, name: &str, value: &str) -> String {
        if self.how == Secrets::Inline {
            value.to_owned()
        } else {
            format!("{MARK}{}{MARK}", self.name(service, name, value))
        }
    }

    /// A reference to a value that cannot stand in the format, whatever goes inline.
    pub(super) fn reference(&mut self, service: &str, name: &str, value: &str) -> String {
        let value: String = pieces(value)
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Variable(name) => self.values.get(name).cloned().unwrap_or_default(),
            })
            .collect();
        format!("{MARK}{}{MARK}", self.name(service, name, &value))
    }

    /// The name of a variable that holds `value`: the project's own, the bare name, or one with the service's.
    pub fn name(&mut self, service: &str, name: &str, value: &str) -> String {
        let plain = |text: &str| -> String {
            text.chars()
                .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' })
                .collect()
        };
        let known = self.known.iter().find(|(name, text)| *text == value && crate::secret::is_telling(name));
        let mut name = match known {
            Some((name, _)) => name.clone(),
            None if !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') => {
                name.to_owned()
            }
            None => plain(name),
        };
        if name.starts_with(|char: char| char.is_ascii_digit()) {
            name.insert(0, '_');
        }
        let taken = |values: &IndexMap<String, String>, name: &str| {
            values.get(name).or_else(|| self.known.get(name)).is_some_and(|other| other != value)
        };
        if taken(&self.values, &name) {
            name = format!("{}_{name}", plain(service));
        }
        let base = name.clone();
        let mut number = 2;
        while taken(&self.values, &name) {
            name = format!("{base}_{number}");
            number += 1;
        }
        self.values.insert(name.clone(), value.to_owned());
        name
    }

    /// The variables of the companion file.
    pub fn into_values(self) -> IndexMap<String, String> {
        self.values
    }
}

/// A value of the model in pieces: text, and names of variables that stand for text.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let piece = |(index, part)| if index % 2 == 1 { Piece::Variable(part) } else { Piece::Text(part) };
    text.split(MARK).enumerate().map(piece).filter(|piece| *piece != Piece::Text(""))
}

/// A piece of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// The value of a variable of the companion file.
    Variable(&'a str),
}

/// Replaces the marks by interpolation; every other `$` was doubled before. A variable that is not set stops the
/// import rather than give an empty password.
pub(super) fn references(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Variable(name) => out.push_str(&format!("${{{name}?}}")),
            Piece::Text(text) => out.push_str(text),
        }
    }
    out
}

/// The companion file. With `redact` it names the variables only.
pub fn dotenv(values: &IndexMap<String, String>, redact: bool) -> String {
    let mut out = String::from("# Values of the compose file beside it. Keep it out of version control.\n");
    for (name, value) in values {
        let value = if redact { String::new() } else { quoted(value) };
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

/// A value as every reader of `.env` files gives it back.
fn quoted(value: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:@%+,".contains(char);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    // Single quotes stand for themselves, but a backslash would keep the last from closing.
    if !value.contains(['\'', '\\', '\r', '\n']) {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '$' => out.push_str("\\$"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::dotenv::parse;
    use proptest::prelude::*;

    #[test]
    fn a_secret_leaves_under_a_name_that_is_free() {
        let known = BTreeMap::from([
            ("DB_PASSWORD".to_owned(), "hunter22".to_owned()),
            ("API_KEY".to_owned(), "x1".to_owned()),
        ]);
        let mut vault = Vault::new(Secrets::Env, &known);
        assert_eq!(vault.value("db", "MODE", "fast"), "fast");
        assert_eq!(references(&vault.value("db", "POSTGRES_PASSWORD", "hunter22")), "${DB_PASSWORD?}");
        assert_eq!(references(&vault.value("api", "API_KEY", "x2")), "${API_API_KEY?}");
        assert_eq!(references(&vault.value("web", "TOKEN", "t")), "${TOKEN?}");
        assert_eq!(references(&vault.value("web-2", "TOKEN", "other")), "${WEB_2_TOKEN?}");
        assert_eq!(references(&vault.value("web", "URL", "postgres://a:b@db/x")), "${URL?}");
        assert_eq!(references(&vault.value("job", "PW", "hunter22")), "${DB_PASSWORD?}");
        assert_eq!(references(&vault.value("job", "ARGS", "-p hunter22")), "${ARGS?}");
        assert_eq!(vault.into_values().len(), 6);
        assert_eq!(Vault::new(Secrets::Inline, &known).value("db", "PASSWORD", "x"), "x");
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(value in "(\\PC|[ \t\n\r'\"\\\\$#=]){0,20}") {
            let values = IndexMap::from_iter([("A".to_owned(), value.clone()), ("B".to_owned(), "end".to_owned())]);
            let (read, findings) = parse(&dotenv(&values, false), crate::diag::FileId(0), &|_| None);
            prop_assert!(findings.is_empty(), "{:?}", findings);
            prop_assert_eq!(read, values);
        }
    }
}
