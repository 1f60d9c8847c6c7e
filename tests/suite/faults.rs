//! Every call fails in turn: the server is afterwards as it was before.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, Ran};
use crate::scene::{Scene, Way, on_each};
use crate::stacks::{self, Stack};

/// What became of a run with a fault.
#[derive(Default)]
struct Tally {
    refused: usize,
    undone: usize,
    done: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// After exit code 1 or 3 all must be as before, after 0 as asked for; nothing else may happen.
    fn judge(&mut self, scene: &Scene, ran: &Ran, what: &str) {
        let now = scene.bench.snapshot();
        let difference = match ran.code {
            Some(1) => {
                self.refused += 1;
                scene.before.difference(&now)
            }
            Some(3) => {
                self.undone += 1;
                scene.before.difference(&now)
            }
            Some(0) => {
                self.done += 1;
                scene.after.difference(&now.without_commits())
            }
            other => {
                self.wrong.push(format!("{what}: ended with {other:?} {:?}\n{}", ran.signal, ran.all()));
                return;
            }
        };
        if !difference.is_empty() {
            self.wrong.push(format!("{what}: ended with {:?}\n{difference}\n{}", ran.code, ran.err));
        }
    }

    #[track_caller]
    fn end(self, what: &str) {
        println!(
            "{what}: {} refused before the first change, {} undone, {} done all the same, {} wrong",
            self.refused,
            self.undone,
            self.done,
            self.wrong.len()
        );
        assert!(
            self.wrong.is_empty(),
            "{what}: {} wrong end states:\n{}",
            self.wrong.len(),
            self.wrong.join("\n======\n")
        );
        assert!(self.undone > 0, "{what}: no run was undone");
    }
}

/// Imports once for each call, with the faults that `make` says for its number.
fn every_call(stack: &Stack, way: Way, what: &str, make: fn(u64) -> Value) {
    let scenes = Scene::several(stack, way);
    let tally = Mutex::new(Tally::default());
    on_each(&scenes, scenes[0].calls.len(), |scene, index| {
        let number = index as u64 + 1;
        scene.bench.restore();
        scene.bench.faults(&make(number));
        let ran = scene.bench.import(&[]);
        tally.lock().unwrap().judge(scene, &ran, &format!("call {number}"));
    });
    tally.into_inner().unwrap().end(&format!("{what}, {} calls", scenes[0].calls.len()));
}

/// The call does nothing and says so.
fn refused(number: u64) -> Value {
    json!({
        "dokku": [{ "at": number, "do": "fail", "exit": 1, "message": "played failure" }],
        "engine": [{ "at": number, "do": "fail", "message": "played failure" }],
    })
}

/// The call does its work and then says that it failed.
fn done_but_failed(number: u64) -> Value {
    json!({
        "dokku": [{ "at": number, "do": "fail", "exit": 1, "message": "played failure", "when": "after" }],
        "engine": [{ "at": number, "do": "fail", "message": "played failure", "when": "after" }],
    })
}

/// The called program dies, before or after its work.
fn child_dies(number: u64) -> Value {
    let when = if number.is_multiple_of(2) { "before" } else { "after" };
    json!({ "dokku": [{ "at": number, "do": "kill", "signal": 9, "when": when }] })
}

#[test]
fn every_call_of_a_first_import_fails() {
    every_call(&stacks::SHOP, Way::First, "first import, a call is refused", refused);
}

#[test]
fn every_call_of_a_first_import_fails_after_its_work() {
    every_call(&stacks::SHOP, Way::First, "first import, a call fails after its work", done_but_failed);
}

#[test]
fn every_call_of_an_update_fails() {
    every_call(&stacks::SHOP, Way::Update, "update, a call is refused", refused);
}

#[test]
fn every_call_of_an_update_fails_after_its_work() {
    every_call(&stacks::SHOP, Way::Update, "update, a call fails after its work", done_but_failed);
}

#[test]
fn every_call_of_built_apps_fails() {
    every_call(&stacks::BUILT, Way::First, "first import of built apps, a call is refused", refused);
    every_call(&stacks::BUILT, Way::Update, "update of built apps, a call is refused", refused);
}

#[test]
fn every_child_of_an_update_dies() {
    every_call(&stacks::SHOP, Way::Update, "update, a child is killed", child_dies);
}

#[test]
fn a_call_that_hangs_is_ended_and_undone() {
    let scene = Scene::new(&stacks::SHOP, Way::Update, Bench::new());
    let mut tally = Tally::default();
    for pattern in
        ["*config:import*shop-api*", "*ports:set*shop-web*", "*git:from-image*shop-api*", "*config:unset*shop-api*"]
    {
        scene.bench.restore();
        scene.bench.faults(&json!({ "dokku": [{ "match": pattern, "nth": 1, "do": "hang", "seconds": 100 }] }));
        let began = std::time::Instant::now();
        let ran = scene.bench.import(&["--timeout", "2"]);
        assert!(began.elapsed().as_secs() < 30, "{pattern} took {:?}", began.elapsed());
        tally.judge(&scene, &ran, pattern);
    }
    assert_eq!(tally.undone, 4, "{:?}", tally.wrong);
    tally.end("update, a call hangs");
}

