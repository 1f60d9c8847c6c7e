//! The operations of raw containers and jobs.

use super::app::{Outcome, gates};
use super::builder::{Builder, Chain};
use super::{Action, AwaitTarget, Class, Inputs};
use crate::docker::{ContainerFacts, ContainerSpec, ImageBuildSpec};
use crate::map::resources::{DesiredService, RawSpec};

/// Label that holds the digest of the specification that a container was made from.
pub const HASH_LABEL: &str = "com.dokku-compose.hash";
/// Label that holds the project.
pub const PROJECT_LABEL: &str = "com.dokku-compose.project";
/// Label that holds the compose service.
pub const SERVICE_LABEL: &str = "com.dokku-compose.service";

/// The containers of a raw service: the first has the plain name.
pub fn replicas(raw: &RawSpec) -> Vec<ContainerSpec> {
    (0..raw.replicas)
        .map(|index| {
            let mut spec = raw.container.clone();
            if index > 0 {
                spec.name = format!("{}-{}", spec.name, index + 1);
            }
            spec
        })
        .collect()
}

pub(super) fn container(
    inputs: &Inputs<'_>,
    builder: &mut Builder,
    service: &DesiredService,
    raw: &RawSpec,
) -> Outcome {
    let mut reasons = Vec::new();
    let mut symbol = '=';
    let at = inputs.at(&service.name);
    let specs = replicas(raw);
    let before = inputs.last_raw(&service.name).map(replicas).unwrap_or_default();
    let owner = owner_made_anew(builder, &raw.container);
    let with = builder.restarted(&service.restarts_with);
    let mut chain = builder.chain(&service.name, &at);
    let mut prepared = false;
    for spec in &specs {
        let existing = inputs.observed.containers.get(&spec.name);
        let Some(cause) = stale(inputs, spec, raw, existing)
            .or_else(|| inputs.files_changed(service).then(|| "a mounted file changed".into()))
            .or_else(|| {
                let owner = owner.as_ref()?;
                Some(format!("shares a namespace with {}, which is made anew", owner.name))
            })
            .or_else(|| Some(format!("restarts with {}", with.as_ref()?)))
        else {
            continue;
        };
        if !prepared {
            prepare(inputs, &mut chain, service, raw);
            prepared = true;
        }
        // A replica more beside those that stay.
        let more = existing.is_none() && before.iter().any(|old| inputs.observed.containers.contains_key(&old.name));
        let class = if more { Class::Scale } else { Class::Recreate };
        replace(inputs, &mut chain, service, spec, existing, &cause, class);
        symbol = if existing.is_some() || symbol == '~' { '~' } else { '+' };
        if existing.is_some() {
            reasons.push(cause);
        }
    }
    for gone in before.iter().filter(|old| !specs.iter().any(|spec| spec.name == old.name)) {
        if inputs.observed.containers.contains_key(&gone.name) {
            stash(inputs, &mut chain, service, &gone.name, true, "fewer replicas", Class::Scale);
            reasons.push(format!("replicas to {}", specs.len()));
            symbol = '~';
        }
    }
    chain.provides(format!("service:{}/Started", service.name));
    if prepared {
        for spec in &specs {
            let target = AwaitTarget::Container(spec.name.clone());
            chain.add(Action::Await { target, gate: raw.gate.clone() }, "gate", Class::None, Vec::new());
        }
    }
    chain.provides(format!("service:{}/Healthy", service.name));
    if prepared && inputs.back.is_none() {
        let (image, keep) = (raw.container.image.clone(), inputs.keep(&raw.container.name));
        let undo = vec![Action::ImageRemove { image: keep.clone() }];
        chain.add(Action::ImageKeep { image, keep }, "for rollbacks", Class::None, undo);
    }
    if let Some(owner) = &owner {
        start_after(builder, owner, &specs);
    }
    reasons.dedup();
    Outcome { symbol, reasons }
}

