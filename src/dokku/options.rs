//! Options of the docker command: `docker-options:*`. Nothing here deploys.

use super::{Call, Dokku, DokkuResult, Report};

/// When an option is given to docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Building the image; only what the builder knows is kept.
    Build,
    /// The app's containers.
    Deploy,
    /// `dokku run` and cron.
    Run,
}

impl Phase {
    /// Dokku's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Deploy => "deploy",
            Self::Run => "run",
        }
    }
}

/// An app's stored options, in Dokku's order, each as [`quote_option`](super::quote_option) spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of [`Phase::Build`].
    pub build: Vec<String>,
    /// Of [`Phase::Deploy`], all process types.
    pub deploy: Vec<String>,
    /// Of [`Phase::Run`].
    pub run: Vec<String>,
}

impl Options {
    /// Reads an app's `docker-options:report`.
    pub fn from_report(report: &Report) -> Self {
        Self { build: report.list("build-list"), deploy: report.list("deploy-list"), run: report.list("run-list") }
    }

    /// The options of a phase.
    pub fn of(&self, phase: Phase) -> &[String] {
        match phase {
            Phase::Build => &self.build,
            Phase::Deploy => &self.deploy,
            Phase::Run => &self.run,
        }
    }
}

fn phases(phases: &[Phase]) -> String {
    phases.iter().map(|phase| phase.name()).collect::<Vec<_>>().join(",")
}

/// `docker-options:add APP PHASES OPTION...`, all in one call. Options are quoted by
/// [`quote_option`](super::quote_option) and its kin. What is there already is stored a second time.
pub fn add(app: &str, when: &[Phase], options: &[String]) -> Call {
    let args = [app.to_owned(), phases(when)].into_iter().chain(options.iter().cloned());
    Call::new("docker-options:add", args).about(app)
}

/// `docker-options:remove APP PHASES OPTION...`: every equal one goes; an absent one is no error.
pub fn remove(app: &str, when: &[Phase], options: &[String]) -> Call {
    let args = [app.to_owned(), phases(when)].into_iter().chain(options.iter().cloned());
    Call::new("docker-options:remove", args).about(app)
}

/// `docker-options:clear APP PHASES`.
pub fn clear(app: &str, when: &[Phase]) -> Call {
    Call::new("docker-options:clear", [app.to_owned(), phases(when)]).about(app)
}

impl Dokku {
    /// An app's options (`docker-options:report`).
    pub fn options(&self, app: &str) -> DokkuResult<Options> {
        Ok(Options::from_report(&self.report("docker-options", app)?))
    }
}
