//! Include.

use super::*;

#[test]
fn an_included_file_has_its_own_directory_and_env_file() {
    let files = [
        ("compose.yaml", "include: [db/compose.yaml]\nservices: {web: {image: 'web:${TAG}'}}"),
        (".env", "TAG=main\n"),
        ("db/compose.yaml", "services: {db: {image: 'db:${TAG}-${DB}', volumes: ['./data:/data']}}"),
        ("db/.env", "TAG=ignored\nDB=16\n"),
    ];
    let project = project(&files);
    // The including project's variables are stronger.
    assert_eq!(project.services["db"].image.as_deref(), Some("db:main-16"));
    assert_eq!(project.services["db"].volumes[0].source.as_deref(), Some("/shop/db/data"));
    assert_eq!(project.services["web"].image.as_deref(), Some("web:main"));
}

#[test]
fn the_long_form_sets_directory_and_env_files_and_merges_several_files() {
    let files = [
        (
            "compose.yaml",
            "include:\n  - path: [db/a.yaml, db/b.yaml]\n    project_directory: other\n    env_file: db/vars\nservices: {web: {image: x}}",
        ),
        ("db/a.yaml", "services: {db: {image: 'db:${TAG}', volumes: ['./data:/data']}}"),
        ("db/b.yaml", "services: {db: {user: b}}"),
        ("db/vars", "TAG=7\n"),
        ("other/keep", ""),
    ];
    let project = project(&files);
    let db = &project.services["db"];
    assert_eq!(db.image.as_deref(), Some("db:7"));
    assert_eq!(db.user.as_deref(), Some("b"));
    assert_eq!(db.volumes[0].source.as_deref(), Some("/shop/other/data"));
}

#[test]
fn a_project_directory_that_is_none_stands_for_the_one_it_would_be_in() {
    let files = [
        ("compose.yaml", "include: [{path: db.yaml, project_directory: sub/none}]\nservices: {}"),
        ("db.yaml", "services: {db: {image: db, volumes: ['./data:/data']}}"),
    ];
    assert_eq!(project(&files).services["db"].volumes[0].source.as_deref(), Some("/shop/sub/data"));
}

#[test]
fn what_the_including_file_says_of_a_service_is_merged_over_it() {
    let files = [
        ("compose.yaml", "include: [db.yaml]\nservices: {db: {environment: {A: 2}}}"),
        ("db.yaml", "services: {db: {image: db, environment: {A: 1, B: 1}}}"),
    ];
    let project = project(&files);
    let db = &project.services["db"];
    assert_eq!(db.image.as_deref(), Some("db"));
    assert_eq!((db.environment["A"].as_deref(), db.environment["B"].as_deref()), (Some("2"), Some("1")));
}

#[test]
fn one_file_included_on_two_ways_is_there_once() {
    let files = [
        ("compose.yaml", "include: [a.yaml, b.yaml]\nservices: {web: {image: x}}"),
        ("a.yaml", "include: [base.yaml]\nservices: {a: {image: x}}"),
        ("b.yaml", "include: [base.yaml]\nservices: {b: {image: x}}"),
        ("base.yaml", "services: {base: {image: x, ports: ['80:80'], command: [a, a]}}"),
    ];
    let project = project(&files);
    assert_eq!(project.services["base"].ports.len(), 1);
    assert_eq!(project.services["base"].command.as_ref().map(Vec::len), Some(2));
}

#[test]
fn circles_missing_and_remote_files_are_errors() {
    let circle =
        [("compose.yaml", "include: [a.yaml]\n"), ("a.yaml", "include: [compose.yaml]\nservices: {a: {image: x}}\n")];
    assert_eq!(findings(&circle), ["a.yaml:1:11 include-cycle"]);
    assert_eq!(findings(&[("compose.yaml", "include: [gone.yaml]\n")]), ["compose.yaml:1:11 missing-file"]);
    let remote = [("compose.yaml", "include: ['https://example.com/x.yaml']\n")];
    assert_eq!(findings(&remote), ["compose.yaml:1:11 remote-file"]);
    assert_eq!(findings(&[("compose.yaml", "include: [{pth: x}]\n")]), ["compose.yaml:1:12 unknown-key"]);
}

#[test]
fn values_of_included_secrets_come_from_the_included_files_variables() {
    let files = [
        ("compose.yaml", "include: [db/compose.yaml]\nservices: {web: {image: x}}"),
        ("db/compose.yaml", "services: {db: {image: x, secrets: [token]}}\nsecrets: {token: {environment: TOKEN}}"),
        ("db/.env", "TOKEN=abc\n"),
    ];
    let project = project(&files);
    assert_eq!(project.secrets["token"].environment_value.as_deref(), Some("abc"));
    let printed =
        config_json(&project).to_string() + &super::super::render_config(&project, super::super::Format::Yaml).unwrap();
    assert!(!printed.contains("abc"), "a secret's value is printed: {printed}");
}
