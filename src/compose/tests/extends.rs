//! Extends.

use super::*;

#[test]
fn a_service_takes_over_what_it_does_not_set() {
    let project = project(&[(
        "compose.yaml",
        "services:\n  base: {image: a, environment: {A: 1, B: 1}}\n  web: {extends: base, environment: {B: 2}}\n",
    )]);
    let web = &project.services["web"];
    assert_eq!(web.image.as_deref(), Some("a"));
    assert_eq!(web.environment["A"].as_deref(), Some("1"));
    assert_eq!(web.environment["B"].as_deref(), Some("2"));
    assert_eq!(web.extends.as_ref().and_then(|extends| extends.service.as_deref()), Some("base"));
}

#[test]
fn a_chain_through_files_keeps_each_files_directory() {
    let files = [
        ("compose.yaml", "services: {web: {extends: {file: common/web.yaml, service: web}}}"),
        (
            "common/web.yaml",
            "services: {web: {extends: {file: ../base/base.yaml, service: base}, volumes: ['./web:/web']}}",
        ),
        ("base/base.yaml", "services: {base: {build: ./src, volumes: ['./base:/base'], env_file: base.env}}"),
        ("base/base.env", "FROM_BASE=1\n"),
    ];
    let project = project(&files);
    let web = &project.services["web"];
    assert_eq!(web.build.as_ref().unwrap().context.as_deref(), Some("/shop/base/src"));
    let sources: Vec<_> = web.volumes.iter().filter_map(|volume| volume.source.as_deref()).collect();
    assert_eq!(sources, ["/shop/base/base", "/shop/common/web"]);
    assert_eq!(web.environment["FROM_BASE"].as_deref(), Some("1"));
}

#[test]
fn reset_takes_away_what_the_base_sets() {
    let project = project(&[(
        "compose.yaml",
        "services:\n  base: {image: a, ports: ['80:80']}\n  web:\n    extends: base\n    ports: !reset []\n",
    )]);
    assert!(project.services["web"].ports.is_empty());
    assert_eq!(project.services["base"].ports.len(), 1);
}

#[test]
fn circles_and_missing_bases_are_errors() {
    let yaml =
        "services:\n  a: {image: x, extends: b}\n  b: {image: x, extends: a}\n  c: {image: x, extends: nobody}\n";
    assert_eq!(
        findings(&[("compose.yaml", yaml)]),
        ["compose.yaml:2:26 extends-cycle", "compose.yaml:4:26 undefined-service"]
    );
    let yaml = "services:\n  a: {extends: {file: self.yaml, service: a}}\n";
    assert_eq!(
        findings(&[("compose.yaml", yaml), ("self.yaml", "services: {a: {extends: {file: self.yaml, service: a}}}")]),
        ["self.yaml:1:32 extends-cycle"]
    );
}

#[test]
fn a_base_that_is_no_valid_service_is_only_judged_once_merged() {
    // `condition` is completed by the canonical form, the schema sees the result.
    let files = [
        ("compose.yaml", "services: {web: {extends: {file: base.yaml, service: web}, image: x}, db: {image: x}}"),
        ("base.yaml", "services: {web: {depends_on: {db: {restart: true}}, frobnicate: 1}}"),
    ];
    assert_eq!(findings(&files), ["base.yaml:1:53 unknown-key"]);
}

#[test]
fn one_file_named_in_two_directories_is_one_file() {
    let files = [
        (
            "compose.yaml",
            "services: {a: {extends: {file: sub/b.yaml, service: b}, env_file: sub/v, label_file: [sub/l], build: {context: sub}}}",
        ),
        ("sub/b.yaml", "services: {b: {extends: {file: ../sub/c.yaml, service: c}, env_file: v, label_file: l}}"),
        ("sub/c.yaml", "services: {c: {build: ., volumes: ['./d:/d', '../e:/e']}}"),
        ("sub/v", "A=1\n"),
        ("sub/l", "l=1\n"),
    ];
    let project = project(&files);
    let service = &project.services["a"];
    assert_eq!(service.env_file.len(), 1);
    assert_eq!(service.label_file, ["/shop/sub/l"]);
    assert_eq!(service.build.as_ref().unwrap().context.as_deref(), Some("/shop/sub"));
    let sources: Vec<_> = service.volumes.iter().map(|volume| volume.source.as_deref().unwrap()).collect();
    assert_eq!(sources, ["/shop/sub/d", "/shop/e"]);
}
