//! The gate: what a new container has to show before its dependents start.

use std::time::{Duration, Instant};

use super::{ActionError, Done, Ran, Step};
use crate::apply::Cancel;
use crate::docker::{ContainerFacts, Engine};
use crate::map::resources::Gate;
use crate::plan::AwaitTarget;

/// How often the engine may restart a container without a health check before that is called a failure: about half
/// a minute, in which a service that gives up until its database answers has its chance.
const MOST_RESTARTS: i64 = 8;
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(250);

pub(super) fn wait(step: &Step<'_>, target: &AwaitTarget, gate: &Gate) -> Ran {
    let limit = step.context.remaining().min(Duration::from_secs(gate.limit));
    let pause = || {
        step.context.check(true)?;
        step.context.cancel.sleep(POLL);
        Ok(())
    };
    let detail = pass(step.engine(), gate, limit, || containers(step, target), pause)?;
    Ok(Done { detail, ..Done::default() })
}

/// Waits for one container; `healthy after 3.2 s`.
///
/// # Errors
/// Why it did not pass the gate, with the last lines of its log and what its health check said.
pub fn await_container(
    engine: &dyn Engine,
    container: &str,
    gate: &Gate,
    cancel: &Cancel,
) -> Result<String, ActionError> {
    let find = || Ok(engine.container(container)?.into_iter().collect());
    let pause = || {
        cancel.sleep(POLL);
        Ok(())
    };
    pass(engine, gate, Duration::from_secs(gate.limit), find, pause)
}

/// Looks again and again, for at most `limit`, whether what `find` gives passes.
fn pass(
    engine: &dyn Engine,
    gate: &Gate,
    limit: Duration,
    find: impl Fn() -> Result<Vec<ContainerFacts>, ActionError>,
    pause: impl Fn() -> Result<(), ActionError>,
) -> Result<String, ActionError> {
    let begun = Instant::now();
    let mut watch = Watch::default();
    loop {
        let containers = find()?;
        match watch.look(&containers, gate, begun.elapsed()) {
            Verdict::Ready => {
                let word = if gate.healthy { "healthy" } else { "up" };
                return Ok(format!("{word} after {:.1} s", begun.elapsed().as_secs_f64()));
            }
            Verdict::Failed(message, failed) => return Err(refused(engine, message, Some(*failed))),
            Verdict::Wait if begun.elapsed() >= limit => {
                let goal = if gate.healthy { "healthy" } else { "up for a moment" };
                let message = format!("was not {goal} within {} s", limit.as_secs_f64().round());
                return Err(refused(engine, message, containers.into_iter().next()));
            }
            Verdict::Wait => pause()?,
        }
    }
}

/// The error with the container's last lines and what its health check said: `curl: not found` is seen nowhere else.
fn refused(engine: &dyn Engine, message: String, container: Option<ContainerFacts>) -> ActionError {
    let mut error = ActionError::new(message);
    if let Some(container) = container {
        error.lines = engine.container_logs(&container.name, 20).unwrap_or_default();
        error.lines.extend(container.failed_check.lines().map(|line| format!("health check: {line}")));
    }
    error
}

fn containers(step: &Step<'_>, target: &AwaitTarget) -> Result<Vec<ContainerFacts>, ActionError> {
    let engine = step.engine();
    let names: Vec<String> = match target {
        AwaitTarget::Container(name) => vec![name.clone()],
        AwaitTarget::App(app) => {
            let label = format!("com.dokku.app-name={app}");
            let listed = engine.containers(&[&label, "com.dokku.process-type=web"])?;
            current(&step.runner.site, app, listed)
        }
    };
    let mut out = Vec::new();
    for name in names {
        out.extend(engine.container(&name)?);
    }
    Ok(out)
}

/// The containers that Dokku routes to; older ones live on for a while to be retired.
fn current(site: &crate::site::Site, app: &str, listed: Vec<ContainerFacts>) -> Vec<String> {
    let dir = site.dokku_root.join(app);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("CONTAINER.web.") {
            ids.extend(std::fs::read_to_string(entry.path()).ok().map(|id| id.trim().to_owned()));
        }
    }
    ids.sort();
    if ids.is_empty() { listed.into_iter().map(|one| one.id).collect() } else { ids }
}

