//! What stands on the server, read with docker, dokku and the file system, and taken away by name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::run;

/// The beginning of every name that the harness makes on a server.
pub const PREFIX: &str = "acc-";

/// One container.
#[derive(Clone, Debug, Default)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub running: bool,
    pub started: String,
    /// `healthy`, `starting`, `unhealthy`; empty: it has no check.
    pub health: String,
    pub hostname: String,
    pub restart: String,
    pub memory: u64,
    /// Whether it runs the stand-in.
    pub stand_in: bool,
    project: String,
    service: String,
}

/// All containers of the engine, stopped ones too.
///
/// # Errors
/// What docker said.
pub fn containers() -> Result<Vec<Container>, String> {
    let ids = run::expect(&["docker", "ps", "--all", "--quiet", "--no-trunc"])?;
    let mut words = vec!["docker", "inspect"];
    words.extend(ids.lines());
    if words.len() == 2 {
        return Ok(Vec::new());
    }
    // A container that goes away in between makes docker fail and answer for the others.
    let text = run::run(&words, None, Duration::from_secs(60)).stdout;
    let all: Value = serde_json::from_str(&text).map_err(|error| format!("docker inspect: {error}"))?;
    Ok(all.as_array().into_iter().flatten().map(container).collect())
}

fn container(value: &Value) -> Container {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = |name: &str| text(&value["Config"]["Labels"][name]);
    Container {
        id: text(&value["Id"]),
        name: text(&value["Name"]).trim_start_matches('/').to_owned(),
        running: value["State"]["Running"] == true,
        started: text(&value["State"]["StartedAt"]),
        health: text(&value["State"]["Health"]["Status"]),
        hostname: text(&value["Config"]["Hostname"]),
        restart: text(&value["HostConfig"]["RestartPolicy"]["Name"]),
        memory: value["HostConfig"]["Memory"].as_u64().unwrap_or(0),
        stand_in: !label(crate::images::LABEL).is_empty(),
        project: label("com.dokku-compose.project"),
        service: label("com.dokku-compose.service"),
    }
}

/// The app that a service becomes.
pub fn app(project: &str, service: &str) -> String {
    format!("{project}-{}", service.to_lowercase().replace(['_', '.'], "-"))
}

/// The current containers of a service: those of its app under their final name, or the labelled ones.
pub fn of_service<'a>(all: &'a [Container], project: &str, service: &str) -> Vec<&'a Container> {
    let app = format!("{}.web.", app(project, service));
    let is_app = |container: &Container| {
        container
            .name
            .strip_prefix(&app)
            .is_some_and(|index| !index.is_empty() && index.chars().all(|char| char.is_ascii_digit()))
    };
    let apps: Vec<&Container> = all.iter().filter(|container| is_app(container)).collect();
    if !apps.is_empty() {
        return apps;
    }
    all.iter()
        .filter(|container| {
            container.project == project && container.service == service && !container.name.contains(".web.")
        })
        .collect()
}

/// Whether `name` is the project or one of its parts.
fn belongs(name: &str, project: &str) -> bool {
    name.strip_prefix(project).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.', ':']))
}

/// Apps of a project.
pub fn apps(project: &str) -> Vec<String> {
    let list = run::expect(&["dokku", "--quiet", "apps:list"]).unwrap_or_default();
    list.lines().map(str::trim).filter(|app| belongs(app, project)).map(str::to_owned).collect()
}

fn lines(words: &[&str], project: &str, more: &[String]) -> Vec<String> {
    let list = run::expect(words).unwrap_or_default();
    list.lines()
        .filter(|name| belongs(name, project) || more.iter().any(|other| other == name))
        .map(str::to_owned)
        .collect()
}

