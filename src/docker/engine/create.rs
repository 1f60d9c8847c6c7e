//! Specs as the engine's request bodies.

use std::collections::{BTreeMap, HashMap};

use bollard::models;

use super::super::{
    ContainerMount, ContainerSpec, EndpointSpec, EngineError, EngineResult, HealthSpec, NetworkSpec, VolumeSpec,
};

/// `None` for what is not set, which the engine then decides.
fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn number(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

fn list(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

fn map(values: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!values.is_empty()).then(|| values.clone().into_iter().collect())
}

fn refused(message: String) -> EngineError {
    EngineError::Refused { status: 0, message }
}

pub(super) fn network_body(spec: &NetworkSpec) -> models::NetworkCreateRequest {
    let pools = spec.ipam.iter().map(|pool| models::IpamConfig {
        subnet: text(&pool.subnet),
        gateway: text(&pool.gateway),
        ip_range: text(&pool.ip_range),
        auxiliary_addresses: map(&pool.aux_addresses),
    });
    let pools: Vec<_> = pools.collect();
    let asked = !pools.is_empty() || !spec.ipam_driver.is_empty() || !spec.ipam_options.is_empty();
    let ipam = asked.then(|| models::Ipam {
        driver: text(&spec.ipam_driver),
        config: (!pools.is_empty()).then_some(pools),
        options: map(&spec.ipam_options),
    });
    models::NetworkCreateRequest {
        name: spec.name.clone(),
        driver: text(&spec.driver),
        internal: Some(spec.internal),
        attachable: Some(spec.attachable),
        enable_ipv6: Some(spec.ipv6),
        ipam,
        options: map(&spec.options),
        labels: map(&spec.labels),
        ..Default::default()
    }
}

pub(super) fn volume_body(spec: &VolumeSpec) -> models::VolumeCreateRequest {
    models::VolumeCreateRequest {
        name: Some(spec.name.clone()),
        driver: text(&spec.driver),
        driver_opts: map(&spec.options),
        labels: map(&spec.labels),
        cluster_volume_spec: None,
    }
}

fn endpoint(spec: &EndpointSpec) -> models::EndpointSettings {
    let addressed = !(spec.ipv4.is_empty() && spec.ipv6.is_empty() && spec.link_local.is_empty());
    let ipam_config = addressed.then(|| models::EndpointIpamConfig {
        ipv4_address: text(&spec.ipv4),
        ipv6_address: text(&spec.ipv6),
        link_local_ips: list(&spec.link_local),
    });
    models::EndpointSettings {
        ipam_config,
        aliases: list(&spec.aliases),
        mac_address: text(&spec.mac),
        driver_opts: map(&spec.options),
        links: list(&spec.links),
        ..Default::default()
    }
}

pub(super) fn connect_body(container: &str, spec: &EndpointSpec) -> models::NetworkConnectRequest {
    models::NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint(spec)) }
}

pub(super) fn disconnect_body(container: &str) -> models::NetworkDisconnectRequest {
    models::NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) }
}

