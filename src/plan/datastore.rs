//! The operations of datastore services.

use std::collections::BTreeSet;

use super::app::{Outcome, gates};
use super::builder::{Builder, Chain};
use super::{Action, Class, Inputs};
use crate::diag::{Diagnostic, Span};
use crate::map::datastores::{StoreUse, can_stay};
use crate::map::resources::{CarrySource, DesiredService, Kind, StoreSpec};
use crate::observe::{ObservedApp, ObservedStore};

pub(super) fn plan(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, store: &StoreSpec) -> Outcome {
    let at = inputs.at(&service.name);
    let mut chain = builder.chain(&service.name, &at);
    let mut outcome = match inputs.observed.stores.get(&store.key()) {
        None => create(inputs, &mut chain, service, store),
        Some(there) => update(inputs, &mut chain, service, store, there),
    };
    let last = last_store(inputs, &service.name);
    let other_uses = !store.uses.is_empty()
        && last.is_none_or(|last| !last.uses.iter().map(StoreUse::tried).eq(store.uses.iter().map(StoreUse::tried)));
    if !chain.is_empty() || other_uses {
        let mut store = Box::new(store.clone());
        for one in &mut store.uses {
            one.at = inputs.positions.get(&one.at).cloned().unwrap_or_default();
        }
        let ready = Action::DatastoreAwait { store };
        chain.add(ready, "gate", Class::None, Vec::new());
    }
    for need in ["Started", "Healthy"] {
        chain.provides(format!("service:{}/{need}", service.name));
    }
    outcome.reasons.dedup();
    outcome
}

fn name(store: &StoreSpec) -> (String, String) {
    (store.plugin.clone(), store.service.clone())
}

fn create(inputs: &Inputs<'_>, chain: &mut Chain<'_>, service: &DesiredService, store: &StoreSpec) -> Outcome {
    let (plugin, service_name) = name(store);
    chain.wait_for("control");
    let image = &store.container.image;
    if !inputs.observed.images.contains_key(image) {
        // A pulled image is a cache: an undo leaves it.
        let pull = Action::ImagePull { image: image.clone(), platform: String::new() };
        chain.add(pull, "not on the server yet", Class::None, Vec::new());
    }
    for gate in gates(service) {
        chain.wait_for(&gate);
    }
    if let Some(from) = &service.carry {
        dump(inputs, chain, service, store, from);
    }
    let undo = vec![Action::DatastoreDestroy { plugin, service: service_name, of_run: true }];
    chain.add(Action::DatastoreCreate { store: Box::new(store.clone()) }, "new", Class::Recreate, undo);
    // Destroying the service undoes all that follows.
    if service.carry.is_some() {
        let import = Action::DatastoreCarryImport { store: bare(store) };
        // One that moves has served this data until now.
        let class = if inputs.last_raw(&service.name).is_some() { Class::Data } else { Class::None };
        chain.add(import, "carried over", class, Vec::new());
    }
    if store.has_users() {
        // Data of before was made by the scripts of before.
        let setup = Action::DatastoreSetup { store: Box::new(store.clone()), first: service.carry.is_none() };
        chain.add(setup, "new: user, password and database of the file", Class::None, Vec::new());
    }
    if !store.expose.is_empty() {
        chain.add(expose(store, &store.expose), "new", Class::None, Vec::new());
    }
    let moved = service.carry.is_some() && inputs.last_raw(&service.name).is_some();
    Outcome { symbol: if moved { '~' } else { '+' }, reasons: Vec::new() }
}

