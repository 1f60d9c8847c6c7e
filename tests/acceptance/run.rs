//! Commands with a limit, their output kept.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a command did.
#[derive(Debug)]
pub struct Output {
    /// The exit status; `None`: killed, at the limit too.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub seconds: f64,
}

impl Output {
    pub fn ok(&self) -> bool {
        self.status == Some(0)
    }

    /// Both streams, for a report.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The last lines of both streams.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Runs `words` in its own process group for at most `limit`, with `stdin` (nothing: the null device).
///
/// The streams go through files, so that what the command leaves running cannot hold them open.
///
/// # Panics
/// Where the program cannot be started at all.
pub fn run(words: &[&str], stdin: Option<File>, limit: Duration) -> Output {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    finish(command, stdin, limit)
}

/// As [`run`], of a prepared command.
pub fn finish(mut command: Command, stdin: Option<File>, limit: Duration) -> Output {
    let mut stdout = tempfile::tempfile().expect("a temporary file");
    let mut stderr = tempfile::tempfile().expect("a temporary file");
    let copy = |file: &File| Stdio::from(file.try_clone().expect("a file descriptor"));
    let start = Instant::now();
    let mut child = command
        .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
        .stdout(copy(&stdout))
        .stderr(copy(&stderr))
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = loop {
        match child.try_wait().expect("a child of this process") {
            Some(status) => break status.code(),
            None if start.elapsed() > limit => {
                kill(child.id());
                drop(child.wait());
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let text = |file: &mut File| {
        use std::io::Seek;
        let mut bytes = Vec::new();
        drop(file.rewind());
        drop(file.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Output { status, stdout: text(&mut stdout), stderr: text(&mut stderr), seconds }
}

fn kill(group: u32) {
    let group = i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        std::thread::sleep(Duration::from_secs(5));
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// A quick command that has to succeed; its standard output.
///
/// # Errors
/// The command and the end of what it said.
pub fn expect(words: &[&str]) -> Result<String, String> {
    let output = run(words, None, Duration::from_secs(120));
    if output.ok() {
        Ok(output.stdout)
    } else {
        Err(format!("{}: status {:?}: {}", words.join(" "), output.status, output.tail(12)))
    }
}
