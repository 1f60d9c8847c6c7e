//! The datastore plugins: a service is a container `dokku.TYPE.NAME` and files below `services/TYPE/NAME`.

mod client;
mod kinds;
mod links;
mod move_on;
mod ports;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::engine::state::{Container, State};
use super::super::world::{World, names, read_text, remove_dir, remove_file, write_whole};
use super::super::{deploy, triggers};
use kinds::{KINDS, Kind};
pub(in crate::sandbox) use links::unlink_all;

const CREATE: &[(&str, &str)] = &[
    ("c", "config-options"),
    ("C", "custom-env"),
    ("i", "image"),
    ("I", "image-version"),
    ("m", "memory"),
    ("N", "initial-network"),
    ("p", "password"),
    ("P", "post-create-network"),
    ("r", "root-password"),
    ("S", "post-start-network"),
    ("s", "shm-size"),
];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    let (plugin, verb) = command.split_once(':')?;
    let kind = KINDS.iter().find(|kind| kind.name == plugin)?;
    let work: fn(&mut Ctx, &Kind, &[String]) -> Answer = match verb {
        "create" => create,
        "exists" => exists,
        "info" => info,
        "list" => list,
        "link" => links::link,
        "unlink" => links::unlink,
        "linked" => links::linked,
        "links" => links::links,
        "app-links" => links::app_links,
        "destroy" => destroy,
        "connect" => client::connect,
        "enter" => client::enter,
        "expose" => ports::expose,
        "unexpose" => ports::unexpose,
        "set" => set,
        "upgrade" => move_on::upgrade,
        "export" => move_on::export,
        "stop" | "pause" => stop,
        "start" => start,
        "restart" => |ctx, kind, words| {
            stop(ctx, kind, words)?;
            start(ctx, kind, words)
        },
        "logs" => |ctx, kind, words| {
            let (_, service) = existing(ctx, kind, words, &["tail", "t"])?;
            for line in
                State::load(&ctx.world)?.container(&service.container()).map(|one| one.log.clone()).unwrap_or_default()
            {
                ctx.line(&line);
            }
            Ok(())
        },
        _ => return None,
    };
    Some(work(ctx, kind, args))
}

/// A service's files.
struct Service<'a> {
    world: World,
    kind: &'a Kind,
    name: String,
}

impl Service<'_> {
    fn root(&self) -> PathBuf {
        self.world.lib().join("services").join(self.kind.name).join(&self.name)
    }

    fn file(&self, name: &str) -> String {
        read_text(&self.root().join(name)).trim_end_matches('\n').to_owned()
    }

    fn put(&self, name: &str, text: &str) -> Answer {
        let path = self.root().join(name);
        if text.is_empty() {
            remove_file(&path)?
        } else {
            write_whole(&path, format!("{text}\n").as_bytes())?
        }
        Ok(())
    }

    fn container(&self) -> String {
        format!("dokku.{}.{}", self.kind.name, self.name)
    }

    fn host(&self) -> String {
        self.container().replace(['.', '_'], "-")
    }

    fn database(&self) -> String {
        self.file("DATABASE_NAME")
    }

    fn dsn(&self) -> String {
        let Kind { scheme, port, .. } = self.kind;
        let user = if self.kind.user == "@" { &self.name } else { self.kind.user };
        let login = if self.kind.password { format!("{user}:{}@", self.file("PASSWORD")) } else { String::new() };
        let database = if self.kind.database { format!("/{}", self.database()) } else { String::new() };
        format!("{scheme}://{login}{}:{port}{database}", self.host())
    }

    fn links(&self) -> Vec<String> {
        self.file("LINKS").lines().map(str::to_owned).collect()
    }

    fn link_option(&self) -> String {
        format!("--link {}:{}", self.container(), self.host())
    }
}

fn existing<'a>(ctx: &Ctx, kind: &'a Kind, words: &[String], known: &[&str]) -> Answer<(Args, Service<'a>)> {
    let mut all = known.to_vec();
    all.extend(["force", "f", "quiet", "trace", "no-restart", "n"]);
    let args = Args::parse(words, &all, false)?;
    let Some(name) = args.rest().first().cloned() else {
        return fail("Please specify a valid name for the service");
    };
    let service = Service { world: ctx.world.clone(), kind, name };
    if service.root().is_dir() {
        return Ok((args, service));
    }
    fail(format!("{} service {} does not exist", kind.title, service.name))
}

