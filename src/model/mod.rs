//! The typed project: what a loaded compose file means.
//!
//! Every section of the Compose Specification has one file here, every key one
//! field. The shapes are those after every phase of loading: long forms,
//! interpolated, merged, with defaults.

mod build;
mod depends;
mod deploy;
mod develop;
mod devices;
mod health;
mod hooks;
mod models;
mod networks;
mod ports;
mod project;
mod scalars;
mod secrets;
mod service;
mod volumes;

pub use build::{Build, SshKey};
pub use depends::{Condition, Dependency};
pub use deploy::{
    Deploy, DiscreteResource, GenericResource, Placement, PlacementPreference, Resource, Resources, RestartPolicy,
    UpdateConfig, UpdateOrder,
};
pub use develop::{Develop, Watch, WatchAction};
pub use devices::{BlkioConfig, Device, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};
pub use health::Healthcheck;
pub use hooks::{CredentialSpec, EnvFile, Extends, Hook, Logging, PreStartHook, Provider};
pub use models::{Model, ServiceModel};
pub use networks::{Ipam, IpamPool, Network, ServiceNetwork};
pub use ports::Port;
pub use project::Project;
pub use scalars::{Bytes, Duration, Extensions, Float};
pub use secrets::{Config, FileMode, FileReference, Secret};
pub use service::Service;
pub use volumes::{BindOptions, ImageOptions, MountType, ServiceVolume, TmpfsOptions, Volume, VolumeOptions};
