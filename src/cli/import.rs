//! `compose:import` and `compose:plan`: load, map, observe, plan, apply, remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indexmap::IndexMap;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::args::ImportArgs;
use super::load::{self, Input};
use super::recover;
use super::session::Session;
use super::{Exit, Failed};
use crate::apply::context::Observers;
use crate::apply::runner::ServerRunner;
use crate::apply::{Applier, Cancel, Limits, Outcome, RunLog, Signals, unfinished};
use crate::dokku::FLOOR;
use crate::map::resources::{Desired, Kind, Source};
use crate::map::{self, Findings, names, precheck};
use crate::observe::{self, Observed, Wanted};
use crate::plan::{Action, Inputs, Last, Plan, conflicts, reconcile};
use crate::secret::DigestKey;
use crate::state::versions::{self, Version, VersionResult};
use crate::state::{JobRecord, Lock, State, store};
use crate::ui::{Printer, plan as show, progress::Progress};

pub(super) fn run(session: &Session, printer: &Printer, args: &ImportArgs) -> Result<Exit> {
    let (project, source) = project_of(args)?;
    let mut source_args = args.source.clone();
    source_args.source = source;
    let dir = session.project_dir(&project)?;
    let cancel = Cancel::default();
    if args.dry_run {
        if let Some(open) = unfinished(&dir)? {
            let word = if open.at_work {
                "is at work: the plan is of the server as it is now"
            } else {
                "was interrupted: the next import or compose:recover ends it first"
            };
            printer.warn(&format!("run {} {word}", open.run));
        }
        let key = session.digest_key(false)?;
        let state = State::load(&dir)?;
        let prepared = prepare(session, printer, args, &project, &source_args, &key, state.as_ref())?;
        return Ok(dry_run(printer, args, &prepared));
    }
    let wait = Duration::from_secs(args.lock_wait);
    let lock = Lock::acquire(&dir, "compose:import", &session.env, wait, &|| cancel.is_cancelled())
        .map_err(recover::lock_error)?;
    let result = locked(session, printer, args, &project, &source_args, &lock, cancel);
    // A project that never came to be leaves nothing, unless something is left to be ended.
    if State::load(&dir)?.is_none() && unfinished(&dir)?.is_none() {
        dir.remove()?;
    }
    result
}

fn locked(
    session: &Session,
    printer: &Printer,
    args: &ImportArgs,
    project: &str,
    source: &super::args::SourceArgs,
    lock: &Lock,
    cancel: Cancel,
) -> Result<Exit> {
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
    let plan = &prepared.plan;
    if plan.is_empty() {
        refresh(session, lock, state, &prepared)?;
        if printer.is_json() {
            printer.json(
                &json!({ "version": 1, "project": project, "outcome": "unchanged", "plan": show::to_json(plan) }),
            );
        } else {
            show::print(printer, plan, prepared.desired.services.len());
            printer.header(&format!("{project} is up to date: nothing to do"));
        }
        return Ok(Exit::Done);
    }
    if !printer.is_json() && !args.events {
        show::print(printer, plan, prepared.desired.services.len());
        if args.operations {
            show::print_operations(printer, plan);
        }
        printer.header(&show::summary(plan));
    }
    permitted(session, plan)?;
    apply(session, printer, args, lock, &prepared, state, cancel)
}

