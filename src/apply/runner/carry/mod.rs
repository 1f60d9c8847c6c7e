//! Data of before into a service: a copy of its volume is served for this alone, dumped, imported and compared.
//!
//! The volume is mounted read-only and copied, so that the server which reads it writes to the copy. Scripts run in
//! containers of the datastore's own image, by `sh`; the word before their arguments says what they do.

mod mysql;
mod postgres;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::datastore::{await_answer, driver, service};
use super::{ActionError, Done, Ran, Step};
use crate::docker::{ContainerMount, ContainerSpec, ExecSpec, VolumeSpec};
use crate::map::datastores::{CARRY, CarrySource, Driver};
use crate::map::resources::StoreSpec;
use crate::plan::raw::PROJECT_LABEL;
use crate::secret::{DigestKey, Secret};
use crate::state::store;

/// Pause between two looks at a server that starts.
const POLL: Duration = Duration::from_millis(500);
/// Longest time of a question.
const ASK: Duration = Duration::from_secs(60);

/// What differs between the servers: scripts of `sh`. Those with `$1` get the superuser, `$2` a database.
struct Kit {
    /// Copies the volume and serves the copy, as the container's main program; `$1` is where in the volume the data lies, the
    /// rest are the file's own options.
    serve: &'static str,
    /// Tells the superuser once the server answers, or that it knows none of those who may be it: its arguments.
    ready: &'static str,
    /// Tells the databases that are dumped one by one, in hexadecimal digits; `None`: all in one dump.
    units: Option<&'static str>,
    /// Tells the extensions of a database.
    extensions: Option<&'static str>,
    /// Statements that make the users.
    users: Option<&'static str>,
    /// A dump.
    dump: &'static str,
    /// Reads a dump in the service; `$1` is `create` where it makes the database `$2`.
    restore: &'static str,
    /// Runs `$3`, the same on both sides.
    sums: &'static str,
    statements: &'static str,
    /// The service's superuser.
    own_user: &'static str,
}

fn kit(spec: &StoreSpec) -> Result<&'static Kit, ActionError> {
    match driver(spec)? {
        Driver::Postgres => Ok(&postgres::KIT),
        Driver::Mysql => Ok(&mysql::KIT),
        Driver::Redis => Ok(&redis::KIT),
        Driver::Open => Err(ActionError::new(format!("{} keeps nothing that could be carried over", spec.plugin))),
    }
}

/// What a dump has.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// Databases, each `N.dump` and `N.sums`; an empty name: all of them.
    units: Vec<String>,
}

fn failed(error: &dyn std::fmt::Display) -> ActionError {
    ActionError::new(error.to_string())
}

fn folder(step: &Step<'_>, name: &str) -> PathBuf {
    step.runner.site.project(step.context.project).join("carry").join(name)
}

