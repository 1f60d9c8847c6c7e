//! The stack as a shell script of the `dokku` and `docker` commands that would make it on an empty server.
//!
//! No value that is secret stands in a command line: variables go to Dokku by standard input and to the engine by the
//! environment of its command. A shell's own `printf` is no process.

use std::collections::BTreeMap;

use super::commands;
use super::container;
use super::secrets::{Piece, Secrets, Vault, pieces};
use super::stack::{Form, Origin, Stack, Unit};
use crate::docker::{ImageBuildSpec, NetworkSpec, VolumeSpec};
use crate::hashed::IndexMap;
use crate::map::resources::Need;
use crate::observe::ObservedApp;
use crate::plan::raw::PROJECT_LABEL;

/// A script and the values that it reads from its companion.
pub struct Script {
    /// The script.
    pub text: String,
    /// Values by name.
    pub values: IndexMap<String, String>,
}

/// Functions of the script, each where it is used.
const FUNCTIONS: &[(&str, &str)] = &[
    (
        "config ",
        "# APP NAME VALUE...: variables, by standard input
config() {
  app=$1 sep='{'
  shift
  {
    while [ $# -gt 0 ]; do
      printf '%s\"%s\":' \"$sep\" \"$1\"
      printf '%s\\n' \"$2\" | sed -e 's/\\\\/\\\\\\\\/g' -e 's/\"/\\\\\"/g' -e \"s/$(printf '\\t')/\\\\\\\\t/g\" -e \"s/$(printf '\\r')/\\\\\\\\r/g\" |
        awk '{ printf \"%s%s\", (NR > 1 ? \"\\\\n\" : \"\\\"\"), $0 } END { printf \"\\\"\" }'
      sep=,
      shift 2
    done
    printf '}'
  } | dokku --quiet config:import --no-restart --format json \"$app\" -
}
",
    ),
    (
        "put ",
        "# FILE MODE TEXT: a file of the stack
put() {
  mkdir -p \"$(dirname \"$1\")\"
  (umask 077; printf '%s' \"$3\" >\"$1\")
  chmod \"$2\" \"$1\"
}
",
    ),
    (
        "source_of ",
        "# DIRECTORY: a source tree; what would hide files from the build stays behind
source_of() {
  tar -C \"$1\" --exclude=./.git --exclude=.gitignore --exclude=.gitattributes -cf - .
}
",
    ),
    (
        "healthy ",
        "# CONTAINER: waits until it is healthy, or runs where it has no check
healthy() {
  seconds=0
  until [ \"$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' \"$1\" |
    sed 's/running/healthy/')\" = healthy ]; do
    seconds=$((seconds + 1))
    [ \"$seconds\" -lt 300 ] || { echo \"$1 is not healthy\" >&2; exit 1; }
    sleep 1
  done
}
",
    ),
];

/// Writes the script. `contents` are the project's own files by their place; `name` is the companion's.
pub fn script(stack: &Stack, contents: &BTreeMap<String, Vec<u8>>, secrets: Secrets, name: &str) -> Script {
    let mut writer = Writer { stack, vault: Vault::new(secrets, &stack.variables), body: String::new() };
    for spec in stack.networks_of_server() {
        writer.network(spec);
    }
    for other in &stack.external_networks {
        writer.note(&format!("the network {other} must be there"));
    }
    for spec in &stack.volumes {
        writer.volume(spec);
    }
    for other in &stack.external_volumes {
        writer.note(&format!("the volume {other} must be there"));
    }
    writer.files(contents);
    // A process type comes with its app.
    for unit in stack.units.values().filter(|unit| unit.process_of.is_none()) {
        writer.unit(unit);
    }
    let body = writer.body;
    let values = writer.vault.into_values();
    let mut text =
        format!("#!/bin/sh\n# Makes the stack {} on a Dokku server where nothing of it is.\n", stack.project);
    for note in &stack.notes {
        comment(&mut text, note);
    }
    if stack.units.values().any(|unit| unit.gate.is_some()) {
        comment(&mut text, "Health options do not hold a deploy back where the dokku-compose plugin is not installed.");
    }
    text.push_str("set -eu\n");
    if body.contains("$here") || !values.is_empty() {
        text.push_str("here=$(cd \"$(dirname \"$0\")\" && pwd)\n");
    }
    if !values.is_empty() {
        text.push_str(&format!("# Secret values: NAME='...' each\n. \"${{ENV_FILE:-$here/{name}}}\"\n"));
        let names: Vec<String> = values.keys().map(|name| format!("\"${{{name}:?}}\"")).collect();
        text.push_str(&format!(": {}\n", names.join(" ")));
    }
    for (call, function) in FUNCTIONS {
        if body.lines().any(|line| line.trim_start().starts_with(call)) {
            text.push_str(&format!("\n{function}"));
        }
    }
    text.push_str(&body);
    Script { text, values }
}

/// The companion, as a shell reads it. With `redact` it names the values only.
pub fn companion(values: &IndexMap<String, String>, redact: bool) -> String {
    let mut out = String::from("# Values of the script beside it. Keep it out of version control.\n");
    for (name, value) in values {
        out.push_str(&format!("{name}={}\n", if redact { String::new() } else { word(value) }));
    }
    out
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        out.push_str(&format!("# {line}\n"));
    }
}

/// A word of the shell.
fn word(text: &str) -> String {
    let plain =
        !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A word with variables in it.
fn mixed(text: &str) -> String {
    let one = |piece| match piece {
        Piece::Text(text) => word(text),
        Piece::Variable(name) => format!("\"${name}\""),
    };
    let out: String = pieces(text).map(one).collect();
    if out.is_empty() { "''".to_owned() } else { out }
}

struct Writer<'a> {
    stack: &'a Stack,
    vault: Vault<'a>,
    body: String,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.body.push_str(line);
        self.body.push('\n');
    }

    fn note(&mut self, text: &str) {
        comment(&mut self.body, text);
    }

    fn docker(&mut self, command: &str, words: &[String]) {
        let words: Vec<String> = words.iter().map(|text| word(text)).collect();
        self.line(&format!("docker {command} {}", words.join(" ")));
    }

    fn network(&mut self, spec: &NetworkSpec) {
        self.line("");
        if commands::plain_network(spec) {
            self.line(&format!("dokku network:create {}", word(&spec.name)));
            return;
        }
        let mut words = Vec::new();
        let mut put = |flag: &str, value: &str| {
            if !value.is_empty() {
                words.push(format!("{flag}={value}"));
            }
        };
        put("--driver", &spec.driver);
        spec.options.iter().for_each(|(name, value)| put("--opt", &format!("{name}={value}")));
        put("--internal", if spec.internal { "true" } else { "" });
        put("--attachable", if spec.attachable { "true" } else { "" });
        put("--ipv6", if spec.ipv6 { "true" } else { "" });
        put("--ipam-driver", &spec.ipam_driver);
        spec.ipam_options.iter().for_each(|(name, value)| put("--ipam-opt", &format!("{name}={value}")));
        for pool in &spec.ipam {
            put("--subnet", &pool.subnet);
            put("--gateway", &pool.gateway);
            put("--ip-range", &pool.ip_range);
            pool.aux_addresses.iter().for_each(|(name, value)| put("--aux-address", &format!("{name}={value}")));
        }
        for (name, value) in spec.labels.iter().filter(|(name, _)| *name != PROJECT_LABEL) {
            put("--label", &format!("{name}={value}"));
        }
        words.push(spec.name.clone());
        self.docker("network create", &words);
    }

    fn volume(&mut self, spec: &VolumeSpec) {
        // The data of a datastore service is the plugin's.
        if self.stack.units.values().any(|unit| unit.datastore.is_some() && mounts(unit, &spec.name)) {
            return;
        }
        let mut words = Vec::new();
        if !spec.driver.is_empty() {
            words.push(format!("--driver={}", spec.driver));
        }
        words.extend(spec.options.iter().map(|(name, value)| format!("--opt={name}={value}")));
        let labels = spec.labels.iter().filter(|(name, _)| *name != PROJECT_LABEL);
        words.extend(labels.map(|(name, value)| format!("--label={name}={value}")));
        words.push(spec.name.clone());
        self.docker("volume create", &words);
    }

    /// Files that the plugin keeps for the project: secrets, configs, variables that Dokku would change.
    fn files(&mut self, contents: &BTreeMap<String, Vec<u8>>) {
        for (place, bytes) in contents {
            let base = place.rsplit('/').next().unwrap_or(place);
            let mode = base.rsplit_once('-').map_or("0600", |(_, mode)| mode);
            let mode = if mode.bytes().all(|byte| byte.is_ascii_digit()) { mode } else { "0600" };
            let name = base.rsplit_once('-').map_or(base, |(name, _)| name);
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    let open = place.contains("/configs/") || text.is_empty();
                    let text = if open { text.to_owned() } else { self.vault.always("file", name, text) };
                    let line = format!("put {} {mode} {}", word(place), mixed(&text));
                    self.line(&line);
                }
                Err(_) => self.note(&format!("put {place} in place: it is no text")),
            }
        }
    }

    fn unit(&mut self, unit: &Unit) {
        self.line("");
        self.note(&format!("{}: {} {}", unit.name, unit.form.word(), unit.resource));
        for note in &unit.notes {
            self.note(note);
        }
        for (other, need) in &unit.needs {
            let Some(other) = self.stack.units.get(other) else { continue };
            if *need == Need::Healthy && other.datastore.is_none() {
                let container = match other.form {
                    Form::App => format!("{}.web.1", other.resource),
                    Form::Container | Form::Job => other.resource.clone(),
                };
                self.line(&format!("healthy {}", word(&container)));
            }
        }
        match (&unit.datastore, &unit.app) {
            (Some((plugin, service)), _) => self.datastore(unit, plugin, service),
            (None, Some(app)) => self.app(unit, app),
            (None, None) => self.container(unit),
        }
    }

    fn datastore(&mut self, unit: &Unit, plugin: &str, service: &str) {
        let Origin::Image { image, .. } = &unit.origin else { return };
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        self.note(&format!("its data: dokku {plugin}:export {service}, then {plugin}:import"));
        self.line(&format!(
            "dokku {plugin}:create {} --image {} --image-version {}",
            word(service),
            word(name),
            word(tag)
        ));
    }

    fn app(&mut self, unit: &Unit, now: &ObservedApp) {
        let app = word(&unit.resource);
        self.line(&format!("dokku apps:create {app}"));
        let mut words = vec![format!("config {app}")];
        for (name, value) in commands::variables(self.stack, unit, now) {
            let text = value.expose().unwrap_or_default();
            if text.contains(|char: char| char.is_control() && !"\t\r\n".contains(char)) {
                self.note(&format!("the variable {name} holds bytes that no line can: set it yourself"));
                continue;
            }
            words.push(name.clone());
            words.push(mixed(&self.vault.value(&unit.name, &name, text)));
        }
        if words.len() > 1 {
            self.line(&words.join(" "));
        }
        for store in self.stack.datastores(unit) {
            if let Some((plugin, service)) = &store.datastore {
                self.line(&format!("dokku {plugin}:link {} {app} --no-restart", word(service)));
            }
        }
        let mut notes = Vec::new();
        let calls = commands::settings(self.stack, unit, now, &mut notes);
        for mount in now.mounts.iter().filter(|mount| mount.source.starts_with('/')) {
            let own = super::files::is_own_path(self.stack, &mount.source);
            if !own {
                self.note(&format!("the data in {} is to be put there", mount.source));
            }
        }
        notes.iter().for_each(|note| self.note(note));
        for call in calls {
            self.line(&call.to_string());
        }
        if let Some((_, further)) = unit.spec.networks.split_first()
            && !further.is_empty()
        {
            let names: Vec<String> = further.iter().map(|(name, _)| word(name)).collect();
            self.note("joined by the plugin so far, under the service's name too, which Dokku cannot say");
            self.line(&format!("dokku network:set {app} attach-post-create {}", names.join(" ")));
        }
        match &unit.origin {
            Origin::Image { image, .. } => self.line(&format!("dokku git:from-image {app} {}", word(image))),
            Origin::Build { build, .. } => self.send(&app, build),
        }
    }

    /// A path beside the script, or where it is.
    fn place(path: &std::path::Path) -> String {
        match path.strip_prefix(".") {
            Ok(inside) => format!("\"$here\"/{}", word(&inside.to_string_lossy())),
            Err(_) => word(&path.to_string_lossy()),
        }
    }

    fn send(&mut self, app: &str, build: &ImageBuildSpec) {
        let context = Self::place(&build.context);
        let receive = format!("dokku git:from-archive --archive-type tar {app} --");
        let Some(text) = &build.dockerfile_inline else {
            return self.line(&format!("source_of {context} | {receive}"));
        };
        self.line("tree=$(mktemp -d)");
        self.line(&format!("cp -R {context}/. \"$tree\""));
        self.line(&format!("printf '%s' {} >\"$tree\"/Dockerfile", word(text)));
        self.line(&format!("source_of \"$tree\" | {receive}"));
        self.line("rm -rf \"$tree\"");
    }

    fn container(&mut self, unit: &Unit) {
        let container::Words { options, command, variables, networks } = container::words(&unit.spec);
        let image = match &unit.origin {
            Origin::Image { image, .. } => image.clone(),
            Origin::Build { build, .. } => {
                self.build(unit, build);
                build.tag.clone()
            }
        };
        let mut words: Vec<String> = options.iter().map(|option| word(option)).collect();
        let mut exports = Vec::new();
        for (name, value) in &variables {
            let text = self.vault.value(&unit.name, name, value.expose().unwrap_or_default());
            // The docker command would heed these itself.
            let heeded = name.starts_with("DOCKER_") || ["PATH", "HOME", "TMPDIR"].contains(&name.as_str());
            if exportable(name) && !heeded {
                exports.push(format!("{name}={}", mixed(&text)));
                words.push(format!("--env={name}"));
            } else if pieces(&text).all(|piece| matches!(piece, Piece::Text(_))) {
                words.push(word(&format!("--env={name}={text}")));
            } else {
                self.note(&format!("the variable {name} is secret and cannot be given: set it yourself"));
            }
        }
        words.push(word(&image));
        let command = self.vault.words(&unit.name, &command);
        if command.iter().flat_map(|text| pieces(text)).any(|piece| matches!(piece, Piece::Variable(_))) {
            self.note("a secret value is an argument of the next command, as of what it starts");
        }
        words.extend(command.iter().map(|text| mixed(text)));
        let export = if exports.is_empty() { String::new() } else { format!("export {}; ", exports.join(" ")) };
        self.line(&format!("({export}docker create {})", words.join(" ")));
        for (network, at) in networks {
            let mut words: Vec<String> = at.aliases.iter().map(|alias| format!("--alias={alias}")).collect();
            words.extend([network, unit.spec.name.clone()]);
            self.docker("network connect", &words);
        }
        if unit.form == Form::Job {
            self.docker("start --attach", std::slice::from_ref(&unit.spec.name));
        } else {
            self.docker("start", std::slice::from_ref(&unit.spec.name));
        }
        if let Some(more) = unit.scale.filter(|scale| *scale != 1) {
            self.note(&format!("there are {more} of it: repeat this with other names"));
        }
    }

    fn build(&mut self, unit: &Unit, build: &ImageBuildSpec) {
        let mut words = vec![format!("--tag={}", word(&build.tag))];
        words.extend(build.options.iter().map(|option| word(option)));
        let mut exports = Vec::new();
        for (name, value) in &build.args {
            let text = self.vault.value(&unit.name, name, value.expose().unwrap_or_default());
            exports.push(format!("{name}={}", mixed(&text)));
            words.push(format!("--build-arg={}", word(name)));
        }
        let context = Self::place(&build.context);
        let mut input = String::new();
        if let Some(text) = &build.dockerfile_inline {
            input = format!("printf '%s' {} | ", word(text));
            words.push("--file=-".into());
        } else if !build.dockerfile.as_os_str().is_empty() {
            words.push(format!("--file={context}/{}", word(&build.dockerfile.to_string_lossy())));
        }
        let export = if exports.is_empty() { String::new() } else { format!("export {}; ", exports.join(" ")) };
        self.line(&format!("({export}{input}docker build {} {context})", words.join(" ")));
    }
}

fn mounts(unit: &Unit, volume: &str) -> bool {
    unit.spec.mounts.iter().any(|mount| mount.source == volume)
}

/// Whether a shell can export a variable of this name.
fn exportable(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}
