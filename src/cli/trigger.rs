//! Dokku's triggers for the apps of projects. The shell files before this program leave at once for all others.

use std::time::Duration;

use anyhow::Result;

use super::session::Session;
use super::{Exit, Failed, push};
use crate::apply::hooks::{Moment, Of};
use crate::apply::runner::{await_container, network_endpoint};
use crate::apply::{self, ActionError, Cancel};
use crate::dokku;
use crate::map::resources::{AppHooks, Kind};
use crate::plan::raw::{PROJECT_LABEL, SERVICE_LABEL};
use crate::state::{Lock, PushSettings, State, store};
use crate::ui::Printer;

/// Runs one; a name that is not known is left alone, since Dokku may call more than this version knows.
///
/// A refusal ends with 1. What keeps the program from answering ends with another code, and the trigger's shell file
/// decides what then is safest for what runs.
pub(super) fn run(session: &Session, printer: &Printer, name: &str, args: &[String]) -> Result<Exit> {
    answer(session, printer, name, args).map_err(|error| match error.downcast::<Failed>() {
        Ok(refused) => refused.into(),
        Err(other) => Failed::new(Exit::NoAnswer, format!("{other:#}")).into(),
    })
}

/// The trigger's refusal.
fn refused(message: impl Into<String>) -> anyhow::Error {
    Failed::new(Exit::Wrong, message).into()
}

fn answer(session: &Session, printer: &Printer, name: &str, args: &[String]) -> Result<Exit> {
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    match name {
        "post-container-create" => post_container_create(session, arg(1), arg(2), arg(3)),
        "check-deploy" => check_deploy(session, printer, arg(0), arg(1), arg(2), arg(5)),
        "scheduler-deploy" => scheduler_deploy(session, printer, arg(1)),
        "post-deploy" => post_deploy(session, printer, arg(0)),
        "scheduler-stop" => scheduler_stop(session, printer, arg(1)),
        "post-extract" => post_extract(session, printer, arg(0), arg(1)),
        "pre-delete" => pre_delete(session, arg(0)),
        "post-delete" => post_delete(session, arg(0)),
        "post-app-rename-setup" => renamed(session, printer, arg(0), arg(1)),
        "post-app-clone" => cloned(session, arg(0), arg(1)),
        "pre-restore" => pre_restore(session, printer),
        _ => Ok(Exit::Done),
    }
}

fn hooks(session: &Session, app: &str) -> Result<Option<AppHooks>> {
    Ok(store::read_json(&session.site.app_file(app))?)
}

/// `app CONTAINER APP PHASE PROCESS`: joins the networks beyond the first, by name only in a deploy.
fn post_container_create(session: &Session, container: &str, app: &str, phase: &str) -> Result<Exit> {
    let Some(hooks) = hooks(session, app)? else { return Ok(Exit::Done) };
    for (network, endpoint) in &hooks.networks {
        let endpoint = network_endpoint(endpoint, phase == "deploy");
        if let Err(error) = session.engine.network_connect(network, container, &endpoint) {
            // Dokku leaves a container that a trigger refused in the state `created` for ever.
            let _ = session.engine.container_remove(container);
            return Err(refused(format!("{app} cannot join the network {network}: {error}")));
        }
    }
    for copy in &hooks.copies {
        if let Err(error) = session.engine.container_copy(container, copy) {
            let _ = session.engine.container_remove(container);
            return Err(refused(format!("{app} cannot be given {}: {error}", copy.target)));
        }
    }
    Ok(Exit::Done)
}

/// `APP CONTAINER PROCESS PORT ADDRESS INDEX`: the gate. A failure keeps the old container.
fn check_deploy(
    session: &Session,
    printer: &Printer,
    app: &str,
    container: &str,
    process: &str,
    index: &str,
) -> Result<Exit> {
    let Some(hooks) = hooks(session, app)? else { return Ok(Exit::Done) };
    let passed = run_hooks(session, printer, &hooks, container, Moment::Started)
        .and_then(|()| await_container(session.engine.as_ref(), container, &hooks.gate, &Cancel::default()));
    match passed {
        Ok(detail) => {
            printer.detail(&format!("{} is {detail} (web.{index})", hooks.service));
            // From here on Dokku retires the old one, whatever comes.
            let old = session.site.dokku_root.join(app).join(format!("CONTAINER.{process}.{index}"));
            if let Ok(old) = std::fs::read_to_string(old)
                && old.trim() != container
            {
                stopping(session, printer, &hooks, &[old.trim().to_owned()]);
            }
            Ok(Exit::Done)
        }
        Err(error) => Err(told(printer, &hooks, error)),
    }
}