/// The words of a script's command.
fn script(text: &str, what: &str, arguments: &[&str]) -> Vec<String> {
    ["sh", "-c", text, what].iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

/// Reads users, data and sums into the project's folder.
pub(super) fn dump(step: &Step<'_>, spec: &StoreSpec, from: &CarrySource) -> Ran {
    let kit = kit(spec)?;
    drop(step, &spec.service)?;
    let folder = folder(step, &spec.service);
    store::create_dir(&folder).map_err(|error| failed(&error))?;
    let copied = from.container.is_empty();
    let container = if copied { serve(step, kit, spec, from)? } else { from.container.clone() };
    let source =
        Source { step, kit, container: &container, user: &ready(step, kit, spec, &container)?, folder: &folder };
    let units = match kit.units {
        Some(script) => source.told(script, "carry-databases", &[])?.iter().map(|hex| unhex(hex)).collect(),
        None => vec![String::new()],
    };
    refuse_missing_extensions(&source, spec, &units)?;
    if let Some(script) = kit.users {
        source.write(script, "carry-users", &[], &folder.join("users"))?;
    }
    for (number, unit) in units.iter().enumerate() {
        step.context.check(true)?;
        let (sums, again) = (folder.join(format!("{number}.sums")), folder.join(format!("{number}.again")));
        source.write(kit.sums, "carry-sums", &[unit, kit.statements], &sums)?;
        source.write(kit.dump, "carry-dump", &[unit], &folder.join(format!("{number}.dump")))?;
        if !copied {
            source.write(kit.sums, "carry-sums", &[unit, kit.statements], &again)?;
            if read_sums(&sums)? != read_sums(&again)? {
                let message =
                    format!("{container} was written to while it was read: stop what uses it and import again");
                return Err(ActionError::new(message));
            }
        }
    }
    let mut size = 0;
    for entry in std::fs::read_dir(&folder).map_err(|error| failed(&error))?.flatten() {
        size += entry.metadata().map(|meta| meta.len()).unwrap_or(0);
    }
    store::write_json(&folder.join("manifest.json"), &Manifest { units }).map_err(|error| failed(&error))?;
    if copied {
        remove_copy(step, &spec.service)?;
    }
    Ok(Done { detail: format!("{size} bytes"), ..Done::default() })
}

/// A container that serves a copy of the volume, without a network.
fn serve(step: &Step<'_>, kit: &Kit, spec: &StoreSpec, from: &CarrySource) -> Result<String, ActionError> {
    let name = format!("{}{CARRY}", spec.service);
    let labels = BTreeMap::from([(PROJECT_LABEL.to_owned(), step.context.project.to_owned())]);
    let copy = VolumeSpec { name: name.clone(), labels: labels.clone(), ..VolumeSpec::default() };
    step.engine().volume_create(&copy)?;
    let mount = |source: &str, target: &str, read_only| ContainerMount {
        kind: "volume".into(),
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
        no_copy: true,
        ..ContainerMount::default()
    };
    let options: Vec<&str> = std::iter::once(&from.path).chain(&spec.options).map(String::as_str).collect();
    // Of the copy alone, which no network reaches and which goes with this run.
    let password = Secret::new(store::new_run_id().map_err(|error| failed(&error))?, &DigestKey([0; 32]));
    let container = ContainerSpec {
        name: name.clone(),
        image: from.image.clone(),
        entrypoint: Some(script(kit.serve, "carry-serve", &options)),
        command: Some(Vec::new()),
        user: "0:0".into(),
        environment: std::iter::once(("CARRY_PASSWORD".to_owned(), password)).collect(),
        network_mode: "none".into(),
        mounts: vec![mount(&from.volume, "/from", true), mount(&name, "/scratch", false)],
        shm_size: i64::try_from(spec.shm_size).unwrap_or(0),
        restart: "no".into(),
        labels,
        ..ContainerSpec::default()
    };
    step.engine().container_create(&container)?;
    step.engine().container_start(&name)?;
    Ok(name)
}

/// Waits until the source answers; its superuser.
fn ready(step: &Step<'_>, kit: &Kit, spec: &StoreSpec, container: &str) -> Result<String, ActionError> {
    let exec = ExecSpec { command: script(kit.ready, "carry-ready", &[&spec.login.user]), ..ExecSpec::default() };
    loop {
        let running = step.engine().container(container)?.is_some_and(|facts| facts.status == "running");
        if !running {
            let mut error = ActionError::new(format!("what serves the data of before ({container}) ended"));
            error.lines = step.engine().container_logs(container, 20).unwrap_or_default();
            return Err(error);
        }
        // One that ends between the two questions is seen by the next of them.
        let (_, lines) = match step.engine().container_exec(container, &exec, ASK.min(step.context.remaining())) {
            Ok(said) => said,
            Err(crate::docker::EngineError::Refused { status: 409, .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(user) = lines.iter().find_map(|line| line.strip_prefix("carry-user ")) {
            return Ok(user.to_owned());
        }
        if lines.iter().any(|line| line == "carry-none") {
            let mut error = ActionError::new(format!(
                "the data of before has no superuser {}: it was made by another one, whom the file has to name",
                spec.login.user
            ));
            error.lines = lines;
            return Err(error);
        }
        if let Err(mut error) = step.context.check(true) {
            error.lines = lines;
            return Err(error);
        }
        step.context.cancel.sleep(POLL);
    }
}

/// The server that has the data of before.
struct Source<'a> {
    step: &'a Step<'a>,
    kit: &'static Kit,
    container: &'a str,
    user: &'a str,
    folder: &'a Path,
}

impl Source<'_> {
    /// What a script prints, in a file that only its owner reads.
    fn write(&self, text: &str, what: &str, arguments: &[&str], path: &Path) -> Result<(), ActionError> {
        let mut all = vec![self.user];
        all.extend(arguments);
        let exec = ExecSpec { command: script(text, what, &all), ..ExecSpec::default() };
        let file = new_file(path)?;
        let limit = self.step.context.remaining();
        let (code, lines) = self.step.engine().container_stream(self.container, &exec, file, limit)?;
        if code == 0 {
            return Ok(());
        }
        let mut error = ActionError::new(format!("the data of before cannot be read ({what} ended with {code})"));
        error.lines = lines;
        Err(error)
    }

    /// The words after `carry` in the lines that a script prints.
    fn told(&self, text: &str, what: &str, arguments: &[&str]) -> Result<Vec<String>, ActionError> {
        let mut all = vec![self.user];
        all.extend(arguments);
        let exec = ExecSpec { command: script(text, what, &all), ..ExecSpec::default() };
        let path = self.folder.join("answer");
        let (code, lines) = self.step.engine().container_stream(
            self.container,
            &exec,
            new_file(&path)?,
            self.step.context.remaining(),
        )?;
        let answer = std::fs::read_to_string(&path).unwrap_or_default();
        store::remove_file(&path).map_err(|error| failed(&error))?;
        if code != 0 {
            let mut error = ActionError::new(format!("the data of before cannot be read ({what} ended with {code})"));
            error.lines = lines;
            return Err(error);
        }
        Ok(answer.lines().filter_map(|line| line.strip_prefix("carry ")).map(str::to_owned).collect())
    }
}

fn new_file(path: &Path) -> Result<File, ActionError> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.map_err(|error| failed(&format!("{}: {error}", path.display())))
}

/// An extension that the service's image does not have would end the import half-way.
fn refuse_missing_extensions(source: &Source<'_>, spec: &StoreSpec, units: &[String]) -> Result<(), ActionError> {
    let Some(script) = source.kit.extensions else { return Ok(()) };
    let mut used = BTreeSet::new();
    for unit in units {
        used.extend(source.told(script, "carry-extensions", &[unit])?);
    }
    let image = spec.image_name();
    let limit = ASK.min(source.step.context.remaining());
    let (_, lines) = source.step.engine().run_once(&image, None, postgres::AVAILABLE, limit)?;
    let known: BTreeSet<&str> =
        lines.iter().filter_map(|path| path.trim().rsplit('/').next()?.strip_suffix(".control")).collect();
    let missing: Vec<&str> = used.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ActionError::new(format!("{image} does not have what the data uses: the extensions {}", missing.join(", "))))
}

