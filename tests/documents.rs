//! What the documents show is what the program prints: every `console` block is run, in the order of the document, in
//! one sandbox. Times and dates are the only differences allowed.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// `$ dokku-compose ARGS` and what is printed after it.
struct Block {
    command: String,
    output: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut out = Vec::new();
    for part in text.split("```console\n").skip(1) {
        let body = part.split("\n```").next().unwrap();
        let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
        let command = first.strip_prefix("$ ").expect("a console block begins with `$ `");
        out.push(Block { command: command.to_owned(), output: rest.trim_end().to_owned() });
    }
    out
}

/// Durations and times of day become words.
fn plain(text: &str) -> String {
    text.lines()
        .map(|line| {
            let line = match line.find(", imported ") {
                Some(at) => format!("{}, imported TIME", &line[..at]),
                None => line.to_owned(),
            };
            match line.rsplit_once(" in ") {
                Some((head, tail)) if tail.ends_with(" s") => format!("{head} in N s"),
                _ => line,
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn run(command: &str, world: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("dokku-compose"), "{command}");
    let args: Vec<String> = words.map(|word| word.replace("WORLD", world.to_str().unwrap())).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_dokku-compose"))
        .args(args)
        .current_dir(root)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap().trim_end().to_owned()
}

fn shows_what_is_printed(document: &str) {
    let world = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    let blocks = blocks(&text);
    assert!(!blocks.is_empty(), "{document} shows nothing");
    for block in blocks {
        let printed = run(&block.command, world.path());
        assert_eq!(plain(&printed), plain(&block.output), "{document}: $ {}", block.command);
    }
}

#[test]
fn readme() {
    shows_what_is_printed("README.md");
}

#[test]
fn transaction() {
    shows_what_is_printed("docs/transaction.md");
}

#[test]
fn export() {
    shows_what_is_printed("docs/export.md");
}

#[test]
fn check() {
    shows_what_is_printed("docs/check.md");
}

#[test]
fn every_diagnostic_code_of_the_source_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = std::fs::read_to_string(root.join("docs/diagnostics.md")).unwrap();
    let mut missing = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                missing.extend(codes(text).into_iter().filter(|code| !documented.contains(&format!("`{code}`"))));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "not in docs/diagnostics.md: {missing:?}");
}

/// What `cargo doc` shows of the model leads to the text that it implements.
#[test]
fn every_type_of_the_model_names_its_section_of_the_specification() {
    let names_a_section = |text: &str| text.contains("Specification: ") && text.contains(".md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model");
    let (mut seen, mut missing) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut documentation = String::new();
        for line in text.lines() {
            if line.starts_with("///") {
                documentation.push_str(line);
            } else if ["pub struct ", "pub enum ", "pub type "].iter().any(|kind| line.starts_with(kind)) {
                seen += 1;
                if !names_a_section(&documentation) {
                    missing.push(format!("{}: {line}", path.display()));
                }
            }
            if !line.starts_with("///") && !line.starts_with("#[") {
                documentation.clear();
            }
        }
    }
    assert!(seen > 40, "only {seen} types were found");
    assert!(missing.is_empty(), "without `Specification: SECTION.md`: {missing:#?}");
}

/// String literals that are the first argument of a diagnostic's constructor.
fn codes(text: &str) -> Vec<String> {
    let compact: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    for start in ["Diagnostic::error(", "Diagnostic::warning(", "Diagnostic::note(", "ctx.error("] {
        for part in compact.split(start).skip(1) {
            let part = part.trim_start();
            if let Some(code) = part.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                out.push(code.to_owned());
            }
        }
    }
    out
}
