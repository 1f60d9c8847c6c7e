//! The engine's answers as this room's facts.

use std::collections::{BTreeMap, HashMap};

use bollard::models;

use super::super::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};

fn sorted(map: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().collect()
}

fn subnets(ipam: Option<models::Ipam>) -> Vec<String> {
    ipam.and_then(|ipam| ipam.config).unwrap_or_default().into_iter().filter_map(|pool| pool.subnet).collect()
}

pub(super) fn network(network: models::Network) -> NetworkFacts {
    NetworkFacts {
        name: network.name.unwrap_or_default(),
        driver: network.driver.unwrap_or_default(),
        subnets: subnets(network.ipam),
        internal: network.internal.unwrap_or_default(),
        labels: sorted(network.labels),
        containers: Vec::new(),
    }
}

pub(super) fn network_with_containers(network: models::NetworkInspect) -> NetworkFacts {
    let mut containers: Vec<String> = network.containers.unwrap_or_default().into_keys().collect();
    containers.sort();
    NetworkFacts {
        name: network.name.unwrap_or_default(),
        driver: network.driver.unwrap_or_default(),
        subnets: subnets(network.ipam),
        internal: network.internal.unwrap_or_default(),
        labels: sorted(network.labels),
        containers,
    }
}

pub(super) fn volume(volume: models::Volume) -> VolumeFacts {
    VolumeFacts {
        name: volume.name,
        driver: volume.driver,
        options: volume.options.into_iter().collect(),
        labels: volume.labels.into_iter().collect(),
    }
}

pub(super) fn image(image: models::ImageInspect) -> ImageFacts {
    let config = image.config.unwrap_or_default();
    let mut exposed = config.exposed_ports.unwrap_or_default();
    exposed.sort();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    let test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
    ImageFacts {
        id: image.id.unwrap_or_default(),
        tags: image.repo_tags.unwrap_or_default(),
        digests: image.repo_digests.unwrap_or_default(),
        exposed,
        volumes,
        healthcheck: test.first().is_some_and(|kind| kind != "NONE"),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        environment: config.env.unwrap_or_default(),
        labels: sorted(config.labels),
    }
}

fn addresses(networks: Option<HashMap<String, models::EndpointSettings>>) -> BTreeMap<String, String> {
    networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, endpoint)| (name, endpoint.ip_address.unwrap_or_default()))
        .collect()
}

/// Names of volumes, host paths of binds.
fn mounted(mounts: Option<Vec<models::MountPoint>>) -> Vec<String> {
    let source = |mount: models::MountPoint| {
        mount.name.filter(|name| !name.is_empty()).or(mount.source).filter(|source| !source.is_empty())
    };
    let mut names: Vec<String> = mounts.unwrap_or_default().into_iter().filter_map(source).collect();
    names.sort();
    names
}

/// The engine's words for no health check.
fn health_word(word: &str) -> String {
    if word == "none" { String::new() } else { word.to_owned() }
}

pub(super) fn container(container: models::ContainerInspectResponse) -> ContainerFacts {
    let state = container.state.unwrap_or_default();
    let config = container.config.unwrap_or_default();
    let health = state.health.unwrap_or_default();
    let last_check = health.log.unwrap_or_default().pop().unwrap_or_default();
    ContainerFacts {
        id: container.id.unwrap_or_default(),
        name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image: config.image.unwrap_or_default(),
        image_id: container.image.unwrap_or_default(),
        status: state.status.map(|status| status.to_string()).unwrap_or_default(),
        health: health.status.map(|status| health_word(status.as_ref())).unwrap_or_default(),
        failed_check: failed_check(last_check),
        exit_code: state.exit_code.unwrap_or_default(),
        error: state.error.clone().unwrap_or_default(),
        restarts: container.restart_count.unwrap_or_default(),
        // A container that never ran has the year 1.
        started_at: state.started_at.filter(|at| !at.starts_with("0001-")).unwrap_or_default(),
        labels: sorted(config.labels),
        networks: addresses(container.network_settings.and_then(|settings| settings.networks)),
        mounts: mounted(container.mounts),
        ports: Vec::new(),
    }
}

