//! `post_start` and `pre_stop`, and restarts that follow those of another service.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dokku_compose::sandbox::{Behaviour, Play};

use crate::bench::Bench;

const FILE: &str = "\
services:
  db:
    image: postgres:16
    environment: {A: '1'}
    post_start: [{command: [seed-db, t0ps3cret]}]
    pre_stop: [{command: flush-db}]
  web:
    image: acme/web:1
    environment: {A: '1'}
    depends_on: {db: {condition: service_started, restart: true}}
    post_start: [{command: warm-web, environment: {KEY: t0ps3cret}}]
    pre_stop: [{command: drain-web}]
  edge:
    image: acme/edge:1
    ports: ['127.0.0.1:9000:9000/udp']
    post_start: [{command: warm-edge}]
    pre_stop: [{command: drain-edge}]
";

/// The programs that were run in containers, in order.
fn ran(bench: &Bench, mark: usize) -> Vec<String> {
    let calls = bench.calls(mark).into_iter();
    calls.filter_map(|call| Some(call.split_once("container_exec ")?.1.split(' ').nth(1)?.to_owned())).collect()
}

#[test]
fn hooks_run_when_containers_start_and_stop() {
    let bench = Bench::new(FILE);
    bench.plan(&["--operations"]).ends(0).keeps_quiet_about("t0ps3cret");
    let mark = bench.mark();
    bench.import(&["--parallel", "1"]).ends(0).keeps_quiet_about("t0ps3cret");
    let mut first = ran(&bench, mark);
    first.sort();
    assert_eq!(first, ["seed-db", "warm-edge", "warm-web"]);
    let file = bench.project_file("hooks/web");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!bench.calls(0).iter().any(|call| call.contains("t0ps3cret")));
    bench.plan(&["--detailed-exitcode"]).ends(0);

    // A later restart by hand, without the program of an import.
    let mark = bench.mark();
    bench.dokku(&["ps:restart", "shop-web"]).ends(0);
    assert_eq!(ran(&bench, mark), ["warm-web", "drain-web"]);
    let mark = bench.mark();
    bench.dokku(&["ps:restart", "shop-edge"]).ends(0);
    assert_eq!(ran(&bench, mark), ["drain-edge", "warm-edge"]);
    let mark = bench.mark();
    bench.dokku(&["ps:stop", "shop-web"]).ends(0);
    assert_eq!(ran(&bench, mark), ["drain-web"]);
    bench.dokku(&["ps:start", "shop-web"]).ends(0);

    // What leaves the file is not run any more.
    bench.edit("    pre_stop: [{command: drain-web}]\n", "");
    bench.edit("    post_start: [{command: warm-web, environment: {KEY: t0ps3cret}}]\n", "");
    bench.import(&[]).ends(0).says("hooks changed in the file");
    let mark = bench.mark();
    bench.dokku(&["ps:restart", "shop-web"]).ends(0);
    assert!(ran(&bench, mark).is_empty());
    let mark = bench.mark();
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    let mut last = ran(&bench, mark);
    last.sort();
    assert_eq!(last, ["drain-edge", "flush-db"]);
    assert!(!file.exists());
}

#[test]
fn one_that_restarts_restarts_those_that_say_so() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    bench
        .edit("    image: postgres:16\n    environment: {A: '1'}", "    image: postgres:16\n    environment: {A: '2'}");
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("restarts with db");
    let calls = bench.calls(mark);
    let restarts: Vec<&String> = calls.iter().filter(|call| call.contains("ps:restart")).collect();
    assert_eq!(restarts.len(), 1, "{restarts:?}");
    assert!(restarts[0].contains("shop-web"));
    let mut all = ran(&bench, mark);
    all.sort();
    assert_eq!(all, ["drain-web", "flush-db", "seed-db", "warm-web"]);
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_hook_that_fails_fails_the_start_and_all_is_as_before() {
    for (container, program) in [("shop-db", "seed-db"), ("shop-web.*", "warm-web"), ("shop-edge.*", "warm-edge")] {
        let bench = Bench::new(FILE);
        let play = Play { exec: [(program.to_owned(), 7)].into(), ..Play::default() };
        let behaviour = Behaviour { containers: [(container.to_owned(), play)].into(), ..Behaviour::default() };
        bench.world.set_behaviour(&behaviour).unwrap();
        bench
            .import(&[])
            .ends(3)
            .says("post_start[0] of")
            .says("ended with exit code 7")
            .keeps_quiet_about("t0ps3cret");
        assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
        assert!(!bench.project_file("hooks/web").exists());
    }
    // One that fails on the way out is told and keeps nothing.
    let bench = Bench::new(FILE);
    let play = Play { exec: [("drain-web".to_owned(), 7)].into(), ..Play::default() };
    let behaviour = Behaviour { containers: [("shop-web.*".to_owned(), play)].into(), ..Behaviour::default() };
    bench.world.set_behaviour(&behaviour).unwrap();
    bench.import(&[]).ends(0);
    bench.edit("acme/web:1", "acme/web:2");
    bench.import(&[]).ends(0);
    bench.dokku(&["ps:stop", "shop-web"]).ends(0).says("pre_stop[0] of web ended with exit code 7");
}
