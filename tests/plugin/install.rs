//! `install`: three ways to the program, one result, and never a failure.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::house::{House, Program, Run, finish, mode, write_executable};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the stand-ins for curl, cargo and docker were asked, a line each.
fn calls(house: &House) -> String {
    fs::read_to_string(house.path("calls")).unwrap_or_default()
}

/// How often a stand-in was asked something that contains `word`.
fn count(house: &House, word: &str) -> usize {
    calls(house).lines().filter(|line| line.contains(word)).count()
}

/// A curl that answers from `release/`, whatever the server.
fn offer_release(house: &House) {
    let release = house.path("release");
    fs::create_dir_all(&release).unwrap();
    let asset = format!("dokku-compose-linux-{}", architecture());
    fs::write(release.join(&asset), house.program(VERSION, 0)).unwrap();
    let sum = Command::new("sha256sum").arg(&asset).current_dir(&release).output().unwrap();
    let other = format!("{}  dokku-compose-linux-other\n", "0".repeat(64));
    fs::write(release.join("SHA256SUMS"), [other.as_bytes(), &sum.stdout].concat()).unwrap();
    let root = house.path("");
    house.tool(
        "curl",
        &format!(
            "echo \"curl $*\" >>'{root}calls'\n\
             while [ $# -gt 1 ]; do [ \"$1\" != --output ] || to=$2; shift; done\n\
             [ -f '{root}release/'\"${{1##*/}}\" ] || exit 22\n\
             cat '{root}release/'\"${{1##*/}}\" >\"$to\"",
            root = root.display()
        ),
    );
}

/// A cargo that builds a program which answers as `version`.
fn offer_cargo(house: &House, version: &str) {
    let root = house.path("");
    write_executable(&house.path("built"), house.program(version, 0).as_bytes());
    house.tool(
        "cargo",
        &format!(
            "echo \"cargo $* in $PWD to $CARGO_TARGET_DIR\" >>'{root}calls'\n\
             mkdir -p \"$CARGO_TARGET_DIR/release\" && cat '{root}built' >\"$CARGO_TARGET_DIR/release/dokku-compose\"",
            root = root.display()
        ),
    );
}

/// A docker whose image builds what [`offer_cargo`] builds, from the sources it gets.
fn offer_docker(house: &House) {
    let root = house.path("");
    write_executable(&house.path("built"), house.program(VERSION, 0).as_bytes());
    house.tool(
        "docker",
        &format!(
            "echo \"docker $*\" >>'{root}calls'\n\
             [ \"$1\" = run ] || exit 0\n\
             mkdir '{root}image' && tar -C '{root}image' -xf - && cat '{root}built'",
            root = root.display()
        ),
    );
}

fn architecture() -> String {
    let output = Command::new("dpkg").arg("--print-architecture").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs `install` (or `update`) as for a clone whose release is on some server.
fn install(house: &House, script: &str) -> Run {
    finish(house.command(script).env("DOKKU_COMPOSE_RELEASE_URL", "https://mirror.example/v1/"), "")
}

/// No trace of the installation but the program and the file that says where it came from.
fn is_clean(house: &House) -> bool {
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    names(&house.data()) == ["apps", "bin", "projects"]
        && names(&house.data().join("bin")) == ["SOURCE", "dokku-compose"]
}

#[test]
fn the_release_comes_first_and_is_checked() {
    let house = House::new();
    offer_release(&house);
    offer_cargo(&house, VERSION);
    offer_docker(&house);
    let run = install(&house, "install");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("the release's binary from https://mirror.example/v1, SHA-256 checked"), "{run:?}");
    assert_eq!(calls(&house).lines().count(), 2, "{}", calls(&house));
    assert!(calls(&house).lines().all(|line| line.contains("--proto =https") && line.contains("--max-time")));
    assert_eq!(mode(&house.installed()), 0o755);
    assert!(is_clean(&house));
}

#[test]
fn a_second_run_does_nothing() {
    let house = House::new();
    offer_release(&house);
    install(&house, "install");
    let before = calls(&house);
    let written = fs::metadata(house.installed()).unwrap().modified().unwrap();
    for script in ["install", "update"] {
        let run = install(&house, script);
        assert_eq!((run.code, run.all().as_str()), (0, ""), "{script}");
    }
    // The release of a version is what it is, whatever the clone's sources.
    fs::write(house.plugin().join("src/main.rs"), "fn main() { }\n").unwrap();
    assert_eq!(install(&house, "install").all(), "");
    assert_eq!(calls(&house), before);
    assert_eq!(fs::metadata(house.installed()).unwrap().modified().unwrap(), written);
}

