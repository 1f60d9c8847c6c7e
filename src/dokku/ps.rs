//! Processes: `ps:*`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::call::{DEPLOY, SLOW};
use super::{Call, Dokku, DokkuResult, NotExpressible, property};

/// `ps:scale --skip-deploy APP TYPE=COUNT...`: stored only. Types that are not named stay.
pub fn scale<'t>(app: &str, counts: impl IntoIterator<Item = (&'t str, u32)>) -> Call {
    let counts = counts.into_iter().map(|(kind, count)| format!("{kind}={count}"));
    Call::new("ps:scale", ["--skip-deploy".to_owned(), app.to_owned()].into_iter().chain(counts)).about(app)
}

/// `ps:scale APP TYPE=COUNT...`: deploys the types whose count changes.
pub fn scale_now<'t>(app: &str, counts: impl IntoIterator<Item = (&'t str, u32)>) -> Call {
    let counts = counts.into_iter().map(|(kind, count)| format!("{kind}={count}"));
    Call::new("ps:scale", std::iter::once(app.to_owned()).chain(counts)).about(app).limit(DEPLOY)
}

/// `ps:restart APP`: new containers of the image that is there, with the options and variables of
/// now. An app that was never deployed is left alone (exit code 0).
pub fn restart(app: &str) -> Call {
    Call::new("ps:restart", [app]).about(app).limit(DEPLOY)
}

/// `ps:rebuild APP`: builds and deploys the source that is there.
pub fn rebuild(app: &str) -> Call {
    Call::new("ps:rebuild", [app]).about(app).limit(DEPLOY)
}

/// `ps:stop APP`: also after a reboot it stays stopped.
pub fn stop(app: &str) -> Call {
    Call::new("ps:stop", [app]).about(app).limit(SLOW)
}

/// `ps:start APP`.
pub fn start(app: &str) -> Call {
    Call::new("ps:start", [app]).about(app).limit(DEPLOY)
}

/// `ps:retire APP`: removes old containers whose time is over.
pub fn retire(app: &str) -> Call {
    Call::new("ps:retire", [app]).about(app).limit(SLOW)
}

/// `ps:set APP KEY [VALUE]`: `restart-policy`, `stop-timeout-seconds`, `dockerfile-start-cmd`
/// (see [`quote_command`](super::quote_command)), `procfile-path`.
pub fn set(app: &str, key: &str, value: Option<&str>) -> Result<Call, NotExpressible> {
    property::set("ps", app, key, value)
}

#[derive(Deserialize)]
struct Scale {
    process_type: String,
    quantity: u32,
}

impl Dokku {
    /// One property of an app's processes as set, empty where not (`ps:report APP --ps-KEY`, 0.04 s; the whole
    /// report takes a second).
    pub fn ps_property(&self, app: &str, key: &str) -> DokkuResult<String> {
        let flag = format!("--ps-{key}");
        let reply = self.call(Call::new("ps:report", [app, &flag]).about(app))?;
        Ok(reply.stdout.trim().to_owned())
    }

    /// How many processes of each type an app shall have (`ps:scale APP --format json`).
    pub fn scale(&self, app: &str) -> DokkuResult<BTreeMap<String, u32>> {
        let types: Vec<Scale> = self.call(Call::new("ps:scale", [app, "--format", "json"]).about(app))?.json()?;
        Ok(types.into_iter().map(|scale| (scale.process_type, scale.quantity)).collect())
    }
}
