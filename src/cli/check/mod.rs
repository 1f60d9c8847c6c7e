//! `compose:check`: reads compose files and says what is wrong, without a server.

mod fix;

use crate::hashed::IndexMap;
use anyhow::Result;
use serde_json::json;

use super::args::{CheckArgs, CheckFormat};
use super::session::Session;
use super::{Exit, Failed, load, source, validators};
use crate::compose::{self, Loaded};
use crate::diag::{self, Severity};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &CheckArgs) -> Result<Exit> {
    let source = source::open(&args.source, session, "", IndexMap::default())?;
    let fixed = if args.fix { fix::fix(&source)? } else { Vec::new() };
    let mut loaded = compose::load(&source.request, &source.files());
    further(session, &mut loaded)?;
    let diagnostics = &loaded.diagnostics;
    let warned = diagnostics.items.iter().any(|item| item.severity == Severity::Warning);
    let wrong = diagnostics.has_errors() || (args.strict && warned);
    let exit = if wrong { Exit::Wrong } else { Exit::Done };
    let sentence = load::count(diagnostics);
    match args.format {
        CheckFormat::Json => {
            let items: Vec<_> = diagnostics.items.iter().map(|item| diag::to_json(item, &loaded.sources)).collect();
            let mut object = json!({ "version": 1, "diagnostics": items, "summary": sentence });
            if args.fix {
                object["fixed"] = fixed.iter().map(fix::Fixed::to_json).collect();
            }
            printer.json(&object);
            return Ok(exit);
        }
        CheckFormat::Sarif => {
            let log = diag::sarif::to_sarif(diagnostics, &loaded.sources);
            printer.result(&serde_json::to_string_pretty(&log)?);
            return Ok(exit);
        }
        CheckFormat::Text => {}
    }
    for fixed in &fixed {
        printer.step(&format!("{}: {}", fixed.place, fixed.title));
        fixed.before.iter().for_each(|line| printer.detail(&format!("- {line}")));
        fixed.after.iter().for_each(|line| printer.detail(&format!("+ {line}")));
    }
    printer.diagnostics(diagnostics, &loaded.sources);
    let sentence = match fixed.len() {
        0 if args.fix => format!("nothing to fix; {sentence}"),
        0 => sentence,
        count => format!("{count} fixed; {sentence}"),
    };
    if wrong {
        return Err(Failed::new(Exit::Wrong, sentence).into());
    }
    printer.header(&sentence);
    Ok(Exit::Done)
}

/// What is said of a project that loads: surprises, and what the administrator's validators find.
fn further(session: &Session, loaded: &mut Loaded) -> Result<()> {
    let Some(project) = &loaded.project else { return Ok(()) };
    let mut found = compose::surprises(project, &loaded.sources);
    loaded.origins.annotate(&mut found, &loaded.sources);
    found.items.extend(validators::run(session, project, &loaded.sources)?.items);
    loaded.diagnostics.items.extend(found.items);
    Ok(())
}
