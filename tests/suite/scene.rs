//! What is to be interrupted, several times at once.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::bench::{Bench, PROJECT};
use crate::snapshot::Snapshot;
use crate::stacks::Stack;

/// Points of one stack that are tried at the same time; most of the time each waits for a container to prove itself.
const WORKERS: usize = 5;

/// A bench before the command that is to be interrupted, and the two states that are right afterwards.
pub struct Scene {
    pub bench: Bench,
    pub before: Snapshot,
    pub after: Snapshot,
    /// The words of each call of the undisturbed run.
    pub calls: Vec<String>,
    /// The lines of its journal.
    pub records: Vec<Value>,
    /// Its operations, as the journal counts them.
    ops: Vec<Value>,
    /// The command that is interrupted.
    args: Vec<String>,
    way: Way,
}

/// The server; once there is an earlier version, without the name under which a run keeps what it replaces: it goes on
/// to the last run that replaced something, undone or not.
fn seen(bench: &Bench, way: Way) -> Snapshot {
    let working = |path: &str| path.starts_with("image dokku-compose/") && path.ends_with(":previous");
    bench.snapshot().without(|path| way == Way::Rollback && working(path))
}

/// What is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The first import.
    First,
    /// The import of a second version, which gives up the images of the first.
    Update,
    /// The way back from the second version to the first.
    Rollback,
    /// An import that removes the services that left the file.
    Prune,
}

impl Scene {
    /// Up to the command that is to be interrupted, and once what it does.
    pub fn new(stack: &Stack, way: Way, bench: Bench) -> Self {
        (stack.first)(&bench);
        let mut args = bench.import_args(stack.words);
        if way != Way::First {
            bench.import(&[]).ends(0);
        }
        match way {
            // Another key would give other digests of the same secrets.
            Way::First => bench.give_key(),
            Way::Update => {
                bench.run(&["set", PROJECT, "keep-versions", "1"]).ends(0);
                (stack.second)(&bench);
            }
            Way::Rollback => {
                (stack.second)(&bench);
                bench.import(&[]).ends(0);
                args = ["rollback", PROJECT, "v1"].map(str::to_owned).to_vec();
            }
            Way::Prune => {
                (stack.fewer)(&bench);
                args = bench.import_args(&["--prune"]);
            }
        }
        bench.no_faults();
        bench.save();
        let before = seen(&bench, way);
        let mark = bench.mark();
        bench.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ends(0);
        let calls = bench.calls_since(mark).iter().map(|call| call.argv.join(" ")).collect();
        let after = seen(&bench, way).without_commits();
        assert!(!before.difference(&after).is_empty(), "{way:?} of {} changes nothing", stack.name);
        let run = newest_run(&bench);
        let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
        let records = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let plan: Value = serde_json::from_slice(&std::fs::read(run.join("plan.json")).unwrap()).unwrap();
        let ops = plan["ops"].as_array().unwrap().clone();
        Self { bench, before, after, calls, records, ops, args, way }
    }

    /// Numbers of the records of operations whose kind begins with `kind`.
    pub fn records_of(&self, kind: &str) -> Vec<u64> {
        let of = |record: &&Value| {
            let op = record["op"].as_u64().and_then(|id| self.ops.iter().find(|op| op["id"] == id));
            op.and_then(|op| op["action"]["do"].as_str()).is_some_and(|what| what.starts_with(kind))
        };
        self.records.iter().filter(of).map(|record| record["seq"].as_u64().unwrap()).collect()
    }

    /// What is on the server now.
    pub fn now(&self) -> Snapshot {
        seen(&self.bench, self.way)
    }

    /// The words of the command that is interrupted.
    pub fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }

    /// The same scene for each worker.
    pub fn several(stack: &Stack, way: Way) -> Vec<Self> {
        std::thread::scope(|scope| {
            let made: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| Self::new(stack, way, Bench::new()))).collect();
            made.into_iter().map(|scene| scene.join().unwrap()).collect()
        })
    }
}

fn newest_run(bench: &Bench) -> PathBuf {
    let runs = bench.world.path("lib/data/compose/projects").join(PROJECT).join("runs");
    let mut names: Vec<_> = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.pop().unwrap()
}

/// What `try_one` says of each of `count` points, in their order; each scene tries one at a time.
pub fn on_each<T: Send>(scenes: &[Scene], count: usize, try_one: impl Fn(&Scene, usize) -> T + Sync) -> Vec<T> {
    let (next, said) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for scene in scenes {
            let (next, said, try_one) = (&next, &said, &try_one);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let one = try_one(scene, index);
                    said.lock().unwrap().push((index, one));
                }
            });
        }
    });
    let mut said = said.into_inner().unwrap();
    said.sort_by_key(|(index, _)| *index);
    said.into_iter().map(|(_, one)| one).collect()
}
