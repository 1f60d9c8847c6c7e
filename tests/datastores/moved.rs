//! Another version of a service's image, other options, another port of the host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::bench::Bench;
use crate::{FILE, bench, services};

const DUMP: &str = "lib/data/compose/projects/shop/dumps/postgres.shop-db.dump";

fn fault(bench: &Bench, fault: serde_json::Value) {
    fs::write(bench.world.path("faults.json"), json!({ "dokku": [fault] }).to_string()).unwrap();
}

/// With something that an app wrote.
fn imported() -> Bench {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    fs::write(bench.world.path("lib/services/postgres/shop-db/data/rows"), "one\n").unwrap();
    bench
}

/// The port of the host that leads to the cache.
fn port(bench: &Bench) -> String {
    bench.dokku(&["redis:info", "shop-cache", "--exposed-ports"]).out.trim().to_owned()
}

fn info(bench: &Bench) -> String {
    assert_eq!(fs::read_to_string(bench.world.path("lib/services/postgres/shop-db/data/rows")).unwrap(), "one\n");
    bench.dokku(&["postgres:info", "shop-db"]).ends(0).out
}

#[test]
fn another_version_of_a_series_is_an_upgrade_with_a_dump_first() {
    let bench = imported();
    bench.edit("postgres:16.4", "postgres:16.9");
    bench.plan(&[]).ends(0).says("image changed from postgres:16.4 to postgres:16.9");
    let mark = bench.mark();
    bench.import(&[]).ends(0);
    let calls = bench.calls(mark);
    let at =
        |word: &str| calls.iter().position(|call| call.contains(word)).unwrap_or_else(|| panic!("{word}: {calls:#?}"));
    assert!(at("postgres:export shop-db") < at("postgres:stop shop-db"));
    assert!(at("postgres:stop shop-db") < at("postgres:upgrade shop-db"));
    // What the plugin forgets unless it is told.
    let info = info(&bench);
    assert!(info.contains("postgres:16.9") && info.contains("-c max_connections=50"), "{info}");
    let environment = fs::read_to_string(bench.world.path("lib/services/postgres/shop-db/ENV")).unwrap();
    assert_eq!(environment, "TZ=UTC\n");
    let dump = bench.world.path(DUMP);
    assert!(fs::read_to_string(&dump).unwrap().contains("CREATE TABLE first"));
    assert_eq!(fs::metadata(&dump).unwrap().permissions().mode() & 0o777, 0o600);
    bench.dokku(&["run", "shop-api", "getent", "hosts", "db"]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
    // The way back is a downgrade.
    bench.run(&["rollback", "shop", "v1"]).ends(1).says("it is an older version");
}

#[test]
fn an_upgrade_that_fails_leaves_the_version_of_before() {
    for (call, when) in [
        ("postgres:export *", "before"),
        ("postgres:export *", "after"),
        ("postgres:upgrade *16.9*", "before"),
        ("postgres:upgrade *16.9*", "after"),
        ("ps:restart shop-api", "before"),
    ] {
        let bench = imported();
        bench.edit("postgres:16.4", "postgres:16.9");
        bench.edit("BLOG_HOST: sql", "BLOG_HOST: sql\n      MORE: x");
        fault(&bench, json!({ "match": call, "do": "fail", "exit": 1, "message": "no space left", "when": when }));
        bench.import(&[]).ends(3);
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        let info = info(&bench);
        assert!(info.contains("postgres:16.4") && info.contains("-c max_connections=50"), "{call}: {info}");
        bench.import(&[]).ends(0);
        bench.plan(&["--detailed-exitcode"]).ends(0);
    }
}

#[test]
fn options_variables_and_limits_are_changed_on_the_same_data() {
    let bench = imported();
    for (from, to) in
        [("max_connections=50", "max_connections=90"), ("TZ: UTC", "TZ: CET"), ("    mem_limit: 256m\n", "")]
    {
        bench.edit(from, to);
    }
    let mark = bench.mark();
    bench.import(&[]).ends(0).says("the command and the environment and mem_limit changed in the file");
    let calls = bench.calls(mark);
    assert!(!calls.iter().any(|call| call.contains("postgres:export")), "no other version reads the data: {calls:#?}");
    assert!(calls.iter().any(|call| call.contains("postgres:upgrade") && call.contains("--memory 0")), "{calls:#?}");
    let info = info(&bench);
    assert!(info.contains("postgres:16.4") && info.contains("-c max_connections=90"), "{info}");
    let environment = fs::read_to_string(bench.world.path("lib/services/postgres/shop-db/ENV")).unwrap();
    assert_eq!(environment, "TZ=CET\n");
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn an_upgrade_by_hand_is_found() {
    let bench = imported();
    let words = ["postgres:upgrade", "shop-db", "--image", "postgres", "--image-version", "17.1"];
    bench.dokku(&words).ends(0);
    bench.edit("postgres:16.4", "postgres:17.1");
    bench.import(&[]).ends(0);
    assert!(info(&bench).contains("postgres:17.1"));
}

#[test]
fn a_port_that_somebody_closed_or_moved_is_opened_again_and_none_is_left() {
    let bench = imported();
    assert_eq!(port(&bench), "6379->127.0.0.1:16379");
    bench.dokku(&["redis:unexpose", "shop-cache"]).ends(0);
    bench.import(&[]).ends(0).says("drift: the published port is not as the file says");
    assert_eq!(port(&bench), "6379->127.0.0.1:16379");
    bench.dokku(&["redis:unexpose", "shop-cache"]).ends(0);
    bench.dokku(&["redis:expose", "shop-cache", "0.0.0.0:16379"]).ends(0);
    bench.import(&[]).ends(0).says("drift: the published port is not as the file says");
    assert_eq!(port(&bench), "6379->127.0.0.1:16379");
    bench.edit("    ports: [\"127.0.0.1:16379:6379\"]\n", "");
    bench.import(&[]).ends(0).says("the published port changed in the file");
    assert_eq!(port(&bench), "-");
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_failed_import_leaves_the_port_of_before_also_behind_an_upgrade() {
    for (call, when) in [("ps:restart shop-api", "before"), ("redis:upgrade *maxmemory*", "after")] {
        let bench = imported();
        bench.edit("--requirepass re-own-secret-4", "--requirepass re-own-secret-4 --maxmemory 64mb");
        bench.edit("16379:6379", "16380:6379");
        bench.edit("BLOG_HOST: sql", "BLOG_HOST: sql\n      MORE: x");
        fault(&bench, json!({ "match": call, "do": "fail", "exit": 1, "message": "no", "when": when }));
        bench.import(&[]).ends(3);
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        assert_eq!(port(&bench), "6379->127.0.0.1:16379", "{call}");
        bench.import(&[]).ends(0);
        assert_eq!(port(&bench), "6379->127.0.0.1:16380", "{call}");
    }
}

#[test]
fn a_failed_import_leaves_no_container_that_holds_a_port() {
    let bench = bench(FILE);
    fault(&bench, json!({ "match": "git:from-image shop-api *", "do": "fail", "exit": 1, "message": "no" }));
    bench.import(&[]).ends(3);
    assert!(services(&bench, "redis").is_empty());
    let engine = fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("ambassador\""), "{engine}");
}
