//! Loads compose files for a command and prints what was found.

use super::args::SourceArgs;
use super::session::Session;
use super::source::{self, Source};
use super::{Exit, Failed};
use crate::compose::{self, Loaded};
use crate::diag::{Diagnostics, Severity};
use crate::hashed::IndexMap;
use crate::map::resources::{Desired, FileContent, Kind};
use crate::model::Project;
use crate::secret::{Secret, is_telling, url_password};
use crate::ui::Printer;
use anyhow::Result;

/// A project as loaded, with its source, whose temporary files live as long as it does.
pub(super) struct Input {
    pub(super) project: Project,
    pub(super) loaded: Loaded,
    pub(super) source: Source,
}

/// Loads; findings are printed. Errors end the command with exit code 1.
pub(super) fn load(
    args: &SourceArgs,
    session: &Session,
    fallback: &str,
    controls: IndexMap<String, String>,
    printer: &Printer,
    change: impl FnOnce(&mut compose::Request),
) -> Result<Input> {
    let mut source = source::open(args, session, fallback, controls)?;
    change(&mut source.request);
    let mut loaded = compose::load(&source.request, &source.files());
    if !fallback.is_empty() {
        say_how_to_set(&mut loaded.diagnostics, fallback);
    }
    if let Some(project) = &loaded.project {
        printer.hide(secrets(project, fallback));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    let Some(project) = loaded.project.take().filter(|_| !loaded.diagnostics.has_errors()) else {
        return Err(Failed::new(Exit::Wrong, count(&loaded.diagnostics)).into());
    };
    Ok(Input { project, loaded, source })
}

/// Where a variable is not set, the command that sets it for the project.
fn say_how_to_set(found: &mut Diagnostics, project: &str) {
    for item in &mut found.items {
        if !matches!(item.code.as_ref(), "unset-variable" | "required-variable") {
            continue;
        }
        // The name stands in the message, as every name does.
        if let Some(name) = item.message.split('`').nth(1) {
            item.hints.push(format!("dokku config:set --no-restart {project} {name}=..."));
        }
    }
}

/// `2 errors, 1 warning`.
pub(super) fn count(diagnostics: &Diagnostics) -> String {
    let number = |severity| diagnostics.items.iter().filter(|item| item.severity == severity).count();
    let words = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => "no problems".into(),
        (0, _) => words(warnings, "warning"),
        (_, 0) => words(errors, "error"),
        _ => format!("{}, {}", words(errors, "error"), words(warnings, "warning")),
    }
}

/// Values that must not be seen, of a version whose file is not loaded again.
pub(super) fn telling_values(desired: &Desired) -> Vec<String> {
    let mut out = Vec::new();
    for service in desired.services.values() {
        let pairs: Vec<(&String, &Secret)> = match &service.kind {
            Kind::App(app) => app.config.iter().collect(),
            Kind::Container(raw) | Kind::Job(raw) => raw.container.environment.iter().collect(),
            Kind::Datastore(store) => {
                let login = [&store.login.password, &store.login.root_password];
                out.extend(login.into_iter().flatten().filter_map(|secret| secret.expose().map(str::to_owned)));
                store.environment.iter().chain(&store.container.environment).collect()
            }
        };
        for (name, text) in pairs.into_iter().filter_map(|(name, value)| Some((name, value.expose()?))) {
            let secret =
                if text.contains("://") { url_password(text) } else { Some(text).filter(|_| is_telling(name)) };
            out.extend(secret.map(str::to_owned));
        }
        for tree in &service.files {
            if let FileContent::Inline { text } = &tree.content {
                out.extend(text.expose().map(|text| text.trim().to_owned()));
            }
        }
    }
    let names: Vec<&str> = desired.services.keys().map(String::as_str).chain([desired.project.as_str()]).collect();
    out.retain(|value| value.len() >= 4 && !matches!(value.as_str(), "true" | "false" | "none" | "null"));
    out.retain(|value| !names.iter().any(|name| name.contains(value.as_str())));
    out
}

/// Values that must not be seen: of variables whose name says so, and of secrets.
pub(super) fn secrets(project: &Project, dokku_project: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (name, value) in &project.environment {
        if is_telling(name) {
            out.push(value.clone());
        }
    }
    for service in project.services.values() {
        for (name, value) in &service.environment {
            if let Some(value) = value.as_ref().filter(|value| is_telling(name) || value.contains("://")) {
                // Of a URL only the password is secret; the host name may be printed.
                out.extend(if value.contains("://") {
                    url_password(value).map(str::to_owned)
                } else {
                    Some(value.clone())
                });
            }
        }
        for (name, value) in service.build.iter().flat_map(|build| &build.args) {
            if let Some(value) = value.as_ref().filter(|_| is_telling(name)) {
                out.push(value.clone());
            }
        }
    }
    for (key, secret) in &project.secrets {
        out.extend(secret.environment_value.clone());
        if secret.external {
            let variable = crate::map::secret_variable(secret.name.as_deref().unwrap_or(key));
            out.extend(project.environment.get(&variable).cloned());
        }
        out.extend(
            secret.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).map(|text| text.trim().to_owned()),
        );
    }
    // A password that is a word of the stack's own names hides nothing by being hidden, and would make those names,
    // and the commands to finish by hand, unreadable.
    let names: Vec<&str> = std::iter::once(project.name.as_str())
        .chain(std::iter::once(dokku_project))
        .chain(project.services.values().flat_map(|service| {
            [Some(service.name.as_str()), service.image.as_deref(), service.container_name.as_deref()]
                .into_iter()
                .flatten()
        }))
        .chain(project.networks.keys().chain(project.volumes.keys()).map(String::as_str))
        .collect();
    out.retain(|value| value.len() >= 4 && !matches!(value.as_str(), "true" | "false" | "none" | "null"));
    out.retain(|value| !names.iter().any(|name| name.contains(value.as_str())));
    out
}
