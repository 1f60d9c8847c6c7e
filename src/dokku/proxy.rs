//! The proxy in front of an app: `proxy:*`.

use super::call::SLOW;
use super::property::set_plain;
use super::{Call, Dokku, DokkuResult, Report};

/// A proxy type that no plugin serves: while an app has it, Dokku builds no proxy configuration.
pub const PARKED: &str = "parked";

/// An app's proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The type set for the app, or empty: the global one.
    pub own_type: String,
    /// The type in force, `nginx`.
    pub computed_type: String,
    /// Whether the app has one.
    pub enabled: bool,
}

impl Proxy {
    /// Reads an app's `proxy:report`.
    pub fn from_report(report: &Report) -> Self {
        Self {
            own_type: report.text("type").to_owned(),
            computed_type: report.text("computed-type").to_owned(),
            enabled: report.is_true("enabled"),
        }
    }

    /// Whether an earlier run left it parked.
    pub fn is_parked(&self) -> bool {
        self.own_type == PARKED
    }
}

/// `proxy:set APP type parked`.
pub fn park(app: &str) -> Call {
    set_type(app, PARKED)
}

/// `proxy:set APP type`: back to the global type. The configuration is built by the next deploy, or
/// by [`build_config`].
pub fn unpark(app: &str) -> Call {
    set_type(app, "")
}

/// `proxy:set APP type TYPE`; empty: the global type.
pub fn set_type(app: &str, kind: &str) -> Call {
    set_plain("proxy", app, "type", Some(kind))
}

/// `proxy:set APP disabled true`: one write, where `proxy:disable` also rebuilds and restarts. `false` unsets it.
pub fn set_disabled(app: &str, disabled: bool) -> Call {
    set_plain("proxy", app, "disabled", disabled.then_some("true"))
}

/// `proxy:build-config APP`: brings the proxy in line with an app's ports and domains.
pub fn build_config(app: &str) -> Call {
    Call::new("proxy:build-config", [app]).about(app).limit(SLOW)
}

/// `proxy:clear-config APP`: takes an app's configuration away from the proxy.
pub fn clear_config(app: &str) -> Call {
    Call::new("proxy:clear-config", [app]).about(app).limit(SLOW)
}

/// `nginx:reload`: nginx reads its configuration once more.
pub fn reload_nginx() -> Call {
    Call::new("nginx:reload", [] as [&str; 0])
}

impl Dokku {
    /// An app's proxy (`proxy:report`).
    pub fn proxy(&self, app: &str) -> DokkuResult<Proxy> {
        Ok(Proxy::from_report(&self.report("proxy", app)?))
    }
}
