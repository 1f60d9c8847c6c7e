//! What is fuzzed: each target takes any bytes and panics where a promise is broken. `tests/fuzz` replays the kept
//! inputs through the same functions.

#![allow(dead_code, reason = "each fuzz program uses one of them")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use dokku_compose::compose::interpolate::Interpolator;
use dokku_compose::compose::{
    FileKind, Files, Format, Loaded, Request, config_json, dotenv, load, render_config, template,
};
use dokku_compose::diag::{self, Diagnostic, Diagnostics, Severity, Sources, Span};
use dokku_compose::yaml::{self, Kind, Limits, Node};

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// The targets by the names of their folders.
pub const ALL: [(&str, Target); 6] = [
    ("yaml", yaml),
    ("interpolation", interpolation),
    ("dotenv", dotenv),
    ("ports", ports),
    ("volumes", volumes),
    ("loader", loader),
];

/// Bytes to trees: every place is in the text, every finding can be drawn, what is emitted can be read.
pub fn yaml(input: &[u8]) {
    let Ok(text) = yaml::decode(input) else { return };
    let mut sources = Sources::default();
    let file = sources.add("input.yaml", text);
    match yaml::load(text, file, &Limits::default()) {
        Ok(documents) => {
            for document in &documents {
                check_tree(text, document);
                if let Ok(written) = yaml::emit::emit_node(document) {
                    let again = yaml::load(&written, file, &Limits::default());
                    assert!(again.is_ok(), "{again:?}\n{written}");
                }
            }
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            assert!(findings.iter().all(|finding| !finding.labels.is_empty()), "{findings:?}");
            check_findings(&findings, &sources);
        }
    }
}

/// A template by itself and in a tree: what holds no `$` stays as it is, problems lie in the text.
pub fn interpolation(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let expanded = template::expand(text, &variable, &mut |problem| {
        let (template::Problem::Unset { place, .. }
        | template::Problem::Required { place, .. }
        | template::Problem::Invalid { place }
        | template::Problem::TooLong { place }
        | template::Problem::TooDeep { place }) = problem;
        assert!(text.get(place.clone()).is_some(), "{place:?} in {text:?}");
    });
    assert!(template::is_template(text) || expanded == text);
    let doubled = text.replace('$', "$$");
    let kept = template::expand(&doubled, &variable, &mut |problem| panic!("{problem:?} in {doubled:?}"));
    assert_eq!(kept, text);

    let mut sources = Sources::default();
    let file = sources.add("input.yaml", text);
    for mut document in yaml::load(text, file, &Limits::default()).unwrap_or_default() {
        let mut findings = Diagnostics::default();
        Interpolator::new(&variable).with_sources(&sources).run(&mut document, &mut findings);
        check_findings(&findings.items, &sources);
    }
}

/// Both formats of env files: names are names, findings lie in the text.
pub fn dotenv(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut sources = Sources::default();
    let file = sources.add(".env", text);
    for (variables, findings) in [dotenv::parse(text, file, &variable), dotenv::parse_raw(text, file, &variable)] {
        check_findings(&findings, &sources);
        for name in variables.keys() {
            assert!(!name.is_empty() && !name.contains(['\n', '=']), "{name:?}");
        }
    }
}

/// Each line a port in short form.
pub fn ports(input: &[u8]) {
    short_forms(input, "ports");
}

/// Each line a mount in short form.
pub fn volumes(input: &[u8]) {
    short_forms(input, "volumes");
}

/// A project of several files; a line `#=== NAME` starts another one, the first is `compose.yaml`.
pub fn loader(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut files = Memory::default();
    let mut name = "compose.yaml";
    let mut start = 0;
    for (at, line) in lines(text) {
        if let Some(next) = line.strip_prefix("#=== ") {
            files.add(name, &text[start..at]);
            (name, start) = (next.trim(), at + line.len());
        }
    }
    files.add(name, &text[start..]);
    loads_and_prints(&files);
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some((*at - line.len(), line))
    })
}

