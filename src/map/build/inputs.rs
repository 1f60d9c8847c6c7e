//! What a build reads beside its context: secrets, keys, further contexts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::docker::ImageBuildSpec;
use crate::hashed::IndexMap;
use crate::map::context::Context;
use crate::map::resources::{FileContent, FileTree};
use crate::map::secrets;
use crate::model::{FileReference, Service, SshKey};

/// Permissions of what a build may read and nobody else: the builder gives it on with its own.
const OWNER_ONLY: u32 = 0o600;

/// A file that is given to a build by an option.
pub(super) struct Given {
    pub(super) flag: &'static str,
    pub(super) option: String,
    pub(super) digest: String,
}

/// `build.secrets` as `--secret`: the value lies in a file of the project and stands in no image and no command line.
pub(super) fn secrets(
    ctx: &Context<'_>,
    service: &Service,
    references: &[FileReference],
    files: &mut Vec<FileTree>,
) -> Option<Vec<Given>> {
    let mut out = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let path = format!("services.{}.build.secrets[{index}]", service.name);
        let key = reference.source.clone().unwrap_or_default();
        let tree = secrets::of_build(ctx, &path, &key, OWNER_ONLY)?;
        let id = reference.target.as_deref().unwrap_or(&key);
        out.push(give(ctx, "--secret", &path, id, tree, files)?);
    }
    Some(out)
}

/// `build.ssh` as `--ssh`: a key goes to a file of the project. There is no agent on a server.
pub(super) fn ssh(
    ctx: &Context<'_>,
    service: &Service,
    keys: &[SshKey],
    files: &mut Vec<FileTree>,
) -> Option<Vec<Given>> {
    let path = format!("services.{}.build.ssh", service.name);
    let mut out = Vec::new();
    for key in keys {
        let Some(file) = &key.path else {
            let why = format!("nobody's ssh agent ({}) is at hand on a server", key.id);
            ctx.not_done(&path, &why, &format!("name a key file: {}=./deploy-key", key.id));
            continue;
        };
        if !ctx.may_read(Path::new(file), &path) {
            return None;
        }
        let text = match std::fs::metadata(file).and_then(|meta| match meta.is_file() {
            true => std::fs::read_to_string(file),
            false => Err(std::io::Error::other("it is no file")),
        }) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read the key {file} of {}: {error}", key.id);
                ctx.error("unreadable-file", &path, message, "name the file of a private key without a passphrase");
                return None;
            }
        };
        let text = ctx.secret(text);
        let digest = text.digest().to_owned();
        // Named by the key itself, so that builds which share it are one.
        let name = format!("{}-{}", key.id, digest.chars().take(8).collect::<String>());
        let target = ctx.site.project(ctx.project).join("ssh").join(name);
        let tree = FileTree { target, content: FileContent::Inline { text }, digest, mirror: true, mode: OWNER_ONLY };
        out.push(give(ctx, "--ssh", &path, &key.id, tree, files)?);
    }
    Some(out)
}

fn give(
    ctx: &Context<'_>,
    flag: &'static str,
    path: &str,
    id: &str,
    tree: FileTree,
    files: &mut Vec<FileTree>,
) -> Option<Given> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || !id.chars().all(plain) {
        let message = format!("a build cannot know it as `{id}`");
        ctx.error("invalid-name", path, message, "use letters, digits, `-`, `_` and `.`");
        return None;
    }
    let place = tree.target.display();
    let option = if flag == "--ssh" { format!("{id}={place}") } else { format!("id={id},src={place}") };
    let digest = tree.digest.clone();
    if !files.iter().any(|known| known.target == tree.target) {
        files.push(tree);
    }
    Some(Given { flag, option, digest })
}

/// Further contexts.
#[derive(Default)]
pub(super) struct Contexts {
    /// As `--build-context` takes them.
    pub(super) contexts: BTreeMap<String, String>,
    /// What decides the build.
    pub(super) digests: BTreeMap<String, String>,
    /// Images to build first.
    pub(super) bases: Vec<ImageBuildSpec>,
}

/// `build.additional_contexts`: directories, images, repositories, other services.
pub(super) fn contexts(
    ctx: &Context<'_>,
    service: &Service,
    named: &IndexMap<String, String>,
    files: &mut Vec<FileTree>,
) -> Option<Contexts> {
    let mut out = Contexts::default();
    for (name, value) in named {
        let path = format!("services.{}.build.additional_contexts.{name}", service.name);
        let (value, digest) = if let Some(other) = value.strip_prefix("service:") {
            if leads_back(ctx, &service.name) {
                let message = format!("the build of {} needs its own image", service.name);
                ctx.error("dependency-cycle", &path, message, "take one of the contexts out");
                return None;
            }
            // The loader knows that it is there and is built.
            let other = ctx.compose.services.get(other)?;
            let (base, digest) = super::image(ctx, other, other.build.as_deref()?, files)?;
            let value = format!("docker-image://{}", base.tag);
            if !out.bases.iter().any(|known| known.tag == base.tag) {
                out.bases.push(base);
            }
            (value, digest)
        } else if ["docker-image://", "https://", "http://", "git@", "ssh://", "git://"]
            .iter()
            .any(|start| value.starts_with(start))
        {
            (value.clone(), value.clone())
        } else if value.contains("://") {
            let message = format!("the build context {value} cannot be given to a build here");
            ctx.error("remote-context", &path, message, "name a directory, an image or a git URL");
            return None;
        } else {
            let directory = PathBuf::from(value);
            if !directory.is_dir() {
                let message = format!("the build context {} is not a directory", super::shown(ctx, &directory));
                ctx.error("missing-context", &path, message, "import the whole directory, not the compose file alone");
                return None;
            }
            if !ctx.may_read(&directory, &path) {
                return None;
            }
            let digest = content(ctx, &directory, &path)?;
            (value.clone(), digest)
        };
        out.contexts.insert(name.clone(), value);
        out.digests.insert(name.clone(), digest);
    }
    Some(out)
}

/// Whether the contexts of a service lead to itself.
fn leads_back(ctx: &Context<'_>, start: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(name) = open.pop() {
        let build = ctx.compose.services.get(name).and_then(|service| service.build.as_deref());
        for other in build.into_iter().flat_map(|build| build.additional_contexts.values()) {
            let Some(other) = other.strip_prefix("service:") else { continue };
            if other == start {
                return true;
            }
            if seen.insert(other) {
                open.push(other);
            }
        }
    }
    false
}

/// The digest of a context; an error at `path` where it is too large or cannot be read.
pub(super) fn content(ctx: &Context<'_>, directory: &Path, path: &str) -> Option<String> {
    match ctx.contexts.digest(directory) {
        Ok(content) => content,
        Err(error) => {
            let message = format!("cannot take the build context {}: {error}", super::shown(ctx, directory));
            ctx.error(
                "unreadable-context",
                path,
                message,
                "leave out with a .dockerignore what the build does not need",
            );
            None
        }
    }
}
