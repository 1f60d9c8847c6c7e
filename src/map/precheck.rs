//! What is wrong with a project by itself, before the server is asked about it.

use std::path::Path;

use crate::compose::{Reach, image};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::Project;

/// Services without any, names that no image can have, and files that the project must not make the program read.
pub fn check(project: &Project, reach: &Reach) -> Diagnostics {
    let mut found = Diagnostics::default();
    let mut error = |path: &str, diagnostic: Diagnostic| {
        found.push(match project.key_span(path) {
            Some(span) => diagnostic.at(span),
            None => diagnostic,
        });
    };
    if project.services.is_empty() {
        let message = if project.disabled_services.is_empty() { "there is no service" } else { "no service is enabled by the profiles" };
        let hint = if project.disabled_services.is_empty() {
            "to take a project away: dokku compose:destroy PROJECT"
        } else {
            "enable a profile: --profile NAME"
        };
        error("services", Diagnostic::error("no-services", message).hint(hint));
    }
    for (name, service) in &project.services {
        if let Some(text) = &service.image
            && let Err(wrong) = image::parse(text)
        {
            // An id names an image, too, but none that could be asked for again.
            error(&format!("services.{name}.image"), Diagnostic::error("invalid-image", wrong.to_string()));
        }
    }
    for (path, file) in files(project) {
        if let Some(reason) = reach.refuses(Path::new(file)) {
            let hint = "put it beside the compose file";
            error(&path, Diagnostic::error("outside-file", format!("cannot use {file}: {reason}")).hint(hint));
        }
    }
    found
}

/// Files and directories that a project has the program read, with their keys.
fn files(project: &Project) -> Vec<(String, &str)> {
    let mut out = Vec::new();
    for (key, secret) in &project.secrets {
        out.extend(secret.file.as_deref().map(|file| (format!("secrets.{key}.file"), file)));
    }
    for (key, config) in &project.configs {
        out.extend(config.file.as_deref().map(|file| (format!("configs.{key}.file"), file)));
    }
    for (name, service) in &project.services {
        let Some(build) = &service.build else { continue };
        for (key, file) in [("context", &build.context), ("dockerfile", &build.dockerfile)] {
            let absolute = file.as_deref().filter(|file| Path::new(file).is_absolute());
            out.extend(absolute.map(|file| (format!("services.{name}.build.{key}"), file)));
        }
    }
    out
}
