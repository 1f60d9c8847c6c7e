//! Versions: history, differences, and the way back, with the images of then.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};

const FIRST: &str = "\
services:
  web:
    build: ./web
    environment: {MODE: one, API_PASSWORD: secret-of-version-one}
    ports: ['8080:80']
    volumes: ['./conf:/conf:ro']
    configs: [motd]
    depends_on: {migrate: {condition: service_completed_successfully}}
  api:
    image: acme/api:1
    ports: ['8000:8000']
  db:
    image: postgres:16
    environment: {POSTGRES_PASSWORD: password-of-db}
  migrate:
    image: acme/migrate:1
configs:
  motd: {content: 'hello one'}
";

fn bench() -> Bench {
    let bench = Bench::new(FIRST);
    bench.write("web/Dockerfile", "FROM alpine:3\nENV BUILD=one\nCMD [\"serve\"]\n");
    bench.write("conf/settings", "one");
    bench
}

/// Everything changes: a build, an image, variables, domains, scale, files, an image of a container, a job.
fn second(bench: &Bench) {
    bench.write("web/Dockerfile", "FROM alpine:3\nENV BUILD=two\nCMD [\"serve\"]\n");
    bench.write("conf/settings", "two");
    bench.edit("acme/api:1", "acme/api:2");
    bench.edit("MODE: one, API_PASSWORD: secret-of-version-one", "MODE: two, MORE: '1'");
    bench.edit(
        "    ports: ['8000:8000']",
        "    ports: ['8000:8000']\n    deploy: {replicas: 3}\n    labels: {com.dokku.primary-image: 'true'}",
    );
    bench.edit("postgres:16", "postgres:17");
    bench.edit("acme/migrate:1", "acme/migrate:2");
    bench.edit("hello one", "hello two");
}

/// What Dokku's own reports and the engine say of the project, without times, ids of containers and anything of runs.
fn reports(bench: &Bench) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for app in ["shop", "shop-web", "shop-api"] {
        for plugin in [
            "checks",
            "docker-options",
            "domains",
            "network",
            "ports",
            "proxy",
            "ps",
            "resource",
            "storage",
            "builder",
            "git",
        ] {
            let ran = bench.dokku(&[&format!("{plugin}:report"), app, "--format", "json"]).ends(0);
            let mut report = ran.json();
            let fields = report.as_object_mut().unwrap();
            fields.retain(|key, _| {
                !key.contains("last-updated")
                    && !key.contains("listeners")
                    && !key.starts_with("status")
                    && !key.contains("running")
            });
            out.insert(format!("{app} {plugin}"), report);
        }
        out.insert(format!("{app} config"), json!(bench.dokku(&["config:export", app]).ends(0).out));
        out.insert(format!("{app} image"), json!(image(bench, &format!("dokku/{app}:latest"))));
    }
    let engine = engine(bench);
    for one in engine["containers"].as_object().unwrap().values() {
        let name = one["name"].as_str().unwrap();
        if name.starts_with("shop-db") {
            out.insert(name.to_owned(), json!([one["image_id"], one["environment"], one["status"]]));
        }
    }
    let file = "conf/settings";
    let path = bench.world.path("lib/data/storage/shop").join(file);
    out.insert(file.into(), json!(fs::read_to_string(path).unwrap_or_default()));
    out
}

fn engine(bench: &Bench) -> Value {
    serde_json::from_slice(&fs::read(bench.world.path("engine/state.json")).unwrap()).unwrap()
}

