//! The engine that a world plays: images by name, containers, networks, volumes, health. No Docker.

pub(super) mod container;
mod network;
pub(super) mod state;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::docker::*;

use super::build;
use super::carried::{VolumeData, looked, played};
use super::faults::count;
use super::world::World;
use state::{Container, Network, State, refused};

/// A world's engine; each call reads and writes the world's files under its lock.
pub struct SandboxEngine {
    world: World,
}

impl SandboxEngine {
    /// The engine of the world in `root`.
    pub fn new(root: &Path) -> Self {
        Self { world: World::new(root) }
    }

    /// Counts the call, lets its faults strike, does it under the lock and writes it to `calls.jsonl`.
    fn call<T>(&self, words: &[&str], work: impl FnOnce(&mut State) -> EngineResult<T>) -> EngineResult<T> {
        let begun = Instant::now();
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let counted = {
            let _lock = self.world.lock().map_err(unreachable)?;
            count(&self.world, "engine", &argv.join(" ")).map_err(unreachable)?
        };
        let refuse = |fault: super::faults::Fault| EngineError::Refused {
            status: if fault.status == 0 { 500 } else { fault.status },
            message: fault.message,
        };
        let result = match counted.strike(&self.world, "engine", &argv, false) {
            Some(fault) => Err(refuse(fault)),
            None => {
                let result = self.locked(work);
                match counted.strike(&self.world, "engine", &argv, true) {
                    Some(fault) => Err(refuse(fault)),
                    None => result,
                }
            }
        };
        let exit = match &result {
            Ok(_) => 0,
            Err(EngineError::Refused { status, .. }) => i32::from(*status),
            Err(_) => 1,
        };
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        counted.record(&self.world, "engine", &argv, None, Some(exit), ms).map_err(unreachable)?;
        result
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> EngineResult<T>) -> EngineResult<T> {
        let _lock = self.world.lock().map_err(unreachable)?;
        let mut state = State::load(&self.world).map_err(unreachable)?;
        state.refresh(&self.world.behaviour());
        let result = work(&mut state)?;
        state.save(&self.world).map_err(unreachable)?;
        Ok(result)
    }
}

/// The data that a container serves.
fn carried(world: &World, state: &mut State, name: &str) -> EngineResult<VolumeData> {
    let container = state.container_mut(name)?;
    if container.status != "running" {
        return refused(409, format!("Container {} is not running", container.id));
    }
    let volumes = container.mounts.iter().filter_map(|mount| mount.split(':').next());
    match volumes.filter_map(|volume| world.volume_data(volume)).next() {
        Some(data) => Ok(data),
        None => refused(0, "the sandbox has no data in its volumes"),
    }
}

/// Whether its server is up: one that cannot read the data ends.
fn serves(world: &World, state: &mut State, name: &str, users: &[String]) -> EngineResult<(i64, Vec<String>)> {
    let data = carried(world, state, name)?;
    let container = state.container_mut(name)?;
    let tag = container.image.rsplit(':').next().unwrap_or_default();
    let major: String = tag.trim_start_matches("pg").chars().take_while(char::is_ascii_digit).collect();
    if container.image.contains("postgres") && major != data.version {
        container.log.push("database files are incompatible with server".into());
        state.stop(name, 1)?;
        return refused(409, format!("Container {name} is not running"));
    }
    if users.contains(&data.user) || ["postgres", "root", "default"].contains(&data.user.as_str()) {
        return Ok((0, vec![format!("carry-user {}", data.user)]));
    }
    let unknown = users.iter().map(|user| format!("FATAL:  role \"{user}\" does not exist"));
    Ok((1, unknown.chain(["carry-none".to_owned()]).collect()))
}

fn unreachable(error: std::io::Error) -> EngineError {
    EngineError::Unreachable(error.to_string())
}

