//! A datastore service as it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::carry::Held;
use super::table::{Datastore, Driver};
use crate::docker::ContainerSpec;
use crate::secret::Secret;

/// A service of a datastore plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreSpec {
    /// Plugin, as in `dokku postgres:create`.
    pub plugin: String,
    /// Name of the service: `shop-db`.
    pub service: String,
    /// `--image`.
    pub image: String,
    /// `--image-version`.
    pub version: String,
    /// Megabytes, 0: no limit.
    pub memory: u64,
    /// Bytes of shared memory, 0: the engine's default.
    pub shm_size: u64,
    /// Variables of its container.
    pub environment: BTreeMap<String, Secret>,
    /// Words behind the image's own command.
    pub options: Vec<String>,
    /// Networks that it joins, with the names by which the project knows it there.
    pub networks: Vec<(String, Vec<String>)>,
    /// Host ports, `[ADDRESS:]PORT`.
    pub expose: Vec<String>,
    /// The user, password and database of the file.
    pub login: StoreLogin,
    /// Run once, after the creation, in this order.
    pub scripts: Vec<StoreScript>,
    /// Apps that are linked to it.
    pub linked: BTreeSet<String>,
    /// With whose words the other services log in, as far as these are not the file's own user.
    pub uses: Vec<StoreUse>,
    /// Seconds until it has to answer a query.
    pub limit: u64,
    /// What a container of it would be made from: what an export is written from.
    pub container: ContainerSpec,
}

/// What the file says of users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreLogin {
    /// User; empty: none beside the plugin's own.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The superuser's password, where the file says one.
    pub root_password: Option<Secret>,
    /// Database; empty: none beside the plugin's own.
    pub database: String,
    /// Whether `user` is the one that the plugin makes itself, so that `password` is the service's own.
    pub plugins_user: bool,
}

impl StoreLogin {
    /// Whether both say the same; of a remembered password there may be the digest alone.
    pub fn is_same(&self, other: &Self) -> bool {
        let digests = |one: &Self| {
            let all = [&one.password, &one.root_password];
            all.map(|secret| secret.as_ref().map(|secret| secret.digest().to_owned()))
        };
        let names = |one: &Self| (one.user.clone(), one.database.clone(), one.plugins_user);
        names(self) == names(other) && digests(self) == digests(other)
    }
}

/// A user and a database that a setting of another service names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreUse {
    /// `services.api.environment.DATABASE_URL`; in a plan `compose.yaml:12:7`.
    pub at: String,
    /// Service.
    pub service: String,
    /// Variable with the password.
    pub variable: String,
    /// User.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Database; empty: whichever.
    pub database: String,
}

impl StoreUse {
    /// What is tried: user, database and the password's digest.
    pub fn tried(&self) -> (&str, &str, &str) {
        (&self.user, &self.database, self.password.digest())
    }
}

/// A script of `/docker-entrypoint-initdb.d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreScript {
    /// File name.
    pub name: String,
    /// Statements.
    pub text: Secret,
}

impl StoreSpec {
    /// The container that the plugin makes: `dokku.postgres.shop-db`.
    pub fn container_name(&self) -> String {
        container_name(&self.plugin, &self.service)
    }

    /// `postgres:shop-db`: what a service is known by among those of all plugins.
    pub fn key(&self) -> String {
        format!("{}:{}", self.plugin, self.service)
    }

    /// The option by which the plugin's `:link` gives an app the service.
    pub fn link_option(&self) -> String {
        let container = self.container_name();
        format!("--link {container}:{}", container.replace(['.', '_'], "-"))
    }

    /// Whether there are users and databases to make inside.
    pub fn has_users(&self) -> bool {
        let driver = Datastore::of_plugin(&self.plugin).and_then(|row| row.driver);
        matches!(driver, Some(Driver::Postgres | Driver::Mysql))
    }

    /// Every secret in it.
    pub fn secrets_mut(&mut self) -> Vec<&mut Secret> {
        let login = self.login.password.iter_mut().chain(self.login.root_password.iter_mut());
        let scripts = self.scripts.iter_mut().map(|script| &mut script.text);
        let own = self.environment.values_mut().chain(self.container.environment.values_mut());
        let uses = self.uses.iter_mut().map(|one| &mut one.password);
        own.chain(login).chain(scripts).chain(uses).collect()
    }

    /// What the plugin sets whenever it makes the service's container anew, by name.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let environment: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={}", value.digest())).collect();
        vec![
            ("the command", self.options.join(" ")),
            ("the environment", environment.join(" ")),
            ("mem_limit", self.memory.to_string()),
            ("shm_size", self.shm_size.to_string()),
        ]
    }

    /// `postgres:16.4`, as its container's image is named.
    pub fn image_name(&self) -> String {
        format!("{}:{}", self.image, self.version)
    }

    /// What the plugin fixes when it makes the service: one that differs here cannot be brought to it.
    pub fn fixed(&self) -> Vec<(&'static str, String)> {
        let digest = |secret: &Option<Secret>| secret.as_ref().map(|one| one.digest().to_owned()).unwrap_or_default();
        let own = if self.login.plugins_user { digest(&self.login.password) } else { String::new() };
        vec![
            ("the superuser's password", digest(&self.login.root_password)),
            ("the password of the user that the plugin makes", own),
        ]
    }
}

/// The name of a service's container (each plugin's `get_service_name`).
pub fn container_name(plugin: &str, service: &str) -> String {
    format!("dokku.{plugin}.{service}")
}

/// The container that holds a service's port of the host (`service_port_expose`).
pub fn ambassador(plugin: &str, service: &str) -> String {
    format!("{}.ambassador", container_name(plugin, service))
}

/// Which plugins a server has, and what the caller wants of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stores {
    /// Enabled plugins, with whether they are new enough to join networks (`:set post-create-network`).
    pub installed: BTreeMap<String, bool>,
    /// Services that are there, `postgres:shop-db`, and are not of this project.
    pub taken: BTreeSet<String>,
    /// What the caller asks for.
    pub wish: Wish,
    /// Plugins that are not to be used.
    pub skip: BTreeSet<String>,
    /// Services that are there and that this project made, `postgres:shop-db`.
    pub own: BTreeSet<String>,
    /// What the volumes of datastores hold, by compose service, as far as it makes a difference.
    pub held: BTreeMap<String, Held>,
    /// Whose data is to be carried over; `None`: nobody's, empty: everybody's that has some.
    pub carry: Option<BTreeSet<String>>,
}

impl Stores {
    /// Whether a compose service's data is to be carried over.
    pub fn carries(&self, service: &str) -> bool {
        self.carry.as_ref().is_some_and(|named| named.is_empty() || named.contains(service))
    }
}

/// `--datastores`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wish {
    /// A service where the plugin is there and keeps every setting true, else a container
    #[default]
    Auto,
    /// A container, always
    Container,
    /// A service, or an error that says why not
    Service,
}
