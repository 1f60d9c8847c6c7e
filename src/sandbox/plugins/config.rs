//! `config:*`: an app's variables, in `DOKKU_LIB_ROOT/config/APP/ENV`.

use std::collections::BTreeMap;
use std::io;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::deploy;
use super::super::world::{World, read_text, write_whole};

const FLAGS: &[&str] = &["no-restart", "encoded", "format=", "merged", "global", "quoted", "replace", "no-prefix"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    let verb = command.strip_prefix("config:").or((command == "config").then_some("show"))?;
    let lead_only = matches!(verb, "set");
    let run = |ctx: &mut Ctx, work: fn(&mut Ctx, &Args, &str) -> Answer| {
        let args = Args::parse(args, FLAGS, lead_only)?;
        let app = if args.has("global") { "--global".to_owned() } else { args.app()?.to_owned() };
        if app != "--global" {
            ctx.need_app(&app)?;
        }
        work(ctx, &args, &app)
    };
    Some(match verb {
        "set" => run(ctx, set),
        "import" => run(ctx, import),
        "unset" => run(ctx, unset),
        "clear" => run(ctx, clear),
        "get" => run(ctx, get),
        "export" => run(ctx, export),
        "show" => run(ctx, show),
        "keys" => run(ctx, |ctx, _, app| {
            for key in load(&ctx.world, app).keys() {
                ctx.line(key);
            }
            Ok(())
        }),
        "bundle" => fail("the sandbox has no config:bundle"),
        _ => return None,
    })
}

/// An app's variables.
pub(in crate::sandbox) fn load(world: &World, app: &str) -> BTreeMap<String, String> {
    let text = read_text(&path(world, app));
    let mut rest = text.as_str();
    let mut all = BTreeMap::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, c)) => value.push(c),
                    None => {}
                },
                c => value.push(c),
            }
        }
        all.insert(key.trim().to_owned(), value);
        rest = &after[end.min(after.len())..];
    }
    all
}

/// Writes an app's variables.
pub(in crate::sandbox) fn store(world: &World, app: &str, all: &BTreeMap<String, String>) -> io::Result<()> {
    let mut text = String::new();
    for (key, value) in all {
        text.push_str(&format!("{key}=\""));
        for c in value.chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\\' | '"' | '!' | '$' | '`' => text.extend(['\\', c]),
                c => text.push(c),
            }
        }
        text.push_str("\"\n");
    }
    write_whole(&path(world, app), text.as_bytes())
}

fn path(world: &World, app: &str) -> std::path::PathBuf {
    world.lib().join("config").join(app).join("ENV")
}

/// Sets variables without a word and without a restart.
pub(in crate::sandbox) fn put(world: &World, app: &str, pairs: &[(&str, &str)]) -> io::Result<()> {
    let mut all = load(world, app);
    all.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    store(world, app, &all)
}

fn valid_key(key: &str) -> Answer {
    let mut chars = key.chars();
    let fine = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine { Ok(()) } else { fail(format!("Invalid key name: '{key}'")) }
}

fn set(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let pairs = &args.rest()[usize::from(app != "--global")..];
    if pairs.is_empty() {
        return fail("At least one env pair must be given");
    }
    let mut values = Vec::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return fail(format!("Invalid env pair: {pair}"));
        };
        valid_key(key)?;
        let value = if args.has("encoded") { decoded(value)? } else { value.to_owned() };
        values.push((key.to_owned(), value));
    }
    write(ctx, app, values, args.has("no-restart"), false)
}

fn decoded(text: &str) -> Answer<String> {
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return fail(format!("{text} is not base64")),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
        }
    }
    String::from_utf8(bytes).map_err(|_| Stop::Fail(1, format!("{text} is not text in base64")))
}

fn write(ctx: &mut Ctx, app: &str, values: Vec<(String, String)>, no_restart: bool, replace: bool) -> Answer {
    ctx.step("Setting config vars");
    let mut all = if replace { BTreeMap::new() } else { load(&ctx.world, app) };
    let width = values.iter().map(|(key, _)| key.len() + 1).max().unwrap_or(0);
    for (key, value) in values {
        ctx.detail(&format!("{:<width$}  {value}", format!("{key}:")));
        all.insert(key, value);
    }
    store(&ctx.world, app, &all)?;
    restart(ctx, app, no_restart)
}

