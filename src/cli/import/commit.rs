//! What is remembered of an import: the version, then the state, which is the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use super::prepare::{Prepared, app_names, file_name};
use crate::apply::Results;
use crate::apply::runner::ServerRunner;
use crate::cli::session::Session;
use crate::map::resources::{Desired, DesiredService, FileContent, Kind, Source};
use crate::observe;
use crate::plan::{Action, Kept, Release};
use crate::state::versions::{self, Version, VersionResult};
use crate::state::{JobRecord, Lock, Settings, State, store};

/// How many runs are kept.
const KEEP_RUNS: usize = 20;

/// What the run came to, apart from what was planned.
pub(in crate::cli) struct Done<'a> {
    pub(in crate::cli) run: &'a str,
    pub(in crate::cli) results: &'a Results,
    pub(in crate::cli) runner: &'a ServerRunner,
    pub(in crate::cli) began: Instant,
}

/// Saves version and state; the state is the commit point and comes last.
pub(in crate::cli) fn commit(
    session: &Session,
    lock: &Lock,
    prepared: &Prepared,
    before: Option<&State>,
    done: &Done<'_>,
) -> Result<(), store::StoreError> {
    let mut state = before.cloned().unwrap_or_default();
    let desired = &with_image_ids(session, &prepared.desired);
    state.project.clone_from(&desired.project);
    let current = state.version;
    state.version += 1;
    state.checksum.clone_from(&prepared.checksum);
    created(session, &mut state, prepared);
    state.accepted.clone_from(&prepared.accepted);
    remember(&mut state, desired.clone());
    for service in desired.services.values() {
        if let Kind::Job(raw) = &service.kind {
            let hash = raw.container.labels.get(crate::plan::raw::HASH_LABEL).cloned().unwrap_or_default();
            state.jobs.insert(service.name.clone(), JobRecord { hash, exit: 0 });
        }
    }
    state.delivered = done.runner.delivered.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    state.fingerprints = observe::fingerprints(&session.site, &app_names(desired));
    state.updated_at = store::now();
    done.run.clone_into(&mut state.run);
    let kept = kept(lock, prepared, current, done)?;
    // Those that no version needs are let go by the cleanup, which forgets one only once it was seen to be gone.
    let kept_by_plan = |image: &String| {
        prepared.plan.cleanup.iter().any(|action| matches!(action, Action::ReleaseForget { keep, .. } if keep == image))
    };
    let needed = needed(session, lock, state.version, &kept)?;
    let images = &mut state.created.images;
    images.retain(|image| versions::kept_app(image).is_none() || needed.contains(image) || kept_by_plan(image));
    let result = VersionResult {
        version: state.version,
        run: done.run.to_owned(),
        at: state.updated_at.clone(),
        who: lock.holder().who.clone(),
        command: lock.holder().command.clone(),
        checksum: state.checksum.clone(),
        operations: prepared.plan.ops.len(),
        duration_ms: u64::try_from(done.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        kept,
        calls: session.dokku.cost().0,
        rolled_back_to: prepared.back.as_ref().map(|back| back.version),
        compose_files: compose_files(prepared),
        profiles: prepared.input.as_ref().map(|input| input.project.profiles.clone()).unwrap_or_default(),
        ..VersionResult::default()
    };
    let version = Version {
        result,
        files: prepared.files.clone(),
        desired: desired.clone(),
        plan: prepared.plan.clone(),
        secrets: secrets(desired),
        trees: trees(desired),
    };
    versions::write(lock.dir(), &version)?;
    state.save(lock.dir())?;
    // Versions beyond the retention go after the commit; one that stays is removed by the next import.
    let keep = Settings::keep_versions(&session.site, lock.dir())?;
    let _ = versions::retain(lock.dir(), keep, state.version);
    Ok(())
}

/// The images that the new version and those that stay beside it keep.
fn needed(
    session: &Session,
    lock: &Lock,
    version: u32,
    kept: &BTreeMap<String, Kept>,
) -> Result<BTreeSet<String>, store::StoreError> {
    let keep = Settings::keep_versions(&session.site, lock.dir())?;
    let mut out: BTreeSet<String> = kept.values().map(|kept| kept.release.keep.clone()).collect();
    let earlier = versions::list(lock.dir())?.into_iter().rev().filter(|number| *number < version);
    for number in earlier.take(keep - 1) {
        let result = versions::result(lock.dir(), number)?.unwrap_or_default();
        out.extend(result.kept.into_values().map(|kept| kept.release.keep));
    }
    Ok(out)
}

/// What the new version keeps of each service: what the run recorded, else what the version before it, or the one that
/// is gone back to, has.
fn kept(
    lock: &Lock,
    prepared: &Prepared,
    current: u32,
    done: &Done<'_>,
) -> Result<BTreeMap<String, Kept>, store::StoreError> {
    let mut out = match &prepared.back {
        Some(back) => back.kept.clone(),
        None if current > 0 => versions::result(lock.dir(), current)?.map(|result| result.kept).unwrap_or_default(),
        None => BTreeMap::new(),
    };
    out.retain(|name, _| prepared.desired.services.contains_key(name));
    for op in &prepared.plan.ops {
        let (Action::ReleaseRecord { keep, .. } | Action::ImageKeep { keep, .. }) = &op.action else { continue };
        let facts = done.results.get(&op.id).map(|done| done.facts.clone()).unwrap_or_default();
        let fact = |name: &str| facts.get(name).cloned().unwrap_or_default();
        let (deploy_source, deploy_metadata) = deployed_from(prepared, &op.service);
        let release = Release {
            deploy_source,
            deploy_metadata,
            image_id: fact("image_id"),
            commit: fact("commit"),
            branch: fact("branch"),
            source_image: prepared.desired.services.get(&*op.service).map(source_image).unwrap_or_default(),
            keep: keep.clone(),
            ..Release::default()
        };
        out.insert(op.service.to_string(), Kept { release, scale: None });
    }
    for (name, service) in &prepared.desired.services {
        if let Kind::App(app) = &service.kind
            && let Some(kept) = out.get_mut(name)
        {
            let there = prepared.observed.apps.get(&app.app).map(|observed| observed.scale);
            kept.scale = app.scale.or(there).or(kept.scale).or(Some(1));
        }
    }
    Ok(out)
}

/// What Dokku remembers of where the service's app was deployed from: what this run's deploy made it write, else what was
/// there.
fn deployed_from(prepared: &Prepared, service: &str) -> (String, String) {
    let Some(Kind::App(app)) = prepared.desired.services.get(service).map(|service| &service.kind) else {
        return Default::default();
    };
    let deploys = |action: &Action| matches!(action, Action::Deploy { app: deployed, .. } if *deployed == app.app);
    if !prepared.plan.ops.iter().any(|op| deploys(&op.action)) {
        let there = prepared.observed.apps.get(&app.app);
        return there.map(|app| (app.deploy_source.clone(), app.deploy_metadata.clone())).unwrap_or_default();
    }
    match &app.source {
        Source::Image { image, .. } => ("docker-image".into(), image.clone()),
        Source::Archive { .. } => ("tar".into(), "--".into()),
    }
}

/// The property that a deploy of the service sets.
fn source_image(service: &DesiredService) -> String {
    match &service.kind {
        Kind::App(app) => match &app.source {
            Source::Image { image, .. } => image.clone(),
            Source::Archive { .. } => String::new(),
        },
        _ => String::new(),
    }
}

/// The texts of all secrets by digest.
fn secrets(desired: &Desired) -> BTreeMap<String, String> {
    let mut desired = desired.clone();
    let all = desired.secrets_mut().into_iter();
    all.filter_map(|secret| Some((secret.digest().to_owned(), secret.expose()?.to_owned()))).collect()
}

/// Delivered files by digest: where they are.
fn trees(desired: &Desired) -> BTreeMap<String, PathBuf> {
    let all = desired.services.values().flat_map(|service| &service.files);
    all.filter_map(|tree| match &tree.content {
        FileContent::Path { path } => Some((tree.digest.clone(), path.clone())),
        FileContent::Inline { .. } | FileContent::Empty => None,
    })
    .collect()
}

/// The names of the compose files below the version's folder, in the order merged.
fn compose_files(prepared: &Prepared) -> Vec<String> {
    let Some(project) = prepared.input.as_ref().map(|input| &input.project) else { return Vec::new() };
    let names = project.compose_files.iter().map(|file| file.strip_prefix(&project.working_dir).unwrap_or(file));
    names.map(|file| file_name(&file.to_string_lossy())).collect()
}

/// What this project made and may remove.
fn created(session: &Session, state: &mut State, prepared: &Prepared) {
    let created = &mut state.created;
    for op in &prepared.plan.ops {
        let (kind, name) = match &op.action {
            Action::NetworkCreate { spec } => (&mut created.networks, &spec.name),
            Action::VolumeCreate { spec } => (&mut created.volumes, &spec.name),
            Action::AppCreate { app } => (&mut created.apps, app),
            Action::ContainerRun { spec } | Action::JobRun { spec, .. } => (&mut created.containers, &spec.name),
            Action::ImageBuild { spec } => (&mut created.images, &spec.tag),
            Action::ReleaseKeep { release, .. } => (&mut created.images, &release.keep),
            Action::ReleaseRecord { keep, .. } | Action::ImageKeep { keep, .. } => (&mut created.images, keep),
            _ => continue,
        };
        kind.insert(name.clone());
    }
    let project = &prepared.desired.project;
    if session.push_created(project) {
        // Made by compose:create for this: it goes with the project.
        created.apps.insert(project.clone());
    } else if !created.apps.contains(project) && prepared.observed.app_names.contains(project) {
        created.adopted_control_app = true;
    }
}

/// What the server answers; asked a second time where that failed, since what stays known in vain is asked for for ever.
fn gone(ask: impl Fn() -> Result<bool>) -> bool {
    ask().or_else(|_| ask()).unwrap_or(false)
}

/// Nothing was to be done: only the memory of what the server looks like is brought up to date.
pub(in crate::cli) fn refresh(session: &Session, lock: &Lock, state: Option<State>, prepared: &Prepared) -> Result<()> {
    let Some(mut state) = state else { return Ok(()) };
    let fingerprints = observe::fingerprints(&session.site, &app_names(&prepared.desired));
    let text = |desired: &Desired| serde_json::to_string(desired).ok();
    let same = text(&state.desired) == text(&prepared.desired);
    if state.fingerprints != fingerprints
        || state.checksum != prepared.checksum
        || !same
        || state.accepted != prepared.accepted
    {
        state.fingerprints = fingerprints;
        state.checksum.clone_from(&prepared.checksum);
        state.accepted.clone_from(&prepared.accepted);
        // The text of an accepted secret is needed as long as it counts.
        versions::add_secrets(lock.dir(), state.version, &secrets(&prepared.desired))?;
        remember(&mut state, prepared.desired.clone());
        state.save(lock.dir())?;
    }
    Ok(())
}

/// After a clean-up that removes: what is gone is not the project's any more. Whatever is still there stays known, and so
/// does what the server did not answer for: the run is committed, and the next one asks again.
pub(in crate::cli) fn forget_gone(session: &Session, lock: &Lock) -> Result<()> {
    let Some(mut state) = State::load(lock.dir())? else { return Ok(()) };
    let before = state.clone();
    let State { left, created, desired, delivered, .. } = &mut state;
    left.retain(|_, service| {
        let name = service.kind.resource_name();
        match service.kind {
            Kind::App(_) if gone(|| Ok(!session.dokku.app_exists(name)?)) => {
                created.apps.remove(name);
                false
            }
            Kind::Container(_) | Kind::Job(_) if gone(|| Ok(session.engine.container(name)?.is_none())) => {
                created.containers.remove(name);
                false
            }
            _ => true,
        }
    });
    let wanted = |name: &String| desired.networks.iter().any(|network| network.name == *name);
    created.networks.retain(|name| wanted(name) || !gone(|| Ok(session.engine.network(name)?.is_none())));
    let files: BTreeSet<_> =
        desired.services.values().flat_map(|service| &service.files).map(|tree| &tree.target).collect();
    delivered.retain(|target, _| files.contains(target) || target.exists());
    if state != before {
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
            && app.build.is_none()
            && (app.image_id.is_empty() || *pull)
            // Asked a second time where that failed: without an answer the next import reads the app once more.
            && let Ok(Some(facts)) = session.engine.image(image).or_else(|_| session.engine.image(image))
        {
            app.image_id = facts.id;
        }
    }
    desired
}

pub(in crate::cli) fn store_retention(lock: &Lock) {
    // Old records that cannot be removed now are tried again by the next run.
    let _ = lock.dir().retain_runs(KEEP_RUNS);
}
