//! What is wrong with a project by itself, before the server is asked about it.

use crate::compose::image;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::Project;

/// A project without a service, and names that no image can have.
pub fn check(project: &Project) -> Diagnostics {
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
    found
}
