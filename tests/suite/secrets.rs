//! A secret is where it must be, and nowhere else.

use std::path::Path;

use serde_json::json;

use crate::bench::{Bench, PROJECT};

const SECRETS: [&str; 4] =
    ["pw-from-dotenv-4711", "pw-of-the-control-app-4712", "token-in-a-file-4713", "pw-in-the-environment-4714"];

const FILE: &str = r#"services:
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: "${DB_PASSWORD}" }
  api:
    build: ./app
    environment:
      DATABASE_URL: postgres://shop:${DB_PASSWORD}@db/shop
      API_PASSWORD: pw-in-the-environment-4714
      CONTROL_SECRET: ${CONTROL_SECRET}
    secrets: [token]
    depends_on: [db]
secrets:
  token: { file: ./token.txt }
"#;

/// Files that hold a secret by their nature: what Dokku and the engine run with, what is delivered, and the file as read.
fn may_hold(path: &str) -> bool {
    path.starts_with("lib/config/") && path.ends_with("/ENV")
        || path == "engine/state.json"
        // What this test makes a child print.
        || path == "faults.json"
        || path.starts_with("lib/data/storage/shop/")
        || path.starts_with("lib/data/compose/") && path.contains("/files/")
        || path.contains("/secrets/")
        // The source of a build lies in the app's repository.
        || path.starts_with("home/") && path.contains("/objects/")
}

fn search(root: &Path, at: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            search(root, &path, found);
        } else if !may_hold(&name) {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            // The repository that a build makes holds what the compose file's folder holds.
            found.extend(
                SECRETS.iter().filter(|secret| text.contains(**secret)).map(|secret| format!("{secret} in {name}")),
            );
        }
    }
}

fn check(bench: &Bench, outputs: &[String], when: &str) {
    let mut found = Vec::new();
    search(bench.world.root(), bench.world.root(), &mut found);
    for secret in SECRETS {
        found.extend(
            outputs.iter().filter(|text| text.contains(secret)).map(|text| format!("{secret} in the output {text}")),
        );
    }
    assert!(found.is_empty(), "{when}: {found:#?}");
}

#[test]
fn secrets_are_nowhere_but_where_they_are_used() {
    let bench = Bench::new();
    bench
        .write("compose.yaml", FILE)
        .write(".env", "DB_PASSWORD=pw-from-dotenv-4711\n")
        .write("token.txt", "token-in-a-file-4713\n");
    bench.write("app/Dockerfile", "FROM alpine:3\nCMD [\"sleep\"]\n");
    bench.dokku(&["apps:create", PROJECT]).ends(0);
    bench.dokku(&["config:set", "--no-restart", PROJECT, "CONTROL_SECRET=pw-of-the-control-app-4712"]).ends(0);
    // The calls of this test itself are none of the program's.
    std::fs::remove_file(bench.world.path("calls.jsonl")).unwrap();
    let source = bench.source().display().to_string();
    let mut outputs = Vec::new();
    let mut run = |args: &[&str], code: i32| {
        outputs.push(bench.run(args).ends(code).all());
        check(&bench, &outputs, &args.join(" "));
    };
    run(&["plan", PROJECT, &source, "--operations"], 0);
    run(&["plan", PROJECT, &source, "--format", "json"], 0);
    run(&["import", PROJECT, &source, "--operations"], 0);
    run(&["status", PROJECT, "--format", "json"], 0);
    // A child that prints what it was given, and fails.
    bench.edit("API_PASSWORD: pw", "MORE: x\n      API_PASSWORD: pw");
    let message = SECRETS[..4].join(" ");
    bench.faults(&json!({ "dokku": [{ "match": "*ps:restart*", "do": "fail", "exit": 1, "message": message },
        { "match": "*ps:rebuild*", "do": "fail", "exit": 1, "message": message }, { "match": "*git:from-*", "do": "fail", "exit": 1, "message": message }] }));
    run(&["import", PROJECT, &source], 3);
    run(&["import", PROJECT, &source, "--events"], 3);
    run(&["import", PROJECT, &source, "--format", "json"], 3);
    std::fs::remove_file(bench.world.path("faults.json")).unwrap();
    // Killed in the middle: what the undo needs is readable by its owner only, and goes with the end of the run.
    bench.faults(&json!({ "dokku": [{ "match": "*config:import*", "do": "kill", "who": "parent" }] }));
    let ran = bench.run(&["import", PROJECT, &source]);
    assert_eq!(ran.signal, Some(9), "{}", ran.all());
    bench.no_faults();
    run(&["status", PROJECT], 0);
    run(&["recover", PROJECT], 0);
    run(&["import", PROJECT, &source], 0);
    // They came where they were meant to.
    let environment = &bench.container("shop-api.web.1")["environment"];
    assert_eq!(environment["API_PASSWORD"], SECRETS[3]);
    assert_eq!(environment["CONTROL_SECRET"], SECRETS[1]);
    assert_eq!(environment["DATABASE_URL"], format!("postgres://shop:{}@db/shop", SECRETS[0]));
}
