//! Reads the snapshot: a fixed number of calls for the server, and one look at each app that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::fingerprint::fingerprints;
use super::{Observed, ObservedApp, ObservedStore};
use crate::docker::{ContainerFacts, Engine, EngineError};
use crate::dokku::{
    Dokku, DokkuError, Report, checks::Checks, domains::Domains, git::Source, option_words, options::Options,
    resource::Resources, storage::Mounted,
};
use crate::map::datastores::{ambassador, container_name};
use crate::map::resources::{AppMount, DockerOptions};
use crate::plan::raw::PROJECT_LABEL;
use crate::secret::{DigestKey, Secret};

/// Plugins whose properties the mapping sets, in the order in which they are asked.
const PLUGINS: &[&str] = &[
    "apps",
    "network",
    "docker-options",
    "storage",
    "resource",
    "checks",
    "proxy",
    "builder",
    "builder-dockerfile",
    "app-json",
    "scheduler-docker-local",
    "logs",
    "git",
    "domains",
];

/// `ps:report` takes a second an app; these properties are asked for one by one, in parallel.
const PS_KEYS: &[&str] = &["restart-policy", "stop-timeout-seconds", "dockerfile-start-cmd", "procfile-path"];

/// Reports that together hold what is asked of many apps in one call.
const AT_ONCE: usize = 4;

/// Why the server could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// Dokku.
    #[error(transparent)]
    Dokku(#[from] DokkuError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What to look at.
pub struct Wanted<'a> {
    /// Project and control app.
    pub project: &'a str,
    /// Apps that are known to be the project's, whatever they are called.
    pub apps: BTreeSet<String>,
    /// Names of raw containers that the project wants.
    pub containers: BTreeSet<String>,
    /// Image references.
    pub images: BTreeSet<String>,
}

/// The server's own facts: apps, networks, volumes, containers, images, domains. A fixed number of calls.
///
/// # Errors
/// Where Dokku or the engine does not answer.
pub fn server(dokku: &Dokku, engine: &dyn Engine, wanted: &Wanted<'_>) -> Result<Observed, ObserveError> {
    let mut observed = Observed { app_names: dokku.apps()?.into_iter().collect(), ..Observed::default() };
    observed.domains =
        dokku.global_domains().map(|domains| if domains.enabled { domains.names } else { Vec::new() })?;
    observed.networks = engine.networks()?.into_iter().map(|one| (one.name.clone(), one)).collect();
    observed.volumes = engine.volumes()?.into_iter().map(|one| (one.name.clone(), one)).collect();
    for container in engine.containers(&[])? {
        sort_container(&mut observed, wanted, container);
    }
    for image in &wanted.images {
        if let Some(facts) = engine.image(image)? {
            observed.images.insert(image.clone(), facts);
        }
    }
    Ok(observed)
}

fn sort_container(observed: &mut Observed, wanted: &Wanted<'_>, container: ContainerFacts) {
    let own = container.labels.get(PROJECT_LABEL).is_some_and(|project| project == wanted.project);
    let app = container.labels.get("com.dokku.app-name").cloned();
    let of_project = own
        || app.as_ref().is_some_and(|app| {
            *app == wanted.project || app.starts_with(&format!("{}-", wanted.project)) || wanted.apps.contains(app)
        });
    if container.status == "running" && !of_project {
        for mount in &container.mounts {
            observed.volume_users.entry(mount.clone()).or_default().push(container.name.clone());
        }
    }
    if container.labels.get("dokku").is_some_and(|kind| kind == "service" || kind == "ambassador") {
        observed.store_containers.insert(container.name.clone(), container);
        return;
    }
    if let Some(app) = app {
        observed.app_containers.entry(app).or_default().push(container);
    } else if own || wanted.containers.contains(&container.name) {
        observed.containers.insert(container.name.clone(), container);
    }
}

