//! The figures of the last runs, in the file that `compose:set --global metrics-file` names; none by default.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};

use super::session::Session;
use crate::apply::summary;
use crate::state::{ProjectDir, Settings};
use crate::ui::metrics;

/// Replaces the file at once: a reader sees the whole of one state.
pub(super) fn write(session: &Session) -> Result<()> {
    let Some(path) = Settings::global(&session.site)?.metrics_file else { return Ok(()) };
    let mut runs = Vec::new();
    for dir in ProjectDir::list(&session.site)? {
        if let Some(summary) = summary::newest(&dir)? {
            runs.push((dir.project().to_owned(), summary));
        }
    }
    let attempt = || {
        let parent = path.parent().unwrap_or(&path);
        // The collector runs as somebody else; its files end in .prom, so this one is not read half written.
        let mut file = tempfile::Builder::new()
            .prefix(".dokku-compose-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(parent)?;
        file.write_all(metrics::text(&runs).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map(drop).map_err(|error| error.error)
    };
    attempt().with_context(|| format!("cannot write the metrics file {}", path.display()))
}
