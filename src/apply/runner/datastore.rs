//! Services of the datastore plugins.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{ActionError, Done, Ran, Step, ok};
use crate::docker::EndpointSpec;
use crate::dokku::DokkuError;
use crate::dokku::datastore::{Creation, Secrets, Service};
use crate::map::datastores::Driver;
use crate::map::datastores::{ambassador, sql};
use crate::map::resources::StoreSpec;
use crate::secret::{Secret, url_password};
use crate::state::store;

/// Pause between two queries.
const POLL: Duration = Duration::from_secs(1);
/// Pause between two looks at a lock.
const LOCK_POLL: Duration = Duration::from_millis(50);
/// Longest time of one query.
const QUERY: Duration = Duration::from_secs(20);

/// Who made a service, in a file of the plugin's own: it outlives the project's state, so that a service is never taken
/// for somebody else's, and never destroyed for one that it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// Project.
    pub project: String,
    /// The run that made it.
    pub run: String,
}

pub(super) fn service<'a>(plugin: &'a str, name: &'a str) -> Service<'a> {
    Service { plugin, name }
}

fn maker_file(step: &Step<'_>, plugin: &str, name: &str) -> PathBuf {
    step.runner.site.store_file(plugin, name)
}

fn maker(step: &Step<'_>, plugin: &str, name: &str) -> Result<Option<Maker>, ActionError> {
    store::read_json(&maker_file(step, plugin, name)).map_err(|error| ActionError::new(error.to_string()))
}

fn text(secret: &Secret, what: &str) -> Result<String, ActionError> {
    secret.expose().map(str::to_owned).ok_or_else(|| ActionError::new(format!("{what} is not known any more")))
}

fn given(secret: &Option<Secret>, what: &str) -> Result<Option<String>, ActionError> {
    secret.as_ref().map(|secret| text(secret, what)).transpose()
}

/// Makes a service. One that is there already is this run's, or nothing is done to it.
pub(super) fn create(step: &Step<'_>, spec: &StoreSpec) -> Ran {
    let one = service(&spec.plugin, &spec.service);
    let mine = Maker { project: step.context.project.to_owned(), run: step.context.run.to_owned() };
    if step.dokku.service_exists(&one)? {
        if maker(step, &spec.plugin, &spec.service)?.is_some_and(|maker| maker == mine) {
            return Ok(Done::default());
        }
        return Err(ActionError::new(format!("the {} service {} is there by now", spec.plugin, spec.service)));
    }
    // Before the first change: a service that is made half is found by it.
    let file = maker_file(step, &spec.plugin, &spec.service);
    if let Some(folder) = file.parent() {
        store::create_dir(folder).map_err(|error| ActionError::new(error.to_string()))?;
    }
    store::write_json(&file, &mine).map_err(|error| ActionError::new(error.to_string()))?;
    let login = &spec.login;
    let own = given(&login.password.clone().filter(|_| login.plugins_user), "its password")?;
    let root = given(&login.root_password, "its root password")?;
    let secrets = Secrets { password: own.clone(), root_password: root.clone(), environment: environment(spec)? };
    let call = one.create(&creation(spec)).limit(step.context.remaining()).private();
    step.dokku.creating(&secrets).call(call).map_err(|error| {
        let mut out = ActionError::from(error);
        out.lines = step.engine().container_logs(&spec.container_name(), 20).unwrap_or_default();
        out
    })?;
    // The plugins take passwords from the environment without saying so: it is looked at that this one did.
    if let Some(own) = own {
        let dsn = step.dokku.service_dsn(&one)?;
        if url_password(&dsn) != Some(&own) {
            let message = format!("the {} plugin did not take the password: is it an old one?", spec.plugin);
            return Err(ActionError::new(message));
        }
    }
    Ok(Done::default())
}

/// What a service is made and upgraded with.
pub(super) fn creation(spec: &StoreSpec) -> Creation {
    let networks: Vec<&str> = spec.networks.iter().map(|(network, _)| network.as_str()).collect();
    Creation {
        image: spec.image.clone(),
        version: spec.version.clone(),
        memory: spec.memory,
        shm_size: spec.shm_size,
        options: spec.options.join(" "),
        networks: networks.join(","),
    }
}

