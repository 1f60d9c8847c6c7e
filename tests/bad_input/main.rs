//! What a user can get wrong, and what can be wrong with a server: each is told with its place, ends with the
//! documented exit code, and leaves the server as it was. The server is the program's own sandbox.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use dokku_compose::sandbox::{Behaviour, Fault, Faults, Play, World};

mod around;
mod files;
mod server;

use files::FILES;
use server::{PROGRAM, Server};

#[test]
fn wrong_files_are_told_with_their_place_and_change_nothing() {
    let server = Server::new();
    for case in FILES {
        server.source("bad", case.text);
        let place = format!("compose.yaml:{}", case.at);
        let says: Vec<&str> = case.says.iter().copied().chain([place.as_str()]).collect();
        server.unharmed(case.name, 1, &says, || server.import("new", &["bad"]));
        // The project that is there is no worse off.
        server.unharmed(case.name, 1, &says, || server.import("keep", &["bad"]));
    }
}

#[test]
fn the_same_mistakes_are_seen_in_a_dry_run() {
    let server = Server::new();
    for case in FILES {
        server.source("bad", case.text);
        let place = format!("compose.yaml:{}", case.at);
        let says: Vec<&str> = case.says.iter().copied().chain([place.as_str()]).collect();
        server.unharmed(case.name, 1, &says, || server.run(&["plan", "new", "bad"], b""));
    }
}

#[test]
fn wrong_sources_are_told() {
    let server = Server::new();
    fs::create_dir(server.folder.path().join("empty")).unwrap();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("a missing file", &["nope/compose.yaml"], &["there is no", "nope/compose.yaml", "name a directory"]),
        ("a missing -f", &["good", "-f", "nope.yaml"], &["compose file `nope.yaml` does not exist"]),
        ("no compose file", &["empty"], &["error[no-compose-file]", "looked for compose.yaml", "-f"]),
        ("a missing --env-file", &["good", "--env-file", "nope.env"], &["nope.env", "does not exist"]),
        ("a variable without a name", &["good", "--env", "=x"], &["--env NAME=VALUE"]),
        ("no time at all", &["good", "--timeout", "0"], &["--timeout"]),
        ("an unknown flag", &["good", "--nope"], &["--nope"]),
    ];
    for (name, args, says) in cases {
        server.unharmed(name, 1, says, || server.import("new", args));
    }
    for (project, words) in
        [("../../etc", "cannot be a project"), ("Shop_1", "lower-case"), ("", "cannot be a project")]
    {
        server.unharmed(project, 1, &[words], || server.import(project, &["good"]));
    }
    server.unharmed("no such project", 20, &["there is no project nope"], || server.run(&["status", "nope"], b""));
    server.unharmed("no such project", 20, &["there is no project nope"], || {
        server.run(&["destroy", "nope", "--force"], b"")
    });
}

#[test]
fn standard_input_that_is_wrong_is_told() {
    let server = Server::new();
    let cases: &[(&str, &[u8], &str)] = &[
        ("nothing", b"", "nothing came on standard input"),
        ("zip", b"PK\x03\x04rest of an archive", "a zip archive"),
        ("xz", b"\xfd7zXZ\0rest", "compressed with xz"),
        ("zstd that is none", b"\x28\xb5\x2f\xfdrest", "broken or cut off"),
        ("no text", b"\xff\xfe\x00garbage", "not UTF-8"),
        ("gzip that is cut off", b"\x1f\x8b\x08\x00\x00\x00", "broken or cut off"),
    ];
    for (name, bytes, words) in cases {
        server.unharmed(name, 1, &[words], || server.run(&["import", "new", "-"], bytes));
    }
    for (name, bytes, words) in archives() {
        server.unharmed(name, 1, &[words], || server.run(&["import", "new", "-"], &bytes));
    }
}

