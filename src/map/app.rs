//! A service as a Dokku app: what Dokku expresses itself, and the rest as `docker-options`.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::context::Context;
use super::http::{self, Route};
use super::resources::{AppHooks, AppMount, AppSpec, DockerOptions, Source, UpdateOrder};
use super::{build, health};
use crate::docker::{ContainerMount, ContainerSpec};
use crate::dokku;
use crate::model::Service;

/// Variable names that would disturb the shell in which Dokku runs `docker create`, or that bash refuses to set.
/// They go by `--env` instead (`fn-scheduler-docker-local-start-app-container` evaluates the app's config).
const SHELL_NAMES: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BASH_VERSINFO",
    "CDPATH",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "ENV",
    "EUID",
    "GLOBIGNORE",
    "HOME",
    "IFS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "POSIXLY_CORRECT",
    "PPID",
    "PS4",
    "SHELLOPTS",
    "TMPDIR",
    "UID",
];

/// The app of a service; `None` where an error was reported that leaves nothing to plan.
pub(super) fn map(
    ctx: &Context<'_>,
    service: &Service,
    spec: ContainerSpec,
    primary: bool,
) -> Option<AppSpec> {
    let app = spec.name.clone();
    let (source, build_options) = match (&service.build, &service.image) {
        (Some(build), _) => build::archive(ctx, service, build)?,
        (None, Some(image)) => {
            let pull = matches!(
                service.pull_policy.as_deref(),
                Some("always" | "refresh" | "daily" | "weekly")
            );
            (
                Source::Image {
                    image: image.clone(),
                    pull,
                    platform: spec.platform.clone(),
                },
                Vec::new(),
            )
        }
        (None, None) => return None,
    };
    let image = service.image.clone().unwrap_or_default();
    let gate = health::gate(service);
    let mut build = Builder {
        ctx,
        service,
        deploy: Vec::new(),
        run: Vec::new(),
    };
    let ports = ports(&mut build, primary);
    let publishes = build
        .deploy
        .iter()
        .any(|option| option.starts_with("--publish"));
    let scale = service
        .scale
        .or_else(|| service.deploy.as_ref().and_then(|deploy| deploy.replicas));
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
    let (config, resources, mounts, networks) = settings(&mut build, spec, &mut properties);
    let mut options = DockerOptions {
        build: Vec::new(),
        deploy: build.deploy,
        run: build.run,
    };
    for (flag, value) in build_options {
        options.build.push(join(&flag, &value));
    }
    for list in [&mut options.build, &mut options.deploy, &mut options.run] {
        list.sort();
        list.dedup();
    }
    check_options(ctx, service, &options);
    Some(AppSpec {
        image_id: ctx
            .images
            .get(&image)
            .filter(|_| matches!(source, Source::Image { .. }))
            .map(|facts| facts.id.clone())
            .unwrap_or_default(),
        source,
        config,
        options,
        properties,
        mounts,
        ports: ports.map,
        domains: domains(ctx, primary && ports.proxied),
        scale: scale.map(|scale| u32::try_from(scale).unwrap_or(u32::MAX)),
        order,
        resources,
        hooks: AppHooks {
            project: ctx.project.to_owned(),
            service: service.name.clone(),
            networks,
            gate,
        },
        // Start-first apps pass the gate in the `check-deploy` trigger, before the old container goes.
        await_gate: order == UpdateOrder::StopFirst,
        app,
    })
}

/// The primary service also answers at the project's own name.
fn domains(ctx: &Context<'_>, primary: bool) -> Vec<String> {
    if primary {
        ctx.domains
            .iter()
            .map(|domain| format!("{}.{domain}", ctx.project))
            .collect()
    } else {
        Vec::new()
    }
}

/// `--flag=value`, as Dokku stores an option after taking its quotes away.
fn join(flag: &str, value: &str) -> String {
    if value.is_empty() {
        flag.to_owned()
    } else {
        format!("{flag}={value}")
    }
}

