//! How the other services of a project reach a datastore: its names, and the plugin's link.

use std::collections::{BTreeMap, BTreeSet};

use super::store::StoreSpec;
use crate::hashed::IndexMap;
use crate::map::container;
use crate::map::resources::{DesiredService, Kind};
use crate::plan::raw::HASH_LABEL;

/// Gives every service the names of the datastores that are on its networks, and tells each datastore which apps are to
/// be linked to it: those that wait for it, and those whose settings name it.
pub(in crate::map) fn reach(services: &mut IndexMap<String, DesiredService>) {
    let stores: Vec<(String, StoreSpec)> = services
        .values()
        .filter_map(|service| match &service.kind {
            Kind::Datastore(store) => Some((service.name.clone(), StoreSpec::clone(store))),
            _ => None,
        })
        .collect();
    if stores.is_empty() {
        return;
    }
    let mut linked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for service in services.values_mut() {
        for (name, store) in &stores {
            if *name == service.name || !names(service, store) {
                continue;
            }
            if let Kind::App(app) = &service.kind {
                let said = app.config.values().filter_map(|value| value.expose());
                let known: Vec<&String> = store.networks.iter().flat_map(|(_, names)| names).collect();
                let mentions = said.into_iter().any(|text| known.iter().any(|name| mentions(text, name)));
                if service.needs.contains_key(name) || mentions {
                    linked.entry(name.clone()).or_default().insert(app.app.clone());
                }
            }
        }
    }
    for service in services.values_mut() {
        if let Kind::Datastore(store) = &mut service.kind {
            store.linked = linked.remove(&service.name).unwrap_or_default();
        }
    }
}

/// Gives a service the names of a datastore on each network that they share; whether there is one.
fn names(service: &mut DesiredService, store: &StoreSpec) -> bool {
    let container = store.container_name();
    let links = |names: &[String]| names.iter().map(|name| format!("{container}:{name}")).collect::<Vec<_>>();
    let mut shared = false;
    for (network, names) in &store.networks {
        match &mut service.kind {
            Kind::App(app) => {
                if app.properties.get("network.initial-network") == Some(network) {
                    shared = true;
                    for link in links(names) {
                        for list in [&mut app.options.deploy, &mut app.options.run] {
                            list.push(format!("--link={link}"));
                            list.sort();
                            list.dedup();
                        }
                    }
                } else if let Some(endpoint) = app.hooks.networks.get_mut(network) {
                    shared = true;
                    endpoint.links.extend(links(names));
                }
            }
            Kind::Container(raw) | Kind::Job(raw) => {
                let at = raw.container.networks.iter().position(|(name, _)| name == network);
                match at {
                    Some(0) => raw.container.links.extend(links(names)),
                    Some(at) => raw.container.networks[at].1.links.extend(links(names)),
                    None => continue,
                }
                shared = true;
                raw.container.labels.remove(HASH_LABEL);
                let hash = container::digest(&(&raw.container, &raw.build_digest));
                raw.container.labels.insert(HASH_LABEL.into(), hash);
            }
            Kind::Datastore(_) => {}
        }
    }
    shared
}

/// Whether a setting names a host: as a whole word, so that `db` is not found in `dbname`.
pub(super) fn mentions(text: &str, host: &str) -> bool {
    let part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let mut from = 0;
    while let Some(at) = text[from..].find(host).map(|at| from + at) {
        let end = at + host.len();
        let before = text[..at].chars().next_back().is_none_or(|char| !part(char));
        let after = text[end..].chars().next().is_none_or(|char| !part(char));
        if before && after {
            return true;
        }
        from = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_host_is_a_whole_word() {
        assert!(mentions("db", "db"));
        assert!(mentions("postgres://app:pw@db:5432/shop", "db"));
        assert!(mentions("jdbc:mysql://x,db:3306/y", "db"));
        assert!(!mentions("dbname=shop", "db"));
        assert!(!mentions("my-db", "db"));
        assert!(!mentions("db.example.com", "db"));
    }
}
