//! The real engine, through its API; pulls and builds through the docker command.
//!
//! The only user of bollard and tokio: every call runs on a runtime of its own, in its caller's
//! thread, so that workers wait beside each other and no runtime outlives a call.

mod client;
mod command;
mod create;
mod facts;

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters as query;
use bollard::{ClientVersion, Docker};
use futures_util::StreamExt;

use super::*;
pub use client::DockerEngine;

/// Longest time of a call that only asks.
const ASK: Duration = Duration::from_secs(60);
/// Longest time of a call that makes, starts or removes something.
const ACT: Duration = Duration::from_secs(180);
/// How soon a cancellation is noticed.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// How many lines of a command's output are kept.
const EXEC_LINES: usize = 200;
/// Logs are read up to this many bytes.
const LOG_LIMIT: usize = 4 * 1024 * 1024;
/// The first API that takes several networks at creation, MAC addresses by network and a start interval (engine 25).
const API_25: ClientVersion = ClientVersion { major_version: 1, minor_version: 44 };

impl DockerEngine {
    /// Whether the engine's API is older than `version`.
    fn older_than(client: &Docker, version: &ClientVersion) -> bool {
        client.client_version() < *version
    }

    /// Fails where there is no such network: the engine would let a container that does not run join
    /// one, and refuse to start it later.
    fn need_network(&self, name: &str) -> EngineResult<()> {
        match self.network(name)? {
            Some(_) => Ok(()),
            None => Err(EngineError::Refused { status: 404, message: format!("network {name} not found") }),
        }
    }

    fn make_container(&self, spec: &ContainerSpec) -> EngineResult<String> {
        if spec.network_mode.is_empty() {
            for (network, _) in &spec.networks {
                self.need_network(network)?;
            }
        }
        let keep_entrypoint = match (&spec.command, &spec.entrypoint) {
            (Some(command), None) if command.is_empty() => self.image(&spec.image)?.map(|image| image.entrypoint),
            _ => None,
        };
        // The version is known only once there was a call.
        let old = self.run(ASK, |client| async move { Ok(Self::older_than(&client, &API_25)) })?;
        let body = create::container_body(spec, keep_entrypoint, old)?;
        let options = query::CreateContainerOptions { name: Some(spec.name.clone()), platform: spec.platform.clone() };
        let id = self.run(ACT, |client| async move { client.create_container(Some(options), body).await })?.id;
        if spec.network_mode.is_empty() {
            for (network, endpoint) in spec.networks.iter().skip(1) {
                if let Err(error) = self.network_connect(network, &id, endpoint) {
                    // Half a container must not stay; the first error is the one to tell.
                    let _ = self.container_remove(&id);
                    return Err(error);
                }
            }
        }
        Ok(id)
    }
}

/// A name that goes into the address of a call: it must not change what is called.
fn named(name: &str) -> EngineResult<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '@' | '/');
    if name.is_empty()
        || !name.chars().all(fine)
        || name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(EngineError::Refused {
            status: 400,
            message: format!("{name:?} is not a name that the engine knows"),
        });
    }
    Ok(name.to_owned())
}

fn exec_body(spec: &ExecSpec) -> CreateExecOptions<String> {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(spec.command.clone()),
        env: Some(spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        privileged: Some(spec.privileged),
        user: given(&spec.user),
        working_dir: given(&spec.working_dir),
        ..CreateExecOptions::default()
    }
}