fn create(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let known: Vec<String> =
        CREATE.iter().flat_map(|(short, long)| [format!("{short}="), format!("{long}=")]).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let args = Args::parse(words, &known, false)?;
    let value = |long: &str| {
        let short = CREATE.iter().find(|(_, name)| *name == long).map_or("", |(short, _)| short);
        let given = args.value(long).or_else(|| args.value(short)).unwrap_or_default().to_owned();
        // `service_parse_args` exports the flags' values under these names; what no flag gives is the caller's.
        let variable = match long {
            "password" => "SERVICE_PASSWORD",
            "root-password" => "SERVICE_ROOT_PASSWORD",
            "custom-env" => "SERVICE_CUSTOM_ENV",
            _ => return given,
        };
        if given.is_empty() { std::env::var(variable).unwrap_or_default() } else { given }
    };
    let Some(name) = args.rest().first().cloned() else {
        return fail("Please specify a valid name for the service");
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return fail("Please specify a valid name for the service. Valid characters are: [A-Za-z0-9_]+");
    }
    let service = Service { world: ctx.world.clone(), kind, name };
    if service.root().is_dir() {
        return fail(format!("{} service {} already exists", kind.title, service.name));
    }
    let (repository, version) = kind.image.split_once(':').unwrap_or((kind.image, "latest"));
    let image = value("image");
    let tag = value("image-version");
    let image = format!(
        "{}:{}",
        if image.is_empty() { repository } else { &image },
        if tag.is_empty() { version } else { &tag }
    );
    move_on::pull(ctx, kind, &image)?;
    let mut password = value("password");
    if password.is_empty() {
        password = ctx.world.fresh_id("password")?[..32].to_owned();
    } else {
        ctx.warn("Specified password may not be as secure as the auto-generated password");
    }
    let mut root = value("root-password");
    if kind.root && root.is_empty() {
        root = ctx.world.fresh_id("root password")?[..16].to_owned();
    } else if kind.root {
        ctx.warn("Specified root password may not be as secure as the auto-generated root password");
    }
    for (file, text) in [
        ("PASSWORD", password),
        ("ROOTPASSWORD", root),
        ("DATABASE_NAME", service.name.replace(['.', '-'], "_")),
        ("IMAGE", image),
        ("CONFIG_OPTIONS", value("config-options")),
        ("ENV", value("custom-env").replace(';', "\n")),
        ("SERVICE_MEMORY", value("memory")),
        ("SHM_SIZE", value("shm-size")),
        ("INITIAL_NETWORK", value("initial-network")),
        ("POST_CREATE_NETWORK", value("post-create-network")),
        ("POST_START_NETWORK", value("post-start-network")),
    ] {
        service.put(file, &text)?;
    }
    for directory in ["data", kind.config_dir] {
        std::fs::create_dir_all(service.root().join(directory))?;
    }
    triggers::call(ctx, "service-action", &["post-create", kind.name, &service.name])?;
    bring_up(ctx, &service, true)
}

