//! The project name: as asked for, `COMPOSE_PROJECT_NAME`, `name:` of the files, the directory's.
//!
//! Specification: 04-version-and-name.md, "Name top-level element".

use std::path::PathBuf;

use super::interpolate;
use super::load::{Loader, Stop, Variables};
use super::tree::text;
use crate::diag::Diagnostic;
use crate::yaml;

/// The name of the project made of `files`.
pub(super) fn resolve(loader: &mut Loader<'_>, files: &[PathBuf], variables: &Variables) -> Result<String, Stop> {
    let asked = loader
        .request
        .project_name
        .clone()
        .or_else(|| variables.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()).cloned());
    if let Some(name) = asked {
        if normalized(&name) == name && !name.is_empty() {
            return Ok(name);
        }
        let mut error = Diagnostic::error("invalid-project-name", format!("invalid project name `{name}`"))
            .hint("use lower-case letters, digits, `-` and `_`, and start with a letter or a digit");
        if !normalized(&name).is_empty() {
            error = error.hint(format!("`{}` would do", normalized(&name)));
        }
        return loader.fail(error);
    }
    let mut written = None;
    for file in files {
        let path = loader.absolute(file);
        // What is wrong with the file is told when it is loaded.
        let Ok((id, text_of_file)) = loader.text(&path) else { continue };
        let Ok(documents) = yaml::load(&text_of_file, id, &yaml::Limits::default()) else { continue };
        for document in &documents {
            let name = document.as_map().and_then(|map| map.get("name"));
            if let Some(name) = name.filter(|name| text(name).is_some_and(|name| !name.is_empty())) {
                written = Some(name.clone());
            }
        }
        // Parsed once: the loader takes them from here.
        loader.parsed.insert(id, documents);
    }
    let directory = || {
        let named = loader.request.default_name.clone();
        let name =
            named.or_else(|| loader.request.project_dir.file_name().map(|name| name.to_string_lossy().into_owned()));
        normalized(&name.unwrap_or_default())
    };
    let Some(mut node) = written else {
        let name = directory();
        if name.is_empty() {
            let message = format!("the directory `{}` gives no project name", loader.request.project_dir.display());
            return loader.fail(
                Diagnostic::error("invalid-project-name", message).hint("write `name:` at the top of the compose file"),
            );
        }
        return Ok(name);
    };
    if loader.request.interpolate {
        let mark = loader.mark();
        // The phase itself warns of unset variables, once more would be noise.
        let mut findings = crate::diag::Diagnostics::default();
        interpolate::interpolate(&mut node, &|name| variables.get(name).cloned(), &mut findings);
        loader
            .diagnostics
            .items
            .extend(findings.items.into_iter().filter(|item| item.severity == crate::diag::Severity::Error));
        loader.sound_since(mark)?;
    }
    let name = normalized(text(&node).unwrap_or_default());
    if name.is_empty() {
        let message = format!("invalid project name `{}`", text(&node).unwrap_or_default());
        let error = Diagnostic::error("invalid-project-name", message).at(node.span);
        return loader
            .fail(error.hint("use lower-case letters, digits, `-` and `_`, and start with a letter or a digit"));
    }
    Ok(name)
}

/// What of `name` a project name may hold.
fn normalized(name: &str) -> String {
    let kept: String =
        name.to_lowercase().chars().filter(|char| matches!(char, 'a'..='z' | '0'..='9' | '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn names_keep_small_letters_digits_and_dashes() {
        assert_eq!(normalized("My App_2"), "myapp_2");
        assert_eq!(normalized("_-x.y"), "xy");
        assert_eq!(normalized("ÄÖ"), "");
    }
}