fn network_facts(name: &str, network: &Network) -> NetworkFacts {
    NetworkFacts {
        name: name.to_owned(),
        driver: network.driver.clone(),
        subnets: network.subnets.clone(),
        internal: network.internal,
        labels: network.labels.clone(),
        containers: Vec::new(),
    }
}

impl Engine for SandboxEngine {
    fn info(&self) -> EngineResult<EngineInfo> {
        self.call(&["info"], |_| Ok(EngineInfo { version: "20.10.24".to_owned(), api: "1.41".to_owned() }))
    }

    fn networks(&self) -> EngineResult<Vec<NetworkFacts>> {
        self.call(&["networks"], |state| {
            Ok(state.networks.iter().map(|(name, network)| network_facts(name, network)).collect())
        })
    }

    fn network(&self, name: &str) -> EngineResult<Option<NetworkFacts>> {
        self.call(&["network", name], |state| {
            Ok(state.networks.get(name).map(|network| NetworkFacts {
                containers: state
                    .containers
                    .values()
                    .filter(|container| container.active() && container.networks.contains_key(name))
                    .map(|container| container.id.clone())
                    .collect(),
                ..network_facts(name, network)
            }))
        })
    }

    fn network_create(&self, spec: &NetworkSpec) -> EngineResult<()> {
        self.call(&["network_create", &spec.name], |state| {
            let network = Network {
                driver: spec.driver.clone(),
                subnets: spec.ipam.iter().map(|pool| pool.subnet.clone()).filter(|subnet| !subnet.is_empty()).collect(),
                internal: spec.internal,
                labels: spec.labels.clone(),
                ..Network::default()
            };
            state.network_create(&self.world, &spec.name, network)
        })
    }

    fn network_remove(&self, name: &str) -> EngineResult<()> {
        self.call(&["network_remove", name], |state| match state.network_remove(name) {
            Err(EngineError::Refused { status: 404, .. }) => Ok(()),
            other => other,
        })
    }

    fn network_connect(&self, network: &str, container: &str, endpoint: &EndpointSpec) -> EngineResult<()> {
        self.call(&["network_connect", network, container], |state| {
            state.connect(network, container, &endpoint.aliases, &endpoint.ipv4)?;
            state.container_mut(container)?.links.extend(endpoint.links.iter().cloned());
            Ok(())
        })
    }

    fn network_disconnect(&self, network: &str, container: &str) -> EngineResult<()> {
        self.call(&["network_disconnect", network, container], |state| {
            if let Ok(found) = state.container_mut(container) {
                found.networks.remove(network);
            }
            Ok(())
        })
    }

    fn volumes(&self) -> EngineResult<Vec<VolumeFacts>> {
        self.call(&["volumes"], |state| Ok(state.volumes.values().cloned().collect()))
    }

    fn volume_create(&self, spec: &VolumeSpec) -> EngineResult<()> {
        self.call(&["volume_create", &spec.name], |state| {
            let driver = if spec.driver.is_empty() { "local" } else { &spec.driver };
            if let Some(volume) = state.volumes.get(&spec.name) {
                if volume.driver != driver {
                    return refused(
                        409,
                        format!(
                            "Conflict: volume name {} must be unique: a volume with driver {} exists",
                            spec.name, volume.driver
                        ),
                    );
                }
                return Ok(());
            }
            let volume = VolumeFacts {
                name: spec.name.clone(),
                driver: driver.to_owned(),
                options: spec.options.clone(),
                labels: spec.labels.clone(),
            };
            state.volumes.insert(spec.name.clone(), volume);
            Ok(())
        })
    }

    fn volume_remove(&self, name: &str) -> EngineResult<()> {
        self.call(&["volume_remove", name], |state| {
            let uses =
                |container: &&Container| container.mounts.iter().any(|mount| mount.split(':').next() == Some(name));
            if let Some(user) = state.containers.values().find(uses) {
                return refused(409, format!("remove {name}: volume is in use - [{}]", user.id));
            }
            state.volumes.remove(name);
            Ok(())
        })
    }

