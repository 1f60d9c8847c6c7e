//! Release and deploy: what happens between an image and running containers.

use std::collections::BTreeMap;

use super::ctx::{Answer, Ctx, Stop, fail};
use super::engine::state::{Container, State};
use super::plugins::{checks, config, docker_options, ports, proxy, ps, storage};
use super::source_files::SourceFiles;
use super::world::{World, write_whole};
use super::{options, retire, source, triggers, words};
use crate::docker::EngineResult;

/// Dokku's mark of an error inside a deploy.
const RED: &str = "\u{1b}[1m\u{1b}[31m !     \u{1b}[0m\u{1b}[0m";
/// Names that the shell of a deploy cannot set.
const READ_ONLY: [&str; 5] = ["BASHOPTS", "EUID", "PPID", "SHELLOPTS", "UID"];

/// Whether an app was ever deployed.
pub(super) fn deployed(world: &World, app: &str) -> bool {
    world.property("common", app, "deployed") == "true"
}

/// Changes the engine's state in one go.
pub(super) fn engine<T>(ctx: &Ctx, work: impl FnOnce(&mut State) -> EngineResult<T>) -> Answer<EngineResult<T>> {
    let mut state = State::load(&ctx.world)?;
    state.refresh(&ctx.world.behaviour());
    let result = work(&mut state);
    state.save(&ctx.world)?;
    Ok(result)
}

/// Releases and deploys the app's latest image.
pub(super) fn release_and_deploy(ctx: &mut Ctx, app: &str) -> Answer {
    if State::load(&ctx.world)?.image(&format!("dokku/{app}:latest")).is_none() {
        ctx.warn(&format!("App image (dokku/{app}:latest) not found"));
        return Ok(());
    }
    ctx.step(&format!("Releasing {app}..."));
    let tasks: &[&str] = if deployed(&ctx.world, app) {
        &["predeploy", "release"]
    } else {
        &["predeploy", "release", "heroku.postdeploy"]
    };
    for task in tasks {
        ctx.step(&format!("Checking for {task} task"));
        ctx.detail(&format!("No {task} task found, skipping"));
    }
    if ps::skip_deploy(&ctx.world, app) {
        return Ok(());
    }
    ctx.head("Processing deployment checks");
    let files = SourceFiles::read(&ctx.world, app)?;
    if !files.has_checks() {
        ctx.line(&format!("{RED}No healthchecks found in app.json for web process type"));
        ctx.detail("No web healthchecks found in app.json. Simple container checks will be performed.");
        ctx.detail("For more efficient zero downtime deployments, add healthchecks to your app.json. See https://dokku.com/docs/deployment/zero-downtime-deploys/ for examples");
    }
    ctx.step(&format!("Deploying {app} via the docker-local scheduler..."));
    schedule(ctx, app, None)?;
    files.keep(&ctx.world, app)?;
    ctx.head("Application deployed:");
    for url in proxy::urls(&ctx.world, app) {
        ctx.detail(&url);
    }
    ctx.line("");
    Ok(())
}

/// Builds the source that is there, and deploys it.
pub(super) fn rebuild(ctx: &mut Ctx, app: &str) -> Answer {
    let Some(sha) = source::head(&ctx.world, app) else {
        return fail(format!("App {app} has not been deployed"));
    };
    super::release::receive(ctx, app, &sha)
}

/// Makes containers with the current settings from the image that is there.
pub(super) fn restart(ctx: &mut Ctx, app: &str, processes: Option<&[String]>) -> Answer {
    schedule(ctx, app, processes)
}

/// What one deploy replaced and made.
#[derive(Default)]
struct Done {
    /// Replaced containers: id and process name `web.1`.
    old: Vec<(String, String)>,
    /// New ones: id, present name, final name.
    new: Vec<(String, String, String)>,
}