/// `None` for what the engine does not have.
fn found<T>(answer: EngineResult<T>) -> EngineResult<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(EngineError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn conflict(message: String) -> EngineError {
    EngineError::Refused { status: 409, message }
}

impl Engine for DockerEngine {
    fn info(&self) -> EngineResult<EngineInfo> {
        self.run(ASK, |client| async move {
            let version = client.version().await?;
            Ok(EngineInfo { version: version.version.unwrap_or_default(), api: client.client_version().to_string() })
        })
    }

    fn networks(&self) -> EngineResult<Vec<NetworkFacts>> {
        let networks = self.run(ASK, |client| async move { client.list_networks(None).await })?;
        let mut networks: Vec<_> = networks.into_iter().map(facts::network).collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(networks)
    }

    fn network(&self, name: &str) -> EngineResult<Option<NetworkFacts>> {
        let name = named(name)?;
        let network = self.run(ASK, |client| async move { client.inspect_network(&name, None).await });
        Ok(found(network)?.map(facts::network_with_containers))
    }

    fn network_create(&self, spec: &NetworkSpec) -> EngineResult<()> {
        // Engines before 25 would make a second network of the same name.
        let taken = || -> EngineResult<usize> {
            Ok(self.networks()?.iter().filter(|network| network.name == spec.name).count())
        };
        if taken()? > 0 {
            return Err(conflict(format!("network with name {} already exists", spec.name)));
        }
        let body = create::network_body(spec);
        let id = self.run(ACT, |client| async move { client.create_network(body).await })?.id;
        if taken()? > 1 {
            // Somebody made one at the same moment.
            self.network_remove(&id)?;
            return Err(conflict(format!("network with name {} already exists", spec.name)));
        }
        Ok(())
    }

    fn network_remove(&self, name: &str) -> EngineResult<()> {
        let name = named(name)?;
        found(self.run(ACT, |client| async move { client.remove_network(&name).await })).map(drop)
    }

    fn network_connect(&self, network: &str, container: &str, endpoint: &EndpointSpec) -> EngineResult<()> {
        self.need_network(network)?;
        let (name, body) = (named(network)?, create::connect_body(container, endpoint));
        match self.run(ACT, |client| async move { client.connect_network(&name, body).await }) {
            Err(error @ EngineError::Refused { status: 403 | 409, .. }) => {
                let connected = self.container(container)?.is_some_and(|facts| facts.networks.contains_key(network));
                if connected { Ok(()) } else { Err(error) }
            }
            answer => answer,
        }
    }

    fn network_disconnect(&self, network: &str, container: &str) -> EngineResult<()> {
        let connected = self.network(network)?.is_some()
            && self.container(container)?.is_some_and(|facts| facts.networks.contains_key(network));
        if !connected {
            return Ok(());
        }
        let (name, body) = (named(network)?, create::disconnect_body(container));
        self.run(ACT, |client| async move { client.disconnect_network(&name, body).await })
    }

    fn volumes(&self) -> EngineResult<Vec<VolumeFacts>> {
        let answer =
            self.run(ASK, |client| async move { client.list_volumes(None::<query::ListVolumesOptions>).await })?;
        let mut volumes: Vec<_> = answer.volumes.unwrap_or_default().into_iter().map(facts::volume).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    fn volume_create(&self, spec: &VolumeSpec) -> EngineResult<()> {
        // The engine answers with an existing volume of that name, whatever its options are.
        let name = named(&spec.name)?;
        let existing =
            found(self.run(ASK, |client| async move { client.inspect_volume(&name).await }))?.map(facts::volume);
        if let Some(existing) = existing {
            let driver = if spec.driver.is_empty() { "local" } else { &spec.driver };
            if existing.driver == driver && existing.options == spec.options {
                return Ok(());
            }
            return Err(conflict(format!("volume {} exists with another driver or other options", spec.name)));
        }
        let body = create::volume_body(spec);
        self.run(ACT, |client| async move { client.create_volume(body).await }).map(drop)
    }

    fn volume_remove(&self, name: &str) -> EngineResult<()> {
        let name = named(name)?;
        found(
            self.run(
                ACT,
                |client| async move { client.remove_volume(&name, None::<query::RemoveVolumeOptions>).await },
            ),
        )
        .map(drop)
    }

    fn image(&self, reference: &str) -> EngineResult<Option<ImageFacts>> {
        let name = named(reference)?;
        Ok(found(self.run(ASK, |client| async move { client.inspect_image(&name).await }))?.map(facts::image))
    }

    fn image_tag(&self, source: &str, repository: &str, tag: &str) -> EngineResult<()> {
        let name = named(source)?;
        let options = query::TagImageOptions { repo: Some(repository.to_owned()), tag: Some(tag.to_owned()) };
        self.run(ACT, |client| async move { client.tag_image(&name, Some(options)).await })
    }

    fn image_remove(&self, reference: &str) -> EngineResult<()> {
        let name = named(reference)?;
        found(self.run(ACT, |client| async move {
            client.remove_image(&name, None::<query::RemoveImageOptions>, None).await
        }))
        .map(drop)
    }

    fn image_pull(&self, reference: &str, platform: Option<&str>, limit: Duration) -> EngineResult<()> {
        command::pull(self, reference, platform, limit)
    }

    fn image_build(&self, spec: &ImageBuildSpec, limit: Duration) -> EngineResult<String> {
        command::build(self, spec, limit)?;
        match self.image(&spec.tag)? {
            Some(image) => Ok(image.id),
            None => {
                Err(EngineError::Refused { status: 404, message: format!("{} was built, but is not there", spec.tag) })
            }
        }
    }

    fn containers(&self, labels: &[&str]) -> EngineResult<Vec<ContainerFacts>> {
        let filters = HashMap::from([("label".to_owned(), labels.iter().map(|label| (*label).to_owned()).collect())]);
        let options = query::ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let containers = self.run(ASK, |client| async move { client.list_containers(Some(options)).await })?;
        let mut containers: Vec<_> = containers.into_iter().map(facts::listed_container).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    fn container(&self, name: &str) -> EngineResult<Option<ContainerFacts>> {
        let name = named(name)?;
        Ok(found(self.run(ASK, |client| async move { client.inspect_container(&name, None).await }))?
            .map(facts::container))
    }

    fn container_environment(&self, name: &str) -> EngineResult<Option<BTreeMap<String, String>>> {
        let name = named(name)?;
        Ok(found(self.run(ASK, |client| async move { client.inspect_container(&name, None).await }))?
            .map(facts::environment))
    }

    fn container_create(&self, spec: &ContainerSpec) -> EngineResult<String> {
        self.make_container(spec)
    }

    fn container_copy(&self, name: &str, spec: &CopySpec) -> EngineResult<()> {
        let name = named(name)?;
        let archive = create::file_archive(spec).map_err(|error| EngineError::Refused {
            status: 0,
            message: format!("cannot read {}: {error}", spec.source.display()),
        })?;
        let options = query::UploadToContainerOptions { path: "/".to_owned(), ..Default::default() };
        self.run(ACT, |client| async move {
            client.upload_to_container(&name, Some(options), bollard::body_full(archive.into())).await
        })
    }

    fn container_start(&self, name: &str) -> EngineResult<()> {
        let name = named(name)?;
        self.run(ACT, |client| async move { client.start_container(&name, None).await })
    }

    fn container_stop(&self, name: &str, grace: Duration) -> EngineResult<()> {
        let name = named(name)?;
        let seconds = i32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        let options = query::StopContainerOptions { t: Some(seconds), ..Default::default() };
        let limit = grace.saturating_add(ACT);
        found(self.run(limit, |client| async move { client.stop_container(&name, Some(options)).await })).map(drop)
    }

    fn container_rename(&self, name: &str, to: &str) -> EngineResult<()> {
        let name = named(name)?;
        let options = query::RenameContainerOptions { name: to.to_owned() };
        self.run(ACT, |client| async move { client.rename_container(&name, options).await })
    }

    fn container_remove(&self, name: &str) -> EngineResult<()> {
        let id = named(name)?;
        let options = query::RemoveContainerOptions { v: true, force: true, ..Default::default() };
        match found(self.run(ACT, |client| async move { client.remove_container(&id, Some(options)).await })) {
            Err(EngineError::Refused { status: 409, message }) if message.contains("already in progress") => {
                let deadline = Instant::now() + ASK;
                while self.container(name)?.is_some() {
                    if Instant::now() >= deadline {
                        return Err(conflict(message));
                    }
                    std::thread::sleep(CANCEL_POLL);
                }
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    fn container_wait(&self, name: &str, limit: Duration) -> EngineResult<i64> {
        let name = named(name)?;
        self.run_cancellable(limit, |client| async move {
            let options = query::WaitContainerOptions { condition: "not-running".to_owned() };
            let mut answers = Box::pin(client.wait_container(&name, Some(options)));
            match answers.next().await {
                Some(Ok(answer)) => Ok(answer.status_code),
                Some(Err(Error::DockerContainerWaitError { error, code })) if error.is_empty() => Ok(code),
                Some(Err(error)) => Err(error),
                None => {
                    Err(Error::DockerStreamError { error: "the engine ended the wait without an answer".to_owned() })
                }
            }
        })
    }

    fn container_exec(&self, name: &str, spec: &ExecSpec, limit: Duration) -> EngineResult<(i64, Vec<String>)> {
        let (name, body) = (named(name)?, exec_body(spec));
        self.run_cancellable(limit, |client| async move {
            let id = client.create_exec(&name, body).await?.id;
            let mut lines = facts::LogLines::default();
            let mut bytes = 0;
            if let StartExecResults::Attached { mut output, .. } = client.start_exec(&id, None).await? {
                while let Some(frame) = output.next().await {
                    let frame = frame?;
                    let stream = usize::from(matches!(frame, LogOutput::StdErr { .. }));
                    let message = frame.into_bytes();
                    bytes += message.len();
                    // It runs on to its end, whatever it prints.
                    if bytes <= LOG_LIMIT {
                        lines.push(stream, &message);
                    }
                }
            }
            let code = client.inspect_exec(&id).await?.exit_code.unwrap_or(0);
            Ok((code, lines.last(EXEC_LINES)))
        })
    }

    fn container_stream(
        &self,
        name: &str,
        spec: &ExecSpec,
        file: File,
        limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)> {
        let (name, body) = (named(name)?, exec_body(spec));
        let mut file = std::io::BufWriter::new(file);
        let ended = self.run_cancellable(limit, |client| {
            let file = &mut file;
            async move {
                let id = client.create_exec(&name, body).await?.id;
                let mut lines = facts::LogLines::default();
                let mut bytes = 0;
                if let StartExecResults::Attached { mut output, .. } = client.start_exec(&id, None).await? {
                    while let Some(frame) = output.next().await {
                        match frame? {
                            LogOutput::StdErr { message } => {
                                bytes += message.len();
                                if bytes <= LOG_LIMIT {
                                    lines.push(1, &message);
                                }
                            }
                            frame => file.write_all(&frame.into_bytes())?,
                        }
                    }
                }
                let code = client.inspect_exec(&id).await?.exit_code.unwrap_or(0);
                Ok((code, lines.last(EXEC_LINES)))
            }
        })?;
        // What the disk does not take is no dump.
        let written = file.flush().and_then(|()| file.get_ref().sync_all());
        written.map_err(|error| EngineError::Refused { status: 0, message: format!("cannot write: {error}") })?;
        Ok(ended)
    }

    fn run_once(
        &self,
        image: &str,
        volume: Option<&str>,
        script: &str,
        limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)> {
        command::run_once(self, image, volume.map(named).transpose()?.as_deref(), script, limit)
    }

    fn container_logs(&self, name: &str, tail: usize) -> EngineResult<Vec<String>> {
        let name = named(name)?;
        let options = query::LogsOptions { stdout: true, stderr: true, tail: tail.to_string(), ..Default::default() };
        self.run(ASK, |client| async move {
            let mut lines = facts::LogLines::default();
            let mut bytes = 0;
            let mut frames = Box::pin(client.logs(&name, Some(options)));
            while let Some(frame) = frames.next().await {
                let (stream, message) = match frame? {
                    LogOutput::StdErr { message } => (1, message),
                    LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                        (0, message)
                    }
                };
                lines.push(stream, &message);
                bytes += message.len();
                if bytes > LOG_LIMIT {
                    break;
                }
            }
            Ok(lines.last(tail))
        })
    }
}
