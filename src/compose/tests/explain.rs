//! Where values come from.

use super::Memory;
use crate::compose::Request;
use crate::compose::explain::explain;

const FILES: &[(&str, &str)] = &[
    (
        "compose.yaml",
        "name: shop\ninclude: [{path: db/db.yaml, env_file: db/env}]\nx-env: &env {LOG: debug}\nservices:\n  web:\n    extends: {file: base.yaml, service: base}\n    image: web:${TAG:-1}\n    ports: [\"${PORT}:80\"]\n    environment:\n      <<: *env\n      PORT:\n    env_file: web.env\n",
    ),
    (
        "compose.override.yaml",
        "services:\n  web:\n    image: web:2\n    user: !reset null\n    ports: !override [\"81:${PORT}\"]\n",
    ),
    (
        "base.yaml",
        "services:\n  base: {extends: root, image: base, restart: always}\n  root: {user: me, image: root}\n",
    ),
    ("db/db.yaml", "services: {db: {image: 'db:${VERSION}', volumes: ['./d:/d']}}\n"),
    ("db/env", "VERSION=16\n"),
    (".env", "# where\nPORT=8080\n"),
    ("web.env", "A=1\nB=2\n"),
];

/// The steps as `position text`, then the value.
fn told(path: &str) -> Vec<String> {
    let mut request = Request::new("/shop");
    request.variables.insert("GIVEN".to_owned(), "x".to_owned());
    let (loaded, explained) = explain(&request, &Memory::of(FILES), path);
    let messages: Vec<_> = loaded.diagnostics.items.iter().map(|item| &item.message).collect();
    let explained = match explained.unwrap_or_else(|| panic!("{messages:?}")) {
        Ok(explained) => explained,
        Err(missing) => return vec![missing.to_string()],
    };
    let steps = explained.steps.iter().map(|step| {
        let place = step.place.and_then(|place| loaded.sources.position(place)).unwrap_or_default();
        format!("{place} {}", step.text)
    });
    steps.chain([explained.value.map_or_else(|| "gone".to_owned(), |value| value.to_string())]).collect()
}

#[test]
fn a_value_is_followed_through_extends_variables_and_override_files() {
    assert_eq!(
        told("services.web.image"),
        [
            "base.yaml:3:27 written `root`",
            "base.yaml:2:19 taken over by `extends`",
            "base.yaml:2:32 replaced by `base`",
            "compose.yaml:6:21 taken over by `extends`",
            "compose.yaml:7:12 replaced by `web:${TAG:-1}`",
            " variable `TAG` is not set",
            " becomes `web:1`, with the default in the reference",
            "compose.override.yaml:3:12 replaced by `web:2`",
            "\"web:2\"",
        ]
    );
    assert_eq!(
        told("services.web.restart"),
        ["base.yaml:2:47 written `always`", "compose.yaml:6:21 taken over by `extends`", "\"always\""]
    );
}

#[test]
fn an_include_and_its_env_file_are_told() {
    assert_eq!(
        told("services.db.image"),
        [
            "db/db.yaml:1:24 written `'db:${VERSION}'`",
            "db/env:1:1 variable `VERSION` is set: `VERSION=16`",
            " becomes `db:16`",
            "compose.yaml:2:11 brought by `include`",
            "\"db:16\"",
        ]
    );
    let source = told("services.db.volumes[0].source");
    assert_eq!(source.last().unwrap(), "\"/shop/db/d\"");
    assert!(source.contains(&" in its full form `/shop/db/d`".to_owned()), "{source:?}");
}

#[test]
fn anchors_env_files_and_passed_variables_are_told() {
    assert_eq!(
        told("services.web.environment.LOG"),
        ["compose.yaml:3:19 written `debug`", "compose.yaml:10:11 used through the alias `*env`", "\"debug\""]
    );
    assert_eq!(
        told("services.web.environment.B"),
        ["web.env:2:1 set in the env file: `B=2`", "compose.yaml:12:15 the env file is asked for here", "\"2\""]
    );
    assert_eq!(
        told("services.web.environment.PORT"),
        [
            "compose.yaml:11:7 written `PORT` without a value",
            ".env:2:1 takes the variable of that name, `8080`",
            "\"8080\"",
        ]
    );
}

#[test]
fn tags_are_told_and_so_is_what_they_removed() {
    assert_eq!(
        told("services.web.user"),
        [
            "base.yaml:3:16 written `me`",
            "base.yaml:2:19 taken over by `extends`",
            "compose.yaml:6:21 taken over by `extends`",
            "compose.override.yaml:4:18 `!reset`: what came before is gone",
            "gone",
        ]
    );
    assert_eq!(
        told("services.web.ports[0].target"),
        [
            "compose.override.yaml:5:22 `!override`: what came before is gone",
            "compose.override.yaml:5:23 written `\"81:${PORT}\"`",
            ".env:2:1 variable `PORT` is set: `PORT=8080`",
            " becomes `81:8080`",
            " in its full form `8080`",
            "8080",
        ]
    );
}

#[test]
fn defaults_and_wrong_paths_are_told() {
    assert_eq!(
        told("networks.default.name").first().unwrap(),
        "compose.override.yaml:2:3 not written: it follows from this, by a default of the Specification"
    );
    assert_eq!(told("services.web.imag"), ["there is no services.web.imag; did you mean services.web.image?"]);
    assert_eq!(
        told("services.web.ports.x"),
        [
            "there is no services.web.ports.x; services.web.ports is a list of 1: write services.web.ports[0] for its first entry"
        ]
    );
}
