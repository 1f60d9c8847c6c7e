//! Much of the same: what each finding, variable or base file costs does not grow with the number of others.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{findings, project};

/// Far above what any of these takes without optimisation, and far below what it would take if the costs multiplied.
const PATIENCE: Duration = Duration::from_secs(60);

/// The codes of the errors and warnings, each once.
fn codes(files: &[(&str, &str)]) -> Vec<String> {
    let begun = Instant::now();
    let mut codes: Vec<String> =
        findings(files).iter().filter_map(|finding| Some(finding.rsplit_once(' ')?.1.to_owned())).collect();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn a_large_variable_again_and_again() {
    let env = format!("BIG={}\n", "x".repeat(4 << 20));
    let (mut listed, mut empty) = ("services:\n".to_owned(), "services:\n".to_owned());
    for index in 0..100 {
        let _ = writeln!(listed, "  s{index}: {{image: web, environment: [BIG]}}");
        let _ = writeln!(empty, "  s{index}: {{image: web, build: {{args: {{BIG: }}}}}}");
    }
    for compose in [listed, empty] {
        assert_eq!(codes(&[("compose.yaml", &compose), (".env", &env)]), ["project-too-large"]);
    }
}

#[test]
fn thousands_of_unset_variables() {
    let (mut compose, mut env) = ("services:\n  web:\n    image: web\n    labels:\n".to_owned(), String::new());
    for index in 0..20_000 {
        let _ = writeln!(compose, "      l{index}: $UNSET_{index}");
        let _ = writeln!(env, "V{index}=$GONE_{index}");
    }
    assert_eq!(codes(&[("compose.yaml", &compose), (".env", &env)]), ["unset-variable"]);
}

#[test]
fn thousands_of_names_that_nothing_has() {
    let mut compose = "services:\n".to_owned();
    for index in 0..10_000 {
        let _ = writeln!(compose, "  service-{index}: {{image: web, depends_on: [srevice-{index}]}}");
    }
    assert_eq!(codes(&[("compose.yaml", &compose)]), ["undefined-service"]);
}

#[test]
fn a_file_that_many_services_extend_is_read_once() {
    // A hundred times the text would be more than a project may read.
    let (mut base, mut compose) = ("services:\n".to_owned(), "services:\n".to_owned());
    for index in 0..100 {
        let _ = writeln!(base, "  b{index}:\n    image: web{index}\n    labels: {{filler: {}}}", "x".repeat(40_000));
        let _ = writeln!(compose, "  s{index}: {{extends: {{file: base.yaml, service: b{index}}}}}");
    }
    let project = project(&[("compose.yaml", &compose), ("base.yaml", &base)]);
    assert_eq!(project.services.len(), 100);
    assert_eq!(project.services["s99"].image.as_deref(), Some("web99"));
}

#[test]
fn a_base_that_extends_another_is_resolved_for_each_who_asks() {
    let base = "services:\n  root: {image: root, labels: {r: 1}}\n  left: {extends: root, labels: {l: 1}}\n  right: {extends: left, image: right}\n";
    let compose = "services:\n  a: {extends: {file: base.yaml, service: right}}\n  b: {extends: {file: base.yaml, service: left}}\n  c: {extends: {file: base.yaml, service: right}, labels: {c: 1}}\n";
    let project = project(&[("compose.yaml", compose), ("base.yaml", base)]);
    let of = |name: &str| {
        let service = &project.services[name];
        (service.image.clone().unwrap_or_default(), service.labels.keys().cloned().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of("a"), ("right".to_owned(), "r l".to_owned()));
    assert_eq!(of("b"), ("root".to_owned(), "r l".to_owned()));
    assert_eq!(of("c"), ("right".to_owned(), "r l c".to_owned()));
}