fn schedule(ctx: &mut Ctx, app: &str, only: Option<&[String]>) -> Answer {
    let code = triggers::call(ctx, "scheduler-deploy", &["docker-local", app, "latest"])?;
    if code != 0 {
        return Err(Stop::Exit(code));
    }
    let first = !deployed(&ctx.world, app);
    let scale = ps::scale(&ctx.world, app);
    let mut done = Done::default();
    let time = ctx.world.behaviour().deploy_ms;
    if time > 0 {
        ctx.unlocked(|_| std::thread::sleep(std::time::Duration::from_millis(time)))?;
    }
    for (process, count) in &scale {
        if only.is_some_and(|only| !only.contains(process)) {
            continue;
        }
        ctx.step(&format!("Deploying {process} (count={count})"));
        let disabled = checks::mode(&ctx.world, app, process) == "disabled";
        if disabled && *count > 0 {
            ctx.detail(&format!("Zero downtime is disabled, stopping currently running containers  ({process})"));
            for (id, _) in current(ctx, app, process)? {
                engine(ctx, |state| {
                    state.remove(&id);
                    Ok(())
                })??;
            }
        }
        for index in 1..=*count {
            deploy_one(ctx, app, process, *count, index, &mut done)?;
        }
    }
    ctx.world.set_property("common", app, "deployed", "true")?;
    finish(ctx, app, only, &scale, first, done)
}

impl From<crate::docker::EngineError> for Stop {
    fn from(error: crate::docker::EngineError) -> Self {
        Self::Fail(1, format!("Error response from daemon: {error}"))
    }
}

/// The containers of a process type that serve now: id and process name `web.1`.
fn current(ctx: &Ctx, app: &str, process: &str) -> Answer<Vec<(String, String)>> {
    let state = State::load(&ctx.world)?;
    let labels = [
        format!("com.dokku.app-name={app}"),
        "com.dokku.container-type=deploy".to_owned(),
        format!("com.dokku.process-type={process}"),
    ];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    Ok(state
        .labelled(&labels)
        .into_iter()
        .filter(|container| !container.name.contains(".upcoming-") && !retire::waits(&ctx.world, app, &container.id))
        .map(|container| (container.id.clone(), container.labels.get("com.dokku.dyno").cloned().unwrap_or_default()))
        .collect())
}

fn deploy_one(ctx: &mut Ctx, app: &str, process: &str, count: u32, index: u32, done: &mut Done) -> Answer {
    let dyno = format!("{process}.{index}");
    let mode = checks::mode(&ctx.world, app, process);
    if mode == "enabled" {
        ctx.detail(&format!("Attempting pre-flight checks ({dyno})"));
    }
    let (id, name) = match create(ctx, app, process, index) {
        Ok(made) => made,
        Err(Stop::Fail(_, why)) => {
            ctx.error_line(&why);
            return failed(ctx, app, process, count, index, None);
        }
        Err(other) => return Err(other),
    };
    let code = triggers::call(ctx, "post-container-create", &["app", &id, app, "deploy", process])?;
    let started = if code == 0 {
        let behaviour = ctx.world.behaviour();
        engine(ctx, |state| state.start(&behaviour, &id))?
            .map_err(|error| format!("Error response from daemon: {error}"))
    } else {
        Err(String::new())
    };
    if let Err(why) = started {
        if !why.is_empty() {
            ctx.error_line(&why);
        }
        return failed(ctx, app, process, count, index, Some(&id));
    }
    if mode != "disabled" {
        let port = if process == "web" { ports::web_port(&ctx.world, app) } else { String::new() };
        let address = address(ctx, app, &id)?;
        let trigger = ["check-deploy", app, &id, process, &port, &address, &index.to_string()];
        let passed = triggers::call(ctx, trigger[0], &trigger[1..])? == 0;
        if !passed || (mode == "enabled" && !checked(ctx, process, &dyno, &port, &id)?) {
            return failed(ctx, app, process, count, index, Some(&id));
        }
        if mode == "enabled" {
            ctx.detail(&format!("All checks successful ({dyno})"));
        }
        output(ctx, app, &id, &dyno)?;
    }
    if let Some(old) = current(ctx, app, process)?.into_iter().find(|(_, name)| *name == dyno) {
        let wait = checks::wait_to_retire(&ctx.world, app);
        ctx.detail(&format!("Scheduling old container shutdown in {wait} seconds ({dyno})"));
        done.old.push(old);
    }
    write_whole(&ctx.world.home(app).join(format!("CONTAINER.{dyno}")), id.as_bytes())?;
    done.new.push((id, name, format!("{app}.{dyno}")));
    Ok(())
}

