//! What somebody changed by hand: told field by field, restored by an import, or accepted.

use std::fs;

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    environment: {A: one-of-web, B: two-of-web}
    ports: ['8080:80']
    deploy: {replicas: 2, resources: {limits: {memory: 256M}}}
  api:
    image: acme/api:1
";

fn by_hand(bench: &Bench) {
    bench.dokku(&["config:set", "--no-restart", "shop-web", "A=hand-made", "EXTRA=more"]).ends(0);
    bench.dokku(&["resource:limit", "--memory", "1g", "shop-web"]).ends(0);
    bench.dokku(&["ps:scale", "shop-web", "web=3"]).ends(0);
    // What only Dokku or another plugin owns.
    bench
        .dokku(&["config:set", "--no-restart", "shop-web", "DATABASE_URL=postgres://x", "DOKKU_X=1", "GIT_REV=abc"])
        .ends(0);
}

fn variable(bench: &Bench, name: &str) -> String {
    bench.dokku(&["config:get", "shop-web", name]).out.trim().to_owned()
}

#[test]
fn each_field_is_told_with_who_and_when_and_an_import_restores_it() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    bench.run(&["status", "shop"]).ends(0).keeps_quiet_about("by hand");
    by_hand(&bench);
    fs::create_dir_all(bench.world.path("log")).unwrap();
    let log = "2099-01-02T03:04:05.000000+00:00 vm dokku-event[1]: INVOKED: post-config-update( shop-web set A EXTRA ) NAME=ann FINGERPRINT= DOKKU_PID=1\n";
    fs::write(bench.world.path("log/events.log"), log).unwrap();
    for ran in [bench.run(&["status", "shop"]), bench.plan(&[])] {
        ran.ends(0)
            .says("web: variable A was changed by hand; an import restores it (at 2099-01-02T03:04:05.000000+00:00 by ann)")
            .says("variable EXTRA was added by hand and is kept")
            .says("limit.memory was changed by hand from 256m to 1g")
            .says("scale was changed by hand from 2 to 3")
            .keeps_quiet_about(" !     api:")
            .keeps_quiet_about("hand-made")
            .keeps_quiet_about("_URL")
            .keeps_quiet_about("GIT_REV")
            .keeps_quiet_about("DOKKU_X");
    }
    let status = bench.run(&["status", "shop", "--format", "json"]).ends(0).json();
    let changes =
        status["services"].as_array().unwrap().iter().find(|one| one["service"] == "web").unwrap()["changes"].clone();
    let memory = changes.as_array().unwrap().iter().find(|one| one["field"] == "limit.memory").unwrap().clone();
    assert_eq!((&memory["before"], &memory["after"]), (&"256m".into(), &"1g".into()));
    bench.import(&[]).ends(0);
    assert_eq!([variable(&bench, "A"), variable(&bench, "EXTRA")], ["one-of-web", "more"]);
    // Since this import nobody changed anything.
    bench.run(&["status", "shop"]).ends(0).keeps_quiet_about("by hand");
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn what_is_accepted_counts_until_the_file_says_something_new() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    by_hand(&bench);
    let mark = bench.mark();
    bench.import(&["--accept"]).ends(0).says("nothing to do");
    assert!(!bench.calls(mark).iter().any(|call| call.contains("config:import") || call.contains("ps:restart")));
    bench.run(&["status", "shop"]).ends(0).keeps_quiet_about("by hand");
    bench.import(&[]).ends(0).says("nothing to do");
    assert_eq!(variable(&bench, "A"), "hand-made");
    // What was accepted is what an import restores.
    bench.dokku(&["config:set", "--no-restart", "shop-web", "A=again"]).ends(0);
    bench.import(&[]).ends(0).says("variable A was changed by hand");
    assert_eq!(variable(&bench, "A"), "hand-made");
    // Another field of the file leaves it alone; the same field takes it back.
    bench.edit("B: two-of-web", "B: other-of-web");
    bench.import(&[]).ends(0);
    assert_eq!([variable(&bench, "A"), variable(&bench, "B")], ["hand-made", "other-of-web"]);
    bench.edit("A: one-of-web", "A: new-of-web");
    bench.import(&[]).ends(0);
    assert_eq!(variable(&bench, "A"), "new-of-web");
    assert!(
        bench.dokku(&["ps:report", "shop-web"]).out.contains('3')
            || bench.dokku(&["ps:scale", "shop-web"]).out.contains('3')
    );
    bench.plan(&["--detailed-exitcode"]).ends(0);
}
