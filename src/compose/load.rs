//! Load: the order of the phases, and the reading of files.

use std::io;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::extends::Chain;
use super::files::{FileKind, Files};
use super::path::Path as TreePath;
use super::reset::Resets;
use super::tree::{child_map, describe, is_null, map_mut};
use super::{
    Loaded, Request, aliases, canonical, cast, consistency, decode, defaults, environment, interpolate, merge,
    normalize, paths, profiles, project_name, prune, schema, select, unicity, validation,
};
use crate::diag::{Diagnostic, Diagnostics, FileId, Severity, Sources, Span};
use crate::model::Project;
use crate::yaml::{self, Kind, Map, Node};

/// Variables by name.
pub(super) type Variables = IndexMap<String, String>;

/// Loading cannot go on; why is in the diagnostics.
pub(super) struct Stop;

/// Loads the files of `request`, reading through `files` only.
pub fn load(request: &Request, files: &dyn Files) -> Loaded {
    let mut loader = Loader {
        request,
        files,
        sources: Sources::default(),
        diagnostics: Diagnostics::default(),
        read: Vec::new(),
        ids: IndexMap::new(),
        extended: IndexMap::new(),
    };
    let project = loader.project().ok().filter(|_| !loader.diagnostics.has_errors());
    Loaded { project, sources: loader.sources, diagnostics: loader.diagnostics }
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
    /// What the services of the main files were extended from.
    pub(super) extended: IndexMap<String, Node>,
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
    /// The files that include this one, from the outermost.
    pub(super) included: &'s [PathBuf],
}

impl Loader<'_> {
    /// Number of errors so far, for [`Loader::sound_since`].
    pub(super) fn mark(&self) -> usize {
        self.diagnostics.items.iter().filter(|item| item.severity == Severity::Error).count()
    }

    /// Goes on only if no error was added since `mark`.
    pub(super) fn sound_since(&self, mark: usize) -> Result<(), Stop> {
        if self.mark() == mark { Ok(()) } else { Err(Stop) }
    }

    /// Adds an error and stops.
    pub(super) fn fail<T>(&mut self, error: Diagnostic) -> Result<T, Stop> {
        self.diagnostics.push(error);
        Err(Stop)
    }

    fn project(&mut self) -> Result<Project, Stop> {
        let request = self.request;
        let mut variables = self.variables()?;
        let compose_files = select::compose_files(self, &variables)?;
        let name = project_name::resolve(self, &compose_files, &variables)?;
        variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());

        let scope = Scope { variables: &variables, dir: &request.project_dir, included: &[] };
        let mut tree = self.model(&compose_files, scope)?;
        if tree.as_map().is_none_or(|map| map.entries.is_empty()) {
            let path = compose_files.first().cloned().unwrap_or_default();
            let error = Diagnostic::error("empty-file", format!("`{}` is empty", path.display()));
            return self.fail(match self.ids.get(&self.absolute(&path)) {
                Some(id) => error.at(Span { file: *id, start: 0, end: 0 }),
                None => error,
            });
        }
        let mark = self.mark();
        normalize::normalize(&mut tree, &name, &variables, &mut self.diagnostics);
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
        prune::unused(&mut project, &mut self.diagnostics);
        project.environment = variables;
        environment::resolve(self, &mut project);
        self.sound_since(mark)?;
        project.compose_files = compose_files;
        project.files = std::mem::take(&mut self.read);
        Ok(project)
    }

    /// The variables of the request and its env files.
    fn variables(&mut self) -> Result<Variables, Stop> {
        let mut variables = self.request.variables.clone();
        let files = if self.request.env_files.is_empty() {
            let default = self.request.project_dir.join(".env");
            if self.files.kind(&default) == Some(FileKind::File) { vec![default] } else { Vec::new() }
        } else {
            self.request.env_files.iter().map(|path| self.absolute(path)).collect()
        };
        let read = environment::env_files(self, &files, &variables, None)?;
        for (name, value) in read {
            variables.entry(name).or_insert(value);
        }
        Ok(variables)
    }

    /// `path` from the project directory on.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        if path == Path::new("-") { path.to_owned() } else { paths::join(&self.request.project_dir, path) }
    }

    /// The name that messages use for `path`.
    pub(super) fn display(&self, path: &Path) -> String {
        path.strip_prefix(&self.request.project_dir).unwrap_or(path).display().to_string()
    }

    /// The text of a file, with its identity in the sources.
    ///
    /// # Errors
    ///
    /// As the file system gives them; `InvalidData` for bytes that are no text.
    pub(super) fn text(&mut self, path: &Path) -> io::Result<(FileId, String)> {
        if let Some(id) = self.ids.get(path)
            && let Some(source) = self.sources.get(*id)
        {
            return Ok((*id, source.text.clone()));
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
        let id = self.sources.add(self.display(path), text.clone());
        self.ids.insert(path.to_owned(), id);
        if path != Path::new("-") {
            self.read.push(path.to_owned());
        }
        Ok((id, text.into()))
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
        for file in files {
            let path = self.absolute(file);
            (tree, _) = self.file(&path, scope, tree, Depth::Full, None)?;
        }
        let mark = self.mark();
        defaults::set(&mut tree);
        validation::check(&tree, &mut self.diagnostics);
        self.sound_since(mark)?;
        paths::resolve(&mut tree, scope.dir, scope.variables, &mut self.diagnostics);
        self.sound_since(mark)?;
        environment::resolve_tree(&mut tree, scope.variables);
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
            interpolate::Interpolator::new(&|name| scope.variables.get(name).cloned())
                .with_sources(&self.sources)
                .run(&mut document, &mut self.diagnostics);
            self.sound_since(mark)?;
            cast::cast(&mut document, &mut self.diagnostics);
        }
        aliases::promote(&mut document, &mut self.diagnostics);
        if depth == Depth::Full {
            self.include(&mut document, path, scope, &resets)?;
        }
        resets.apply(&mut tree, &TreePath::default());
        if depth == Depth::Full {
            self.extends(&mut document, &Chain::of(path), scope, &resets);
        }
        let span = document.span;
        tree = merge::merge(tree, document, &TreePath::default(), &mut self.diagnostics);
        tree.span = span;
        unicity::enforce(&mut tree, &TreePath::default());
        if depth == Depth::Full {
            schema::check(&tree, &mut self.diagnostics);
            // Up to here a finding leaves a tree in which the next one can be looked for.
            self.sound_since(mark)?;
            if let Some(version) = map_mut(&mut tree).and_then(|map| map.entries.shift_remove("version")) {
                self.diagnostics.push(
                    Diagnostic::note("obsolete-version", "`version` is obsolete and has no effect")
                        .at(version.key)
                        .hint("remove the line"),
                );
            }
        }
        canonical::canonical(&mut tree, !self.request.interpolate, &mut self.diagnostics);
        self.sound_since(mark)?;
        // The long forms may show that two entries are one.
        unicity::enforce(&mut tree, &TreePath::default());
        Ok((tree, resets))
    }

    /// The services of `tree`, by name.
    pub(super) fn services(tree: &mut Node) -> Option<&mut Map> {
        child_map(tree, "services")
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
            Diagnostic::error("unreadable-file", format!("cannot read {what} `{name}`: {error}"))
                .hint("make it readable for user dokku, or send the directory: tar c . | dokku compose:import PROJECT -")
        }
        _ => Diagnostic::error("unreadable-file", format!("cannot read {what} `{name}`: {error}")),
    }
}
