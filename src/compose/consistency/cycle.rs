//! Circles of dependencies.
//!
//! Specification: 05-services.md, "depends_on".

use std::collections::HashSet;

use crate::diag::{Diagnostic, Diagnostics};
use crate::hashed::IndexMap;
use crate::model::Project;

/// Reports each circle once, whole, with the place of every dependency in it.
pub(super) fn check(project: &Project, out: &mut Diagnostics) {
    let mut done = HashSet::new();
    for name in project.services.keys() {
        visit(project, name, &mut done, out);
    }
}

/// Follows the dependencies of a service to their ends. Not by recursion: a file may have a row of any length.
fn visit<'p>(project: &'p Project, name: &'p str, done: &mut HashSet<&'p str>, out: &mut Diagnostics) {
    let targets = |name: &str| {
        let service = project.services.get(name);
        service.into_iter().flat_map(|service| service.depends_on.keys().map(String::as_str)).collect::<Vec<_>>()
    };
    if done.contains(name) {
        return;
    }
    let mut trail: IndexMap<&str, std::vec::IntoIter<&str>> = IndexMap::default();
    trail.insert(name, targets(name).into_iter());
    while let Some((_, open)) = trail.last_mut() {
        match open.next() {
            None => {
                done.extend(trail.pop().map(|(name, _)| name));
            }
            Some(target) => match trail.get_index_of(target) {
                Some(start) => report(project, &trail.keys().skip(start).copied().collect::<Vec<_>>(), out),
                None if done.contains(target) => {}
                None => drop(trail.insert(target, targets(target).into_iter())),
            },
        }
    }
}

/// The most services of a circle that are named, half of them from its start.
const MOST_NAMED: usize = 20;

fn report(project: &Project, circle: &[&str], out: &mut Diagnostics) {
    let mut words: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
    if words.len() > MOST_NAMED {
        let left_out = words.len() - MOST_NAMED;
        words.splice(MOST_NAMED / 2..MOST_NAMED / 2 + left_out, [format!("({left_out} more)")]);
    }
    let mut error = Diagnostic::error(
        "dependency-cycle",
        format!("services depend on each other in a circle: {}", words.join(" -> ")),
    );
    for (position, name) in circle.iter().enumerate().take(MOST_NAMED) {
        let target = circle[(position + 1) % circle.len()];
        if let Some(span) = project.key_span(&format!("services.{name}.depends_on.{target}")) {
            error = error.label(span, format!("`{name}` depends on `{target}`"));
        }
    }
    out.push(error);
}