/// Options that Dokku cannot keep are refused before anything is changed: it stores each on a line of its own.
fn check_options(ctx: &Context<'_>, service: &Service, options: &DockerOptions) {
    let all: BTreeSet<&String> = options.build.iter().chain(&options.deploy).chain(&options.run).collect();
    for option in all {
        let (flag, value) = option.split_once('=').unwrap_or((option, ""));
        let kept = match option.contains('=') {
            true => dokku::quote_option(flag, value),
            false => dokku::bare_option(flag),
        };
        let Err(error) = kept else { continue };
        let path = format!("services.{}.{}", service.name, flag_key(flag));
        if option.contains(['\n', '\r', '\0']) {
            let message = format!("the option {flag} has a line break, which Dokku cannot keep");
            ctx.error("newline-in-option", &path, message, "write it on one line, or move it into a file of the image");
        } else {
            ctx.error("not-expressible", &path, error.to_string(), "move it into a file of the image");
        }
    }
    let servers: Vec<&String> = options.deploy.iter().filter(|option| option.starts_with("--dns=")).collect();
    let asked = servers.iter().map(|option| option.trim_start_matches("--dns="));
    if !asked.eq(service.dns.iter()) {
        let path = format!("services.{}.dns", service.name);
        ctx.approximated(&path, "Dokku sorts its options: the name servers are asked in another order", "");
    }
}

fn flag_key(flag: &str) -> &str {
    match flag {
        "--label" => "labels",
        "--health-cmd" => "healthcheck.test",
        "--entrypoint" => "entrypoint",
        "--env" => "environment",
        "--build-arg" => "build.args",
        "--hostname" => "hostname",
        "--domainname" => "domainname",
        "--add-host" => "extra_hosts",
        "--dns" => "dns",
        "--dns-search" => "dns_search",
        "--dns-option" => "dns_opt",
        "--workdir" => "working_dir",
        "--user" => "user",
        "--device" => "devices",
        "--cap-add" => "cap_add",
        "--cap-drop" => "cap_drop",
        "--security-opt" => "security_opt",
        "--sysctl" => "sysctls",
        "--tmpfs" => "tmpfs",
        "--mount" | "--volume" => "volumes",
        "--log-opt" | "--log-driver" => "logging",
        "--publish" => "ports",
        "--network-alias" => "networks",
        "--mac-address" => "mac_address",
        "--runtime" => "runtime",
        _ => "",
    }
}

/// Without `update_config.order`: host ports cannot be held twice, all else starts first.
fn order(service: &Service, publishes: bool) -> UpdateOrder {
    let asked = service
        .deploy
        .as_ref()
        .and_then(|deploy| deploy.update_config.as_ref())
        .and_then(|update| update.order);
    let fixed_address = service
        .networks
        .values()
        .flatten()
        .any(|network| network.ipv4_address.is_some() || network.ipv6_address.is_some());
    let host = service.network_mode.as_deref() == Some("host");
    match asked {
        _ if publishes || fixed_address || host => UpdateOrder::StopFirst,
        Some(crate::model::UpdateOrder::StopFirst) => UpdateOrder::StopFirst,
        _ => UpdateOrder::StartFirst,
    }
}

struct Builder<'a> {
    ctx: &'a Context<'a>,
    service: &'a Service,
    deploy: Vec<String>,
    run: Vec<String>,
}

impl Builder<'_> {
    /// An option of the running containers only.
    fn deploy(&mut self, flag: &str, value: &str) {
        if !value.is_empty() {
            self.deploy.push(join(flag, value));
        }
    }

    /// An option of one-off runs too.
    fn both(&mut self, flag: &str, value: &str) {
        if !value.is_empty() {
            self.deploy.push(join(flag, value));
            self.run.push(join(flag, value));
        }
    }

    fn flag(&mut self, used: bool, flag: &str) {
        if used {
            self.deploy.push(flag.to_owned());
        }
    }
}

struct Ports {
    /// `scheme:host:container`.
    map: Vec<String>,
    /// Whether the proxy serves the app.
    proxied: bool,
}

