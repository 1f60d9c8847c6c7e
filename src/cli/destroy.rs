//! `compose:destroy`: takes a project away in reverse order. It goes forward only: every step may be repeated, and
//! the project is known until the last one is done, so that a second `destroy` finishes an interrupted one.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::args::DestroyArgs;
use super::import::owned;
use super::import::runner;
use super::recover::{self, lock_error, unknown};
use super::session::Session;
use super::{Exit, Failed};
use crate::apply::{ActionError, Cancel, Context, Runner, by_hand, unfinished};
use crate::map::resources::{DesiredService, Kind, StoreSpec};
use crate::observe::{self, Observed, Wanted};
use crate::plan::{Action, raw, removal};
use crate::state::{Lock, State};
use crate::ui::Printer;

/// Time for one step.
const STEP: Duration = Duration::from_secs(600);
/// Steps of one wave at once.
const AT_ONCE: usize = 4;

pub(super) fn run(session: &Session, printer: &Printer, args: &DestroyArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    // One that compose:create made and nobody pushed to yet has an app and no more.
    let only_created = session.push_created(&args.project) && State::load(&dir)?.is_none();
    if !dir.exists() && !only_created {
        return Err(unknown(&args.project));
    }
    if !args.force && !std::io::stdin().is_terminal() {
        // What comes by a pipe is nobody's answer.
        let message = "there is no terminal to confirm this on (ssh -t), and no --force: nothing was removed";
        return Err(Failed::new(Exit::Wrong, message).into());
    }
    // Containers, networks and volumes go straight to the engine; they are the project's app's.
    if !session.dokku.may(&["apps:destroy", &args.project])? {
        let message = format!("you may not destroy {} on this server: nothing was removed", args.project);
        return Err(Failed::new(Exit::Wrong, message).into());
    }
    let wait = Duration::from_secs(args.lock_wait);
    let lock = Lock::acquire(&dir, "compose:destroy", &session.env, wait, &|| false).map_err(lock_error)?;
    super::hold::refuse_held(&dir)?;
    if unfinished(&dir)?.is_some() {
        let exit = recover::recover(session, printer, &lock)?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    let state = match State::load(&dir)? {
        Some(state) => state,
        None if only_created => State { project: args.project.clone(), ..State::default() },
        None => {
            // A first import that was undone leaves only its records.
            dir.remove()?;
            return Err(unknown(&args.project));
        }
    };
    let wanted = Wanted {
        project: &state.project,
        apps: owned(Some(&state)),
        containers: state.created.containers.clone(),
        images: BTreeSet::new(),
    };
    let observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    let kept = if args.datastores { BTreeSet::new() } else { stores_of(&state).map(StoreSpec::key).collect() };
    let users = outside_users(session, &state, &observed, args.volumes)?;
    let data = users.iter().any(|user| matches!(user, Outsider::Volume { .. }));
    if data || !users.is_empty() && !args.cascade {
        let names: Vec<String> = users.iter().map(Outsider::describe).collect();
        let advice = if data { "" } else { "; --cascade disconnects them" };
        return Err(Failed::new(
            Exit::Wrong,
            format!("{} is in use from outside: {}; nothing was removed{advice}", state.project, names.join("; ")),
        )
        .into());
    }
    for user in &users {
        user.permitted(session)?;
    }
    if !args.force && !confirmed(printer, &state, args)? {
        return Err(Failed::new(Exit::Wrong, "the name does not match: nothing was removed").into());
    }
    for user in &users {
        user.disconnect(session)?;
        printer.step(&format!("disconnected: {}", user.describe()));
    }
    let steps =
        Steps { printer, dir: &dir.run("destroy"), runner: runner(session, Some(&state)), project: &state.project };
    let mut failed = Vec::new();
    for wave in waves(&state, &observed, args) {
        failed = steps.wave(&wave);
        if !failed.is_empty() {
            break;
        }
    }
    if !failed.is_empty() {
        for (action, error) in &failed {
            printer.warn(&format!("{}: {}", by_hand::title(action), error.message));
            for line in &error.lines {
                printer.warn(&format!("| {line}"));
            }
        }
        return Err(Failed::new(
            Exit::Stuck,
            format!("{} is not removed whole: mend the cause and run compose:destroy again", state.project),
        )
        .into());
    }
    let grave = session.destroyed_dir(&args.project)?;
    if args.forget {
        grave.remove()?;
    } else if !only_created {
        dir.bury(&grave)?;
    }
    dir.remove()?;
    if !kept.is_empty() {
        let all: Vec<String> =
            stores_of(&state).map(|store| format!("{} service {}", store.plugin, store.service)).collect();
        printer.detail(&format!(
            "kept with their data and networks: {}; an import of this project takes them up again",
            all.join(", ")
        ));
    }
    let kept: Vec<&str> =
        if args.volumes { Vec::new() } else { state.created.volumes.iter().map(String::as_str).collect() };
    if !kept.is_empty() {
        printer.detail(&format!("kept with their data: {}; remove them with docker volume rm", kept.join(" ")));
    }
    let storage = session.site.storage(&state.project);
    if storage.exists() {
        printer.detail(&format!("kept with what was written on the server: {}", storage.display()));
    }
    printer.header(&format!("{} is destroyed", state.project));
    Ok(Exit::Done)
}

/// Asks for the name, as Dokku's own `:destroy` commands do.
fn confirmed(printer: &Printer, state: &State, args: &DestroyArgs) -> Result<bool> {
    let more = match (args.volumes, args.datastores) {
        (true, true) => " and the data in its volumes and datastores",
        (true, false) => " and the data in its volumes",
        (false, true) => " and the data in its datastores",
        (false, false) => "",
    };
    printer.warn(&format!(
        "WARNING: Potentially Destructive Action\nThis command will destroy {} with {} services{more}.",
        state.project,
        state.desired.services.len()
    ));
    printer.warn(&format!("To proceed, type \"{}\"", state.project));
    printer.result("> ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == state.project)
}

/// Who uses the project's networks or volumes from outside.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outsider {
    /// A container on a network; its app or project, where it has one.
    Container { network: String, id: String, name: String, owner: Option<String> },
    /// An app's property, and the networks that are left in it without the project's.
    App { app: String, key: String, left: Vec<String> },
    /// What mounts a volume that is to go.
    Volume { user: String, volume: String },
}

impl Outsider {
    fn describe(&self) -> String {
        match self {
            Self::Container { network, name, owner, .. } => {
                format!("{} is on the network {network}", owner.as_ref().unwrap_or(name))
            }
            Self::App { app, key, .. } => format!("app {app} has a network of it as {key}"),
            Self::Volume { user, volume } => format!("{user} mounts the volume {volume}"),
        }
    }

    /// Whether who asks may change the other one, by Dokku's `user-auth`.
    fn permitted(&self, session: &Session) -> Result<()> {
        let owner = match self {
            Self::Container { owner, .. } => owner.as_ref(),
            Self::App { app, .. } => Some(app),
            Self::Volume { .. } => None,
        };
        match owner {
            Some(app) if !session.dokku.may(&["network:set", app])? => {
                let message = format!("you may not change {app} on this server: nothing was removed");
                Err(Failed::new(Exit::Wrong, message).into())
            }
            _ => Ok(()),
        }
    }

    fn disconnect(&self, session: &Session) -> Result<()> {
        match self {
            Self::Container { network, id, .. } => session.engine.network_disconnect(network, id)?,
            Self::App { app, key, left } => {
                let left: Vec<&str> = left.iter().map(String::as_str).collect();
                session.dokku.call(crate::dokku::network::set(app, key, &left))?;
            }
            Self::Volume { .. } => {}
        }
        Ok(())
    }
}

/// Containers and apps outside the project that use its networks, and its volumes where they are to go.
fn outside_users(session: &Session, state: &State, observed: &Observed, volumes: bool) -> Result<Vec<Outsider>> {
    let own_apps: BTreeSet<&str> =
        all_services(state).map(|service| service.kind.resource_name()).chain([state.project.as_str()]).collect();
    let mut out = Vec::new();
    for name in &state.created.networks {
        let Some(network) = session.engine.network(name)? else { continue };
        for id in network.containers {
            let Some(container) = session.engine.container(&id)? else { continue };
            let app = container.labels.get("com.dokku.app-name");
            let project = container.labels.get(raw::PROJECT_LABEL);
            let own = project == Some(&state.project)
                || stores_of(state).any(|store| store.container_name() == container.name)
                || app.is_some_and(|app| own_apps.contains(app.as_str()));
            if !own {
                let owner = app.or(project).cloned();
                out.push(Outsider::Container { network: name.clone(), id, name: container.name, owner });
            }
        }
    }
    let apps: Vec<String> = session.dokku.apps()?;
    for (app, report) in session.dokku.reports("network", &apps)? {
        for key in ["initial-network", "attach-post-create", "attach-post-deploy"] {
            let (ours, left): (Vec<String>, Vec<String>) =
                report.list(key).into_iter().partition(|name| state.created.networks.contains(name));
            if !own_apps.contains(app.as_str()) && !ours.is_empty() {
                out.push(Outsider::App { app: app.clone(), key: key.to_owned(), left });
            }
        }
    }
    if volumes {
        for name in &state.created.volumes {
            for user in observed.volume_users.get(name).into_iter().flatten() {
                out.push(Outsider::Volume { user: user.clone(), volume: name.clone() });
            }
        }
    }
    out.sort();
    out.dedup();
    Ok(out)
}

/// The datastore services of a project, those that left the file too.
fn stores_of(state: &State) -> impl Iterator<Item = &StoreSpec> {
    all_services(state).filter_map(|service| match &service.kind {
        Kind::Datastore(store) => Some(&**store),
        _ => None,
    })
}

fn all_services(state: &State) -> impl Iterator<Item = &DesiredService> {
    state.desired.services.values().chain(state.left.values())
}

/// Steps in the order of removal; those of one wave do not wait for each other.
fn waves(state: &State, observed: &Observed, args: &DestroyArgs) -> Vec<Vec<Action>> {
    let mut waves: Vec<Vec<Action>> = Vec::new();
    let mut left: Vec<&DesiredService> = all_services(state).collect();
    while !left.is_empty() {
        let needed = |name: &str| left.iter().any(|other| other.name != name && other.needs.contains_key(name));
        let (now, later): (Vec<&DesiredService>, Vec<&DesiredService>) =
            left.iter().partition(|service| !needed(&service.name));
        let (now, later) = if now.is_empty() { (later, Vec::new()) } else { (now, later) };
        let steps = now.iter().flat_map(|service| removal(service));
        // The triggers know an app until it is gone.
        let (after, first) = steps.partition(|action| matches!(action, Action::HooksRemove { .. }));
        waves.extend([first, after]);
        left = later;
    }
    let known: BTreeSet<String> = waves.iter().flatten().filter_map(removed_container).collect();
    let strays = observed
        .containers
        .values()
        .filter(|one| one.labels.get(raw::PROJECT_LABEL) == Some(&state.project) && !known.contains(&one.name));
    waves.push(strays.map(|one| Action::ContainerRemove { name: one.name.clone() }).collect());
    let mut networks = state.created.networks.clone();
    if args.datastores {
        let all = stores_of(state).map(|store| (store.plugin.clone(), store.service.clone()));
        waves.push(all.map(|(plugin, service)| Action::DatastoreDestroy { plugin, service, of_run: false }).collect());
    } else {
        // A service that stays is started on its networks for good.
        for (network, _) in stores_of(state).flat_map(|store| &store.networks) {
            networks.remove(network);
        }
    }
    let mut shared: Vec<Action> = networks.iter().map(|name| Action::NetworkRemove { name: name.clone() }).collect();
    if args.volumes {
        shared.extend(state.created.volumes.iter().map(|name| Action::VolumeRemove { name: name.clone() }));
    }
    shared.extend(state.delivered.keys().map(|target| Action::FilesRemove { target: target.clone() }));
    shared.extend(state.created.images.iter().map(|image| Action::ImageRemove { image: image.clone() }));
    waves.push(shared);
    let project = state.project.clone();
    let mut last = vec![Action::HooksRemove { app: project.clone() }];
    if !state.created.adopted_control_app {
        last.push(Action::AppDestroy { app: project });
    }
    waves.push(last);
    waves
}

fn removed_container(action: &Action) -> Option<String> {
    match action {
        Action::ContainerRemove { name } => Some(name.clone()),
        _ => None,
    }
}

struct Steps<'a> {
    printer: &'a Printer,
    dir: &'a std::path::Path,
    runner: crate::apply::runner::ServerRunner,
    project: &'a str,
}

impl Steps<'_> {
    /// Runs the steps of a wave, a few at a time; those that failed, with why.
    fn wave(&self, actions: &[Action]) -> Vec<(Action, ActionError)> {
        let next = Mutex::new(actions.iter());
        let failed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(actions.len()) {
                scope.spawn(|| {
                    loop {
                        let action = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                        let Some(action) = action else { return };
                        if let Err(error) = self.step(action) {
                            failed
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner)
                                .push((action.clone(), error));
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn step(&self, action: &Action) -> Result<(), ActionError> {
        let began = Instant::now();
        let cancel = Cancel::default();
        let context = Context {
            project: self.project,
            run: "destroy",
            op: None,
            undoing: true,
            cancel: &cancel,
            deadline: began + STEP,
            before: self.dir,
            lines: &|_| {},
        };
        self.runner.run(action, &context)?;
        self.printer.step(&format!("{} ({:.1} s)", by_hand::title(action), began.elapsed().as_secs_f64()));
        Ok(())
    }
}
