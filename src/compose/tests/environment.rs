//! Variables, env files, label files.

use super::*;

fn variables(project: &Project, service: &str) -> Vec<(String, Option<String>)> {
    project.services[service].environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn a_variable_without_a_value_takes_the_one_that_interpolation_sees() {
    let files = [
        ("compose.yaml", "services: {web: {image: x, environment: [A, B, C=], build: {args: [A, B, D=1]}}}"),
        (".env", "A=from-file\n"),
    ];
    let project = project(&files);
    let web = |name: &str| project.services["web"].environment[name].as_deref();
    assert_eq!((web("A"), web("B"), web("C")), (Some("from-file"), None, Some("")));
    // An unresolved build argument is left out, an unresolved variable is kept by name.
    let args = &project.services["web"].build.as_ref().unwrap().args;
    assert_eq!(args.keys().collect::<Vec<_>>(), ["A", "D"]);
}

#[test]
fn the_environment_is_stronger_than_env_files_and_later_files_than_earlier() {
    let files = [
        ("compose.yaml", "services: {web: {image: x, env_file: [one.env, two.env], environment: {C: 3}}}"),
        ("one.env", "A=1\nB=1\nC=1\n"),
        ("two.env", "B=2\nC=2\n"),
    ];
    let mut found = variables(&project(&files), "web");
    found.sort();
    let expect = [("A", "1"), ("B", "2"), ("C", "3")];
    assert_eq!(found, expect.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))));
}

#[test]
fn env_files_may_be_optional_and_raw() {
    let yaml = "services:\n  web:\n    image: x\n    env_file:\n      - {path: gone.env, required: false}\n      - {path: raw.env, format: raw}\n";
    let project = project(&[("compose.yaml", yaml), ("raw.env", "A='$B'\n")]);
    assert_eq!(variables(&project, "web"), [("A".to_owned(), Some("'$B'".to_owned()))]);
    let yaml = "services:\n  web:\n    image: x\n    env_file: {path: x}\n";
    assert_eq!(findings(&[("compose.yaml", yaml)]), ["compose.yaml:4:15 wrong-type"]);
}

#[test]
fn env_files_of_disabled_services_are_not_read() {
    let yaml = "services:\n  web: {image: x}\n  debug: {image: x, profiles: [debug], env_file: gone.env}\n";
    assert_eq!(project(&[("compose.yaml", yaml)]).services.len(), 1);
}

#[test]
fn labels_are_stronger_than_label_files() {
    let files =
        [("compose.yaml", "services: {web: {image: x, label_file: labels, labels: {b: 2}}}"), ("labels", "a=1\nb=1\n")];
    let labels = &project(&files).services["web"].labels;
    assert_eq!((labels["a"].as_str(), labels["b"].as_str()), ("1", "2"));
}

#[test]
fn variables_of_the_request_are_stronger_than_env_files_and_nothing_else_is_seen() {
    let files = [("compose.yaml", "services: {web: {image: '${A}-${B}-${PATH:-none}'}}"), (".env", "A=1\nB=1\n")];
    let project = project_of(&files, |request| {
        request.variables.insert("B".to_owned(), "2".to_owned());
    });
    assert_eq!(project.services["web"].image.as_deref(), Some("1-2-none"));
    assert_eq!(project.environment["COMPOSE_PROJECT_NAME"], "shop");
}

#[test]
fn without_interpolation_text_stays_as_written() {
    let yaml = "services: {web: {image: 'x:${TAG:?}', environment: {A: $$x}}}";
    let project = project_of(&[("compose.yaml", yaml)], |request| request.interpolate = false);
    assert_eq!(project.services["web"].image.as_deref(), Some("x:${TAG:?}"));
    assert_eq!(project.services["web"].environment["A"].as_deref(), Some("$$x"));
}

#[test]
fn a_value_with_a_trailing_space_in_its_name_is_refused() {
    let yaml = "services:\n  web:\n    image: x\n    environment:\n      - A =1\n";
    assert_eq!(findings(&[("compose.yaml", yaml)]), ["compose.yaml:5:9 invalid-name"]);
}
