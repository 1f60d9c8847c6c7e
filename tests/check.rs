//! `compose:check`, `compose:explain` and `compose:config` from the shell: warnings, fixes, SARIF, validators.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn program(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dokku-compose")).args(args).current_dir(dir).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = dir.path().join("shop").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    dir
}

const WRONG: &str = "\
# kept: the first line
version: '3.8'   # kept: beside what goes
services:
  web:
    image: web:1
    user: 1000   # kept: the user
    restart: false
    networks:    # kept: beside the empty key
    security_opt: [\"a:1\", \"b:2\", \"a:1\"]
    environment:
      - A=1
volumes:
  data:
    external:
      name: real-data
";

const FIXED: &str = "\
# kept: the first line
# kept: beside what goes
services:
  web:
    image: web:1
    user: \"1000\"   # kept: the user
    restart: \"no\"
    # kept: beside the empty key
    security_opt: [\"a:1\", \"b:2\"]
    environment:
      - A=1
volumes:
  data:
    external: true
    name: real-data
";

#[test]
fn fixes_change_what_is_wrong_and_nothing_else() {
    let dir = project(&[("compose.yaml", WRONG)]);
    let shop = dir.path().join("shop");
    let file = shop.join("compose.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let output = program(&["check", ".", "--fix"], &shop);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), FIXED);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let said = out(&output);
    for line in [
        "-----> compose.yaml:6:11: write `\"1000\"` in quotes",
        "       -     restart: false",
        "       +     restart: \"no\"",
        "=====> 6 fixed; no problems",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let again = program(&["check", ".", "--fix"], &shop);
    assert!(out(&again).contains("=====> nothing to fix; no problems"), "{}", out(&again));
    assert_eq!(fs::read_dir(&shop).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn a_file_that_loads_says_the_same_after_a_fix() {
    let text = "version: '3'\nservices: {web: {image: web:1, environment: {V: 3}}}\n";
    let dir = project(&[("compose.yaml", text), ("base/other.yaml", "version: '3'\nservices: {b: {image: b:1}}\n")]);
    let shop = dir.path().join("shop");
    let before = out(&program(&["config", "."], &shop));
    let output =
        program(&["check", ".", "-f", "compose.yaml", "-f", "base/other.yaml", "--fix", "--format", "json"], &shop);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["fixed"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(answer["fixed"][0]["before"], serde_json::json!(["version: '3'"]));
    assert_eq!(out(&program(&["config", "."], &shop)), before);
    assert!(!fs::read_to_string(shop.join("base/other.yaml")).unwrap().contains("version"));
}

#[test]
fn a_fix_needs_files_and_leaves_those_of_others() {
    let dir = project(&[("compose.yaml", "include: [../common/x.yaml]\nservices: {}\n")]);
    fs::create_dir(dir.path().join("common")).unwrap();
    let common = dir.path().join("common/x.yaml");
    fs::write(&common, "version: '3'\nservices: {x: {image: x:1}}\n").unwrap();
    let output = program(&["check", ".", "--fix"], &dir.path().join("shop"));
    assert!(output.status.success(), "{}", err(&output));
    assert!(fs::read_to_string(&common).unwrap().starts_with("version"), "it lies outside of the project");
    let output = program(&["check", "-", "--fix"], dir.path());
    assert_eq!(output.status.code(), Some(1));
}

const SURPRISING: &str = "\
services:
  web:
    image: web
    command: echo a && echo b > /x
    ports: [\"80:80\", \"127.0.0.1:81:81\", \"9000-9001:9000-9001\"]
    environment: {A: 0644, B: \"0644\", C: 1.10, D: 2001-01-01, E: yes, F: 12:30}
    secrets: [{source: s, mode: 440}, {source: s, target: t, mode: 0440}]
  api:
    image: api:latest
  own:
    build: .
    image: own
  pinned:
    image: api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
secrets: {s: {file: s}}
";

#[test]
fn what_compose_makes_something_else_of_is_told() {
    let dir = project(&[("compose.yaml", SURPRISING), ("s", "x")]);
    let shop = dir.path().join("shop");
    let output = program(&["check", ".", "--format", "json"], &shop);
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found: Vec<String> = answer["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["severity"] == "warning")
        .map(|item| {
            let place = &item["labels"][0];
            format!("{}:{} {}", place["line"], place["column"], item["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        found,
        [
            "4:14 command-cut",
            "3:12 latest-image",
            "5:13 port-on-every-interface",
            "5:41 port-on-every-interface",
            "7:33 decimal-mode",
            "9:12 latest-image",
            "6:22 octal-number",
            "6:42 rewritten-number",
            "6:51 rewritten-number",
        ]
    );
    assert_eq!(program(&["check", ".", "--strict"], &shop).status.code(), Some(1));
}

#[test]
fn sarif_has_every_finding_with_its_place() {
    let text = "services:\n  web:\n    image: web:1\n    user: 1000\n    imag: x\n";
    let dir = project(&[("compose.yaml", text)]);
    let output = program(&["check", ".", "--format", "sarif"], &dir.path().join("shop"));
    assert_eq!(output.status.code(), Some(1));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    assert_eq!(rules, ["wrong-type", "unknown-key"]);
    let result = &run["results"][0];
    assert_eq!(result["level"], "error");
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "compose.yaml");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
    let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "\"1000\"");
    assert_eq!(change["deletedRegion"]["startColumn"], 11);
}

/// A sandbox with validators: name, mode, text.
fn validators(dir: &Path, programs: &[(&str, u32, &str)]) {
    let folder = dir.join("world/lib/data/compose/validators");
    fs::create_dir_all(&folder).unwrap();
    for (name, mode, text) in programs {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(*mode)).unwrap();
    }
}

const TWO: &str = "services:\n  web:\n    image: web:1\n    privileged: true\n  db: {image: db:1}\n";

const NO_PRIVILEGES: &str = r#"#!/bin/sh
grep -q '"privileged":true' || exit 0
echo '{"version":1,"diagnostics":[{"severity":"error","code":"privileged","message":"`web` is privileged",
"path":"services.web.privileged","labels":[{"file":"compose.yaml","line":5,"column":3,"end_column":5,"text":"as this one"}],
"hints":["remove the key"]}]}'
"#;

#[test]
fn a_validator_finds_what_the_administrator_forbids() {
    let dir = project(&[("compose.yaml", TWO)]);
    validators(dir.path(), &[("rules.sh", 0o755, NO_PRIVILEGES), ("README", 0o644, "no program")]);
    let shop = dir.path().join("shop");
    let output = program(&["check", ".", "--sandbox", "../world"], &shop);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    for part in
        ["error[rules/privileged]: `web` is privileged", "compose.yaml:4:17", "as this one", "= help: remove the key"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let output = program(&["import", "shop", ".", "--sandbox", "../world"], &shop);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(err(&output).contains("error[rules/privileged]"), "{}", err(&output));
    assert!(err(&output).contains("nothing was changed"), "{}", err(&output));
    fs::write(shop.join("compose.yaml"), TWO.replace("true", "false")).unwrap();
    let output = program(&["import", "shop", ".", "--sandbox", "../world"], &shop);
    assert!(output.status.success(), "{}", err(&output));
}

#[test]
fn a_validator_that_gives_no_answer_is_an_error() {
    let dir = project(&[("compose.yaml", TWO)]);
    validators(
        dir.path(),
        &[
            ("a-wordy", 0o755, "#!/bin/sh\necho hello\n"),
            ("b-broken", 0o755, "#!/bin/sh\necho why >&2\nexit 3\n"),
            ("c-open", 0o777, "#!/bin/sh\n"),
            ("d-slow", 0o755, "#!/bin/sh\nsleep 60\n"),
            ("e-newer", 0o755, "#!/bin/sh\necho '{\"version\":2}'\n"),
            ("f-silent", 0o755, "#!/bin/sh\nexec <&-\n"),
        ],
    );
    let began = std::time::Instant::now();
    let output = program(&["check", ".", "--sandbox", "../world"], &dir.path().join("shop"));
    assert!(began.elapsed().as_secs() < 40, "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    for part in [
        "`a-wordy` gave no answer: its answer cannot be read",
        "`b-broken` gave no answer: it ended with exit code 3: why",
        "`c-open` gave no answer: ",
        "can be written by others",
        "`d-slow` gave no answer: it took longer than 10 seconds",
        "`e-newer` gave no answer: its answer has version 2",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("f-silent"), "{said}");
}

#[test]
fn an_imported_project_is_explained_by_its_name() {
    let dir = project(&[
        ("compose.yaml", "services:\n  web:\n    image: web:${TAG}\n    ports: ['${PORT:-80}:80']\n"),
        ("compose.prod.yaml", "services:\n  web:\n    user: www\n"),
        (".env", "TAG=7\n"),
    ]);
    let shop = dir.path().join("shop");
    let files = ["-f", "compose.yaml", "-f", "compose.prod.yaml"];
    let mut import = vec!["import", "shop", ".", "--sandbox", "../world"];
    import.extend(files);
    let output = program(&import, &shop);
    assert!(output.status.success(), "{}", err(&output));
    fs::remove_dir_all(&shop).unwrap();
    let output = program(&["explain", "shop", "services.web.image", "--sandbox", "world"], dir.path());
    assert_eq!(
        out(&output),
        "\
=====> services.web.image of shop
      1. compose.yaml:3:12  written `web:${TAG}`
      2. .env:1:1           variable `TAG` is set: `TAG=7`
      3.                    becomes `web:7`
=====> services.web.image is web:7
",
        "{}",
        err(&output)
    );
    let output =
        program(&["explain", "shop", "services.web.user", "--format", "json", "--sandbox", "world"], dir.path());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["value"], &answer["steps"][0]["file"]), (&"www".into(), &"compose.prod.yaml".into()));
    let output = program(&["explain", "shop", "services.web.usr", "--sandbox", "world"], dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("did you mean services.web.user?"), "{}", err(&output));
    assert_eq!(program(&["explain", "nobody", "name", "--sandbox", "world"], dir.path()).status.code(), Some(20));
}
