//! Circles of dependencies.

use std::collections::HashSet;

use crate::diag::{Diagnostic, Diagnostics};
use crate::model::Project;

/// Reports each circle once, whole, with the place of every dependency in it.
pub(super) fn check(project: &Project, out: &mut Diagnostics) {
    let mut done = HashSet::new();
    for name in project.services.keys() {
        let mut trail = Vec::new();
        visit(project, name, &mut trail, &mut done, out);
    }
}

fn visit<'p>(
    project: &'p Project,
    name: &'p str,
    trail: &mut Vec<&'p str>,
    done: &mut HashSet<&'p str>,
    out: &mut Diagnostics,
) {
    if let Some(start) = trail.iter().position(|visited| *visited == name) {
        report(project, &trail[start..], out);
        return;
    }
    if done.contains(name) {
        return;
    }
    trail.push(name);
    for target in project.services.get(name).into_iter().flat_map(|service| service.depends_on.keys()) {
        visit(project, target, trail, done, out);
    }
    trail.pop();
    done.insert(name);
}

fn report(project: &Project, circle: &[&str], out: &mut Diagnostics) {
    let words: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
    let mut error = Diagnostic::error(
        "dependency-cycle",
        format!("services depend on each other in a circle: {}", words.join(" -> ")),
    );
    for (position, name) in circle.iter().enumerate() {
        let target = circle[(position + 1) % circle.len()];
        if let Some(span) = project.key_span(&format!("services.{name}.depends_on.{target}")) {
            error = error.label(span, format!("`{name}` depends on `{target}`"));
        }
    }
    out.push(error);
}
