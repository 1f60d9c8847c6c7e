//! Apps made by hand whose source says more than their image: process types, cron tasks, health checks, links.

use std::process::{Command, Stdio};

use super::Bench;

/// An app of a source tree with three process types.
fn several() -> Bench {
    let bench = Bench::new();
    bench.ok(&["list"]);
    bench.write("src/Dockerfile", "FROM alpine:3\nCOPY main /main\nEXPOSE 5000\n").write("src/main", "x\n");
    bench.write("src/Procfile", "web: ./main serve\nworker: ./main work 'all of it'\nclock: ./main tick $RATE\n");
    bench.write(
        "src/app.json",
        r#"{"cron": [{"command": "./main nightly", "schedule": "0 3 * * *"}],
            "healthchecks": {"web": [{"type": "startup", "uptime": 7}, {"command": ["./main", "ok"], "wait": 2},
                                      {"name": "page", "path": "/health"}]}}"#,
    );
    bench.dokku(&["apps:create", "one"]);
    bench.dokku(&["config:set", "--no-restart", "one", "RATE=5", "MODE=hand"]);
    bench.dokku(&["ps:scale", "--skip-deploy", "one", "worker=2", "clock=1"]);
    let tar = Command::new("tar").arg("-C").arg(bench.path("src")).args(["-c", "."]).output().unwrap().stdout;
    std::fs::write(bench.path("src.tar"), tar).unwrap();
    let status = Command::new(bench.path("world/bin/dokku"))
        .args(["git:from-archive", "--archive-type", "tar", "one", "--"])
        .stdin(std::fs::File::open(bench.path("src.tar")).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    bench.dokku(&["apps:create", "two"]);
    bench.dokku(&["docker-options:add", "two", "deploy", "--link=one.web.1:api"]);
    bench.dokku(&["docker-options:add", "two", "deploy", "--link=other.web.1:gone"]);
    bench.dokku(&["git:from-image", "two", "acme/two:1"]);
    bench
}

#[test]
fn process_types_cron_checks_and_links_are_exported() {
    let bench = several();
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "--apps", "one,two", "--name", "both", "-o", "out/compose.yaml"]);
    let text = std::fs::read_to_string(bench.path("out/compose.yaml")).unwrap();
    for part in [
        "  one-worker:\n",
        "      - all of it\n",
        "    scale: 2\n",
        "      - exec ./main tick $$RATE\n",
        "  # the process type worker of one: an import makes an app of its own of it\n",
        "  # x-dokku.cron: docker compose runs nothing by the clock",
        "schedule: 0 3 * * *\n",
        "        settle: 7\n",
        "        - ./main\n        - ok\n      timeout: 5s\n      interval: 2s\n",
        "  # the health check page of /health is asked by Dokku from outside (app.json): docker compose starts it unchecked\n",
        "      one:\n        condition: service_started\n",
        "          - api\n",
        "  # its link to other as gone leads out of the stack and is left out\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(text.matches("context: ./one\n").count(), 3, "process types share a source: {text}");
    // Each process type is an app of its own on another server.
    std::fs::rename(bench.path("world"), bench.path("first")).unwrap();
    bench.ok(&["import", "both", "out"]);
    let of = |args: &[&str]| {
        let output = Command::new(bench.path("world/bin/dokku")).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let apps = of(&["apps:list"]);
    for app in ["both-one", "both-one-worker", "both-one-clock", "both-two"] {
        assert!(apps.contains(app), "{apps}");
    }
    assert!(of(&["ps:report", "both-one-worker", "--ps-dockerfile-start-cmd"]).contains("'all of it'"));
    assert!(of(&["ps:scale", "both-one-worker", "--format", "json"]).contains("\"quantity\":2"));
    assert!(of(&["config:export", "both-one-clock"]).contains("RATE"));
    assert_eq!(of(&["proxy:report", "both-one-worker", "--proxy-enabled"]).trim(), "false");
}

#[test]
fn commands_keep_process_types_in_one_app() {
    let bench = several();
    let script = bench.ok(&["export", "--apps", "one", "--format", "dokku"]);
    assert!(script.contains("dokku ps:scale --skip-deploy one clock=1 web=1 worker=2\n"), "{script}");
    assert_eq!(script.matches("apps:create").count(), 1, "{script}");
    let recipe = bench.ok(&["export", "--apps", "one", "--format", "docket"]);
    assert!(recipe.contains("          worker: 2\n"), "{recipe}");
}
