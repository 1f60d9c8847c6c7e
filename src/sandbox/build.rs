//! Reads a Dockerfile as far as a played build needs it: what it begins from, exposes, runs and fails at.

use std::collections::BTreeMap;
use std::path::Path;

use crate::docker::ImageFacts;

use super::engine::container::exit_of;
use super::engine::state::{Image, State};
use super::images;
use super::world::{World, digest};

/// A build's failure in the builder's words.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line.
    pub message: String,
    /// The step that failed and its number, where one did.
    pub step: Option<(usize, String, i64)>,
}

fn failure<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { message: message.into(), step: None })
}

/// The stage that is built.
#[derive(Debug, Default)]
pub(super) struct Dockerfile {
    /// The image or earlier stage that it begins from; empty: `scratch`.
    pub base: String,
    /// Its instructions after `FROM`.
    steps: Vec<(String, String)>,
    /// Images that other stages, or copies, need.
    needs: Vec<String>,
    text: String,
}

#[derive(Default)]
struct Stage {
    name: String,
    base: String,
    steps: Vec<(String, String)>,
}

impl Dockerfile {
    /// Reads the text; `args` are build arguments, `target` the stage (the last one without).
    pub fn parse(text: &str, args: &BTreeMap<String, String>, target: Option<&str>) -> Result<Self, Failure> {
        let mut values = args.clone();
        let mut stages: Vec<Stage> = Vec::new();
        let joined = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
            .replace("\\\n", " ");
        for line in joined.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
            match word.as_str() {
                "FROM" => {
                    let words: Vec<String> = rest
                        .split_whitespace()
                        .filter(|word| !word.starts_with("--"))
                        .map(|word| substitute(word, &values))
                        .collect();
                    let name = if words.len() == 3 { words[2].to_ascii_lowercase() } else { String::new() };
                    let Some(base) = words.first() else {
                        return failure("dockerfile parse error: FROM requires either one or three arguments");
                    };
                    stages.push(Stage { name, base: base.clone(), steps: Vec::new() });
                }
                "ARG" => {
                    let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
                    values.entry(name.to_owned()).or_insert_with(|| value.trim_matches('"').to_owned());
                }
                "RUN" | "CMD" | "LABEL" | "MAINTAINER" | "EXPOSE" | "ENV" | "ADD" | "COPY" | "ENTRYPOINT"
                | "VOLUME" | "USER" | "WORKDIR" | "ONBUILD" | "STOPSIGNAL" | "HEALTHCHECK" | "SHELL" => {
                    match stages.last_mut() {
                        Some(stage) => stage.steps.push((word, substitute(rest, &values))),
                        None => return failure("dockerfile parse error: no build stage in current context"),
                    }
                }
                // The body of a here-document.
                _ if joined.contains("<<") => {}
                _ => return failure(format!("dockerfile parse error: unknown instruction: {word}")),
            }
        }
        let wanted = match target.filter(|target| !target.is_empty()) {
            None => stages.len().checked_sub(1),
            Some(target) => stages.iter().position(|stage| stage.name == target.to_ascii_lowercase()),
        };
        let Some(at) = wanted else {
            return failure(match target {
                Some(target) => format!("failed to solve: target stage \"{target}\" could not be found"),
                None => "failed to solve: the Dockerfile cannot be empty".to_owned(),
            });
        };
        let mut needs = Vec::new();
        let mut steps = std::mem::take(&mut stages[at].steps);
        let mut base = stages[at].base.clone();
        // A stage that begins from an earlier one has its steps too.
        while let Some(earlier) =
            stages[..at].iter().position(|stage| !stage.name.is_empty() && stage.name == base.to_ascii_lowercase())
        {
            let mut before = std::mem::take(&mut stages[earlier].steps);
            before.append(&mut steps);
            steps = before;
            let next = stages[earlier].base.clone();
            if next == base {
                break;
            }
            base = next;
        }
        for stage in &stages[..at] {
            if !stages.iter().any(|other| !other.name.is_empty() && other.name == stage.base.to_ascii_lowercase()) {
                needs.push(stage.base.clone());
            }
        }
        Ok(Self { base, steps, needs, text: text.to_owned() })
    }

    /// The lines of the steps that make a layer, for the builder's output.
    pub fn layers(&self) -> Vec<String> {
        self.steps
            .iter()
            .filter(|(word, _)| matches!(word.as_str(), "RUN" | "COPY" | "ADD" | "WORKDIR"))
            .map(|(word, rest)| format!("{word} {rest}"))
            .collect()
    }

    /// Builds: brings the images, runs the steps. The id depends on text, base and context alone.
    pub fn build(&self, state: &mut State, world: &World, context: &str) -> Result<Image, Failure> {
        let mut image = Image::default();
        for need in self.needs.iter().chain([&self.base]).filter(|need| *need != "scratch") {
            if state.image(need).is_none()
                && let Err(error) = state.pull(world, need)
            {
                let why = error.to_string().replace("Error response from daemon: ", "");
                let long = images::long(need);
                return failure(format!(
                    "failed to build: failed to solve: {need}: failed to resolve source metadata for {long}: {why}"
                ));
            }
        }
        if let Some(base) = state.image(&self.base) {
            image = base.clone();
            image.facts.tags.clear();
            image.facts.digests.clear();
        }
        let base_id = std::mem::take(&mut image.facts.id);
        let mut layer = 0;
        for (word, rest) in &self.steps {
            if matches!(word.as_str(), "RUN" | "COPY" | "ADD" | "WORKDIR") {
                layer += 1;
            }
            if word == "RUN"
                && let Some(code) =
                    exit_of(&rest.split_whitespace().collect::<Vec<_>>()).or_else(|| exit_of(&["sh", "-c", rest]))
                && code != 0
            {
                let message = format!(
                    "failed to build: failed to solve: executor failed running [/bin/sh -c {rest}]: exit code: {code}"
                );
                return Err(Failure { message, step: Some((layer, format!("RUN {rest}"), code)) });
            }
            apply(&mut image.facts, word, rest);
            if matches!(word.as_str(), "CMD" | "ENTRYPOINT") {
                image.programs.clear();
                image.log.clear();
            }
        }
        image.facts.id = format!("sha256:{}", digest(format!("{}\n{base_id}\n{context}", self.text).as_bytes()));
        Ok(image)
    }
}

