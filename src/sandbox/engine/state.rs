//! The played engine's state, and what changes it. One JSON file; the caller holds the world's lock.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::docker::{ContainerFacts, EngineError, EngineResult, ImageFacts, VolumeFacts};

use super::super::behaviour::{Behaviour, Play};
use super::super::images;
use super::super::world::{World, digest, millis};

/// A network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Network {
    pub id: String,
    pub driver: String,
    pub subnets: Vec<String>,
    pub internal: bool,
    pub labels: BTreeMap<String, String>,
    pub last_host: u32,
}

/// An image with what a test said about it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Image {
    pub facts: ImageFacts,
    pub programs: Vec<String>,
    pub log: Vec<String>,
}

/// A container's place on a network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Endpoint {
    pub aliases: Vec<String>,
    pub address: String,
    pub fixed: bool,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub status: String,
    pub exit_code: i64,
    pub restarts: i64,
    pub created_ms: u64,
    pub started_ms: u64,
    pub labels: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub mounts: Vec<String>,
    pub anonymous: Vec<String>,
    pub publish: Vec<String>,
    pub restart: String,
    pub health_check: bool,
    pub hostname: String,
    pub networks: BTreeMap<String, Endpoint>,
    pub links: Vec<String>,
    pub log: Vec<String>,
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct State {
    /// By id.
    pub images: BTreeMap<String, Image>,
    /// Normal name to id.
    pub tags: BTreeMap<String, String>,
    /// By id.
    pub containers: BTreeMap<String, Container>,
    /// By name.
    pub networks: BTreeMap<String, Network>,
    /// By name.
    pub volumes: BTreeMap<String, VolumeFacts>,
}

const FILE: &str = "engine/state.json";

/// The engine's refusal.
pub(in crate::sandbox) fn refused<T>(status: u16, message: impl Into<String>) -> EngineResult<T> {
    Err(EngineError::Refused { status, message: message.into() })
}

fn broken(error: io::Error) -> EngineError {
    EngineError::Unreachable(error.to_string())
}