/// The body of a container's creation. `entrypoint` is the image's where it has to be given again,
/// because the engine drops an image's command only together with its entrypoint; `old` tells an
/// engine before 25.
pub(super) fn container_body(
    spec: &ContainerSpec,
    entrypoint: Option<Vec<String>>,
    old: bool,
) -> EngineResult<models::ContainerCreateBody> {
    if old && spec.networks.iter().any(|(_, endpoint)| !endpoint.mac.is_empty()) {
        return Err(refused(format!("container {}: a MAC address on a network needs Docker 25", spec.name)));
    }
    let mut environment = Vec::new();
    for (name, value) in &spec.environment {
        let value = value
            .expose()
            .ok_or_else(|| refused(format!("container {}: the value of {name} is not at hand", spec.name)))?;
        environment.push(format!("{name}={value}"));
    }
    // An empty string alone is how the API says "no entrypoint".
    let entrypoint = match &spec.entrypoint {
        Some(none) if none.is_empty() => Some(vec![String::new()]),
        Some(given) => Some(given.clone()),
        None => entrypoint.filter(|image| !image.is_empty()),
    };
    let mut exposed: Vec<String> = spec.expose.iter().flat_map(|port| ports_of(port)).collect();
    exposed.extend(spec.ports.iter().map(|port| format!("{}/{}", port.container_port, port.protocol)));
    exposed.sort();
    exposed.dedup();
    let first = spec.networks.first().filter(|_| spec.network_mode.is_empty());
    let networking_config = first.map(|(name, given)| {
        let links: Vec<String> = spec.links.iter().chain(&given.links).cloned().collect();
        let settings = models::EndpointSettings { links: list(&links), ..endpoint(given) };
        models::NetworkingConfig { endpoints_config: Some(HashMap::from([(name.clone(), settings)])) }
    });
    Ok(models::ContainerCreateBody {
        hostname: text(&spec.hostname),
        domainname: text(&spec.domainname),
        user: text(&spec.user),
        exposed_ports: list(&exposed),
        tty: Some(spec.tty),
        open_stdin: Some(spec.stdin_open),
        env: list(&environment),
        cmd: spec.command.clone(),
        healthcheck: spec.health.as_ref().map(|health| health_config(health, old)),
        image: Some(spec.image.clone()),
        working_dir: text(&spec.working_dir),
        entrypoint,
        labels: map(&spec.labels),
        stop_signal: text(&spec.stop_signal),
        stop_timeout: spec.stop_timeout,
        host_config: Some(host_config(spec, first.map(|(name, _)| name.as_str()))?),
        networking_config,
        ..Default::default()
    })
}

/// An exposed port as the API has it: `9000` is TCP, `3000-3002/udp` are three.
fn ports_of(text: &str) -> Vec<String> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).map(|port| format!("{port}/{protocol}")).collect(),
        // The engine says what is wrong with it.
        _ => vec![text.to_owned()],
    }
}

fn health_config(health: &HealthSpec, old: bool) -> models::HealthConfig {
    models::HealthConfig {
        test: list(&health.test),
        interval: number(health.interval),
        timeout: number(health.timeout),
        retries: number(health.retries),
        start_period: number(health.start_period),
        start_interval: number(health.start_interval).filter(|_| !old),
    }
}

