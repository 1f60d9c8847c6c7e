//! `compose:config`: the normalized project, as `docker compose config` prints it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::hashed::IndexMap;
use anyhow::{Context, Result};
use serde_json::json;

use super::args::{ConfigArgs, ConfigList};
use super::session::Session;
use super::{Exit, Failed, load, source};
use crate::compose::{self, variables::Variable};
use crate::model::Project;
use crate::ui::Printer;
use crate::yaml::Node;

pub(super) fn run(session: &Session, printer: &Printer, args: &ConfigArgs) -> Result<Exit> {
    let text = text(session, printer, args)?;
    match &args.output {
        _ if args.only_check || printer.is_quiet() => {}
        Some(file) => write_whole(file, &text)?,
        None => {
            if !text.is_empty() {
                Printer::new(crate::ui::Format::Text, true, true).result(text.trim_end_matches('\n'));
            }
        }
    }
    Ok(Exit::Done)
}

fn text(session: &Session, printer: &Printer, args: &ConfigArgs) -> Result<String> {
    let format = if args.format.as_deref() == Some("json") { compose::Format::Json } else { compose::Format::Yaml };
    if args.list.variables {
        let tree = model(session, printer, args, false)?;
        let found = compose::variables::variables(&tree);
        return variables(&found, args.format.as_deref());
    }
    if args.no_interpolate && !args.list.any() {
        let tree = model(session, printer, args, false)?;
        return compose::render_model(&tree, format).map_err(anyhow::Error::msg);
    }
    if args.no_interpolate && args.list.services {
        let tree = model(session, printer, args, false)?;
        let services = tree.as_map().and_then(|map| map.get("services")).and_then(Node::as_map);
        return Ok(lines(services.into_iter().flat_map(|map| map.entries.keys().map(ToString::to_string))));
    }
    // What is printed is the file's own; nothing of it is masked, as with docker compose.
    let quiet = Printer::new(crate::ui::Format::Text, true, true);
    let input =
        load::load(&args.source, session, "", IndexMap::default(), &quiet, |request| change(request, args, true))?;
    let project = &input.project;
    if let Some(list) = list(project, &args.list)? {
        return Ok(lines(list));
    }
    compose::render_config(project, format).map_err(anyhow::Error::msg)
}

fn change(request: &mut compose::Request, args: &ConfigArgs, typed: bool) {
    request.interpolate = !args.no_interpolate && typed;
    request.normalize = !args.no_normalize;
    request.resolve_paths = !args.no_path_resolution;
    request.check_consistency = !args.no_consistency;
    // Names are told although an env file is missing.
    request.resolve_environment = !args.no_env_resolution && !args.list.names();
    if !args.list.names() && args.list.hash.is_none() {
        request.services.clone_from(&args.only);
    }
}

/// The tree of the files, for what needs no types.
fn model(session: &Session, printer: &Printer, args: &ConfigArgs, typed: bool) -> Result<Node> {
    let mut source = source::open(&args.source, session, "", IndexMap::default())?;
    change(&mut source.request, args, typed);
    let model = compose::load_model(&source.request, &source.files());
    printer.diagnostics(&model.diagnostics, &model.sources);
    model.tree.ok_or_else(|| Failed::new(Exit::Wrong, load::count(&model.diagnostics)).into())
}

fn lines(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().fold(String::new(), |text, name| text + &name + "\n")
}

/// The list that is asked for, if one is.
fn list(project: &Project, list: &ConfigList) -> Result<Option<Vec<String>>> {
    let sorted = |names: Vec<String>| {
        let mut names = names;
        names.sort();
        Some(names)
    };
    let image = |service: &crate::model::Service| {
        service.image.clone().unwrap_or_else(|| format!("{}-{}", project.name, service.name))
    };
    Ok(if list.services {
        Some(dependencies_first(project))
    } else if list.volumes {
        sorted(project.volumes.keys().cloned().collect())
    } else if list.networks {
        sorted(project.networks.keys().cloned().collect())
    } else if list.models {
        sorted(project.models.values().filter_map(|model| model.model.clone()).collect())
    } else if list.images {
        let mut images = Vec::new();
        for service in project.services.values() {
            let own = image(service);
            // Containers that run before a service have images of their own.
            let hooks = service.pre_start.iter().filter_map(|hook| hook.container.image.clone());
            let hooks: Vec<String> = hooks.filter(|hook| *hook != own).collect();
            images.push(own);
            images.extend(hooks);
        }
        Some(images)
    } else if list.profiles {
        let all = project.services.values().chain(project.disabled_services.values());
        let mut names: Vec<String> = all.flat_map(|service| service.profiles.iter().cloned()).collect();
        names.sort();
        names.dedup();
        Some(names)
    } else if let Some(wanted) = &list.hash {
        Some(hashes(project, wanted)?)
    } else if list.environment {
        sorted(project.environment.iter().map(|(name, value)| format!("{name}={value}")).collect())
    } else {
        None
    })
}

