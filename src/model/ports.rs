//! Published ports.
//!
//! Specification: 05-services.md, "ports".

use serde::Serialize;

use super::Extensions;
use super::scalars::is_unset;

/// One container port and where it is published.
///
/// Specification: 05-services.md, "ports".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Port {
    /// A name for people.
    #[serde(skip_serializing_if = "is_unset")]
    pub name: Option<String>,
    /// `ingress` or `host`.
    #[serde(skip_serializing_if = "is_unset")]
    pub mode: Option<String>,
    /// Address on the host; `None` is every address.
    #[serde(skip_serializing_if = "is_unset")]
    pub host_ip: Option<String>,
    /// Port in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: u32,
    /// Port on the host, or a range `8000-8010` of which one is taken; `None` is any free port.
    #[serde(skip_serializing_if = "is_unset")]
    pub published: Option<String>,
    /// `tcp` (the default, written out), `udp` or `sctp`.
    #[serde(skip_serializing_if = "is_unset")]
    pub protocol: Option<String>,
    /// Application protocol such as `http`.
    #[serde(skip_serializing_if = "is_unset")]
    pub app_protocol: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
