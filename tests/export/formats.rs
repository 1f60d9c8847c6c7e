//! The forms that Dokku itself, or a tool of its, takes: a script that is run, a recipe that is held against what
//! docket knows.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use dokku_compose::yaml;
use serde_json::Value;

use super::{Bench, PASSWORD, imported, mode};

/// Plugins whose reports say how an app is set up.
const REPORTS: &[&str] = &[
    "builder",
    "builder-dockerfile",
    "checks",
    "docker-options",
    "domains",
    "git",
    "network",
    "ports",
    "proxy",
    "resource",
    "scheduler-docker-local",
    "storage",
];

/// What Dokku says of an app, without what differs from one deploy to the next.
fn reports(bench: &Bench, app: &str) -> BTreeMap<String, String> {
    let ask = |args: &[&str]| {
        let output = Command::new(bench.path("world/bin/dokku")).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut out = BTreeMap::new();
    for plugin in REPORTS {
        let report: Value =
            serde_json::from_str(&ask(&[&format!("{plugin}:report"), app, "--format", "json"])).unwrap();
        for (key, value) in report.as_object().unwrap() {
            if !["sha", "last-updated-at", "web-listeners"].iter().any(|moving| key.ends_with(moving)) {
                out.insert(format!("{plugin} {key}"), value.to_string());
            }
        }
    }
    let config: BTreeMap<String, String> =
        serde_json::from_str(&ask(&["config:export", "--format", "json", app])).unwrap();
    out.extend(
        config.into_iter().filter(|(name, _)| name != "GIT_REV").map(|(name, value)| (format!("config {name}"), value)),
    );
    for property in ["restart-policy", "stop-timeout-seconds", "dockerfile-start-cmd", "procfile-path"] {
        out.insert(format!("ps {property}"), ask(&["ps:report", app, &format!("--ps-{property}")]));
    }
    out.insert("scale".into(), ask(&["ps:scale", app, "--format", "json"]));
    out
}

/// A `docker` that writes down how it is called, and that every container is well.
fn docker(bench: &Bench) {
    let log = bench.path("docker.log").display().to_string();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{log}'\ncase $1 in\n  inspect) echo healthy ;;\n  create) env | grep PASSWORD >>'{log}.env' || true ;;\nesac\n"
    );
    bench.write("tools/docker", &script);
    std::fs::set_permissions(bench.path("tools/docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts an empty server in the place of the one that was exported, and runs a script there.
fn run_on_an_empty_server(bench: &Bench, script: &str) {
    std::fs::rename(bench.path("world"), bench.path("first")).unwrap();
    bench.ok(&["list"]);
    dokku_compose::sandbox::World::new(&bench.path("world")).set_datastores(&[("postgres", "1.48.0")]).unwrap();
    docker(bench);
    let path = format!("{}:{}:/usr/bin:/bin", bench.path("world/bin").display(), bench.path("tools").display());
    let output =
        Command::new("sh").arg(bench.path(script)).env_clear().env("PATH", path).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_script_makes_the_same_app_on_an_empty_server() {
    let bench = imported();
    let odd = "a \"b\" \\c $d `e` 'f'\n\ttab\n\nend";
    bench.dokku(&["config:set", "--no-restart", "shop-web", &format!("ODD={odd}"), "EMPTY="]);
    bench.dokku(&["resource:limit", "--memory", "64m", "shop-web"]);
    bench.dokku(&["docker-options:add", "shop-web", "deploy,run", "--label=what='it is'"]);
    bench.dokku(&["domains:add", "shop-web", "shop.example.com"]);
    bench.dokku(&["ps:scale", "--skip-deploy", "shop-web", "web=2"]);
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "--format", "dokku", "-o", "out/make.sh"]);
    assert_eq!(mode(&bench.path("out/.env")), 0o600);
    let script = std::fs::read_to_string(bench.path("out/make.sh")).unwrap();
    assert!(!script.contains(PASSWORD) && !script.contains("tok'en"), "{script}");
    let before = reports(&bench, "shop-web");
    run_on_an_empty_server(&bench, "out/make.sh");
    let after = reports(&bench, "shop-web");
    assert_eq!(after["config ODD"], odd);
    for (key, value) in &before {
        assert_eq!(after.get(key), Some(value), "{key}");
    }
    assert_eq!(before.len(), after.len());
    let secret =
        std::fs::read_to_string(bench.path("world/lib/data/compose/projects/shop/secrets/token-0444")).unwrap();
    assert_eq!(secret, "tok'en of the day\n");
    // No command line had the secret, and the engine's command had it in its environment.
    let lines = std::fs::read_to_string(bench.path("docker.log")).unwrap();
    assert!(
        lines.contains("volume create shop_data") && lines.contains("--env=POSTGRES_PASSWORD postgres:16"),
        "{lines}"
    );
    assert!(lines.contains("start --attach shop-migrate") && lines.contains("inspect --format"), "{lines}");
    let calls = std::fs::read_to_string(bench.path("world/calls.jsonl")).unwrap();
    assert!(calls.contains("config:import") && !lines.contains(PASSWORD) && !calls.contains(PASSWORD));
    let environment = std::fs::read_to_string(bench.path("docker.log.env")).unwrap();
    assert!(environment.contains(&format!("POSTGRES_PASSWORD={PASSWORD}")));
}

#[test]
fn a_script_asks_for_values_that_it_was_not_given() {
    let bench = imported();
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "--format", "dokku", "--redact", "-o", "out/make.sh"]);
    let output = Command::new("sh").arg(bench.path("out/make.sh")).env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(!output.status.success(), "an empty password must not be set");
    let inline = bench.ok(&["export", "shop", "--format", "dokku", "--secrets", "inline"]);
    assert!(inline.contains(PASSWORD) && !inline.contains("ENV_FILE"));
}

