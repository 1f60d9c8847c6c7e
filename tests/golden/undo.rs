//! Whatever a plan has done when it stops, its undo leads back to where it began.

use std::collections::BTreeSet;

use dokku_compose::observe::{Observed, ObservedApp};
use dokku_compose::plan::{Action, Op, Plan};

use crate::server::Server;
use crate::{features, project, updates};

/// Stops the plan after each of its operations in turn and undoes what ran, newest first.
pub(crate) fn leads_back(case: &str, before: &Server, plan: &Plan) {
    let start = before.state();
    for count in 1..=plan.ops.len() {
        let mut server = before.clone();
        for op in &plan.ops[..count] {
            server.apply(&op.action);
        }
        for op in plan.ops[..count].iter().rev() {
            op.undo.iter().for_each(|action| server.apply(action));
        }
        same(&format!("{case}: stopped after [{}]", count - 1), &start, &server.state());
        // Undone at once: as far from that order as the needs allow.
        let mut server = before.clone();
        plan.ops[..count].iter().for_each(|op| server.apply(&op.action));
        for id in oldest_first(&plan.ops[..count]) {
            for action in &plan.ops[id].undo {
                let users = users_of_this_run(&before.observed, &server.observed, action);
                assert!(users.is_empty(), "{case}: {action:?} goes before its users: {users:?}");
                server.apply(action);
            }
        }
        same(&format!("{case}: stopped after [{}], undone out of order", count - 1), &start, &server.state());
    }
    each(case, before, plan);
}

/// Apps that have been given a network or volume since `before` and still have it when it is to be removed.
fn users_of_this_run<'a>(before: &Observed, now: &'a Observed, action: &Action) -> Vec<&'a String> {
    let uses = |app: &ObservedApp| match action {
        Action::NetworkRemove { name } => app.properties.get("network.initial-network") == Some(name),
        Action::VolumeRemove { name } => app.mounts.iter().any(|mount| mount.source == *name),
        _ => false,
    };
    let new = |(name, app): &(&String, &ObservedApp)| uses(app) && !before.apps.get(*name).is_some_and(uses);
    now.apps.iter().filter(new).map(|(name, _)| name).collect()
}

/// Operations by their number, each after all that need it.
fn oldest_first(ops: &[Op]) -> Vec<usize> {
    let mut left: BTreeSet<usize> = ops.iter().map(|op| op.id).collect();
    let mut out = Vec::new();
    while !left.is_empty() {
        let needed: BTreeSet<usize> = left.iter().flat_map(|id| ops[*id].needs.iter().copied()).collect();
        let next = *left.difference(&needed).next().expect("needs point backwards");
        left.remove(&next);
        out.push(next);
    }
    out
}

/// Each operation that changes a setting is undone by its own inverse alone, and repeating that changes nothing.
fn each(case: &str, before: &Server, plan: &Plan) {
    let mut server = before.clone();
    for op in &plan.ops {
        let start = server.state();
        let mut tried = server.clone();
        tried.apply(&op.action);
        let delivers = matches!(op.action, Action::FilesDeliver { .. });
        // What shares a namespace starts again only once the namespace is back: by its owner's undo.
        let shares = op.cause.starts_with("shares a namespace");
        if shares || !delivers && op.undo.iter().any(|action| matches!(action, Action::FilesRestore { .. })) {
            // Likewise, what mounts a file starts again only once the file of before is back: another operation's, too.
            server.apply(&op.action);
            continue;
        }
        // What a new app gets goes with the app; what a deploy changed, with the release kept before it.
        if !op.undo.is_empty() {
            op.undo.iter().for_each(|action| tried.apply(action));
            same(&format!("{case}: inverse of [{}]", op.id), &start, &tried.state());
        } else {
            let covered = before.observed.apps.keys().all(|app| !touches(&op.action, app)) || deploys(&op.action);
            assert!(covered || tried.state() == start, "{case}: [{}] has no inverse", op.id);
        }
        server.apply(&op.action);
    }
}

fn touches(action: &Action, app: &str) -> bool {
    serde_json::to_value(action).unwrap().get("app").and_then(|name| name.as_str()) == Some(app)
}

fn deploys(action: &Action) -> bool {
    matches!(action, Action::Deploy { .. } | Action::Rebuild { .. } | Action::Restart { .. })
}

fn same(what: &str, expected: &str, found: &str) {
    if expected != found {
        let lines = crate::difference(expected, found).join("\n");
        panic!("{what}: the server is not as before\n{lines}");
    }
}

#[test]
fn a_first_import_leaves_nothing_behind() {
    for dir in features() {
        let observed = project::server(&dir);
        if let Some(plan) = project::plan(&dir, None, &observed, None).plan {
            leads_back(&dir.display().to_string(), &Server { observed, ..Server::default() }, &plan);
        }
    }
}

#[test]
fn an_update_leads_back_to_what_was_applied() {
    for dir in updates::cases() {
        let update = updates::Update::read(&dir);
        if let Some(plan) = &update.plan {
            leads_back(&dir.display().to_string(), &update.server, plan);
        }
    }
}
