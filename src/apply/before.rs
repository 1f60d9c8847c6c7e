//! What a run's undo needs beside the journal: the plan, and the secrets of its undo actions.
//!
//! Each secret is one 0600 file named by its keyed digest below `runs/<run>/before/`. Only values that an
//! undo puts back are there, never new ones, and the folder is gone once the run has ended.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::map::resources::FileContent;
use crate::plan::{Action, Plan};
use crate::secret::Secret;
use crate::state::store;
use crate::state::{ProjectDir, StoreError};

/// Writes the plan and the secrets of its undo; the digest of the plan file.
pub fn write(dir: &ProjectDir, run: &str, plan: &Plan) -> Result<String, StoreError> {
    let before = dir.before(run);
    store::create_dir(&before)?;
    let mut secrets = BTreeMap::new();
    for action in plan.ops.iter().flat_map(|op| &op.undo) {
        for secret in secrets_of(action) {
            let text = secret.expose().ok_or_else(|| {
                StoreError::damaged(&before, "an undo needs a value that is not known any more; nothing was changed")
            })?;
            secrets.insert(secret.digest().to_owned(), text.to_owned());
        }
    }
    for (digest, text) in secrets {
        store::write_bytes(&before.join(digest), text.as_bytes())?;
    }
    let path = dir.plan_file(run);
    let bytes = store::to_json(&path, plan)?;
    store::write_bytes(&path, &bytes)?;
    Ok(digest(&bytes))
}

/// Reads the plan of a run back, its undo actions with their secrets; and those secrets.
/// `expected` is the digest that the journal has.
pub fn read(dir: &ProjectDir, run: &str, expected: &str) -> Result<(Plan, Vec<String>), StoreError> {
    let mut plan = read_plan(dir, run, expected)?;
    let mut texts = Vec::new();
    for action in plan.ops.iter_mut().flat_map(|op| &mut op.undo) {
        for secret in secrets_of_mut(action) {
            let file = dir.before(run).join(secret.digest());
            let bytes = store::read(&file)?.ok_or_else(|| StoreError::damaged(&file, "it is missing"))?;
            let text = String::from_utf8(bytes).map_err(|error| StoreError::damaged(&file, error.to_string()))?;
            texts.push(text.clone());
            secret.unseal(text);
        }
    }
    Ok((plan, texts))
}

/// Reads the plan of a run back with its secrets sealed.
pub fn read_plan(dir: &ProjectDir, run: &str, expected: &str) -> Result<Plan, StoreError> {
    let path = dir.plan_file(run);
    let bytes = store::read(&path)?.ok_or_else(|| StoreError::damaged(&path, "it is missing"))?;
    if digest(&bytes) != expected {
        return Err(StoreError::damaged(&path, "it is not the plan that the journal belongs to"));
    }
    serde_json::from_slice(&bytes).map_err(|error| StoreError::damaged(&path, error.to_string()))
}

