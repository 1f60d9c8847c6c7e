//! Hash: the digest by which `docker compose` knows that a service's configuration changed.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::Service;

/// Keys that a change of which makes no new container.
const IGNORED: &[&str] = &["build", "pull_policy", "scale", "depends_on", "profiles"];

/// The order of a service's keys in what is hashed: that of docker compose, frozen so that hashes outlive its releases.
/// Keys that are not listed follow by name.
const ORDER: &[&str] = &[
    "annotations",
    "attach",
    "develop",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "cgroup",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpus",
    "cpuset",
    "cpu_shares",
    "command",
    "configs",
    "container_name",
    "credential_spec",
    "deploy",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "provider",
    "environment",
    "env_file",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "group_add",
    "gpus",
    "hostname",
    "healthcheck",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "label_file",
    "links",
    "logging",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "mem_swappiness",
    "mac_address",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "read_only",
    "restart",
    "runtime",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
    "pre_start",
    "post_start",
    "pre_stop",
    "pull_refresh_after",
    "umask",
];

/// The SHA-256 of a service's configuration in hexadecimal, as `docker compose config --hash` prints it.
pub fn service_hash(service: &Service) -> String {
    let mut value = serde_json::to_value(service).unwrap_or_default();
    super::render::sort_authored(&mut value);
    if let Value::Object(keys) = &mut value {
        super::render::limits_of_devices(keys);
        keys.retain(|key, _| !IGNORED.contains(&key.as_str()));
        if let Some(deploy) = keys.get_mut("deploy").and_then(Value::as_object_mut) {
            deploy.shift_remove("replicas");
        }
        let mut entries: Vec<(String, Value)> = std::mem::take(keys).into_iter().collect();
        let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
        entries.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
        *keys = entries.into_iter().collect();
    }
    let digest = Sha256::digest(as_go(&value.to_string()).as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Go writes JSON that can stand in HTML. None of these characters is part of JSON itself.
fn as_go(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}