/// The variables of a service's container (`service_create_container`).
fn environment(service: &Service<'_>) -> BTreeMap<String, String> {
    let own = match service.kind.name {
        "postgres" => vec![("POSTGRES_PASSWORD", service.file("PASSWORD"))],
        "mysql" | "mariadb" => vec![
            ("MYSQL_DATABASE", service.database()),
            ("MYSQL_PASSWORD", service.file("PASSWORD")),
            ("MYSQL_ROOT_PASSWORD", service.file("ROOTPASSWORD")),
            ("MYSQL_USER", service.kind.name.to_owned()),
        ],
        _ => Vec::new(),
    };
    let given = service.file("ENV");
    let given = given.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name, value.to_owned()));
    given.chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn bring_up(ctx: &mut Ctx, service: &Service<'_>, first: bool) -> Answer {
    let kind = service.kind;
    let networks: Vec<String> =
        service.file("POST_CREATE_NETWORK").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if !networks.is_empty() {
        ctx.detail("Connecting to networks after container create");
    }
    for network in &networks {
        ctx.detail(&format!("- {network}"));
    }
    let mount = format!("{}:{}", service.root().join("data").display(), data_dir(kind, &service.file("IMAGE")));
    let initial = service.file("INITIAL_NETWORK");
    let container = Container {
        name: service.container(),
        image: service.file("IMAGE"),
        labels: [("dokku".to_owned(), "service".to_owned()), ("dokku.service".to_owned(), kind.name.to_owned())].into(),
        environment: environment(service),
        mounts: vec![mount],
        restart: "always".to_owned(),
        ..Container::default()
    };
    let world = ctx.world.clone();
    let behaviour = world.behaviour();
    let host = service.host();
    let begun = deploy::engine(ctx, |state| {
        let id = state.create(&world, container)?;
        state.connect(if initial.is_empty() { "bridge" } else { &initial }, &id, &[], "")?;
        for network in &networks {
            state.connect(network, &id, std::slice::from_ref(&host), "")?;
        }
        state.start(&behaviour, &id)?;
        Ok(id)
    })?;
    let id = match begun {
        Ok(id) => id,
        Err(error) => {
            ctx.error_line(&format!("Error response from daemon: {error}"));
            return Err(Stop::Exit(1));
        }
    };
    service.put("ID", &id)?;
    ports::hold(ctx, service)?;
    ctx.detail("Waiting for container to be ready");
    let up = deploy::engine(ctx, |state| state.container_mut(&id).map(|one| one.status == "running"))??;
    if !up {
        ctx.warn("Start of container timed out");
        return Err(Stop::Exit(1));
    }
    if kind.name == "postgres" && first {
        ctx.detail("Creating container database");
        ctx.detail("Securing connection to database");
    }
    ctx.head(&format!("{} container created: {}", kind.title, service.name));
    show(ctx, service)
}

/// Where an image has its data, which the plugin mounts there (`service_create_container`).
fn data_dir(kind: &Kind, image: &str) -> &'static str {
    let tag = image.rsplit(':').next().unwrap_or_default();
    let major: String = tag.chars().take_while(char::is_ascii_digit).collect();
    match kind.name {
        "postgres" if major.parse().is_ok_and(|major: u32| major >= 18) => "/var/lib/postgresql",
        "postgres" => "/var/lib/postgresql/data",
        "mysql" | "mariadb" => "/var/lib/mysql",
        "mongo" => "/data/db",
        "rabbitmq" => "/var/lib/rabbitmq",
        _ => "/data",
    }
}

fn facts(ctx: &Ctx, service: &Service<'_>) -> Answer<Vec<(&'static str, String)>> {
    let mut state = State::load(&ctx.world)?;
    state.refresh(&ctx.world.behaviour());
    let container = state.container(&service.container());
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let root = service.root();
    let initial = service.file("INITIAL_NETWORK");
    let network = if initial.is_empty() { "bridge" } else { &initial };
    Ok(vec![
        ("Config dir", root.join(service.kind.config_dir).display().to_string()),
        ("Config options", service.file("CONFIG_OPTIONS")),
        ("Data dir", root.join("data").display().to_string()),
        ("Dsn", service.dsn()),
        ("Exposed ports", dash(ports::shown(service))),
        ("Id", service.file("ID")),
        (
            "Internal ip",
            container
                .and_then(|one| one.networks.get(network))
                .map(|endpoint| endpoint.address.clone())
                .unwrap_or_default(),
        ),
        ("Initial network", initial.clone()),
        ("Links", dash(service.links().join(" "))),
        ("Post create network", service.file("POST_CREATE_NETWORK")),
        ("Post start network", service.file("POST_START_NETWORK")),
        ("Service root", root.display().to_string()),
        ("Status", container.map_or_else(|| "missing".to_owned(), |one| one.status.clone())),
        ("Version", service.file("IMAGE")),
    ])
}

fn show(ctx: &mut Ctx, service: &Service<'_>) -> Answer {
    ctx.head(&format!("{} {} service information", service.name, service.kind.name));
    for (key, value) in facts(ctx, service)? {
        ctx.line(&format!("       {:<20} {value:<25}", format!("{key}:")));
    }
    Ok(())
}

