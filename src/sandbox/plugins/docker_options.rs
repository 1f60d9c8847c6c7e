//! `docker-options:*`: options of the engine's commands, a sorted list a phase.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::words;
use super::super::world::World;
use super::report::{self, Shape};

const PHASES: [&str; 3] = ["build", "deploy", "run"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "docker-options:add" => change(ctx, args, true),
        "docker-options:remove" => change(ctx, args, false),
        "docker-options:clear" => clear(ctx, args),
        "docker-options:list" => list(ctx, args),
        "docker-options" | "docker-options:report" => {
            let shape = Shape { prefix: "docker-options", title: "docker options", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| Ok(values(ctx, app)))
        }
        _ => return None,
    })
}

/// The options of an app's phase; `process` is `_default_` for all processes.
pub(in crate::sandbox) fn options(world: &World, app: &str, process: &str, phase: &str) -> Vec<String> {
    world.list("docker-options", app, &format!("{process}.{phase}"))
}

/// Adds or removes options as the command does.
pub(in crate::sandbox) fn edit(
    world: &World,
    app: &str,
    process: &str,
    phase: &str,
    given: &[String],
    add: bool,
) -> Answer {
    let mut all = options(world, app, process, phase);
    if add {
        all.extend_from_slice(given);
        all.sort();
    } else {
        let same = |a: &str, b: &str| words::shell(a).ok() == words::shell(b).ok();
        all.retain(|have| !given.iter().any(|gone| same(have, gone)));
    }
    world.set_list("docker-options", app, &format!("{process}.{phase}"), &all)?;
    Ok(())
}

fn phases(text: &str) -> Answer<Vec<String>> {
    let all: Vec<String> = text.split(',').map(str::to_owned).collect();
    if all.iter().all(|phase| PHASES.contains(&phase.as_str())) {
        Ok(all)
    } else {
        fail("Phase(s) must be one of [build deploy run]")
    }
}

fn processes(args: &Args, phases: &[String]) -> Answer<Vec<String>> {
    let named = args.values("process");
    if named.is_empty() {
        return Ok(vec!["_default_".to_owned()]);
    }
    if named.contains(&"_default_") {
        return fail("_default_ is a reserved process type");
    }
    if phases.iter().any(|phase| phase != "deploy") {
        return fail("The --process flag may only be specified with the deploy phase");
    }
    Ok(named.into_iter().map(str::to_owned).collect())
}

fn change(ctx: &mut Ctx, words: &[String], add: bool) -> Answer {
    let args = Args::parse(words, &["process="], true)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let phases = phases(args.at(1, "at least one phase")?)?;
    let text = args.rest()[2..].join(" ");
    if text.contains('\n') {
        return fail("Docker options may not contain newlines");
    }
    let given =
        words::options(&text).map_err(|error| Stop::Fail(1, format!("Unable to parse docker options: {error}")))?;
    if given.is_empty() {
        return fail("Please specify docker options to use");
    }
    for process in processes(&args, &phases)? {
        for phase in &phases {
            edit(&ctx.world, &app, &process, phase, &given, add)?;
        }
    }
    Ok(())
}

fn clear(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["process="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let named = !args.values("process").is_empty();
    let phases = match args.rest().get(1) {
        Some(text) => phases(text)?,
        None if named => vec!["deploy".to_owned()],
        None => PHASES.iter().map(|phase| (*phase).to_owned()).collect(),
    };
    for process in processes(&args, &phases)? {
        for phase in &phases {
            ctx.world.set_property("docker-options", &app, &format!("{process}.{phase}"), "")?;
        }
    }
    ctx.step(&format!("Clearing docker-options for {app} on phase(s) {}", phases.join(",")));
    Ok(())
}

fn list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["process=", "phase="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let Some(phase) = args.value("phase") else { return fail("Please specify a phase with --phase") };
    let phase = phases(phase)?.remove(0);
    for option in options(&ctx.world, &app, args.value("process").unwrap_or("_default_"), &phase) {
        ctx.line(&option);
    }
    Ok(())
}

fn values(ctx: &Ctx, app: &str) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let mut put = |name: String, options: Vec<String>| {
        values.insert(name.clone(), Value::String(options.join(" ")));
        values.insert(format!("{name}-list"), Value::from(options));
    };
    for phase in PHASES {
        put(phase.to_owned(), options(&ctx.world, app, "_default_", phase));
    }
    for key in ctx.world.property_keys("docker-options", app) {
        if let Some((process, phase)) = key.rsplit_once('.').filter(|(process, _)| *process != "_default_") {
            put(format!("{phase}.{process}"), options(&ctx.world, app, process, phase));
        }
    }
    values
}
