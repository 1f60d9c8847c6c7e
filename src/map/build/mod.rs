//! Builds: the context as an archive for an app, a `docker build` for a raw container, a job, and for apps where Dokku
//! would build what is built already or cannot be given all that the build needs.

mod inputs;
mod sharing;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::container::digest;
use super::context::Context;
use super::resources::{FileTree, Source};
use crate::docker::ImageBuildSpec;
use crate::model::{Build, Service};
pub(super) use sharing::{Builds, Engine};

/// A build as far as both forms share it.
struct Prepared {
    context: PathBuf,
    dockerfile: String,
    inline: Option<String>,
    options: Vec<(String, String)>,
    args: BTreeMap<String, String>,
    /// Options that only a build by the engine takes.
    further: Vec<(String, String)>,
    contexts: BTreeMap<String, String>,
    bases: Vec<ImageBuildSpec>,
    digest: String,
}

/// An app's source and its build options. `files` gets what the build reads beside its context.
pub(super) fn archive(
    ctx: &Context<'_>,
    service: &Service,
    build: &Build,
    files: &mut Vec<FileTree>,
) -> Option<(Source, Vec<(String, String)>)> {
    let prepared = prepare(ctx, service, build, files)?;
    let mut options = prepared.options;
    options.extend(prepared.args.iter().map(|(name, value)| ("--build-arg".to_owned(), format!("{name}={value}"))));
    let source = Source::Archive {
        context: prepared.context,
        dockerfile: prepared.dockerfile,
        dockerfile_inline: prepared.inline,
        digest: prepared.digest,
    };
    Some((source, options))
}

/// An image that the engine builds, and the digest of all that decides it. Equal builds of several services have one
/// name, so that it is built once.
pub(super) fn image(
    ctx: &Context<'_>,
    service: &Service,
    build: &Build,
    files: &mut Vec<FileTree>,
) -> Option<(ImageBuildSpec, String)> {
    let prepared = prepare(ctx, service, build, files)?;
    let spec = ImageBuildSpec {
        tag: format!("dokku-compose/{}-build:{}", ctx.project, &prepared.digest[..12]),
        context: prepared.context,
        dockerfile: PathBuf::from(prepared.dockerfile),
        dockerfile_inline: prepared.inline,
        options: prepared
            .options
            .iter()
            .chain(&prepared.further)
            // They have a field of their own.
            .filter(|(flag, _)| flag != "--label")
            .map(|(flag, value)| if value.is_empty() { flag.clone() } else { format!("{flag}={value}") })
            .collect(),
        args: prepared.args.into_iter().map(|(name, value)| (name, ctx.secret(value))).collect(),
        labels: build.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        contexts: prepared.contexts,
        bases: prepared.bases,
    };
    Some((spec, prepared.digest))
}

/// Whether a build context is not a directory of this machine.
pub fn is_remote(context: &str) -> bool {
    context.contains("://") || context.starts_with("git@")
}