const INFO: [&str; 14] = [
    "config-dir",
    "config-options",
    "data-dir",
    "dsn",
    "exposed-ports",
    "id",
    "internal-ip",
    "initial-network",
    "links",
    "post-create-network",
    "post-start-network",
    "service-root",
    "status",
    "version",
];

fn info(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service) = existing(ctx, kind, words, &INFO)?;
    match INFO.iter().position(|flag| args.has(flag)) {
        Some(at) => {
            let value = facts(ctx, &service)?.swap_remove(at).1;
            ctx.line(&value);
            Ok(())
        }
        None => show(ctx, &service),
    }
}

fn exists(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    ctx.step(&format!("Service {} exists", service.name));
    Ok(())
}

fn services(world: &World, kind: &str) -> Vec<String> {
    names(&world.lib().join("services").join(kind))
}

fn list(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    Args::parse(words, &["quiet"], false)?;
    let all = services(&ctx.world, kind.name);
    if all.is_empty() {
        ctx.warn(&format!("There are no {} services", kind.title));
        return Ok(());
    }
    ctx.head(&format!("{} services", kind.title));
    for name in all {
        ctx.line(&name);
    }
    Ok(())
}

fn pause(ctx: &mut Ctx, service: &Service<'_>) -> Answer {
    ctx.head("Pausing container");
    deploy::engine(ctx, |state| state.stop(&service.container(), 0))??;
    // The one that holds its port is stopped with it, and stays.
    let _ = deploy::engine(ctx, |state| state.stop(&ports::holder(service), 0))?;
    ctx.detail("Container paused");
    Ok(())
}

fn take_away(ctx: &mut Ctx, service: &Service<'_>) -> Answer {
    ctx.detail("Removing container");
    deploy::engine(ctx, |state| {
        state.remove(&service.container());
        Ok(())
    })??;
    Ok(())
}

fn destroy(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service) = existing(ctx, kind, words, &[])?;
    if !service.links().is_empty() {
        return fail("Cannot delete linked service");
    }
    if !args.has("force") && !args.has("f") && !ctx.globals.force {
        ctx.warn("WARNING: Potentially Destructive Action");
        ctx.warn(&format!("This command will destroy {} {} service.", service.name, kind.title));
        ctx.warn(&format!("To proceed, type \"{}\"", service.name));
        ctx.line("");
        let answer = String::from_utf8_lossy(&ctx.read_stdin()?).into_owned();
        match answer.lines().next() {
            None => return Err(Stop::Exit(1)),
            Some(line) if line.trim() == service.name => {}
            Some(_) => return fail("Confirmation did not match. Aborted."),
        }
    }
    ctx.head(&format!("Deleting {}", service.name));
    pause(ctx, &service)?;
    take_away(ctx, &service)?;
    ctx.detail("Removing data");
    remove_dir(&service.root())?;
    ctx.head(&format!("{} container deleted: {}", kind.title, service.name));
    Ok(())
}

fn stop(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    let up = State::load(&ctx.world)?.container(&service.container()).is_some_and(Container::active);
    if !up {
        ctx.head("Container already paused");
        return Ok(());
    }
    pause(ctx, &service)?;
    take_away(ctx, &service)
}

fn start(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    ctx.head("Starting container");
    if State::load(&ctx.world)?.container(&service.container()).is_some_and(Container::active) {
        ctx.head("Service is already started");
        return Ok(());
    }
    bring_up(ctx, &service, false)
}

fn set(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service) = existing(ctx, kind, words, &[])?;
    let key = args.at(1, "a property")?;
    if !matches!(key, "initial-network" | "post-create-network" | "post-start-network") {
        return fail(
            "Invalid key specified, valid keys include: initial-network, post-create-network, post-start-network",
        );
    }
    let value = args.rest()[2..].join(",");
    let what = if value.is_empty() { format!("Unsetting {key}") } else { format!("Setting {key} to {value}") };
    ctx.head(&what);
    service.put(&key.to_ascii_uppercase().replace('-', "_"), &value)
}
