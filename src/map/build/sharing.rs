//! Which apps the engine builds, so that Dokku only takes the image.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::map::context::Context;
use crate::model::Build;

/// The most services with the same build that a plan names. Naming all of a hundred at each of them would fill pages.
const MOST_NAMED: usize = 8;

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

/// The builds of a project.
pub(in crate::map) struct Builds<'a> {
    /// The services that the engine builds, and why.
    by_engine: BTreeMap<&'a str, Engine>,
    /// Services with one build, in the order of the file.
    groups: Vec<Vec<&'a str>>,
    /// The group of each service.
    group: BTreeMap<&'a str, usize>,
}

impl<'a> Builds<'a> {
    /// The builds of the services that are `imported`.
    pub(in crate::map) fn read(ctx: &'a Context<'_>, imported: &dyn Fn(&str) -> bool) -> Self {
        let built: Vec<(&str, &Build)> = ctx
            .compose
            .services
            .values()
            .filter(|service| imported(&service.name))
            .filter_map(|service| Some((service.name.as_str(), service.build.as_deref()?)))
            .collect();
        let lent: BTreeSet<&str> = built
            .iter()
            .flat_map(|(_, build)| build.additional_contexts.values())
            .filter_map(|context| context.strip_prefix("service:"))
            .collect();
        let groups = grouped(&built);
        let group =
            groups.iter().enumerate().flat_map(|(at, names)| names.iter().map(move |name| (*name, at))).collect();
        let mut builds = Self { by_engine: BTreeMap::new(), groups, group };
        for (name, build) in &built {
            // Dokku's builder knows no such options (`builder-dockerfile/builder-build`).
            let asked = !build.additional_contexts.is_empty() || build.pull || !build.no_cache_filter.is_empty();
            let why = if asked {
                Engine::Asked
            } else if lent.contains(name) {
                Engine::Base
            } else if builds.same(name).len() > 1 {
                Engine::Shared
            } else {
                continue;
            };
            builds.by_engine.insert(name, why);
        }
        builds
    }

    /// Why the engine builds a service, where it does.
    pub(in crate::map) fn by_engine(&self, service: &str) -> Option<Engine> {
        self.by_engine.get(service).copied()
    }

    /// The other services with the build of `service`, in the order of the file: `web, worker`, or the first of them
    /// and how many more there are.
    pub(in crate::map) fn others(&self, service: &str) -> String {
        let same = self.same(service);
        let others = same.iter().copied().filter(|other| *other != service);
        let named: Vec<&str> = others.take(MOST_NAMED).collect();
        // Not counted one by one: each of many services asks.
        match same.len().saturating_sub(named.len() + 1) {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }

    fn same(&self, service: &str) -> &[&'a str] {
        self.group.get(service).map_or(&[], |group| &self.groups[*group])
    }
}

/// Services by build. Only builds that agree in what nearly always tells them apart are compared as a whole.
fn grouped<'a>(built: &[(&'a str, &'a Build)]) -> Vec<Vec<&'a str>> {
    let mut groups: Vec<(&Build, Vec<&str>)> = Vec::new();
    let mut near: HashMap<_, Vec<usize>> = HashMap::new();
    for (name, build) in built {
        let arguments: BTreeMap<&String, &Option<String>> = build.args.iter().collect();
        let near = near.entry((&build.context, &build.dockerfile, &build.target, arguments)).or_default();
        match near.iter().find(|at| groups[**at].0 == *build) {
            Some(at) => groups[*at].1.push(name),
            None => {
                near.push(groups.len());
                groups.push((build, vec![name]));
            }
        }
    }
    groups.into_iter().map(|(_, names)| names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(context: &str, arguments: &[(&str, &str)]) -> Build {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        Build { context: Some(context.to_owned()), args: arguments.collect(), ..Build::default() }
    }

    #[test]
    fn services_with_one_build_are_a_group() {
        let one = build("/app", &[("A", "1"), ("B", "2")]);
        let turned = build("/app", &[("B", "2"), ("A", "1")]);
        let labelled = Build { labels: [("a".to_owned(), "b".to_owned())].into_iter().collect(), ..one.clone() };
        let other = build("/app", &[("A", "2")]);
        let built = [("web", &one), ("db", &other), ("worker", &turned), ("cron", &labelled)];
        assert_eq!(grouped(&built), [vec!["web", "worker"], vec!["db"], vec!["cron"]]);
    }

    #[test]
    fn of_many_others_the_first_are_named() {
        let names: Vec<String> = (0..30).map(|at| format!("s{at}")).collect();
        let one = build("/app", &[]);
        let built: Vec<(&str, &Build)> = names.iter().map(|name| (name.as_str(), &one)).collect();
        let groups = grouped(&built);
        let group = names.iter().map(|name| (name.as_str(), 0)).collect();
        let builds = Builds { by_engine: BTreeMap::new(), groups, group };
        assert_eq!(builds.others("s2"), "s0, s1, s3, s4, s5, s6, s7, s8 and 21 more");
        assert_eq!(builds.others("elsewhere"), "");
    }
}
