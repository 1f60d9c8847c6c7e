//! Raw containers and jobs.

use std::time::Duration;

use super::{ActionError, Done, Ran, Step};
use crate::apply::hooks::{self, Moment};
use crate::docker::{ContainerFacts, ContainerSpec, Engine, EngineError};
use crate::map::hooks::LABEL;
use crate::plan::raw::HASH_LABEL;

/// Seconds between the stop signal and the kill where the file says nothing (Compose's default).
const GRACE: u64 = 10;

pub(super) fn run(step: &Step<'_>, spec: &ContainerSpec) -> Ran {
    let engine = step.engine();
    match engine.container(&spec.name)? {
        Some(there) if there.labels.get(HASH_LABEL) == spec.labels.get(HASH_LABEL) => {}
        Some(_) => {
            let message = format!("another container is named {}", spec.name);
            return Err(ActionError::new(message));
        }
        None => create(engine, spec)?,
    }
    engine.container_start(&spec.name)?;
    if let Some(there) = engine.container(&spec.name)? {
        hooks::of_raw(engine, &step.runner.site, &there, Moment::Started, &|line| step.context.line(line))?;
    }
    Ok(Done::default())
}

/// A container with the files that belong to another user than root's.
fn create(engine: &dyn Engine, spec: &ContainerSpec) -> Result<(), ActionError> {
    let id = engine.container_create(spec)?;
    for copy in &spec.copies {
        if let Err(error) = engine.container_copy(&id, copy) {
            // Half a container must not stay; the first error is the one to tell.
            let _ = engine.container_remove(&id);
            return Err(error.into());
        }
    }
    Ok(())
}

/// Removes a container; one with hooks is stopped first, as the file says.
pub(super) fn remove(step: &Step<'_>, name: &str) -> Ran {
    let engine = step.engine();
    // The container of a step that is undone is not one that has worked.
    let undone = step.context.undoing && step.context.op.is_some();
    if !undone
        && let Some(there) = engine.container(name)?
        && there.labels.contains_key(LABEL)
        && there.status == "running"
    {
        stopping(step, &there);
        engine.container_stop(name, Duration::from_secs(GRACE))?;
    }
    engine.container_remove(name)?;
    Ok(Done::default())
}

/// What a container does before it stops. That it could not keeps nobody from stopping it.
fn stopping(step: &Step<'_>, container: &ContainerFacts) {
    let line = |text: &str| step.context.line(text);
    if let Err(error) = hooks::of_raw(step.engine(), &step.runner.site, container, Moment::Stopping, &line) {
        line(&error.message);
    }
}

pub(super) fn stash(step: &Step<'_>, name: &str, stash: &str) -> Ran {
    let engine = step.engine();
    let Some(there) = engine.container(name)? else {
        return Ok(Done::default());
    };
    stopping(step, &there);
    // Left over by a cleanup that failed; the one in use has the plain name.
    engine.container_remove(stash)?;
    engine.container_stop(name, Duration::from_secs(GRACE))?;
    engine.container_rename(name, stash)?;
    Ok(Done::default())
}

pub(super) fn unstash(step: &Step<'_>, name: &str, stash: &str, running: bool) -> Ran {
    let engine = step.engine();
    if engine.container(stash)?.is_some() {
        engine.container_remove(name)?;
        engine.container_rename(stash, name)?;
    }
    if running && engine.container(name)?.is_some() {
        engine.container_start(name)?;
        if let Some(there) = engine.container(name)? {
            let line = |text: &str| step.context.line(text);
            // It is the container of before, which has to be back whatever its hooks say.
            if let Err(error) = hooks::of_raw(engine, &step.runner.site, &there, Moment::Started, &line) {
                line(&error.message);
            }
        }
    }
    Ok(Done::default())
}

/// Runs to completion; the exit code decides, the output is shown.
pub(super) fn job(step: &Step<'_>, spec: &ContainerSpec, limit: u64) -> Ran {
    let engine = step.engine();
    // One that an earlier run left is not this one's.
    engine.container_remove(&spec.name)?;
    create(engine, spec)?;
    engine.container_start(&spec.name)?;
    let time = step.context.remaining().min(Duration::from_secs(limit));
    let until = std::time::Instant::now() + time;
    let code = loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        match engine.container_wait(&spec.name, left.min(Duration::from_secs(2))) {
            Ok(code) => break code,
            Err(EngineError::TimedOut(_)) if std::time::Instant::now() < until => {
                if let Err(error) = step.context.check(true) {
                    engine.container_stop(&spec.name, Duration::from_secs(GRACE))?;
                    return Err(error);
                }
            }
            Err(EngineError::TimedOut(_)) => {
                engine.container_stop(&spec.name, Duration::from_secs(GRACE))?;
                let mut error = ActionError::new(format!("did not end within {} s", time.as_secs_f64().round()));
                error.lines = engine.container_logs(&spec.name, 20)?;
                return Err(error);
            }
            Err(error) => return Err(error.into()),
        }
    };
    let lines = engine.container_logs(&spec.name, 200)?;
    for line in &lines {
        step.context.line(line);
    }
    if code == 0 {
        let mut done = Done { detail: "exit code 0".into(), ..Done::default() };
        done.facts.insert("exit".into(), "0".into());
        return Ok(done);
    }
    let mut error = ActionError::new(format!("ended with exit code {code}"));
    error.lines = lines[lines.len().saturating_sub(20)..].to_vec();
    Err(error)
}
