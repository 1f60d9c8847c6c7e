//! A unit as a service of the typed model: the inverse of [`crate::map`]'s reading of one.

use std::collections::BTreeMap;

use super::secrets::Vault;
use super::stack::{Form, Origin, Stack, Unit};
use super::{devices, files};
use crate::docker::{ContainerMount, ContainerSpec, DeviceSpec, EndpointSpec, ExecSpec, HealthSpec, ImageBuildSpec};
use crate::hashed::IndexMap;
use crate::map::hooks::Hooks;
use crate::map::resources::{Need, UpdateOrder};
use crate::model::{
    BindOptions, Build, Bytes, Condition, Dependency, Deploy, Device, Duration, Float, Healthcheck, Hook, Logging,
    MountType, Service, ServiceNetwork, ServiceVolume, SshKey, TmpfsOptions, Ulimit, UpdateConfig, VolumeOptions,
};
use crate::secret::Secret;

/// The names of things in the file, by their names on the server.
pub(super) struct Names {
    pub(super) networks: BTreeMap<String, String>,
    pub(super) volumes: BTreeMap<String, String>,
    /// Services by the name of their container.
    pub(super) containers: BTreeMap<String, String>,
}

/// The service that a unit is.
pub(super) fn service(stack: &Stack, names: &Names, unit: &Unit, vault: &mut Vault<'_>) -> Service {
    let spec = &unit.spec;
    let mut out = Service {
        name: unit.name.clone(),
        ports: unit.ports.clone(),
        scale: unit.scale.map(i64::from),
        depends_on: unit
            .needs
            .iter()
            .map(|(name, need)| {
                let restart = unit.restarts_with.contains(name);
                (name.clone(), Dependency { restart, ..dependency(*need) })
            })
            .collect(),
        ..plain(spec)
    };
    match &unit.origin {
        Origin::Image { image, pull } => {
            out.image = Some(image.clone());
            out.pull_policy = pull.then(|| "always".to_owned());
        }
        Origin::Build { build, .. } => out.build = Some(Box::new(self::build(stack, unit, build, vault))),
    }
    for (name, value) in &spec.environment {
        let text = clear(value);
        out.environment.insert(name.clone(), Some(vault.value(&unit.name, name, text)));
    }
    for (mode, field) in
        [(&spec.network_mode, &mut out.network_mode), (&spec.pid, &mut out.pid), (&spec.ipc, &mut out.ipc)]
    {
        *field = namespace(names, mode);
    }
    for words in [&mut out.command, &mut out.entrypoint].into_iter().flatten() {
        *words = vault.words(&unit.name, words);
    }
    if unit.form == Form::Job {
        out.restart = Some("no".into());
    }
    if let Some(order) = unit.order {
        let order = match order {
            UpdateOrder::StartFirst => crate::model::UpdateOrder::StartFirst,
            UpdateOrder::StopFirst => crate::model::UpdateOrder::StopFirst,
        };
        let update_config = Some(UpdateConfig { order: Some(order), ..UpdateConfig::default() });
        out.deploy = Some(Box::new(Deploy { update_config, ..Deploy::default() }));
    }
    networks(stack, names, unit, &mut out);
    let (own, mounts): (Vec<_>, Vec<_>) = spec.mounts.iter().partition(|mount| files::is_own(stack, mount));
    volumes(names, &mounts, &mut out);
    files::references(&own, &mut out);
    files::copies(&spec.copies, &mut out);
    if let Some(hooks) = &unit.hooks {
        let hooks: Hooks = serde_json::from_str(clear(hooks)).unwrap_or_default();
        out.post_start = hooks.post_start.iter().map(|one| hook(unit, one, vault)).collect();
        out.pre_stop = hooks.pre_stop.iter().map(|one| hook(unit, one, vault)).collect();
    }
    out
}

fn hook(unit: &Unit, spec: &ExecSpec, vault: &mut Vault<'_>) -> Hook {
    let mut environment = IndexMap::default();
    for (name, value) in &spec.environment {
        environment.insert(name.clone(), Some(vault.value(&unit.name, name, value)));
    }
    Hook {
        command: Some(spec.command.clone()),
        user: given(&spec.user),
        privileged: spec.privileged,
        working_dir: given(&spec.working_dir),
        environment,
        ..Hook::default()
    }
}

