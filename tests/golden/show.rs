//! A plan as text: rows, then every operation with all that it carries.

use std::fmt::Write;

use dokku_compose::apply::by_hand::title;
use dokku_compose::map::resources::FileContent;
use dokku_compose::plan::{Action, Plan};
use dokku_compose::ui::plan::summary;
use serde_json::Value;

/// Rows, operations and cleanup; the same plan gives the same text.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    for row in &plan.rows {
        let class = row.class.map(|class| format!("[{}] ", class.word())).unwrap_or_default();
        line(&mut out, &format!("{} {} | {} | {class}{} | {}", row.symbol, row.name, row.what, row.detail, row.at));
    }
    line(&mut out, &format!("= {}", summary(plan)));
    for op in &plan.ops {
        let service = if op.service.is_empty() { "(project)" } else { &op.service };
        let needs: Vec<String> = op.needs.iter().map(ToString::to_string).collect();
        let after = if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(",")) };
        line(&mut out, "");
        line(&mut out, &format!("[{}]{after} {service}: {}", op.id, title(&op.action)));
        line(&mut out, &format!("    {}; {:?}; {}", op.cause, op.class, op.at).to_string());
        for detail in details(&op.action) {
            line(&mut out, &format!("    | {detail}"));
        }
        for undo in &op.undo {
            line(&mut out, &format!("    undo {}", title(undo)));
            for detail in details(undo) {
                line(&mut out, &format!("         | {detail}"));
            }
        }
    }
    for action in &plan.cleanup {
        line(&mut out, &format!("cleanup {}", title(action)));
    }
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{}", text.trim_end().trim_end_matches(';').trim_end()).unwrap();
}

/// What the title of an action does not say.
fn details(action: &Action) -> Vec<String> {
    match action {
        Action::ConfigSet { values, .. } => {
            values.iter().map(|(name, value)| format!("{name}={:?}", value.expose().unwrap())).collect()
        }
        Action::OptionsAdd { options, .. } => {
            options.iter().filter(|option| option.starts_with("--env=")).map(ToString::to_string).collect()
        }
        Action::HooksWrite { hooks, .. } => fields(hooks, &[]),
        Action::FilesDeliver { tree } => {
            let mut out = vec![format!("mirror {}, mode {:o}, digest {}", tree.mirror, tree.mode, tree.digest)];
            out.push(match &tree.content {
                FileContent::Path { path } => format!("from {}", path.display()),
                FileContent::Inline { text } => format!("text {:?}", text.expose().unwrap()),
                FileContent::Empty => "an empty directory".into(),
            });
            out
        }
        Action::Deploy { source, .. } => fields(source, &[]),
        Action::NetworkCreate { spec } => fields(spec, &[]),
        Action::VolumeCreate { spec } => fields(spec, &[]),
        Action::ImageBuild { spec } => {
            let args = spec.args.iter().map(|(name, value)| format!("arg {name}={:?}", value.expose().unwrap()));
            fields(spec, &["args"]).into_iter().chain(args).collect()
        }
        Action::ContainerRun { spec } | Action::JobRun { spec, .. } => {
            let variables =
                spec.environment.iter().map(|(name, value)| format!("env {name}={:?}", value.expose().unwrap()));
            fields(spec, &["environment", "name", "image"]).into_iter().chain(variables).collect()
        }
        Action::Await { gate, .. } => fields(gate, &[]),
        Action::Scale { deploy: true, .. } => vec!["deploys".into()],
        Action::ReleaseKeep { release, .. } | Action::ReleaseRestore { release, .. } => fields(release, &[]),
        _ => Vec::new(),
    }
}

/// One line a field that says something.
fn fields(value: &impl serde::Serialize, without: &[&str]) -> Vec<String> {
    let value = serde_json::to_value(value).unwrap();
    let all = value.as_object().unwrap().iter();
    all.filter(|(key, value)| !without.contains(&key.as_str()) && !says_nothing(value))
        .map(|(key, value)| format!("{key}: {}", brief(value)))
        .collect()
}

fn brief(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !says_nothing(value))
            .map(|(key, value)| (key.clone(), brief(value)))
            .collect(),
        Value::Array(items) => items.iter().map(brief).collect(),
        other => other.clone(),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}
