//! Pushes that are refused: the pusher is told why and where, and the server is as it was.

use std::fs;

use crate::{Bench, FILE, stack};

/// A first push that must be refused: nothing is left but the app that it went to.
#[track_caller]
fn first(bench: &Bench, words: &[&str]) {
    bench.push().refused(words).refused(&["the push to shop is refused"]);
    let (apps, containers) = bench.there();
    assert_eq!((apps.as_str(), containers), ("shop", Vec::<String>::new()));
    assert!(!bench.path("world/lib/data/compose/projects/shop").exists());
    assert!(!bench.path("world/lib/data/storage/shop").exists());
}

#[test]
fn a_file_that_is_wrong_is_shown_with_its_place() {
    let bench = Bench::ready();
    bench.write("compose.yaml", "services:\n  web:\n    image: app:1\n    port: [80]\n");
    first(&bench, &["unknown key `port`", "compose.yaml:4:5"]);
}

#[test]
fn a_broken_change_leaves_what_ran() {
    let bench = Bench::ready();
    stack(&bench);
    bench.push().done();
    let before = bench.there();
    bench.write("compose.yaml", &FILE.replace("image: postgres:16", "imag: postgres:16"));
    bench.push().refused(&["unknown key `imag`", "compose.yaml:3:5"]);
    assert_eq!(bench.there(), before);
    // One that fails on the way is rolled back.
    bench.write("compose.yaml", FILE).write("web/Dockerfile", "FROM alpine:3\nRUN false\n");
    bench.push().refused(&["rolled back"]);
    assert_eq!(bench.there(), before);
    bench.write("web/Dockerfile", "FROM alpine:3\nCOPY main /main\nCMD [\"/main\"]\n");
    bench.push().done();
}

#[test]
fn no_compose_file_and_two() {
    let bench = Bench::ready();
    bench.write("README", "nothing here\n");
    first(&bench, &["no compose file in `the top of what was pushed`"]);
    bench.write("compose.yaml", "services: {web: {image: acme/one:1}}\n");
    bench.write("docker-compose.yml", "services: {other: {image: acme/two:1}}\n");
    bench.push().done().says(&["several compose files are here: compose.yaml is used, docker-compose.yml is not"]);
    assert_eq!(bench.there().0, "shop\nshop-web");
}

#[test]
fn nothing_outside_of_the_checkout_is_read_or_mounted() {
    let bench = Bench::ready();
    fs::write(bench.path("secret"), "A=of-the-host\n").unwrap();
    let secret = bench.path("secret").display().to_string();
    bench.write("compose.yaml", &format!("services: {{web: {{image: a:1, env_file: ['{secret}']}}}}\n"));
    first(&bench, &["outside of what was sent"]);
    std::os::unix::fs::symlink(&secret, bench.path("repo/link")).unwrap();
    for (text, words) in [
        ("services: {web: {image: a:1, env_file: [link]}}\n", "outside of what was sent"),
        ("services: {web: {image: a:1, volumes: ['./link:/x']}}\n", "outside of what was sent"),
        ("services: {web: {image: a:1, volumes: ['../../secret:/x']}}\n", "may not mount the host path"),
        ("services: {web: {image: a:1, volumes: ['/srv/data:/x']}}\n", "push-allowed-host-paths /srv/data"),
        ("services: {web: {image: a:1, volumes: ['/var/run/docker.sock:/x']}}\n", "may not mount the host path"),
        (&format!("include: ['{secret}']\nservices: {{}}\n"), "outside of what was sent"),
        ("services: {web: {build: ../..}}\n", "outside of what was sent"),
    ] {
        bench.write("compose.yaml", text);
        first(&bench, &[words]);
    }
    // The directory of the symlink's target is the whole host.
    std::os::unix::fs::symlink(bench.path(""), bench.path("repo/up")).unwrap();
    bench.write("compose.yaml", "services: {web: {build: ./up}}\n");
    first(&bench, &["outside of what was sent"]);
}

