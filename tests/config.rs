//! `compose:config` with the flags of `docker compose config`; the answers are those of docker compose 5.5.1.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const FILES: &[(&str, &str)] = &[
    (
        "compose.yaml",
        "\
name: shop
services:
  web:
    image: nginx:${TAG:-1.27}
    ports: [\"${PORT}:80\"]
    environment: {A: \"<&>\", B: \"${NEED:?x}\", C: \"${X:+alt}\", D: }
    env_file: [{path: a.env}]
    depends_on: [db]
    volumes: [\"./x:/x\", \"data:/data\"]
    deploy: {replicas: \"${N:-2}\", resources: {limits: {cpus: \"0.5\", memory: 512m}}}
    networks: [front]
    healthcheck: {test: curl x, interval: 1m30s, retries: 3}
    ulimits: {nofile: 1024, n: {soft: 1, hard: 2}}
    labels: {b: \"1\", a: \"2\"}
    extra_hosts: [\"a:1.2.3.4\"]
  db:
    image: postgres:16
  dbg:
    image: busybox
    profiles: [debug, z]
    depends_on: [db]
  bld:
    build: .
networks: {front: {}, unused: {}}
volumes: {data: {}, un: {}}
models: {llm: {model: ai/model}}
",
    ),
    ("a.env", "Q=1\n"),
    (".env", "PORT=80\nNEED=n\n"),
];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn config(dir: &Path, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_dokku-compose");
    Command::new(program).arg("config").arg(dir).args(args).current_dir(dir).output().unwrap()
}

fn printed(dir: &Path, args: &[&str]) -> String {
    let output = config(dir, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn lists() {
    let dir = folder();
    for (args, expected) in [
        (vec!["--services"], "bld\ndb\nweb\n"),
        (vec!["--services", "--profile", "debug"], "bld\ndb\ndbg\nweb\n"),
        (vec!["--volumes"], "data\n"),
        (vec!["--networks"], "default\nfront\n"),
        (vec!["--models"], ""),
        (vec!["--profiles"], "debug\nz\n"),
        (vec!["--images"], "shop-bld\npostgres:16\nnginx:1.27\n"),
        (vec!["--images", "dbg"], "postgres:16\nbusybox\n"),
        (vec!["--environment"], "COMPOSE_PROJECT_NAME=shop\nNEED=n\nPORT=80\n"),
        (vec!["-q"], ""),
        (vec!["--quiet"], ""),
    ] {
        let mut lines: Vec<String> = printed(dir.path(), &args).lines().map(str::to_owned).collect();
        let mut expected: Vec<&str> = expected.lines().collect();
        lines.sort();
        expected.sort_unstable();
        assert_eq!(lines, expected, "{args:?}");
    }
}

#[test]
fn what_a_service_depends_on_is_named_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let text = "services:\n  api: {image: x, depends_on: [zoo, migrate]}\n  migrate: {image: x, depends_on: [db]}\n  \
                web: {image: x}\n  db: {image: x}\n  zoo: {image: x}\n";
    fs::write(dir.path().join("compose.yaml"), text).unwrap();
    assert_eq!(printed(dir.path(), &["--services"]), "db\nmigrate\nzoo\napi\nweb\n");
}

#[test]
fn keys_stand_in_the_order_of_docker_compose() {
    let dir = tempfile::tempdir().unwrap();
    let text = "services:\n  a:\n    working_dir: /w\n    image: x\n    deploy: {replicas: 2}\n    build: .\n    \
                restart: always\n    command: [go]\n";
    fs::write(dir.path().join("compose.yaml"), text).unwrap();
    let order = |text: &str, indent: &str| -> Vec<String> {
        let keys = ["build", "command", "deploy", "image", "restart", "working_dir"];
        let key = |line: &str| line.strip_prefix(indent)?.split(':').next().map(|key| key.trim_matches('"').to_owned());
        text.lines().filter_map(key).filter(|key| keys.contains(&key.as_str())).collect()
    };
    for (flags, indent) in [(&[][..], "    "), (&["--format", "json"], "      ")] {
        let keys = order(&printed(dir.path(), flags), indent);
        assert_eq!(keys, ["build", "command", "deploy", "image", "restart", "working_dir"], "{flags:?}");
    }
}

#[test]
fn hashes_are_those_of_docker_compose() {
    let dir = folder();
    // What is hashed holds the absolute path of a bind mount: the service that has one is hashed without it.
    let text = FILES[0].1.replace("\"./x:/x\", ", "");
    fs::write(dir.path().join("compose.yaml"), text).unwrap();
    assert_eq!(
        printed(dir.path(), &["--hash", "*"]),
        "\
bld 8ed9276b9b43971f5e501d66147c519a039b4cf02cb7c2f3b6c3aa25e8d28823
db 3cd93f93ba0fa523c43085de0fed0b15ed3e7baa0cce135c330e74375b2c9a2a
web 966558ae4d4ae44a2148433d2b06a46d2067cd255ccb942b29d3642eb2937758
"
    );
    assert_eq!(
        printed(dir.path(), &["--hash", "db"]),
        "db 3cd93f93ba0fa523c43085de0fed0b15ed3e7baa0cce135c330e74375b2c9a2a\n"
    );
    assert_eq!(config(dir.path(), &["--hash", "nobody"]).status.code(), Some(1));
}

#[test]
fn variables() {
    let dir = folder();
    assert_eq!(
        printed(dir.path(), &["--variables"]),
        "\
NAME                REQUIRED            DEFAULT VALUE       ALTERNATE VALUE
N                   false               2                   \n\
NEED                true                                    \n\
PORT                false                                   \n\
TAG                 false               1.27                \n\
X                   false                                   alt
"
    );
    let json: serde_json::Value =
        serde_json::from_str(&printed(dir.path(), &["--variables", "--format", "json"])).unwrap();
    assert_eq!(
        json["TAG"],
        serde_json::json!({"Name": "TAG", "DefaultValue": "1.27", "PresenceValue": "", "Required": false})
    );
}

#[test]
fn less_is_done_where_that_is_asked_for() {
    let dir = folder();
    let model = |args: &[&str]| -> serde_json::Value {
        let mut all = vec!["--format", "json"];
        all.extend(args);
        serde_json::from_str(&printed(dir.path(), &all)).unwrap()
    };
    let raw = model(&["--no-interpolate"]);
    assert_eq!(raw["services"]["web"]["image"], "nginx:${TAG:-1.27}");
    assert_eq!(raw["services"]["web"]["ports"], serde_json::json!(["${PORT}:80"]));
    assert_eq!(raw["services"]["dbg"]["image"], "busybox", "no profile is looked at");
    assert_eq!(raw["volumes"]["un"]["name"], "shop_un", "nothing is left out");
    let relative = model(&["--no-path-resolution"]);
    assert_eq!(relative["services"]["web"]["volumes"][0]["source"], "./x");
    let bare = model(&["--no-normalize"]);
    assert_eq!(bare["services"]["db"].get("networks"), None);
    let unread = model(&["--no-env-resolution"]);
    assert_eq!(unread["services"]["web"]["environment"].get("Q"), None);
    assert_eq!(unread["services"]["web"]["env_file"][0]["path"], dir.path().join("a.env").to_str().unwrap());
    fs::write(dir.path().join("compose.yaml"), "services: {a: {image: x, networks: [nope]}}").unwrap();
    assert_eq!(config(dir.path(), &[]).status.code(), Some(1));
    assert_eq!(model(&["--no-consistency"])["services"]["a"]["networks"]["nope"], serde_json::Value::Null);
}

#[test]
fn a_part_is_printed_with_what_it_depends_on() {
    let dir = folder();
    let json = |args: &[&str]| -> serde_json::Value { serde_json::from_str(&printed(dir.path(), args)).unwrap() };
    let part = json(&["dbg", "--format", "json"]);
    let names: Vec<&String> = part["services"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["db", "dbg"]);
    assert_eq!(config(dir.path(), &["wbe"]).status.code(), Some(1));
    let out = dir.path().join("out.json");
    assert_eq!(printed(dir.path(), &["web", "--format", "json", "-o", out.to_str().unwrap()]), "");
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(written["services"]["web"]["image"], "nginx:1.27");
}
