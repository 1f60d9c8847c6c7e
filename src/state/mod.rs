//! What is remembered: versions, mappings, checksum, lock, events. Knows no Dokku.

pub mod digest_key;
pub mod events;
pub mod hold;
pub mod holder;
pub mod lock;
pub mod project_dir;
pub mod push_settings;
pub mod record;
pub mod settings;
pub mod store;
pub mod versions;

pub use digest_key::{create_digest_key, random_digest_key, read_digest_key};
pub use hold::Hold;
pub use holder::Holder;
pub use lock::{Lock, LockError};
pub use project_dir::ProjectDir;
pub use push_settings::PushSettings;
pub use record::{Created, JobRecord, State};
pub use settings::Settings;
pub use store::{StoreError, new_run_id};
