//! What a run shows while it goes on: one line an event for people, or JSON lines with stable codes.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Printer;
use super::plan::describe;
use crate::apply::{Event, Observer};

/// Shows events on a printer.
pub struct Progress<'a> {
    printer: &'a Printer,
    events: bool,
    total: AtomicUsize,
    done: AtomicUsize,
    began: Instant,
    expected: Option<Duration>,
    /// Lines are redrawn in place; elsewhere each event is one.
    terminal: bool,
    /// What is at work, in the order in which it began.
    working: Mutex<Vec<(usize, String)>>,
}

/// How often the time of the status line goes on.
const TICK: Duration = Duration::from_secs(1);

impl<'a> Progress<'a> {
    /// `events`: JSON lines instead of lines for people.
    pub fn new(printer: &'a Printer, events: bool) -> Self {
        Self {
            printer,
            events,
            total: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            began: Instant::now(),
            expected: None,
            terminal: !events && !printer.is_quiet() && !printer.is_json() && std::io::stdout().is_terminal(),
            working: Mutex::default(),
        }
    }

    /// Says on a terminal how long earlier runs of the same operations took.
    pub fn expecting(self, expected: Option<Duration>) -> Self {
        Self { expected, ..self }
    }

    /// Does `work`; on a terminal the last line meanwhile says how far it is.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.terminal {
            return work();
        }
        let out = std::thread::scope(|scope| {
            let (end, ended) = channel::<()>();
            scope.spawn(move || {
                while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    self.draw();
                }
            });
            let out = work();
            drop(end);
            out
        });
        self.printer.status("");
        out
    }

    fn draw(&self) {
        let working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<&str> = working.iter().map(|(_, name)| name.as_str()).collect();
        let count = self.count(self.done.load(Ordering::Relaxed));
        let names = names.join(", ");
        self.printer.status(&if names.is_empty() { String::new() } else { format!("       [{count}] {names}") });
    }

    /// What an event changes about what is at work.
    fn follow(&self, event: &Event<'_>) {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { op } => working.push((op.id, describe(op))),
            Event::UndoStarted { op } => working.push((op.id, format!("undo {}", describe(op)))),
            Event::Done { op, .. }
            | Event::Failed { op, .. }
            | Event::Undone { op, .. }
            | Event::UndoFailed { op, .. } => {
                working.retain(|(id, _)| *id != op.id);
            }
            _ => return,
        }
        drop(working);
        self.draw();
    }

    /// `3/12`, on a terminal with the time so far and the one expected: `3/12, 14 s of about 40 s`.
    fn count(&self, number: usize) -> String {
        let total = self.total.load(Ordering::Relaxed);
        let so_far = self.began.elapsed().as_secs();
        match (self.terminal, self.expected) {
            (false, _) => format!("{number}/{total}"),
            (true, None) => format!("{number}/{total}, {so_far} s"),
            (true, Some(expected)) => {
                format!("{number}/{total}, {so_far} s of about {} s", expected.as_secs_f64().ceil())
            }
        }
    }

    fn human(&self, event: &Event<'_>) {
        let printer = self.printer;
        match event {
            Event::Begin { ops, .. } => self.total.store(*ops, Ordering::Relaxed),
            Event::Started { op } if is_long(op) => printer.step(&describe(op)),
            Event::Started { .. } | Event::UndoStarted { .. } => {}
            Event::Line { text, .. } if text.trim().is_empty() => {}
            Event::Line { op, text } => match op.map(|op| &*op.service).filter(|service| !service.is_empty()) {
                Some(service) => printer.detail(&format!("{service} | {text}")),
                None => printer.detail(text),
            },
            Event::Retry { message, attempt, .. } => printer.detail(&format!("{message}: try {attempt}")),
            Event::Done { op, done, elapsed } => {
                let number = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                let detail = if done.detail.is_empty() { String::new() } else { format!(", {}", done.detail) };
                printer.step(&format!("[{}] {} ({}{detail})", self.count(number), describe(op), seconds(*elapsed)));
            }
            Event::Failed { op, error, elapsed } => {
                printer.warn(&format!("{} failed after {}: {}", describe(op), seconds(*elapsed), error.message));
                if !op.at.is_empty() {
                    printer.warn(&format!("asked for at {}", op.at));
                }
                for line in &error.lines {
                    printer.warn(&format!("| {line}"));
                }
            }
            Event::RollingBack { failure, ops } => {
                if failure.op.is_none() {
                    printer.warn(&failure.message);
                }
                printer.warn(&format!("undoing {ops} operations"));
            }
            Event::Undone { op, elapsed } => {
                printer.detail(&format!("undone: {} ({})", describe(op), seconds(*elapsed)))
            }
            Event::UndoFailed { op, stuck } => {
                printer.warn(&format!("could not undo {}: {}", describe(op), stuck.message));
            }
            Event::Committed { elapsed } => printer.detail(&format!("committed after {}", seconds(*elapsed))),
            Event::RolledBack => printer.detail("everything is as it was before"),
            Event::Stuck { stuck } => {
                printer.warn("finish by hand, then run compose:recover:");
                for command in stuck.iter().flat_map(|one| &one.by_hand) {
                    printer.warn(&format!("    {command}"));
                }
            }
            Event::Warning { message } => printer.warn(message),
        }
    }

    fn machine(&self, event: &Event<'_>) {
        let op = |op: &crate::plan::Op| json!({ "id": op.id, "service": op.service, "title": crate::apply::by_hand::title(&op.action), "at": op.at });
        let value = match event {
            Event::Begin { project, run, ops } => {
                json!({ "code": "begin", "project": project, "run": run, "operations": ops })
            }
            Event::Started { op: one } => json!({ "code": "started", "operation": op(one) }),
            Event::Line { op: one, text } => json!({ "code": "output", "operation": one.map(op), "text": text }),
            Event::Retry { op: one, message, attempt } => {
                json!({ "code": "retry", "operation": one.map(op), "message": message, "attempt": attempt })
            }
            Event::Done { op: one, done, elapsed } => {
                json!({ "code": "done", "operation": op(one), "detail": done.detail, "ms": millis(*elapsed) })
            }
            Event::Failed { op: one, error, elapsed } => {
                json!({ "code": "failed", "operation": op(one), "message": error.message, "lines": error.lines, "ms": millis(*elapsed) })
            }
            Event::RollingBack { failure, ops } => {
                json!({ "code": "rolling-back", "message": failure.message, "operations": ops })
            }
            Event::UndoStarted { op: one } => json!({ "code": "undo-started", "operation": op(one) }),
            Event::Undone { op: one, elapsed } => {
                json!({ "code": "undone", "operation": op(one), "ms": millis(*elapsed) })
            }
            Event::UndoFailed { op: one, stuck } => {
                json!({ "code": "undo-failed", "operation": op(one), "message": stuck.message, "by_hand": stuck.by_hand })
            }
            Event::Committed { elapsed } => json!({ "code": "committed", "ms": millis(*elapsed) }),
            Event::RolledBack => json!({ "code": "rolled-back" }),
            Event::Stuck { .. } => json!({ "code": "stuck" }),
            Event::Warning { message } => json!({ "code": "warning", "message": message }),
        };
        let mut value = value;
        if let Some(object) = value.as_object_mut() {
            object.insert("version".into(), json!(1));
        }
        self.printer.json(&value);
    }
}

impl Observer for Progress<'_> {
    fn on(&self, event: &Event<'_>) {
        if self.events {
            self.machine(event)
        } else {
            self.human(event)
        }
        if self.terminal {
            self.follow(event);
        }
    }
}

/// Operations whose beginning is worth a line of its own.
fn is_long(op: &crate::plan::Op) -> bool {
    use crate::plan::Action;
    matches!(
        op.action,
        Action::Deploy { .. }
            | Action::Rebuild { .. }
            | Action::Restart { .. }
            | Action::JobRun { .. }
            | Action::ImageBuild { .. }
            | Action::ImagePull { .. }
            | Action::DatastoreCarryDump { .. }
            | Action::DatastoreCarryImport { .. }
            | Action::Await { .. }
    )
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
