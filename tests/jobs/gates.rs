//! The gate: what a container shows before others start.

use super::*;
use dokku_compose::docker::HealthSpec;
use dokku_compose::map::resources::Gate;
use dokku_compose::plan::AwaitTarget;

const SECOND: i64 = 1_000_000_000;

fn health(test: &[&str]) -> Option<HealthSpec> {
    let test = test.iter().map(|word| (*word).to_owned()).collect();
    Some(HealthSpec { test, interval: SECOND / 4, timeout: SECOND, retries: 2, ..HealthSpec::default() })
}

fn started(server: &Server, spec: ContainerSpec) -> String {
    let name = spec.name.clone();
    server.run(&Action::ContainerRun { spec: spec.into() }).unwrap();
    name
}

fn gate(name: &str, healthy: bool, limit: u64) -> Action {
    let target = AwaitTarget::Container(name.to_owned());
    Action::Await { target, gate: Gate { healthy, limit, settle: 1 } }
}

#[test]
fn a_container_that_becomes_healthy_passes() {
    let Some(server) = Server::with_engine() else { return };
    let mut spec = server.spec("well", "1", &[]);
    spec.health = health(&["CMD", "/standin", "check", "8080"]);
    let name = started(&server, spec);
    for _ in 0..2 {
        let done = server.run(&gate(&name, true, 60)).unwrap();
        assert!(done.detail.starts_with("healthy after "), "{done:?}");
    }
}

#[test]
fn an_unhealthy_container_fails_at_once_with_its_last_lines() {
    let Some(server) = Server::with_engine() else { return };
    let script = "echo cannot open the database; exec sleep 600";
    let mut spec = server.spec("ill", "1", &["sh", "-c", script]);
    spec.health = health(&["CMD-SHELL", "echo no such table; exit 1"]);
    let name = started(&server, spec);
    let begun = Instant::now();
    let error = server.run(&gate(&name, true, 100)).unwrap_err();
    assert_eq!(error.message, format!("{name} is unhealthy"));
    assert_eq!(error.lines, ["cannot open the database", "health check: exit code 1", "health check: no such table"]);
    assert!(begun.elapsed() < Duration::from_secs(60), "it did not wait for the limit");
}

#[test]
fn a_string_check_in_an_image_without_a_shell_says_so() {
    let Some(server) = Server::with_engine() else { return };
    let mut spec = server.spec("bare", "1", &[]);
    spec.health = health(&["CMD-SHELL", "true"]);
    // Of the image that has a shell, one in which it is not found.
    spec.mounts.push(dokku_compose::docker::ContainerMount {
        kind: "tmpfs".to_owned(),
        target: "/bin".to_owned(),
        ..Default::default()
    });
    let name = started(&server, spec);
    let error = server.run(&gate(&name, true, 100)).unwrap_err();
    assert_eq!(error.message, format!("{name} is unhealthy"));
    let said = error.lines.join("\n");
    assert!(said.contains("health check: ") && said.contains("/bin/sh") && said.contains("no such file"), "{said}");
}

#[test]
fn a_container_without_a_check_passes_once_it_stays_up() {
    let Some(server) = Server::with_engine() else { return };
    let name = started(&server, server.spec("up", "1", &[]));
    for healthy in [false, true] {
        let done = server.run(&gate(&name, healthy, 60)).unwrap();
        assert!(done.detail.contains(" after "), "{done:?}");
    }
}

#[test]
fn a_container_that_ended_fails_with_its_exit_code() {
    let Some(server) = Server::with_engine() else { return };
    let name = started(&server, server.spec("ended", "1", &["sh", "-c", "echo no configuration; exit 7"]));
    let error = server.run(&gate(&name, false, 60)).unwrap_err();
    assert_eq!(error.message, format!("{name} ended with exit code 7"));
    assert_eq!(error.lines, ["no configuration"]);
}

#[test]
fn a_container_that_is_restarted_again_and_again_is_not_up() {
    let Some(server) = Server::with_engine() else { return };
    let mut spec = server.spec("loop", "1", &["sh", "-c", "echo no configuration; sleep 0.3; exit 9"]);
    spec.restart = "always".to_owned();
    let name = started(&server, spec);
    let begun = Instant::now();
    let error = server.run(&gate(&name, false, 5)).unwrap_err();
    assert!(error.message.contains("was not up for a moment within 5 s"), "{error}");
    assert!(error.lines.iter().all(|line| line == "no configuration") && !error.lines.is_empty(), "{:?}", error.lines);
    assert!(begun.elapsed() >= Duration::from_secs(5) && begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn what_is_slow_fails_at_the_limit_and_what_is_not_there_too() {
    let Some(server) = Server::with_engine() else { return };
    let mut spec = server.spec("slow", "1", &[]);
    spec.health = Some(HealthSpec { start_period: 600 * SECOND, ..health(&["CMD-SHELL", "exit 1"]).unwrap() });
    let name = started(&server, spec);
    let error = server.run(&gate(&name, true, 2)).unwrap_err();
    assert!(error.message.contains("was not healthy within 2 s"), "{error}");
    let error = server.run(&gate("runner-test-nobody", false, 1)).unwrap_err();
    assert!(error.message.contains("was not up for a moment within 1 s"), "{error}");
}

#[test]
fn a_wait_ends_with_the_run() {
    let Some(server) = Server::with_engine() else { return };
    server.cancel.cancel("SIGTERM");
    let error = server.run(&gate("runner-test-nobody", false, 600)).unwrap_err();
    assert_eq!(error.message, "stopped: SIGTERM");
}

/// Dokku notes the containers that it routes to; older ones that are to be retired do not count.
#[test]
fn of_an_app_only_the_current_containers_count() {
    let Some(server) = Server::with_engine() else { return };
    let app = format!("runner-test-app-{}", std::process::id());
    let of_app = |what: &str, command: &[&str]| {
        let mut spec = server.spec(what, "1", command);
        spec.labels.extend(labels(&[("com.dokku.app-name", &app), ("com.dokku.process-type", "web")]));
        started(&server, spec)
    };
    let old = of_app("app-old", &["exit", "1"]);
    let new = of_app("app-new", &[]);
    let wait =
        Action::Await { target: AwaitTarget::App(app.clone()), gate: Gate { healthy: false, limit: 30, settle: 1 } };
    let error = server.run(&wait).unwrap_err();
    assert_eq!(error.message, format!("{old} ended with exit code 1"));
    let folder = server.runner.site.dokku_root.join(&app);
    std::fs::create_dir_all(&folder).unwrap();
    let id = server.engine.container(&new).unwrap().unwrap().id;
    std::fs::write(folder.join("CONTAINER.web.1"), format!("{id}\n")).unwrap();
    assert!(server.run(&wait).unwrap().detail.starts_with("up after "));
}
