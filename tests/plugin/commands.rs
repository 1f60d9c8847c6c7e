//! Help, subcommands and uninstall.

use std::fs;

use crate::house::{House, Program, finish};

/// The lines of `commands help --all`, without their four spaces.
fn help_lines(house: &House) -> Vec<String> {
    // Dokku's flag is known by the command line of the process that asks.
    let mut asker = std::process::Command::new("/bin/sh");
    asker.args(["-c", "\"$1\" help; :", "dokku", house.plugin().join("commands").to_str().unwrap(), "--all"]);
    asker.env_clear().env("PATH", house.path("bin")).env("DOKKU_LIB_ROOT", house.path("lib"));
    let run = finish(&mut asker, "");
    assert_eq!(run.code, 0);
    run.stdout.lines().map(|line| line.strip_prefix("    ").expect("four spaces").to_owned()).collect()
}

#[test]
fn help_is_one_line_of_dokkus_own() {
    for program in [Program::Missing, Program::Hanging] {
        let house = House::new();
        house.put(program);
        let run = house.run("commands", &["help"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert_eq!(run.stdout, "    compose, Import Docker Compose files as running stacks\n");
        assert_eq!(house.started(), "");
    }
}

#[test]
fn every_command_has_its_line_and_its_file() {
    let house = House::new();
    let lines = help_lines(&house);
    let mut described = Vec::new();
    for line in &lines {
        let columns: Vec<_> = line.split(',').collect();
        assert_eq!(columns.len(), 2, "a comma ends a column: {line}");
        let name = columns[0].strip_prefix("compose:").unwrap().split(' ').next().unwrap();
        described.push(name.to_owned());
    }
    assert!(described.is_sorted(), "{described:?}");
    let mut files: Vec<_> = fs::read_dir(house.plugin().join("subcommands"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "default")
        .collect();
    files.sort();
    assert_eq!(described, files);
}

#[test]
fn the_program_knows_every_command_and_no_other() {
    let program = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dokku-compose"));
        finish(command.args(args).env_clear(), "")
    };
    let house = House::new();
    let lines = help_lines(&house);
    let described: Vec<_> = lines.iter().map(|line| line["compose:".len()..].split(' ').next().unwrap()).collect();
    for name in &described {
        let run = program(&["help", name]);
        assert_eq!(run.code, 0, "{name}: {run:?}");
        assert!(run.stdout.contains("Usage:"), "{name}: {run:?}");
    }
    let all = program(&["help"]).stdout;
    let known = all.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let mut known: Vec<_> =
        known.take_while(|line| line.starts_with("  ")).filter_map(|l| l.split_whitespace().next()).collect();
    known.sort_unstable();
    assert_eq!(described, known);

    let version = program(&["--version"]);
    assert_eq!(version.stdout, format!("dokku-compose {}\n", env!("CARGO_PKG_VERSION")), "what install asks");
}

#[test]
fn the_overview_works_without_the_program() {
    let house = House::new();
    for (script, asked) in [
        ("commands", "compose"),
        ("commands", "compose:help"),
        ("subcommands/default", "compose"),
        ("subcommands/help", "compose:help"),
    ] {
        let run = house.run(script, &[asked]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.starts_with("Usage: dokku compose[:COMMAND]\n"), "{run:?}");
        assert!(run.stdout.contains("    compose:import <project> [<source>] [flags]  "), "{run:?}");
        assert!(run.stderr.contains("cannot be used: it is not installed"), "{run:?}");
        assert!(run.stderr.contains("dokku plugin:update compose"), "{run:?}");
    }
    house.put(Program::Ending(0));
    let run = house.run("commands", &["compose:help"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(house.started(), "");
}

#[test]
fn the_help_of_a_command_is_the_programs() {
    let house = House::new();
    house.put(Program::Ending(0));
    for topic in ["import", "compose:import"] {
        assert_eq!(house.run("subcommands/help", &["compose:help", topic]).code, 0);
    }
    assert_eq!(house.started(), "<help><import>\n<help><import>\n");
}

#[test]
fn other_plugins_commands_are_left_to_them() {
    let house = House::new();
    house.put(Program::Hanging);
    for asked in ["apps", "apps:help", "compose:nope", "composer", "composer:help", ""] {
        let run = house.run("commands", &[asked]);
        assert_eq!((run.code, run.all().as_str()), (10, ""), "{asked:?}");
    }
    assert_eq!(house.started(), "");
}

#[test]
fn a_subcommand_becomes_the_program() {
    let house = House::new();
    house.put(Program::Ending(7));
    let args = ["compose:import", "shop", "", "a b", "*", "--", "--force", "-"];
    let run = finish(house.command("subcommands/import").args(args), "services: {}\n");
    assert_eq!((run.code, run.all().as_str()), (7, ""));
    assert_eq!(house.started(), "<import><shop><><a b><*><--><--force><->\n");
    assert_eq!(house.stdin_seen(), "services: {}\n");
}

#[test]
fn a_subcommand_without_the_program_says_what_to_do() {
    for (program, reason) in [(Program::Missing, "it is not installed"), (Program::Text, "is damaged")] {
        let house = House::new();
        house.put(program);
        let run = house.run("subcommands/status", &["compose:status", "shop"]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""));
        assert!(run.stderr.contains(reason) && run.stderr.contains("dokku plugin:update compose"), "{run:?}");
        assert_eq!(house.started(), "");
    }
}

#[test]
fn the_packages_program_serves_where_none_was_installed() {
    let house = House::new();
    house.put_at(&house.packaged(), Program::Ending(3));
    assert_eq!(house.run("subcommands/list", &["compose:list"]).code, 3);
    house.put(Program::Ending(4));
    assert_eq!(house.run("subcommands/list", &["compose:list"]).code, 4);
}

#[test]
fn the_uninstall_of_another_plugin_does_nothing() {
    let house = House::new();
    house.add_project("shop");
    house.put(Program::Hanging);
    for name in ["redis", "compose2", "", "comp"] {
        let run = house.run("uninstall", &[name]);
        assert_eq!((run.code, run.all().as_str()), (0, ""), "{name:?}");
    }
    assert!(house.installed().exists());
}

#[test]
fn uninstall_leaves_the_data_and_says_what_stops_working() {
    let house = House::new();
    assert_eq!(house.run("uninstall", &["compose"]).all(), "", "no project loses anything");
    fs::create_dir_all(house.data().join("bin")).unwrap();
    house.add_project("shop");
    house.put(Program::Hanging);
    let run = house.run("uninstall", &["compose"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert!(run.stderr.contains("go on running") && run.stderr.contains(" shop\n"), "{run:?}");
    assert!(run.stderr.lines().all(|line| line.starts_with(" !     ")), "{run:?}");
    assert!(!house.installed().exists());
    assert!(house.data().join("apps/shop-web").exists() && house.data().join("projects/shop").exists());
    assert_eq!(house.started(), "");
}

#[test]
fn the_usage_says_what_was_typed() {
    let house = House::new();
    fs::copy(env!("CARGO_BIN_EXE_dokku-compose"), house.path("lib/data/compose/bin/dokku-compose")).unwrap();
    let run = house.run("subcommands/import", &["compose:import", "shop", "--nonsense"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("\nUsage: dokku compose:import "), "{run:?}");
    let run = house.run("subcommands/help", &["compose:help", "plan"]);
    assert!(run.stdout.contains("\nUsage: dokku compose:plan "), "{run:?}");
    // Started by its own name, it says that.
    let mut own = std::process::Command::new(env!("CARGO_BIN_EXE_dokku-compose"));
    let run = finish(own.args(["plan", "--nonsense"]).env_clear(), "");
    assert!(run.stderr.contains("\nUsage: dokku-compose plan "), "{run:?}");
}