#[test]
fn a_job_that_never_ends_is_ended_and_undone() {
    let scene = Scene::new(&stacks::SHOP, Way::Update, Bench::new());
    let behaviour = json!({ "containers": { "shop-migrate*": { "exit": 0, "after_ms": 100_000 } } });
    std::fs::write(scene.bench.world.path("behaviour.json"), behaviour.to_string()).unwrap();
    scene.bench.save_with("behaviour.json");
    scene.bench.restore();
    let ran = scene.bench.import(&["--timeout", "2"]).ends(3);
    let mut tally = Tally::default();
    tally.judge(&scene, &ran, "job");
    tally.end("update, a job never ends");
}

#[test]
fn a_failed_undo_is_stuck_until_recover() {
    let scene = Scene::new(&stacks::SHOP, Way::First, Bench::new());
    scene.bench.restore();
    scene.bench.faults(&json!({ "dokku": [
        { "match": "*git:from-image*shop-web*", "do": "fail", "exit": 1, "message": "played failure" },
        { "match": "*apps:destroy*shop-api*", "do": "fail", "exit": 1, "message": "played refusal" },
    ] }));
    let ran = scene.bench.import(&[]).ends(4);
    assert!(ran.err.contains("apps:destroy --force shop-api"), "the command to finish by hand is missing: {}", ran.err);
    let status = scene.bench.run(&["status", PROJECT]);
    assert!(status.all().contains("was interrupted"), "{}", status.all());
    scene.bench.run(&["recover", PROJECT]).ends(4);
    scene.bench.no_faults();
    scene.bench.run(&["recover", PROJECT]).ends(0);
    scene.before.same(&scene.bench.snapshot(), "after the undo that was stuck");
    scene.bench.import(&[]).ends(0);
    scene.after.same(&scene.bench.snapshot().without_commits(), "after the import that followed");
}

#[test]
fn a_clean_up_that_fails_is_gone_on_with() {
    let scene = Scene::new(&stacks::SHOP, Way::Update, Bench::new());
    scene.bench.restore();
    let refused = |nth: u64| json!({ "match": "container_remove shop-db.replaced", "nth": nth, "do": "fail", "message": "played refusal" });
    // The first is the one before the container gets that name.
    scene.bench.faults(&json!({ "engine": [refused(2), refused(3), refused(4)] }));
    let ran = scene.bench.import(&[]).ends(0);
    assert!(ran.err.contains("docker rm -f shop-db.replaced"), "the command to do it by hand is missing: {}", ran.err);
    assert!(scene.bench.containers().contains_key("shop-db.replaced"));
    // Nothing new is begun beside it.
    scene.bench.faults(&json!({ "engine": [refused(0)] }));
    scene.bench.import(&[]).ends(4);
    scene.bench.no_faults();
    scene.bench.import(&[]).ends(0);
    scene.after.same(&scene.bench.snapshot().without_commits(), "after the clean-up");
}

#[test]
fn a_full_disk_stops_the_run_and_undoes_it() {
    let scene = Scene::new(&stacks::SHOP, Way::Update, Bench::new());
    let mut tally = Tally::default();
    for write in [1, 2, 3, 8, 15, 22] {
        scene.bench.restore();
        let args = scene.bench.import_args(&[]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = scene.bench.run_with(&args, &[("DOKKU_COMPOSE_FAULT", format!("journal-full:{write}").into())]);
        assert_ne!(ran.code, Some(0), "write {write}: {}", ran.all());
        if ran.code == Some(3) || ran.code == Some(1) {
            // The undo could not be written down; the journal is still there, and its end is due.
            scene.bench.run(&["recover", PROJECT]).ends(0);
        }
        tally.judge(&scene, &ran, &format!("write {write}"));
    }
    tally.end("update, the disk is full");
}

#[test]
fn an_image_that_nobody_has_changes_nothing() {
    let scene = Scene::new(&stacks::SHOP, Way::First, Bench::new());
    for image in ["postgres:16", "acme/api:1", "acme/web:1"] {
        scene.bench.restore();
        scene.bench.world.set_missing_images(&[image]).unwrap();
        let ran = scene.bench.import(&[]).ends(3);
        assert!(ran.err.contains(image), "{image} is not named: {}", ran.err);
        scene.before.same(&scene.bench.snapshot(), image);
    }
}
