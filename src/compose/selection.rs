//! Selection: of the enabled services, those that were asked for.
//!
//! Specification: 15-profiles.md, "Auto-enabling profiles and dependency resolution".

use std::collections::HashSet;

use super::profiles;
use crate::diag::{Diagnostic, Diagnostics, suggest};
use crate::model::Project;

/// Keeps the services called `names` and those that they depend on; all of them where `names` is empty. A service that
/// no active profile enables is enabled by its name, with its profiles.
pub(super) fn apply(project: &mut Project, names: &[String], out: &mut Diagnostics) {
    if names.is_empty() {
        return;
    }
    let missing: Vec<&String> = names.iter().filter(|name| project.any_service(name).is_none()).collect();
    for name in &missing {
        let mut error = Diagnostic::error("undefined-service", format!("there is no service `{name}`"));
        if let Some(close) = suggest::closest(name, project.services.keys().map(String::as_str)) {
            error = error.hint(format!("did you mean `{close}`?"));
        }
        out.push(error);
    }
    if !missing.is_empty() {
        return;
    }
    let disabled: Vec<String> = names.iter().filter(|name| !project.services.contains_key(*name)).cloned().collect();
    if !disabled.is_empty() {
        let wanted = disabled.iter().filter_map(|name| project.disabled_services.get(name));
        let profiles: Vec<String> = wanted.flat_map(|service| service.profiles.clone()).collect();
        project.profiles.extend(profiles);
        project.services.extend(std::mem::take(&mut project.disabled_services));
        profiles::apply(project);
    }
    let mut kept: HashSet<String> = HashSet::new();
    let mut open: Vec<String> = names.to_vec();
    while let Some(name) = open.pop() {
        if let Some(service) = project.services.get(&name)
            && kept.insert(name)
        {
            open.extend(service.depends_on.keys().cloned());
        }
    }
    let (services, others) =
        std::mem::take(&mut project.services).into_iter().partition(|(name, _)| kept.contains(name));
    project.services = services;
    project.disabled_services.extend::<crate::hashed::IndexMap<_, _>>(others);
    for service in project.services.values_mut() {
        service.depends_on.retain(|name, _| kept.contains(name));
    }
}
