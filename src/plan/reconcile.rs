//! The planner: all decisions of an import, in one pure function.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Builder;
use super::{Action, Class, Kept, Plan, Row, app, datastore, raw};
use crate::hashed::IndexMap;
use crate::map::resources::{AppSpec, Desired, DesiredService, FileTree, Kind, Need, RawSpec};
use crate::observe::Observed;

/// What the last commit of a project left.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// What was applied.
    pub desired: Desired,
    /// Digest of each job that ran to its end, by service.
    pub jobs: BTreeMap<String, String>,
    /// The version that it made.
    pub version: u32,
    /// Services that left the file in earlier imports and run on.
    pub left: IndexMap<String, DesiredService>,
    /// Networks that the project made.
    pub networks: BTreeSet<String>,
}

/// An earlier version that is gone back to.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// Its number.
    pub version: u32,
    /// What it kept of each service.
    pub kept: BTreeMap<String, Kept>,
}

/// Everything that a plan is made from.
pub struct Inputs<'a> {
    /// What the file asks for.
    pub desired: &'a Desired,
    /// What the server has.
    pub observed: &'a Observed,
    /// What was applied last; `None`: the project is new.
    pub last: Option<&'a Last>,
    /// `file:line:column` of each service and of the networks and volumes, by path.
    pub positions: &'a BTreeMap<String, String>,
    /// Where this is a rollback: nothing is built, fetched or run once more.
    pub back: Option<&'a Back>,
    /// What the user allows besides.
    pub wishes: Wishes,
}

/// What an import does only where it is asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Remove services that left the file.
    pub prune: bool,
    /// Take over apps and containers that are there under the project's names.
    pub adopt: bool,
}

impl<'a> Inputs<'a> {
    pub(super) fn at(&self, service: &str) -> String {
        self.positions.get(&format!("services.{service}")).cloned().unwrap_or_default()
    }

    /// The name under which this run keeps the image of an app or raw container.
    pub(super) fn keep(&self, name: &str) -> String {
        format!("dokku-compose/{name}:v{}", self.last.map_or(0, |last| last.version) + 1)
    }

    /// What the version that is gone back to kept of a service.
    pub(super) fn kept(&self, service: &str) -> Option<&'a Kept> {
        self.back?.kept.get(service)
    }

    fn last_service(&self, service: &str) -> Option<&'a DesiredService> {
        self.last.and_then(|last| last.desired.services.get(service))
    }

    pub(super) fn last_app(&self, service: &str) -> Option<&'a AppSpec> {
        match &self.last_service(service)?.kind {
            Kind::App(app) => Some(app),
            _ => None,
        }
    }

    pub(super) fn last_raw(&self, service: &str) -> Option<&'a RawSpec> {
        match &self.last_service(service)?.kind {
            Kind::Container(raw) | Kind::Job(raw) => Some(raw),
            Kind::App(_) | Kind::Datastore(_) => None,
        }
    }

    /// Whether a file that the service mounts is delivered anew by this plan, other than for the first time.
    pub(super) fn files_changed(&self, service: &DesiredService) -> bool {
        !self.files_back(service).is_empty()
    }

    /// What puts the files of before back, which an undo needs before it starts what mounts them.
    pub(super) fn files_back(&self, service: &DesiredService) -> Vec<Action> {
        let before = self.last_service(&service.name).map_or(&[][..], |last| &last.files);
        let changed = service
            .files
            .iter()
            .filter(|tree| before.iter().any(|old| old.target == tree.target && old.digest != tree.digest));
        changed.map(|tree| Action::FilesRestore { target: tree.target.clone() }).collect()
    }
}

/// The plan that brings `observed` to `desired`.
///
/// Pure: the same inputs give the same plan, byte for byte.
pub fn reconcile(inputs: &Inputs<'_>) -> Plan {
    let mut builder = Builder::default();
    let mut rows = Vec::new();
    app::control(inputs, &mut builder);
    networks(inputs, &mut builder, &mut rows);
    volumes(inputs, &mut builder, &mut rows);
    files(inputs, &mut builder);
    let mut outcomes = BTreeMap::new();
    datastore::left(inputs, &mut builder);
    // Whoever names a datastore is linked to it, waiting for it or not: those that wait for nobody come first.
    let first = |service: &&DesiredService| matches!(service.kind, Kind::Datastore(_)) && service.needs.is_empty();
    let all = inputs.desired.services.values();
    for service in all.clone().filter(first).chain(all.filter(|service| !first(service))) {
        let outcome = match &service.kind {
            Kind::App(spec) => app::plan(inputs, &mut builder, service, spec),
            Kind::Container(spec) => raw::container(inputs, &mut builder, service, spec),
            Kind::Job(spec) => raw::job(inputs, &mut builder, service, spec),
            Kind::Datastore(store) => datastore::plan(inputs, &mut builder, service, store),
        };
        outcomes.insert(&service.name, outcome);
    }
    for service in inputs.desired.services.values() {
        if let Some(outcome) = outcomes.get(&service.name) {
            rows.push(row(inputs, service, outcome));
        }
    }
    let mut cleanup = cleanup(&builder);
    cleanup.extend(removed(inputs, &mut rows));
    classify(&builder, &mut rows);
    Plan { project: inputs.desired.project.clone(), ops: builder.ops, cleanup, rows, transformed: Vec::new() }
}

