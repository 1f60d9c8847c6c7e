//! Health checks: the engine's form, Dokku's options, the deploy gate.

use super::resources::Gate;
use crate::docker::HealthSpec;
use crate::model::{Healthcheck, Service};

/// The engine's defaults (Docker reference, `HEALTHCHECK`), in seconds.
const INTERVAL: u64 = 30;
const TIMEOUT: u64 = 30;
const RETRIES: u64 = 3;

/// The check in the engine's form; `None`: the image's own.
pub(super) fn spec(healthcheck: Option<&Healthcheck>) -> Option<HealthSpec> {
    let check = healthcheck?;
    if check.is_disabled() {
        return Some(HealthSpec { test: vec!["NONE".into()], ..HealthSpec::default() });
    }
    Some(HealthSpec {
        test: check.test.clone(),
        interval: check.interval.map_or(0, |value| value.0),
        timeout: check.timeout.map_or(0, |value| value.0),
        start_period: check.start_period.map_or(0, |value| value.0),
        start_interval: check.start_interval.map_or(0, |value| value.0),
        retries: check.retries.and_then(|retries| i64::try_from(retries).ok()).unwrap_or(0),
    })
}

/// What a new container has to show before dependents start and the old one goes.
///
/// Unless the file turns checks off, it is the engine's `healthy`, for as long as the engine itself could need to say
/// otherwise: whether an image has a check of its own is known only once it is there, and a container without one
/// passes by staying up for a short while.
pub(super) fn gate(service: &Service) -> Gate {
    let check = service.healthcheck.as_ref();
    if check.is_some_and(Healthcheck::is_disabled) {
        return Gate::default();
    }
    let seconds = |value: Option<crate::model::Duration>, default: u64| {
        value.filter(|value| value.0 > 0).map_or(default, crate::model::Duration::seconds)
    };
    let interval = seconds(check.and_then(|check| check.interval), INTERVAL);
    let timeout = seconds(check.and_then(|check| check.timeout), TIMEOUT);
    let start = seconds(check.and_then(|check| check.start_period), 0);
    let retries = check.and_then(|check| check.retries).filter(|retries| *retries > 0).unwrap_or(RETRIES);
    let limit = start
        .saturating_add(interval.saturating_add(timeout).saturating_mul(retries.saturating_add(1)))
        .saturating_add(30);
    Gate { healthy: true, limit: limit.min(3600), ..Gate::default() }
}

/// `docker create` options for a check; the command line knows only shell commands, so a list is quoted for one.
pub(super) fn options(health: &HealthSpec) -> Vec<(String, String)> {
    let mut out = Vec::new();
    match health.test.first().map(String::as_str) {
        Some("NONE") => return vec![("--no-healthcheck".into(), String::new())],
        Some("CMD-SHELL") => out.push(("--health-cmd".to_owned(), health.test[1..].join(" "))),
        Some("CMD") => out.push((
            "--health-cmd".to_owned(),
            health.test[1..].iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "),
        )),
        _ => {}
    }
    for (flag, nanoseconds) in [
        ("--health-interval", health.interval),
        ("--health-timeout", health.timeout),
        ("--health-start-period", health.start_period),
        ("--health-start-interval", health.start_interval),
    ] {
        if nanoseconds > 0 {
            out.push((flag.to_owned(), format!("{}ms", (nanoseconds / 1_000_000).max(1))));
        }
    }
    if health.retries > 0 {
        out.push(("--health-retries".to_owned(), health.retries.to_string()));
    }
    out
}

/// One word for `sh -c`.
fn shell_word(word: &str) -> String {
    let plain =
        !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: &[&str]) -> Healthcheck {
        Healthcheck { test: test.iter().map(|word| (*word).to_owned()).collect(), ..Healthcheck::default() }
    }

    #[test]
    fn a_list_becomes_one_shell_command() {
        let spec = spec(Some(&check(&["CMD", "sh", "-c", "echo 'a b'"]))).unwrap();
        assert_eq!(options(&spec), [("--health-cmd".to_owned(), r"sh -c 'echo '\''a b'\'''".to_owned())]);
    }

    #[test]
    fn off_is_off() {
        let spec = spec(Some(&Healthcheck { disable: true, ..Healthcheck::default() })).unwrap();
        assert_eq!(options(&spec), [("--no-healthcheck".to_owned(), String::new())]);
    }
}
