//! Storage: `storage:*`. Mounts appear when containers are next made.

use serde::Deserialize;

use super::options::Phase;
use super::{Call, Dokku, DokkuResult, NotExpressible, Report};

/// A registered directory or volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// An absolute directory, or the name of a Docker volume.
    pub host_path: String,
    /// Its owner as Dokku's preset or number, or empty.
    #[serde(default)]
    pub chown: String,
}

/// A mount of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// The entry, `legacy-...` for one mounted by path.
    pub entry: String,
    /// An absolute directory or file, or the name of a Docker volume.
    pub host_path: String,
    /// Path in the container.
    pub container_path: String,
    /// Phases, sorted by name.
    pub phases: Vec<String>,
    /// Read only.
    pub read_only: bool,
    /// Further options, `z`, `nocopy`.
    pub options: Vec<String>,
}

impl Mounted {
    /// Reads an app's `storage:report`: its mounts by container path.
    pub fn from_report(report: &Report) -> Vec<Self> {
        let mut mounts: Vec<Self> = (1..)
            .map(|number| format!("attachment.{number}."))
            .take_while(|prefix| report.has(&format!("{prefix}container-path")))
            .map(|prefix| {
                let text = |key: &str| report.text(&format!("{prefix}{key}")).to_owned();
                let mut phases = report.list(&format!("{prefix}phases"));
                phases.sort();
                let mut options = report.list(&format!("{prefix}volume-options"));
                let read_only = text("readonly") == "true" || options.iter().any(|option| option == "ro");
                options.retain(|option| option != "ro");
                Self {
                    entry: text("entry-name"),
                    host_path: text("host-path"),
                    container_path: text("container-path"),
                    phases,
                    read_only,
                    options,
                }
            })
            .collect();
        mounts.sort_by(|a, b| a.container_path.cmp(&b.container_path));
        mounts
    }
}

/// `storage:create NAME [PATH] [--chown=..]`: registers a directory, or a Docker volume by its name;
/// without a path, a directory of Dokku's own is made. Repeating it is no error and rewrites the entry.
pub fn create_entry(name: &str, path: Option<&str>, chown: Option<&str>) -> Result<Call, NotExpressible> {
    if let Some(path) = path {
        check_path(path)?;
    }
    let args = chown.map(|owner| format!("--chown={owner}")).into_iter().chain([name.to_owned()]);
    Ok(Call::new("storage:create", args.chain(path.map(str::to_owned))))
}

/// `storage:destroy NAME --force`: forgets the entry; the directory and its data, or the volume, stay.
/// Fails while an app mounts it.
pub fn destroy_entry(name: &str) -> Call {
    Call::new("storage:destroy", [name, "--force"])
}

/// How an entry is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Path in the container.
    pub container_path: String,
    /// When; empty: deploy and run.
    pub phases: Vec<Phase>,
    /// Read only.
    pub read_only: bool,
    /// Further options, `z`, `nocopy`, `rshared`.
    pub options: Vec<String>,
}

/// `storage:mount APP ENTRY --container-dir=..`: mounts a registered entry; repeating it changes it.
pub fn mount_entry(app: &str, entry: &str, mount: &Mount) -> Result<Call, NotExpressible> {
    check_path(&mount.container_path)?;
    let mut args = vec![app.to_owned(), entry.to_owned(), format!("--container-dir={}", mount.container_path)];
    args.extend(mount.phases.iter().map(|phase| format!("--phase={}", phase.name())));
    if mount.read_only {
        args.push("--volume-readonly".to_owned());
    }
    if !mount.options.is_empty() {
        args.push(format!("--volume-options={}", mount.options.join(",")));
    }
    Ok(Call::new("storage:mount", args).about(app))
}

/// `storage:unmount APP ENTRY --container-dir=..`: absent is an error.
pub fn unmount_entry(app: &str, entry: &str, container_path: &str) -> Call {
    Call::new("storage:unmount", [app, entry, &format!("--container-dir={container_path}")]).about(app)
}

/// `storage:mount APP HOST:CONTAINER[:OPTIONS]`: mounts a host path, which may be a file, or a
/// volume by name, without registering it first. Repeating it is an error.
pub fn mount_path(app: &str, host: &str, mount: &Mount) -> Result<Call, NotExpressible> {
    Ok(Call::new("storage:mount", [app, &path_form(host, mount)?]).about(app))
}

/// `storage:unmount APP HOST:CONTAINER[:OPTIONS]`: as it was mounted.
pub fn unmount_path(app: &str, host: &str, mount: &Mount) -> Result<Call, NotExpressible> {
    Ok(Call::new("storage:unmount", [app, &path_form(host, mount)?]).about(app))
}

fn path_form(host: &str, mount: &Mount) -> Result<String, NotExpressible> {
    check_path(host)?;
    check_path(&mount.container_path)?;
    let options: Vec<&str> =
        mount.read_only.then_some("ro").into_iter().chain(mount.options.iter().map(String::as_str)).collect();
    let options = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
    Ok(format!("{host}:{}{options}", mount.container_path))
}

/// Dokku writes mounts unquoted into a line that `xargs` splits, and docker splits at colons.
fn check_path(path: &str) -> Result<(), NotExpressible> {
    let why = if path.is_empty() {
        "it is empty"
    } else if path.starts_with('-') {
        "it begins with a dash"
    } else if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\'' | '"' | '\\')) {
        "Dokku does not quote spaces, quotes and backslashes in mounts"
    } else if path.contains(':') {
        "docker separates the parts of a mount by colons"
    } else {
        return Ok(());
    };
    Err(NotExpressible::new(format!("mount path {path:?}"), why))
}

impl Dokku {
    /// An app's mounts of all phases (`storage:report`).
    pub fn mounts(&self, app: &str) -> DokkuResult<Vec<Mounted>> {
        Ok(Mounted::from_report(&self.report("storage", app)?))
    }

    /// All registered entries (`storage:list-entries --format json`).
    pub fn storage_entries(&self) -> DokkuResult<Vec<Entry>> {
        let entries: Option<Vec<Entry>> = self.call(Call::new("storage:list-entries", ["--format", "json"]))?.json()?;
        Ok(entries.unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mount = Mount {
            container_path: "/data".to_owned(),
            phases: vec![Phase::Deploy],
            read_only: true,
            options: vec!["z".to_owned()],
        };
        let entry = mount_entry("shop", "shop-data", &mount).unwrap().to_string();
        assert_eq!(
            entry,
            "dokku storage:mount shop shop-data --container-dir=/data --phase=deploy --volume-readonly --volume-options=z"
        );
        assert_eq!(
            mount_path("shop", "/etc/x", &mount).unwrap().to_string(),
            "dokku storage:mount shop /etc/x:/data:ro,z"
        );
        let plain = Mount { container_path: "/data".to_owned(), ..Mount::default() };
        assert_eq!(unmount_path("shop", "vol", &plain).unwrap().to_string(), "dokku storage:unmount shop vol:/data");
    }

    #[test]
    fn paths_that_dokku_breaks_are_refused() {
        for path in ["/a b", "/it's", "/a\"b", "/a\\b", "/a:b", "/a\tb", "", "-x"] {
            assert!(create_entry("e", Some(path), None).is_err(), "{path:?}");
            assert!(
                mount_path("shop", path, &Mount { container_path: "/x".to_owned(), ..Mount::default() }).is_err(),
                "{path:?}"
            );
        }
        assert!(create_entry("e", Some("/a$b*(c)"), Some("1000")).is_ok());
    }
}