fn restart(ctx: &mut Ctx, app: &str, no_restart: bool) -> Answer {
    if no_restart || app == "--global" || !deploy::deployed(&ctx.world, app) {
        return Ok(());
    }
    ctx.step(&format!("Restarting app {app}"));
    ctx.merged = true;
    // Dokku takes a failed deploy here for a warning.
    if let Err(Stop::Fail(_, message)) = deploy::release_and_deploy(ctx, app) {
        ctx.warn(&message);
    }
    Ok(())
}

fn import(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let at = usize::from(app != "--global");
    let source = args.at(at, "a file to import")?.to_owned();
    let text = if source == "-" {
        ctx.step("Reading config vars from stdin");
        ctx.read_stdin()?
    } else {
        ctx.step(&format!("Reading config vars from {source}"));
        std::fs::read(&source)?
    };
    let text = String::from_utf8(text).map_err(|_| Stop::Fail(1, "The config is not UTF-8".to_owned()))?;
    let values = match args.value("format").unwrap_or("envfile") {
        "json" => from_json(&text)?,
        "envfile" => from_lines(&text)?,
        other => return fail(format!("Invalid format specified: {other}")),
    };
    if values.is_empty() {
        return fail("No config vars to set");
    }
    for (key, value) in &values {
        valid_key(key)?;
        ctx.step(&format!("Setting config var {key}={value}"));
    }
    write(ctx, app, values, args.has("no-restart"), args.has("replace"))
}

fn from_json(text: &str) -> Answer<Vec<(String, String)>> {
    let map: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| Stop::Fail(1, format!("Unable to parse JSON: {error}")))?;
    Ok(map.into_iter().collect())
}

fn from_lines(text: &str) -> Answer<Vec<(String, String)>> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((key, value)) = line.trim_start_matches("export ").split_once('=') else {
            return fail(format!("Invalid env line: {line}"));
        };
        let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        values.insert(key.trim().to_owned(), bare.unwrap_or(value).to_owned());
    }
    Ok(values.into_iter().collect())
}

fn unset(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let keys = &args.rest()[usize::from(app != "--global")..];
    if keys.is_empty() {
        return fail("At least one key must be given");
    }
    let mut all = load(&ctx.world, app);
    for key in keys {
        valid_key(key)?;
    }
    let mut changed = false;
    for key in keys {
        if all.remove(key).is_some() {
            ctx.step(&format!("Unsetting {key}"));
            changed = true;
        } else {
            ctx.step(&format!("Skipping {key}, it is not set in the environment"));
        }
    }
    store(&ctx.world, app, &all)?;
    restart(ctx, app, args.has("no-restart") || !changed)
}

fn clear(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    for key in load(&ctx.world, app).into_keys() {
        ctx.step(&format!("Unsetting {key}"));
    }
    store(&ctx.world, app, &BTreeMap::new())?;
    restart(ctx, app, args.has("no-restart"))
}

fn get(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let key = args.at(usize::from(app != "--global"), "a key to get")?;
    match load(&ctx.world, app).get(key) {
        Some(value) => {
            ctx.line(value);
            Ok(())
        }
        None => Err(Stop::Exit(1)),
    }
}

fn show(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let all = merged(ctx, args, app);
    ctx.head(&format!("{app} env vars"));
    let width = all.keys().map(|key| key.len() + 1).max().unwrap_or(0);
    for (key, value) in all {
        ctx.line(&format!("{:<width$}  {value}", format!("{key}:")));
    }
    Ok(())
}

fn merged(ctx: &Ctx, args: &Args, app: &str) -> BTreeMap<String, String> {
    let mut all = if args.has("merged") { load(&ctx.world, "--global") } else { BTreeMap::new() };
    all.extend(load(&ctx.world, app));
    all
}

fn export(ctx: &mut Ctx, args: &Args, app: &str) -> Answer {
    let all = merged(ctx, args, app);
    let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
    let text = match args.value("format").unwrap_or("exports") {
        "json" => serde_json::to_string(&all).map_err(|error| Stop::Fail(1, error.to_string()))?,
        "exports" => {
            all.iter().map(|(key, value)| format!("export {key}={}", quoted(value))).collect::<Vec<_>>().join("\n")
        }
        "envfile" => all.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect::<Vec<_>>().join("\n"),
        "shell" => all.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect::<Vec<_>>().join(" "),
        "docker-args-keys" => all.keys().map(|key| format!("--env={key}")).collect::<Vec<_>>().join(" "),
        other => return fail(format!("Unknown export format: {other}")),
    };
    if !text.is_empty() {
        ctx.line(&text);
    }
    Ok(())
}
