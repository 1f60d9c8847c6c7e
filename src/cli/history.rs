//! `compose:history`: the versions of a project, and the runs that came to none.

use anyhow::Result;
use serde_json::json;

use super::Exit;
use super::args::ProjectArgs;
use super::recover::unknown;
use super::session::Session;
use crate::apply::journal;
use crate::apply::ledger::Phase;
use crate::state::versions::{self, VersionResult};
use crate::state::{ProjectDir, State};
use crate::ui::Printer;

/// A run that was undone or is stuck.
struct Failed {
    run: String,
    who: String,
    command: String,
    outcome: &'static str,
    message: String,
}

pub(super) fn run(session: &Session, printer: &Printer, args: &ProjectArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    let state = State::load(&dir)?;
    let buried = session.destroyed_dir(&args.project)?;
    if state.is_none() && versions::list(&buried)?.is_empty() {
        return Err(unknown(&args.project));
    }
    let current = state.as_ref().map_or(0, |state| state.version);
    let versions = results(&dir, current)?;
    let failed = failures(&dir)?;
    let before = results(&buried, u32::MAX)?;
    if printer.is_json() {
        let rows = |all: &[VersionResult]| -> Vec<_> { all.iter().map(row).collect() };
        let failed: Vec<_> = failed
            .iter()
            .map(|one| {
                json!({ "run": one.run, "who": one.who, "command": one.command, "outcome": one.outcome, "message": one.message })
            })
            .collect();
        printer.json(&json!({
            "version": 1, "project": args.project, "current": current,
            "versions": rows(&versions), "failed": failed, "destroyed": rows(&before),
        }));
        return Ok(Exit::Done);
    }
    if !versions.is_empty() {
        printer.header(&format!("Versions of {}", args.project));
        print(printer, &versions, current);
    }
    for one in &failed {
        printer.warn(&format!("{} {} by {} {}: {}", one.run, one.command, one.who, one.outcome, one.message));
    }
    if !before.is_empty() {
        printer.header(&format!("Versions of a project {} that was destroyed", args.project));
        print(printer, &before, 0);
    }
    Ok(Exit::Done)
}

/// Newest first; a folder beyond `current` is of a run that did not commit.
fn results(dir: &ProjectDir, current: u32) -> Result<Vec<VersionResult>> {
    let mut out = Vec::new();
    for number in versions::list(dir)?.into_iter().rev().filter(|number| *number <= current) {
        out.extend(versions::result(dir, number)?);
    }
    Ok(out)
}

fn row(result: &VersionResult) -> serde_json::Value {
    json!({
        "version": result.version, "at": result.at, "who": result.who, "command": result.command, "run": result.run,
        "operations": result.operations, "duration_ms": result.duration_ms, "dokku_calls": result.calls,
        "rolled_back_to": result.rolled_back_to,
        "images": result.kept.iter().map(|(name, kept)| (name.clone(), json!(kept.release.image_id))).collect::<serde_json::Map<_, _>>(),
    })
}

fn print(printer: &Printer, versions: &[VersionResult], current: u32) {
    let who = versions.iter().map(|result| result.who.len()).max().unwrap_or(0);
    for result in versions {
        let mark = if result.version == current { "*" } else { " " };
        let back = result.rolled_back_to.map(|version| format!(", back to v{version}")).unwrap_or_default();
        let seconds = std::time::Duration::from_millis(result.duration_ms).as_secs_f64();
        printer.result(&format!(
            "     {mark} {:5} {}  {:who$}  {}{back}: {} operations, {} calls, {seconds:.1} s",
            format!("v{}", result.version),
            result.at,
            result.who,
            result.command,
            result.operations,
            result.calls,
        ));
    }
}

/// Runs whose journal is kept and did not end in a version, oldest first.
fn failures(dir: &ProjectDir) -> Result<Vec<Failed>> {
    let mut out = Vec::new();
    for run in dir.run_ids()? {
        let (ended, open) = (dir.run(&run).join("journal.jsonl"), dir.journal(&run));
        let Some(path) = [ended, open].into_iter().find(|path| path.exists()) else { continue };
        // A journal that cannot be read is the business of recovery.
        let Ok(ledger) = journal::read(&path) else { continue };
        let outcome = match ledger.phase {
            Phase::RolledBack => "was rolled back",
            Phase::Stuck => "is stuck",
            Phase::Forward | Phase::Undoing => "has not ended",
            Phase::Empty | Phase::Committed => continue,
        };
        let by = ledger.header.map(|header| header.by).unwrap_or_default();
        let message = ledger.failure.map(|(_, message)| message).unwrap_or_else(|| "it was interrupted".into());
        let message = message.lines().next().unwrap_or_default().to_owned();
        out.push(Failed { run, who: by.who, command: by.command, outcome, message });
    }
    Ok(out)
}
