//! The project to desired resources: what each service becomes and why. Talks to no server.

pub mod addresses;
mod app;
mod build;
mod classify;
mod container;
mod context;
pub mod datastores;
mod devices;
pub mod extension;
pub mod fates;
mod health;
pub mod hooks;
mod host_ports;
pub mod http;
pub mod ignore;
pub mod names;
mod networks;
pub mod options;
pub mod policy;
mod ports;
pub mod precheck;
mod proxy_labels;
pub mod pushed;
mod raw;
mod relations;
mod reload;
pub mod resources;
mod secrets;
mod storage;
pub mod transform;
pub mod tree;

use std::collections::{BTreeMap, BTreeSet};

use crate::hashed::IndexMap;
pub use build::is_remote;
pub use context::{Context, Findings};
pub use health::gate_of;
use relations::Relations;
use resources::{CarrySource, Desired, DesiredService, Kind, Need, StoreSpec};
pub use secrets::variable as secret_variable;
pub use storage::volume_of;

use crate::model::{Condition, Service};
use classify::Form;

/// What the project asks of the server. Findings, errors among them, are in the context.
pub fn map(ctx: &Context<'_>) -> Desired {
    let mut relations = Relations::read(ctx.compose);
    let names = app_names(ctx);
    let forms: IndexMap<&str, (Form, String)> = ctx
        .compose
        .services
        .values()
        .filter_map(|service| {
            let form = classify::form(ctx, &relations, service, &names[&service.name])?;
            Some((service.name.as_str(), form))
        })
        .collect();
    relations.name_containers(&names, &forms);
    let primary = primary(ctx, &forms);
    let imported = |name: &str| forms.contains_key(name);
    let builds = build::Builds::read(ctx, &imported);
    let mut volumes = storage::Named::new();
    let mut desired = Desired { project: ctx.project.to_owned(), ..Desired::default() };
    desired.services.reserve(forms.len());
    for name in in_order(ctx, &forms) {
        let (Some(service), Some((form, why))) = (ctx.compose.services.get(name), forms.get(name)) else {
            continue;
        };
        policy::check(ctx, service);
        let extension = extension::read(ctx, service);
        let mut mapped = container::map(ctx, &relations, service, &names[name]);
        let on: BTreeSet<String> = mapped.spec.networks.iter().map(|(network, _)| network.clone()).collect();
        let first = primary.as_deref() == Some(name);
        let (form, why, store, carry) = settled(ctx, service, *form, why, &mapped, &names[name]);
        let kind = match form {
            Form::App => {
                let engine = builds.by_engine(name).is_some();
                app::map(ctx, service, mapped.spec, &mut mapped.files, &extension, first, engine)
                    .map(|app| Kind::App(Box::new(app)))
            }
            Form::Container => raw::map(ctx, service, mapped.spec, &mut mapped.files, &extension, false)
                .map(|raw| Kind::Container(Box::new(raw))),
            Form::Job => raw::map(ctx, service, mapped.spec, &mut mapped.files, &extension, true)
                .map(|raw| Kind::Job(Box::new(raw))),
            Form::Datastore(_) => {
                // The plugin has places of its own for data, secrets and scripts.
                (mapped.files, mapped.volumes) = Default::default();
                store.map(|store| Kind::Datastore(Box::new(store)))
            }
        };
        let Some(kind) = kind else { continue };
        for (name, labels) in &mapped.volumes {
            volumes.entry(name.clone()).or_default().extend(labels.clone());
        }
        let service = DesiredService {
            name: name.to_owned(),
            why: match builds.by_engine(name) {
                Some(build::Engine::Shared) => {
                    format!("{why}, built once with {}", builds.others(name))
                }
                _ => why,
            },
            needs: needs(ctx, service, &forms, &desired),
            restarts_with: restarts_with(service, &forms),
            files: mapped.files,
            networks: on,
            volumes: mapped.volumes.keys().cloned().collect(),
            carry,
            kind,
        };
        desired.services.insert(name.to_owned(), service);
    }
    datastores::reach(&mut desired.services);
    datastores::check(ctx, &desired.services);
    datastores::uses(ctx, &mut desired.services);
    let networks = unique(desired.services.values().flat_map(|service| service.networks.iter().cloned()));
    (desired.networks, desired.external_networks) = networks::declared(ctx, &networks);
    (desired.volumes, desired.external_volumes, desired.volume_names) = storage::declared(ctx, &volumes);
    domains(ctx, &mut desired);
    reload::assign(ctx, &mut desired);
    host_ports::check(ctx, &desired);
    addresses::check(ctx, &desired);
    let imported = desired.services.keys().map(String::as_str).collect();
    ctx.findings.count(fates::account(ctx, &imported));
    desired
}

