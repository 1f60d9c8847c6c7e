//! Starting `dokku` and judging how it ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::call::{Call, Program, masked};
use super::error::{DokkuError, messages};
use crate::process::{self, Cancel, Command, Ended, Exit, LineSink, Output, RunError, Stream, strip_ansi};
use crate::site::Site;

/// Dokku's exit code for an app that does not exist.
const UNKNOWN_APP: i32 = 20;

/// An answer of Dokku. Success is exit code 0 and nothing else: successful commands write to
/// standard error too.
#[derive(Debug)]
pub struct Reply {
    /// Standard output, without colours.
    pub stdout: String,
    /// Standard error, without colours.
    pub stderr: String,
    /// How long it took.
    pub elapsed: Duration,
    command: String,
    left_out: u64,
}

impl Reply {
    /// The one JSON value that it answered.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, DokkuError> {
        self.json_of(&self.stdout)
    }

    /// One JSON value a line.
    pub fn json_lines<T: DeserializeOwned>(&self) -> Result<Vec<T>, DokkuError> {
        self.stdout.lines().filter(|line| !line.trim().is_empty()).map(|line| self.json_of(line)).collect()
    }

    fn json_of<T: DeserializeOwned>(&self, text: &str) -> Result<T, DokkuError> {
        if self.left_out > 0 {
            return Err(self.unreadable(format!("it is {} bytes too long", self.left_out)));
        }
        serde_json::from_str(text).map_err(|error| {
            // The category and the place, not the text: an answer may hold secrets.
            let what = match error.classify() {
                serde_json::error::Category::Data => "JSON of another shape",
                _ => "not JSON",
            };
            self.unreadable(format!("{what}, line {}, column {}", error.line(), error.column()))
        })
    }

    /// The error that this answer is not readable.
    pub(super) fn unreadable(&self, what: impl Into<String>) -> DokkuError {
        DokkuError::Unreadable { command: self.command.clone(), what: what.into() }
    }
}

/// A call that has ended, for a log. No field holds a secret.
#[derive(Debug)]
pub struct CallRecord<'a> {
    /// The command line.
    pub command: &'a str,
    /// Its exit code; `None` where it was not started or ended by a signal.
    pub exit: Option<i32>,
    /// How long it took.
    pub elapsed: Duration,
    /// All that it printed, masked; empty where its answer is private.
    pub output: &'a str,
}

type LogSink = Arc<dyn Fn(&CallRecord<'_>) + Send + Sync>;

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    micros: AtomicU64,
    /// Those of the whole that this counts a part of.
    whole: Option<Arc<Counters>>,
}

/// The running Dokku: where it is, with which environment it is called, and how often it was.
///
/// Cheap to clone; clones count together. May be used by several threads at once.
#[derive(Clone)]
pub struct Dokku {
    pub(super) site: Site,
    env: Arc<BTreeMap<String, String>>,
    cancel: Option<Cancel>,
    log: Option<LogSink>,
    counters: Arc<Counters>,
}

impl Dokku {
    /// The Dokku at `site`, called with the part of `env` that may pass.
    pub fn new(site: Site, env: &BTreeMap<String, String>) -> Self {
        let mut child = process::child_env(env);
        // The property tool and plugn need what the dokku script would have set for them.
        let plugins = child.get("PLUGIN_PATH").map_or_else(|| site.lib_root.join("plugins"), Into::into);
        let core = child.get("PLUGIN_CORE_PATH").map_or_else(|| site.lib_root.join("core-plugins"), Into::into);
        let defaults = [
            ("DOKKU_ROOT", site.dokku_root.clone()),
            ("DOKKU_LIB_ROOT", site.lib_root.clone()),
            ("PLUGIN_AVAILABLE_PATH", plugins.join("available")),
            ("PLUGIN_ENABLED_PATH", plugins.join("enabled")),
            ("PLUGIN_PATH", plugins),
            ("PLUGIN_CORE_AVAILABLE_PATH", core.join("available")),
            ("PLUGIN_CORE_ENABLED_PATH", core.join("enabled")),
            ("PLUGIN_CORE_PATH", core),
        ];
        for (name, path) in defaults {
            child.entry(name.to_owned()).or_insert_with(|| path.to_string_lossy().into_owned());
        }
        Self { site, env: Arc::new(child), cancel: None, log: None, counters: Arc::default() }
    }

    /// The same, whose calls end when `cancel` is cancelled. An undo uses the one without.
    pub fn with_cancel(&self, cancel: Option<Cancel>) -> Self {
        Self { cancel, ..self.clone() }
    }

    /// The same, whose children have one variable more.
    pub fn with_variable(&self, name: &str, value: &str) -> Self {
        let mut env = BTreeMap::clone(&self.env);
        env.insert(name.to_owned(), value.to_owned());
        Self { env: Arc::new(env), ..self.clone() }
    }

