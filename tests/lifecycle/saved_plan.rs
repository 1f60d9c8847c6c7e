//! `--plan-out` and `--plan`: a saved plan is carried out exactly, or refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Ran};

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    environment: {PASSWORD: hunter2-of-web}
    ports: ['8080:80']
  db:
    image: postgres:16
";

fn saved(bench: &Bench) -> Ran {
    bench.plan(&["--plan-out", "plan.json", "--detailed-exitcode"])
}

#[test]
fn a_saved_plan_is_carried_out() {
    let bench = Bench::new(FILE);
    saved(&bench).ends(2);
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"), "a plan changes nothing");
    let text = fs::read_to_string(bench.path("plan.json")).unwrap();
    assert!(!text.contains("hunter2"), "a secret is in the plan");
    assert_eq!(fs::metadata(bench.path("plan.json")).unwrap().permissions().mode() & 0o777, 0o600);
    bench.import(&["--plan", "plan.json"]).ends(0).says("is imported");
    // Again it is stale: it has been done.
    bench.import(&["--plan", "plan.json"]).ends(1).says("imported since");
    saved(&bench).ends(0);
    bench.import(&["--plan", "plan.json"]).ends(0).says("up to date");
}

#[test]
fn a_plan_of_a_sent_file_is_the_plan_of_the_same_file_sent_again() {
    let bench = Bench::new(FILE);
    bench.write("settings.conf", "a");
    bench.edit("    ports: ['8080:80']", "    ports: ['8080:80']\n    volumes: ['./settings.conf:/settings.conf:ro']");
    let send = |args: &[&str]| {
        let tar = std::process::Command::new("tar").args(["c", "-C"]).arg(bench.path("stack")).arg(".").output();
        fs::write(bench.path("stack.tar"), tar.unwrap().stdout).unwrap();
        let input = fs::File::open(bench.path("stack.tar")).unwrap();
        bench.command(args).stdin(input).output().unwrap().status.code()
    };
    assert_eq!(send(&["plan", "shop", "-", "--plan-out", "plan.json"]), Some(0));
    assert_eq!(send(&["import", "shop", "-", "--plan", "plan.json"]), Some(0));
}

type Meanwhile = fn(&Bench);

const STALE: &[(&str, Meanwhile)] = &[
    ("the compose files or the variables changed", |bench| bench.edit("acme/web:1", "acme/web:2")),
    ("the compose files or the variables changed", |bench| bench.write(".env", "A=1\n")),
    ("imported since", |bench| drop(bench.import(&[]).ends(0))),
    ("the server, or a file", |bench| {
        drop(bench.dokku(&["config:set", "--no-restart", "shop-web", "A=by-hand"]).ends(0))
    }),
    ("of another version", |bench| {
        let text = fs::read_to_string(bench.path("plan.json")).unwrap();
        let version = format!("\"plugin\": \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version));
        fs::write(bench.path("plan.json"), text.replace(&version, "\"plugin\": \"0.0.1\"")).unwrap();
    }),
];

#[test]
fn a_stale_plan_is_refused_and_nothing_is_changed() {
    for (why, meanwhile) in STALE {
        let bench = Bench::new(FILE);
        bench.import(&[]).ends(0);
        bench.edit("PASSWORD: hunter2-of-web", "PASSWORD: hunter2-of-web, A: '1'");
        saved(&bench).ends(2);
        meanwhile(&bench);
        let mark = bench.mark();
        bench.import(&["--plan", "plan.json"]).ends(1).says("is stale").says(why);
        let writes = ["config:import", "ps:restart", "git:from-image", "docker-options:add"];
        let calls = bench.calls(mark);
        let wrote = calls.iter().find(|call| writes.iter().any(|word| call.contains(word)));
        assert_eq!(wrote, None, "{why}");
    }
}

#[test]
fn what_is_no_plan_is_neither_read_nor_overwritten() {
    let bench = Bench::new(FILE);
    fs::write(bench.path("notes"), "mine").unwrap();
    bench.import(&["--plan", "notes"]).ends(1).says("no saved plan");
    bench.import(&["--plan", "absent"]).ends(1).says("cannot read absent");
    bench.plan(&["--plan-out", "notes"]).ends(1).says("no saved plan");
    assert_eq!(fs::read_to_string(bench.path("notes")).unwrap(), "mine");
    bench.plan(&["--plan-out", "nowhere/plan"]).ends(1).says("there is no directory");
    bench.plan(&["--plan-out", "world/home/plan"]).ends(1).says("Dokku's own");
    bench.import(&["--plan-out", "plan.json"]).ends(1).says("--dry-run");
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
}

#[test]
fn a_change_is_told_by_the_exit_code_and_shown_with_class_and_place() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
    bench.edit("acme/web:1", "acme/web:2");
    bench.plan(&[]).ends(0);
    bench
        .plan(&["--detailed-exitcode", "--operations"])
        .ends(2)
        .says("[image]")
        .says("image changed from acme/web:1 to acme/web:2")
        .says("compose.yaml:2:3");
}