/// Published ports by the table of [`http`]; `PORT`, which Dokku forces, agrees with the file's.
fn ports(build: &mut Builder<'_>, primary: bool) -> Ports {
    let mut map = Vec::new();
    for (index, port) in build.service.ports.iter().enumerate() {
        let path = format!("services.{}.ports[{index}]", build.service.name);
        let published = port.published.clone().unwrap_or_default();
        match http::route(build.service, port) {
            Route::Proxy(_) => {
                let first = published.split('-').next().unwrap_or_default();
                let host = if first.is_empty() { "80" } else { first };
                if published.contains('-') {
                    build.ctx.approximated(&path, &format!("of the range the proxy serves port {host}"), "publish one port");
                } else if first.is_empty() {
                    build.ctx.approximated(&path, "no port of the host is named: the proxy serves it on port 80", "");
                } else if host == "443" {
                    let how = "the proxy serves it on port 80, and on 443 once the app has a certificate";
                    build.ctx.approximated(&path, how, "dokku certs:add, or the letsencrypt plugin");
                }
                // Port 443 of the proxy speaks TLS and needs a certificate; the plain port serves meanwhile.
                map.push(format!(
                    "http:{}:{}",
                    if host == "443" { "80" } else { host },
                    port.target
                ));
                if primary && !map.iter().any(|entry| entry.starts_with("http:80:")) {
                    map.push(format!("http:80:{}", port.target));
                }
            }
            Route::Host(_) => {
                let protocol = port
                    .protocol
                    .as_deref()
                    .filter(|protocol| *protocol != "tcp")
                    .map_or_else(String::new, |protocol| format!("/{protocol}"));
                let host = match port
                    .host_ip
                    .as_deref()
                    .filter(|address| !address.is_empty())
                {
                    Some(address) if address.contains(':') => format!("[{address}]:{published}:"),
                    Some(address) => format!("{address}:{published}:"),
                    None if published.is_empty() => String::new(),
                    None => format!("{published}:"),
                };
                build.deploy("--publish", &format!("{host}{}{protocol}", port.target));
            }
            Route::Dropped(why) => {
                build.ctx.not_done(&path, why, "add a certificate to the app (certs:add or letsencrypt): the proxy then answers on 443 itself");
            }
        }
    }
    map.sort();
    map.dedup();
    let proxied = !map.is_empty();
    let wanted = build
        .service
        .environment
        .get("PORT")
        .and_then(Option::as_deref)
        .and_then(|port| port.parse::<u16>().ok());
    if let Some(port) = wanted {
        if !proxied {
            map.push(format!("http:80:{port}"));
        } else if !map
            .iter()
            .any(|entry| entry.rsplit(':').next() == Some(port.to_string().as_str()))
        {
            let path = format!("services.{}.environment.PORT", build.service.name);
            build.ctx.approximated(
                &path,
                "Dokku sets PORT to the container port that the proxy uses",
                "let PORT and the published container port agree",
            );
        }
    }
    Ports { map, proxied }
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
    set(
        "scheduler-docker-local.init-process",
        if spec.init == Some(true) {
            "true"
        } else {
            "false"
        },
    );
    if !ports.proxied {
        set("proxy.disabled", "true");
    }
    if let Some((first, _)) = spec.networks.first() {
        set("network.initial-network", first);
    } else if matches!(spec.network_mode.as_str(), "host" | "none") {
        set("network.initial-network", &spec.network_mode);
    }
    let restart = if spec.restart.is_empty() {
        ""
    } else {
        spec.restart.as_str()
    };
    if !restart.is_empty() {
        set("ps.restart-policy", restart);
    }
    // Compose's default is 10 seconds, Dokku's 30.
    set("ps.stop-timeout-seconds", &spec.stop_timeout.unwrap_or(10).to_string());
    if let Source::Archive {
        dockerfile,
        dockerfile_inline: None,
        ..
    } = source
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

type Settings = (
    IndexMap<String, crate::secret::Secret>,
    BTreeMap<String, String>,
    Vec<AppMount>,
    IndexMap<String, crate::docker::EndpointSpec>,
);

/// Every field of the engine's form, without `..`: either Dokku has a command for it, or it is an option.
fn settings(
    build: &mut Builder<'_>,
    spec: ContainerSpec,
    properties: &mut BTreeMap<String, String>,
) -> Settings {
    let ContainerSpec {
        // Said by properties, ports and the source.
        name: _,
        image: _,
        command: _,
        restart: _,
        stop_timeout: _,
        init: _,
        ports: _,
        expose: _,
        network_mode: _,
        links: _,
        platform,
        entrypoint,
        environment,
        labels,
        annotations,
        user,
        group_add,
        working_dir,
        hostname,
        domainname,
        stdin_open,
        tty,
        networks,
        mounts,
        health,
        stop_signal,
        privileged,
        cap_add,
        cap_drop,
        security_opt,
        devices,
        device_cgroup_rules,
        dns,
        dns_search,
        dns_opt,
        extra_hosts,
        read_only,
        pid,
        ipc,
        uts,
        userns,
        cgroup,
        cgroup_parent,
        runtime,
        sysctls,
        ulimits,
        shm_size,
        memory,
        memory_reservation,
        memory_swap,
        nano_cpus,
        cpu_shares,
        cpuset,
        pids_limit,
        gpus,
        oom_kill_disable,
        oom_score_adj,
        storage_opt,
        log_driver,
        log_options,
    } = spec;
    let mut config = IndexMap::new();
    for (key, value) in environment {
        if key == "PORT" {
            continue;
        }
        let text = value.expose().unwrap_or_default();
        // One that is too long is refused elsewhere, with its place.
        let kept = text.len() >= 100_000 || dokku::config::check(&key, text).is_ok();
        if kept && !SHELL_NAMES.contains(&key.as_str()) && !key.starts_with("DOKKU_") {
            config.insert(key, value);
        } else {
            build.both("--env", &format!("{key}={text}"));
        }
    }
    if let Some(entry) = entrypoint {
        match entry.first() {
            Some(first) => build.both("--entrypoint", first),
            // An empty entrypoint clears the image's.
            None => {
                build.deploy.push("--entrypoint=".into());
                build.run.push("--entrypoint=".into());
            }
        }
    }
    for (key, value) in labels {
        build.deploy("--label", &format!("{key}={value}"));
    }
    for (key, value) in annotations {
        build.deploy("--annotation", &format!("{key}={value}"));
    }
    build.both("--platform", &platform);
    build.both("--user", &user);
    build.both("--workdir", &working_dir);
    build.deploy("--hostname", &hostname);
    build.deploy("--domainname", &domainname);
    build.deploy("--stop-signal", &stop_signal);
    build.flag(stdin_open, "--interactive");
    build.flag(tty, "--tty");
    build.flag(read_only, "--read-only");
    build.flag(oom_kill_disable, "--oom-kill-disable");
    if privileged {
        build.deploy.push("--privileged".into());
        build.run.push("--privileged".into());
    }
    for (flag, values) in [
        ("--group-add", group_add),
        ("--cap-add", cap_add),
        ("--cap-drop", cap_drop),
        ("--security-opt", security_opt),
        ("--device-cgroup-rule", device_cgroup_rules),
        ("--dns", dns),
        ("--dns-search", dns_search),
        ("--dns-option", dns_opt),
        ("--add-host", extra_hosts),
    ] {
        for value in values {
            build.both(flag, &value);
        }
    }
    for device in devices {
        let value = if device.target.is_empty() {
            device.source
        } else {
            format!("{}:{}:{}", device.source, device.target, device.permissions)
        };
        build.both("--device", &value);
    }
    for (key, value) in sysctls {
        build.both("--sysctl", &format!("{key}={value}"));
    }
    for limit in ulimits {
        build.both(
            "--ulimit",
            &format!("{}={}:{}", limit.name, limit.soft, limit.hard),
        );
    }
    for (key, value) in storage_opt {
        build.deploy("--storage-opt", &format!("{key}={value}"));
    }
    for (flag, value) in [
        ("--pid", pid),
        ("--ipc", ipc),
        ("--uts", uts),
        ("--userns", userns),
        ("--cgroupns", cgroup),
        ("--cgroup-parent", cgroup_parent),
        ("--runtime", runtime),
        ("--cpuset-cpus", cpuset),
        ("--log-driver", log_driver),
    ] {
        build.deploy(flag, &value);
    }
    for (flag, value) in [
        ("--cpu-shares", cpu_shares),
        ("--pids-limit", pids_limit),
        ("--oom-score-adj", oom_score_adj),
        ("--shm-size", shm_size),
    ] {
        if value != 0 {
            build.deploy(flag, &value.to_string());
        }
    }
    match gpus {
        0 => {}
        -1 => build.deploy("--gpus", "all"),
        count => build.deploy("--gpus", &count.to_string()),
    }
    for (key, value) in log_options {
        if key == "max-size" {
            properties.insert("logs.max-size".into(), value);
        } else {
            build.deploy("--log-opt", &format!("{key}={value}"));
        }
    }
    for (flag, value) in health.iter().flat_map(health::options) {
        if value.is_empty() {
            build.deploy.push(flag)
        } else {
            build.deploy(&flag, &value)
        }
    }
    let mut resources = BTreeMap::new();
    for (name, bytes) in [
        ("limit.memory", memory),
        ("reserve.memory", memory_reservation),
        ("limit.memory-swap", memory_swap),
    ] {
        match bytes {
            0 => {}
            -1 => drop(resources.insert(name.to_owned(), "-1".to_owned())),
            _ => drop(resources.insert(name.to_owned(), memory_text(bytes))),
        }
    }
    if nano_cpus > 0 {
        resources.insert("limit.cpu".into(), cpus_text(nano_cpus));
    }
    let mounts = self::mounts(build, mounts);
    let mut rest = IndexMap::new();
    for (index, (name, endpoint)) in networks.into_iter().enumerate() {
        if index > 0 {
            rest.insert(name, endpoint);
            continue;
        }
        for alias in &endpoint.aliases {
            build.deploy("--network-alias", alias);
        }
        build.deploy("--ip", &endpoint.ipv4);
        build.deploy("--ip6", &endpoint.ipv6);
        for address in &endpoint.link_local {
            build.deploy("--link-local-ip", address);
        }
    }
    (config, resources, mounts, rest)
}

/// Storage that Dokku can express by `storage:mount`; the rest by `--mount`.
fn mounts(build: &mut Builder<'_>, mounts: Vec<ContainerMount>) -> Vec<AppMount> {
    let mut out = Vec::new();
    for mount in mounts {
        let plain = |text: &str| !text.contains([' ', '\'', '"', '\\', ':', '\t']);
        match mount.kind.as_str() {
            "tmpfs" => {
                let mut options = Vec::new();
                if mount.tmpfs_size > 0 {
                    options.push(format!("size={}", mount.tmpfs_size));
                }
                if mount.tmpfs_mode > 0 {
                    options.push(format!("mode={:o}", mount.tmpfs_mode));
                }
                options.extend(
                    mount
                        .propagation
                        .split(',')
                        .filter(|option| !option.is_empty())
                        .map(str::to_owned),
                );
                if mount.read_only {
                    options.push("ro".into());
                }
                let suffix = if options.is_empty() {
                    String::new()
                } else {
                    format!(":{}", options.join(","))
                };
                build.both("--tmpfs", &format!("{}{suffix}", mount.target));
            }
            _ if mount.subpath.is_empty() && plain(&mount.source) && plain(&mount.target) => {
                let words = [
                    if mount.read_only { "ro" } else { "" },
                    mount.selinux.as_str(),
                    mount.propagation.as_str(),
                    if mount.no_copy { "nocopy" } else { "" },
                ];
                let options = words
                    .into_iter()
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(",");
                out.push(AppMount {
                    source: mount.source,
                    target: mount.target,
                    options,
                });
            }
            kind => {
                let mut text = format!(
                    "type={kind},source={},target={}",
                    mount.source, mount.target
                );
                if mount.read_only {
                    text.push_str(",readonly");
                }
                if !mount.subpath.is_empty() {
                    text.push_str(&format!(",volume-subpath={}", mount.subpath));
                }
                if mount.no_copy {
                    text.push_str(",volume-nocopy");
                }
                build.both("--mount", &text);
            }
        }
    }
    out.sort();
    out
}

/// Bytes as Dokku's resource plugin takes them: a number with a lower-case unit.
fn memory_text(bytes: i64) -> String {
    for (unit, size) in [("g", 1_i64 << 30), ("m", 1 << 20), ("k", 1 << 10)] {
        if bytes % size == 0 {
            return format!("{}{unit}", bytes / size);
        }
    }
    format!("{bytes}b")
}

fn cpus_text(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_dokkus_words() {
        assert_eq!(memory_text(512 << 20), "512m");
        assert_eq!(memory_text(1 << 30), "1g");
        assert_eq!(memory_text(1000), "1000b");
        assert_eq!(cpus_text(500_000_000), "0.5");
        assert_eq!(cpus_text(2_000_000_000), "2");
    }
}
