//! Load: the order of the phases, and the reading of files.
//!
//! Specification: 03-compose-file.md, and 13-merge.md for the order of files.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::budget::Budget;
use super::extends::Chain;
use super::files::{FileKind, Files};
use super::include::IncludeKey;
use super::origin::Origins;
use super::path::Path as TreePath;
use super::reset::Resets;
use super::trace::Trace;
use super::tree::{child_map, describe, is_null, map_mut};
use super::{
    Loaded, Model, Request, STDIN, aliases, canonical, cast, consistency, decode, defaults, environment, interpolate,
    merge, normalize, paths, profiles, project_name, prune, schema, select, selection, unicity, validation,
};
use crate::diag::{Diagnostic, Diagnostics, FileId, Fix, Severity, Sources, Span, suggest};
use crate::hashed::IndexMap;
use crate::model::Project;
use crate::yaml::{self, Kind, Map, Node};

/// Variables by name.
pub(super) type Variables = IndexMap<String, String>;

/// The most findings that a near name is looked for: in a large file that takes longer than all else, and nobody reads
/// more.
pub(super) const MOST_SUGGESTED: usize = 100;

/// Loading cannot go on; why is in the diagnostics.
pub(super) struct Stop;

/// Loads the files of `request`, reading through `files` only: every phase of the module, in its order.
///
/// What is wrong is among the diagnostics, and there is no project then. Specification: 03-compose-file.md.
pub fn load(request: &Request, files: &dyn Files) -> Loaded {
    let mut loader = Loader::new(request, files);
    let project = loader.project().ok().filter(|_| !loader.diagnostics.has_errors());
    loader.origins.annotate(&mut loader.diagnostics, &loader.sources);
    loader.loaded(project)
}

/// Loads the files of `request` and follows the value at `path` through them.
pub(super) fn load_traced(request: &Request, files: &dyn Files, trace: Trace) -> (Loaded, Trace) {
    let mut loader = Loader::new(request, files);
    loader.trace = Some(trace);
    let project = loader.project().ok().filter(|_| !loader.diagnostics.has_errors());
    let trace = loader.trace.take().unwrap_or_default();
    (loader.loaded(project), trace)
}

/// Loads the files of `request` as far as they are a tree: what can still hold variables
/// ([`Request::interpolate`]) cannot be typed.
pub fn load_model(request: &Request, files: &dyn Files) -> Model {
    let mut loader = Loader::new(request, files);
    let tree = loader.variables().and_then(|(variables, origin)| loader.tree(variables, origin));
    let tree = tree.ok().map(|whole| whole.tree).filter(|_| !loader.diagnostics.has_errors());
    loader.origins.annotate(&mut loader.diagnostics, &loader.sources);
    Model { tree, sources: loader.sources, diagnostics: loader.diagnostics }
}

/// All files as one tree.
struct Whole {
    tree: Node,
    name: String,
    files: Vec<PathBuf>,
    variables: Variables,
}

/// The state of one [`load`].
pub(super) struct Loader<'a> {
    pub(super) request: &'a Request,
    pub(super) files: &'a dyn Files,
    pub(super) sources: Sources,
    pub(super) diagnostics: Diagnostics,
    /// Every file read, in order.
    pub(super) read: Vec<PathBuf>,
    ids: IndexMap<PathBuf, FileId>,
    /// Documents of files that were parsed to find the project's name, until they are loaded.
    pub(super) parsed: IndexMap<FileId, Vec<Node>>,
    /// What the services of the main files were extended from.
    pub(super) extended: IndexMap<String, Node>,
    /// The services of files that others extend, resolved as far as they were asked for, by file.
    pub(super) bases: HashMap<PathBuf, (Map, Resets)>,
    /// How values came to their places.
    pub(super) origins: Origins,
    /// What files may still grow to.
    pub(super) budget: Budget,
    /// Trees of what was included, by what decides of them: one file may be reached on many ways.
    pub(super) included: HashMap<IncludeKey, Node>,
    /// The way of one value through the files, where that was asked for.
    pub(super) trace: Option<Trace>,
}

/// How far a file is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All the way.
    Full,
    /// Only to its canonical form: it holds a service that another file extends.
    Base,
}

/// Where a file stands and what it may see.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) variables: &'s Variables,
    /// Relative paths start here.
    pub(super) dir: &'s Path,
    /// What they are put behind when the files are read: the way to `dir` from the directory of the files that
    /// include these. So one file is called the same in all of them, until the outermost makes paths absolute.
    pub(super) base: &'s Path,
    /// The files that include this one, from the outermost.
    pub(super) included: &'s [PathBuf],
    /// Where the variables are from: a number of [`Origins::scope`].
    pub(super) origin: usize,
}

