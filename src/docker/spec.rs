//! What is asked of the engine, in the engine's own units.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// A network to create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Name.
    pub name: String,
    /// Driver; empty: the engine's default (`bridge`).
    pub driver: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// No way out.
    pub internal: bool,
    /// Containers from elsewhere may join.
    pub attachable: bool,
    /// IPv6.
    pub ipv6: bool,
    /// Address pools.
    pub ipam: Vec<IpamPool>,
    /// IPAM driver; empty: default.
    pub ipam_driver: String,
    /// Options of the IPAM driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ipam_options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// One address pool of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpamPool {
    /// CIDR.
    pub subnet: String,
    /// Gateway address or empty.
    pub gateway: String,
    /// CIDR within the subnet, or empty.
    pub ip_range: String,
    /// Reserved addresses by name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// How a container joins a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Names on that network.
    pub aliases: Vec<String>,
    /// Fixed IPv4 address or empty.
    pub ipv4: String,
    /// Fixed IPv6 address or empty.
    pub ipv6: String,
    /// MAC address or empty.
    pub mac: String,
    /// Link-local addresses.
    pub link_local: Vec<String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Other containers by a name of this one's own, `container:alias`; they need not be there yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
}

/// A volume to create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Name.
    pub name: String,
    /// Driver; empty: `local`.
    pub driver: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// An image to build with the docker command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageBuildSpec {
    /// Name of the result, `shop-migrate:latest`.
    pub tag: String,
    /// Directory of the context.
    pub context: PathBuf,
    /// Path of the Dockerfile, absolute or relative to the context; empty: `Dockerfile`.
    pub dockerfile: PathBuf,
    /// Content of the Dockerfile where the file has it inline.
    pub dockerfile_inline: Option<String>,
    /// Further options as the docker command takes them (`--target=x`); no build arguments.
    pub options: Vec<String>,
    /// Build arguments: the name goes to argv, the value to the child's environment.
    pub args: BTreeMap<String, Secret>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Further contexts by the name that the Dockerfile has for them: a directory, a URL, `docker-image://NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, String>,
    /// Images of other services among the contexts, which are built first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<ImageBuildSpec>,
}

impl ImageBuildSpec {
    /// The values of its arguments and of those of the builds that it begins from.
    pub fn arguments_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Secret>) {
        out.extend(self.args.values_mut());
        self.bases.iter_mut().for_each(|base| base.arguments_mut(out));
    }

    /// The option that only BuildKit knows, where there is one.
    pub fn needs_buildkit(&self) -> Option<&str> {
        const OPTIONS: &[&str] = &["--secret", "--ssh", "--allow", "--no-cache-filter", "--cache-to"];
        if !self.contexts.is_empty() {
            return Some("--build-context");
        }
        let flags = self.options.iter().map(|option| option.split('=').next().unwrap_or_default());
        OPTIONS.iter().copied().find(|known| flags.clone().any(|flag| flag == *known))
    }
}

/// A command to run in a container. Arguments and values may be secret: it has no `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecSpec {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// User or empty: the container's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Full privileges.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// Working directory or empty: the container's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Environment beside the container's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// A mount of a raw container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// Host path or volume name; empty for tmpfs and anonymous volumes.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Read only.
    pub read_only: bool,
    /// Bind propagation or empty.
    pub propagation: String,
    /// SELinux `z`/`Z` or empty.
    pub selinux: String,
    /// Do not copy the image's content into a new volume.
    pub no_copy: bool,
    /// Path inside the volume or empty.
    pub subpath: String,
    /// tmpfs size in bytes, 0: no limit.
    pub tmpfs_size: i64,
    /// tmpfs mode, 0: the engine's.
    pub tmpfs_mode: u32,
}

/// A file that is copied into a container between its creation and its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySpec {
    /// File on the host.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permissions.
    pub mode: u32,
}

/// A published port of a raw container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Host address or empty.
    pub host_ip: String,
    /// Host port; empty: the engine chooses.
    pub host_port: String,
    /// Port in the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// A health check in the engine's form; durations in nanoseconds, 0: the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", "..."]`; empty: the image's.
    pub test: Vec<String>,
    /// Nanoseconds.
    pub interval: i64,
    /// Nanoseconds.
    pub timeout: i64,
    /// Nanoseconds.
    pub start_period: i64,
    /// Nanoseconds (engine 25 and later).
    pub start_interval: i64,
    /// How many failures make it unhealthy; 0: default.
    pub retries: i64,
}

/// A user limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UlimitSpec {
    /// `nofile`.
    pub name: String,
    /// Soft.
    pub soft: i64,
    /// Hard.
    pub hard: i64,
}

/// A device mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// On the host.
    pub source: String,
    /// In the container.
    pub target: String,
    /// `rwm`.
    pub permissions: String,
}

/// A request for devices of a driver, such as GPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuSpec {
    /// Driver or empty.
    pub driver: String,
    /// How many; -1: all, 0: those of `device_ids`.
    pub count: i64,
    /// Which ones.
    pub device_ids: Vec<String>,
    /// What they must be capable of.
    pub capabilities: Vec<String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

