//! Which compose files are loaded when none is named.
//!
//! Specification: 03-compose-file.md.

use std::path::PathBuf;

use super::files::FileKind;
use super::load::{Loader, Stop, Variables};
use crate::diag::Diagnostic;

/// Names looked for, the first found is taken.
const NAMES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names looked for beside it.
const OVERRIDES: &[&str] =
    &["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The files of the request, of `COMPOSE_FILE`, or found in the project directory.
pub(super) fn compose_files(loader: &mut Loader<'_>, variables: &Variables) -> Result<Vec<PathBuf>, Stop> {
    if !loader.request.files.is_empty() {
        return Ok(loader.request.files.clone());
    }
    if let Some(list) = variables.get("COMPOSE_FILE").filter(|list| !list.is_empty()) {
        let separator = variables
            .get("COMPOSE_PATH_SEPARATOR")
            .filter(|separator| !separator.is_empty())
            .map_or(":", String::as_str);
        return Ok(list.split(separator).map(PathBuf::from).collect());
    }
    let dir = loader.request.project_dir.clone();
    match loader.files.kind(&dir) {
        Some(FileKind::Dir) => {}
        Some(FileKind::File) => {
            return loader
                .fail(Diagnostic::error("not-a-directory", format!("`{}` is not a directory", dir.display())));
        }
        None => {
            return loader
                .fail(Diagnostic::error("missing-directory", format!("directory `{}` does not exist", dir.display())));
        }
    }
    let Some(main) = pick(loader, NAMES) else {
        let error = Diagnostic::error("no-compose-file", format!("no compose file in `{}`", loader.request.place()));
        return loader.fail(error.hint(format!("looked for {}", NAMES.join(", "))).hint("name another file with -f"));
    };
    Ok(std::iter::once(main).chain(pick(loader, OVERRIDES)).collect())
}

/// The first of `names` that is there; a warning tells of the others.
fn pick(loader: &mut Loader<'_>, names: &[&str]) -> Option<PathBuf> {
    let found: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| loader.files.kind(&loader.request.project_dir.join(name)).is_some())
        .collect();
    let (first, others) = found.split_first()?;
    if !others.is_empty() {
        let message = format!("several compose files are here: {} is used, {} is not", first, others.join(", "));
        loader.diagnostics.push(Diagnostic::warning("several-compose-files", message));
    }
    Some(PathBuf::from(first))
}
