//! Defaults: what is there without being written.
//!
//! Specification: 05-services.md, the default of each element.

use super::tree::{boolean, child_map, insert, map_mut, printed, seq_mut, string};
use crate::diag::Span;
use crate::yaml::{Map, Node};

/// Writes the defaults into a canonical tree.
pub(super) fn set(tree: &mut Node) {
    for entry in child_map(tree, "services").into_iter().flat_map(|services| services.entries.values_mut()) {
        if let Some(service) = map_mut(&mut entry.value) {
            set_service(service);
        }
    }
}

fn set_service(service: &mut Map) {
    if let Some(build) = service.entries.get_mut("build") {
        let span = build.value.span;
        if let Some(build) = map_mut(&mut build.value) {
            default(build, "context", || string(".", span), span);
        }
    }
    for secret in list(service, "secrets") {
        let span = secret.span;
        if let Some(secret) = map_mut(secret) {
            let source = secret.get("source").and_then(printed).unwrap_or_default();
            default(secret, "target", || string(format!("/run/secrets/{source}"), span), span);
        }
    }
    for port in list(service, "ports") {
        let span = port.span;
        if let Some(port) = map_mut(port) {
            default(port, "protocol", || string("tcp", span), span);
            default(port, "mode", || string("ingress", span), span);
        }
    }
    for volume in list(service, "volumes") {
        if let Some(bind) = map_mut(volume).and_then(|volume| volume.entries.get_mut("bind")) {
            let span = bind.value.span;
            if let Some(bind) = map_mut(&mut bind.value) {
                default(bind, "create_host_path", || boolean(true, span), span);
            }
        }
    }
    list(service, "gpus").for_each(device_request);
    let devices = service
        .entries
        .get_mut("deploy")
        .and_then(|entry| child_map(&mut entry.value, "resources"))
        .and_then(|resources| resources.entries.get_mut("reservations"))
        .and_then(|entry| map_mut(&mut entry.value));
    if let Some(reservations) = devices {
        list(reservations, "devices").for_each(device_request);
    }
}

/// All devices, unless a number or the devices are given.
fn device_request(request: &mut Node) {
    let span = request.span;
    if let Some(request) = map_mut(request)
        && request.get("device_ids").is_none()
    {
        default(request, "count", || string("all", span), span);
    }
}

fn list<'a>(map: &'a mut Map, key: &str) -> impl Iterator<Item = &'a mut Node> {
    map.entries.get_mut(key).and_then(|entry| seq_mut(&mut entry.value)).into_iter().flatten()
}

fn default(map: &mut Map, key: &str, value: impl FnOnce() -> Node, span: Span) {
    if !map.entries.contains_key(key) {
        insert(map, key, span, value());
    }
}