/// Its variables as `--custom-env` takes them.
pub(super) fn environment(spec: &StoreSpec) -> Result<String, ActionError> {
    let mut out = Vec::with_capacity(spec.environment.len());
    for (name, value) in &spec.environment {
        out.push(format!("{name}={}", text(value, name)?));
    }
    Ok(out.join(";"))
}

/// Destroys a service, as an undo only one that the same run made.
pub(super) fn destroy(step: &Step<'_>, plugin: &str, name: &str, of_run: bool) -> Ran {
    let one = service(plugin, name);
    // What a program that was killed while it wrote the record left of it.
    store::sweep(&maker_file(step, plugin, name)).map_err(|error| ActionError::new(error.to_string()))?;
    let made = maker(step, plugin, name)?;
    let mine = made.as_ref().is_some_and(|maker| maker.project == step.context.project);
    let this_run = made.as_ref().is_some_and(|maker| maker.run == step.context.run);
    if !mine || (of_run && !this_run) {
        return Ok(Done::default());
    }
    if step.dokku.service_exists(&one)? {
        // `:destroy` leaves the container that holds the port of the host.
        if step.engine().container(&ambassador(plugin, name))?.is_some() {
            step.call(one.unexpose())?;
        }
        step.call(one.destroy())?;
        if step.dokku.service_exists(&one)? {
            return Err(ActionError::new(format!("the {plugin} service {name} is still there")));
        }
    }
    store::remove_file(&maker_file(step, plugin, name)).map_err(|error| ActionError::new(error.to_string()))?;
    Ok(Done::default())
}

/// Gives a statement to the service's own client, as the one who may do everything.
fn run(
    step: &Step<'_>,
    spec: &StoreSpec,
    driver: Driver,
    statements: &str,
    limit: Duration,
) -> Result<String, ActionError> {
    let one = service(&spec.plugin, &spec.service);
    let known = [&spec.login.password, &spec.login.root_password];
    let clear = known.into_iter().flatten().filter_map(|secret| secret.expose());
    // As they stand in a statement too, which a client may repeat in its error.
    let secrets: Vec<String> =
        clear.flat_map(|text| [text.to_owned(), text.replace('\\', "\\\\").replace('\'', "''")]).collect();
    let reply = match driver {
        // The plugin's own user may not make databases: root's password is in the container.
        Driver::Mysql => {
            let client =
                r#"MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec "$(command -v mysql || command -v mariadb)" --user=root"#;
            let call = one.enter(&["sh", "-c", client], statements, secrets);
            step.dokku.reading().call(call.limit(limit))
        }
        Driver::Postgres | Driver::Redis | Driver::Open => {
            step.dokku.call(one.connect(statements, secrets).limit(limit))
        }
    };
    reply.map(|reply| reply.stdout).map_err(Into::into)
}

pub(super) fn driver(spec: &StoreSpec) -> Result<Driver, ActionError> {
    let row = crate::map::datastores::Datastore::of_plugin(&spec.plugin);
    row.and_then(|row| row.driver).ok_or_else(|| ActionError::new(format!("{} has no driver", spec.plugin)))
}

/// Makes the file's user and database and gives the user its password; scripts only where the service is new.
pub(super) fn setup(step: &Step<'_>, spec: &StoreSpec, first: bool) -> Ran {
    let driver = driver(spec)?;
    await_answer(step, spec)?;
    let password = given(&spec.login.password, "its password")?;
    let statements = sql::login(driver, &spec.plugin, &spec.login, password.as_deref());
    if !statements.is_empty() {
        run(step, spec, driver, &statements, step.context.remaining())?;
    }
    own_database(step, spec)?;
    if !first {
        return Ok(Done::default());
    }
    for script in &spec.scripts {
        let body = text(&script.text, &script.name)?;
        let statements = format!("{}{body}\n", sql::enter_database(driver, &spec.login));
        step.context.line(&format!("initial script {}", script.name));
        run(step, spec, driver, &statements, step.context.remaining()).map_err(|mut error| {
            error.message = format!("the initial script {} failed: {}", script.name, error.message);
            error
        })?;
    }
    Ok(Done::default())
}

