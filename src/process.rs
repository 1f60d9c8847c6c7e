//! Running a child process: its own group, a limit on its time, bounded output, always reaped.
//!
//! No policy: what is run and what an exit code means is the adapters' business.

mod env;
mod pipes;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

pub use env::{SAFE_PATH, child_env};
use pipes::{Event, Pipe, feed, read};
pub use text::strip_ansi;
use text::{Capture, Lines};

/// How much of each stream is kept when nothing else is said: 4 MiB.
const KEEP: usize = 4 * 1024 * 1024;
/// How long a group may take to end after SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// No limit is longer than this, whatever was asked: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// How soon a cancellation is noticed.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// How long the pipes may stay silent after the child's end before their last writer is not waited for.
const DRAIN_SILENCE: Duration = Duration::from_millis(300);
/// How long the pipes are read after the child's end at most.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A wish to stop, shared between threads.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    made: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// Nobody wishes to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A wish that is made with this one, and may be made alone.
    pub fn child(&self) -> Self {
        Self(Arc::new(Wish { made: AtomicBool::new(false), parent: Some(self.clone()) }))
    }

    /// Makes the wish; it cannot be taken back.
    pub fn cancel(&self) {
        self.0.made.store(true, Ordering::Release);
    }

    /// Whether the wish was made.
    pub fn is_cancelled(&self) -> bool {
        self.0.made.load(Ordering::Acquire) || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }
}

/// Writes a child's standard input while the child runs.
pub type StdinWriter = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// What a child reads.
#[derive(Default)]
pub enum Stdin {
    /// Nothing (`/dev/null`).
    #[default]
    Null,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the closure writes. If it fails, the child is killed before it can take the part that
    /// came through for the whole; a child that stops reading (`EPIPE`) is no failure.
    Writer(StdinWriter),
}

/// One of a child's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes a child's lines as they come.
pub type LineSink<'a> = &'a mut dyn FnMut(Stream, &str);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended by itself.
    ByItself,
    /// Its time was over and its group was killed.
    TimedOut,
    /// The run was cancelled and its group was killed.
    Cancelled,
}

/// What a child left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Who ended it.
    pub ended: Ended,
    /// Standard output; the middle is left out where it was too long.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// How many bytes of standard output are left out.
    pub stdout_left_out: u64,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Output {
    /// Whether it ended by itself with exit code 0.
    pub fn success(&self) -> bool {
        self.ended == Ended::ByItself && self.exit == Exit::Code(0)
    }
}

/// Why there is no [`Output`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program is not there or may not be run.
    #[error("cannot run {}: {source}", program.display())]
    NotStarted {
        /// The program as asked for.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It was cancelled before it was started.
    #[error("cancelled before it was started")]
    Cancelled,
    /// What it was to read could not be produced; it was killed.
    #[error("cannot produce its standard input: {0}")]
    Stdin(io::Error),
    /// The system would not say how it ended.
    #[error("cannot wait for it: {0}")]
    Wait(io::Error),
}

/// A child to run. The environment is exactly what is given, see [`child_env`].
pub struct Command<'a> {
    program: PathBuf,
    args: Vec<OsString>,
    env: &'a BTreeMap<String, String>,
    extra_env: Vec<(String, String)>,
    stdin: Stdin,
    cwd: PathBuf,
    limit: Duration,
    grace: Duration,
    keep: usize,
    stdout: Option<File>,
    cancel: Option<&'a Cancel>,
    lines: Option<LineSink<'a>>,
}

