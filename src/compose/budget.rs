//! Budget: what files may grow to while they are loaded. A small file can ask for a great deal: variables made of
//! variables, one base extended a thousand times, ranges of ports. Each is fine by itself, so what they come to is
//! limited, far above any project, and a file beyond it is an error and never a long wait.

use std::cell::Cell;

use crate::diag::{Diagnostic, Span};

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    /// Values copied by `extends` and made of short forms.
    nodes: Cell<usize>,
    /// Bytes that replacing variables, env files and includes add.
    bytes: Cell<usize>,
    /// Files loaded by `include` and `extends`, one that is loaded again too.
    files: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: Cell::new(2_000_000), bytes: Cell::new(256 << 20), files: Cell::new(10_000) }
    }
}

impl Budget {
    /// Takes `count` values.
    pub(super) fn nodes(&self, count: usize) -> Result<(), Exceeded> {
        take(&self.nodes, count, "extended services and ranges of ports come to more than 2,000,000 values")
    }

    /// Takes `count` bytes.
    pub(super) fn bytes(&self, count: usize) -> Result<(), Exceeded> {
        take(&self.bytes, count, "variables make the values of the project larger than 256 MiB")
    }

    /// Takes one file.
    pub(super) fn file(&self) -> Result<(), Exceeded> {
        take(&self.files, 1, "more than 10,000 files are included or extended")
    }
}

fn take(left: &Cell<usize>, count: usize, message: &'static str) -> Result<(), Exceeded> {
    let rest = left.get().checked_sub(count);
    left.set(rest.unwrap_or_default());
    rest.map(drop).ok_or(Exceeded(message))
}

/// A budget is spent; why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exceeded(&'static str);

impl Exceeded {
    /// The error for what is at `span`.
    pub(super) fn at(self, span: Option<Span>) -> Diagnostic {
        let error = Diagnostic::error("project-too-large", self.0);
        match span {
            Some(span) => error.at(span),
            None => error,
        }
    }
}