fn address(ctx: &Ctx, app: &str, id: &str) -> Answer<String> {
    let initial = ctx.world.property("network", app, "initial-network");
    let network = if initial.is_empty() { "bridge" } else { &initial };
    let state = State::load(&ctx.world)?;
    let address = state
        .container(id)
        .and_then(|container| container.networks.get(network))
        .map(|endpoint| endpoint.address.clone());
    Ok(address.unwrap_or_default())
}

/// The default checks: the container runs and has not been restarted; the web port is listened on.
fn checked(ctx: &mut Ctx, process: &str, dyno: &str, port: &str, id: &str) -> Answer<bool> {
    let web = process == "web";
    ctx.step(&format!("Executing {} healthchecks", if web { 2 } else { 1 }));
    ctx.detail("Running healthcheck name='default' type='uptime' uptime=10");
    if web {
        ctx.detail(&format!("Running healthcheck name='port listening check' attempts=3 port={port} retries=2 timeout=5 type='listening' wait=5"));
    }
    let (status, restarts) =
        engine(ctx, |state| state.container_mut(id).map(|container| (container.status.clone(), container.restarts)))??;
    if status == "running" && restarts == 0 {
        if web {
            ctx.detail("Healthcheck succeeded name='port listening check'");
        }
        ctx.detail("Healthcheck succeeded name='default'");
        return Ok(true);
    }
    ctx.head("Start healthcheck output");
    ctx.detail(&format!("state={status}"));
    ctx.head("End healthcheck output");
    let why = if restarts > 0 {
        format!("container has restarted {restarts} times")
    } else {
        "container state is not running".to_owned()
    };
    ctx.error_line(&format!("{RED}Failure in name='default': {why}"));
    if web {
        ctx.error_line(&format!("{RED}Failure in name='port listening check': container state is not running"));
    }
    ctx.line(id);
    ctx.warn(&format!("Could not start due to 1 failed checks ({dyno})"));
    Ok(false)
}

fn output(ctx: &mut Ctx, app: &str, id: &str, dyno: &str) -> Answer {
    let log = State::load(&ctx.world)?.container(id).map(|container| container.log.clone()).unwrap_or_default();
    ctx.head(&format!("Start of {app} container output ({} {dyno})", &id[..12]));
    for line in log {
        ctx.detail(&line);
    }
    ctx.head(&format!("End of {app} container output ({} {dyno})", &id[..12]));
    Ok(())
}

/// The new container goes; the old one stays.
fn failed(ctx: &mut Ctx, app: &str, process: &str, count: u32, index: u32, id: Option<&str>) -> Answer {
    let dyno = format!("{process}.{index}");
    if let Some(id) = id {
        for _ in 0..2 {
            output(ctx, app, id, &dyno)?;
        }
        engine(ctx, |state| {
            state.remove(id);
            Ok(())
        })??;
    }
    ctx.error_line("parallel: This job failed:");
    ctx.error_line(&format!(
        "/var/lib/dokku/plugins/available/scheduler-docker-local/bin/scheduler-deploy-process-container {app} dockerfile dokku/{app}:latest latest {process} {count} {index}"
    ));
    if ctx.merged {
        ctx.line("");
        return Err(Stop::Exit(1));
    }
    let said = ctx.errors().join("\n");
    fail(format!("{said}\n"))
}

/// The options of a phase as Dokku composes them, in its order.
pub(super) fn composed(world: &World, app: &str, process: &str, phase: &str) -> String {
    let mut all = docker_options::options(world, app, "_default_", phase);
    all.extend(storage::mounts(world, app, phase).iter().map(|mount| format!("-v {mount}")));
    if phase == "deploy" {
        // Dokku drops a process type's own volumes and links where the image is not a buildpack's.
        let own = docker_options::options(world, app, process, phase);
        all.extend(
            own.into_iter().filter(|option| !["-v", "--volume", "--link"].iter().any(|gone| option.starts_with(gone))),
        );
        let policy = world.property("ps", app, "restart-policy");
        all.push(format!("--restart={}", if policy.is_empty() { "on-failure:10" } else { &policy }));
    }
    all.join(" ")
}

