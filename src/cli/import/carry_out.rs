//! Carries a prepared plan out and reports how that ended.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::commit;
use super::prepare::Prepared;
use crate::apply::context::Observers;
use crate::apply::runner::ServerRunner;
use crate::apply::summary;
use crate::apply::{Applier, Cancel, Limits, Outcome, RunLog, Signals};
use crate::cli::args::RunArgs;
use crate::cli::session::Session;
use crate::cli::{Exit, metrics};
use crate::state::{Lock, State, store};
use crate::ui::{Printer, plan as show, progress::Progress};

pub(in crate::cli) fn apply(
    session: &Session,
    printer: &Printer,
    args: &RunArgs,
    lock: &Lock,
    prepared: &Prepared,
    state: Option<State>,
    cancel: Cancel,
) -> Result<Exit> {
    let run = store::new_run_id()?;
    let _signals = listen(printer, cancel.clone())?;
    let runner = runner(session, state.as_ref());
    let known = summary::known_times(lock.dir());
    let progress = Progress::new(printer, args.events).expecting(summary::estimate(&prepared.plan, &known));
    let log = RunLog::open(lock.dir(), &run)?;
    let observers =
        if printer.is_json() && !args.events { Observers(vec![&log]) } else { Observers(vec![&progress, &log]) };
    let mut applier = Applier::new(lock, &runner);
    applier.observer = &observers;
    applier.masker = printer.masker();
    applier.cancel = cancel;
    applier.limits = limits(args);
    let forget = || commit::forget_gone(session, lock);
    applier.cleaned = Some(&forget);
    let began = Instant::now();
    let outcome = progress.during(|| {
        applier.execute(&prepared.plan, &run, |results| {
            let done = commit::Done { run: &run, results, runner: &runner, began };
            commit::commit(session, lock, prepared, state.as_ref(), &done)
        })
    })?;
    // A record that cannot be written is no reason to call a run failed.
    if let Err(error) = applier
        .summarize(&run, &outcome, began.elapsed(), session.dokku.cost().0)
        .map_err(anyhow::Error::from)
        .and_then(|()| metrics::write(session))
    {
        printer.warn(&format!("{error:#}"));
    }
    commit::store_retention(lock);
    Ok(report(printer, args, prepared, &outcome, began.elapsed()))
}

/// Signals stop a run, never an undo; each one is told.
pub(in crate::cli) fn listen(printer: &Printer, cancel: Cancel) -> Result<Signals> {
    let notices = printer.masker();
    Ok(Signals::listen(cancel, move |notice| {
        Printer::new(crate::ui::Format::Text, false, true).warn(&notices.mask(&notice.message()));
    })?)
}

/// The runner of a session; it knows what earlier imports delivered.
pub(in crate::cli) fn runner(session: &Session, state: Option<&State>) -> ServerRunner {
    ServerRunner {
        dokku: session.dokku.clone(),
        engine: Arc::clone(&session.engine),
        site: session.site.clone(),
        delivered: Mutex::new(state.map(|state| state.delivered.clone()).unwrap_or_default()),
    }
}

fn limits(args: &RunArgs) -> Limits {
    let mut limits = Limits::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    limits.parallel = args.parallel.map_or(at_once(cores, &memory), usize::from);
    // About a minute: Dokku's own deploy lock, and a registry that is busy.
    limits.attempts = 7;
    if let Some(seconds) = args.timeout {
        limits.op = Duration::from_secs(seconds);
        limits.cap = Some(limits.op);
    }
    limits.run = args.run_timeout.map(Duration::from_secs);
    limits
}

/// Operations at once by default: as many as there are cores, two to eight, but no more than free memory has room for.
/// `memory` is `/proc/meminfo`.
fn at_once(cores: usize, memory: &str) -> usize {
    /// What a deploy may take at its worst moment: a build, and two containers side by side.
    const KIB: usize = 384 * 1024;
    let free =
        memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    let room = free.map_or(usize::MAX, |free: usize| (free / KIB).max(1));
    cores.clamp(2, 8).min(room)
}

fn report(printer: &Printer, args: &RunArgs, prepared: &Prepared, outcome: &Outcome, elapsed: Duration) -> Exit {
    let plan = &prepared.plan;
    let what = if prepared.back.is_some() { "rollback" } else { "import" };
    let seconds = format!("{:.0} s", elapsed.as_secs_f64());
    let (exit, word, sentence) = match outcome {
        Outcome::Done { .. } => {
            let (create, change, _) = show::counts(plan);
            (
                Exit::Done,
                "done",
                match &prepared.back {
                    Some(back) => format!("{} is back at version {}, in {seconds}", plan.project, back.version),
                    None => {
                        format!("{} is imported: {create} created, {change} changed in {seconds}", plan.project)
                    }
                },
            )
        }
        Outcome::RolledBack { failure, .. } => (
            Exit::RolledBack,
            "rolled-back",
            format!("the {what} failed and was rolled back after {seconds}: {}", failure.message),
        ),
        Outcome::Stuck { failure, .. } => {
            (Exit::Stuck, "stuck", format!("the {what} failed and could not be undone whole: {}", failure.message))
        }
    };
    if printer.is_json() && !args.events {
        let message = match outcome {
            Outcome::Done { .. } => serde_json::Value::Null,
            Outcome::RolledBack { failure, .. } | Outcome::Stuck { failure, .. } => {
                json!({ "service": failure.service, "message": failure.message, "lines": failure.lines })
            }
        };
        printer.json(&json!({ "version": 1, "project": plan.project, "outcome": word, "failure": message, "seconds": elapsed.as_secs_f64(), "plan": show::to_json(plan) }));
    } else if !args.events {
        if exit == Exit::Done { printer.header(&sentence) } else { printer.warn(&sentence) }
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::at_once;

    #[test]
    fn cores_and_memory_bound_what_runs_at_once() {
        let memory = |mib: usize| format!("MemTotal:  99999999 kB\nMemAvailable:    {} kB\n", mib * 1024);
        assert_eq!(at_once(4, &memory(8000)), 4);
        assert_eq!(at_once(1, &memory(8000)), 2);
        assert_eq!(at_once(64, &memory(64_000)), 8);
        assert_eq!(at_once(4, &memory(900)), 2);
        assert_eq!(at_once(4, &memory(100)), 1);
        assert_eq!(at_once(4, "nothing to see"), 4);
    }
}
