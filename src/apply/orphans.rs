//! Processes that an interrupted run left behind: a killed program's `dokku` deploys on, and an undo
//! beside it would undo nothing.
//!
//! Every child of a run carries the run's id in its environment and hands it on to its own children.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that every child process of a run must have, with the run's id.
pub const RUN_VARIABLE: &str = "DOKKU_COMPOSE_RUN";

const POLL: Duration = Duration::from_millis(50);
/// What a process gets between SIGTERM and SIGKILL, and after that.
const GRACE: Duration = Duration::from_secs(10);

/// Processes of `run` that still live, as far as this user may see them; never this process.
pub fn orphans(run: &str) -> Vec<Pid> {
    let wanted = format!("{RUN_VARIABLE}={run}");
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| *name != own) else {
            continue;
        };
        let Some(pid) = name.parse().ok().and_then(Pid::from_raw) else {
            continue;
        };
        // The environment of a process that has ended but was not reaped is empty.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

/// Waits until no process of `run` lives; those that live after `patience` are ended. How many are left all the same.
pub fn outlive(run: &str, patience: Duration) -> usize {
    for (signal, wait) in [(None, patience), (Some(Signal::TERM), GRACE), (Some(Signal::KILL), GRACE)] {
        let until = Instant::now() + wait;
        if let Some(signal) = signal {
            for pid in orphans(run) {
                // One that has ended since needs none.
                let _ = kill_process(pid, signal);
            }
        }
        // A process that is just becoming another program shows no environment for a moment: none twice is none.
        let mut none_before = false;
        loop {
            let none = orphans(run).is_empty();
            if none && none_before {
                return 0;
            }
            none_before = none;
            if Instant::now() >= until {
                break;
            }
            thread::sleep(POLL);
        }
    }
    orphans(run).len()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(run: &str, script: &str) -> Child {
        Command::new("sh").args(["-c", script]).env(RUN_VARIABLE, run).spawn().unwrap()
    }

    #[test]
    fn children_and_their_children_are_found_and_outlived() {
        let run = format!("test-{}-short", std::process::id());
        assert!(orphans(&run).is_empty());
        let mut child = sleeper(&run, "sleep 1 & wait");
        // Until it has become the shell, its environment is not to be seen.
        while orphans(&run).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended unseen");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(orphans(&format!("{run}er")).is_empty());
        let began = Instant::now();
        assert_eq!(outlive(&run, Duration::from_secs(20)), 0);
        assert!(began.elapsed() < Duration::from_secs(15));
        assert!(child.wait().unwrap().success(), "it was let end by itself");
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let run = format!("test-{}-long", std::process::id());
        let mut child = sleeper(&run, "sleep 300 & wait");
        while orphans(&run).len() < 2 {
            thread::sleep(POLL);
        }
        assert_eq!(outlive(&run, Duration::from_millis(60)), 0);
        assert!(!child.wait().unwrap().success());
    }
}