fn create(ctx: &mut Ctx, app: &str, process: &str, index: u32) -> Answer<(String, String)> {
    let random = ctx.world.fresh_id("upcoming")?;
    let random = u32::from_str_radix(&random[..4], 16).unwrap_or(1) / 2;
    let name = format!("{app}.{process}.{index}.upcoming-{random}");
    let id = add_container(ctx, app, process, &name, "deploy", None, &format!("{process}.{index}"))?;
    Ok((id, name))
}

/// Creates a container of an app on its networks; `command` replaces the start command.
pub(super) fn add_container(
    ctx: &mut Ctx,
    app: &str,
    process: &str,
    name: &str,
    phase: &str,
    command: Option<&[String]>,
    dyno: &str,
) -> Answer<String> {
    let world = ctx.world.clone();
    let variables = config::load(&world, app);
    if let Some(fixed) = READ_ONLY.iter().find(|fixed| variables.contains_key(**fixed)) {
        return fail(format!("{fixed}: readonly variable"));
    }
    let created = options::read(&composed(&world, app, process, phase)).map_err(|why| Stop::Fail(1, why))?;
    let mut container = created.container;
    let mut environment: BTreeMap<String, String> = variables;
    environment.append(&mut container.environment);
    environment.insert("DYNO".to_owned(), dyno.to_owned());
    if phase == "deploy" {
        environment
            .insert("PORT".to_owned(), if process == "web" { ports::web_port(&world, app) } else { String::new() });
    }
    container.environment = environment;
    let start = match command {
        Some(words) => words.to_vec(),
        None => words::xargs(&world.property("ps", app, "dockerfile-start-cmd")).map_err(|why| Stop::Fail(1, why))?,
    };
    name.clone_into(&mut container.name);
    container.image = format!("dokku/{app}:latest");
    for (key, value) in [
        ("com.dokku.app-name", app),
        ("com.dokku.builder-type", "dockerfile"),
        ("com.dokku.container-type", phase),
        ("com.dokku.dyno", dyno),
        ("com.dokku.image-stage", "release"),
        ("com.dokku.process-type", process),
        ("dokku", ""),
    ] {
        container.labels.insert(key.to_owned(), value.to_owned());
    }
    let initial = world.property("network", app, "initial-network");
    let mut networks = created.networks;
    if !initial.is_empty() {
        networks.push(initial);
    }
    if networks.is_empty() {
        networks.push("bridge".to_owned());
    }
    if networks[0] == "bridge" && !created.aliases.is_empty() {
        return fail(
            "Error response from daemon: network-scoped alias is supported only for containers in user defined networks",
        );
    }
    let after = world.property("network", app, "attach-post-create");
    let id = engine(ctx, |state| {
        let image = state.image(&container.image).map(|image| image.facts.clone()).unwrap_or_default();
        container.entrypoint = match created.entrypoint {
            Some(program) if program.is_empty() => Vec::new(),
            Some(program) => vec![program],
            None => image.entrypoint.clone(),
        };
        container.command = if start.is_empty() { image.command.clone() } else { start };
        container.health_check = (container.health_check || image.healthcheck) && !created.no_health_check;
        let id = state.create(&world, container)?;
        for (at, network) in networks.iter().enumerate() {
            let (aliases, address): (&[String], &str) =
                if at == 0 { (&created.aliases, &created.address) } else { (&[], "") };
            if let Err(error) = state.connect(network, &id, aliases, address) {
                state.remove(&id);
                return Err(error);
            }
        }
        // Dokku joins the first of these networks alone, and says nothing where it is missing.
        if let Some(first) = after.split(',').next().filter(|first| state.networks.contains_key(*first)) {
            state.connect(first, &id, &[format!("{app}.{process}")], "")?;
        }
        Ok(id)
    })??;
    Ok(id)
}