impl<'a> Command<'a> {
    /// `program`, found in the `PATH` of `env` unless it has a slash, run in `/` for at most a minute.
    pub fn new(program: impl Into<PathBuf>, env: &'a BTreeMap<String, String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env,
            extra_env: Vec::new(),
            stdin: Stdin::Null,
            cwd: PathBuf::from("/"),
            limit: Duration::from_secs(60),
            grace: GRACE,
            keep: KEEP,
            stdout: None,
            cancel: None,
            lines: None,
        }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra_env.push((name.into(), value.into()));
        self
    }

    /// What it reads; nothing unless said.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Where it runs; `/` unless said, because the caller's directory may be closed to another user.
    pub fn cwd(mut self, cwd: impl AsRef<Path>) -> Self {
        self.cwd = cwd.as_ref().to_owned();
        self
    }

    /// How long it may run before its group gets SIGTERM.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long its group may take after SIGTERM before SIGKILL; 5 s unless said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How many bytes of each stream are kept; 4 MiB unless said.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Where its standard output goes, byte for byte; it is then in no [`Output`].
    pub fn stdout(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Ends it, as at its limit, once `cancel` is cancelled.
    pub fn cancel(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Hands every line to `sink` as it comes, without its end, as it was written.
    pub fn lines(mut self, sink: LineSink<'a>) -> Self {
        self.lines = Some(sink);
        self
    }

    /// Runs it to its end.
    ///
    /// Processes that it leaves behind in the background (Dokku retires old containers so) are let
    /// live after an ordinary end, even where they still hold its pipes; after a timeout or a
    /// cancellation the whole group is killed.
    pub fn run(self) -> Result<Output, RunError> {
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            return Err(RunError::Cancelled);
        }
        let started = Instant::now();
        let mut group = Group::spawn(&self)?;
        let (events, inbox) = sync_channel(16);
        let pipes = group.watch(&events, self.stdin).map_err(RunError::Wait)?;
        // Only the threads send: once they are all gone, so is the channel.
        drop(events);
        let mut watch = Watch {
            inbox,
            open: pipes.len(),
            pipes,
            captures: [Capture::new(self.keep), Capture::new(self.keep)],
            pending: [Lines::default(), Lines::default()],
            lines: self.lines,
            last_chunk: started,
        };
        let ended = watch.until_end(&group, self.cancel, started + self.limit.min(LONGEST), self.grace.min(LONGEST))?;
        let status = group.reap().map_err(RunError::Wait)?;
        let exit = match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        };
        let [out, err] = watch.captures;
        let (stdout, stdout_left_out) = out.finish();
        let (stderr, _) = err.finish();
        Ok(Output { exit, ended, stdout, stderr, stdout_left_out, elapsed: started.elapsed() })
    }
}

/// A child that leads its own process group; killed with it and reaped when dropped unreaped.
struct Group {
    child: Child,
    pid: Pid,
    reaped: bool,
}

impl Group {
    fn spawn(command: &Command<'_>) -> Result<Self, RunError> {
        use std::process::Stdio;
        let not_started = |source| RunError::NotStarted { program: command.program.clone(), source };
        let stdout = match &command.stdout {
            Some(file) => Stdio::from(file.try_clone().map_err(not_started)?),
            None => Stdio::piped(),
        };
        let mut builder = std::process::Command::new(&command.program);
        builder
            .args(&command.args)
            .env_clear()
            .envs(command.env)
            .envs(command.extra_env.iter().map(|(name, value)| (name, value)))
            .current_dir(&command.cwd)
            .stdin(if matches!(command.stdin, Stdin::Null) { Stdio::null() } else { Stdio::piped() })
            .stdout(stdout)
            .stderr(Stdio::piped())
            .process_group(0);
        let child = builder.spawn().map_err(not_started)?;
        let pid = Pid::from_child(&child);
        Ok(Self { child, pid, reaped: false })
    }

