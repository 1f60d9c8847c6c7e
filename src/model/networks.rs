//! Networks of the project and a service's place in them.
//!
//! Specification: 06-networks.md, and 05-services.md, "networks".

use crate::hashed::IndexMap;
use serde::Serialize;

use super::Extensions;
use super::scalars::is_unset;

/// A network of the top-level `networks` section.
///
/// Specification: 06-networks.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Network {
    /// Name in the engine: written, else `<project>_<key>`, for external ones the key.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// Driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver_opts: IndexMap<String, String>,
    /// Address management.
    pub ipam: Ipam,
    /// Whether it must exist already.
    #[serde(skip_serializing_if = "is_unset")]
    pub external: bool,
    /// Whether it is cut off from outside.
    #[serde(skip_serializing_if = "is_unset")]
    pub internal: bool,
    /// Whether other containers may join.
    #[serde(skip_serializing_if = "is_unset")]
    pub attachable: bool,
    /// Labels.
    #[serde(skip_serializing_if = "is_unset")]
    pub labels: IndexMap<String, String>,
    /// Whether IPv4 is on.
    #[serde(skip_serializing_if = "is_unset")]
    pub enable_ipv4: Option<bool>,
    /// Whether IPv6 is on.
    #[serde(skip_serializing_if = "is_unset")]
    pub enable_ipv6: Option<bool>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Address management of a network.
///
/// Specification: 06-networks.md, "ipam".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ipam {
    /// IPAM driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// Address pools.
    #[serde(skip_serializing_if = "is_unset")]
    pub config: Vec<IpamPool>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub options: IndexMap<String, String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// An address pool.
///
/// Specification: 06-networks.md, "ipam".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct IpamPool {
    /// Subnet in CIDR form.
    #[serde(skip_serializing_if = "is_unset")]
    pub subnet: Option<String>,
    /// Gateway address.
    #[serde(skip_serializing_if = "is_unset")]
    pub gateway: Option<String>,
    /// Range that addresses are taken from.
    #[serde(skip_serializing_if = "is_unset")]
    pub ip_range: Option<String>,
    /// Addresses in use by host name.
    #[serde(skip_serializing_if = "is_unset")]
    pub aux_addresses: IndexMap<String, String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A service's place in a network.
///
/// Specification: 05-services.md, "networks".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceNetwork {
    /// Further names of the service on this network.
    #[serde(skip_serializing_if = "is_unset")]
    pub aliases: Vec<String>,
    /// Endpoint options.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver_opts: IndexMap<String, String>,
    /// The network with the highest gives the default gateway.
    #[serde(skip_serializing_if = "is_unset")]
    pub gw_priority: Option<i64>,
    /// Name of the interface in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub interface_name: Option<String>,
    /// Fixed IPv4 address.
    #[serde(skip_serializing_if = "is_unset")]
    pub ipv4_address: Option<String>,
    /// Fixed IPv6 address.
    #[serde(skip_serializing_if = "is_unset")]
    pub ipv6_address: Option<String>,
    /// Link-local addresses.
    #[serde(skip_serializing_if = "is_unset")]
    pub link_local_ips: Vec<String>,
    /// MAC address on this network.
    #[serde(skip_serializing_if = "is_unset")]
    pub mac_address: Option<String>,
    /// Networks are joined by falling priority.
    #[serde(skip_serializing_if = "is_unset")]
    pub priority: Option<i64>,
    /// Whether the service name resolves on this network; `None` is yes.
    #[serde(skip_serializing_if = "is_unset")]
    pub use_service_name_alias: Option<bool>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
