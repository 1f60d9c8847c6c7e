//! One service in the engine's terms. Everything that a service says passes through here once: apps take
//! what Dokku expresses itself out of the result, and give the rest to `docker-options`.

use std::collections::BTreeMap;

use super::context::Context;
use super::relations::Relations;
use super::{health, networks, storage};
use crate::docker::{ContainerPort, ContainerSpec, DeviceSpec, UlimitSpec};
use crate::map::resources::FileTree;
use crate::model::{DeviceRequest, Resource, Service};

/// A service in the engine's terms, with what is left to say about it.
pub(super) struct Mapped {
    pub(super) spec: ContainerSpec,
    pub(super) files: Vec<FileTree>,
    /// Named volumes by their name on the server.
    pub(super) volumes: Vec<String>,
}

/// Maps every key of `service`. Written without `..`, so that a key added to the model does not compile
/// until its fate is written.
pub(super) fn map(ctx: &Context<'_>, relations: &Relations<'_>, service: &Service, app: &str) -> Mapped {
    let path = |key: &str| format!("services.{}.{key}", service.name);
    let not_done = |used: bool, key: &str, why: &str, instead: &str| {
        if used {
            ctx.not_done(&path(key), why, instead);
        }
    };
    let Service {
        name: _,
        // Decided before the mapping.
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
        develop,
        attach: _,
        restart,
        provider,
        external_links,
        pre_start,
        post_start,
        pre_stop,
        annotations,
        blkio_config,
        cap_add,
        cap_drop,
        cgroup_parent,
        cgroup,
        cpu_count,
        cpu_percent,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        cpus,
        cpuset,
        cpu_shares,
        command,
        configs,
        credential_spec,
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
        isolation,
        labels,
        logging,
        mem_limit,
        mem_reservation,
        memswap_limit,
        mem_swappiness,
        mac_address,
        models,
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
        umask,
        use_api_socket,
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

    not_done(
        provider.is_some(),
        "provider",
        "external providers are not started",
        "run the provider yourself and declare what it gives",
    );
    not_done(
        !external_links.is_empty(),
        "external_links",
        "containers outside the project are not linked",
        "join their network: networks: {NAME: {external: true}}",
    );
    not_done(
        !pre_start.is_empty(),
        "pre_start",
        "hooks are not run yet",
        "use a one-shot service with service_completed_successfully",
    );
    not_done(
        !post_start.is_empty(),
        "post_start",
        "hooks are not run yet",
        "run the command from the image's entrypoint",
    );
    not_done(
        !pre_stop.is_empty(),
        "pre_stop",
        "hooks are not run yet",
        "handle the stop signal in the container",
    );
    not_done(
        blkio_config.is_some(),
        "blkio_config",
        "block device limits are not set yet",
        "",
    );
    not_done(
        cpu_count.is_some(),
        "cpu_count",
        "it exists on Windows only",
        "use cpus",
    );
    not_done(
        cpu_percent.is_some(),
        "cpu_percent",
        "it exists on Windows only",
        "use cpus",
    );
    not_done(
        cpu_rt_period.is_some(),
        "cpu_rt_period",
        "real-time scheduling is not set yet",
        "",
    );
    not_done(
        cpu_rt_runtime.is_some(),
        "cpu_rt_runtime",
        "real-time scheduling is not set yet",
        "",
    );
    not_done(
        cpu_period.is_some(),
        "cpu_period",
        "the CFS period is not set yet",
        "use cpus",
    );
    not_done(
        cpu_quota.is_some(),
        "cpu_quota",
        "the CFS quota is not set yet",
        "use cpus",
    );
    not_done(
        credential_spec.is_some(),
        "credential_spec",
        "it exists on Windows only",
        "",
    );
    not_done(
        isolation.is_some(),
        "isolation",
        "it exists on Windows only",
        "",
    );
    not_done(
        mem_swappiness.is_some(),
        "mem_swappiness",
        "swappiness is not set yet",
        "",
    );
    not_done(
        mac_address.is_some(),
        "mac_address",
        "a fixed MAC address cannot be kept over a deploy",
        "",
    );
    not_done(
        !models.is_empty(),
        "models",
        "AI models are not provided",
        "declare the model server as a service",
    );
    not_done(
        umask.is_some(),
        "umask",
        "the engine has no such setting",
        "set it in the image's entrypoint",
    );
    not_done(
        *use_api_socket,
        "use_api_socket",
        "the engine's socket is not given to a service",
        "",
    );

    if develop.is_some() {
        ctx.approximated(&path("develop"), "sources are not watched: import again after a change", "");
    }

    let mut spec = ContainerSpec {
        name: app.to_owned(),
        platform: text(platform),
        command: command.clone(),
        entrypoint: entrypoint.clone(),
        labels: labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        annotations: annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
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
        stop_timeout: stop_grace_period
            .map(|grace| i64::try_from(grace.seconds()).unwrap_or(i64::MAX)),
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
            .flat_map(|(host, addresses)| {
                addresses
                    .iter()
                    .map(move |address| format!("{host}:{address}"))
            })
            .collect(),
        read_only: *read_only,
        uts: text(uts),
        userns: text(userns_mode),
        cgroup: text(cgroup),
        cgroup_parent: text(cgroup_parent),
        runtime: text(runtime),
        sysctls: sysctls
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        shm_size: shm_size.map_or(0, |size| size.0),
        memory: mem_limit.map_or(0, |size| size.0),
        memory_reservation: mem_reservation.map_or(0, |size| size.0),
        memory_swap: memswap_limit.map_or(0, |size| size.0),
        nano_cpus: cpus.map_or(0, |cpus| nano(cpus.0)),
        cpu_shares: cpu_shares.unwrap_or(0),
        cpuset: text(cpuset),
        pids_limit: pids_limit.unwrap_or(0),
        oom_kill_disable: *oom_kill_disable,
        oom_score_adj: oom_score_adj.unwrap_or(0),
        storage_opt: storage_opt
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        log_driver: logging
            .as_ref()
            .map_or_else(String::new, |logging| text(&logging.driver)),
        log_options: logging
            .iter()
            .flat_map(|logging| &logging.options)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        ..ContainerSpec::default()
    };
    for (key, value) in environment {
        if let Some(value) = value {
            spec.environment
                .insert(key.clone(), ctx.secret(value.clone()));
        }
    }
    for (name, ulimit) in ulimits {
        let (soft, hard) = ulimit.limits();
        spec.ulimits.push(UlimitSpec {
            name: name.clone(),
            soft,
            hard,
        });
    }
    for device in devices {
        spec.devices.push(DeviceSpec {
            source: text(&device.source),
            target: device
                .target
                .clone()
                .or_else(|| device.source.clone())
                .unwrap_or_default(),
            permissions: device.permissions.clone().unwrap_or_else(|| "rwm".into()),
        });
    }
    spec.gpus = gpu_count(gpus);
    spec.health = health::spec(healthcheck.as_ref());
    spec.pid = namespace(relations, pid);
    spec.ipc = namespace(relations, ipc);
    spec.network_mode = namespace(relations, network_mode);
    if let Some(deploy) = deploy {
        self::deploy(ctx, service, deploy, &mut spec);
    }
    networks::join(ctx, relations, service, &mut spec);
    let mut files = Vec::new();
    let mut named = Vec::new();
    storage::mounts(ctx, service, volumes, &mut spec, &mut files, &mut named);
    storage::tmpfs(tmpfs, &mut spec);
    storage::volumes_from(
        ctx,
        service,
        volumes_from,
        &mut spec,
        &mut files,
        &mut named,
    );
    storage::secrets(ctx, service, secrets, &mut spec, &mut files);
    storage::configs(ctx, service, configs, &mut spec, &mut files);
    Mapped {
        spec,
        files,
        volumes: named,
    }
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

fn gpu_count(requests: &[DeviceRequest]) -> i64 {
    let mut count = 0;
    for request in requests {
        match (request.count, request.device_ids.len()) {
            (Some(-1) | None, 0) => return -1,
            (Some(number), _) if number > 0 => count += number,
            (_, ids) => count += i64::try_from(ids).unwrap_or(0),
        }
    }
    count
}

/// `service:x` becomes `container:<name of x>`.
fn namespace(relations: &Relations<'_>, value: &Option<String>) -> String {
    let value = text(value);
    match value.strip_prefix("service:") {
        Some(other) => format!("container:{}", relations.container(other)),
        None => value,
    }
}

fn deploy(
    ctx: &Context<'_>,
    service: &Service,
    deploy: &crate::model::Deploy,
    spec: &mut ContainerSpec,
) {
    let path = |key: &str| format!("services.{}.deploy.{key}", service.name);
    let crate::model::Deploy {
        mode,
        replicas: _,
        labels,
        update_config,
        rollback_config,
        resources,
        restart_policy,
        placement,
        endpoint_mode,
        extensions: _,
    } = deploy;
    match mode.as_deref() {
        Some("global") => ctx.approximated(&path("mode"), "one server: it runs as `replicated`", ""),
        Some("global-job") => ctx.approximated(&path("mode"), "one server: it runs as `replicated-job`", ""),
        _ => {}
    }
    if !labels.is_empty() {
        ctx.not_done(&path("labels"), "they are a Swarm service's, and there is none", "use labels of the service, which its containers get");
    }
    if let Some(update) = update_config {
        for (used, key) in [
            (update.delay.is_some(), "delay"),
            (update.monitor.is_some(), "monitor"),
            (update.max_failure_ratio.is_some(), "max_failure_ratio"),
            (update.parallelism.is_some_and(|many| many != 1), "parallelism"),
        ] {
            if used {
                ctx.not_done(
                    &path(&format!("update_config.{key}")),
                    "Dokku replaces containers one after the other, without a pause",
                    "",
                );
            }
        }
        if update
            .failure_action
            .as_deref()
            .is_some_and(|action| action != "rollback")
        {
            ctx.approximated(
                &path("update_config.failure_action"),
                "a failed import is always rolled back",
                "",
            );
        }
    }
    if rollback_config.is_some() {
        ctx.not_done(
            &path("rollback_config"),
            "an import rolls back as a whole, at once",
            "",
        );
    }
    if !placement.constraints.is_empty()
        || !placement.preferences.is_empty()
        || placement.max_replicas_per_node.is_some()
    {
        ctx.not_done(&path("placement"), "there is one server", "");
    }
    if endpoint_mode.as_deref().is_some_and(|mode| mode != "dnsrr") {
        ctx.not_done(
            &path("endpoint_mode"),
            "names resolve to the containers, as with dnsrr",
            "",
        );
    }
    if let Some(policy) = restart_policy {
        spec.restart = match (policy.condition.as_deref(), policy.max_attempts) {
            (Some("none"), _) => "no".into(),
            (Some("on-failure"), Some(attempts)) => format!("on-failure:{attempts}"),
            (Some("on-failure"), None) => "on-failure".into(),
            _ => "always".into(),
        };
        for (used, key) in [
            (policy.delay.is_some(), "delay"),
            (policy.window.is_some(), "window"),
        ] {
            if used {
                ctx.not_done(
                    &path(&format!("restart_policy.{key}")),
                    "the engine restarts with its own back-off",
                    "",
                );
            }
        }
    }
    limits(resources.limits.as_ref(), spec);
    if let Some(reservations) = &resources.reservations {
        if let Some(memory) = reservations.memory {
            spec.memory_reservation = memory.0;
        }
        if reservations.cpus.is_some() {
            ctx.not_done(
                &path("resources.reservations.cpus"),
                "the engine reserves no CPU",
                "use cpu_shares",
            );
        }
        if !reservations.devices.is_empty() {
            spec.gpus = gpu_count(&reservations.devices);
        }
        if !reservations.generic_resources.is_empty() {
            ctx.not_done(
                &path("resources.reservations.generic_resources"),
                "there is one server",
                "",
            );
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

/// The digest of everything that a container is made from.
pub(super) fn digest(value: &impl serde::Serialize) -> String {
    use sha2::{Digest, Sha256};
    // Serialising our own plain structures cannot fail; an empty text would only mean a needless recreate.
    let text = serde_json::to_string(value).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Labels that say whose a container is, and what.
pub(super) fn own_labels(ctx: &Context<'_>, service: &str, job: bool) -> BTreeMap<String, String> {
    let kind = if job { "job" } else { "container" };
    BTreeMap::from([
        ("com.dokku-compose.kind".to_owned(), kind.to_owned()),
        (
            crate::plan::raw::PROJECT_LABEL.to_owned(),
            ctx.project.to_owned(),
        ),
        (
            crate::plan::raw::SERVICE_LABEL.to_owned(),
            service.to_owned(),
        ),
    ])
}
