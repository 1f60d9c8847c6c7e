//! A Dokku app back to the engine's terms: the inverse of the mapping of an app.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::options::{self, Parsed};
use super::stack::{DokkuOnly, Form, Origin, Unit};
use crate::docker::{EndpointSpec, ImageBuildSpec};
use crate::dokku::command_words;
use crate::hashed::IndexMap;
use crate::map::resources::{AppSpec, DesiredService, FileContent, Source, UpdateOrder};
use crate::model::Port;
use crate::observe::ObservedApp;
use crate::secret::{DigestKey, Secret};

/// What is asked of an app's export.
pub struct Asked<'a> {
    /// Compose name.
    pub service: &'a str,
    /// App name.
    pub app: &'a str,
    /// The app as it is.
    pub now: &'a ObservedApp,
    /// What an import asked of it; `None` for an app that was made by hand.
    pub remembered: Option<(&'a DesiredService, &'a AppSpec)>,
    /// Texts of values that are remembered as digests, by digest.
    pub secrets: &'a BTreeMap<String, String>,
    /// Where an app's image comes from that nobody imported.
    pub origin: Option<Origin>,
    /// Names that the app answers at without being told: its own below the server's domains.
    pub given_domains: &'a [String],
    /// Key of digests.
    pub key: &'a DigestKey,
}

impl Asked<'_> {
    /// Options with the variables of the plugin's own `--env-file` in their place.
    fn spelled_out(&self, options: &[String]) -> Vec<String> {
        let files = self.remembered.iter().flat_map(|(service, _)| &service.files);
        let texts: BTreeMap<String, &str> = files
            .filter_map(|tree| match &tree.content {
                FileContent::Inline { text } => {
                    let known = self.secrets.get(text.digest()).map(String::as_str);
                    Some((format!("--env-file={}", tree.target.display()), text.expose().or(known)?))
                }
                FileContent::Path { .. } | FileContent::Empty => None,
            })
            .collect();
        let spelled = options.iter().flat_map(|option| match texts.get(option) {
            Some(text) => text.lines().map(|line| format!("--env={line}")).collect(),
            None => vec![option.clone()],
        });
        spelled.collect()
    }
}

/// The service that an app is.
pub fn unit(asked: &Asked<'_>) -> Unit {
    let now = asked.now;
    let Parsed { mut spec, ports: published, mut endpoint, rest } =
        options::parse(&asked.spelled_out(&now.options.deploy), asked.key);
    let mut dokku = DokkuOnly::default();
    leftover(&mut dokku, "deploy", rest);
    let only_run: Vec<String> =
        now.options.run.iter().filter(|option| !now.options.deploy.contains(option)).cloned().collect();
    leftover(&mut dokku, "run", only_run);

    for (name, value) in &now.config {
        if !own_variable(name) {
            spec.environment.insert(name.clone(), value.clone());
        }
    }
    let mut ports = published;
    let proxied = now.properties.get("proxy.disabled").is_none_or(|value| value != "true");
    proxy_ports(now, proxied, &mut ports, &mut dokku);
    if let (false, Some(port)) = (proxied, now.ports.first().and_then(|port| port.rsplit(':').next())) {
        // Behind no proxy a port map only says what PORT shall be.
        spec.environment.insert("PORT".into(), Secret::new(port, asked.key));
    }
    spec.mounts
        .extend(now.mounts.iter().map(|mount| options::plain_mount(&mount.source, &mount.target, &mount.options)));
    spec.copies = asked.remembered.map(|(_, app)| app.hooks.copies.clone()).unwrap_or_default();
    properties(now, &mut spec);
    resources(now, &mut spec);
    networks(asked, &mut spec, &mut endpoint);
    if !now.domains.is_empty() && now.domains_enabled && proxied {
        dokku.domains = now.domains.iter().filter(|domain| !asked.given_domains.contains(domain)).cloned().collect();
    }
    let scale = match asked.remembered {
        Some((_, app)) if app.scale.is_none() && now.scale == 1 => None,
        None if now.scale == 1 => None,
        _ => Some(now.scale),
    };
    let fixed = spec.networks.iter().any(|(_, at)| !at.ipv4.is_empty() || !at.ipv6.is_empty() || !at.mac.is_empty());
    let implied = ports.iter().any(|port| !to_proxy(port)) || fixed || spec.network_mode == "host";
    let order = (now.checks == "disabled" && !implied).then_some(UpdateOrder::StopFirst);
    let build = build(&now.options.build, asked.key, &mut dokku);
    Unit {
        name: asked.service.to_owned(),
        resource: asked.app.to_owned(),
        form: Form::App,
        origin: origin(asked, build),
        spec,
        ports,
        needs: asked.remembered.map(|(service, _)| service.needs.clone()).unwrap_or_default(),
        scale,
        order,
        gate: asked.remembered.map(|(_, app)| app.hooks.gate.clone()),
        dokku,
        app: Some(Box::new(now.clone())),
        notes: Vec::new(),
        ..Unit::default()
    }
}

