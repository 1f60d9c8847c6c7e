//! Health checks: the engine's form, Dokku's options, the deploy gate.

use super::extension::Checks;
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
pub(super) fn gate(service: &Service, checks: Checks) -> Gate {
    let by_file = gate_of(service);
    if checks.off {
        // Not waited for at all.
        return Gate { healthy: false, limit: by_file.limit, settle: 0 };
    }
    Gate {
        healthy: by_file.healthy,
        limit: checks.limit.unwrap_or(by_file.limit),
        settle: checks.settle.unwrap_or(by_file.settle),
    }
}

/// The gate of a service by its Compose keys alone.
pub fn gate_of(service: &Service) -> Gate {
    let check = service.healthcheck.as_deref();
    let update = service.deploy.as_ref().and_then(|deploy| deploy.update_config.as_ref());
    let monitor = update.and_then(|update| update.monitor).map_or(0, crate::model::Duration::seconds);
    let settle = if monitor > 0 { monitor } else { Gate::default().settle };
    if check.is_some_and(Healthcheck::is_disabled) {
        return Gate { settle, limit: Gate::default().limit.saturating_add(monitor), ..Gate::default() };
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
        .saturating_add(30)
        .saturating_add(monitor);
    Gate { healthy: true, limit: limit.min(3600), settle }
}

/// `docker create` options for a check; the command line knows only shell commands, so a list is quoted for one.
pub(super) fn options(health: &HealthSpec) -> Vec<(String, String)> {
    let mut out = Vec::new();
    match health.test.first().map(String::as_str) {
        Some("NONE") => return vec![("--no-healthcheck".into(), String::new())],
        Some("CMD-SHELL") => out.push(("--health-cmd".to_owned(), one_line(health.test[1..].join(" ")))),
        Some("CMD") => out.push((
            "--health-cmd".to_owned(),
            one_line(health.test[1..].iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")),
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

/// A command of several lines as one, which is all that Dokku keeps: printed and then run by the shell.
fn one_line(command: String) -> String {
    if !command.contains(['\n', '\r']) {
        return command;
    }
    let command = command.trim_end_matches(['\n', '\r']);
    if !command.contains(['\n', '\r']) {
        return command.to_owned();
    }
    let mut text = String::new();
    for char in command.chars() {
        match char {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\\' => text.push_str("\\\\"),
            '%' => text.push_str("%%"),
            '\'' => text.push_str("'\\''"),
            other => text.push(other),
        }
    }
    format!("eval \"$(printf '{text}')\"")
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
    fn several_lines_become_one_that_does_the_same() {
        let script = "x='a%b\\c'\nif [ \"$x\" = 'a%b\\c' ]; then\n  printf 'it is %s\\n' \"$x\"\nfi\n";
        let line = one_line(script.to_owned());
        assert!(!line.contains('\n'), "{line}");
        let run = |script: &str| std::process::Command::new("sh").args(["-c", script]).output().unwrap().stdout;
        assert_eq!(run(&line), run(script));
        assert_eq!(run(&line), b"it is a%b\\c\n");
        assert_eq!(one_line("curl x\n".to_owned()), "curl x");
    }

    #[test]
    fn off_is_off() {
        let spec = spec(Some(&Healthcheck { disable: true, ..Healthcheck::default() })).unwrap();
        assert_eq!(options(&spec), [("--no-healthcheck".to_owned(), String::new())]);
    }
}