fn short_forms(input: &[u8], key: &str) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let items: Vec<String> =
        text.lines().map(|line| format!("      - {}\n", serde_json::Value::from(line.replace('$', "$$")))).collect();
    let compose = format!("services:\n  web:\n    image: web\n    {key}:\n{}", items.concat());
    let mut files = Memory::default();
    files.add("compose.yaml", &compose);
    loads_and_prints(&files);
}

/// Loads the project. One that is sound is printed and loads again to what it was; one that is not has an error.
fn loads_and_prints(files: &Memory) {
    let mut request = Request::new("/shop");
    request.project_name = Some("shop".to_owned());
    request.check_consistency = false;
    let loaded = load(&request, files);
    check_findings(&loaded.diagnostics.items, &loaded.sources);
    let Some(project) = &loaded.project else {
        assert!(loaded.diagnostics.has_errors());
        return;
    };
    render_config(project, Format::Json).expect("a project is written as JSON");
    let printed = config_json(project);
    if has_dollar_in_a_key(&printed) {
        // It is doubled in print, as by the reference, and no key is interpolated when it is read.
        return;
    }
    if project
        .services
        .values()
        .filter_map(|one| one.build.as_ref())
        .any(|build| build.context.as_deref().unwrap_or_default().is_empty())
    {
        // `build: ""` is printed without a context, as by the reference, and a build without one has the project's directory.
        return;
    }
    request.files = vec![PathBuf::from("-")];
    request.stdin = Some(render_config(project, Format::Yaml).expect("a project is written as YAML"));
    let again = load(&request, files);
    let Some(second) = &again.project else {
        // Printed are mappings, which take fewer names than the lists that they may have been, as with the reference.
        let errors = again.diagnostics.items.iter().filter(|item| item.severity == Severity::Error);
        let names = errors.filter(|item| item.code != "invalid-name").count() == 0;
        assert!(names, "its own YAML is refused: {}", drawn(&again));
        return;
    };
    assert_eq!(config_json(second), printed, "{}", request.stdin.unwrap_or_default());
}

fn has_dollar_in_a_key(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(has_dollar_in_a_key),
        serde_json::Value::Object(map) => {
            map.iter().any(|(key, value)| key.contains('$') || has_dollar_in_a_key(value))
        }
        _ => false,
    }
}

fn drawn(loaded: &Loaded) -> String {
    let errors = loaded.diagnostics.items.iter().filter(|item| item.severity == Severity::Error);
    let drawn: Vec<String> = errors.map(|item| diag::render(item, &loaded.sources, diag::Style::default())).collect();
    drawn.join("\n")
}

fn variable(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "DOLLAR" => Some("$SET ${SET}".to_owned()),
        _ => None,
    }
}

fn check_tree(text: &str, node: &Node) {
    check_span(text, node.span);
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::Seq(items) => items.iter().for_each(|item| check_tree(text, item)),
        Kind::Map(map) => {
            for entry in map.entries.values() {
                check_span(text, entry.key);
                check_tree(text, &entry.value);
            }
        }
    }
}

fn check_span(text: &str, span: Span) {
    assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} in {text:?}");
}

/// Every place of a finding is in its file, and the finding can be drawn.
fn check_findings(findings: &[Diagnostic], sources: &Sources) {
    for finding in findings {
        let drawn = diag::render(finding, sources, diag::Style::default());
        for (index, label) in finding.labels.iter().enumerate() {
            let source = sources.get(label.span.file).expect("a finding's file is known");
            check_span(&source.text, label.span);
            assert!(index > 0 || drawn.contains(&format!("{}:", source.name)), "{drawn}");
        }
    }
}

/// Files of a directory `/shop`.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    fn add(&mut self, name: &str, text: &str) {
        self.0.insert(Path::new("/shop").join(name), text.to_owned());
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.0.contains_key(path) {
            return Some(FileKind::File);
        }
        self.0.keys().any(|file| file.starts_with(path)).then_some(FileKind::Dir)
    }
}
