//! Origins: what loading remembers of how a value came to its place, for findings and for `explain`.
//!
//! Specification: 12-interpolation.md, 13-merge.md and 14-include.md, of which it remembers what they did.

use std::cell::RefCell;
use std::collections::HashMap;

use super::dotenv;
use super::template::{self, Piece};
use crate::diag::{Diagnostic, Diagnostics, FileId, Label, Severity, Sources, Span};
use crate::yaml::{Anchors, Text, anchors};

/// The most aliases that a finding shows: a value may be used in a hundred places.
const MOST_ALIASES: usize = 2;

/// The most files of a chain that a finding shows.
const MOST_CAUSES: usize = 8;

/// The most findings that are told where their values came from: nobody reads more.
const MOST_ANNOTATED: usize = 1000;

/// Why a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `include`.
    Include,
    /// `extends`.
    Extends,
    /// `env_file` of an include.
    EnvFile,
}

/// A string as it was before its variables were replaced.
#[derive(Clone, Debug)]
pub struct Template {
    /// The text.
    pub text: Text,
    /// Index in [`Origins::scopes`] of the env files that its variables are from.
    scope: usize,
}

/// How values came to their places.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    templates: HashMap<Span, Template>,
    causes: HashMap<FileId, (Span, Cause)>,
    /// Lists of env files, the strongest first.
    scopes: Vec<Vec<FileId>>,
    /// Where the env files that were asked for set their variables.
    places: RefCell<HashMap<FileId, HashMap<String, Span>>>,
}

impl Origins {
    /// Remembers a list of env files, the strongest first; its number is for [`Self::templates`].
    pub(super) fn scope(&mut self, env_files: Vec<FileId>) -> usize {
        self.scopes.push(env_files);
        self.scopes.len() - 1
    }

    /// The env files of a scope and weaker ones.
    pub(super) fn weaker(&mut self, scope: usize, env_files: Vec<FileId>) -> usize {
        let stronger = self.scopes.get(scope).cloned().unwrap_or_default();
        self.scope(stronger.into_iter().chain(env_files).collect())
    }

    /// The env files of a scope, the strongest first.
    pub(super) fn env_files(&self, scope: usize) -> &[FileId] {
        self.scopes.get(scope).map_or(&[], Vec::as_slice)
    }

    /// Remembers strings that held variables.
    pub(super) fn templates(&mut self, templates: Vec<(Span, Text)>, scope: usize) {
        self.templates.extend(templates.into_iter().map(|(span, text)| (span, Template { text, scope })));
    }

    /// Remembers what asked for a file; the first place that did stands for all.
    pub(super) fn cause(&mut self, file: FileId, place: Span, cause: Cause) {
        if place.file != file {
            self.causes.entry(file).or_insert((place, cause));
        }
    }

    /// The string at `span` as it was before its variables were replaced.
    pub fn template(&self, span: Span) -> Option<&Template> {
        self.templates.get(&span)
    }

    /// Where the variable `name` is set for a template, in an env file.
    pub fn variable(&self, template: &Template, name: &str, sources: &Sources) -> Option<Span> {
        self.scopes.get(template.scope)?.iter().find_map(|file| {
            let source = sources.get(*file)?;
            let mut known = self.places.borrow_mut();
            known.entry(*file).or_insert_with(|| dotenv::places(&source.text, *file)).get(name).copied()
        })
    }

    /// Where the variable `name` is set for the main files, in an env file.
    pub fn main_variable(&self, name: &str, sources: &Sources) -> Option<Span> {
        let main = Template { text: Text::default(), scope: 0 };
        self.variable(&main, name, sources)
    }

    /// The places that led to a file, the nearest first.
    pub fn chain(&self, file: FileId) -> Vec<(Span, Cause)> {
        let mut chain = Vec::new();
        let mut at = file;
        while let Some((place, cause)) = self.causes.get(&at) {
            if chain.contains(&(*place, *cause)) {
                break;
            }
            chain.push((*place, *cause));
            at = place.file;
        }
        chain
    }

    /// Adds to findings in what is included, extended, named by an alias or made with variables where that came from.
    pub fn annotate(&self, out: &mut Diagnostics, sources: &Sources) {
        let mut names: HashMap<FileId, Anchors> = HashMap::new();
        let worth = out.items.iter_mut().filter(|item| item.severity > Severity::Note);
        for item in worth.take(MOST_ANNOTATED) {
            let Some(span) = item.labels.first().map(|label| label.span) else { continue };
            self.annotate_variables(item, span, sources);
            let anchors = names.entry(span.file).or_insert_with(|| {
                sources.get(span.file).map(|source| anchors(&source.text, span.file)).unwrap_or_default()
            });
            annotate_aliases(item, span, anchors);
            for (place, cause) in self.chain(span.file).into_iter().take(MOST_CAUSES) {
                let word = match cause {
                    Cause::Include => "included here",
                    Cause::Extends => "extended here",
                    Cause::EnvFile => "asked for here",
                };
                add(item, place, word);
            }
        }
    }

    fn annotate_variables(&self, item: &mut Diagnostic, span: Span, sources: &Sources) {
        let Some(template) = self.template(span) else { return };
        for name in names(&template.text) {
            if let Some(place) = self.variable(template, &name, sources) {
                add(item, place, &format!("`{name}` is set here"));
            }
        }
    }
}

/// The variables that a text refers to outside of defaults and the like, each once.
pub fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for piece in template::parse(text) {
        if let Piece::Reference(reference) = piece
            && !names.iter().any(|name| name == reference.name)
        {
            names.push(reference.name.to_owned());
        }
    }
    names
}

fn annotate_aliases(item: &mut Diagnostic, span: Span, anchors: &Anchors) {
    let holds = |anchor: &crate::yaml::Anchor| anchor.value.start <= span.start && span.end <= anchor.value.end;
    let uses = anchors.aliases.iter().filter(|alias| anchors.anchors.get(alias.anchor).is_some_and(holds));
    for alias in uses.take(MOST_ALIASES) {
        add(item, alias.place, "used here");
    }
}

/// Adds a place, unless the finding shows it already.
fn add(item: &mut Diagnostic, place: Span, text: &str) {
    if !item.labels.iter().any(|label| label.span == place) {
        item.labels.push(Label { span: place, text: text.to_owned() });
    }
}
