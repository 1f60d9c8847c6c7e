//! `compose:status`: each service, what it became, what runs, its health, and drift from what was applied.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::Exit;
use super::args::ProjectArgs;
use super::drift::{self, Drift};
use super::import::owned;
use super::recover::unknown;
use super::session::Session;
use crate::apply::unfinished;
use crate::docker::ContainerFacts;
use crate::map::resources::{AppSpec, DesiredService, Kind};
use crate::observe::{self, Observed, Wanted};
use crate::plan::changes::{self, Change};
use crate::plan::raw;
use crate::state::{State, lock};
use crate::ui::Printer;

/// One service as it stands.
struct Row {
    service: String,
    kind: &'static str,
    name: String,
    desired: u32,
    running: usize,
    health: String,
    drift: Vec<String>,
    changes: Vec<Drift>,
}

pub(super) fn run(session: &Session, printer: &Printer, args: &ProjectArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    let open = unfinished(&dir)?;
    let Some(state) = State::load(&dir)? else {
        if let Some(open) = &open {
            printer.warn(&format!(
                "run {} {}",
                open.run,
                if open.at_work { "is at work" } else { "was interrupted: compose:recover ends it" }
            ));
        }
        return Err(unknown(&args.project));
    };
    let observed = look(session, &state)?;
    let mut by_hand = drift::by_service(session, &state.desired, &observed, &state.updated_at);
    let rows: Vec<Row> = state
        .desired
        .services
        .values()
        .map(|service| {
            let changes = by_hand.remove(&service.name).unwrap_or_default();
            row(&state, &observed, service, changes)
        })
        .collect();
    let busy = open.as_ref().is_some_and(|open| open.at_work).then(|| lock::holder(&dir)).flatten();
    if printer.is_json() {
        let services: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "service": row.service, "kind": row.kind, "name": row.name, "desired": row.desired,
                    "running": row.running, "health": row.health, "drift": row.drift,
                    "changes": row.changes.iter().map(Drift::json).collect::<Vec<_>>(),
                })
            })
            .collect();
        printer.json(&json!({
            "version": 1, "project": state.project, "release": state.version, "updated_at": state.updated_at,
            "held": crate::state::Hold::of(&dir)?,
            "interrupted": open.as_ref().filter(|open| !open.at_work).map(|open| &open.run),
            "services": services,
            "left": state.left.keys().collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    print(printer, &state, &rows);
    if let Some(hold) = crate::state::Hold::of(&dir)? {
        printer.warn(&format!("{} is {hold}", state.project));
    }
    if let Some(holder) = busy {
        printer.warn(&format!("another run is at work: {holder}"));
    } else if let Some(open) = open {
        printer.warn(&format!("run {} was interrupted: compose:recover ends it", open.run));
    }
    Ok(Exit::Done)
}

fn look(session: &Session, state: &State) -> Result<Observed> {
    let wanted = Wanted {
        project: &state.project,
        apps: owned(Some(state)),
        containers: state.created.containers.clone(),
        images: Default::default(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    let names: Vec<String> = state.fingerprints.keys().cloned().collect();
    super::stores::look(session, state, &mut observed)?;
    observed.unchanged = observe::unchanged(&session.dokku, &names, &state.fingerprints);
    let changed: Vec<String> = names.into_iter().filter(|name| !observed.unchanged.contains(name)).collect();
    let key = session.digest_key(false)?;
    observe::apps(&session.dokku, session.engine.as_ref(), &key, &mut observed, &changed)?;
    Ok(observed)
}

/// What was changed by hand on all apps of a project, and what of it is missing.
pub(super) fn by_hand(session: &Session, state: &State) -> Result<Vec<Change>> {
    let observed = look(session, state)?;
    let mut out = Vec::new();
    for service in state.desired.services.values() {
        let name = service.kind.resource_name();
        let gone = match &service.kind {
            Kind::App(app) => {
                if let Some(now) = observed.apps.get(&app.app) {
                    out.extend(changes::by_hand(&service.name, app, now));
                }
                !observed.app_names.contains(name)
            }
            Kind::Container(_) => !observed.containers.contains_key(name),
            Kind::Job(_) => false,
            Kind::Datastore(store) => !observed.stores.contains_key(&store.key()),
        };
        if gone {
            let what = format!("{} {name}", service.kind.word());
            let field = "service".to_owned();
            out.push(Change { service: service.name.clone(), field, before: Some(what), after: None });
        }
    }
    Ok(out)
}

fn row(state: &State, observed: &Observed, service: &DesiredService, changes: Vec<Drift>) -> Row {
    let name = service.kind.resource_name().to_owned();
    let mut drift: Vec<String> = changes.iter().map(Drift::sentence).collect();
    let (desired, containers): (u32, Vec<&ContainerFacts>) = match &service.kind {
        Kind::App(app) => {
            app_drift(observed, app, &mut drift);
            let current = observed.app_containers.get(&name);
            // Replaced containers run on for a while under a longer name, until Dokku retires them.
            let current_name = format!("{name}.web.");
            let serves = |one: &&ContainerFacts| {
                one.name.strip_prefix(&current_name).is_some_and(|rest| rest.parse::<u32>().is_ok())
            };
            let running = current.into_iter().flatten().filter(serves);
            let scale = observed.apps.get(&name).map(|app| app.scale).or(app.scale).unwrap_or(1);
            (scale, running.collect())
        }
        Kind::Container(spec) => {
            let specs = raw::replicas(spec);
            let found: Vec<&ContainerFacts> =
                specs.iter().filter_map(|spec| observed.containers.get(&spec.name)).collect();
            if found.len() < specs.len() {
                drift.push(format!("{} of {} containers are gone", specs.len() - found.len(), specs.len()));
            }
            (spec.replicas, found)
        }
        Kind::Datastore(store) => {
            if !observed.stores.contains_key(&store.key()) {
                drift.push(format!("the {} service is gone, and its data with it", store.plugin));
            }
            (1, observed.store_containers.get(&store.container_name()).into_iter().collect())
        }
        Kind::Job(_) => {
            let health = state
                .jobs
                .get(&service.name)
                .map_or_else(|| "not run".to_owned(), |job| format!("exit code {}", job.exit));
            return Row {
                service: service.name.clone(),
                kind: service.kind.word(),
                name,
                desired: 0,
                running: 0,
                health,
                drift,
                changes,
            };
        }
    };
    let running: Vec<&&ContainerFacts> = containers.iter().filter(|one| one.status == "running").collect();
    if running.len() < desired as usize {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for one in containers.iter().filter(|one| one.status != "running") {
            *states.entry(one.status.as_str()).or_default() += 1;
        }
        let others: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let more = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        drift.push(format!("{} of {desired} containers run{more}", running.len()));
    }
    let health = worst_health(&running);
    Row {
        service: service.name.clone(),
        kind: service.kind.word(),
        name,
        desired,
        running: running.len(),
        health,
        drift,
        changes,
    }
}

fn app_drift(observed: &Observed, app: &AppSpec, drift: &mut Vec<String>) {
    if !observed.app_names.contains(&app.app) {
        drift.push("the app is gone; an import makes it again".into());
    }
}

fn worst_health(running: &[&&ContainerFacts]) -> String {
    for word in ["unhealthy", "starting", "healthy"] {
        if running.iter().any(|one| one.health == word) {
            return word.to_owned();
        }
    }
    if running.is_empty() { "down".into() } else { "up".into() }
}

fn print(printer: &Printer, state: &State, rows: &[Row]) {
    printer.header(&format!("{} version {}, imported {}", state.project, state.version, state.updated_at));
    let width = |field: fn(&Row) -> usize| rows.iter().map(field).max().unwrap_or(0);
    let service = width(|row| row.service.len());
    let name = width(|row| row.name.len());
    for row in rows {
        let count = if row.kind == "job" { String::new() } else { format!("{}/{}", row.running, row.desired) };
        printer.result(
            format!("       {:service$}  {:9}  {:name$}  {count:5}  {}", row.service, row.kind, row.name, row.health)
                .trim_end(),
        );
        for drift in &row.drift {
            printer.warn(&format!("{}: {drift}", row.service));
        }
    }
    for left in state.left.values() {
        printer.warn(&format!(
            "{} is not in the file any more; {} {} runs on",
            left.name,
            left.kind.word(),
            left.kind.resource_name()
        ));
    }
}
