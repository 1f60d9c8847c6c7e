//! Builds: the context as an archive for an app, a `docker build` for a raw container or job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::container::digest;
use super::context::Context;
use super::ignore::Ignore;
use super::resources::Source;
use super::tree;
use crate::docker::ImageBuildSpec;
use crate::model::{Build, Service};

/// A build as far as both forms share it.
struct Prepared {
    context: PathBuf,
    dockerfile: String,
    inline: Option<String>,
    options: Vec<(String, String)>,
    args: BTreeMap<String, String>,
    digest: String,
}

/// An app's source and its build options.
pub(super) fn archive(
    ctx: &Context<'_>,
    service: &Service,
    build: &Build,
) -> Option<(Source, Vec<(String, String)>)> {
    let prepared = prepare(ctx, service, build)?;
    let mut options = prepared.options;
    options.extend(
        prepared
            .args
            .iter()
            .map(|(name, value)| ("--build-arg".to_owned(), format!("{name}={value}"))),
    );
    let source = Source::Archive {
        context: prepared.context,
        dockerfile: prepared.dockerfile,
        dockerfile_inline: prepared.inline,
        digest: prepared.digest,
    };
    Some((source, options))
}

/// A raw container's or job's image.
pub(super) fn image(
    ctx: &Context<'_>,
    service: &Service,
    build: &Build,
) -> Option<(ImageBuildSpec, String)> {
    let prepared = prepare(ctx, service, build)?;
    let spec = ImageBuildSpec {
        tag: format!(
            "dokku-compose/{}-{}:{}",
            ctx.project,
            service.name.to_lowercase(),
            &prepared.digest[..12]
        ),
        context: prepared.context,
        dockerfile: PathBuf::from(prepared.dockerfile),
        dockerfile_inline: prepared.inline,
        options: prepared
            .options
            .iter()
            .map(|(flag, value)| {
                if value.is_empty() {
                    flag.clone()
                } else {
                    format!("{flag}={value}")
                }
            })
            .collect(),
        args: prepared
            .args
            .into_iter()
            .map(|(name, value)| (name, ctx.secret(value)))
            .collect(),
        labels: build
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    };
    Some((spec, prepared.digest))
}

fn prepare(ctx: &Context<'_>, service: &Service, build: &Build) -> Option<Prepared> {
    let path = |key: &str| format!("services.{}.build.{key}", service.name);
    let Build {
        context,
        dockerfile,
        dockerfile_inline,
        entitlements,
        args,
        provenance,
        sbom,
        ssh,
        labels,
        cache_from,
        cache_to,
        no_cache,
        no_cache_filter,
        additional_contexts,
        pull,
        extra_hosts,
        isolation,
        network,
        target,
        secrets,
        shm_size,
        tags,
        ulimits,
        platforms,
        privileged,
        extensions: _,
    } = build;
    for (used, key, why) in [
        (
            !additional_contexts.is_empty(),
            "additional_contexts",
            "further contexts are not sent yet",
        ),
        (
            !secrets.is_empty(),
            "secrets",
            "build secrets are not given yet",
        ),
        (
            !ssh.is_empty(),
            "ssh",
            "ssh agents are not given to a build yet",
        ),
        (
            !entitlements.is_empty() || *privileged,
            "entitlements",
            "builds run without privileges",
        ),
        (
            isolation.is_some(),
            "isolation",
            "it exists on Windows only",
        ),
        (
            provenance.is_some() || sbom.is_some(),
            "provenance",
            "no attestations are made",
        ),
        (
            *pull,
            "pull",
            "Dokku drops --pull: base images are pulled when absent",
        ),
        (
            !no_cache_filter.is_empty(),
            "no_cache_filter",
            "Dokku does not pass it on",
        ),
        (
            platforms.len() > 1,
            "platforms",
            "one image for this server is built",
        ),
    ] {
        if used {
            ctx.not_done(&path(key), why, "");
        }
    }
    let text = context.clone().unwrap_or_default();
    if text.contains("://") || text.starts_with("git@") {
        ctx.error(
            "remote-context",
            &path("context"),
            format!("the build context {text} is not on this machine"),
            "clone it beside the compose file and name the directory",
        );
        return None;
    }
    let directory = PathBuf::from(&text);
    if !directory.is_dir() {
        ctx.error(
            "missing-context",
            &path("context"),
            format!("the build context {} is not a directory", shown(ctx, &directory)),
            "import the whole directory, not the compose file alone",
        );
        return None;
    }
    if !ctx.may_read(&directory, &path("context")) {
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
    let args: BTreeMap<String, String> = args
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect();
    let ignore = Ignore::read(&directory);
    let content = match tree::digest_without(&directory, &|path| ignore.matches(path)) {
        Ok(Some(content)) => content,
        Ok(None) => return None,
        Err(error) => {
            ctx.error(
                "unreadable-context",
                &path("context"),
                format!("cannot read the build context {text}: {error}"),
                "make it smaller with a .dockerignore",
            );
            return None;
        }
    };
    let hidden: BTreeMap<&String, String> = args
        .iter()
        .map(|(name, value)| (name, ctx.key.digest(value)))
        .collect();
    let digest = digest(&(content, &name, &inline, &options, hidden));
    Some(Prepared {
        context: directory,
        dockerfile: name,
        inline,
        options,
        args,
        digest,
    })
}

/// The text of a Dockerfile that lies outside its context, which an archive cannot carry under its own name.
fn outside(
    ctx: &Context<'_>,
    path: &str,
    context: &Path,
    dockerfile: &str,
) -> Option<Option<String>> {
    let file = if Path::new(dockerfile).is_absolute() {
        PathBuf::from(dockerfile)
    } else {
        context.join(dockerfile)
    };
    if !file.is_file() {
        ctx.error(
            "missing-dockerfile",
            path,
            format!("there is no {} to build from", shown(ctx, &file)),
            "create it, or name another with build.dockerfile",
        );
        return None;
    }
    if !ctx.may_read(&file, path) {
        return None;
    }
    let inside = match (file.canonicalize(), context.canonicalize()) {
        (Ok(file), Ok(context)) => {
            file.starts_with(context) && !Path::new(dockerfile).is_absolute()
        }
        _ => false,
    };
    if inside {
        return Some(None);
    }
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(Some(text)),
        Err(error) => {
            ctx.error(
                "unreadable-dockerfile",
                path,
                format!("cannot read {}: {error}", file.display()),
                "",
            );
            None
        }
    }
}

/// A path as the reader knows it: from the project's directory, which may be a temporary one.
fn shown(ctx: &Context<'_>, path: &Path) -> String {
    path.strip_prefix(&ctx.compose.working_dir).unwrap_or(path).display().to_string()
}
