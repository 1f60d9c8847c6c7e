//! Validators: the administrator's own rules for compose files.
//!
//! Each executable of the directory `validators` in the plugin's data gets the normalized project, as
//! `compose:config --format json` prints it, on standard input, and answers with findings in the form of
//! `compose:check --format json` (`docs/validators.md`).

use anyhow::Result;
use serde::Deserialize;

use super::programs;
use super::session::Session;
use crate::compose;
use crate::diag::{Diagnostic, Diagnostics, Severity, Sources, Span};
use crate::model::Project;

/// The most findings of one.
const MOST: usize = 200;
/// The version of the form of answers.
const VERSION: u32 = 1;

/// What a validator answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    version: u32,
    #[serde(default)]
    diagnostics: Vec<Finding>,
    /// Known from `compose:check`, not read.
    #[serde(default, rename = "summary")]
    _summary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    severity: Level,
    code: String,
    message: String,
    /// A place in the project: `services.web.ports[0]`.
    #[serde(default)]
    path: Option<String>,
    /// Places in files, as `compose:check` prints them.
    #[serde(default)]
    labels: Vec<Place>,
    #[serde(default)]
    hints: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Note,
    Warning,
    Error,
}

#[derive(Deserialize)]
struct Place {
    file: String,
    line: usize,
    #[serde(default = "one")]
    column: usize,
    #[serde(default)]
    end_line: Option<usize>,
    #[serde(default)]
    end_column: Option<usize>,
    #[serde(default)]
    text: String,
}

const fn one() -> usize {
    1
}

/// What all validators say of a project; one that fails is an error, for nobody knows what it would have found.
pub(super) fn run(session: &Session, project: &Project, sources: &Sources) -> Result<Diagnostics> {
    let mut out = Diagnostics::default();
    let mut input = None;
    for program in programs::of(&session.site.validators())? {
        let input = input.get_or_insert_with(|| compose::config_json(project).to_string().into_bytes());
        match program.ask(session, input.clone()).and_then(|text| read(&text)) {
            Ok(answer) => {
                let findings = answer.diagnostics.into_iter().take(MOST);
                out.items.extend(findings.map(|finding| diagnostic(&program.stem(), finding, project, sources)));
            }
            Err(why) => out.push(failed(&program.name, &why)),
        }
    }
    Ok(out)
}

fn failed(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error("validator-failed", format!("the validator `{name}` gave no answer: {why}"))
}

fn read(text: &str) -> Result<Answer, String> {
    if text.trim().is_empty() {
        return Ok(Answer { version: VERSION, diagnostics: Vec::new(), _summary: None });
    }
    let answer: Answer = serde_json::from_str(text).map_err(|error| format!("its answer cannot be read: {error}"))?;
    if answer.version != VERSION {
        return Err(format!("its answer has version {}, only {VERSION} is known", answer.version));
    }
    Ok(answer)
}

fn diagnostic(validator: &str, finding: Finding, project: &Project, sources: &Sources) -> Diagnostic {
    let severity = match finding.severity {
        Level::Note => Severity::Note,
        Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    };
    let code = format!("{validator}/{}", finding.code);
    let mut diagnostic = Diagnostic::new(severity, code, finding.message);
    if let Some(span) = finding.path.as_deref().and_then(|path| nearest(project, path)) {
        diagnostic = diagnostic.at(span);
    }
    for place in finding.labels {
        if let Some(span) = span(&place, sources) {
            diagnostic = diagnostic.label(span, place.text);
        }
    }
    diagnostic.hints = finding.hints;
    diagnostic
}

/// The value at `path`, or what is nearest above it.
fn nearest(project: &Project, path: &str) -> Option<Span> {
    let mut path = path;
    loop {
        if let Some(span) = project.span(path).filter(|span| span.end > span.start).or_else(|| project.key_span(path)) {
            return Some(span);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

fn span(place: &Place, sources: &Sources) -> Option<Span> {
    let (file, source) = sources.find(|source| source.name == place.file)?;
    let start = source.offset(place.line, place.column)?;
    let end = match place.end_column {
        Some(column) => source.offset(place.end_line.unwrap_or(place.line), column)?,
        None => start,
    };
    Some(Span { file, start, end: end.max(start) })
}