/// Reads which services the plugins have: a call a plugin.
///
/// # Errors
/// Where Dokku does not answer.
pub fn stores<'a>(
    dokku: &Dokku,
    observed: &mut Observed,
    plugins: impl Iterator<Item = &'a str>,
) -> Result<(), ObserveError> {
    for plugin in plugins {
        for service in dokku.services(plugin)? {
            let facts = observed.store_containers.get(&container_name(plugin, &service));
            let store = facts.map(|facts| ObservedStore {
                image: facts.image.clone(),
                status: facts.status.clone(),
                networks: facts.networks.keys().cloned().collect(),
                exposed: Vec::new(),
            });
            let mut store = store.unwrap_or_default();
            if let Some(port) = observed.store_containers.get(&ambassador(plugin, &service)) {
                store.exposed.clone_from(&port.ports);
            }
            observed.stores.insert(format!("{plugin}:{service}"), store);
        }
    }
    Ok(())
}

/// Reads the settings of `apps`, those that exist; one report a plugin for all of them.
///
/// # Errors
/// Where Dokku does not answer.
pub fn apps(
    dokku: &Dokku,
    engine: &dyn Engine,
    key: &DigestKey,
    observed: &mut Observed,
    apps: &[String],
) -> Result<(), ObserveError> {
    let apps: Vec<String> = apps.iter().filter(|app| observed.app_names.contains(*app)).cloned().collect();
    if apps.is_empty() {
        return Ok(());
    }
    let reports = reports(dokku, &apps, observed.app_names.len())?;
    let rest = each(&apps, |app| Ok((dokku.config(app)?, dokku.ports(app)?, dokku.scale(app)?, ps(dokku, app)?)))?;
    for (app, (config, ports, scale, ps)) in rest {
        let empty = Report::default();
        let of = |plugin: &str| reports.get(plugin).and_then(|all| all.get(&app)).unwrap_or(&empty);
        let checks = Checks::from_report(of("checks"));
        let domains = Domains::from_report(of("domains"));
        let source = Source::from_report(of("git"));
        let resources = Resources::from_report(of("resource"));
        let branch = git_branch(of("git"));
        let mut properties = properties(&of);
        properties.extend(ps);
        let one = ObservedApp {
            config: config.into_iter().map(|(name, value)| (name, Secret::new(value, key))).collect(),
            options: logical(&Options::from_report(of("docker-options"))),
            properties,
            mounts: mounts(&Mounted::from_report(of("storage"))),
            ports: ports.iter().map(ToString::to_string).collect(),
            domains_enabled: domains.enabled,
            domains: domains.names,
            scale: scale.get("web").copied().unwrap_or(1),
            checks: checks_word(&checks).to_owned(),
            resources: amounts(&resources),
            commit: commit(&dokku.site().dokku_root.join(&app), &branch),
            branch,
            source_image: source.image,
            deploy_source: of("apps").text("deploy-source").to_owned(),
            deploy_metadata: of("apps").text("deploy-source-metadata").to_owned(),
            locked: of("apps").text("locked") == "true",
            image_id: engine.image(&format!("dokku/{app}:latest"))?.map(|facts| facts.id).unwrap_or_default(),
        };
        observed.apps.insert(app, one);
    }
    Ok(())
}

/// Which of `apps` are as they were when `known` was taken.
pub fn unchanged(dokku: &Dokku, apps: &[String], known: &BTreeMap<String, String>) -> BTreeSet<String> {
    let now = fingerprints(dokku.site(), apps);
    now.into_iter().filter(|(app, digest)| known.get(app) == Some(digest)).map(|(app, _)| app).collect()
}

type ByPlugin = BTreeMap<String, BTreeMap<String, Report>>;

/// One call a plugin for all apps of the server, or one a plugin and app where few are asked for.
fn reports(dokku: &Dokku, apps: &[String], all: usize) -> Result<ByPlugin, ObserveError> {
    // A bulk report grows with all apps of the server, `domains:report` by 85 ms each.
    if apps.len() == 1 || all > apps.len() * 20 {
        let mut out = ByPlugin::new();
        for (app, mine) in each(apps, |app| {
            PLUGINS
                .iter()
                .map(|plugin| Ok((*plugin, dokku.report(plugin, app)?)))
                .collect::<Result<Vec<_>, ObserveError>>()
        })? {
            for (plugin, report) in mine {
                out.entry(plugin.to_owned()).or_default().insert(app.clone(), report);
            }
        }
        return Ok(out);
    }
    Ok(dokku.all_reports(PLUGINS, AT_ONCE)?.1)
}

