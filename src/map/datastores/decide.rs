//! Service or container: whether a Dokku plugin can keep true what a compose file says of its datastore.

use std::collections::{BTreeMap, BTreeSet};

use super::carry::{self, CarrySource};
use super::image;
use super::login::{self, Said};
use super::store::{StoreScript, StoreSpec, Wish};
use super::table::{Datastore, Driver};
use crate::docker::{ContainerPort, ContainerSpec};
use crate::map::classify;
use crate::map::container::{self, Mapped};
use crate::map::context::Context;
use crate::map::resources::{FileContent, FileTree, Kind};
use crate::model::Service;

/// Where the images' entry points look for scripts.
const SCRIPTS: &str = "/docker-entrypoint-initdb.d";

/// Kilobytes of a volume that holds no file.
const EMPTY: u64 = 8;

/// Seconds that a new service may take to answer.
const LIMIT: u64 = 180;

/// Settings of a container that the plugin chooses itself, or that change nothing of what is promised.
const FREE: &[&str] = &[
    "annotations",
    "command",
    "environment",
    "expose",
    "hostname",
    "image",
    "init",
    "labels",
    "log_driver",
    "log_options",
    "memory",
    "mounts",
    "name",
    "networks",
    "health",
    "restart",
    "shm_size",
    "stdin_open",
    "stop_timeout",
    "tty",
];

/// Whether the plugin may be used at all; the error is the reason, empty where there is nothing to say.
pub(in crate::map) fn possible(
    ctx: &Context<'_>,
    row: &Datastore,
    service: &Service,
    name: &str,
) -> Result<(), String> {
    let stores = ctx.stores;
    let wanted = classify::wanted(ctx, service);
    if stores.wish == Wish::Container && !wanted {
        return Err("--datastores container".into());
    }
    if stores.skip.contains(row.plugin) {
        return Err(format!("--skip-plugin {}", row.plugin));
    }
    let missing = || format!("the {} plugin is not installed: {}", row.plugin, row.install_command());
    if row.driver.is_none() {
        return Err(if wanted { format!("no services are made of {} yet", row.plugin) } else { String::new() });
    }
    let Some(able) = stores.installed.get(row.plugin) else {
        let before = ctx.remembered.and_then(|last| last.services.get(&service.name)).map(|last| &last.kind);
        let had = matches!(before, Some(Kind::Datastore(_)));
        return Err(if wanted || had { missing() } else { String::new() });
    };
    if !row.runs(service.image.as_deref().unwrap_or_default()) {
        return Err(format!("the {} plugin does not run this image as its own", row.plugin));
    }
    if !able {
        return Err(format!("the {0} plugin is too old to join networks: sudo dokku plugin:update {0}", row.plugin));
    }
    let key = format!("{}:{name}", row.plugin);
    if stores.taken.contains(&key) {
        return Err(format!("the {} service {name} is there and is not of this project", row.plugin));
    }
    Ok(())
}

