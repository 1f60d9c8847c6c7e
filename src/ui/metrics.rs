//! The last run of each project as text for Prometheus (text format 0.0.4, for the node exporter's textfile collector).

use std::fmt::Write as _;

use crate::apply::summary::{Cost, Summary};

/// Name, help and value of each figure of an action.
type OfAction = (&'static str, &'static str, fn(&Cost) -> f64);

/// The same of a run.
type Figure = (&'static str, &'static str, fn(&Summary) -> f64);

const RUN: &[Figure] = &[
    ("run_duration_seconds", "Seconds that the last run took.", |run| run.seconds),
    ("run_dokku_calls", "Calls of Dokku in the last run.", |run| run.calls as f64),
    ("run_success", "1 if the last run was done, 0 if it was undone or is stuck.", |run| {
        f64::from(u8::from(run.outcome == "done"))
    }),
    ("run_stuck", "1 where the last run could not be undone whole.", |run| f64::from(u8::from(run.outcome == "stuck"))),
    ("run_end_timestamp_seconds", "When the last run ended, seconds since 1970.", |run| {
        let since = humantime::parse_rfc3339(&run.at).ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0.0, |since| since.as_secs_f64())
    }),
];

/// The text for the last runs of projects by name.
pub fn text(runs: &[(String, Summary)]) -> String {
    let mut out = String::new();
    for (name, help, value) in RUN {
        head(&mut out, name, help);
        for (project, run) in runs {
            let labels = format!("project=\"{}\",command=\"{}\"", escaped(project), escaped(&run.command));
            let _ = writeln!(out, "dokku_compose_{name}{{{labels}}} {}", value(run));
        }
    }
    let operations: [OfAction; 4] = [
        ("operations", "Operations of the last run by action.", |cost| cost.count as f64),
        ("operations_failed", "Operations of the last run that failed.", |cost| cost.failed as f64),
        ("operations_duration_seconds", "Seconds of all operations of an action together.", |cost| cost.seconds),
        ("operations_dokku_calls", "Calls of Dokku by operations of an action.", |cost| cost.calls as f64),
    ];
    for (name, help, value) in operations {
        head(&mut out, name, help);
        for (project, run) in runs {
            for (action, cost) in &run.actions {
                let labels = format!("project=\"{}\",action=\"{}\"", escaped(project), escaped(action));
                let _ = writeln!(out, "dokku_compose_{name}{{{labels}}} {}", value(cost));
            }
        }
    }
    out
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = write!(out, "# HELP dokku_compose_{name} {help}\n# TYPE dokku_compose_{name} gauge\n");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_has_a_head_and_every_line_a_value() {
        let mut run = Summary {
            command: "compose:import".into(),
            outcome: "done".into(),
            seconds: 1.5,
            calls: 7,
            ..Summary::default()
        };
        run.actions.insert("deploy".into(), crate::apply::summary::Cost { count: 2, ..Default::default() });
        let text = text(&[("a\"b".into(), run)]);
        assert!(
            text.contains("dokku_compose_run_duration_seconds{project=\"a\\\"b\",command=\"compose:import\"} 1.5\n")
        );
        assert!(text.contains("dokku_compose_operations{project=\"a\\\"b\",action=\"deploy\"} 2\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
        }
        assert_eq!(text.matches("# TYPE").count(), RUN.len() + 4);
    }
}
