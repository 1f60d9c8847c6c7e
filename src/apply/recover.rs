//! Ends runs that a crash interrupted.
//!
//! Which way is decided by two things on disk: a journal with a `commit` record, or whose run stands in
//! `state.json`, belongs to a run that is done, and only its cleanup is due. Every other one is undone:
//! whatever had started, last first, done or not. Nothing is ever carried on forward.

use super::context::Event;
use super::journal::{self, Journal};
use super::ledger::{Entry, Ledger, Phase};
use super::orphans;
use super::{Applier, Cause, Failure, Outcome, Results, before};
use crate::state::store;
use crate::state::{ProjectDir, State, StoreError};

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Run.
    pub run: String,
    /// Its process still lives: it is not interrupted but at work. Of no account to the holder of the lock.
    pub at_work: bool,
    /// Its journal, or why that cannot be read.
    pub ledger: Result<Ledger, String>,
}

/// The newest run that has not ended, `None` where there is none, which costs one look into one folder.
/// Reads only.
pub fn unfinished(dir: &ProjectDir) -> Result<Option<Unfinished>, StoreError> {
    let Some(run) = runs(dir)?.pop() else {
        return Ok(None);
    };
    let path = dir.journal(&run);
    if !path.exists() {
        // It ended since the look.
        return Ok(None);
    }
    let ledger = journal::read(&path).map_err(|error| error.to_string());
    let header = ledger.as_ref().ok().and_then(|ledger| ledger.header.as_ref());
    let at_work = header.is_some_and(|header| header.by.is_alive());
    Ok(Some(Unfinished { run, at_work, ledger }))
}

/// Runs whose journal lies in `journal/`, oldest first.
fn runs(dir: &ProjectDir) -> Result<Vec<String>, StoreError> {
    let names = store::list_names(&dir.journals())?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(".jsonl")).map(str::to_owned).collect())
}

/// How an unfinished run was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Run.
    pub run: String,
    /// `Done` where it had committed, else as after a failure.
    pub outcome: Outcome,
}

impl Applier<'_> {
    /// Ends every unfinished run of the project, newest first; stops at one that is stuck. Calling it
    /// again tries again.
    ///
    /// An error means that a journal or its plan cannot be read; nothing was changed for that run.
    pub fn recover(&self) -> Result<Vec<Recovered>, StoreError> {
        let mut recovered = Vec::new();
        for run in runs(self.lock.dir())?.into_iter().rev() {
            let outcome = self.recover_run(&run)?;
            let stuck = matches!(outcome, Outcome::Stuck { .. });
            recovered.push(Recovered { run, outcome });
            if stuck {
                break;
            }
        }
        Ok(recovered)
    }

    fn recover_run(&self, run: &str) -> Result<Outcome, StoreError> {
        let dir = self.lock.dir();
        let mut journal = Journal::open(dir, run, self.faults)?;
        let mut warnings = Vec::new();
        let ledger = journal.ledger();
        let failure = interrupted(ledger);
        let Some(header) = ledger.header.clone().filter(|_| ledger.phase != Phase::RolledBack) else {
            // Nothing had begun, or nothing is left to undo.
            self.end(journal, run, &mut warnings);
            return Ok(Outcome::RolledBack { failure, warnings });
        };
        self.outlive_orphans(run, &mut warnings);
        let committed = ledger.phase == Phase::Committed
            || ledger.phase == Phase::Forward && State::committed_run(dir)?.as_deref() == Some(run);
        if committed {
            let plan = before::read_plan(dir, run, &header.plan)?;
            if journal.ledger().phase != Phase::Committed {
                journal.append(Entry::Commit)?;
            }
            self.clean_up(journal, &plan, run, &mut warnings);
            return Ok(Outcome::Done { results: Results::new(), warnings });
        }
        let (plan, secrets) = before::read(dir, run, &header.plan)?;
        let masking = Applier { masker: self.masker.and(secrets), cancel: self.cancel.clone(), ..*self };
        masking.observer.on(&Event::Begin { project: &plan.project, run, ops: plan.ops.len() });
        Ok(masking.undo(journal, &plan, run, failure, warnings))
    }

    /// What an interrupted run had started must not go on while it is undone.
    fn outlive_orphans(&self, run: &str, warnings: &mut Vec<String>) {
        let alive = orphans::orphans(run).len();
        if alive == 0 {
            return;
        }
        let limit = self.limits.orphans.as_secs();
        let message = format!("processes of the interrupted run still work: {alive}; they get {limit} s to end");
        self.observer.on(&Event::Warning { message: &message });
        let left = orphans::outlive(run, self.limits.orphans);
        if left > 0 {
            let message = format!("processes of the interrupted run cannot be ended: {left}");
            self.observer.on(&Event::Warning { message: &message });
            warnings.push(message);
        }
    }

    /// Gives an unfinished run up: nothing is undone, its secrets are deleted, its journal is closed as it
    /// is. For a user who has set the server right by hand and whose journal no recovery can end.
    pub fn abandon(&self, run: &str) -> Result<(), StoreError> {
        let dir = self.lock.dir();
        before::remove(dir, run)?;
        journal::archive(dir, run)
    }
}

fn interrupted(ledger: &Ledger) -> Failure {
    let message = match &ledger.failure {
        Some((_, message)) => {
            format!("the run failed ({message}) and was interrupted before all was undone")
        }
        None => "the run was interrupted".to_owned(),
    };
    let op = ledger.failure.as_ref().map(|(op, _)| *op);
    Failure { cause: Cause::Interrupted, op, service: String::new(), message, lines: Vec::new() }
}