/// What a service is once all of it is read: a datastore whose settings the plugin cannot keep is a container.
fn settled(
    ctx: &Context<'_>,
    service: &Service,
    form: Form,
    why: &str,
    mapped: &container::Mapped,
    name: &str,
) -> (Form, String, Option<StoreSpec>, Option<CarrySource>) {
    let Form::Datastore(row) = form else { return (form, why.to_owned(), None, None) };
    match datastores::spec(ctx, service, row, mapped, name) {
        Ok((store, carry)) => (form, why.to_owned(), Some(store), carry),
        Err(reason) => {
            let image = service.image.as_deref().unwrap_or_default();
            let why = classify::because(ctx, service, &format!("image {image}, a {} database", row.plugin), &reason);
            classify::changed(ctx, service, Form::Container, &why);
            (Form::Container, why, None, None)
        }
    }
}

fn unique(items: impl Iterator<Item = String>) -> BTreeSet<String> {
    items.collect()
}

/// App or container name of every service: `x-dokku.app`, else by the rule of [`names`].
fn app_names(ctx: &Context<'_>) -> BTreeMap<String, String> {
    let mut out = names::apps(ctx.project, ctx.compose.services.keys().map(String::as_str), ctx.reserved);
    // A name once given is kept, also where somebody renamed the app.
    for (service, before) in ctx.remembered.iter().flat_map(|last| &last.services) {
        if ctx.compose.services.contains_key(service) {
            out.insert(service.clone(), before.kind.resource_name().to_owned());
        }
    }
    for service in ctx.compose.services.values() {
        let wanted =
            service.extensions.get("x-dokku").and_then(|value| value.get("app")).and_then(serde_json::Value::as_str);
        if let Some(wanted) = wanted {
            let path = format!("services.{}.x-dokku.app", service.name);
            if !names::valid_project(wanted) {
                ctx.error(
                    "invalid-name",
                    &path,
                    format!("{wanted} cannot be an app name"),
                    "use lower-case letters, digits and -",
                );
            } else if out.iter().any(|(other, name)| name == wanted && *other != service.name) || wanted == ctx.project
            {
                ctx.error("name-taken", &path, format!("{wanted} is taken in this project already"), "choose another");
            } else {
                out.insert(service.name.clone(), wanted.to_owned());
            }
        }
    }
    out
}

/// The service that also answers at the project's own domain.
fn primary(ctx: &Context<'_>, forms: &IndexMap<&str, (Form, String)>) -> Option<String> {
    let http = |service: &Service| {
        let named = service.extensions.get("x-dokku").is_some_and(|value| value.get("domains").is_some());
        if named || !proxy_labels::read(service).domains.is_empty() {
            return true;
        }
        service.ports.iter().any(|port| matches!(http::route(service, port), http::Route::Proxy(_)))
    };
    let apps = || {
        ctx.compose
            .services
            .values()
            .filter(|service| forms.get(service.name.as_str()).is_some_and(|(form, _)| *form == Form::App))
    };
    let labelled =
        apps().find(|service| service.labels.get("com.dokku.primary-image").is_some_and(|value| value == "true"));
    if let Some(service) = labelled {
        return Some(service.name.clone());
    }
    if let Some(web) = apps().find(|service| service.name == "web" && http(service)) {
        return Some(web.name.clone());
    }
    let mut candidates = apps().filter(|service| http(service));
    let first = candidates.next()?;
    candidates.next().is_none().then(|| first.name.clone())
}