fn host_config(spec: &ContainerSpec, first_network: Option<&str>) -> EngineResult<models::HostConfig> {
    let mut binds = Vec::new();
    let mut mounts = Vec::new();
    for given in &spec.mounts {
        match bind_line(given) {
            Some(line) => binds.push(line),
            None => mounts.push(mount(given)?),
        }
    }
    let mut port_bindings: models::PortMap = HashMap::new();
    for port in &spec.ports {
        let binding = models::PortBinding { host_ip: text(&port.host_ip), host_port: text(&port.host_port) };
        let key = format!("{}/{}", port.container_port, port.protocol);
        port_bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    let devices = spec.devices.iter().map(|device| models::DeviceMapping {
        path_on_host: text(&device.source),
        path_in_container: text(&device.target),
        cgroup_permissions: text(&device.permissions),
    });
    let ulimits = spec.ulimits.iter().map(|limit| models::ResourcesUlimits {
        name: text(&limit.name),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    let gpus = spec.device_requests.iter().map(|gpu| models::DeviceRequest {
        driver: text(&gpu.driver),
        count: number(gpu.count),
        device_ids: list(&gpu.device_ids),
        capabilities: Some(vec![gpu.capabilities.clone()]),
        options: map(&gpu.options),
    });
    let log_config = (!spec.log_driver.is_empty() || !spec.log_options.is_empty())
        .then(|| models::HostConfigLogConfig { typ: text(&spec.log_driver), config: map(&spec.log_options) });
    Ok(models::HostConfig {
        network_mode: text(&spec.network_mode).or(first_network.map(str::to_owned)),
        // On a network of its own, links are the endpoint's.
        links: list(&spec.links).filter(|_| first_network.is_none()),
        binds: list(&binds),
        mounts: (!mounts.is_empty()).then_some(mounts),
        port_bindings: (!port_bindings.is_empty()).then_some(port_bindings),
        restart_policy: Some(restart_policy(&spec.restart)?),
        init: spec.init,
        privileged: Some(spec.privileged),
        cap_add: list(&spec.cap_add),
        cap_drop: list(&spec.cap_drop),
        security_opt: list(&spec.security_opt),
        devices: Some(devices.collect::<Vec<_>>()).filter(|devices| !devices.is_empty()),
        device_cgroup_rules: list(&spec.device_cgroup_rules),
        device_requests: Some(gpus.collect::<Vec<_>>()).filter(|gpus| !gpus.is_empty()),
        dns: list(&spec.dns),
        dns_search: list(&spec.dns_search),
        dns_options: list(&spec.dns_opt),
        extra_hosts: list(&spec.extra_hosts),
        group_add: list(&spec.group_add),
        readonly_rootfs: Some(spec.read_only),
        pid_mode: text(&spec.pid),
        ipc_mode: text(&spec.ipc),
        uts_mode: text(&spec.uts),
        userns_mode: text(&spec.userns),
        cgroupns_mode: cgroupns(&spec.cgroup)?,
        cgroup_parent: text(&spec.cgroup_parent),
        runtime: text(&spec.runtime),
        sysctls: map(&spec.sysctls),
        ulimits: Some(ulimits.collect::<Vec<_>>()).filter(|ulimits| !ulimits.is_empty()),
        shm_size: number(spec.shm_size),
        memory: number(spec.memory),
        memory_reservation: number(spec.memory_reservation),
        memory_swap: number(spec.memory_swap),
        nano_cpus: number(spec.nano_cpus),
        cpu_shares: number(spec.cpu_shares),
        cpuset_cpus: text(&spec.cpuset),
        cpu_period: number(spec.cpu_period),
        cpu_quota: number(spec.cpu_quota),
        cpu_realtime_period: number(spec.cpu_rt_period),
        cpu_realtime_runtime: number(spec.cpu_rt_runtime),
        memory_swappiness: spec.memory_swappiness,
        blkio_weight: (spec.blkio.weight != 0).then_some(spec.blkio.weight),
        blkio_weight_device: weights(&spec.blkio.weight_device),
        blkio_device_read_bps: rates(&spec.blkio.read_bps),
        blkio_device_read_iops: rates(&spec.blkio.read_iops),
        blkio_device_write_bps: rates(&spec.blkio.write_bps),
        blkio_device_write_iops: rates(&spec.blkio.write_iops),
        pids_limit: number(spec.pids_limit),
        oom_kill_disable: spec.oom_kill_disable.then_some(true),
        oom_score_adj: number(spec.oom_score_adj),
        storage_opt: map(&spec.storage_opt),
        annotations: map(&spec.annotations),
        log_config,
        ..Default::default()
    })
}

fn rates(devices: &[(String, i64)]) -> Option<Vec<models::ThrottleDevice>> {
    let all = devices.iter().map(|(path, rate)| models::ThrottleDevice { path: text(path), rate: Some(*rate) });
    (!devices.is_empty()).then(|| all.collect())
}

fn weights(devices: &[(String, i64)]) -> Option<Vec<models::ResourcesBlkioWeightDevice>> {
    let all = devices.iter().map(|(path, weight)| models::ResourcesBlkioWeightDevice {
        path: text(path),
        weight: usize::try_from(*weight).ok(),
    });
    (!devices.is_empty()).then(|| all.collect())
}

fn cgroupns(word: &str) -> EngineResult<Option<models::HostConfigCgroupnsModeEnum>> {
    match word {
        "" => Ok(None),
        "host" => Ok(Some(models::HostConfigCgroupnsModeEnum::HOST)),
        "private" => Ok(Some(models::HostConfigCgroupnsModeEnum::PRIVATE)),
        other => Err(refused(format!("{other:?} is not a cgroup namespace"))),
    }
}

fn restart_policy(word: &str) -> EngineResult<models::RestartPolicy> {
    let (name, count) = match word.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (word, None),
    };
    let maximum_retry_count = match count {
        None => None,
        Some(count) => Some(count.parse().map_err(|_| refused(format!("{word:?} is not a restart policy")))?),
    };
    let name = match name {
        "" | "no" => models::RestartPolicyNameEnum::NO,
        "always" => models::RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => models::RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => models::RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(refused(format!("{word:?} is not a restart policy"))),
    };
    Ok(models::RestartPolicy { name: Some(name), maximum_retry_count })
}

/// A bind as `source:target:options`: the only form that makes a missing source and knows SELinux
/// labels; colons cannot be written in it.
fn bind_line(mount: &ContainerMount) -> Option<String> {
    if mount.kind != "bind" || mount.source.contains(':') || mount.target.contains(':') {
        return None;
    }
    let options = [if mount.read_only { "ro" } else { "" }, &mount.propagation, &mount.selinux];
    let options: Vec<&str> = options.into_iter().filter(|option| !option.is_empty()).collect();
    let mut line = format!("{}:{}", mount.source, mount.target);
    if !options.is_empty() {
        line.push(':');
        line.push_str(&options.join(","));
    }
    Some(line)
}

fn mount(mount: &ContainerMount) -> EngineResult<models::Mount> {
    let mut body = models::Mount {
        target: Some(mount.target.clone()),
        source: text(&mount.source),
        read_only: Some(mount.read_only),
        ..Default::default()
    };
    match mount.kind.as_str() {
        "bind" => {
            body.typ = Some(models::MountType::BIND);
            if !mount.propagation.is_empty() {
                let propagation = propagation(&mount.propagation)?;
                body.bind_options =
                    Some(models::MountBindOptions { propagation: Some(propagation), ..Default::default() });
            }
        }
        "volume" => {
            body.typ = Some(models::MountType::VOLUME);
            body.volume_options = Some(models::MountVolumeOptions {
                no_copy: Some(mount.no_copy),
                subpath: text(&mount.subpath),
                ..Default::default()
            });
        }
        "tmpfs" => {
            body.typ = Some(models::MountType::TMPFS);
            body.source = None;
            body.tmpfs_options = Some(models::MountTmpfsOptions {
                size_bytes: number(mount.tmpfs_size),
                mode: number(i64::from(mount.tmpfs_mode)),
                options: None,
            });
        }
        other => return Err(refused(format!("{other:?} is not a kind of mount"))),
    }
    Ok(body)
}

fn propagation(word: &str) -> EngineResult<models::MountBindOptionsPropagationEnum> {
    use models::MountBindOptionsPropagationEnum as Propagation;
    Ok(match word {
        "private" => Propagation::PRIVATE,
        "rprivate" => Propagation::RPRIVATE,
        "shared" => Propagation::SHARED,
        "rshared" => Propagation::RSHARED,
        "slave" => Propagation::SLAVE,
        "rslave" => Propagation::RSLAVE,
        other => return Err(refused(format!("{other:?} is not a mount propagation"))),
    })
}
/// A tar with one file, as the engine unpacks it at `/`.
pub(super) fn file_archive(spec: &crate::docker::CopySpec) -> std::io::Result<Vec<u8>> {
    let content = std::fs::read(&spec.source)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(spec.mode);
    header.set_uid(spec.uid.into());
    header.set_gid(spec.gid.into());
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, spec.target.trim_start_matches('/'), content.as_slice())?;
    tar.into_inner()
}
