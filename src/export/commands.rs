//! An app as the Dokku commands that would make it, in the order in which they are run.

use std::collections::BTreeMap;

use super::project::NETWORK_LABEL;
use super::stack::{Stack, Unit};
use crate::docker::NetworkSpec;
use crate::dokku::{self, Call, NotExpressible};
use crate::hashed::IndexMap;
use crate::map::resources::AppMount;
use crate::observe::ObservedApp;
use crate::plan::raw::PROJECT_LABEL;
use crate::secret::Secret;

/// The commands that set up the app of `unit`, its variables and its source apart; what no command says is a note.
pub(super) fn settings(stack: &Stack, unit: &Unit, now: &ObservedApp, notes: &mut Vec<String>) -> Vec<Call> {
    let app = unit.resource.as_str();
    let mut out = Calls { calls: Vec::new(), notes };
    for (name, value) in &now.properties {
        let (plugin, key) = name.split_once('.').unwrap_or((name, ""));
        out.put(dokku::property::set(plugin, app, key, Some(value)));
    }
    for (phase, options) in options(now) {
        for option in options {
            if of_link(stack, unit, option) {
                continue;
            }
            if secret_option(option) {
                let name = option.split('=').take(2).collect::<Vec<_>>().join("=");
                out.notes.push(format!("{name} of {app} is secret: no command line may hold it, set it yourself"));
                continue;
            }
            out.put(stored(option).map(|option| dokku::options::add(app, &[phase], &[option])));
        }
    }
    for mount in &now.mounts {
        out.put(dokku::storage::mount_path(app, &mount.source, &mount_of(mount)));
    }
    for (kind, amounts) in [("limit.", amounts(now, "limit.")), ("reserve.", amounts(now, "reserve."))] {
        if !amounts.is_empty() {
            let limit = kind == "limit.";
            out.put(if limit {
                dokku::resource::limit(app, &amounts)
            } else {
                dokku::resource::reserve(app, &amounts)
            });
        }
    }
    match now.checks.as_str() {
        "skipped" => out.calls.push(dokku::checks::skip(app, &[])),
        "disabled" => out.calls.push(dokku::checks::disable(app, &[])),
        _ => {}
    }
    let ports: Vec<dokku::ports::PortMap> = now.ports.iter().filter_map(|port| port.parse().ok()).collect();
    if !ports.is_empty() {
        out.calls.push(dokku::ports::set(app, &ports));
    }
    if !now.domains_enabled {
        out.calls.push(dokku::domains::disable(app));
    }
    let added = added_domains(stack, unit, now);
    if !added.is_empty() {
        out.calls.push(dokku::domains::add(app, &added));
    }
    let scale = scale(unit, now);
    if !scale.is_empty() {
        out.calls.push(dokku::ps::scale(app, scale));
    }
    out.calls
}

/// Whether a network is one that `network:create` makes.
pub(super) fn plain_network(spec: &NetworkSpec) -> bool {
    let plain = NetworkSpec {
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        attachable: spec.attachable,
        ..NetworkSpec::default()
    };
    *spec == plain && spec.labels.keys().all(|name| name == PROJECT_LABEL || name == NETWORK_LABEL)
}

/// Whether an option is what linking a datastore writes.
pub(super) fn of_link(stack: &Stack, unit: &Unit, option: &str) -> bool {
    let ends = |store: &Unit| store.datastore_host().is_some_and(|host| option.ends_with(&format!(":{host}")));
    option.starts_with("--link") && stack.datastores(unit).any(ends)
}

/// The variables that somebody set: without Dokku's own and those that linking a datastore writes.
pub(super) fn variables(stack: &Stack, unit: &Unit, now: &ObservedApp) -> IndexMap<String, Secret> {
    let hosts: Vec<String> = stack.datastores(unit).filter_map(Unit::datastore_host).collect();
    let linked = |value: &Secret| {
        hosts.iter().any(|host| value.expose().is_some_and(|text| text.contains(&format!("@{host}:"))))
    };
    let mut out = super::app::variables(now);
    out.retain(|_, value| !linked(value));
    out
}

struct Calls<'a> {
    calls: Vec<Call>,
    notes: &'a mut Vec<String>,
}

impl Calls<'_> {
    fn put(&mut self, call: Result<Call, NotExpressible>) {
        match call {
            Ok(call) => self.calls.push(call),
            Err(error) => self.notes.push(error.to_string()),
        }
    }
}

/// Options by phase.
pub(super) fn options(now: &ObservedApp) -> [(dokku::options::Phase, &Vec<String>); 3] {
    use dokku::options::Phase;
    [(Phase::Build, &now.options.build), (Phase::Deploy, &now.options.deploy), (Phase::Run, &now.options.run)]
}

/// Whether an option holds a value that no command line may show.
pub(super) fn secret_option(option: &str) -> bool {
    let Some((flag, pair)) = option.split_once(['=', ' ']) else { return false };
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    matches!(flag, "--build-arg" | "--env" | "-e")
        && !value.is_empty()
        && (crate::secret::is_telling(name) || crate::secret::url_password(value).is_some())
}

/// An option as Dokku's tokeniser takes it.
pub(super) fn stored(option: &str) -> Result<String, NotExpressible> {
    match option.split_once('=') {
        Some((flag @ ("--memory" | "--memory-swap"), value)) => dokku::spaced_option(flag, value),
        Some((flag, value)) if !flag.contains(' ') => dokku::quote_option(flag, value),
        _ => Ok(option.to_owned()),
    }
}

fn mount_of(mount: &AppMount) -> dokku::storage::Mount {
    let words = mount.options.split(',').filter(|word| !word.is_empty());
    dokku::storage::Mount {
        container_path: mount.target.clone(),
        phases: Vec::new(),
        read_only: words.clone().any(|word| word == "ro"),
        options: words.filter(|word| *word != "ro").map(str::to_owned).collect(),
    }
}

/// Containers by process type, where they differ from one of `web`.
pub(super) fn scale<'a>(unit: &'a Unit, now: &ObservedApp) -> BTreeMap<&'a str, u32> {
    let web = (now.scale != 1 || !unit.processes.is_empty()).then_some(("web", now.scale));
    web.into_iter().chain(unit.processes.iter().map(|(name, count)| (name.as_str(), *count))).collect()
}

/// Amounts of one kind, `limit.` or `reserve.`.
pub(super) fn amounts(now: &ObservedApp, kind: &str) -> BTreeMap<String, String> {
    let of = |(name, value): (&String, &String)| Some((name.strip_prefix(kind)?.to_owned(), value.clone()));
    now.resources.iter().filter_map(of).collect()
}

/// Domains beyond those that the server gives the app by itself.
pub(super) fn added_domains<'a>(stack: &Stack, unit: &Unit, now: &'a ObservedApp) -> Vec<&'a str> {
    let given = |domain: &str| {
        domain
            .strip_prefix(&format!("{}.", unit.resource))
            .is_some_and(|rest| stack.domains.iter().any(|one| one == rest))
    };
    now.domains.iter().map(String::as_str).filter(|domain| !given(domain)).collect()
}