/// A failure with the lines that led to it.
fn told(printer: &Printer, hooks: &AppHooks, error: ActionError) -> anyhow::Error {
    for line in error.lines {
        printer.warn(&format!("| {line}"));
    }
    refused(format!("{}: {}", hooks.service, error.message))
}

fn run_hooks(
    session: &Session,
    printer: &Printer,
    hooks: &AppHooks,
    container: &str,
    moment: Moment,
) -> Result<(), ActionError> {
    if hooks.hooks.is_empty() {
        return Ok(());
    }
    let of = Of { site: &session.site, project: &hooks.project, service: &hooks.service };
    apply::hooks::run(session.engine.as_ref(), &of, container, moment, &|line| printer.detail(line))
}

/// `pre_stop` in those of `containers` that run. That it fails keeps nobody from stopping them.
fn stopping(session: &Session, printer: &Printer, hooks: &AppHooks, containers: &[String]) {
    for container in containers {
        let running = session.engine.container(container).ok().flatten().is_some_and(|one| one.status == "running");
        if !running {
            continue;
        }
        if let Err(error) = run_hooks(session, printer, hooks, container, Moment::Stopping) {
            printer.warn(&format!("{}: {}", hooks.service, error.message));
        }
    }
}

/// The containers that Dokku routes to.
fn current(session: &Session, app: &str) -> Vec<String> {
    let dir = std::fs::read_dir(session.site.dokku_root.join(app));
    let files = dir.into_iter().flatten().flatten();
    let mut ids: Vec<String> = files
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("CONTAINER.web."))
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .map(|id| id.trim().to_owned())
        .collect();
    ids.sort();
    ids
}

/// `SCHEDULER APP TAG`: an app whose old containers stop before the new ones start has its `pre_stop` here.
fn scheduler_deploy(session: &Session, printer: &Printer, app: &str) -> Result<Exit> {
    if let Some(hooks) = hooks(session, app)?.filter(|hooks| hooks.stop_first) {
        stopping(session, printer, &hooks, &current(session, app));
    }
    Ok(Exit::Done)
}

/// `APP PORT ADDRESS TAG`: the `post_start` of an app that Dokku does not check; of others it was run with the check. Then
/// neighbours that remember addresses are told.
fn post_deploy(session: &Session, printer: &Printer, app: &str) -> Result<Exit> {
    let Some(hooks) = hooks(session, app)? else { return Ok(Exit::Done) };
    if hooks.stop_first {
        for container in current(session, app) {
            run_hooks(session, printer, &hooks, &container, Moment::Started)
                .map_err(|error| told(printer, &hooks, error))?;
        }
    }
    for reload in &hooks.reloads {
        let containers = if reload.app { current(session, &reload.name) } else { vec![reload.name.clone()] };
        for container in containers {
            // One that does not run yet finds the new address by itself, and its own deploy says what is wrong with it.
            match apply::hooks::reload(session.engine.as_ref(), &container, &reload.command) {
                Ok(true) => printer.detail(&format!("{} looks {} up again", reload.name, hooks.service)),
                Ok(false) => {}
                Err(error) => printer.warn(&format!("{}: {}", reload.name, error.message)),
            }
        }
    }
    Ok(Exit::Done)
}

/// `SCHEDULER APP REMOVE`: `ps:stop`, and the way out of an app that is destroyed.
fn scheduler_stop(session: &Session, printer: &Printer, app: &str) -> Result<Exit> {
    if let Some(hooks) = hooks(session, app)?.filter(|hooks| !hooks.hooks.is_empty()) {
        stopping(session, printer, &hooks, &current(session, app));
    }
    Ok(Exit::Done)
}

/// `APP DIRECTORY`: a push to the project's own app, or a rebuild of it. A refusal leaves the stack as it was.
fn post_extract(session: &Session, printer: &Printer, app: &str, dir: &str) -> Result<Exit> {
    match push::run(session, printer, app, dir) {
        Ok(Some(Exit::Done)) => Ok(Exit::Done),
        Ok(Some(_)) => Err(refused(format!("the push to {app} is refused: what ran before runs on"))),
        Ok(None) => match hooks(session, app)? {
            Some(hooks) if hooks.service.is_empty() => Err(refused(format!(
                "{app} is the app of a compose project that takes no pushes: dokku compose:set {app} git-push true, \
                 or send the directory: tar c . | ssh dokku@HOST compose:import {app} -"
            ))),
            _ => Ok(Exit::Done),
        },
        // Whatever is wrong with a push is told to who pushed, and refuses it.
        Err(error) => Err(refused(format!("{error:#}\nthe push to {app} is refused"))),
    }
}