/// The service, or why it has to be a container.
pub(in crate::map) fn spec(
    ctx: &Context<'_>,
    service: &Service,
    row: &'static Datastore,
    mapped: &Mapped,
    name: &str,
) -> Result<(StoreSpec, Option<CarrySource>), String> {
    let image = service.image.as_deref().unwrap_or_default();
    let Some(driver) = row.driver else { return Err(String::new()) };
    let spec = &mapped.spec;
    unkept(spec)?;
    if !(service.post_start.is_empty() && service.pre_stop.is_empty() && service.pre_start.is_empty()) {
        return Err("the plugin runs no hooks".into());
    }
    if service.replicas() != 1 {
        return Err("a plugin's service is one container".into());
    }
    let (repository, version) = image::split(image);
    let before = ctx.remembered.and_then(|last| last.services.get(&service.name));
    // One of its own that is there has the data, also where nothing is remembered of the project.
    let is_service = before.is_some_and(|before| matches!(before.kind, Kind::Datastore(_)))
        || before.is_none() && ctx.stores.own.contains(&format!("{}:{name}", row.plugin));
    let mut files = files(ctx, driver, mapped, (!is_service).then_some((service, row)))?;
    let mut environment = BTreeMap::new();
    for (name, value) in &spec.environment {
        let value = value.expose().unwrap_or_default().to_owned();
        match name.strip_suffix("_FILE").filter(|_| value.starts_with('/') && driver != Driver::Open) {
            Some(plain) => {
                let text = files.secrets.remove(&value).ok_or_else(|| format!("{name} is no secret of the file"))?;
                environment.insert(plain.to_owned(), text.trim_end_matches(['\n', '\r']).to_owned());
            }
            None => drop(environment.insert(name.clone(), value)),
        }
    }
    let moved = before.is_some_and(|before| matches!(before.kind, Kind::Container(_)));
    if moved && files.carry.is_none() {
        return Err("its container's data lies in no volume that could be carried over".into());
    }
    if let Some(from) = files.carry.as_ref().filter(|_| ctx.stores.own.contains(&format!("{}:{name}", row.plugin))) {
        let message = format!(
            "the data of {} in the volume {} cannot be carried over: the {} service {name} is there, with data of its own",
            service.name, from.volume, row.plugin
        );
        let hint = format!(
            "save it if it is needed, then remove it: dokku {0}:export {name} > FILE, {0}:destroy {name}",
            row.plugin
        );
        ctx.error("carry-over", &format!("services.{}.image", service.name), message, &hint);
    }
    if let Some(path) = files.secrets.keys().next() {
        return Err(format!("{path} is mounted, which the plugin cannot"));
    }
    let command = spec.command.clone().unwrap_or_default();
    let kept = login::read(driver, Said { plugin: row.plugin, image, version, environment, command })?;
    let mut networks = Vec::new();
    for (network, endpoint) in &spec.networks {
        if !endpoint.ipv4.is_empty() || !endpoint.ipv6.is_empty() || !endpoint.mac.is_empty() {
            return Err("it has a fixed address".into());
        }
        if !endpoint.link_local.is_empty() || !endpoint.options.is_empty() {
            return Err("its network has driver options for it".into());
        }
        networks.push((network.clone(), endpoint.aliases.clone()));
    }
    const MIB: i64 = 1024 * 1024;
    if spec.memory % MIB != 0 {
        return Err("mem_limit is no whole number of megabytes".into());
    }
    for name in &kept.dropped {
        let path = format!("services.{}.environment.{name}", service.name);
        ctx.approximated(&path, "the plugin chooses where the data lies", "");
    }
    let store = StoreSpec {
        plugin: row.plugin.to_owned(),
        service: name.to_owned(),
        image: repository.to_owned(),
        version: version.to_owned(),
        memory: u64::try_from(spec.memory / MIB).unwrap_or(0),
        shm_size: u64::try_from(spec.shm_size).unwrap_or(0),
        environment: kept.environment.into_iter().map(|(name, value)| (name, ctx.secret(value))).collect(),
        options: kept.options,
        networks,
        expose: expose(row, &container::published(service))?,
        login: kept.login.sealed(|text| ctx.secret(text)),
        scripts: files.scripts.into_iter().map(|(name, text)| StoreScript { name, text: ctx.secret(text) }).collect(),
        linked: BTreeSet::new(),
        uses: Vec::new(),
        limit: LIMIT,
        container: ContainerSpec {
            image: image.to_owned(),
            ports: container::published(service),
            // Redis has its password among the words; an export puts them together again.
            command: spec.command.clone().filter(|_| driver != Driver::Redis),
            ..spec.clone()
        },
    };
    Ok((store, files.carry))
}

/// The first setting of a container that the plugin has no place for.
fn unkept(spec: &ContainerSpec) -> Result<(), String> {
    let fields = |spec: &ContainerSpec| serde_json::to_value(spec).unwrap_or_default();
    let (given, plain) = (fields(spec), fields(&ContainerSpec::default()));
    for (key, value) in given.as_object().into_iter().flatten() {
        if !FREE.contains(&key.as_str()) && plain.get(key) != Some(value) {
            return Err(format!("the plugin cannot keep {}", if key == "nano_cpus" { "cpus" } else { key }));
        }
    }
    Ok(())
}

/// What is mounted, apart from the data.
#[derive(Default)]
struct Mounted {
    /// Scripts by name.
    scripts: BTreeMap<String, String>,
    /// Texts of secrets and configs by their path in the container.
    secrets: BTreeMap<String, String>,
    /// From where its data comes.
    carry: Option<CarrySource>,
}

/// Where the data of an image lies.
pub fn data(driver: Driver) -> &'static [&'static str] {
    match driver {
        Driver::Postgres => &["/var/lib/postgresql/data", "/var/lib/postgresql"],
        Driver::Mysql => &["/var/lib/mysql"],
        Driver::Redis => &["/data"],
        Driver::Open => &[],
    }
}

/// Data of before in its volume: whether it holds some, and from where the service gets it.
fn carried(ctx: &Context<'_>, service: &Service, row: &Datastore, volume: &str) -> Result<Option<CarrySource>, String> {
    let asked = ctx.stores.carries(&service.name);
    let Some(held) = ctx.stores.held.get(&service.name).filter(|held| held.volume == volume) else {
        // Nobody but its owner can look into a volume; one that is there is taken to hold something.
        return Err(format!("the volume {volume} is there and may hold its data"));
    };
    if held.unseen.is_empty() && held.path.is_empty() {
        // An empty one, or one that holds something else.
        return if held.kilobytes <= EMPTY {
            Ok(None)
        } else {
            Err(format!("the volume {volume} is there and may hold its data"))
        };
    }
    if !asked {
        let what = if held.unseen.is_empty() {
            format!("holds {}; --carry-over moves it into a service", held.words(row.plugin))
        } else {
            "is there and may hold its data".into()
        };
        return Err(format!("the volume {volume} {what}"));
    }
    carry::source(row, service.image.as_deref().unwrap_or_default(), held).map(Some).map_err(|why| {
        let hint = "nothing was changed; leave --carry-over away and it stays a container on its volume";
        let message = format!("the data of {} in the volume {volume} cannot be carried over: {why}", service.name);
        ctx.error("carry-over", &format!("services.{}.image", service.name), message, hint);
        format!("the volume {volume} cannot be carried over: {why}")
    })
}

