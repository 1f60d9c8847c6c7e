//! A command to be run: a value that prints as the line a person would type.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::quote::quote_word;
use crate::process::{Stdin, StdinWriter};

/// Longest time of a call that only reads, or writes a property.
pub const QUICK: Duration = Duration::from_secs(120);
/// Longest time of a call that rebuilds the proxy's configuration, stops containers or destroys.
pub const SLOW: Duration = Duration::from_secs(600);
/// Longest time of a deploy, when nothing else is asked for.
pub const DEPLOY: Duration = Duration::from_secs(3600);

/// Which program a call starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// `dokku`.
    Dokku,
    /// Dokku's property tool.
    Prop,
    /// `plugn`, which runs triggers.
    Plugn,
}

/// One command: what it is called with, what it reads, how long it may take.
///
/// Arguments never hold secrets; what does goes through standard input. Its `Display` is the line
/// to type, quoted for a shell.
pub struct Call {
    pub(super) program: Program,
    pub(super) args: Vec<String>,
    pub(super) app: String,
    pub(super) stdin: Stdin,
    pub(super) stdin_note: String,
    pub(super) limit: Duration,
    pub(super) mask: Vec<String>,
    pub(super) private: bool,
    pub(super) output: Option<File>,
}

impl Call {
    /// `dokku COMMAND ARGS...`, which reads nothing and may take [`QUICK`].
    pub fn new(command: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let args = std::iter::once(command.to_owned()).chain(args.into_iter().map(Into::into)).collect();
        Self {
            program: Program::Dokku,
            args,
            app: String::new(),
            stdin: Stdin::Null,
            stdin_note: String::new(),
            limit: QUICK,
            mask: Vec::new(),
            private: false,
            output: None,
        }
    }

    /// `program` with `args` instead of `dokku`.
    pub(super) fn other(program: Program, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut call = Self::new("", args);
        call.args.remove(0);
        Self { program, ..call }
    }

    /// The app that it is about, for the error when that does not exist.
    pub fn about(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    /// `dokku --quiet COMMAND ...`: without headers, and without the values that `config:*` prints.
    pub fn quiet(mut self) -> Self {
        self.args.insert(0, "--quiet".to_owned());
        self
    }

    /// How long it may take.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What it reads, and how to call that in its line: `3 variables`.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>, note: impl Into<String>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self.stdin_note = note.into();
        self
    }

    /// What it reads, written while it runs.
    pub fn stdin_from(mut self, writer: StdinWriter, note: impl Into<String>) -> Self {
        self.stdin = Stdin::Writer(writer);
        self.stdin_note = note.into();
        self
    }

    /// Values that are replaced by `***` wherever its output goes to people: lines, log, errors.
    pub fn mask(mut self, secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.mask.extend(secrets.into_iter().map(Into::into));
        self
    }

    /// Its answer holds secrets: it goes to the caller only, never to the log or a sink; an error has
    /// only the beginnings of Dokku's words.
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Where its standard output goes instead of the reply, byte for byte.
    pub fn into_file(mut self, file: File) -> Self {
        self.output = Some(file);
        self
    }

    /// Whether it names `app`.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The line with the program as it is called here.
    pub(super) fn line(&self, program: &std::path::Path) -> String {
        let words: Vec<_> = std::iter::once(program.display().to_string())
            .chain(self.args.iter().cloned())
            .map(|word| quote_word(&word))
            .collect();
        let note = if self.stdin_note.is_empty() { String::new() } else { format!(" < ({})", self.stdin_note) };
        format!("{}{note}", words.join(" "))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = PathBuf::from(match self.program {
            Program::Dokku => "dokku",
            Program::Prop => "prop",
            Program::Plugn => "plugn",
        });
        f.write_str(&self.line(&program))
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({self})")
    }
}

/// `text` with every one of `secrets` replaced. Very short ones are left: they would only make the
/// text unreadable, and could be guessed.
pub(super) fn masked(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    let mut parts: Vec<&str> =
        secrets.iter().flat_map(|secret| std::iter::once(secret.as_str()).chain(secret.lines())).collect();
    parts.retain(|part| part.len() >= 4);
    // The longest first, so that one that contains another leaves no rest.
    parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    parts.dedup();
    for part in parts {
        if text.contains(part) {
            text = text.replace(part, "***");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_the_line_to_type() {
        let call = Call::new("docker-options:add", ["shop", "deploy", "'--label=a b'"]);
        assert_eq!(call.to_string(), r"dokku docker-options:add shop deploy ''\''--label=a b'\'''");
        let call = Call::new("config:import", ["--format=json", "shop", "-"]).quiet().stdin("{}", "0 variables");
        assert_eq!(call.to_string(), "dokku --quiet config:import --format=json shop - < (0 variables)");
        assert_eq!(Call::other(Program::Prop, ["get", "x"]).to_string(), "prop get x");
    }

    #[test]
    fn secrets_are_masked_whole_and_by_line() {
        let secrets =
            ["hunter2".to_owned(), "hunter2-long".to_owned(), "line one\nline two".to_owned(), "1".to_owned()];
        assert_eq!(masked("PW: hunter2-long, hunter2, 1; line two", &secrets), "PW: ***, ***, 1; ***");
    }
}
