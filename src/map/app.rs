//! A service as a Dokku app: what Dokku expresses itself, and the rest as `docker-options`.

use std::collections::BTreeMap;

use super::context::Context;
use super::extension::Extension;
use super::options::{self, Builder, Lists};
use super::ports::{self, Ports};
use super::proxy_labels::{self, Routing};
use super::resources::{AppHooks, AppSpec, DockerOptions, FileTree, Source, UpdateOrder};
use super::{build, container, health, hooks, secrets};
use crate::docker::ContainerSpec;
use crate::dokku;
use crate::model::Service;

/// The app of a service; `None` where an error was reported that leaves nothing to plan.
///
/// `files` gets the file of those variables that Dokku's own would change.
pub(super) fn map(
    ctx: &Context<'_>,
    service: &Service,
    spec: ContainerSpec,
    files: &mut Vec<FileTree>,
    extension: &Extension,
    primary: bool,
    by_engine: bool,
) -> Option<AppSpec> {
    let app = spec.name.clone();
    let mut image_build = None;
    let (source, build_options) = match (&service.build, &service.image) {
        (Some(build), _) if by_engine => {
            let (spec, _) = build::image(ctx, service, build, files)?;
            let source = Source::Image { image: spec.tag.clone(), pull: false, platform: String::new() };
            image_build = Some(spec);
            (source, Vec::new())
        }
        (Some(build), _) => build::archive(ctx, service, build, files)?,
        (None, Some(image)) => {
            let pull = container::pulled(ctx, service);
            (Source::Image { image: image.clone(), pull, platform: spec.platform.clone() }, Vec::new())
        }
        (None, None) => return None,
    };
    let image = service.image.clone().unwrap_or_default();
    let gate = health::gate(service, extension.checks);
    let routing = proxy_labels::read(service);
    proxy_labels::report(ctx, service, &routing);
    let mut build = Builder { ctx, service, lists: Lists::default() };
    let ports = ports::ports(&mut build, extension, &routing, primary);
    let mut build = build.lists;
    let publishes = build.deploy.iter().any(|option| option.starts_with("--publish"));
    let scale = service.scale.or_else(|| service.deploy.as_ref().and_then(|deploy| deploy.replicas));
    if publishes && scale.is_some_and(|scale| scale > 1) {
        ctx.error(
            "replicas-with-host-port",
            &format!("services.{}.ports", service.name),
            "several replicas cannot hold one port of the host",
            "publish an HTTP port, which the proxy spreads, or use one replica",
        );
    }
    let order = order(service, publishes);
    let mut properties = properties(ctx, service, &spec, &source, &ports);
    let copies = spec.copies.clone();
    if spec.networks.first().is_some_and(|(_, endpoint)| !endpoint.options.is_empty()) {
        // Dokku joins the first network itself, by its name alone.
        let key = service.networks_by_priority().first().map_or("", |key| *key).to_owned();
        ctx.not_done(
            &format!("services.{}.networks.{key}.driver_opts", service.name),
            "Dokku joins an app's first network without options",
            "give another network a higher priority, or x-dokku: {as: container}",
        );
    }
    let (config, resources, mounts, networks) = options::settings(&mut build, spec, &mut properties);
    if !build.env_file.is_empty() {
        let tree = secrets::environment(ctx, &service.name, std::mem::take(&mut build.env_file));
        build.both("--env-file", &tree.target.to_string_lossy());
        files.push(tree);
    }
    let mut stored = DockerOptions { build: Vec::new(), deploy: build.deploy, run: build.run };
    for (flag, value) in build_options {
        stored.build.push(options::join(&flag, &value));
    }
    for (phase, option) in &extension.options {
        match *phase {
            "build" => stored.build.push(option.clone()),
            "run" => stored.run.push(option.clone()),
            _ => stored.deploy.push(option.clone()),
        }
    }
    for list in [&mut stored.build, &mut stored.deploy, &mut stored.run] {
        list.sort();
        list.dedup();
    }
    options::check_options(ctx, service, &stored);
    let own = hooks::file(ctx, service);
    let digest = own.as_ref().map(|tree| tree.digest.clone()).unwrap_or_default();
    let stop_first = own.is_some() && order == UpdateOrder::StopFirst;
    files.extend(own);
    Some(AppSpec {
        image_id: ctx
            .images
            .get(&image)
            .filter(|_| service.build.is_none())
            .map(|facts| facts.id.clone())
            .unwrap_or_default(),
        source,
        config,
        options: stored,
        properties,
        mounts,
        ports: ports.map,
        domains: domains(ctx, primary && ports.proxied, extension, &routing),
        scale: scale.map(|scale| u32::try_from(scale).unwrap_or(u32::MAX)),
        order,
        resources,
        hooks: AppHooks {
            project: ctx.project.to_owned(),
            service: service.name.clone(),
            networks,
            gate,
            copies,
            hooks: digest,
            stop_first,
            // Known once all services are.
            reloads: Vec::new(),
        },
        // Start-first apps pass the gate in the `check-deploy` trigger, before the old container goes.
        await_gate: order == UpdateOrder::StopFirst,
        build: image_build,
        app,
    })
}

