//! A service as a raw container or a job.

use super::context::Context;
use super::extension::Extension;
use super::resources::{FileTree, Gate, RawSpec};
use super::{build, container, health, hooks};
use crate::docker::ContainerSpec;
use crate::model::Service;
use crate::plan::raw::HASH_LABEL;

/// Seconds that a job may run where nobody says otherwise.
const JOB_LIMIT: u64 = 3600;

/// The container of a service.
pub(super) fn map(
    ctx: &Context<'_>,
    service: &Service,
    mut spec: ContainerSpec,
    files: &mut Vec<FileTree>,
    extension: &Extension,
    job: bool,
) -> Option<RawSpec> {
    let (mut build, mut build_digest) = (None, String::new());
    spec.image = match (&service.build, &service.image) {
        (Some(context), _) => {
            let (image, digest) = build::image(ctx, service, context, files)?;
            let tag = image.tag.clone();
            build = Some(image);
            build_digest = digest;
            tag
        }
        (None, image) => image.clone()?,
    };
    spec.labels.extend(container::own_labels(ctx, &service.name, job));
    if !job {
        spec.ports = container::published(service);
    }
    spec.restart = match (job, spec.restart.as_str()) {
        (true, _) => "no".into(),
        // As Dokku's apps, a container comes back after a reboot unless the file says otherwise.
        (false, "") => "unless-stopped".into(),
        (false, policy) => policy.to_owned(),
    };
    let gate = match job {
        true => Gate { healthy: false, limit: extension.checks.limit.unwrap_or(JOB_LIMIT), settle: 0 },
        false => health::gate(service, extension.checks),
    };
    for (used, key) in [
        (!extension.domains.is_empty(), "domains"),
        (!extension.ports.is_empty(), "ports"),
        (extension.http.as_ref().is_some_and(|ports| !ports.is_empty()), "http"),
        (!extension.options.is_empty(), "docker-options"),
    ] {
        if used {
            let path = format!("services.{}.x-dokku.{key}", service.name);
            ctx.not_done(&path, "only apps have it", "make it an app: x-dokku: {as: app}");
        }
    }
    if let Some(own) = hooks::file(ctx, service) {
        if job {
            let key = if service.post_start.is_empty() { "pre_stop" } else { "post_start" };
            let path = format!("services.{}.{key}", service.name);
            ctx.not_done(&path, "a job runs to its end by itself", "put the command into the job");
        } else {
            spec.labels.insert(hooks::LABEL.into(), own.digest.clone());
            files.push(own);
        }
    }
    let hash = container::digest(&(&spec, &build_digest));
    spec.labels.insert(HASH_LABEL.into(), hash);
    let replicas = if job { 1 } else { u32::try_from(service.replicas()).unwrap_or(1) };
    let pull = build.is_none() && container::pulled(ctx, service);
    Some(RawSpec { container: spec, replicas, build, build_digest, pull, gate })
}
