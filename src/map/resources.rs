//! What a project asks of a server: the desired resources, in Dokku's and the engine's terms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::hashed::IndexMap;
use serde::{Deserialize, Serialize};

pub use super::datastores::{CarrySource, StoreLogin, StoreScript, StoreSpec};
use crate::diag::Span;
use crate::docker::{ContainerSpec, CopySpec, EndpointSpec, ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::secret::Secret;

/// Everything that a project asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Project and control app.
    pub project: String,
    /// Networks in order of declaration.
    pub networks: Vec<NetworkSpec>,
    /// Networks that must exist and are never made or removed.
    pub external_networks: Vec<String>,
    /// Volumes in order of declaration.
    pub volumes: Vec<VolumeSpec>,
    /// Volumes that must exist and are never made or removed.
    pub external_volumes: Vec<String>,
    /// Name on the server of each volume that the file declares; kept over imports.
    pub volume_names: BTreeMap<String, String>,
    /// Services by compose name, in dependency order.
    pub services: IndexMap<String, DesiredService>,
    /// Positions for messages by path (`services.web.ports[0]`); not kept.
    #[serde(skip)]
    pub spans: BTreeMap<String, Span>,
}

impl Desired {
    /// Every secret of what is asked for.
    pub fn secrets_mut(&mut self) -> Vec<&mut Secret> {
        let mut out = Vec::new();
        for service in self.services.values_mut() {
            for tree in &mut service.files {
                if let FileContent::Inline { text } = &mut tree.content {
                    out.push(text);
                }
            }
            let build = match &mut service.kind {
                Kind::App(app) => {
                    out.extend(app.config.values_mut());
                    &mut app.build
                }
                Kind::Container(raw) | Kind::Job(raw) => {
                    out.extend(raw.container.environment.values_mut());
                    &mut raw.build
                }
                Kind::Datastore(store) => {
                    out.extend(store.secrets_mut());
                    continue;
                }
            };
            build.iter_mut().for_each(|build| build.arguments_mut(&mut out));
        }
        out
    }
}

/// What one service becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredService {
    /// Compose name.
    pub name: String,
    /// One phrase that says why it became this: `image ghcr.io/acme/worker:2`.
    pub why: String,
    /// What must hold before it starts: other services and conditions.
    pub needs: IndexMap<String, Need>,
    /// Services with which it is restarted (`depends_on.*.restart`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub restarts_with: BTreeSet<String>,
    /// Files delivered to the server before it starts.
    pub files: Vec<FileTree>,
    /// Networks that it is on.
    pub networks: BTreeSet<String>,
    /// Named volumes that it mounts.
    pub volumes: BTreeSet<String>,
    /// From where a datastore that is made gets its data; what is remembered has none.
    #[serde(skip)]
    pub carry: Option<CarrySource>,
    /// Its form.
    pub kind: Kind,
}

/// The forms of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// An ordinary Dokku app.
    App(Box<AppSpec>),
    /// A container of the Docker engine.
    Container(Box<RawSpec>),
    /// A container that runs to completion.
    Job(Box<RawSpec>),
    /// A service of a datastore plugin.
    Datastore(Box<StoreSpec>),
}

impl Kind {
    /// `app`, `container`, `job` or `datastore`.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::App(_) => "app",
            Kind::Container(_) => "container",
            Kind::Job(_) => "job",
            Kind::Datastore(_) => "datastore",
        }
    }

    /// The app's, container's or service's name on the server.
    pub fn resource_name(&self) -> &str {
        match self {
            Kind::App(app) => &app.app,
            Kind::Container(raw) | Kind::Job(raw) => &raw.container.name,
            Kind::Datastore(store) => &store.service,
        }
    }
}

/// A condition of `depends_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// `service_started`.
    Started,
    /// `service_healthy`.
    Healthy,
    /// `service_completed_successfully`.
    Completed,
}

/// Where an app's image comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Source {
    /// `git:from-image`.
    Image {
        /// Image reference as the file has it.
        image: String,
        /// `pull_policy: always`.
        pull: bool,
        /// Platform or empty.
        platform: String,
    },
    /// `git:from-archive` with the context as a tar.
    Archive {
        /// Directory of the context.
        context: PathBuf,
        /// Dockerfile relative to the context.
        dockerfile: String,
        /// Content of the Dockerfile where the file has it inline, or it lies outside the context.
        dockerfile_inline: Option<String>,
        /// Digest of the tree, the Dockerfile and what else decides the result.
        digest: String,
    },
}

/// When old and new containers run (`deploy.update_config.order`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new one starts, is checked, then the old one stops (`checks:skip` and the plugin's own gate).
    StartFirst,
    /// The old one stops before the new one starts (`checks:disable`).
    StopFirst,
}