/// Imports what was read into the new service, then compares.
pub(super) fn import(step: &Step<'_>, spec: &StoreSpec) -> Ran {
    let kit = kit(spec)?;
    await_answer(step, spec)?;
    let folder = folder(step, &spec.service);
    let manifest: Option<Manifest> = store::read_json(&folder.join("manifest.json")).map_err(|error| failed(&error))?;
    let manifest = manifest.ok_or_else(|| ActionError::new("the dump of the data of before is not there"))?;
    let users = folder.join("users");
    // PostgreSQL's objects belong to roles, MySQL's grants to tables.
    let of_roles = driver(spec)? == Driver::Postgres;
    if kit.users.is_some() && of_roles {
        let text = std::fs::read_to_string(&users).map_err(|error| failed(&error))?;
        let call = service(&spec.plugin, &spec.service).connect(&postgres::users(&text), Vec::new());
        step.dokku.call(call.private().limit(step.context.remaining()))?;
    }
    for (number, unit) in manifest.units.iter().enumerate() {
        step.context.check(true)?;
        feed(step, kit, spec, unit, &folder.join(format!("{number}.dump")))?;
    }
    if kit.users.is_some() && !of_roles {
        feed(step, kit, spec, "", &users)?;
    }
    let (mut tables, mut rows) = (0, 0);
    for (number, unit) in manifest.units.iter().enumerate() {
        let before = read_sums(&folder.join(format!("{number}.sums")))?;
        let path = folder.join(format!("{number}.imported"));
        sums(step, kit, spec, unit, &path)?;
        let after = read_sums(&path)?;
        compare(unit, &before, &after)?;
        tables += before.len();
        rows += before.values().filter_map(|sum| sum.split(' ').next()?.parse::<u64>().ok()).sum::<u64>();
    }
    let what = if driver(spec)? == Driver::Redis { "databases, keys" } else { "tables and sequences, rows" };
    Ok(Done { detail: format!("equal in count and sum: {tables} {what}: {rows}"), ..Done::default() })
}

