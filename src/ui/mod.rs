//! The one printer: human, JSON, quiet; progress; masking.

pub mod mask;
pub mod metrics;
pub mod plan;
pub mod progress;
pub mod trace;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::diag::{self, Diagnostics, Severity, Sources};
use mask::Masker;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, in Dokku's skin.
    #[default]
    Text,
    /// One JSON object on standard output.
    Json,
}

/// Writes to standard output and standard error; every text is masked.
pub struct Printer {
    quiet: bool,
    format: Format,
    color: bool,
    masker: Mutex<Masker>,
    /// The line below all others on a terminal, redrawn in its place; empty: none is shown.
    status: Mutex<String>,
}

/// Back to the beginning of the line, which is cleared.
const CLEAR: &str = "\r\x1b[K";
/// A line longer than the terminal is cut there instead of going on below.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

impl Printer {
    /// A printer; `quiet` silences steps, never results. Colour is used on a terminal without `NO_COLOR`.
    pub fn new(format: Format, quiet: bool, no_color: bool) -> Self {
        let color = !no_color && io::stderr().is_terminal() && io::stdout().is_terminal();
        Self { quiet, format, color, masker: Mutex::default(), status: Mutex::default() }
    }

    /// Hides these texts from now on.
    pub fn hide<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) {
        let mut masker = self.masker.lock().unwrap_or_else(PoisonError::into_inner);
        *masker = masker.and(secrets);
    }

    /// What it hides.
    pub fn masker(&self) -> Masker {
        self.masker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether results are JSON: steps are silent then.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether only results and warnings are printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn line(&self, mut to: impl Write, text: &str) {
        let masked = self.masker().mask(text).into_owned();
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that went away is not this program's failure; the work goes on.
        if status.is_empty() {
            let _ = writeln!(to, "{masked}");
            return;
        }
        let _ = write!(to, "{CLEAR}{masked}\n{NO_WRAP}{status}{WRAP}").and_then(|()| to.flush());
    }

    /// Shows `text` below all lines, in the place of the one before; empty: none any more. For terminals only.
    pub fn status(&self, text: &str) {
        let masked = self.masker().mask(text).into_owned();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *status != masked {
            *status = masked;
            let mut out = io::stdout().lock();
            let _ = write!(out, "{CLEAR}{NO_WRAP}{status}{WRAP}").and_then(|()| out.flush());
        }
    }

    /// `-----> text`: a step; silent when quiet or JSON.
    pub fn step(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            self.line(io::stdout().lock(), &format!("-----> {text}"));
        }
    }

    /// `=====> text`: a heading or the last sentence.
    pub fn header(&self, text: &str) {
        if !self.is_json() {
            self.line(io::stdout().lock(), &format!("=====> {text}"));
        }
    }

    /// Seven spaces and a detail; silent when quiet or JSON.
    pub fn detail(&self, text: &str) {
        if !self.quiet && !self.is_json() {
            self.line(io::stdout().lock(), &format!("       {text}"));
        }
    }

    /// A result as it is.
    pub fn result(&self, text: &str) {
        self.line(io::stdout().lock(), text);
    }

    /// One JSON value on a line of standard output.
    pub fn json(&self, value: &serde_json::Value) {
        self.line(io::stdout().lock(), &value.to_string());
    }

    /// ` !     text` on standard error.
    pub fn warn(&self, text: &str) {
        for line in text.lines() {
            self.line(io::stderr().lock(), &format!(" !     {line}"));
        }
    }

    /// All findings on standard error, rendered with their source lines; notes only when not quiet.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        for item in &diagnostics.items {
            if item.severity == Severity::Note && (self.quiet || self.is_json()) {
                continue;
            }
            let style = diag::Style { color: self.color, ..diag::Style::default() };
            let text = diag::render(item, sources, style);
            self.line(io::stderr().lock(), text.trim_end());
        }
    }
}
