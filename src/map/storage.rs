//! Volumes, bind mounts, tmpfs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::context::Context;
use super::policy::Policy;
use super::resources::{Desired, FileContent, FileTree};
use super::{container, tree};
use crate::docker::{ContainerMount, ContainerSpec, VolumeFacts, VolumeSpec};
use crate::model::{MountType, Project, Service, ServiceVolume};
use crate::site::Site;

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

/// Folder of delivered files that lie in what was sent, but not below the compose file's directory: those of a
/// repository with several projects.
const FROM_TOP: &str = "_top";

/// Volumes by their name on the server, with the labels that a mount gives them.
pub(super) type Named = BTreeMap<String, BTreeMap<String, String>>;

/// Mounts of a service, in the order of the file.
pub(super) fn mounts(
    ctx: &Context<'_>,
    service: &Service,
    volumes: &[ServiceVolume],
    spec: &mut ContainerSpec,
    files: &mut Vec<FileTree>,
    named: &mut Named,
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
    named: &mut Named,
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
            let labels = named.entry(mount.source.clone()).or_default();
            if let Some(options) = &volume.volume {
                // A volume that is declared has its labels there; these are of one that is made for this mount.
                labels.extend(options.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
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
    let beside = || Some(Path::new(FROM_TOP).join(source.strip_prefix(ctx.sent?).ok()?));
    let below = source.strip_prefix(&ctx.compose.working_dir).map(Path::to_path_buf).ok();
    let Some(relative) = below.or_else(beside) else {
        return allowed(ctx, &source, path).then(|| source.to_string_lossy().into_owned());
    };
    let relative = relative.as_path();
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
        && !crate::compose::is_within(&real, ctx.sent.unwrap_or(&ctx.compose.working_dir)).unwrap_or(false)
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

/// Whether the administrator allows a host path, by itself and by where a link leads.
pub(super) fn is_allowed(site: &Site, policy: &Policy, source: &Path) -> bool {
    // A symbolic link must not lead around the rule.
    let real = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
    // An allowed path may be a link itself, or lie behind one (/var/run is one mostly).
    let listed = |candidate: &Path| {
        policy.paths.iter().any(|allowed| {
            candidate.starts_with(allowed)
                || std::fs::canonicalize(allowed).is_ok_and(|allowed| candidate.starts_with(allowed))
        })
    };
    let storage = site.lib_root.join("data/storage");
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
    // Time zone and host name are read by nearly everybody and give nothing away.
    let known = ["/etc/localtime", "/etc/timezone", "/etc/hostname"].iter().any(|known| source == Path::new(known));
    known || fine(source) && fine(&real)
}

fn allowed(ctx: &Context<'_>, source: &Path, path: &str) -> bool {
    if is_allowed(ctx.site, ctx.policy, source) {
        return true;
    }
    let real = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf());
    let shown = if real == source {
        source.display().to_string()
    } else {
        format!("{} (really {})", source.display(), real.display())
    };
    ctx.error(
        "host-path",
        path,
        format!("the host path {shown} is not allowed: it would give the container the server"),
        &format!(
            "an administrator can allow it: dokku compose:set --global {}allowed-host-paths {}",
            ctx.policy.settings,
            rule(ctx, source)
        ),
    );
    false
}

/// The paths that are allowed, and what was refused up to now: the setting is given as a whole.
fn rule(ctx: &Context<'_>, path: &Path) -> String {
    let refused = ctx.findings.refuse("allowed-host-paths", &path.display().to_string());
    ctx.policy.paths.iter().cloned().chain(refused).collect::<Vec<_>>().join(",")
}

/// The name that a volume has on the server.
///
/// It is the Compose project's own name for it, so that the data of an earlier `docker compose up` is found; where
/// another imported project holds that name already, the Dokku project's. A choice once made is kept.
pub(super) fn volume_name(ctx: &Context<'_>, key: &str) -> String {
    volume_of(ctx.project, ctx.compose, ctx.volumes, ctx.remembered, key)
}

/// The same before there is a context.
pub fn volume_of(
    project: &str,
    compose: &Project,
    volumes: &BTreeMap<String, VolumeFacts>,
    remembered: Option<&Desired>,
    key: &str,
) -> String {
    if let Some(kept) = remembered.and_then(|last| last.volume_names.get(key)) {
        return kept.clone();
    }
    let Some(volume) = compose.volumes.get(key) else {
        return format!("{}_{key}", compose.name);
    };
    let name = match volume.name.as_deref() {
        Some(name) => name.to_owned(),
        None if volume.external => key.to_owned(),
        None => format!("{}_{key}", compose.name),
    };
    let own = name == format!("{}_{key}", compose.name);
    let owner = volumes.get(&name).and_then(|facts| facts.labels.get(crate::plan::raw::PROJECT_LABEL));
    match owner {
        Some(other) if own && other != project => format!("{project}_{key}"),
        _ => name,
    }
}

fn anonymous(ctx: &Context<'_>, service: &str, target: &str) -> String {
    let tag = container::digest(&(service, target));
    format!("{}_{service}-{}", ctx.project, &tag[..8])
}

/// Volumes to make, volumes that must exist, and the name of each declared key.
pub(super) fn declared(ctx: &Context<'_>, used: &Named) -> (Vec<VolumeSpec>, Vec<String>, BTreeMap<String, String>) {
    let (mut make, mut external) = (Vec::new(), Vec::new());
    let mut names = std::collections::BTreeMap::new();
    let mut left: BTreeSet<&String> = used.keys().collect();
    for (key, volume) in &ctx.compose.volumes {
        let name = volume_name(ctx, key);
        if !used.contains_key(&name) {
            continue;
        }
        left.remove(&name);
        names.insert(key.clone(), name.clone());
        if volume.external {
            external.push(name);
            continue;
        }
        // A volume of the local driver may be a directory of the host under another name.
        let device = volume.driver_opts.get("device").filter(|device| device.starts_with('/'));
        let local = volume.driver.as_deref().is_none_or(|driver| driver == "local");
        let bind =
            volume.driver_opts.get("o").is_some_and(|options| options.split(',').any(|one| one.ends_with("bind")));
        if let Some(device) = device.filter(|_| local && (bind || !volume.driver_opts.contains_key("type"))) {
            allowed(ctx, Path::new(device), &format!("volumes.{key}.driver_opts.device"));
        }
        let mut labels: BTreeMap<String, String> =
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
        let mut labels = used.get(name).cloned().unwrap_or_default();
        labels.insert(crate::plan::raw::PROJECT_LABEL.to_owned(), ctx.project.to_owned());
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
    named: &mut Named,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed_by(rule: &str, source: &str) -> bool {
        let policy = Policy { paths: vec![rule.to_owned()], ..Policy::default() };
        is_allowed(&Site::sandbox("/nowhere".into()), &policy, Path::new(source))
    }

    #[test]
    fn a_path_is_allowed_as_it_is_written() {
        // On most systems /var/run leads to /run.
        let name = std::fs::read_dir("/run").unwrap().next().unwrap().unwrap().file_name();
        let source = format!("/var/run/{}", name.display());
        assert!(allowed_by(&source, &source), "{source}");
        assert!(allowed_by("/var/run", &source), "{source}");
        assert!(!allowed_by("/var/run/other", &source), "{source}");
    }

    #[test]
    fn a_link_leads_nowhere_that_is_not_allowed_itself() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/etc/ssl", &link).unwrap();
        let (directory, link) = (directory.path().to_str().unwrap(), link.to_str().unwrap());
        assert!(!allowed_by(directory, link));
        assert!(allowed_by(link, link), "whoever allows the link itself has seen where it leads");
    }
}
