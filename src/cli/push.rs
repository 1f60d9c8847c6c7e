//! A push to a project's own app: the tree that Dokku extracted is imported, or the push is refused.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::args::{ImportArgs, SourceArgs};
use super::session::{Session, setting};
use super::{Exit, Failed, import};
use crate::map::policy::Policy;
use crate::map::pushed::PushRules;
use crate::state::PushSettings;
use crate::ui::Printer;

/// What a pushed tree may hold, where the administrator says nothing: as much as Dokku itself takes in an archive
/// (`git:set --global archive-max-size`).
const MOST: u64 = 1 << 30;

/// What the administrator allows pushes.
pub(super) fn rules(session: &Session) -> PushRules {
    PushRules {
        paths: setting(&session.site, "push-allowed-host-paths"),
        ports: setting(&session.site, "push-allowed-ports"),
        registries: setting(&session.site, "push-allowed-registries"),
    }
}

/// The same for what the mapping asks: an administrator's leave for imports does not hold for a push.
pub(super) fn policy(session: &Session, rules: PushRules) -> Policy {
    Policy { paths: rules.paths, privileges: setting(&session.site, "push-allowed-privileges"), settings: "push-" }
}

/// Imports the tree in `dir`; an error refuses the push. `None` where pushes to the app are not the plugin's.
pub(super) fn run(session: &Session, printer: &Printer, app: &str, dir: &str) -> Result<Option<Exit>> {
    let settings = PushSettings::load(&session.site, app)?;
    if !settings.git_push {
        return Ok(None);
    }
    let root = std::path::absolute(dir)?;
    small_enough(session, &root)?;
    for module in empty_submodules(&root) {
        printer.warn(&format!("the submodule {module} is empty: it was not fetched, or its repository is private"));
    }
    let (source, files) = place(&root, &settings)?;
    let args = ImportArgs {
        project: Some(app.to_owned()),
        source: SourceArgs {
            source: Some(source.to_string_lossy().into_owned()),
            files,
            profiles: settings.profiles.clone(),
            pushed: Some(root),
            ..SourceArgs::default()
        },
        ..ImportArgs::default()
    };
    printer.step(&format!("Importing the compose project {app}"));
    import::run(session, printer, &args).map(Some)
}

/// The directory to load, and the files where they are named.
fn place(root: &Path, settings: &PushSettings) -> Result<(PathBuf, Vec<PathBuf>)> {
    let Some(first) = settings.compose_path.first() else { return Ok((root.to_path_buf(), Vec::new())) };
    for path in &settings.compose_path {
        if !root.join(path).exists() {
            return Err(
                Failed::new(Exit::Wrong, format!("there is no {path} in what was pushed (compose-path)")).into()
            );
        }
    }
    let at = root.join(first);
    if at.is_dir() {
        return Ok((at, settings.compose_path[1..].iter().map(|path| root.join(path)).collect()));
    }
    let dir = at.parent().unwrap_or(root).to_path_buf();
    Ok((dir, settings.compose_path.iter().map(|path| root.join(path)).collect()))
}

/// A tree that is too large is refused before anything of it is read.
fn small_enough(session: &Session, root: &Path) -> Result<()> {
    let most = setting(&session.site, "push-max-size")
        .first()
        .and_then(|size| crate::compose::units::parse_bytes(size).ok())
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(MOST);
    let mut bytes = 0;
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let facts = entry.metadata()?;
            if facts.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += facts.len();
            }
        }
    }
    if bytes > most {
        let message = format!(
            "what was pushed has {} MiB and may have {}: leave data out of the repository, or let an administrator allow it: \
             dokku compose:set --global push-max-size 4g (and dokku git:set --global archive-max-size for a context of that size)",
            bytes >> 20,
            most >> 20
        );
        return Err(Failed::new(Exit::Wrong, message).into());
    }
    Ok(())
}

/// Paths of `.gitmodules` with nothing in them.
fn empty_submodules(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join(".gitmodules")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("path")?.trim_start().strip_prefix('='))
        .map(|path| path.trim().to_owned())
        .filter(|path| {
            let mut entries = std::fs::read_dir(root.join(path)).into_iter().flatten();
            entries.next().is_none()
        })
        .collect()
}