/// Makes the file's database the service's own, so that the plugin's `:export`, `:import`, `:connect` and backups are of it,
/// and the address that a link gives. The plugin has no command for it: it reads the name from a file (`get_database_name`);
/// an older one that has no such file keeps to the database of the service's name.
fn own_database(step: &Step<'_>, spec: &StoreSpec) -> Result<(), ActionError> {
    let name = &spec.login.database;
    // The plugin gives it to a shell.
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Ok(());
    }
    let file = step.dokku.service_root(&service(&spec.plugin, &spec.service))?.join("DATABASE_NAME");
    // What a program that was killed while it wrote the name left of it.
    store::sweep(&file).map_err(|error| ActionError::new(error.to_string()))?;
    if std::fs::read_to_string(&file).is_ok_and(|now| now.trim_end() != name) {
        store::write_bytes(&file, format!("{name}\n").as_bytes())
            .map_err(|error| ActionError::new(error.to_string()))?;
    }
    Ok(())
}

/// Waits until the service answers, then logs in as the file's user and as the others that the settings of the project's
/// services name: what these will do.
pub(super) fn ready(step: &Step<'_>, spec: &StoreSpec) -> Ran {
    let done = await_answer(step, spec)?;
    let (driver, login) = (driver(spec)?, &spec.login);
    if let Some(password) = given(&login.password, "its password")? {
        let database = if driver == Driver::Postgres { &login.database } else { "" };
        log_in(step, spec, &login.user, database, &password)?;
    }
    for one in &spec.uses {
        // The same user's own database where none is named, as the clients take it.
        let unnamed = driver == Driver::Postgres && one.database.is_empty();
        let database = if unnamed { &one.user } else { &one.database };
        log_in(step, spec, &one.user, database, &text(&one.password, "its password")?).map_err(|mut error| {
            let place = if one.at.is_empty() { String::new() } else { format!("{}: ", one.at) };
            error.message = format!(
                "{place}with {} the service {} cannot use it: {}; make the user by an initial script, or name the one \
                 that the datastore has",
                one.variable, one.service, error.message
            );
            error
        })?;
    }
    Ok(done)
}

/// Logs in by address, as the other services do.
fn log_in(step: &Step<'_>, spec: &StoreSpec, user: &str, database: &str, password: &str) -> Result<(), ActionError> {
    let Some(command) = sql::log_in(driver(spec)?, user, database) else { return Ok(()) };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let one = service(&spec.plugin, &spec.service);
    let call = one.enter(&words, &format!("{password}\n"), vec![password.to_owned()]);
    let limit = step.context.remaining().min(QUERY);
    step.dokku.reading().call(call.limit(limit)).map(drop).map_err(|error| {
        let mut error = ActionError::from(error);
        error.message = format!("{user} cannot log in to {}: {}", spec.service, error.message);
        error
    })
}

/// Waits until the service answers a query, which is more than that its port is open.
pub(super) fn await_answer(step: &Step<'_>, spec: &StoreSpec) -> Ran {
    let driver = driver(spec)?;
    let begun = Instant::now();
    let time = step.context.remaining().min(Duration::from_secs(spec.limit));
    let Some((query, answer)) = sql::query(driver) else { return Ok(Done::default()) };
    loop {
        let left = time.saturating_sub(begun.elapsed());
        let answered = run(step, spec, driver, query, left.min(QUERY).max(POLL));
        match answered {
            Ok(said) if said.contains(answer) => {
                let detail = format!("answered after {:.1} s", begun.elapsed().as_secs_f64());
                return Ok(Done { detail, ..Done::default() });
            }
            other if begun.elapsed() >= time => {
                let why = other.err().map(|error| format!(": {}", error.message)).unwrap_or_default();
                let message = format!("did not answer a query within {} s{why}", time.as_secs_f64().round());
                let mut error = ActionError::new(message);
                error.lines = step.engine().container_logs(&spec.container_name(), 20).unwrap_or_default();
                return Err(error);
            }
            _ => {}
        }
        step.context.check(true)?;
        step.context.cancel.sleep(POLL);
    }
}

