//! Plugins that fail, hang or leave things behind: nothing is lost, and nothing is left.

use std::fs;

use serde_json::json;

use crate::bench::Bench;
use crate::{FILE, bench, services};

fn fault(bench: &Bench, fault: serde_json::Value) {
    fs::write(bench.world.path("faults.json"), json!({ "dokku": [fault] }).to_string()).unwrap();
}

fn nothing_left(bench: &Bench) {
    for plugin in ["postgres", "mysql", "redis"] {
        assert!(services(bench, plugin).is_empty(), "{plugin}");
    }
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
    let records = bench.world.path("lib/data/compose/datastores");
    assert_eq!(fs::read_dir(records).map_or(0, Iterator::count), 0);
}

#[test]
fn a_creation_that_leaves_a_service_behind_is_undone() {
    for (plugin, when) in [("mysql", "after"), ("postgres", "before"), ("redis", "after")] {
        let bench = bench(FILE);
        fault(
            &bench,
            json!({ "match": format!("{plugin}:create *"), "do": "fail", "exit": 1, "message": "timed out", "when": when }),
        );
        bench.import(&[]).ends(3);
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        nothing_left(&bench);
        bench.import(&[]).ends(0);
    }
}

#[test]
fn a_creation_that_hangs_or_asks_is_ended() {
    let bench = bench(FILE);
    fault(&bench, json!({ "match": "mysql:create *", "do": "hang", "seconds": 60 }));
    bench.import(&["--timeout", "3"]).ends(3);
    fs::remove_file(bench.world.path("faults.json")).unwrap();
    nothing_left(&bench);
}

#[test]
fn what_the_server_refuses_is_told_and_undone() {
    for (refused, said) in [
        ("CREATE TABLE first", "the initial script init.sql failed"),
        ("CREATE DATABASE \"shop\"", "the server refuses"),
        ("CREATE USER IF NOT EXISTS 'writer'", "the server refuses"),
    ] {
        let bench = bench(FILE);
        fs::write(bench.world.path("faults/refused-statements"), format!("{refused}\n")).unwrap();
        let ran = bench.import(&[]).ends(3).says(said);
        assert!(!ran.all().contains("secret-"), "{}", ran.all());
        nothing_left(&bench);
    }
}

#[test]
fn a_service_that_appeared_meanwhile_is_not_destroyed() {
    let bench = bench(FILE);
    fault(&bench, json!({ "match": "mysql:exists *", "nth": 1, "do": "slow", "ms": 4000 }));
    std::thread::scope(|scope| {
        let import = scope.spawn(|| bench.import(&[]));
        // Between the plan and the creation somebody makes one of that name.
        let begun = std::time::Instant::now();
        while !bench.calls(0).iter().any(|call| call == "apps:create shop") {
            assert!(begun.elapsed().as_secs() < 30, "the import does not begin");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        bench.dokku(&["mysql:create", "shop-sql"]).ends(0);
        import.join().unwrap().ends(3).says("is there by now");
    });
    assert_eq!(services(&bench, "mysql"), ["shop-sql"]);
    assert!(services(&bench, "postgres").is_empty());
}

#[test]
fn a_run_that_was_killed_is_undone_by_the_next() {
    for (call, when) in [
        ("postgres:create *", "before"),
        ("mysql:create *", "after"),
        ("postgres:connect *", "after"),
        ("mysql:enter *", "before"),
        ("redis:link *", "after"),
        ("redis:expose *", "before"),
    ] {
        let bench = bench(FILE);
        fault(&bench, json!({ "match": call, "do": "kill", "signal": 9, "who": "parent", "when": when }));
        let ran = bench.import(&[]);
        assert_eq!(ran.code, None, "{call}: {}", ran.all());
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        bench.run(&["recover", "shop"]);
        nothing_left(&bench);
        bench.import(&[]).ends(0);
        bench.plan(&["--detailed-exitcode"]).ends(0);
    }
}

#[test]
fn a_change_that_was_killed_leaves_the_service_as_it_was() {
    let bench = bench(FILE);
    bench.import(&[]).ends(0);
    bench.edit("127.0.0.1:16379", "127.0.0.1:26379");
    fault(&bench, json!({ "match": "redis:expose *", "do": "kill", "signal": 9, "who": "parent" }));
    assert_eq!(bench.import(&[]).code, None);
    fs::remove_file(bench.world.path("faults.json")).unwrap();
    bench.run(&["recover", "shop"]);
    assert_eq!(services(&bench, "redis"), ["shop-cache"]);
    assert!(bench.dokku(&["redis:info", "shop-cache"]).out.contains("6379->127.0.0.1:16379"));
}
