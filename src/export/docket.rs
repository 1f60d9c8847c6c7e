//! The stack as a recipe of [docket](https://github.com/dokku/docket), Dokku's own declarative tool: a play with the
//! inputs that hold secret values, and a task for each thing that Dokku can be told.
//!
//! A recipe is a template before it is YAML: values with braces become inputs too, and every text stands in double
//! quotes, which is what docket's filter for inputs escapes for.

use crate::hashed::IndexMap;
use serde_json::{Map, Value, json};

use super::commands;
use super::secrets::{Piece, Secrets, Vault, pieces};
use super::stack::{Origin, Stack, Unit};
use crate::docker::NetworkSpec;
use crate::observe::ObservedApp;

/// A recipe and the values that it reads from its vars file.
pub struct Recipe {
    /// The recipe.
    pub text: String,
    /// Values by the name of their input.
    pub values: IndexMap<String, String>,
}

/// Properties by plugin that docket has a task for.
const PROPERTIES: &[(&str, &str)] = &[
    ("app-json", "dokku_app_json_property"),
    ("builder", "dokku_builder_property"),
    ("builder-dockerfile", "dokku_builder_dockerfile_property"),
    ("logs", "dokku_logs_property"),
    ("network", "dokku_network_property"),
    ("proxy", "dokku_proxy_property"),
    ("ps", "dokku_ps_property"),
    ("scheduler-docker-local", "dokku_scheduler_docker_local_property"),
];

/// Names that are docket's own flags.
const RESERVED: &[&str] =
    &["host", "json", "play", "strict", "sudo", "tags", "tasks", "verbose", "help", "version", "v"];

/// Writes the recipe.
pub fn recipe(stack: &Stack, secrets: Secrets) -> Recipe {
    let mut writer = Writer { stack, vault: Vault::new(secrets, &stack.variables), tasks: String::new() };
    for spec in stack.networks_of_server() {
        writer.network(spec);
    }
    for name in &stack.external_networks {
        writer.note(&format!("the network {name} must be there"));
    }
    // A process type comes with its app.
    for unit in stack.units.values().filter(|unit| unit.process_of.is_none()) {
        match (&unit.datastore, &unit.app) {
            (Some((plugin, service)), _) => writer.datastore(unit, plugin, service),
            (None, Some(app)) => writer.app(unit, app),
            (None, None) => {
                let (word, name) = (unit.form.word(), &unit.resource);
                writer.note(&format!("{}: the {word} {name} is no app and docket has no task for it;", unit.name));
                writer.note("--format dokku writes the command");
            }
        }
    }
    let (tasks, values) = (writer.tasks, writer.vault.into_values());
    let mut text = format!("# Makes the apps of the stack {} with docket apply.\n---\n", stack.project);
    for note in &stack.notes {
        comment(&mut text, 0, note);
    }
    text.push_str(&format!("- name: {}\n", scalar(&json!(stack.project))));
    if !values.is_empty() {
        text.push_str("  inputs:\n");
        for name in values.keys() {
            text.push_str(&format!("    - {{ name: {}, required: true }}\n", scalar(&json!(name))));
        }
    }
    text.push_str(if tasks.is_empty() { "  tasks: []\n" } else { "  tasks:\n" });
    text.push_str(&tasks);
    Recipe { text, values }
}

/// The vars file. With `redact` it names the inputs only.
pub fn companion(values: &IndexMap<String, String>, redact: bool) -> String {
    let mut out = String::from("# Inputs of the recipe beside it. Keep it out of version control.\n");
    for (name, value) in values {
        out.push_str(&format!("{name}: {}\n", scalar(&json!(if redact { "" } else { value }))));
    }
    out
}

/// Comments are read by the template too, so no braces stay in them.
fn comment(out: &mut String, by: usize, text: &str) {
    for line in text.lines() {
        out.push_str(&format!("{:by$}# {}\n", "", line.replace("{{", "{ {")));
    }
}

