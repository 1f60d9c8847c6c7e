//! `X:report`: one app or all, as text, as JSON, or one value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};

/// How a plugin's report is shaped.
pub(super) struct Shape {
    /// The plugin, which also prefixes the flags: `--ports-map`.
    pub prefix: &'static str,
    /// Its word in the text form's header.
    pub title: &'static str,
    /// Whether the JSON has each key a second time with the prefix.
    pub legacy: bool,
}

/// What gives the values of an app's report.
pub(super) type Values<'a> = dyn Fn(&mut Ctx, &str) -> Answer<BTreeMap<String, Value>> + 'a;

/// Answers `X:report [APP|--global] [--format json|--FLAG]`.
pub(super) fn answer(ctx: &mut Ctx, shape: &Shape, words: &[String], values: &Values<'_>) -> Answer {
    let mut format = "stdout".to_owned();
    let mut flag = None;
    let mut names = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("format") => format = words.next().cloned().unwrap_or_default(),
            Some("global") => names.push("--global".to_owned()),
            Some(other) => match other.strip_prefix("format=") {
                Some(value) => format = value.to_owned(),
                None => flag = Some(other.to_owned()),
            },
            None => names.push(word.clone()),
        }
    }
    if !matches!(format.as_str(), "json" | "stdout") {
        return fail("Invalid format specified, supported formats: json, stdout");
    }
    if flag.is_some() && format == "json" {
        return fail("--format flag cannot be specified when specifying an info flag");
    }
    let apps = match names.as_slice() {
        [] => ctx.world.apps(),
        [one] if one == "--global" => vec![one.clone()],
        [app] => {
            ctx.need_app(app)?;
            vec![app.clone()]
        }
        [_, extra, ..] => return Err(Stop::Fail(1, format!("unexpected argument: {extra}"))),
    };
    if apps.is_empty() {
        ctx.warn("You haven't deployed any applications yet");
        return Ok(());
    }
    for app in apps {
        let values = values(ctx, &app)?;
        if let Some(flag) = &flag {
            let key = flag.strip_prefix(&format!("{}-", shape.prefix));
            let Some(value) = key.and_then(|key| values.get(key)).or_else(|| values.get(flag)) else {
                let flags: Vec<String> = values.keys().map(|key| format!("--{}-{key}", shape.prefix)).collect();
                return fail(format!("Invalid flag passed, valid flags: {}", flags.join(", ")));
            };
            ctx.line(value.as_str().unwrap_or_default());
        } else if format == "json" {
            let text = json(shape, values)?;
            ctx.line(&text);
        } else {
            text(ctx, shape, &app, &values);
        }
    }
    Ok(())
}

fn json(shape: &Shape, mut values: BTreeMap<String, Value>) -> Answer<String> {
    if shape.legacy {
        let twice: Vec<(String, Value)> = values
            .iter()
            .filter(|(_, value)| value.is_string())
            .map(|(key, value)| (format!("{}-{key}", shape.prefix), value.clone()))
            .collect();
        values.extend(twice);
    }
    serde_json::to_string(&values).map_err(|error| Stop::Fail(1, error.to_string()))
}

fn text(ctx: &mut Ctx, shape: &Shape, app: &str, values: &BTreeMap<String, Value>) {
    ctx.head(&format!("{app} {} information", shape.title));
    for (key, value) in values.iter().filter(|(_, value)| value.is_string()) {
        let mut words = format!("{}-{key}", shape.prefix).replace('-', " ");
        if let Some(first) = words.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        ctx.line(&format!("       {:<32}{}", format!("{words}:"), value.as_str().unwrap_or_default()));
    }
}

/// A map of strings.
pub(super) fn map<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
}

/// The values of a property that an app, the server and a default may set: `x`, `global-x`, `computed-x`.
pub(super) fn tiers(
    ctx: &Ctx,
    values: &mut BTreeMap<String, Value>,
    plugin: &str,
    app: &str,
    key: &str,
    default: &str,
) -> String {
    let own = ctx.world.property(plugin, app, key);
    let global = ctx.world.property(plugin, "--global", key);
    let computed =
        [&own, &global].into_iter().find(|value| !value.is_empty()).cloned().unwrap_or_else(|| default.to_owned());
    for (name, value) in
        [(key.to_owned(), &own), (format!("global-{key}"), &global), (format!("computed-{key}"), &computed)]
    {
        values.insert(name, Value::String(value.clone()));
    }
    computed
}

/// Answers `X:set APP|--global KEY [VALUE...]`; `valid` names the keys.
pub(super) fn set(ctx: &mut Ctx, plugin: &str, valid: &[&str], words: &[String]) -> Answer {
    let args = Args::parse(words, &["global"], true)?;
    let mut rest = args.rest().to_vec();
    if args.has("global") {
        rest.insert(0, "--global".to_owned());
    }
    let Some(app) = rest.first().cloned() else {
        return fail("Please specify an app to run the command on");
    };
    if app != "--global" {
        ctx.need_app(&app)?;
    }
    let Some(key) = rest.get(1).cloned() else { return fail("No property specified") };
    if !valid.contains(&key.as_str()) {
        return fail(if plugin == "checks" {
            format!("Invalid key specified, valid keys include: {}", valid.join(", "))
        } else {
            format!("Invalid property specified, valid properties include: {}", valid.join(", "))
        });
    }
    let value =
        if plugin == "network" && key.starts_with("attach-post") { rest[2..].join(",") } else { rest[2..].join(" ") };
    if plugin == "ps" && key == "restart-policy" && !value.is_empty() && !restart_policy(&value) {
        return fail("Invalid restart-policy specified");
    }
    let text = if value.is_empty() { format!("Unsetting {key}") } else { format!("Setting {key} to {value}") };
    ctx.head(&text);
    ctx.world.set_property(plugin, &app, &key, &value)?;
    Ok(())
}

fn restart_policy(value: &str) -> bool {
    match value.split_once(':') {
        None => matches!(value, "no" | "always" | "unless-stopped" | "on-failure"),
        Some((policy, count)) => policy == "on-failure" && count.parse::<u32>().is_ok(),
    }
}