fn leftover(dokku: &mut DokkuOnly, phase: &str, options: Vec<String>) {
    if !options.is_empty() {
        dokku.options.insert(phase.to_owned(), options);
    }
}

/// Variables that Dokku itself keeps beside the app's.
fn own_variable(name: &str) -> bool {
    name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_")
}

/// Whether a port of the exported file is the proxy's.
pub(super) fn to_proxy(port: &Port) -> bool {
    port.app_protocol.as_deref() == Some("http")
}

/// The port map of the proxy. Port 80 without a host port named is what an import makes of it; two services of one
/// file cannot both name it.
fn proxy_ports(now: &ObservedApp, proxied: bool, ports: &mut Vec<Port>, dokku: &mut DokkuOnly) {
    if !proxied {
        return;
    }
    for entry in &now.ports {
        let mut parts = entry.split(':');
        let (Some(scheme), Some(host), Some(target)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (Ok(target), "http") = (target.parse(), scheme) else {
            dokku.ports.push(entry.clone());
            continue;
        };
        ports.push(Port {
            mode: Some("ingress".into()),
            target,
            published: Some(host.to_owned()),
            protocol: Some("tcp".into()),
            app_protocol: Some("http".into()),
            ..Port::default()
        });
    }
    // Without a port 80 among those before it, an import gives the first one that too.
    ports.sort_by_key(|port| !(to_proxy(port) && port.published.as_deref() == Some("80")));
    let plain: Vec<String> = ports.iter().filter(|port| to_proxy(port)).map(|port| port.target.to_string()).collect();
    // With a certificate Dokku itself serves what is on 80 on 443 too.
    dokku.ports.retain(|entry| {
        !(entry.starts_with("https:443:") && plain.iter().any(|port| entry.ends_with(&format!(":{port}"))))
    });
}

fn properties(now: &ObservedApp, spec: &mut crate::docker::ContainerSpec) {
    let of = |name: &str| now.properties.get(name).map(String::as_str).filter(|value| !value.is_empty());
    if let Some(words) = of("ps.dockerfile-start-cmd").and_then(command_words) {
        spec.command = Some(words);
    }
    if let Some(policy) = of("ps.restart-policy") {
        policy.clone_into(&mut spec.restart);
    }
    // Dokku waits 30 seconds where nobody says otherwise.
    let grace = of("ps.stop-timeout-seconds").and_then(|seconds| seconds.parse().ok()).unwrap_or(30);
    spec.stop_timeout = (grace != 10).then_some(grace);
    if of("scheduler-docker-local.init-process") == Some("true") {
        spec.init = Some(true);
    }
    if let Some(size) = of("logs.max-size") {
        spec.log_options.insert("max-size".into(), size.to_owned());
    }
}

fn resources(now: &ObservedApp, spec: &mut crate::docker::ContainerSpec) {
    for (name, value) in &now.resources {
        let bytes = || match value.parse::<i64>() {
            Ok(-1) => Some(-1),
            // Dokku takes a number without a unit for megabytes.
            Ok(megabytes) => megabytes.checked_mul(1 << 20),
            Err(_) => crate::compose::units::parse_bytes(value).ok(),
        };
        match name.as_str() {
            "limit.memory" => spec.memory = bytes().unwrap_or(0),
            "limit.memory-swap" => spec.memory_swap = bytes().unwrap_or(0),
            "reserve.memory" => spec.memory_reservation = bytes().unwrap_or(0),
            "limit.cpu" => spec.nano_cpus = options::nano_cpus(value).unwrap_or(0),
            _ => {}
        }
    }
}

/// The first network is a property, its names are options, further ones are the plugin's own.
fn networks(asked: &Asked<'_>, spec: &mut crate::docker::ContainerSpec, endpoint: &mut EndpointSpec) {
    let first = asked.now.properties.get("network.initial-network").map(String::as_str).unwrap_or_default();
    match first {
        "" => {}
        "host" | "none" | "bridge" => first.clone_into(&mut spec.network_mode),
        network => spec.networks.push((network.to_owned(), std::mem::take(endpoint))),
    }
    match asked.remembered {
        Some((_, app)) => {
            spec.networks.extend(app.hooks.networks.iter().map(|(name, at)| (name.clone(), at.clone())));
            if spec.networks.is_empty() && spec.network_mode.is_empty() {
                spec.network_mode = "bridge".into();
            }
        }
        None => {
            let attached = ["network.attach-post-create", "network.attach-post-deploy"];
            let names = attached.iter().filter_map(|name| asked.now.properties.get(*name)).flat_map(|value| {
                value.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
            });
            for name in names {
                if !spec.networks.iter().any(|(known, _)| *known == name) {
                    spec.networks
                        .push((name, EndpointSpec { aliases: vec![asked.app.to_owned()], ..EndpointSpec::default() }));
                }
            }
        }
    }
}

/// Options of a build: arguments apart, because their values are not for a command line.
fn build(options: &[String], key: &DigestKey, dokku: &mut DokkuOnly) -> ImageBuildSpec {
    let mut build = ImageBuildSpec::default();
    let mut rest = Vec::new();
    for option in options {
        match options::split(option) {
            ("--build-arg", Some(pair)) => {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                build.args.insert(name.to_owned(), Secret::new(value, key));
            }
            (flag, value) if super::service::is_build_flag(flag) => {
                build.options.push(value.map_or_else(|| flag.to_owned(), |value| format!("{flag}={value}")));
            }
            _ => rest.push(option.clone()),
        }
    }
    leftover(dokku, "build", rest);
    build
}

fn origin(asked: &Asked<'_>, mut build: ImageBuildSpec) -> Origin {
    let now = asked.now;
    if let Some((_, app)) = asked.remembered
        && let (Some(known), Source::Image { image, .. }) = (&app.build, &app.source)
        && now.source_image == *image
    {
        return Origin::Build { build: Box::new(super::raw::opened(known, asked.secrets)), repository: None };
    }
    match asked.remembered.map(|(_, app)| &app.source) {
        Some(Source::Image { image, pull, .. }) => {
            // Somebody may have deployed another image since.
            let image = if now.source_image.is_empty() { image } else { &now.source_image };
            Origin::Image { image: image.clone(), pull: *pull }
        }
        Some(Source::Archive { .. }) if !now.source_image.is_empty() => {
            Origin::Image { image: now.source_image.clone(), pull: false }
        }
        Some(Source::Archive { context, dockerfile, dockerfile_inline, .. }) => {
            build.context.clone_from(context);
            build.dockerfile = PathBuf::from(dockerfile);
            build.dockerfile_inline.clone_from(dockerfile_inline);
            Origin::Build { build: Box::new(build), repository: Some(asked.app.to_owned()) }
        }
        None => match asked.origin.clone() {
            Some(Origin::Build { build: known, repository }) => {
                build.context = known.context;
                build.dockerfile = known.dockerfile;
                Origin::Build { build: Box::new(build), repository }
            }
            Some(image) => image,
            None => Origin::Image { image: now.source_image.clone(), pull: false },
        },
    }
}

/// Variables of an app as the file would have them, without Dokku's own.
pub fn variables(now: &ObservedApp) -> IndexMap<String, Secret> {
    now.config
        .iter()
        .filter(|(name, _)| !own_variable(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
