//! `ports:*`: `scheme:host-port:container-port`, set by hand or detected at a build.

use serde_json::{Value, json};

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::world::World;
use super::proxy;
use super::report::{self, Shape};

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "ports:set" | "ports:add" | "ports:remove" => change(ctx, command, args),
        "ports:clear" => clear(ctx, args),
        "ports:list" => list(ctx, args),
        "ports" | "ports:report" => {
            let shape = Shape { prefix: "ports", title: "ports", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let own = ctx.world.list("ports", app, "map");
                let detected = detected(&ctx.world, app);
                Ok(report::map([
                    ("map", own.join(" ")),
                    ("map-detected", detected.join(" ")),
                    ("map-json", as_json(&own)),
                    ("map-detected-json", as_json(&detected)),
                ]))
            })
        }
        _ => return None,
    })
}

fn detected(world: &World, app: &str) -> Vec<String> {
    let detected = world.list("ports", app, "map-detected");
    if detected.is_empty() { vec!["http:80:5000".to_owned()] } else { detected }
}

/// The map in force.
pub(in crate::sandbox) fn effective(world: &World, app: &str) -> Vec<String> {
    let own = world.list("ports", app, "map");
    if own.is_empty() { detected(world, app) } else { own }
}

/// The port that a web process is told: the container port of the first map that is not UDP.
pub(in crate::sandbox) fn web_port(world: &World, app: &str) -> String {
    let maps = effective(world, app);
    maps.iter().find(|map| !map.starts_with("udp:")).and_then(|map| map.rsplit(':').next()).unwrap_or("5000").to_owned()
}

fn as_json(maps: &[String]) -> String {
    let one = |map: &String| -> Value {
        let parts: Vec<&str> = map.split(':').collect();
        let number = |at: usize| parts.get(at).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        json!({"container_port": number(2), "host_port": number(1), "scheme": parts.first().copied().unwrap_or_default()})
    };
    Value::Array(maps.iter().map(one).collect()).to_string()
}

/// One map in its full form. Dokku takes any scheme.
fn parsed(text: &str) -> Answer<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |text: &str| -> Answer<u32> {
        match text.parse::<u32>() {
            Ok(number) if (1..=65_535).contains(&number) => Ok(number),
            Ok(_) => fail(format!("Invalid port map {text}")),
            Err(_) => fail(format!("Invalid port map {text} [err=strconv.Atoi: parsing \"{text}\": invalid syntax]")),
        }
    };
    match parts.as_slice() {
        [port] => Ok(format!("http:{}:{}", number(port)?, number(port)?)),
        [scheme, port] => Ok(format!("{scheme}:{}:{}", number(port)?, number(port)?)),
        [scheme, host, container] => Ok(format!("{scheme}:{}:{}", number(host)?, number(container)?)),
        _ => fail(format!("Invalid port map {text}")),
    }
}

fn change(ctx: &mut Ctx, command: &str, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let given: Vec<String> = args.rest()[1..].iter().map(|text| parsed(text)).collect::<Answer<_>>()?;
    if given.is_empty() {
        return fail("No port mappings specified");
    }
    let mut all = if command == "ports:set" { Vec::new() } else { ctx.world.list("ports", &app, "map") };
    if command == "ports:remove" {
        all.retain(|map| !given.contains(map));
    } else {
        for map in given {
            let side = |map: &str| map.rsplit_once(':').map(|(side, _)| side.to_owned()).unwrap_or_default();
            if all.iter().any(|other| side(other) == side(&map)) {
                return Err(Stop::Fail(
                    1,
                    format!(
                        "Error validating all port mappings: The same scheme:host-port is being reused: {}",
                        side(&map)
                    ),
                ));
            }
            all.push(map);
        }
    }
    all.sort();
    ctx.world.set_list("ports", &app, "map", &all)?;
    proxy::build_config(ctx, &app)
}

fn clear(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    ctx.world.set_property("ports", &app, "map", "")?;
    ctx.world.set_property("ports", &app, "map-detected", "")?;
    proxy::build_config(ctx, &app)
}

fn list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let all = effective(&ctx.world, &app);
    ctx.step(&format!("Port mappings for {app}"));
    for map in all {
        ctx.line(&map.replace(':', " "));
    }
    Ok(())
}
