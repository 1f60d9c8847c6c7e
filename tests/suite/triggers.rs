//! The plugin's trigger files in the world, run as Dokku runs those of every plugin.

use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};
use crate::scene::{Scene, Way};
use crate::stacks::BUILT;

fn aliases(container: &Value, network: &str) -> Vec<String> {
    let all = container["networks"][network]["aliases"].as_array();
    let mut all: Vec<String> = all.into_iter().flatten().map(|alias| alias.as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

fn imported() -> Bench {
    let bench = Bench::new().with_plugin();
    (BUILT.first)(&bench);
    bench.import(&[]).ends(0);
    bench
}

#[test]
fn every_network_knows_a_service_by_its_names() {
    let bench = imported();
    for number in [1, 2] {
        let app = bench.container(&format!("shop-app.web.{number}"));
        assert!(aliases(&app, "shop_back").contains(&"backend".to_owned()), "{:#}", app["networks"]);
        for network in ["shop_back", "shop_front"] {
            assert!(aliases(&app, network).contains(&"app".to_owned()), "{network}: {:#}", app["networks"]);
        }
    }
    let cache = bench.container("shop-cache");
    assert!(aliases(&cache, "shop_back").contains(&"cache".to_owned()), "{:#}", cache["networks"]);
    assert!(cache["networks"]["shop_front"].is_null(), "{:#}", cache["networks"]);
    // A one-off container is not found in the service's place.
    let mark = bench.mark();
    bench.dokku(&["run", "shop-app", "true"]).ends(0);
    let joined = bench.calls_since(mark).into_iter().filter(|call| call.argv[0] == "network_connect").count();
    assert_eq!(joined, 1, "a one-off container joins the other network");
}

#[test]
fn an_unhealthy_container_does_not_replace_a_healthy_one() {
    let check = "    healthcheck: { test: [\"CMD\", \"true\"], interval: 1s, retries: 1 }\n    image: redis:7";
    let bench = Bench::new().with_plugin();
    (BUILT.first)(&bench);
    bench.edit("    image: redis:7", check);
    // A database image would be a raw container.
    bench.edit("redis:7", "acme/queue:7");
    bench.import(&[]).ends(0);
    let (before, containers) = (bench.snapshot(), bench.containers());
    std::fs::write(
        bench.world.path("behaviour.json"),
        json!({ "containers": { "shop-cache*": { "health": "unhealthy" } } }).to_string(),
    )
    .unwrap();
    bench.edit("acme/queue:7", "acme/queue:8");
    let ran = bench.import(&[]).ends(3);
    assert!(ran.err.contains("unhealthy"), "{}", ran.err);
    std::fs::remove_file(bench.world.path("behaviour.json")).unwrap();
    before.same(&bench.snapshot(), "after the gate refused");
    assert_eq!(
        bench.containers()["shop-cache.web.1"],
        containers["shop-cache.web.1"],
        "the old container was replaced"
    );
}

#[test]
fn the_control_app_is_not_destroyed_while_services_exist() {
    let bench = imported();
    let before = bench.snapshot();
    let ran = bench.dokku(&["--force", "apps:destroy", PROJECT]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.all().contains("compose:destroy shop"), "{}", ran.all());
    before.same(&bench.snapshot(), "after apps:destroy was refused");
    bench.run(&["destroy", PROJECT, "--force", "--volumes"]).ends(0);
    assert_eq!(bench.dokku(&["--quiet", "apps:list"]).out.trim(), "");
}

#[test]
fn a_renamed_app_stays_the_services() {
    let bench = imported();
    bench.dokku(&["apps:rename", "shop-app", "front-door"]).ends(0);
    let status = bench.run(&["status", PROJECT, "--format", "json"]).ends(0).json();
    let row = status["services"].as_array().unwrap().iter().find(|row| row["service"] == "app").unwrap().clone();
    assert_eq!((&row["name"], &row["running"]), (&json!("front-door"), &json!(2)), "{row:#}");
    bench.import(&[]).ends(0);
    let apps = bench.dokku(&["--quiet", "apps:list"]).out;
    assert_eq!(apps.lines().collect::<Vec<_>>(), ["front-door", "shop"]);
    bench.import(&["--dry-run", "--detailed-exitcode"]).ends(0);
    assert!(aliases(&bench.container("front-door.web.1"), "shop_back").contains(&"backend".to_owned()));
    bench.run(&["destroy", PROJECT, "--force"]).ends(0);
    assert_eq!(bench.dokku(&["--quiet", "apps:list"]).out.trim(), "");
}

#[test]
fn a_clone_is_nobodys_service() {
    let bench = imported();
    let before = bench.snapshot();
    bench.dokku(&["apps:clone", "shop-app", "copy"]).ends(0);
    let clone = bench.container("copy.web.1");
    assert!(
        clone["networks"]["shop_front"].is_null() && clone["networks"]["shop_back"].is_null(),
        "{:#}",
        clone["networks"]
    );
    assert_eq!(clone["mounts"], json!([]), "the clone has the service's secret");
    assert!(!bench.dokku(&["docker-options:report", "copy"]).ends(0).out.contains("alias"));
    bench.dokku(&["--force", "apps:destroy", "copy"]).ends(0);
    before.same(&bench.snapshot(), "after the clone is gone");
    bench.import(&["--dry-run", "--detailed-exitcode"]).ends(0);
}

#[test]
fn an_app_that_was_destroyed_is_drift_and_is_made_again() {
    let bench = imported();
    let right = bench.snapshot().without_commits();
    bench.dokku(&["--force", "apps:destroy", "shop-app"]).ends(0);
    let status = bench.run(&["status", PROJECT]).ends(0);
    assert!(status.err.contains("the app is gone"), "{}", status.all());
    bench.import(&[]).ends(0);
    let versions = |path: &str| {
        path.contains("/versions/")
            || path.ends_with("/state.json")
            || path.contains("/refs/dokku-compose/")
            || path.starts_with("image dokku-compose/")
    };
    right
        .without(versions)
        .same(&bench.snapshot().without_commits().without(versions), "after the import that makes it again");
}

#[test]
fn every_call_of_an_update_fails_with_the_plugin_in_place() {
    let scene = Scene::new(&BUILT, Way::Update, Bench::new().with_plugin());
    let (mut undone, mut wrong) = (0, Vec::new());
    for number in (1..=scene.calls.len() as u64).step_by(2) {
        scene.bench.restore();
        scene.bench.faults(&json!({
            "dokku": [{ "at": number, "do": "fail", "exit": 1, "message": "played failure" }],
            "engine": [{ "at": number, "do": "fail", "message": "played failure" }],
        }));
        let ran = scene.bench.import(&[]);
        let now = scene.bench.snapshot();
        let difference = match ran.code {
            Some(0) => scene.after.difference(&now.without_commits()),
            Some(1 | 3) => scene.before.difference(&now),
            other => format!("ended with {other:?}: {}", ran.all()),
        };
        undone += usize::from(ran.code == Some(3));
        if !difference.is_empty() {
            wrong.push(format!("call {number}:\n{difference}\n{}", ran.err));
        }
    }
    println!("update with triggers: {undone} undone, {} wrong", wrong.len());
    assert!(undone > 0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n======\n"));
}

#[test]
fn a_neighbour_that_remembers_addresses_is_told_of_each_deploy() {
    const FILE: &str = "\
services:
  api: {image: 'acme/api:1', environment: {A: '1'}}
  apart: {image: 'acme/api:1', environment: {A: '1'}, networks: [other]}
  web: {image: 'nginx:1.27', depends_on: [api]}
networks: {other: {}}
";
    let bench = Bench::new().with_plugin();
    bench.write("compose.yaml", FILE);
    let told = |mark: usize| -> Vec<Vec<String>> {
        let calls = bench.calls_since(mark).into_iter().map(|call| call.argv);
        calls.filter(|argv| argv[0] == "container_exec").map(|argv| argv[2..].to_vec()).collect()
    };
    let mark = bench.mark();
    bench.import(&[]).ends(0);
    assert_eq!(told(mark), Vec::<Vec<String>>::new(), "there was nobody to tell");
    bench.import(&["--detailed-exitcode"]).ends(0);

    let mark = bench.mark();
    bench
        .edit("api: {image: 'acme/api:1', environment: {A: '1'}}", "api: {image: 'acme/api:1', environment: {A: '2'}}");
    let before = bench.container("shop-web.web.1");
    let ran = bench.import(&[]).ends(0);
    assert_eq!(told(mark), [["nginx"]], "{}", ran.all());
    let after = bench.container("shop-web.web.1");
    assert_eq!(before["id"], after["id"], "it is told, not replaced");

    // By hand as well, but not by who cannot be reached, and not by its own deploy.
    for (app, times) in [("shop-api", 1), ("shop-apart", 0), ("shop-web", 0)] {
        let mark = bench.mark();
        bench.dokku(&["ps:restart", app]).ends(0);
        assert_eq!(told(mark).len(), times, "{app}");
    }
    // That it fails is told and fails no deploy.
    let behaviour = json!({ "containers": { "shop-web*": { "exec": { "nginx": 1 } } } });
    std::fs::write(bench.world.path("behaviour.json"), behaviour.to_string()).unwrap();
    let ran = bench.dokku(&["ps:restart", "shop-api"]).ends(0);
    assert!(ran.all().contains("shop-web: nginx -s reload ended with exit code 1"), "{}", ran.all());
}
