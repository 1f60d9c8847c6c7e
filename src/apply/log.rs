//! The log of a run, one JSON object a line with level, time and operation; and the same as text.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::{Event, Observer};
use crate::plan::{Action, Op};
use crate::state::store::{self, FILE_MODE};
use crate::state::{ProjectDir, StoreError};

/// How much a line matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Output of a command.
    Debug,
    /// A step.
    #[default]
    Info,
    /// A flaw.
    Warn,
    /// A failure.
    Error,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, RFC 3339.
    pub at: String,
    /// How much it matters.
    pub level: Level,
    /// Project.
    pub project: String,
    /// Run.
    pub run: String,
    /// What happened: `started`, `done`, `undo-failed`.
    pub ev: String,
    /// Operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<usize>,
    /// Its action: `app_create`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Its compose service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Exit code of what ran, where the action reported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i64>,
    /// Calls of Dokku.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Text, masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        write!(f, "{} {level:<5}", self.at)?;
        if let Some(op) = self.op {
            write!(f, " #{op}")?;
        }
        for part in [&self.service, &self.action, &self.ev] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(exit) = self.exit {
            write!(f, " (exit {exit})")?;
        }
        match self.duration_ms {
            Some(ms) => write!(f, " [{}.{:03} s]", ms / 1000, ms % 1000),
            None => Ok(()),
        }
    }
}

impl Line {
    /// The line that tells of an event; project, run and time are left empty.
    pub fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Begin { ops, .. } => Self::plain(Level::Info, "begin", &format!("{ops} operations")),
            Event::Started { op } => Self::op(Level::Info, "started", op, &op.cause),
            Event::Line { op, text } => Self::maybe(Level::Debug, "output", *op, text),
            Event::Retry { op, message, attempt } => {
                Self::maybe(Level::Warn, "retry", *op, &format!("try {attempt} after: {message}"))
            }
            Event::Done { op, done, elapsed } => Self {
                calls: done.facts.get("calls").and_then(|calls| calls.parse().ok()),
                exit: done.facts.get("exit").and_then(|code| code.parse().ok()),
                ..Self::op(Level::Info, "done", op, &done.detail).took(*elapsed)
            },
            Event::Failed { op, error, elapsed } => {
                Self::op(Level::Error, "failed", op, &joined(&error.message, &error.lines)).took(*elapsed)
            }
            Event::RollingBack { failure, ops } => {
                let text = format!("{ops} operations, because: {}", failure.message);
                Self::plain(Level::Warn, "rolling-back", &text)
            }
            Event::UndoStarted { op } => Self::op(Level::Info, "undo-started", op, ""),
            Event::Undone { op, elapsed } => Self::op(Level::Info, "undone", op, "").took(*elapsed),
            Event::UndoFailed { op, stuck } => {
                Self::op(Level::Error, "undo-failed", op, &joined(&stuck.message, &stuck.by_hand))
            }
            Event::Committed { elapsed } => Self::plain(Level::Info, "committed", "").took(*elapsed),
            Event::RolledBack => Self::plain(Level::Info, "rolled-back", ""),
            Event::Stuck { stuck } => {
                Self::plain(Level::Error, "stuck", &format!("{} operations could not be undone", stuck.len()))
            }
            Event::Warning { message } => Self::plain(Level::Warn, "warning", message),
        }
    }

    fn plain(level: Level, ev: &str, message: &str) -> Self {
        Self { level, ev: ev.to_owned(), message: message.to_owned(), ..Self::default() }
    }

    fn op(level: Level, ev: &str, op: &Op, message: &str) -> Self {
        Self {
            op: Some(op.id),
            action: word(&op.action),
            service: op.service.to_string(),
            ..Self::plain(level, ev, message)
        }
    }

    fn maybe(level: Level, ev: &str, op: Option<&Op>, message: &str) -> Self {
        op.map_or_else(|| Self::plain(level, ev, message), |op| Self::op(level, ev, op, message))
    }

    fn took(self, elapsed: Duration) -> Self {
        Self { duration_ms: Some(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)), ..self }
    }
}

/// The action's name in the plan file: `app_create`.
pub(super) fn word(action: &Action) -> String {
    let value = serde_json::to_value(action).unwrap_or_default();
    value.get("do").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn joined(message: &str, lines: &[String]) -> String {
    std::iter::once(message).chain(lines.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
}

/// Writes `runs/<run>/log.jsonl`. A line that cannot be written is lost and counted: a log never stops a run.
pub struct RunLog {
    project: String,
    run: String,
    out: Mutex<(File, u64)>,
}

impl RunLog {
    /// Opens the log of a run; recovery of the run appends to it.
    pub fn open(dir: &ProjectDir, run: &str) -> Result<Self, StoreError> {
        let path = dir.log_file(run);
        store::create_dir(&dir.run(run))?;
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(&path);
        let file = file.map_err(StoreError::io("open", &path))?;
        store::give_to_owner_of(&dir.run(run), &file).map_err(StoreError::io("give its owner to", &path))?;
        Ok(Self { project: dir.project().to_owned(), run: run.to_owned(), out: Mutex::new((file, 0)) })
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl Observer for RunLog {
    fn on(&self, event: &Event<'_>) {
        let (project, run) = (self.project.clone(), self.run.clone());
        let line = Line { at: store::now(), project, run, ..Line::of(event) };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_string(&line)
            .map_err(std::io::Error::from)
            .and_then(|text| out.0.write_all(format!("{text}\n").as_bytes()));
        if written.is_err() {
            out.1 += 1;
        }
    }
}

/// The lines of a run's log; torn ones are left out.
pub fn read(dir: &ProjectDir, run: &str) -> Result<Vec<Line>, StoreError> {
    let bytes = store::read(&dir.log_file(run))?.unwrap_or_default();
    Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}