pub(super) fn job(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, raw: &RawSpec) -> Outcome {
    let name = &raw.container.name;
    let hash = raw.container.labels.get(HASH_LABEL);
    let done = inputs.last.and_then(|last| last.jobs.get(&service.name));
    if inputs.back.is_some() {
        // What a job did to data is not undone by running an older one.
        return Outcome { symbol: '=', reasons: vec!["is not run again".into()] };
    }
    if done.is_some() && done == hash && !inputs.files_changed(service) {
        return Outcome { symbol: '=', reasons: Vec::new() };
    }
    let at = inputs.at(&service.name);
    let mut chain = builder.chain(&service.name, &at);
    prepare(inputs, &mut chain, service, raw);
    let existing = inputs.observed.containers.get(name);
    let cause = if done.is_some() { "changed in the file" } else { "new" };
    if existing.is_some() {
        stash(inputs, &mut chain, service, name, false, cause, Class::Recreate);
    }
    let undo = vec![Action::ContainerRemove { name: name.clone() }];
    chain.add(
        Action::JobRun { spec: Box::new(raw.container.clone()), limit: raw.gate.limit },
        cause,
        Class::Recreate,
        undo,
    );
    for need in ["Started", "Healthy", "Completed"] {
        chain.provides(format!("service:{}/{need}", service.name));
    }
    Outcome { symbol: if done.is_some() { '~' } else { '+' }, reasons: Vec::new() }
}

/// A container whose namespace another one shares, and that this plan makes anew: the engine binds the two by id.
struct Owner {
    name: String,
    /// The operation whose undo brings the one of before back.
    kept: Option<usize>,
}

fn owner_made_anew(builder: &Builder, spec: &ContainerSpec) -> Option<Owner> {
    let shared = [&spec.network_mode, &spec.pid, &spec.ipc];
    let name = shared.into_iter().filter_map(|mode| mode.strip_prefix("container:")).find(|owner| {
        let of_app = |app: &String| owner.strip_suffix(".web.1") == Some(app);
        builder.ops.iter().any(|op| match &op.action {
            Action::ContainerRun { spec } => spec.name == *owner,
            Action::Deploy { app, .. }
            | Action::Rebuild { app }
            | Action::Restart { app }
            | Action::Start { app }
            | Action::Scale { app, deploy: true, .. } => of_app(app),
            _ => false,
        })
    })?;
    let kept = builder.ops.iter().position(|op| match &op.action {
        Action::ContainerStash { name: stashed, .. } => stashed == name,
        Action::ReleaseKeep { app, .. } => name.strip_suffix(".web.1") == Some(app),
        _ => false,
    });
    Some(Owner { name: name.to_owned(), kept })
}

/// An undo cannot start what shares a namespace before the namespace is back: the owner's undo does it.
fn start_after(builder: &mut Builder, owner: &Owner, specs: &[ContainerSpec]) {
    let Some(kept) = owner.kept else { return };
    for spec in specs {
        let stash = builder
            .ops
            .iter_mut()
            .find(|op| matches!(&op.action, Action::ContainerStash { name, .. } if *name == spec.name));
        let Some(stash) = stash else { continue };
        let mut back = Vec::new();
        for action in &mut stash.undo {
            let was = action.clone();
            if let Action::ContainerUnstash { running: running @ true, .. } = action {
                *running = false;
                back.push(was);
            }
        }
        if back.is_empty() {
            continue;
        }
        if owner.name.ends_with(".web.1") {
            // Dokku makes another container, which the one of before knows nothing of.
            back = vec![
                Action::ContainerRemove { name: spec.name.clone() },
                Action::ContainerRun { spec: Box::new(spec.clone()) },
            ];
        }
        builder.ops[kept].undo.extend(back);
    }
}

