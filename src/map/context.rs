//! What the mapping knows beside the project itself, and where it puts its findings.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::datastores::Stores;
use super::policy::Policy;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::docker::{ImageFacts, VolumeFacts};
use crate::map::fates::Tally;
use crate::map::resources::Desired;
use crate::map::tree::Contexts;
use crate::model::Project;
use crate::secret::{DigestKey, Secret};
use crate::site::Site;

/// Everything that decides what a project becomes.
pub struct Context<'a> {
    /// Dokku project: the control app and the prefix of every name.
    pub project: &'a str,
    /// The loaded compose project.
    pub compose: &'a Project,
    /// The server's places.
    pub site: &'a Site,
    /// Key of the digests that stand for secret values.
    pub key: &'a DigestKey,
    /// Images on the server, by the reference that the file uses.
    pub images: &'a BTreeMap<String, ImageFacts>,
    /// Volumes on the server, by name.
    pub volumes: &'a BTreeMap<String, VolumeFacts>,
    /// Global domains.
    pub domains: &'a [String],
    /// What was applied last.
    pub remembered: Option<&'a Desired>,
    /// Datastore plugins and what is wanted of them.
    pub stores: &'a Stores,
    /// What the administrator allows.
    pub policy: &'a Policy,
    /// Build contexts of other machines, by the URL in the file: where they were fetched to.
    pub fetched: &'a BTreeMap<String, PathBuf>,
    /// App names that nobody may take: Dokku's plugins.
    pub reserved: &'a BTreeSet<String>,
    /// Where the files were sent by somebody: the directory that nothing delivered or built may leave.
    pub sent: Option<&'a std::path::Path>,
    /// The build contexts that were read already.
    pub contexts: Contexts,
    /// Findings.
    pub findings: &'a Findings,
}

/// Findings of the mapping, and a count of the keys behind them.
#[derive(Default)]
pub struct Findings {
    items: RefCell<Diagnostics>,
    not_done: RefCell<BTreeSet<String>>,
    approximated: RefCell<BTreeSet<String>>,
    tally: RefCell<Tally>,
    /// What the administrator would have to allow, by setting, in the order of the file.
    refused: RefCell<BTreeMap<&'static str, Vec<String>>>,
}

impl Findings {
    /// Notes that `setting` would have to allow `rule`; gives all that it would have to allow so far.
    pub(super) fn refuse(&self, setting: &'static str, rule: &str) -> Vec<String> {
        let mut refused = self.refused.borrow_mut();
        let all = refused.entry(setting).or_default();
        if !all.iter().any(|one| one == rule) {
            all.push(rule.to_owned());
        }
        all.clone()
    }

    /// Adds one.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.items.borrow_mut().push(diagnostic);
    }

    /// Paths of the keys that are not done because of their value.
    pub(super) fn not_done(&self) -> BTreeSet<String> {
        self.not_done.borrow().clone()
    }

    /// Paths of the keys that are done in another way.
    pub(super) fn approximated(&self) -> BTreeSet<String> {
        self.approximated.borrow().clone()
    }

    /// How many keys of the file are honoured, once it is mapped.
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Keeps the count.
    pub(super) fn count(&self, tally: Tally) {
        *self.tally.borrow_mut() = tally;
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.items.borrow().has_errors()
    }

    /// All of them.
    pub fn into_diagnostics(self) -> Diagnostics {
        self.items.into_inner()
    }
}

impl Context<'_> {
    /// Whether `file` may be read for this project; an error at `path` where it may not.
    pub fn may_read(&self, file: &std::path::Path, path: &str) -> bool {
        let Some(root) = self.sent else { return true };
        // What does not exist is reported as missing by whoever reads it.
        if crate::compose::is_within(file, root).unwrap_or(true) {
            return true;
        }
        let shown = file.strip_prefix(&self.compose.working_dir).unwrap_or(file);
        let message = format!("{} is outside of what was sent", shown.display());
        self.error(
            "host-path",
            path,
            message,
            "send it along, or import a directory of the server as its administrator",
        );
        false
    }

    /// Hides a value.
    pub fn secret(&self, text: impl Into<Arc<str>>) -> Secret {
        Secret::new(text, self.key)
    }

    /// A finding at the key or value at `path` of the project's tree.
    pub fn report(&self, severity: Severity, code: &'static str, path: &str, message: impl Into<String>, hint: &str) {
        let mut diagnostic = Diagnostic::new(severity, code, message);
        if let Some(span) = self.nearest(path) {
            diagnostic = diagnostic.at(span);
        }
        if !hint.is_empty() {
            diagnostic = diagnostic.hint(hint);
        }
        self.findings.push(diagnostic);
    }

    /// The key at `path`, or the nearest one above it that the file has.
    fn nearest(&self, path: &str) -> Option<crate::diag::Span> {
        let mut path = path;
        loop {
            if let Some(span) = self.compose.key_span(path) {
                return Some(span);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// An error at `path`.
    pub fn error(&self, code: &'static str, path: &str, message: impl Into<String>, hint: &str) {
        self.report(Severity::Error, code, path, message, hint);
    }

    /// A key that the file has and the server does not get.
    pub fn not_done(&self, path: &str, why: &str, instead: &str) {
        let key = path.strip_prefix("services.").unwrap_or(path);
        self.findings.not_done.borrow_mut().insert(path.to_owned());
        self.report(Severity::Warning, "not-done", path, format!("{key} is not done: {why}"), instead);
    }

    /// A key that is done in another way than the file says.
    pub fn approximated(&self, path: &str, how: &str, hint: &str) {
        let key = path.strip_prefix("services.").unwrap_or(path);
        self.findings.approximated.borrow_mut().insert(path.to_owned());
        self.report(Severity::Note, "approximated", path, format!("{key}: {how}"), hint);
    }
}