/// Archives that try to have the program read what is not theirs.
fn archives() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    use tar::EntryType::{Char, Regular, Symlink};
    const WEB: &str = "services: {web: {image: 'app:1'}}\n";
    vec![
        ("a device", archive(&[("dev", Char, ""), ("compose.yaml", Regular, WEB)]), "of a kind that is not accepted"),
        ("a compose file elsewhere", archive(&[("compose.yaml", Symlink, "/etc/passwd")]), "outside of what was sent"),
        (
            "an env file elsewhere",
            archive(&[
                ("compose.yaml", Regular, "services: {web: {image: 'app:1', env_file: e}}\n"),
                ("e", Symlink, "/etc/passwd"),
            ]),
            "outside of what was sent",
        ),
        (
            "an env file of the server",
            archive(&[("compose.yaml", Regular, "services: {web: {image: 'app:1', env_file: /etc/passwd}}\n")]),
            "outside of what was sent",
        ),
        (
            "a config of the server",
            archive(&[(
                "compose.yaml",
                Regular,
                "services: {web: {image: 'app:1', configs: [c]}}\nconfigs: {c: {file: /etc/passwd}}\n",
            )]),
            "outside of what was sent",
        ),
        (
            "a link as a bind source",
            archive(&[
                ("compose.yaml", Regular, "services: {web: {image: 'app:1', volumes: ['./s:/s']}}\n"),
                ("s", Symlink, "/etc"),
            ]),
            "error[host-path]",
        ),
        ("no compose file", archive(&[("sub/compose.yaml", Regular, WEB)]), "the top directory of the archive"),
    ]
}

fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        if *kind == tar::EntryType::Symlink {
            header.set_size(0);
            tar.append_link(&mut header, name, text).unwrap();
        } else {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

#[test]
fn an_environment_that_is_too_large_is_told() {
    let server = Server::new();
    let text =
        format!("services:\n  web:\n    image: app:1\n    environment:\n      BIG: \"{}\"\n", "x".repeat(140_000));
    server.source("bad", &text);
    let says = ["error[environment-too-large]", "compose.yaml:4:5", "128 KiB", "configs or secrets"];
    server.unharmed("128 KiB", 1, &says, || server.import("new", &["bad"]));
}

#[test]
fn names_that_meet_are_kept_apart_and_foreign_ones_left_alone() {
    let server = Server::new();
    server.source("twins", "services:\n  a_b: {image: \"app:1\"}\n  a-b: {image: \"app:1\"}\n");
    let ran = server.run(&["plan", "new", "twins", "--format", "json"], b"");
    assert_eq!(ran.code, 0, "{}", ran.text);
    let plan: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    let mut apps: Vec<&str> =
        plan["rows"].as_array().unwrap().iter().filter_map(|row| row["what"].as_str()?.strip_prefix("app ")).collect();
    apps.sort_unstable();
    assert_eq!(apps.len(), 2);
    assert!(apps[0] == "new-a-b" && apps[1].starts_with("new-a-b-"), "{apps:?}");

    // Somebody's own app has the name.
    let dokku = server.world().join("bin/dokku");
    for args in [&["apps:create", "new-web"][..], &["git:from-image", "new-web", "app:1"][..]] {
        assert!(Command::new(&dokku).args(args).stdin(Stdio::null()).output().unwrap().status.success());
    }
    server.unharmed("a name that is taken", 1, &["error[name-taken]", "new-web", "compose.yaml:2:3"], || {
        server.import("new", &["good"])
    });
}

#[test]
fn a_second_import_is_refused_while_one_is_at_work() {
    let server = Server::new();
    let lock = fs::File::open(server.world().join("lib/data/compose/projects/keep/lock")).unwrap();
    lock.lock().unwrap();
    let says = ["another run works on keep", "--lock-wait"];
    server.unharmed("two at once", 5, &says, || server.import("keep", &["good"]));
    server.unharmed("two at once", 5, &says, || server.run(&["destroy", "keep", "--force"], b""));
}

/// What a server may do to an import, where, and what must be said. The import is undone: exit code 3.
#[test]
fn what_fails_on_the_server_is_told_and_undone() {
    let fail = |pattern: &str, message: &str| Fault {
        pattern: pattern.to_owned(),
        action: "fail".to_owned(),
        exit: 1,
        message: message.to_owned(),
        ..Fault::default()
    };
    let dokku = |pattern: &str, message: &str| Faults { dokku: vec![fail(pattern, message)], ..Faults::default() };
    let engine = |pattern: &str, message: &str| Faults { engine: vec![fail(pattern, message)], ..Faults::default() };
    let cases = [
        ("the disk is full", dokku("*config:import *", "No space left on device")),
        ("no permission", dokku("docker-options:add *", "You do not have permission")),
        ("another app's broken vhost", dokku("git:from-image *", "nginx: [emerg] host not found in upstream")),
        (
            "no free address pool",
            engine("network_create *", "could not find an available, non-overlapping IPv4 address pool"),
        ),
    ];
    for (name, faults) in cases {
        let server = Server::new();
        let message = faults.dokku.iter().chain(&faults.engine).map(|fault| fault.message.clone()).next().unwrap();
        server.faulty(faults);
        server.unharmed(name, 3, &[&message, "rolled back", "everything is as it was before"], || {
            server.import("new", &["good"])
        });
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_and_undone() {
    let server = Server::new();
    World::new(&server.world()).set_missing_images(&["far.invalid/x:1"]).unwrap();
    server.source("bad", "services:\n  web: {image: \"far.invalid/x:1\"}\n");
    let says = ["far.invalid/x:1", "asked for at compose.yaml:2:3", "rolled back"];
    server.unharmed("no pull", 3, &says, || server.import("new", &["bad"]));
}

#[test]
fn containers_that_do_not_come_up_are_told_and_undone() {
    for (name, image, play, words) in [
        (
            "a port in use",
            "mongo:3.4",
            Play { start_error: "address already in use".into(), ..Play::default() },
            "address already in use",
        ),
        (
            "a job that fails",
            "app:1",
            Play { exit: Some(7), log: vec!["boom".into()], ..Play::default() },
            "ended with exit code 7",
        ),
    ] {
        let server = Server::new();
        let containers = BTreeMap::from([("new-one".to_owned(), play)]);
        World::new(&server.world()).set_behaviour(&Behaviour { containers, ..Behaviour::default() }).unwrap();
        server.source("bad", &format!("services:\n  one: {{image: \"{image}\", restart: \"no\", command: [x]}}\n"));
        server.unharmed(name, 3, &[words, "asked for at compose.yaml:2:3", "rolled back"], || {
            server.import("new", &["bad"])
        });
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_told() {
    let fail = |pattern: &str, message: &str| Fault {
        pattern: pattern.to_owned(),
        action: "fail".to_owned(),
        message: message.to_owned(),
        ..Fault::default()
    };
    let server = Server::new();
    server.faulty(Faults { engine: vec![fail("*", "connection refused")], ..Faults::default() });
    server.unharmed("no engine", 1, &["connection refused"], || server.import("new", &["good"]));
    let server = Server::new();
    server.faulty(Faults { dokku: vec![fail("version", "dokku is broken")], ..Faults::default() });
    server.unharmed("no version", 1, &["dokku is broken"], || server.import("new", &["good"]));
}

#[test]
fn an_old_dokku_is_refused() {
    let server = Server::new();
    let old = Behaviour { version: "0.30.1".into(), ..Behaviour::default() };
    World::new(&server.world()).set_behaviour(&old).unwrap();
    server.unharmed("too old", 1, &["Dokku 0.30.1 is too old", "0.38.22 or newer"], || server.import("new", &["good"]));
}

/// Variables of the caller reach neither the plan nor the program.
#[test]
fn the_callers_environment_changes_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let server = Server::new();
    let plan = |pairs: &[(&str, &std::ffi::OsStr)]| {
        let output = Command::new(PROGRAM)
            .args(["plan", "new", "good", "--operations", "--sandbox"])
            .arg(server.world())
            .current_dir(server.folder.path())
            .envs(pairs.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), output.stdout)
    };
    let quiet = plan(&[]);
    assert_eq!(quiet.0, Some(0));
    let hostile: [(&str, &std::ffi::OsStr); 10] = [
        ("A", "two".as_ref()),
        ("COMPOSE_FILE", "/nonexistent".as_ref()),
        ("COMPOSE_PROJECT_NAME", "evil".as_ref()),
        ("COMPOSE_PROFILES", "x".as_ref()),
        ("DOKKU_APP_NAME", "keep".as_ref()),
        ("DOKKU_GLOBAL_FLAGS", "--force".as_ref()),
        ("DOKKU_APPS_FORCE_DELETE", "1".as_ref()),
        ("GIT_DIR", "/nonexistent".as_ref()),
        ("BASH_ENV", "/nonexistent".as_ref()),
        ("NOT_TEXT", std::ffi::OsStr::from_bytes(b"\xff\xfe")),
    ];
    assert_eq!(plan(&hostile), quiet);
}