/// Block device weights and limits: a path on the host and an amount each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlkioSpec {
    /// Weight, 10 to 1000, 0: default.
    pub weight: u16,
    /// Weight by device.
    pub weight_device: Vec<(String, i64)>,
    /// Bytes read a second.
    pub read_bps: Vec<(String, i64)>,
    /// Reads a second.
    pub read_iops: Vec<(String, i64)>,
    /// Bytes written a second.
    pub write_bps: Vec<(String, i64)>,
    /// Writes a second.
    pub write_iops: Vec<(String, i64)>,
}

impl BlkioSpec {
    /// Whether it asks for nothing.
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A raw container: what the engine's create call takes, one field a setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Name.
    pub name: String,
    /// Image reference or id.
    pub image: String,
    /// Platform or empty.
    pub platform: String,
    /// CMD; `None`: the image's.
    pub command: Option<Vec<String>>,
    /// ENTRYPOINT; `None`: the image's; empty: none.
    pub entrypoint: Option<Vec<String>>,
    /// Environment by name.
    pub environment: BTreeMap<String, Secret>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// User or empty.
    pub user: String,
    /// Further groups.
    pub group_add: Vec<String>,
    /// Working directory or empty.
    pub working_dir: String,
    /// Host name or empty.
    pub hostname: String,
    /// Domain name or empty.
    pub domainname: String,
    /// Keep standard input open.
    pub stdin_open: bool,
    /// Allocate a terminal.
    pub tty: bool,
    /// Run an init; `None`: the engine's default.
    pub init: Option<bool>,
    /// Network mode: `host`, `none`, `bridge`, `container:NAME`; empty: the first of `networks`.
    pub network_mode: String,
    /// Networks in order; the first is joined at creation, all before the start.
    pub networks: Vec<(String, EndpointSpec)>,
    /// Legacy links, `container:alias`.
    pub links: Vec<String>,
    /// Published ports.
    pub ports: Vec<ContainerPort>,
    /// Exposed ports, `8080/tcp`.
    pub expose: Vec<String>,
    /// Mounts.
    pub mounts: Vec<ContainerMount>,
    /// Files copied in before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopySpec>,
    /// Health check; `None`: the image's.
    pub health: Option<HealthSpec>,
    /// `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`.
    pub restart: String,
    /// Signal or empty.
    pub stop_signal: String,
    /// Seconds; `None`: the engine's default.
    pub stop_timeout: Option<i64>,
    /// Full privileges.
    pub privileged: bool,
    /// Added capabilities.
    pub cap_add: Vec<String>,
    /// Dropped capabilities.
    pub cap_drop: Vec<String>,
    /// Security options.
    pub security_opt: Vec<String>,
    /// Devices.
    pub devices: Vec<DeviceSpec>,
    /// Device cgroup rules.
    pub device_cgroup_rules: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_opt: Vec<String>,
    /// `host:address`.
    pub extra_hosts: Vec<String>,
    /// Read-only root.
    pub read_only: bool,
    /// PID namespace or empty.
    pub pid: String,
    /// IPC namespace or empty.
    pub ipc: String,
    /// UTS namespace or empty.
    pub uts: String,
    /// User namespace or empty.
    pub userns: String,
    /// Cgroup namespace or empty.
    pub cgroup: String,
    /// Cgroup parent or empty.
    pub cgroup_parent: String,
    /// Runtime or empty.
    pub runtime: String,
    /// Kernel settings.
    pub sysctls: BTreeMap<String, String>,
    /// User limits.
    pub ulimits: Vec<UlimitSpec>,
    /// Bytes, 0: default.
    pub shm_size: i64,
    /// Bytes, 0: none.
    pub memory: i64,
    /// Bytes, 0: none.
    pub memory_reservation: i64,
    /// Bytes, -1: unlimited, 0: default.
    pub memory_swap: i64,
    /// Billionths of a CPU, 0: none.
    pub nano_cpus: i64,
    /// Relative weight, 0: default.
    pub cpu_shares: i64,
    /// CPUs to run on, or empty.
    pub cpuset: String,
    /// 0: none, -1: unlimited.
    pub pids_limit: i64,
    /// GPUs and other devices of a driver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_requests: Vec<GpuSpec>,
    /// Microseconds of a CFS period, 0: default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_period: i64,
    /// Microseconds of CPU in a CFS period, 0: default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_quota: i64,
    /// Microseconds of a real-time period, 0: default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_rt_period: i64,
    /// Microseconds of CPU in a real-time period, 0: default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu_rt_runtime: i64,
    /// Swappiness, 0 to 100; `None`: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_swappiness: Option<i64>,
    /// Block device weights and limits.
    #[serde(default, skip_serializing_if = "BlkioSpec::is_unset")]
    pub blkio: BlkioSpec,
    /// Kill on out-of-memory is off.
    pub oom_kill_disable: bool,
    /// OOM score adjustment.
    pub oom_score_adj: i64,
    /// Storage options.
    pub storage_opt: BTreeMap<String, String>,
    /// Log driver or empty.
    pub log_driver: String,
    /// Log options.
    pub log_options: BTreeMap<String, String>,
}