/// Reads the data of before. What serves it as this project's container stops first, so that nothing is written to it that
/// the new service would not have.
fn dump(inputs: &Inputs<'_>, chain: &mut Chain<'_>, service: &DesiredService, store: &StoreSpec, from: &CarrySource) {
    let data = if from.version.is_empty() { String::new() } else { format!(" {}", from.version) };
    let cause = format!("carry over the data of {}{data}", from.volume);
    if from.container.is_empty()
        && !inputs.observed.images.contains_key(&from.image)
        && from.image != store.container.image
    {
        let pull = Action::ImagePull { image: from.image.clone(), platform: String::new() };
        chain.add(pull, cause.clone(), Class::None, Vec::new());
    }
    for before in inputs.last_raw(&service.name).map(super::raw::replicas).unwrap_or_default() {
        if inputs.observed.containers.contains_key(&before.name) {
            super::raw::stash(inputs, chain, service, &before.name, true, &cause, Class::Recreate);
        }
    }
    let undo = vec![Action::DatastoreCarryDrop { service: store.service.clone() }];
    let action = Action::DatastoreCarryDump { store: bare(store), from: from.clone() };
    chain.add(action, cause, Class::None, undo);
}

/// Scripts and the other services' logins are not needed everywhere, and an undo keeps no secret that it does not need.
fn bare(store: &StoreSpec) -> Box<StoreSpec> {
    let (scripts, uses, container) = Default::default();
    Box::new(StoreSpec { scripts, uses, container, ..store.clone() })
}

fn expose(store: &StoreSpec, ports: &[String]) -> Action {
    let (plugin, service) = name(store);
    Action::DatastoreExpose { plugin, service, ports: ports.to_vec() }
}

fn update(
    inputs: &Inputs<'_>,
    chain: &mut Chain<'_>,
    service: &DesiredService,
    store: &StoreSpec,
    there: &ObservedStore,
) -> Outcome {
    let mut reasons = Vec::new();
    let last = last_store(inputs, &service.name).filter(|last| last.key() == store.key());
    let gate = |chain: &mut Chain<'_>| {
        for gate in gates(service) {
            chain.wait_for(&gate);
        }
    };
    let joined = |network: &str| there.networks.iter().any(|one| one == network);
    let (plugin, service_name) = name(store);
    let networks: Vec<String> = store.networks.iter().map(|(network, _)| network.clone()).collect();
    let had: Vec<String> =
        last.map(|last| last.networks.iter().map(|(network, _)| network.clone()).collect()).unwrap_or_default();
    if networks != had || there.running() && !networks.iter().all(|network| joined(network)) {
        gate(chain);
        let cause = if networks == had { "drift: it left its network" } else { "its networks changed in the file" };
        let action =
            |networks| Action::DatastoreNetworks { plugin: plugin.clone(), service: service_name.clone(), networks };
        chain.add(action(networks), cause, Class::Config, vec![action(had)]);
        reasons.push(cause.to_owned());
    }
    let exposed = last.map(|last| last.expose.clone()).unwrap_or_default();
    let is_open = there.exposes(&store.expose);
    if !there.running() {
        if !exposed.is_empty() {
            // What holds the port is linked to the container of before, and would keep the service from starting.
            chain.add(expose(store, &[]), "drift: it does not run", Class::Config, Vec::new());
        }
        let (plugin, service) = (plugin.clone(), service_name.clone());
        let undo = vec![Action::DatastoreStop { plugin: plugin.clone(), service: service.clone() }];
        chain.add(Action::DatastoreStart { plugin, service }, "drift: it does not run", Class::Config, undo);
        reasons.push("drift: it does not run".into());
    }
    if let Some((from, cause)) = outdated(store, last, there) {
        let pulled = store.image_name();
        if !inputs.observed.images.contains_key(&store.container.image) {
            let pull = Action::ImagePull { image: store.container.image.clone(), platform: String::new() };
            chain.add(pull, "not on the server yet", Class::None, Vec::new());
        }
        gate(chain);
        if from.image_name() != pulled {
            let dump = Action::DatastoreDump { store: Box::new(from.clone()) };
            chain.add(dump, "before another version reads its data", Class::None, Vec::new());
        }
        // Both ways leave the port that they find: to change it is an operation of its own.
        let bare = |spec: &StoreSpec| {
            let expose = if is_open { store.expose.clone() } else { exposed.clone() };
            Box::new(StoreSpec { expose, ..*bare(spec) })
        };
        let (store, from) = (bare(store), bare(&from));
        let back = Action::DatastoreUpgrade { store: from.clone(), from: store.clone() };
        chain.add(Action::DatastoreUpgrade { store, from }, cause.clone(), Class::Recreate, vec![back]);
        reasons.push(cause);
    }
    // One that is found again after its project was destroyed may have other users by now.
    if store.has_users() && last.is_none_or(|last| !last.login.is_same(&store.login)) {
        let setup = |store: &StoreSpec| Action::DatastoreSetup { store: Box::new(store.clone()), first: false };
        let (cause, undo) = match last {
            Some(last) => ("user, password or database changed in the file", vec![setup(last)]),
            None => ("taken up again: user, password and database of the file", Vec::new()),
        };
        chain.add(setup(store), cause, Class::Config, undo);
        reasons.push(cause.into());
    }
    if exposed != store.expose || !is_open || !there.running() && !exposed.is_empty() {
        let cause = if exposed == store.expose {
            "drift: the published port is not as the file says"
        } else {
            "the published port changed in the file"
        };
        chain.add(expose(store, &store.expose), cause, Class::Config, vec![expose(store, &exposed)]);
        reasons.push(cause.into());
    }
    for app in last.iter().flat_map(|last| &last.linked).filter(|app| !store.linked.contains(*app)) {
        let cause = format!("{app} does not name it any more");
        if drop_link(inputs, chain, store, app, cause.clone()) {
            reasons.push(cause);
        }
    }
    Outcome { symbol: if chain.is_empty() { '=' } else { '~' }, reasons }
}