impl State {
    /// Reads the state.
    pub fn load(world: &World) -> io::Result<Self> {
        match std::fs::read(world.path(FILE)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::first()),
            Err(error) => Err(error),
        }
    }

    /// Writes the state.
    pub fn save(&self, world: &World) -> io::Result<()> {
        world.set_json(FILE, self)
    }

    fn first() -> Self {
        let network = |name: &str, driver: &str, subnets: &[&str]| {
            let id = digest(format!("network {name}").as_bytes());
            let subnets = subnets.iter().map(|subnet| (*subnet).to_owned()).collect();
            (name.to_owned(), Network { id, driver: driver.to_owned(), subnets, last_host: 1, ..Network::default() })
        };
        let networks = [
            network("bridge", "bridge", &["172.17.0.0/16"]),
            network("host", "host", &[]),
            network("none", "null", &[]),
        ];
        Self { networks: networks.into(), ..Self::default() }
    }

    /// The image of a name or (short) id.
    pub fn image(&self, reference: &str) -> Option<&Image> {
        let id = images::normal(reference).and_then(|name| self.tags.get(&name).cloned()).or_else(|| {
            let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
            let long_enough = hex.len() >= 7 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            let found = self.images.keys().find(|id| id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(hex)));
            found.filter(|_| long_enough).cloned()
        })?;
        self.images.get(&id)
    }

    /// Makes a name stand for an image.
    pub fn tag(&mut self, name: &str, id: &str) {
        let Some(name) = images::normal(name) else { return };
        for image in self.images.values_mut() {
            image.facts.tags.retain(|tag| *tag != name);
        }
        if let Some(image) = self.images.get_mut(id) {
            image.facts.tags.push(name.clone());
            self.tags.insert(name, id.to_owned());
        }
    }

    /// Brings an image from the registry.
    pub fn pull(&mut self, world: &World, reference: &str) -> EngineResult<String> {
        if let Some(image) = self.image(reference).filter(|image| image.facts.digests.is_empty()) {
            // An image that was made here: no registry knows better.
            return Ok(image.facts.id.clone());
        }
        match images::from_registry(world, reference) {
            Ok(facts) => {
                let id = facts.id.clone();
                let tags = facts.tags.clone();
                self.images.entry(id.clone()).or_insert_with(|| Image { facts, ..Image::default() });
                for tag in &tags {
                    self.tag(tag, &id);
                }
                if tags.is_empty()
                    && let Some(name) = images::normal(reference)
                {
                    self.tags.insert(name, id.clone());
                }
                Ok(id)
            }
            Err(message) => refused(404, format!("Error response from daemon: {message}")),
        }
    }

    /// Takes a name from an image; the image goes with its last name.
    pub fn untag(&mut self, reference: &str) -> EngineResult<()> {
        let Some(image) = self.image(reference) else { return Ok(()) };
        let id = image.facts.id.clone();
        let mut names = image.facts.tags.clone();
        if let Some(name) = images::normal(reference).filter(|name| self.tags.contains_key(name)) {
            names = vec![name];
        }
        let last = self.images.get(&id).is_some_and(|image| image.facts.tags.iter().all(|tag| names.contains(tag)));
        if last && let Some(user) = self.containers.values().find(|container| container.image_id == id) {
            let force = if user.status == "running" { "cannot be forced" } else { "must be forced" };
            return refused(
                409,
                format!(
                    "conflict: unable to remove repository reference \"{reference}\" ({force}) - container {} is using its referenced image {}",
                    &user.id[..12],
                    &id[7..19]
                ),
            );
        }
        for name in &names {
            self.tags.remove(name);
        }
        if let Some(image) = self.images.get_mut(&id) {
            image.facts.tags.retain(|tag| !names.contains(tag));
        }
        if last {
            self.images.remove(&id);
            self.tags.retain(|_, other| *other != id);
        }
        Ok(())
    }

    /// The container of a name or (short) id.
    pub fn container(&self, name: &str) -> Option<&Container> {
        let name = name.trim_start_matches('/');
        self.containers.values().find(|container| container.name == name).or_else(|| {
            let hex = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            self.containers.values().find(|container| hex && container.id.starts_with(name))
        })
    }

    /// As [`Self::container`], to change it.
    pub fn container_mut(&mut self, name: &str) -> EngineResult<&mut Container> {
        let id = self.container(name).map(|container| container.id.clone());
        match id.and_then(|id| self.containers.get_mut(&id)) {
            Some(container) => Ok(container),
            None => refused(404, format!("No such container: {name}")),
        }
    }

    /// A new network; the pools are the caller's or the next free one.
    pub fn network_create(&mut self, world: &World, name: &str, mut network: Network) -> EngineResult<()> {
        if self.networks.contains_key(name) {
            return refused(409, format!("network with name {name} already exists"));
        }
        for subnet in &network.subnets {
            if let Some((other, _)) =
                self.networks.iter().find(|(_, other)| other.subnets.iter().any(|taken| overlap(taken, subnet)))
            {
                return refused(
                    403,
                    format!("Pool overlaps with other one on this address space: {subnet} and network {other}"),
                );
            }
        }
        network.id = world.fresh_id("network").map_err(broken)?;
        if network.driver.is_empty() {
            network.driver = "bridge".to_owned();
        }
        if network.subnets.is_empty() && network.driver == "bridge" {
            let free =
                (18..32).map(|n| format!("172.{n}.0.0/16")).chain((0..16).map(|n| format!("192.168.{}.0/20", n * 16)));
            let taken = |subnet: &String| {
                self.networks.values().any(|other| other.subnets.iter().any(|taken| overlap(taken, subnet)))
            };
            match free.into_iter().find(|subnet| !taken(subnet)) {
                Some(subnet) => network.subnets.push(subnet),
                None => {
                    return refused(
                        400,
                        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                    );
                }
            }
        }
        network.last_host = 1;
        self.networks.insert(name.to_owned(), network);
        Ok(())
    }

    /// Removes a network that no running container is on.
    pub fn network_remove(&mut self, name: &str) -> EngineResult<()> {
        let Some(network) = self.networks.get(name) else {
            return refused(404, format!("network {name} not found"));
        };
        if matches!(name, "bridge" | "host" | "none") {
            return refused(403, format!("{name} is a pre-defined network and cannot be removed"));
        }
        let active = |container: &&Container| container.networks.contains_key(name) && container.active();
        if self.containers.values().any(|container| active(&container)) {
            return refused(
                403,
                format!("error while removing network: network {name} id {} has active endpoints", network.id),
            );
        }
        self.networks.remove(name);
        Ok(())
    }

    /// Puts a container on a network; an address of its own pool is given where none is asked for.
    pub fn connect(&mut self, network: &str, container: &str, aliases: &[String], address: &str) -> EngineResult<()> {
        let id = self.container_mut(container)?.id.clone();
        if self.containers[&id].networks.contains_key(network) {
            return Ok(());
        }
        let taken: Vec<String> = self
            .containers
            .values()
            .filter(|other| other.active() || other.status == "created")
            .filter_map(|other| other.networks.get(network).map(|endpoint| endpoint.address.clone()))
            .collect();
        let Some(facts) = self.networks.get_mut(network) else {
            return refused(404, format!("network {network} not found"));
        };
        let given = if address.is_empty() {
            loop {
                facts.last_host += 1;
                let next = facts.subnets.first().map(|subnet| host(subnet, facts.last_host)).unwrap_or_default();
                if next.is_empty() || !taken.contains(&next) {
                    break next;
                }
            }
        } else if !facts.subnets.iter().any(|subnet| overlap(subnet, &format!("{address}/32"))) {
            return refused(
                400,
                format!("invalid endpoint settings: no configured subnet contains IP address {address}"),
            );
        } else if taken.iter().any(|taken| taken == address) {
            return refused(403, "Address already in use");
        } else {
            address.to_owned()
        };
        let endpoint = Endpoint { aliases: aliases.to_vec(), address: given, fixed: !address.is_empty() };
        self.container_mut(container)?.networks.insert(network.to_owned(), endpoint);
        Ok(())
    }

    /// Adds a container that was described; name and ports are checked as the engine does.
    pub fn create(&mut self, world: &World, mut container: Container) -> EngineResult<String> {
        let Some(image) = self.image(&container.image) else {
            return refused(404, format!("No such image: {}", container.image));
        };
        if let Some(other) = self.container(&container.name) {
            return refused(
                409,
                format!(
                    "Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
                    container.name, other.id
                ),
            );
        }
        container.image_id = image.facts.id.clone();
        for (key, value) in image.facts.labels.clone() {
            container.labels.entry(key).or_insert(value);
        }
        let mounted = container.mounts.clone();
        let volumes = image.facts.volumes.clone();
        container.id = world.fresh_id("container").map_err(broken)?;
        for target in volumes {
            let covered = mounted.iter().any(|mount| mount.split(':').nth(1).unwrap_or(mount) == target);
            if !covered {
                let name = digest(format!("{}{target}", container.id).as_bytes());
                container.anonymous.push(name.clone());
                container.mounts.push(format!("{name}:{target}"));
            }
        }
        container.status = "created".to_owned();
        container.created_ms = millis();
        for source in container
            .mounts
            .iter()
            .filter_map(|mount| mount.split(':').next())
            .filter(|source| !source.starts_with('/') && !source.is_empty())
        {
            self.volumes.entry(source.to_owned()).or_insert_with(|| VolumeFacts {
                name: source.to_owned(),
                driver: "local".to_owned(),
                ..VolumeFacts::default()
            });
        }
        let id = container.id.clone();
        self.containers.insert(id.clone(), container);
        Ok(id)
    }

    /// Starts a container: what it does is its behaviour, else its command.
    pub fn start(&mut self, behaviour: &Behaviour, name: &str) -> EngineResult<()> {
        let container = self.container_mut(name)?.clone();
        if container.active() {
            return Ok(());
        }
        let play = container.play(behaviour);
        if !play.start_error.is_empty() {
            self.container_mut(name)?.exit_code = 127;
            return refused(500, play.start_error);
        }
        if let Some(program) = self.missing_program(&container) {
            let container = self.container_mut(name)?;
            container.exit_code = 127;
            return refused(
                400,
                format!(
                    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"{program}\": stat {program}: no such file or directory: unknown"
                ),
            );
        }
        for port in &container.publish {
            let Some(host) = host_port(port) else { continue };
            let holder = self.containers.values().find(|other| {
                other.id != container.id
                    && other.active()
                    && other.publish.iter().filter_map(|other| host_port(other)).any(|other| clash(&other, &host))
            });
            if holder.is_some() {
                return refused(
                    500,
                    format!(
                        "driver failed programming external connectivity on endpoint {}: Bind for {host} failed: port is already allocated",
                        container.name
                    ),
                );
            }
        }
        let log = self.image(&container.image_id).map(|image| image.log.clone()).unwrap_or_default();
        let started = self.container_mut(name)?;
        started.status = "running".to_owned();
        started.started_ms = millis();
        started.exit_code = 0;
        started.restarts = 0;
        let lines = if play.log.is_empty() { log } else { play.log.clone() };
        let time = super::clock(millis() / 1000);
        if play.exit.is_none() || !play.log.is_empty() {
            started.log.extend(lines.iter().map(|line| line.replace("{time}", &time)));
        }
        started.refresh(&play);
        Ok(())
    }

    fn missing_program(&self, container: &Container) -> Option<String> {
        let image = self.image(&container.image_id)?;
        let program = container.entrypoint.first().or(container.command.first())?;
        (!image.programs.is_empty() && program.starts_with('/') && !image.programs.contains(program))
            .then(|| program.clone())
    }

    /// Ends what runs.
    pub fn stop(&mut self, name: &str, code: i64) -> EngineResult<()> {
        let Ok(container) = self.container_mut(name) else { return Ok(()) };
        if container.active() {
            container.status = "exited".to_owned();
            container.exit_code = code;
        }
        Ok(())
    }

    /// Removes a container with its anonymous volumes; absent is success.
    pub fn remove(&mut self, name: &str) {
        let Some(id) = self.container(name).map(|container| container.id.clone()) else { return };
        if let Some(container) = self.containers.remove(&id) {
            for volume in container.anonymous {
                self.volumes.remove(&volume);
            }
        }
    }

    /// Lets time pass for all containers.
    pub fn refresh(&mut self, behaviour: &Behaviour) {
        for container in self.containers.values_mut() {
            let play = container.play(behaviour);
            container.refresh(&play);
        }
    }

    /// The containers that carry all labels (`key` or `key=value`), in the order of their names.
    pub fn labelled(&self, labels: &[&str]) -> Vec<&Container> {
        let carries = |container: &Container, label: &str| match label.split_once('=') {
            Some((key, value)) => container.labels.get(key).is_some_and(|have| have == value),
            None => container.labels.contains_key(label),
        };
        let mut found: Vec<&Container> =
            self.containers.values().filter(|container| labels.iter().all(|label| carries(container, label))).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The addresses that `name` resolves to for who is on `networks` and has `links`.
    pub fn resolve(&self, networks: &[String], links: &[String], name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for network in networks {
            for container in self.containers.values().filter(|container| container.active()) {
                let Some(endpoint) = container.networks.get(network) else { continue };
                let linked = links.iter().any(|link| {
                    link.split_once(':').is_some_and(|(target, alias)| alias == name && target == container.name)
                });
                let named = network != "bridge"
                    && (container.name == name
                        || endpoint.aliases.iter().any(|alias| alias == name)
                        || container.hostname == name
                        || container.id[..12] == *name);
                if (named || linked) && !found.contains(&endpoint.address) {
                    found.push(endpoint.address.clone());
                }
            }
        }
        found
    }
}

