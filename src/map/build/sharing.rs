//! Which apps the engine builds, so that Dokku only takes the image.

use std::collections::BTreeMap;

use crate::map::context::Context;
use crate::model::Build;

/// Why an app is built by the engine and not by Dokku.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::map) enum Engine {
    /// Other services have the same build: it is made once.
    Shared,
    /// Dokku does not pass on all that the build asks for.
    Asked,
    /// Another build begins from its image.
    Base,
}

/// The services that the engine builds, and why. `imported` says which of them are there at all.
pub(in crate::map) fn by_engine<'a>(
    ctx: &'a Context<'_>,
    imported: &dyn Fn(&str) -> bool,
) -> BTreeMap<&'a str, Engine> {
    let built: Vec<(&str, &Build)> = ctx
        .compose
        .services
        .values()
        .filter(|service| imported(&service.name))
        .filter_map(|service| Some((service.name.as_str(), service.build.as_deref()?)))
        .collect();
    let lent: Vec<&str> = built
        .iter()
        .flat_map(|(_, build)| build.additional_contexts.values())
        .filter_map(|context| context.strip_prefix("service:"))
        .collect();
    let mut out = BTreeMap::new();
    for (name, build) in &built {
        // Dokku's builder knows no such options (`builder-dockerfile/builder-build`).
        let asked = !build.additional_contexts.is_empty() || build.pull || !build.no_cache_filter.is_empty();
        let why = if asked {
            Engine::Asked
        } else if lent.contains(name) {
            Engine::Base
        } else if built.iter().any(|(other, same)| other != name && same == build) {
            Engine::Shared
        } else {
            continue;
        };
        out.insert(*name, why);
    }
    out
}

/// The other services with the build of `service`, in the order of the file.
pub(in crate::map) fn others<'a>(ctx: &'a Context<'_>, service: &str, imported: &dyn Fn(&str) -> bool) -> Vec<&'a str> {
    let build = ctx.compose.services.get(service).and_then(|service| service.build.as_deref());
    let all = ctx.compose.services.values().filter(|other| other.name != service && imported(&other.name));
    all.filter(|other| build.is_some() && other.build.as_deref() == build).map(|other| other.name.as_str()).collect()
}
