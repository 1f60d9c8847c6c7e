//! Services and the apps that are linked to them.

use super::super::super::ctx::{Answer, Args, Ctx, fail};
use super::super::super::deploy;
use super::super::super::world::World;
use super::super::{config, docker_options};
use super::kinds::{KINDS, Kind};
use super::{Service, existing, services};

const COLOURS: [&str; 16] = [
    "AQUA", "BLACK", "BLUE", "FUCHSIA", "GRAY", "GREEN", "LIME", "MAROON", "NAVY", "OLIVE", "PURPLE", "RED", "SILVER",
    "TEAL", "WHITE", "YELLOW",
];
/// The variable by which an app knows a service.
pub(super) fn variable(world: &World, app: &str, dsn: &str) -> Option<String> {
    let fits = |value: &str| value == dsn || value.strip_prefix(dsn).is_some_and(|rest| rest.starts_with('?'));
    config::load(world, app).into_iter().find(|(_, value)| fits(value)).map(|(key, _)| key)
}

pub(super) fn service_and_app<'a>(
    ctx: &Ctx,
    kind: &'a Kind,
    words: &[String],
    known: &[&str],
) -> Answer<(Args, Service<'a>, String)> {
    // The first two words, whatever they are: flags come behind them (`service-link-cmd`).
    let Some(app) = words.get(1).cloned() else {
        return fail("Please specify an app to run the command on");
    };
    ctx.need_app(&app)?;
    let (args, service) = existing(ctx, kind, words, known)?;
    Ok((args, service, app))
}

pub(super) fn no_restart(ctx: &Ctx, args: &Args) -> bool {
    args.has("no-restart") || args.has("n") || ctx.globals.all.iter().any(|flag| flag == "--no-restart")
}

pub(super) fn link(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service, app) = service_and_app(ctx, kind, words, &["alias=", "a=", "querystring=", "q="])?;
    let dsn = service.dsn();
    if let Some(name) = variable(&ctx.world, &app, &dsn) {
        return fail(format!("Already linked as {name}"));
    }
    let variables = config::load(&ctx.world, &app);
    let name = match args.value("alias").or(args.value("a")) {
        Some(alias) => {
            let alias = alias.to_ascii_uppercase();
            let name = format!("{}_URL", alias.strip_suffix("_URL").unwrap_or(&alias));
            if variables.contains_key(&name) {
                return fail(format!("Specified alias {} already in use", name.trim_end_matches("_URL")));
            }
            name
        }
        None => {
            let usual = format!("{}_URL", kind.alias);
            let coloured =
                COLOURS.iter().map(|colour| format!("DOKKU_{}_{colour}_URL", kind.name.to_ascii_uppercase()));
            match [usual].into_iter().chain(coloured).find(|name| !variables.contains_key(name)) {
                Some(name) => name,
                None => return fail("Unable to use default or generated URL alias"),
            }
        }
    };
    let option = [service.link_option()];
    for phase in ["build", "deploy", "run"] {
        docker_options::edit(&ctx.world, &app, "_default_", phase, &option, true)?;
    }
    let mut links = service.links();
    links.push(app.clone());
    links.sort();
    links.dedup();
    service.put("LINKS", &links.join("\n"))?;
    let query = args.value("querystring").or(args.value("q")).map(|query| format!("?{query}")).unwrap_or_default();
    let value = format!("{dsn}{query}");
    config::put(&ctx.world, &app, &[(&name, &value)])?;
    ctx.step("Setting config vars");
    ctx.detail(&format!("{name}:  {value}"));
    changed(ctx, &args, &app)
}

pub(super) fn changed(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    if no_restart(ctx, args) {
        ctx.detail("Skipping restart of linked app");
        return Ok(());
    }
    if deploy::deployed(&ctx.world, app) {
        ctx.step(&format!("Restarting app {app}"));
        ctx.merged = true;
        return deploy::release_and_deploy(ctx, app);
    }
    Ok(())
}

pub(super) fn unlink(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service, app) = service_and_app(ctx, kind, words, &[])?;
    let Some(name) = variable(&ctx.world, &app, &service.dsn()) else {
        return fail(format!("Not linked to app {app}"));
    };
    drop_link(ctx, &service, &app)?;
    ctx.step(&format!("Unsetting {name}"));
    changed(ctx, &args, &app)
}

pub(super) fn drop_link(ctx: &Ctx, service: &Service<'_>, app: &str) -> Answer {
    let mut variables = config::load(&ctx.world, app);
    if let Some(name) = variable(&ctx.world, app, &service.dsn()) {
        variables.remove(&name);
        config::store(&ctx.world, app, &variables)?;
    }
    for phase in ["build", "deploy", "run"] {
        docker_options::edit(&ctx.world, app, "_default_", phase, &[service.link_option()], false)?;
    }
    let links: Vec<String> = service.links().into_iter().filter(|name| name != app).collect();
    service.put("LINKS", &links.join("\n"))
}

/// Takes an app that goes from all services; each is told, linked or not.
pub(in crate::sandbox) fn unlink_all(ctx: &mut Ctx, app: &str) -> Answer {
    for plugin in ctx.world.datastores().into_keys() {
        let Some(kind) = KINDS.iter().find(|kind| kind.name == plugin) else { continue };
        for name in services(&ctx.world, kind.name) {
            ctx.line(&format!("Unlinking from {name}"));
            let service = Service { world: ctx.world.clone(), kind, name };
            drop_link(ctx, &service, app)?;
        }
    }
    Ok(())
}

pub(super) fn linked(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service, app) = service_and_app(ctx, kind, words, &[])?;
    if service.links().contains(&app) {
        ctx.step(&format!("Service {} is linked to {app}", service.name));
        return Ok(());
    }
    fail(format!("Service {} is not linked to {app}", service.name))
}

pub(super) fn links(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    for app in service.links() {
        ctx.line(&app);
    }
    Ok(())
}

pub(super) fn app_links(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    for name in services(&ctx.world, kind.name) {
        let service = Service { world: ctx.world.clone(), kind, name };
        if service.links().contains(&app) {
            ctx.line(&service.name);
        }
    }
    Ok(())
}
