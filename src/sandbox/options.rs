//! The options of `docker container create` as Dokku hands them on: cut by `xargs`, read by docker.

use super::engine::state::Container;
use super::words;

/// A container as its options describe it.
#[derive(Debug, Default)]
pub(super) struct Created {
    /// Labels, links, ports, mounts, health.
    pub container: Container,
    /// Networks of `--network`, in order.
    pub networks: Vec<String>,
    /// Names on the first network.
    pub aliases: Vec<String>,
    /// Fixed address.
    pub address: String,
    /// `--entrypoint`.
    pub entrypoint: Option<String>,
    /// Names of host variables that `--env=NAME` takes over.
    pub passed: Vec<String>,
    /// `--no-healthcheck`.
    pub no_health_check: bool,
}

/// Flags that take a value and that the engine's container does not show.
const VALUES: &[&str] = &[
    "add-host",
    "annotation",
    "blkio-weight",
    "blkio-weight-device",
    "cap-add",
    "cap-drop",
    "cgroup-parent",
    "cgroupns",
    "cpu-period",
    "cpu-quota",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "cpuset-mems",
    "device",
    "device-cgroup-rule",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "dns",
    "dns-opt",
    "dns-option",
    "dns-search",
    "domainname",
    "env-file",
    "expose",
    "gpus",
    "group-add",
    "health-interval",
    "health-retries",
    "health-start-interval",
    "health-start-period",
    "health-timeout",
    "ip6",
    "ipc",
    "isolation",
    "label-file",
    "link-local-ip",
    "log-driver",
    "log-opt",
    "mac-address",
    "memory",
    "memory-reservation",
    "memory-swap",
    "memory-swappiness",
    "name",
    "oom-score-adj",
    "pid",
    "pids-limit",
    "platform",
    "runtime",
    "security-opt",
    "shm-size",
    "stop-signal",
    "stop-timeout",
    "storage-opt",
    "sysctl",
    "tmpfs",
    "ulimit",
    "user",
    "userns",
    "uts",
    "volumes-from",
    "workdir",
    "volume-driver",
    "pull",
    "use-api-socket",
    "cidfile",
];
/// Flags without a value.
const SWITCHES: &[&str] = &[
    "init",
    "interactive",
    "oom-kill-disable",
    "privileged",
    "publish-all",
    "read-only",
    "rm",
    "tty",
    "disable-content-trust",
    "quiet",
];

/// Reads the options; the words of docker's refusal where it would refuse.
pub(super) fn read(text: &str) -> Result<Created, String> {
    let mut created = Created::default();
    let mut all = words::xargs(text)?.into_iter();
    while let Some(word) = all.next() {
        let Some(name) = word.strip_prefix('-') else {
            // What is no option is the image; what follows it the command: the container is another one.
            return Err(format!("Unable to find image '{word}' locally"));
        };
        let (name, inline) = match name.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (name.to_owned(), None),
        };
        let long = match name.as_str() {
            "v" => "volume",
            "p" => "publish",
            "e" => "env",
            "l" => "label",
            "h" => "hostname",
            "m" => "memory",
            "u" => "user",
            "w" => "workdir",
            "c" => "cpu-shares",
            "i" => "interactive",
            "t" => "tty",
            "P" => "publish-all",
            other => match other.strip_prefix('-') {
                Some(long) => long,
                None => {
                    return Err(format!(
                        "unknown shorthand flag: '{}' in -{other}",
                        other.chars().next().unwrap_or('-')
                    ));
                }
            },
        };
        if SWITCHES.contains(&long) {
            continue;
        }
        if long == "no-healthcheck" {
            created.no_health_check = true;
            continue;
        }
        let known = VALUES.contains(&long)
            || matches!(
                long,
                "volume"
                    | "publish"
                    | "env"
                    | "label"
                    | "hostname"
                    | "network"
                    | "net"
                    | "network-alias"
                    | "net-alias"
                    | "ip"
                    | "link"
                    | "health-cmd"
                    | "entrypoint"
                    | "mount"
                    | "restart"
            );
        if !known {
            return Err(format!("unknown flag: --{long}"));
        }
        let Some(value) = inline.or_else(|| all.next()) else {
            return Err(format!("flag needs an argument: --{long}"));
        };
        take(&mut created, long, value);
    }
    Ok(created)
}

fn take(created: &mut Created, name: &str, value: String) {
    let container = &mut created.container;
    match name {
        "volume" => container.mounts.push(if value.contains(':') { value } else { format!(":{value}") }),
        "mount" => {
            let field = |names: &[&str]| {
                value.split(',').find_map(|part| {
                    part.split_once('=').filter(|(key, _)| names.contains(key)).map(|(_, value)| value)
                })
            };
            if field(&["type"]) != Some("tmpfs") {
                let source = field(&["source", "src"]).unwrap_or_default();
                let target = field(&["target", "destination", "dst"]).unwrap_or_default();
                container.mounts.push(format!("{source}:{target}"));
            }
        }
        "publish" => container.publish.push(value),
        "env" => match value.split_once('=') {
            Some((key, value)) => {
                container.environment.insert(key.to_owned(), value.to_owned());
            }
            None => created.passed.push(value),
        },
        "env-file" => {
            // Docker's own reading: a line a variable, as it stands; those of `--env` win.
            for line in std::fs::read_to_string(&value).unwrap_or_default().lines() {
                match line.split_once('=') {
                    _ if line.trim_start().starts_with('#') || line.trim().is_empty() => {}
                    Some((key, value)) => {
                        container.environment.entry(key.to_owned()).or_insert_with(|| value.to_owned());
                    }
                    None => created.passed.push(line.trim().to_owned()),
                }
            }
        }
        "label" => {
            let (key, value) = value.split_once('=').unwrap_or((&value, ""));
            container.labels.insert(key.to_owned(), value.to_owned());
        }
        "hostname" => container.hostname = value,
        "network" | "net" => created.networks.push(value),
        "network-alias" | "net-alias" => created.aliases.push(value),
        "ip" => created.address = value,
        "link" => container.links.push(value),
        "health-cmd" => container.health_check = true,
        "entrypoint" => created.entrypoint = Some(value),
        "restart" => container.restart = value,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_docker_reads_them() {
        let created =
            read("--network-alias=api '--health-cmd=a b || exit 1' -v /a:/b:ro --link x:y -p 80:80 --env=A=1").unwrap();
        assert_eq!(created.aliases, ["api"]);
        assert!(created.container.health_check);
        assert_eq!(created.container.mounts, ["/a:/b:ro"]);
        assert_eq!(created.container.links, ["x:y"]);
    }

    #[test]
    fn a_value_cut_from_its_option_is_refused() {
        assert!(read("--label=a b").unwrap_err().contains("Unable to find image"));
        assert!(read("--no-such=1").unwrap_err().contains("unknown flag"));
        assert!(read("--memory").unwrap_err().contains("needs an argument"));
    }
}
