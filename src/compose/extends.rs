//! Extends: a service takes over another's settings and adds its own.
//!
//! Specification: 05-services.md, "extends".

use std::path::{Path, PathBuf};

use super::load::{Depth, Loader, Scope, Stop, empty_map};
use super::merge::merge;
use super::origin::Cause;
use super::path::Path as TreePath;
use super::paths;
use super::reset::Resets;
use super::tree::{describe, is_null, map_mut, text};
use crate::diag::{Diagnostic, Span, suggest};
use crate::yaml::{Kind, Map, Node, Text};

/// The most services that extend each other in a row.
const LONGEST_CHAIN: usize = 100;

/// The services being extended, from the outermost, to find circles.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    file: PathBuf,
    links: Vec<Link>,
}

#[derive(Clone, Debug)]
struct Link {
    file: PathBuf,
    service: String,
    span: Span,
}

impl Chain {
    /// A chain that starts in `file`.
    pub(super) fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), links: Vec::new() }
    }
}

/// Where a service is taken over from.
struct Base {
    file: Option<PathBuf>,
    service: String,
    span: Span,
}

impl Loader<'_> {
    /// Resolves `extends` of every service of a document; one that cannot be resolved stays as written.
    pub(super) fn extends(&mut self, document: &mut Node, chain: &Chain, scope: Scope<'_>, resets: &Resets) {
        let Some(services) = Self::services(document) else {
            // Merging would take an empty section of an override for one that says nothing.
            let services = map_mut(document).and_then(|map| map.entries.get_mut("services"));
            if let Some(none) = services.map(|entry| &mut entry.value).filter(|value| is_null(value)) {
                let message = "`services` has no value; it must be a mapping";
                let hint = "give it a value or remove the key";
                self.diagnostics.push(Diagnostic::error("wrong-type", message).at(none.span).hint(hint));
                none.kind = Kind::Map(Map::default());
            }
            return;
        };
        let mut services = std::mem::take(services);
        let names: Vec<Text> = services.entries.keys().cloned().collect();
        for name in names {
            let extends = services.get(&name).and_then(Node::as_map).and_then(|service| service.get("extends"));
            if scope.included.is_empty()
                && let Some(extends) = extends
            {
                self.extended.insert(name.to_string(), extends.clone());
            }
            // What stops one service is reported and stops no other.
            let _ = self.extend(&name, &mut services, chain, scope, resets);
        }
        if let Some(place) = Self::services(document) {
            *place = services;
        }
    }

    /// Resolves `extends` of one service in place.
    fn extend(
        &mut self,
        name: &str,
        services: &mut Map,
        chain: &Chain,
        scope: Scope<'_>,
        resets: &Resets,
    ) -> Result<(), Stop> {
        let Some(entry) = services.entries.get(name) else { return Ok(()) };
        if is_null(&entry.value) {
            return Ok(());
        }
        let Some(service) = entry.value.as_map() else {
            let message = format!("service `{name}` must be a mapping, not {}", describe(&entry.value));
            return self.fail(Diagnostic::error("wrong-type", message).at(entry.value.span));
        };
        let Some(extends) = service.get("extends") else { return Ok(()) };
        let base = self.base(name, extends, scope.dir)?;
        let chain = self.link(chain, name, &base)?;

        let follow = self.trace.as_mut().and_then(|trace| trace.enter(name, &base.service));
        let taken = match &base.file {
            None => {
                if !services.entries.contains_key(base.service.as_str()) {
                    return self.no_such_base(name, &base, services, &chain.file.clone());
                }
                let own = self.trace.as_ref().and_then(|trace| trace.find_in(services.get(&base.service)));
                self.extend(&base.service, services, &chain, scope, resets)?;
                if let (Some(trace), true) = (&mut self.trace, follow.is_some()) {
                    trace.base(own);
                }
                services.get(&base.service).cloned()
            }
            Some(file) => {
                let (mut others, other_resets) = self.base_file(file, scope, base.span)?;
                if !others.entries.contains_key(base.service.as_str()) {
                    return self.no_such_base(name, &base, &others, file);
                }
                let chain = Chain { file: file.clone(), links: chain.links };
                let own = self.trace.as_ref().and_then(|trace| trace.find_in(others.get(&base.service)));
                // Its paths were put behind the way to it.
                self.extend(&base.service, &mut others, &chain, scope, &other_resets)?;
                if let (Some(trace), true) = (&mut self.trace, follow.is_some()) {
                    trace.base(own);
                }
                let taken = others.get(&base.service).cloned();
                // Others may extend it too. A trace follows one of them only and has to see all of the file.
                if self.trace.is_none() {
                    self.bases.insert(file.clone(), (others, other_resets));
                }
                taken
            }
        };
        if let (Some(trace), Some(follow)) = (&mut self.trace, follow) {
            trace.leave(follow, base.span);
        }
        let (Some(taken), Some(entry)) = (taken.filter(|taken| !is_null(taken)), services.entries.get_mut(name)) else {
            return Ok(());
        };
        if let Err(exceeded) = self.budget.nodes(count(&taken)) {
            return self.fail_once(exceeded.at(Some(base.span)));
        }
        let mut taken = taken;
        resets.apply(&mut taken, &TreePath::Of(&["services", name]));
        let own = std::mem::take(&mut entry.value);
        let span = own.span;
        let mut merged = merge(taken, own, &TreePath::Of(&["services", name]), &mut self.diagnostics);
        merged.span = span;
        if let Some(map) = map_mut(&mut merged) {
            map.entries.shift_remove("extends");
        }
        entry.value = merged;
        Ok(())
    }

    /// Reads the value of `extends`.
    fn base(&mut self, name: &str, extends: &Node, dir: &Path) -> Result<Base, Stop> {
        let span = extends.span;
        if let Some(service) = text(extends) {
            return Ok(Base { file: None, service: service.to_owned(), span });
        }
        let field = |key: &str| extends.as_map().and_then(|map| map.get(key));
        let Some(service) = field("service").and_then(text) else {
            let message = format!("`services.{name}.extends` needs the key `service`");
            return self.fail(Diagnostic::error("missing-key", message).at(span));
        };
        let file = field("file").filter(|file| !is_null(file));
        let path = match file.map(text) {
            None => None,
            Some(Some(path)) if path.contains("://") => {
                let message = format!("`services.{name}.extends.file` names a remote file, which is not fetched");
                return self
                    .fail(Diagnostic::error("remote-file", message).at(span).hint("copy the file into the project"));
            }
            Some(Some(path)) => Some(paths::join(dir, Path::new(path))),
            Some(None) => {
                let message = format!("`services.{name}.extends.file` must be a string");
                return self.fail(Diagnostic::error("wrong-type", message).at(span));
            }
        };
        let span = file.map_or(span, |file| file.span);
        Ok(Base {
            file: path,
            service: service.to_owned(),
            span: if path_given(extends) { span } else { extends.span },
        })
    }

    fn link(&mut self, chain: &Chain, name: &str, base: &Base) -> Result<Chain, Stop> {
        let mut chain = chain.clone();
        if let Some(start) = chain.links.iter().position(|link| link.file == chain.file && link.service == name) {
            let circle = &chain.links[start..];
            let words: Vec<String> = circle.iter().map(|link| format!("`{}`", link.service)).collect();
            let mut error = Diagnostic::error(
                "extends-cycle",
                format!("services extend each other in a circle: {} -> `{name}`", words.join(" -> ")),
            );
            for link in circle {
                error = error.label(link.span, format!("`{}` extends here", link.service));
            }
            let known = |item: &Diagnostic| {
                item.code == error.code && item.labels.iter().all(|label| error.labels.contains(label))
            };
            if self.diagnostics.items.iter().any(known) {
                return Err(Stop);
            }
            return self.fail(error);
        }
        if chain.links.len() >= LONGEST_CHAIN {
            let message = format!("more than {LONGEST_CHAIN} services extend each other in a row");
            return self.fail_once(Diagnostic::error("project-too-large", message).at(base.span));
        }
        chain.links.push(Link { file: chain.file.clone(), service: name.to_owned(), span: base.span });
        Ok(chain)
    }

    fn no_such_base(&mut self, name: &str, base: &Base, services: &Map, file: &Path) -> Result<(), Stop> {
        let message = format!("service `{name}` extends `{}`, which is not in `{}`", base.service, self.display(file));
        let mut error = Diagnostic::error("undefined-service", message).at(base.span);
        if let Some(close) = suggest::closest(&base.service, services.entries.keys().map(Text::as_str)) {
            error = error.hint(format!("did you mean `{close}`?"));
        }
        self.fail(error)
    }

    /// The services of another file in canonical form, with absolute paths.
    fn base_file(&mut self, file: &Path, scope: Scope<'_>, cause: Span) -> Result<(Map, Resets), Stop> {
        if let Some(known) = self.bases.remove(file) {
            return Ok(known);
        }
        if let Err(exceeded) = self.budget.file() {
            return self.fail_once(exceeded.at(Some(cause)));
        }
        let dir = file.parent().unwrap_or(Path::new("/")).to_owned();
        let base = paths::relative(scope.dir, &dir);
        let scope = Scope { dir: &dir, ..scope };
        if let Some(id) = self.id(file) {
            self.origins.cause(id, cause, Cause::Extends);
        }
        let (mut tree, resets) = self.file(file, scope, empty_map(cause), Depth::Base, Some(cause))?;
        let mark = self.mark();
        paths::resolve(&mut tree, &base, scope.variables, &mut self.diagnostics);
        self.sound_since(mark)?;
        match Self::services(&mut tree) {
            Some(services) => Ok((std::mem::take(services), resets)),
            None => {
                let message = format!("`{}` has no services to extend", self.display(file));
                self.fail(Diagnostic::error("undefined-service", message).at(cause))
            }
        }
    }
}

/// The values in a tree.
pub(super) fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::Map(map) => 1 + map.entries.values().map(|entry| count(&entry.value)).sum::<usize>(),
        Kind::Seq(items) => 1 + items.iter().map(count).sum::<usize>(),
        Kind::Scalar(_) => 1,
    }
}

fn path_given(extends: &Node) -> bool {
    extends.as_map().is_some_and(|map| map.get("file").is_some_and(|file| !is_null(file)))
}