#[test]
fn a_script_of_apps_made_by_hand_links_their_datastores() {
    let bench = crate::hand_made();
    bench.dokku(&["config:set", "--no-restart", "one", "MODE=hand"]);
    bench.dokku(&["git:from-image", "one", "acme/one:1"]);
    let script = bench.ok(&["export", "--apps", "one", "--format", "dokku"]);
    assert!(!script.contains("network:create"), "apps made by hand are on no network of a project: {script}");
    bench.write("make.sh", &script);
    run_on_an_empty_server(&bench, "make.sh");
    let now = reports(&bench, "one");
    assert!(now["config DATABASE_URL"].contains("@dokku-postgres-db:5432/db"), "{now:?}");
    assert_eq!(now["config MODE"], "hand");
    let recipe = recipe(&bench.ok(&["--quiet", "export", "--apps", "one", "--format", "docket"]));
    let kinds: Vec<&str> = recipe.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "dokku_service_link").count(), 1, "{kinds:?}");
}

/// The tasks of a recipe, each held against what docket's own `docket schema` says of its type.
fn recipe(text: &str) -> Vec<(String, Value)> {
    let known: Value = serde_json::from_str(
        &std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/docket.json")).unwrap(),
    )
    .unwrap();
    let documents = yaml::load(text, dokku_compose::diag::FileId(0), &yaml::Limits::default()).unwrap();
    let play = value(&documents[0])[0].clone();
    let mut out = Vec::new();
    for task in play["tasks"].as_array().unwrap() {
        let (kind, keys) = task.as_object().unwrap().iter().next().unwrap();
        let schema = known.get(kind).unwrap_or_else(|| panic!("docket has no {kind}"));
        let keys = keys.as_object().unwrap();
        for required in schema["required"].as_array().unwrap() {
            assert!(keys.contains_key(required.as_str().unwrap()), "{kind} needs {required}");
        }
        for (key, value) in keys {
            let fits = match schema["fields"].get(key).and_then(Value::as_str) {
                Some("string") => value.is_string(),
                Some("bool") => value.is_boolean(),
                Some("int") => value.is_i64(),
                Some("list") => value.is_array(),
                Some("dict") => value.is_object(),
                other => panic!("{kind} has no {key}: {other:?}"),
            };
            assert!(fits, "{kind}.{key}: {value}");
            if let Some(choices) = schema["choices"].get(key).and_then(Value::as_array) {
                assert!(choices.contains(value), "{kind}.{key}: {value}");
            }
            if let ("property", Some(names)) = (key.as_str(), schema.get("properties").and_then(Value::as_array)) {
                assert!(names.contains(value), "{kind} has no property {value}");
            }
        }
        out.push((kind.clone(), Value::Object(keys.clone())));
    }
    out
}

fn value(node: &yaml::Node) -> Value {
    match &node.kind {
        yaml::Kind::Map(map) => {
            Value::Object(map.entries.iter().map(|(key, entry)| (key.to_string(), value(&entry.value))).collect())
        }
        yaml::Kind::Seq(items) => items.iter().map(value).collect(),
        yaml::Kind::Scalar(scalar) => match scalar.value() {
            yaml::Value::Null => Value::Null,
            yaml::Value::Bool(flag) => flag.into(),
            yaml::Value::Int(number) => i64::try_from(number).unwrap().into(),
            _ => scalar.text.to_string().into(),
        },
    }
}

#[test]
fn a_recipe_is_made_of_tasks_that_docket_knows() {
    let bench = imported();
    bench.dokku(&["config:set", "--no-restart", "shop-web", "TEMPLATE=a {{ .b }} \"c\""]);
    bench.dokku(&["resource:limit", "--memory", "64m", "--cpu", "1", "shop-web"]);
    bench.dokku(&["ps:scale", "--skip-deploy", "shop-web", "web=2"]);
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "--format", "docket", "-o", "out/tasks.yml"]);
    let text = std::fs::read_to_string(bench.path("out/tasks.yml")).unwrap();
    assert!(!text.contains(PASSWORD) && !text.contains("{{ .b"), "{text}");
    assert_eq!(mode(&bench.path("out/vars.yml")), 0o600);
    let tasks = recipe(&text);
    let of = |kind: &str| tasks.iter().filter(|(other, _)| other == kind).map(|(_, keys)| keys).collect::<Vec<_>>();
    assert_eq!(of("dokku_app")[0]["app"], "shop-web");
    assert_eq!(of("dokku_config")[0]["config"]["DATABASE_URL"], "{{ .DATABASE_URL | dq }}");
    assert_eq!(of("dokku_config")[0]["config"]["MODE"], "fast");
    assert_eq!(of("dokku_resource_limit")[0]["resources"]["memory"], "64m");
    assert_eq!(of("dokku_ps_scale")[0]["scale"]["web"], 2);
    assert_eq!(of("dokku_storage_mount").len(), 3);
    assert_eq!(of("dokku_ports")[0]["port_mappings"][0]["container"], 3000);
    assert!(text.contains("    # db: the container shop-db is no app and docket has no task for it;"), "{text}");
    let vars = std::fs::read_to_string(bench.path("out/vars.yml")).unwrap();
    assert!(vars.contains(&format!("DATABASE_URL: \"postgres://postgres:{PASSWORD}@db/app\"")), "{vars}");
    assert!(vars.contains("TEMPLATE: \"a {{ .b }} \\\"c\\\"\""), "{vars}");
}
