//! Datastores: which images are some, and what of a service a Dokku plugin can keep true.
//!
//! `table`: the plugins and their images. `decide`: service or container, and why. `login`: what the file says of users.
//! `sql`: how a service gets them. `version`: which versions read each other's data. `reach`: by which names the others
//! find it. `connect`: whether their settings fit it. `carry`: data of before.

mod carry;
mod connect;
mod decide;
mod image;
mod login;
mod reach;
pub mod sql;
mod store;
mod table;
mod version;

pub use carry::{CARRY, CarrySource, Held, look};
pub(super) use connect::{check, uses};
pub use decide::data;
pub(super) use decide::{possible, spec};
pub(super) use reach::reach;
pub use store::{StoreLogin, StoreScript, StoreSpec, StoreUse, Stores, Wish, ambassador, container_name};
pub(in crate::map) use table::repository;
pub use table::{DATASTORES, Datastore, Driver, of_image};
pub use version::can_stay;