/// What a service has, and why its container is to be made anew; `None` where it has what the file says.
fn outdated(store: &StoreSpec, last: Option<&StoreSpec>, there: &ObservedStore) -> Option<(StoreSpec, String)> {
    let mut from = last.unwrap_or(store).clone();
    // Of a service without a container the file of before is what is known, and so it is where the name went to another image.
    let known = !there.image.is_empty() && !there.image.starts_with("sha256:");
    if known && there.image != from.image_name() {
        let (image, version) = there.image.rsplit_once(':').unwrap_or((&there.image, "latest"));
        (from.image, from.version) = (image.to_owned(), version.to_owned());
    }
    if from.image_name() != store.image_name() {
        return Some((from.clone(), format!("image changed from {} to {}", from.image_name(), store.image_name())));
    }
    let changed = |((what, now), (_, before))| (now != before).then_some(what);
    let what: Vec<&str> = store.settings().into_iter().zip(from.settings()).filter_map(changed).collect();
    (!what.is_empty()).then(|| (from, format!("{} changed in the file", what.join(" and "))))
}

/// A service that left the file stays, and no app of the file is linked to it any more.
pub(super) fn left(inputs: &Inputs<'_>, builder: &mut Builder) {
    let Some(last) = inputs.last else { return };
    let wanted = &inputs.desired.services;
    let apps: BTreeSet<&str> = wanted.values().map(|service| service.kind.resource_name()).collect();
    for service in last.left.values().chain(last.desired.services.values()) {
        let Kind::Datastore(store) = &service.kind else { continue };
        if wanted.contains_key(&service.name) || !inputs.observed.stores.contains_key(&store.key()) {
            continue;
        }
        let mut chain = builder.chain(&service.name, "");
        for app in store.linked.iter().filter(|app| apps.contains(app.as_str())) {
            drop_link(inputs, &mut chain, store, app, "is not in the file any more".to_owned());
        }
    }
}

/// Unlinks an app that is linked; whether it is.
fn drop_link(inputs: &Inputs<'_>, chain: &mut Chain<'_>, store: &StoreSpec, app: &str, cause: String) -> bool {
    let linked = inputs.observed.apps.get(app).is_some_and(|there| is_linked(there, store));
    if linked {
        chain.add(unlink(store, app), cause, Class::Config, vec![link(store, app)]);
    }
    linked
}