impl Container {
    /// Whether it holds its ports and addresses.
    pub fn active(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }

    /// Its name as a test would write it: an app's container keeps its plain name while it is new.
    fn plain_name(&self) -> &str {
        self.name.split(".upcoming-").next().unwrap_or(&self.name)
    }

    /// What it does once started.
    pub fn play(&self, behaviour: &Behaviour) -> Play {
        let app = self.labels.get("com.dokku.app-name").map_or("", String::as_str);
        let names = [self.plain_name(), app, self.image.as_str()];
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let mut play = behaviour.of(&names);
        if play.exit.is_none() {
            let words: Vec<&str> = self.entrypoint.iter().chain(&self.command).map(String::as_str).collect();
            play.exit = exit_of(&words);
        }
        if play.crash_loop && play.exit.is_none() {
            play.exit = Some(1);
        }
        play
    }

    /// Lets the time pass that has passed.
    pub fn refresh(&mut self, play: &Play) {
        let Some(code) = play.exit else { return };
        if !self.active() || millis() < self.started_ms + play.after_ms {
            return;
        }
        self.exit_code = code;
        let (policy, limit) = self
            .restart
            .split_once(':')
            .map_or((self.restart.as_str(), 0), |(policy, limit)| (policy, limit.parse().unwrap_or(0)));
        let again = match policy {
            "always" | "unless-stopped" => true,
            "on-failure" => code != 0 && (limit == 0 || limit > 7),
            _ => play.crash_loop,
        };
        self.status = if again { "restarting" } else { "exited" }.to_owned();
        self.restarts = if again {
            7
        } else if policy == "on-failure" && code != 0 {
            limit
        } else {
            0
        };
    }

