//! The `deploy` section of a service.
//!
//! Specification: deploy.md.

use crate::hashed::IndexMap;
use serde::Serialize;

use super::scalars::is_unset;
use super::{Bytes, DeviceRequest, Duration, Extensions, Float};

/// Deployment settings.
///
/// Specification: deploy.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Deploy {
    /// `replicated`, `global`, `replicated-job`, `global-job`.
    #[serde(skip_serializing_if = "is_unset")]
    pub mode: Option<String>,
    /// Number of containers.
    #[serde(skip_serializing_if = "is_unset")]
    pub replicas: Option<i64>,
    /// Labels of the service itself, not of its containers.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// How an update proceeds.
    #[serde(skip_serializing_if = "is_unset")]
    pub update_config: Option<UpdateConfig>,
    /// How a rollback proceeds.
    #[serde(skip_serializing_if = "is_unset")]
    pub rollback_config: Option<UpdateConfig>,
    /// Limits and reservations.
    pub resources: Resources,
    /// Restart policy; stronger than the service's `restart`.
    #[serde(skip_serializing_if = "is_unset")]
    pub restart_policy: Option<RestartPolicy>,
    /// Constraints on nodes.
    pub placement: Placement,
    /// `vip` or `dnsrr`.
    #[serde(skip_serializing_if = "is_unset")]
    pub endpoint_mode: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// How an update or rollback proceeds.
///
/// Specification: deploy.md, "update_config" and "rollback_config".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UpdateConfig {
    /// Containers at a time; 0 is all.
    #[serde(skip_serializing_if = "is_unset")]
    pub parallelism: Option<u64>,
    /// Pause between groups.
    #[serde(skip_serializing_if = "is_unset")]
    pub delay: Option<Duration>,
    /// `continue`, `rollback` or `pause`.
    #[serde(skip_serializing_if = "is_unset")]
    pub failure_action: Option<String>,
    /// Time after each container in which a failure counts.
    #[serde(skip_serializing_if = "is_unset")]
    pub monitor: Option<Duration>,
    /// Failure rate to tolerate.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_failure_ratio: Option<Float>,
    /// Whether old or new containers go first.
    #[serde(skip_serializing_if = "is_unset")]
    pub order: Option<UpdateOrder>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Which containers go first in an update.
///
/// Specification: deploy.md, "update_config".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new one starts before the old one stops.
    StartFirst,
    /// The old one stops before the new one starts.
    StopFirst,
}

/// Limits and reservations.
///
/// Specification: deploy.md, "resources".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// What it may use at most.
    #[serde(skip_serializing_if = "is_unset")]
    pub limits: Option<Resource>,
    /// What it must be given.
    #[serde(skip_serializing_if = "is_unset")]
    pub reservations: Option<Resource>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Amounts of resources.
///
/// Specification: deploy.md, "resources".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resource {
    /// Number of CPUs, a part of one too.
    #[serde(skip_serializing_if = "is_unset")]
    pub cpus: Option<Float>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "is_unset")]
    pub memory: Option<Bytes>,
    /// Number of processes; -1 is unlimited.
    #[serde(skip_serializing_if = "is_unset")]
    pub pids: Option<i64>,
    /// Devices (reservations only).
    #[serde(skip_serializing_if = "is_unset")]
    pub devices: Vec<DeviceRequest>,
    /// User-defined resources (reservations only).
    #[serde(skip_serializing_if = "is_unset")]
    pub generic_resources: Vec<GenericResource>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A user-defined resource.
///
/// Specification: deploy.md, "resources".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GenericResource {
    /// A countable resource.
    #[serde(skip_serializing_if = "is_unset")]
    pub discrete_resource_spec: Option<DiscreteResource>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A countable user-defined resource.
///
/// Specification: deploy.md, "resources".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiscreteResource {
    /// Its name.
    pub kind: String,
    /// How many.
    pub value: i64,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// When a stopped container is restarted.
///
/// Specification: deploy.md, "restart_policy".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RestartPolicy {
    /// `none`, `on-failure`, `any`.
    #[serde(skip_serializing_if = "is_unset")]
    pub condition: Option<String>,
    /// Pause before a restart.
    #[serde(skip_serializing_if = "is_unset")]
    pub delay: Option<Duration>,
    /// Attempts before giving up.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_attempts: Option<u64>,
    /// Time after which a restart counts as successful.
    #[serde(skip_serializing_if = "is_unset")]
    pub window: Option<Duration>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Constraints on nodes.
///
/// Specification: deploy.md, "placement".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Placement {
    /// Requirements.
    #[serde(skip_serializing_if = "is_unset")]
    pub constraints: Vec<String>,
    /// How to spread.
    #[serde(skip_serializing_if = "is_unset")]
    pub preferences: Vec<PlacementPreference>,
    /// Replicas on one node.
    #[serde(skip_serializing_if = "is_unset")]
    pub max_replicas_per_node: Option<u64>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// How to spread over nodes.
///
/// Specification: deploy.md, "placement".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlacementPreference {
    /// Node label whose values to spread over.
    #[serde(skip_serializing_if = "is_unset")]
    pub spread: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
