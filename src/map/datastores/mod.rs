//! Datastores: which images are some, and what of a service a Dokku plugin can keep true.

mod table;

pub(in crate::map) use table::repository;
pub use table::{DATASTORES, Datastore, Driver, of_image};
