//! The caller's environment decides nothing: the same file gives the same plan from everywhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, PROJECT, program};
use crate::stacks::{BUILT, SHOP};

/// A file that asks for every variable that a caller might have.
const ASKING: &str = r#"services:
  web:
    image: ${IMAGE:-acme/web}:${TAG:-1}
    user: "${UID:-unset}:${USER:-unset}"
    environment:
      PASSED: 
      HOME_IS: ${HOME:-unset}
      SSH: ${SSH_NAME:-unset} ${SSH_ORIGINAL_COMMAND:-unset} ${NAME:-unset}
      APP: ${DOKKU_APP_NAME:-unset}
      FILE: ${COMPOSE_FILE:-unset} ${COMPOSE_PROJECT_NAME:-unset} ${FROM_ENV_FILE}
  extra: { image: "acme/extra:1", profiles: [extra] }
"#;

fn variables(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, OsString)> {
    pairs.iter().map(|(name, value)| (*name, OsString::from(value))).collect()
}

/// Environments of callers, by name.
fn callers() -> Vec<(&'static str, Vec<(&'static str, OsString)>)> {
    let mut all = vec![
        (
            "root's shell",
            variables(&[
                ("USER", "root"),
                ("LOGNAME", "root"),
                ("SHELL", "/bin/bash"),
                ("TERM", "xterm"),
                ("LANG", "en_US.UTF-8"),
                ("SUDO_COMMAND", "/usr/bin/dokku compose:import"),
                ("MAIL", "/var/mail/root"),
            ]),
        ),
        (
            "ssh",
            variables(&[
                ("SSH_USER", "dokku"),
                ("SSH_NAME", "admin"),
                ("NAME", "admin"),
                ("SSH_ORIGINAL_COMMAND", "compose:import shop"),
                ("SSH_CLIENT", "10.0.0.1 1 22"),
                ("LC_ALL", "C"),
            ]),
        ),
        (
            "a trigger",
            variables(&[
                ("DOKKU_APP_NAME", "other"),
                ("DOKKU_GLOBAL_FLAGS", "--force --app other"),
                ("DOKKU_TRACE", "1"),
                ("DOKKU_APPS_FORCE_DELETE", "1"),
                ("DOKKU_PID", "1"),
                ("PLUGIN_PATH", "/var/lib/dokku/plugins"),
            ]),
        ),
        (
            "a push",
            variables(&[
                ("GIT_DIR", "/nonexistent"),
                ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
                ("GIT_QUARANTINE_PATH", "/nonexistent"),
                ("GIT_WORK_TREE", "/nonexistent"),
                ("GIT_INDEX_FILE", "/nonexistent"),
            ]),
        ),
        (
            "a compose user",
            variables(&[
                ("COMPOSE_FILE", "/nonexistent.yaml"),
                ("COMPOSE_PROJECT_NAME", "evil"),
                ("COMPOSE_PROFILES", "extra"),
                ("COMPOSE_ENV_FILES", "/nonexistent"),
                ("COMPOSE_PATH_SEPARATOR", ";"),
                ("COMPOSE_DISABLE_ENV_FILE", "1"),
            ]),
        ),
        (
            "the file's own variables",
            variables(&[
                ("IMAGE", "evil"),
                ("TAG", "evil"),
                ("UID", "666"),
                ("USER", "evil"),
                ("PASSED", "evil"),
                ("FROM_ENV_FILE", "evil"),
                ("DB_PASSWORD", "evil"),
                ("CACHE", "evil"),
                ("FLAVOUR", "evil"),
            ]),
        ),
        (
            "an attacker",
            variables(&[
                ("LD_PRELOAD", "/nonexistent.so"),
                ("IFS", "/"),
                ("BASH_ENV", "/nonexistent"),
                ("ENV", "/nonexistent"),
                ("SHELLOPTS", "xtrace"),
                ("TMPDIR", "/tmp"),
                ("RUST_LOG", "trace"),
            ]),
        ),
    ];
    all.push((
        "bytes that are no text",
        vec![("BROKEN", OsString::from_vec(vec![b'x', 0xff, 0xfe])), ("LC_NAME", OsString::from_vec(vec![0xc3]))],
    ));
    all
}

