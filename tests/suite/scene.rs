//! What is to be interrupted, several times at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bench::{Bench, PROJECT};
use crate::snapshot::Snapshot;
use crate::stacks::Stack;

/// Points of one stack that are tried at the same time; most of the time each waits for a container to prove itself.
const WORKERS: usize = 5;

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
            bench.give_key();
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

    /// The same scene for each worker.
    pub fn several(stack: &Stack, update: bool) -> Vec<Self> {
        std::thread::scope(|scope| {
            let made: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| Self::new(stack, update, Bench::new()))).collect();
            made.into_iter().map(|scene| scene.join().unwrap()).collect()
        })
    }
}

fn newest_journal(bench: &Bench) -> String {
    let runs = bench.world.path("lib/data/compose/projects").join(PROJECT).join("runs");
    let mut names: Vec<_> = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    std::fs::read_to_string(names.last().unwrap().join("journal.jsonl")).unwrap()
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
