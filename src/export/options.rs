//! Options of the docker command back to the engine's terms: the inverse of the mapping's `docker-options`.

use super::devices;
use crate::docker::{ContainerMount, ContainerSpec, DeviceSpec, EndpointSpec, HealthSpec, UlimitSpec};
use crate::model::Port;
use crate::secret::{DigestKey, Secret};

/// What the options of an app's containers say.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) spec: ContainerSpec,
    pub(super) ports: Vec<Port>,
    /// Place on the first network.
    pub(super) endpoint: EndpointSpec,
    /// Options that no key expresses.
    pub(super) rest: Vec<String>,
}

/// Reads the options of a phase, each as `--flag=value`, `--flag value` or `--flag`.
pub(super) fn parse(options: &[String], key: &DigestKey) -> Parsed {
    let mut out = Parsed::default();
    for option in options {
        let (flag, value) = split(option);
        if !out.take(flag, value, key) {
            out.rest.push(option.clone());
        }
    }
    out.spec.ulimits.sort_by(|one, two| one.name.cmp(&two.name));
    out
}

/// `--flag=a b` is one word, `-v /a:/b` two.
pub(super) fn split(option: &str) -> (&str, Option<&str>) {
    let end = option.find(['=', ' ']).unwrap_or(option.len());
    let (flag, rest) = option.split_at(end);
    if rest.starts_with('=') && !flag.starts_with("--") {
        return (option, None);
    }
    (flag, rest.get(1..).map(str::trim_start).filter(|_| !rest.is_empty()))
}

impl Parsed {
    /// Whether the option was understood.
    fn take(&mut self, flag: &str, value: Option<&str>, key: &DigestKey) -> bool {
        let Some(value) = value else { return self.switch(flag) };
        self.health(flag, value) || self.number(flag, value) || self.list(flag, value, key) || self.text(flag, value)
    }

    fn switch(&mut self, flag: &str) -> bool {
        let spec = &mut self.spec;
        match flag {
            "--interactive" | "-i" => spec.stdin_open = true,
            "--tty" | "-t" => spec.tty = true,
            "--read-only" => spec.read_only = true,
            "--oom-kill-disable" => spec.oom_kill_disable = true,
            "--privileged" => spec.privileged = true,
            "--init" => spec.init = Some(true),
            "--no-healthcheck" => spec.health = Some(HealthSpec { test: vec!["NONE".into()], ..HealthSpec::default() }),
            _ => return false,
        }
        true
    }

    fn health(&mut self, flag: &str, value: &str) -> bool {
        let Some(name) = flag.strip_prefix("--health-") else { return false };
        let health = self.spec.health.get_or_insert_default();
        let time = crate::compose::duration::parse(value).ok();
        match (name, time) {
            ("cmd", _) => health.test = vec!["CMD-SHELL".into(), value.to_owned()],
            ("interval", Some(time)) => health.interval = time,
            ("timeout", Some(time)) => health.timeout = time,
            ("start-period", Some(time)) => health.start_period = time,
            ("start-interval", Some(time)) => health.start_interval = time,
            ("retries", _) => match value.parse() {
                Ok(retries) => health.retries = retries,
                Err(_) => return false,
            },
            _ => return false,
        }
        true
    }

    fn number(&mut self, flag: &str, value: &str) -> bool {
        let spec = &mut self.spec;
        let bytes = || crate::compose::units::parse_bytes(value).ok();
        let plain = || value.parse::<i64>().ok();
        let (field, number) = match flag {
            "--cpu-shares" | "-c" => (&mut spec.cpu_shares, plain()),
            "--pids-limit" => (&mut spec.pids_limit, plain()),
            "--oom-score-adj" => (&mut spec.oom_score_adj, plain()),
            "--cpu-period" => (&mut spec.cpu_period, plain()),
            "--cpu-quota" => (&mut spec.cpu_quota, plain()),
            "--cpu-rt-period" => (&mut spec.cpu_rt_period, plain()),
            "--cpu-rt-runtime" => (&mut spec.cpu_rt_runtime, plain()),
            "--memory-swappiness" => (spec.memory_swappiness.get_or_insert(0), plain()),
            "--shm-size" => (&mut spec.shm_size, bytes()),
            "--memory" | "-m" => (&mut spec.memory, bytes()),
            "--memory-reservation" => (&mut spec.memory_reservation, bytes()),
            "--memory-swap" => (&mut spec.memory_swap, plain().filter(|swap| *swap == -1).or_else(bytes)),
            "--cpus" => (&mut spec.nano_cpus, nano_cpus(value)),
            _ => return false,
        };
        number.is_some_and(|number| {
            *field = number;
            true
        })
    }

