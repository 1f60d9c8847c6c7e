//! Datastore plugins of the server, as an import sees them.

use std::collections::BTreeSet;

use anyhow::Result;

use super::args::ImportArgs;
use super::session::Session;
use crate::apply::runner::Maker;
use crate::map::datastores::{DATASTORES, Stores, of_image};
use crate::map::resources::{Desired, Kind};
use crate::model::Project;
use crate::observe::{self, Observed};
use crate::state::{State, store};

/// Which plugins are there and which services they have, as far as the project's images make a difference.
pub(super) fn read(
    session: &Session,
    args: &ImportArgs,
    project: &str,
    compose: &Project,
    state: Option<&State>,
    observed: &mut Observed,
) -> Result<Stores> {
    let images = compose.services.values().filter_map(|service| service.image.as_deref());
    let mut named: BTreeSet<&str> = images.filter_map(of_image).map(|row| row.plugin).collect();
    named.extend(state.iter().flat_map(|state| plugins(&state.desired)));
    named.retain(|plugin| DATASTORES.iter().any(|row| row.plugin == *plugin && row.driver.is_some()));
    let installed = session.dokku.datastore_plugins(named.into_iter());
    let mut out = Stores {
        installed: installed.into_iter().collect(),
        wish: args.datastores,
        skip: args.skip_plugins.iter().cloned().collect(),
        ..Stores::default()
    };
    observe::stores(&session.dokku, observed, out.installed.keys().map(String::as_str))?;
    for key in observed.stores.keys() {
        let Some((plugin, service)) = key.split_once(':') else { continue };
        let maker: Option<Maker> = store::read_json(&session.site.store_file(plugin, service))?;
        // One that this project made is its own, whatever is remembered of it: its state may have been destroyed.
        if maker.is_none_or(|maker| maker.project != project) {
            out.taken.insert(key.clone());
        }
    }
    Ok(out)
}

/// Reads the services of what was imported.
pub(super) fn look(session: &Session, state: &State, observed: &mut Observed) -> Result<()> {
    let named: BTreeSet<&str> = plugins(&state.desired)
        .chain(state.left.values().filter_map(|service| match &service.kind {
            Kind::Datastore(store) => Some(store.plugin.as_str()),
            _ => None,
        }))
        .collect();
    let installed = session.dokku.datastore_plugins(named.into_iter());
    Ok(observe::stores(&session.dokku, observed, installed.iter().map(|(plugin, _)| plugin.as_str()))?)
}

fn plugins(desired: &Desired) -> impl Iterator<Item = &str> {
    desired.services.values().filter_map(|service| match &service.kind {
        Kind::Datastore(store) => Some(store.plugin.as_str()),
        _ => None,
    })
}

/// What could be a service if its plugin were there: the command that installs it, by service.
pub(super) fn advice(desired: &Desired, stores: &Stores) -> Vec<String> {
    if stores.wish != crate::map::datastores::Wish::Auto {
        return Vec::new();
    }
    let mut out = Vec::new();
    for service in desired.services.values() {
        let Kind::Container(raw) = &service.kind else { continue };
        let Some(row) = of_image(&raw.container.image).filter(|row| row.driver.is_some()) else { continue };
        if !stores.installed.contains_key(row.plugin) && !stores.skip.contains(row.plugin) {
            out.push(format!("{} is a container; as a managed service: {}", service.name, row.install_command()));
        }
    }
    out
}
