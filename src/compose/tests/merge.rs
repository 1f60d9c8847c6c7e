//! Merge, reset, unicity.

use serde_json::{Value, json};

use super::*;

/// The service `web` after `over` is merged over `base`, without what every service has.
fn merged(base: &str, over: &str) -> Value {
    let indent = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let base = format!("services:\n  web:\n    image: base\n{}", indent(base));
    let over = format!("services:\n  web:\n{}", indent(over));
    let mut service =
        config_json(&project(&[("compose.yaml", &base), ("compose.override.yaml", &over)]))["services"]["web"].clone();
    let map = service.as_object_mut().unwrap();
    for key in ["command", "entrypoint", "image", "networks"] {
        if map[key].is_null() || ["image", "networks"].contains(&key) {
            map.remove(key);
        }
    }
    service
}

#[test]
fn mappings_merge_key_by_key_whatever_their_form() {
    assert_eq!(
        merged("environment:\n  A: 1\n  B: 2", "environment:\n  - B=3\n  - C=4"),
        json!({"environment": {"A": "1", "B": "3", "C": "4"}})
    );
    assert_eq!(merged("labels: [a=1, b=2]", "labels: {b: 3}"), json!({"labels": {"a": "1", "b": "3"}}));
}

#[test]
fn lists_are_appended_without_repetition() {
    assert_eq!(merged("cap_add: [A, B]", "cap_add: [B, C]"), json!({"cap_add": ["A", "B", "C"]}));
    assert_eq!(merged("dns: 1.1.1.1", "dns: [8.8.8.8]"), json!({"dns": ["1.1.1.1", "8.8.8.8"]}));
    assert_eq!(merged("tmpfs: /a", "tmpfs: /b"), json!({"tmpfs": ["/a", "/b"]}));
}

#[test]
fn commands_and_tests_are_replaced() {
    assert_eq!(merged("command: [a, b]", "command: c"), json!({"command": ["c"]}));
    assert_eq!(merged("entrypoint: a", "entrypoint: []"), json!({"entrypoint": []}));
    assert_eq!(
        merged("healthcheck:\n  test: [CMD, a]\n  retries: 2", "healthcheck:\n  test: b"),
        json!({"healthcheck": {"test": ["CMD-SHELL", "b"], "retries": 2}})
    );
}

#[test]
fn mounts_and_ports_are_known_by_their_target() {
    let mount = |source: &str| json!({"type": "bind", "source": source, "target": "/data", "bind": {}});
    assert_eq!(merged("volumes: ['/a:/data']", "volumes: ['/b:/data']"), json!({"volumes": [mount("/b")]}));
    let port = |published: &str, protocol: &str| json!({"mode": "ingress", "target": 80, "published": published, "protocol": protocol});
    assert_eq!(
        merged("ports: ['8080:80']", "ports: ['8080:80', '8081:80', '8080:80/udp']"),
        json!({"ports": [port("8080", "tcp"), port("8081", "tcp"), port("8080", "udp")]})
    );
}

#[test]
fn dependencies_merge_across_their_forms() {
    let files = [
        ("compose.yaml", "services: {web: {image: x, depends_on: [db, cache]}, db: {image: x}, cache: {image: x}}"),
        ("compose.override.yaml", "services: {web: {depends_on: {db: {condition: service_healthy}}}}"),
    ];
    let depends_on = config_json(&project(&files))["services"]["web"]["depends_on"].clone();
    assert_eq!(
        depends_on,
        json!({
            "db": {"condition": "service_healthy", "required": true},
            "cache": {"condition": "service_started", "required": true},
        })
    );
}

#[test]
fn logging_options_merge_under_one_driver_only() {
    let base = "logging:\n  driver: syslog\n  options: {a: 1}";
    assert_eq!(
        merged(base, "logging:\n  options: {b: 2}"),
        json!({"logging": {"driver": "syslog", "options": {"a": "1", "b": "2"}}})
    );
    assert_eq!(
        merged(base, "logging:\n  driver: local\n  options: {b: 2}"),
        json!({"logging": {"driver": "local", "options": {"b": "2"}}})
    );
}

#[test]
fn a_single_limit_replaces_a_pair() {
    assert_eq!(
        merged("ulimits: {nofile: {soft: 1, hard: 2}, core: 5}", "ulimits: {nofile: 9, core: {soft: 1, hard: 2}}"),
        json!({"ulimits": {"nofile": 9, "core": {"soft": 1, "hard": 2}}})
    );
}

#[test]
fn address_pools_merge_by_subnet() {
    let network =
        |pools: &str| format!("services: {{web: {{image: x}}}}\nnetworks: {{default: {{ipam: {{config: {pools}}}}}}}");
    let files = [
        ("compose.yaml", network("[{subnet: 10.1.0.0/16}, {subnet: 10.2.0.0/16}]")),
        ("compose.override.yaml", network("[{subnet: 10.2.0.0/16, gateway: 10.2.0.1}, {subnet: 10.3.0.0/16}]")),
    ];
    let project = project(&[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
    let pools = &project.networks["default"].ipam.config;
    let subnets: Vec<_> = pools.iter().map(|pool| (pool.subnet.as_deref().unwrap(), pool.gateway.as_deref())).collect();
    assert_eq!(subnets, [("10.1.0.0/16", None), ("10.2.0.0/16", Some("10.2.0.1")), ("10.3.0.0/16", None)]);
}

#[test]
fn reset_removes_and_override_replaces() {
    assert_eq!(merged("ports: ['80:80']\nuser: a", "ports: !reset []\nuser: !reset null"), json!({}));
    assert_eq!(merged("cap_add: [A]", "cap_add: !override [B]"), json!({"cap_add": ["B"]}));
    assert_eq!(
        merged("environment: {A: 1, B: 2}", "environment:\n  A: !reset null"),
        json!({"environment": {"B": "2"}})
    );
}

#[test]
fn forms_that_do_not_merge_are_reported_with_both_places() {
    let files = [
        ("compose.yaml", "services:\n  web:\n    image: x\n    healthcheck:\n      retries: 1\n"),
        ("compose.override.yaml", "services:\n  web:\n    healthcheck: none\n"),
    ];
    assert_eq!(findings(&files), ["compose.override.yaml:3:18 cannot-merge"]);
}

#[test]
fn documents_of_one_file_are_merged() {
    let project = project(&[("compose.yaml", "services: {web: {image: a}}\n---\nservices: {web: {image: b}}\n")]);
    assert_eq!(project.services["web"].image.as_deref(), Some("b"));
}