/// Services so that each comes after what it waits for: first those that wait for nothing, then those that wait for
/// them only, and so on, each group by name. A cycle was refused by the loader; its services would come last.
fn in_order<'a>(ctx: &'a Context<'_>, forms: &IndexMap<&'a str, (Form, String)>) -> Vec<&'a str> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for name in forms.keys().copied() {
        let needed = ctx.compose.services[name].depends_on.keys().filter(|other| forms.contains_key(other.as_str()));
        open.insert(name, 0);
        for other in needed {
            dependents.entry(other).or_default().push(name);
            open.entry(name).and_modify(|count| *count += 1);
        }
    }
    let mut out = Vec::with_capacity(forms.len());
    let mut ready: Vec<&str> = open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while !ready.is_empty() {
        let mut next = Vec::new();
        for name in &ready {
            open.remove(name);
            for dependent in dependents.get(name).into_iter().flatten() {
                if let Some(count) = open.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        next.push(*dependent);
                    }
                }
            }
        }
        out.append(&mut ready);
        next.sort_unstable();
        ready = next;
    }
    out.extend(open.into_keys());
    out
}

fn needs(
    ctx: &Context<'_>,
    service: &Service,
    forms: &IndexMap<&str, (Form, String)>,
    desired: &Desired,
) -> IndexMap<String, Need> {
    let mut out = IndexMap::default();
    for (other, dependency) in &service.depends_on {
        let path = format!("services.{}.depends_on.{other}", service.name);
        if !forms.contains_key(other.as_str()) {
            if dependency.required && ctx.compose.services.contains_key(other) {
                ctx.approximated(&path, &format!("{other} is left out, nothing waits for it"), "");
            }
            continue;
        }
        let job = forms.get(service.name.as_str()).is_some_and(|(form, _)| *form == Form::Job);
        if dependency.restart && job && !implied(service, other) {
            let how = format!("{} is a job: it is not run again when {other} restarts", service.name);
            ctx.approximated(&format!("{path}.restart"), &how, "");
        }
        let need = match dependency.condition {
            Condition::Started => Need::Started,
            Condition::Healthy => Need::Healthy,
            Condition::CompletedSuccessfully => Need::Completed,
        };
        let answers = desired.services.get(other).is_some_and(|other| matches!(other.kind, Kind::Datastore(_)));
        let checked = answers
            || ctx.compose.services.get(other).is_some_and(|other| {
                let own =
                    other.healthcheck.as_ref().is_some_and(|check| !check.test.is_empty() && !check.is_disabled());
                let image = other.image.as_ref().and_then(|image| ctx.images.get(image));
                own || other.build.is_some() || image.is_none_or(|facts| facts.healthcheck)
            });
        if need == Need::Healthy && !checked {
            let message =
                format!("{other} has no health check: {} waits until it has stayed up for a moment", service.name);
            ctx.report(
                crate::diag::Severity::Warning,
                "no-healthcheck",
                &path,
                message,
                &format!("give {other} a healthcheck"),
            );
        }
        out.insert(other.clone(), need);
    }
    out
}

/// Whether a dependency was not written but follows from a shared namespace, a link or borrowed volumes.
fn implied(service: &Service, other: &str) -> bool {
    let first = |text: &String| text.split(':').next() == Some(other);
    let modes = [&service.network_mode, &service.pid, &service.ipc];
    let shares = modes.into_iter().flatten().any(|mode| mode.strip_prefix("service:") == Some(other));
    shares || service.links.iter().any(first) || service.volumes_from.iter().any(first)
}

/// The services with which one is restarted: those of which it says so itself, or shares a namespace, or links.
fn restarts_with(service: &Service, forms: &IndexMap<&str, (Form, String)>) -> BTreeSet<String> {
    if forms.get(service.name.as_str()).is_some_and(|(form, _)| *form == Form::Job) {
        return BTreeSet::new();
    }
    let wanted = service.depends_on.iter().filter(|(other, of)| of.restart && forms.contains_key(other.as_str()));
    wanted.map(|(other, _)| other.clone()).collect()
}

/// A domain is one app's: the first service in the file that asks for it has it.
fn domains(ctx: &Context<'_>, desired: &mut Desired) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for name in ctx.compose.services.keys() {
        let Some(service) = desired.services.get_mut(name) else { continue };
        let Kind::App(app) = &mut service.kind else { continue };
        app.domains.retain(|domain| {
            let Some(first) = taken.get(domain) else {
                taken.insert(domain.clone(), name.clone());
                return true;
            };
            ctx.report(
                crate::diag::Severity::Warning,
                "domain-taken",
                &format!("services.{name}"),
                format!("{name} does not get the domain {domain}, which is {first}'s"),
                "give one of them another domain",
            );
            false
        });
    }
}
