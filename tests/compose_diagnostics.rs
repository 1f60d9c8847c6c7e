//! What is said of each wrong compose file: `fixtures/diagnostics/<case>/`, with
//! the findings as they are drawn in `findings.txt`.
//!
//! `UPDATE_GOLDEN=1` writes the files anew; read the change before committing it.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;

use dokku_compose::compose::{Disk, Request, load};
use dokku_compose::diag::{Severity, Style, render};

fn findings(dir: &Path) -> String {
    let loaded = load(&Request::new(dir), &Disk::default());
    let drawn: Vec<String> =
        loaded.diagnostics.items.iter().map(|finding| render(finding, &loaded.sources, Style::default())).collect();
    let refused = loaded.diagnostics.items.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(
        loaded.project.is_none(),
        refused,
        "{}: a project is given exactly when there is no error",
        dir.display()
    );
    drawn.join("\n\n").replace(dir.to_str().unwrap(), "@DIR@") + "\n"
}

#[test]
fn every_finding_is_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/diagnostics");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<_> = std::fs::read_dir(&root).unwrap().flatten().map(|entry| entry.path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "the fixtures are there");
    let mut wrong = Vec::new();
    for case in &cases {
        let golden = case.join("findings.txt");
        let found = findings(case);
        if update {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            println!("--- {}\n{found}", case.display());
            wrong.push(case.file_name().unwrap().to_owned());
        }
    }
    assert!(wrong.is_empty(), "other findings than recorded: {wrong:?}");
}

#[test]
fn a_missing_directory_is_named() {
    let loaded = load(&Request::new("/no/such/directory"), &Disk::default());
    let messages: Vec<&str> = loaded.diagnostics.items.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["directory `/no/such/directory` does not exist"]);
}

#[test]
fn a_missing_file_and_a_wrong_name_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = Request::new(dir.path());
    request.files.push("stack.yml".into());
    let messages = |request: &Request| -> Vec<String> {
        load(request, &Disk::default()).diagnostics.items.into_iter().map(|finding| finding.message).collect()
    };
    request.project_name = Some("stack".to_owned());
    assert_eq!(messages(&request), ["compose file `stack.yml` does not exist"]);
    request.project_name = Some("My Stack".to_owned());
    assert_eq!(messages(&request), ["invalid project name `My Stack`"]);
    request.project_name = None;
    request.env_files.push("prod.env".into());
    assert_eq!(messages(&request), ["env file `prod.env` does not exist"]);
}
