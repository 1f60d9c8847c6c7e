//! What is exported, before it has a format: services in the engine's terms, with what Dokku adds to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::docker::{ContainerSpec, ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::hashed::IndexMap;
use crate::map::resources::{Gate, Need, UpdateOrder};
use crate::model::Port;
use crate::observe::ObservedApp;
use crate::secret::Secret;

/// A stack of services as it is on the server.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Project name, of the file and of its resources.
    pub project: String,
    /// Services by compose name, each after those that it needs.
    pub units: IndexMap<String, Unit>,
    /// Networks that the project makes.
    pub networks: Vec<NetworkSpec>,
    /// Networks that are there without it.
    pub external_networks: BTreeSet<String>,
    /// Volumes that the project makes.
    pub volumes: Vec<VolumeSpec>,
    /// Volumes that are there without it.
    pub external_volumes: BTreeSet<String>,
    /// Keys of volumes by their name on the server, where they are known.
    pub volume_keys: BTreeMap<String, String>,
    /// The project's variables: names that an exported secret of the same value takes.
    pub variables: BTreeMap<String, String>,
    /// Domains below which the server gives each app a name.
    pub domains: Vec<String>,
    /// Datastore services of Dokku that hold a unit's data: plugin and service, by the unit's name.
    pub stores: BTreeMap<String, (String, String)>,
    /// Directory of the project's secrets and configs on the server.
    pub own_files: PathBuf,
    /// What a reader must know of the whole.
    pub notes: Vec<String>,
}

/// What a service is on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A Dokku app.
    #[default]
    App,
    /// A container of the engine.
    Container,
    /// A container that ran to its end.
    Job,
}

impl Form {
    /// The word of `x-dokku.as`.
    pub fn word(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Container => "container",
            Self::Job => "job",
        }
    }
}

/// Where a service's image comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// An image by name.
    Image {
        /// Reference.
        image: String,
        /// Whether each import asks the registry.
        pull: bool,
    },
    /// A directory that is built; options stand in the specification's order in [`ImageBuildSpec`].
    Build {
        /// Context, Dockerfile, options, arguments.
        build: Box<ImageBuildSpec>,
        /// The app whose repository holds the same tree, where the directory is gone.
        repository: Option<String>,
    },
}

impl Default for Origin {
    fn default() -> Self {
        Self::Image { image: String::new(), pull: false }
    }
}

/// One service.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Compose name.
    pub name: String,
    /// Name of the app or container on the server.
    pub resource: String,
    /// What it is there.
    pub form: Form,
    /// Where its image comes from.
    pub origin: Origin,
    /// Its settings in the engine's terms; `image`, `name` and `ports` of it are not used.
    pub spec: ContainerSpec,
    /// Published ports.
    pub ports: Vec<Port>,
    /// What it waits for.
    pub needs: IndexMap<String, Need>,
    /// How many containers; `None`: nobody said.
    pub scale: Option<u32>,
    /// Whether the old container stops first, where that does not follow from the rest.
    pub order: Option<UpdateOrder>,
    /// What a new container has to show; `None`: whatever follows from the rest.
    pub gate: Option<Gate>,
    /// What only Dokku knows.
    pub dokku: DokkuOnly,
    /// The app in Dokku's own words, for the formats that speak them.
    pub app: Option<Box<ObservedApp>>,
    /// Containers of process types beside `web`, which the app of `web` counts.
    pub processes: BTreeMap<String, u32>,
    /// The service of the same app's `web`, where it is another process type of it.
    pub process_of: Option<String>,
    /// Whether a buildpack made its image, which starts a process type by its name.
    pub buildpack: bool,
    /// The datastore service of Dokku that it is: plugin and service.
    pub datastore: Option<(String, String)>,
    /// The file of its hooks, where it has one and its text is known.
    pub hooks: Option<Secret>,
    /// Services with which it is restarted.
    pub restarts_with: BTreeSet<String>,
    /// What a reader must know, a line each.
    pub notes: Vec<String>,
}

/// Settings that the Specification has no key for: they become `x-dokku`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DokkuOnly {
    /// The app's name, where it does not follow from project and service.
    pub app: Option<String>,
    /// Domains beyond the one that Dokku gives the app.
    pub domains: Vec<String>,
    /// Docker options by phase that no key expresses.
    pub options: BTreeMap<String, Vec<String>>,
    /// Commands that Dokku runs by the clock: schedule and command.
    pub cron: Vec<(String, String)>,
    /// Ports of the proxy that no port of the file stands for, `scheme:host:container`.
    pub ports: Vec<String>,
}

impl Unit {
    /// The host name by which Dokku's links know the datastore.
    pub fn datastore_host(&self) -> Option<String> {
        let (plugin, service) = self.datastore.as_ref()?;
        Some(format!("dokku-{plugin}-{}", service.replace(['.', '_'], "-")))
    }
}

impl Stack {
    /// The networks that the server has for it. Apps made by hand have none of the project: their compose file would make it.
    pub(super) fn networks_of_server(&self) -> impl Iterator<Item = &NetworkSpec> {
        let imported = !self.own_files.as_os_str().is_empty();
        self.networks.iter().filter(move |_| imported)
    }

    /// The datastore services that a unit is linked to.
    pub fn datastores<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = &'a Unit> {
        unit.needs.keys().filter_map(|name| self.units.get(name)).filter(|other| other.datastore.is_some())
    }
}

impl DokkuOnly {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