/// The primary service also answers at the project's own name.
fn domains(ctx: &Context<'_>, primary: bool, extension: &Extension, routing: &Routing) -> Vec<String> {
    let own = ctx.domains.iter().filter(|_| primary).map(|domain| format!("{}.{domain}", ctx.project));
    let mut out: Vec<String> = Vec::new();
    for domain in own.chain(extension.domains.iter().cloned()).chain(routing.domains.iter().cloned()) {
        if !out.contains(&domain) {
            out.push(domain);
        }
    }
    out
}

/// Without `update_config.order`: host ports cannot be held twice, all else starts first.
fn order(service: &Service, publishes: bool) -> UpdateOrder {
    let asked =
        service.deploy.as_ref().and_then(|deploy| deploy.update_config.as_ref()).and_then(|update| update.order);
    let fixed_address = service.networks.values().flatten().any(|network| {
        network.ipv4_address.is_some() || network.ipv6_address.is_some() || network.mac_address.is_some()
    }) || service.mac_address.is_some();
    let host = service.network_mode.as_deref() == Some("host");
    match asked {
        _ if publishes || fixed_address || host => UpdateOrder::StopFirst,
        Some(crate::model::UpdateOrder::StopFirst) => UpdateOrder::StopFirst,
        _ => UpdateOrder::StartFirst,
    }
}

fn properties(
    ctx: &Context<'_>,
    service: &Service,
    spec: &ContainerSpec,
    source: &Source,
    ports: &Ports,
) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut set = |name: &str, value: &str| drop(out.insert(name.to_owned(), value.to_owned()));
    set("network.bind-all-interfaces", "false");
    set("builder.selected", "dockerfile");
    set("builder.skip-cleanup", "true");
    // A Procfile or app.json that happens to be in an image or context must not replace the command.
    set("ps.procfile-path", ".dokku-compose-none");
    set("app-json.appjson-path", ".dokku-compose-none");
    set("scheduler-docker-local.init-process", if spec.init == Some(true) { "true" } else { "false" });
    if !ports.proxied {
        set("proxy.disabled", "true");
    }
    if let Some((first, _)) = spec.networks.first() {
        set("network.initial-network", first);
    } else if matches!(spec.network_mode.as_str(), "host" | "none") {
        set("network.initial-network", &spec.network_mode);
    }
    let restart = if spec.restart.is_empty() { "" } else { spec.restart.as_str() };
    if !restart.is_empty() {
        set("ps.restart-policy", restart);
    }
    // Compose's default is 10 seconds, Dokku's 30.
    set("ps.stop-timeout-seconds", &spec.stop_timeout.unwrap_or(10).to_string());
    if let Source::Archive { dockerfile, dockerfile_inline: None, .. } = source
        && dockerfile != "Dockerfile"
    {
        set("builder-dockerfile.dockerfile-path", dockerfile);
    }
    if let Some(command) = start_command(ctx, service, spec) {
        set("ps.dockerfile-start-cmd", &command);
    }
    out
}

/// CMD and what is left of ENTRYPOINT after its first word, in the form that Dokku's `xargs` splits.
fn start_command(ctx: &Context<'_>, service: &Service, spec: &ContainerSpec) -> Option<String> {
    let entry = spec.entrypoint.iter().flatten().skip(1);
    let words: Vec<&String> = entry.chain(spec.command.iter().flatten()).collect();
    match dokku::quote_command(&words) {
        Ok(command) => Some(command).filter(|command| !command.is_empty()),
        Err(error) => {
            ctx.error("not-expressible", &format!("services.{}.command", service.name), error.to_string(), "");
            None
        }
    }
}
