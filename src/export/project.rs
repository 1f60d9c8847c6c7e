//! The stack as a typed project: names for networks and volumes, declarations, what only `x-dokku` says.

use std::collections::{BTreeMap, BTreeSet};

use crate::hashed::IndexMap;
use serde_json::{Map, Value, json};

use super::app::to_proxy;
use super::files;
use super::secrets::{Secrets, Vault};
use super::service::{self, Names};
use super::stack::{Form, Origin, Stack, Unit};
use crate::docker::{NetworkSpec, VolumeSpec};
use crate::map::datastores;
use crate::map::resources::{Gate, Need};
use crate::model::{Ipam, IpamPool, Network, Port, Project, Service, Volume};
use crate::plan::raw::PROJECT_LABEL;

/// Label by which Dokku knows a network that it made.
pub(super) const NETWORK_LABEL: &str = "com.dokku.network-name";

/// A project ready to be written.
pub struct Written {
    /// The typed project; secret values are marked references.
    pub project: Project,
    /// `x-dokku` of each service that has one.
    pub dokku: BTreeMap<String, Map<String, Value>>,
    /// Comments above services.
    pub notes: BTreeMap<String, Vec<String>>,
    /// Comments above the whole.
    pub head: Vec<String>,
    /// Values of the companion file by name.
    pub values: IndexMap<String, String>,
}

/// Turns a stack into a project. `contents` are the project's secrets and configs by their source in the mounts.
pub fn project(stack: &Stack, contents: &BTreeMap<String, Vec<u8>>, secrets: Secrets) -> Written {
    let mut vault = Vault::new(secrets, &stack.variables);
    let names = names(stack);
    let mut project = Project { name: stack.project.clone(), ..Project::default() };
    let mut dokku = BTreeMap::new();
    let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut published = BTreeSet::new();
    for unit in stack.units.values() {
        let mut service = service::service(stack, &names, unit, &mut vault);
        let mut said = unit.notes.clone();
        share_ports(&mut service.ports, &mut published, &mut said);
        let keys = extension(stack, unit, &service, &mut said);
        project.services.insert(unit.name.clone(), service);
        if !keys.is_empty() {
            dokku.insert(unit.name.clone(), keys);
        }
        if !said.is_empty() {
            notes.insert(unit.name.clone(), said);
        }
    }
    // All secret values are known now, also those of the services behind.
    for service in project.services.values_mut() {
        let test = service.healthcheck.as_mut().map(|check| &mut check.test);
        let lists = [test, service.command.as_mut(), service.entrypoint.as_mut()];
        lists.into_iter().flatten().flatten().for_each(|word| vault.veil(word));
    }
    for spec in &stack.networks {
        declare_network(stack, &names, spec, &mut project);
    }
    for name in &stack.external_networks {
        let network = Network { name: Some(name.clone()), external: true, ..Network::default() };
        project.networks.insert(names.networks[name].clone(), network);
    }
    for spec in &stack.volumes {
        project.volumes.insert(names.volumes[&spec.name].clone(), volume(spec));
    }
    for name in &stack.external_volumes {
        let volume = Volume { name: Some(name.clone()), external: true, ..Volume::default() };
        project.volumes.insert(names.volumes[name].clone(), volume);
    }
    let mut head = stack.notes.clone();
    head.extend(files::declare(stack, contents, &mut vault, &mut project));
    Written { project, dokku, notes, head, values: vault.into_values() }
}

fn names(stack: &Stack) -> Names {
    let mut networks = BTreeMap::new();
    let all = stack.networks.iter().map(|spec| &spec.name).chain(&stack.external_networks);
    for name in all {
        let key = name.strip_prefix(&format!("{}_", stack.project)).filter(|key| !key.is_empty()).unwrap_or(name);
        networks.insert(name.clone(), free(&networks, key));
    }
    let mut volumes = BTreeMap::new();
    let all: BTreeSet<&String> = stack.volumes.iter().map(|spec| &spec.name).chain(&stack.external_volumes).collect();
    // Keys that the file had are kept, so that the volume of each is found again.
    for name in &all {
        if let Some(key) = stack.volume_keys.get(*name) {
            volumes.insert((*name).clone(), key.clone());
        }
    }
    for name in all {
        if !volumes.contains_key(name) {
            let key = name.strip_prefix(&format!("{}_", stack.project)).filter(|key| !key.is_empty()).unwrap_or(name);
            volumes.insert(name.clone(), free(&volumes, key));
        }
    }
    let containers = stack
        .units
        .values()
        .map(|unit| {
            // Dokku names the first container of an app's web process so.
            let name = if unit.form == Form::App { format!("{}.web.1", unit.resource) } else { unit.resource.clone() };
            (name, unit.name.clone())
        })
        .collect();
    Names { networks, volumes, containers }
}