    /// The same, which tells `log` of every call that has ended.
    pub fn with_log(&self, log: impl Fn(&CallRecord<'_>) + Send + Sync + 'static) -> Self {
        Self { log: Some(Arc::new(log)), ..self.clone() }
    }

    /// The same, which also counts its own calls alone.
    pub fn with_own_count(&self) -> Self {
        let counters = Counters { whole: Some(Arc::clone(&self.counters)), ..Counters::default() };
        Self { counters: Arc::new(counters), ..self.clone() }
    }

    /// Where this Dokku is.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The environment of its children.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// How many calls were made, and how long they took together.
    pub fn cost(&self) -> (u64, Duration) {
        (
            self.counters.calls.load(Ordering::Relaxed),
            Duration::from_micros(self.counters.micros.load(Ordering::Relaxed)),
        )
    }

    /// Makes a call.
    pub fn call(&self, call: Call) -> Result<Reply, DokkuError> {
        self.run(call, None)
    }

    /// Makes a call and hands its lines to `sink` as they come, without colours and secrets.
    pub fn call_live(&self, call: Call, sink: LineSink<'_>) -> Result<Reply, DokkuError> {
        self.run(call, Some(sink))
    }

    fn run(&self, call: Call, sink: Option<LineSink<'_>>) -> Result<Reply, DokkuError> {
        let plugn = match &self.site.sandbox {
            Some(world) => world.join("bin/plugn"),
            None => "plugn".into(),
        };
        let program: &Path = match call.program {
            Program::Dokku => &self.site.dokku,
            Program::Prop => &self.site.prop,
            Program::Plugn => &plugn,
        };
        let command = call.line(program);
        let mask = call.mask;
        let mut clean_sink =
            sink.map(|sink| |stream: Stream, line: &str| sink(stream, &masked(&strip_ansi(line), &mask)));
        let mut child = Command::new(program, &self.env).args(&call.args).stdin(call.stdin).limit(call.limit);
        if let Some(file) = call.output {
            child = child.stdout(file);
        }
        if let Some(cancel) = &self.cancel {
            child = child.cancel(cancel);
        }
        if let (Some(sink), false) = (&mut clean_sink, call.private) {
            child = child.lines(sink);
        }
        let ran = child.run();
        let (exit, elapsed) = match &ran {
            Ok(output) => (if let Exit::Code(code) = output.exit { Some(code) } else { None }, output.elapsed),
            Err(_) => (None, Duration::ZERO),
        };
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let mut counters = Some(&self.counters);
        while let Some(one) = counters {
            one.calls.fetch_add(1, Ordering::Relaxed);
            one.micros.fetch_add(micros, Ordering::Relaxed);
            counters = one.whole.as_ref();
        }
        let shown = match &ran {
            Ok(output) if !call.private => masked(&both(output), &mask),
            _ => String::new(),
        };
        if let Some(log) = &self.log {
            log(&CallRecord { command: &command, exit, elapsed, output: &shown });
        }
        let output = ran.map_err(|error| not_run(error, &command))?;
        let said = messages(&both(&output));
        let unknown = said.contains(&format!("App {} does not exist", call.app));
        let words: Vec<String> =
            said.iter().map(|word| masked(if call.private { harmless(word) } else { word }, &mask)).collect();
        match (output.ended, output.exit) {
            (Ended::ByItself, Exit::Code(0)) => {
                let (stdout, stderr) = (strip_ansi(&output.stdout), strip_ansi(&output.stderr));
                Ok(Reply { stdout, stderr, elapsed: output.elapsed, command, left_out: output.stdout_left_out })
            }
            (Ended::ByItself, Exit::Code(UNKNOWN_APP)) if unknown => {
                Err(DokkuError::UnknownApp { app: call.app, command })
            }
            (Ended::ByItself, Exit::Code(exit)) => {
                Err(DokkuError::Failed { command, exit, messages: words, output: shown })
            }
            (Ended::ByItself, Exit::Signal(signal)) => Err(DokkuError::Signalled { command, signal, output: shown }),
            (Ended::TimedOut, _) => Err(DokkuError::TimedOut { command, limit: call.limit, output: shown }),
            (Ended::Cancelled, _) => Err(DokkuError::Cancelled { command, started: true }),
        }
    }
}

/// The beginning of what Dokku says about a private matter: its complaint about an unreadable file of
/// variables quotes the file.
fn harmless(word: &str) -> &str {
    word.split(['"', '\'', '=', '`']).next().unwrap_or_default().trim_end()
}

fn both(output: &Output) -> String {
    let mut text = strip_ansi(&output.stdout);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&strip_ansi(&output.stderr));
    text
}

fn not_run(error: RunError, command: &str) -> DokkuError {
    let command = command.to_owned();
    match error {
        RunError::NotStarted { program, source } => DokkuError::NotStarted { program, source },
        RunError::Cancelled => DokkuError::Cancelled { command, started: false },
        RunError::Stdin(source) => DokkuError::Input { command, source },
        RunError::Wait(error) => {
            DokkuError::Unreadable { command, what: format!("its end cannot be waited for: {error}") }
        }
    }
}
