//! What stands in the way of a plan: names that others hold, things that should be there and are not.

use std::collections::BTreeSet;

use super::Inputs;
use super::changes::by_hand;
use super::datastore;
use super::raw::{PROJECT_LABEL, replicas};
use crate::diag::{Diagnostic, Span};
use crate::map::addresses::Cidr;
use crate::map::resources::{AppSpec, DesiredService, Kind};

/// All conflicts. `owned` are the apps and containers of this project; `at` gives the place of a path in the file.
pub fn conflicts(inputs: &Inputs<'_>, owned: &BTreeSet<String>, at: &dyn Fn(&str) -> Option<Span>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    control(inputs, &mut out);
    names(inputs, owned, at, &mut out);
    externals(inputs, at, &mut out);
    subnets(inputs, at, &mut out);
    volumes(inputs, at, &mut out);
    environment(inputs, at, &mut out);
    datastore::conflicts(inputs, at, &mut out);
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
                if inputs.observed.app_names.contains(&app.app) && !owned.contains(&app.app) && !inputs.wishes.adopt {
                    let message = format!("the app {} exists and is not of this project", app.app);
                    let mut found = placed(Diagnostic::error("name-taken", message), span).hint(hint);
                    for side in both_sides(inputs, service, app) {
                        found = found.hint(side);
                    }
                    out.push(found.hint("--adopt takes it over as it is and changes only what differs"));
                }
            }
            Kind::Container(raw) | Kind::Job(raw) => {
                for spec in replicas(raw) {
                    let other = inputs.observed.containers.get(&spec.name);
                    let Some(other) = other else { continue };
                    let owner = other.labels.get(PROJECT_LABEL);
                    // One of another project is never taken over.
                    if owner == Some(&inputs.desired.project) || owner.is_none() && inputs.wishes.adopt {
                        continue;
                    }
                    let message = format!("the container {} exists and is not of this project", spec.name);
                    let mut found = placed(Diagnostic::error("name-taken", message), span).hint(hint.clone());
                    if owner.is_none() {
                        found = found
                            .hint(format!(
                                "on the server: image {}, {}; in the file: image {}",
                                other.image, other.status, spec.image
                            ))
                            .hint(
                                "--adopt puts one of this project in its place, with the volumes that the file names",
                            );
                    }
                    out.push(found);
                }
            }
            // Decided where it is mapped: a name that is taken makes it a container.
            Kind::Datastore(_) => {}
        }
    }
}

/// What differs between an app that is there and the one that the file asks for, at most eight fields.
fn both_sides(inputs: &Inputs<'_>, service: &DesiredService, app: &AppSpec) -> Vec<String> {
    let Some(there) = inputs.observed.apps.get(&app.app) else { return Vec::new() };
    let none = || "none".to_owned();
    let all = by_hand(&service.name, app, there);
    let mut out: Vec<String> = all
        .iter()
        .take(8)
        .map(|one| {
            let (file, server) = (one.before.clone().unwrap_or_else(none), one.after.clone().unwrap_or_else(none));
            format!("{}: on the server {server}, in the file {file}", one.field)
        })
        .collect();
    if all.len() > out.len() {
        out.push(format!("and {} fields more", all.len() - out.len()));
    }
    if all.is_empty() {
        out.push("it is as the file asks".into());
    }
    out
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

/// A subnet is one network's: the engine would refuse the other.
fn subnets(inputs: &Inputs<'_>, at: &dyn Fn(&str) -> Option<Span>, out: &mut Vec<Diagnostic>) {
    for spec in inputs.desired.networks.iter().filter(|spec| !inputs.observed.networks.contains_key(&spec.name)) {
        for pool in &spec.ipam {
            let Some(wanted) = Cidr::parse(&pool.subnet) else { continue };
            let taken = |subnet: &String| Cidr::parse(subnet).is_some_and(|subnet| subnet.overlaps(wanted));
            let Some(other) = inputs.observed.networks.values().find(|other| other.subnets.iter().any(taken)) else {
                continue;
            };
            let message = format!(
                "the subnet {} of the network {} is taken by the network {}, which has {}",
                pool.subnet,
                spec.name,
                other.name,
                other.subnets.join(", ")
            );
            // Of a network with a name of its own, the section.
            let key = spec.name.strip_prefix(&format!("{}_", inputs.desired.project)).unwrap_or(&spec.name);
            let span = at(&format!("networks.{key}.ipam.config[0].subnet")).or_else(|| at("networks"));
            out.push(placed(Diagnostic::error("subnet-taken", message), span).hint("choose a subnet that is free"));
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
            Kind::Datastore(store) => store.environment.iter().map(|(key, value)| (key, size(value))).collect(),
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