fn finish(
    ctx: &mut Ctx,
    app: &str,
    only: Option<&[String]>,
    scale: &[(String, u32)],
    first: bool,
    done: Done,
) -> Answer {
    let wait = checks::wait_to_retire(&ctx.world, app);
    let disabled = proxy::disabled(&ctx.world, app);
    ctx.head("Triggering early nginx proxy rebuild");
    // Seen on a server: a first deploy with the property set rebuilds nothing early.
    if !(first && ctx.world.has_property("network", app, "bind-all-interfaces")) {
        if !(first && disabled) {
            ctx.step(&format!("Ensuring network configuration is in sync for {app}"));
        }
        proxy::build_config(ctx, app)?;
    }
    let mut old = done.old;
    for (process, count) in scale.iter().filter(|(process, _)| only.is_none_or(|only| only.contains(process))) {
        let new: Vec<&str> = done.new.iter().map(|(id, ..)| id.as_str()).collect();
        for (id, dyno) in current(ctx, app, process)? {
            let index: u32 = dyno.rsplit('.').next().and_then(|index| index.parse().ok()).unwrap_or(0);
            if index > *count && !new.contains(&id.as_str()) {
                ctx.detail(&format!("Scheduling orphaned container shutdown in {wait} seconds ({dyno})"));
                retire::add(&ctx.world, app, &id, wait)?;
                engine(ctx, |state| state.stop(&id, 143))??;
                old.push((id, String::new()));
            }
        }
    }
    ctx.step("Running post-deploy");
    if !done.new.is_empty() {
        ctx.step(&format!("Ensuring network configuration is in sync for {app}"));
    }
    attach(ctx, app, &done.new)?;
    proxy::build_config(ctx, app)?;
    ctx.step("Renaming containers");
    let now = ctx.world.now();
    for (id, name, last) in &done.new {
        if let Some((old, _)) = old.iter().find(|(_, dyno)| format!("{app}.{dyno}") == *last) {
            ctx.detail(&format!("Found previous container(s) ({}) named {last}", &old[..12]));
            ctx.detail(&format!("Renaming container ({}) {last} to {last}.{now}", &old[..12]));
            retire::add(&ctx.world, app, old, wait)?;
            engine(ctx, |state| {
                state.stop(old, 143)?;
                let container = state.container_mut(old)?;
                container.name = format!("{last}.{now}.{}", &old[..4]);
                Ok(())
            })??;
        }
        ctx.detail(&format!("Renaming container {name} ({}) to {last}", &id[..12]));
        engine(ctx, |state| {
            state.container_mut(id)?.name.clone_from(last);
            Ok(())
        })??;
    }
    ctx.step("Checking for postdeploy task");
    ctx.detail("No postdeploy task found, skipping");
    let code = triggers::call(ctx, "post-deploy", &[app, "", "", "latest"])?;
    if code != 0 {
        return Err(Stop::Exit(code));
    }
    if !old.is_empty() {
        ctx.step(&format!("Shutting down old containers in {wait} seconds"));
    }
    Ok(())
}

/// `attach-post-deploy`: all new containers join all these networks.
fn attach(ctx: &Ctx, app: &str, new: &[(String, String, String)]) -> Answer {
    let networks = ctx.world.property("network", app, "attach-post-deploy");
    for network in networks.split(',').filter(|network| !network.is_empty()) {
        for (id, _, last) in new {
            let alias = last.rsplit_once('.').map_or(last.as_str(), |(alias, _)| alias).to_owned();
            engine(ctx, |state| state.connect(network, id, &[alias], ""))??;
        }
    }
    Ok(())
}

/// Removes all containers and the image of an app.
pub(super) fn remove_containers(ctx: &mut Ctx, app: &str) -> Answer {
    triggers::call(ctx, "scheduler-stop", &["docker-local", app, "true"])?;
    engine(ctx, |state| {
        let ids: Vec<String> = state
            .labelled(&[&format!("com.dokku.app-name={app}")])
            .iter()
            .map(|container| container.id.clone())
            .collect();
        for id in ids {
            state.remove(&id);
        }
        state.untag(&format!("dokku/{app}:latest"))
    })??;
    Ok(())
}

/// Stops the containers of an app.
pub(super) fn stop(ctx: &mut Ctx, app: &str) -> Answer {
    triggers::call(ctx, "scheduler-stop", &["docker-local", app, "false"])?;
    engine(ctx, |state| {
        let ids: Vec<String> = state
            .labelled(&[&format!("com.dokku.app-name={app}"), "com.dokku.container-type=deploy"])
            .iter()
            .map(|container: &&Container| container.id.clone())
            .collect();
        ids.iter().try_for_each(|id| state.stop(id, 143))
    })??;
    Ok(())
}