/// A value as YAML takes it in double quotes: JSON, and what YAML does not take bare escaped.
fn scalar(value: &Value) -> String {
    let plain = |char: char| !matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    value
        .to_string()
        .chars()
        .map(|char| if plain(char) { char.to_string() } else { format!("\\u{:04x}", u32::from(char)) })
        .collect()
}

struct Writer<'a> {
    stack: &'a Stack,
    vault: Vault<'a>,
    tasks: String,
}

impl Writer<'_> {
    fn note(&mut self, text: &str) {
        comment(&mut self.tasks, 4, text);
    }

    fn task(&mut self, kind: &str, keys: Value) {
        self.tasks.push_str(&format!("    - {kind}:\n"));
        let Value::Object(keys) = keys else { return };
        self.map(&keys, 8);
    }

    fn map(&mut self, keys: &Map<String, Value>, by: usize) {
        for (key, value) in keys {
            let plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let shown = if plain { key.clone() } else { scalar(&json!(key)) };
            match value {
                Value::Object(inner) => {
                    self.tasks.push_str(&format!("{:by$}{shown}:\n", ""));
                    self.map(inner, by + 2);
                }
                other => {
                    let text = self.text(key, other);
                    self.tasks.push_str(&format!("{:by$}{shown}: {text}\n", ""));
                }
            }
        }
    }

    /// A value on one line; references become templates, inside the quotes.
    fn text(&mut self, key: &str, value: &Value) -> String {
        match value {
            Value::String(text) => {
                let open = |piece| matches!(piece, Piece::Text(text) if text.contains("{{"));
                let text = if pieces(text).any(open) { self.vault.reference("value", key, text) } else { text.clone() };
                let one = |piece| match piece {
                    Piece::Text(text) => scalar(&json!(text)).trim_matches('"').to_owned(),
                    Piece::Variable(name) => format!("{{{{ .{name} | dq }}}}"),
                };
                format!("\"{}\"", pieces(&text).map(one).collect::<String>())
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.text(key, item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(key, value)| format!("{key}: {}", self.text(key, value))).collect();
                format!("{{ {} }}", keys.join(", "))
            }
            other => other.to_string(),
        }
    }

    fn network(&mut self, spec: &NetworkSpec) {
        if !commands::plain_network(spec) {
            self.note(&format!("the network {} has settings that docket has no key for", spec.name));
        }
        self.task("dokku_network", json!({ "name": spec.name }));
    }

    fn datastore(&mut self, unit: &Unit, plugin: &str, service: &str) {
        let Origin::Image { image, .. } = &unit.origin else { return };
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let keys = json!({ "service": plugin, "name": service, "image": name, "image_version": tag });
        self.task("dokku_service_create", keys);
    }

    fn app(&mut self, unit: &Unit, now: &ObservedApp) {
        let app = unit.resource.as_str();
        for note in &unit.notes {
            self.note(note);
        }
        self.task("dokku_app", json!({ "app": app }));
        let mut config = Map::new();
        for (name, value) in commands::variables(self.stack, unit, now) {
            let value = self.value(&unit.name, &name, value.expose().unwrap_or_default());
            config.insert(name, value.into());
        }
        if !config.is_empty() {
            self.task("dokku_config", json!({ "app": app, "restart": false, "config": config }));
        }
        for store in self.stack.datastores(unit) {
            if let Some((plugin, service)) = &store.datastore {
                self.task("dokku_service_link", json!({ "app": app, "service": plugin, "name": service }));
            }
        }
        self.properties(app, now);
        self.options(unit, now);
        for mount in &now.mounts {
            let mut keys = json!({ "app": app, "host_dir": mount.source, "container_dir": mount.target });
            let words = mount.options.split(',').filter(|word| !word.is_empty() && *word != "ro");
            let rest = words.collect::<Vec<_>>().join(",");
            if mount.options.split(',').any(|word| word == "ro") {
                keys["readonly"] = true.into();
            }
            if !rest.is_empty() {
                keys["volume_options"] = rest.into();
            }
            self.task("dokku_storage_mount", keys);
        }
        for (task, kind) in [("dokku_resource_limit", "limit."), ("dokku_resource_reserve", "reserve.")] {
            let amounts = commands::amounts(now, kind);
            if !amounts.is_empty() {
                self.task(task, json!({ "app": app, "resources": amounts }));
            }
        }
        self.reach(unit, now);
        let scale = commands::scale(unit, now);
        if !scale.is_empty() {
            self.task("dokku_ps_scale", json!({ "app": app, "scale": scale, "skip_deploy": true }));
        }
        if unit.spec.networks.len() > 1 {
            let names: Vec<&str> = unit.spec.networks[1..].iter().map(|(name, _)| name.as_str()).collect();
            let keys = json!({ "app": app, "property": "attach-post-create", "value": names.join(",") });
            self.task("dokku_network_property", keys);
        }
        match &unit.origin {
            Origin::Image { image, .. } => {
                self.task("dokku_git_from_image", json!({ "app": app, "image": image }));
            }
            Origin::Build { .. } => {
                self.note(&format!("its source: git push dokku@HOST:{app}, which docket does not do"))
            }
        }
    }

    /// The text of a variable, or its input.
    fn value(&mut self, service: &str, name: &str, value: &str) -> String {
        if RESERVED.contains(&name) { value.to_owned() } else { self.vault.value(service, name, value) }
    }

    fn properties(&mut self, app: &str, now: &ObservedApp) {
        for (name, value) in &now.properties {
            let (plugin, property) = name.split_once('.').unwrap_or((name, ""));
            if name == "proxy.disabled" {
                let state = if value == "true" { "absent" } else { "present" };
                self.task("dokku_proxy_toggle", json!({ "app": app, "state": state }));
                continue;
            }
            match PROPERTIES.iter().find(|(known, _)| *known == plugin) {
                Some((_, task)) => self.task(task, json!({ "app": app, "property": property, "value": value })),
                None => self.note(&format!("docket has no task for {plugin}:set {app} {property}")),
            }
        }
        match now.checks.as_str() {
            "disabled" => self.task("dokku_checks_toggle", json!({ "app": app, "state": "absent" })),
            "skipped" => self.note(&format!("docket has no task for checks:skip {app}: Dokku waits ten seconds")),
            _ => {}
        }
    }

    fn options(&mut self, unit: &Unit, now: &ObservedApp) {
        let app = unit.resource.as_str();
        for (phase, options) in commands::options(now) {
            for option in options.iter().filter(|option| !commands::of_link(self.stack, unit, option)) {
                // The recipe holds no value, though docket itself gives it to Dokku in a command line.
                let text = match (commands::secret_option(option), option.split_once('=')) {
                    (true, Some((flag, pair))) if pair.contains('=') => {
                        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                        format!("{flag}={name}={}", self.value(&unit.name, name, value))
                    }
                    _ => match commands::stored(option) {
                        Ok(option) => option,
                        Err(error) => {
                            self.note(&error.to_string());
                            continue;
                        }
                    },
                };
                self.task("dokku_docker_options", json!({ "app": app, "phase": phase.name(), "option": text }));
            }
        }
    }

    fn reach(&mut self, unit: &Unit, now: &ObservedApp) {
        let app = unit.resource.as_str();
        let ports: Vec<Value> = now
            .ports
            .iter()
            .filter_map(|port| port.parse().ok())
            .map(|port: crate::dokku::ports::PortMap| {
                json!({ "scheme": port.scheme, "host": port.host, "container": port.container })
            })
            .collect();
        if !ports.is_empty() {
            self.task("dokku_ports", json!({ "app": app, "port_mappings": ports, "state": "set" }));
        }
        if !now.domains_enabled {
            self.task("dokku_domains_toggle", json!({ "app": app, "state": "absent" }));
        }
        let added = commands::added_domains(self.stack, unit, now);
        if !added.is_empty() {
            self.task("dokku_domains", json!({ "app": app, "domains": added }));
        }
    }
}
