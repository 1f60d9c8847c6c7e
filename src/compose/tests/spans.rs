//! Where the values of the final project were written.

use super::*;

/// `file:line:column` of the value at `path`.
fn position(files: &[(&str, &str)], path: &str) -> String {
    let loaded = load(&Request::new("/shop"), &Memory::of(files));
    let project = loaded.project.expect("a sound project");
    let span = project.span(path).unwrap_or_else(|| panic!("{path} is not in the tree"));
    loaded.sources.position(span).unwrap()
}

const BASE: (&str, &str) =
    ("base.yaml", "services:\n  base:\n    image: base\n    environment:\n      A: one\n      B: two\n");

#[test]
fn values_of_other_files_keep_their_place() {
    let files = [
        (
            "compose.yaml",
            "services:\n  web:\n    extends: {file: base.yaml, service: base}\n    environment:\n      - B=three\n",
        ),
        ("compose.override.yaml", "services:\n  web:\n    user: me\n"),
        BASE,
    ];
    assert_eq!(position(&files, "services.web.image"), "base.yaml:3:12");
    assert_eq!(position(&files, "services.web.environment.A"), "base.yaml:5:10");
    assert_eq!(position(&files, "services.web.environment.B"), "compose.yaml:5:9");
    assert_eq!(position(&files, "services.web.user"), "compose.override.yaml:3:11");
}

#[test]
fn values_of_anchors_keep_their_place() {
    let files = [(
        "compose.yaml",
        "x-base: &base\n  image: anchored\n  restart: always\nservices:\n  web:\n    <<: *base\n    restart: 'no'\n",
    )];
    assert_eq!(position(&files, "services.web.image"), "compose.yaml:2:10");
    assert_eq!(position(&files, "services.web.restart"), "compose.yaml:7:14");
}

#[test]
fn what_a_short_form_becomes_stands_where_the_short_form_stands() {
    let files = [(
        "compose.yaml",
        "services:\n  web:\n    image: x\n    ports:\n      - \"80-81:80-81\"\n    depends_on: [db]\n  db:\n    image: x\n",
    )];
    assert_eq!(position(&files, "services.web.ports[1].target"), "compose.yaml:5:9");
    assert_eq!(position(&files, "services.web.depends_on.db.condition"), "compose.yaml:6:18");
    assert_eq!(position(&files, "services.db.networks.default"), "compose.yaml:7:3");
}
