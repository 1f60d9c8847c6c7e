//! Secrets and configs: files of the plugin's own folder, mounted read-only.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::resources::{FileContent, FileTree};
use super::tree;
use crate::docker::{ContainerMount, ContainerSpec, CopySpec};
use crate::model::{FileReference, Service};

/// Secrets: files of the plugin's own folder, mounted read-only at `/run/secrets/NAME`.
pub(super) fn secrets(
    ctx: &Context<'_>,
    service: &Service,
    references: &[FileReference],
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
) {
    for (index, reference) in references.iter().enumerate() {
        let path = format!("services.{}.secrets[{index}]", service.name);
        let key = reference.source.clone().unwrap_or_default();
        let Some(given) = given_secret(ctx, &path, &key) else { continue };
        let target = match reference.target.as_deref() {
            Some(target) if target.starts_with('/') => target.to_owned(),
            Some(target) => format!("/run/secrets/{target}"),
            None => format!("/run/secrets/{key}"),
        };
        file(ctx, service, &path, &key, reference, &given, target, spec, files);
    }
}

/// A secret as the file that a build is given. An error at `path` where it cannot be had.
pub(super) fn of_build(ctx: &Context<'_>, path: &str, key: &str, mode: u32) -> Option<FileTree> {
    let given = given_secret(ctx, path, key)?;
    let (content, digest) = content(ctx, path, key, &given)?;
    Some(FileTree { target: place(ctx, &given, key, mode), content, digest, mirror: true, mode })
}

/// Where the value of a secret comes from.
fn given_secret<'a>(ctx: &Context<'a>, path: &str, key: &str) -> Option<Given<'a>> {
    let secret = ctx.compose.secrets.get(key)?;
    if secret.driver.is_some() {
        ctx.error(
            "external-secret",
            path,
            format!("the secret {key} is kept by a driver: there is no Swarm here to ask it"),
            "use file: or environment:",
        );
        return None;
    }
    let outside = secret.external.then(|| External::of(ctx, secret.name.as_deref().unwrap_or(key)));
    Some(Given {
        kind: "secrets",
        file: secret.file.as_deref(),
        text: secret.environment_value.as_deref().or(outside.as_ref().and_then(|outside| outside.value)),
        variable: secret.environment.clone().or(outside.map(|outside| outside.variable)),
    })
}

/// Configs: likewise, at `/NAME`.
pub(super) fn configs(
    ctx: &Context<'_>,
    service: &Service,
    references: &[FileReference],
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
) {
    for (index, reference) in references.iter().enumerate() {
        let path = format!("services.{}.configs[{index}]", service.name);
        let key = reference.source.clone().unwrap_or_default();
        let Some(config) = ctx.compose.configs.get(&key) else {
            continue;
        };
        if config.driver.is_some() {
            ctx.error(
                "external-config",
                &path,
                format!("the config {key} is kept by a driver: there is no Swarm here to ask it"),
                "use file:, content: or environment:",
            );
            continue;
        }
        let outside = config.external.then(|| External::of(ctx, config.name.as_deref().unwrap_or(&key)));
        let target = reference.target.clone().unwrap_or_else(|| format!("/{key}"));
        let given = Given {
            kind: "configs",
            file: config.file.as_deref(),
            text: config
                .content
                .as_deref()
                .or(config.environment_value.as_deref())
                .or(outside.as_ref().and_then(|outside| outside.value)),
            variable: config.environment.clone().or(outside.map(|outside| outside.variable)),
        };
        file(ctx, service, &path, &key, reference, &given, target, spec, files);
    }
}

/// The variable of the project that holds a secret or config kept outside of the file: its name, with `_` for what no
/// variable's name can hold.
pub fn variable(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect()
}

/// A secret or config that Swarm would keep: here the project's variables do.
struct External<'a> {
    variable: String,
    value: Option<&'a str>,
}

impl<'a> External<'a> {
    /// What the project's variables hold under `name`.
    fn of(ctx: &Context<'a>, name: &str) -> Self {
        let variable = variable(name);
        let value = ctx.compose.environment.get(&variable).map(String::as_str);
        Self { variable, value }
    }
}

/// Where the content of a secret or config comes from.
struct Given<'a> {
    kind: &'static str,
    file: Option<&'a str>,
    text: Option<&'a str>,
    variable: Option<String>,
}

