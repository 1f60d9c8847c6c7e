//! Loads compose files for a command and prints what was found.

use anyhow::Result;
use indexmap::IndexMap;

use super::args::SourceArgs;
use super::session::Session;
use super::source::{self, Source};
use super::{Exit, Failed};
use crate::compose::{self, Loaded};
use crate::diag::{Diagnostics, Severity};
use crate::model::Project;
use crate::ui::Printer;

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
    if let Some(project) = &loaded.project {
        printer.hide(secrets(project));
    }
    printer.diagnostics(&loaded.diagnostics, &loaded.sources);
    let Some(project) = loaded.project.take().filter(|_| !loaded.diagnostics.has_errors()) else {
        return Err(Failed::new(Exit::Wrong, count(&loaded.diagnostics)).into());
    };
    Ok(Input { project, loaded, source })
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

/// Values that must not be seen: of variables whose name says so, and of secrets.
fn secrets(project: &Project) -> Vec<String> {
    let telling = |name: &str| {
        let name = name.to_ascii_uppercase();
        ["PASS", "SECRET", "TOKEN", "KEY", "PWD", "CREDENTIAL", "AUTH", "PRIVATE", "DSN", "SALT"].iter().any(|word| name.contains(word))
    };
    let mut out: Vec<String> = Vec::new();
    for (name, value) in &project.environment {
        if telling(name) {
            out.push(value.clone());
        }
    }
    for service in project.services.values() {
        for (name, value) in &service.environment {
            if let Some(value) = value.as_ref().filter(|value| telling(name) || value.contains("://")) {
                // Of a URL only the password is secret; the host name may be printed.
                out.extend(if value.contains("://") { url_password(value) } else { Some(value.clone()) });
            }
        }
        for (name, value) in service.build.iter().flat_map(|build| &build.args) {
            if let Some(value) = value.as_ref().filter(|_| telling(name)) {
                out.push(value.clone());
            }
        }
    }
    for secret in project.secrets.values() {
        out.extend(secret.environment_value.clone());
        out.extend(secret.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).map(|text| text.trim().to_owned()));
    }
    out.retain(|value| value.len() >= 4 && !matches!(value.as_str(), "true" | "false" | "none" | "null"));
    out
}

fn url_password(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls() {
        assert_eq!(url_password("postgres://app:s3cr3t@db:5432/app"), Some("s3cr3t".into()));
        assert_eq!(url_password("redis://cache:6379"), None);
    }
}
