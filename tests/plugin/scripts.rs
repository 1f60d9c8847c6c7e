//! The shell files themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::house::{mode, shell_files};

#[test]
fn every_shell_file_is_plain_sh_and_runs() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in shell_files() {
        let path = source.join(&name);
        let sourced = matches!(name.as_str(), "config" | "functions");
        assert_eq!(mode(&path) & 0o111 == 0, sourced, "{name}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(if sourced { "# shellcheck shell=sh" } else { "#!/bin/sh\n" }), "{name}");
        assert!(Command::new("/bin/sh").arg("-n").arg(&path).status().unwrap().success(), "{name}");
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut check = Command::new("shellcheck");
    check.current_dir(source).arg("--external-sources").args(shell_files());
    check.args(["tests/foreign-apps", "tests/run", ".ci/run", "packaging/build-deb"]);

    match check.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => println!("shellcheck was not run: {error}"),
    }
}

#[test]
fn the_plugin_and_the_package_have_one_version() {
    let plugin = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.toml")).unwrap();
    assert!(plugin.contains(&format!("\nversion = \"{}\"\n", env!("CARGO_PKG_VERSION"))), "{plugin}");
}