#[allow(clippy::too_many_arguments, reason = "one private helper of two callers")]
fn file(
    ctx: &Context<'_>,
    service: &Service,
    path: &str,
    key: &str,
    reference: &FileReference,
    given: &Given<'_>,
    target: String,
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
) {
    let mode = reference.mode.map_or(0o444, |mode| mode.0);
    let Some((content, digest)) = content(ctx, path, key, given) else { return };
    let number = |name: &str, value: &Option<String>| match value.as_deref().map(str::parse::<u32>) {
        None => Some(None),
        Some(Ok(number)) => Some(Some(number)),
        Some(Err(_)) => {
            let message = format!("{name} of {key} is no number");
            ctx.error(
                "invalid-name",
                &format!("{path}.{name}"),
                message,
                "names of users are the image's: give the number",
            );
            None
        }
    };
    let (Some(uid), Some(gid)) = (number("uid", &reference.uid), number("gid", &reference.gid)) else { return };
    let owned = uid.is_some() || gid.is_some();
    if owned && service.read_only {
        let name = if uid.is_some() { "uid" } else { "gid" };
        let why = "nothing can be copied into a container whose root is read-only";
        ctx.not_done(&format!("{path}.{name}"), why, "make it readable with mode");
    } else if owned {
        // Only root could give the plugin's own file to another: a copy of it goes into each container.
        let own = place(ctx, given, key, 0o600);
        files.push(FileTree { target: own.clone(), content, digest, mirror: true, mode: 0o600 });
        let (uid, gid) = (uid.unwrap_or(0), gid.unwrap_or(0));
        spec.copies.push(CopySpec { source: own, target, uid, gid, mode });
        return;
    }
    let own = place(ctx, given, key, mode);
    let host = ctx.site.lib_host_root.join(own.strip_prefix(&ctx.site.lib_root).unwrap_or(&own));
    files.push(FileTree { target: own, content, digest, mirror: true, mode });
    spec.mounts.push(ContainerMount {
        kind: "bind".into(),
        source: host.to_string_lossy().into_owned(),
        target,
        read_only: true,
        ..ContainerMount::default()
    });
}

/// The plugin's file of a secret or config.
fn place(ctx: &Context<'_>, given: &Given<'_>, key: &str, mode: u32) -> PathBuf {
    ctx.site.project(ctx.project).join(given.kind).join(format!("{key}-{mode:04o}"))
}

/// The content with its digest; an error at `path` where it cannot be had.
fn content(ctx: &Context<'_>, path: &str, key: &str, given: &Given<'_>) -> Option<(FileContent, String)> {
    if given.file.is_some_and(|file| !ctx.may_read(Path::new(file), path)) {
        return None;
    }
    Some(match (given.file, given.text, &given.variable) {
        (Some(file), _, _) => match std::fs::read(file) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => inline(ctx, text),
                Err(_) => match tree::digest(Path::new(file)) {
                    Ok(Some(digest)) => (FileContent::Path { path: PathBuf::from(file) }, digest),
                    _ => return None,
                },
            },
            Err(error) => {
                ctx.error(
                    "unreadable-file",
                    path,
                    format!("cannot read {file} of {key}: {error}"),
                    "give the path relative to the compose file",
                );
                return None;
            }
        },
        (None, Some(text), _) => inline(ctx, text.to_owned()),
        (None, None, Some(variable)) => {
            let hint = format!("dokku config:set --no-restart {} {variable}=...", ctx.project);
            ctx.error("unset-variable", path, format!("the variable {variable} of {key} is not set"), &hint);
            return None;
        }
        (None, None, None) => return None,
    })
}

/// The variables of a service that go by `--env-file`. The docker command reads it, as the user that Dokku runs as.
pub(super) fn environment(ctx: &Context<'_>, service: &str, lines: String) -> FileTree {
    let (content, digest) = inline(ctx, lines);
    let target = ctx.site.project(ctx.project).join("environment").join(service);
    FileTree { target, content, digest, mirror: true, mode: 0o600 }
}

fn inline(ctx: &Context<'_>, text: String) -> (FileContent, String) {
    let secret = ctx.secret(text);
    let digest = secret.digest().to_owned();
    (FileContent::Inline { text: secret }, digest)
}