/// Held while a plugin writes who is linked to its services. It does so by way of a file of one name beside the list
/// (`sed -i.bak` in `add_to_links_file`), and `apps:destroy` makes every plugin do it for every service: two at once fail, or
/// one loses what the other wrote.
pub(super) fn links_lock(step: &Step<'_>) -> Result<Option<File>, ActionError> {
    let site = &step.runner.site;
    let plugins = std::fs::read_dir(site.lib_root.join("services")).into_iter().flatten().flatten();
    let any = plugins
        .into_iter()
        .any(|plugin| std::fs::read_dir(plugin.path()).is_ok_and(|mut services| services.next().is_some()));
    if !any {
        return Ok(None);
    }
    let failed = |error: std::io::Error| ActionError::new(format!("cannot lock the links of datastores: {error}"));
    let folder = site.data();
    store::create_dir(&folder).map_err(|error| ActionError::new(error.to_string()))?;
    let path = folder.join("datastore-links.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                step.context.check(false)?;
                step.context.cancel.sleep(LOCK_POLL);
            }
        }
    }
}

pub(super) fn link(step: &Step<'_>, plugin: &str, name: &str, app: &str) -> Ran {
    let one = service(plugin, name);
    let _links = links_lock(step)?;
    if step.dokku.service_links(&one)?.iter().any(|linked| linked == app) {
        return Ok(Done::default());
    }
    step.call(one.link(app))
}

pub(super) fn unlink(step: &Step<'_>, plugin: &str, name: &str, app: &str) -> Ran {
    let one = service(plugin, name);
    let _links = links_lock(step)?;
    if !step.dokku.service_exists(&one)? || !step.dokku.service_links(&one)?.iter().any(|linked| linked == app) {
        return Ok(Done::default());
    }
    if !step.dokku.app_exists(app)? {
        return Ok(Done::default());
    }
    match step.call(one.unlink(app)) {
        // Where the variable was changed by hand the plugin says that it is not linked, once it has unlinked it.
        Err(error) if step.dokku.service_links(&one)?.iter().any(|linked| linked == app) => Err(error),
        _ => Ok(Done::default()),
    }
}

pub(super) fn expose(step: &Step<'_>, plugin: &str, name: &str, ports: &[String]) -> Ran {
    let one = service(plugin, name);
    // Exposed on other ports it would refuse.
    step.call(one.unexpose())?;
    if ports.is_empty() { Ok(Done::default()) } else { step.call(one.expose(ports)) }
}

/// Networks that the service joins whenever its container is made, and those that it is missing from now.
pub(super) fn networks(step: &Step<'_>, plugin: &str, name: &str, networks: &[String]) -> Ran {
    let one = service(plugin, name);
    step.call(one.set_networks(&networks.join(",")))?;
    let container = crate::map::datastores::container_name(plugin, name);
    let Some(facts) = step.engine().container(&container)? else { return Ok(Done::default()) };
    let host = container.replace(['.', '_'], "-");
    for network in networks.iter().filter(|network| !facts.networks.contains_key(*network)) {
        let endpoint = EndpointSpec { aliases: vec![host.clone()], ..EndpointSpec::default() };
        step.engine().network_connect(network, &container, &endpoint)?;
    }
    Ok(Done::default())
}

pub(super) fn start(step: &Step<'_>, plugin: &str, name: &str) -> Ran {
    ok::<_, DokkuError>(step.dokku.call(service(plugin, name).start().limit(step.context.remaining())))
}

pub(super) fn stop(step: &Step<'_>, plugin: &str, name: &str) -> Ran {
    step.call(service(plugin, name).stop())
}
