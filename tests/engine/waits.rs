//! Waits, exit codes, logs.

use super::*;

#[test]
fn exit_codes_and_logs() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let spec = spec(
        &mut made,
        "job",
        &[
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done; printf end; exit 42",
        ],
    );
    start(&engine, &spec);
    assert_eq!(engine.container_wait(&spec.name, LIMIT).unwrap(), 42);
    assert_eq!(engine.container_wait(&spec.name, LIMIT).unwrap(), 42);
    assert_eq!(engine.container_logs(&spec.name, 4).unwrap(), ["err 4", "out 5", "err 5", "end"]);
    assert_eq!(engine.container_logs(&spec.name, 1000).unwrap().len(), 11);
    assert_eq!(status(engine.container_wait("engine-test-no-such", LIMIT).unwrap_err()), 404);
    assert_eq!(status(engine.container_logs("engine-test-no-such", 5).unwrap_err()), 404);
}

#[test]
fn waits_of_several_threads_go_on_beside_each_other() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let specs: Vec<_> =
        (0..4).map(|at| spec(&mut made, &format!("par-{at}"), &["sh", "-c", &format!("sleep 2; exit {at}")])).collect();
    for spec in &specs {
        start(&engine, spec);
    }
    let started = Instant::now();
    let codes: Vec<i64> = thread::scope(|scope| {
        let waits: Vec<_> =
            specs.iter().map(|spec| scope.spawn(|| engine.container_wait(&spec.name, LIMIT).unwrap())).collect();
        waits.into_iter().map(|wait| wait.join().unwrap()).collect()
    });
    assert_eq!(codes, [0, 1, 2, 3]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_wait_has_a_limit_and_can_be_cancelled() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let spec = spec(&mut made, "long", &[]);
    start(&engine, &spec);
    let started = Instant::now();
    assert!(matches!(engine.container_wait(&spec.name, Duration::from_millis(500)), Err(EngineError::TimedOut(_))));
    let cancel = Cancel::new();
    let cancellable = engine.with_cancel(Some(cancel.clone()));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            cancel.cancel();
        });
        assert!(matches!(cancellable.container_wait(&spec.name, LIMIT), Err(EngineError::Cancelled)));
    });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    cancellable.container_remove(&spec.name).unwrap();
}

#[test]
fn verdicts() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let second = 1_000_000_000;
    let health = |test: &[&str]| {
        let test = test.iter().map(|word| (*word).to_owned()).collect();
        Some(HealthSpec { test, interval: second / 4, timeout: second, retries: 2, ..HealthSpec::default() })
    };
    let no_cancel = Cancel::new();
    let wait = |name: &str, want, limit| {
        wait_ready(&engine, name, want, Duration::from_millis(limit), Duration::from_millis(100), &no_cancel).unwrap()
    };

    let well = ContainerSpec { health: health(&["CMD", "/standin", "check", "8080"]), ..spec(&mut made, "well", &[]) };
    start(&engine, &well);
    assert_eq!(wait(&well.name, Want::Running, 30_000), Verdict::Ready);
    assert_eq!(wait(&well.name, Want::Healthy, 30_000), Verdict::Ready);
    assert_eq!(engine.containers(&[]).unwrap().iter().find(|found| found.name == well.name).unwrap().health, "healthy");
    assert_eq!(wait(&well.name, Want::Exited, 300), Verdict::TimedOut);

    let ill = ContainerSpec { health: health(&["CMD-SHELL", "exit 1"]), ..spec(&mut made, "ill", &[]) };
    start(&engine, &ill);
    assert_eq!(wait(&ill.name, Want::Healthy, 30_000), Verdict::Unhealthy);

    let plain = spec(&mut made, "plain", &[]);
    start(&engine, &plain);
    assert_eq!(wait(&plain.name, Want::Healthy, 30_000), Verdict::NoHealthCheck);
    let none = ContainerSpec { health: health(&["NONE"]), ..spec(&mut made, "none", &[]) };
    start(&engine, &none);
    assert_eq!(wait(&none.name, Want::Healthy, 30_000), Verdict::NoHealthCheck);

    let job = spec(&mut made, "done", &["exit", "3"]);
    start(&engine, &job);
    assert_eq!(wait(&job.name, Want::Exited, 30_000), Verdict::Exited(3));
    assert_eq!(wait(&job.name, Want::Healthy, 30_000), Verdict::Exited(3));

    let looping = ContainerSpec {
        restart: "always".to_owned(),
        health: health(&["CMD", "true"]),
        ..spec(&mut made, "loop", &["exit", "9"])
    };
    start(&engine, &looping);
    assert_eq!(wait(&looping.name, Want::Healthy, 30_000), Verdict::RestartLoop(9));

    assert_eq!(wait("engine-test-no-such", Want::Running, 1000), Verdict::Gone);
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(wait_ready(&engine, &well.name, Want::Exited, LIMIT, LIMIT, &cancel).unwrap(), Verdict::Cancelled);
}