/// Refuses to destroy the project's own app while its services exist.
fn pre_delete(session: &Session, app: &str) -> Result<Exit> {
    let Some(hooks) = hooks(session, app)? else { return Ok(Exit::Done) };
    if !hooks.service.is_empty() {
        return Ok(Exit::Done);
    }
    let state = State::load(&session.project_dir(app)?)?;
    let names: Vec<String> = state.iter().flat_map(|state| state.desired.services.keys().cloned()).collect();
    if names.is_empty() {
        return Ok(Exit::Done);
    }
    let services = names.join(", ");
    Err(refused(format!(
        "{app} is the app of a compose project with the services {services}: use dokku compose:destroy {app}"
    )))
}

/// The app is gone, or became another by a rename: its file for the triggers goes.
fn post_delete(session: &Session, app: &str) -> Result<Exit> {
    store::remove_file(&session.site.app_file(app))?;
    PushSettings::remove(&session.site, app)?;
    Ok(Exit::Done)
}

/// `OLD NEW`: the project knows the service's app by its new name from now on.
fn renamed(session: &Session, printer: &Printer, old: &str, new: &str) -> Result<Exit> {
    let Some(hooks) = hooks(session, old)? else { return Ok(Exit::Done) };
    if hooks.service.is_empty() {
        // The old app goes next, which must not be refused half way.
        store::remove_file(&session.site.app_file(old))?;
        printer.warn(&format!(
            "{old} was the app of a compose project, which keeps its name: run compose:import {old} to make it again"
        ));
        return Ok(Exit::Done);
    }
    let dir = session.project_dir(&hooks.project)?;
    // An import that runs now renames nothing; only a short wait for one that is about to end.
    let lock = Lock::acquire(&dir, "apps:rename", &session.env, Duration::from_secs(20), &|| false)?;
    if let Some(mut state) = State::load(lock.dir())? {
        if let Some(service) = state.desired.services.get_mut(&hooks.service)
            && let Kind::App(app) = &mut service.kind
        {
            new.clone_into(&mut app.app);
        }
        if state.created.apps.remove(old) {
            state.created.apps.insert(new.to_owned());
        }
        // What the new app looks like is read by the next import.
        state.fingerprints.remove(old);
        state.save(lock.dir())?;
    }
    store::write_json(&session.site.app_file(new), &hooks)?;
    Ok(Exit::Done)
}

/// `OLD NEW`: a clone is nobody's service. It must not answer to the service's name or write to its volumes.
///
/// At `post-app-clone-setup` the options, networks and mounts of the old app are not all copied yet.
fn cloned(session: &Session, old: &str, new: &str) -> Result<Exit> {
    if hooks(session, old)?.is_none() {
        return Ok(Exit::Done);
    }
    let dokku = &session.dokku;
    let options = dokku.options(new)?;
    let own_file = format!("--env-file={}/", session.site.data().join("projects").display());
    for phase in [dokku::options::Phase::Deploy, dokku::options::Phase::Run] {
        let given = options.of(phase).iter();
        let of_the_service = |option: &&String| {
            let option = option.trim_start_matches('\'');
            option.starts_with("--network-alias=") || option.starts_with(&own_file)
        };
        let taken: Vec<String> = given.filter(of_the_service).cloned().collect();
        if !taken.is_empty() {
            dokku.call(dokku::options::remove(new, &[phase], &taken))?;
        }
    }
    dokku.call(dokku::network::set(new, "initial-network", &[]))?;
    for mount in dokku.mounts(new)? {
        let there = dokku::storage::Mount {
            container_path: mount.container_path.clone(),
            phases: Vec::new(),
            read_only: mount.read_only,
            options: mount.options.clone(),
        };
        dokku.call(dokku::storage::unmount_path(new, &mount.host_path, &there)?)?;
    }
    Ok(Exit::Done)
}

/// After a reboot: raw containers that the engine did not bring back are started. Never fails.
fn pre_restore(session: &Session, printer: &Printer) -> Result<Exit> {
    let Ok(containers) = session.engine.containers(&[PROJECT_LABEL]) else { return Ok(Exit::Done) };
    for container in containers {
        let job = container.labels.get("com.dokku-compose.kind").is_some_and(|kind| kind == "job");
        if job || container.status == "running" || container.name.ends_with(".replaced") {
            continue;
        }
        if let Err(error) = session.engine.container_start(&container.name) {
            let service = container.labels.get(SERVICE_LABEL).map_or("", String::as_str);
            printer.warn(&format!("{service}: cannot start {}: {error}", container.name));
        } else if let Err(error) =
            apply::hooks::of_raw(session.engine.as_ref(), &session.site, &container, Moment::Started, &|_| {})
        {
            printer.warn(&error.message);
        }
    }
    Ok(Exit::Done)
}