/// One Dokku app, one process type `web`.
///
/// Property values are Dokku's own words; an absent property is Dokku's default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppSpec {
    /// App name.
    pub app: String,
    /// Where the image comes from.
    pub source: Source,
    /// Variables set by `config:import`.
    pub config: IndexMap<String, Secret>,
    /// `docker-options`, each one stored option in Dokku's quoting.
    pub options: DockerOptions,
    /// `<plugin>:set APP <key> <value>` by `plugin.key`.
    pub properties: BTreeMap<String, String>,
    /// Storage.
    pub mounts: Vec<AppMount>,
    /// Proxy ports `scheme:host:container`; empty: the proxy is off.
    pub ports: Vec<String>,
    /// Domains beyond the one that Dokku gives the app.
    pub domains: Vec<String>,
    /// Containers of the process type `web`; `None`: the file does not say, one at first, later whatever `ps:scale` says.
    pub scale: Option<u32>,
    /// Stop-first or start-first.
    pub order: UpdateOrder,
    /// `resource:limit`/`:reserve` by `limit.cpu`, `limit.memory`, `reserve.memory` ...
    pub resources: BTreeMap<String, String>,
    /// What the plugin's triggers must know.
    pub hooks: AppHooks,
    /// Whether the executor has to wait for the gate itself, because Dokku's checks are off.
    pub await_gate: bool,
    /// Id of the image named by the source, empty: not on the server yet.
    pub image_id: String,
    /// How the image named by the source is built, where Dokku does not build it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<ImageBuildSpec>,
}

/// Options by phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DockerOptions {
    /// At `docker build`.
    pub build: Vec<String>,
    /// At `docker create` of a deploy.
    pub deploy: Vec<String>,
    /// At `dokku run`.
    pub run: Vec<String>,
}

/// A storage mount of an app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AppMount {
    /// Host path or volume name.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Comma list after the second colon, `ro`, `z`, `rshared`, `nocopy`; empty: none.
    pub options: String,
}

impl AppMount {
    /// `source:target[:options]`, as `storage:mount` takes it.
    pub fn spec(&self) -> String {
        if self.options.is_empty() {
            format!("{}:{}", self.source, self.target)
        } else {
            format!("{}:{}:{}", self.source, self.target, self.options)
        }
    }
}

/// What the triggers of an app need: kept in the app's file in the plugin's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AppHooks {
    /// Project.
    pub project: String,
    /// Compose service; empty: the control app.
    pub service: String,
    /// Networks beyond the first, joined between create and start.
    pub networks: IndexMap<String, EndpointSpec>,
    /// The deploy gate.
    pub gate: Gate,
    /// Files copied into each container before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopySpec>,
    /// Digest of the file of hooks; empty: there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hooks: String,
    /// Whether the old container of an app with hooks stops before the new one starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_first: bool,
    /// Who looks this app's name up only now and then, and is told of each deploy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reloads: Vec<Reload>,
}

/// A container's program that has to read its configuration again when a neighbour got another address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reload {
    /// App, or container.
    pub name: String,
    /// Whether it is an app.
    pub app: bool,
    /// What is run in the container.
    pub command: Vec<String>,
}

/// What a new container must do before it takes over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Wait for the engine's `healthy`; else only for staying up.
    pub healthy: bool,
    /// Seconds at most.
    pub limit: u64,
    /// Seconds without a restart that count as up.
    pub settle: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { healthy: false, limit: 60, settle: 2 }
    }
}

/// A raw container or a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawSpec {
    /// The container; its label `com.dokku-compose.hash` is the digest of the rest.
    pub container: ContainerSpec,
    /// How many; replicas beyond the first are named `NAME-2` ...
    pub replicas: u32,
    /// Built here instead of pulled.
    pub build: Option<ImageBuildSpec>,
    /// Digest of the build's input; empty without one.
    pub build_digest: String,
    /// `pull_policy: always`.
    pub pull: bool,
    /// The gate; for a job the seconds it may run.
    pub gate: Gate,
}

/// Files that the plugin puts on the server: bind sources, secrets, configs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileTree {
    /// File or directory on the server.
    pub target: PathBuf,
    /// What is put there.
    pub content: FileContent,
    /// Digest of the content.
    pub digest: String,
    /// The target follows the source even where somebody changed it (read-only mounts, secrets).
    pub mirror: bool,
    /// Permission bits of a single file.
    pub mode: u32,
}

/// Where delivered files come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum FileContent {
    /// A file or directory of the source.
    Path {
        /// On this machine.
        path: PathBuf,
    },
    /// Text of a secret or config.
    Inline {
        /// The text.
        text: Secret,
    },
    /// An empty directory, where nothing stands yet.
    Empty,
}
