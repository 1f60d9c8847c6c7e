//! A plan in a file: written by `--plan-out`, carried out by `--plan` only where it is still the plan.
//!
//! The file holds no secret, so the source is read again; what it then comes to is compared with what was saved.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::prepare::Prepared;
use crate::cli::session::Session;
use crate::cli::{Exit, Failed};
use crate::state::{State, store};
use crate::ui::{Printer, plan as show};

/// What a saved plan was made from.
const BASE: &[(&str, &str)] = &[
    ("plugin", "the plugin is of another version"),
    ("project", "it is a plan of another project"),
    ("release", "the project was imported since"),
    ("run", "the project was imported since"),
    ("files", "the compose files or the variables changed since"),
];

/// The plan as JSON (`docs/plan.schema.json`) with what it was made from.
pub(super) fn to_json(prepared: &Prepared, state: Option<&State>) -> Value {
    let mut value = show::to_json(&prepared.plan);
    if let Some(object) = value.as_object_mut() {
        object.insert("warnings".into(), json!(prepared.warnings));
        object.insert("keys".into(), prepared.keys.to_json());
        object.insert(
            "base".into(),
            json!({
                "plugin": env!("CARGO_PKG_VERSION"),
                "project": prepared.desired.project,
                "release": state.map_or(0, |state| state.version),
                "run": state.map_or("", |state| state.run.as_str()),
                "files": prepared.checksum,
            }),
        );
    }
    match prepared.input.as_ref().and_then(|input| input.source.sent.as_ref()) {
        Some(sent) => without(value, &sent.to_string_lossy()),
        None => value,
    }
}

/// What was sent lies in a directory of this process alone, whose name says nothing.
fn without(value: Value, sent: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(sent, "SENT")),
        Value::Array(items) => items.into_iter().map(|item| without(item, sent)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (key, without(field, sent))).collect(),
        other => other,
    }
}

/// Writes the plan to `file`, whole or not at all.
pub(super) fn write(session: &Session, file: &Path, plan: &Value) -> Result<()> {
    let path = place(session, file)?;
    if path.exists() && read(&path).is_err() {
        bail!("{} is there and is no saved plan: name another file", file.display());
    }
    store::write_json(&path, plan)?;
    Ok(())
}

/// Where a plan may be written. Whoever may import need not be one who may write Dokku's own files.
fn place(session: &Session, file: &Path) -> Result<PathBuf> {
    let name = file.file_name().with_context(|| format!("{} is no file name", file.display()))?;
    let parent = std::path::absolute(file)?.parent().map(Path::to_path_buf).unwrap_or_default();
    let parent = parent.canonicalize().with_context(|| format!("there is no directory {}", parent.display()))?;
    let mut own = session.site.private();
    own.push(session.site.lib_root.clone());
    if own.iter().filter_map(|dir| dir.canonicalize().ok()).any(|dir| parent.starts_with(dir)) {
        bail!("{} is a directory of Dokku's own: write the plan elsewhere", parent.display());
    }
    Ok(parent.join(name))
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is no saved plan", path.display()))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(1) if value.get("base").is_some() && value.get("operations").is_some() => Ok(value),
        Some(version) if version > 1 => {
            bail!("{} was written by a newer version of the plugin; update the plugin", path.display())
        }
        _ => bail!("{} is no saved plan", path.display()),
    }
}

/// The saved plan of `project`; before anything is asked of the server.
pub(super) fn load(file: &Path) -> Result<Value> {
    read(file).map_err(|error| Failed::new(Exit::Wrong, format!("{error:#}: nothing was changed")).into())
}

/// Refuses a saved plan that is not the plan of this moment any more, with what differs.
pub(super) fn refuse_stale(printer: &Printer, file: &Path, saved: &Value, now: &Value) -> Result<()> {
    let base = |plan: &Value, key: &str| plan.get("base").and_then(|base| base.get(key)).cloned();
    let changed = BASE.iter().find(|(key, _)| base(saved, key) != base(now, key)).map(|(_, why)| *why);
    let differs = ["operations", "cleanup"].iter().any(|key| saved.get(key) != now.get(key));
    let why = match changed {
        Some(why) => why,
        None if differs => "the server, or a file beside the compose file, changed since",
        None => return Ok(()),
    };
    for title in differing(saved, now) {
        printer.detail(&title);
    }
    let message = format!("the plan in {} is stale: {why}; nothing was changed, make a new plan", file.display());
    Err(Failed::new(Exit::Wrong, message).into())
}

/// The operations that only one of the two has, at most ten.
fn differing(saved: &Value, now: &Value) -> Vec<String> {
    let titles = |plan: &Value| -> Vec<(String, String)> {
        let all = plan.get("operations").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |op: &Value, key: &str| op.get(key).map(ToString::to_string).unwrap_or_default();
        let title = |op: &Value| op.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        all.iter().map(|op| (title(op), text(op, "action") + &text(op, "undo"))).collect()
    };
    let (then, today) = (titles(saved), titles(now));
    let only = |mark: char, of: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
        of.iter().filter(|op| !other.contains(op)).map(|(title, _)| format!("{mark} {title}")).collect()
    };
    let mut out = only('-', &then, &today);
    out.extend(only('+', &today, &then));
    out.truncate(10);
    out
}
