//! Host devices, device requests (GPUs), block device limits, resource limits.
//!
//! Specification: 05-services.md, "devices", "gpus", "blkio_config", "ulimits".

use crate::hashed::IndexMap;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::scalars::is_unset;
use super::{Bytes, Extensions};

/// A host device in the container.
///
/// Specification: 05-services.md, "devices".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Device {
    /// Path on the host, or a CDI device name.
    #[serde(skip_serializing_if = "is_unset")]
    pub source: Option<String>,
    /// Path in the container.
    #[serde(skip_serializing_if = "is_unset")]
    pub target: Option<String>,
    /// Any of `r`, `w`, `m`.
    #[serde(skip_serializing_if = "is_unset")]
    pub permissions: Option<String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A request for devices such as GPUs.
///
/// Specification: deploy.md, "devices"; 05-services.md, "gpus".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeviceRequest {
    /// What the devices must be capable of.
    #[serde(skip_serializing_if = "is_unset")]
    pub capabilities: Vec<String>,
    /// Driver.
    #[serde(skip_serializing_if = "is_unset")]
    pub driver: Option<String>,
    /// How many; -1 is all.
    #[serde(skip_serializing_if = "is_unset")]
    pub count: Option<i64>,
    /// Which ones; excludes `count`.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_ids: Vec<String>,
    /// Driver options.
    #[serde(skip_serializing_if = "is_unset")]
    pub options: IndexMap<String, String>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// Block device weights and limits.
///
/// Specification: 05-services.md, "blkio_config".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BlkioConfig {
    /// Weight, 10 to 1000.
    #[serde(skip_serializing_if = "is_unset")]
    pub weight: Option<u16>,
    /// Weight by device.
    #[serde(skip_serializing_if = "is_unset")]
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read a second.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_read_bps: Vec<ThrottleDevice>,
    /// Reads a second.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_read_iops: Vec<ThrottleDevice>,
    /// Bytes written a second.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_write_bps: Vec<ThrottleDevice>,
    /// Writes a second.
    #[serde(skip_serializing_if = "is_unset")]
    pub device_write_iops: Vec<ThrottleDevice>,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// The weight of one device.
///
/// Specification: 05-services.md, "weight_device".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WeightDevice {
    /// Path on the host.
    pub path: String,
    /// Weight, 10 to 1000.
    pub weight: u16,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// The rate limit of one device.
///
/// Specification: 05-services.md, "device_read_bps" and its like.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ThrottleDevice {
    /// Path on the host.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: Bytes,
    /// `x-*` keys.
    #[serde(skip)]
    pub extensions: Extensions,
}
/// A resource limit: one value, or soft and hard.
///
/// Specification: 05-services.md, "ulimits".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ulimit {
    /// Both limits; 0 where `soft` and `hard` are used.
    pub single: i64,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
    /// `x-*` keys.
    pub extensions: Extensions,
}
impl Ulimit {
    /// The soft and the hard limit.
    pub fn limits(&self) -> (i64, i64) {
        if self.single == 0 { (self.soft, self.hard) } else { (self.single, self.single) }
    }
}

impl Serialize for Ulimit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.single != 0 {
            return serializer.serialize_i64(self.single);
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in [("soft", self.soft), ("hard", self.hard)] {
            if value != 0 {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}
