//! One-shot jobs: the exit code decides, the output is shown, nothing runs for ever.

use super::*;

fn job(server: &Server, what: &str, script: &str, limit: u64) -> Action {
    Action::JobRun { spec: server.spec(what, "1", &["sh", "-c", script]), limit }
}

fn name(job: &Action) -> String {
    match job {
        Action::JobRun { spec, .. } => spec.name.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_ends_well_is_done_and_its_output_shown() {
    let Some(server) = Server::with_engine() else { return };
    let before = server.engine_state();
    let job = job(&server, "good", "echo migrating; sleep 0.2; echo done >&2", 30);
    let done = server.run(&job).unwrap();
    assert_eq!((done.detail.as_str(), done.facts["exit"].as_str()), ("exit code 0", "0"));
    assert_eq!(server.shown(), ["migrating", "done"]);
    let first = server.engine.container(&name(&job)).unwrap().unwrap();
    assert_eq!((first.status.as_str(), first.exit_code), ("exited", 0));
    // Again: a run of its own, in the place of the first.
    server.run(&job).unwrap();
    assert_eq!(server.shown(), ["migrating", "done"]);
    assert_ne!(server.engine.container(&name(&job)).unwrap().unwrap().id, first.id);
    server.undo(&[Action::ContainerRemove { name: name(&job) }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn the_exit_code_of_a_job_decides() {
    let Some(server) = Server::with_engine() else { return };
    let before = server.engine_state();
    let job = job(&server, "bad", "for i in $(seq 1 30); do echo step $i; done; exit 3", 30);
    for _ in 0..2 {
        let error = server.run(&job).unwrap_err();
        assert_eq!((error.message.as_str(), error.retryable), ("ended with exit code 3", false));
        let expected: Vec<String> = (11..=30).map(|step| format!("step {step}")).collect();
        assert_eq!(error.lines, expected);
        assert_eq!(server.shown().len(), 30);
    }
    server.undo(&[Action::ContainerRemove { name: name(&job) }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_job_that_never_ends_is_stopped_at_its_limit() {
    let Some(server) = Server::with_engine() else { return };
    let before = server.engine_state();
    let job = job(&server, "long", "echo waiting; trap 'exit 0' TERM; while :; do sleep 0.1; done", 2);
    let begun = Instant::now();
    let error = server.run(&job).unwrap_err();
    assert_eq!(error.message, "did not end within 2 s");
    assert_eq!(error.lines, ["waiting"]);
    assert!(begun.elapsed() >= Duration::from_secs(2) && begun.elapsed() < Duration::from_secs(60));
    assert_eq!(server.engine.container(&name(&job)).unwrap().unwrap().status, "exited");
    server.undo(&[Action::ContainerRemove { name: name(&job) }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_job_ends_with_the_run() {
    let Some(server) = Server::with_engine() else { return };
    let job = job(&server, "cancelled", "trap 'exit 0' TERM; while :; do sleep 0.1; done", 600);
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(&job));
        let begun = Instant::now();
        let name = name(&job);
        while server.engine.container(&name).unwrap().is_none_or(|one| one.status != "running") {
            assert!(begun.elapsed() < Duration::from_secs(60), "the job never started");
            std::thread::sleep(Duration::from_millis(50));
        }
        server.cancel.cancel("SIGINT");
        running.join().unwrap().unwrap_err()
    });
    assert_eq!(error.message, "stopped: SIGINT");
    assert_eq!(server.engine.container(&name(&job)).unwrap().unwrap().status, "exited");
}

#[test]
fn a_job_whose_image_is_not_there_leaves_nothing() {
    let Some(server) = Server::with_engine() else { return };
    let before = server.engine_state();
    let mut spec = server.spec("no-image", "1", &["true"]);
    spec.image = "runner-test-no-such-image:1".to_owned();
    let error = server.run(&Action::JobRun { spec, limit: 5 }).unwrap_err();
    assert!(error.message.to_lowercase().contains("no such image"), "{error}");
    assert_eq!(server.engine_state(), before);
}
