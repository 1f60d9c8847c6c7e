//! What happens behind the plugin's back: `status` tells the truth, the next import repairs or refuses with the reason.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    environment: {A: '1'}
    volumes: ['data:/data']
  db:
    image: postgres:16
volumes: {data: {}}
";

fn imported() -> Bench {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    bench
}

/// Edits the engine's world as somebody with `docker` would.
fn engine(bench: &Bench, change: impl FnOnce(&mut Value)) {
    let path = bench.world.path("engine/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    fs::write(path, state.to_string()).unwrap();
}

type Behind = fn(&Bench);

/// What was done, and the words of `status` afterwards.
const REPAIRED: &[(&str, Behind, &str)] = &[
    (
        "an app destroyed",
        |bench| drop(bench.dokku(&["apps:destroy", "shop-web", "--force"]).ends(0)),
        "the app is gone",
    ),
    ("a variable", |bench| drop(bench.dokku(&["config:set", "--no-restart", "shop-web", "A=2"]).ends(0)), "variable A"),
    (
        "a network",
        |bench| drop(bench.dokku(&["network:set", "shop-web", "initial-network", "bridge"]).ends(0)),
        "network.initial-network was changed by hand from shop_default to bridge",
    ),
    (
        "a container removed",
        |bench| {
            engine(bench, |state| {
                state["containers"].as_object_mut().unwrap().retain(|_, one| one["name"] != "shop-db");
            })
        },
        "1 of 1 containers are gone",
    ),
    (
        "containers that a reboot did not bring back",
        |bench| {
            engine(bench, |state| {
                for one in state["containers"].as_object_mut().unwrap().values_mut() {
                    one["status"] = "exited".into();
                }
            })
        },
        "0 of 1 containers run (1 exited)",
    ),
    ("an app stopped", |bench| drop(bench.dokku(&["ps:stop", "shop-web"]).ends(0)), "0 of 1 containers run"),
    (
        "a mount",
        |bench| {
            let mounts = bench.dokku(&["storage:report", "shop-web", "--format", "json"]).ends(0).json().to_string();
            assert!(mounts.contains("stack_data:/data"), "{mounts}");
            bench.dokku(&["storage:unmount", "shop-web", "stack_data:/data"]).ends(0);
        },
        "mount /data",
    ),
];

#[test]
fn status_tells_and_the_next_import_repairs() {
    for (what, behind, words) in REPAIRED {
        let bench = imported();
        behind(&bench);
        let status = bench.run(&["status", "shop"]).ends(0);
        assert!(status.err.contains(words), "{what}: {}", status.all());
        bench.plan(&["--detailed-exitcode"]).ends(2);
        bench.import(&[]).ends(0);
        let status = bench.run(&["status", "shop"]).ends(0);
        assert_eq!(status.err, "", "{what}: {}", status.all());
        bench.plan(&["--detailed-exitcode"]).ends(0);
        assert!(fs::read_to_string(bench.world.path("engine/state.json")).unwrap().contains("stack_data"), "{what}");
    }
}

#[test]
fn the_next_import_goes_to_an_app_by_its_new_name() {
    let bench = imported();
    bench.dokku(&["apps:rename", "shop-web", "front"]).ends(0);
    bench.edit("    image: acme/web:1", "    x-dokku: {app: front}\n    image: acme/web:2");
    bench.import(&[]).ends(0);
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop-web"));
    bench.run(&["rollback", "shop", "v1"]).ends(0);
    assert!(bench.dokku(&["git:report", "front"]).out.contains("acme/web:1"));
}

#[test]
fn what_a_newer_version_wrote_is_left_alone_with_the_reason() {
    let newer = |name: &str, from: &str, to: &str| {
        let bench = imported();
        let path = bench.project_file(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        (bench, path, text.replacen(from, to, 1))
    };
    let (bench, path, text) = newer("state.json", "\"format\": 1", "\"format\": 99");
    for args in
        [&["status", "shop"][..], &["import", "shop", "stack"], &["rollback", "shop"], &["destroy", "shop", "--force"]]
    {
        bench.run(args).ends(1).says("newer version of the plugin").says("update the plugin");
    }
    assert_eq!(fs::read_to_string(path).unwrap(), text);
    assert!(bench.dokku(&["apps:list"]).out.contains("shop-web"));

    let bench = imported();
    fs::create_dir_all(bench.project_file("journal")).unwrap();
    let journal = bench.project_file("journal/20990101T000000Z-abcdef.jsonl");
    fs::write(&journal, "{\"v\":99,\"seq\":1,\"at\":\"t\",\"ev\":\"begin\"}\n").unwrap();
    bench.import(&[]).ends(1).says("newer version of the plugin");
    bench.run(&["status", "shop"]).ends(0).says("was interrupted");
    assert!(journal.exists() && bench.dokku(&["apps:list"]).out.contains("shop-web"));
}

#[test]
fn without_the_plugins_notes_all_runs_on_and_the_next_import_writes_them_again() {
    // Uninstalling leaves the data; somebody who takes the notes of the triggers away too loses only those.
    let bench = imported();
    fs::remove_file(bench.world.path("lib/data/compose/apps/shop-web")).unwrap();
    bench.dokku(&["ps:restart", "shop-web"]).ends(0);
    bench.edit("A: '1'", "A: '2'");
    bench.import(&[]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_first_import_that_was_killed_leaves_nothing_once_it_is_recovered() {
    let bench = Bench::new(FILE);
    let killed = bench.command(&["import", "shop", "stack"]).env("DOKKU_COMPOSE_FAULT", "journal-abort:9").output();
    assert!(!killed.unwrap().status.success());
    assert!(bench.project_file("journal").exists());
    bench.run(&["recover", "shop"]).ends(0).says("was undone");
    assert!(!bench.project_file("journal").parent().unwrap().exists());
    bench.run(&["recover", "shop"]).ends(20);
    assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
}
