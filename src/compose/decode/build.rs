//! The keys of `build`.
//!
//! Specification: build.md.

use crate::compose::tree::is_null;
use crate::compose::tree::printed;
use crate::model::{Build, SshKey};

use super::fields::Fields;
use super::present;
use super::service::{file_reference, ulimit};

/// How an image is built.
pub(super) fn build(fields: &mut Fields<'_, '_>) -> Build {
    Build {
        context: fields.text("context"),
        dockerfile: fields.text("dockerfile"),
        dockerfile_inline: fields.text("dockerfile_inline"),
        entitlements: fields.texts("entitlements"),
        args: fields.variables("args"),
        provenance: fields.text("provenance"),
        sbom: fields.text("sbom"),
        ssh: fields
            .each("ssh", |_, node| (!is_null(node)).then(|| printed(node).unwrap_or_default()))
            .into_iter()
            .map(|(id, path)| SshKey { id, path: path.filter(|path| !path.is_empty()) })
            .collect(),
        labels: fields.mapping("labels"),
        cache_from: fields.texts("cache_from"),
        cache_to: fields.texts("cache_to"),
        no_cache: fields.flag("no_cache"),
        no_cache_filter: fields.texts("no_cache_filter"),
        additional_contexts: fields.mapping("additional_contexts"),
        pull: fields.flag("pull"),
        extra_hosts: fields.hosts("extra_hosts"),
        isolation: fields.text("isolation"),
        network: fields.text("network"),
        target: fields.text("target"),
        secrets: fields.objects("secrets", file_reference),
        shm_size: fields.bytes("shm_size"),
        tags: fields.texts("tags"),
        ulimits: present(fields.named("ulimits", ulimit)),
        platforms: fields.texts("platforms"),
        privileged: fields.flag("privileged"),
        extensions: fields.extensions(),
    }
}
