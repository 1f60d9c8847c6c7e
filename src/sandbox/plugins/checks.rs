//! `checks:*`: which process types are checked at a deploy, and how long old containers live on.

use super::super::ctx::{Answer, Args, Ctx};
use super::super::world::World;
use super::report::{self, Shape, tiers};

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "checks:set" => report::set(ctx, "checks", &["wait-to-retire"], args),
        "checks:disable" => switch(ctx, args, Some("disabled-list")),
        "checks:skip" => switch(ctx, args, Some("skipped-list")),
        "checks:enable" => switch(ctx, args, None),
        "checks" | "checks:report" => {
            let shape = Shape { prefix: "checks", title: "checks", legacy: false };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let list = |key: &str| {
                    let list = ctx.world.property("checks", app, key);
                    if list.is_empty() { "none".to_owned() } else { list }
                };
                let mut values =
                    report::map([("disabled-list", list("disabled-list")), ("skipped-list", list("skipped-list"))]);
                tiers(ctx, &mut values, "checks", app, "wait-to-retire", "60");
                Ok(values)
            })
        }
        _ => return None,
    })
}

/// What happens with the checks of a process type: `enabled`, `skipped` or `disabled`.
pub(in crate::sandbox) fn mode(world: &World, app: &str, process: &str) -> &'static str {
    let named =
        |key: &str| world.property("checks", app, key).split(',').any(|name| name == "_all_" || name == process);
    if named("disabled-list") {
        "disabled"
    } else if named("skipped-list") {
        "skipped"
    } else {
        "enabled"
    }
}

/// Seconds that old containers live on.
pub(in crate::sandbox) fn wait_to_retire(world: &World, app: &str) -> u64 {
    world.property("checks", app, "wait-to-retire").parse().unwrap_or(60)
}

fn switch(ctx: &mut Ctx, words: &[String], list: Option<&str>) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let processes: Vec<String> = args.rest()[1..]
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let suffix = if processes.is_empty() { String::new() } else { format!(" ({})", processes.join(",")) };
    let what = match list {
        Some("disabled-list") => format!("Disabling zero downtime for app ({app}){suffix}"),
        Some(_) => format!("Skipping zero downtime for app ({app}){suffix}"),
        None => format!("Enabling zero downtime for app's ({app}){suffix}"),
    };
    ctx.step(&what);
    for key in ["disabled-list", "skipped-list"] {
        let mut names: Vec<String> = ctx
            .world
            .property("checks", &app, key)
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if processes.is_empty() {
            names.clear();
        } else {
            names.retain(|name| !processes.contains(name));
        }
        if list == Some(key) {
            names.extend(if processes.is_empty() { vec!["_all_".to_owned()] } else { processes.clone() });
        }
        ctx.world.set_property("checks", &app, key, &names.join(","))?;
    }
    Ok(())
}
