//! `ps:*`: processes, their number, their life.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::engine::state::State;
use super::super::world::World;
use super::super::{deploy, retire};
use super::proxy;
use super::report::{self, Shape, tiers};

const KEYS: &[&str] =
    &["dockerfile-start-cmd", "procfile-path", "restart-policy", "skip-deploy", "start-cmd", "stop-timeout-seconds"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "ps:set" => report::set(ctx, "ps", KEYS, args),
        "ps:scale" => rescale(ctx, args),
        "ps:restart" => on_apps(ctx, args, restart),
        "ps:rebuild" => on_apps(ctx, args, |ctx, app, _| {
            ctx.merged = true;
            deploy::rebuild(ctx, app)
        }),
        "ps:start" => on_apps(ctx, args, start),
        "ps:stop" => on_apps(ctx, args, stop),
        "ps:inspect" => on_apps(ctx, args, inspect),
        "ps:restore" => on_apps(ctx, args, start),
        "ps:retire" => {
            Args::parse(args, &[], false).and_then(|args| retire::all(ctx, args.rest().first().map(String::as_str)))
        }
        "ps" | "ps:report" => {
            let shape = Shape { prefix: "ps", title: "ps", legacy: true };
            // Some keys have no twin with the prefix.
            report::answer(ctx, &Shape { legacy: false, ..shape }, args, &|ctx, app| values(ctx, app))
        }
        _ => return None,
    })
}

/// Process types and how many of each, web first.
pub(in crate::sandbox) fn scale(world: &World, app: &str) -> Vec<(String, u32)> {
    let mut all: Vec<(String, u32)> = world
        .property_keys("ps", app)
        .iter()
        .filter_map(|key| Some((key.strip_prefix("scale.")?.to_owned(), world.property("ps", app, key).parse().ok()?)))
        .collect();
    all.sort_by_key(|(name, _)| (name != "web", name.clone()));
    all
}

/// Names of the app's containers that serve.
pub(in crate::sandbox) fn running(ctx: &mut Ctx, app: &str) -> Answer<Vec<String>> {
    Ok(containers(ctx, app)?.into_iter().filter(|(_, _, status)| status == "running").map(|(name, ..)| name).collect())
}

/// Name, id and status of the app's deployed containers, without those that wait for removal.
fn containers(ctx: &mut Ctx, app: &str) -> Answer<Vec<(String, String, String)>> {
    let mut state = State::load(&ctx.world)?;
    state.refresh(&ctx.world.behaviour());
    Ok(state
        .labelled(&[&format!("com.dokku.app-name={app}"), "com.dokku.container-type=deploy"])
        .into_iter()
        .filter(|container| !retire::waits(&ctx.world, app, &container.id))
        .map(|container| (container.name.clone(), container.id.clone(), container.status.clone()))
        .collect())
}

/// Whether releases of the app are not deployed.
pub(in crate::sandbox) fn skip_deploy(world: &World, app: &str) -> bool {
    world.property("ps", app, "skip-deploy") == "true"
}

fn values(ctx: &mut Ctx, app: &str) -> Answer<BTreeMap<String, Value>> {
    let all = containers(ctx, app)?;
    let up = all.iter().filter(|(_, _, status)| status == "running").count();
    let mut twins = report::map([("can-scale", "true".to_owned())]);
    for (key, default) in [
        ("procfile-path", "Procfile"),
        ("restart-policy", "on-failure:10"),
        ("skip-deploy", "false"),
        ("stop-timeout-seconds", "30"),
    ] {
        tiers(ctx, &mut twins, "ps", app, key, default);
    }
    for key in ["dockerfile-start-cmd", "start-cmd"] {
        tiers(ctx, &mut twins, "ps", app, key, "");
        twins.remove(&format!("global-{key}"));
    }
    let mut values = twins.clone();
    values.extend(twins.into_iter().map(|(key, value)| (format!("ps-{key}"), value)));
    let running = match up {
        0 => "false",
        up if up == all.len() => "true",
        _ => "mixed",
    };
    let stopped = ctx.world.property("ps", app, "restore") == "false";
    values.extend(report::map([
        ("deployed", deploy::deployed(&ctx.world, app).to_string()),
        ("processes", all.len().to_string()),
        ("restore", (!stopped).to_string()),
        ("running", running.to_owned()),
    ]));
    for (name, id, status) in all {
        let dyno = name.strip_prefix(&format!("{app}.")).unwrap_or(&name).to_owned();
        values.insert(format!("status-{dyno}"), Value::String(format!("{status} (CID: {})", &id[..11])));
    }
    Ok(values)
}

