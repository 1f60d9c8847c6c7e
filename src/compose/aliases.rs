//! Extensions that became keys: `x-develop` and `x-initialSync` stand for
//! `develop` and `initial_sync`, which win where both are written.
//!
//! Specification: develop.md.

use super::merge::merge_into;
use super::path::{OwnedPath, Path, Step};
use super::tree::{child_map, is_null, map_mut, seq_mut};
use crate::diag::Diagnostics;
use crate::yaml::{Map, Node};

/// Renames the extensions of every service in `document`.
pub(super) fn promote(document: &mut Node, out: &mut Diagnostics) {
    for (name, entry) in child_map(document, "services").into_iter().flat_map(|map| &mut map.entries) {
        let path = Path::Of(&["services", name]);
        let Some(service) = map_mut(&mut entry.value) else { continue };
        rename(service, "x-develop", "develop", &path, out);
        let path = Path::Of(&["services", name, "develop", "watch"]);
        let rules = child_map(&mut entry.value, "develop").and_then(|develop| develop.entries.get_mut("watch"));
        for (index, rule) in rules.and_then(|entry| seq_mut(&mut entry.value)).into_iter().flatten().enumerate() {
            if let Some(rule) = map_mut(rule) {
                rename(rule, "x-initialSync", "initial_sync", &path.index(index), out);
            }
        }
    }
}

/// `path` with `develop` for `x-develop`, where it goes through that extension of a service.
pub(super) fn resolved(path: &OwnedPath) -> Option<OwnedPath> {
    let mut steps = path.steps();
    let (Some(Step::Key("services")), Some(Step::Key("x-develop"))) = (steps.next(), steps.nth(1)) else {
        return None;
    };
    Some(path.clone().with_key(2, "develop"))
}

fn rename(map: &mut Map, from: &str, to: &str, path: &Path<'_>, out: &mut Diagnostics) {
    let Some(extension) = map.entries.shift_remove(from) else { return };
    match map.entries.get_mut(to) {
        Some(entry) if !is_null(&entry.value) => {
            let written = std::mem::replace(&mut entry.value, extension.value);
            merge_into(&mut entry.value, written, &path.key(to), out);
        }
        _ => {
            map.entries.insert(to.into(), extension);
        }
    }
}
