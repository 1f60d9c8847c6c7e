//! Datastore plugins of the server, as an import sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use super::args::ImportArgs;
use super::session::Session;
use crate::apply::runner::Maker;
use crate::map::datastores::{DATASTORES, Driver, Held, Stores, Wish, data, look as script, of_image};
use crate::map::resources::{Desired, Kind};
use crate::map::volume_of;
use crate::model::{MountType, Project};
use crate::observe::{self, Observed};
use crate::state::{State, store};

/// Longest look into a volume.
const LOOK: Duration = Duration::from_secs(120);

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
        let list = if maker.is_none_or(|maker| maker.project != project) { &mut out.taken } else { &mut out.own };
        list.insert(key.clone());
    }
    if let Some(named) = &args.carry_over {
        let named: BTreeSet<String> = named.iter().filter(|name| !name.is_empty()).cloned().collect();
        if let Some(unknown) = named.iter().find(|name| !compose.services.contains_key(*name)) {
            bail!("there is no service {unknown} in the file, whose data could be carried over");
        }
        out.carry = Some(named);
    }
    hold(session, project, compose, state, observed, &mut out)?;
    Ok(out)
}

/// Looks into the volumes of databases that a service of a plugin could take over, where that makes a difference: a first
/// time, and where it is asked for.
fn hold(
    session: &Session,
    project: &str,
    compose: &Project,
    state: Option<&State>,
    observed: &Observed,
    stores: &mut Stores,
) -> Result<()> {
    let remembered = state.map(|state| &state.desired);
    for service in compose.services.values() {
        let before = remembered.and_then(|last| last.services.get(&service.name)).map(|last| &last.kind);
        let new = before.is_none() || stores.carries(&service.name) && !matches!(before, Some(Kind::Datastore(_)));
        let image = service.image.as_deref().unwrap_or_default();
        let Some((row, driver)) = of_image(image).and_then(|row| Some((row, row.driver?))) else { continue };
        if !new || stores.wish == Wish::Container || !row.runs(image) || !stores.installed.contains_key(row.plugin) {
            continue;
        }
        let given = |name: &str| service.environment.get(name).and_then(|value| value.as_deref());
        let place = |target: &str| data(driver).contains(&target) || given("PGDATA") == Some(target);
        let volume = service.volumes.iter().find_map(|mount| {
            let target = mount.target.as_deref()?.trim_end_matches('/');
            let key = mount.source.as_deref().filter(|source| !source.is_empty())?;
            let name = || volume_of(project, compose, &observed.volumes, remembered, key);
            (mount.kind == MountType::Volume && place(target)).then(name)
        });
        let Some(volume) = volume.filter(|name| observed.volumes.contains_key(name)) else { continue };
        let mut held = Held { volume: volume.clone(), ..Held::default() };
        let by = observed.images.keys().find(|there| *there == image);
        match by.map(|image| session.engine.run_once(image, Some(&volume), script(driver), LOOK)) {
            None => held.unseen = format!("{image} is not on the server to look into it: docker pull {image}"),
            Some(Ok((0, lines))) => held = Held::read(&volume, &lines),
            Some(Ok((code, _))) => held.unseen = format!("a look into it with {image} ended with {code}"),
            Some(Err(error)) => held.unseen = format!("it cannot be looked into: {error}"),
        }
        match observed.volume_users.get(&volume).map(Vec::as_slice).unwrap_or_default() {
            [] => {}
            // What it has written may not be on the disk yet.
            users if driver == Driver::Redis => held.unseen = in_use(users),
            [one] => held.container.clone_from(one),
            users => held.unseen = in_use(users),
        }
        stores.held.insert(service.name.clone(), held);
    }
    Ok(())
}

fn in_use(users: &[String]) -> String {
    format!("it is in use by {}: stop that first", users.join(", "))
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
