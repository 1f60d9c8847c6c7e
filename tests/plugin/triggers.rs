//! Triggers run for every app of the server: those outside any project must not notice the plugin.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::house::{APP_TRIGGERS, BROKEN, House, Program, asking_triggers, finish};

/// Whether the trigger stops Dokku when the program refuses.
fn may_refuse(trigger: &str) -> bool {
    matches!(trigger, "post-container-create" | "check-deploy" | "post-deploy" | "post-extract" | "pre-delete")
}

#[test]
fn a_foreign_app_never_starts_the_program() {
    for program in BROKEN {
        let house = House::new();
        house.add_project("shop");
        house.put(program);
        for trigger in APP_TRIGGERS {
            for app in ["blog", "shop-", "shop-web-2", "", ".", "..", "*"] {
                let run = house.trigger(trigger, app);
                assert_eq!((run.code, run.all().as_str()), (0, ""), "{} of {app:?} with {program:?}", trigger.0);
            }
        }
        assert_eq!(house.started(), "", "{program:?}");
    }
}

#[test]
fn a_foreign_app_needs_neither_the_data_nor_any_command() {
    let house = House::new();
    std::fs::remove_dir_all(house.path("lib")).unwrap();
    for (name, args) in APP_TRIGGERS {
        let run = finish(house.command(name).args(args).env("PATH", "/nonexistent"), "");
        assert_eq!((run.code, run.all().as_str()), (0, ""), "{name}");
    }
    let run = finish(house.command("pre-restore").env("PATH", "/nonexistent"), "");
    assert_eq!((run.code, run.all().as_str()), (0, ""));
}

#[test]
fn standard_input_is_left_to_the_plugins_that_follow() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Ending(0));
    for (name, args) in APP_TRIGGERS.into_iter().chain([("pre-restore", &[] as &[&str])]) {
        for app in ["blog", "shop"] {
            let mut both = Command::new("/bin/sh");
            both.args(["-c", "\"$@\" || exit 9; exec cat", "sh"]).arg(house.plugin().join(name));
            both.args(house.arguments(args, app));
            both.env_clear().env("PATH", house.path("bin")).env("DOKKU_LIB_ROOT", house.path("lib"));
            let run = finish(&mut both, "old new refs/heads/main\n");
            assert_eq!((run.code, run.stdout.as_str()), (0, "old new refs/heads/main\n"), "{name} of {app}: {run:?}");
        }
    }
    assert_eq!(house.stdin_seen(), "");
}

#[test]
fn the_program_gets_the_arguments_as_they_are() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Ending(0));
    let run = house.run("check-deploy", &["shop-web", "a b", "", "*", "--", "$x"]);
    assert_eq!((run.code, run.all().as_str()), (0, ""));
    assert_eq!(house.started(), "<trigger><check-deploy><shop-web><a b><><*><--><$x>\n");
}

#[test]
fn what_the_program_refuses_is_refused() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Ending(1));
    for trigger in asking_triggers() {
        let run = house.trigger(trigger, "shop");
        assert_eq!(run.code, i32::from(may_refuse(trigger.0)), "{}", trigger.0);
        assert_eq!(run.all(), "", "the program has said why: {}", trigger.0);
    }
    assert_eq!(house.started().lines().count(), asking_triggers().count());
}

#[test]
fn a_push_whose_import_failed_is_refused_at_the_build() {
    let house = House::new();
    house.add_project("shop");
    for (program, code) in [(Program::Ending(0), 0), (Program::Ending(1), 1), (Program::Missing, 1)] {
        house.put(program);
        let args = house.arguments(&["TREE"], "shop");
        let tree = args[0].as_str();
        assert_eq!(house.run("post-extract", &["shop", tree, "0123abc"]).code, code, "{program:?}");
        let run = house.run("builder-build", &["null", "shop", tree]);
        assert_eq!((run.code, run.all().as_str()), (code, ""), "{program:?}");
        let run = house.run("builder-build", &["dockerfile", "blog", tree]);
        assert_eq!((run.code, run.all().as_str()), (0, ""), "{program:?}");
    }
}

