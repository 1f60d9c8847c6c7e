//! What is remembered: versions, mappings, checksum, lock, events. Knows no Dokku.

pub mod digest_key;
pub mod events;
pub mod holder;
pub mod lock;
pub mod project_dir;
pub mod record;
pub mod store;
pub mod versions;

pub use digest_key::{create_digest_key, random_digest_key, read_digest_key};
pub use holder::Holder;
pub use lock::{Lock, LockError};
pub use project_dir::ProjectDir;
pub use record::{Created, JobRecord, State};
pub use store::{StoreError, new_run_id};
