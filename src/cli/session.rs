//! What every subcommand starts from: the process's environment, the server's places, the adapters.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::docker::Engine;
use crate::dokku::Dokku;
use crate::map::policy::Policy;
use crate::sandbox;
use crate::secret::DigestKey;
use crate::site::Site;
use crate::state::{self, ProjectDir};

/// The process's environment and where it points.
pub(super) struct Session {
    pub(super) env: BTreeMap<String, String>,
    pub(super) site: Site,
    pub(super) dokku: Dokku,
    pub(super) engine: Arc<dyn Engine>,
}

impl Session {
    /// Opens the server, or the sandbox in `world`.
    pub(super) fn open(world: Option<&Path>) -> Result<Self> {
        // A variable that is not text is nobody's business here; it must not stop a command or a trigger.
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let site = match world.map(Path::to_path_buf).or_else(|| sandbox_of(&env)) {
            Some(world) => {
                let world = std::path::absolute(&world)?;
                sandbox::create(&world).with_context(|| format!("cannot make a sandbox in {}", world.display()))?;
                sandbox::install_triggers(&world)
                    .with_context(|| format!("cannot make a sandbox in {}", world.display()))?;
                Site::sandbox(world)
            }
            None => Site::from_env(&env),
        };
        let dokku = Dokku::new(site.clone(), &env);
        let engine: Arc<dyn Engine> = match &site.sandbox {
            Some(world) => Arc::new(sandbox::SandboxEngine::new(world)),
            None => Arc::new(crate::docker::DockerEngine::new(&site, &env)),
        };
        Ok(Self { env, site, dokku, engine })
    }

    /// The key of digests; `write` makes it where there is none, else a throw-away one serves.
    pub(super) fn digest_key(&self, write: bool) -> Result<DigestKey> {
        if write {
            return Ok(state::create_digest_key(&self.site)?);
        }
        Ok(match state::read_digest_key(&self.site)? {
            Some(key) => key,
            None => state::random_digest_key()?,
        })
    }

    /// A project's folder.
    pub(super) fn project_dir(&self, project: &str) -> Result<ProjectDir> {
        Ok(ProjectDir::new(&self.site, project)?)
    }

    /// Where the history of a destroyed project lies.
    pub(super) fn destroyed_dir(&self, project: &str) -> Result<ProjectDir> {
        Ok(ProjectDir::destroyed(&self.site, project)?)
    }

    /// What the administrator allows.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            paths: setting(&self.site, ALLOWED_PATHS),
            privileges: setting(&self.site, ALLOWED_PRIVILEGES),
            settings: "",
        }
    }

    /// Whether `compose:create` made the app.
    pub(super) fn push_created(&self, app: &str) -> bool {
        // Settings that cannot be read are those of nobody: the app then stays when its project goes.
        state::PushSettings::load(&self.site, app).is_ok_and(|settings| settings.created)
    }

    /// Names that no app may take: Dokku keeps plugins' settings beside those of apps.
    pub(super) fn reserved(&self) -> std::collections::BTreeSet<String> {
        let dirs = [self.site.lib_root.join("plugins/available"), self.site.lib_root.join("core-plugins/available")];
        dirs.iter()
            .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

/// Lists of the administrator.
pub(super) const ALLOWED_PATHS: &str = "allowed-host-paths";
pub(super) const ALLOWED_PRIVILEGES: &str = "allowed-privileges";

/// A list of the administrator; empty where nothing is set.
pub(super) fn setting(site: &Site, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(setting_file(site, key)).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Where a setting is kept: a line an entry.
pub(super) fn setting_file(site: &Site, key: &str) -> PathBuf {
    site.data().join(key)
}

/// Nested calls inside a sandbox stay in it. Only the sandbox's own `dokku` says so with its paths; the variable alone,
/// left over in somebody's shell, does not lead a real server's commands astray.
fn sandbox_of(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let world = env.get("DOKKU_COMPOSE_SANDBOX").filter(|world| !world.is_empty()).map(PathBuf::from)?;
    let lib = env.get("DOKKU_LIB_ROOT").map(PathBuf::from)?;
    (lib == world.join("lib")).then_some(world)
}