impl<'a> Loader<'a> {
    fn new(request: &'a Request, files: &'a dyn Files) -> Self {
        Self {
            request,
            files,
            sources: Sources::default(),
            diagnostics: Diagnostics::default(),
            read: Vec::new(),
            ids: IndexMap::default(),
            parsed: IndexMap::default(),
            extended: IndexMap::default(),
            bases: HashMap::new(),
            origins: Origins::default(),
            budget: Budget::default(),
            included: HashMap::new(),
            trace: None,
        }
    }
}

impl Loader<'_> {
    fn loaded(self, project: Option<Project>) -> Loaded {
        // A file's number is its place in the order in which the files were read.
        let paths = self.ids.into_keys().collect();
        Loaded { project, sources: self.sources, diagnostics: self.diagnostics, origins: self.origins, paths }
    }

    /// Number of errors so far, for [`Loader::sound_since`].
    pub(super) fn mark(&self) -> usize {
        self.diagnostics.items.iter().filter(|item| item.severity == Severity::Error).count()
    }

    /// Goes on only if no error was added since `mark`.
    pub(super) fn sound_since(&self, mark: usize) -> Result<(), Stop> {
        if self.mark() == mark { Ok(()) } else { Err(Stop) }
    }

    /// Adds an error that is told once, however many places it has, and stops.
    pub(super) fn fail_once<T>(&mut self, error: Diagnostic) -> Result<T, Stop> {
        if self.diagnostics.items.iter().any(|item| item.code == error.code) {
            return Err(Stop);
        }
        self.fail(error)
    }

    /// Adds an error and stops.
    pub(super) fn fail<T>(&mut self, error: Diagnostic) -> Result<T, Stop> {
        self.diagnostics.push(error);
        Err(Stop)
    }

    fn project(&mut self) -> Result<Project, Stop> {
        let request = self.request;
        let (variables, origin) = self.variables()?;
        let mark = self.mark();
        let Whole { tree, name, files, variables } = self.tree(variables, origin)?;
        let mut project = decode::project(tree, &mut self.diagnostics);
        self.sound_since(mark)?;
        project.name = name;
        project.working_dir.clone_from(&request.project_dir);
        for (service, extends) in std::mem::take(&mut self.extended) {
            if let Some(service) = project.services.get_mut(&service) {
                service.extends = Some(decode::extends(&extends));
            }
        }
        project.profiles = profiles::active(request, &variables);
        profiles::apply(&mut project);
        if request.check_consistency {
            consistency::check(&project, &mut self.diagnostics);
            self.sound_since(mark)?;
            consistency::agree(&mut project);
        }
        selection::apply(&mut project, &request.services, &mut self.diagnostics);
        self.sound_since(mark)?;
        prune::unused(&mut project, &mut self.diagnostics);
        project.environment = variables;
        project.environment_resolved = request.resolve_environment;
        if request.resolve_environment {
            environment::resolve(self, &mut project);
            self.sound_since(mark)?;
        }
        project.compose_files = files;
        project.files = std::mem::take(&mut self.read);
        Ok(project)
    }

    /// The files as one tree, normalized if that was asked for.
    fn tree(&mut self, mut variables: Variables, origin: usize) -> Result<Whole, Stop> {
        let request = self.request;
        let files = select::compose_files(self, &variables)?;
        let name = project_name::resolve(self, &files, &variables)?;
        variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
        let scope = Scope {
            variables: &variables,
            dir: &request.project_dir,
            base: &request.project_dir,
            included: &[],
            origin,
        };
        let mut tree = self.model(&files, scope)?;
        if tree.as_map().is_none_or(|map| map.entries.is_empty()) {
            let path = files.first().cloned().unwrap_or_default();
            let error = Diagnostic::error("empty-file", format!("`{}` is empty", path.display()));
            return self.fail(match self.ids.get(&self.absolute(&path)) {
                Some(id) => error.at(Span { file: *id, start: 0, end: 0 }),
                None => error,
            });
        }
        if request.normalize {
            normalize::normalize(&mut tree, &name, &variables, &self.budget, &mut self.diagnostics);
        }
        Ok(Whole { tree, name, files, variables })
    }

    /// The variables of the request and its env files, and their origin.
    fn variables(&mut self) -> Result<(Variables, usize), Stop> {
        let mut variables = self.request.variables.clone();
        let files = if self.request.env_files.is_empty() {
            let default = self.request.project_dir.join(".env");
            if self.files.kind(&default) == Some(FileKind::File) { vec![default] } else { Vec::new() }
        } else {
            self.request.env_files.iter().map(|path| self.absolute(path)).collect()
        };
        let (read, ids) = environment::env_files(self, &files, &variables, None)?;
        for (name, value) in read {
            variables.entry(name).or_insert(value);
        }
        Ok((variables, self.origins.scope(ids)))
    }

    /// `path` from the project directory on.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        if path == Path::new("-") { path.to_owned() } else { paths::join(&self.request.project_dir, path) }
    }

    /// The name that messages use for `path`.
    pub(super) fn display(&self, path: &Path) -> String {
        if path == Path::new("-") {
            return STDIN.to_owned();
        }
        path.strip_prefix(&self.request.project_dir).unwrap_or(path).display().to_string()
    }

    /// The text of a file, with its identity in the sources.
    ///
    /// # Errors
    ///
    /// As the file system gives them; `InvalidData` for bytes that are no text.
    pub(super) fn text(&mut self, path: &Path) -> io::Result<(FileId, Arc<str>)> {
        if let Some(id) = self.ids.get(path)
            && let Some(source) = self.sources.get(*id)
        {
            return Ok((*id, Arc::clone(&source.text)));
        }
        let bytes = match (&self.request.stdin, path == Path::new("-")) {
            (Some(text), true) => text.clone().into_bytes(),
            (None, true) => return Err(io::Error::new(io::ErrorKind::NotFound, "there is no standard input")),
            _ if self.files.kind(path) == Some(FileKind::Dir) => {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
            }
            _ => self.files.read(path)?,
        };
        let text = yaml::decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.message))?;
        let text: Arc<str> = text.into();
        let id = self.sources.add(self.display(path), Arc::clone(&text));
        self.ids.insert(path.to_owned(), id);
        if path != Path::new("-") {
            self.read.push(path.to_owned());
        }
        Ok((id, text))
    }

    /// The identity of a file that can be read.
    pub(super) fn id(&mut self, path: &Path) -> Option<FileId> {
        self.ids.get(path).copied().or_else(|| self.text(path).ok().map(|(id, _)| id))
    }

    /// The documents of a compose file. `cause` is where the file was asked for.
    pub(super) fn documents(&mut self, path: &Path, cause: Option<Span>) -> Result<(FileId, Vec<Node>), Stop> {
        let (id, text) = match self.text(path) {
            Ok(read) => read,
            Err(error) => {
                let error = unreadable("compose file", &self.display(path), &error);
                return self.fail(match cause {
                    Some(span) => error.at(span),
                    None => error,
                });
            }
        };
        if let Some(documents) = self.parsed.shift_remove(&id) {
            return Ok((id, documents));
        }
        if let Err(exceeded) = self.budget.bytes(text.len()) {
            return self.fail_once(exceeded.at(cause));
        }
        match yaml::load(&text, id, &yaml::Limits::default()) {
            Ok(documents) => Ok((id, documents)),
            Err(errors) => {
                self.diagnostics.items.extend(errors);
                Err(Stop)
            }
        }
    }

    /// Several files merged, with defaults and absolute paths.
    pub(super) fn model(&mut self, files: &[PathBuf], scope: Scope<'_>) -> Result<Node, Stop> {
        let mut tree = empty_map(Span::default());
        let mut failed = false;
        for file in files {
            let path = self.absolute(file);
            // What is wrong with one file hides nothing that is wrong with the next; it is read over nothing then.
            match self.file(&path, scope, std::mem::take(&mut tree), Depth::Full, None) {
                Ok((merged, _)) => tree = merged,
                Err(Stop) => {
                    failed = true;
                    tree = empty_map(Span::default());
                }
            }
        }
        if failed {
            return Err(Stop);
        }
        let mark = self.mark();
        defaults::set(&mut tree);
        validation::check(&tree, &mut self.diagnostics);
        self.sound_since(mark)?;
        if self.request.resolve_paths || !scope.included.is_empty() {
            paths::resolve(&mut tree, scope.base, scope.variables, &mut self.diagnostics);
        }
        self.sound_since(mark)?;
        if let Err(exceeded) = environment::resolve_tree(&mut tree, scope.variables, &self.budget) {
            return self.fail(exceeded);
        }
        Ok(tree)
    }

    /// One file merged into `tree`.
    pub(super) fn file(
        &mut self,
        path: &Path,
        scope: Scope<'_>,
        mut tree: Node,
        depth: Depth,
        cause: Option<Span>,
    ) -> Result<(Node, Resets), Stop> {
        let (_, documents) = self.documents(path, cause)?;
        let mut resets = Resets::default();
        for document in documents {
            (tree, resets) = self.document(path, document, scope, tree, depth)?;
        }
        Ok((tree, resets))
    }

    fn document(
        &mut self,
        path: &Path,
        mut document: Node,
        scope: Scope<'_>,
        mut tree: Node,
        depth: Depth,
    ) -> Result<(Node, Resets), Stop> {
        let mark = self.mark();
        if is_null(&document) {
            let message = format!("`{}` holds an empty document", self.display(path));
            return self.fail(Diagnostic::error("empty-file", message).at(document.span));
        }
        if document.as_map().is_none() {
            let message = format!("a compose file is a mapping of sections, not {}", describe(&document));
            return self.fail(Diagnostic::error("not-a-mapping", message).at(document.span));
        }
        let resets = Resets::take(&mut document);
        if self.request.interpolate {
            let lookup = |name: &str| scope.variables.get(name).cloned();
            let mut interpolator = interpolate::Interpolator::new(&lookup).with_sources(&self.sources);
            let before = self.diagnostics.items.len();
            interpolator.run(&mut document, &mut self.diagnostics);
            for item in self.diagnostics.items.iter_mut().skip(before).take(MOST_SUGGESTED) {
                near_variable(item, scope.variables);
            }
            let (templates, grown) = interpolator.into_templates();
            self.origins.templates(templates, scope.origin);
            if let Err(exceeded) = self.budget.bytes(grown) {
                return self.fail(exceeded.at(Some(document.span)));
            }
            self.sound_since(mark)?;
            cast::cast(&mut document, &mut self.diagnostics);
        }
        aliases::promote(&mut document, &mut self.diagnostics);
        let own = self.trace.as_ref().filter(|_| depth == Depth::Full).and_then(|trace| trace.find(&document));
        if depth == Depth::Full {
            self.include(&mut document, path, scope, &resets)?;
        }
        resets.apply(&mut tree, &TreePath::default());
        if depth == Depth::Full {
            self.extends(&mut document, &Chain::of(path), scope, &resets);
            if let Some(trace) = &mut self.trace {
                trace.document(own, &resets);
            }
        }
        let span = document.span;
        tree = merge::merge(tree, document, &TreePath::default(), &mut self.diagnostics);
        tree.span = span;
        unicity::enforce(&mut tree);
        if depth == Depth::Full {
            schema::check(&tree, &mut self.diagnostics);
            // Up to here a finding leaves a tree in which the next one can be looked for.
            self.sound_since(mark)?;
            if let Some(version) = map_mut(&mut tree).and_then(|map| map.entries.shift_remove("version")) {
                let note = Diagnostic::note("obsolete-version", "`version` is obsolete and has no effect");
                let mut note = note.at(version.key).hint("remove the line");
                note.fix = schema::entry_span(&version).map(|span| Box::new(Fix::remove("remove `version`", span)));
                self.diagnostics.push(note);
            }
        }
        canonical::canonical(&mut tree, !self.request.interpolate, &self.budget, &mut self.diagnostics);
        self.sound_since(mark)?;
        // The long forms may show that two entries are one.
        unicity::enforce(&mut tree);
        Ok((tree, resets))
    }

    /// The services of `tree`, by name.
    pub(super) fn services(tree: &mut Node) -> Option<&mut Map> {
        child_map(tree, "services")
    }
}

