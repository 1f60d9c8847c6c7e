//! The operations of datastore services.

use std::collections::BTreeSet;

use super::app::{Outcome, gates};
use super::builder::{Builder, Chain};
use super::{Action, Class, Inputs};
use crate::diag::{Diagnostic, Span};
use crate::map::resources::{DesiredService, Kind, StoreSpec};
use crate::observe::{ObservedApp, ObservedStore};

pub(super) fn plan(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, store: &StoreSpec) -> Outcome {
    let at = inputs.at(&service.name);
    let mut chain = builder.chain(&service.name, &at);
    let mut outcome = match inputs.observed.stores.get(&store.key()) {
        None => create(inputs, &mut chain, service, store),
        Some(there) => update(inputs, &mut chain, service, store, there),
    };
    if !chain.is_empty() {
        let ready = Action::DatastoreAwait { store: Box::new(store.clone()) };
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
    let undo = vec![Action::DatastoreDestroy { plugin, service: service_name, of_run: true }];
    chain.add(Action::DatastoreCreate { store: Box::new(store.clone()) }, "new", Class::Recreate, undo);
    // Destroying the service undoes all that follows.
    if store.has_users() {
        let setup = Action::DatastoreSetup { store: Box::new(store.clone()), first: true };
        chain.add(setup, "new: user, password and database of the file", Class::None, Vec::new());
    }
    if !store.expose.is_empty() {
        chain.add(expose(store, &store.expose), "new", Class::None, Vec::new());
    }
    Outcome { symbol: '+', reasons: Vec::new() }
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
    if !there.running() {
        let (plugin, service) = (plugin.clone(), service_name.clone());
        let undo = vec![Action::DatastoreStop { plugin: plugin.clone(), service: service.clone() }];
        chain.add(Action::DatastoreStart { plugin, service }, "drift: it does not run", Class::Config, undo);
        reasons.push("drift: it does not run".into());
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
    let exposed = last.map(|last| last.expose.clone()).unwrap_or_default();
    if exposed != store.expose {
        chain.add(expose(store, &store.expose), "the published port", Class::Config, vec![expose(store, &exposed)]);
        reasons.push("the published port changed in the file".into());
    }
    for app in last.iter().flat_map(|last| &last.linked).filter(|app| !store.linked.contains(*app)) {
        if inputs.observed.apps.get(app).is_some_and(|there| is_linked(there, store)) {
            let (unlink, link) = (unlink(store, app), link(store, app));
            chain.add(unlink, format!("{app} does not name it any more"), Class::Config, vec![link]);
            reasons.push(format!("{app} does not name it any more"));
        }
    }
    Outcome { symbol: if chain.is_empty() { '=' } else { '~' }, reasons }
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
            if inputs.observed.apps.get(app).is_some_and(|there| is_linked(there, store)) {
                let (unlink, link) = (unlink(store, app), link(store, app));
                chain.add(unlink, "is not in the file any more", Class::Config, vec![link]);
            }
        }
    }
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
        let wanted = format!("{}:{}", store.image, store.version);
        if !there.image.is_empty() && there.image != wanted {
            found(
                "datastore-version",
                ".image",
                format!("the {plugin} service {name} runs {}, and the file asks for {wanted}", there.image),
                format!(
                    "a new version may not read the data of the old one: save it (dokku {plugin}:export {name} > FILE), \
                     then dokku {plugin}:upgrade {name} --image {} --image-version {}, and import again",
                    store.image, store.version
                ),
            );
        }
        let Some(last) = last_store(inputs, &service.name).filter(|last| last.key() == store.key()) else { continue };
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
