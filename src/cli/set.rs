//! `compose:set`: settings for all projects or for one, and what the administrator allows.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::args::SetArgs;
use super::recover::{lock_error, unknown};
use super::session::{ALLOWED_PATHS, ALLOWED_PRIVILEGES, Session, setting_file};
use super::{Exit, set_push};
use crate::map::policy;
use crate::state::{Lock, Settings, State, store};
use crate::ui::Printer;

/// Every key that is not a push's, and whether it can be set for one project.
const KEYS: &[(&str, bool)] =
    &[(ALLOWED_PATHS, false), (ALLOWED_PRIVILEGES, false), ("keep-versions", true), ("metrics-file", false)];

pub(super) fn run(session: &Session, printer: &Printer, args: &SetArgs) -> Result<Exit> {
    let (project, key, value) = words(args)?;
    if set_push::OF_APP.contains(&key) || set_push::OF_ALL.contains(&key) {
        return push(session, printer, project, key, value);
    }
    match KEYS.iter().find(|(name, _)| *name == key) {
        None => {
            let own = KEYS.iter().map(|(name, _)| name);
            let names: Vec<&str> = own.chain(set_push::OF_APP).chain(set_push::OF_ALL).copied().collect();
            bail!("there is no setting {key}; there are: {}", names.join(", "));
        }
        Some((_, false)) if project.is_some() => bail!("{key} is set for all projects: compose:set --global {key}"),
        Some(_) => {}
    }
    match (key, project) {
        (ALLOWED_PATHS | ALLOWED_PRIVILEGES, _) => allowed(session, key, value)?,
        ("keep-versions", project) => keep_versions(session, project, value)?,
        _ => metrics_file(session, value)?,
    }
    say(printer, project, key, value);
    Ok(Exit::Done)
}

fn push(session: &Session, printer: &Printer, project: Option<&str>, key: &str, value: &str) -> Result<Exit> {
    match (project, set_push::OF_APP.contains(&key)) {
        (Some(app), true) => set_push::of_app(session, app, key, value)?,
        (None, false) => set_push::of_all(session, key, value)?,
        (Some(_), false) => bail!("{key} is set for all projects: compose:set --global {key}"),
        (None, true) => bail!("{key} is set for one project: compose:set PROJECT {key}"),
    }
    say(printer, project, key, value);
    Ok(Exit::Done)
}

fn say(printer: &Printer, project: Option<&str>, key: &str, value: &str) {
    let whose = project.map(|project| format!("{project}'s ")).unwrap_or_default();
    printer.step(&if value.is_empty() {
        format!("Unsetting {whose}{key}")
    } else {
        format!("Setting {whose}{key} to {value}")
    });
}

/// Project, key and value; an empty value unsets.
fn words(args: &SetArgs) -> Result<(Option<&str>, &str, &str)> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match (args.global, words.as_slice()) {
        (true, [key]) => Ok((None, key, "")),
        (true, [key, value]) => Ok((None, key, value)),
        (false, [project, key]) => Ok((Some(project), key, "")),
        (false, [project, key, value]) => Ok((Some(project), key, value)),
        _ => bail!("compose:set PROJECT KEY [VALUE], or compose:set --global KEY [VALUE]"),
    }
}

/// A list of what the administrator allows; nothing: the default.
fn allowed(session: &Session, key: &str, value: &str) -> Result<()> {
    let entries: Vec<&str> = value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    if key == ALLOWED_PRIVILEGES {
        if let Some(bad) = policy::unknown_rule(&entries) {
            let keys = policy::KEYS.join(", ");
            bail!("{bad} is no privilege: name KEY or KEY:VALUE, where KEY is one of {keys}, or all");
        }
    } else if let Some(bad) = entries.iter().find(|path| !path.starts_with('/')) {
        bail!("{bad} is not an absolute path");
    }
    let file = setting_file(&session.site, key);
    if entries.is_empty() {
        store::remove_file(&file)?;
    } else {
        store::create_dir(&session.site.data())?;
        store::write_bytes(&file, format!("{}\n", entries.join("\n")).as_bytes())?;
    }
    Ok(())
}

fn keep_versions(session: &Session, project: Option<&str>, value: &str) -> Result<()> {
    let number = match value {
        "" => None,
        text => Some(
            text.parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
                .with_context(|| format!("{text} is not a number of versions: 1 or more"))?,
        ),
    };
    let Some(project) = project else {
        let settings = Settings { keep_versions: number, ..Settings::global(&session.site)? };
        return Ok(settings.save_global(&session.site)?);
    };
    let dir = session.project_dir(project)?;
    if State::load(&dir)?.is_none() {
        return Err(unknown(project));
    }
    let lock = Lock::acquire(&dir, "compose:set", &session.env, Duration::ZERO, &|| false).map_err(lock_error)?;
    Ok(Settings { keep_versions: number, ..Settings::project(&dir)? }.save_project(lock.dir())?)
}

fn metrics_file(session: &Session, value: &str) -> Result<()> {
    let path = PathBuf::from(value);
    if !value.is_empty() {
        if !path.is_absolute() || path.extension().is_none_or(|extension| extension != "prom") {
            bail!("{value} is not an absolute path that ends in .prom");
        }
        if !path.parent().is_some_and(std::path::Path::is_dir) {
            bail!("there is no directory for {value}: make it, writable for the user that Dokku runs as");
        }
    }
    let metrics_file = Some(path).filter(|_| !value.is_empty());
    Ok(Settings { metrics_file, ..Settings::global(&session.site)? }.save_global(&session.site)?)
}