/// A variable that is not set may be one that is, misspelt.
fn near_variable(item: &mut Diagnostic, variables: &Variables) {
    if !matches!(item.code.as_ref(), "unset-variable" | "required-variable") {
        return;
    }
    let Some(name) = item.message.split('`').nth(1) else { return };
    if let Some(near) = suggest::closest(name, variables.keys().map(String::as_str)) {
        item.hints.insert(0, format!("did you mean `{near}`?"));
    }
}

/// A mapping of nothing.
pub(super) fn empty_map(span: Span) -> Node {
    Node { kind: Kind::Map(Map::default()), span, tag: None }
}

/// A file that cannot be read.
pub(super) fn unreadable(what: &str, name: &str, error: &io::Error) -> Diagnostic {
    match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::error("missing-file", format!("{what} `{name}` does not exist")),
        io::ErrorKind::IsADirectory => Diagnostic::error("missing-file", format!("{what} `{name}` is a directory")),
        io::ErrorKind::PermissionDenied => {
            Diagnostic::error("unreadable-file", format!("cannot read {what} `{name}`: {error}")).hint(
                "make it readable for user dokku, or send the directory: tar c . | dokku compose:import PROJECT -",
            )
        }
        _ => Diagnostic::error("unreadable-file", format!("cannot read {what} `{name}`: {error}")),
    }
}
