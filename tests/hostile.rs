//! Input that is meant to hurt: little text that asks for much time or memory, bytes that are no text, ways out of what
//! was sent. Each is refused with a clear word, or read, within seconds; nothing panics.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dokku_compose::compose::{Disk, Request, load};

/// Far above what any of it takes without optimisation, far below a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said of files, the first of which is the compose file: codes of errors, each once.
fn codes_of(files: &[(&str, &[u8])]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    codes_in(dir.path(), &Disk::default())
}

fn codes_in(dir: &Path, disk: &Disk) -> Vec<String> {
    let began = Instant::now();
    let loaded = load(&Request::new(dir), disk);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let errors = loaded.diagnostics.items.iter().filter(|item| item.severity == dokku_compose::diag::Severity::Error);
    let mut codes: Vec<String> = errors.map(|item| item.code.to_string()).collect();
    codes.dedup();
    assert_eq!(loaded.project.is_some(), codes.is_empty());
    codes
}

fn codes(text: &str) -> Vec<String> {
    codes_of(&[("compose.yaml", text.as_bytes())])
}

const ONE: &str = "services: {a: {image: x}}\n";

#[test]
fn little_text_that_asks_for_much() {
    let mut bomb = "x-0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "x-0: &a0 {k0: 1}\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(bomb, "x-{level}: &a{level} [{aliases}]").unwrap();
        writeln!(merges, "x-{level}: &a{level} {{<<: [{aliases}], k{level}: 1}}").unwrap();
    }
    assert_eq!(codes(&(bomb + ONE)), ["alias-limit"]);
    assert_eq!(codes(&(merges + ONE)), ["alias-limit"]);
    assert_eq!(codes(&format!("x: {}", "[".repeat(200_000))), ["yaml-too-deep"]);
    assert_eq!(codes(&format!("x: {}", "{a: ".repeat(50_000))), ["yaml-too-deep"]);
    let deep: String = (0..2_000).fold(String::new(), |text, level| text + &"  ".repeat(level) + "a:\n");
    assert_eq!(codes(&deep), ["yaml-too-deep"]);
    let ports: String =
        (0..40).fold(String::new(), |text, n| text + &format!("  s{n}: {{image: x, ports: ['1-65535:1-65535']}}\n"));
    assert_eq!(codes(&format!("services:\n{ports}")), ["project-too-large"]);
    let keys: String = (0..2_000).fold(String::new(), |text, n| text + &format!("A{n}: 1, "));
    let extends: String = (1..2_000).fold(String::new(), |text, n| text + &format!("  s{n}: {{extends: s0}}\n"));
    assert_eq!(
        codes(&format!("services:\n  s0: {{image: x, environment: {{{keys}}}}}\n{extends}")),
        ["project-too-large"]
    );
}

#[test]
fn huge_scalars_and_files() {
    let long = "y".repeat(8 << 20);
    assert!(codes(&format!("services: {{a: {{image: x, labels: {{l: \"{long}\"}}}}}}")).is_empty());
    assert_eq!(codes(&format!("{ONE}#{}", "y".repeat(16 << 20))), ["unreadable-file"]);
}

#[test]
fn variables_made_of_variables() {
    let mut env = "A0=xxxxxxxxxx\n".to_owned();
    for level in 1..40 {
        let before = format!("${{A{}}}", level - 1);
        writeln!(env, "A{level}={before}{before}{before}").unwrap();
    }
    let text = "services: {a: {image: 'x${A39}'}}";
    let files = [("compose.yaml", text.as_bytes()), (".env", env.as_bytes())];
    assert_eq!(codes_of(&files), ["invalid-interpolation", "project-too-large"]);
    let long = format!("A={}\n", "z".repeat(1 << 20));
    let many: String = (0..400).fold(String::new(), |text, n| text + &format!("V{n}: \"$A\", "));
    let text = format!("services: {{a: {{image: x, labels: {{{many}}}}}}}");
    assert_eq!(codes_of(&[("compose.yaml", text.as_bytes()), (".env", long.as_bytes())]), ["project-too-large"]);
    let text = format!("services: {{a: {{image: \"{}\"}}}}", "$A".repeat(100_000));
    assert_eq!(codes_of(&[("compose.yaml", text.as_bytes()), (".env", long.as_bytes())]), ["invalid-interpolation"]);
    let nested = format!("services: {{a: {{image: \"{}x{}\"}}}}", "${A:-".repeat(5_000), "}".repeat(5_000));
    assert_eq!(codes(&nested), ["invalid-interpolation"]);
    assert_eq!(codes(&format!("services: {{a: {{image: \"{}\"}}}}", "${".repeat(20_000))), ["invalid-interpolation"]);
    // They see what was set before, never themselves.
    let itself = [("compose.yaml", "services: {a: {image: 'x$A'}}".as_bytes()), (".env", b"A=${B}\nB=${A}\n")];
    assert!(codes_of(&itself).is_empty());
}

