//! Process types, cron tasks and health checks of an app that was made by hand: what its source says beside the image.

use std::collections::BTreeMap;

use serde_json::Value;

use super::stack::{Form, Unit};
use crate::docker::HealthSpec;
use crate::map::gate_of;
use crate::map::resources::Gate;
use crate::model::Service;

/// What Dokku keeps of an app's source.
#[derive(Clone, Debug, Default)]
pub struct SourceFiles {
    /// Commands by process type, of the `Procfile`.
    pub commands: BTreeMap<String, String>,
    /// `app.json`.
    pub app_json: Value,
}

impl SourceFiles {
    /// Reads both; what cannot be read says nothing.
    pub fn read(procfile: &str, app_json: &str) -> Self {
        Self { commands: commands(procfile), app_json: serde_json::from_str(app_json).unwrap_or_default() }
    }
}

/// The lines `NAME: COMMAND` of a Procfile; text behind ` #` or ` //` is a comment (procfile-util).
fn commands(procfile: &str) -> BTreeMap<String, String> {
    let of = |line: &str| {
        let line = line.split(" #").next().unwrap_or(line);
        let line = line.split(" //").next().unwrap_or(line).trim();
        let (name, command) = line.split_once(':').filter(|_| !line.starts_with('#'))?;
        let plain = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        (!name.is_empty() && name.chars().all(plain)).then(|| (name.to_owned(), command.trim().to_owned()))
    };
    procfile.lines().filter_map(of).collect()
}

/// Completes `web`, the service of an app, by what its source says, and adds a service for each further process type,
/// which `scale` counts.
pub fn complete(mut web: Unit, files: &SourceFiles, scale: &BTreeMap<String, u32>) -> Vec<Unit> {
    cron(&mut web, &files.app_json);
    health(&mut web, &files.app_json);
    // Release commands run once a deploy.
    let others = scale.iter().filter(|(process, _)| !matches!(process.as_str(), "web" | "release"));
    let others: BTreeMap<String, u32> = others.map(|(process, count)| (process.clone(), *count)).collect();
    if let Some(release) = files.commands.get("release") {
        web.notes.push(format!("Dokku runs before each deploy, docker compose does not: {release}"));
    }
    let mut out = Vec::new();
    for (process, count) in &others {
        let mut unit = Unit {
            name: format!("{}-{process}", web.name),
            scale: (*count != 1).then_some(*count),
            process_of: Some(web.name.clone()),
            app: None,
            form: Form::App,
            ..web.clone()
        };
        unit.ports.clear();
        unit.dokku = super::stack::DokkuOnly { options: web.dokku.options.clone(), ..Default::default() };
        unit.spec.health = None;
        unit.gate = None;
        unit.notes =
            vec![format!("the process type {process} of {}: an import makes an app of its own of it", web.name)];
        command(&mut unit, process, files);
        out.push(unit);
    }
    command(&mut web, "web", files);
    web.processes = others;
    out.insert(0, web);
    out
}

/// The command of a process type, unless the app's own setting says another for all of them.
fn command(unit: &mut Unit, process: &str, files: &SourceFiles) {
    if unit.spec.command.is_some() {
        return;
    }
    let Some(line) = files.commands.get(process) else {
        if process != "web" {
            unit.notes.push("no Procfile names its command: it runs the image's own".into());
        }
        return;
    };
    if unit.buildpack {
        unit.spec.command = Some(vec!["/start".into(), process.to_owned()]);
        return;
    }
    // Dokku puts the values of the app's variables into the line before the container is made.
    let shell = line.contains(['$', '|', '&', ';', '<', '>', '(', '`', '*', '?']);
    unit.spec.command = match crate::dokku::command_words(line).filter(|_| !shell) {
        Some(words) => Some(words),
        None => Some(vec!["sh".into(), "-c".into(), format!("exec {line}")]),
    };
}

fn cron(unit: &mut Unit, app_json: &Value) {
    let text = |task: &Value, key: &str| task[key].as_str().map(str::to_owned);
    let tasks = app_json["cron"].as_array().into_iter().flatten();
    unit.dokku.cron.extend(tasks.filter_map(|task| Some((text(task, "schedule")?, text(task, "command")?))));
}