    fn image(&self, reference: &str) -> EngineResult<Option<ImageFacts>> {
        self.call(&["image", reference], |state| Ok(state.image(reference).map(|image| image.facts.clone())))
    }

    fn image_tag(&self, source: &str, repository: &str, tag: &str) -> EngineResult<()> {
        self.call(&["image_tag", source, repository, tag], |state| {
            match state.image(source).map(|image| image.facts.id.clone()) {
                Some(id) => {
                    state.tag(&format!("{repository}:{tag}"), &id);
                    Ok(())
                }
                None => refused(404, format!("No such image: {source}")),
            }
        })
    }

    fn image_remove(&self, reference: &str) -> EngineResult<()> {
        self.call(&["image_remove", reference], |state| state.untag(reference))
    }

    fn image_pull(&self, reference: &str, platform: Option<&str>, _limit: Duration) -> EngineResult<()> {
        self.call(&["image_pull", reference, platform.unwrap_or_default()], |state| {
            state.pull(&self.world, reference).map(drop)
        })
    }

    fn image_build(&self, spec: &ImageBuildSpec, _limit: Duration) -> EngineResult<String> {
        self.call(&["image_build", &spec.tag], |state| {
            let text = match &spec.dockerfile_inline {
                Some(text) => Ok(text.clone()),
                None if spec.dockerfile.as_os_str().is_empty() => {
                    std::fs::read_to_string(spec.context.join("Dockerfile"))
                }
                None => std::fs::read_to_string(spec.context.join(&spec.dockerfile)),
            };
            let text = match text {
                Ok(text) => text,
                Err(error) => return refused(0, format!("failed to read the Dockerfile: {error}")),
            };
            let args: BTreeMap<String, String> = spec
                .args
                .iter()
                .filter_map(|(name, value)| value.expose().map(|value| (name.clone(), value.to_owned())))
                .collect();
            let target = spec.options.iter().find_map(|option| option.strip_prefix("--target="));
            let built = build::Dockerfile::parse(&text, &args, target)
                .and_then(|file| file.build(state, &self.world, &build::tree_digest(&spec.context)))
                .map_err(|failure| EngineError::Refused { status: 0, message: failure.message });
            let mut image = built?;
            image.facts.labels.extend(spec.labels.clone());
            let id = image.facts.id.clone();
            state.images.entry(id.clone()).or_insert(image);
            state.tag(&spec.tag, &id);
            Ok(id)
        })
    }

    fn containers(&self, labels: &[&str]) -> EngineResult<Vec<ContainerFacts>> {
        let mut words = vec!["containers"];
        words.extend(labels);
        self.call(&words, |state| {
            let behaviour = self.world.behaviour();
            Ok(state.labelled(labels).into_iter().map(|container| container.facts(&behaviour)).collect())
        })
    }

    fn container(&self, name: &str) -> EngineResult<Option<ContainerFacts>> {
        self.call(&["container", name], |state| {
            let behaviour = self.world.behaviour();
            Ok(state.container(name).map(|container| container.facts(&behaviour)))
        })
    }

    fn container_environment(&self, name: &str) -> EngineResult<Option<BTreeMap<String, String>>> {
        self.call(&["container_environment", name], |state| {
            Ok(state.container_mut(name).ok().map(|container| container.environment.clone()))
        })
    }

    fn container_create(&self, spec: &ContainerSpec) -> EngineResult<String> {
        self.call(&["container_create", &spec.name], |state| {
            let (container, networks) = described(spec, state)?;
            let id = state.create(&self.world, container)?;
            for (network, endpoint) in &networks {
                state.container_mut(&id)?.links.extend(endpoint.links.iter().cloned());
                if let Err(error) = state.connect(network, &id, &endpoint.aliases, &endpoint.ipv4) {
                    state.remove(&id);
                    return Err(error);
                }
            }
            Ok(id)
        })
    }

