//! What an import made, as it is on the server now.

use std::collections::BTreeMap;
use std::path::Path;

use super::app;
use super::raw;
use super::stack::{Form, Stack};
use crate::map::hooks::Hooks;
use crate::map::resources::{Desired, FileContent, Kind};
use crate::observe::Observed;
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
                raw::unit(service, spec, Form::Container, environment, imported.secrets, imported.key)
            }
            Kind::Job(spec) => raw::unit(service, spec, Form::Job, environment, imported.secrets, imported.key),
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

/// A path as the engine sees it, where Dokku itself runs in a container.
pub fn as_mounted(site: &Site, path: &Path) -> std::path::PathBuf {
    path.strip_prefix(&site.lib_root).map_or_else(|_| path.to_path_buf(), |inside| site.lib_host_root.join(inside))
}
