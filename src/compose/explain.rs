//! Explain: how a value came to its place, step by step. `docker compose` has nothing like it.
//!
//! Specification: 10-fragments.md, 12-interpolation.md, 13-merge.md and 14-include.md, whose steps it tells.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::origin::{Origins, names};
use super::trace::{Event, Trace};
use super::tree::{printed, text};
use super::{Files, Loaded, Request, dotenv, load, template};
use crate::diag::{Sources, Span, suggest};
use crate::model::{Project, Service};
use crate::yaml::{self, Node};

/// What happened to a value in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A file holds the value.
    Written,
    /// A later file, or the extending service, holds another one, which wins or is merged.
    Override,
    /// The value is that of an anchor, used by an alias or a merge key.
    Anchor,
    /// A variable was replaced.
    Variable,
    /// The result of replacing variables.
    Interpolated,
    /// `extends` took the value over.
    Extends,
    /// `include` brought the value.
    Include,
    /// `!reset` removed what there was.
    Reset,
    /// `!override` replaced what there was.
    Replace,
    /// An env file of the service holds the value.
    EnvFile,
    /// Nobody wrote it: the Specification's default, or implied by something else.
    Default,
    /// The form was changed: paths made absolute, short forms written out.
    Normalized,
}

/// One step of a value's way into the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub kind: StepKind,
    /// Where; `None` where no file is concerned.
    pub place: Option<Span>,
    /// What happened, in words.
    pub text: String,
}

/// How a value came to its place.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The value in the normalized project; `None` where what the steps tell of is no longer there in the end.
    pub value: Option<Value>,
    /// The steps, in the order in which they happened.
    pub steps: Vec<Step>,
}

/// Why a path cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {path}{}", hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}")))]
pub struct NoSuchPath {
    /// As far as it leads.
    pub path: String,
    /// What is there instead.
    pub hint: Option<String>,
}

/// Loads the files of `request` and tells where the value at `path`, such as `services.web.ports[0].published`, is from.
///
/// # Errors
///
/// The inner error where the project holds nothing at `path`; there is nothing to tell where the files do not load.
pub fn explain(request: &Request, files: &dyn Files, path: &str) -> (Loaded, Option<Result<Explained, NoSuchPath>>) {
    let first = load(request, files);
    let Some(project) = &first.project else { return (first, None) };
    let whole = super::config_json(project);
    let value = find(&whole, path, "").map(|value| unescaped(value.clone()));
    let place = project.span(path);
    let trace = Trace::new(path, place);
    let (loaded, trace) = super::load::load_traced(request, files, trace);
    let Some(project) = &loaded.project else { return (loaded, None) };
    let value = match value {
        Ok(value) => Some(value),
        // Something was written there and is gone.
        Err(_) if trace.events.iter().any(|event| matches!(event, Event::Written(_))) => None,
        Err(missing) => return (first, Some(Err(missing))),
    };
    let steps = Teller { loaded: &loaded, request, steps: Vec::new() }.tell(project, path, trace, value.as_ref());
    (loaded, Some(Ok(Explained { value, steps })))
}

/// What is printed to be loaded again doubles each `$`.
fn unescaped(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("$$", "$").into(),
        Value::Array(items) => items.into_iter().map(unescaped).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, unescaped(value))).collect(),
        other => other,
    }
}

/// The value at `path`; an error names what is there instead.
fn find<'v>(value: &'v Value, path: &str, above: &str) -> Result<&'v Value, NoSuchPath> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return Ok(value);
    }
    let ends: Vec<usize> = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]).collect();
    let join = |key: &str| if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
    match value {
        Value::Object(map) => {
            let key = ends.iter().rev().map(|end| &path[..*end]).find(|key| map.contains_key(*key));
            if let Some((key, inner)) = key.and_then(|key| Some((key, map.get(key)?))) {
                return find(inner, &path[key.len()..], &join(key));
            }
            let wanted = &path[..ends.first().copied().unwrap_or(path.len())];
            let hint = match suggest::closest(wanted, map.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {}?", join(near)),
                None => {
                    let keys: Vec<&str> = map.keys().map(String::as_str).take(20).collect();
                    format!("there are {}", keys.join(", "))
                }
            };
            Err(NoSuchPath { path: join(wanted), hint: Some(hint) })
        }
        Value::Array(items) => {
            let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let found = index.and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, index, rest)));
            match found {
                Some((item, index, rest)) => find(item, rest, &format!("{above}[{index}]")),
                None => Err(NoSuchPath {
                    path: format!("{above}{}{path}", if path.starts_with('[') { "" } else { "." }),
                    hint: Some(format!("{above} is a list of {}: write {above}[0] for its first entry", items.len())),
                }),
            }
        }
        _ => Err(NoSuchPath { path: join(path), hint: Some(format!("{above} is no mapping")) }),
    }
}

