//! Environment: env files, label files, and variables named without a value.
//!
//! Specification: 05-services.md, "environment", "env_file", "label_file"; 08-configs.md and 09-secrets.md, "environment".

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::budget::Budget;
use super::dotenv;
use super::files::FileKind;
use super::load::{Loader, Stop, Variables, unreadable};
use super::tree::{child_map, insert, map_mut, seq_mut, string, text};
use crate::diag::{Diagnostic, FileId, Span};
use crate::hashed::IndexMap;
use crate::model::{EnvFile, Project, Service};
use crate::yaml::Node;

/// Under this key the tree holds the value of a secret or config that a variable gives. It is an
/// extension, so that the tree of an included file passes the schema of the including one.
pub(super) const VALUE: &str = "x-#value";

/// Variables of env files for interpolation; a later file is stronger.
///
/// References in them see `variables` first, then what was read before.
/// `cause` is where the files were asked for. The files themselves are given too, the strongest first.
pub(super) fn env_files(
    loader: &mut Loader<'_>,
    files: &[PathBuf],
    variables: &Variables,
    cause: Option<Span>,
) -> Result<(Variables, Vec<FileId>), Stop> {
    let mut read = Variables::default();
    let mut ids = Vec::new();
    for path in files {
        let (id, text) = match loader.text(path) {
            Ok(text) => text,
            Err(error) => {
                let error = unreadable("env file", &loader.display(path), &error);
                return loader.fail(match cause {
                    Some(span) => error.at(span),
                    None => error,
                });
            }
        };
        let mark = loader.mark();
        let (all, findings) = dotenv::parse_onto(read, &text, id, &|name| variables.get(name).cloned());
        loader.diagnostics.items.extend(findings);
        loader.sound_since(mark)?;
        if let Err(exceeded) = loader.budget.bytes(size(&all)) {
            return loader.fail(exceeded.at(cause));
        }
        read = all;
        ids.insert(0, id);
    }
    Ok((read, ids))
}

/// Gives list entries without a value, and secrets and configs, the value of their variable.
///
/// # Errors
///
/// Where the values come to more than a project may.
pub(super) fn resolve_tree(tree: &mut Node, variables: &Variables, budget: &Budget) -> Result<(), Diagnostic> {
    let take = |value: &str, at: Span| budget.bytes(value.len()).map_err(|exceeded| exceeded.at(Some(at)));
    for entry in child_map(tree, "services").into_iter().flat_map(|services| services.entries.values_mut()) {
        let environment = map_mut(&mut entry.value).and_then(|service| service.entries.get_mut("environment"));
        for item in environment.and_then(|entry| seq_mut(&mut entry.value)).into_iter().flatten() {
            if let Some(value) = text(item).and_then(|name| variables.get(name)) {
                take(value, item.span)?;
                *item = string(format!("{}={value}", text(item).unwrap_or_default()), item.span);
            }
        }
    }
    for section in ["secrets", "configs"] {
        for entry in child_map(tree, section).into_iter().flat_map(|map| map.entries.values_mut()) {
            let Some(resource) = map_mut(&mut entry.value) else { continue };
            let Some(variable) = resource.get("environment") else { continue };
            let span = variable.span;
            if let Some(value) = text(variable).and_then(|name| variables.get(name)) {
                take(value, span)?;
                insert(resource, VALUE, span, string(value.clone(), span));
            }
        }
    }
    Ok(())
}

/// Reads the env files and label files of every enabled service.
pub(super) fn resolve(loader: &mut Loader<'_>, project: &mut Project) {
    let variables = std::mem::take(&mut project.environment);
    let mut services = std::mem::take(&mut project.services);
    for (name, service) in &mut services {
        let path = format!("services.{name}");
        let at = |key: &str| project.span(&format!("{path}.{key}"));
        container(loader, service, &variables, &at);
        for (index, hook) in service.pre_start.iter_mut().enumerate() {
            let at = |key: &str| project.span(&format!("{path}.pre_start[{index}].{key}"));
            container(loader, &mut hook.container, &variables, &at);
        }
    }
    project.services = services;
    project.environment = variables;
}

