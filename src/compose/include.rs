//! Include: whole compose files, each with its own directory and env files.
//!
//! Specification: 14-include.md.

use std::path::{Path, PathBuf};

use super::environment;
use super::extends::count;
use super::files::FileKind;
use super::load::{Loader, Scope, Stop};
use super::merge::merge;
use super::origin::Cause;
use super::path::Path as TreePath;
use super::paths;
use super::reset::Resets;
use super::trace::Trace;
use super::tree::{child_map, describe, is_null, map_mut, same, text};
use crate::diag::{Diagnostic, FileId, Span, suggest};
use crate::yaml::{Entry, Kind, Map, Node};

/// Sections that an included file brings.
const SECTIONS: &[&str] = &["services", "volumes", "networks", "secrets", "configs", "models"];

/// The most files that include each other in a row.
const DEEPEST: usize = 50;

/// What decides of the tree of an include: its files, the directory that their paths start from, the way to it, and the
/// env files that their variables are from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct IncludeKey {
    paths: Vec<PathBuf>,
    dir: PathBuf,
    base: PathBuf,
    env_files: Vec<FileId>,
}

/// One item of `include`.
struct Include {
    paths: Vec<(PathBuf, Span)>,
    dir: PathBuf,
    env_files: Vec<(PathBuf, Span)>,
}

