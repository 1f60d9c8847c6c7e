//! The operations, one command each. Everything that changes the server is a value of [`Action`]:
//! the plan prints it, the executor runs it, the journal keeps it, an undo is made of the same values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::docker::{ContainerSpec, ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::map::resources::{AppHooks, AppMount, FileTree, Gate, Source};
use crate::secret::Secret;

/// One change of the server. Fields are named as the resources that they hold.
///
/// Each is an "ensure": it succeeds where its end state already holds, so that an undo may be
/// repeated after a crash, whatever had run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants say it; a field is its resource")]
pub enum Action {
    /// Makes a network through the engine, labelled as the project's.
    NetworkCreate { spec: NetworkSpec },
    /// Removes a network that this project made.
    NetworkRemove { name: String },
    /// Makes a volume.
    VolumeCreate { spec: VolumeSpec },
    /// Removes a volume that this run made or that the user asked to lose.
    VolumeRemove { name: String },
    /// Puts files on the server; what they replace is kept in the run's folder until commit.
    FilesDeliver { tree: FileTree },
    /// Puts back what [`Action::FilesDeliver`] replaced, from the run's folder.
    FilesRestore { target: PathBuf },
    /// Removes delivered files (secrets and configs of a destroyed project).
    FilesRemove { target: PathBuf },
    /// Tells the triggers that the app is a project's.
    HooksWrite { app: String, hooks: AppHooks },
    /// The app is no project's any more.
    HooksRemove { app: String },
    /// `apps:create` with the proxy parked first, which spares the proxy's rebuild.
    AppCreate { app: String },
    /// `apps:destroy --force`.
    AppDestroy { app: String },
    /// `config:import --no-restart` on standard input.
    ConfigSet { app: String, values: IndexMap<String, Secret> },
    /// `config:unset --no-restart`.
    ConfigUnset { app: String, keys: Vec<String> },
    /// `PLUGIN:set APP KEY VALUE`; an empty value unsets.
    PropertySet { app: String, plugin: String, key: String, value: String },
    /// `docker-options:add`.
    OptionsAdd { app: String, phase: String, options: Vec<String> },
    /// `docker-options:remove`.
    OptionsRemove { app: String, phase: String, options: Vec<String> },
    /// `storage:mount`.
    StorageMount { app: String, mount: AppMount },
    /// `storage:unmount`.
    StorageUnmount { app: String, mount: AppMount },
    /// `ports:set`; without ports `ports:clear`.
    PortsSet { app: String, ports: Vec<String> },
    /// `domains:add`.
    DomainsAdd { app: String, domains: Vec<String> },
    /// `domains:remove`.
    DomainsRemove { app: String, domains: Vec<String> },
    /// `domains:disable` of the control app, which answers nothing itself.
    DomainsDisable { app: String },
    /// `domains:enable`.
    DomainsEnable { app: String },
    /// `checks:enable`, `checks:skip` or `checks:disable`: `enabled`, `skipped`, `disabled`.
    ChecksSet { app: String, mode: String },
    /// `resource:limit` or `resource:reserve`; an empty value clears that one.
    ResourceSet { app: String, kind: String, values: BTreeMap<String, String> },
    /// `ps:scale --skip-deploy`, without it where the app runs and only the scale changed.
    Scale { app: String, quantity: u32, deploy: bool },
    /// `git:from-image` or `git:from-archive`: build, release, deploy.
    Deploy { app: String, source: Source },
    /// `ps:rebuild`: the same source, built again.
    Rebuild { app: String },
    /// `ps:restart`: the same image with the current settings.
    Restart { app: String },
    /// Keeps the release that a deploy is about to replace under a name of the run.
    ReleaseKeep { app: String, release: Release },
    /// Brings a kept release back: image tag, repository, source property, then a restart where it ran.
    ReleaseRestore { app: String, release: Release },
    /// `ps:stop`.
    Stop { app: String },
    /// `ps:start`.
    Start { app: String },
    /// `docker pull`.
    ImagePull { image: String, platform: String },
    /// `docker build`.
    ImageBuild { spec: ImageBuildSpec },
    /// Removes an image name that this project made.
    ImageRemove { image: String },
    /// Creates and starts a raw container.
    ContainerRun { spec: Box<ContainerSpec> },
    /// Stops and removes a raw container of this project.
    ContainerRemove { name: String },
    /// Stops a raw container and gives it another name, so that a new one can take its place.
    ContainerStash { name: String, stash: String },
    /// Gives a stashed container its name back and starts it where it ran.
    ContainerUnstash { name: String, stash: String, running: bool },
    /// Creates a container, waits for its end; an exit code other than 0 fails.
    JobRun { spec: Box<ContainerSpec>, limit: u64 },
    /// Waits until a raw container or an app's containers pass the gate.
    Await { target: AwaitTarget, gate: Gate },
}

/// Whom an [`Action::Await`] waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwaitTarget {
    /// A raw container by name.
    Container(String),
    /// All running containers of an app.
    App(String),
}

/// A release of an app, as much as is needed to run it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Image id of `dokku/APP:latest`.
    pub image_id: String,
    /// Commit of the app's repository, empty: none.
    pub commit: String,
    /// Deploy branch.
    pub branch: String,
    /// Property `git source-image`, empty: none.
    pub source_image: String,
    /// Name under which the image is kept.
    pub keep: String,
    /// Whether it ran.
    pub running: bool,
    /// Ids of the containers that ran it; the same ones running means that nothing is to be restarted.
    pub containers: Vec<String>,
}
