//! Waiting for a container to become what others need of it.

use std::time::{Duration, Instant};

use super::{Engine, EngineError, EngineResult};
use crate::process::Cancel;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// It runs (`service_started`).
    Running,
    /// Its health check succeeds (`service_healthy`).
    Healthy,
    /// It has come to its end (`service_completed_successfully` asks for the code).
    Exited,
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was wanted; not given for [`Want::Exited`].
    Ready,
    /// Its health check failed as often as it may.
    Unhealthy,
    /// Health was wanted of a running container that has no health check.
    NoHealthCheck,
    /// It has ended with this code, and is not restarted.
    Exited(i64),
    /// It ends again and again; the last code.
    RestartLoop(i64),
    /// There is no such container.
    Gone,
    /// The limit was reached first.
    TimedOut,
    /// The run was cancelled first.
    Cancelled,
}

/// So many restarts while it was waited for are a loop.
const LOOP: i64 = 3;

/// Looks at `container` every `poll` until it is what is wanted, cannot become it, `limit` is
/// reached or `cancel` is cancelled. An engine that does not answer for a while is asked again.
pub fn wait_ready(
    engine: &dyn Engine,
    container: &str,
    want: Want,
    limit: Duration,
    poll: Duration,
    cancel: &Cancel,
) -> EngineResult<Verdict> {
    let started = Instant::now();
    let mut first_restarts = None;
    loop {
        if cancel.is_cancelled() {
            return Ok(Verdict::Cancelled);
        }
        let over = started.elapsed() >= limit;
        match engine.container(container) {
            Ok(None) => return Ok(Verdict::Gone),
            Ok(Some(facts)) => {
                let restarts = facts.restarts - *first_restarts.get_or_insert(facts.restarts);
                let verdict = match (facts.status.as_str(), want, facts.health.as_str()) {
                    ("exited" | "dead", ..) => Some(Verdict::Exited(facts.exit_code)),
                    _ if restarts >= LOOP => Some(Verdict::RestartLoop(facts.exit_code)),
                    ("running", Want::Running, _) | ("running", Want::Healthy, "healthy") => Some(Verdict::Ready),
                    ("running", Want::Healthy, "unhealthy") => Some(Verdict::Unhealthy),
                    ("running", Want::Healthy, "") => Some(Verdict::NoHealthCheck),
                    _ => None,
                };
                if let Some(verdict) = verdict {
                    return Ok(verdict);
                }
                if over {
                    return Ok(Verdict::TimedOut);
                }
            }
            Err(EngineError::Unreachable(_) | EngineError::TimedOut(_)) if !over => {}
            Err(EngineError::Cancelled) => return Ok(Verdict::Cancelled),
            Err(error) => return Err(error),
        }
        pause(poll.min(limit.saturating_sub(started.elapsed())), cancel);
    }
}

/// Sleeps, but not through a cancellation.
fn pause(time: Duration, cancel: &Cancel) {
    let until = Instant::now() + time.max(Duration::from_millis(1));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if cancel.is_cancelled() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
