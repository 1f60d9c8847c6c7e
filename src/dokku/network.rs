//! Networks: `network:*`.

use super::property::set_plain;
use super::{Call, Dokku, DokkuError, DokkuResult, Report};

/// An app's networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppNetworks {
    /// The network that its containers are created on, or empty: the default bridge.
    pub initial: String,
    /// Networks joined between create and start (Dokku joins the first only).
    pub post_create: Vec<String>,
    /// Networks joined after the checks.
    pub post_deploy: Vec<String>,
    /// Whether its port is published on every address of the host; empty where not set.
    pub bind_all_interfaces: String,
}

impl AppNetworks {
    /// Reads an app's `network:report`.
    pub fn from_report(report: &Report) -> Self {
        Self {
            initial: report.text("initial-network").to_owned(),
            post_create: report.list("attach-post-create"),
            post_deploy: report.list("attach-post-deploy"),
            bind_all_interfaces: report.text("bind-all-interfaces").to_owned(),
        }
    }
}

/// `network:create NAME`: a bridge with Dokku's label and no options; an existing one is an error.
pub fn create(name: &str) -> Call {
    Call::new("network:create", [name])
}

/// `network:destroy --force NAME`: fails while containers are on it, retired ones too.
pub fn destroy(name: &str) -> Call {
    Call::new("network:destroy", ["--force", name])
}

/// `network:set APP KEY [VALUE...]`; no value unsets it. Nothing is restarted.
pub fn set(app: &str, key: &str, values: &[&str]) -> Call {
    let args = [app, key].into_iter().chain(values.iter().copied());
    Call::new("network:set", args).about(app)
}

/// `network:set APP initial-network [NETWORK]`.
pub fn set_initial(app: &str, network: &str) -> Call {
    set_plain("network", app, "initial-network", Some(network))
}

/// `network:set APP bind-all-interfaces false`: else any `plugin:install` publishes the app's port.
pub fn keep_inside(app: &str) -> Call {
    set_plain("network", app, "bind-all-interfaces", Some("false"))
}

impl Dokku {
    /// Whether there is such a network (`network:exists NAME`).
    pub fn network_exists(&self, name: &str) -> DokkuResult<bool> {
        match self.call(Call::new("network:exists", [name])) {
            Ok(_) => Ok(true),
            Err(error @ DokkuError::Failed { exit: 1, .. }) if error.says("Network does not exist") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An app's networks (`network:report`).
    pub fn networks(&self, app: &str) -> DokkuResult<AppNetworks> {
        Ok(AppNetworks::from_report(&self.report("network", app)?))
    }
}
