//! What an action is given, what it gives back, and who hears of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::{Failure, StuckOp};
use crate::plan::{Action, Op};

/// Turns actions into calls.
///
/// Every action is an "ensure": where its end state holds already it succeeds. It asks the server what
/// is there and does not trust that the run that is being undone got anywhere.
pub trait Runner: Sync {
    /// Does one action within `context.deadline`, ending early when `context.cancel` says so.
    /// A child process that it started has [`super::RUN_VARIABLE`] in its environment and has ended when it returns.
    fn run(&self, action: &Action, context: &Context<'_>) -> Result<Done, ActionError>;

    /// The exact commands that do `action` by hand, without secrets; for the reader of a stuck run.
    fn by_hand(&self, action: &Action) -> Vec<String>;
}

/// What an action may use.
pub struct Context<'a> {
    /// Project.
    pub project: &'a str,
    /// Run.
    pub run: &'a str,
    /// The operation that it belongs to; `None` in the cleanup after a commit.
    pub op: Option<&'a Op>,
    /// Whether it is part of an undo.
    pub undoing: bool,
    /// When to stop. In an undo it never says so.
    pub cancel: &'a Cancel,
    /// When it must have ended.
    pub deadline: Instant,
    /// The run's private folder, where an action keeps what it replaces so that its inverse finds it.
    /// Deleted when the run has ended either way.
    pub before: &'a Path,
    /// Takes a line of output.
    pub lines: &'a (dyn Fn(&str) + Sync),
}

impl Context<'_> {
    /// Shows a line of output.
    pub fn line(&self, text: &str) {
        (self.lines)(text);
    }

    /// The time left.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// An error once the action should stop: for loops that wait. `breakable` says that stopping half
    /// way does no harm, so that it also stops when another operation failed.
    pub fn check(&self, breakable: bool) -> Result<(), ActionError> {
        if let Some(reason) = self.cancel.reason() {
            return Err(ActionError::new(format!("stopped: {reason}")));
        }
        if breakable && self.cancel.is_winding_down() {
            return Err(ActionError::new("stopped: another operation failed"));
        }
        if self.remaining().is_zero() {
            return Err(ActionError::new("took too long"));
        }
        Ok(())
    }
}

/// What an action has to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// A phrase for the reader, or empty: `healthy after 12 s`.
    pub detail: String,
    /// Facts for the state: `image` to an id, `exit` to a code.
    pub facts: BTreeMap<String, String>,
}

/// Why an action failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// One sentence.
    pub message: String,
    /// The last lines of output.
    pub lines: Vec<String>,
    /// Whether another try may help.
    pub retryable: bool,
    /// Commands that do it by hand; empty: [`Runner::by_hand`] knows.
    pub by_hand: Vec<String>,
}

impl ActionError {
    /// An error that another try does not help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// Hears of every step, from several threads. All texts are masked.
pub trait Observer: Sync {
    /// Something happened. Must not block for long and must not fail.
    fn on(&self, event: &Event<'_>);
}

/// One step of a run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The run began.
    Begin {
        /// Project.
        project: &'a str,
        /// Run.
        run: &'a str,
        /// How many operations.
        ops: usize,
    },
    /// An operation begins.
    Started {
        /// It.
        op: &'a Op,
    },
    /// A line of an operation's output; `None`: of the cleanup.
    Line {
        /// Whose.
        op: Option<&'a Op>,
        /// The line.
        text: &'a str,
    },
    /// An action failed and is tried again.
    Retry {
        /// Whose.
        op: Option<&'a Op>,
        /// Why.
        message: &'a str,
        /// The number of the coming try, from 2.
        attempt: u32,
    },
    /// An operation is done.
    Done {
        /// It.
        op: &'a Op,
        /// What it told.
        done: &'a Done,
        /// How long it took.
        elapsed: Duration,
    },
    /// An operation failed.
    Failed {
        /// It.
        op: &'a Op,
        /// Why.
        error: &'a ActionError,
        /// How long it took.
        elapsed: Duration,
    },
    /// The undo begins.
    RollingBack {
        /// Why.
        failure: &'a Failure,
        /// How many operations are to be undone.
        ops: usize,
    },
    /// The undo of an operation begins.
    UndoStarted {
        /// It.
        op: &'a Op,
    },
    /// An operation is undone.
    Undone {
        /// It.
        op: &'a Op,
        /// How long that took.
        elapsed: Duration,
    },
    /// An operation could not be undone.
    UndoFailed {
        /// It.
        op: &'a Op,
        /// Why and what to do.
        stuck: &'a StuckOp,
    },
    /// All is done and remembered.
    Committed {
        /// Since the beginning.
        elapsed: Duration,
    },
    /// All is as before.
    RolledBack,
    /// Neither.
    Stuck {
        /// What is left.
        stuck: &'a [StuckOp],
    },
    /// A flaw that changes nothing of the outcome.
    Warning {
        /// One sentence.
        message: &'a str,
    },
}

/// Tells several.
pub struct Observers<'a>(pub Vec<&'a dyn Observer>);

impl Observer for Observers<'_> {
    fn on(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.on(event);
        }
    }
}

/// Tells nobody.
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &Event<'_>) {}
}
