//! Domains: `domains:*`.

use super::call::SLOW;
use super::{Call, Dokku, DokkuResult, Report};

/// An app's or the server's domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    /// Whether virtual hosts are used.
    pub enabled: bool,
    /// The names.
    pub names: Vec<String>,
}

impl Domains {
    /// Reads an app's `domains:report`.
    pub fn from_report(report: &Report) -> Self {
        Self { enabled: report.is_true("app-enabled"), names: report.list("app-vhosts") }
    }

    /// Reads the server's own domains from any `domains:report`.
    pub fn global_from_report(report: &Report) -> Self {
        Self { enabled: report.is_true("global-enabled"), names: report.list("global-vhosts") }
    }
}

fn change(command: &str, app: &str, names: &[&str]) -> Call {
    Call::new(command, std::iter::once(app).chain(names.iter().copied())).about(app).limit(SLOW)
}

/// `domains:set APP NAME...`: exactly these, of which there must be some.
pub fn set(app: &str, names: &[&str]) -> Call {
    change("domains:set", app, names)
}

/// `domains:add APP NAME...`: what is there already is skipped.
pub fn add(app: &str, names: &[&str]) -> Call {
    change("domains:add", app, names)
}

/// `domains:remove APP NAME...`.
pub fn remove(app: &str, names: &[&str]) -> Call {
    change("domains:remove", app, names)
}

/// `domains:clear APP`: none.
pub fn clear(app: &str) -> Call {
    change("domains:clear", app, &[])
}

/// `domains:disable APP`: nginx then serves it on a port instead of names.
pub fn disable(app: &str) -> Call {
    change("domains:disable", app, &[])
}

/// `domains:enable APP`.
pub fn enable(app: &str) -> Call {
    change("domains:enable", app, &[])
}

impl Dokku {
    /// An app's domains (`domains:report APP`, 0.15 s).
    pub fn domains(&self, app: &str) -> DokkuResult<Domains> {
        Ok(Domains::from_report(&self.report("domains", app)?))
    }

    /// The server's domains, below which apps get their names (`domains:report --global`).
    pub fn global_domains(&self) -> DokkuResult<Domains> {
        Ok(Domains::global_from_report(&self.global_report("domains")?))
    }
}