fn prepare(ctx: &Context<'_>, service: &Service, build: &Build, files: &mut Vec<FileTree>) -> Option<Prepared> {
    let path = |key: &str| format!("services.{}.build.{key}", service.name);
    let Build {
        context,
        dockerfile,
        dockerfile_inline,
        // Said by the table of fates alone.
        provenance: _,
        sbom: _,
        isolation: _,
        entitlements,
        ssh,
        no_cache_filter,
        additional_contexts,
        pull,
        secrets,
        privileged,
        args,
        labels,
        cache_from,
        cache_to,
        no_cache,
        extra_hosts,
        network,
        target,
        shm_size,
        tags,
        ulimits,
        platforms,
        extensions: _,
    } = build;
    if platforms.len() > 1 {
        ctx.approximated(&path("platforms"), "one image is built, for this server", "");
    }
    let text = context.clone().unwrap_or_default();
    let fetched = ctx.fetched.get(&text);
    if fetched.is_none() && is_remote(&text) {
        ctx.error(
            "remote-context",
            &path("context"),
            format!("the build context {text} is not on this machine"),
            "name a git URL, or put it beside the compose file and name the directory",
        );
        return None;
    }
    let directory = fetched.cloned().unwrap_or_else(|| PathBuf::from(&text));
    if !directory.is_dir() {
        ctx.error(
            "missing-context",
            &path("context"),
            format!("the build context {} is not a directory", shown(ctx, &directory)),
            "import the whole directory, not the compose file alone",
        );
        return None;
    }
    if fetched.is_none() && !ctx.may_read(&directory, &path("context")) {
        return None;
    }
    let name = dockerfile.clone().unwrap_or_else(|| "Dockerfile".into());
    let inline = match dockerfile_inline {
        Some(text) => Some(text.clone()),
        None => outside(ctx, &path("dockerfile"), &directory, &name)?,
    };
    let mut options = Vec::new();
    let mut option = |flag: &str, value: &str| options.push((flag.to_owned(), value.to_owned()));
    if let Some(target) = target {
        option("--target", target);
    }
    for from in cache_from {
        option("--cache-from", from);
    }
    for to in cache_to {
        option("--cache-to", to);
    }
    if *no_cache {
        option("--no-cache", "");
    }
    for (host, addresses) in extra_hosts {
        for address in addresses {
            option("--add-host", &format!("{host}:{address}"));
        }
    }
    if let Some(network) = network {
        option("--network", network);
    }
    if let Some(size) = shm_size {
        option("--shm-size", &size.0.to_string());
    }
    for tag in tags {
        option("--tag", tag);
    }
    for (name, ulimit) in ulimits {
        let (soft, hard) = ulimit.limits();
        option("--ulimit", &format!("{name}={soft}:{hard}"));
    }
    if let [platform] = platforms.as_slice() {
        option("--platform", platform);
    }
    for (key, value) in labels {
        option("--label", &format!("{key}={value}"));
    }
    let insecure = privileged.then_some(INSECURE);
    for right in
        entitlements.iter().map(String::as_str).filter(|right| *right != INSECURE || !privileged).chain(insecure)
    {
        option("--allow", right);
    }
    let mut given = inputs::secrets(ctx, service, secrets, files)?;
    given.extend(inputs::ssh(ctx, service, ssh, files)?);
    options.extend(given.iter().map(|given| (given.flag.to_owned(), given.option.clone())));
    let mut further = Vec::new();
    if *pull {
        further.push(("--pull".to_owned(), String::new()));
    }
    further.extend(no_cache_filter.iter().map(|stage| ("--no-cache-filter".to_owned(), stage.clone())));
    let named = inputs::contexts(ctx, service, additional_contexts, files)?;
    let args: BTreeMap<String, String> =
        args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    let content = inputs::content(ctx, &directory, &path("context"))?;
    let hidden: BTreeMap<&String, _> = args.iter().map(|(name, value)| (name, ctx.key.digest(value))).collect();
    let mut digest = digest(&(content, &name, &inline, &options, hidden));
    if !given.is_empty() || !further.is_empty() || !named.digests.is_empty() {
        let given: Vec<&String> = given.iter().map(|given| &given.digest).collect();
        digest = super::container::digest(&(digest, given, &further, &named.digests));
    }
    let inputs::Contexts { contexts, bases, .. } = named;
    Some(Prepared { context: directory, dockerfile: name, inline, options, args, further, contexts, bases, digest })
}

/// What `privileged: true` asks a build for.
const INSECURE: &str = "security.insecure";

/// The text of a Dockerfile that lies outside its context, which an archive cannot carry under its own name.
fn outside(ctx: &Context<'_>, path: &str, context: &Path, dockerfile: &str) -> Option<Option<String>> {
    let file = if Path::new(dockerfile).is_absolute() { PathBuf::from(dockerfile) } else { context.join(dockerfile) };
    if !file.is_file() {
        ctx.error(
            "missing-dockerfile",
            path,
            format!("there is no {} to build from", shown(ctx, &file)),
            "create it, or name another with build.dockerfile",
        );
        return None;
    }
    if !ctx.fetched.values().any(|fetched| fetched == context) && !ctx.may_read(&file, path) {
        return None;
    }
    if is_plain_name(dockerfile) && !file.is_symlink() {
        return Some(None);
    }
    let inside = match (file.canonicalize(), context.canonicalize()) {
        (Ok(file), Ok(context)) => file.starts_with(context) && !Path::new(dockerfile).is_absolute(),
        _ => false,
    };
    if inside {
        return Some(None);
    }
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(Some(text)),
        Err(error) => {
            ctx.error("unreadable-dockerfile", path, format!("cannot read {}: {error}", file.display()), "");
            None
        }
    }
}

/// Whether a relative path is one name, so that it leads nowhere else by itself.
fn is_plain_name(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// A path as the reader knows it: from the project's directory, which may be a temporary one.
fn shown(ctx: &Context<'_>, path: &Path) -> String {
    path.strip_prefix(&ctx.compose.working_dir).unwrap_or(path).display().to_string()
}
