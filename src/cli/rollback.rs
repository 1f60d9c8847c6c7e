//! `compose:rollback`: an earlier version of a project is made the wanted one again, with the images that it kept.
//!
//! It is an import in every other way: planned, carried out under the journal, undone whole, and a version of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::args::RollbackArgs;
use super::contexts::Contexts;
use super::import::{self, Prepared, expired, last, owned, read_apps, unseal_stores, version_floor};
use super::recover::{self, lock_error, unknown};
use super::session::Session;
use super::{Exit, Failed, hold, load, stores};
use crate::apply::{Cancel, unfinished};
use crate::diag::Sources;
use crate::map::resources::{Desired, DesiredService, FileContent, Kind};
use crate::observe::{self, Wanted};
use crate::plan::{Back, Inputs, Kept, Wishes, conflicts, reconcile};
use crate::state::versions::{self, Version};
use crate::state::{Lock, State};
use crate::ui::plan::Keys;
use crate::ui::{Printer, plan as show};

pub(super) fn run(session: &Session, printer: &Printer, args: &RollbackArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    if State::load(&dir)?.is_none() {
        return Err(unknown(&args.project));
    }
    let cancel = Cancel::default();
    let wait = Duration::from_secs(args.run.lock_wait);
    let lock = Lock::acquire(&dir, "compose:rollback", &session.env, wait, &|| cancel.is_cancelled());
    let lock = lock.map_err(lock_error)?;
    if !args.dry_run {
        hold::refuse_held(&dir)?;
        if let Some(open) = unfinished(&dir)? {
            printer.step(&format!("Ending the interrupted run {}", open.run));
            let exit = recover::recover(session, printer, &lock)?;
            if exit != Exit::Done {
                return Ok(exit);
            }
        }
    }
    let Some(state) = State::load(&dir)? else { return Err(unknown(&args.project)) };
    let prepared = prepare(session, printer, &lock, &state, args)?;
    if !args.run.events {
        import::print(printer, &args.run, &prepared);
    }
    if args.dry_run {
        if printer.is_json() {
            printer.json(&show::to_json(&prepared.plan));
        }
        return Ok(Exit::Done);
    }
    if prepared.plan.is_empty() {
        let version = prepared.back.as_ref().map_or(0, |back| back.version);
        if printer.is_json() {
            printer.json(&json!({ "version": 1, "project": args.project, "outcome": "unchanged" }));
        } else {
            printer.header(&format!("{} is as it was at version {version}: nothing to do", args.project));
        }
        return Ok(Exit::Done);
    }
    import::permitted(session, &prepared.plan)?;
    import::apply(session, printer, &args.run, &lock, &prepared, Some(state), cancel)
}

fn wrong(message: String) -> anyhow::Error {
    Failed::new(Exit::Wrong, format!("{message}; nothing was changed")).into()
}

/// The version to go back to, as it was saved.
fn target(lock: &Lock, state: &State, number: Option<u32>) -> Result<Version> {
    let there = versions::list(lock.dir())?;
    let number = match number {
        Some(number) => number,
        None => there
            .iter()
            .copied()
            .rfind(|number| *number < state.version)
            .ok_or_else(|| wrong(format!("{} has no version before v{}", state.project, state.version)))?,
    };
    let version = versions::read(lock.dir(), number)?.filter(|_| number <= state.version);
    version.ok_or_else(|| {
        let names: Vec<String> = there.iter().map(|number| format!("v{number}")).collect();
        wrong(format!("{} has no version v{number}; there are {}", state.project, names.join(", ")))
    })
}

