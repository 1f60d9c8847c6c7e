//! The word to stop, passed from signals and limits to whatever waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// A token that many share; cloning gives the same token.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    parent: Option<Cancel>,
    process: crate::process::Cancel,
    winding_down: AtomicBool,
    undoing: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Cancel {
    /// A token that is cancelled with this one, and may be alone.
    pub fn child(&self) -> Self {
        Self(Arc::new(Inner { parent: Some(self.clone()), process: self.0.process.child(), ..Inner::default() }))
    }

    /// Stops everything as soon as is safe; the first reason stays.
    pub fn cancel(&self, reason: &str) {
        let mut own = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
        own.get_or_insert_with(|| reason.to_owned());
        self.0.process.cancel();
    }

    /// The same wish for child processes.
    pub fn process(&self) -> crate::process::Cancel {
        self.0.process.clone()
    }

    /// Something else failed: what can be broken off without harm (a pull, a wait) may end early.
    pub fn wind_down(&self) {
        self.0.winding_down.store(true, Ordering::SeqCst);
    }

    /// Whether all should stop.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Whether what is harmless to break off should stop.
    pub fn is_winding_down(&self) -> bool {
        self.0.winding_down.load(Ordering::SeqCst)
            || self.is_cancelled()
            || self.0.parent.as_ref().is_some_and(Cancel::is_winding_down)
    }

    /// Why it was cancelled.
    pub fn reason(&self) -> Option<String> {
        let own = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        own.or_else(|| self.0.parent.as_ref()?.reason())
    }

    /// Sleeps, less when cancelled; whether it slept to the end.
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        loop {
            if self.is_cancelled() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(POLL));
        }
    }

    /// The run is being undone from here on: a signal changes nothing any more.
    pub(super) fn set_undoing(&self, undoing: bool) {
        self.0.undoing.store(undoing, Ordering::SeqCst);
    }

    /// Whether a signal now would change nothing because the undo is running.
    pub fn is_undoing(&self) -> bool {
        self.0.undoing.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_hears_its_parent_and_not_the_other_way() {
        let parent = Cancel::default();
        let child = parent.child();
        child.wind_down();
        assert!(child.is_winding_down() && !child.is_cancelled() && !parent.is_winding_down());
        child.cancel("time limit");
        assert!(child.is_cancelled() && !parent.is_cancelled());
        let other = parent.child();
        parent.cancel("SIGINT");
        parent.cancel("SIGTERM");
        assert_eq!(other.reason().as_deref(), Some("SIGINT"));
        assert_eq!(child.reason().as_deref(), Some("time limit"));
    }

    #[test]
    fn a_sleeper_wakes() {
        let cancel = Cancel::default();
        assert!(cancel.sleep(Duration::from_millis(1)));
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| cancel.sleep(Duration::from_secs(60)));
            thread::sleep(Duration::from_millis(30));
            cancel.cancel("SIGINT");
            assert!(!sleeper.join().unwrap());
        });
    }
}