    /// Options that may stand several times.
    fn list(&mut self, flag: &str, value: &str, key: &DigestKey) -> bool {
        let spec = &mut self.spec;
        let pair = value.split_once('=');
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        match (flag, pair) {
            ("--env" | "-e", Some((name, value))) => {
                drop(spec.environment.insert(name.to_owned(), Secret::new(value, key)))
            }
            ("--label" | "-l", _) => spec.labels.extend([owned(pair.unwrap_or((value, "")))]),
            ("--annotation", Some(pair)) => spec.annotations.extend([owned(pair)]),
            ("--sysctl", Some(pair)) => spec.sysctls.extend([owned(pair)]),
            ("--storage-opt", Some(pair)) => spec.storage_opt.extend([owned(pair)]),
            ("--log-opt", Some(pair)) => spec.log_options.extend([owned(pair)]),
            ("--group-add", _) => spec.group_add.push(value.to_owned()),
            ("--cap-add", _) => spec.cap_add.push(value.to_owned()),
            ("--cap-drop", _) => spec.cap_drop.push(value.to_owned()),
            ("--security-opt", _) => spec.security_opt.push(value.to_owned()),
            ("--device-cgroup-rule", _) => spec.device_cgroup_rules.push(value.to_owned()),
            ("--dns", _) => spec.dns.push(value.to_owned()),
            ("--dns-search", _) => spec.dns_search.push(value.to_owned()),
            ("--dns-option" | "--dns-opt", _) => spec.dns_opt.push(value.to_owned()),
            ("--add-host", _) => spec.extra_hosts.push(value.to_owned()),
            ("--device", _) => match device(value) {
                Some(device) => spec.devices.push(device),
                None => return false,
            },
            ("--expose", _) => spec.expose.push(value.to_owned()),
            ("--link", _) if value.contains(':') && !value.starts_with("dokku.") => spec.links.push(value.to_owned()),
            ("--gpus", _) => match devices::gpu(value) {
                Some(gpu) => spec.device_requests.push(gpu),
                None => return false,
            },
            ("--blkio-weight", _) => match value.parse() {
                Ok(weight) => spec.blkio.weight = weight,
                Err(_) => return false,
            },
            ("--ulimit", Some((name, limits))) => match ulimit(name, limits) {
                Some(limit) => spec.ulimits.push(limit),
                None => return false,
            },
            ("--network-alias" | "--net-alias", _) => self.endpoint.aliases.push(value.to_owned()),
            ("--link-local-ip", _) => self.endpoint.link_local.push(value.to_owned()),
            ("--publish" | "-p", _) => match publish(value) {
                Some(port) => self.ports.push(port),
                None => return false,
            },
            ("--tmpfs", _) => spec.mounts.push(tmpfs(value)),
            ("--volume" | "-v", _) => match volume(value) {
                Some(mount) => spec.mounts.push(mount),
                None => return false,
            },
            ("--mount", _) => match mount(value) {
                Some(mount) => spec.mounts.push(mount),
                None => return false,
            },
            _ => return devices::limit(&mut spec.blkio, flag, value),
        }
        true
    }

    fn text(&mut self, flag: &str, value: &str) -> bool {
        let spec = &mut self.spec;
        let field = match flag {
            "--entrypoint" => {
                spec.entrypoint =
                    Some(Some(value).filter(|word| !word.is_empty()).map(str::to_owned).into_iter().collect());
                return true;
            }
            "--init" | "--privileged" | "--read-only" | "--tty" | "--interactive" if value == "true" => {
                return self.switch(flag);
            }
            "--platform" => &mut spec.platform,
            "--user" | "-u" => &mut spec.user,
            "--workdir" | "-w" => &mut spec.working_dir,
            "--hostname" | "-h" => &mut spec.hostname,
            "--domainname" => &mut spec.domainname,
            "--stop-signal" => &mut spec.stop_signal,
            "--pid" => &mut spec.pid,
            "--ipc" => &mut spec.ipc,
            "--uts" => &mut spec.uts,
            "--userns" => &mut spec.userns,
            "--cgroupns" => &mut spec.cgroup,
            "--cgroup-parent" => &mut spec.cgroup_parent,
            "--runtime" => &mut spec.runtime,
            "--cpuset-cpus" => &mut spec.cpuset,
            "--log-driver" => &mut spec.log_driver,
            "--restart" => &mut spec.restart,
            "--ip" => &mut self.endpoint.ipv4,
            "--ip6" => &mut self.endpoint.ipv6,
            "--mac-address" => &mut self.endpoint.mac,
            _ => return false,
        };
        value.clone_into(field);
        true
    }
}

/// `0.5` CPUs in billionths.
pub(super) fn nano_cpus(value: &str) -> Option<i64> {
    let cpus: f64 = value.parse().ok()?;
    // The cast saturates; nobody has that many.
    (cpus > 0.0).then(|| (cpus * 1e9).round() as i64)
}

fn device(value: &str) -> Option<DeviceSpec> {
    let parts: Vec<&str> = value.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, target] if target.starts_with('/') => (*source, *target, "rwm"),
        [source, permissions] => (*source, *source, *permissions),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => return None,
    };
    // A CDI name has no path.
    let target = if source.starts_with('/') { target } else { "" };
    Some(DeviceSpec { source: source.into(), target: target.into(), permissions: permissions.into() })
}

fn ulimit(name: &str, limits: &str) -> Option<UlimitSpec> {
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Some(UlimitSpec { name: name.to_owned(), soft: soft.parse().ok()?, hard: hard.parse().ok()? })
}