/// What goes straight to the engine is asked of Dokku's `user-auth` first, as if it were an app.
fn permitted(session: &Session, plan: &Plan) -> Result<()> {
    for op in &plan.ops {
        let name = match &op.action {
            Action::ContainerRun { spec } | Action::JobRun { spec, .. } => &spec.name,
            _ => continue,
        };
        if !session.dokku.may(&["apps:create", name])? {
            return Err(Failed::new(
                Exit::Wrong,
                format!("you may not create {name} on this server: nothing was changed"),
            )
            .into());
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

fn version_floor(session: &Session) -> Result<()> {
    let version = session.dokku.version()?;
    if version < FLOOR {
        bail!("Dokku {version} is too old: {FLOOR} or newer is needed; update it with: sudo apt-get install dokku");
    }
    Ok(())
}

/// Everything that was decided before the first change.
struct Prepared {
    input: Input,
    desired: Desired,
    observed: Observed,
    plan: Plan,
    checksum: String,
    warnings: usize,
    not_done: BTreeSet<String>,
}

fn prepare(
    session: &Session,
    printer: &Printer,
    args: &ImportArgs,
    project: &str,
    source: &super::args::SourceArgs,
    key: &DigestKey,
    state: Option<&State>,
) -> Result<Prepared> {
    version_floor(session)?;
    let controls = controls(session, project, state)?;
    let input = load::load(source, session, project, controls, printer, |_| {})?;
    let found = precheck::check(&input.project);
    if found.has_errors() {
        printer.diagnostics(&found, &input.loaded.sources);
        return Err(Failed::new(Exit::Wrong, format!("{}: nothing was changed", load::count(&found))).into());
    }
    let reserved = session.reserved();
    if reserved.contains(project) {
        bail!(
            "{project} is the name of a Dokku plugin: its settings would lie in the plugin's folder; choose another name"
        );
    }
    let wanted = Wanted {
        project,
        containers: input.project.services.keys().map(|name| format!("{project}-{name}")).collect(),
        images: input.project.services.values().filter_map(|service| service.image.clone()).collect(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    let allowed = session.allowed_paths();
    let findings = Findings::default();
    let desired = {
        let ctx = map::Context {
            project,
            compose: &input.project,
            site: &session.site,
            key,
            images: &observed.images,
            volumes: &observed.volumes,
            domains: &observed.domains,
            remembered: state.map(|state| &state.desired),
            allowed_paths: &allowed,
            reserved: &reserved,
            sent: input.source.sent.as_deref(),
            findings: &findings,
        };
        map::map(&ctx)
    };
    for raw in desired.services.values() {
        if let Kind::Container(raw) | Kind::Job(raw) = &raw.kind
            && let Some(facts) = session.engine.image(&raw.container.image)?
        {
            observed.images.insert(raw.container.image.clone(), facts);
        }
    }
    let not_done = findings.not_done();
    let mut found = findings.into_diagnostics();
    read_apps(session, key, &desired, state, &mut observed)?;
    let last = state.map(last);
    let positions = positions(&input, &desired);
    let inputs = Inputs { desired: &desired, observed: &observed, last: last.as_ref(), positions: &positions };
    found.items.extend(conflicts(&inputs, &owned(state), &|path| input.project.key_span(path)));
    printer.diagnostics(&found, &input.loaded.sources);
    if found.has_errors() {
        return Err(Failed::new(Exit::Wrong, format!("{}: nothing was changed", load::count(&found))).into());
    }
    let warned = |items: &[crate::diag::Diagnostic]| {
        items.iter().filter(|item| item.severity == crate::diag::Severity::Warning).count()
    };
    let warnings = warned(&found.items) + warned(&input.loaded.diagnostics.items);
    if args.strict && warnings > 0 {
        return Err(Failed::new(
            Exit::Wrong,
            format!("{warnings} warnings, and --strict was given: nothing was changed"),
        )
        .into());
    }
    let mut plan = reconcile(&inputs);
    if let Some(seconds) = args.timeout {
        shorten(&mut plan, seconds.max(1));
    }
    let checksum = checksum(&input, key);
    Ok(Prepared { input, desired, observed, plan, checksum, warnings, not_done })
}

/// The control app's own variables: the project's, for interpolation.
fn controls(session: &Session, project: &str, state: Option<&State>) -> Result<IndexMap<String, String>> {
    if state.is_none() && !session.dokku.app_exists(project)? {
        return Ok(IndexMap::new());
    }
    let all = match session.dokku.config(project) {
        Ok(all) => all,
        // Somebody destroyed it behind our back: the import makes it again.
        Err(crate::dokku::DokkuError::UnknownApp { .. }) => return Ok(IndexMap::new()),
        Err(error) => return Err(error.into()),
    };
    let own = |name: &str| name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_");
    Ok(all.into_iter().filter(|(name, _)| !own(name)).collect())
}

/// Reads those apps of which it is not proved that nothing changed.
fn read_apps(
    session: &Session,
    key: &DigestKey,
    desired: &Desired,
    state: Option<&State>,
    observed: &mut Observed,
) -> Result<()> {
    let names = app_names(desired);
    let none = BTreeMap::new();
    let known = state.map_or(&none, |state| &state.fingerprints);
    let same = observe::unchanged(&session.dokku, &names, known);
    let mut stale = Vec::new();
    for name in names {
        let asked_before = state.is_some_and(|state| same_app(&state.desired, desired, &name));
        if same.contains(&name) && asked_before && observed.app_names.contains(&name) {
            observed.unchanged.insert(name);
        } else {
            stale.push(name);
        }
    }
    observe::apps(&session.dokku, session.engine.as_ref(), key, observed, &stale)?;
    Ok(())
}

fn app_names(desired: &Desired) -> Vec<String> {
    let apps = desired.services.values().filter(|service| matches!(service.kind, Kind::App(_)));
    std::iter::once(desired.project.clone())
        .chain(apps.map(|service| service.kind.resource_name().to_owned()))
        .collect()
}

/// Whether the file asks of an app what it asked last time.
fn same_app(before: &Desired, now: &Desired, app: &str) -> bool {
    if app == now.project {
        return true;
    }
    let find = |desired: &Desired| {
        desired
            .services
            .values()
            .find(|service| service.kind.resource_name() == app)
            .and_then(|service| serde_json::to_string(service).ok())
    };
    find(before).is_some() && find(before) == find(now)
}

fn last(state: &State) -> Last {
    let jobs = state.jobs.iter().filter(|(_, job)| job.exit == 0).map(|(name, job)| (name.clone(), job.hash.clone()));
    Last { desired: state.desired.clone(), jobs: jobs.collect() }
}

/// Names of apps and containers that are this project's.
fn owned(state: Option<&State>) -> BTreeSet<String> {
    let Some(state) = state else { return BTreeSet::new() };
    let services = state.desired.services.values().map(|service| service.kind.resource_name().to_owned());
    state
        .created
        .apps
        .iter()
        .chain(&state.created.containers)
        .cloned()
        .chain(services)
        .chain([state.project.clone()])
        .collect()
}

/// `file:line:column` of services, and of networks and volumes by their name on the server.
fn positions(input: &Input, desired: &Desired) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let sources = &input.loaded.sources;
    let mut put = |name: String, path: &str| {
        if let Some(at) = input.project.key_span(path).and_then(|span| sources.position(span)) {
            out.insert(name, at);
        }
    };
    for name in input.project.services.keys() {
        put(format!("services.{name}"), &format!("services.{name}"));
    }
    // The default network stands in no file.
    for (key, network) in input.project.networks.iter().filter(|(key, _)| *key != "default") {
        for name in [network.name.clone(), Some(format!("{}_{key}", desired.project))].into_iter().flatten() {
            put(format!("network {name}"), &format!("networks.{key}"));
        }
    }
    for (key, name) in &desired.volume_names {
        put(format!("volume {name}"), &format!("volumes.{key}"));
    }
    out
}

/// The digest of the files as read, the variables and the plugin's version.
fn checksum(input: &Input, key: &DigestKey) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    for file in input.loaded.sources.iter() {
        hash.update(&file.name);
        hash.update([0]);
        hash.update(key.digest(&file.text));
    }
    for (name, value) in &input.project.environment {
        hash.update(name);
        hash.update(key.digest(value));
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn dry_run(printer: &Printer, args: &ImportArgs, prepared: &Prepared) -> Exit {
    let plan = &prepared.plan;
    if printer.is_json() {
        let mut value = show::to_json(plan);
        if let Some(object) = value.as_object_mut() {
            object.insert("warnings".into(), json!(prepared.warnings));
            object.insert("not_done".into(), json!(prepared.not_done));
        }
        printer.json(&value);
    } else {
        show::print(printer, plan, prepared.desired.services.len());
        if args.operations {
            show::print_operations(printer, plan);
        }
        printer.header(&show::summary(plan));
    }
    if args.detailed_exitcode && !plan.is_empty() { Exit::Pending } else { Exit::Done }
}

/// Nothing was to be done: only the memory of what the server looks like is brought up to date.
fn refresh(session: &Session, lock: &Lock, state: Option<State>, prepared: &Prepared) -> Result<()> {
    let Some(mut state) = state else { return Ok(()) };
    let fingerprints = observe::fingerprints(&session.site, &app_names(&prepared.desired));
    let text = |desired: &Desired| serde_json::to_string(desired).ok();
    let same = text(&state.desired) == text(&prepared.desired);
    if state.fingerprints != fingerprints || state.checksum != prepared.checksum || !same {
        state.fingerprints = fingerprints;
        state.checksum.clone_from(&prepared.checksum);
        remember(&mut state, prepared.desired.clone());
        state.save(lock.dir())?;
    }
    Ok(())
}

/// What the file asks for is what was applied. Services that left the file run on until they are pruned; they stay known.
fn remember(state: &mut State, desired: Desired) {
    let before = std::mem::replace(&mut state.desired, desired);
    let now = &state.desired.services;
    state.left.extend(before.services.into_iter().filter(|(name, _)| !now.contains_key(name)));
    state.left.retain(|name, _| !now.contains_key(name));
}

/// The ids of images that were absent or older when the plan was made: they say next time that nothing changed.
fn with_image_ids(session: &Session, desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    for service in desired.services.values_mut() {
        if let Kind::App(app) = &mut service.kind
            && let Source::Image { image, pull, .. } = &app.source
            && (app.image_id.is_empty() || *pull)
            // Without an answer the next import reads the app once more.
            && let Ok(Some(facts)) = session.engine.image(image)
        {
            app.image_id = facts.id;
        }
    }
    desired
}

fn apply(
    session: &Session,
    printer: &Printer,
    args: &ImportArgs,
    lock: &Lock,
    prepared: &Prepared,
    state: Option<State>,
    cancel: Cancel,
) -> Result<Exit> {
    let run = store::new_run_id()?;
    let _signals = listen(printer, cancel.clone())?;
    let runner = runner(session, state.as_ref());
    let progress = Progress::new(printer, args.events);
    let log = RunLog::open(lock.dir(), &run)?;
    let observers =
        if printer.is_json() && !args.events { Observers(vec![&log]) } else { Observers(vec![&progress, &log]) };
    let mut applier = Applier::new(lock, &runner);
    applier.observer = &observers;
    applier.masker = printer.masker();
    applier.cancel = cancel;
    applier.limits = limits(args);
    let began = Instant::now();
    let plan = &prepared.plan;
    let outcome =
        applier.execute(plan, &run, |_| commit(session, lock, prepared, state.as_ref(), &run, &runner, began))?;
    store_retention(lock);
    Ok(report(printer, args, plan, &outcome, began.elapsed()))
}

/// Signals stop a run, never an undo; each one is told.
pub(super) fn listen(printer: &Printer, cancel: Cancel) -> Result<Signals> {
    let notices = printer.masker();
    Ok(Signals::listen(cancel, move |notice| {
        Printer::new(crate::ui::Format::Text, false, true).warn(&notices.mask(&notice.message()));
    })?)
}

/// The runner of a session; it knows what earlier imports delivered.
pub(super) fn runner(session: &Session, state: Option<&State>) -> ServerRunner {
    ServerRunner {
        dokku: session.dokku.clone(),
        engine: Arc::clone(&session.engine),
        site: session.site.clone(),
        delivered: Mutex::new(state.map(|state| state.delivered.clone()).unwrap_or_default()),
    }
}

/// `--timeout` also bounds what brings its own limit: jobs and gates.
fn shorten(plan: &mut Plan, seconds: u64) {
    for op in &mut plan.ops {
        match &mut op.action {
            Action::JobRun { limit, .. } => *limit = (*limit).min(seconds),
            Action::Await { gate, .. } => gate.limit = gate.limit.min(seconds),
            _ => {}
        }
    }
}

fn limits(args: &ImportArgs) -> Limits {
    let mut limits = Limits::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    limits.parallel = args.parallel.map_or(cores.clamp(2, 8), usize::from);
    if let Some(seconds) = args.timeout {
        limits.op = Duration::from_secs(seconds);
        limits.cap = Some(limits.op);
    }
    limits
}

/// How many runs and versions are kept.
const KEEP: usize = 20;

fn store_retention(lock: &Lock) {
    // Old records that cannot be removed now are tried again by the next run.
    let _ = lock.dir().retain_runs(KEEP);
}

/// Saves version and state; the state is the commit point and comes last.
fn commit(
    session: &Session,
    lock: &Lock,
    prepared: &Prepared,
    before: Option<&State>,
    run: &str,
    runner: &ServerRunner,
    began: Instant,
) -> Result<(), store::StoreError> {
    let mut state = before.cloned().unwrap_or_default();
    let desired = &with_image_ids(session, &prepared.desired);
    state.project.clone_from(&desired.project);
    state.version += 1;
    state.checksum.clone_from(&prepared.checksum);
    created(&mut state, prepared);
    remember(&mut state, desired.clone());
    for service in desired.services.values() {
        if let Kind::Job(raw) = &service.kind {
            let hash = raw.container.labels.get(crate::plan::raw::HASH_LABEL).cloned().unwrap_or_default();
            state.jobs.insert(service.name.clone(), JobRecord { hash, exit: 0 });
        }
    }
    state.delivered = runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    state.fingerprints = observe::fingerprints(&session.site, &app_names(desired));
    state.updated_at = store::now();
    run.clone_into(&mut state.run);
    let result = VersionResult {
        version: state.version,
        run: run.to_owned(),
        at: state.updated_at.clone(),
        who: lock.holder().to_string(),
        command: "compose:import".into(),
        checksum: state.checksum.clone(),
        operations: prepared.plan.ops.len(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..VersionResult::default()
    };
    let files = prepared
        .input
        .loaded
        .sources
        .iter()
        .map(|file| (file_name(&file.name), file.text.clone().into_bytes()))
        .collect();
    versions::write(lock.dir(), &Version { result, files, desired: desired.clone(), plan: prepared.plan.clone() })?;
    state.save(lock.dir())?;
    // Versions beyond the retention go after the commit; one that stays is removed by the next import.
    let _ = versions::retain(lock.dir(), KEEP, state.version);
    Ok(())
}

/// A name below the version's folder.
fn file_name(name: &str) -> String {
    let plain: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
    if plain.is_empty() || name == "-" { "stdin.yaml".into() } else { plain.join("/") }
}

/// What this project made and may remove.
fn created(state: &mut State, prepared: &Prepared) {
    let created = &mut state.created;
    for op in &prepared.plan.ops {
        let (kind, name) = match &op.action {
            Action::NetworkCreate { spec } => (&mut created.networks, &spec.name),
            Action::VolumeCreate { spec } => (&mut created.volumes, &spec.name),
            Action::AppCreate { app } => (&mut created.apps, app),
            Action::ContainerRun { spec } | Action::JobRun { spec, .. } => (&mut created.containers, &spec.name),
            Action::ImageBuild { spec } => (&mut created.images, &spec.tag),
            Action::ReleaseKeep { release, .. } => (&mut created.images, &release.keep),
            _ => continue,
        };
        kind.insert(name.clone());
    }
    let project = &prepared.desired.project;
    if !created.apps.contains(project) && prepared.observed.app_names.contains(project) {
        created.adopted_control_app = true;
    }
}

fn report(printer: &Printer, args: &ImportArgs, plan: &Plan, outcome: &Outcome, elapsed: Duration) -> Exit {
    let seconds = format!("{:.0} s", elapsed.as_secs_f64());
    let (exit, word, sentence) = match outcome {
        Outcome::Done { .. } => {
            let (create, change, _) = show::counts(plan);
            (
                Exit::Done,
                "done",
                format!("{} is imported: {create} created, {change} changed in {seconds}", plan.project),
            )
        }
        Outcome::RolledBack { failure, .. } => (
            Exit::RolledBack,
            "rolled-back",
            format!("the import failed and was rolled back after {seconds}: {}", failure.message),
        ),
        Outcome::Stuck { failure, .. } => {
            (Exit::Stuck, "stuck", format!("the import failed and could not be undone whole: {}", failure.message))
        }
    };
    if printer.is_json() && !args.events {
        let message = match outcome {
            Outcome::Done { .. } => serde_json::Value::Null,
            Outcome::RolledBack { failure, .. } | Outcome::Stuck { failure, .. } => {
                json!({ "service": failure.service, "message": failure.message, "lines": failure.lines })
            }
        };
        printer.json(&json!({ "version": 1, "project": plan.project, "outcome": word, "failure": message, "seconds": elapsed.as_secs_f64(), "plan": show::to_json(plan) }));
    } else if !args.events {
        if exit == Exit::Done { printer.header(&sentence) } else { printer.warn(&sentence) }
    }
    exit
}