/// The services by name, each behind those that it depends on; one name of a circle, which --no-consistency lets pass,
/// comes first all the same.
fn dependencies_first(project: &Project) -> Vec<String> {
    fn visit<'a>(
        project: &'a Project,
        names: impl Iterator<Item = &'a String>,
        seen: &mut BTreeSet<&'a str>,
        out: &mut Vec<String>,
    ) {
        let mut names: Vec<&String> = names.collect();
        names.sort();
        for name in names {
            if let Some(service) = project.services.get(name)
                && seen.insert(name)
            {
                visit(project, service.depends_on.keys(), seen, out);
                out.push(name.clone());
            }
        }
    }
    let mut out = Vec::new();
    visit(project, project.services.keys(), &mut BTreeSet::new(), &mut out);
    out
}

fn hashes(project: &Project, wanted: &str) -> Result<Vec<String>> {
    let mut names: Vec<&str> = match wanted {
        "*" => project.services.keys().map(String::as_str).collect(),
        names => names.split(',').collect(),
    };
    names.sort_unstable();
    let hash = |name: &str| match project.services.get(name) {
        Some(service) => Ok(format!("{name} {}", compose::service_hash(service))),
        None => Err(Failed::new(Exit::Wrong, format!("there is no service {name}")).into()),
    };
    names.into_iter().map(hash).collect()
}

/// Names, defaults and so on of variables, as a table, JSON or YAML.
fn variables(found: &IndexMap<String, Variable>, format: Option<&str>) -> Result<String> {
    let mut sorted: Vec<(&String, &Variable)> = found.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    if format == Some("json") {
        let object: serde_json::Map<String, serde_json::Value> = sorted
            .into_iter()
            .map(|(name, variable)| {
                let value = json!({
                    "Name": name,
                    "DefaultValue": text(&variable.default),
                    "PresenceValue": text(&variable.alternate),
                    "Required": variable.required,
                });
                (name.clone(), value)
            })
            .collect();
        return Ok(serde_json::to_string_pretty(&object)? + "\n");
    }
    if format == Some("yaml") {
        let object: serde_json::Map<String, serde_json::Value> = sorted
            .into_iter()
            .map(|(name, variable)| {
                let value = json!({
                    "name": name,
                    "defaultvalue": text(&variable.default),
                    "presencevalue": text(&variable.alternate),
                    "required": variable.required,
                });
                (name.clone(), value)
            })
            .collect();
        return Ok(crate::yaml::emit::emit(&object.into())?);
    }
    let mut rows = vec![["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned)];
    rows.extend(sorted.into_iter().map(|(name, variable)| {
        [name.clone(), variable.required.to_string(), text(&variable.default), text(&variable.alternate)]
    }));
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(17) + 3;
    let widths = [width(0), width(1), width(2)];
    let mut table = String::new();
    for [name, required, default, alternate] in &rows {
        writeln!(table, "{name:0$}{required:1$}{default:2$}{alternate}", widths[0], widths[1], widths[2])?;
    }
    Ok(table)
}

/// Writes a file whole or not at all.
fn write_whole(file: &Path, text: &str) -> Result<()> {
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let failed = || format!("cannot write {}", file.display());
    let mut temporary = tempfile::Builder::new()
        .prefix(".dokku-compose-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(dir)
        .with_context(failed)?;
    std::io::Write::write_all(&mut temporary, text.as_bytes()).with_context(failed)?;
    temporary.as_file().sync_all().with_context(failed)?;
    temporary.persist(file).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

impl ConfigList {
    /// Whether anything but the project is asked for.
    fn any(&self) -> bool {
        self.names() || self.profiles || self.images || self.hash.is_some() || self.variables || self.environment
    }

    /// Whether only names are, for which no env file of a service is read.
    fn names(&self) -> bool {
        self.services || self.volumes || self.networks || self.models
    }
}
