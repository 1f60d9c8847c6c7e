//! The engine's form of a service as Dokku takes it: variables, resources, mounts, and the rest as `docker-options`.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::resources::{AppMount, DockerOptions};
use super::{devices, health};
use crate::docker::{ContainerMount, ContainerSpec};
use crate::dokku;
use crate::hashed::{self, IndexMap};
use crate::model::Service;

/// Variable names that would disturb the shell in which Dokku runs `docker create`, or that bash refuses to set.
/// They go by `--env-file` instead (`fn-scheduler-docker-local-start-app-container` evaluates the app's config).
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

/// `--flag=value`, as Dokku stores an option after taking its quotes away.
pub(super) fn join(flag: &str, value: &str) -> String {
    if value.is_empty() { flag.to_owned() } else { [flag, "=", value].concat() }
}

/// Options that Dokku cannot keep are refused before anything is changed: it stores each on a line of its own.
pub(super) fn check_options(ctx: &Context<'_>, service: &Service, options: &DockerOptions) {
    let all: BTreeSet<&String> = options.build.iter().chain(&options.deploy).chain(&options.run).collect();
    for option in all {
        let flag = option.split_once('=').map_or(option.as_str(), |(flag, _)| flag);
        let Err(error) = dokku::check_option(option) else { continue };
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

/// Options as they are collected.
#[derive(Default)]
pub struct Lists {
    /// Of the running containers.
    pub deploy: Vec<String>,
    /// Of one-off runs.
    pub run: Vec<String>,
    /// Lines `NAME=VALUE` of a file that docker reads: values stand in no command line.
    pub env_file: String,
}

/// A service on its way to options.
pub(super) struct Builder<'a> {
    pub(super) ctx: &'a Context<'a>,
    pub(super) service: &'a Service,
    pub(super) lists: Lists,
}

impl Lists {
    /// An option of the running containers only.
    pub(super) fn deploy(&mut self, flag: &str, value: &str) {
        if !value.is_empty() {
            self.deploy.push(join(flag, value));
        }
    }

    /// An option of one-off runs too.
    pub(super) fn both(&mut self, flag: &str, value: &str) {
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

/// Whether docker reads `key=text` back from a line of a file given by `--env-file`, which knows no quotes.
fn fits_env_file(key: &str, text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c == '\0';
    !key.is_empty() && !key.starts_with('#') && !key.contains(odd) && !text.contains(['\n', '\r', '\0'])
}

/// What is no option: variables, resources, storage, networks beyond the first.
pub type Settings = (
    IndexMap<String, crate::secret::Secret>,
    BTreeMap<String, String>,
    Vec<AppMount>,
    IndexMap<String, crate::docker::EndpointSpec>,
);

/// Every field of the engine's form, without `..`: either Dokku has a command for it, or it is an option.
pub fn settings(build: &mut Lists, spec: ContainerSpec, properties: &mut BTreeMap<String, String>) -> Settings {
    let ContainerSpec {
        // Said by properties, ports and the source.
        name: _,
        image: _,
        command: _,
        restart: _,
        stop_timeout: _,
        init: _,
        ports: _,
        network_mode: _,
        copies: _,
        expose,
        links,
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
    let mut config = hashed::with_capacity(environment.len());
    for (key, value) in environment {
        if key == "PORT" {
            continue;
        }
        let text = value.expose().unwrap_or_default();
        // One that is too long is refused elsewhere, with its place.
        let kept = text.len() >= 100_000 || dokku::config::check(&key, text).is_ok();
        if kept && !SHELL_NAMES.contains(&key.as_str()) && !key.starts_with("DOKKU_") {
            config.insert(key, value);
        } else if fits_env_file(&key, text) {
            build.env_file.push_str(&format!("{key}={text}\n"));
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
        build.both("--ulimit", &format!("{}={}:{}", limit.name, limit.soft, limit.hard));
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
        ("--cpu-period", cpu_period),
        ("--cpu-quota", cpu_quota),
        ("--cpu-rt-period", cpu_rt_period),
        ("--cpu-rt-runtime", cpu_rt_runtime),
        ("--pids-limit", pids_limit),
        ("--oom-score-adj", oom_score_adj),
        ("--shm-size", shm_size),
    ] {
        if value != 0 {
            build.deploy(flag, &value.to_string());
        }
    }
    for gpu in &device_requests {
        build.deploy("--gpus", &devices::gpu_option(gpu));
    }
    if let Some(swappiness) = memory_swappiness {
        build.deploy("--memory-swappiness", &swappiness.to_string());
    }
    if blkio.weight != 0 {
        build.deploy("--blkio-weight", &blkio.weight.to_string());
    }
    for (flag, limits) in [
        ("--blkio-weight-device", blkio.weight_device),
        ("--device-read-bps", blkio.read_bps),
        ("--device-read-iops", blkio.read_iops),
        ("--device-write-bps", blkio.write_bps),
        ("--device-write-iops", blkio.write_iops),
    ] {
        for (path, amount) in limits {
            build.deploy(flag, &format!("{path}:{amount}"));
        }
    }
    for port in &expose {
        build.deploy("--expose", port);
    }
    for link in &links {
        build.deploy("--link", link);
    }
    for (key, value) in log_options {
        if key == "max-size" {
            properties.insert("logs.max-size".into(), value);
        } else {
            build.deploy("--log-opt", &format!("{key}={value}"));
        }
    }
    for (flag, value) in health.iter().flat_map(health::options) {
        if value.is_empty() { build.deploy.push(flag) } else { build.deploy(&flag, &value) }
    }
    let mut resources = BTreeMap::new();
    for (name, bytes) in
        [("limit.memory", memory), ("reserve.memory", memory_reservation), ("limit.memory-swap", memory_swap)]
    {
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
    let mut rest = IndexMap::default();
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
        build.deploy("--mac-address", &endpoint.mac);
        for address in &endpoint.link_local {
            build.deploy("--link-local-ip", address);
        }
    }
    (config, resources, mounts, rest)
}

/// Storage that Dokku can express by `storage:mount`; the rest by `--mount`.
fn mounts(build: &mut Lists, mounts: Vec<ContainerMount>) -> Vec<AppMount> {
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
                options.extend(mount.propagation.split(',').filter(|option| !option.is_empty()).map(str::to_owned));
                if mount.read_only {
                    options.push("ro".into());
                }
                let suffix = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
                build.both("--tmpfs", &format!("{}{suffix}", mount.target));
            }
            _ if mount.subpath.is_empty() && plain(&mount.source) && plain(&mount.target) => {
                let words = [
                    if mount.read_only { "ro" } else { "" },
                    mount.selinux.as_str(),
                    mount.propagation.as_str(),
                    if mount.no_copy { "nocopy" } else { "" },
                ];
                let options = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(",");
                out.push(AppMount { source: mount.source, target: mount.target, options });
            }
            kind => {
                let mut text = format!("type={kind},source={},target={}", mount.source, mount.target);
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
