//! Runs a service's `post_start` and `pre_stop` in its containers.

use std::time::Duration;

use super::ActionError;
use crate::docker::{ContainerFacts, Engine, ExecSpec};
use crate::map::hooks::{Hooks, LABEL};
use crate::plan::raw::{PROJECT_LABEL, SERVICE_LABEL};
use crate::site::Site;
use crate::state::store;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(300);

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `post_start`.
    Started,
    /// `pre_stop`.
    Stopping,
}

impl Moment {
    fn key(self) -> &'static str {
        match self {
            Self::Started => "post_start",
            Self::Stopping => "pre_stop",
        }
    }
}

/// Where a service's hooks are.
pub struct Of<'a> {
    /// The server's places.
    pub site: &'a Site,
    /// Project.
    pub project: &'a str,
    /// Service.
    pub service: &'a str,
}

/// Runs the hooks of a service in `container`, one after the other; `line` gets what they print.
///
/// # Errors
/// At the first that ends with another code than 0, takes longer than five minutes, or cannot be run.
pub fn run(
    engine: &dyn Engine,
    of: &Of<'_>,
    container: &str,
    moment: Moment,
    line: &dyn Fn(&str),
) -> Result<(), ActionError> {
    let file = Hooks::file(of.site, of.project, of.service);
    let hooks: Hooks =
        store::read_json(&file).map_err(|error| ActionError::new(error.to_string()))?.unwrap_or_default();
    let commands = match moment {
        Moment::Started => &hooks.post_start,
        Moment::Stopping => &hooks.pre_stop,
    };
    for (index, command) in commands.iter().enumerate() {
        one(engine, container, command, line).map_err(|mut error| {
            error.message = format!("{}[{index}] of {} {}", moment.key(), of.service, error.message);
            error
        })?;
    }
    Ok(())
}

fn one(engine: &dyn Engine, container: &str, command: &ExecSpec, line: &dyn Fn(&str)) -> Result<(), ActionError> {
    let (code, lines) = match engine.container_exec(container, command, LIMIT) {
        Ok(ran) => ran,
        Err(crate::docker::EngineError::TimedOut(limit)) => {
            return Err(ActionError::new(format!("did not end within {} s", limit.as_secs())));
        }
        Err(error) => return Err(ActionError::new(format!("cannot be run: {error}"))),
    };
    lines.iter().for_each(|text| line(text));
    if code == 0 {
        return Ok(());
    }
    let mut error = ActionError::new(format!("ended with exit code {code}"));
    error.lines = lines[lines.len().saturating_sub(20)..].to_vec();
    Err(error)
}

/// Has the program of a container that runs read its configuration again; says whether the container runs.
///
/// # Errors
/// When the command ends with another code than 0, takes longer than five minutes, or cannot be run.
pub fn reload(engine: &dyn Engine, container: &str, command: &[String]) -> Result<bool, ActionError> {
    let facts = engine.container(container).map_err(|error| ActionError::new(error.to_string()))?;
    if facts.is_none_or(|facts| facts.status != "running") {
        return Ok(false);
    }
    let spec = ExecSpec { command: command.to_vec(), ..ExecSpec::default() };
    one(engine, container, &spec, &|_| {}).map(|()| true).map_err(|mut error| {
        error.message = format!("{} {}", command.join(" "), error.message);
        error
    })
}

/// The hooks of a raw container, by its labels; nothing where it has no hooks or does not run.
///
/// # Errors
/// As [`run`].
pub fn of_raw(
    engine: &dyn Engine,
    site: &Site,
    container: &ContainerFacts,
    moment: Moment,
    line: &dyn Fn(&str),
) -> Result<(), ActionError> {
    let label = |name: &str| container.labels.get(name).map_or("", String::as_str);
    if label(LABEL).is_empty() || moment == Moment::Stopping && container.status != "running" {
        return Ok(());
    }
    let of = Of { site, project: label(PROJECT_LABEL), service: label(SERVICE_LABEL) };
    run(engine, &of, &container.id, moment, line)
}
