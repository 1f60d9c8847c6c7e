//! `compose:import` and `compose:plan`: load, map, observe, plan, apply, remember.

mod carry_out;
mod commit;
mod prepare;
mod saved;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::args::{ImportArgs, RunArgs, SourceArgs};
use super::session::Session;
use super::{Exit, Failed, drift, hold, recover};
use crate::apply::{Cancel, unfinished};
use crate::map::names;
use crate::map::resources::{Kind, Source};
use crate::plan::{Action, Plan};
use crate::state::{Lock, State};
use crate::ui::{Printer, plan as show};
pub(super) use carry_out::{apply, listen, runner};
pub(super) use commit::forget_gone;
use commit::refresh;
use prepare::prepare;
pub(super) use prepare::{Prepared, controls, expired, last, owned, read_apps, unseal_stores, version_floor};

pub(super) fn run(session: &Session, printer: &Printer, args: &ImportArgs) -> Result<Exit> {
    let (project, source) = project_of(args)?;
    let mut source_args = args.source.clone();
    source_args.source = source;
    let dir = session.project_dir(&project)?;
    let cancel = Cancel::default();
    let saved = args.plan.as_deref().map(saved::load).transpose()?;
    if args.dry_run {
        if let Some(open) = unfinished(&dir)? {
            let word = if open.at_work {
                "is at work: the plan is of the server as it is now"
            } else {
                "was interrupted: the next import or compose:recover ends it first"
            };
            printer.warn(&format!("run {} {word}", open.run));
        }
        // Digests in a plan that is kept are compared later, so they need the server's key.
        let key = session.digest_key(args.plan_out.is_some())?;
        let state = State::load(&dir)?;
        let prepared = prepare(session, printer, args, &project, &source_args, &key, state.as_ref())?;
        return dry_run(session, printer, args, &prepared, state.as_ref());
    }
    if args.plan_out.is_some() {
        bail!("--plan-out writes the plan instead of carrying it out: use it with compose:plan or --dry-run");
    }
    let wait = Duration::from_secs(args.run.lock_wait);
    let lock = Lock::acquire(&dir, "compose:import", &session.env, wait, &|| cancel.is_cancelled())
        .map_err(recover::lock_error)?;
    let request = Request { args, project: &project, source: &source_args, saved: saved.as_ref() };
    let result = locked(session, printer, &request, &lock, cancel);
    // A project that never came to be leaves nothing, unless something is left to be ended.
    if State::load(&dir)?.is_none() && unfinished(&dir)?.is_none() {
        dir.remove()?;
    }
    result
}

/// What is to be imported.
struct Request<'a> {
    args: &'a ImportArgs,
    project: &'a str,
    source: &'a SourceArgs,
    saved: Option<&'a Value>,
}

