//! What the services say of each other, read once: asked of each service in turn it would be a look at all of them.

use std::collections::BTreeMap;

use super::classify::Form;
use crate::hashed::{HashMap, IndexMap};
use crate::model::{Condition, Project};

/// Relations between services, by compose name.
#[derive(Default)]
pub(super) struct Relations<'a> {
    awaited: HashMap<&'a str, Vec<&'a str>>,
    linked: HashMap<&'a str, Vec<&'a str>>,
    containers: HashMap<&'a str, String>,
}

impl<'a> Relations<'a> {
    /// Reads the dependencies and links of all services.
    pub(super) fn read(project: &'a Project) -> Self {
        let mut out = Self::default();
        for service in project.services.values() {
            for (other, dependency) in &service.depends_on {
                if dependency.condition == Condition::CompletedSuccessfully {
                    out.awaited.entry(other).or_default().push(&service.name);
                }
            }
            for (target, alias) in service.links.iter().filter_map(|link| link.split_once(':')) {
                out.linked.entry(target).or_default().push(alias);
            }
        }
        out
    }

    /// Notes the name that each service's container has on the server.
    pub(super) fn name_containers(
        &mut self,
        names: &BTreeMap<String, String>,
        forms: &IndexMap<&'a str, (Form, String)>,
    ) {
        for (service, (form, _)) in forms {
            let Some(name) = names.get(*service) else { continue };
            // Dokku names the first container of an app's web process so.
            let name = if *form == Form::App { format!("{name}.web.1") } else { name.clone() };
            self.containers.insert(*service, name);
        }
    }

    /// Services that wait until `service` has run to its end, in the order of the file.
    pub(super) fn awaited_by(&self, service: &str) -> &[&'a str] {
        self.awaited.get(service).map_or(&[], Vec::as_slice)
    }

    /// Names under which other services link `service` (`links: ["db:database"]`).
    pub(super) fn linked_as(&self, service: &str) -> &[&'a str] {
        self.linked.get(service).map_or(&[], Vec::as_slice)
    }

    /// The server's name of a service's container, for shared namespaces.
    pub(super) fn container<'s>(&'s self, service: &'s str) -> &'s str {
        self.containers.get(service).map_or(service, String::as_str)
    }
}
