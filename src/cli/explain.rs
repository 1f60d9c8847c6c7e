//! `compose:explain`: where a value of a project or compose file came from, step by step.

use std::path::Path;

use crate::hashed::IndexMap;
use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::args::{ExplainArgs, SourceArgs};
use super::recover::unknown;
use super::session::Session;
use super::{Exit, Failed, import, load, source};
use crate::compose::{self, explain::Step};
use crate::diag::Sources;
use crate::state::{State, store, versions};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &ExplainArgs) -> Result<Exit> {
    // A project's own files lie in a directory made for this, as long as they are read.
    let folder = tempfile::Builder::new().prefix("dokku-compose-").tempdir()?;
    let (source, controls) = source_of(session, args, folder.path())?;
    let source = source::open(&source, session, "", controls)?;
    let (loaded, explained) = compose::explain::explain(&source.request, &source.files(), &args.path);
    let (Some(project), Some(explained)) = (&loaded.project, explained) else {
        printer.diagnostics(&loaded.diagnostics, &loaded.sources);
        return Err(Failed::new(Exit::Wrong, load::count(&loaded.diagnostics)).into());
    };
    printer.hide(load::secrets(project, &args.target));
    let explained = explained.map_err(|missing| Failed::new(Exit::Wrong, missing.to_string()))?;
    if printer.is_json() {
        let steps: Vec<Value> = explained.steps.iter().map(|step| step_json(step, &loaded.sources)).collect();
        printer.json(&json!({ "version": 1, "path": args.path, "value": explained.value, "steps": steps }));
        return Ok(Exit::Done);
    }
    printer.header(&format!("{} of {}", args.path, project.name));
    let places: Vec<String> = explained
        .steps
        .iter()
        .map(|step| step.place.and_then(|place| loaded.sources.position(place)).unwrap_or_default())
        .collect();
    let width = places.iter().map(|place| place.chars().count()).max().unwrap_or_default();
    for (number, (step, place)) in explained.steps.iter().zip(&places).enumerate() {
        printer.result(format!("{:>7}. {place:width$}  {}", number + 1, step.text).trim_end());
    }
    match &explained.value {
        None => printer.header(&format!("{} is not in the project", args.path)),
        Some(Value::String(text)) => printer.header(&format!("{} is {text}", args.path)),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            printer.header(&format!("{} is", args.path));
            for line in crate::yaml::emit::emit(value)?.trim_end().lines() {
                printer.result(&format!("       {line}"));
            }
        }
        Some(value) => printer.header(&format!("{} is {value}", args.path)),
    }
    Ok(Exit::Done)
}

fn step_json(step: &Step, sources: &Sources) -> Value {
    let mut object = json!({ "kind": step.kind, "text": step.text });
    if let Some(place) = step.place
        && let (Some(file), Some((line, column))) = (sources.get(place.file), sources.line_column(place))
    {
        object["file"] = json!(file.name);
        object["line"] = json!(line);
        object["column"] = json!(column);
    }
    object
}

/// What is to be read: a directory, file and so on; else the files of a project as they were imported last.
fn source_of(session: &Session, args: &ExplainArgs, folder: &Path) -> Result<(SourceArgs, IndexMap<String, String>)> {
    let mut source = SourceArgs {
        source: Some(args.target.clone()),
        files: args.files.clone(),
        profiles: args.profiles.clone(),
        env_files: args.env_files.clone(),
        env: args.env.clone(),
        ..SourceArgs::default()
    };
    let target = args.target.as_str();
    let is_path = target == "-" || target.contains(['/', '.', '#', ':']);
    if is_path || !session.site.project(target).is_dir() {
        if !is_path && !Path::new(target).exists() {
            return Err(unknown(target));
        }
        return Ok((source, IndexMap::default()));
    }
    let dir = session.project_dir(target)?;
    let Some(state) = State::load(&dir)? else { return Err(unknown(target)) };
    let Some(version) = versions::read(&dir, state.version)? else {
        bail!("the files of {target} are no longer kept: name its directory or compose file");
    };
    let root = folder.join(target);
    for (name, bytes) in &version.files {
        let file = root.join(name);
        store::create_dir(file.parent().unwrap_or(&root))?;
        store::write_bytes(&file, bytes)?;
    }
    if source.files.is_empty() {
        source.files = version.result.compose_files.iter().map(|file| root.join(file)).collect();
    }
    source.source = Some(root.to_string_lossy().into_owned());
    if source.profiles.is_empty() {
        source.profiles.clone_from(&version.result.profiles);
    }
    Ok((source, import::controls(session, target, Some(&state))?))
}
