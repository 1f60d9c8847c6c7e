//! `state.json`: what was applied last and what this project made.
//!
//! Its replacement is the commit point of a run: the run whose id it carries is done, whatever the
//! journal says (see `apply::recover`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::project_dir::ProjectDir;
use super::store::{self, StoreError};
use crate::map::resources::Desired;

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// `MIGRATIONS[n]` takes format `n + 1` to `n + 2`.
const MIGRATIONS: &[fn(&mut Value)] = &[];

/// What is remembered of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Format of the file; set when saved.
    pub format: u32,
    /// Project.
    pub project: String,
    /// Current version, from 1; 0: none yet.
    pub version: u32,
    /// Digest of the files, the variables and the plugin's version: equal means nothing to do.
    pub checksum: String,
    /// What was asked for; secrets are sealed.
    pub desired: Desired,
    /// Services that left the file and run on.
    pub left: crate::hashed::IndexMap<String, crate::map::resources::DesiredService>,
    /// What this project made and may remove.
    pub created: Created,
    /// Jobs by service.
    pub jobs: BTreeMap<String, JobRecord>,
    /// Digest of the settings of each app as they were after the last run, to tell drift.
    pub fingerprints: BTreeMap<String, String>,
    /// Delivered files: target, then relative path, then SHA-256.
    pub delivered: BTreeMap<PathBuf, BTreeMap<String, String>>,
    /// Hand changes that were accepted.
    pub accepted: crate::plan::accept::AcceptedByService,
    /// When, RFC 3339.
    pub updated_at: String,
    /// The run that wrote it.
    pub run: String,
}

/// What a project made on the server, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Created {
    /// Networks.
    pub networks: BTreeSet<String>,
    /// Volumes.
    pub volumes: BTreeSet<String>,
    /// Apps, the control app among them unless it was adopted.
    pub apps: BTreeSet<String>,
    /// Raw containers.
    pub containers: BTreeSet<String>,
    /// Image names.
    pub images: BTreeSet<String>,
    /// The control app was there before the project.
    pub adopted_control_app: bool,
}

/// A job that has run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Digest of what it ran with.
    pub hash: String,
    /// Its exit code.
    pub exit: i64,
}

impl State {
    /// Reads a project's state; `None` where nothing was applied yet.
    ///
    /// An older format is migrated in memory, a newer one is an error that says so.
    pub fn load(dir: &ProjectDir) -> Result<Option<Self>, StoreError> {
        let path = dir.state_file();
        let Some(value) = store::read_json::<Value>(&path)? else {
            return Ok(None);
        };
        let found = value.get("format").and_then(Value::as_u64);
        let found = found.ok_or_else(|| StoreError::damaged(&path, "it has no format number"))?;
        if found > u64::from(FORMAT) {
            return Err(StoreError::Newer { path, found, known: FORMAT });
        }
        let value = migrate(value, found, MIGRATIONS);
        serde_json::from_value(value).map(Some).map_err(|error| StoreError::damaged(&path, error.to_string()))
    }

    /// Replaces the project's state at once. This is the last step of a commit.
    pub fn save(&self, dir: &ProjectDir) -> Result<(), StoreError> {
        store::create_dir(dir.root())?;
        store::write_json(&dir.state_file(), &Self { format: FORMAT, ..self.clone() })
    }

    /// The run that the state on disk carries, of whatever format; the answer to "did it commit?".
    pub fn committed_run(dir: &ProjectDir) -> Result<Option<String>, StoreError> {
        let value = store::read_json::<Value>(&dir.state_file())?;
        Ok(value.and_then(|value| value.get("run")?.as_str().map(str::to_owned)))
    }
}

fn migrate(mut value: Value, found: u64, migrations: &[fn(&mut Value)]) -> Value {
    let done = usize::try_from(found.saturating_sub(1)).unwrap_or(usize::MAX);
    for migration in migrations.iter().skip(done) {
        migration(&mut value);
    }
    value
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::docker::NetworkSpec;
    use crate::map::resources::{DesiredService, Gate, Kind, RawSpec};
    use crate::secret::{DigestKey, Secret};
    use crate::site::Site;

    fn dir(world: &tempfile::TempDir) -> ProjectDir {
        ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap()
    }

    fn state() -> State {
        let mut raw = RawSpec {
            container: Default::default(),
            replicas: 1,
            build: None,
            build_digest: String::new(),
            pull: false,
            gate: Gate::default(),
        };
        let password = Secret::new("correct horse", &DigestKey([7; 32]));
        raw.container.environment.insert("PASSWORD".into(), password);
        let db = DesiredService {
            name: "db".into(),
            why: "image postgres".into(),
            needs: Default::default(),
            restarts_with: Default::default(),
            files: Vec::new(),
            networks: Default::default(),
            volumes: Default::default(),
            carry: None,
            kind: Kind::Container(Box::new(raw)),
        };
        let mut state = State { project: "shop".into(), version: 3, run: "r3".into(), ..State::default() };
        state.desired.networks.push(NetworkSpec { name: "shop_default".into(), ..NetworkSpec::default() });
        state.desired.services.insert("db".into(), db);
        state.jobs.insert("migrate".into(), JobRecord { hash: "abc".into(), exit: 0 });
        state.delivered.entry("/srv/x".into()).or_default().insert("a.conf".into(), "00".into());
        state
    }

    #[test]
    fn what_is_saved_is_loaded_and_secrets_are_sealed() {
        let world = tempfile::tempdir().unwrap();
        let dir = dir(&world);
        assert_eq!(State::load(&dir).unwrap(), None);
        assert_eq!(State::committed_run(&dir).unwrap(), None);
        let state = state();
        state.save(&dir).unwrap();
        let text = fs::read_to_string(dir.state_file()).unwrap();
        assert!(text.contains("secret:") && !text.contains("correct horse"));
        let loaded = State::load(&dir).unwrap().unwrap();
        assert_eq!(
            serde_json::to_string(&loaded).unwrap(),
            serde_json::to_string(&State { format: 1, ..state }).unwrap()
        );
        let Kind::Container(raw) = &loaded.desired.services["db"].kind else { panic!("not a container") };
        assert_eq!(raw.container.environment["PASSWORD"].expose(), None);
        assert_eq!(State::committed_run(&dir).unwrap().as_deref(), Some("r3"));
    }

    #[test]
    fn a_newer_format_and_a_damaged_file_say_so() {
        let world = tempfile::tempdir().unwrap();
        let dir = dir(&world);
        store::create_dir(dir.root()).unwrap();
        fs::write(dir.state_file(), r#"{"format": 99, "run": "r9"}"#).unwrap();
        let error = State::load(&dir).unwrap_err().to_string();
        assert!(error.contains("newer version") && error.contains("99"), "{error}");
        assert_eq!(State::committed_run(&dir).unwrap().as_deref(), Some("r9"));
        fs::write(dir.state_file(), r#"{"format": 1, "ver"#).unwrap();
        assert!(State::load(&dir).unwrap_err().to_string().contains("is damaged"));
        fs::write(dir.state_file(), "{}").unwrap();
        assert!(State::load(&dir).unwrap_err().to_string().contains("no format number"));
    }

    #[test]
    fn only_the_missing_migrations_run() {
        let first: fn(&mut Value) = |value| value["first"] = true.into();
        let second: fn(&mut Value) = |value| value["second"] = true.into();
        let from = |found| migrate(serde_json::json!({}), found, &[first, second]).to_string();
        assert_eq!(from(1), r#"{"first":true,"second":true}"#);
        assert_eq!(from(2), r#"{"second":true}"#);
        assert_eq!(from(3), "{}");
    }
}
