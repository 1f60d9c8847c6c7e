//! Where things are on this server: Dokku's own variables, with its defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The places that the program reads and writes.
///
/// Dokku gives a plugin's commands and triggers these paths in their environment
/// (`DOKKU_ROOT`, `DOKKU_LIB_ROOT`, `PLUGIN_CORE_AVAILABLE_PATH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The `dokku` program.
    pub dokku: PathBuf,
    /// The docker command.
    pub docker: PathBuf,
    /// `/home/dokku`: a bare repository an app.
    pub dokku_root: PathBuf,
    /// `/var/lib/dokku`: configuration, data, plugins.
    pub lib_root: PathBuf,
    /// The same directory as the engine sees it, where Dokku itself runs in a container.
    pub lib_host_root: PathBuf,
    /// Dokku's property tool (`common/prop`).
    pub prop: PathBuf,
    /// Dokku's event log.
    pub event_log: PathBuf,
    /// The sandbox's world, where this is one.
    pub sandbox: Option<PathBuf>,
}

impl Site {
    /// Reads the server's places from `env`.
    pub fn from_env(env: &BTreeMap<String, String>) -> Self {
        let path = |name: &str, default: &str| {
            PathBuf::from(env.get(name).filter(|value| !value.is_empty()).map_or(default, String::as_str))
        };
        let lib_root = path("DOKKU_LIB_ROOT", "/var/lib/dokku");
        let lib_host_root = match env.get("DOKKU_LIB_HOST_ROOT").filter(|value| !value.is_empty()) {
            Some(host) => PathBuf::from(host),
            None => lib_root.clone(),
        };
        let core = env
            .get("PLUGIN_CORE_AVAILABLE_PATH")
            .filter(|value| !value.is_empty())
            .map_or_else(|| lib_root.join("core-plugins/available"), PathBuf::from);
        Self {
            dokku: PathBuf::from("dokku"),
            docker: path("DOCKER_BIN", "docker"),
            dokku_root: path("DOKKU_ROOT", "/home/dokku"),
            lib_host_root,
            prop: core.join("common/prop"),
            lib_root,
            event_log: path("DOKKU_LOGS_DIR", "/var/log/dokku").join("events.log"),
            sandbox: None,
        }
    }

    /// The site that a sandbox world plays: `WORLD/bin/dokku`, `WORLD/home`, `WORLD/lib`.
    pub fn sandbox(world: PathBuf) -> Self {
        Self {
            dokku: world.join("bin/dokku"),
            docker: PathBuf::from("docker"),
            dokku_root: world.join("home"),
            lib_root: world.join("lib"),
            lib_host_root: world.join("lib"),
            prop: world.join("bin/prop"),
            event_log: world.join("log/events.log"),
            sandbox: Some(world),
        }
    }

    /// The plugin's own data: one folder a project, `apps/` for the triggers.
    pub fn data(&self) -> PathBuf {
        self.lib_root.join("data/compose")
    }

    /// Directories that hold every app's settings and secrets, readable for user dokku, who reads compose files.
    pub fn private(&self) -> Vec<PathBuf> {
        vec![self.dokku_root.clone(), self.lib_root.join("config"), self.lib_root.join("services"), self.data()]
    }

    /// The administrator's own rules for compose files: executables that `compose:check` and `compose:import` ask.
    pub fn validators(&self) -> PathBuf {
        self.data().join("validators")
    }

    /// The administrator's own changes of what is asked of the server: executables that `compose:import` asks.
    pub fn transformers(&self) -> PathBuf {
        self.data().join("transformers")
    }

    /// One project's folder: versions, journal, log, lock.
    pub fn project(&self, project: &str) -> PathBuf {
        self.data().join("projects").join(project)
    }

    /// The file that tells the triggers that an app is a project's.
    pub fn app_file(&self, app: &str) -> PathBuf {
        self.data().join("apps").join(app)
    }

    /// Which project made a datastore service.
    pub fn store_file(&self, plugin: &str, service: &str) -> PathBuf {
        self.data().join("datastores").join(format!("{plugin}.{service}"))
    }

    /// Settings of the apps that pushes go to, a file an app.
    pub fn settings(&self) -> PathBuf {
        self.data().join("settings")
    }

    /// Where relative bind mounts of a project are delivered.
    pub fn storage(&self, project: &str) -> PathBuf {
        self.lib_root.join("data/storage").join(project)
    }
}
