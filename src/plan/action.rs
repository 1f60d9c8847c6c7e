//! The operations, one command each. Everything that changes the server is a value of [`Action`]:
//! the plan prints it, the executor runs it, the journal keeps it, an undo is made of the same values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::hashed::IndexMap;
use serde::{Deserialize, Serialize};

use crate::docker::{ContainerSpec, ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::map::resources::{AppHooks, AppMount, CarrySource, FileTree, Gate, Source, StoreSpec};
use crate::secret::Secret;

/// One change of the server. Fields are named as the resources that they hold.
///
/// Rare large resources are boxed: a plan of a thousand services has some twenty thousand actions and as many inverses.
///
/// Each is an "ensure": it succeeds where its end state already holds, so that an undo may be
/// repeated after a crash, whatever had run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the variants say it; a field is its resource")]
pub enum Action {
    /// Makes a network through the engine, labelled as the project's.
    NetworkCreate { spec: Box<NetworkSpec> },
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
    HooksWrite { app: String, hooks: Box<AppHooks> },
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
    Deploy { app: String, source: Box<Source> },
    /// `ps:rebuild`: the same source, built again.
    Rebuild { app: String },
    /// `ps:restart`: the same image with the current settings.
    Restart { app: String },
    /// Keeps the release that a deploy is about to replace under a name of the run.
    ReleaseKeep { app: String, release: Box<Release> },
    /// Brings a kept release back: image tag, repository, source property, then a restart where it ran.
    ReleaseRestore { app: String, release: Box<Release> },
    /// Keeps the release that was just deployed for later rollbacks: its image under `keep`, its commit under a
    /// reference of that name. Tells `image_id`, `commit` and `branch`.
    ReleaseRecord { app: String, keep: String },
    /// Gives up what [`Action::ReleaseRecord`] or [`Action::ImageKeep`] kept. After a commit an image that a container
    /// still uses stays; the next run tries again.
    ReleaseForget { app: String, keep: String },
    /// Keeps a raw container's image under `keep` for later rollbacks. Tells `image_id`.
    ImageKeep { image: String, keep: String },
    /// `ps:stop`.
    Stop { app: String },
    /// `ps:start`.
    Start { app: String },
    /// `docker pull`.
    ImagePull { image: String, platform: String },
    /// `docker build`.
    ImageBuild { spec: Box<ImageBuildSpec> },
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
    /// `PLUGIN:create`, passwords by the environment.
    DatastoreCreate { store: Box<StoreSpec> },
    /// `PLUGIN:destroy --force` of a service that this project made; `of_run`: only if this very run did.
    DatastoreDestroy { plugin: String, service: String, of_run: bool },
    /// Makes the file's user, password and database on standard input of the service's own client; `first`: runs the
    /// initial scripts too.
    DatastoreSetup { store: Box<StoreSpec>, first: bool },
    /// `PLUGIN:export` to a file of the project's folder, which stays there, also after an undo.
    DatastoreDump { store: Box<StoreSpec> },
    /// `PLUGIN:upgrade`: image, options, variables and limits of `store`, on the data as it lies. `from` is what it has.
    DatastoreUpgrade { store: Box<StoreSpec>, from: Box<StoreSpec> },
    /// Reads users, data and sums of what is carried over into a folder of the project's: out of a copy of its volume that is
    /// served for this alone, or out of the container that serves it. The volume itself is never written to.
    DatastoreCarryDump { store: Box<StoreSpec>, from: CarrySource },
    /// Puts what was read into the new service, and compares the sums of every table.
    DatastoreCarryImport { store: Box<StoreSpec> },
    /// Removes what [`Action::DatastoreCarryDump`] made: the container, the copy, the folder.
    DatastoreCarryDrop { service: String },
    /// Waits until a service answers a query.
    DatastoreAwait { store: Box<StoreSpec> },
    /// `PLUGIN:link --no-restart`.
    DatastoreLink { plugin: String, service: String, app: String },
    /// `PLUGIN:unlink --no-restart`.
    DatastoreUnlink { plugin: String, service: String, app: String },
    /// `PLUGIN:expose`; without ports `PLUGIN:unexpose`.
    DatastoreExpose { plugin: String, service: String, ports: Vec<String> },
    /// `PLUGIN:set post-create-network`, and joins those that are missing.
    DatastoreNetworks { plugin: String, service: String, networks: Vec<String> },
    /// `PLUGIN:start`.
    DatastoreStart { plugin: String, service: String },
    /// `PLUGIN:stop`.
    DatastoreStop { plugin: String, service: String },
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
#[serde(default)]
pub struct Release {
    /// Image id of `dokku/APP:latest`.
    pub image_id: String,
    /// Commit of the app's repository, empty: none.
    pub commit: String,
    /// Deploy branch.
    pub branch: String,
    /// Property `git source-image`, empty: none.
    pub source_image: String,
    /// Property `apps deploy-source`, empty: none. Dokku writes it after a deploy, and has no command to set it.
    #[serde(default)]
    pub deploy_source: String,
    /// Property `apps deploy-source-metadata`, empty: none.
    #[serde(default)]
    pub deploy_metadata: String,
    /// Whether `apps:lock` held it, which a deploy undoes.
    #[serde(default)]
    pub locked: bool,
    /// Name under which the image is kept.
    pub keep: String,
    /// Whether it ran.
    pub running: bool,
    /// Ids of the containers that ran it; the same ones running means that nothing is to be restarted.
    pub containers: Vec<String>,
}

/// What a version of a project keeps of a service, so that a rollback need not build or fetch anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The app's release; of a raw container only the image and the name under which it is kept.
    pub release: Release,
    /// Containers that ran where the file does not say how many.
    pub scale: Option<u32>,
}
