//! Numbers that are written in two places must agree.
//!
//! Specification: 05-services.md and deploy.md, "resources" and "replicas".

use super::At;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::Service;

/// Reports every pair of a service that does not.
pub(super) fn check(name: &str, service: &Service, at: &At<'_>, out: &mut Diagnostics) {
    let deploy = service.deploy.as_ref();
    let limits = deploy.and_then(|deploy| deploy.resources.limits.as_ref());
    let reservations = deploy.and_then(|deploy| deploy.resources.reservations.as_ref());
    let replicas = deploy.and_then(|deploy| deploy.replicas);
    let pairs = [
        ("scale", "deploy.replicas", service.scale.is_some() && replicas.is_some() && service.scale != replicas),
        (
            "cpus",
            "deploy.resources.limits.cpus",
            service.cpus.is_some() && limits.is_some_and(|limits| limits.cpus != service.cpus),
        ),
        (
            "mem_limit",
            "deploy.resources.limits.memory",
            service.mem_limit.is_some() && limits.is_some_and(|limits| limits.memory != service.mem_limit),
        ),
        (
            "mem_reservation",
            "deploy.resources.reservations.memory",
            service.mem_reservation.is_some()
                && reservations.is_some_and(|reservations| reservations.memory != service.mem_reservation),
        ),
        (
            "pids_limit",
            "deploy.resources.limits.pids",
            service.pids_limit.is_some() && limits.is_some_and(|limits| limits.pids != service.pids_limit),
        ),
    ];
    for (one, other, differ) in pairs {
        if differ {
            out.push(
                Diagnostic::error("conflicting-keys", format!("`{one}` and `{other}` of service `{name}` differ"))
                    .at(at.value(one))
                    .label(at.value(other), "the other one")
                    .hint("write one of the two"),
            );
        }
    }
    for (key, count) in [("scale", service.scale), ("deploy.replicas", replicas)] {
        if let Some(count) = count.filter(|count| *count < 0) {
            let message = format!("`{key}` of service `{name}` must be 0 or more, but is {count}");
            out.push(Diagnostic::error("out-of-range", message).at(at.value(key)));
        }
    }
    if let Some(container) = &service.container_name
        && service.replicas() > 1
    {
        let key = if service.scale.is_some() { "scale" } else { "deploy.replicas" };
        out.push(
            Diagnostic::error(
                "conflicting-keys",
                format!("service `{name}` has {} containers but one name, `{container}`", service.replicas()),
            )
            .at(at.value("container_name"))
            .label(at.value(key), "several containers"),
        );
    }
}
