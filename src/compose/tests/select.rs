//! Which files are loaded, and the project's name.

use super::*;

const WEB: &str = "services: {web: {image: web}}";

fn image(project: &Project) -> &str {
    project.services["web"].image.as_deref().unwrap()
}

#[test]
fn usual_names_are_found_in_order_with_their_override() {
    let files = [
        ("docker-compose.yml", WEB),
        ("compose.yml", "services: {web: {image: first}}"),
        ("docker-compose.override.yml", "services: {web: {user: a}}"),
    ];
    let project = project(&files);
    assert_eq!((image(&project), project.services["web"].user.as_deref()), ("first", Some("a")));
    assert_eq!(project.compose_files, [Path::new("compose.yml"), Path::new("docker-compose.override.yml")]);
    assert_eq!(findings(&files), [" several-compose-files"]);
}

#[test]
fn compose_file_names_the_files() {
    let files = [("a.yaml", WEB), ("b.yaml", "services: {web: {image: b}}"), (".env", "COMPOSE_FILE=a.yaml:b.yaml\n")];
    assert_eq!(image(&project(&files)), "b");
    let files = [files[0], files[1], (".env", "COMPOSE_FILE=b.yaml;a.yaml\nCOMPOSE_PATH_SEPARATOR=;\n")];
    assert_eq!(image(&project(&files)), "web");
}

#[test]
fn standard_input_is_a_file_called_dash() {
    let project = project_of(&[(".env", "TAG=1\n")], |request| {
        request.files.push("-".into());
        request.stdin = Some("services: {web: {image: 'in:${TAG}'}}".to_owned());
    });
    assert_eq!(image(&project), "in:1");
}

#[test]
fn the_name_is_asked_for_then_a_variable_then_written_then_the_directory() {
    let named = [("compose.yaml", "name: ${NAME:-written}\nservices: {web: {image: x}}")];
    let by_request = project_of(&named, |request| request.project_name = Some("asked".to_owned()));
    assert_eq!(by_request.name, "asked");
    assert_eq!(project(&[named[0], (".env", "COMPOSE_PROJECT_NAME=variable\n")]).name, "variable");
    assert_eq!(project(&named).name, "written");
    assert_eq!(project(&[("compose.yaml", WEB)]).name, "shop");
}

#[test]
fn every_file_read_is_remembered() {
    let files = [
        ("compose.yaml", "include: [inc.yaml]\nservices: {web: {image: x, env_file: web.env}}"),
        ("inc.yaml", "services: {db: {image: x}}"),
        ("web.env", "A=1\n"),
        (".env", "B=1\n"),
    ];
    let read = project(&files).files;
    let names: Vec<_> = read.iter().map(|path| path.strip_prefix("/shop").unwrap().to_str().unwrap()).collect();
    assert_eq!(names, [".env", "compose.yaml", "inc.yaml", "web.env"]);
}

#[test]
fn text_that_is_no_text_is_named() {
    struct Bytes;
    impl Files for Bytes {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(vec![0xff, 0xfe, 0x00])
        }
        fn kind(&self, path: &Path) -> Option<FileKind> {
            Some(if path.ends_with("compose.yaml") { FileKind::File } else { FileKind::Dir })
        }
    }
    let loaded = load(&Request::new("/shop"), &Bytes);
    let codes: Vec<_> = loaded.diagnostics.items.iter().map(|finding| finding.code.as_ref()).collect();
    assert!(loaded.project.is_none());
    assert!(codes.contains(&"unreadable-file"), "{codes:?}");
}
