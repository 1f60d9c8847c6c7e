//! Apps that were made by hand, with the datastores that they are linked to, as a stack to export.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::session::Session;
use super::{Exit, Failed};
use crate::docker::{ContainerMount, EndpointSpec, ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::dokku::Call;
use crate::dokku::datastore::Service;
use crate::export::processes::{self, SourceFiles};
use crate::export::{Form, Origin, Stack, Unit, app};
use crate::map::datastores::DATASTORES;
use crate::map::names;
use crate::map::resources::Need;
use crate::observe::{self, Observed, Wanted};
use crate::secret::{DigestKey, Secret};

/// Reads `apps` and what they are linked to; the project is called `name`, else as the first app.
pub(super) fn read(session: &Session, apps: &[String], name: Option<&str>) -> Result<Stack> {
    let project = name.unwrap_or_else(|| apps.first().map_or("", String::as_str)).to_owned();
    if !names::valid_project(&project) {
        bail!("{project} cannot be a project: give another with --name");
    }
    let key = session.digest_key(false)?;
    let wanted = Wanted {
        project: &project,
        containers: Default::default(),
        images: Default::default(),
        apps: Default::default(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    if let Some(missing) = apps.iter().find(|app| !observed.app_names.contains(*app)) {
        return Err(Failed::new(Exit::UnknownProject, format!("there is no app {missing}")).into());
    }
    observe::apps(&session.dokku, session.engine.as_ref(), &key, &mut observed, apps)?;
    let own = NetworkSpec { name: format!("{project}_default"), ..NetworkSpec::default() };
    let mut stack = Stack { project, networks: vec![own], domains: observed.domains.clone(), ..Stack::default() };
    for name in apps {
        let stores = datastores(session, name, &key)?;
        let mut units = units(session, name, &mut observed, &key)?;
        for store in stores {
            for unit in &mut units {
                unit.needs.insert(store.name.clone(), Need::Started);
                // The datastore is found by its old name on the project's network, without a link.
                let host = store.datastore_host().unwrap_or_default();
                for options in unit.dokku.options.values_mut() {
                    options.retain(|option| !(option.starts_with("--link") && option.ends_with(&format!(":{host}"))));
                }
            }
            let mounts = store.spec.mounts.iter();
            stack
                .volumes
                .extend(mounts.map(|mount| VolumeSpec { name: mount.source.clone(), ..VolumeSpec::default() }));
            if let Some(held) = &store.datastore {
                stack.stores.insert(store.name.clone(), held.clone());
            }
            stack.units.entry(store.name.clone()).or_insert(join(&stack.project, store));
        }
        for mut unit in units {
            unit.dokku.options.retain(|_, options| !options.is_empty());
            let default = format!("{}_default", stack.project);
            for (network, _) in unit.spec.networks.iter().filter(|(network, _)| *network != default) {
                stack.external_networks.insert(network.clone());
            }
            for mount in unit.spec.mounts.iter().filter(|mount| mount.kind == "volume") {
                stack.external_volumes.insert(mount.source.clone());
            }
            let unit = join(&stack.project, unit);
            if stack.units.contains_key(&unit.name) {
                bail!("two services would be called {}: export one of them apart", unit.name);
            }
            stack.units.insert(unit.name.clone(), unit);
        }
    }
    link(&mut stack);
    stack.volumes.dedup_by(|one, two| one.name == two.name);
    Ok(stack)
}

/// A link to another exported app (`--link=APP.web.1:ALIAS`) is a dependency, and the alias another name of it.
fn link(stack: &mut Stack) {
    let mut names = Vec::new();
    for unit in stack.units.values_mut() {
        unit.spec.links.retain(|link| {
            let (container, alias) = link.split_once(':').unwrap_or((link, link));
            let parts: Vec<&str> = container.split('.').collect();
            let target = match parts.as_slice() {
                [app, "web", _] => (*app).to_owned(),
                [app, process, _] => format!("{app}-{process}"),
                _ => return true,
            };
            names.push((unit.name.clone(), target, alias.to_owned()));
            false
        });
    }
    for (from, to, alias) in names {
        match stack.units.get_mut(&to) {
            Some(target) if from != to => {
                let own = target.spec.networks.first_mut().map(|(_, at)| &mut at.aliases);
                if let Some(aliases) = own.filter(|aliases| !aliases.contains(&alias)) {
                    aliases.push(alias);
                }
                if let Some(unit) = stack.units.get_mut(&from) {
                    unit.needs.insert(to, Need::Started);
                }
            }
            _ => {
                if let Some(unit) = stack.units.get_mut(&from) {
                    unit.notes.push(format!("its link to {to} as {alias} leads out of the stack and is left out"));
                }
            }
        }
    }
}

/// Puts a unit on the project's own network first, by its own name.
fn join(project: &str, mut unit: Unit) -> Unit {
    if !unit.spec.network_mode.is_empty() {
        return unit;
    }
    let mut aliases = vec![unit.name.clone()];
    if let Some(at) = unit.spec.networks.iter().position(|(network, _)| network.is_empty()) {
        let (_, endpoint) = unit.spec.networks.remove(at);
        aliases.extend(endpoint.aliases);
    }
    for (_, endpoint) in &mut unit.spec.networks {
        if !endpoint.aliases.contains(&unit.name) {
            endpoint.aliases.insert(0, unit.name.clone());
        }
    }
    let own = EndpointSpec { aliases, ..EndpointSpec::default() };
    unit.spec.networks.insert(0, (format!("{project}_default"), own));
    unit
}

/// The services that an app is: one a process type, `web` first.
fn units(session: &Session, name: &str, observed: &mut Observed, key: &DigestKey) -> Result<Vec<Unit>> {
    let given: Vec<String> = observed.domains.iter().map(|domain| format!("{name}.{domain}")).collect();
    let Some(now) = observed.apps.get_mut(name) else { bail!("the app {name} cannot be read") };
    if now.ports.is_empty() {
        // What Dokku found in the image, as long as nobody says otherwise.
        now.ports = session.dokku.report("ports", name)?.list("map-detected");
    }
    let mut notes = Vec::new();
    let origin = if now.source_image.is_empty() && !now.commit.is_empty() {
        if now.properties.get("builder.selected").is_some_and(|builder| builder != "dockerfile") {
            notes.push(format!(
                "a buildpack built it: the image is on this server only (docker save dokku/{name}:latest)"
            ));
            Origin::Image { image: format!("dokku/{name}:latest"), pull: false }
        } else {
            let dockerfile = now.properties.get("builder-dockerfile.dockerfile-path").cloned();
            let build = ImageBuildSpec {
                dockerfile: PathBuf::from(dockerfile.unwrap_or_else(|| "Dockerfile".into())),
                ..ImageBuildSpec::default()
            };
            Origin::Build { build: Box::new(build), repository: Some(name.to_owned()) }
        }
    } else {
        Origin::Image { image: now.source_image.clone(), pull: false }
    };
    let buildpack = now.source_image.is_empty() && !notes.is_empty();
    let asked = app::Asked {
        service: name,
        app: name,
        now,
        remembered: None,
        origin: Some(origin),
        given_domains: &given,
        secrets: &Default::default(),
        key,
    };
    let mut unit = app::unit(&asked);
    unit.notes.extend(notes);
    unit.buildpack = buildpack;
    let files = SourceFiles::read(&session.dokku.procfile(name), &session.dokku.app_json(name));
    Ok(processes::complete(unit, &files, &session.dokku.scale(name)?))
}

/// The datastores that an app is linked to, as containers of the project.
fn datastores(session: &Session, app: &str, key: &DigestKey) -> Result<Vec<Unit>> {
    let mut out = Vec::new();
    let installed = session.reserved();
    for store in DATASTORES.iter().filter(|store| installed.contains(store.plugin)) {
        let links = session.dokku.call(Call::new(&format!("{}:app-links", store.plugin), [app]).about(app))?;
        for service in links.stdout.split_whitespace() {
            // The engine is asked for its password, which Dokku tells those who may see it only.
            let info = format!("{}:info", store.plugin);
            if !session.dokku.may(&[&info, service])? {
                bail!("you may not read the {} service {service} on this server", store.plugin);
            }
            let container = format!("dokku.{}.{service}", store.plugin);
            let Some(facts) = session.engine.container(&container)? else {
                bail!(
                    "the {} service {service} is stopped, and cannot be read: dokku {}:start {service}",
                    store.plugin,
                    store.plugin
                );
            };
            let image = session.engine.image(&facts.image_id)?.unwrap_or_default();
            let mut unit = Unit {
                name: service.to_owned(),
                resource: container.clone(),
                form: Form::Container,
                datastore: Some((store.plugin.to_owned(), service.to_owned())),
                origin: Origin::Image { image: facts.image.clone(), pull: false },
                ..Unit::default()
            };
            for (name, value) in session.engine.container_environment(&container)?.unwrap_or_default() {
                if !image.environment.contains(&format!("{name}={value}")) {
                    unit.spec.environment.insert(name, Secret::new(value, key));
                }
            }
            if store.plugin == "postgres" {
                // The plugin makes the database itself, under this name; the image does it by a variable.
                let database = service.replace(['-', '.'], "_");
                unit.spec.environment.entry("POSTGRES_DB".into()).or_insert_with(|| Secret::new(database, key));
            }
            if store.plugin == "redis" {
                // The plugin has it in a file of its own; the image takes it as an argument only.
                let dsn = session.dokku.service_dsn(&Service { plugin: store.plugin, name: service })?;
                if let Some(password) = crate::secret::url_password(&dsn).filter(|password| !password.is_empty()) {
                    let words = ["redis-server", "--requirepass", password];
                    unit.spec.command = Some(words.map(str::to_owned).into());
                }
            }
            let host = unit.datastore_host().unwrap_or_default();
            let endpoint = EndpointSpec { aliases: vec![host], ..EndpointSpec::default() };
            unit.spec.networks.push((String::new(), endpoint));
            for (index, target) in image.volumes.iter().enumerate() {
                let suffix = if index == 0 { "data".to_owned() } else { format!("data-{index}") };
                unit.spec.mounts.push(ContainerMount {
                    kind: "volume".into(),
                    source: format!("{service}-{suffix}"),
                    target: target.clone(),
                    ..ContainerMount::default()
                });
            }
            unit.spec.restart = "unless-stopped".into();
            out.push(unit);
        }
    }
    Ok(out)
}
