//! What stands in the way of a plan: names that others hold, things that should be there and are not.

use std::collections::BTreeSet;

use super::Inputs;
use super::raw::{PROJECT_LABEL, replicas};
use crate::diag::{Diagnostic, Span};
use crate::map::resources::Kind;

/// All conflicts. `owned` are the apps and containers of this project; `at` gives the place of a path in the file.
pub fn conflicts(inputs: &Inputs<'_>, owned: &BTreeSet<String>, at: &dyn Fn(&str) -> Option<Span>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    control(inputs, &mut out);
    names(inputs, owned, at, &mut out);
    externals(inputs, at, &mut out);
    volumes(inputs, at, &mut out);
    environment(inputs, at, &mut out);
    out
}

fn placed(diagnostic: Diagnostic, span: Option<Span>) -> Diagnostic {
    match span {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    }
}

/// The project's own app may be there, made to hold variables; one that was deployed is somebody's.
fn control(inputs: &Inputs<'_>, out: &mut Vec<Diagnostic>) {
    let project = &inputs.desired.project;
    if inputs.last.is_none() && inputs.observed.apps.get(project).is_some_and(crate::observe::ObservedApp::deployed) {
        let message = format!("the app {project} is deployed and is no compose project");
        out.push(Diagnostic::error("name-taken", message).hint("import under another name"));
    }
}

fn names(inputs: &Inputs<'_>, owned: &BTreeSet<String>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    for service in inputs.desired.services.values() {
        let span = at(&format!("services.{}", service.name));
        let hint =
            format!("name another with x-dokku: {{app: NAME}} in {}, or remove the one that is there", service.name);
        match &service.kind {
            Kind::App(app) => {
                if inputs.observed.app_names.contains(&app.app) && !owned.contains(&app.app) {
                    let message = format!("the app {} exists and is not of this project", app.app);
                    out.push(placed(Diagnostic::error("name-taken", message), span).hint(hint));
                }
            }
            Kind::Container(raw) | Kind::Job(raw) => {
                for spec in replicas(raw) {
                    let other = inputs.observed.containers.get(&spec.name);
                    if other.is_some_and(|other| other.labels.get(PROJECT_LABEL) != Some(&inputs.desired.project)) {
                        let message = format!("the container {} exists and is not of this project", spec.name);
                        out.push(placed(Diagnostic::error("name-taken", message), span).hint(hint.clone()));
                    }
                }
            }
        }
    }
}

fn externals(inputs: &Inputs<'_>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    for name in &inputs.desired.external_networks {
        if !inputs.observed.networks.contains_key(name) {
            let message = format!("the network {name} is external and does not exist");
            let hint = format!("make it: dokku network:create {name}");
            out.push(
                placed(
                    Diagnostic::error("missing-network", message),
                    at(&format!("networks.{name}")).or_else(|| at("networks")),
                )
                .hint(hint),
            );
        }
    }
    for name in &inputs.desired.external_volumes {
        if !inputs.observed.volumes.contains_key(name) {
            let message = format!("the volume {name} is external and does not exist");
            let hint = format!("make it: docker volume create {name}");
            let key = inputs.desired.volume_names.iter().find(|(_, own)| *own == name).map_or(name, |(key, _)| key);
            out.push(
                placed(
                    Diagnostic::error("missing-volume", message),
                    at(&format!("volumes.{key}")).or_else(|| at("volumes")),
                )
                .hint(hint),
            );
        }
    }
}

/// Two writers of one volume would destroy each other's data.
fn volumes(inputs: &Inputs<'_>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    for spec in &inputs.desired.volumes {
        let Some(users) = inputs.observed.volume_users.get(&spec.name) else { continue };
        let message =
            format!("the volume {} is in use by {}, which is not of this project", spec.name, users.join(", "));
        let key = inputs
            .desired
            .volume_names
            .iter()
            .find(|(_, name)| **name == spec.name)
            .map(|(key, _)| key.clone())
            .unwrap_or_default();
        let hint = "stop what uses it (docker compose down keeps the data), or give the volume another name:";
        out.push(placed(Diagnostic::error("volume-in-use", message), at(&format!("volumes.{key}"))).hint(hint));
    }
}

/// Linux takes at most 128 KiB for one variable and about 2 MiB for all.
fn environment(inputs: &Inputs<'_>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    const ONE: usize = 128 * 1024;
    const ALL: usize = 1536 * 1024;
    for service in inputs.desired.services.values() {
        let pairs: Vec<(&String, usize)> = match &service.kind {
            Kind::App(app) => app.config.iter().map(|(key, value)| (key, size(value))).collect(),
            Kind::Container(raw) | Kind::Job(raw) => {
                raw.container.environment.iter().map(|(key, value)| (key, size(value))).collect()
            }
        };
        let path = format!("services.{}.environment", service.name);
        for (key, length) in &pairs {
            if key.len() + length >= ONE {
                let message =
                    format!("the variable {key} of {} has {length} bytes; the system takes 128 KiB", service.name);
                out.push(
                    placed(Diagnostic::error("environment-too-large", message), at(&path))
                        .hint("put it in a file: configs or secrets"),
                );
            }
        }
        let total: usize = pairs.iter().map(|(key, length)| key.len() + length + 2).sum();
        if total > ALL {
            let message =
                format!("the environment of {} has {total} bytes; the system takes less than 2 MiB", service.name);
            out.push(
                placed(Diagnostic::error("environment-too-large", message), at(&path))
                    .hint("put it in files: configs or secrets"),
            );
        }
    }
}

fn size(value: &crate::secret::Secret) -> usize {
    value.expose().map_or(0, str::len)
}
