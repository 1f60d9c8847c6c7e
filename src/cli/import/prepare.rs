//! Everything that an import decides before the first change: load, map, observe, plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::hashed::IndexMap;
use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

use crate::cli::args::{ImportArgs, SourceArgs};
use crate::cli::contexts::{self, Contexts};
use crate::cli::load::{self, Input};
use crate::cli::session::Session;
use crate::cli::{Exit, Failed, push, stores, transformers, validators};
use crate::diag::{Diagnostics, Span};
use crate::docker::ImageBuildSpec;
use crate::dokku::FLOOR;
use crate::map::fates::Tally;
use crate::map::resources::{Desired, Kind};
use crate::map::{self, Findings, precheck, pushed};
use crate::observe::{self, Observed, Wanted};
use crate::plan::accept::{self, AcceptedByService};
use crate::plan::{Action, Back, Inputs, Last, Plan, Wishes, conflicts, reconcile};
use crate::secret::DigestKey;
use crate::state::{Settings, State, versions};
use crate::ui::Printer;
use crate::ui::plan::Keys;

/// Everything that was decided before the first change.
pub(in crate::cli) struct Prepared {
    /// Where the files came from; keeps what was sent as long as it is needed.
    pub(in crate::cli) input: Option<Input>,
    /// The files as read, by path below the version's folder.
    pub(in crate::cli) files: BTreeMap<String, Vec<u8>>,
    /// The version that is gone back to.
    pub(in crate::cli) back: Option<Back>,
    /// What was fetched to be built; held until it is.
    pub(in crate::cli) _contexts: Contexts,
    pub(in crate::cli) desired: Desired,
    pub(in crate::cli) observed: Observed,
    pub(in crate::cli) plan: Plan,
    pub(in crate::cli) checksum: String,
    /// Hand changes that count instead of the file.
    pub(in crate::cli) accepted: AcceptedByService,
    pub(in crate::cli) warnings: usize,
    /// How many keys of the file are honoured.
    pub(in crate::cli) keys: Keys,
}

