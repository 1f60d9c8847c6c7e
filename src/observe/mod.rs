//! One read of the server into a snapshot. Never writes.

mod fingerprint;
mod read;

use std::collections::{BTreeMap, BTreeSet};

pub use fingerprint::fingerprints;
pub(crate) use read::commit;
pub use read::{ObserveError, Wanted, apps, server, stores, unchanged};

use crate::docker::{ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts};
use crate::map::resources::{AppMount, DockerOptions};
use crate::secret::Secret;

/// What the server has, as far as this project is concerned.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Names of all apps.
    pub app_names: BTreeSet<String>,
    /// Apps that were read, by name.
    pub apps: BTreeMap<String, ObservedApp>,
    /// Apps whose settings are proved equal to those at the last commit (by fingerprint).
    pub unchanged: BTreeSet<String>,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkFacts>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, VolumeFacts>,
    /// Raw containers by name: the project's own and those that hold a name it wants.
    pub containers: BTreeMap<String, ContainerFacts>,
    /// Services of datastore plugins, `postgres:shop-db`, as far as they were asked for.
    pub stores: BTreeMap<String, ObservedStore>,
    /// Containers of datastore services, by name.
    pub store_containers: BTreeMap<String, ContainerFacts>,
    /// Containers of Dokku apps by app.
    pub app_containers: BTreeMap<String, Vec<ContainerFacts>>,
    /// Running containers outside the project that mount a volume, by volume.
    pub volume_users: BTreeMap<String, Vec<String>>,
    /// Images that the project names, by reference; absent: not on the server.
    pub images: BTreeMap<String, ImageFacts>,
    /// Global domains.
    pub domains: Vec<String>,
}

/// A service of a datastore plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedStore {
    /// Image of its container, empty where there is none (`:stop` removes it).
    pub image: String,
    /// `running`, `exited` ...; empty where there is no container.
    pub status: String,
    /// Networks that it is on.
    pub networks: Vec<String>,
    /// Ports of the host that lead to it, `ADDRESS:PORT`.
    pub exposed: Vec<String>,
}

impl ObservedStore {
    /// Whether just these ports of the host, `[ADDRESS:]PORT`, lead to it.
    pub fn exposes(&self, wanted: &[String]) -> bool {
        // Without an address a port is open on all of them, of both families.
        let all = |one: &str| one.strip_prefix("0.0.0.0:").or_else(|| one.strip_prefix(":::")).map(str::to_owned);
        let mut open: Vec<String> = self.exposed.iter().map(|one| all(one).unwrap_or_else(|| one.clone())).collect();
        let mut wanted: Vec<String> = wanted.iter().map(|one| all(one).unwrap_or_else(|| one.clone())).collect();
        for list in [&mut open, &mut wanted] {
            list.sort();
            list.dedup();
        }
        open == wanted
    }

    /// Whether its container runs.
    pub fn running(&self) -> bool {
        self.status == "running"
    }
}

/// One app's settings, in the same words as [`crate::map::resources::AppSpec`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedApp {
    /// All variables.
    pub config: BTreeMap<String, Secret>,
    /// Options by phase.
    pub options: DockerOptions,
    /// Set properties by `plugin.key`; unset ones are absent.
    pub properties: BTreeMap<String, String>,
    /// Storage.
    pub mounts: Vec<AppMount>,
    /// `scheme:host:container`, set by hand or by an import.
    pub ports: Vec<String>,
    /// Domains.
    pub domains: Vec<String>,
    /// Whether the app has domains at all.
    pub domains_enabled: bool,
    /// Containers wanted of the process type `web`.
    pub scale: u32,
    /// `enabled`, `skipped` or `disabled`.
    pub checks: String,
    /// By `limit.cpu`, `reserve.memory` ...
    pub resources: BTreeMap<String, String>,
    /// Property `git source-image`.
    pub source_image: String,
    /// Properties `apps deploy-source` and `apps deploy-source-metadata`: what Dokku says was deployed last.
    pub deploy_source: String,
    /// See above.
    pub deploy_metadata: String,
    /// Whether `apps:lock` holds it.
    pub locked: bool,
    /// Commit of the deploy branch, empty: nothing was deployed.
    pub commit: String,
    /// Deploy branch.
    pub branch: String,
    /// Image id of `dokku/APP:latest`, empty: none.
    pub image_id: String,
}

impl ObservedApp {
    /// Whether it was ever deployed.
    pub fn deployed(&self) -> bool {
        !self.image_id.is_empty()
    }
}

impl Observed {
    /// Whether any container of the app runs.
    pub fn running(&self, app: &str) -> bool {
        self.app_containers.get(app).is_some_and(|all| all.iter().any(|one| one.status == "running"))
    }
}
