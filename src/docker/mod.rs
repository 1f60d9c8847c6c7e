//! The Docker engine: facts and raw containers. No policy.
//!
//! [`Engine`] has two implementations: the real engine's API and the sandbox's.

mod engine;
pub mod spec;
mod wait;

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

pub use engine::DockerEngine;
use serde::{Deserialize, Serialize};
pub use spec::*;
pub use wait::{Verdict, Want, wait_ready};

/// What went wrong with the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine did not answer; nothing can be said about the request.
    #[error("the Docker engine does not answer: {0}")]
    Unreachable(String),
    /// The engine refused.
    #[error("{message}")]
    Refused {
        /// HTTP status of the answer (404 not found, 409 conflict, 500 ...), 0 for a command.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// A wait ended without the awaited.
    #[error("timed out after {0:?}")]
    TimedOut(Duration),
    /// The run was cancelled while the call went on.
    #[error("cancelled")]
    Cancelled,
}

/// Result of an engine call.
pub type EngineResult<T> = Result<T, EngineError>;

/// The engine's version.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Engine version, `20.10.24`.
    pub version: String,
    /// API version in use, `1.41`.
    pub api: String,
}

/// A network as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Subnets in CIDR form.
    pub subnets: Vec<String>,
    /// Whether it has no way out.
    pub internal: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ids of attached containers (filled by `network` only).
    pub containers: Vec<String>,
}

/// A volume as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// An image as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// `sha256:...`.
    pub id: String,
    /// Names.
    pub tags: Vec<String>,
    /// `repo@sha256:...` where it came from a registry.
    pub digests: Vec<String>,
    /// Exposed ports, `8080/tcp`.
    pub exposed: Vec<String>,
    /// Declared volumes.
    pub volumes: Vec<String>,
    /// Whether the image has a HEALTHCHECK other than NONE.
    pub healthcheck: bool,
    /// ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// CMD.
    pub command: Vec<String>,
    /// USER.
    pub user: String,
    /// WORKDIR.
    pub working_dir: String,
    /// ENV, `KEY=value`.
    pub environment: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A container's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Image as named at creation.
    pub image: String,
    /// Image id.
    pub image_id: String,
    /// `created`, `running`, `restarting`, `exited`, `paused`, `dead`.
    pub status: String,
    /// `starting`, `healthy`, `unhealthy`; empty without a health check.
    pub health: String,
    /// What the last health check said, where it failed; empty otherwise, and when listed.
    pub failed_check: String,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// Why the last start failed, in the engine's words, empty when it did not or when listed.
    pub error: String,
    /// How often the engine restarted it.
    pub restarts: i64,
    /// Start time as the engine gives it (RFC 3339), empty when never started or when listed.
    pub started_at: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Network name to IPv4 address.
    pub networks: BTreeMap<String, String>,
    /// Names of mounted volumes and host paths.
    pub mounts: Vec<String>,
    /// Ports of the host that are open for it now, `ADDRESS:PORT`; empty where it is not listed.
    pub ports: Vec<String>,
}

/// The engine's calls that the product needs. Every wait takes a limit.
///
/// "Ensure" semantics hold for removals: removing what is absent is success.
pub trait Engine: Send + Sync {
    /// Whether it answers, and its version.
    fn info(&self) -> EngineResult<EngineInfo>;

    /// All networks, without their containers.
    fn networks(&self) -> EngineResult<Vec<NetworkFacts>>;
    /// One network with its containers.
    fn network(&self, name: &str) -> EngineResult<Option<NetworkFacts>>;
    /// Creates a network; an existing one of that name is an error (409).
    fn network_create(&self, spec: &NetworkSpec) -> EngineResult<()>;
    /// Removes a network.
    fn network_remove(&self, name: &str) -> EngineResult<()>;
    /// Connects a container (`docker network connect`); connected already is success.
    fn network_connect(&self, network: &str, container: &str, endpoint: &EndpointSpec) -> EngineResult<()>;

    /// Disconnects a container from a network; not connected, or absent, is success.
    fn network_disconnect(&self, network: &str, container: &str) -> EngineResult<()>;

    /// All volumes.
    fn volumes(&self) -> EngineResult<Vec<VolumeFacts>>;
    /// Creates a volume; an equal one is success.
    fn volume_create(&self, spec: &VolumeSpec) -> EngineResult<()>;
    /// Removes a volume; in use is an error (409).
    fn volume_remove(&self, name: &str) -> EngineResult<()>;

    /// One image by name or id.
    fn image(&self, reference: &str) -> EngineResult<Option<ImageFacts>>;
    /// Gives an image another name (`docker tag`).
    fn image_tag(&self, source: &str, repository: &str, tag: &str) -> EngineResult<()>;
    /// Removes an image name; in use is an error (409).
    fn image_remove(&self, reference: &str) -> EngineResult<()>;
    /// Pulls through the docker command, which knows registry logins.
    fn image_pull(&self, reference: &str, platform: Option<&str>, limit: Duration) -> EngineResult<()>;
    /// Builds through the docker command, which knows BuildKit; gives the image id.
    fn image_build(&self, spec: &ImageBuildSpec, limit: Duration) -> EngineResult<String>;

    /// Containers, stopped ones too, that carry every label (`key` or `key=value`).
    fn containers(&self, labels: &[&str]) -> EngineResult<Vec<ContainerFacts>>;
    /// One container by name or id.
    fn container(&self, name: &str) -> EngineResult<Option<ContainerFacts>>;
    /// The variables that one container runs with, its image's among them; `None` where there is none.
    /// Kept out of [`ContainerFacts`], for they may be secret.
    fn container_environment(&self, name: &str) -> EngineResult<Option<BTreeMap<String, String>>>;
    /// Creates a container with all its networks connected; gives its id.
    fn container_create(&self, spec: &ContainerSpec) -> EngineResult<String>;
    /// Copies a file into a container that was created, with owner and permissions.
    fn container_copy(&self, name: &str, spec: &CopySpec) -> EngineResult<()>;
    /// Starts; started already is success.
    fn container_start(&self, name: &str) -> EngineResult<()>;
    /// Stops with the container's own signal, killed after `grace`; stopped or absent is success.
    fn container_stop(&self, name: &str, grace: Duration) -> EngineResult<()>;
    /// Renames.
    fn container_rename(&self, name: &str, to: &str) -> EngineResult<()>;
    /// Removes, running or not, with its anonymous volumes.
    fn container_remove(&self, name: &str) -> EngineResult<()>;
    /// Runs a command in a running container; its exit code and what it printed, at most the last 200 lines.
    fn container_exec(&self, name: &str, spec: &ExecSpec, limit: Duration) -> EngineResult<(i64, Vec<String>)>;
    /// The same with standard output in `file`, byte for byte; the lines are those of standard error.
    fn container_stream(
        &self,
        name: &str,
        spec: &ExecSpec,
        file: File,
        limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)>;
    /// Runs a script of `sh` in a container that is gone afterwards, that reaches no network and sees `volume`, where one is
    /// named, below `/from` and cannot write to it; its exit code and what it printed. The image is not pulled.
    fn run_once(
        &self,
        image: &str,
        volume: Option<&str>,
        script: &str,
        limit: Duration,
    ) -> EngineResult<(i64, Vec<String>)>;
    /// Waits until it exits; its exit code.
    fn container_wait(&self, name: &str, limit: Duration) -> EngineResult<i64>;
    /// The last `tail` lines of both streams, oldest first.
    fn container_logs(&self, name: &str, tail: usize) -> EngineResult<Vec<String>>;
}
