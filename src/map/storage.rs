//! Volumes, bind mounts, tmpfs, secrets and configs.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::context::Context;
use super::resources::{FileContent, FileTree};
use super::{container, tree};
use crate::docker::{ContainerMount, ContainerSpec, VolumeSpec};
use crate::model::{FileReference, MountType, Service, ServiceVolume};

/// Host paths that give a container the server; allowed only by the administrator.
const SENSITIVE: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var",
    "/var/lib",
    "/var/lib/docker",
    "/var/lib/dokku",
    "/var/log",
    "/var/run",
];

/// Mounts of a service, in the order of the file.
pub(super) fn mounts(
    ctx: &Context<'_>,
    service: &Service,
    volumes: &[ServiceVolume],
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
    named: &mut Vec<String>,
) {
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("services.{}.volumes[{index}]", service.name);
        if let Some(mount) = mount(ctx, service, volume, &path, files, named) {
            spec.mounts.push(mount);
        }
    }
}

fn mount(
    ctx: &Context<'_>,
    service: &Service,
    volume: &ServiceVolume,
    path: &str,
    files: &mut Vec<FileTree>,
    named: &mut Vec<String>,
) -> Option<ContainerMount> {
    let target = volume.target.clone().unwrap_or_default();
    let mut mount = ContainerMount { target: target.clone(), read_only: volume.read_only, ..ContainerMount::default() };
    if !target.starts_with('/') {
        let hint = if target.as_bytes().get(1) == Some(&b':') {
            "a name of one letter is read as a Windows drive: give the volume a longer one"
        } else {
            "write where in the container it goes, from `/` on"
        };
        ctx.error("relative-target", path, format!("the container path `{target}` is not absolute"), hint);
        return None;
    }
    match volume.kind {
        MountType::Volume => {
            mount.kind = "volume".into();
            mount.source = match volume.source.as_deref().filter(|source| !source.is_empty()) {
                Some(key) => volume_name(ctx, key),
                None => {
                    let name = anonymous(ctx, &service.name, &target);
                    ctx.approximated(
                        path,
                        &format!("the anonymous volume is kept as {name}, so that a deploy does not empty it"),
                        "",
                    );
                    name
                }
            };
            named.push(mount.source.clone());
            if let Some(options) = &volume.volume {
                mount.no_copy = options.nocopy;
                mount.subpath = options.subpath.clone().unwrap_or_default();
            }
        }
        MountType::Bind => {
            mount.kind = "bind".into();
            mount.source = bind(ctx, volume, path, files)?;
            if let Some(options) = &volume.bind {
                mount.propagation = options.propagation.clone().unwrap_or_default();
                mount.selinux = options.selinux.clone().unwrap_or_default();
                if options.recursive.is_some() {
                    ctx.not_done(&format!("{path}.bind.recursive"), "mounts below are always included", "");
                }
            }
        }
        MountType::Tmpfs => {
            mount.kind = "tmpfs".into();
            if let Some(options) = &volume.tmpfs {
                mount.tmpfs_size = options.size.map_or(0, |size| size.0);
                mount.tmpfs_mode = options.mode.unwrap_or(0);
            }
        }
        MountType::Cluster | MountType::Npipe | MountType::Image => {
            ctx.not_done(
                &format!("{path}.type"),
                "only bind, volume and tmpfs mounts exist here",
                "copy the content into the image or a volume",
            );
            return None;
        }
    }
    Some(mount)
}

/// The host path of a bind mount.
///
/// A source inside the project's directory is delivered below Dokku's storage directory; one outside is the
/// server's own and needs the administrator's leave where it is sensitive.
fn bind(ctx: &Context<'_>, volume: &ServiceVolume, path: &str, files: &mut Vec<FileTree>) -> Option<String> {
    let source = PathBuf::from(volume.source.clone().unwrap_or_default());
    let Ok(relative) = source.strip_prefix(&ctx.compose.working_dir) else {
        return allowed(ctx, &source, path).then(|| source.to_string_lossy().into_owned());
    };
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) && relative != Path::new("") {
        ctx.error(
            "host-path",
            path,
            format!("{} leaves the project's directory", relative.display()),
            "use a path below it",
        );
        return None;
    }
    if !ctx.may_read(&source, path) {
        return None;
    }
    // A link that leaves the project is a path of the host, with the administrator's rules for those.
    if let Ok(real) = source.canonicalize()
        && !crate::compose::is_within(&real, &ctx.compose.working_dir).unwrap_or(false)
    {
        return allowed(ctx, &real, path).then(|| real.to_string_lossy().into_owned());
    }
    let target = ctx.site.storage(ctx.project).join(relative);
    let shown = relative.display().to_string();
    let source = source.canonicalize().unwrap_or_else(|_| source.clone());
    let create = volume.bind.as_ref().is_none_or(|options| options.create_host_path);
    let (content, digest) = match tree::digest(&source) {
        Ok(Some(digest)) => (FileContent::Path { path: source }, digest),
        Ok(None) if !create => {
            ctx.error(
                "missing-source",
                path,
                format!("{shown} does not exist"),
                "create it, or set create_host_path: true",
            );
            return None;
        }
        Ok(None) => (FileContent::Empty, "empty".into()),
        Err(error) => {
            ctx.error(
                "unreadable-source",
                path,
                format!("cannot read {shown}: {error}"),
                "make it readable for user dokku",
            );
            return None;
        }
    };
    let host = ctx.site.lib_host_root.join(target.strip_prefix(&ctx.site.lib_root).unwrap_or(&target));
    files.push(FileTree { target, content, digest, mirror: volume.read_only, mode: 0 });
    Some(host.to_string_lossy().into_owned())
}