/// The text of a value; empty where only its digest is left.
fn clear(value: &Secret) -> &str {
    value.expose().unwrap_or_default()
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// A number that is set; 0 stands for none in the engine's terms.
fn number(value: i64) -> Option<i64> {
    Some(value).filter(|value| *value != 0)
}

fn bytes(value: i64) -> Option<Bytes> {
    number(value).map(Bytes)
}

fn map(values: &BTreeMap<String, String>) -> IndexMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Every setting of the engine that is a key by itself, without `..`: one that is added does not compile until its
/// way out is written.
fn plain(spec: &ContainerSpec) -> Service {
    let ContainerSpec {
        // Said by the unit, or with the names of the file.
        name: _,
        image: _,
        environment: _,
        network_mode: _,
        networks: _,
        links,
        ports: _,
        mounts: _,
        copies: _,
        pid: _,
        ipc: _,
        platform,
        command,
        entrypoint,
        labels,
        annotations,
        user,
        group_add,
        working_dir,
        hostname,
        domainname,
        stdin_open,
        tty,
        init,
        expose,
        health,
        restart,
        stop_signal,
        stop_timeout,
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
        device_requests,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        memory_swappiness,
        blkio,
        oom_kill_disable,
        oom_score_adj,
        storage_opt,
        log_driver,
        log_options,
    } = spec;
    let logged = !log_driver.is_empty() || !log_options.is_empty();
    Service {
        platform: given(platform),
        command: command.clone(),
        entrypoint: entrypoint.clone(),
        labels: map(labels),
        annotations: map(annotations),
        user: given(user),
        group_add: group_add.clone(),
        working_dir: given(working_dir),
        hostname: given(hostname),
        domainname: given(domainname),
        stdin_open: *stdin_open,
        tty: *tty,
        init: *init,
        expose: expose.clone(),
        healthcheck: health.as_ref().map(healthcheck).map(Box::new),
        restart: given(restart),
        stop_signal: given(stop_signal),
        stop_grace_period: stop_timeout.map(|seconds| Duration(seconds.saturating_mul(1_000_000_000))),
        privileged: *privileged,
        cap_add: cap_add.clone(),
        cap_drop: cap_drop.clone(),
        security_opt: security_opt.clone(),
        devices: devices.iter().map(device).collect(),
        device_cgroup_rules: device_cgroup_rules.clone(),
        dns: dns.clone(),
        dns_search: dns_search.clone(),
        dns_opt: dns_opt.clone(),
        extra_hosts: hosts(extra_hosts),
        read_only: *read_only,
        uts: given(uts),
        userns_mode: given(userns),
        cgroup: given(cgroup),
        cgroup_parent: given(cgroup_parent),
        runtime: given(runtime),
        sysctls: map(sysctls),
        ulimits: ulimits
            .iter()
            .map(|limit| {
                let ulimit = if limit.soft == limit.hard {
                    Ulimit { single: limit.soft, ..Ulimit::default() }
                } else {
                    Ulimit { soft: limit.soft, hard: limit.hard, ..Ulimit::default() }
                };
                (limit.name.clone(), ulimit)
            })
            .collect(),
        shm_size: bytes(*shm_size),
        mem_limit: bytes(*memory),
        mem_reservation: bytes(*memory_reservation),
        memswap_limit: bytes(*memory_swap),
        // Billionths of a CPU; single precision holds what people write.
        cpus: (*nano_cpus > 0).then(|| Float((*nano_cpus as f64 / 1e9) as f32)),
        cpu_shares: number(*cpu_shares),
        cpuset: given(cpuset),
        pids_limit: number(*pids_limit),
        gpus: device_requests.iter().map(devices::request).collect(),
        cpu_period: number(*cpu_period),
        cpu_quota: number(*cpu_quota),
        cpu_rt_period: number(*cpu_rt_period),
        cpu_rt_runtime: number(*cpu_rt_runtime),
        mem_swappiness: memory_swappiness.map(Bytes),
        blkio_config: devices::blkio(blkio).map(Box::new),
        external_links: links.clone(),
        oom_kill_disable: *oom_kill_disable,
        oom_score_adj: number(*oom_score_adj),
        storage_opt: map(storage_opt),
        logging: logged
            .then(|| Box::new(Logging { driver: given(log_driver), options: map(log_options), ..Logging::default() })),
        ..Service::default()
    }
}

fn healthcheck(health: &HealthSpec) -> Healthcheck {
    if health.test.first().is_some_and(|word| word == "NONE") {
        return Healthcheck { disable: true, ..Healthcheck::default() };
    }
    let time = |nanoseconds: i64| number(nanoseconds).map(Duration);
    Healthcheck {
        test: health.test.clone(),
        interval: time(health.interval),
        timeout: time(health.timeout),
        start_period: time(health.start_period),
        start_interval: time(health.start_interval),
        retries: u64::try_from(health.retries).ok().filter(|retries| *retries > 0),
        ..Healthcheck::default()
    }
}

fn device(device: &DeviceSpec) -> Device {
    Device {
        source: given(&device.source),
        target: given(&device.target),
        permissions: given(&device.permissions),
        ..Device::default()
    }
}

/// `host:address`, where an address may have colons too.
fn hosts(entries: &[String]) -> IndexMap<String, Vec<String>> {
    let mut out: IndexMap<String, Vec<String>> = IndexMap::default();
    for (host, address) in entries.iter().filter_map(|entry| entry.split_once(':')) {
        out.entry(host.to_owned()).or_default().push(address.to_owned());
    }
    out
}

fn dependency(need: Need) -> Dependency {
    let condition = match need {
        Need::Started => Condition::Started,
        Need::Healthy => Condition::Healthy,
        Need::Completed => Condition::CompletedSuccessfully,
    };
    Dependency { condition, required: true, ..Dependency::default() }
}

/// `container:NAME` is `service:X` where the container is a service's of this file.
fn namespace(names: &Names, mode: &str) -> Option<String> {
    match mode.strip_prefix("container:").and_then(|name| names.containers.get(name)) {
        Some(service) => Some(format!("service:{service}")),
        None => given(mode),
    }
}

/// Build options that have a key.
pub(super) fn is_build_flag(flag: &str) -> bool {
    [
        "--target",
        "--cache-from",
        "--cache-to",
        "--no-cache",
        "--add-host",
        "--network",
        "--shm-size",
        "--tag",
        "--ulimit",
        "--platform",
        "--label",
        "--secret",
        "--ssh",
        "--allow",
        "--pull",
        "--no-cache-filter",
    ]
    .contains(&flag)
}

fn build(stack: &Stack, unit: &Unit, spec: &ImageBuildSpec, vault: &mut Vault<'_>) -> Build {
    let dockerfile = spec.dockerfile.to_string_lossy();
    // A Dockerfile outside the context is kept by its text too; where it still stands it is named as it was.
    let inline = spec
        .dockerfile_inline
        .clone()
        .filter(|_| dockerfile == "Dockerfile" || !spec.context.join(&spec.dockerfile).is_file());
    let mut out = Build {
        context: Some(spec.context.to_string_lossy().into_owned()),
        dockerfile: given(&dockerfile).filter(|_| inline.is_none()),
        dockerfile_inline: inline,
        labels: map(&spec.labels),
        ..Build::default()
    };
    for (name, value) in &spec.args {
        out.args.insert(name.clone(), Some(vault.value(&unit.name, name, clear(value))));
    }
    for (name, context) in &spec.contexts {
        let of_service = context.strip_prefix("docker-image://").and_then(|tag| {
            stack.units.values().find(|unit| matches!(&unit.origin, Origin::Build { build, .. } if build.tag == tag))
        });
        let context = of_service.map_or_else(|| context.clone(), |unit| format!("service:{}", unit.name));
        out.additional_contexts.insert(name.clone(), context);
    }
    for option in &spec.options {
        let (flag, value) = option.split_once('=').unwrap_or((option, ""));
        match flag {
            "--target" => out.target = given(value),
            "--cache-from" => out.cache_from.push(value.to_owned()),
            "--cache-to" => out.cache_to.push(value.to_owned()),
            "--no-cache" => out.no_cache = true,
            "--network" => out.network = given(value),
            "--shm-size" => out.shm_size = crate::compose::units::parse_bytes(value).ok().map(Bytes),
            "--tag" => out.tags.push(value.to_owned()),
            "--pull" => out.pull = true,
            "--no-cache-filter" => out.no_cache_filter.push(value.to_owned()),
            "--allow" => out.entitlements.push(value.to_owned()),
            "--secret" => out.secrets.extend(files::of_build(value)),
            "--ssh" => {
                if let Some((id, file)) = files::key_of_build(value) {
                    out.ssh.push(SshKey { id: id.to_owned(), path: Some(format!("./{file}")) });
                }
            }
            "--platform" => out.platforms.push(value.to_owned()),
            "--add-host" => {
                if let Some((host, address)) = value.split_once(':') {
                    out.extra_hosts.entry(host.to_owned()).or_default().push(address.to_owned());
                }
            }
            "--label" => {
                let (name, text) = value.split_once('=').unwrap_or((value, ""));
                out.labels.insert(name.to_owned(), text.to_owned());
            }
            "--ulimit" => {
                if let Some((name, limits)) = value.split_once('=') {
                    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
                    let number = |text: &str| text.parse().unwrap_or(0);
                    let limit = Ulimit { soft: number(soft), hard: number(hard), ..Ulimit::default() };
                    out.ulimits.insert(name.to_owned(), limit);
                }
            }
            _ => {}
        }
    }
    out
}

/// The networks of a service; nothing where it is on the default one by its own name only.
fn networks(stack: &Stack, names: &Names, unit: &Unit, out: &mut Service) {
    let on = &unit.spec.networks;
    let plain = EndpointSpec { aliases: vec![unit.name.clone()], ..EndpointSpec::default() };
    if let [(network, endpoint)] = on.as_slice()
        && *network == format!("{}_default", stack.project)
        && *endpoint == plain
    {
        return;
    }
    let mut wanted: Vec<&str> = Vec::new();
    for (name, endpoint) in on {
        let key = names.networks.get(name).map_or(name.as_str(), String::as_str);
        wanted.push(key);
        let mut at = ServiceNetwork {
            aliases: endpoint.aliases.iter().filter(|alias| **alias != unit.name).cloned().collect(),
            driver_opts: map(&endpoint.options),
            ipv4_address: given(&endpoint.ipv4),
            ipv6_address: given(&endpoint.ipv6),
            link_local_ips: endpoint.link_local.clone(),
            mac_address: given(&endpoint.mac),
            ..ServiceNetwork::default()
        };
        if !endpoint.aliases.contains(&unit.name) && unit.form != Form::Job {
            at.use_service_name_alias = Some(false);
        }
        out.networks.insert(key.to_owned(), (at != ServiceNetwork::default()).then_some(at));
    }
    // The engine joins networks by falling priority, then by name.
    if !wanted.is_sorted() {
        for (index, key) in wanted.iter().rev().enumerate() {
            let at = out.networks.entry((*key).to_owned()).or_default().get_or_insert_default();
            at.priority = i64::try_from(index).ok().map(|index| (index + 1) * 100);
        }
    }
}

/// Mounts in their order; a tmpfs with options beyond size and mode only stands in the short list.
fn volumes(names: &Names, mounts: &[&ContainerMount], out: &mut Service) {
    for mount in mounts {
        if mount.kind == "tmpfs" && (!mount.propagation.is_empty() || !out.tmpfs.is_empty()) {
            out.tmpfs.push(tmpfs_text(mount));
            continue;
        }
        out.volumes.push(volume(names, mount));
    }
}

fn tmpfs_text(mount: &ContainerMount) -> String {
    let size = (mount.tmpfs_size > 0).then(|| format!("size={}", mount.tmpfs_size));
    let mode = (mount.tmpfs_mode > 0).then(|| format!("mode={:o}", mount.tmpfs_mode));
    let options: Vec<String> = size.into_iter().chain(mode).chain(given(&mount.propagation)).collect();
    if options.is_empty() { mount.target.clone() } else { format!("{}:{}", mount.target, options.join(",")) }
}

fn volume(names: &Names, mount: &ContainerMount) -> ServiceVolume {
    let mut out =
        ServiceVolume { target: given(&mount.target), read_only: mount.read_only, ..ServiceVolume::default() };
    match mount.kind.as_str() {
        "bind" => {
            out.kind = MountType::Bind;
            out.source = given(&mount.source);
            out.bind = Some(Box::new(BindOptions {
                selinux: given(&mount.selinux),
                propagation: given(&mount.propagation),
                ..BindOptions::default()
            }));
        }
        "tmpfs" => {
            out.kind = MountType::Tmpfs;
            let options = TmpfsOptions {
                size: bytes(mount.tmpfs_size),
                mode: Some(mount.tmpfs_mode).filter(|mode| *mode != 0),
                ..TmpfsOptions::default()
            };
            out.tmpfs = (options != TmpfsOptions::default()).then(|| Box::new(options));
        }
        _ => {
            out.source = given(names.volumes.get(&mount.source).unwrap_or(&mount.source));
            let options =
                VolumeOptions { nocopy: mount.no_copy, subpath: given(&mount.subpath), ..VolumeOptions::default() };
            out.volume = (options != VolumeOptions::default()).then(|| Box::new(options));
        }
    }
    out
}