    fn container_copy(&self, name: &str, spec: &CopySpec) -> EngineResult<()> {
        let owner = format!("{}:{}:{:o}", spec.uid, spec.gid, spec.mode);
        self.call(&["container_copy", name, &spec.target, &owner], |state| {
            if !spec.source.is_file() {
                return refused(0, format!("cannot read {}", spec.source.display()));
            }
            state.container_mut(name).map(drop)
        })
    }

    fn container_start(&self, name: &str) -> EngineResult<()> {
        self.call(&["container_start", name], |state| state.start(&self.world.behaviour(), name))
    }

    fn container_stop(&self, name: &str, _grace: Duration) -> EngineResult<()> {
        self.call(&["container_stop", name], |state| state.stop(name, 143))
    }

    fn container_rename(&self, name: &str, to: &str) -> EngineResult<()> {
        self.call(&["container_rename", name, to], |state| {
            if let Some(other) = state.container(to) {
                return refused(
                    409,
                    format!("Conflict. The container name \"/{to}\" is already in use by container \"{}\".", other.id),
                );
            }
            state.container_mut(name)?.name = to.to_owned();
            Ok(())
        })
    }

    fn container_remove(&self, name: &str) -> EngineResult<()> {
        self.call(&["container_remove", name], |state| {
            state.remove(name);
            Ok(())
        })
    }

    fn container_stream(
        &self,
        name: &str,
        spec: &ExecSpec,
        mut file: File,
        _limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)> {
        let what = spec.command.get(3).map_or("", String::as_str);
        self.call(&["container_stream", name, what], |state| {
            let data = carried(&self.world, state, name)?;
            let (code, text, lines) = played(&self.world, &data, what, &spec.command[4..]);
            file.write_all(text.as_bytes()).map_err(unreachable)?;
            Ok((code, lines))
        })
    }

    fn run_once(
        &self,
        image: &str,
        volume: Option<&str>,
        _script: &str,
        _limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)> {
        self.call(&["run_once", image, volume.unwrap_or_default()], |state| {
            if state.image(image).is_none() {
                return refused(0, format!("docker: Error response from daemon: No such image: {image}"));
            }
            let Some(volume) = volume else {
                let more = if image.contains("pgvector") { "vector" } else { "hstore" };
                let of = |name| format!("/usr/share/postgresql/extension/{name}.control");
                return Ok((0, ["plpgsql", more].map(of).into()));
            };
            Ok((0, looked(self.world.volume_data(volume).as_ref())))
        })
    }

    fn container_exec(&self, name: &str, spec: &ExecSpec, _limit: Duration) -> EngineResult<(i64, Vec<String>)> {
        // The world's record of calls is open: values of variables and arguments are not in it.
        let program = spec.command.first().map_or("", String::as_str);
        self.call(&["container_exec", name, program], |state| {
            let container = state.container_mut(name)?;
            if container.status != "running" {
                return refused(409, format!("Container {} is not running", container.id));
            }
            if let Some("carry-ready") = spec.command.get(3).map(String::as_str) {
                return serves(&self.world, state, name, &spec.command[4..]);
            }
            let container = state.container_mut(name)?;
            let play = container.play(&self.world.behaviour());
            let code = play.exec.get(program).copied().unwrap_or(0);
            container.log.push(format!("exec {}", spec.command.join(" ")));
            Ok((code, vec![format!("{program} ran")]))
        })
    }