fn locked(session: &Session, printer: &Printer, request: &Request<'_>, lock: &Lock, cancel: Cancel) -> Result<Exit> {
    let Request { args, project, source, saved } = request;
    hold::refuse_held(lock.dir())?;
    if let Some(open) = unfinished(lock.dir())? {
        printer.step(&format!("Ending the interrupted run {}", open.run));
        let exit = recover::recover(session, printer, lock)?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    let key = session.digest_key(true)?;
    let state = State::load(lock.dir())?;
    let prepared = prepare(session, printer, args, project, source, &key, state.as_ref())?;
    if let (Some(saved), Some(file)) = (saved, &args.plan) {
        saved::refuse_stale(printer, file, saved, &saved::to_json(&prepared, state.as_ref()))?;
    }
    let plan = &prepared.plan;
    if plan.is_empty() {
        refresh(session, lock, state, &prepared)?;
        if printer.is_json() {
            printer.json(
                &json!({ "version": 1, "project": project, "outcome": "unchanged", "plan": show::to_json(plan) }),
            );
        } else {
            show::print(printer, plan, prepared.desired.services.len(), &prepared.keys);
            printer.header(&format!("{project} is up to date: nothing to do"));
        }
        return Ok(Exit::Done);
    }
    if !args.run.events {
        tell_drift(session, printer, &prepared, state.as_ref());
        print(printer, &args.run, &prepared);
    }
    if source.pushed.is_some() {
        say_skipped(printer, &prepared);
    }
    permitted(session, plan)?;
    apply(session, printer, &args.run, lock, &prepared, state, cancel)
}

/// What somebody changed by hand since the last import, field by field.
fn tell_drift(session: &Session, printer: &Printer, prepared: &Prepared, state: Option<&State>) {
    let Some(state) = state.filter(|_| !printer.is_json()) else { return };
    for (service, changes) in drift::by_service(session, &state.desired, &prepared.observed, &state.updated_at) {
        for one in changes {
            printer.warn(&format!("{service}: {}", one.sentence()));
        }
    }
}

/// The plan for people.
pub(super) fn print(printer: &Printer, args: &RunArgs, prepared: &Prepared) {
    if printer.is_json() {
        return;
    }
    show::print(printer, &prepared.plan, prepared.desired.services.len(), &prepared.keys);
    if args.operations {
        show::print_operations(printer, &prepared.plan);
    }
    printer.header(&show::summary(&prepared.plan));
}

/// A push says of each service that it leaves alone why.
fn say_skipped(printer: &Printer, prepared: &Prepared) {
    for row in prepared.plan.rows.iter().filter(|row| row.symbol == '=') {
        let Some(service) = prepared.desired.services.get(&row.name) else { continue };
        let why = match &service.kind {
            Kind::App(app) if matches!(app.source, Source::Archive { .. }) => {
                "its source, Dockerfile, build arguments and settings are those of the last import"
            }
            Kind::Job(_) => "it has run, and nothing that it runs with changed",
            _ => "its image and settings are those of the last import",
        };
        printer.detail(&format!("{} is skipped: {why}", row.name));
    }
}

/// Everything that the plan touches is asked of Dokku's `user-auth` before the first change: what goes through `dokku`
/// is asked there again, but then half of the plan would have to be undone; what goes straight to the engine is asked
/// nowhere else, as if it were an app.
pub(super) fn permitted(session: &Session, plan: &Plan) -> Result<()> {
    let mut asked = BTreeSet::new();
    for op in &plan.ops {
        let (plugin, verb, name) = match &op.action {
            Action::AppCreate { app } => ("apps", "create", app),
            Action::AppDestroy { app } => ("apps", "destroy", app),
            Action::ConfigSet { app, .. } => ("config", "import", app),
            Action::ConfigUnset { app, .. } => ("config", "unset", app),
            Action::PropertySet { app, plugin, .. } => (plugin.as_str(), "set", app),
            Action::Deploy { app, source } if matches!(**source, Source::Image { .. }) => ("git", "from-image", app),
            Action::Deploy { app, .. } => ("git", "from-archive", app),
            Action::Rebuild { app } => ("ps", "rebuild", app),
            Action::Restart { app } => ("ps", "restart", app),
            Action::Scale { app, .. } => ("ps", "scale", app),
            Action::Stop { app } => ("ps", "stop", app),
            Action::Start { app } => ("ps", "start", app),
            Action::StorageMount { app, .. } => ("storage", "mount", app),
            Action::ContainerRun { spec } | Action::JobRun { spec, .. } => ("apps", "create", &spec.name),
            // The plugins' own commands, asked before the first of them runs.
            Action::DatastoreCreate { store } => (store.plugin.as_str(), "create", &store.service),
            Action::DatastoreUpgrade { store, .. } => (store.plugin.as_str(), "upgrade", &store.service),
            Action::DatastoreDump { store } => (store.plugin.as_str(), "export", &store.service),
            Action::DatastoreCarryImport { store } => (store.plugin.as_str(), "import", &store.service),
            Action::ImageBuild { .. } => ("apps", "create", &format!("{}-{}", plan.project, op.service)),
            Action::ContainerRemove { name } | Action::ContainerStash { name, .. } => ("apps", "destroy", name),
            // Made and removed for the project as a whole.
            Action::NetworkCreate { .. } | Action::VolumeCreate { .. } | Action::FilesDeliver { .. } => {
                ("compose", "import", &plan.project)
            }
            Action::NetworkRemove { .. } | Action::VolumeRemove { .. } => ("compose", "destroy", &plan.project),
            _ => continue,
        };
        let (command, name) = (format!("{plugin}:{verb}"), name.clone());
        if !asked.insert((command.clone(), name.clone())) {
            continue;
        }
        if !session.dokku.may(&[&command, &name])? {
            let message = format!("you may not run {command} for {name} on this server: nothing was changed");
            return Err(Failed::new(Exit::Wrong, message).into());
        }
    }
    Ok(())
}

/// Project and source: `import shop ./dir`, or `import --project shop ./dir`.
fn project_of(args: &ImportArgs) -> Result<(String, Option<String>)> {
    let (project, source) = match (&args.named, &args.project, &args.source.source) {
        (Some(named), first, None) => (named.clone(), first.clone()),
        (Some(_), Some(_), Some(_)) => bail!("the project is given twice: as --project and as the first argument"),
        (Some(named), None, source) => (named.clone(), source.clone()),
        (None, Some(project), source) => (project.clone(), source.clone()),
        (None, None, _) => bail!("which project? dokku compose:import PROJECT [SOURCE]"),
    };
    if !names::valid_project(&project) {
        bail!(
            "{project} cannot be a project: use lower-case letters, digits and -, at most 40, beginning and ending with a letter or digit"
        );
    }
    Ok((project, source))
}

fn dry_run(
    session: &Session,
    printer: &Printer,
    args: &ImportArgs,
    prepared: &Prepared,
    state: Option<&State>,
) -> Result<Exit> {
    let plan = &prepared.plan;
    // Of a large plan it is several times the size of the plan itself: made only where it is asked for.
    let value = || saved::to_json(prepared, state);
    if let Some(file) = &args.plan_out {
        saved::write(session, file, &value())?;
    }
    if printer.is_json() {
        printer.json(&value());
    } else {
        tell_drift(session, printer, prepared, state);
        print(printer, &args.run, prepared);
        if let Some(file) = &args.plan_out {
            printer.detail(&format!("saved: import {} ... --plan {} does exactly this", plan.project, file.display()));
        }
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Pending } else { Exit::Done })
}