fn row(inputs: &Inputs<'_>, service: &DesiredService, outcome: &app::Outcome) -> Row {
    let mut detail = vec![service.why.clone()];
    if let (Some(from), true) = (&service.carry, outcome.symbol != '=') {
        detail.push(from.words());
    }
    for (name, need) in &service.needs {
        detail.push(match need {
            Need::Started => format!("after {name}"),
            Need::Healthy => format!("waits for {name} healthy"),
            Need::Completed => format!("waits for {name} done"),
        });
    }
    detail.extend(outcome.reasons.iter().cloned());
    detail.retain(|part| !part.is_empty());
    Row {
        symbol: outcome.symbol,
        name: service.name.clone(),
        what: what(&service.kind),
        detail: detail.join(", "),
        at: inputs.at(&service.name),
        class: None,
    }
}

/// `app shop-web`, `postgres service shop-db`.
fn what(kind: &Kind) -> String {
    match kind {
        Kind::Datastore(store) => format!("{} service {}", store.plugin, store.service),
        other => format!("{} {}", other.word(), other.resource_name()),
    }
}

/// The class of a changed service is that of its most disturbing operation.
fn classify(builder: &Builder, rows: &mut [Row]) {
    let changed = rows.iter_mut().filter(|row| row.symbol == '~');
    let mut changed: BTreeMap<String, &mut Row> = changed.map(|row| (row.name.clone(), row)).collect();
    for op in &builder.ops {
        if let Some(row) = changed.get_mut(&*op.service) {
            row.class = row.class.max(Some(op.class));
        }
    }
}

fn networks(inputs: &Inputs<'_>, builder: &mut Builder, rows: &mut Vec<Row>) {
    for spec in &inputs.desired.networks {
        if inputs.observed.networks.contains_key(&spec.name) {
            continue;
        }
        let at = inputs.positions.get(&format!("network {}", spec.name)).cloned().unwrap_or_default();
        let mut chain = builder.chain("", &at);
        chain.wait_for("control");
        let undo = vec![Action::NetworkRemove { name: spec.name.clone() }];
        chain.add(Action::NetworkCreate { spec: Box::new(spec.clone()) }, "new", Class::None, undo);
        chain.provides(format!("network:{}", spec.name));
        rows.push(Row {
            symbol: '+',
            name: "network".into(),
            what: spec.name.clone(),
            detail: String::new(),
            at,
            class: None,
        });
    }
}

fn volumes(inputs: &Inputs<'_>, builder: &mut Builder, rows: &mut Vec<Row>) {
    for spec in &inputs.desired.volumes {
        let at = inputs.positions.get(&format!("volume {}", spec.name)).cloned().unwrap_or_default();
        if inputs.observed.volumes.contains_key(&spec.name) {
            if inputs.last.is_none() {
                let detail = "holds data of before, kept as it is".into();
                rows.push(Row { symbol: '=', name: "volume".into(), what: spec.name.clone(), detail, at, class: None });
            }
            continue;
        }
        let mut chain = builder.chain("", &at);
        chain.wait_for("control");
        let undo = vec![Action::VolumeRemove { name: spec.name.clone() }];
        chain.add(Action::VolumeCreate { spec: spec.clone() }, "new", Class::None, undo);
        chain.provides(format!("volume:{}", spec.name));
        rows.push(Row {
            symbol: '+',
            name: "volume".into(),
            what: spec.name.clone(),
            detail: String::new(),
            at,
            class: None,
        });
    }
}