/// What a script of the service reads first: the password, where its client has no other way to it.
fn head(spec: &StoreSpec) -> Result<(String, Vec<String>), ActionError> {
    if driver(spec)? != Driver::Redis {
        return Ok(Default::default());
    }
    let password = spec.login.password.as_ref().and_then(|secret| secret.expose());
    let password = password.ok_or_else(|| ActionError::new("its password is not known any more"))?;
    Ok((format!("{password}\n"), vec![password.to_owned()]))
}

/// Gives a dump to the service.
fn feed(step: &Step<'_>, kit: &Kit, spec: &StoreSpec, unit: &str, path: &Path) -> Result<(), ActionError> {
    let file = File::open(path).map_err(|error| failed(&error))?;
    if file.metadata().is_ok_and(|meta| meta.len() == 0) {
        return Ok(());
    }
    // The plugin makes a database of the service's name, PostgreSQL one of its own.
    let there = unit == "postgres" || unit == spec.service.replace(['.', '-'], "_");
    let words = script(kit.restore, "carry-restore", &[if there { "into" } else { "create" }, unit]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (head, secrets) = head(spec)?;
    let call = service(&spec.plugin, &spec.service).feed(&words, &head, file).mask(secrets);
    step.dokku.reading().call(call.limit(step.context.remaining()))?;
    Ok(())
}

/// Writes the service's sums to a file.
fn sums(step: &Step<'_>, kit: &Kit, spec: &StoreSpec, unit: &str, path: &Path) -> Result<(), ActionError> {
    let words = script(kit.sums, "carry-sums", &[kit.own_user, unit, kit.statements]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (head, secrets) = head(spec)?;
    let call = service(&spec.plugin, &spec.service).enter(&words, &head, secrets).into_file(new_file(path)?);
    step.dokku.reading().call(call.limit(step.context.remaining()))?;
    Ok(())
}

/// Count and sum by name of the table, sequence or database.
type Sums = BTreeMap<String, String>;

fn read_sums(path: &Path) -> Result<Sums, ActionError> {
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let lines = text.lines().filter_map(|line| line.trim_end().strip_prefix("carry ")?.split_once(' '));
    Ok(lines.map(|(name, sum)| (unhex(name), sum.to_owned())).collect())
}

fn compare(unit: &str, before: &Sums, after: &Sums) -> Result<(), ActionError> {
    let other = before.keys().chain(after.keys()).find(|name| before.get(*name) != after.get(*name));
    let Some(name) = other else { return Ok(()) };
    let rows = |sums: &Sums| match sums.get(name) {
        Some(sum) => format!("{} rows", sum.split(' ').next().unwrap_or_default()),
        None => "nothing".to_owned(),
    };
    let place = if unit.is_empty() { String::new() } else { format!(" of the database {unit}") };
    Err(ActionError::new(format!(
        "{name}{place} is not what it was: {} before, {} after, or other values",
        rows(before),
        rows(after)
    )))
}

fn unhex(text: &str) -> String {
    let pairs = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn remove_copy(step: &Step<'_>, name: &str) -> Result<(), ActionError> {
    let copy = format!("{name}{CARRY}");
    step.engine().container_remove(&copy)?;
    step.engine().volume_remove(&copy)?;
    Ok(())
}

/// Removes the copy, what serves it, and what was read.
pub(super) fn drop(step: &Step<'_>, name: &str) -> Ran {
    remove_copy(step, name)?;
    let folder = folder(step, name);
    store::remove_tree(&folder).map_err(|error| failed(&error))?;
    if let Some(all) = folder.parent() {
        // Of several services the last one removes it.
        let _ = std::fs::remove_dir(all);
    }
    Ok(Done::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_differs_is_told() {
        let sums =
            |all: &[(&str, &str)]| all.iter().map(|(name, sum)| ((*name).into(), (*sum).into())).collect::<Sums>();
        let before = sums(&[("public.a", "3 17"), ("public.b", "0 0")]);
        assert!(compare("shop", &before, &before.clone()).is_ok());
        for after in [sums(&[("public.a", "3 17")]), sums(&[("public.a", "3 18"), ("public.b", "0 0")])] {
            assert!(compare("shop", &before, &after).unwrap_err().message.contains("is not what it was"));
        }
        let more = sums(&[("public.a", "3 17"), ("public.b", "0 0"), ("public.c", "1 1")]);
        assert!(compare("", &before, &more).unwrap_err().message.contains("public.c is not"));
    }

    #[test]
    fn names_come_as_digits() {
        assert_eq!((unhex("73686f70"), unhex("c3a4")), ("shop".into(), "ä".into()));
    }
}
