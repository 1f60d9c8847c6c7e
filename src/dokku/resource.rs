//! Limits and reservations: `resource:*`. They take effect when containers are made.

use std::collections::BTreeMap;

use super::{Call, Dokku, DokkuResult, NotExpressible, Report};

/// Amounts by Dokku's names for them (`cpu`, `memory`, `memory-swap`, `nvidia-gpu`), in its units:
/// `0.5`, `64m` (lower case; a bare number is in MB).
pub type Amounts = BTreeMap<String, String>;

/// An app's limits and reservations for all process types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// What it may use at most.
    pub limit: Amounts,
    /// What it is promised.
    pub reserve: Amounts,
}

impl Resources {
    /// Reads an app's `resource:report`: the scope `_default_`, which a process type's own wins over.
    pub fn from_report(report: &Report) -> Self {
        let scope = |prefix: &str| {
            let known = report.texts().filter(|(_, value)| !value.is_empty());
            known.filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.to_owned()))).collect()
        };
        Self { limit: scope("_default_.limit."), reserve: scope("_default_.reserve.") }
    }
}

const KNOWN: &[&str] = &["cpu", "memory", "memory-swap", "network", "network-ingress", "network-egress", "nvidia-gpu"];

fn change(command: &str, app: &str, amounts: &Amounts) -> Result<Call, NotExpressible> {
    let mut args = Vec::new();
    for (name, amount) in amounts {
        if !KNOWN.contains(&name.as_str()) {
            return Err(NotExpressible::new(format!("{command} {name}"), "Dokku has no such resource"));
        }
        // Dokku adds its own `m` to what does not end in b, k, m or g.
        if amount.ends_with(|c: char| c.is_ascii_uppercase()) {
            return Err(NotExpressible::new(format!("{command} {name}"), "Dokku takes lower-case units only"));
        }
        args.push(format!("--{name}={amount}"));
    }
    args.push(app.to_owned());
    Ok(Call::new(command, args).about(app))
}

/// `resource:limit --NAME=AMOUNT... APP`: sets these amounts, leaves the others.
pub fn limit(app: &str, amounts: &Amounts) -> Result<Call, NotExpressible> {
    change("resource:limit", app, amounts)
}

/// `resource:reserve --NAME=AMOUNT... APP`: likewise.
pub fn reserve(app: &str, amounts: &Amounts) -> Result<Call, NotExpressible> {
    change("resource:reserve", app, amounts)
}

/// `resource:limit-clear APP`.
pub fn clear_limit(app: &str) -> Call {
    Call::new("resource:limit-clear", [app]).about(app)
}

/// `resource:reserve-clear APP`.
pub fn clear_reserve(app: &str) -> Call {
    Call::new("resource:reserve-clear", [app]).about(app)
}

impl Dokku {
    /// An app's limits and reservations (`resource:report`).
    pub fn resources(&self, app: &str) -> DokkuResult<Resources> {
        Ok(Resources::from_report(&self.report("resource", app)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_units_and_unknown_names_are_refused() {
        let amounts = |name: &str, amount: &str| Amounts::from([(name.to_owned(), amount.to_owned())]);
        assert!(limit("shop", &amounts("memory", "50M")).is_err());
        assert!(limit("shop", &amounts("pids", "5")).is_err());
        let line = limit("shop", &amounts("memory-swap", "-1")).map(|call| call.to_string());
        assert_eq!(line.as_deref(), Ok("dokku resource:limit --memory-swap=-1 shop"));
    }
}