#[test]
fn the_app_of_a_service_is_built_as_it_is() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Hanging);
    let run = house.run("post-extract", &["shop-web", "/tmp", "0123abc"]);
    assert_eq!((run.code, run.all().as_str()), (0, ""));
    assert_eq!(house.started(), "");
}

#[test]
fn a_program_that_cannot_be_asked_breaks_no_service() {
    for program in BROKEN {
        let house = House::new();
        house.add_project("shop");
        house.put(program);
        for trigger in asking_triggers() {
            for app in ["shop", "shop-web"] {
                if (trigger.0, app) == ("post-extract", "shop-web") {
                    continue;
                }
                let run = house.trigger(trigger, app);
                // A push to the project's own app would be taken with nothing imported.
                let expected = i32::from(trigger.0 == "post-extract");
                assert_eq!(run.code, expected, "{} of {app} with {program:?}: {run:?}", trigger.0);
                assert_eq!(run.stdout, "");
                assert!(run.stderr.contains(&format!("could not be asked ({})", trigger.0)), "{run:?}");
                assert!(run.stderr.lines().all(|line| line.starts_with(" !     ")), "{run:?}");
                let reason = match program {
                    Program::Missing => "it is not installed",
                    Program::Text => "is damaged",
                    Program::Truncated | Program::Hanging => "does not answer",
                    Program::Ending(_) => "it failed with exit code 101",
                };
                assert!(run.stderr.contains(reason), "{program:?}: {run:?}");
            }
        }
        assert!(!house.started().contains("broken"), "bytes were run as a shell script");
    }
}

#[test]
fn the_program_that_hangs_in_a_trigger_is_stopped() {
    let house = House::new();
    house.add_project("shop");
    let started = house.path("started");
    let body = format!(
        "[ \"$1\" != --version ] || {{ echo dokku-compose 0; exit; }}; echo x >>'{}'; exec sleep 600",
        started.display()
    );
    crate::house::write_executable(&house.installed(), format!("#!/bin/sh\n{body}\n").as_bytes());
    let begun = Instant::now();
    let run = house.run("pre-delete", &["shop", "latest"]);
    assert_eq!(run.code, 0);
    assert!(run.stderr.contains("took longer than 60 seconds"), "{run:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(house.started(), "x\n");
}

#[test]
fn a_restore_checks_projects_and_never_fails() {
    let house = House::new();
    house.put(Program::Ending(0));
    assert_eq!(house.run("pre-restore", &[]).all(), "");
    assert_eq!(house.started(), "", "there is no project");

    house.add_project("shop");
    for (program, warns) in [(Program::Ending(0), false), (Program::Ending(1), false)]
        .into_iter()
        .chain(BROKEN.map(|program| (program, true)))
    {
        house.put(program);
        let run = house.run("pre-restore", &["docker-local", "blog"]);
        assert_eq!(run.code, 0, "{program:?}");
        assert_eq!(!run.stderr.is_empty(), warns, "{program:?}: {run:?}");
    }
    assert!(house.started().starts_with("<trigger><pre-restore><docker-local><blog>\n"));
}

/// What a trigger with nothing to do costs, beside a shell that does nothing. The numbers are for the reader: a
/// shared machine is no place to judge them.
#[test]
fn a_trigger_with_nothing_to_do_is_a_bare_shell() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Hanging);
    let median = |command: &dyn Fn() -> Command| {
        let mut times: Vec<Duration> = (0..51)
            .map(|_| {
                let begun = Instant::now();
                assert!(command().status().unwrap().success());
                begun.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    let shell = median(&|| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ":"]);
        command
    });
    for (name, args) in APP_TRIGGERS {
        let args = house.arguments(args, "blog");
        let trigger = median(&|| {
            let mut command = house.command(name);
            command.args(&args);
            command
        });
        println!("{name}: {trigger:?}, {:.2} times a bare shell", trigger.as_secs_f64() / shell.as_secs_f64());
    }
    assert_eq!(house.started(), "");
}
