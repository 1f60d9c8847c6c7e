//! `compose:set --global`: what the administrator allows.

use anyhow::{Result, bail};

use super::Exit;
use super::args::SetArgs;
use super::session::{Session, allowed_file};
use crate::state::store;
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &SetArgs) -> Result<Exit> {
    let value = args.value.clone().unwrap_or_default();
    let paths: Vec<&str> = value.split(',').map(str::trim).filter(|path| !path.is_empty()).collect();
    if let Some(bad) = paths.iter().find(|path| !path.starts_with('/')) {
        bail!("{bad} is not an absolute path");
    }
    let file = allowed_file(&session.site);
    if paths.is_empty() {
        store::remove_file(&file)?;
        printer.step(&format!("Unsetting {}", args.key));
    } else {
        store::create_dir(&session.site.data())?;
        store::write_bytes(&file, format!("{}\n", paths.join("\n")).as_bytes())?;
        printer.step(&format!("Setting {} to {}", args.key, paths.join(",")));
    }
    Ok(Exit::Done)
}
