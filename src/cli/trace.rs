//! `compose:trace`: a run as a trace for Chrome's trace viewer and Perfetto, on standard output.

use anyhow::Result;

use super::args::TraceArgs;
use super::recover::unknown;
use super::session::Session;
use super::{Exit, Failed};
use crate::apply::log;
use crate::plan::Plan;
use crate::state::store;
use crate::ui::{Printer, trace};

pub(super) fn run(session: &Session, printer: &Printer, args: &TraceArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    if !dir.exists() {
        return Err(unknown(&args.project));
    }
    let runs: Vec<String> = dir.run_ids()?.into_iter().filter(|run| dir.log_file(run).exists()).collect();
    let wrong = |message: String| Failed::new(Exit::Wrong, message);
    let run = match &args.run {
        Some(run) => runs
            .iter()
            .find(|one| *one == run)
            .ok_or_else(|| wrong(format!("there is no run {run}; the last ones are {}", runs.join(", "))))?,
        None => runs.last().ok_or_else(|| wrong(format!("no run of {} is kept", args.project)))?,
    };
    let plan: Option<Plan> = store::read_json(&dir.plan_file(run))?;
    let plan = plan.ok_or_else(|| wrong(format!("the plan of run {run} is not kept")))?;
    printer.json(&trace::to_json(&plan, &log::read(&dir, run)?));
    Ok(Exit::Done)
}
