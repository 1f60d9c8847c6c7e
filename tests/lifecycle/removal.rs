//! Services that leave the file, and apps that were there before the project.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    volumes: ['data:/data', './conf:/conf:ro']
    networks: [front, default]
  cache:
    image: redis:7
  api:
    image: acme/api:1
    environment: {A: '1'}
networks: {front: {}}
volumes: {data: {}}
";

const LESS: &str = "services:\n  api:\n    image: acme/api:1\n    environment: {A: '1'}\n";

#[test]
fn what_left_the_file_is_named_and_removed_on_request_after_the_rest() {
    let bench = Bench::new(FILE);
    bench.write("conf/a", "1");
    bench.import(&[]).ends(0);
    bench.write("compose.yaml", LESS);
    bench.import(&[]).ends(0).says("web").says("is not in the file any more").says("--prune");
    // Again, when it is not the last version that had it.
    bench.plan(&[]).ends(0).says("cache").says("runs on");
    assert!(bench.dokku(&["apps:list"]).out.contains("shop-web"));

    // Where the rest fails nothing is removed.
    bench.edit("A: '1'", "A: '2'");
    let faults = json!({ "dokku": [{ "match": "*ps:restart*", "do": "fail", "exit": 1, "message": "no" }] });
    fs::write(bench.world.path("faults.json"), faults.to_string()).unwrap();
    bench.import(&["--prune"]).ends(3);
    fs::remove_file(bench.world.path("faults.json")).unwrap();
    assert!(bench.dokku(&["apps:list"]).out.contains("shop-web"));

    bench.plan(&["--prune", "--detailed-exitcode"]).ends(2).says("- web").says("- cache").says("3 to destroy");
    let mark = bench.mark();
    bench.import(&["--prune"]).ends(0);
    let calls = bench.calls(mark);
    let at =
        |word: &str| calls.iter().position(|call| call.contains(word)).unwrap_or_else(|| panic!("{word}: {calls:#?}"));
    assert!(at("ps:restart") < at("apps:destroy"), "{calls:#?}");
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop-web"));
    let engine = fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("shop-cache\"") && engine.contains("stack_data"), "the volume keeps its data");
    assert!(!engine.contains("\"shop_front\""), "the network is gone");
    assert!(!bench.world.path("lib/data/storage/shop/conf").exists());
    bench.run(&["status", "shop"]).ends(0).keeps_quiet_about("cache");
    bench.plan(&["--prune", "--detailed-exitcode"]).ends(0);
    // It comes back as new.
    bench.write("compose.yaml", FILE);
    bench.import(&[]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

fn standing(bench: &Bench) {
    bench.dokku(&["apps:create", "shop-api"]).ends(0);
    bench.dokku(&["config:set", "--no-restart", "shop-api", "A=1", "MINE=kept"]).ends(0);
    bench.dokku(&["git:from-image", "shop-api", "acme/api:1"]).ends(0);
}

#[test]
fn an_app_under_the_name_is_a_conflict_with_both_sides() {
    let bench = Bench::new(LESS);
    standing(&bench);
    bench.edit("acme/api:1", "acme/api:2");
    bench
        .import(&[])
        .ends(1)
        .says("name-taken")
        .says("image: on the server acme/api:1, in the file acme/api:2")
        .says("--adopt");
    assert_eq!(bench.run(&["status", "shop"]).code, Some(20));
}

#[test]
fn an_equal_app_is_taken_over_without_a_deploy_and_keeps_what_is_its_own() {
    let bench = Bench::new(LESS);
    // Make it as an import would, under another project, and forget the project: the app of somebody who did it by hand.
    bench.import(&[]).ends(0);
    for name in ["projects/shop", "apps/shop-api", "apps/shop"] {
        let path = bench.world.path("lib/data/compose").join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    bench.dokku(&["config:set", "--no-restart", "shop-api", "MINE=kept"]).ends(0);
    bench.import(&[]).ends(1).says("variable MINE");
    let mark = bench.mark();
    bench.import(&["--adopt"]).ends(0).says("taken over as it is");
    let calls = bench.calls(mark);
    let deploys = ["git:from", "ps:restart", "ps:rebuild", "ps:start"];
    assert!(!calls.iter().any(|call| deploys.iter().any(|word| call.contains(word))), "{calls:#?}");
    assert!(bench.dokku(&["config:export", "shop-api"]).out.contains("MINE"));
    bench.plan(&["--detailed-exitcode"]).ends(0);
    // From here on it is a service like any other.
    bench.edit("A: '1'", "A: '2'");
    bench.import(&[]).ends(0);
    bench.run(&["rollback", "shop"]).ends(0);
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    let apps = bench.dokku(&["apps:list"]).out;
    assert!(!apps.contains("shop-api") && apps.contains("shop"), "the project's own app was there before: {apps}");
}

#[test]
fn an_app_that_differs_is_taken_over_and_changed_and_an_undo_gives_it_back() {
    let bench = Bench::new(LESS);
    standing(&bench);
    let before = bench.dokku(&["docker-options:report", "shop-api", "--format", "json"]).ends(0).json();
    bench.edit("acme/api:1", "acme/api:2");
    let faults = json!({ "dokku": [{ "match": "*git:from-image*", "do": "fail", "exit": 1, "message": "no" }] });
    fs::write(bench.world.path("faults.json"), faults.to_string()).unwrap();
    bench.import(&["--adopt"]).ends(3);
    fs::remove_file(bench.world.path("faults.json")).unwrap();
    assert_eq!(bench.dokku(&["docker-options:report", "shop-api", "--format", "json"]).json(), before);
    assert!(bench.dokku(&["git:report", "shop-api"]).out.contains("acme/api:1"));
    assert!(!bench.world.path("lib/data/compose/apps/shop-api").exists(), "it is nobody's again");
    bench.import(&["--adopt"]).ends(0);
    assert!(bench.dokku(&["git:report", "shop-api"]).out.contains("acme/api:2"));
}

#[test]
fn the_proxy_lets_go_of_the_ports_of_what_is_removed() {
    const PUBLISHED: &str = "services:\n  web: {image: 'acme/web:1', ports: ['8088:80']}\n  api: {image: 'acme/api:1', ports: ['8089:80']}\n";
    let bench = Bench::new(PUBLISHED);
    let listens = || fs::read_to_string(bench.world.path("nginx/listens")).unwrap();
    bench.import(&[]).ends(0);
    assert!(
        listens().contains("shop-web: listen 8088;") && listens().contains("shop-api: listen 8089;"),
        "{}",
        listens()
    );
    bench.edit("  api: {image: 'acme/api:1', ports: ['8089:80']}\n", "");
    bench.import(&["--prune"]).ends(0);
    assert!(listens().contains("listen 8088;") && !listens().contains("shop-api"), "{}", listens());
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    assert_eq!(listens(), "");
    // An app that an undo takes away again had its port for a while.
    let faults = json!({ "dokku": [{ "match": "*git:from-image*shop-web*", "do": "fail", "exit": 1, "when": "after", "message": "no" }] });
    fs::write(bench.world.path("faults.json"), faults.to_string()).unwrap();
    bench.import(&[]).ends(3);
    assert_eq!(listens(), "");
}

#[test]
fn outsiders_on_the_networks_are_named_and_disconnected_on_request_only() {
    let bench = Bench::new(FILE);
    bench.write("conf/a", "1");
    bench.import(&[]).ends(0);
    bench.dokku(&["apps:create", "other"]).ends(0);
    bench.dokku(&["network:create", "mine"]).ends(0);
    bench.dokku(&["network:set", "other", "initial-network", "shop_default"]).ends(0);
    bench.dokku(&["network:set", "other", "attach-post-create", "shop_front", "mine"]).ends(0);
    bench.dokku(&["git:from-image", "other", "acme/other:1"]).ends(0);
    let refused = bench.run(&["destroy", "shop", "--force"]).ends(1);
    for word in [
        "other is on the network shop_default",
        "other is on the network shop_front",
        "app other has a network of it as initial-network",
        "app other has a network of it as attach-post-create",
        "nothing was removed; --cascade disconnects them",
    ] {
        assert!(refused.all().contains(word), "{word}\n{}", refused.all());
    }
    assert!(bench.dokku(&["apps:list"]).out.contains("shop-api"));
    bench
        .run(&["destroy", "shop", "--force", "--cascade"])
        .ends(0)
        .says("disconnected: other is on the network shop_front");
    assert_eq!(bench.dokku(&["--quiet", "apps:list"]).out.trim(), "other");
    assert_eq!(bench.dokku(&["network:report", "other", "--network-initial-network"]).out.trim(), "");
    assert_eq!(bench.dokku(&["network:report", "other", "--network-attach-post-create"]).out.trim(), "mine");
    let engine = fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("shop_default") && !engine.contains("shop_front"), "{engine}");
    let engine: serde_json::Value = serde_json::from_str(&engine).unwrap();
    let other = engine["containers"].as_object().unwrap().values().find(|one| one["name"] == "other.web.1").unwrap();
    assert_eq!(other["status"], "running");
    assert!(!other["networks"].to_string().contains("shop_"), "{other}");
    bench.dokku(&["ps:restart", "other"]).ends(0);
}

#[test]
fn a_volume_in_use_is_not_taken_from_its_users() {
    let bench = Bench::new(FILE);
    bench.write("conf/a", "1");
    bench.import(&[]).ends(0);
    bench.dokku(&["apps:create", "other"]).ends(0);
    bench.dokku(&["storage:mount", "other", "stack_data:/data"]).ends(0);
    bench.dokku(&["git:from-image", "other", "acme/other:1"]).ends(0);
    bench
        .run(&["destroy", "shop", "--force", "--cascade", "--volumes"])
        .ends(1)
        .says("mounts the volume stack_data")
        .keeps_quiet_about("--cascade disconnects");
    assert!(bench.dokku(&["apps:list"]).out.contains("shop-api"));
    bench.run(&["destroy", "shop", "--force", "--cascade"]).ends(0);
}

/// Dokku takes its time with an app, whose container has the volume until then.
#[test]
fn a_failed_import_removes_a_volume_after_the_app_that_uses_it() {
    let bench = Bench::new(
        "services:\n  web: {image: acme/web:1, volumes: ['data:/data'], networks: [inner]}\n  \
         api: {image: acme/api:1, depends_on: [web]}\nvolumes: {data: }\nnetworks: {inner: }\n",
    );
    let faults = serde_json::json!({"dokku": [
        {"match": "git:from-image shop-api *", "do": "fail", "message": "no"},
        {"match": "apps:destroy *", "do": "slow", "ms": 4000},
    ]});
    bench.world.set_faults(&serde_json::from_value(faults).unwrap()).unwrap();
    bench.import(&["--parallel", "4"]).ends(3);
    let engine = std::fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("stack_data") && !engine.contains("shop_inner"), "{engine}");
}

/// What Dokku retires keeps its volumes for a while.
#[test]
fn a_failed_update_removes_a_new_volume_once_the_retired_container_is_gone() {
    let bench = Bench::new("services:\n  web: {image: acme/web:1}\n  api: {image: acme/api:1, depends_on: [web]}\n");
    bench.import(&[]).ends(0);
    bench.edit("acme/web:1}", "acme/web:1, volumes: ['data:/data']}");
    bench.edit("acme/api:1,", "acme/api:2,");
    bench.write(
        "compose.yaml",
        &(std::fs::read_to_string(bench.path("stack/compose.yaml")).unwrap() + "volumes: {data: }\n"),
    );
    let faults =
        serde_json::json!({"dokku": [{"match": "git:from-image shop-api acme/api:2*", "do": "fail", "message": "no"}]});
    bench.world.set_faults(&serde_json::from_value(faults).unwrap()).unwrap();
    bench.import(&[]).ends(3);
    let engine = std::fs::read_to_string(bench.world.path("engine/state.json")).unwrap();
    assert!(!engine.contains("\"stack_data\""), "{engine}");
}
