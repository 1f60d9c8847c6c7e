//! The same inputs give the same plan, byte for byte, whoever asks and in which environment.

use std::process::Command;

use dokku_compose::ui::plan::to_json;

use crate::{features, project, updates};

fn plans() -> String {
    let mut out = String::new();
    for dir in features() {
        let observed = project::server(&dir);
        let planned = project::plan(&dir, None, &observed, None);
        out.push_str(&planned.findings);
        if let Some(plan) = &planned.plan {
            out.push_str(&to_json(plan).to_string());
        }
        out.push('\n');
    }
    out
}

#[test]
fn twenty_plans_are_equal() {
    let first = plans();
    assert!(first.len() > 10_000);
    for _ in 1..20 {
        assert!(plans() == first, "a plan differs from the one before");
    }
}

#[test]
fn twenty_updates_are_equal() {
    // The staged folder has another name each time.
    let plan =
        |dir: &std::path::Path| updates::Update::read(dir).plan.map(|plan| serde_json::to_string(&plan.rows).unwrap());
    for dir in updates::cases() {
        let first = plan(&dir);
        for _ in 1..20 {
            assert_eq!(plan(&dir), first, "{}", dir.display());
        }
    }
}

/// Prints the plans' digest when the next test calls this program again.
#[test]
fn print_when_asked() {
    if std::env::var_os("GOLDEN_PRINT").is_some() {
        println!("plans: {}", project::KEY.digest(&plans()));
    }
}

#[test]
fn the_environment_changes_no_plan() {
    let own = std::env::current_exe().unwrap();
    let printed = |hostile: &[(&str, &str)]| {
        let mut command = Command::new(&own);
        command.args(["--exact", "purity::print_when_asked", "--nocapture"]).env_clear().env("GOLDEN_PRINT", "1");
        let output = command.envs(hostile.iter().copied()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // The harness prints the test's name before it on the same line.
        text.split("plans: ").nth(1).unwrap_or_else(|| panic!("{text}")).lines().next().unwrap().to_owned()
    };
    let plain = printed(&[]);
    assert_eq!(plain, *project::KEY.digest(&plans()));
    let hostile = [
        ("TAG", "evil"),
        ("COMPOSE_PROJECT_NAME", "evil"),
        ("COMPOSE_FILE", "/etc/passwd"),
        ("COMPOSE_PROFILES", "*"),
        ("COMPOSE_ENV_FILES", "/etc/passwd"),
        ("DOKKU_ROOT", "/evil"),
        ("DOKKU_LIB_ROOT", "/evil"),
        ("DOKKU_APP_NAME", "evil"),
        ("DOCKER_HOST", "tcp://evil:2375"),
        ("DOCKER_DEFAULT_PLATFORM", "linux/evil"),
        ("HOME", "/evil"),
        ("PWD", "/evil"),
        ("TZ", "Pacific/Apia"),
        ("LANG", "tr_TR.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("NO_COLOR", "1"),
        ("TERM", "dumb"),
        ("COLUMNS", "20"),
    ];
    assert_eq!(printed(&hostile), plain);
}
