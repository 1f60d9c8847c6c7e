//! `compose:check`: reads compose files and says what is wrong, without a server.

use anyhow::Result;
use indexmap::IndexMap;
use serde_json::json;

use super::args::CheckArgs;
use super::session::Session;
use super::{Exit, Failed, load, source};
use crate::compose;
use crate::diag::{self, Severity};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &CheckArgs) -> Result<Exit> {
    let source = source::open(&args.source, session, "", IndexMap::new())?;
    let loaded = compose::load(&source.request, &source.files());
    let diagnostics = &loaded.diagnostics;
    let warned = diagnostics.items.iter().any(|item| item.severity == Severity::Warning);
    let wrong = diagnostics.has_errors() || (args.strict && warned);
    let sentence = load::count(diagnostics);
    if printer.is_json() {
        let items: Vec<_> = diagnostics.items.iter().map(|item| diag::to_json(item, &loaded.sources)).collect();
        printer.json(&json!({ "version": 1, "diagnostics": items, "summary": sentence }));
        return Ok(if wrong { Exit::Wrong } else { Exit::Done });
    }
    printer.diagnostics(diagnostics, &loaded.sources);
    if wrong {
        return Err(Failed::new(Exit::Wrong, sentence).into());
    }
    printer.header(&sentence);
    Ok(Exit::Done)
}
