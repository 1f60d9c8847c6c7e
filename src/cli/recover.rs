//! `compose:recover`: ends a run that was interrupted.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::args::ProjectArgs;
use super::import::runner;
use super::session::Session;
use super::{Exit, Failed};
use crate::apply::{Applier, Outcome, unfinished};
use crate::state::{Lock, LockError, State};
use crate::ui::{Printer, progress::Progress};

pub(super) fn run(session: &Session, printer: &Printer, args: &ProjectArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    if !dir.exists() {
        return Err(unknown(&args.project));
    }
    let lock = Lock::acquire(&dir, "compose:recover", &session.env, Duration::ZERO, &|| false).map_err(lock_error)?;
    let exit = recover(session, printer, &lock)?;
    // A project that never came to be leaves nothing, unless something is left to be ended.
    if State::load(&dir)?.is_none() && unfinished(&dir)?.is_none() {
        dir.remove()?;
    }
    Ok(exit)
}

/// Ends every unfinished run of a locked project.
pub(super) fn recover(session: &Session, printer: &Printer, lock: &Lock) -> Result<Exit> {
    let state = State::load(lock.dir())?;
    let runner = runner(session, state.as_ref());
    let progress = Progress::new(printer, false);
    let mut applier = Applier::new(lock, &runner);
    // An undo is not stopped by a signal; it is told that it goes on.
    let _signals = super::import::listen(printer, applier.cancel.clone())?;
    if !printer.is_json() {
        applier.observer = &progress;
    }
    applier.masker = printer.masker();
    let forget = || super::import::forget_gone(session, lock);
    applier.cleaned = Some(&forget);
    let recovered = applier.recover()?;
    let mut exit = Exit::Done;
    for one in &recovered {
        let word = match &one.outcome {
            Outcome::Done { .. } if lock.dir().journal(&one.run).exists() => {
                exit = Exit::Stuck;
                "had been done, but is not cleaned up"
            }
            Outcome::Done { .. } => "had been done",
            Outcome::RolledBack { .. } => "was undone",
            Outcome::Stuck { .. } => {
                exit = Exit::Stuck;
                "could not be undone whole"
            }
        };
        if printer.is_json() {
            printer.json(&json!({ "version": 1, "run": one.run, "outcome": word }));
        } else {
            printer.header(&format!("run {} {word}", one.run));
        }
    }
    if recovered.is_empty() && !printer.is_json() {
        printer.header("no run was interrupted: nothing to do");
    }
    Ok(exit)
}

/// No such project.
pub(super) fn unknown(project: &str) -> anyhow::Error {
    Failed::new(Exit::UnknownProject, format!("there is no project {project}; dokku compose:list names them")).into()
}

/// A lock that was not got, with its exit code.
pub(super) fn lock_error(error: LockError) -> anyhow::Error {
    match error {
        LockError::Busy { .. } => Failed::new(Exit::Busy, format!("{error}; --lock-wait SECONDS waits for it")).into(),
        other => other.into(),
    }
}
