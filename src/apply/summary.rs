//! What a run came to: `runs/<run>/summary.json`, for the history, metrics and estimates.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::{self, Line};
use super::{Applier, Outcome};
use crate::plan::Plan;
use crate::state::store;
use crate::state::{ProjectDir, StoreError};

/// A run that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Format of the file.
    pub format: u32,
    /// Run.
    pub run: String,
    /// The command, `compose:import`.
    pub command: String,
    /// When it ended, RFC 3339.
    pub at: String,
    /// `done`, `rolled-back` or `stuck`.
    pub outcome: String,
    /// Seconds from the first operation to the end.
    pub seconds: f64,
    /// Calls of Dokku, reading included.
    pub calls: u64,
    /// By action, `deploy`.
    pub actions: BTreeMap<String, Cost>,
    /// Seconds of each operation that was done, by service and action, `web deploy`.
    pub operations: BTreeMap<String, f64>,
}

/// What the operations of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// How many ended.
    pub count: u64,
    /// How many failed.
    pub failed: u64,
    /// Seconds together.
    pub seconds: f64,
    /// Calls of Dokku.
    pub calls: u64,
}

impl Applier<'_> {
    /// Writes the summary of a run that has just ended.
    pub fn summarize(&self, run: &str, outcome: &Outcome, elapsed: Duration, calls: u64) -> Result<(), StoreError> {
        let dir = self.lock.dir();
        let outcome = match outcome {
            Outcome::Done { .. } => "done",
            Outcome::RolledBack { .. } => "rolled-back",
            Outcome::Stuck { .. } => "stuck",
        };
        let lines = log::read(dir, run)?;
        let summary = Summary {
            format: 1,
            run: run.to_owned(),
            command: self.lock.holder().command.clone(),
            at: store::now(),
            outcome: outcome.to_owned(),
            seconds: elapsed.as_secs_f64(),
            calls,
            actions: costs(&lines),
            operations: operations(&lines),
        };
        store::write_json(&dir.summary_file(run), &summary)
    }
}

/// The newest summary of a project, `None` where no run left one.
pub fn newest(dir: &ProjectDir) -> Result<Option<Summary>, StoreError> {
    for run in dir.run_ids()?.iter().rev() {
        if let Some(summary) = store::read_json(&dir.summary_file(run))? {
            return Ok(Some(summary));
        }
    }
    Ok(None)
}

/// Seconds that each operation took in the newest run that did it, by service and action.
pub fn known_times(dir: &ProjectDir) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for run in dir.run_ids().unwrap_or_default() {
        // An estimate is worth no error.
        if let Ok(Some(summary)) = store::read_json::<Summary>(&dir.summary_file(&run)) {
            out.extend(summary.operations);
        }
    }
    out
}

/// How long a plan will take, whatever runs at once: its longest chain, by `known` times. `None` where the time of most
/// of its operations is not known.
pub fn estimate(plan: &Plan, known: &BTreeMap<String, f64>) -> Option<Duration> {
    let mut ends: Vec<f64> = Vec::with_capacity(plan.ops.len());
    let mut unknown = 0;
    for op in &plan.ops {
        let time = known.get(&format!("{} {}", op.service, log::word(&op.action)));
        unknown += usize::from(time.is_none());
        let start = op.needs.iter().filter_map(|need| ends.get(*need)).copied().fold(0.0, f64::max);
        ends.push(start + time.copied().unwrap_or(0.0));
    }
    let longest = ends.into_iter().fold(0.0, f64::max);
    (unknown * 2 <= plan.ops.len() && longest > 0.0).then(|| Duration::from_secs_f64(longest))
}

fn costs(lines: &[Line]) -> BTreeMap<String, Cost> {
    let mut out: BTreeMap<String, Cost> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.ev == "done" || line.ev == "failed") {
        let cost = out.entry(line.action.clone()).or_default();
        cost.count += 1;
        cost.failed += u64::from(line.ev == "failed");
        cost.seconds += seconds(line);
        cost.calls += line.calls.unwrap_or(0);
    }
    out
}

fn operations(lines: &[Line]) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for line in lines.iter().filter(|line| line.ev == "done") {
        *out.entry(format!("{} {}", line.service, line.action)).or_insert(0.0) += seconds(line);
    }
    out
}

fn seconds(line: &Line) -> f64 {
    Duration::from_millis(line.duration_ms.unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Class, Op};

    fn op(id: usize, service: &str, needs: &[usize]) -> Op {
        Op {
            id,
            service: service.into(),
            action: Action::Restart { app: service.into() },
            cause: "".into(),
            class: Class::None,
            undo: Vec::new(),
            needs: needs.to_vec(),
            at: "".into(),
        }
    }

    #[test]
    fn an_estimate_is_the_longest_chain() {
        let ops = vec![op(0, "a", &[]), op(1, "b", &[]), op(2, "c", &[0])];
        let plan = Plan { ops, ..Plan::default() };
        let known: BTreeMap<String, f64> =
            [("a restart", 2.0), ("b restart", 4.0), ("c restart", 3.0)].map(|(k, v)| (k.to_owned(), v)).into();
        assert_eq!(estimate(&plan, &known), Some(Duration::from_secs(5)));
        assert_eq!(estimate(&plan, &BTreeMap::new()), None);
    }

    #[test]
    fn costs_are_summed_by_action() {
        let line = |ev: &str, ms| Line {
            ev: ev.into(),
            action: "deploy".into(),
            service: "web".into(),
            duration_ms: Some(ms),
            calls: Some(2),
            ..Line::default()
        };
        let lines = [line("started", 0), line("done", 1500), line("failed", 500)];
        assert_eq!(costs(&lines)["deploy"], Cost { count: 2, failed: 1, seconds: 2.0, calls: 4 });
        assert_eq!(operations(&lines)["web deploy"], 1.5);
    }
}