#[test]
fn files_that_lead_to_each_other() {
    assert_eq!(codes("include: [compose.yaml]\n"), ["include-cycle"]);
    let there = ("compose.yaml", "include: [b.yaml]\n".as_bytes());
    assert_eq!(codes_of(&[there, ("b.yaml", b"include: [./compose.yaml]\n")]), ["include-cycle"]);
    assert_eq!(codes("services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}"), ["extends-cycle"]);
    let a = ("compose.yaml", "services: {a: {extends: {file: b.yaml, service: b}}}".as_bytes());
    let b = ("b.yaml", "services: {b: {extends: {file: compose.yaml, service: a}}}".as_bytes());
    assert_eq!(codes_of(&[a, b]), ["extends-cycle"]);

    let row: String = (0..5_000).fold(String::new(), |text, n| text + &format!("  s{n}: {{extends: s{}}}\n", n + 1));
    assert_eq!(codes(&format!("services:\n{row}  s5000: {{image: x}}\n")), ["project-too-large"]);

    // On 2^40 ways to one file.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("compose.yaml"), "include: [0.yaml]\n").unwrap();
    for level in 0..40 {
        let text = format!("include: [{0}.yaml, ./{0}.yaml]\n", level + 1);
        std::fs::write(dir.path().join(format!("{level}.yaml")), text).unwrap();
    }
    std::fs::write(dir.path().join("40.yaml"), ONE).unwrap();
    assert!(codes_in(dir.path(), &Disk::default()).is_empty());

    // In a row without an end in sight.
    for level in 40..400 {
        std::fs::write(dir.path().join(format!("{level}.yaml")), format!("include: [{}.yaml]\n", level + 1)).unwrap();
    }
    assert_eq!(codes_in(dir.path(), &Disk::default()), ["project-too-large"]);
}

#[test]
fn dependencies_in_a_row_and_in_a_circle() {
    let row = |first: &str| {
        (1..20_000).fold(format!("services:\n  s0: {{image: x{first}}}\n"), |mut text, n| {
            writeln!(text, "  s{n}: {{image: x, depends_on: [s{}]}}", n - 1).unwrap();
            text
        })
    };
    assert!(codes(&row("")).is_empty());
    assert_eq!(codes(&row(", depends_on: [s19999]")), ["dependency-cycle"]);
}

#[test]
fn bytes_that_are_no_text_and_those_that_are() {
    let refused: &[(&str, &[u8])] = &[
        ("NUL", b"services: {a: {image: \"x\0\"}}"),
        ("invalid UTF-8", b"services: {a: {image: \xff}}"),
        ("half a character", b"services: {a: {image: x}}\xc3"),
        ("UTF-16", b"\xff\xfes\0"),
        ("UTF-16 the other way", b"\0s\0e"),
    ];
    for (name, bytes) in refused {
        assert_eq!(codes_of(&[("compose.yaml", bytes)]), ["unreadable-file"], "{name}");
    }
    let tabs = "services:\n\ta:\n\t\timage: x\n";
    assert_eq!(codes(tabs), ["yaml-tab"]);
    assert_eq!(codes("services: {a: {image: \"\x1b[31mx\"}}"), ["yaml-control-character"]);
    for fine in
        ["\u{feff}services: {a: {image: x}}\r\n", "services:\r\n  a:\r\n    image:\tx\r\n", "services: {ä: {}}\n"]
    {
        let codes = codes(fine);
        assert!(codes.is_empty() || codes == ["invalid-name"], "{fine:?}: {codes:?}");
    }
    let env = [("compose.yaml", ONE.as_bytes()), (".env", b"A=\xff\n".as_slice())];
    assert_eq!(codes_of(&env), ["unreadable-file"]);
    let with_nul = [("compose.yaml", ONE.as_bytes()), (".env", b"A=a\0b\n".as_slice())];
    assert_eq!(codes_of(&with_nul), ["unreadable-file"]);
}

#[test]
fn ways_out_of_what_was_sent() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.yaml"), "services: {a: {image: secret}}").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let sent = dir.path().join("sent");
    std::fs::create_dir(&sent).unwrap();
    std::os::unix::fs::symlink(outside.path(), sent.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.yaml"), sent.join("file")).unwrap();
    std::os::unix::fs::symlink("loop", sent.join("loop")).unwrap();
    let disk = Disk { within: Some(sent.clone()), ..Disk::default() };
    let absolute = outside.path().join("secret.yaml");
    let absolute = absolute.to_str().unwrap();
    for place in ["link/secret.yaml", "file", "../../../../../../../../etc/passwd", "/etc/passwd", absolute, "loop"] {
        for text in [
            format!("include: ['{place}']\n"),
            format!("services: {{a: {{extends: {{file: '{place}', service: a}}}}}}\n"),
            format!("services: {{a: {{image: x, env_file: '{place}'}}}}\n"),
            format!("services: {{a: {{image: x, label_file: '{place}'}}}}\n"),
            format!("include: [{{path: compose.yaml, env_file: '{place}'}}]\n"),
        ] {
            std::fs::write(sent.join("compose.yaml"), &text).unwrap();
            let codes = codes_in(&sent, &disk);
            assert!(
                codes == ["unreadable-file"] || codes == ["missing-file"] || codes == ["include-cycle"],
                "{text}: {codes:?}"
            );
        }
    }
}

#[test]
fn files_that_never_end_or_never_begin() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for place in ["fifo", "/dev/zero", "/dev/urandom"] {
        std::fs::write(dir.path().join("compose.yaml"), format!("services: {{a: {{image: x, env_file: {place}}}}}"))
            .unwrap();
        assert_eq!(codes_in(dir.path(), &Disk::default()), ["unreadable-file"], "{place}");
    }
}

#[test]
fn a_gigabyte_on_standard_input_is_not_read_to_its_end() {
    for line in ["a: b\n", "\0\0\0\0\0"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dokku-compose"))
            .args(["check", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let chunk = line.repeat(200_000);
        let mut sent = 0_u64;
        while sent < 1 << 30 && stdin.write_all(chunk.as_bytes()).is_ok() {
            sent += chunk.len() as u64;
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("larger than 16 MiB"), "{said}");
        assert!(sent < 100 << 20, "{sent} bytes were taken");
    }
}
