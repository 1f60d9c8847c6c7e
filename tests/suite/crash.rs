//! The program dies at every record of its journal and in the middle of every call; the next command ends the run, with
//! exactly the state before it or exactly the state that it was asked for.

use serde_json::json;

use crate::bench::PROJECT;
use crate::bench::Ran;
use crate::scene::{Scene, Way, on_each};
use crate::stacks::{self, Stack};

/// Where the program dies.
#[derive(Clone, Debug)]
enum Point {
    /// Right after this record is on disk.
    Record(u64),
    /// By SIGKILL, as this call begins or has done its work. Its own work goes on.
    Call(u64, &'static str),
    /// The same of the n-th call with these words.
    Words(String, u64, &'static str),
}

fn die(scene: &Scene, point: &Point) -> Ran {
    let bench = &scene.bench;
    bench.restore();
    match point {
        Point::Record(number) => {
            bench.run_with(&scene.args(), &[("DOKKU_COMPOSE_FAULT", format!("journal-abort:{number}").into())])
        }
        Point::Call(number, when) => {
            bench.faults(&json!({
                "dokku": [
                    { "at": number, "do": "kill", "who": "parent", "when": when },
                    // What Dokku was asked for is done although nobody waits for it any more.
                    { "at": number, "do": "slow", "ms": 120, "when": when },
                ],
                "engine": [{ "at": number, "do": "kill", "when": when }],
            }));
            bench.run(&scene.args())
        }
        Point::Words(words, nth, when) => {
            bench.faults(&json!({
                "dokku": [
                    { "match": words, "nth": nth, "do": "kill", "who": "parent", "when": when },
                    { "match": words, "nth": nth, "do": "slow", "ms": 120, "when": when },
                ],
                "engine": [{ "match": words, "nth": nth, "do": "kill", "when": when }],
            }));
            bench.run(&scene.args())
        }
    }
}

/// Dies at a point and ends the run; what is wrong afterwards, empty where nothing is.
fn crash(scene: &Scene, point: &Point, index: usize) -> Option<String> {
    let ran = die(scene, point);
    if let Some(code) = ran.code {
        // Either there were fewer records or calls than in the undisturbed run, or what died was the gate: Dokku
        // starts the program too.
        let now = scene.now();
        let difference = match code {
            0 => scene.after.difference(&now.without_commits()),
            3 => scene.before.difference(&now),
            _ => format!("ended with {code}"),
        };
        return (!difference.is_empty()).then(|| format!("{point:?} ended with {code}:\n{difference}\n{}", ran.all()));
    }
    scene.bench.no_faults();
    let recover = index.is_multiple_of(2);
    let next = if recover { scene.bench.run(&["recover", PROJECT]) } else { scene.bench.run(&scene.args()) };
    // Before the first import had begun there is no project yet.
    if next.code != Some(0) && !(recover && next.code == Some(20)) {
        return Some(format!("{point:?}: the next command ended with {:?}: {}", next.code, next.all()));
    }
    let now = scene.now();
    let right = now.without_commits() == scene.after || recover && now == scene.before;
    if !right {
        let undone = recover && next.all().contains("was undone");
        let difference =
            if undone { scene.before.difference(&now) } else { scene.after.difference(&now.without_commits()) };
        return Some(format!(
            "{point:?}, ended by {}:\n{difference}\n{}",
            if recover { "recover" } else { "the same command" },
            next.all()
        ));
    }
    // Nothing is left to end.
    let again = scene.bench.run(&["recover", PROJECT]);
    (again.code == Some(0) && !again.out.contains("nothing to do")).then(|| format!("{point:?}: {}", again.all()))
}

fn matrix(stack: &Stack, way: Way) {
    let scenes = Scene::several(stack, way);
    let records = (1..=scenes[0].records.len() as u64).map(Point::Record);
    // The calls before the first record change nothing; one of them stands for all.
    let calls = (1..=scenes[0].calls.len() as u64)
        .map(|number| Point::Call(number, if number % 3 == 0 { "after" } else { "before" }));
    kill_at(stack, way, &scenes, records.chain(calls).collect());
}

/// The same at the records of operations on datastores and in the calls by which their plugins change something: what the
/// rest of a run does is killed with the other stacks.
fn datastores(stack: &Stack, way: Way) {
    let scenes = Scene::several(stack, way);
    let scene = &scenes[0];
    let mut points: Vec<Point> = scene.records_of("datastore_").into_iter().map(Point::Record).collect();
    let records = points.len();
    let changes = ["create", "connect", "enter", "link", "unlink", "expose", "unexpose", "stop", "upgrade", "export"];
    let verbs: Vec<String> =
        ["postgres", "redis"].iter().flat_map(|plugin| changes.map(|verb| format!("{plugin}:{verb} "))).collect();
    // Of an app that goes Dokku tells every plugin; data of before is read by the engine.
    let changing = |words: &&String| {
        verbs.iter().any(|verb| words.starts_with(verb))
            || words.starts_with("apps:destroy ")
            || words.contains(".carry")
    };
    let mut seen = std::collections::BTreeMap::<&str, u64>::new();
    for words in scene.calls.iter().filter(changing) {
        let nth = seen.entry(words.as_str()).or_default();
        *nth += 1;
        let when = if points.len().is_multiple_of(2) { "after" } else { "before" };
        points.push(Point::Words(words.clone(), *nth, when));
    }
    let calls = points.len() - records;
    assert!(records >= 2 && calls >= 2, "{records} records and {calls} calls of datastores: {:#?}", scene.calls);
    kill_at(stack, way, &scenes, points);
}

fn kill_at(stack: &Stack, way: Way, scenes: &[Scene], points: Vec<Point>) {
    let wrong: Vec<String> = on_each(scenes, points.len(), |scene, index| crash(scene, &points[index], index))
        .into_iter()
        .flatten()
        .collect();
    let records = points.iter().filter(|point| matches!(point, Point::Record(_))).count();
    println!(
        "{way:?} of {}: killed at {} points ({records} records, {} calls): {} wrong end states",
        stack.name,
        points.len(),
        points.len() - records,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} wrong end states:\n{}", wrong.len(), wrong.join("\n======\n"));
}

#[test]
fn first_import_killed_anywhere() {
    matrix(&stacks::SHOP, Way::First);
}

#[test]
fn update_killed_anywhere() {
    matrix(&stacks::SHOP, Way::Update);
}

#[test]
fn rollback_killed_anywhere() {
    matrix(&stacks::SHOP, Way::Rollback);
}

#[test]
fn prune_killed_anywhere() {
    matrix(&stacks::SHOP, Way::Prune);
}

#[test]
fn first_import_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, Way::First);
}

#[test]
fn update_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, Way::Update);
}

#[test]
fn rollback_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, Way::Rollback);
}

#[test]
fn prune_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, Way::Prune);
}

#[test]
fn first_import_of_datastores_killed_anywhere() {
    datastores(&stacks::STORES, Way::First);
}

#[test]
fn update_of_datastores_killed_anywhere() {
    datastores(&stacks::STORES, Way::Update);
}

#[test]
fn rollback_of_datastores_killed_anywhere() {
    datastores(&stacks::STORES, Way::Rollback);
}

#[test]
fn prune_of_datastores_killed_anywhere() {
    datastores(&stacks::STORES, Way::Prune);
}

#[test]
fn upgrade_of_datastores_killed_anywhere() {
    datastores(&stacks::MOVED, Way::Update);
}

#[test]
fn first_import_that_carries_data_over_killed_anywhere() {
    datastores(&stacks::CARRIED, Way::First);
}

#[test]
fn move_of_a_container_into_a_service_killed_anywhere() {
    datastores(&stacks::CARRIED, Way::Update);
}