const NETWORKS: &[&str] = &["docker", "network", "ls", "--format", "{{.Name}}"];
const VOLUMES: &[&str] = &["docker", "volume", "ls", "--format", "{{.Name}}"];
const IMAGES: &[&str] = &["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];

/// Images that were built for the project's services.
fn built(project: &str) -> Vec<String> {
    let list = run::expect(IMAGES).unwrap_or_default();
    let of = |image: &str| {
        ["dokku/", "dokku-compose/"]
            .iter()
            .any(|prefix| image.strip_prefix(prefix).is_some_and(|name| belongs(name, project)))
    };
    list.lines().filter(|image| of(image)).map(str::to_owned).collect()
}

/// Files and directories of Dokku's and the plugin's that are named after the project or its apps.
fn places(project: &str) -> Vec<PathBuf> {
    let root = std::env::var("DOKKU_ROOT").unwrap_or_else(|_| "/home/dokku".into());
    let lib = std::env::var("DOKKU_LIB_ROOT").unwrap_or_else(|_| "/var/lib/dokku".into());
    let list = |dir: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut holders = vec![PathBuf::from(root)];
    for part in ["config", "data", "services"] {
        holders.extend(list(&Path::new(&lib).join(part)));
    }
    for part in ["projects", "apps"] {
        holders.push(Path::new(&lib).join("data/compose").join(part));
    }
    let named =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| belongs(name, project));
    holders.iter().flat_map(|dir| list(dir)).filter(named).collect()
}

/// Everything of a project that is still there; `volumes` are the names of its volumes that do not begin with its own.
pub fn leftovers(project: &str, volumes: &[String]) -> Vec<String> {
    let mut out: Vec<String> = apps(project).into_iter().map(|app| format!("app {app}")).collect();
    let all = containers().unwrap_or_default();
    let own = |container: &&Container| container.project == project || belongs(&container.name, project);
    out.extend(all.iter().filter(own).map(|container| format!("container {}", container.name)));
    out.extend(lines(NETWORKS, project, &[]).into_iter().map(|name| format!("network {name}")));
    out.extend(lines(VOLUMES, project, volumes).into_iter().map(|name| format!("volume {name}")));
    out.extend(built(project).into_iter().map(|name| format!("image {name}")));
    out.extend(places(project).into_iter().map(|path| path.display().to_string()));
    out
}

/// Takes away by force what an earlier run of the harness left of a project.
///
/// # Panics
/// Where the name is none of the harness's own.
pub fn sweep(project: &str) {
    assert!(project.starts_with(PREFIX), "{project} is not the harness's");
    let quick = Duration::from_secs(60);
    for app in apps(project) {
        drop(run::run(&["dokku", "--force", "apps:destroy", &app], None, Duration::from_secs(120)));
    }
    for container in containers().unwrap_or_default() {
        if container.project == project || belongs(&container.name, project) {
            drop(run::run(&["docker", "rm", "--force", "--volumes", &container.id], None, quick));
        }
    }
    for name in lines(NETWORKS, project, &[]) {
        drop(run::run(&["docker", "network", "rm", &name], None, quick));
    }
    for name in lines(VOLUMES, project, &[]) {
        drop(run::run(&["docker", "volume", "rm", &name], None, quick));
    }
    for name in built(project) {
        drop(run::run(&["docker", "image", "rm", "--force", &name], None, quick));
    }
    for path in places(project) {
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Container {
        Container { name: name.into(), ..Container::default() }
    }

    #[test]
    fn only_the_project_s_own_names_belong_to_it() {
        for name in ["acc-x", "acc-x-web", "acc-x_default", "acc-x.web.1"] {
            assert!(belongs(name, "acc-x"), "{name}");
        }
        assert!(!belongs("acc-xy", "acc-x") && !belongs("my-acc-x", "acc-x"));
    }

    #[test]
    fn retired_containers_are_not_current() {
        let all = [
            named("acc-x-a-b.web.1"),
            named("acc-x-a-b.web.2"),
            named("acc-x-a-b.web.1.1795221720"),
            named("acc-x-a-b.web.1.upcoming-3"),
        ];
        assert_eq!(of_service(&all, "acc-x", "a_b").len(), 2);
    }
}