/// The image, and what else must be there before a container is made.
fn prepare(inputs: &Inputs<'_>, chain: &mut Chain<'_>, service: &DesiredService, raw: &RawSpec) {
    chain.wait_for("control");
    let image = &raw.container.image;
    let present = inputs.observed.images.contains_key(image);
    match &raw.build {
        Some(spec) => build(inputs, chain, service, spec),
        None if !present || raw.pull => {
            let platform = raw.container.platform.clone();
            let cause = if present { "pull_policy: always" } else { "not on the server yet" };
            // A pulled image is a cache: an undo leaves it.
            chain.add(Action::ImagePull { image: image.clone(), platform }, cause, Class::None, Vec::new());
        }
        _ => {}
    }
    for gate in gates(service) {
        chain.wait_for(&gate);
    }
}

/// The image of a build, unless it is there or an earlier service of this plan makes it.
pub(super) fn build(inputs: &Inputs<'_>, chain: &mut Chain<'_>, service: &DesiredService, spec: &ImageBuildSpec) {
    if inputs.observed.images.contains_key(&spec.tag) {
        return;
    }
    let made = format!("image:{}", spec.tag);
    if chain.has(&made) {
        chain.wait_for(&made);
        return;
    }
    for base in &spec.bases {
        build(inputs, chain, service, base);
    }
    // Secrets and keys among them.
    for tree in &service.files {
        chain.wait_for(&format!("file:{}", tree.target.display()));
    }
    let undo = vec![Action::ImageRemove { image: spec.tag.clone() }];
    chain.add(Action::ImageBuild { spec: Box::new(spec.clone()) }, "not built yet", Class::None, undo);
    chain.provides(made);
}

/// Why a container has to be made anew; `None`: it is as it should be.
fn stale(
    inputs: &Inputs<'_>,
    spec: &ContainerSpec,
    raw: &RawSpec,
    existing: Option<&ContainerFacts>,
) -> Option<String> {
    let Some(existing) = existing else {
        return Some("new".into());
    };
    if existing.labels.get(HASH_LABEL) != spec.labels.get(HASH_LABEL) {
        return Some("changed in the file".into());
    }
    let image = inputs.observed.images.get(&spec.image);
    if image.is_some_and(|image| image.id != existing.image_id) || (raw.pull && image.is_none()) {
        return Some("the image of that name has new content".into());
    }
    match existing.status.as_str() {
        "running" | "restarting" => None,
        "exited" if spec.restart == "no" || spec.restart.is_empty() => None,
        other => Some(format!("drift: the container is {other}")),
    }
}

fn replace(
    inputs: &Inputs<'_>,
    chain: &mut Chain<'_>,
    service: &DesiredService,
    spec: &ContainerSpec,
    existing: Option<&ContainerFacts>,
    cause: &str,
    class: Class,
) {
    if existing.is_some() {
        stash(inputs, chain, service, &spec.name, true, cause, class);
    }
    let undo = vec![Action::ContainerRemove { name: spec.name.clone() }];
    chain.add(Action::ContainerRun { spec: Box::new(spec.clone()) }, cause.to_owned(), class, undo);
}

/// Puts a container aside under a name that only this run uses; the cleanup removes it.
pub(super) fn stash(
    inputs: &Inputs<'_>,
    chain: &mut Chain<'_>,
    service: &DesiredService,
    name: &str,
    running: bool,
    cause: &str,
    class: Class,
) {
    let was_running = running
        && inputs
            .observed
            .containers
            .get(name)
            .is_some_and(|facts| facts.status == "running" || facts.status == "restarting");
    let stash = stash_name(name);
    let mut undo = inputs.files_back(service);
    undo.push(Action::ContainerUnstash { name: name.to_owned(), stash: stash.clone(), running: was_running });
    chain.add(Action::ContainerStash { name: name.to_owned(), stash }, cause.to_owned(), class, undo);
}

/// The name under which a replaced container waits for the commit.
pub fn stash_name(name: &str) -> String {
    format!("{name}.replaced")
}
