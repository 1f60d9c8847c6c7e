//! A server in memory: what each action leaves behind, as far as plans depend on it.
//!
//! It is told what an action does by Dokku's documentation, and knows nothing of how plans are made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dokku_compose::docker::{ContainerFacts, ContainerSpec, ImageFacts, NetworkFacts, VolumeFacts};
use dokku_compose::map::resources::{AppHooks, FileContent, Source, StoreSpec};
use dokku_compose::observe::{Observed, ObservedApp, ObservedStore};
use dokku_compose::plan::{Action, Plan, Release};

use crate::project::KEY;

#[derive(Clone, Debug, Default)]
pub struct Server {
    pub observed: Observed,
    pub hooks: BTreeMap<String, AppHooks>,
    /// Content of delivered files by place.
    pub files: BTreeMap<PathBuf, String>,
    /// What this run's deliveries replaced.
    pub replaced: BTreeMap<PathBuf, Option<String>>,
}

impl Server {
    /// Runs a whole plan and commits it.
    pub fn run(&mut self, plan: &Plan) {
        for op in &plan.ops {
            self.apply(&op.action);
        }
        for action in &plan.cleanup {
            self.apply(action);
        }
        self.replaced.clear();
    }

    /// All that an observer or a user could tell apart, as text.
    pub fn state(&self) -> String {
        let mut copy = self.clone();
        for app in copy.observed.apps.values_mut() {
            // Dokku keeps these as sets.
            for list in [
                &mut app.options.build,
                &mut app.options.deploy,
                &mut app.options.run,
                &mut app.ports,
                &mut app.domains,
            ] {
                list.sort();
            }
            app.mounts.sort();
        }
        // A pulled image stays: it is a cache.
        copy.observed.images.clear();
        format!("{:#?}\n{:#?}\n{:#?}", copy.observed, copy.hooks, copy.files)
    }

    fn app(&mut self, name: &str) -> &mut ObservedApp {
        self.observed.apps.get_mut(name).unwrap_or_else(|| panic!("there is no app {name}"))
    }

