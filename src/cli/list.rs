//! `compose:list`: the imported projects.

use anyhow::Result;
use serde_json::json;

use super::Exit;
use super::session::Session;
use crate::state::{ProjectDir, State};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer) -> Result<Exit> {
    let mut rows = Vec::new();
    for dir in ProjectDir::list(&session.site)? {
        if let Some(state) = State::load(&dir)? {
            rows.push((state.project, state.version, state.desired.services.len(), state.updated_at));
        }
    }
    if printer.is_json() {
        let list: Vec<_> = rows
            .iter()
            .map(|(name, version, services, at)| json!({ "project": name, "version": version, "services": services, "updated_at": at }))
            .collect();
        printer.json(&json!({ "version": 1, "projects": list }));
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        printer.warn("no project was imported yet");
        return Ok(Exit::Done);
    }
    printer.header("Compose projects");
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    for (name, version, services, at) in rows {
        printer.result(&format!("       {name:width$}  v{version}  {services} services  {at}"));
    }
    Ok(Exit::Done)
}