pub(in crate::cli) fn prepare(
    session: &Session,
    printer: &Printer,
    args: &ImportArgs,
    project: &str,
    source: &SourceArgs,
    key: &DigestKey,
    state: Option<&State>,
) -> Result<Prepared> {
    version_floor(session)?;
    let controls = controls(session, project, state)?;
    let input = load::load(source, session, project, controls, printer, |_| {})?;
    let mut found = precheck::check(&input.project);
    let validated = validators::run(session, &input.project, &input.loaded.sources)?;
    if validated.has_errors() {
        found.items.extend(validated.items.iter().cloned());
    } else {
        printer.diagnostics(&validated, &input.loaded.sources);
    }
    refuse(printer, &found, &input)?;
    let reserved = session.reserved();
    if reserved.contains(project) {
        bail!(
            "{project} is the name of a Dokku plugin: its settings would lie in the plugin's folder; choose another name"
        );
    }
    let wanted = Wanted {
        project,
        apps: owned(state),
        containers: input.project.services.keys().map(|name| format!("{project}-{name}")).collect(),
        images: input.project.services.values().filter_map(|service| service.image.clone()).collect(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    let stores = stores::read(session, args, project, &input.project, state, &mut observed)?;
    let policy = match &source.pushed {
        Some(root) => {
            let rules = push::rules(session);
            refuse(printer, &pushed::check(&input.project, root, &rules), &input)?;
            push::policy(session, rules)
        }
        None => session.policy(),
    };
    let contexts = contexts::fetch(session, &input.project, input.source.sent.is_some())?;
    refuse(printer, &contexts.findings, &input)?;
    let findings = Findings::default();
    let mut desired = {
        let ctx = map::Context {
            project,
            compose: &input.project,
            site: &session.site,
            key,
            images: &observed.images,
            volumes: &observed.volumes,
            domains: &observed.domains,
            remembered: state.map(|state| &state.desired),
            stores: &stores,
            policy: &policy,
            fetched: &contexts.fetched,
            reserved: &reserved,
            sent: input.source.sent.as_deref(),
            contexts: Default::default(),
            findings: &findings,
        };
        map::map(&ctx)
    };
    let mut refused = Diagnostics::default();
    let transformed = match findings.has_errors() {
        true => Vec::new(),
        false => transformers::run(session, &input.project, &policy, key, &mut desired, &mut refused)?,
    };
    for image in images(&desired) {
        if let Some(facts) = session.engine.image(&image)? {
            observed.images.insert(image, facts);
        }
    }
    let mut accepted = match state {
        Some(state) if !state.accepted.is_empty() => {
            let dir = session.project_dir(project)?;
            accept::apply(&mut desired, &state.accepted, &versions::secrets(&dir, state.version)?)
        }
        _ => AcceptedByService::new(),
    };
    let honoured = keys(&findings.tally(), &input);
    let mut found = findings.into_diagnostics();
    found.items.extend(refused.items);
    read_apps(session, key, &desired, state, &mut observed)?;
    if let Some(state) = state.filter(|_| args.accept) {
        accept::take_over(&mut desired, &state.desired, &observed, &mut accepted);
    }
    let mut last = state.map(last);
    if let (Some(state), Some(last)) = (state, &mut last) {
        unseal_stores(session, state, last)?;
    }
    let positions = positions(&input, &desired);
    let inputs = Inputs {
        desired: &desired,
        observed: &observed,
        last: last.as_ref(),
        positions: &positions,
        back: None,
        wishes: Wishes { prune: args.prune, adopt: args.adopt },
    };
    found.items.extend(conflicts(&inputs, &owned(state), &|path| input.project.key_span(path)));
    refuse(printer, &found, &input)?;
    printer.diagnostics(&found, &input.loaded.sources);
    if state.is_none() && !printer.is_json() {
        for line in stores::advice(&desired, &stores) {
            printer.detail(&line);
        }
    }
    let warned = |items: &[crate::diag::Diagnostic]| {
        items.iter().filter(|item| item.severity == crate::diag::Severity::Warning).count()
    };
    let warnings = warned(&found.items) + warned(&input.loaded.diagnostics.items) + warned(&validated.items);
    if args.strict && warnings > 0 {
        return Err(Failed::new(
            Exit::Wrong,
            format!("{warnings} warnings, and --strict was given: nothing was changed"),
        )
        .into());
    }
    let mut plan = reconcile(&inputs);
    plan.transformed = transformed;
    if let Some(seconds) = args.run.timeout {
        shorten(&mut plan, seconds.max(1));
    }
    if !plan.ops.is_empty() {
        plan.cleanup.extend(expired(session, project, state, None)?);
    }
    let checksum = checksum(&input, key);
    let sources = input.loaded.sources.iter();
    let files = sources.map(|file| (file_name(&file.name), file.text.as_bytes().to_vec())).collect();
    Ok(Prepared {
        input: Some(input),
        files,
        back: None,
        _contexts: contexts,
        desired,
        observed,
        plan,
        checksum,
        accepted,
        warnings,
        keys: honoured,
    })
}

/// Tells what was found and ends the command where an error is among it; else nothing is said yet.
fn refuse(printer: &Printer, found: &Diagnostics, input: &Input) -> Result<()> {
    if !found.has_errors() {
        return Ok(());
    }
    printer.diagnostics(found, &input.loaded.sources);
    Err(Failed::new(Exit::Wrong, format!("{}: nothing was changed", load::count(found))).into())
}

/// Images that containers are made of, and those that the engine builds.
fn images(desired: &Desired) -> BTreeSet<String> {
    fn built(spec: &ImageBuildSpec, out: &mut BTreeSet<String>) {
        out.insert(spec.tag.clone());
        spec.bases.iter().for_each(|base| built(base, out));
    }
    let mut out = BTreeSet::new();
    for service in desired.services.values() {
        out.extend(service.carry.iter().map(|from| from.image.clone()));
        let build = match &service.kind {
            Kind::App(app) => &app.build,
            Kind::Container(raw) | Kind::Job(raw) => {
                out.insert(raw.container.image.clone());
                &raw.build
            }
            Kind::Datastore(_) => continue,
        };
        build.iter().for_each(|spec| built(spec, &mut out));
    }
    out
}

/// The count of keys, with the place of each that is not honoured.
fn keys(tally: &Tally, input: &Input) -> Keys {
    let place = |span: Option<Span>| span.and_then(|span| input.loaded.sources.position(span)).unwrap_or_default();
    Keys {
        total: tally.total(),
        honoured: tally.honoured(),
        approximated: tally.approximated.len(),
        not_done: tally.not_done.iter().map(|(key, span)| (key.clone(), place(*span))).collect(),
    }
}

/// A name below the version's folder.
pub(super) fn file_name(name: &str) -> String {
    let plain: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..").collect();
    if plain.is_empty() || name == crate::compose::STDIN { "stdin.yaml".into() } else { plain.join("/") }
}

/// What lets the images go that only versions beyond the retention keep, once one more version is there. One that a
/// container still uses is tried again by the next run.
pub(in crate::cli) fn expired(
    session: &Session,
    project: &str,
    state: Option<&State>,
    back: Option<&Back>,
) -> Result<Vec<Action>> {
    let Some(state) = state else { return Ok(Vec::new()) };
    let dir = session.project_dir(project)?;
    let keep = Settings::keep_versions(&session.site, &dir)?;
    let mut all = versions::list(&dir)?;
    all.retain(|number| *number <= state.version);
    let mut stay = all.split_off((all.len() + 1).saturating_sub(keep));
    // The coming version keeps what the current one has and the plan does not replace.
    stay.push(state.version);
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for number in stay {
        let kept = versions::result(&dir, number)?.map(|result| result.kept).unwrap_or_default();
        needed.extend(kept.into_values().map(|kept| kept.release.keep));
    }
    needed.extend(back.into_iter().flat_map(|back| back.kept.values()).map(|kept| kept.release.keep.clone()));
    let mut out = Vec::new();
    for image in state.created.images.iter().filter(|image| !needed.contains(*image)) {
        if let Some(app) = versions::kept_app(image)
            && session.engine.image(image)?.is_some()
        {
            out.push(Action::ReleaseForget { app: app.to_owned(), keep: image.clone() });
        }
    }
    Ok(out)
}

pub(in crate::cli) fn version_floor(session: &Session) -> Result<()> {
    let version = session.dokku.version()?;
    if version < FLOOR {
        bail!("Dokku {version} is too old: {FLOOR} or newer is needed; update it with: sudo apt-get install dokku");
    }
    Ok(())
}

/// The control app's own variables: the project's, for interpolation.
pub(in crate::cli) fn controls(
    session: &Session,
    project: &str,
    state: Option<&State>,
) -> Result<IndexMap<String, String>> {
    if state.is_none() && !session.dokku.app_exists(project)? {
        return Ok(IndexMap::default());
    }
    let all = match session.dokku.config(project) {
        Ok(all) => all,
        // Somebody destroyed it behind our back: the import makes it again.
        Err(crate::dokku::DokkuError::UnknownApp { .. }) => return Ok(IndexMap::default()),
        Err(error) => return Err(error.into()),
    };
    let own = |name: &str| name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_");
    Ok(all.into_iter().filter(|(name, _)| !own(name)).collect())
}

/// Reads those apps of which it is not proved that nothing changed.
pub(in crate::cli) fn read_apps(
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
        // It may have to be restarted with another, which takes knowing it.
        let alone = desired
            .services
            .values()
            .all(|service| service.kind.resource_name() != name || service.restarts_with.is_empty());
        if alone && same.contains(&name) && asked_before && observed.app_names.contains(&name) {
            observed.unchanged.insert(name);
        } else {
            stale.push(name);
        }
    }
    observe::apps(&session.dokku, session.engine.as_ref(), key, observed, &stale)?;
    Ok(())
}

pub(in crate::cli) fn app_names(desired: &Desired) -> Vec<String> {
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

pub(in crate::cli) fn last(state: &State) -> Last {
    let jobs = state.jobs.iter().filter(|(_, job)| job.exit == 0).map(|(name, job)| (name.clone(), job.hash.clone()));
    Last {
        desired: state.desired.clone(),
        jobs: jobs.collect(),
        version: state.version,
        left: state.left.clone(),
        networks: state.created.networks.clone(),
    }
}

/// What a datastore was set up with last gets its passwords back: an undo sets them again.
pub(in crate::cli) fn unseal_stores(session: &Session, state: &State, last: &mut Last) -> Result<()> {
    let secrets = versions::secrets(&session.project_dir(&state.project)?, state.version)?;
    for service in last.desired.services.values_mut() {
        let Kind::Datastore(store) = &mut service.kind else { continue };
        for secret in store.secrets_mut() {
            if let Some(text) = secrets.get(secret.digest()) {
                secret.unseal(text.clone());
            }
        }
    }
    Ok(())
}

/// Names of apps and containers that are this project's.
pub(in crate::cli) fn owned(state: Option<&State>) -> BTreeSet<String> {
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
    for service in desired.services.values() {
        let Kind::Datastore(store) = &service.kind else { continue };
        for one in &store.uses {
            put(one.at.clone(), &one.at);
        }
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
        hash.update(key.digest(&file.text).as_bytes());
    }
    for (name, value) in &input.project.environment {
        hash.update(name);
        hash.update(key.digest(value).as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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