#[test]
fn the_administrators_leave_for_imports_does_not_hold_for_pushes() {
    let bench = Bench::ready();
    fs::create_dir(bench.path("data")).unwrap();
    let data = bench.path("data").display().to_string();
    bench.run(&["set", "--global", "allowed-host-paths", &data]).done();
    bench.write("compose.yaml", &format!("services: {{web: {{image: a:1, volumes: ['{data}:/x']}}}}\n"));
    first(&bench, &[&format!("dokku compose:set --global push-allowed-host-paths {data}"), "compose.yaml:1:"]);
    bench.run(&["set", "--global", "push-allowed-host-paths", &data]).done();
    bench.push().done();
    bench.write("compose.yaml", "services: {mail: {image: a:1, ports: ['25:25']}}\n");
    bench.push().refused(&["a push may not publish port 25 of the host"]);
    bench.run(&["set", "--global", "push-allowed-ports", "25"]).done();
    bench.run(&["set", "--global", "push-allowed-registries", "ghcr.io/acme"]).done();
    bench.push().refused(&["a push may not take images from where a:1 comes from"]);
    bench.run(&["set", "--global", "push-allowed-registries"]).done();
    bench.push().done();
    for (key, value) in [("push-allowed-ports", "http"), ("push-max-size", "big"), ("nonsense", "1")] {
        bench.run(&["set", "--global", key, value]).refused(&[]);
    }
}

#[test]
fn a_variable_that_is_not_set_names_the_command() {
    let bench = Bench::ready();
    bench.write("compose.yaml", "services: {web: {image: \"a:${TAG?}\"}}\n");
    first(&bench, &["`TAG` is not set", "dokku config:set --no-restart shop TAG=..."]);
    bench.dokku(&["config:set", "--no-restart", "shop", "TAG=1"]).done();
    bench.push().done();
    // One without which the file still has a meaning is told of.
    bench.write("compose.yaml", "services: {web: {image: \"a:1\", environment: {MODE: \"$MODE\"}}}\n");
    bench.push().done().says(&["dokku config:set --no-restart shop MODE=..."]);
}

#[test]
fn a_submodule_that_is_missing_is_named() {
    let bench = Bench::ready();
    bench.write(".gitmodules", "[submodule \"lib\"]\n\tpath = lib\n\turl = https://git.example/lib.git\n");
    bench.write("compose.yaml", "services: {web: {build: ./lib}}\n");
    first(&bench, &["the submodule lib is empty"]);
}

#[test]
fn a_context_of_two_gigabytes_is_refused_unread() {
    let bench = Bench::ready();
    let tree = bench.path("tree");
    fs::create_dir_all(tree.join("web")).unwrap();
    fs::write(tree.join("compose.yaml"), "services: {web: {build: ./web}}\n").unwrap();
    fs::write(tree.join("web/Dockerfile"), "FROM alpine:3\n").unwrap();
    // A hole of two gigabytes: no repository of a test holds as much.
    fs::File::create(tree.join("web/data")).unwrap().set_len(2 << 30).unwrap();
    let begun = std::time::Instant::now();
    let tree = tree.display().to_string();
    let ran = bench.run(&["trigger", "post-extract", "shop", &tree, "0123abc"]);
    ran.refused(&["what was pushed has 2048 MiB and may have 1024", "push-max-size"]);
    assert!(begun.elapsed().as_secs() < 10);
    // The administrator's own limit holds for what is really pushed.
    bench.run(&["set", "--global", "push-max-size", "1m"]).done();
    bench.write("compose.yaml", "services: {web: {image: a:1}}\n").write("data", &"x".repeat(2 << 20));
    first(&bench, &["what was pushed has 2 MiB and may have 1"]);
}

#[test]
fn a_second_push_is_told_who_is_at_work() {
    let bench = Bench::ready();
    stack(&bench);
    fs::write(bench.path("world/behaviour.json"), r#"{"deploy_ms": 3000}"#).unwrap();
    bench.git(&["add", "--all"]);
    bench.git(&["commit", "--quiet", "-m", "one"]);
    let repository = bench.path("repo").display().to_string();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| bench.run(&["import", "shop", &repository]));
        while !bench.path("world/lib/data/compose/projects/shop/lock.info").exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let second = bench.dokku(&["git:sync", "--build", "shop", &repository, "master"]);
        second.refused(&["another run works on shop", "compose:import", "the push to shop is refused"]);
        first.join().unwrap().done();
    });
}

#[test]
fn privileges_need_leave_for_pushes() {
    let bench = Bench::ready();
    bench.run(&["set", "--global", "allowed-privileges", "all"]).done();
    for (keys, rule) in [
        ("privileged: true", "privileged"),
        ("cap_add: [SYS_ADMIN]", "cap_add:SYS_ADMIN"),
        ("devices: ['/dev/kmsg:/dev/kmsg']", "devices:/dev/kmsg"),
        ("network_mode: host", "network_mode:host"),
        ("pid: host", "pid:host"),
    ] {
        bench.write("compose.yaml", &format!("services: {{web: {{image: a:1, {keys}}}}}\n"));
        first(&bench, &[&format!("push-allowed-privileges {rule}")]);
    }
}
