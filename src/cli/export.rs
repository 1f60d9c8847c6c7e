//! `compose:export`: a project as a compose file and in other forms.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{ExportArgs, ExportFormat};
use super::import::owned;
use super::recover::unknown;
use super::session::Session;
use super::{Exit, Failed, dumps, handmade, sources};
use crate::export::secrets::{Secrets, dotenv};
use crate::export::{Stack, compose_file, docket, dot, imported, project, script};
use crate::hashed::IndexMap;
use crate::map::resources::Kind;
use crate::observe::{self, Wanted};
use crate::state::{State, store, versions};
use crate::ui::Printer;
use anyhow::{Context, Result, bail};

pub(super) fn run(session: &Session, printer: &Printer, args: &ExportArgs) -> Result<Exit> {
    if let Some(version) = &args.original {
        return original(session, printer, args, version);
    }
    let name = args.project.as_str();
    let mut stack = match args.apps.as_slice() {
        [] => read_imported(session, name)?,
        apps => handmade::read(session, apps, args.name.as_deref())?,
    };
    let target = (args.output != "-").then(|| std::path::absolute(&args.output)).transpose()?;
    let beside = target.as_deref().and_then(Path::parent);
    if let Some(dir) = beside {
        writable(dir)?;
    }
    let trees = sources::place(&mut stack, beside)?;
    let dumps = dumps::place(session, &mut stack, args.data.as_deref(), beside)?;
    let contents = contents(session, &stack);
    let secrets = if args.redact { Secrets::Env } else { args.secrets };
    let made = make(&stack, &contents, secrets, args)?;
    let (text, values) = (made.text, made.values);
    let Some(file) = target else {
        to_stdout(text.as_bytes())?;
        if !values.is_empty() {
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            printer.warn(&format!(
                "values that are secret are not printed: {}; -o FILE writes them to {} beside it, --secrets inline into it",
                names.join(", "),
                made.companion
            ));
        }
        return Ok(Exit::Done);
    };
    let companion = file.parent().unwrap_or(Path::new("/")).join(made.companion);
    let env = (!values.is_empty()).then(|| (made.write)(&values, args.redact));
    if let Some(env) = &env {
        // Somebody's own variables are not written over; the same values again are fine.
        match store::read(&companion)? {
            Some(there) if there != env.as_bytes() => {
                return Err(Failed::new(
                    Exit::Wrong,
                    format!("{} is there already: name a file in another directory", companion.display()),
                )
                .into());
            }
            _ => store::write_bytes(&companion, env.as_bytes())?,
        }
    }
    for (app, tree) in &trees {
        sources::extract(session, app, tree)?;
    }
    dumps::write(session, &dumps)?;
    store::write_bytes(&file, text.as_bytes())?;
    let with = env.map(|_| format!(", with {} values in {}", values.len(), companion.display())).unwrap_or_default();
    printer.header(&format!("{} is written to {}{with}", stack.project, file.display()));
    Ok(Exit::Done)
}

/// Whether files can be made in `dir`, asked before anything is read for them.
fn writable(dir: &Path) -> Result<()> {
    let Err(error) = tempfile::tempfile_in(dir) else { return Ok(()) };
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            ": Dokku's commands run as its own user; name a directory that it may write to, or leave -o away and write what is \
             printed"
        }
        _ => "",
    };
    Err(Failed::new(Exit::Wrong, format!("cannot write to {}: {error}{hint}", dir.display())).into())
}

/// A stack in a format.
struct Made {
    text: String,
    /// Values that the text refers to.
    values: IndexMap<String, String>,
    /// Name of the file that they go to.
    companion: &'static str,
    /// Writes that file.
    write: fn(&IndexMap<String, String>, bool) -> String,
}

fn make(stack: &Stack, contents: &BTreeMap<String, Vec<u8>>, secrets: Secrets, args: &ExportArgs) -> Result<Made> {
    let compose = || project::project(stack, contents, secrets);
    let made = |text, values| Made { text, values, companion: ".env", write: dotenv };
    Ok(match args.format {
        ExportFormat::Compose => {
            let written = compose();
            made(compose_file::yaml(&written)?, written.values)
        }
        ExportFormat::Json => {
            let written = compose();
            made(serde_json::to_string_pretty(&compose_file::json(&written))? + "\n", written.values)
        }
        ExportFormat::Dot => made(dot::dot(stack), IndexMap::default()),
        ExportFormat::Dokku => {
            let script = script::script(stack, contents, secrets, ".env");
            Made { write: script::companion, ..made(script.text, script.values) }
        }
        ExportFormat::Docket => {
            let recipe = docket::recipe(stack, secrets);
            Made { companion: "vars.yml", write: docket::companion, ..made(recipe.text, recipe.values) }
        }
    })
}

fn to_stdout(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // A reader that went away is not this program's failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot write the result"),
        _ => Ok(()),
    }
}