enum Verdict {
    Ready,
    Wait,
    Failed(String, Box<ContainerFacts>),
}

/// A container's id, restarts and status.
type Seen = (String, i64, String);

/// Restarts and times seen so far.
#[derive(Default)]
struct Watch {
    steady: Option<(Duration, Vec<Seen>)>,
}

impl Watch {
    fn look(&mut self, containers: &[ContainerFacts], gate: &Gate, now: Duration) -> Verdict {
        if containers.is_empty() {
            return Verdict::Wait;
        }
        for one in containers {
            match (one.status.as_str(), one.health.as_str()) {
                ("created" | "exited" | "dead", _) if !one.error.is_empty() => {
                    let message = format!("{} did not start: {}", one.name, one.error);
                    return Verdict::Failed(message, one.clone().into());
                }
                ("exited" | "dead", _) => {
                    let message = format!("{} ended with exit code {}", one.name, one.exit_code);
                    return Verdict::Failed(message, one.clone().into());
                }
                (_, "") if one.restarts >= MOST_RESTARTS => {
                    let message = format!("{} ends again and again, last with exit code {}", one.name, one.exit_code);
                    return Verdict::Failed(message, one.clone().into());
                }
                (_, "unhealthy") if gate.healthy => {
                    return Verdict::Failed(format!("{} is unhealthy", one.name), one.clone().into());
                }
                _ => {}
            }
        }
        if gate.healthy {
            let all = containers.iter().all(|one| one.health == "healthy");
            // An image whose check is not known to the engine any more has nothing to wait for.
            let none = containers.iter().all(|one| one.health.is_empty() && one.status == "running");
            if all {
                return Verdict::Ready;
            }
            if !none {
                return Verdict::Wait;
            }
        }
        let state: Vec<Seen> =
            containers.iter().map(|one| (one.id.clone(), one.restarts, one.status.clone())).collect();
        if containers.iter().any(|one| one.status != "running") {
            self.steady = None;
            return Verdict::Wait;
        }
        match &self.steady {
            Some((since, known)) if *known == state => {
                if now.saturating_sub(*since) >= Duration::from_secs(gate.settle) {
                    Verdict::Ready
                } else {
                    Verdict::Wait
                }
            }
            _ => {
                self.steady = Some((now, state));
                if gate.settle == 0 { Verdict::Ready } else { Verdict::Wait }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(status: &str, health: &str, restarts: i64) -> ContainerFacts {
        ContainerFacts {
            id: "1".into(),
            name: "db".into(),
            status: status.into(),
            health: health.into(),
            restarts,
            ..ContainerFacts::default()
        }
    }

    fn ready(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Ready)
    }

    #[test]
    fn health_decides_where_there_is_a_check() {
        let gate = Gate { healthy: true, ..Gate::default() };
        let mut watch = Watch::default();
        let at = Duration::from_secs;
        assert!(matches!(watch.look(&[one("running", "starting", 0)], &gate, at(0)), Verdict::Wait));
        assert!(ready(&watch.look(&[one("running", "healthy", 0)], &gate, at(1))));
        let bad = watch.look(&[one("running", "unhealthy", 0)], &gate, at(1));
        assert!(matches!(bad, Verdict::Failed(..)));
    }

    #[test]
    fn without_a_check_it_must_stay_up_without_a_restart() {
        let gate = Gate::default();
        let mut watch = Watch::default();
        let at = Duration::from_secs;
        assert!(!ready(&watch.look(&[one("running", "", 0)], &gate, at(0))));
        assert!(!ready(&watch.look(&[one("restarting", "", 1)], &gate, at(1))));
        assert!(!ready(&watch.look(&[one("running", "", 1)], &gate, at(2))));
        assert!(!ready(&watch.look(&[one("running", "", 1)], &gate, at(3))));
        assert!(ready(&watch.look(&[one("running", "", 1)], &gate, at(4))));
        assert!(matches!(watch.look(&[one("restarting", "", MOST_RESTARTS)], &gate, at(5)), Verdict::Failed(..)));
        let ended = watch.look(&[one("exited", "", 1)], &gate, at(5));
        assert!(matches!(ended, Verdict::Failed(..)));
    }
}