impl Loader<'_> {
    /// Loads what `document` includes and imports it.
    pub(super) fn include(
        &mut self,
        document: &mut Node,
        file: &Path,
        scope: Scope<'_>,
        resets: &Resets,
    ) -> Result<(), Stop> {
        let Some(include) = map_mut(document).and_then(|map| map.entries.shift_remove("include")) else {
            return Ok(());
        };
        if is_null(&include.value) {
            return Ok(());
        }
        let Some(items) = include.value.as_seq() else {
            let message = format!("`include` must be a list, not {}", describe(&include.value));
            return self.fail(Diagnostic::error("wrong-type", message).at(include.value.span));
        };
        let mut included = scope.included.to_vec();
        included.push(file.to_owned());
        let mark = self.mark();
        for (index, item) in items.iter().enumerate() {
            // What stops one include is reported and stops no other.
            let _ = self.include_one(item, index, document, &included, scope, resets);
        }
        self.sound_since(mark)
    }

    /// Loads one item and imports it.
    fn include_one(
        &mut self,
        item: &Node,
        index: usize,
        document: &mut Node,
        included: &[PathBuf],
        scope: Scope<'_>,
        resets: &Resets,
    ) -> Result<(), Stop> {
        let Some(include) = self.include_item(item, index, scope)? else { return Ok(()) };
        self.no_circle(&include, included)?;
        let seen = self.trace.as_ref().map_or(0, Trace::len);
        let tree = self.included(&include, included, scope)?;
        if let Some(trace) = &mut self.trace {
            trace.included(seen, item.span);
        }
        self.import(tree, document, resets);
        Ok(())
    }

    fn include_item(&mut self, item: &Node, index: usize, scope: Scope<'_>) -> Result<Option<Include>, Stop> {
        let place = TreePath::Of(&["include"]);
        let place = place.index(index);
        if !matches!(item.kind, Kind::Map(_)) && text(item).is_none() {
            let message = format!("`{place}` must be a string or a mapping, not {}", describe(item));
            return self.fail(Diagnostic::error("wrong-type", message).at(item.span));
        }
        for (key, entry) in item.as_map().into_iter().flat_map(|map| &map.entries) {
            const KEYS: [&str; 3] = ["path", "project_directory", "env_file"];
            if !KEYS.contains(&key.as_str()) {
                let mut error = Diagnostic::error("unknown-key", format!("unknown key `{key}` in `{place}`"));
                if let Some(near) = suggest::closest(key, KEYS) {
                    error = error.hint(format!("did you mean `{near}`?"));
                }
                return self.fail(error.at(entry.key));
            }
        }
        let field = |key: &str| item.as_map().and_then(|map| map.get(key));
        let paths = match item.as_map() {
            None => self.strings(item, &place)?,
            Some(_) => match field("path") {
                Some(path) => self.strings(path, &place.key("path"))?,
                None => Vec::new(),
            },
        };
        let Some((first, first_span)) = paths.first() else { return Ok(None) };
        if let Some((remote, span)) = paths.iter().find(|(path, _)| is_remote(path)) {
            let error = Diagnostic::error("remote-file", format!("`{remote}` is a remote file, which is not fetched"));
            return self.fail(error.at(*span).hint("copy the file into the project"));
        }
        let first = paths::join(scope.dir, Path::new(first));
        let dir = match field("project_directory").and_then(text).filter(|dir| !dir.is_empty()) {
            Some(dir) => paths::join(scope.dir, Path::new(dir)),
            None => first.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let env_files = match field("env_file") {
            Some(files) => {
                let files = self.strings(files, &place.key("env_file"))?;
                let files = files.into_iter().filter(|(file, _)| file != "/dev/null");
                files.map(|(file, span)| (paths::join(scope.dir, Path::new(&file)), span)).collect()
            }
            None => Vec::new(),
        };
        let env_files: Vec<_> = if field("env_file").is_none_or(|files| files.as_seq().is_some_and(<[Node]>::is_empty))
        {
            let default = dir.join(".env");
            if self.files.kind(&default) == Some(FileKind::File) { vec![(default, *first_span)] } else { Vec::new() }
        } else {
            env_files
        };
        let paths = paths.iter().map(|(path, span)| (paths::join(scope.dir, Path::new(path)), *span)).collect();
        // A relative `project_directory` that is none stands for the directory it would be in.
        let relative = field("project_directory").and_then(text).is_some_and(|dir| Path::new(dir).is_relative());
        let dir = if relative && self.files.kind(&dir) != Some(FileKind::Dir) {
            dir.parent().unwrap_or(Path::new("/")).to_owned()
        } else {
            dir
        };
        Ok(Some(Include { paths, dir, env_files }))
    }

    fn strings(&mut self, node: &Node, place: &TreePath<'_>) -> Result<Vec<(String, Span)>, Stop> {
        let items = match &node.kind {
            Kind::Seq(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut strings = Vec::new();
        for item in items {
            match text(item) {
                Some(string) => strings.push((string.to_owned(), item.span)),
                None => {
                    let message = format!("`{place}` must be a string or a list of strings, not {}", describe(item));
                    return self.fail(Diagnostic::error("wrong-type", message).at(item.span));
                }
            }
        }
        Ok(strings)
    }

    fn no_circle(&mut self, include: &Include, included: &[PathBuf]) -> Result<(), Stop> {
        let Some((path, span)) = include.paths.first() else { return Ok(()) };
        if !included.contains(path) {
            return Ok(());
        }
        let names: Vec<String> =
            included.iter().chain([path]).map(|path| format!("`{}`", self.display(path))).collect();
        let message = format!("files include each other in a circle: {}", names.join(" -> "));
        self.fail(Diagnostic::error("include-cycle", message).at(*span))
    }

    fn included(&mut self, include: &Include, included: &[PathBuf], scope: Scope<'_>) -> Result<Node, Stop> {
        let too_many = match self.budget.file() {
            Ok(()) if included.len() > DEEPEST => {
                let message = format!("more than {DEEPEST} files include each other in a row");
                Some(Diagnostic::error("project-too-large", message))
            }
            Ok(()) => self.budget.bytes(environment::size(scope.variables)).err().map(|exceeded| exceeded.at(None)),
            Err(exceeded) => Some(exceeded.at(None)),
        };
        if let Some(error) = too_many {
            return self.fail(match include.paths.first() {
                Some((_, span)) => error.at(*span),
                None => error,
            });
        }
        let mut variables = scope.variables.clone();
        let files: Vec<PathBuf> = include.env_files.iter().map(|(path, _)| path.clone()).collect();
        let cause = include.env_files.first().map(|(_, span)| *span);
        let (read, ids) = environment::env_files(self, &files, scope.variables, cause)?;
        for (name, value) in read {
            variables.entry(name).or_insert(value);
        }
        if let Some(cause) = cause {
            ids.iter().for_each(|id| self.origins.cause(*id, cause, Cause::EnvFile));
        }
        let origin = self.origins.weaker(scope.origin, ids);
        let paths: Vec<PathBuf> = include.paths.iter().map(|(path, _)| path.clone()).collect();
        for (path, span) in &include.paths {
            // The place of the `include` item is of more use than none.
            if self.files.kind(path) != Some(FileKind::File) {
                self.documents(path, Some(*span))?;
            }
            if let Some(id) = self.id(path) {
                self.origins.cause(id, *span, Cause::Include);
            }
        }
        let base = paths::relative(scope.dir, &include.dir);
        let key = IncludeKey {
            paths: paths.clone(),
            dir: include.dir.clone(),
            base: base.clone(),
            env_files: self.origins.env_files(origin).to_vec(),
        };
        if let Some(tree) = self.included.get(&key) {
            let tree = tree.clone();
            return match self.budget.nodes(count(&tree)) {
                Ok(()) => Ok(tree),
                Err(exceeded) => self.fail(exceeded.at(include.paths.first().map(|(_, span)| *span))),
            };
        }
        let scope = Scope { variables: &variables, dir: &include.dir, base: &base, included, origin };
        // What files extend is read with other variables here.
        let outer = std::mem::take(&mut self.bases);
        let tree = self.model(&paths, scope);
        self.bases = outer;
        let tree = tree?;
        self.included.insert(key, tree.clone());
        Ok(tree)
    }

    /// Adds the resources of `tree` to `document`; those of `document` are stronger.
    fn import(&mut self, mut tree: Node, document: &mut Node, resets: &Resets) {
        for section in SECTIONS {
            let Some(from) = child_map(&mut tree, section).map(std::mem::take) else { continue };
            let Some(target) = map_mut(document) else { return };
            let to = target.entries.get_or_insert_with((*section).into(), || Entry {
                key: tree.span,
                value: Node { kind: Kind::Map(Map::default()), span: tree.span, tag: None },
            });
            if is_null(&to.value) {
                to.value.kind = Kind::Map(Map::default());
            }
            let Some(to) = map_mut(&mut to.value) else { continue };
            for (name, entry) in from.entries {
                let Some(own) = to.entries.get_mut(&name) else {
                    to.entries.insert(name, entry);
                    continue;
                };
                // One file reached on two ways is not an override of itself.
                if same(&own.value, &entry.value) {
                    continue;
                }
                let place = TreePath::Of(&[section, &name]);
                let mut imported = entry.value;
                resets.apply(&mut imported, &place);
                let written = std::mem::take(&mut own.value);
                own.value = merge(imported, written, &place, &mut self.diagnostics);
            }
        }
    }
}

fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("oci:")
}