/// Health checks of the web process: a command is the engine's too; an uptime is a setting of the gate; a request from
/// outside has no key.
fn health(unit: &mut Unit, app_json: &Value) {
    for check in app_json["healthchecks"]["web"].as_array().into_iter().flatten() {
        let name = check["name"].as_str().or(check["path"].as_str()).unwrap_or("unnamed");
        let seconds =
            |key: &str, otherwise: i64| check[key].as_i64().unwrap_or(otherwise).saturating_mul(1_000_000_000);
        let words: Option<Vec<String>> = check["command"]
            .as_array()
            .map(|all| all.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect());
        if let Some(uptime) = check["uptime"].as_u64() {
            unit.gate = Some(Gate { settle: uptime, ..gate_of(&Service::default()) });
        } else if let (Some(words), None) = (words.filter(|words| !words.is_empty()), &unit.spec.health) {
            let test = std::iter::once("CMD".to_owned()).chain(words).collect();
            unit.spec.health = Some(HealthSpec {
                test,
                interval: seconds("wait", 5),
                timeout: seconds("timeout", 5),
                start_period: seconds("initialDelay", 0),
                retries: check["attempts"].as_i64().unwrap_or(3),
                ..HealthSpec::default()
            });
        } else {
            let what = check["path"].as_str().map_or_else(String::new, |path| format!(" of {path}"));
            unit.notes.push(format!(
                "the health check {name}{what} is asked by Dokku from outside (app.json): docker compose starts it unchecked"
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn web() -> Unit {
        Unit { name: "one".into(), resource: "one".into(), ..Unit::default() }
    }

    #[test]
    fn a_procfile_is_read_as_dokku_reads_it() {
        let read = commands(
            "web: ./serve --port 5000 # the site\n# worker: no\n\nworker:  ./work 'a b'\nbad name: x\nurl: http://x\n",
        );
        assert_eq!(read.len(), 3, "{read:?}");
        assert_eq!((read["web"].as_str(), read["worker"].as_str()), ("./serve --port 5000", "./work 'a b'"));
        assert_eq!(read["url"], "http://x");
    }

    #[test]
    fn process_types_are_services_with_their_own_commands() {
        let files =
            SourceFiles::read("web: ./serve\nworker: ./work 'a b'\nclock: ./tick $RATE\nrelease: ./migrate\n", "");
        let scale = [("web", 1), ("worker", 3), ("clock", 1), ("extra", 1), ("release", 1)];
        let scale = scale.map(|(name, count)| (name.to_owned(), count)).into();
        let units = complete(web(), &files, &scale);
        let of = |name: &str| units.iter().find(|unit| unit.name == name).unwrap();
        assert_eq!(units.len(), 4);
        assert_eq!(of("one").spec.command.as_ref().unwrap(), &["./serve"]);
        assert!(of("one").notes[0].ends_with("docker compose does not: ./migrate"));
        assert_eq!(of("one-worker").spec.command.as_ref().unwrap(), &["./work", "a b"]);
        assert_eq!((of("one-worker").scale, of("one-clock").scale), (Some(3), None));
        assert_eq!(of("one-clock").spec.command.as_ref().unwrap(), &["sh", "-c", "exec ./tick $RATE"]);
        assert_eq!(of("one-extra").spec.command, None);
        assert!(of("one-extra").notes[1].contains("no Procfile names its command"));
    }

    #[test]
    fn cron_and_checks_are_kept_as_far_as_they_have_keys() {
        let json = r#"{"cron": [{"command": "./nightly", "schedule": "0 3 * * *"}, {"command": "half"}],
            "healthchecks": {"web": [{"type": "startup", "uptime": 7}, {"command": ["./ok", "now"], "attempts": 2, "timeout": 1},
            {"name": "page", "path": "/health"}]}}"#;
        let units = complete(web(), &SourceFiles::read("", json), &BTreeMap::new());
        let unit = &units[0];
        assert_eq!(unit.dokku.cron, [("0 3 * * *".to_owned(), "./nightly".to_owned())]);
        assert_eq!(unit.gate.as_ref().unwrap().settle, 7);
        let health = unit.spec.health.as_ref().unwrap();
        assert_eq!(
            (health.test.as_slice(), health.retries, health.timeout),
            (["CMD", "./ok", "now"].map(str::to_owned).as_slice(), 2, 1_000_000_000)
        );
        assert!(unit.notes[0].contains("page of /health is asked by Dokku from outside"), "{:?}", unit.notes);
        assert!(complete(web(), &SourceFiles::read("", "no json"), &BTreeMap::new())[0].notes.is_empty());
    }
}
