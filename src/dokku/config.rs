//! Environment variables: `config:*`. Values travel on standard input only.

use std::collections::BTreeMap;

use super::{Call, Dokku, DokkuResult, NotExpressible, envfile};

/// The kernel's limit for one `NAME=value` of a process (`MAX_ARG_STRLEN`), its end included.
const LONGEST: usize = 128 * 1024;

/// Whether Dokku can keep a variable of this name and value, and a process can be given it.
///
/// Not kept are names that a shell does not take, values with a NUL or longer than the kernel's 128
/// KiB, and what Dokku's file of variables does not give back: `007` and `+49` (whole numbers are
/// written anew), a double quote or a backslash at the end. The last would leave the app with a file
/// that Dokku cannot read. Such variables can go by the docker option `--env`.
pub fn check(name: &str, value: &str) -> Result<(), NotExpressible> {
    check_name(name)?;
    let why = if value.contains('\0') {
        "it has a NUL"
    } else if name.len() + value.len() + 2 > LONGEST {
        "it is longer than the 128 KiB that a process can be given"
    } else if !envfile::survives(value) {
        "Dokku's file of variables would not give this value back"
    } else {
        return Ok(());
    };
    Err(NotExpressible::new(format!("variable {name}"), why))
}

/// `config:import --no-restart --format json APP -`: sets `vars`, of which there must be some, and
/// leaves all others. Nothing is restarted. What [`check`] does not pass is refused.
pub fn import<'v>(app: &str, vars: impl IntoIterator<Item = (&'v str, &'v str)>) -> Result<Call, NotExpressible> {
    let vars: BTreeMap<&str, &str> = vars.into_iter().collect();
    for (name, value) in &vars {
        check(name, value)?;
    }
    let note = format!("{} variables", vars.len());
    let values: Vec<&str> = vars.values().copied().collect();
    // A map of strings always serialises.
    let json = serde_json::to_vec(&vars).unwrap_or_default();
    let call = Call::new("config:import", ["--no-restart", "--format", "json", app, "-"]).about(app).quiet();
    Ok(call.private().mask(values).stdin(json, note))
}

/// `config:unset --no-restart APP NAME...`; a name that is not set is no error.
pub fn unset<'n>(app: &str, names: impl IntoIterator<Item = &'n str>) -> Result<Call, NotExpressible> {
    let mut args = vec!["--no-restart", app];
    for name in names {
        check_name(name)?;
        args.push(name);
    }
    Ok(Call::new("config:unset", args).about(app).quiet().private())
}

/// A name that Dokku and a shell take: a letter or `_`, then letters, digits and `_`.
fn check_name(name: &str) -> Result<(), NotExpressible> {
    let tail = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| tail(c) && !c.is_ascii_digit()) && name.chars().all(tail) {
        return Ok(());
    }
    Err(NotExpressible::new(format!("variable {name:?}"), "Dokku takes names of letters, digits and underscores only"))
}

impl Dokku {
    /// An app's own variables in clear, Dokku's (`GIT_REV`, `NO_VHOST`, `DOKKU_*`) among them
    /// (`config:export --format json APP`).
    pub fn config(&self, app: &str) -> DokkuResult<BTreeMap<String, String>> {
        self.call(Call::new("config:export", ["--format", "json", app]).about(app).private())?.json()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_in_the_line() {
        let call = import("shop", [("PASSWORD", "hunter2"), ("MULTI", "a\nb")]).unwrap();
        assert_eq!(call.to_string(), "dokku --quiet config:import --no-restart --format json shop - < (2 variables)");
    }

    #[test]
    fn names_and_values_that_cannot_be_are_refused() {
        for name in ["1BAD", "with-dash", "", "a.b", "a b", "--force", "ä"] {
            assert!(import("shop", [(name, "x")]).is_err(), "{name:?}");
            assert!(unset("shop", [name]).is_err(), "{name:?}");
        }
        for value in ["a\0", "007", "C:\\", "say \"x\""] {
            assert!(import("shop", [("A", value)]).is_err(), "{value:?}");
        }
        assert!(import("shop", [("A", "x".repeat(LONGEST - 3).as_str())]).is_ok());
        assert!(import("shop", [("A", "x".repeat(LONGEST - 2).as_str())]).is_err());
        assert!(import("shop", [("_lower9", "")]).is_ok());
    }
}
