//! Diagnostics: what is wrong, where, and what to do. Collects and describes; decides nothing.

pub mod fix;
pub mod json;
pub mod render;
pub mod sarif;
mod source;
pub mod suggest;

pub use fix::{Edit, Fix};
pub use json::to_json;
pub use render::{Style, render};
pub use source::{FileId, SourceFile, Sources, Span};

use std::borrow::Cow;

use serde::Serialize;

/// How serious a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something the reader may want to know.
    Note,
    /// What the file asks for is not done, or surprises.
    Warning,
    /// The import cannot go on.
    Error,
}

/// A place with a word on why it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The word; may be empty on the primary label.
    pub text: String,
}

/// One finding with a stable code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How serious.
    pub severity: Severity,
    /// Stable, kebab-case, listed in `docs/diagnostics.md`: `unknown-key`, `undefined-network`.
    pub code: Cow<'static, str>,
    /// One sentence without a full stop.
    pub message: String,
    /// The first is the primary place; empty where no file is concerned.
    pub labels: Vec<Label>,
    /// What to do, each a phrase without a full stop.
    pub hints: Vec<String>,
    /// A change of the text that is safe to make: it takes the finding away and changes nothing else.
    pub fix: Option<Box<Fix>>,
}

impl Diagnostic {
    /// A finding of `severity` without a place yet.
    pub fn new(severity: Severity, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { severity, code: code.into(), message: message.into(), labels: Vec::new(), hints: Vec::new(), fix: None }
    }

    /// An error.
    pub fn error(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// A note.
    pub fn note(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }

    /// Adds the primary place (first call) or a further one.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.labels.push(Label { span, text: String::new() });
        self
    }

    /// Adds a place with a word.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a safe change of the text.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(Box::new(fix));
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }
}

/// All findings of a run, in the order found.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    /// The findings.
    pub items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }
}
