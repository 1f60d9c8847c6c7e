//! Whole stacks against a real Dokku, and the same ones against the sandbox. See `README.md` beside this file.

#![allow(clippy::unwrap_used, missing_docs)]

mod backend;
mod change;
mod checks;
mod http;
mod images;
mod model;
mod run;
mod scenario;
mod server;
mod stacks;
#[path = "../standin/mod.rs"]
mod standin;
mod table;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use backend::{Backend, Presence};
use stacks::Stack;
use table::Row;

/// The stack whose import has to fail, and the exit code for that: failed and rolled back.
const UNHEALTHY: &str = "unhealthy";
const ROLLED_BACK: i32 = 3;

/// Says something that is read even when the test passes.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// All stacks, or those that `COMPOSE_STACKS` names.
fn chosen() -> (Vec<Stack>, Option<tempfile::TempDir>) {
    let mut all = stacks::own();
    let holder = match stacks::corpus() {
        Ok((more, holder)) => {
            all.extend(more);
            Some(holder)
        }
        Err(error) => {
            say(&format!("{error}: its stacks are not run"));
            None
        }
    };
    if let Ok(names) = std::env::var("COMPOSE_STACKS") {
        let names: Vec<&str> = names.split([',', ' ']).collect();
        all.retain(|stack| names.contains(&stack.name.as_str()));
    }
    (all, holder)
}

fn logs() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("acceptance");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn one(backend: &Backend, stack: &Stack) -> Row {
    let failed = |error: String| Row { stack: stack.name.clone(), wrong: vec![error], ..Row::default() };
    let copied = match stacks::copy(stack) {
        Ok(copied) => copied,
        Err(error) => return failed(error),
    };
    let kind = if backend.is_real() { "dokku" } else { "sandbox" };
    let log = logs().join(format!("{}.{kind}.log", stack.name));
    if backend.is_real() {
        server::sweep(&copied.project);
    }
    let prepared =
        if backend.is_real() { images::prepare(&copied.model) } else { images::prepare_contexts(&copied.model) };
    if let Err(error) = prepared {
        return failed(error);
    }
    if stack.name == UNHEALTHY {
        scenario::failure(backend, &copied, ROLLED_BACK, &log)
    } else {
        scenario::life(backend, &copied, &log)
    }
}

/// Two runs at once would fight for ports and names.
fn lock() -> File {
    let file = File::create(std::env::temp_dir().join("dokku-compose-acceptance.lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file
}

/// The same stacks, without a server: what can be seen from outside.
#[test]
fn stacks_live_in_the_sandbox() {
    let (stacks, _holder) = chosen();
    let mut rows = Vec::new();
    for stack in &stacks {
        let world = tempfile::tempdir().unwrap();
        // No program runs there: what would turn out unhealthy is said beforehand.
        let sick = r#"{"containers": {"acc-unhealthy-api*": {"health": "unhealthy"}}}"#;
        std::fs::write(world.path().join("behaviour.json"), sick).unwrap();
        rows.push(one(&Backend::Sandbox { world: world.path().to_owned() }, stack));
    }
    report(&rows, "the sandbox");
}

fn report(rows: &[Row], place: &str) {
    say(&format!("\n{}\nlogs: {}", table::render(rows), logs().display()));
    let bad: Vec<&str> = rows.iter().filter(|row| !row.wrong.is_empty()).map(|row| row.stack.as_str()).collect();
    assert!(bad.is_empty(), "not as expected on {place}: {}", bad.join(", "));
}

#[test]
fn stacks_live_on_a_real_dokku() {
    let (stacks, _holder) = chosen();
    let required = set("COMPOSE_REQUIRE_DOKKU");
    if let Presence::Absent(why) = backend::presence() {
        let text = format!("{why}: {} stacks not run against one", stacks.len());
        assert!(!required, "{text}");
        say(&text);
        return;
    }
    if !required && !set("COMPOSE_ACCEPTANCE") {
        say(&format!(
            "there is a Dokku: {} stacks not run against it, COMPOSE_ACCEPTANCE=1 lets them make and destroy apps on it",
            stacks.len()
        ));
        return;
    }
    let _lock = lock();
    let mut rows = Vec::new();
    for stack in &stacks {
        let row = one(&Backend::Dokku, stack);
        say(&table::render(std::slice::from_ref(&row)));
        rows.push(row);
    }
    images::remove_all();
    report(&rows, "Dokku");
}