/// A key that the specification takes and nobody has.
fn free(taken: &BTreeMap<String, String>, wanted: &str) -> String {
    let mut key: String =
        wanted.chars().filter(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')).collect();
    while key.is_empty() || taken.values().any(|other| *other == key) {
        key.push('_');
    }
    key
}

/// Two services of a file cannot publish one port of the host; behind Dokku's proxy they can, by name. The first
/// keeps it, the others name none, which an import takes for port 80 of the proxy.
fn share_ports(ports: &mut [Port], published: &mut BTreeSet<String>, notes: &mut Vec<String>) {
    let mut mine = BTreeSet::new();
    for port in ports.iter_mut().filter(|port| to_proxy(port)) {
        let Some(host) = port.published.clone() else { continue };
        if published.contains(&host) {
            if host != "80" {
                notes.push(format!("the proxy serves it on port {host} too, which another service publishes"));
            }
            port.published = None;
        } else {
            mine.insert(host);
        }
    }
    published.extend(mine);
}

fn declare_network(stack: &Stack, names: &Names, spec: &NetworkSpec, project: &mut Project) {
    let key = &names.networks[&spec.name];
    let own = spec.name == format!("{}_{key}", stack.project);
    let labels = spec.labels.iter().filter(|(name, _)| !matches!(name.as_str(), PROJECT_LABEL | NETWORK_LABEL));
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let network = Network {
        name: (!own).then(|| spec.name.clone()),
        driver: given(&spec.driver),
        driver_opts: spec.options.clone().into_iter().collect(),
        internal: spec.internal,
        enable_ipv6: spec.ipv6.then_some(true),
        labels: labels.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ipam: Ipam {
            driver: given(&spec.ipam_driver),
            config: spec
                .ipam
                .iter()
                .map(|pool| IpamPool {
                    subnet: given(&pool.subnet),
                    gateway: given(&pool.gateway),
                    ip_range: given(&pool.ip_range),
                    aux_addresses: pool.aux_addresses.clone().into_iter().collect(),
                    ..IpamPool::default()
                })
                .collect(),
            options: spec.ipam_options.clone().into_iter().collect(),
            ..Ipam::default()
        },
        ..Network::default()
    };
    // The default network needs no words where nothing is said of it.
    if key != "default" || network != Network::default() {
        project.networks.insert(key.clone(), network);
    }
}

fn volume(spec: &VolumeSpec) -> Volume {
    let labels = spec.labels.iter().filter(|(name, _)| name.as_str() != PROJECT_LABEL);
    Volume {
        name: Some(spec.name.clone()),
        driver: Some(spec.driver.clone()).filter(|driver| !driver.is_empty()),
        driver_opts: spec.options.clone().into_iter().collect(),
        labels: labels.map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..Volume::default()
    }
}

/// What no key says, and what a plain `docker compose` does without it.
fn extension(stack: &Stack, unit: &Unit, service: &Service, notes: &mut Vec<String>) -> Map<String, Value> {
    let mut out = Map::new();
    if unit.form != expected(stack, unit) {
        out.insert("as".into(), json!(unit.form.word()));
    }
    let only = &unit.dokku;
    if let Some(app) = &only.app {
        out.insert("app".into(), json!(app));
    }
    if !only.domains.is_empty() {
        notes.push("x-dokku.domains: docker compose serves published ports only, under no name".into());
        out.insert("domains".into(), json!(only.domains));
    }
    if !only.options.is_empty() {
        notes.push("x-dokku.docker-options: docker compose starts it without these options".into());
        out.insert("docker-options".into(), json!(only.options));
    }
    if !only.cron.is_empty() {
        notes.push(
            "x-dokku.cron: docker compose runs nothing by the clock; an import keeps app.json out of it too".into(),
        );
        let tasks: Vec<Value> =
            only.cron.iter().map(|(schedule, command)| json!({ "schedule": schedule, "command": command })).collect();
        out.insert("cron".into(), Value::Array(tasks));
    }
    let natural = crate::map::gate_of(service);
    if let Some(gate) = unit.gate.as_ref().filter(|gate| **gate != natural) {
        let checks = match gate {
            Gate { healthy: false, settle: 0, .. } => json!(false),
            Gate { limit, settle, .. } => json!({ "limit": limit, "settle": settle }),
        };
        out.insert("checks".into(), checks);
    }
    if !only.ports.is_empty() {
        notes.push("x-dokku.ports: docker compose has no proxy with certificates".into());
        out.insert("ports".into(), json!(only.ports));
    }
    out
}

/// What an import would make of the service by itself (the rules of the mapping).
fn expected(stack: &Stack, unit: &Unit) -> Form {
    let awaited = stack.units.values().any(|other| other.needs.get(&unit.name) == Some(&Need::Completed));
    let restart_no = unit.form == Form::Job || unit.spec.restart == "no";
    if awaited || (restart_no && unit.ports.is_empty()) {
        return Form::Job;
    }
    let shares = [&unit.spec.network_mode, &unit.spec.pid, &unit.spec.ipc];
    if shares.into_iter().any(|mode| mode.starts_with("container:")) {
        return Form::Container;
    }
    match &unit.origin {
        Origin::Image { image, .. } if datastores::of_image(image).is_some() => Form::Container,
        _ => Form::App,
    }
}
