//! Build contexts that are git URLs: fetched before a project is mapped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::git;
use super::session::Session;
use crate::diag::{Diagnostic, Diagnostics};
use crate::map::is_remote;
use crate::model::Project;

/// What was fetched, by the URL in the file; deleted when dropped.
#[derive(Default)]
pub(super) struct Contexts {
    /// Where each lies.
    pub(super) fetched: BTreeMap<String, PathBuf>,
    /// What could not be fetched.
    pub(super) findings: Diagnostics,
    _folder: Option<tempfile::TempDir>,
}

/// Fetches each context once, for however many services. Where the files were sent by somebody, a repository of this
/// machine is none of theirs.
pub(super) fn fetch(session: &Session, project: &Project, sent: bool) -> Result<Contexts> {
    let mut out = Contexts::default();
    let protocols = if sent { "https:http:ssh:git" } else { "https:http:ssh:git:file" };
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, service) in &project.services {
        let context = service.build.as_ref().and_then(|build| build.context.as_deref()).unwrap_or_default();
        // Without a fragment only what ends in .git is a repository; another URL is an archive or a Dockerfile.
        let repository = context.split('#').next().is_some_and(|url| url.ends_with(".git")) || context.contains('#');
        if is_remote(context) && git::is_url(context) && repository {
            wanted.entry(context).or_insert(name);
        }
    }
    if wanted.is_empty() {
        return Ok(out);
    }
    let folder =
        tempfile::Builder::new().prefix("dokku-compose-").tempdir().context("cannot make a temporary directory")?;
    for (index, (url, service)) in wanted.into_iter().enumerate() {
        match git::fetch(url, &folder.path().join(index.to_string()), protocols, session.dokku.env()) {
            Ok((dir, _)) => drop(out.fetched.insert(url.to_owned(), dir)),
            Err(error) => {
                let mut finding = Diagnostic::error("remote-context", format!("{error:#}"))
                    .hint("check the URL, and that this server may read it");
                if let Some(span) = project.span(&format!("services.{service}.build.context")) {
                    finding = finding.at(span);
                }
                out.findings.items.push(finding);
            }
        }
    }
    out._folder = Some(folder);
    Ok(out)
}