/// `[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`; a range of container ports is not a single one.
fn publish(value: &str) -> Option<Port> {
    let (rest, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let (host, target) = match rest.rsplit_once(':') {
        Some((host, target)) => (host, target),
        None => ("", rest),
    };
    let (address, published) = match host.rsplit_once(':') {
        Some((address, published)) => (address.trim_start_matches('[').trim_end_matches(']'), published),
        None => ("", host),
    };
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut port = Port {
        host_ip: given(address),
        target: target.parse().ok()?,
        published: given(published),
        protocol: Some(protocol.to_owned()),
        mode: Some("ingress".into()),
        ..Port::default()
    };
    // Without it an unknown port is taken for HTTP and goes to the proxy.
    let to_host = protocol != "tcp" || !matches!(address, "" | "0.0.0.0" | "::");
    port.app_protocol = (!to_host).then(|| "tcp".to_owned());
    Some(port)
}

fn tmpfs(value: &str) -> ContainerMount {
    let (target, options) = value.split_once(':').unwrap_or((value, ""));
    let mut mount = ContainerMount { kind: "tmpfs".into(), target: target.to_owned(), ..ContainerMount::default() };
    let mut others = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) => mount.tmpfs_size = crate::compose::units::parse_bytes(size).unwrap_or(0),
            Some(("mode", mode)) => mount.tmpfs_mode = u32::from_str_radix(mode, 8).unwrap_or(0),
            _ => others.push(option),
        }
    }
    mount.propagation = others.join(",");
    mount
}

/// `SOURCE:TARGET[:OPTIONS]`.
fn volume(value: &str) -> Option<ContainerMount> {
    let mut parts = value.splitn(3, ':');
    let (source, target) = (parts.next()?, parts.next()?);
    Some(plain_mount(source, target, parts.next().unwrap_or_default()))
}

/// A mount as `storage:mount` and `-v` write it; a source that is no path is a volume.
pub(super) fn plain_mount(source: &str, target: &str, options: &str) -> ContainerMount {
    let mut mount = ContainerMount {
        kind: if source.starts_with('/') { "bind" } else { "volume" }.into(),
        source: source.to_owned(),
        target: target.to_owned(),
        ..ContainerMount::default()
    };
    for option in options.split(',') {
        match option {
            "ro" => mount.read_only = true,
            "z" | "Z" => option.clone_into(&mut mount.selinux),
            "nocopy" => mount.no_copy = true,
            "rw" | "" => {}
            _ => option.clone_into(&mut mount.propagation),
        }
    }
    mount
}

/// `type=bind,source=/a,target=/b,readonly`.
fn mount(value: &str) -> Option<ContainerMount> {
    let mut mount = ContainerMount { kind: "volume".into(), ..ContainerMount::default() };
    for part in value.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, "true"));
        let field = match name {
            "type" => &mut mount.kind,
            "source" | "src" => &mut mount.source,
            "target" | "destination" | "dst" => &mut mount.target,
            "volume-subpath" => &mut mount.subpath,
            "bind-propagation" => &mut mount.propagation,
            "readonly" | "ro" => {
                mount.read_only = value == "true";
                continue;
            }
            "volume-nocopy" => {
                mount.no_copy = value == "true";
                continue;
            }
            _ => return None,
        };
        value.clone_into(field);
    }
    (matches!(mount.kind.as_str(), "bind" | "volume") && !mount.target.is_empty()).then_some(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Parsed {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        parse(&options, &DigestKey([1; 32]))
    }

    #[test]
    fn both_spellings_of_an_option_are_read() {
        let parsed = read(&[
            "-v /srv/a:/a:ro",
            "--volume=data:/b",
            "--label=one=a b",
            "--shm-size 64m",
            "-p 127.0.0.1:53:53/udp",
        ]);
        assert!(parsed.rest.is_empty(), "{:?}", parsed.rest);
        let mounts: Vec<_> = parsed.spec.mounts.iter().map(|mount| (mount.kind.as_str(), mount.read_only)).collect();
        assert_eq!(mounts, [("bind", true), ("volume", false)]);
        assert_eq!(parsed.spec.labels["one"], "a b");
        assert_eq!(parsed.spec.shm_size, 64 << 20);
        let port = &parsed.ports[0];
        assert_eq!(
            (port.host_ip.as_deref(), port.published.as_deref(), port.target),
            (Some("127.0.0.1"), Some("53"), 53)
        );
        assert_eq!(port.app_protocol, None);
    }

    #[test]
    fn what_no_key_expresses_is_kept_as_it_is() {
        let options =
            ["--link dokku.postgres.db:dokku-postgres-db", "--isolation=hyperv", "--publish=8000-8010:8000-8010"];
        assert_eq!(read(&options).rest, options);
    }

    #[test]
    fn health_and_an_empty_entry_point() {
        let parsed = read(&["--health-cmd=curl -f localhost", "--health-interval=1500ms", "--entrypoint="]);
        let health = parsed.spec.health.unwrap();
        assert_eq!((health.test[1].as_str(), health.interval), ("curl -f localhost", 1_500_000_000));
        assert_eq!(parsed.spec.entrypoint, Some(Vec::new()));
    }
}