/// The id of an image by its name.
fn image(bench: &Bench, name: &str) -> String {
    let ran = engine(bench)["images"].clone();
    let all: Vec<Value> = match ran {
        Value::Object(all) => all
            .into_iter()
            .map(|(id, mut one)| {
                one["key"] = json!(id);
                one
            })
            .collect(),
        Value::Array(all) => all,
        _ => Vec::new(),
    };
    let found = all.iter().find(|one| one.to_string().contains(&format!("\"{name}\"")));
    found.map(|one| one["key"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[track_caller]
fn same(one: &BTreeMap<String, Value>, two: &BTreeMap<String, Value>) {
    for (name, value) in one {
        assert_eq!(two.get(name), Some(value), "{name}");
    }
    assert_eq!(one.len(), two.len());
}

/// Calls that build, fetch or run something again.
fn made_anew(calls: &[String]) -> Vec<&String> {
    let words = ["git:from", "image_pull", "image_build", "ps:rebuild", "run_job"];
    calls.iter().filter(|call| words.iter().any(|word| call.contains(word))).collect()
}

#[test]
fn the_way_back_and_forth_ends_in_equal_reports_and_builds_nothing() {
    let bench = bench();
    bench.run(&["rollback", PROJECT]).ends(20);
    bench.import(&[]).ends(0);
    let first = reports(&bench);
    assert!(!first["shop-web image"].as_str().unwrap().is_empty());
    bench.run(&["rollback", PROJECT]).ends(1).says("no version before v1");
    second(&bench);
    bench.import(&[]).ends(0);
    let then = reports(&bench);
    assert_ne!(first["shop-web image"], then["shop-web image"]);
    assert_ne!(first["shop-api domains"], then["shop-api domains"]);

    let mark = bench.mark();
    bench.run(&["rollback", PROJECT, "v1", "--dry-run"]).ends(0).says("back to the image of version 1");
    let ran = bench.run(&["rollback", PROJECT]).ends(0).says("back at version 1");
    assert!(!ran.all().contains("secret-of-version-one"), "{}", ran.all());
    assert_eq!(made_anew(&bench.calls(mark)), Vec::<&String>::new());
    same(&first, &reports(&bench));
    bench.run(&["rollback", PROJECT, "v1"]).ends(0).says("nothing to do");

    let mark = bench.mark();
    bench.run(&["rollback", PROJECT, "v2"]).ends(0);
    assert_eq!(made_anew(&bench.calls(mark)), Vec::<&String>::new());
    same(&then, &reports(&bench));
    // The file that is there is that of version 2.
    bench.plan(&["--detailed-exitcode"]).ends(0);

    let history = bench.run(&["history", PROJECT, "--format", "json"]).ends(0).json();
    let back: Vec<&Value> = history["versions"].as_array().unwrap().iter().map(|one| &one["rolled_back_to"]).collect();
    assert_eq!(back, [&json!(2), &json!(1), &Value::Null, &Value::Null]);
    bench.run(&["history", PROJECT]).ends(0).says("* v4").says("back to v1").says("compose:rollback");
    bench.run(&["rollback", PROJECT, "v9"]).ends(1).says("no version v9; there are v1, v2, v3, v4");
    bench.run(&["rollback", PROJECT, "nonsense"]).ends(1);
}

#[test]
fn a_rollback_that_fails_leaves_what_was_there() {
    let bench = bench();
    bench.import(&[]).ends(0);
    second(&bench);
    bench.import(&[]).ends(0);
    let before = reports(&bench);
    for call in ["*ps:restart*shop-web*", "*config:import*", "*domains:remove*"] {
        let faults = json!({ "dokku": [{ "match": call, "do": "fail", "exit": 1, "message": "no", "nth": 1 }] });
        fs::write(bench.world.path("faults.json"), faults.to_string()).unwrap();
        bench.run(&["rollback", PROJECT, "v1"]).ends(3).says("rolled back");
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        same(&before, &reports(&bench));
    }
    let history = bench.run(&["history", PROJECT]).ends(0);
    assert!(history.err.contains("compose:rollback by") && history.err.contains("was rolled back"), "{}", history.err);
}

#[test]
fn a_version_whose_image_is_gone_is_not_brought_back() {
    let bench = bench();
    bench.import(&[]).ends(0);
    second(&bench);
    bench.import(&[]).ends(0);
    let path = bench.world.path("engine/state.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("dokku-compose/shop-web:v1"));
    fs::write(&path, text.replace("dokku-compose/shop-web:v1", "elsewhere/shop-web:v1")).unwrap();
    let before = reports(&bench);
    bench.run(&["rollback", PROJECT, "v1"]).ends(1).says("dokku-compose/shop-web:v1").says("gone");
    same(&before, &reports(&bench));
}

#[test]
fn versions_beyond_the_retention_let_their_images_go() {
    let bench = Bench::new("services:\n  web:\n    image: acme/web:1\n  other:\n    image: acme/other:1\n");
    bench.run(&["set", PROJECT, "keep-versions", "2"]).ends(20);
    bench.import(&[]).ends(0);
    bench.run(&["set", PROJECT, "keep-versions", "none"]).ends(1).says("not a number");
    bench.run(&["set", PROJECT, "keep-versions", "2"]).ends(0);
    bench.dokku(&["checks:set", "shop-web", "wait-to-retire", "0"]).ends(0);
    for version in 2..=4 {
        bench.edit(&format!("acme/web:{}", version - 1), &format!("acme/web:{version}"));
        // While Dokku's old container is there, its image is; the run after that lets it go.
        bench.import(&[]).ends(0).keeps_quiet_about("conflict");
        bench.dokku(&["ps:retire", "shop-web"]).ends(0);
    }
    let text = engine(&bench)["images"].to_string();
    let kept = |n: u32| text.contains(&format!("dokku-compose/shop-web:v{n}\""));
    assert_eq!([1, 2, 3, 4].map(kept), [false, false, true, true], "{text}");
    // The other one was never deployed again: all versions have its first image.
    assert!(text.contains("dokku-compose/shop-other:v1\""));
    let versions = fs::read_dir(bench.project_file("versions")).unwrap().count();
    assert_eq!(versions, 2);
    bench.run(&["rollback", PROJECT, "v3"]).ends(0);
    bench.run(&["rollback", PROJECT, "v1"]).ends(1).says("no version v1");
}

#[test]
fn history_outlives_destroy_without_secrets_and_is_forgotten_on_request() {
    let bench = bench();
    bench.import(&[]).ends(0);
    bench.run(&["destroy", PROJECT, "--force"]).ends(0);
    bench.run(&["status", PROJECT]).ends(20);
    bench.run(&["rollback", PROJECT]).ends(20);
    bench.run(&["history", PROJECT]).ends(0).says("was destroyed").says("v1");
    let grave = bench.world.path("lib/data/compose/destroyed/shop/versions/0001");
    assert!(grave.join("files/compose.yaml").exists() && !grave.join("secrets").exists());
    assert!(!engine(&bench)["images"].to_string().contains("dokku-compose/shop-"));
    bench.import(&[]).ends(0);
    bench.run(&["history", PROJECT]).ends(0).says("* v1").says("was destroyed");
    bench.run(&["destroy", PROJECT, "--force", "--forget"]).ends(0);
    bench.run(&["history", PROJECT]).ends(20);
}

#[test]
fn differences_are_shown_field_by_field_without_secrets() {
    let bench = bench();
    bench.import(&[]).ends(0);
    bench.run(&["diff", PROJECT]).ends(0).says("no difference");
    bench.dokku(&["config:set", "--no-restart", "shop-web", "MODE=by-hand"]).ends(0);
    bench.run(&["diff", PROJECT]).ends(0).says("variable MODE").says("v1 and the server").keeps_quiet_about("by-hand");
    second(&bench);
    bench.import(&[]).ends(0);
    let ran = bench.run(&["diff", PROJECT, "v1"]).ends(0).says("acme/api:1 -> acme/api:2").says("build context");
    let ran = ran.says("v1 and v2").says("- web").says("variable API_PASSWORD").says("postgres:16 -> postgres:17");
    assert!(!ran.all().contains("secret-of-version-one"));
    bench.run(&["diff", PROJECT, "v2", "v2"]).ends(0).says("no difference");
    bench.run(&["diff", PROJECT, "v7"]).ends(1).says("no version v7");
    let changes = bench.run(&["diff", PROJECT, "v2", "v1", "--format", "json"]).ends(0).json();
    let image =
        changes["changes"].as_array().unwrap().iter().find(|one| one["service"] == "api" && one["field"] == "image");
    assert_eq!(image.unwrap()["after"], "acme/api:1");
}
