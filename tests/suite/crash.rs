//! The program dies at every record of its journal and in the middle of every call; the next command ends the run, with
//! exactly the state before it or exactly the state that it was asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::bench::{Bench, PROJECT, Ran};
use crate::snapshot::Snapshot;
use crate::stacks::{self, Stack};

/// Points of one stack that are tried at the same time.
const WORKERS: usize = 2;

/// Where the program dies.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// Right after this record is on disk.
    Record(u64),
    /// By SIGKILL, as this call begins or has done its work. Its own work goes on.
    Call(u64, &'static str),
}

/// A bench before the import that is to be interrupted, and the two states that are right afterwards.
pub struct Scene {
    pub bench: Bench,
    pub before: Snapshot,
    pub after: Snapshot,
    pub calls: u64,
    pub records: u64,
}

impl Scene {
    /// `update`: the first version is there, and the second one is imported.
    pub fn new(stack: &Stack, update: bool, bench: Bench) -> Self {
        (stack.first)(&bench);
        if update {
            bench.import(&[]).ends(0);
            (stack.second)(&bench);
        }
        bench.no_faults();
        if !update {
            // Another key would give other digests of the same secrets.
            let key = bench.world.path("lib/data/compose/digest.key");
            std::fs::create_dir_all(key.parent().unwrap()).unwrap();
            std::fs::write(key, [7; 32]).unwrap();
        }
        bench.save();
        let before = bench.snapshot();
        let mark = bench.mark();
        bench.import(&[]).ends(0);
        let calls = (bench.mark() - mark) as u64;
        let after = bench.snapshot().without_commits();
        assert!(!before.difference(&after).is_empty(), "the import of {} changes nothing", stack.name);
        let records = newest_journal(&bench).lines().count() as u64;
        Self { bench, before, after, calls, records }
    }
}

fn newest_journal(bench: &Bench) -> String {
    let runs = bench.world.path("lib/data/compose/projects").join(PROJECT).join("runs");
    let mut names: Vec<_> = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    std::fs::read_to_string(names.last().unwrap().join("journal.jsonl")).unwrap()
}

fn die(scene: &Scene, point: Point) -> Ran {
    let bench = &scene.bench;
    bench.restore();
    match point {
        Point::Record(number) => {
            let args = bench.import_args(&[]);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            bench.run_with(&args, &[("DOKKU_COMPOSE_FAULT", format!("journal-abort:{number}").into())])
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
            bench.import(&[])
        }
    }
}

/// Dies at a point and ends the run; what is wrong afterwards, empty where nothing is.
fn crash(scene: &Scene, point: Point, index: usize) -> Option<String> {
    let ran = die(scene, point);
    if ran.code.is_some() {
        // Fewer records or calls than in the undisturbed run: it ended by itself.
        return (ran.code != Some(0)).then(|| format!("{point:?} ended with {:?}: {}", ran.code, ran.all()));
    }
    scene.bench.no_faults();
    let recover = index.is_multiple_of(2);
    let next = if recover { scene.bench.run(&["recover", PROJECT]) } else { scene.bench.import(&[]) };
    // Before the first import had begun there is no project yet.
    if next.code != Some(0) && !(recover && next.code == Some(20)) {
        return Some(format!("{point:?}: the next command ended with {:?}: {}", next.code, next.all()));
    }
    let now = scene.bench.snapshot();
    let right = now.without_commits() == scene.after || recover && now == scene.before;
    if !right {
        let undone = recover && next.all().contains("was undone");
        let difference =
            if undone { scene.before.difference(&now) } else { scene.after.difference(&now.without_commits()) };
        return Some(format!(
            "{point:?}, ended by {}:\n{difference}\n{}",
            if recover { "recover" } else { "import" },
            next.all()
        ));
    }
    // Nothing is left to end.
    let again = scene.bench.run(&["recover", PROJECT]);
    (again.code == Some(0) && !again.out.contains("nothing to do")).then(|| format!("{point:?}: {}", again.all()))
}

fn matrix(stack: &Stack, update: bool) {
    let scenes: Vec<Scene> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| Scene::new(stack, update, Bench::new()))).collect();
        made.into_iter().map(|scene| scene.join().unwrap()).collect()
    });
    let records = (1..=scenes[0].records).map(Point::Record);
    // The calls before the first record change nothing; one of them stands for all.
    let calls =
        (1..=scenes[0].calls).map(|number| Point::Call(number, if number % 3 == 0 { "after" } else { "before" }));
    let points: Vec<Point> = records.chain(calls).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for scene in &scenes {
            let (points, next, wrong) = (&points, &next, &wrong);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(point) = points.get(index) else { return };
                    if let Some(text) = crash(scene, *point, index) {
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!(
        "{} of {}: killed at {} points ({} records, {} calls): {} wrong end states",
        if update { "update" } else { "first import" },
        stack.name,
        points.len(),
        scenes[0].records,
        scenes[0].calls,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} wrong end states:\n{}", wrong.len(), wrong.join("\n======\n"));
}

#[test]
fn first_import_killed_anywhere() {
    matrix(&stacks::SHOP, false);
}

#[test]
fn update_killed_anywhere() {
    matrix(&stacks::SHOP, true);
}

#[test]
fn first_import_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, false);
}

#[test]
fn update_of_built_apps_killed_anywhere() {
    matrix(&stacks::BUILT, true);
}