    /// `starting`, `healthy`, `unhealthy` or empty.
    pub fn health(&self, play: &Play) -> String {
        if !self.health_check || self.status != "running" {
            return String::new();
        }
        let waits = millis() < self.started_ms + play.healthy_after_ms;
        match play.health.as_str() {
            _ if waits => "starting".to_owned(),
            "" => "healthy".to_owned(),
            other => other.to_owned(),
        }
    }

    /// As the engine's calls tell it.
    pub fn facts(&self, behaviour: &Behaviour) -> ContainerFacts {
        let play = self.play(behaviour);
        ContainerFacts {
            id: self.id.clone(),
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: self.image_id.clone(),
            status: self.status.clone(),
            health: self.health(&play),
            exit_code: self.exit_code,
            restarts: self.restarts,
            started_at: if self.started_ms == 0 { String::new() } else { super::rfc3339(self.started_ms) },
            labels: self.labels.clone(),
            networks: self.networks.iter().map(|(name, endpoint)| (name.clone(), endpoint.address.clone())).collect(),
            mounts: self
                .mounts
                .iter()
                .map(|mount| mount.split(':').next().unwrap_or_default().to_owned())
                .filter(|source| !source.is_empty())
                .collect(),
        }
    }
}

/// The exit code of a command that plainly ends at once; `None`: it runs.
pub(in crate::sandbox) fn exit_of(words: &[&str]) -> Option<i64> {
    match words {
        ["true"] | ["/bin/true"] => Some(0),
        ["false"] | ["/bin/false"] => Some(1),
        ["sh" | "/bin/sh" | "bash" | "/bin/bash", "-c", script] => {
            let words: Vec<&str> = script.split_whitespace().collect();
            match words.as_slice() {
                ["exit", code] => code.parse().ok(),
                ["exec", rest @ ..] => exit_of(rest),
                other => exit_of(other),
            }
        }
        _ => None,
    }
}

