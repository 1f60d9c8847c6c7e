//! Signals: SIGINT, SIGTERM and SIGHUP stop a run, which is then undone. They never stop an undo.
//!
//! SIGPIPE needs nothing here: Rust programs start with it ignored, so a reader that went away is an
//! error of the write and not the end of the process.

use std::io;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Incoming};

use super::cancel::Cancel;

/// Signals that are listened to; they stay so until this is dropped.
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `SIGINT`.
    pub name: &'static str,
    /// Which one it is, from 1.
    pub count: u32,
    /// The run is being undone, which goes on.
    pub undoing: bool,
}

impl Notice {
    /// What to tell the user.
    pub fn message(&self) -> String {
        if self.undoing {
            format!("{}: the undo goes on, stopping it would leave the server in between", self.name)
        } else if self.count == 1 {
            format!("{}: stopping and undoing what was done", self.name)
        } else {
            format!("{}: already stopping; what was done is undone first", self.name)
        }
    }
}

impl Signals {
    /// Cancels `cancel` at the first signal and tells of every one, from a thread of its own. A signal that the
    /// process was started with ignored (`nohup`) stays ignored.
    pub fn listen(cancel: Cancel, tell: impl Fn(Notice) + Send + 'static) -> io::Result<Self> {
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut incoming = Incoming::new(wanted)?;
        let handle = incoming.handle();
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for (count, signal) in (1..).zip(incoming.forever()) {
                let name = match signal {
                    SIGINT => "SIGINT",
                    SIGTERM => "SIGTERM",
                    _ => "SIGHUP",
                };
                let undoing = cancel.is_undoing();
                cancel.cancel(&format!("stopped by {name}"));
                tell(Notice { name, count, undoing });
            }
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Signals that this process ignores, one bit each (`SigIgn` in proc(5)); none where that cannot be read.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[test]
    fn signals_cancel_and_are_told() {
        assert_eq!(ignored() >> (signal_hook::consts::SIGPIPE - 1) & 1, 1, "SIGPIPE is not ignored");
        let cancel = Cancel::default();
        let (send, receive) = mpsc::channel();
        let signals = Signals::listen(cancel.clone(), move |notice| send.send(notice).unwrap()).unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        let first = receive.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(first, Notice { name: "SIGTERM", count: 1, undoing: false });
        assert_eq!(cancel.reason().as_deref(), Some("stopped by SIGTERM"));
        cancel.set_undoing(true);
        kill_process(getpid(), Signal::HUP).unwrap();
        let second = receive.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(second, Notice { name: "SIGHUP", count: 2, undoing: true });
        assert!(second.message().contains("the undo goes on"));
        drop(signals);
    }
}