    /// Starts the threads that feed it, read it and wait for its end.
    ///
    /// They are not joined: a background process may hold a pipe long after the child's end. Readers
    /// then go on reading, so that it is not killed by a pipe that nobody reads.
    fn watch(&mut self, events: &SyncSender<Event>, stdin: Stdin) -> io::Result<Vec<Pipe>> {
        let mut pipes = Vec::with_capacity(2);
        if let Some(pipe) = self.child.stdout.take() {
            pipes.push(read(pipe, Stream::Out, events.clone())?);
        }
        if let Some(pipe) = self.child.stderr.take() {
            pipes.push(read(pipe, Stream::Err, events.clone())?);
        }
        if let Some(pipe) = self.child.stdin.take() {
            feed(pipe, stdin, events.clone());
        }
        let (pid, events) = (self.pid, events.clone());
        thread::spawn(move || {
            // The child stays a zombie, so that its group's number cannot be given to another.
            while let Err(rustix::io::Errno::INTR) =
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            {}
            let _ = events.send(Event::Exited);
        });
        Ok(pipes)
    }

    fn signal(&self, signal: Signal) {
        // ESRCH: nobody is left. EPERM: nothing more can be done.
        let _ = kill_process_group(self.pid, signal);
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            let _ = self.reap();
        }
    }
}

/// The state of a run's one waiting loop.
struct Watch<'a> {
    inbox: Receiver<Event>,
    pipes: Vec<Pipe>,
    captures: [Capture; 2],
    pending: [Lines; 2],
    lines: Option<LineSink<'a>>,
    open: usize,
    last_chunk: Instant,
}

impl Watch<'_> {
    /// Waits until the child has ended and its pipes are closed or silent.
    fn until_end(
        &mut self,
        group: &Group,
        cancel: Option<&Cancel>,
        deadline: Instant,
        grace: Duration,
    ) -> Result<Ended, RunError> {
        let mut ended = Ended::ByItself;
        let mut exited: Option<Instant> = None;
        let mut kill_at: Option<Instant> = None;
        let mut killed = false;
        loop {
            let now = Instant::now();
            if exited.is_none() && ended == Ended::ByItself {
                if cancel.is_some_and(Cancel::is_cancelled) {
                    ended = Ended::Cancelled;
                } else if now >= deadline {
                    ended = Ended::TimedOut;
                }
                if ended != Ended::ByItself {
                    group.signal(Signal::TERM);
                    kill_at = Some(now + grace);
                }
            }
            if let (Some(at), false) = (kill_at, killed)
                && now >= at
            {
                group.signal(Signal::KILL);
                killed = true;
            }
            if let Some(exited) = exited {
                let silent = now >= self.last_chunk.max(exited) + DRAIN_SILENCE
                    && self.pipes.iter().all(Pipe::is_drained)
                    || now >= exited + DRAIN_LIMIT;
                // A group that is being ended has its whole grace, unless nobody is left in it.
                if self.open == 0 || (silent && (kill_at.is_none() || killed)) {
                    break;
                }
            }
            let wait = match deadline.saturating_duration_since(now) {
                _ if exited.is_some() || kill_at.is_some() => CANCEL_POLL,
                left if cancel.is_some() => left.min(CANCEL_POLL),
                left => left,
            };
            match self.inbox.recv_timeout(wait) {
                Ok(Event::Chunk(stream, bytes)) => self.take(stream, &bytes),
                Ok(Event::Closed) => self.open -= 1,
                Ok(Event::Exited) => exited = Some(Instant::now()),
                Ok(Event::StdinFailed(error, pipe)) => {
                    group.signal(Signal::KILL);
                    drop(pipe);
                    return Err(RunError::Stdin(error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                // All threads are gone, the waiting one too: it has ended.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if ended != Ended::ByItself {
            group.signal(Signal::KILL);
        }
        // What was sent between the last look into the box and the look at the pipes.
        while let Ok(event) = self.inbox.try_recv() {
            if let Event::Chunk(stream, bytes) = event {
                self.take(stream, &bytes);
            }
        }
        for stream in [Stream::Out, Stream::Err] {
            if let Some(sink) = &mut self.lines {
                self.pending[stream as usize].flush(|line| sink(stream, line));
            }
        }
        Ok(ended)
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.last_chunk = Instant::now();
        self.captures[stream as usize].push(bytes);
        if let Some(sink) = &mut self.lines {
            self.pending[stream as usize].push(bytes, |line| sink(stream, line));
        }
    }
}
