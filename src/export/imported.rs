//! What an import made, as it is on the server now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::app;
use super::raw;
use super::stack::{Form, Stack};
use crate::docker::VolumeSpec;
use crate::map::hooks::Hooks;
use crate::map::resources::{AppSpec, Desired, FileContent, Gate, Kind, RawSpec, StoreSpec};
use crate::observe::{Observed, ObservedApp};
use crate::secret::DigestKey;
use crate::site::Site;

/// What is known of an imported project.
pub struct Imported<'a> {
    /// What was asked for last.
    pub desired: &'a Desired,
    /// The server as it is, its apps read.
    pub observed: &'a Observed,
    /// The variables of each raw container that is there, by its name.
    pub environments: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// Texts of values that are remembered as digests, by digest.
    pub secrets: &'a BTreeMap<String, String>,
    /// The project's own variables.
    pub variables: BTreeMap<String, String>,
    /// The server's places.
    pub site: &'a Site,
    /// Key of digests.
    pub key: &'a DigestKey,
}

/// The project's stack. An app that is gone is left out with a note.
pub fn stack(imported: &Imported<'_>) -> Stack {
    let desired = imported.desired;
    let project = &desired.project;
    let mut stack = Stack {
        project: project.clone(),
        networks: desired.networks.clone(),
        external_networks: desired.external_networks.iter().cloned().collect(),
        volumes: desired.volumes.clone(),
        external_volumes: desired.external_volumes.iter().cloned().collect(),
        volume_keys: desired.volume_names.iter().map(|(key, name)| (name.clone(), key.clone())).collect(),
        variables: imported.variables.clone(),
        domains: imported.observed.domains.clone(),
        own_files: as_mounted(imported.site, &imported.site.project(project)),
        ..Stack::default()
    };
    for service in desired.services.values() {
        let resource = service.kind.resource_name();
        let environment = imported.environments.get(resource);
        let unit = match &service.kind {
            Kind::App(spec) => {
                let Some(now) = imported.observed.apps.get(resource) else {
                    stack.notes.push(format!("the app {resource} of {} is gone and is left out", service.name));
                    continue;
                };
                let now = &without_links(now, spec, desired);
                let domains = &imported.observed.domains;
                let given: Vec<String> = [resource, project]
                    .into_iter()
                    .flat_map(|host| domains.iter().map(move |domain| format!("{host}.{domain}")))
                    .collect();
                app::unit(&app::Asked {
                    service: &service.name,
                    app: resource,
                    now,
                    remembered: Some((service, spec)),
                    secrets: imported.secrets,
                    origin: None,
                    given_domains: &given,
                    key: imported.key,
                })
            }
            Kind::Container(spec) => {
                let spec = &unlinked(spec, desired);
                raw::unit(service, spec, Form::Container, environment, imported.secrets, imported.key)
            }
            Kind::Job(spec) => {
                let spec = &unlinked(spec, desired);
                raw::unit(service, spec, Form::Job, environment, imported.secrets, imported.key)
            }
            Kind::Datastore(store) => {
                let mut container = store.container.clone();
                if let (None, Some(password)) = (&container.command, redis_password(store, imported.secrets)) {
                    let words = ["redis-server".to_owned()].into_iter().chain(store.options.iter().cloned());
                    container.command = Some(words.chain(["--requirepass".to_owned(), password]).collect());
                }
                let spec = RawSpec {
                    container,
                    replicas: 1,
                    build: None,
                    build_digest: String::new(),
                    pull: false,
                    gate: Gate::default(),
                };
                for mount in spec.container.mounts.iter().filter(|mount| mount.kind == "volume") {
                    let volume = VolumeSpec { name: mount.source.clone(), ..VolumeSpec::default() };
                    if !stack.volumes.iter().any(|known| known.name == volume.name) {
                        stack.volumes.push(volume);
                    }
                }
                let mut unit = raw::unit(service, &spec, Form::Container, None, imported.secrets, imported.key);
                unit.resource = store.service.clone();
                unit.gate = None;
                stack.stores.insert(service.name.clone(), (store.plugin.clone(), store.service.clone()));
                unit
            }
        };
        let mut unit = unit;
        unit.restarts_with.clone_from(&service.restarts_with);
        let own = Hooks::file(imported.site, project, &service.name);
        unit.hooks = service.files.iter().filter(|tree| tree.target == own).find_map(|tree| match &tree.content {
            FileContent::Inline { text } => {
                let mut text = text.clone();
                text.unseal(imported.secrets.get(text.digest())?.clone());
                Some(text)
            }
            FileContent::Path { .. } | FileContent::Empty => None,
        });
        stack.units.insert(service.name.clone(), unit);
    }
    // What left with an app cannot be waited for.
    let names: Vec<String> = stack.units.keys().cloned().collect();
    for unit in stack.units.values_mut() {
        unit.needs.retain(|name, _| names.contains(name));
    }
    stack
}

/// The password that a Redis has in its command.
fn redis_password(store: &StoreSpec, secrets: &BTreeMap<String, String>) -> Option<String> {
    let password = store.login.password.as_ref().filter(|_| store.plugin == "redis")?;
    password.expose().map(str::to_owned).or_else(|| secrets.get(password.digest()).cloned())
}

/// A raw container without the names of the project's datastores.
fn unlinked(spec: &RawSpec, desired: &Desired) -> RawSpec {
    let mut out = spec.clone();
    let stores = desired.services.values().filter_map(|service| match &service.kind {
        Kind::Datastore(store) => Some(store.container_name()),
        _ => None,
    });
    let stores: BTreeSet<String> = stores.collect();
    let other = |link: &String| link.split(':').next().is_none_or(|container| !stores.contains(container));
    out.container.links.retain(other);
    for (_, endpoint) in &mut out.container.networks {
        endpoint.links.retain(other);
    }
    out
}

/// An app without what makes the project's datastores known to it: the file's own names and settings do, once imported.
fn without_links(now: &ObservedApp, applied: &AppSpec, desired: &Desired) -> ObservedApp {
    let mut out = now.clone();
    for service in desired.services.values() {
        let Kind::Datastore(store) = &service.kind else { continue };
        let container = store.container_name();
        let own = |option: &String| {
            let target = option.strip_prefix("--link=").or_else(|| option.strip_prefix("--link "));
            target.is_some_and(|target| target.split(':').next() == Some(&container))
        };
        for list in [&mut out.options.build, &mut out.options.deploy, &mut out.options.run] {
            list.retain(|option| !own(option));
        }
        let host = format!("@{}:", container.replace(['.', '_'], "-"));
        out.config.retain(|name, value| {
            applied.config.contains_key(name)
                || !name.ends_with("_URL")
                || !value.expose().is_some_and(|value| value.contains(&host))
        });
    }
    out
}

/// A path as the engine sees it, where Dokku itself runs in a container.
pub fn as_mounted(site: &Site, path: &Path) -> std::path::PathBuf {
    path.strip_prefix(&site.lib_root).map_or_else(|_| path.to_path_buf(), |inside| site.lib_host_root.join(inside))
}