fn prepare(session: &Session, printer: &Printer, lock: &Lock, state: &State, args: &RollbackArgs) -> Result<Prepared> {
    version_floor(session)?;
    let version = target(lock, state, args.version)?;
    let number = version.result.version;
    let (mut desired, kept) = (version.desired.clone(), version.result.kept.clone());
    unseal(&mut desired, &version);
    printer.hide(load::telling_values(&desired));
    let mut missing = names_of_today(&mut desired, state);
    missing.extend(images(session, &mut desired, &kept)?);
    missing.extend(files(&mut desired, state, &version));
    if !missing.is_empty() {
        return Err(wrong(format!("version v{number} cannot be brought back: {}", missing.join("; "))));
    }
    let raws = |service: &DesiredService| match &service.kind {
        Kind::Container(raw) | Kind::Job(raw) => Some(raw.container.clone()),
        Kind::App(_) | Kind::Datastore(_) => None,
    };
    let wanted = Wanted {
        project: &state.project,
        apps: owned(Some(state)),
        containers: desired.services.values().filter_map(raws).map(|spec| spec.name).collect(),
        images: desired.services.values().filter_map(raws).map(|spec| spec.image).collect(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    stores::look(session, state, &mut observed)?;
    let key = session.digest_key(false)?;
    read_apps(session, &key, &desired, Some(state), &mut observed)?;
    let (mut last, back) = (last(state), Back { version: number, kept });
    // Apps are compared with what was applied last; a job counts as done.
    last.version = state.version;
    unseal_stores(session, state, &mut last)?;
    let positions = BTreeMap::new();
    let inputs = Inputs {
        desired: &desired,
        observed: &observed,
        last: Some(&last),
        positions: &positions,
        back: Some(&back),
        wishes: Wishes { prune: args.prune, ..Wishes::default() },
    };
    let mut found = crate::diag::Diagnostics::default();
    found.items.extend(conflicts(&inputs, &owned(Some(state)), &|_| None));
    printer.diagnostics(&found, &Sources::default());
    if found.has_errors() {
        return Err(wrong(load::count(&found)));
    }
    let mut plan = reconcile(&inputs);
    if !plan.ops.is_empty() {
        plan.cleanup.extend(expired(session, &state.project, Some(state), Some(&back))?);
    }
    Ok(Prepared {
        input: None,
        files: version.files,
        back: Some(back),
        desired,
        observed,
        plan,
        checksum: version.result.checksum,
        accepted: Default::default(),
        warnings: 0,
        _contexts: Contexts::default(),
        keys: Keys::default(),
    })
}

/// Secrets get their texts back.
fn unseal(desired: &mut Desired, version: &Version) {
    for secret in desired.secrets_mut() {
        if let Some(text) = version.secrets.get(secret.digest()) {
            secret.unseal(text.clone());
        }
    }
}

/// Apps are called as they are today; the kind of a service stays. What stands in the way is said.
fn names_of_today(desired: &mut Desired, state: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, service) in &mut desired.services {
        let Some(today) = state.desired.services.get(name).or_else(|| state.left.get(name)) else { continue };
        match (&mut service.kind, &today.kind) {
            (Kind::App(app), Kind::App(now)) => app.app.clone_from(&now.app),
            (then, now) if then.word() != now.word() => {
                wrong.push(format!("{name} was a {} then and is a {} now", then.word(), now.word()));
            }
            _ => {}
        }
    }
    wrong
}

/// The images of then: nothing is built or fetched again. What is gone is said.
fn images(session: &Session, desired: &mut Desired, kept: &BTreeMap<String, Kept>) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for (name, service) in &mut desired.services {
        if matches!(service.kind, Kind::Job(_) | Kind::Datastore(_)) {
            continue;
        }
        let Some(Kept { release, scale, .. }) = kept.get(name) else {
            gone.push(format!("no image of {name} was kept"));
            continue;
        };
        if session.engine.image(&release.keep)?.is_none_or(|facts| facts.id != release.image_id) {
            gone.push(format!("the image {} of {name} is gone", release.keep));
            continue;
        }
        match &mut service.kind {
            Kind::App(app) => app.scale = app.scale.or(*scale),
            Kind::Container(raw) | Kind::Job(raw) => {
                let same = session.engine.image(&raw.container.image)?.is_some_and(|now| now.id == release.image_id);
                if !same {
                    raw.container.image.clone_from(&release.keep);
                }
                (raw.build, raw.pull) = (None, false);
            }
            Kind::Datastore(_) => {}
        }
    }
    Ok(gone)
}

/// Delivered files of then. Those that are still the ones on the server need not be there.
fn files(desired: &mut Desired, state: &State, version: &Version) -> Vec<String> {
    let mut gone = Vec::new();
    let now: BTreeSet<(&std::path::PathBuf, &String)> = state
        .desired
        .services
        .values()
        .flat_map(|service| &service.files)
        .map(|tree| (&tree.target, &tree.digest))
        .collect();
    for service in desired.services.values_mut() {
        for tree in &mut service.files {
            let same = now.contains(&(&tree.target, &tree.digest));
            if let FileContent::Path { path } = &mut tree.content {
                match version.trees.get(&tree.digest) {
                    Some(there) => path.clone_from(there),
                    None if same => {}
                    None => gone.push(format!(
                        "{} was not kept, it had more than {} MiB",
                        tree.target.display(),
                        versions::MOST >> 20
                    )),
                }
            }
        }
    }
    gone
}