#[test]
fn a_damaged_or_lost_program_is_replaced() {
    let house = House::new();
    offer_release(&house);
    install(&house, "install");
    let whole = fs::read(house.installed()).unwrap();
    for program in [Program::Text, Program::Truncated, Program::Hanging, Program::Missing] {
        house.put(program);
        assert_eq!(install(&house, "install").code, 0);
        assert_eq!(fs::read(house.installed()).unwrap(), whole, "{program:?}");
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    for spoil in ["program", "sums"] {
        let house = House::new();
        offer_release(&house);
        let asset = house.path("release").join(format!("dokku-compose-linux-{}", architecture()));
        if spoil == "program" {
            fs::write(&asset, format!("{}# changed\n", house.program(VERSION, 0))).unwrap();
        } else {
            fs::write(house.path("release/SHA256SUMS"), "").unwrap();
        }
        house.put(Program::Ending(5));
        let old = fs::read(house.installed()).unwrap();
        let run = install(&house, "install");
        assert_eq!(run.code, 0);
        let reason =
            if spoil == "program" { "its SHA-256 is not the one in SHA256SUMS" } else { "has no dokku-compose-linux-" };
        assert!(run.stdout.contains(reason), "{run:?}");
        assert!(run.stderr.contains("not installed or not up to date"), "{run:?}");
        assert_eq!(fs::read(house.installed()).unwrap(), old, "the old program stays");
        assert_eq!(house.started(), "", "what was fetched was not run");
    }
}

#[test]
fn cargo_builds_where_there_is_no_release() {
    let house = House::new();
    offer_cargo(&house, VERSION);
    offer_docker(&house);
    let run = install(&house, "install");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("release: there is no curl"), "{run:?}");
    assert!(run.stdout.contains(": built with "), "{run:?}");
    let asked = calls(&house);
    assert_eq!(asked.lines().count(), 1, "{asked}");
    assert!(asked.contains("cargo build --quiet --release --locked --bin dokku-compose"), "{asked}");
    let (_, target) = asked.trim().split_once(" to ").unwrap();
    assert!(target.starts_with(house.data().to_str().unwrap()), "{target}");
    assert!(is_clean(&house));

    // The same sources are not built again; other ones are.
    assert_eq!(install(&house, "install").all(), "");
    fs::write(house.plugin().join("src/main.rs"), "fn main() { }\n").unwrap();
    assert!(install(&house, "update").stdout.contains(": built with "));
    assert_eq!(count(&house, "cargo build"), 2);
}

#[test]
fn roots_own_cargo_is_found_outside_the_path() {
    let house = House::new();
    offer_cargo(&house, VERSION);
    fs::rename(house.path("bin/cargo"), house.path("root-cargo")).unwrap();
    let run = install(&house, "install");
    assert!(run.stdout.contains(&format!("built with {}", house.path("root-cargo").display())), "{run:?}");
}

#[test]
fn an_image_builds_where_there_is_no_cargo() {
    let house = House::new();
    fs::create_dir_all(house.plugin().join("target/release")).unwrap();
    offer_docker(&house);
    let run = install(&house, "install");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("cargo: there is none"), "{run:?}");
    assert!(run.stdout.contains("built in rust:1.89-alpine"), "{run:?}");
    assert_eq!(count(&house, "docker run --rm --interactive"), 1);
    assert!(house.path("image/src/main.rs").exists() && house.path("image/Cargo.lock").exists());
    assert!(!house.path("image/target").exists(), "the clone's own builds are not sent");
    assert!(is_clean(&house));
}

#[test]
fn a_program_of_another_version_is_refused() {
    let house = House::new();
    offer_cargo(&house, "0.0.1");
    house.put(Program::Ending(5));
    let old = fs::read(house.installed()).unwrap();
    let run = install(&house, "install");
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains(&format!("cargo: the program does not answer as dokku-compose {VERSION}")), "{run:?}");
    assert_eq!(fs::read(house.installed()).unwrap(), old);
}

