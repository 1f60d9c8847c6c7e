//! Plugins that are properties and a report: builder, app-json, scheduler, logs and their like.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::ctx::{Answer, Ctx};
use super::report::{self, Shape, tiers};

/// One plugin: name, whether its JSON has each key twice, its settable keys with their defaults.
struct Plugin {
    name: &'static str,
    legacy: bool,
    keys: &'static [(&'static str, &'static str)],
}

const PLUGINS: &[Plugin] = &[
    Plugin { name: "builder", legacy: true, keys: &[("build-dir", ""), ("selected", ""), ("skip-cleanup", "false")] },
    Plugin { name: "builder-dockerfile", legacy: true, keys: &[("dockerfile-path", "Dockerfile")] },
    Plugin { name: "app-json", legacy: true, keys: &[("appjson-path", "app.json")] },
    Plugin { name: "scheduler", legacy: true, keys: &[("selected", "docker-local"), ("shell", "")] },
    Plugin {
        name: "scheduler-docker-local",
        legacy: true,
        keys: &[("init-process", "true"), ("parallel-schedule-count", "")],
    },
    Plugin {
        name: "logs",
        legacy: true,
        keys: &[
            ("app-label-alias", "com.dokku.app-name"),
            ("max-size", "10m"),
            ("vector-image", ""),
            ("vector-networks", ""),
            ("vector-sink", ""),
        ],
    },
    Plugin {
        name: "registry",
        legacy: true,
        keys: &[
            ("image-repo", ""),
            ("image-repo-template", ""),
            ("push-extra-tags", ""),
            ("push-on-release", "false"),
            ("server", ""),
        ],
    },
];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    let (name, verb) = command.split_once(':')?;
    let plugin = PLUGINS.iter().find(|plugin| plugin.name == name)?;
    let valid: Vec<&str> = plugin.keys.iter().map(|(key, _)| *key).collect();
    match verb {
        "set" => Some(report::set(ctx, plugin.name, &valid, args)),
        "report" => {
            let shape = Shape { prefix: plugin.name, title: plugin.name, legacy: plugin.legacy };
            Some(report::answer(ctx, &shape, args, &|ctx, app| Ok(values(ctx, plugin, app))))
        }
        _ => None,
    }
}

fn values(ctx: &Ctx, plugin: &Plugin, app: &str) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, default) in plugin.keys {
        tiers(ctx, &mut values, plugin.name, app, key, default);
    }
    if plugin.name == "builder" {
        values.insert("detected".to_owned(), Value::String(ctx.world.property("builder", app, "detected")));
    }
    values
}