#[test]
fn the_plan_is_the_same_for_every_caller() {
    for (update, name) in [(false, "first import"), (true, "update")] {
        let bench = Bench::new();
        bench.write("compose.yaml", ASKING).write(".env", "FROM_ENV_FILE=from-the-file\n");
        // Without a key each plan has digests of its own: a fixed one would let secrets be guessed.
        bench.give_key();
        if update {
            bench.import(&[]).ends(0);
            bench.edit("acme/web", "acme/site");
        }
        let source = bench.source().display().to_string();
        for args in [
            vec!["plan", PROJECT, &source, "--format", "json"],
            vec!["plan", PROJECT, &source, "--operations"],
            vec!["config", &source],
        ] {
            let plain = bench.run(&args).ends(0).out;
            assert!(!plain.contains("evil") && (args[0] != "config" || plain.contains("from-the-file")), "{plain}");
            for (caller, env) in callers() {
                let ran = bench.run_with(&args, &env).ends(0);
                assert_eq!(ran.out, plain, "{name}: {} from {caller}", args[0]);
            }
        }
    }
}

#[test]
fn the_outcome_is_the_same_for_every_caller() {
    let outcome = |env: &[(&str, OsString)]| {
        let bench = Bench::new();
        bench.give_key();
        (BUILT.first)(&bench);
        let args = bench.import_args(&[]);
        bench.run_with(&args.iter().map(String::as_str).collect::<Vec<_>>(), env).ends(0);
        let mut calls: Vec<String> = bench.dokku_since(0);
        calls.sort();
        calls.iter().map(|call| call.replace(&bench.world.root().display().to_string(), "WORLD")).collect::<Vec<_>>()
    };
    let plain = outcome(&[]);
    for (caller, env) in callers() {
        assert_eq!(outcome(&env), plain, "calls from {caller}");
    }
}

#[test]
fn children_have_the_allow_list_and_nothing_else() {
    let bench = Bench::new();
    (SHOP.first)(&bench);
    // The world's programs start this one, which writes its environment down.
    let spy = bench.path("spy");
    let seen = bench.path("seen");
    let script = format!(
        "#!/bin/sh\ncase $1 in sandbox-*) env | cut -d= -f1 >>'{}' ;; esac\nexec '{}' \"$@\"\n",
        seen.display(),
        program().display()
    );
    std::fs::write(&spy, script).unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut env: Vec<(&str, OsString)> =
        callers().into_iter().flat_map(|(_, env)| env).filter(|(name, _)| *name != "LD_PRELOAD").collect();
    env.push(("DOKKU_COMPOSE_BIN", spy.into_os_string()));
    env.push(("AWS_SECRET_ACCESS_KEY", "x".into()));
    let args = bench.import_args(&[]);
    bench.run_with(&args.iter().map(String::as_str).collect::<Vec<_>>(), &env).ends(0);
    let text = std::fs::read_to_string(seen).unwrap();
    let names: std::collections::BTreeSet<&str> = text.lines().collect();
    // PWD, OLDPWD, SHLVL and _ are made by the shell that writes them down.
    let fine = |name: &str| {
        [
            "HOME",
            "USER",
            "LOGNAME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "TZ",
            "SSH_USER",
            "SSH_NAME",
            "NAME",
            "FINGERPRINT",
            "PATH",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
            "DOKKU_COMPOSE_RUN",
        ]
        .contains(&name)
            || [
                "DOKKU_ROOT",
                "DOKKU_HOST_ROOT",
                "DOKKU_LIB_ROOT",
                "DOKKU_LIB_HOST_ROOT",
                "DOKKU_API_VERSION",
                "DOKKU_NOT_IMPLEMENTED_EXIT",
                "DOKKU_VALID_EXIT",
            ]
            .contains(&name)
            || name.starts_with("PLUGIN_")
    };
    let more: Vec<&&str> = names.iter().filter(|name| !fine(name)).collect();
    assert!(more.is_empty(), "children get {more:?}");
    assert!(names.contains("SSH_NAME") && names.contains("DOKKU_COMPOSE_RUN"), "{names:?}");
}