fn allowed(ctx: &Context<'_>, source: &Path, path: &str) -> bool {
    // A symbolic link must not lead around the rule.
    let real = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
    let listed = |candidate: &Path| ctx.allowed_paths.iter().any(|allowed| candidate.starts_with(allowed));
    let storage = ctx.site.lib_root.join("data/storage");
    let sensitive = |candidate: &Path| {
        let text = candidate.to_string_lossy();
        let below = [
            "/dev/",
            "/etc/",
            "/proc/",
            "/sys/",
            "/root/",
            "/boot/",
            "/run/",
            "/var/run/",
            "/var/lib/docker/",
            "/var/lib/dokku/",
            "/home/dokku/",
        ];
        SENSITIVE.contains(&text.as_ref()) || below.iter().any(|prefix| text.starts_with(prefix))
    };
    let fine = |candidate: &Path| candidate.starts_with(&storage) || listed(candidate) || !sensitive(candidate);
    if fine(source) && fine(&real) {
        return true;
    }
    // Time zone and host name are read by nearly everybody and give nothing away.
    if ["/etc/localtime", "/etc/timezone", "/etc/hostname"].iter().any(|known| source == Path::new(known)) {
        return true;
    }
    let shown = if real == source {
        source.display().to_string()
    } else {
        format!("{} (really {})", source.display(), real.display())
    };
    ctx.error(
        "host-path",
        path,
        format!("the host path {shown} is not allowed: it would give the container the server"),
        &format!("an administrator can allow it: dokku compose:set --global allowed-host-paths {}", source.display()),
    );
    false
}

/// The name that a volume has on the server.
///
/// It is the Compose project's own name for it, so that the data of an earlier `docker compose up` is found; where
/// another imported project holds that name already, the Dokku project's. A choice once made is kept.
pub(super) fn volume_name(ctx: &Context<'_>, key: &str) -> String {
    if let Some(kept) = ctx.remembered.and_then(|last| last.volume_names.get(key)) {
        return kept.clone();
    }
    let Some(volume) = ctx.compose.volumes.get(key) else {
        return format!("{}_{key}", ctx.compose.name);
    };
    let name = match volume.name.as_deref() {
        Some(name) => name.to_owned(),
        None if volume.external => key.to_owned(),
        None => format!("{}_{key}", ctx.compose.name),
    };
    let own = name == format!("{}_{key}", ctx.compose.name);
    let owner = ctx.volumes.get(&name).and_then(|facts| facts.labels.get(crate::plan::raw::PROJECT_LABEL));
    match owner {
        Some(other) if own && other != ctx.project => format!("{}_{key}", ctx.project),
        _ => name,
    }
}

fn anonymous(ctx: &Context<'_>, service: &str, target: &str) -> String {
    let tag = container::digest(&(service, target));
    format!("{}_{service}-{}", ctx.project, &tag[..8])
}

/// Volumes to make, volumes that must exist, and the name of each declared key.
pub(super) fn declared(
    ctx: &Context<'_>,
    used: &BTreeSet<String>,
) -> (Vec<VolumeSpec>, Vec<String>, std::collections::BTreeMap<String, String>) {
    let (mut make, mut external) = (Vec::new(), Vec::new());
    let mut names = std::collections::BTreeMap::new();
    let mut left: BTreeSet<&String> = used.iter().collect();
    for (key, volume) in &ctx.compose.volumes {
        let name = volume_name(ctx, key);
        if !used.contains(&name) {
            continue;
        }
        left.remove(&name);
        names.insert(key.clone(), name.clone());
        if volume.external {
            external.push(name);
            continue;
        }
        let mut labels: std::collections::BTreeMap<String, String> =
            volume.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        labels.insert(crate::plan::raw::PROJECT_LABEL.into(), ctx.project.to_owned());
        make.push(VolumeSpec {
            name,
            driver: volume.driver.clone().unwrap_or_default(),
            options: volume.driver_opts.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            labels,
        });
    }
    for name in left {
        let labels = [(crate::plan::raw::PROJECT_LABEL.to_owned(), ctx.project.to_owned())].into();
        if !make.iter().any(|spec| spec.name == *name) {
            make.push(VolumeSpec { name: name.clone(), labels, ..VolumeSpec::default() });
        }
    }
    (make, external, names)
}

