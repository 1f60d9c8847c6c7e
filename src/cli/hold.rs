//! `compose:lock` and `compose:unlock`: a deliberate hold on a project.

use std::time::Duration;

use anyhow::Result;

use super::args::{LockArgs, ProjectOnly};
use super::recover::{lock_error, unknown};
use super::session::Session;
use super::{Exit, Failed};
use crate::state::{Hold, Lock, ProjectDir, State};
use crate::ui::Printer;

pub(super) fn lock(session: &Session, printer: &Printer, args: &LockArgs) -> Result<Exit> {
    let dir = known(session, &args.project)?;
    let wait = Duration::from_secs(args.lock_wait);
    let lock = Lock::acquire(&dir, "compose:lock", &session.env, wait, &|| false).map_err(lock_error)?;
    refuse_held(lock.dir())?;
    let hold = Hold::new(&args.reason.clone().unwrap_or_default(), &session.env);
    hold.put(lock.dir())?;
    printer.header(&format!("{} is {hold}", args.project));
    Ok(Exit::Done)
}

pub(super) fn unlock(session: &Session, printer: &Printer, args: &ProjectOnly) -> Result<Exit> {
    let dir = known(session, &args.project)?;
    match Hold::of(&dir)? {
        Some(hold) => {
            Hold::lift(&dir)?;
            printer.header(&format!("{} is free; it was {hold}", args.project));
        }
        None => printer.header(&format!("{} was not held: nothing to do", args.project)),
    }
    Ok(Exit::Done)
}

fn known(session: &Session, project: &str) -> Result<ProjectDir> {
    let dir = session.project_dir(project)?;
    if State::load(&dir)?.is_none() {
        return Err(unknown(project));
    }
    Ok(dir)
}

/// A held project is changed by nobody.
pub(super) fn refuse_held(dir: &ProjectDir) -> Result<()> {
    match Hold::of(dir)? {
        Some(hold) => {
            let project = dir.project();
            let message = format!("{project} is {hold}; dokku compose:unlock {project} lifts that");
            Err(Failed::new(Exit::Busy, message).into())
        }
        None => Ok(()),
    }
}