#[test]
fn when_every_way_fails_other_plugins_go_on() {
    let house = House::new();
    for tool in ["curl", "cargo", "docker"] {
        let log = house.path("calls");
        house.tool(tool, &format!("echo \"{tool} $*\" >>'{}'; [ \"$1\" = version ]", log.display()));
    }
    let run = install(&house, "install");
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("SHA256SUMS cannot be fetched"), "{run:?}");
    assert!(run.stdout.contains("cargo: the build failed"), "{run:?}");
    assert!(run.stdout.contains("image: the build in rust:1.89-alpine failed"), "{run:?}");
    assert!(run.stderr.contains("dokku plugin:update compose"), "{run:?}");
    assert!(!house.installed().exists());
    assert_eq!(count(&house, "docker rm --force"), 1, "no container is left");

    // The install of another plugin does not wait for the same failure; an update tries again.
    let before = calls(&house);
    let run = install(&house, "install");
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("dokku plugin:update compose"), "{run:?}");
    assert_eq!(calls(&house), before);
    offer_cargo(&house, VERSION);
    assert!(install(&house, "update").stdout.contains(": built with "));
    assert!(is_clean(&house));
}

#[test]
fn nothing_at_all_is_no_failure_either() {
    let house = House::new();
    let run = finish(house.command("install").env("DOCKER_BIN", "/nonexistent/docker"), "");
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("release: this clone does not come from GitHub"), "{run:?}");
    assert!(run.stdout.contains("image: Docker does not answer"), "{run:?}");

    // A server without a data directory that can be made.
    let house = House::new();
    fs::remove_dir_all(house.path("lib")).unwrap();
    fs::write(house.path("lib"), "").unwrap();
    let run = install(&house, "install");
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains(" !     dokku-compose is not installed"), "{run:?}");
}

#[test]
fn the_packages_program_is_taken_when_it_is_of_this_version() {
    let house = House::new();
    offer_release(&house);
    house.put(Program::Ending(5));
    house.put_at(&house.packaged(), Program::Ending(0));
    let run = install(&house, "install");
    assert!(run.stdout.contains("packaged-dokku-compose is used"), "{run:?}");
    assert!(!house.installed().exists(), "it would go before the package's");
    assert_eq!(calls(&house), "");

    write_executable(&house.packaged(), house.program("0.0.1", 0).as_bytes());
    install(&house, "install");
    assert!(house.installed().exists(), "an old package does not serve");
}

#[test]
fn the_release_is_looked_for_where_the_clone_comes_from() {
    let known = [
        "https://github.com/acme/dokku-compose.git",
        "https://github.com/acme/dokku-compose/",
        "https://user:token@github.com/acme/dokku-compose.git",
        "git@github.com:acme/dokku-compose.git",
        "ssh://git@github.com/acme/dokku-compose",
    ];
    for remote in known {
        let house = House::new();
        offer_release(&house);
        let git = house.plugin().join(".git");
        fs::create_dir(&git).unwrap();
        fs::write(git.join("config"), format!("[remote \"origin\"]\n\turl = {remote}\n")).unwrap();
        let run = house.run("install", &[]);
        let url = format!("https://github.com/acme/dokku-compose/releases/download/v{VERSION}");
        assert!(run.stdout.contains(&format!("from {url},")), "{remote}: {run:?}");
        assert_eq!(count(&house, &format!(" {url}/")), 2, "{}", calls(&house));
        assert!(!calls(&house).contains("token") && !run.all().contains("token"));
    }
    for remote in [
        "https://git.example/github.com/acme",
        "https://git.example/x@github.com/a/b",
        "file:///srv/github.com/x/y",
        "https://notgithub.com/a/b",
    ] {
        let house = House::new();
        offer_release(&house);
        fs::create_dir(house.plugin().join(".git")).unwrap();
        fs::write(house.plugin().join(".git/config"), format!("[remote \"origin\"]\n\turl = {remote}\n")).unwrap();
        let run = house.run("install", &[]);
        assert!(run.stdout.contains("does not come from GitHub"), "{remote}: {run:?}");
        assert_eq!(calls(&house), "");
    }
}

#[test]
fn the_directories_are_made_and_closed() {
    let house = House::new();
    fs::remove_dir_all(house.path("lib")).unwrap();
    offer_release(&house);
    assert_eq!(install(&house, "install").stderr, "");
    assert!(house.path("lib/data/storage").is_dir());
    for (dir, bits) in [("", 0o755), ("bin", 0o755), ("apps", 0o700), ("projects", 0o700)] {
        assert_eq!(mode(&house.data().join(dir)), bits, "{dir:?}");
    }
}