fn container(loader: &mut Loader<'_>, service: &mut Service, variables: &Variables, at: &dyn Fn(&str) -> Option<Span>) {
    for (name, value) in &mut service.environment {
        if value.is_none()
            && let Some(known) = variables.get(name)
        {
            if let Err(exceeded) = loader.budget.bytes(known.len()) {
                loader.diagnostics.push(exceeded.at(at("environment")));
                return;
            }
            *value = Some(known.clone());
        }
    }
    if !service.env_file.is_empty() || service.environment.values().any(Option::is_none) {
        add_env_files(loader, service, variables, at);
    }
    if !service.label_file.is_empty() {
        add_label_files(loader, service, at);
    }
}

/// The environment over what the env files say; variables without a value come last.
fn add_env_files(
    loader: &mut Loader<'_>,
    service: &mut Service,
    variables: &Variables,
    at: &dyn Fn(&str) -> Option<Span>,
) {
    let mut environment: Variables =
        service.environment.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    let own = environment.clone();
    for (index, file) in service.env_file.iter().enumerate() {
        let span = at(&format!("env_file[{index}].path"));
        let lookup = |name: &str| variables.get(name).or_else(|| own.get(name)).cloned();
        environment = env_file(loader, file, span, environment, &lookup);
    }
    let mut resolved: IndexMap<String, Option<String>> =
        environment.into_iter().map(|(name, value)| (name, Some(value))).collect();
    for (name, value) in std::mem::take(&mut service.environment) {
        resolved.insert(name, value);
    }
    service.environment = resolved;
}

/// The labels over what the label files say.
fn add_label_files(loader: &mut Loader<'_>, service: &mut Service, at: &dyn Fn(&str) -> Option<Span>) {
    let mut labels = Variables::default();
    for (index, path) in service.label_file.iter().enumerate() {
        let span = at(&format!("label_file[{index}]"));
        let Some((id, text)) = open(loader, "label file", Path::new(path), span) else { continue };
        let (read, findings) = dotenv::parse(&text, id, &|name| labels.get(name).cloned());
        loader.diagnostics.items.extend(findings);
        labels.extend(read);
    }
    labels.extend(std::mem::take(&mut service.labels));
    service.labels = labels;
}

/// `earlier` and the variables of one env file, which are stronger; what cannot be read is reported.
fn env_file(
    loader: &mut Loader<'_>,
    file: &EnvFile,
    span: Option<Span>,
    mut earlier: Variables,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Variables {
    let path = PathBuf::from(file.path.clone().unwrap_or_default());
    if !file.required && loader.files.kind(&path).is_none() {
        return earlier;
    }
    let Some((id, text)) = open(loader, "env file", &path, span) else { return earlier };
    if let Err(exceeded) = loader.budget.bytes(size(&earlier) + text.len()) {
        // Told once, not for each service.
        if !loader.diagnostics.items.iter().any(|item| item.code == "project-too-large") {
            loader.diagnostics.push(exceeded.at(span));
        }
        return earlier;
    }
    match file.format.as_deref() {
        None | Some("") => {
            let (all, findings) = dotenv::parse_onto(earlier, &text, id, lookup);
            loader.diagnostics.items.extend(findings);
            all
        }
        Some("raw") => {
            let (read, findings) = dotenv::parse_raw(&text, id, lookup);
            loader.diagnostics.items.extend(findings);
            earlier.extend(read);
            earlier
        }
        Some(format) => {
            let error = Diagnostic::error("invalid-value", format!("unknown env file format `{format}`"))
                .hint("the only format is `raw`");
            loader.diagnostics.push(match span {
                Some(span) => error.at(span),
                None => error,
            });
            earlier
        }
    }
}

/// Bytes of variables.
pub(super) fn size(variables: &Variables) -> usize {
    variables.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn open(loader: &mut Loader<'_>, what: &str, path: &Path, span: Option<Span>) -> Option<(FileId, Arc<str>)> {
    match loader.text(path) {
        Ok(read) => Some(read),
        Err(error) => {
            let mut error = unreadable(what, &loader.display(path), &error);
            if let Some(span) = span {
                error = error.at(span);
            }
            if what == "env file" && error.code == "missing-file" && loader.files.kind(path) != Some(FileKind::Dir) {
                error = error.hint("write `required: false` beside its `path` if it may be missing");
            }
            loader.diagnostics.push(error);
            None
        }
    }
}
