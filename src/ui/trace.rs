//! A run as a trace that Chrome's trace viewer and Perfetto open (the JSON Object Format of the Trace Event Format):
//! each operation as a slice of its service's track, its waits, its dependencies as arrows, the critical path as a
//! track of its own.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::apply::log::Line;
use crate::plan::Plan;

/// When an operation ran, in microseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    start: u64,
    end: u64,
    failed: bool,
}

/// Track of the critical path, before those of services.
const CRITICAL: usize = 0;

/// The trace of a run by its log and plan.
pub fn to_json(plan: &Plan, lines: &[Line]) -> Value {
    let began = lines.first().and_then(|line| at(&line.at)).unwrap_or(SystemTime::UNIX_EPOCH);
    let micros = |line: &Line| {
        let since = at(&line.at).and_then(|at| at.duration_since(began).ok()).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    };
    let forward = slices(lines, "started", &["done", "failed"], &micros);
    let undo = slices(lines, "undo-started", &["undone", "undo-failed"], &micros);
    let tracks = tracks(plan);
    let path = critical(plan, &forward);
    let mut events = vec![name(CRITICAL, "critical path")];
    events.extend(
        tracks.iter().map(|(service, track)| name(*track, if service.is_empty() { "project" } else { service })),
    );
    for op in &plan.ops {
        let track = tracks[&*op.service];
        let title = crate::apply::by_hand::title(&op.action);
        if let Some(slice) = forward.get(&op.id) {
            let ready = op.needs.iter().filter_map(|need| forward.get(need)).map(|need| need.end).max().unwrap_or(0);
            if slice.start > ready + 1000 {
                let waited = Slice { start: ready, end: slice.start, failed: false };
                events.push(complete(track, "waits for a free place", "wait", waited, json!({ "operation": op.id })));
            }
            let args = json!({
                "operation": op.id, "cause": op.cause, "class": op.class.word(), "needs": op.needs, "at": op.at,
                "failed": slice.failed, "critical": path.contains(&op.id),
            });
            events.push(complete(track, &title, "operation", *slice, args.clone()));
            if path.contains(&op.id) {
                events.push(complete(CRITICAL, &format!("{} {title}", op.service), "critical", *slice, args));
            }
            for need in &op.needs {
                if let (Some(from), Some(before)) = (forward.get(need), plan.ops.get(*need)) {
                    let id = format!("{need}-{}", op.id);
                    let from_track = tracks[&*before.service];
                    events.push(json!({ "name": "needs", "cat": "needs", "ph": "s", "id": id, "ts": from.end, "pid": 1, "tid": from_track }));
                    events.push(json!({ "name": "needs", "cat": "needs", "ph": "f", "bp": "e", "id": id, "ts": slice.start, "pid": 1, "tid": track }));
                }
            }
        }
        if let Some(slice) = undo.get(&op.id) {
            events.push(complete(track, &format!("undo: {title}"), "undo", *slice, json!({ "operation": op.id })));
        }
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

fn at(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

/// One track a service, in the order of the plan.
fn tracks(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut out = BTreeMap::new();
    for op in &plan.ops {
        let next = out.len() + 1;
        out.entry(&*op.service).or_insert(next);
    }
    out
}

fn slices(lines: &[Line], begins: &str, ends: &[&str], micros: &dyn Fn(&Line) -> u64) -> BTreeMap<usize, Slice> {
    let mut out: BTreeMap<usize, Slice> = BTreeMap::new();
    for line in lines {
        let Some(op) = line.op else { continue };
        if line.ev == begins {
            let start = micros(line);
            out.insert(op, Slice { start, end: start, failed: true });
        } else if ends.contains(&line.ev.as_str())
            && let Some(slice) = out.get_mut(&op)
        {
            slice.end = micros(line).max(slice.start);
            slice.failed = line.ev.ends_with("failed");
        }
    }
    out
}

/// The chain that decided how long the run took: backwards from what ended last, by the need that ended last.
fn critical(plan: &Plan, slices: &BTreeMap<usize, Slice>) -> Vec<usize> {
    let mut out = Vec::new();
    let mut next = slices.iter().max_by_key(|(_, slice)| slice.end).map(|(id, _)| *id);
    while let Some(id) = next {
        out.push(id);
        let needs = plan.ops.get(id).map(|op| op.needs.as_slice()).unwrap_or_default();
        next = needs.iter().filter(|need| slices.contains_key(need)).max_by_key(|need| slices[need].end).copied();
    }
    out.reverse();
    out
}

fn name(track: usize, text: &str) -> Value {
    json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": track, "args": { "name": text } })
}

fn complete(track: usize, name: &str, category: &str, slice: Slice, args: Value) -> Value {
    json!({
        "name": name, "cat": category, "ph": "X", "pid": 1, "tid": track, "ts": slice.start,
        "dur": slice.end - slice.start, "args": args,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Class, Op};

    fn plan() -> Plan {
        let op = |id: usize, service: &str, needs: &[usize]| Op {
            id,
            service: service.into(),
            action: Action::Restart { app: format!("shop-{service}") },
            cause: "".into(),
            class: Class::Config,
            undo: Vec::new(),
            needs: needs.to_vec(),
            at: "".into(),
        };
        Plan { ops: vec![op(0, "db", &[]), op(1, "web", &[]), op(2, "web", &[0, 1])], ..Plan::default() }
    }

    fn line(second: u32, ev: &str, op: usize) -> Line {
        Line { at: format!("2026-01-01T00:00:0{second}Z"), ev: ev.into(), op: Some(op), ..Line::default() }
    }

    #[test]
    fn slices_arrows_waits_and_the_critical_path() {
        let lines = [
            line(0, "started", 0),
            line(0, "started", 1),
            line(2, "done", 1),
            line(3, "done", 0),
            line(5, "started", 2),
            line(6, "failed", 2),
            line(6, "undo-started", 1),
            line(7, "undone", 1),
        ];
        let trace = to_json(&plan(), &lines);
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |category: &str| -> Vec<(&str, u64, u64)> {
            let all = events.iter().filter(|event| event["cat"] == category && event["ph"] == "X");
            all.map(|e| (e["name"].as_str().unwrap(), e["ts"].as_u64().unwrap(), e["dur"].as_u64().unwrap())).collect()
        };
        assert_eq!(
            of("operation"),
            [
                ("ps:restart shop-db", 0, 3_000_000),
                ("ps:restart shop-web", 0, 2_000_000),
                ("ps:restart shop-web", 5_000_000, 1_000_000)
            ]
        );
        assert_eq!(of("wait"), [("waits for a free place", 3_000_000, 2_000_000)]);
        assert_eq!(
            of("critical").iter().map(|one| one.0).collect::<Vec<_>>(),
            ["db ps:restart shop-db", "web ps:restart shop-web"]
        );
        assert_eq!(of("undo"), [("undo: ps:restart shop-web", 6_000_000, 1_000_000)]);
        let arrows = |ph: &str| events.iter().filter(|event| event["ph"] == ph).count();
        assert_eq!((arrows("s"), arrows("f")), (2, 2));
    }
}
