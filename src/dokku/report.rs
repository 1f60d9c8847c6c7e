//! Reports: `PLUGIN:report --format json`, one object of strings an app.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::call::SLOW;
use super::{Call, Dokku, DokkuError, DokkuResult};

/// One app's report of one plugin. Dokku gives most keys twice, with and without the plugin's
/// name in front; the ones without are meant to stay.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Report(BTreeMap<String, Value>);

/// Reports of one plugin by app.
pub type Reports = BTreeMap<String, Report>;

impl Report {
    /// A key's text; empty where it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a key says `true`.
    pub fn is_true(&self, key: &str) -> bool {
        self.text(key) == "true"
    }

    /// A key's items: an array, or words separated by spaces or commas.
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.0.get(key) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(text)) => {
                text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// All keys that hold text, with their texts.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Report {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Dokku {
    /// One app's report of `plugin` (`network:report APP --format json`).
    pub fn report(&self, plugin: &str, app: &str) -> DokkuResult<Report> {
        self.call(Call::new(&format!("{plugin}:report"), [app, "--format", "json"]).about(app))?.json()
    }

    /// The global report of `plugin` (`domains:report --global --format json`).
    pub fn global_report(&self, plugin: &str) -> DokkuResult<Report> {
        self.call(Call::new(&format!("{plugin}:report"), ["--global", "--format", "json"]))?.json()
    }

    /// The reports of `plugin` for `apps`, which is what [`Dokku::apps`] answered.
    ///
    /// One call for all: Dokku prints one object an app, without its name, in the order of its list
    /// of apps. Where their number is another, because an app came or went, or where one app's
    /// report fails the whole, each app is asked for itself; apps that are gone by then are left out.
    /// An app that went while another came is not noticed here: see [`Dokku::all_reports`].
    pub fn reports(&self, plugin: &str, apps: &[String]) -> DokkuResult<Reports> {
        if apps.is_empty() {
            return Ok(Reports::new());
        }
        let all = Call::new(&format!("{plugin}:report"), ["--format", "json"]).limit(SLOW);
        let lines: DokkuResult<Vec<Report>> = self.call(all).and_then(|reply| reply.json_lines());
        match lines {
            Ok(lines) if lines.len() == apps.len() => Ok(apps.iter().cloned().zip(lines).collect()),
            Ok(_) | Err(DokkuError::Failed { .. } | DokkuError::UnknownApp { .. } | DokkuError::Unreadable { .. }) => {
                self.reports_one_by_one(plugin, apps)
            }
            Err(error) => Err(error),
        }
    }

    fn reports_one_by_one(&self, plugin: &str, apps: &[String]) -> DokkuResult<Reports> {
        let mut reports = Reports::new();
        for app in apps {
            match self.report(plugin, app) {
                Ok(report) => drop(reports.insert(app.clone(), report)),
                Err(DokkuError::UnknownApp { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    /// The reports of several plugins and the apps they are of, taken while no app came or went.
    ///
    /// Up to `parallel` calls run at once. The list of apps is read before and after; when it
    /// changed between, all is read again, and after the third time each app is asked for itself.
    pub fn all_reports(
        &self,
        plugins: &[&str],
        parallel: usize,
    ) -> DokkuResult<(Vec<String>, BTreeMap<String, Reports>)> {
        let mut apps = self.apps()?;
        for _ in 0..3 {
            let reports = in_parallel(plugins, parallel, |plugin| self.reports(plugin, &apps))?;
            let after = self.apps()?;
            if after == apps {
                return Ok((apps, reports));
            }
            apps = after;
        }
        let reports = in_parallel(plugins, parallel, |plugin| self.reports_one_by_one(plugin, &apps))?;
        Ok((apps, reports))
    }
}

/// Runs `ask` for every plugin, at most `parallel` at once; the first error in their order wins.
fn in_parallel(
    plugins: &[&str],
    parallel: usize,
    ask: impl Fn(&str) -> DokkuResult<Reports> + Sync,
) -> DokkuResult<BTreeMap<String, Reports>> {
    let mut all = BTreeMap::new();
    for some in plugins.chunks(parallel.max(1)) {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|plugin| scope.spawn(|| ask(plugin))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        for (plugin, answer) in some.iter().zip(answers) {
            all.insert((*plugin).to_owned(), answer?);
        }
    }
    Ok(all)
}