/// Deletes what only the undo needed.
pub fn remove(dir: &ProjectDir, run: &str) -> Result<(), StoreError> {
    store::remove_tree(&dir.before(run))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secrets in an action.
pub fn secrets_of(action: &Action) -> Vec<Secret> {
    secrets_of_mut(&mut action.clone()).into_iter().map(|secret| secret.clone()).collect()
}

/// The same, to be unsealed. Without a wildcard: a new action does not compile until its secrets are named.
fn secrets_of_mut(action: &mut Action) -> Vec<&mut Secret> {
    match action {
        Action::ConfigSet { values, .. } => values.values_mut().collect(),
        Action::ContainerRun { spec } | Action::JobRun { spec, .. } => spec.environment.values_mut().collect(),
        Action::ImageBuild { spec } => {
            let mut out = Vec::new();
            spec.arguments_mut(&mut out);
            out
        }
        Action::DatastoreCreate { store }
        | Action::DatastoreSetup { store, .. }
        | Action::DatastoreDump { store }
        | Action::DatastoreCarryDump { store, .. }
        | Action::DatastoreCarryImport { store }
        | Action::DatastoreAwait { store } => store.secrets_mut(),
        Action::DatastoreUpgrade { store, from } => {
            let mut out = store.secrets_mut();
            out.extend(from.secrets_mut());
            out
        }
        Action::FilesDeliver { tree } => match &mut tree.content {
            FileContent::Inline { text } => vec![text],
            FileContent::Path { .. } | FileContent::Empty => Vec::new(),
        },
        Action::NetworkCreate { .. }
        | Action::NetworkRemove { .. }
        | Action::VolumeCreate { .. }
        | Action::VolumeRemove { .. }
        | Action::FilesRestore { .. }
        | Action::FilesRemove { .. }
        | Action::HooksWrite { .. }
        | Action::HooksRemove { .. }
        | Action::AppCreate { .. }
        | Action::AppDestroy { .. }
        | Action::ConfigUnset { .. }
        | Action::PropertySet { .. }
        | Action::OptionsAdd { .. }
        | Action::OptionsRemove { .. }
        | Action::StorageMount { .. }
        | Action::StorageUnmount { .. }
        | Action::PortsSet { .. }
        | Action::DomainsAdd { .. }
        | Action::DomainsRemove { .. }
        | Action::DomainsDisable { .. }
        | Action::DomainsEnable { .. }
        | Action::ChecksSet { .. }
        | Action::ResourceSet { .. }
        | Action::Scale { .. }
        | Action::Deploy { .. }
        | Action::Rebuild { .. }
        | Action::Restart { .. }
        | Action::ReleaseKeep { .. }
        | Action::ReleaseRestore { .. }
        | Action::ReleaseRecord { .. }
        | Action::ReleaseForget { .. }
        | Action::ImageKeep { .. }
        | Action::Stop { .. }
        | Action::Start { .. }
        | Action::ImagePull { .. }
        | Action::ImageRemove { .. }
        | Action::ContainerRemove { .. }
        | Action::ContainerStash { .. }
        | Action::ContainerUnstash { .. }
        | Action::DatastoreDestroy { .. }
        | Action::DatastoreCarryDrop { .. }
        | Action::DatastoreLink { .. }
        | Action::DatastoreUnlink { .. }
        | Action::DatastoreExpose { .. }
        | Action::DatastoreNetworks { .. }
        | Action::DatastoreStart { .. }
        | Action::DatastoreStop { .. }
        | Action::Await { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::docker::ContainerSpec;
    use crate::map::resources::FileTree;
    use crate::plan::{Class, Op};
    use crate::secret::DigestKey;
    use crate::site::Site;

    fn plan() -> Plan {
        let secret = |text: &str| Secret::new(text, &DigestKey([1; 32]));
        let config = |text| Action::ConfigSet {
            app: "shop-web".into(),
            values: [("PASSWORD".to_owned(), secret(text))].into_iter().collect(),
        };
        let mut container = ContainerSpec::default();
        container.environment.insert("KEY".into(), secret("old-env"));
        let content = FileContent::Inline { text: secret("old-file") };
        let tree = FileTree { target: "/x".into(), content, digest: String::new(), mirror: true, mode: 0o600 };
        let undo = vec![
            config("old-config"),
            Action::ContainerRun { spec: Box::new(container.clone()) },
            Action::JobRun { spec: Box::new(container), limit: 1 },
            Action::FilesDeliver { tree },
        ];
        let op = Op {
            id: 0,
            service: "web".into(),
            action: config("brand-new"),
            cause: "".into(),
            class: Class::Config,
            undo,
            needs: Vec::new(),
            at: "".into(),
        };
        Plan { project: "shop".into(), ops: vec![op], ..Plan::default() }
    }

    #[test]
    fn old_values_come_back_and_new_ones_are_nowhere() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let digest = write(&dir, "r", &plan()).unwrap();
        assert_eq!(fs::read_dir(dir.before("r")).unwrap().count(), 3);
        for file in fs::read_dir(dir.before("r")).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let text = fs::read_to_string(dir.plan_file("r")).unwrap();
        assert!(!text.contains("old-") && !text.contains("brand-new"));
        let (read_back, mut texts) = read(&dir, "r", &digest).unwrap();
        assert_eq!(read_back.ops[0].undo, plan().ops[0].undo);
        assert_eq!(secrets_of(&read_back.ops[0].action)[0].expose(), None);
        texts.dedup();
        assert_eq!(texts, ["old-config", "old-env", "old-file"]);
        assert!(read(&dir, "r", "00").is_err());
        fs::remove_file(dir.before("r").join(secrets_of(&plan().ops[0].undo[0])[0].digest())).unwrap();
        assert!(read(&dir, "r", &digest).unwrap_err().to_string().contains("missing"));
        remove(&dir, "r").unwrap();
        assert!(!dir.before("r").exists() && dir.plan_file("r").exists());
    }

    #[test]
    fn an_undo_that_needs_a_sealed_value_is_refused() {
        let world = tempfile::tempdir().unwrap();
        let dir = ProjectDir::new(&Site::sandbox(world.path().to_owned()), "shop").unwrap();
        let sealed: Plan = serde_json::from_str(&serde_json::to_string(&plan()).unwrap()).unwrap();
        assert!(write(&dir, "r", &sealed).unwrap_err().to_string().contains("not known any more"));
    }
}
