//! What somebody changed by hand, in sentences: what, from what to what, by whom where Dokku's log tells.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::session::Session;
use crate::dokku::events::{self, Told};
use crate::map::resources::{Desired, Kind};
use crate::observe::Observed;
use crate::plan::changes::{self, Change};

/// A change with who made it.
pub(super) struct Drift {
    pub(super) change: Change,
    told: Option<Told>,
}

impl Drift {
    /// `limit.memory is 1g, was 256m: an import restores it`.
    pub(super) fn sentence(&self) -> String {
        let Change { field, before, after, .. } = &self.change;
        let what = match (before, after) {
            (Some(before), Some(after)) if before == after => {
                format!("{field} was changed by hand; an import restores it")
            }
            (Some(before), Some(after)) => {
                format!("{field} was changed by hand from {before} to {after}; an import restores it")
            }
            (Some(before), None) => format!("{field} ({before}) was removed by hand; an import restores it"),
            (None, Some(after)) if after == "(hidden)" || after == "set" => {
                format!("{field} was added by hand and is kept")
            }
            (None, _) => format!("{field} {} was added by hand and is kept", after.clone().unwrap_or_default()),
        };
        match &self.told {
            Some(told) if told.who.is_empty() => format!("{what} (at {}, in the server's shell)", told.at),
            Some(told) => format!("{what} (at {} by {})", told.at, told.who),
            None => what,
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "field": self.change.field, "before": self.change.before, "after": self.change.after,
            "at": self.told.as_ref().map(|told| &told.at), "who": self.told.as_ref().map(|told| &told.who),
        })
    }
}

/// The hand changes of all apps that were read, by service. `since`: when the project was imported last.
pub(super) fn by_service(
    session: &Session,
    applied: &Desired,
    observed: &Observed,
    since: &str,
) -> BTreeMap<String, Vec<Drift>> {
    let mut out: BTreeMap<String, Vec<Drift>> = BTreeMap::new();
    let mut log = None;
    for service in applied.services.values() {
        let Kind::App(app) = &service.kind else { continue };
        let Some(now) = observed.apps.get(&app.app) else { continue };
        for change in changes::by_hand(&service.name, app, now) {
            let log = log.get_or_insert_with(|| events::read(&session.site.event_log, since));
            let told = events::explains(log, &app.app, &change.field).cloned();
            out.entry(service.name.clone()).or_default().push(Drift { change, told });
        }
    }
    out
}
