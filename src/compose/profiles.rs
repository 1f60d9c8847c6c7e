//! Profiles: which services are enabled.
//!
//! Specification: 15-profiles.md.

use super::Request;
use super::load::Variables;
use crate::model::{Project, Service};

/// The profiles of the request, else of `COMPOSE_PROFILES`.
pub(super) fn active(request: &Request, variables: &Variables) -> Vec<String> {
    if !request.profiles.is_empty() {
        return request.profiles.clone();
    }
    let list = variables.get("COMPOSE_PROFILES").map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|profile| !profile.is_empty()).map(str::to_owned).collect()
}

/// Moves services that no active profile enables out of the way.
pub(super) fn apply(project: &mut Project) {
    if project.services.values().all(|service| is_enabled(service, &project.profiles)) {
        return;
    }
    let (enabled, disabled) = std::mem::take(&mut project.services)
        .into_iter()
        .partition(|(_, service)| is_enabled(service, &project.profiles));
    project.services = enabled;
    project.disabled_services = disabled;
}

fn is_enabled(service: &Service, active: &[String]) -> bool {
    service.profiles.is_empty() || active.iter().any(|profile| profile == "*" || service.profiles.contains(profile))
}
