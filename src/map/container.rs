//! One service in the engine's terms. Everything that a service says passes through here once: apps take
//! what Dokku expresses itself out of the result, and give the rest to `docker-options`.

use std::collections::BTreeMap;

use super::context::Context;
use super::relations::Relations;
use super::secrets as file_secrets;
use super::{devices, health, networks, storage};
use crate::docker::{ContainerPort, ContainerSpec, UlimitSpec};
use crate::map::resources::FileTree;
use crate::model::{Resource, Service};

/// A service in the engine's terms, with what is left to say about it.
pub(super) struct Mapped {
    pub(super) spec: ContainerSpec,
    pub(super) files: Vec<FileTree>,
    /// Named volumes by their name on the server.
    pub(super) volumes: storage::Named,
}

/// Maps every key of `service`. Written without `..`, so that a key added to the model does not compile
/// until its fate is written.
pub(super) fn map(ctx: &Context<'_>, relations: &Relations<'_>, service: &Service, app: &str) -> Mapped {
    let Service {
        name: _,
        // Said by the table of fates alone.
        attach: _,
        develop: _,
        provider: _,
        pre_start: _,
        post_start: _,
        pre_stop: _,
        cpu_count: _,
        cpu_percent: _,
        credential_spec: _,
        isolation: _,
        models: _,
        umask: _,
        use_api_socket: _,
        // Decided before the mapping, or after it.
        profiles: _,
        scale: _,
        depends_on: _,
        extends: _,
        env_file: _,
        label_file: _,
        links: _,
        build: _,
        ports: _,
        expose,
        pull_policy: _,
        container_name: _,
        image: _,
        networks: _,
        extensions: _,
        stop_grace_period,
        deploy,
        restart,
        external_links,
        annotations,
        blkio_config,
        cap_add,
        cap_drop,
        cgroup_parent,
        cgroup,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        cpus,
        cpuset,
        cpu_shares,
        command,
        configs,
        device_cgroup_rules,
        devices,
        dns,
        dns_opt,
        dns_search,
        domainname,
        entrypoint,
        environment,
        extra_hosts,
        group_add,
        gpus,
        hostname,
        init,
        ipc,
        labels,
        logging,
        mem_limit,
        mem_reservation,
        memswap_limit,
        mem_swappiness,
        mac_address,
        network_mode,
        oom_kill_disable,
        oom_score_adj,
        pid,
        pids_limit,
        platform,
        privileged,
        pull_refresh_after: _,
        read_only,
        runtime,
        secrets,
        security_opt,
        shm_size,
        stop_signal,
        storage_opt,
        sysctls,
        tmpfs,
        ulimits,
        user,
        userns_mode,
        uts,
        volumes,
        volumes_from,
        working_dir,
        healthcheck,
        stdin_open,
        tty,
    } = service;

    let mut spec = ContainerSpec {
        name: app.to_owned(),
        platform: text(platform),
        command: command.clone(),
        entrypoint: entrypoint.clone(),
        labels: labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        annotations: annotations.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        user: text(user),
        group_add: group_add.clone(),
        working_dir: text(working_dir),
        hostname: text(hostname),
        domainname: text(domainname),
        stdin_open: *stdin_open,
        tty: *tty,
        init: *init,
        expose: expose.clone(),
        restart: text(restart),
        stop_signal: text(stop_signal),
        stop_timeout: stop_grace_period.map(|grace| i64::try_from(grace.seconds()).unwrap_or(i64::MAX)),
        privileged: *privileged,
        cap_add: cap_add.clone(),
        cap_drop: cap_drop.clone(),
        security_opt: security_opt.clone(),
        device_cgroup_rules: device_cgroup_rules.clone(),
        dns: dns.clone(),
        dns_search: dns_search.clone(),
        dns_opt: dns_opt.clone(),
        extra_hosts: extra_hosts
            .iter()
            .flat_map(|(host, addresses)| addresses.iter().map(move |address| format!("{host}:{address}")))
            .collect(),
        read_only: *read_only,
        uts: text(uts),
        userns: text(userns_mode),
        cgroup: text(cgroup),
        cgroup_parent: text(cgroup_parent),
        runtime: text(runtime),
        sysctls: sysctls.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        shm_size: shm_size.map_or(0, |size| size.0),
        memory: mem_limit.map_or(0, |size| size.0),
        memory_reservation: mem_reservation.map_or(0, |size| size.0),
        memory_swap: memswap_limit.map_or(0, |size| size.0),
        nano_cpus: cpus.map_or(0, |cpus| nano(cpus.0)),
        cpu_shares: cpu_shares.unwrap_or(0),
        cpu_period: cpu_period.unwrap_or(0),
        cpu_quota: cpu_quota.unwrap_or(0),
        cpu_rt_period: cpu_rt_period.unwrap_or(0),
        cpu_rt_runtime: cpu_rt_runtime.unwrap_or(0),
        memory_swappiness: mem_swappiness.map(|swappiness| swappiness.0),
        blkio: devices::blkio(blkio_config.as_deref()),
        links: external_links.iter().map(|link| external_link(link)).collect(),
        cpuset: text(cpuset),
        pids_limit: pids_limit.unwrap_or(0),
        oom_kill_disable: *oom_kill_disable,
        oom_score_adj: oom_score_adj.unwrap_or(0),
        storage_opt: storage_opt.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        log_driver: logging.as_ref().map_or_else(String::new, |logging| text(&logging.driver)),
        log_options: logging
            .iter()
            .flat_map(|logging| &logging.options)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        ..ContainerSpec::default()
    };
    for (key, value) in environment {
        if let Some(value) = value {
            spec.environment.insert(key.clone(), ctx.secret(value.clone()));
        }
    }
    for (name, ulimit) in ulimits {
        let (soft, hard) = ulimit.limits();
        spec.ulimits.push(UlimitSpec { name: name.clone(), soft, hard });
    }
    spec.devices = devices::mapped(devices);
    spec.device_requests = devices::gpus(gpus);
    spec.health = health::spec(healthcheck.as_deref());
    spec.pid = namespace(relations, pid);
    spec.ipc = namespace(relations, ipc);
    spec.network_mode = namespace(relations, network_mode);
    if let Some(deploy) = deploy {
        self::deploy(ctx, service, deploy, &mut spec);
    }
    networks::join(ctx, relations, service, &mut spec);
    if let (Some(address), Some((_, first))) = (mac_address, spec.networks.first_mut()) {
        first.mac.clone_from(address);
    }
    let mut files = Vec::new();
    let mut named = storage::Named::new();
    storage::mounts(ctx, service, volumes, &mut spec, &mut files, &mut named);
    storage::tmpfs(tmpfs, &mut spec);
    storage::volumes_from(ctx, service, volumes_from, &mut spec, &mut files, &mut named);
    file_secrets::secrets(ctx, service, secrets, &mut spec, &mut files);
    file_secrets::configs(ctx, service, configs, &mut spec, &mut files);
    Mapped { spec, files, volumes: named }
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn nano(cpus: f32) -> i64 {
    // By way of its shortest text: 0.1 is 100,000,000 and not 100,000,001.
    let cpus: f64 = cpus.to_string().parse().unwrap_or(0.0);
    // Values of a compose file are far below the range where this could overflow; the cast saturates.
    (cpus * 1e9).round() as i64
}

/// `container[:alias]`, with an alias in any case, as the engine keeps it.
fn external_link(link: &str) -> String {
    if link.contains(':') { link.to_owned() } else { format!("{link}:{link}") }
}

/// `service:x` becomes `container:<name of x>`.
fn namespace(relations: &Relations<'_>, value: &Option<String>) -> String {
    let value = text(value);
    match value.strip_prefix("service:") {
        Some(other) => format!("container:{}", relations.container(other)),
        None => value,
    }
}

fn deploy(ctx: &Context<'_>, service: &Service, deploy: &crate::model::Deploy, spec: &mut ContainerSpec) {
    let path = |key: &str| format!("services.{}.deploy.{key}", service.name);
    let crate::model::Deploy {
        mode,
        replicas: _,
        labels: _,
        update_config,
        rollback_config: _,
        resources,
        restart_policy,
        placement: _,
        endpoint_mode,
        extensions: _,
    } = deploy;
    match mode.as_deref() {
        Some("global") => ctx.approximated(&path("mode"), "one server: it runs as `replicated`", ""),
        Some("global-job") => ctx.approximated(&path("mode"), "one server: it runs as `replicated-job`", ""),
        _ => {}
    }
    if endpoint_mode.as_deref().is_some_and(|mode| mode != "dnsrr") {
        ctx.approximated(&path("endpoint_mode"), "names resolve to the containers, as with dnsrr", "");
    }
    if let Some(update) = update_config {
        if update.parallelism.is_some_and(|many| many != 1) {
            ctx.approximated(&path("update_config.parallelism"), "containers are replaced one after the other", "");
        }
        if update.failure_action.as_deref().is_some_and(|action| action != "rollback") {
            ctx.approximated(&path("update_config.failure_action"), "a failed import is always rolled back", "");
        }
    }
    if let Some(policy) = restart_policy {
        spec.restart = match (policy.condition.as_deref(), policy.max_attempts) {
            (Some("none"), _) => "no".into(),
            (Some("on-failure"), Some(attempts)) => format!("on-failure:{attempts}"),
            (Some("on-failure"), None) => "on-failure".into(),
            _ => "always".into(),
        };
    }
    limits(resources.limits.as_ref(), spec);
    if let Some(reservations) = &resources.reservations {
        if let Some(memory) = reservations.memory {
            spec.memory_reservation = memory.0;
        }
        if !reservations.devices.is_empty() {
            spec.device_requests = devices::gpus(&reservations.devices);
        }
    }
}

fn limits(limits: Option<&Resource>, spec: &mut ContainerSpec) {
    let Some(limits) = limits else { return };
    if let Some(cpus) = limits.cpus {
        spec.nano_cpus = nano(cpus.0);
    }
    if let Some(memory) = limits.memory {
        spec.memory = memory.0;
    }
    if let Some(pids) = limits.pids {
        spec.pids_limit = pids;
    }
}

/// Ports of a raw container as the engine publishes them; a range gives its first port.
pub(super) fn published(service: &Service) -> Vec<ContainerPort> {
    service
        .ports
        .iter()
        .filter_map(|port| {
            Some(ContainerPort {
                host_ip: port.host_ip.clone().unwrap_or_default(),
                host_port: port.published.clone().unwrap_or_default(),
                container_port: u16::try_from(port.target).ok()?,
                protocol: port.protocol.clone().unwrap_or_else(|| "tcp".into()),
            })
        })
        .collect()
}

/// Whether the image is pulled also where it is there; what differs from the policy is said.
pub(super) fn pulled(ctx: &Context<'_>, service: &Service) -> bool {
    let path = format!("services.{}.pull_policy", service.name);
    match service.pull_policy.as_deref().unwrap_or_default() {
        "always" => true,
        policy if matches!(policy, "refresh" | "daily" | "weekly") || policy.starts_with("every_") => {
            ctx.approximated(&path, "pulled whenever the service is deployed, whatever the image's age", "");
            true
        }
        "never" => {
            ctx.approximated(&path, "an image that is not on the server is pulled all the same", "");
            false
        }
        _ => false,
    }
}

/// The digest of everything that a container is made from.
pub(super) fn digest(value: &impl serde::Serialize) -> String {
    use sha2::{Digest, Sha256};
    // Serialising our own plain structures cannot fail; an empty text would only mean a needless recreate.
    let text = serde_json::to_string(value).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Labels that say whose a container is, and what.
pub(super) fn own_labels(ctx: &Context<'_>, service: &str, job: bool) -> BTreeMap<String, String> {
    let kind = if job { "job" } else { "container" };
    BTreeMap::from([
        ("com.dokku-compose.kind".to_owned(), kind.to_owned()),
        (crate::plan::raw::PROJECT_LABEL.to_owned(), ctx.project.to_owned()),
        (crate::plan::raw::SERVICE_LABEL.to_owned(), service.to_owned()),
    ])
}