/// Asks for each app, a few at a time.
fn each<T: Send>(
    apps: &[String],
    ask: impl Fn(&str) -> Result<T, ObserveError> + Sync,
) -> Result<Vec<(String, T)>, ObserveError> {
    let next = Mutex::new(apps.iter());
    let out = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(apps.len()) {
            scope.spawn(|| {
                loop {
                    let app = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
                    let Some(app) = app else { return };
                    let answer = ask(app);
                    out.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((app.clone(), answer));
                }
            });
        }
    });
    let mut answers = out.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by(|one, two| one.0.cmp(&two.0));
    answers.into_iter().map(|(app, answer)| Ok((app, answer?))).collect()
}

fn ps(dokku: &Dokku, app: &str) -> Result<BTreeMap<String, String>, ObserveError> {
    let mut out = BTreeMap::new();
    for key in PS_KEYS {
        let value = dokku.ps_property(app, key)?;
        if !value.is_empty() {
            out.insert(format!("ps.{key}"), value);
        }
    }
    Ok(out)
}

fn properties<'a>(of: &impl Fn(&str) -> &'a Report) -> BTreeMap<String, String> {
    const KEYS: &[(&str, &str)] = &[
        ("network", "initial-network"),
        ("network", "bind-all-interfaces"),
        ("builder", "selected"),
        ("builder", "skip-cleanup"),
        ("builder", "build-dir"),
        ("builder-dockerfile", "dockerfile-path"),
        ("app-json", "appjson-path"),
        ("scheduler-docker-local", "init-process"),
        ("proxy", "disabled"),
        ("proxy", "type"),
        ("logs", "max-size"),
    ];
    KEYS.iter()
        .map(|(plugin, key)| (format!("{plugin}.{key}"), of(plugin).text(key).to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Stored options without Dokku's quotes: `--flag=value`.
fn logical(options: &Options) -> DockerOptions {
    let plain = |list: &[String]| -> Vec<String> {
        list.iter()
            .map(|stored| match option_words(stored) {
                Some(words) if words.len() == 2 && words[0].starts_with("--memory") => words.join("="),
                Some(words) => words.join(" "),
                None => stored.clone(),
            })
            .collect()
    };
    DockerOptions { build: plain(&options.build), deploy: plain(&options.deploy), run: plain(&options.run) }
}

fn mounts(mounted: &[Mounted]) -> Vec<AppMount> {
    let mut out: Vec<AppMount> = mounted
        .iter()
        .map(|mount| {
            let words: Vec<&str> =
                mount.read_only.then_some("ro").into_iter().chain(mount.options.iter().map(String::as_str)).collect();
            AppMount { source: mount.host_path.clone(), target: mount.container_path.clone(), options: words.join(",") }
        })
        .collect();
    out.sort();
    out
}

fn checks_word(checks: &Checks) -> &'static str {
    let covers = |list: &[String]| list.iter().any(|one| one == "_all_" || one == "web");
    if covers(&checks.disabled) {
        "disabled"
    } else if covers(&checks.skipped) {
        "skipped"
    } else {
        "enabled"
    }
}

fn amounts(resources: &Resources) -> BTreeMap<String, String> {
    let limits = resources.limit.iter().map(|(name, value)| (format!("limit.{name}"), value.clone()));
    let reserves = resources.reserve.iter().map(|(name, value)| (format!("reserve.{name}"), value.clone()));
    limits.chain(reserves).collect()
}

fn git_branch(report: &Report) -> String {
    let branch = report.text("computed-deploy-branch");
    if branch.is_empty() { "master".to_owned() } else { branch.to_owned() }
}

/// The commit of the deploy branch; empty: nothing was deployed.
pub(crate) fn commit(repository: &std::path::Path, branch: &str) -> String {
    if let Ok(text) = std::fs::read_to_string(repository.join("refs/heads").join(branch)) {
        return text.trim().to_owned();
    }
    let packed = std::fs::read_to_string(repository.join("packed-refs")).unwrap_or_default();
    let name = format!("refs/heads/{branch}");
    packed.lines().find_map(|line| line.strip_suffix(&name)?.split(' ').next()).unwrap_or_default().to_owned()
}