/// `ADDRESS:PORT/PROTOCOL` of a published port; `None` where the engine chooses.
fn host_port(publish: &str) -> Option<String> {
    let (ports, protocol) = publish.split_once('/').unwrap_or((publish, "tcp"));
    let mut parts = ports.rsplitn(3, ':');
    let _container = parts.next()?;
    let host = parts.next().filter(|host| !host.is_empty())?;
    let address = parts.next().filter(|address| !address.is_empty()).unwrap_or("0.0.0.0");
    Some(format!("{address}:{host}/{protocol}"))
}

fn clash(a: &str, b: &str) -> bool {
    let split = |text: &str| text.split_once(':').map(|(address, port)| (address.to_owned(), port.to_owned()));
    match (split(a), split(b)) {
        (Some((one, port)), Some((other, same))) => {
            port == same && (one == other || one == "0.0.0.0" || other == "0.0.0.0")
        }
        _ => false,
    }
}

fn range(cidr: &str) -> Option<(u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let first = u32::from(address) & mask;
    Some((first, first | !mask))
}

fn overlap(a: &str, b: &str) -> bool {
    match (range(a), range(b)) {
        (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
        _ => false,
    }
}

fn host(subnet: &str, number: u32) -> String {
    range(subnet).map(|(first, _)| std::net::Ipv4Addr::from(first + number).to_string()).unwrap_or_default()
}
