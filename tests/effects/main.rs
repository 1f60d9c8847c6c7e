//! What a key of a compose file does, seen from inside a container of a real Docker engine.
//!
//! Each case is a compose file, mapped as an import does it; its service runs as a raw container by the engine's API, and as
//! an app by `docker container create` with the options, mounts, limits and properties that Dokku would be given, put
//! together as its scheduler does. Then a shell in the container is asked. Dokku's own part is `tests/acceptance`.
//! What is made is named `effects-test-*`; `COMPOSE_REQUIRE_ENGINE=1` makes the engine's absence a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod cases;
mod harness;
#[path = "../standin/mod.rs"]
mod standin;

use std::collections::BTreeSet;

use cases::{CASES, ELSEWHERE, Form};
use dokku_compose::map::fates::{Fate, rows};
use harness::Bench;

#[test]
fn keys_do_inside_a_container_what_the_file_says() {
    let Some(bench) = Bench::open() else { return };
    let mut wrong = Vec::new();
    for case in CASES {
        for form in case.forms {
            let service = match bench.start(case, *form) {
                Ok(service) => service,
                Err(error) => {
                    wrong.push(format!("{} as {form:?} does not start: {error}", case.name));
                    continue;
                }
            };
            for (key, command, expected) in case.checks {
                // Of a raw container the engine's own policy is asked, of an app Dokku's.
                if *form == Form::App && command.starts_with("inspect ") && key.starts_with("restart") {
                    continue;
                }
                let answer = service.ask(command);
                if !answer.contains(expected) {
                    wrong.push(format!("{key} as {form:?}: `{command}` says {answer:?}, not {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every key that is done or passed to Docker is seen here, or named with where it is seen or why it cannot be.
#[test]
fn every_key_that_is_done_is_looked_at_somewhere() {
    let seen: BTreeSet<&str> = CASES.iter().flat_map(|case| case.checks).map(|(key, _, _)| *key).collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().flat_map(|(_, keys)| *keys).copied().collect();
    let done: Vec<&str> = rows()
        .filter(|row| matches!(row.fate, Fate::Done(_) | Fate::Docker(_)))
        .filter_map(|row| row.path.strip_prefix("services.*."))
        .collect();
    let above = |key: &str| {
        let holds = |other: &&str| other.starts_with(&format!("{key}.")) || other.starts_with(&format!("{key}[]"));
        seen.iter().any(holds) || elsewhere.iter().any(holds)
    };
    let nowhere: Vec<&&str> =
        done.iter().filter(|key| !seen.contains(**key) && !elsewhere.contains(**key) && !above(key)).collect();
    assert!(nowhere.is_empty(), "done, and looked at nowhere: {nowhere:#?}");
    let unknown: Vec<&&str> = seen.iter().chain(&elsewhere).filter(|key| !done.contains(*key)).collect();
    assert!(unknown.is_empty(), "looked at, and not done: {unknown:#?}");
    let twice: Vec<&&str> = seen.intersection(&elsewhere).collect();
    assert!(twice.is_empty(), "seen here after all: {twice:#?}");
}
