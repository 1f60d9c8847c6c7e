//! `domains:*`: an app's host names, lines of `DOKKU_ROOT/APP/VHOST`.

use std::io;

use super::super::ctx::{Answer, Args, Ctx, fail};
use super::super::world::{World, read_text, remove_file, write_whole};
use super::report::{self, Shape};
use super::{config, proxy};

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    let verb = command.strip_prefix("domains:").or((command == "domains").then_some("report"))?;
    Some(match verb {
        "set" | "add" | "remove" | "clear" | "reset" => change(ctx, verb, args),
        "enable" | "disable" => switch(ctx, args, verb == "enable"),
        "set-global" | "add-global" => global_set(ctx, args, verb == "add-global"),
        "report" => {
            let shape = Shape { prefix: "domains", title: "domains", legacy: false };
            report::answer(ctx, &shape, args, &|ctx, app| {
                Ok(report::map([
                    ("app-enabled", enabled(&ctx.world, app).to_string()),
                    ("app-vhosts", of(&ctx.world, app).join(" ")),
                    ("global-enabled", "true".to_owned()),
                    ("global-vhosts", globals(&ctx.world).join(" ")),
                ]))
            })
        }
        _ => return None,
    })
}

/// An app's domains; none where they are disabled.
pub(in crate::sandbox) fn of(world: &World, app: &str) -> Vec<String> {
    if enabled(world, app) { stored(world, app) } else { Vec::new() }
}

fn stored(world: &World, app: &str) -> Vec<String> {
    read_text(&world.home(app).join("VHOST")).lines().map(str::to_owned).collect()
}

/// Replaces an app's domains.
pub(in crate::sandbox) fn write(world: &World, app: &str, domains: &[String]) -> io::Result<()> {
    let path = world.home(app).join("VHOST");
    if domains.is_empty() {
        remove_file(&path)
    } else {
        write_whole(&path, format!("{}\n", domains.join("\n")).as_bytes())
    }
}

/// The domain that every new app gets: a name with a dot is a domain itself.
pub(in crate::sandbox) fn set_default(world: &World, app: &str) -> io::Result<()> {
    let domains = if app.contains('.') {
        vec![app.to_owned()]
    } else {
        globals(world).iter().map(|global| format!("{app}.{global}")).collect()
    };
    write(world, app, &domains)
}

fn globals(world: &World) -> Vec<String> {
    let stored: Vec<String> = read_text(&world.path("home/VHOST")).lines().map(str::to_owned).collect();
    if stored.is_empty() { vec![global(world)] } else { stored }
}

/// The server's first domain.
pub(in crate::sandbox) fn global(world: &World) -> String {
    let domain = world.behaviour().domain;
    if domain.is_empty() { "dokku.me".to_owned() } else { domain }
}

fn enabled(world: &World, app: &str) -> bool {
    config::load(world, app).get("NO_VHOST").is_none_or(|value| value != "1")
}

fn change(ctx: &mut Ctx, verb: &str, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let given = &args.rest()[1..];
    if given.is_empty() && matches!(verb, "set" | "add" | "remove") {
        return fail("Please specify at least one domain");
    }
    for domain in given {
        let fine = domain.chars().all(|c| c.is_ascii_alphanumeric() || "-._*".contains(c))
            && !domain.starts_with('-')
            && !domain.is_empty();
        if !fine {
            return fail(format!("{domain} is invalid. exiting..."));
        }
    }
    let mut all = stored(&ctx.world, &app);
    match verb {
        "set" => {
            all = given.to_vec();
            ctx.step(&format!("Set {} for {app}", given.join(" ")));
        }
        "add" => {
            for domain in given {
                if all.contains(domain) {
                    ctx.step(&format!("Skipping: {domain} already added to {app}"));
                } else {
                    all.push(domain.clone());
                    ctx.step(&format!("Added {domain} to {app}"));
                }
            }
        }
        "remove" => {
            all.retain(|domain| !given.contains(domain));
            ctx.step(&format!("Removed {} from {app}", given.join(" ")));
        }
        "clear" => {
            all.clear();
            ctx.step(&format!("Cleared domains in {app}"));
        }
        _ => {
            set_default(&ctx.world, &app)?;
            all = stored(&ctx.world, &app);
            ctx.step(&format!("Reset domains in {app}"));
        }
    }
    write(&ctx.world, &app, &all)?;
    proxy::build_config(ctx, &app)
}

fn switch(ctx: &mut Ctx, words: &[String], on: bool) -> Answer {
    let args = Args::parse(words, &["no-restart"], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    if enabled(&ctx.world, &app) == on {
        let word = if on { "enabled" } else { "disabled" };
        ctx.step(&format!("Domains (VHOST) support is already {word} for app ({app})"));
        return Ok(());
    }
    config::put(&ctx.world, &app, &[("NO_VHOST", if on { "0" } else { "1" })])?;
    if on {
        set_default(&ctx.world, &app)?;
        ctx.step("App virtual host support enabled");
    } else {
        write(&ctx.world, &app, &[])?;
        ctx.step("App virtual host support disabled");
    }
    if proxy::disabled(&ctx.world, &app) { Ok(()) } else { proxy::build_config(ctx, &app) }
}

fn global_set(ctx: &mut Ctx, words: &[String], add: bool) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let mut all = if add { globals(&ctx.world) } else { Vec::new() };
    all.extend(args.rest().iter().cloned());
    if args.rest().is_empty() {
        return fail("Please specify at least one domain");
    }
    write_whole(&ctx.world.path("home/VHOST"), format!("{}\n", all.join("\n")).as_bytes())?;
    ctx.step(&format!("Set {}", args.rest().join(" ")));
    Ok(())
}