/// `tmpfs: [/run:size=64m]`; the options of the short form.
pub(super) fn tmpfs(entries: &[String], spec: &mut ContainerSpec) {
    for entry in entries {
        let (target, options) = entry.split_once(':').unwrap_or((entry, ""));
        let mut mount = ContainerMount { kind: "tmpfs".into(), target: target.to_owned(), ..ContainerMount::default() };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", size)) => mount.tmpfs_size = crate::compose::units::parse_bytes(size).unwrap_or(0),
                Some(("mode", mode)) => mount.tmpfs_mode = u32::from_str_radix(mode, 8).unwrap_or(0),
                _ => {
                    mount.propagation = [mount.propagation.as_str(), option]
                        .into_iter()
                        .filter(|part| !part.is_empty())
                        .collect::<Vec<_>>()
                        .join(",")
                }
            }
        }
        spec.mounts.push(mount);
    }
}

/// `volumes_from: [service[:ro]]`: the mounts of the other, where this one has none at that place.
pub(super) fn volumes_from(
    ctx: &Context<'_>,
    service: &Service,
    from: &[String],
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
    named: &mut Vec<String>,
) {
    for (index, entry) in from.iter().enumerate() {
        let path = format!("services.{}.volumes_from[{index}]", service.name);
        if entry.starts_with("container:") {
            ctx.not_done(
                &path,
                "containers outside the project lend no volumes",
                "declare the volume with external: true",
            );
            continue;
        }
        let (other, mode) = entry.split_once(':').unwrap_or((entry, "rw"));
        let Some(lender) = ctx.compose.services.get(other) else {
            continue;
        };
        for volume in &lender.volumes {
            if spec.mounts.iter().any(|mount| Some(&mount.target) == volume.target.as_ref()) {
                continue;
            }
            if let Some(mut mount) = mount(ctx, lender, volume, &path, files, named) {
                mount.read_only |= mode == "ro";
                spec.mounts.push(mount);
            }
        }
    }
}

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
        let Some(secret) = ctx.compose.secrets.get(&key) else {
            continue;
        };
        if secret.external || secret.driver.is_some() {
            ctx.error(
                "external-secret",
                &path,
                format!("the secret {key} is kept outside: there is no Swarm here to give it"),
                "use file: or environment:",
            );
            continue;
        }
        let target = match reference.target.as_deref() {
            Some(target) if target.starts_with('/') => target.to_owned(),
            Some(target) => format!("/run/secrets/{target}"),
            None => format!("/run/secrets/{key}"),
        };
        let given = Given {
            kind: "secrets",
            file: secret.file.as_deref(),
            text: secret.environment_value.as_deref(),
            variable: secret.environment.as_deref(),
        };
        file(ctx, &path, &key, reference, &given, target, spec, files);
    }
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
        if config.external || config.driver.is_some() {
            ctx.error(
                "external-config",
                &path,
                format!("the config {key} is kept outside: there is no Swarm here to give it"),
                "use file:, content: or environment:",
            );
            continue;
        }
        let target = reference.target.clone().unwrap_or_else(|| format!("/{key}"));
        let given = Given {
            kind: "configs",
            file: config.file.as_deref(),
            text: config.content.as_deref().or(config.environment_value.as_deref()),
            variable: config.environment.as_deref(),
        };
        file(ctx, &path, &key, reference, &given, target, spec, files);
    }
}

/// Where the content of a secret or config comes from.
struct Given<'a> {
    kind: &'static str,
    file: Option<&'a str>,
    text: Option<&'a str>,
    variable: Option<&'a str>,
}

#[allow(clippy::too_many_arguments, reason = "one private helper of two callers")]
fn file(
    ctx: &Context<'_>,
    path: &str,
    key: &str,
    reference: &FileReference,
    given: &Given<'_>,
    target: String,
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
) {
    if reference.uid.is_some() || reference.gid.is_some() {
        ctx.not_done(
            path,
            "the file belongs to user dokku: only root could give it another owner",
            "use mode to make it readable",
        );
    }
    let mode = reference.mode.map_or(0o444, |mode| mode.0);
    if given.file.is_some_and(|file| !ctx.may_read(Path::new(file), path)) {
        return;
    }
    let (content, digest) = match (given.file, given.text, given.variable) {
        (Some(file), _, _) => match std::fs::read(file) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => inline(ctx, text),
                Err(_) => match tree::digest(Path::new(file)) {
                    Ok(Some(digest)) => (FileContent::Path { path: PathBuf::from(file) }, digest),
                    _ => return,
                },
            },
            Err(error) => {
                ctx.error(
                    "unreadable-file",
                    path,
                    format!("cannot read {file} of {key}: {error}"),
                    "give the path relative to the compose file",
                );
                return;
            }
        },
        (None, Some(text), _) => inline(ctx, text.to_owned()),
        (None, None, Some(variable)) => {
            let hint = format!("dokku config:set --no-restart {} {variable}=...", ctx.project);
            ctx.error("unset-variable", path, format!("the variable {variable} of {key} is not set"), &hint);
            return;
        }
        (None, None, None) => return,
    };
    let own = ctx.site.project(ctx.project).join(given.kind).join(format!("{key}-{mode:04o}"));
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

fn inline(ctx: &Context<'_>, text: String) -> (FileContent, String) {
    let secret = ctx.secret(text);
    let digest = secret.digest().to_owned();
    (FileContent::Inline { text: secret }, digest)
}