fn apply(facts: &mut ImageFacts, word: &str, rest: &str) {
    let listed = |rest: &str| -> Vec<String> {
        serde_json::from_str(rest).unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()])
    };
    let plain = |rest: &str| -> Vec<String> {
        serde_json::from_str(rest).unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect())
    };
    match word {
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                if !facts.exposed.contains(&port) {
                    facts.exposed.push(port);
                }
            }
        }
        "VOLUME" => facts.volumes.extend(plain(rest)),
        "CMD" => facts.command = listed(rest),
        "ENTRYPOINT" => {
            facts.entrypoint = listed(rest);
            facts.command.clear();
        }
        "USER" => facts.user = rest.to_owned(),
        "WORKDIR" => facts.working_dir = rest.to_owned(),
        "HEALTHCHECK" => facts.healthcheck = !rest.eq_ignore_ascii_case("none"),
        "ENV" => {
            if let Some((name, value)) = rest.split_once(['=', ' ']) {
                facts.environment.push(format!("{name}={}", value.trim_matches('"')));
            }
        }
        "LABEL" => {
            for pair in super::words::shell(rest).unwrap_or_default() {
                if let Some((key, value)) = pair.split_once('=') {
                    facts.labels.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        _ => {}
    }
}

/// `$NAME`, `${NAME}` and `${NAME:-default}`; what is not a build argument stays.
fn substitute(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, default, taken) =
            match after.strip_prefix('{').and_then(|inner| inner.find('}').map(|end| (&inner[..end], end + 2))) {
                Some((inner, taken)) => {
                    let (name, default) =
                        inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
                    (name, default, taken)
                }
                None => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    (&after[..end], None, end)
                }
            };
        match values.get(name).map(String::as_str).filter(|value| !value.is_empty()).or(default) {
            Some(value) => out.push_str(value),
            None => out.push_str(&rest[at..=at + taken]),
        }
        rest = &after[taken..];
    }
    out + rest
}

/// A digest of all files below a directory: names and content.
pub(super) fn tree_digest(directory: &Path) -> String {
    fn walk(directory: &Path, prefix: &str, all: &mut String) {
        let mut paths: Vec<_> =
            std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| !path.ends_with(".git")) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, &format!("{prefix}{name}/"), all);
            } else {
                let content = std::fs::read(&path).unwrap_or_default();
                all.push_str(&format!("{prefix}{name} {}\n", digest(&content)));
            }
        }
    }
    let mut all = String::new();
    walk(directory, "", &mut all);
    digest(all.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text, &BTreeMap::from([("V".to_owned(), "16".to_owned())]), None).unwrap()
    }

    #[test]
    fn the_last_stage_is_built_with_the_steps_of_those_it_begins_from() {
        let file =
            parse("ARG V=15\nFROM postgres:${V} AS base\nEXPOSE 80\nFROM node:20 AS tools\nFROM base\nCMD [\"a\"]\n");
        assert_eq!(file.base, "postgres:16");
        assert_eq!(file.steps.len(), 2);
        assert_eq!(file.needs, ["postgres:16", "node:20"]);
    }

    #[test]
    fn unknown_instructions_and_targets_fail() {
        assert!(Dockerfile::parse("FROM a\nFORM b\n", &BTreeMap::new(), None).is_err());
        assert!(Dockerfile::parse("FROM a AS b\n", &BTreeMap::new(), Some("c")).is_err());
        assert!(Dockerfile::parse("", &BTreeMap::new(), None).is_err());
    }

    #[test]
    fn what_is_not_an_argument_stays() {
        let values = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(substitute("$A ${A}x ${B:-2} $PATH ${HOME}/b", &values), "1 1x 2 $PATH ${HOME}/b");
    }
}
