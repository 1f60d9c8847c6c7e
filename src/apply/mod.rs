//! Carries a plan out: bounded parallelism, write-ahead journal, undo, recovery. Decides nothing.
//!
//! [`Applier::execute`] runs a plan; [`Applier::recover`] ends what a crash interrupted. Both leave the
//! server either as asked for or as it was before, or say [`Outcome::Stuck`] with the commands to
//! finish by hand.
//!
//! The commit point is the replacement of `state.json` (its last step is a rename). A journal without
//! a `commit` record belongs to a committed run if and only if `state.json` carries that run's id.

pub mod archive;
pub mod before;
pub mod by_hand;
pub mod cancel;
pub mod context;
pub mod executor;
pub mod hooks;
pub mod journal;
pub mod ledger;
pub mod log;
pub mod orphans;
pub mod recover;
pub mod runner;
pub mod signal;
pub mod summary;
mod undo;

use std::time::Duration;

pub use cancel::Cancel;
pub use context::{ActionError, Context, Done, Event, Observer, Runner};
pub use journal::Faults;
pub use log::RunLog;
pub use orphans::RUN_VARIABLE;
pub use recover::{Recovered, Unfinished, unfinished};
pub use signal::Signals;

use crate::state::{Lock, StoreError};
use crate::ui::mask::Masker;

/// What carries plans out on one locked project.
pub struct Applier<'a> {
    /// Proof that no other run works on the project.
    pub lock: &'a Lock,
    /// Turns an action into calls.
    pub runner: &'a dyn Runner,
    /// Hears of every step.
    pub observer: &'a dyn Observer,
    /// Takes secrets out of all that is observed or journaled.
    pub masker: Masker,
    /// Bounds.
    pub limits: Limits,
    /// Set by signals; stops a run, never an undo.
    pub cancel: Cancel,
    /// Called once a committed run has removed what it leaves behind, before its journal closes: whoever dies until then
    /// is made up for by the next recovery.
    pub cleaned: Option<&'a (dyn Fn() -> anyhow::Result<()> + Sync)>,
    /// Crashes and write errors on demand, for tests only.
    #[doc(hidden)]
    pub faults: Faults,
}

impl<'a> Applier<'a> {
    /// An applier with the default limits that nobody watches.
    pub fn new(lock: &'a Lock, runner: &'a dyn Runner) -> Self {
        Self {
            lock,
            runner,
            observer: &context::Silent,
            masker: Masker::default(),
            limits: Limits::default(),
            cancel: Cancel::default(),
            cleaned: None,
            faults: Faults::from_env(),
        }
    }
}

/// Bounds of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations at once, at least 1.
    pub parallel: usize,
    /// Time for one operation; one that waits by its own limit (a gate, a job) gets that and [`Limits::MARGIN`] if longer.
    pub op: Duration,
    /// What no operation may exceed, whatever limit of its own it has: the caller's word (`--timeout`).
    pub cap: Option<Duration>,
    /// Time for all operations until the commit; `None`: no limit but each operation's.
    pub run: Option<Duration>,
    /// Time for one action of an undo.
    pub undo: Duration,
    /// How long recovery lets processes of the interrupted run end by themselves.
    pub orphans: Duration,
    /// How often an action is tried while its error says that another try may help, at least 1.
    pub attempts: u32,
    /// The pause before the second try; doubled before each further one.
    pub pause: Duration,
}

impl Limits {
    /// What an operation with its own limit gets beyond it, for starting and reporting.
    pub const MARGIN: Duration = Duration::from_secs(30);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 4,
            op: Duration::from_secs(900),
            cap: None,
            run: None,
            undo: Duration::from_secs(900),
            orphans: Duration::from_secs(60),
            attempts: 3,
            pause: Duration::from_secs(1),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked for.
    Done {
        /// What each operation reported, by its id.
        results: Results,
        /// Flaws: cleanup that failed.
        warnings: Vec<String>,
    },
    /// As before.
    RolledBack {
        /// Why.
        failure: Failure,
        /// Flaws.
        warnings: Vec<String>,
    },
    /// Neither: an undo failed.
    Stuck {
        /// Why the undo was needed.
        failure: Failure,
        /// What could not be undone.
        stuck: Vec<StuckOp>,
        /// Flaws.
        warnings: Vec<String>,
    },
}

/// What operations reported, by id.
pub type Results = std::collections::BTreeMap<usize, Done>;

/// Why a run did not reach its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub cause: Cause,
    /// The operation's id; `None` where it was none's fault.
    pub op: Option<usize>,
    /// Its compose service or empty.
    pub service: String,
    /// One sentence, masked.
    pub message: String,
    /// The last lines of output, masked.
    pub lines: Vec<String>,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An action failed.
    Action,
    /// The program itself failed in an action.
    Panic,
    /// A signal or the caller stopped it.
    Cancelled,
    /// The run's time was over.
    TimeLimit,
    /// The journal could not be written.
    Journal,
    /// State could not be saved.
    Commit,
    /// An earlier process died.
    Interrupted,
}

/// An operation that could not be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckOp {
    /// Its id.
    pub op: usize,
    /// Its compose service or empty.
    pub service: String,
    /// One sentence, masked.
    pub message: String,
    /// Commands that finish its undo by hand, in order.
    pub by_hand: Vec<String>,
}

/// Why a run did not begin; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The plugin's data could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An earlier run must be ended first.
    #[error("run {0} has not ended; `compose:recover` ends it")]
    Unfinished(String),
    /// The plan is none.
    #[error("the plan cannot be carried out: {0}")]
    Plan(String),
}