pub(super) fn last_store<'a>(inputs: &Inputs<'a>, service: &str) -> Option<&'a StoreSpec> {
    let last = inputs.last?;
    match &last.desired.services.get(service).or_else(|| last.left.get(service))?.kind {
        Kind::Datastore(store) => Some(store),
        _ => None,
    }
}

fn link(store: &StoreSpec, app: &str) -> Action {
    let (plugin, service) = name(store);
    Action::DatastoreLink { plugin, service, app: app.to_owned() }
}

fn unlink(store: &StoreSpec, app: &str) -> Action {
    let (plugin, service) = name(store);
    Action::DatastoreUnlink { plugin, service, app: app.to_owned() }
}

fn is_linked(app: &ObservedApp, store: &StoreSpec) -> bool {
    app.options.deploy.contains(&store.link_option())
}

/// Links an app to the datastores that its settings name, each once; before it is deployed and after its variables are
/// set, so that `:link` finds those of the file and takes none of their names.
pub(super) fn links(inputs: &Inputs<'_>, chain: &mut Chain<'_>, app: &str, there: Option<&ObservedApp>) {
    for (service, store) in missing(inputs, app, there) {
        chain.wait_for(&format!("service:{}/Started", service.name));
        let cause = if there.is_some() { format!("is not linked to {}", service.name) } else { "new".to_owned() };
        chain.add(link(store, app), cause, Class::Config, vec![unlink(store, app)]);
    }
}

/// The services whose plugin does not know yet that the app is linked to them.
pub(super) fn unlinked<'a>(inputs: &Inputs<'a>, app: &str, there: &ObservedApp) -> Vec<&'a str> {
    missing(inputs, app, Some(there)).map(|(service, _)| service.name.as_str()).collect()
}

fn missing<'a>(
    inputs: &Inputs<'a>,
    app: &str,
    there: Option<&ObservedApp>,
) -> impl Iterator<Item = (&'a DesiredService, &'a StoreSpec)> {
    inputs.desired.services.values().filter_map(move |service| match &service.kind {
        Kind::Datastore(store) if store.linked.contains(app) && !there.is_some_and(|there| is_linked(there, store)) => {
            Some((service, &**store))
        }
        _ => None,
    })
}

/// What a service that is there cannot be brought to by its plugin.
pub(super) fn conflicts(inputs: &Inputs<'_>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    for service in inputs.desired.services.values() {
        let Kind::Datastore(store) = &service.kind else { continue };
        let Some(there) = inputs.observed.stores.get(&store.key()) else { continue };
        let mut found = |code, path: &str, message: String, hint: String| {
            let diagnostic = Diagnostic::error(code, message).hint(hint);
            out.push(match at(&format!("services.{}{path}", service.name)) {
                Some(span) => diagnostic.at(span),
                None => diagnostic,
            });
        };
        let (plugin, name) = (&store.plugin, &store.service);
        let last = last_store(inputs, &service.name).filter(|last| last.key() == store.key());
        if let Some((from, _)) = outdated(store, last, there)
            && from.image_name() != store.image_name()
            && let Err(why) = can_stay(plugin, &from.image_name(), &store.image_name())
        {
            let (now, wanted) = (from.image_name(), store.image_name());
            found(
                "datastore-version",
                ".image",
                format!("the {plugin} service {name} runs {now}, and the file asks for {wanted}: {why}"),
                format!(
                    "the data of {now} cannot stay where it lies: save it (dokku {plugin}:export {name} > FILE), make a \
                     service of {wanted} beside it, dokku {plugin}:import it there and compare; or ask for {now}"
                ),
            );
        }
        let Some(last) = last else { continue };
        for ((what, now), (_, before)) in store.fixed().into_iter().zip(last.fixed()) {
            if now != before {
                found(
                    "datastore-fixed",
                    "",
                    format!("{what} of {} changed, and a {plugin} service keeps what it was made with", service.name),
                    format!(
                        "put it back, or make the service anew by hand: dokku {plugin}:export, :destroy, :create, :import"
                    ),
                );
            }
        }
    }
}
