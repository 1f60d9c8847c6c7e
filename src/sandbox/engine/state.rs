//! The played engine's state, and what changes it. One JSON file; the caller holds the world's lock.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::docker::{EngineError, EngineResult, ImageFacts, VolumeFacts};

use super::super::behaviour::Behaviour;
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

pub(super) fn broken(error: io::Error) -> EngineError {
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
}

/// `ADDRESS:PORT/PROTOCOL` of a published port; `None` where the engine chooses.
pub(super) fn host_port(publish: &str) -> Option<String> {
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