struct Teller<'a> {
    loaded: &'a Loaded,
    request: &'a Request,
    steps: Vec<Step>,
}

impl Teller<'_> {
    fn tell(mut self, project: &Project, path: &str, trace: Trace, value: Option<&Value>) -> Vec<Step> {
        let mut last: Option<Node> = None;
        for event in trace.events {
            match event {
                Event::Written(node) => {
                    self.written(&node, last.is_some());
                    last = Some(node);
                }
                Event::Extended(place) => {
                    self.step(StepKind::Extends, Some(place), "taken over by `extends`".to_owned())
                }
                Event::Included(place) => {
                    self.step(StepKind::Include, Some(place), "brought by `include`".to_owned());
                }
                Event::Reset(place, true) => {
                    self.step(StepKind::Replace, Some(place), "`!override`: what came before is gone".to_owned());
                    last = None;
                }
                Event::Reset(place, false) => {
                    self.step(StepKind::Reset, Some(place), "`!reset`: what came before is gone".to_owned());
                    last = None;
                }
            }
        }
        match (&last, value) {
            (_, None) => {}
            (None, Some(_)) if self.passed_on(project, path) => {}
            (None, Some(_)) => self.nobody(project, path),
            (Some(node), Some(_))
                if text(node).is_some_and(|text| !text.contains('=')) && self.passed_on(project, path) => {}
            (Some(node), Some(value)) => self.changed(node, value),
        }
        self.steps
    }

    fn step(&mut self, kind: StepKind, place: Option<Span>, text: String) {
        self.steps.push(Step { kind, place, text });
    }

    fn sources(&self) -> &Sources {
        &self.loaded.sources
    }

    /// The text of a place as it is written, its first line.
    fn source(&self, span: Span) -> String {
        const LONGEST: usize = 100;
        let text = self.sources().get(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize));
        let line = text.unwrap_or_default().lines().next().unwrap_or_default().trim_end();
        let more = text.is_some_and(|text| text.trim_end().len() > line.len());
        let short: String = line.chars().take(LONGEST).collect();
        if more || short.len() < line.len() { format!("{short} ...") } else { short }
    }

    fn written(&mut self, node: &Node, again: bool) {
        let written = self.source(node.span);
        let kind = if again { StepKind::Override } else { StepKind::Written };
        let word = match (again, node.as_scalar().is_some()) {
            (false, _) => "written",
            (true, true) => "replaced by",
            (true, false) => "merged with",
        };
        self.step(kind, Some(node.span), format!("{word} `{written}`"));
        self.aliases(node);
        self.variables(node);
    }

    /// The aliases by which the value came into a service or another section.
    fn aliases(&mut self, node: &Node) {
        let Some(source) = self.sources().get(node.span.file) else { return };
        let anchors = yaml::anchors(&source.text, node.span.file);
        let holds = |anchor: &yaml::Anchor| anchor.value.start <= node.span.start && node.span.end <= anchor.value.end;
        let Some(inner) = anchors.anchors.iter().rposition(holds) else { return };
        // The alias is known where only one names the anchor; else each that could be meant is told.
        let uses: Vec<_> = anchors.aliases.iter().filter(|alias| alias.anchor == inner).collect();
        let name = anchors.anchors.get(inner).map(|anchor| anchor.name.clone()).unwrap_or_default();
        for alias in uses {
            self.step(StepKind::Anchor, Some(alias.place), format!("used through the alias `*{name}`"));
        }
    }

    fn variables(&mut self, node: &Node) {
        let origins: &Origins = &self.loaded.origins;
        let Some(found) = origins.template(node.span) else { return };
        let values = self.loaded.project.as_ref().map(|project| &project.environment);
        let mut steps = Vec::new();
        for name in nested(&found.text) {
            let place = origins.variable(found, &name, self.sources());
            let value = values.and_then(|values| values.get(&name));
            let text = match (self.request.variables.get(&name), place, value) {
                (Some(value), _, _) => format!("variable `{name}` is `{value}`, given from outside the files"),
                (None, Some(place), _) => {
                    let own = self.source(place);
                    format!("variable `{name}` is set: `{own}`")
                }
                (None, None, Some(value)) => format!("variable `{name}` is `{value}`, the project's name"),
                (None, None, None) => format!("variable `{name}` is not set"),
            };
            let place = place.filter(|_| !self.request.variables.contains_key(&name));
            steps.push(Step { kind: StepKind::Variable, place, text });
        }
        self.steps.extend(steps);
        if let Some(result) = printed(node) {
            let default = default_used(&found.text, &|name| {
                values.and_then(|values| values.get(name)).filter(|value| !value.is_empty()).is_some()
            });
            let word = if default { ", with the default in the reference" } else { "" };
            self.step(StepKind::Interpolated, None, format!("becomes `{result}`{word}"));
        }
    }

    /// Where the file names a variable of a service without a value, that of interpolation is passed on.
    fn passed_on(&mut self, project: &Project, path: &str) -> bool {
        let Some((_, name)) = environment(project, path) else { return false };
        let asked = project.span(path).and_then(|span| Some((span, self.sources().get(span.file)?)));
        let written = asked.and_then(|(span, file)| file.text.get(span.start as usize..span.end as usize));
        let bare = written.unwrap_or_default().trim().trim_matches(['"', '\'']);
        let Some(value) = project.environment.get(name).filter(|_| bare.is_empty() || bare == name) else {
            return false;
        };
        let place = self.loaded.origins.main_variable(name, self.sources());
        let place = place.filter(|_| !self.request.variables.contains_key(name));
        if bare.is_empty() && self.steps.is_empty() {
            let key = project.key_span(path);
            self.step(StepKind::Written, key, format!("written `{name}` without a value"));
        }
        let from = if place.is_some() { "" } else { ", given from outside the files" };
        self.step(StepKind::Variable, place, format!("takes the variable of that name, `{value}`{from}"));
        true
    }

    /// Steps of a value that no compose file holds.
    fn nobody(&mut self, project: &Project, path: &str) {
        if let Some((place, file)) = self.env_file(project, path) {
            self.step(StepKind::EnvFile, Some(place), format!("set in the env file: `{}`", self.source(place)));
            if let Some(asked) = file {
                self.step(StepKind::EnvFile, Some(asked), "the env file is asked for here".to_owned());
            }
            return;
        }
        let place = project.span(path).or_else(|| project.key_span(path)).filter(|place| place.end > place.start);
        let text = match place {
            Some(_) => "not written: it follows from this, by a default of the Specification",
            None => "not written: a default of the Specification",
        };
        self.step(StepKind::Default, place, text.to_owned());
    }

    /// Where an env file of the service sets the variable at `path`, and where the file is named.
    fn env_file(&self, project: &Project, path: &str) -> Option<(Span, Option<Span>)> {
        let (service, name) = environment(project, path)?;
        service.env_file.iter().enumerate().rev().find_map(|(index, file)| {
            let wanted = Path::new(file.path.as_deref()?);
            let (id, source) = self.sources().find(|source| {
                self.request.project_dir.join(&source.name) == wanted || Path::new(&source.name) == wanted
            })?;
            let place = *dotenv::places(&source.text, id).get(name)?;
            let asked = project.span(&format!("services.{}.env_file[{index}].path", service.name));
            Some((place, asked))
        })
    }

    /// The last step, where the value that came out is not in the form in which it was written.
    fn changed(&mut self, node: &Node, value: &Value) {
        let after = match value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Array(_) | Value::Object(_) => return,
            other => other.to_string(),
        };
        let before = printed(node).unwrap_or_default();
        if before == after || text(node).is_some_and(|text| text.split_once('=').is_some_and(|(_, text)| text == after))
        {
            return;
        }
        self.step(StepKind::Normalized, None, format!("in its full form `{after}`"));
    }
}

/// The service and the variable that a path leads to.
fn environment<'p>(project: &'p Project, path: &'p str) -> Option<(&'p Service, &'p str)> {
    let rest = path.strip_prefix("services.")?;
    project
        .services
        .iter()
        .find_map(|(name, service)| Some((service, rest.strip_prefix(name.as_str())?.strip_prefix(".environment.")?)))
}

/// The variables of a text, those in defaults and replacements too.
fn nested(text: &str) -> Vec<String> {
    let mut all = names(text);
    for piece in template::parse(text) {
        if let template::Piece::Reference(reference) = piece
            && let Some(operator) = reference.operator
        {
            for name in nested(operator.argument) {
                if !all.contains(&name) {
                    all.push(name);
                }
            }
        }
    }
    all
}

/// Whether a reference of the text takes its default.
fn default_used(text: &str, is_set: &dyn Fn(&str) -> bool) -> bool {
    template::parse(text).iter().any(|piece| match piece {
        template::Piece::Reference(reference) => {
            reference.operator.is_some_and(|operator| operator.action == template::Action::Default)
                && !is_set(reference.name)
        }
        _ => false,
    })
}