/// `new`: a service that is to be made, whose data may lie in a volume of before.
fn files(
    ctx: &Context<'_>,
    driver: Driver,
    mapped: &Mapped,
    new: Option<(&Service, &Datastore)>,
) -> Result<Mounted, String> {
    let mut out = Mounted::default();
    for mount in &mapped.spec.mounts {
        let target = mount.target.trim_end_matches('/');
        let place = data(driver).contains(&target)
            || driver == Driver::Postgres
                && mapped.spec.environment.get("PGDATA").and_then(|at| at.expose()).is_some_and(|at| at == target);
        if mount.kind == "volume" && place {
            if let (Some((service, row)), true) = (new, ctx.volumes.contains_key(&mount.source)) {
                out.carry = carried(ctx, service, row, &mount.source)?;
            }
            if ctx
                .compose
                .volumes
                .values()
                .any(|volume| volume.external && volume.name.as_deref() == Some(&mount.source))
            {
                return Err(format!("its data is to lie in the external volume {}", mount.source));
            }
            continue;
        }
        if place {
            return Err(format!("its data is to lie at {}, which the file chooses", mount.source));
        }
        let tree = mapped.files.iter().find(|tree| mount.kind == "bind" && is_source(ctx, tree, &mount.source));
        let Some(tree) = tree else {
            return Err(format!("{target} is mounted, which the plugin cannot"));
        };
        if driver != Driver::Open && driver != Driver::Redis && target.starts_with(SCRIPTS) {
            scripts(tree, target, &mut out.scripts)?;
        } else {
            out.secrets.insert(target.to_owned(), text(tree).ok_or_else(|| format!("{target} cannot be read"))?);
        }
    }
    Ok(out)
}

fn is_source(ctx: &Context<'_>, tree: &FileTree, source: &str) -> bool {
    let seen = tree.target.strip_prefix(&ctx.site.lib_root).map(|inside| ctx.site.lib_host_root.join(inside));
    seen.unwrap_or_else(|_| tree.target.clone()).to_string_lossy() == source
}

/// The text of one file.
fn text(tree: &FileTree) -> Option<String> {
    match &tree.content {
        FileContent::Inline { text } => text.expose().map(str::to_owned),
        FileContent::Path { path } => std::fs::read_to_string(path).ok(),
        FileContent::Empty => None,
    }
}

/// Scripts as the entry point would find them; what is more than SQL needs the container's own shell.
fn scripts(tree: &FileTree, target: &str, out: &mut BTreeMap<String, String>) -> Result<(), String> {
    let mut add = |name: &str, text: Option<String>| {
        if !name.ends_with(".sql") {
            let known = [".sh", ".gz", ".xz", ".zst"].iter().any(|end| name.ends_with(end));
            return if known { Err(format!("the initial script {name} needs the image's own shell")) } else { Ok(()) };
        }
        let text = text.ok_or_else(|| format!("the initial script {name} cannot be read"))?;
        out.insert(name.to_owned(), text);
        Ok(())
    };
    match (&tree.content, target == SCRIPTS) {
        (FileContent::Empty, _) => Ok(()),
        (FileContent::Path { path }, true) => {
            let entries = std::fs::read_dir(path).map_err(|_| "the initial scripts cannot be read".to_owned())?;
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.path().is_file() {
                    add(&name, std::fs::read_to_string(entry.path()).ok())?;
                }
            }
            Ok(())
        }
        (_, true) => Err(format!("{SCRIPTS} is no directory")),
        (_, false) => add(target.rsplit('/').next().unwrap_or_default(), text(tree)),
    }
}

/// Host ports as `:expose` takes them: one, of the plugin's own port.
fn expose(row: &Datastore, ports: &[ContainerPort]) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for port in ports {
        if port.container_port != row.port || port.protocol != "tcp" {
            return Err(format!("it publishes port {}, and the plugin exposes {}", port.container_port, row.port));
        }
        if port.host_port.parse::<u16>().is_err() {
            return Err("it publishes no port of a certain number".into());
        }
        let address = if port.host_ip.contains(':') { format!("[{}]", port.host_ip) } else { port.host_ip.clone() };
        let at = if address.is_empty() { String::new() } else { format!("{address}:") };
        out.push(format!("{at}{}", port.host_port));
    }
    if out.len() > 1 {
        return Err("it publishes several ports, and the plugin exposes one".into());
    }
    Ok(out)
}
