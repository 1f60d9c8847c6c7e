//! Prune: what no enabled service uses is not part of the project.
//!
//! Specification: 02-model.md.

use std::collections::HashSet;

use crate::diag::{Diagnostic, Diagnostics};
use crate::hashed::IndexMap;
use crate::model::{MountType, Project};

/// Takes unused networks, volumes, secrets, configs and models out, each with a note.
pub(super) fn unused(project: &mut Project, out: &mut Diagnostics) {
    let mut used: HashSet<(&str, &str)> = HashSet::new();
    for service in project.services.values() {
        used.extend(service.networks.keys().map(|name| ("networks", name.as_str())));
        used.extend(service.models.keys().map(|name| ("models", name.as_str())));
        let volumes = service.volumes.iter().filter(|volume| volume.kind == MountType::Volume);
        used.extend(volumes.filter_map(|volume| Some(("volumes", volume.source.as_deref()?))));
        let secrets = service.secrets.iter().chain(service.build.iter().flat_map(|build| &build.secrets));
        used.extend(secrets.filter_map(|secret| Some(("secrets", secret.source.as_deref()?))));
        used.extend(service.configs.iter().filter_map(|config| Some(("configs", config.source.as_deref()?))));
    }
    let mut notes = Vec::new();
    let mut note = |section: &str, name: &str| {
        let kind = section.trim_end_matches('s');
        let note =
            Diagnostic::note("unused-resource", format!("{kind} `{name}` is used by no enabled service and left out"));
        notes.push(match project.tree.as_map().and_then(|tree| tree.get(section)?.as_map()?.entries.get(name)) {
            Some(entry) => note.at(entry.key),
            None => note,
        });
    };
    let networks = unused_keys(&project.networks, "networks", &used, &mut note);
    let volumes = unused_keys(&project.volumes, "volumes", &used, &mut note);
    let secrets = unused_keys(&project.secrets, "secrets", &used, &mut note);
    let configs = unused_keys(&project.configs, "configs", &used, &mut note);
    let models = unused_keys(&project.models, "models", &used, &mut note);
    out.items.extend(notes);
    project.networks.retain(|name, _| !networks.contains(name));
    project.volumes.retain(|name, _| !volumes.contains(name));
    project.secrets.retain(|name, _| !secrets.contains(name));
    project.configs.retain(|name, _| !configs.contains(name));
    project.models.retain(|name, _| !models.contains(name));
}

fn unused_keys<T>(
    all: &IndexMap<String, T>,
    section: &'static str,
    used: &HashSet<(&str, &str)>,
    note: &mut dyn FnMut(&str, &str),
) -> Vec<String> {
    let unused: Vec<String> = all.keys().filter(|name| !used.contains(&(section, name.as_str()))).cloned().collect();
    unused.iter().for_each(|name| note(section, name));
    unused
}
