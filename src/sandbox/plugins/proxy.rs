//! `proxy:*` and the nginx configuration that it stands for.

use std::path::PathBuf;

use super::super::ctx::{Answer, Args, Ctx, fail};
use super::super::deploy;
use super::super::engine::clock;
use super::super::world::{World, read_text, remove_file, write_whole};
use super::report::{self, Shape, tiers};
use super::{config, domains, ps};

const KEYS: &[&str] = &["disabled", "proxy-port", "proxy-ssl-port", "type"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "proxy:set" => report::set(ctx, "proxy", KEYS, args),
        "proxy:disable" => switch(ctx, args, false),
        "proxy:enable" => switch(ctx, args, true),
        "proxy:build-config" => on_app(ctx, args, build_config),
        "proxy:clear-config" => on_app(ctx, args, |ctx, app| {
            ctx.step("Deleting nginx.conf");
            remove_file(&config_file(&ctx.world, app))?;
            read_again(&ctx.world)?;
            Ok(())
        }),
        "nginx:reload" => read_again(&ctx.world).map_err(Into::into),
        "proxy" | "proxy:report" => {
            let shape = Shape { prefix: "proxy", title: "proxy", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let mut values = report::map([
                    ("enabled", (!disabled(&ctx.world, app)).to_string()),
                    ("disabled", ctx.world.property("proxy", app, "disabled")),
                    ("computed-disabled", disabled(&ctx.world, app).to_string()),
                ]);
                tiers(ctx, &mut values, "proxy", app, "type", "nginx");
                tiers(ctx, &mut values, "proxy", app, "proxy-port", "80");
                tiers(ctx, &mut values, "proxy", app, "proxy-ssl-port", "");
                // The app's own port is told with its default.
                values.insert("proxy-port".to_owned(), values["computed-proxy-port"].clone());
                Ok(values)
            })
        }
        _ => return None,
    })
}

fn on_app(ctx: &mut Ctx, words: &[String], work: fn(&mut Ctx, &str) -> Answer) -> Answer {
    let args = Args::parse(words, &["all", "parallel="], false)?;
    let apps = if args.has("all") { ctx.world.apps() } else { vec![args.app()?.to_owned()] };
    for app in apps {
        ctx.need_app(&app)?;
        work(ctx, &app)?;
    }
    Ok(())
}

/// Whether an app's proxy is off.
pub(in crate::sandbox) fn disabled(world: &World, app: &str) -> bool {
    world.property("proxy", app, "disabled") == "true"
}

fn switch(ctx: &mut Ctx, words: &[String], on: bool) -> Answer {
    let args = Args::parse(words, &["no-restart"], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    if disabled(&ctx.world, &app) != on {
        let word = if on { "enabled" } else { "disabled" };
        ctx.step(&format!("Proxying is already {word} for app"));
        return Ok(());
    }
    if on {
        ctx.step("Enabling proxy for app");
        ctx.world.set_property("proxy", &app, "disabled", "")?;
        domains::set_default(&ctx.world, &app)?;
        config::put(&ctx.world, &app, &[("NO_VHOST", "0")])?;
        build_config(ctx, &app)?;
    } else {
        ctx.step("Disabling proxy for app");
        ctx.step("App virtual host support disabled");
        ctx.world.set_property("proxy", &app, "disabled", "true")?;
        config::put(&ctx.world, &app, &[("NO_VHOST", "1")])?;
        domains::write(&ctx.world, &app, &[])?;
        ctx.world.set_property("ports", &app, "map", "")?;
        ctx.step(&format!("Nginx support is disabled for app ({app})"));
        ctx.step("Deleting nginx.conf");
        remove_file(&config_file(&ctx.world, &app))?;
        read_again(&ctx.world)?;
    }
    if !deploy::deployed(&ctx.world, &app) {
        ctx.warn(&format!("App {app} has not been deployed"));
        return Ok(());
    }
    if args.has("no-restart") { Ok(()) } else { deploy::restart(ctx, &app, None) }
}

/// Writes an app's nginx configuration, as many other commands do.
pub(in crate::sandbox) fn build_config(ctx: &mut Ctx, app: &str) -> Answer {
    let kind = ctx.world.property("proxy", app, "type");
    if disabled(&ctx.world, app) {
        ctx.step(&format!("Nginx support is disabled for app ({app})"));
        return Ok(());
    }
    if !kind.is_empty() && kind != "nginx" {
        return Ok(());
    }
    for domain in domains::of(&ctx.world, app) {
        ctx.step(&format!("Configuring {domain}...(using built-in template)"));
    }
    ctx.step("Creating http nginx.conf");
    ctx.detail("Reloading nginx");
    if ps::running(ctx, app)?.iter().all(|name| !name.contains(".web.")) {
        ctx.warn(&format!("No web listeners specified for {app}"));
    }
    let listens: String = super::ports::effective(&ctx.world, app)
        .iter()
        .filter_map(|map| Some(format!("listen {};\n", map.split(':').nth(1)?)))
        .collect();
    write_whole(&config_file(&ctx.world, app), listens.as_bytes())?;
    reloaded(ctx)
}

/// An app's part of nginx's configuration.
fn config_file(world: &World, app: &str) -> PathBuf {
    world.home(app).join("nginx.conf")
}

/// nginx goes by the files that it read last, whatever became of them since: `nginx/listens` holds a line a port and app.
fn read_again(world: &World) -> std::io::Result<()> {
    let mut all = String::new();
    for app in world.apps() {
        for line in read_text(&config_file(world, &app)).lines() {
            all.push_str(&format!("{app}: {line}\n"));
        }
    }
    write_whole(&world.root().join("nginx/listens"), all.as_bytes())
}

/// Has nginx read its configuration anew, with what it says.
pub(in crate::sandbox) fn reloaded(ctx: &mut Ctx) -> Answer {
    read_again(&ctx.world)?;
    let pid = std::process::id();
    let time = clock(ctx.world.now());
    ctx.error_line(&format!("{time} [notice] {pid}#{pid}: signal process started"));
    Ok(())
}

/// The URLs of an app.
pub(in crate::sandbox) fn urls(world: &World, app: &str) -> Vec<String> {
    let domains = domains::of(world, app);
    let maps = super::ports::effective(world, app);
    if domains.is_empty() {
        let port = maps.first().map_or("5000", |map| map.rsplit(':').next().unwrap_or("5000"));
        return vec![format!("http://{}:{port}", domains::global(world))];
    }
    let mut urls = Vec::new();
    for domain in &domains {
        for map in &maps {
            let mut parts = map.split(':');
            let (scheme, host) = (parts.next().unwrap_or("http"), parts.next().unwrap_or("80"));
            let usual = matches!((scheme, host), ("http", "80") | ("https", "443"));
            urls.push(if usual { format!("{scheme}://{domain}") } else { format!("{scheme}://{domain}:{host}") });
        }
    }
    urls
}

/// `urls APP`.
pub(super) fn print_urls(ctx: &mut Ctx, args: &[String]) -> Answer {
    let args = Args::parse(args, &[], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    if !deploy::deployed(&ctx.world, &app) {
        return fail(format!("App {app} has not been deployed"));
    }
    for url in urls(&ctx.world, &app) {
        ctx.line(&url);
    }
    Ok(())
}
