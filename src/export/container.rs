//! A raw container as words of `docker create`.

use std::collections::BTreeMap;

use crate::docker::{ContainerSpec, EndpointSpec};
use crate::map::options::{Lists, settings};
use crate::secret::Secret;

/// A container in the words of the docker command.
pub(super) struct Words {
    /// Options, variables and networks beyond the first apart.
    pub(super) options: Vec<String>,
    /// Its command, after the image.
    pub(super) command: Vec<String>,
    /// Its variables.
    pub(super) variables: BTreeMap<String, Secret>,
    /// Networks to join before it starts.
    pub(super) networks: Vec<(String, EndpointSpec)>,
}

/// What `docker create` has to be told; the mapping of an app says which option each setting is.
pub(super) fn words(spec: &ContainerSpec) -> Words {
    let mut spec = spec.clone();
    let variables = std::mem::take(&mut spec.environment);
    let mut command: Vec<String> = spec.entrypoint.iter().flatten().skip(1).cloned().collect();
    command.extend(spec.command.iter().flatten().cloned());
    let mut options = vec![format!("--name={}", spec.name)];
    let mut put = |flag: &str, value: &str| {
        if !value.is_empty() {
            options.push(format!("{flag}={value}"));
        }
    };
    put("--restart", &spec.restart);
    put("--stop-timeout", &spec.stop_timeout.map(|seconds| seconds.to_string()).unwrap_or_default());
    put("--init", &spec.init.map(|init| init.to_string()).unwrap_or_default());
    let network = match (spec.network_mode.as_str(), spec.networks.first()) {
        ("", Some((name, _))) => name.clone(),
        (mode, _) => mode.to_owned(),
    };
    put("--network", &network);
    for port in &spec.ports {
        let protocol = if port.protocol.is_empty() { String::new() } else { format!("/{}", port.protocol) };
        let host = match (port.host_ip.as_str(), port.host_port.as_str()) {
            ("", "") => String::new(),
            ("", host) => format!("{host}:"),
            (address, host) => format!("{address}:{host}:"),
        };
        put("--publish", &format!("{host}{}{protocol}", port.container_port));
    }
    let mut lists = Lists::default();
    let mut properties = BTreeMap::new();
    let (_, resources, mounts, networks) = settings(&mut lists, spec, &mut properties);
    for (name, value) in &resources {
        let flag = match name.as_str() {
            "limit.memory" => "--memory",
            "limit.memory-swap" => "--memory-swap",
            "reserve.memory" => "--memory-reservation",
            _ => "--cpus",
        };
        put(flag, value);
    }
    for (name, value) in &properties {
        put("--log-opt", &format!("{}={value}", name.trim_start_matches("logs.")));
    }
    for mount in &mounts {
        put("--volume", &mount.spec());
    }
    options.extend(lists.deploy);
    Words { options, command, variables, networks: networks.into_iter().collect() }
}
