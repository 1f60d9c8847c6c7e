//! What a run leaves for those who watch: figures, a trace, the history.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    depends_on: [db]
  db:
    image: postgres:16
";

#[test]
fn figures_are_off_by_default_and_written_whole() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    let file = bench.path("run.prom");
    bench.run(&["set", "--global", "metrics-file", "relative.prom"]).ends(1).says("absolute");
    bench.run(&["set", "--global", "metrics-file", "/nowhere/run.prom"]).ends(1).says("no directory");
    bench.run(&["set", "--global", "metrics-file", file.to_str().unwrap()]).ends(0);
    bench.edit("acme/web:1", "acme/web:2");
    bench.import(&[]).ends(0);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{text}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(value("dokku_compose_run_success{project=\"shop\",command=\"compose:import\"}"), 1.0);
    assert_eq!(value("dokku_compose_operations{project=\"shop\",action=\"deploy\"}"), 1.0);
    assert!(value("dokku_compose_operations_dokku_calls{project=\"shop\",action=\"deploy\"}") >= 1.0);
    assert!(value("dokku_compose_run_duration_seconds") > 0.0 && value("dokku_compose_run_dokku_calls") > 3.0);
    let faults = json!({ "dokku": [{ "match": "*git:from*", "do": "fail", "exit": 1, "message": "no" }] });
    fs::write(bench.world.path("faults.json"), faults.to_string()).unwrap();
    bench.edit("acme/web:2", "acme/web:3");
    bench.import(&[]).ends(3);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("run_success{project=\"shop\",command=\"compose:import\"} 0\n"), "{text}");
    assert!(text.contains("operations_failed{project=\"shop\",action=\"deploy\"} 1\n"), "{text}");
    // Nothing half written is left.
    let left = fs::read_dir(bench.path(".")).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with(".dokku-compose")).count(), 0);
}

#[test]
fn a_trace_has_every_operation_and_a_critical_path() {
    let bench = Bench::new(FILE);
    bench.run(&["trace", "shop"]).ends(20);
    bench.import(&[]).ends(0);
    let trace = bench.run(&["trace", "shop"]).ends(0).json();
    let run = bench.run(&["history", "shop", "--format", "json"]).json()["versions"][0]["run"].clone();
    assert_eq!(bench.run(&["trace", "shop", run.as_str().unwrap()]).ends(0).json(), trace);
    bench.run(&["trace", "shop", "never"]).ends(1).says("no run never");
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |category: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["cat"] == category && event["ph"] == "X").collect()
    };
    let plan = fs::read_to_string(bench.project_file("runs").join(run.as_str().unwrap()).join("plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(of("operation").len(), plan["ops"].as_array().unwrap().len());
    let path = of("critical");
    assert!(path.iter().any(|event| event["name"].as_str().unwrap().contains("git:from-image shop-web")));
    for pair in path.windows(2) {
        let end = pair[0]["ts"].as_u64().unwrap() + pair[0]["dur"].as_u64().unwrap();
        assert!(pair[1]["ts"].as_u64().unwrap() >= end, "{pair:?}");
    }
}
