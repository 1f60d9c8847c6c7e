//! Secrets and configs: files that the plugin keeps for the project and mounts read-only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::secrets::Vault;
use super::stack::{Origin, Stack};
use crate::docker::{ContainerMount, CopySpec};
use crate::model::{Config, FileMode, FileReference, Project, Secret, Service};

/// Whether a mount is of the project's own secrets or configs.
pub(super) fn is_own(stack: &Stack, mount: &ContainerMount) -> bool {
    mount.kind == "bind" && stack.own_files.file_name().is_some() && parts(&stack.own_files, &mount.source).is_some()
}

/// Whether a path is among the project's own files.
pub(super) fn is_own_path(stack: &Stack, path: &str) -> bool {
    stack.own_files.file_name().is_some() && Path::new(path).starts_with(&stack.own_files)
}

/// `…/secrets/KEY-0444`: the section, the key and the mode.
fn parts<'a>(own: &Path, source: &'a str) -> Option<(&'a str, &'a str, u32)> {
    let inside = Path::new(source).strip_prefix(own).ok()?.to_str()?;
    let (section, file) = inside.split_once('/')?;
    let (key, mode) = file.rsplit_once('-')?;
    matches!(section, "secrets" | "configs").then_some((section, key, u32::from_str_radix(mode, 8).ok()?))
}

/// The references of a service; `mounts` are its own files.
pub(super) fn references(mounts: &[&ContainerMount], out: &mut Service) {
    for mount in mounts {
        let path = PathBuf::from(&mount.source);
        let Some(own) = path.parent().and_then(Path::parent) else { continue };
        let Some((section, key, mode)) = parts(own, &mount.source) else { continue };
        let usual = if section == "secrets" { format!("/run/secrets/{key}") } else { format!("/{key}") };
        let reference = FileReference {
            source: Some(key.to_owned()),
            target: Some(mount.target.clone()).filter(|target| *target != usual),
            mode: (mode != 0o444).then_some(FileMode(mode)),
            ..FileReference::default()
        };
        if section == "secrets" { out.secrets.push(reference) } else { out.configs.push(reference) }
    }
}

/// The references of a service to files that are copied into its containers.
pub(super) fn copies(copies: &[CopySpec], out: &mut Service) {
    for copy in copies {
        let Some(own) = copy.source.parent().and_then(Path::parent) else { continue };
        let Some((section, key, _)) = copy.source.to_str().and_then(|source| parts(own, source)) else { continue };
        let reference = FileReference {
            source: Some(key.to_owned()),
            target: Some(copy.target.clone()),
            uid: Some(copy.uid.to_string()),
            gid: Some(copy.gid.to_string()),
            mode: Some(FileMode(copy.mode)),
            ..FileReference::default()
        };
        if section == "secrets" { out.secrets.push(reference) } else { out.configs.push(reference) }
    }
}

/// The secret of a build: `id=NAME,src=…/secrets/KEY-0600`.
pub(super) fn of_build(option: &str) -> Option<FileReference> {
    let (id, source) = option.strip_prefix("id=")?.split_once(",src=")?;
    let (_, key, _) = parts(Path::new(source).parent()?.parent()?, source)?;
    let target = Some(id.to_owned()).filter(|id| id != key);
    Some(FileReference { source: Some(key.to_owned()), target, ..FileReference::default() })
}

/// The key of a build: `ID=…/ssh/ID-0a1b2c3d`, with the file's name.
pub(super) fn key_of_build(option: &str) -> Option<(&str, &str)> {
    let (id, path) = option.split_once('=')?;
    Some((id, Path::new(path).file_name()?.to_str()?))
}

/// The values of an option of all builds.
fn build_options<'a>(stack: &'a Stack, flag: &'a str) -> impl Iterator<Item = &'a str> {
    let builds = stack.units.values().filter_map(|unit| match &unit.origin {
        Origin::Build { build, .. } => Some(build),
        Origin::Image { .. } => None,
    });
    let options = builds.flat_map(|build| &build.options);
    options.filter_map(move |option| option.strip_prefix(flag)?.strip_prefix('='))
}

/// Declares the secrets and configs that services mount or are built with; `contents` are the files by their source in the mounts.
///
/// A config's text stands in the file, a secret's goes to the companion. One that is not text is named by its file.
pub(super) fn declare(
    stack: &Stack,
    contents: &BTreeMap<String, Vec<u8>>,
    vault: &mut Vault<'_>,
    project: &mut Project,
) -> Vec<String> {
    let mut notes = Vec::new();
    let mounts = stack.units.values().flat_map(|unit| &unit.spec.mounts).filter(|mount| is_own(stack, mount));
    let copied = stack.units.values().flat_map(|unit| &unit.spec.copies).filter_map(|copy| copy.source.to_str());
    let built = build_options(stack, "--secret").filter_map(|option| Some(option.split_once(",src=")?.1));
    for (_, key) in build_options(stack, "--ssh").filter_map(key_of_build) {
        let note = format!("build.ssh: a private key stands in no export; put it beside this file as {key}");
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    for source in mounts.map(|mount| mount.source.as_str()).chain(built).chain(copied) {
        let Some((section, key, _)) = parts(&stack.own_files, source) else { continue };
        let text = contents.get(source).map(|bytes| std::str::from_utf8(bytes));
        if !matches!(text, Some(Ok(_))) {
            let why = if text.is_some() { "is no text" } else { "cannot be read" };
            let note = format!("{section}.{key}: the file on the server {why}; put it where the file says");
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        if section == "secrets" {
            project.secrets.entry(key.to_owned()).or_insert_with(|| match text {
                Some(Ok(text)) => Secret { environment: Some(vault.name("secret", key, text)), ..Secret::default() },
                _ => Secret { file: Some(format!("./{key}")), ..Secret::default() },
            });
        } else {
            project.configs.entry(key.to_owned()).or_insert_with(|| match text {
                Some(Ok(text)) => Config { content: Some(text.to_owned()), ..Config::default() },
                _ => Config { file: Some(format!("./{key}")), ..Config::default() },
            });
        }
    }
    notes
}
