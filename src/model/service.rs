//! One service: every key of the Specification's `services` section.

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::{is_unset, serialize_hosts};
use super::{
    BlkioConfig, Build, Bytes, CredentialSpec, Dependency, Deploy, Develop, Device, DeviceRequest, Duration, EnvFile,
    Extends, Extensions, FileReference, Float, Healthcheck, Hook, Logging, Port, PreStartHook, Provider, ServiceModel,
    ServiceNetwork, ServiceVolume, Ulimit,
};

/// A service after every phase: merged, interpolated, in canonical form, with defaults.
///
/// One field for each key of the Specification, in the order in which
/// `docker compose config` prints them. An empty string, an empty list and a number
/// zero are the same as a key that was not written (as in the reference), so an
/// unset field is `None` or empty. Serialised it is what `docker compose config
/// --format json` prints.
///
/// Specification: 05-services.md, for each field the section of its name; 15-profiles.md for `profiles`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Service {
    /// Its key in `services`.
    #[serde(skip)]
    pub name: String,
    /// Profiles that enable it; empty: always enabled.
    #[serde(skip_serializing_if = "is_unset")]
    pub profiles: Vec<String>,
    /// Replicas, resources, update order.
    #[serde(skip_serializing_if = "is_unset")]
    pub deploy: Option<Box<Deploy>>,
    /// What `docker compose watch` does.
    #[serde(skip_serializing_if = "is_unset")]
    pub develop: Option<Box<Develop>>,
    /// `no`, `always`, `on-failure[:N]` or `unless-stopped`.
    #[serde(skip_serializing_if = "is_unset")]
    pub restart: Option<String>,
    /// Number of containers.
    #[serde(skip_serializing_if = "is_unset")]
    pub scale: Option<i64>,
    /// Whether `docker compose up` shows its logs.
    #[serde(skip_serializing_if = "is_unset")]
    pub attach: Option<bool>,
    /// A fixed container name.
    #[serde(skip_serializing_if = "is_unset")]
    pub container_name: Option<String>,
    /// A program that provides the service in place of a container.
    #[serde(skip_serializing_if = "is_unset")]
    pub provider: Option<Box<Provider>>,
    /// What the service was extended from; already merged.
    #[serde(skip)]
    pub extends: Option<Extends>,
    /// Links to containers outside the project: `container[:alias]`.
    #[serde(skip_serializing_if = "is_unset")]
    pub external_links: Vec<String>,
    /// `service[:alias]`.
    #[serde(skip_serializing_if = "is_unset")]
    pub links: Vec<String>,
    /// Containers that run to completion before the service starts.
    #[serde(skip_serializing_if = "is_unset")]
    pub pre_start: Vec<PreStartHook>,
    /// Commands run in the container after it started.
    #[serde(skip_serializing_if = "is_unset")]
    pub post_start: Vec<Hook>,
    /// Commands run in the container before it stops.
    #[serde(skip_serializing_if = "is_unset")]
    pub pre_stop: Vec<Hook>,
    /// OCI annotations.
    #[serde(skip_serializing_if = "is_unset")]
    pub annotations: IndexMap<String, String>,
    /// Block device weights and limits.
    #[serde(skip_serializing_if = "is_unset")]
    pub blkio_config: Option<Box<BlkioConfig>>,
    /// Capabilities added.
    #[serde(skip_serializing_if = "is_unset")]
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    #[serde(skip_serializing_if = "is_unset")]
    pub cap_drop: Vec<String>,
    /// Parent control group.
    #[serde(skip_serializing_if = "is_unset")]
    pub cgroup_parent: Option<String>,
    /// Control group namespace: `host` or `private`.
    #[serde(skip_serializing_if = "is_unset")]
    pub cgroup: Option<String>,
    /// Usable CPUs (Windows).
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_count: Option<i64>,
    /// Usable percentage of the CPUs (Windows).
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_percent: Option<Float>,
    /// CFS period in microseconds.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_period: Option<i64>,
    /// CFS quota in microseconds.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_quota: Option<i64>,
    /// Real-time period in microseconds.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_rt_period: Option<i64>,
    /// Real-time runtime in microseconds.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_rt_runtime: Option<i64>,
    /// Number of CPUs.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpus: Option<Float>,
    /// CPUs to run on: `0-3`, `0,1`.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpuset: Option<String>,
    /// Relative CPU weight.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpu_shares: Option<i64>,
    /// Replaces the image's CMD; `Some` of nothing clears it.
    pub command: Option<Vec<String>>,
    /// Configs mounted in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub configs: Vec<FileReference>,
    /// Managed service account (Windows).
    #[serde(skip_serializing_if = "is_unset")]
    pub credential_spec: Option<Box<CredentialSpec>>,
    /// Device rules: `c 1:3 mr`.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_cgroup_rules: Vec<String>,
    /// Host devices.
    #[serde(skip_serializing_if = "is_unset")]
    pub devices: Vec<Device>,
    /// DNS servers.
    #[serde(skip_serializing_if = "is_unset")]
    pub dns: Vec<String>,
    /// Resolver options.
    #[serde(skip_serializing_if = "is_unset")]
    pub dns_opt: Vec<String>,
    /// DNS search domains.
    #[serde(skip_serializing_if = "is_unset")]
    pub dns_search: Vec<String>,
    /// Domain name of the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub domainname: Option<String>,
    /// Replaces the image's ENTRYPOINT; `Some` of nothing clears it.
    pub entrypoint: Option<Vec<String>>,
    /// Environment, `env_file` included; `None` is a variable named without a value that nothing resolves.
    #[serde(skip_serializing_if = "is_unset")]
    pub environment: IndexMap<String, Option<String>>,
    /// Files already read into `environment`, absolute.
    #[serde(skip)]
    pub env_file: Vec<EnvFile>,
    /// Addresses by host name.
    #[serde(skip_serializing_if = "is_unset", serialize_with = "serialize_hosts")]
    pub extra_hosts: IndexMap<String, Vec<String>>,
    /// Additional groups.
    #[serde(skip_serializing_if = "is_unset")]
    pub group_add: Vec<String>,
    /// GPUs.
    #[serde(skip_serializing_if = "is_unset")]
    pub gpus: Vec<DeviceRequest>,
    /// Host name of the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub hostname: Option<String>,
    /// Image to run, or to tag what is built.
    #[serde(skip_serializing_if = "is_unset")]
    pub image: Option<String>,
    /// Whether an init process runs as PID 1.
    #[serde(skip_serializing_if = "is_unset")]
    pub init: Option<bool>,
    /// IPC namespace: `host`, `private`, `shareable`, `service:NAME`, `container:NAME`.
    #[serde(skip_serializing_if = "is_unset")]
    pub ipc: Option<String>,
    /// Isolation technology (Windows).
    #[serde(skip_serializing_if = "is_unset")]
    pub isolation: Option<String>,
    /// Container labels, `label_file` included.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Files already read into `labels`, absolute.
    #[serde(skip_serializing_if = "is_unset")]
    pub label_file: Vec<String>,
    /// Log driver and options.
    #[serde(skip_serializing_if = "is_unset")]
    pub logging: Option<Box<Logging>>,
    /// Memory limit.
    #[serde(skip_serializing_if = "is_unset")]
    pub mem_limit: Option<Bytes>,
    /// Memory soft limit.
    #[serde(skip_serializing_if = "is_unset")]
    pub mem_reservation: Option<Bytes>,
    /// Memory and swap together; -1 is unlimited.
    #[serde(skip_serializing_if = "is_unset")]
    pub memswap_limit: Option<Bytes>,
    /// Swappiness, 0 to 100.
    #[serde(skip_serializing_if = "is_unset")]
    pub mem_swappiness: Option<Bytes>,
    /// MAC address.
    #[serde(skip_serializing_if = "is_unset")]
    pub mac_address: Option<String>,
    /// Models it uses, by the key in `models`.
    #[serde(skip_serializing_if = "is_unset")]
    pub models: IndexMap<String, Option<ServiceModel>>,
    /// `bridge`, `host`, `none`, `service:NAME`, `container:NAME`; excludes `networks`.
    #[serde(skip_serializing_if = "is_unset")]
    pub network_mode: Option<String>,
    /// Networks it joins, by the key in `networks`; the default network is written out.
    #[serde(skip_serializing_if = "is_unset")]
    pub networks: IndexMap<String, Option<ServiceNetwork>>,
    /// Whether the OOM killer leaves it alone.
    #[serde(skip_serializing_if = "is_unset")]
    pub oom_kill_disable: bool,
    /// OOM score adjustment, -1000 to 1000.
    #[serde(skip_serializing_if = "is_unset")]
    pub oom_score_adj: Option<i64>,
    /// PID namespace: `host`, `service:NAME`, `container:NAME`.
    #[serde(skip_serializing_if = "is_unset")]
    pub pid: Option<String>,
    /// Limit of processes; -1 is unlimited.
    #[serde(skip_serializing_if = "is_unset")]
    pub pids_limit: Option<i64>,
    /// `os[/arch[/variant]]`.
    #[serde(skip_serializing_if = "is_unset")]
    pub platform: Option<String>,
    /// Whether it runs privileged.
    #[serde(skip_serializing_if = "is_unset")]
    pub privileged: bool,
    /// `always`, `never`, `missing`, `build`, `refresh`, `daily`, `weekly`, `every_DURATION`.
    #[serde(skip_serializing_if = "is_unset")]
    pub pull_policy: Option<String>,
    /// Age after which `refresh` pulls again.
    #[serde(skip_serializing_if = "is_unset")]
    pub pull_refresh_after: Option<String>,
    /// Whether the root file system is read-only.
    #[serde(skip_serializing_if = "is_unset")]
    pub read_only: bool,
    /// OCI runtime.
    #[serde(skip_serializing_if = "is_unset")]
    pub runtime: Option<String>,
    /// Secrets mounted in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub secrets: Vec<FileReference>,
    /// Security options.
    #[serde(skip_serializing_if = "is_unset")]
    pub security_opt: Vec<String>,
    /// Size of /dev/shm.
    #[serde(skip_serializing_if = "is_unset")]
    pub shm_size: Option<Bytes>,
    /// Time between the stop signal and SIGKILL.
    #[serde(skip_serializing_if = "is_unset")]
    pub stop_grace_period: Option<Duration>,
    /// Signal that stops it.
    #[serde(skip_serializing_if = "is_unset")]
    pub stop_signal: Option<String>,
    /// Storage driver options.
    #[serde(skip_serializing_if = "is_unset")]
    pub storage_opt: IndexMap<String, String>,
    /// Kernel parameters.
    #[serde(skip_serializing_if = "is_unset")]
    pub sysctls: IndexMap<String, String>,
    /// `path[:options]` of temporary file systems.
    #[serde(skip_serializing_if = "is_unset")]
    pub tmpfs: Vec<String>,
    /// Resource limits by name.
    #[serde(skip_serializing_if = "is_unset")]
    pub ulimits: IndexMap<String, Ulimit>,
    /// File mode creation mask.
    #[serde(skip_serializing_if = "is_unset")]
    pub umask: Option<u32>,
    /// Whether the engine's socket and credentials are given to it.
    #[serde(skip_serializing_if = "is_unset")]
    pub use_api_socket: bool,
    /// `user[:group]` that it runs as.
    #[serde(skip_serializing_if = "is_unset")]
    pub user: Option<String>,
    /// User namespace.
    #[serde(skip_serializing_if = "is_unset")]
    pub userns_mode: Option<String>,
    /// UTS namespace.
    #[serde(skip_serializing_if = "is_unset")]
    pub uts: Option<String>,
    /// Mounts in long form.
    #[serde(skip_serializing_if = "is_unset")]
    pub volumes: Vec<ServiceVolume>,
    /// `service[:mode]` or `container:NAME[:mode]` whose mounts it takes over.
    #[serde(skip_serializing_if = "is_unset")]
    pub volumes_from: Vec<String>,
    /// Working directory in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub working_dir: Option<String>,
    /// How its image is built.
    #[serde(skip_serializing_if = "is_unset")]
    pub build: Option<Box<Build>>,
    /// Services that it waits for, those implied by links and shared namespaces included.
    #[serde(skip_serializing_if = "is_unset")]
    pub depends_on: IndexMap<String, Dependency>,
    /// Container ports open to other services.
    #[serde(skip_serializing_if = "is_unset")]
    pub expose: Vec<String>,
    /// How its health is checked.
    #[serde(skip_serializing_if = "is_unset")]
    pub healthcheck: Option<Box<Healthcheck>>,
    /// Published ports in long form, ranges expanded.
    #[serde(skip_serializing_if = "is_unset")]
    pub ports: Vec<Port>,
    /// Whether standard input stays open.
    #[serde(skip_serializing_if = "is_unset")]
    pub stdin_open: bool,
    /// Whether it has a terminal.
    #[serde(skip_serializing_if = "is_unset")]
    pub tty: bool,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
impl Service {
    /// Number of containers it asks for: `scale`, else `deploy.replicas`, else 1.
    pub fn replicas(&self) -> i64 {
        self.scale.or_else(|| self.deploy.as_ref().and_then(|deploy| deploy.replicas)).unwrap_or(1)
    }

    /// Its networks as the engine joins them: by falling priority, then by name.
    pub fn networks_by_priority(&self) -> Vec<&str> {
        let priority =
            |network: &Option<ServiceNetwork>| network.as_ref().and_then(|network| network.priority).unwrap_or(0);
        let mut names: Vec<(&str, i64)> =
            self.networks.iter().map(|(name, network)| (name.as_str(), priority(network))).collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        names.into_iter().map(|(name, _)| name).collect()
    }
}