    /// Does what the action does.
    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::NetworkCreate { spec } => {
                let facts =
                    NetworkFacts { name: spec.name.clone(), labels: spec.labels.clone(), ..NetworkFacts::default() };
                assert!(self.observed.networks.insert(spec.name.clone(), facts).is_none(), "{} exists", spec.name);
            }
            Action::NetworkRemove { name } => drop(self.observed.networks.remove(name)),
            Action::VolumeCreate { spec } => {
                let facts =
                    VolumeFacts { name: spec.name.clone(), labels: spec.labels.clone(), ..VolumeFacts::default() };
                self.observed.volumes.insert(spec.name.clone(), facts);
            }
            Action::VolumeRemove { name } => drop(self.observed.volumes.remove(name)),
            Action::FilesDeliver { tree } => {
                let text = match &tree.content {
                    FileContent::Path { .. } | FileContent::Inline { .. } => tree.digest.clone(),
                    FileContent::Empty => String::new(),
                };
                let had = self.files.insert(tree.target.clone(), text);
                self.replaced.entry(tree.target.clone()).or_insert(had);
            }
            Action::FilesRestore { target } => match self.replaced.remove(target) {
                Some(Some(text)) => drop(self.files.insert(target.clone(), text)),
                Some(None) => drop(self.files.remove(target)),
                None => {}
            },
            Action::FilesRemove { target } => drop(self.files.remove(target)),
            Action::HooksWrite { app, hooks } => drop(self.hooks.insert(app.clone(), (**hooks).clone())),
            Action::HooksRemove { app } => drop(self.hooks.remove(app)),
            Action::AppCreate { app } => self.create(app),
            Action::AppDestroy { app } => {
                self.observed.apps.remove(app);
                self.observed.app_names.remove(app);
                self.observed.app_containers.remove(app);
            }
            Action::ConfigSet { app, values } => {
                let values = values.iter().map(|(name, value)| (name.clone(), value.clone()));
                self.app(app).config.extend(values);
            }
            Action::ConfigUnset { app, keys } => self.app(app).config.retain(|name, _| !keys.contains(name)),
            Action::PropertySet { app, plugin, key, value } => {
                let name = format!("{plugin}.{key}");
                let properties = &mut self.app(app).properties;
                if value.is_empty() {
                    drop(properties.remove(&name))
                } else {
                    drop(properties.insert(name, value.clone()))
                }
            }
            Action::OptionsAdd { app, phase, options } => {
                let list = self.options(app, phase);
                list.extend(options.iter().cloned());
                list.sort();
            }
            Action::OptionsRemove { app, phase, options } => {
                self.options(app, phase).retain(|one| !options.contains(one))
            }
            Action::StorageMount { app, mount } => {
                assert!(!self.app(app).mounts.contains(mount), "Mount path already exists.");
                self.app(app).mounts.push(mount.clone());
            }
            Action::StorageUnmount { app, mount } => self.app(app).mounts.retain(|one| one != mount),
            Action::PortsSet { app, ports } => self.app(app).ports.clone_from(ports),
            Action::DomainsAdd { app, domains } => self.app(app).domains.extend(domains.iter().cloned()),
            Action::DomainsRemove { app, domains } => self.app(app).domains.retain(|one| !domains.contains(one)),
            Action::DomainsDisable { app } => self.app(app).domains_enabled = false,
            Action::DomainsEnable { app } => self.app(app).domains_enabled = true,
            Action::ChecksSet { app, mode } => self.app(app).checks.clone_from(mode),
            Action::ResourceSet { app, kind, values } => {
                for (name, value) in values {
                    let name = format!("{kind}.{name}");
                    let all = &mut self.app(app).resources;
                    if value.is_empty() { drop(all.remove(&name)) } else { drop(all.insert(name, value.clone())) }
                }
            }
            Action::Scale { app, quantity, deploy } => {
                self.app(app).scale = *quantity;
                if *deploy {
                    self.start(app);
                }
            }
            Action::Deploy { app, source } => self.deploy(app, source),
            Action::Rebuild { app } | Action::Restart { app } | Action::Start { app } => self.start(app),
            Action::ReleaseKeep { .. }
            | Action::ReleaseRecord { .. }
            | Action::ReleaseForget { .. }
            | Action::ImageKeep { .. }
            | Action::Await { .. } => {}
            Action::ReleaseRestore { app, release } => self.restore(app, release),
            Action::DatastoreCreate { store } => {
                let there = ObservedStore {
                    image: format!("{}:{}", store.image, store.version),
                    status: "running".into(),
                    networks: store.networks.iter().map(|(network, _)| network.clone()).collect(),
                    exposed: Vec::new(),
                };
                assert!(self.observed.stores.insert(store.key(), there).is_none(), "the service exists");
            }
            Action::DatastoreDestroy { plugin, service, .. } => {
                drop(self.observed.stores.remove(&format!("{plugin}:{service}")))
            }
            Action::DatastoreSetup { .. }
            | Action::DatastoreAwait { .. }
            | Action::DatastoreDump { .. }
            | Action::DatastoreCarryDump { .. }
            | Action::DatastoreCarryImport { .. }
            | Action::DatastoreCarryDrop { .. } => {}
            Action::DatastoreExpose { plugin, service, ports } => self.store(plugin, service).exposed.clone_from(ports),
            Action::DatastoreUpgrade { store, .. } => {
                let there = self.store(&store.plugin, &store.service);
                (there.image, there.status) = (store.image_name(), "running".into());
            }
            Action::DatastoreLink { plugin, service, app } => {
                let option = link_option(plugin, service);
                self.options(app, "deploy").push(option);
            }
            Action::DatastoreUnlink { plugin, service, app } => {
                let option = link_option(plugin, service);
                if self.observed.apps.contains_key(app) {
                    self.options(app, "deploy").retain(|one| *one != option);
                }
            }
            Action::DatastoreNetworks { plugin, service, networks } => {
                self.store(plugin, service).networks.clone_from(networks)
            }
            Action::DatastoreStart { plugin, service } => self.store(plugin, service).status = "running".into(),
            Action::DatastoreStop { plugin, service } => self.store(plugin, service).status = String::new(),
            Action::Stop { app } => drop(self.observed.app_containers.remove(app)),
            Action::ImagePull { image, .. } => self.image(image),
            Action::ImageBuild { spec } => self.image(&spec.tag),
            Action::ImageRemove { image } => drop(self.observed.images.remove(image)),
            Action::ContainerRun { spec } => self.container(spec, "running"),
            Action::JobRun { spec, .. } => self.container(spec, "exited"),
            Action::ContainerRemove { name } => drop(self.observed.containers.remove(name)),
            Action::ContainerStash { name, stash } => {
                let mut facts = self.observed.containers.remove(name).unwrap();
                facts.name.clone_from(stash);
                facts.status = "exited".into();
                self.observed.containers.insert(stash.clone(), facts);
            }
            Action::ContainerUnstash { name, stash, running } => {
                if let Some(mut facts) = self.observed.containers.remove(stash) {
                    facts.name.clone_from(name);
                    self.observed.containers.insert(name.clone(), facts);
                }
                let stopped = self.observed.containers.get(name).filter(|facts| *running && facts.status != "running");
                if let Some(mut facts) = stopped.cloned() {
                    facts.status = "running".into();
                    facts.id = self.started(&facts);
                    self.observed.containers.insert(name.clone(), facts);
                }
            }
        }
    }

    fn store(&mut self, plugin: &str, service: &str) -> &mut ObservedStore {
        self.observed.stores.get_mut(&format!("{plugin}:{service}")).unwrap()
    }

    fn create(&mut self, app: &str) {
        let fresh = ObservedApp {
            checks: "enabled".into(),
            scale: 1,
            branch: "master".into(),
            domains: vec![format!("{app}.dokku.me")],
            domains_enabled: true,
            properties: BTreeMap::from([("proxy.type".to_owned(), "parked".to_owned())]),
            ..ObservedApp::default()
        };
        assert!(self.observed.apps.insert(app.to_owned(), fresh).is_none(), "Name is already taken");
        self.observed.app_names.insert(app.to_owned());
    }

    fn options(&mut self, app: &str, phase: &str) -> &mut Vec<String> {
        let options = &mut self.app(app).options;
        match phase {
            "build" => &mut options.build,
            "deploy" => &mut options.deploy,
            "run" => &mut options.run,
            other => panic!("there is no phase {other}"),
        }
    }

    fn deploy(&mut self, name: &str, source: &Source) {
        let source_image = match source {
            Source::Image { image, .. } => {
                self.image(image);
                image.clone()
            }
            Source::Archive { .. } => String::new(),
        };
        let release = match source {
            Source::Image { image, .. } => image,
            Source::Archive { digest, .. } => digest,
        };
        let app = self.app(name);
        app.image_id = format!("sha256:{release}");
        app.commit = format!("commit of {release}");
        app.source_image = source_image;
        self.start(name);
    }

    /// Containers as the settings of this moment make them: the same settings give the same ones.
    fn start(&mut self, name: &str) {
        let app = self.app(name).clone();
        if !app.deployed() {
            return;
        }
        let files = self.content(app.mounts.iter().map(|mount| &mount.source));
        let seen = (app.config, app.options.deploy, app.properties, app.mounts, app.resources, app.image_id, files);
        let digest = KEY.digest(&format!("{seen:?}"));
        let all = (1..=app.scale).map(|index| ContainerFacts {
            id: format!("{index} with settings {}", &digest[..8]),
            name: format!("{name}.web.{index}"),
            status: "running".into(),
            ..ContainerFacts::default()
        });
        let all: Vec<ContainerFacts> = all.collect();
        if all.is_empty() {
            drop(self.observed.app_containers.remove(name))
        } else {
            drop(self.observed.app_containers.insert(name.to_owned(), all))
        }
    }

    fn restore(&mut self, name: &str, release: &Release) {
        let app = self.app(name);
        app.image_id.clone_from(&release.image_id);
        app.commit.clone_from(&release.commit);
        app.source_image.clone_from(&release.source_image);
        let running = self.observed.app_containers.get(name).into_iter().flatten();
        let mut running: Vec<&String> = running.filter(|one| one.status == "running").map(|one| &one.id).collect();
        running.sort();
        if running.into_iter().eq(&release.containers) {
            return;
        }
        if release.running { self.start(name) } else { drop(self.observed.app_containers.remove(name)) }
    }

    /// What a container read from mounted files when it started is a part of what it is.
    fn started(&self, facts: &ContainerFacts) -> String {
        format!("{} of {} with files {}", facts.name, facts.image, self.content(facts.mounts.iter()))
    }

    fn content<'a>(&self, sources: impl Iterator<Item = &'a String>) -> String {
        let all: Vec<_> = sources.filter_map(|source| self.files.get(Path::new(source))).collect();
        format!("{all:?}")
    }

    fn image(&mut self, reference: &str) {
        let facts = ImageFacts { id: format!("sha256:{reference}"), ..ImageFacts::default() };
        self.observed.images.entry(reference.to_owned()).or_insert(facts);
    }

    fn container(&mut self, spec: &ContainerSpec, status: &str) {
        let image =
            self.observed.images.get(&spec.image).unwrap_or_else(|| panic!("{} is not on the server", spec.image));
        let mut facts = ContainerFacts {
            mounts: spec.mounts.iter().map(|mount| mount.source.clone()).collect(),
            name: spec.name.clone(),
            image: spec.image.clone(),
            image_id: image.id.clone(),
            status: status.into(),
            labels: spec.labels.clone(),
            ..ContainerFacts::default()
        };
        facts.id = self.started(&facts);
        assert!(self.observed.containers.insert(spec.name.clone(), facts).is_none(), "{} is in use", spec.name);
    }
}

/// The option by which an app is linked to a service.
fn link_option(plugin: &str, service: &str) -> String {
    StoreSpec { plugin: plugin.into(), service: service.into(), ..StoreSpec::default() }.link_option()
}