fn rescale(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["skip-deploy", "format="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let old = scale(&ctx.world, &app);
    let given = &args.rest()[1..];
    if given.is_empty() {
        if args.value("format") == Some("json") {
            let all: Vec<Value> =
                old.iter().map(|(name, count)| json!({"process_type": name, "quantity": count})).collect();
            ctx.line(&Value::Array(all).to_string());
        } else {
            ctx.step(&format!("Scaling for {app}"));
            ctx.detail("proctype: qty");
            ctx.detail("--------: ---");
            for (name, count) in old {
                ctx.detail(&format!("{name}:  {count}"));
            }
        }
        return Ok(());
    }
    let mut changed = Vec::new();
    let mut wanted = Vec::new();
    for pair in given {
        let parsed = pair.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse::<u32>().ok()?)));
        let Some((name, count)) = parsed.filter(|(name, _)| !name.is_empty()) else {
            return fail(format!("Invalid scale: {pair}"));
        };
        wanted.push((name, count));
    }
    ctx.step(&format!("Scaling {app} processes: {}", given.join(" ")));
    for (name, count) in wanted {
        if old.iter().find(|(old, _)| *old == name).is_none_or(|(_, before)| *before != count) {
            changed.push(name.clone());
        }
        ctx.world.set_property("ps", &app, &format!("scale.{name}"), &count.to_string())?;
    }
    if args.has("skip-deploy") || changed.is_empty() || !deploy::deployed(&ctx.world, &app) {
        return Ok(());
    }
    deploy::restart(ctx, &app, Some(&changed))
}

fn on_apps(ctx: &mut Ctx, words: &[String], work: fn(&mut Ctx, &str, Option<&str>) -> Answer) -> Answer {
    let args = Args::parse(words, &["all", "parallel="], false)?;
    let apps = if args.has("all") { ctx.world.apps() } else { vec![args.app()?.to_owned()] };
    let process = args.rest().get(1).cloned();
    for app in apps {
        ctx.need_app(&app)?;
        work(ctx, &app, process.as_deref())?;
    }
    Ok(())
}

fn not_deployed(ctx: &mut Ctx, app: &str) -> bool {
    let not = !deploy::deployed(&ctx.world, app);
    if not {
        ctx.warn(&format!("App {app} has not been deployed"));
    }
    not
}

fn restart(ctx: &mut Ctx, app: &str, process: Option<&str>) -> Answer {
    if not_deployed(ctx, app) {
        return Ok(());
    }
    ctx.merged = true;
    let processes = process.map(|process| vec![process.to_owned()]);
    deploy::restart(ctx, app, processes.as_deref())
}

fn start(ctx: &mut Ctx, app: &str, _: Option<&str>) -> Answer {
    if not_deployed(ctx, app) {
        return Ok(());
    }
    ctx.world.set_property("ps", app, "restore", "")?;
    let all = containers(ctx, app)?;
    if !all.is_empty() && all.iter().all(|(_, _, status)| status == "running") {
        ctx.warn(&format!("App {app} already running"));
        return Ok(());
    }
    ctx.warn("App has been detected as not running, releasing");
    ctx.merged = true;
    deploy::release_and_deploy(ctx, app)?;
    ctx.merged = false;
    if proxy::disabled(&ctx.world, app) {
        return Ok(());
    }
    ctx.step(&format!("Ensuring network configuration is in sync for {app}"));
    proxy::build_config(ctx, app)
}

fn stop(ctx: &mut Ctx, app: &str, _: Option<&str>) -> Answer {
    if not_deployed(ctx, app) {
        return Ok(());
    }
    ctx.step(&format!("Stopping {app}"));
    ctx.world.set_property("ps", app, "restore", "false")?;
    deploy::stop(ctx, app)
}

fn inspect(ctx: &mut Ctx, app: &str, _: Option<&str>) -> Answer {
    if !deploy::deployed(&ctx.world, app) {
        return fail(format!("App {app} has not been deployed"));
    }
    let names = containers(ctx, app)?;
    let state = State::load(&ctx.world)?;
    let shown: Vec<Value> = names.iter().filter_map(|(name, ..)| state.container(name)).map(|container| {
        let env: Vec<String> = container.environment.keys().map(|key| format!("{key}=XXXXXX")).collect();
        json!({
            "AppArmorProfile": "", "Args": [],
            "Config": {
                "AttachStderr": true, "AttachStdin": false, "AttachStdout": true, "Cmd": container.command, "Domainname": "",
                "Entrypoint": if container.entrypoint.is_empty() { Value::Null } else { json!(container.entrypoint) },
                "Env": env, "Hostname": container.hostname, "Image": container.image, "Labels": container.labels
            },
            "Id": container.id, "Image": container.image_id, "Name": format!("/{}", container.name),
            "RestartCount": container.restarts, "State": {"ExitCode": container.exit_code, "Status": container.status}
        })
    }).collect();
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(&shown, &mut serializer).map_err(|error| Stop::Fail(1, error.to_string()))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    ctx.line(&text);
    Ok(())
}
