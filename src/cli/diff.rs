//! `compose:diff`: what differs between two versions, or between the current one and the server, field by field.

use anyhow::Result;
use serde_json::json;

use super::args::DiffArgs;
use super::recover::unknown;
use super::session::Session;
use super::{Exit, Failed, status};
use crate::map::resources::Desired;
use crate::plan::changes::{Change, between};
use crate::state::{ProjectDir, State, versions};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &DiffArgs) -> Result<Exit> {
    let dir = session.project_dir(&args.project)?;
    let Some(state) = State::load(&dir)? else { return Err(unknown(&args.project)) };
    let (changes, title) = match args.from {
        None => {
            let title = format!("{} v{} and the server", args.project, state.version);
            (status::by_hand(session, &state)?, title)
        }
        Some(from) => {
            let to = args.to.unwrap_or(state.version);
            let title = format!("{} v{from} and v{to}", args.project);
            (between(&desired(&dir, &state, from)?, &desired(&dir, &state, to)?), title)
        }
    };
    if printer.is_json() {
        printer.json(&json!({ "version": 1, "project": args.project, "changes": changes }));
        return Ok(Exit::Done);
    }
    printer.header(&title);
    print(printer, &changes);
    if changes.is_empty() {
        printer.result("       no difference");
    }
    Ok(Exit::Done)
}

fn desired(dir: &ProjectDir, state: &State, number: u32) -> Result<Desired> {
    let version = versions::read(dir, number)?.filter(|_| number <= state.version);
    let version = version.ok_or_else(|| {
        let message = format!("{} has no version v{number}; compose:history names them", state.project);
        Failed::new(Exit::Wrong, message)
    })?;
    Ok(version.desired)
}

/// One line a field: `~ web  image  acme/web:1 -> acme/web:2`.
pub(super) fn print(printer: &Printer, changes: &[Change]) {
    let width = |field: fn(&Change) -> &str| changes.iter().map(|one| field(one).chars().count()).max().unwrap_or(0);
    let (service, field) = (width(|one| &one.service), width(|one| &one.field));
    for one in changes {
        let value = match (&one.before, &one.after) {
            (Some(before), Some(after)) if before == after => "changed".to_owned(),
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (Some(value), None) | (None, Some(value)) => value.clone(),
            (None, None) => String::new(),
        };
        printer.result(&format!("       {} {:service$}  {:field$}  {value}", one.symbol(), one.service, one.field));
    }
}