    fn container_wait(&self, name: &str, limit: Duration) -> EngineResult<i64> {
        let ends = Instant::now() + limit;
        self.call(&["container_wait", name], |state| state.container_mut(name).map(drop))?;
        loop {
            let behaviour = self.world.behaviour();
            let exit = self.locked(|state| {
                let container = state.container_mut(name)?;
                let mut play = container.play(&behaviour);
                // Whoever is waited for is a job: it ends, well unless the world says otherwise.
                play.exit.get_or_insert(0);
                container.refresh(&play);
                Ok((!container.active() && container.status != "created").then_some(container.exit_code))
            })?;
            match exit {
                Some(code) => return Ok(code),
                None if Instant::now() >= ends => return Err(EngineError::TimedOut(limit)),
                None => sleep(Duration::from_millis(10).min(limit)),
            }
        }
    }

    fn container_logs(&self, name: &str, tail: usize) -> EngineResult<Vec<String>> {
        self.call(&["container_logs", name], |state| {
            let log = &state.container_mut(name)?.log;
            Ok(log[log.len().saturating_sub(tail)..].to_vec())
        })
    }
}

/// The container and the networks that a create call describes.
fn described(spec: &ContainerSpec, state: &State) -> EngineResult<(Container, Vec<(String, EndpointSpec)>)> {
    let Some(image) = state.image(&spec.image) else {
        return refused(404, format!("No such image: {}", spec.image));
    };
    for mount in spec.mounts.iter().filter(|mount| mount.kind == "bind") {
        if !Path::new(&mount.source).exists() {
            return refused(
                400,
                format!("invalid mount config for type \"bind\": bind source path does not exist: {}", mount.source),
            );
        }
    }
    let mut networks = spec.networks.clone();
    match spec.network_mode.as_str() {
        "" if networks.is_empty() => networks.push(("bridge".to_owned(), EndpointSpec::default())),
        "" => {}
        mode => match mode.strip_prefix("container:") {
            Some(other) if state.container(other).is_none() => {
                return refused(404, format!("No such container: {other}"));
            }
            Some(_) => networks.clear(),
            None => networks = vec![(mode.to_owned(), EndpointSpec::default())],
        },
    }
    if let Some((missing, _)) = networks.iter().find(|(name, _)| !state.networks.contains_key(name)) {
        return refused(404, format!("network {missing} not found"));
    }
    let health_check = match &spec.health {
        Some(health) if health.test.first().is_some_and(|first| first == "NONE") => false,
        Some(health) if !health.test.is_empty() => true,
        _ => image.facts.healthcheck,
    };
    let publish = |port: &ContainerPort| {
        format!(
            "{}:{}:{}/{}",
            port.host_ip,
            port.host_port,
            port.container_port,
            if port.protocol.is_empty() { "tcp" } else { &port.protocol }
        )
    };
    let container = Container {
        name: spec.name.clone(),
        image: spec.image.clone(),
        labels: spec.labels.clone(),
        environment: spec
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().unwrap_or_default().to_owned()))
            .collect(),
        command: spec
            .command
            .clone()
            .unwrap_or_else(|| if spec.entrypoint.is_some() { Vec::new() } else { image.facts.command.clone() }),
        entrypoint: spec.entrypoint.clone().unwrap_or_else(|| image.facts.entrypoint.clone()),
        mounts: spec
            .mounts
            .iter()
            .filter(|mount| mount.kind != "tmpfs")
            .map(|mount| format!("{}:{}", mount.source, mount.target))
            .collect(),
        publish: spec.ports.iter().map(publish).collect(),
        restart: spec.restart.clone(),
        health_check,
        hostname: spec.hostname.clone(),
        links: spec.links.clone(),
        ..Container::default()
    };
    Ok((container, networks))
}

/// `2026/11/20 15:04:17` of seconds since 1970.
pub(super) fn clock(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// RFC 3339 of milliseconds since 1970.
pub(super) fn rfc3339(ms: u64) -> String {
    let text = clock(ms / 1000).replace('/', "-").replace(' ', "T");
    format!("{text}.{:03}000000Z", ms % 1000)
}

/// Year, month and day of days since 1970 (after H. Hinnant's `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_year - (153 * shifted_month + 2) / 5 + 1)
}