fn files(inputs: &Inputs<'_>, builder: &mut Builder) {
    let mut seen = BTreeSet::new();
    let before: BTreeMap<_, _> = inputs
        .last
        .into_iter()
        .flat_map(|last| last.desired.services.values())
        .flat_map(|service| &service.files)
        .map(|tree| (&tree.target, &tree.digest))
        .collect();
    for service in inputs.desired.services.values() {
        for tree in &service.files {
            if !seen.insert(&tree.target) {
                continue;
            }
            let had = before.get(&tree.target);
            if had == Some(&&tree.digest) {
                continue;
            }
            deliver(inputs, builder, service, tree, had.is_some());
        }
    }
}

fn deliver(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, tree: &FileTree, again: bool) {
    let at = inputs.at(&service.name);
    let mut chain = builder.chain(&service.name, &at);
    chain.wait_for("control");
    let cause = if again { "the source changed" } else { "new" };
    let undo = vec![Action::FilesRestore { target: tree.target.clone() }];
    chain.add(Action::FilesDeliver { tree: tree.clone() }, cause, Class::None, undo);
    chain.provides(format!("file:{}", tree.target.display()));
}

/// Services that left the file are named. Where that was asked for they are removed, once all else has succeeded;
/// volumes and their data stay.
fn removed(inputs: &Inputs<'_>, rows: &mut Vec<Row>) -> Vec<Action> {
    let (wanted, mut out) = (&inputs.desired.services, Vec::new());
    let Some(last) = inputs.last else { return out };
    let gone = || {
        let all = last.left.values().chain(last.desired.services.values());
        all.filter(|service| !wanted.contains_key(&service.name) && there(inputs, service))
    };
    for service in gone() {
        let (symbol, detail) = match inputs.wishes.prune {
            _ if matches!(service.kind, Kind::Datastore(_)) => {
                ('!', "is not in the file any more and stays with its data")
            }
            true => ('-', "is not in the file any more: removed once all else is done"),
            false => ('!', "is not in the file any more and runs on; --prune removes it"),
        };
        rows.push(Row {
            symbol,
            name: service.name.clone(),
            what: what(&service.kind),
            detail: detail.into(),
            at: String::new(),
            class: None,
        });
    }
    if !inputs.wishes.prune {
        return out;
    }
    let used: BTreeSet<_> = wanted.values().flat_map(|service| &service.files).map(|tree| &tree.target).collect();
    for service in gone() {
        out.extend(removal(service));
        let files = service.files.iter().filter(|tree| !used.contains(&tree.target));
        out.extend(files.map(|tree| Action::FilesRemove { target: tree.target.clone() }));
    }
    for name in &last.networks {
        let declared = inputs.desired.networks.iter().any(|spec| spec.name == *name);
        if !declared && inputs.observed.networks.contains_key(name) {
            rows.push(Row {
                symbol: '-',
                name: "network".into(),
                what: name.clone(),
                detail: "is not in the file any more".into(),
                at: String::new(),
                class: None,
            });
            out.push(Action::NetworkRemove { name: name.clone() });
        }
    }
    out
}

/// Whether anything of a service is on the server.
fn there(inputs: &Inputs<'_>, service: &DesiredService) -> bool {
    match &service.kind {
        Kind::App(app) => inputs.observed.app_names.contains(&app.app),
        Kind::Datastore(store) => inputs.observed.stores.contains_key(&store.key()),
        Kind::Container(spec) | Kind::Job(spec) => {
            raw::replicas(spec).iter().any(|spec| inputs.observed.containers.contains_key(&spec.name))
        }
    }
}

/// What takes a service away; each step succeeds where it is gone already.
pub fn removal(service: &DesiredService) -> Vec<Action> {
    match &service.kind {
        Kind::App(app) => {
            // Its triggers run on its way out, too.
            vec![Action::AppDestroy { app: app.app.clone() }, Action::HooksRemove { app: app.app.clone() }]
        }
        Kind::Container(spec) | Kind::Job(spec) => {
            raw::replicas(spec).into_iter().map(|spec| Action::ContainerRemove { name: spec.name }).collect()
        }
        // Its data is nobody's to lose by the way.
        Kind::Datastore(_) => Vec::new(),
    }
}

/// What was put aside goes once the run is committed.
fn cleanup(builder: &Builder) -> Vec<Action> {
    builder
        .ops
        .iter()
        .filter_map(|op| match &op.action {
            Action::ContainerStash { stash, .. } => Some(Action::ContainerRemove { name: stash.clone() }),
            Action::DatastoreCarryDump { store, .. } => {
                Some(Action::DatastoreCarryDrop { service: store.service.clone() })
            }
            _ => None,
        })
        .collect()
}