/// What a failed health check said, with its exit code; empty for one that passed.
fn failed_check(check: models::HealthcheckResult) -> String {
    match check.exit_code {
        None | Some(0) => String::new(),
        Some(code) => format!("exit code {code}\n{}", check.output.unwrap_or_default().trim()).trim().to_owned(),
    }
}

/// `NAME=value` of a container.
pub(super) fn environment(container: models::ContainerInspectResponse) -> BTreeMap<String, String> {
    let all = container.config.and_then(|config| config.env).unwrap_or_default();
    all.iter()
        .map(|entry| entry.split_once('=').unwrap_or((entry, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn listed_container(container: models::ContainerSummary) -> ContainerFacts {
    let text = container.status.unwrap_or_default();
    // A container has further names where others link to it; its own has one slash.
    let names = container.names.unwrap_or_default();
    let name = names.iter().find(|name| name.matches('/').count() == 1).or(names.first());
    ContainerFacts {
        id: container.id.unwrap_or_default(),
        name: name.map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default(),
        image: container.image.unwrap_or_default(),
        image_id: container.image_id.unwrap_or_default(),
        status: container.state.map(|state| state.to_string()).unwrap_or_default(),
        health: health_of(&text).to_owned(),
        failed_check: String::new(),
        exit_code: exit_code_of(&text),
        error: String::new(),
        restarts: 0,
        started_at: String::new(),
        labels: sorted(container.labels),
        networks: addresses(container.network_settings.and_then(|settings| settings.networks)),
        mounts: mounted(container.mounts),
        ports: container.ports.unwrap_or_default().into_iter().filter_map(opened).collect(),
    }
}

/// A port of the host that is open for a container.
fn opened(port: models::PortSummary) -> Option<String> {
    Some(format!("{}:{}", port.ip.unwrap_or_default(), port.public_port?))
}

/// Health in a list's status: `Up 5 minutes (health: starting)`, `Up 5 minutes (healthy)`.
fn health_of(status: &str) -> &str {
    let word = status.rsplit_once('(').and_then(|(_, word)| word.strip_suffix(')')).unwrap_or_default();
    match word.strip_prefix("health: ").unwrap_or(word) {
        word @ ("starting" | "healthy" | "unhealthy") => word,
        _ => "",
    }
}

/// Exit code in a list's status: `Exited (137) 5 minutes ago`.
fn exit_code_of(status: &str) -> i64 {
    let code = |rest: &str| rest.split_once(')').and_then(|(code, _)| code.parse().ok());
    ["Exited (", "Restarting ("].iter().find_map(|start| status.strip_prefix(start).and_then(code)).unwrap_or_default()
}

/// Frames of two streams, as lines in the order in which they are completed.
#[derive(Default)]
pub(super) struct LogLines {
    lines: Vec<String>,
    pending: [Vec<u8>; 2],
}

impl LogLines {
    pub(super) fn push(&mut self, stream: usize, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending[stream].extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end(stream);
            }
        }
    }

    fn end(&mut self, stream: usize) {
        let bytes = std::mem::take(&mut self.pending[stream]);
        self.lines.push(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned());
    }

    /// The last `count` lines.
    pub(super) fn last(mut self, count: usize) -> Vec<String> {
        for stream in 0..2 {
            if !self.pending[stream].is_empty() {
                self.end(stream);
            }
        }
        let excess = self.lines.len().saturating_sub(count);
        self.lines.split_off(excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_texts_of_a_list() {
        assert_eq!(health_of("Up 5 minutes (healthy)"), "healthy");
        assert_eq!(health_of("Up 2 seconds (health: starting)"), "starting");
        assert_eq!(health_of("Up 2 hours (unhealthy)"), "unhealthy");
        assert_eq!(health_of("Up 2 hours (Paused)"), "");
        assert_eq!(health_of("Exited (0) 5 minutes ago"), "");
        assert_eq!(exit_code_of("Exited (137) 5 minutes ago"), 137);
        assert_eq!(exit_code_of("Restarting (1) 5 seconds ago"), 1);
        assert_eq!(exit_code_of("Up 5 minutes"), 0);
    }

    #[test]
    fn log_frames_become_lines() {
        let mut lines = LogLines::default();
        lines.push(0, b"one\nhalf ");
        lines.push(1, b"error\r\n");
        lines.push(0, b"line\nrest");
        assert_eq!(lines.last(3), ["error", "half line", "rest"]);
    }
}
