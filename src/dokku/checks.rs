//! Checks of a deploy: `checks:*`. All of them only write properties.

use super::property::set_plain;
use super::{Call, Dokku, DokkuResult, Report};

/// An app's checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Process types that are stopped before the new ones start, and not checked; `_all_`: all.
    pub disabled: Vec<String>,
    /// Process types that are not checked; `_all_`: all.
    pub skipped: Vec<String>,
    /// Seconds that old containers live on, as set for the app, or empty.
    pub wait_to_retire: String,
}

impl Checks {
    /// Reads an app's `checks:report`.
    pub fn from_report(report: &Report) -> Self {
        let list = |key| report.list(key).into_iter().filter(|word| word != "none").collect();
        Self {
            disabled: list("disabled-list"),
            skipped: list("skipped-list"),
            wait_to_retire: report.text("wait-to-retire").to_owned(),
        }
    }
}

fn change(command: &str, app: &str, processes: &[&str]) -> Call {
    let list = processes.join(",");
    let args = std::iter::once(app.to_owned()).chain((!list.is_empty()).then_some(list));
    Call::new(command, args).about(app)
}

/// `checks:disable APP [PROCESS,...]`: the old container stops before the new one starts; no checks.
pub fn disable(app: &str, processes: &[&str]) -> Call {
    change("checks:disable", app, processes)
}

/// `checks:skip APP [PROCESS,...]`: both overlap; no checks.
pub fn skip(app: &str, processes: &[&str]) -> Call {
    change("checks:skip", app, processes)
}

/// `checks:enable APP [PROCESS,...]`: undoes both.
pub fn enable(app: &str, processes: &[&str]) -> Call {
    change("checks:enable", app, processes)
}

/// `checks:set APP wait-to-retire [SECONDS]`; the only property that `checks:set` takes.
pub fn set_wait_to_retire(app: &str, seconds: Option<u32>) -> Call {
    set_plain("checks", app, "wait-to-retire", seconds.map(|seconds| seconds.to_string()).as_deref())
}

impl Dokku {
    /// An app's checks (`checks:report`).
    pub fn checks(&self, app: &str) -> DokkuResult<Checks> {
        Ok(Checks::from_report(&self.report("checks", app)?))
    }
}