/// A project as it is on the server.
fn read_imported(session: &Session, name: &str) -> Result<Stack> {
    let dir = session.project_dir(name)?;
    let Some(state) = State::load(&dir)? else { return Err(unknown(name)) };
    let key = session.digest_key(false)?;
    let wanted = Wanted {
        project: name,
        apps: owned(Some(&state)),
        containers: state.created.containers.clone(),
        images: Default::default(),
    };
    let mut observed = observe::server(&session.dokku, session.engine.as_ref(), &wanted)?;
    let desired = &state.desired;
    let apps: Vec<String> = desired
        .services
        .values()
        .filter(|service| matches!(service.kind, Kind::App(_)))
        .map(|service| service.kind.resource_name().to_owned())
        .collect();
    observe::apps(&session.dokku, session.engine.as_ref(), &key, &mut observed, &apps)?;
    let mut environments = BTreeMap::new();
    for service in desired.services.values() {
        let resource = service.kind.resource_name();
        if !matches!(service.kind, Kind::App(_))
            && session.dokku.may(&["config:export", resource])?
            && let Some(environment) = session.engine.container_environment(resource)?
        {
            environments.insert(resource.to_owned(), environment);
        }
    }
    let secrets = versions::read(&dir, state.version)?.map(|version| version.secrets).unwrap_or_default();
    Ok(imported::stack(&imported::Imported {
        desired,
        observed: &observed,
        environments: &environments,
        secrets: &secrets,
        variables: variables(session, name, &observed)?,
        site: &session.site,
        key: &key,
    }))
}

/// The control app's variables.
fn variables(session: &Session, project: &str, observed: &observe::Observed) -> Result<BTreeMap<String, String>> {
    if !observed.app_names.contains(project) {
        return Ok(BTreeMap::new());
    }
    let own = |name: &str| name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_");
    Ok(session.dokku.config(project)?.into_iter().filter(|(name, _)| !own(name)).collect())
}

/// The project's own files by their place: secrets, configs, variables that go by a file.
fn contents(session: &Session, stack: &Stack) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    if stack.own_files.as_os_str().is_empty() {
        return out;
    }
    let mounts = stack.units.values().flat_map(|unit| &unit.spec.mounts).map(|mount| mount.source.as_str());
    let options = stack.units.values().filter_map(|unit| unit.app.as_ref()).flat_map(|app| &app.options.deploy);
    let files = options.filter_map(|option| option.strip_prefix("--env-file="));
    for place in mounts.chain(files) {
        let Ok(inside) = Path::new(place).strip_prefix(&stack.own_files) else { continue };
        // One that cannot be read is named in the result.
        if let Ok(bytes) = std::fs::read(session.site.project(&stack.project).join(inside)) {
            out.insert(place.to_owned(), bytes);
        }
    }
    out
}

/// The files of a version as they were read: one to standard output or a file, several below a directory.
fn original(session: &Session, printer: &Printer, args: &ExportArgs, version: &str) -> Result<Exit> {
    let name = args.project.as_str();
    let dir = session.project_dir(name)?;
    let Some(state) = State::load(&dir)? else { return Err(unknown(name)) };
    let number = match version.trim_start_matches('v') {
        "current" => state.version,
        digits => match digits.parse() {
            Ok(number) => number,
            Err(_) => bail!("{version} is no version: write --original or --original vN"),
        },
    };
    let Some(found) = versions::read(&dir, number)? else {
        let kept: Vec<String> = versions::list(&dir)?.iter().map(|number| format!("v{number}")).collect();
        return Err(Failed::new(
            Exit::Wrong,
            format!("there is no version {number} of {name}; kept are {}", kept.join(", ")),
        )
        .into());
    };
    let mut files: Vec<(&String, &Vec<u8>)> = found.files.iter().collect();
    if args.output == "-" {
        // Variables stand in files of their own; a reader of the compose file did not ask for them.
        files.retain(|(file, _)| {
            Path::new(file).extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
        });
        let [(_, bytes)] = files.as_slice() else {
            let names: Vec<&str> = found.files.keys().map(String::as_str).collect();
            bail!("version {number} has several files ({}): name a directory with -o", names.join(", "))
        };
        to_stdout(bytes)?;
        return Ok(Exit::Done);
    }
    let target = std::path::absolute(&args.output)?;
    if let [(_, bytes)] = files.as_slice()
        && !target.is_dir()
    {
        store::write_bytes(&target, bytes)?;
    } else {
        write_below(&target, &files)?;
    }
    printer.header(&format!("version {number} of {name} is written to {}", target.display()));
    Ok(Exit::Done)
}

/// Writes files below a directory; none that is there is written over.
fn write_below(target: &Path, files: &[(&String, &Vec<u8>)]) -> Result<()> {
    let places: Vec<(PathBuf, &[u8])> =
        files.iter().map(|(name, bytes)| (target.join(name), bytes.as_slice())).collect();
    if let Some((there, _)) = places.iter().find(|(place, _)| place.exists()) {
        bail!("{} is there already: name an empty directory", there.display());
    }
    for (place, bytes) in &places {
        store::create_dir(place.parent().unwrap_or(target))?;
        store::write_bytes(place, bytes)?;
    }
    Ok(())
}
