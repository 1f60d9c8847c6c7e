//! `storage:*`: entries of the server, attachments of apps.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha1::sha1;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::world::{World, names, remove_dir, remove_file, write_whole};
use super::report::{self, Shape};

mod sha1;

/// A named place of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    scheduler: String,
    host_path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    chown: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mode: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reclaim_policy: String,
    schema_version: u32,
}

/// An entry mounted in an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sandbox) struct Attachment {
    entry: String,
    container_path: String,
    phases: Vec<String>,
    process: String,
    subpath: String,
    readonly: bool,
    options: String,
    chown: String,
}

const MOUNT: &[&str] = &[
    "container-dir=",
    "phase=",
    "process-type=",
    "volume-readonly",
    "volume-options=",
    "volume-subpath=",
    "volume-chown=",
];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "storage:create" => create(ctx, args),
        "storage:mount" => mount(ctx, args),
        "storage:unmount" => unmount(ctx, args),
        "storage:destroy" => destroy(ctx, args),
        "storage:list" => list(ctx, args),
        "storage:list-entries" => list_entries(ctx, args),
        "storage:info" => info(ctx, args),
        "storage:exists" => exists(ctx, args),
        "storage:ensure-directory" => ensure_directory(ctx, args),
        "storage" | "storage:report" if args.iter().any(|word| word == "--global") => {
            let all: Vec<Value> = entries(&ctx.world)
                .iter()
                .map(|entry| json!({"entry": entry, "mounted_by": users(&ctx.world, &entry.name)}))
                .collect();
            ctx.line(&Value::Array(all).to_string());
            Ok(())
        }
        "storage" | "storage:report" => {
            let shape = Shape { prefix: "storage", title: "storage", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let mut values = report::map([
                    ("build-mounts", flags(&ctx.world, app, "build").join(" ")),
                    ("deploy-mounts", flags(&ctx.world, app, "deploy").join(" ")),
                    ("run-mounts", flags(&ctx.world, app, "run").join(" ")),
                ]);
                for (index, one) in attachments(&ctx.world, app).iter().enumerate() {
                    for (key, value) in [
                        ("container-path", one.container_path.clone()),
                        ("entry-name", one.entry.clone()),
                        ("host-path", host_path(&ctx.world, &one.entry)),
                        ("phases", one.phases.join(",")),
                        ("process-type", one.process.clone()),
                        ("readonly", one.readonly.to_string()),
                        ("subpath", one.subpath.clone()),
                        ("volume-chown", one.chown.clone()),
                        ("volume-options", one.options.clone()),
                    ] {
                        values.insert(format!("attachment.{}.{key}", index + 1), Value::String(value));
                    }
                }
                Ok(values)
            })
        }
        _ => return None,
    })
}

fn registry(world: &World) -> std::path::PathBuf {
    world.lib().join("data/storage-registry/entries")
}

fn entry(world: &World, name: &str) -> Option<Entry> {
    serde_json::from_slice(&fs::read(registry(world).join(format!("{name}.json"))).ok()?).ok()
}

fn put_entry(world: &World, entry: &Entry) -> Answer {
    let text = serde_json::to_vec_pretty(entry).map_err(std::io::Error::from)?;
    write_whole(&registry(world).join(format!("{}.json", entry.name)), &text)?;
    Ok(())
}

fn entries(world: &World) -> Vec<Entry> {
    names(&registry(world)).iter().filter_map(|name| entry(world, name.strip_suffix(".json")?)).collect()
}

fn host_path(world: &World, name: &str) -> String {
    entry(world, name).map(|entry| entry.host_path).unwrap_or_default()
}

fn attachments(world: &World, app: &str) -> Vec<Attachment> {
    world.list("storage", app, "mounts").iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn put_attachments(world: &World, app: &str, all: &[Attachment]) -> Answer {
    let lines: Vec<String> = all.iter().filter_map(|one| serde_json::to_string(one).ok()).collect();
    world.set_list("storage", app, "mounts", &lines)?;
    Ok(())
}

fn users(world: &World, name: &str) -> Vec<String> {
    world.apps().into_iter().filter(|app| attachments(world, app).iter().any(|one| one.entry == name)).collect()
}

/// `HOST:CONTAINER[:OPTIONS]` of each mount of a phase, sorted.
pub(in crate::sandbox) fn mounts(world: &World, app: &str, phase: &str) -> Vec<String> {
    let mut all: Vec<String> = attachments(world, app)
        .iter()
        .filter(|one| one.phases.iter().any(|name| name == phase))
        .map(|one| {
            let mut options: Vec<&str> = if one.readonly { vec!["ro"] } else { Vec::new() };
            options.extend(one.options.split(',').filter(|option| !option.is_empty()));
            let suffix = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
            format!("{}:{}{suffix}", host_path(world, &one.entry), one.container_path)
        })
        .collect();
    all.sort();
    all
}

fn flags(world: &World, app: &str, phase: &str) -> Vec<String> {
    mounts(world, app, phase).iter().map(|mount| format!("-v {mount}")).collect()
}

/// Makes a directory as the user dokku could: below Dokku's own directories or in the temporary one.
fn make_dir(world: &World, path: &str) -> Result<bool, String> {
    if Path::new(path).is_dir() {
        return Ok(false);
    }
    let own = Path::new(path).starts_with(world.root()) || Path::new(path).starts_with(std::env::temp_dir());
    if !own {
        return Err(format!("mkdir {path}: permission denied"));
    }
    fs::create_dir_all(path).map(|()| true).map_err(|error| format!("mkdir {path}: {error}"))
}

fn create(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["chown=", "mode=", "reclaim-policy=", "scheduler="], false)?;
    let name = args.at(0, "a storage entry name")?.to_owned();
    let label = name.len() <= 45
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.is_empty();
    if !label {
        return fail(format!(
            "storage entry name \"{name}\" must be a DNS-1123 label (lowercase letters, digits, and dashes; cannot start or end with a dash)"
        ));
    }
    if name.starts_with("legacy-") {
        return fail(format!("storage entry name \"{name}\" uses the reserved prefix \"legacy-\""));
    }
    let default = ctx.world.lib().join("data/storage").join(&name).display().to_string();
    let known = entry(&ctx.world, &name);
    let path = match (args.rest().get(1), &known) {
        (Some(path), _) => path.clone(),
        (None, Some(entry)) => entry.host_path.clone(),
        (None, None) => default.clone(),
    };
    let chown = args.value("chown").unwrap_or_default().to_owned();
    let number = chown.parse::<u16>().is_ok();
    if !number && !matches!(chown.as_str(), "" | "false" | "herokuish" | "heroku" | "paketo" | "root") {
        return fail(format!("Unsupported chown permissions: {chown}"));
    }
    if path.starts_with('/') {
        match make_dir(&ctx.world, &path) {
            Ok(true) => ctx.detail(&format!("Created {path}")),
            Ok(false) if known.is_none() && !Path::new(&path).is_dir() => {}
            Ok(false) => {}
            Err(why) => return fail(format!("unable to create {path}: {why}")),
        }
        if path != default && (!chown.is_empty() && chown != "false" || args.value("mode").is_some()) {
            return fail("--chown and --mode may only be used with the default storage location");
        }
    }
    if known.is_some() {
        ctx.step(&format!("Storage entry {name} already exists, leaving in place"));
    }
    put_entry(
        &ctx.world,
        &Entry {
            name: name.clone(),
            scheduler: args.value("scheduler").unwrap_or("docker-local").to_owned(),
            host_path: path,
            chown,
            mode: args.value("mode").unwrap_or_default().to_owned(),
            reclaim_policy: args.value("reclaim-policy").unwrap_or_default().to_owned(),
            schema_version: 1,
        },
    )?;
    ctx.step(&format!("Storage entry {name} created"));
    Ok(())
}

/// The entry and attachment that `HOST:CONTAINER[:OPTIONS]` stands for.
fn legacy(path: &str) -> Answer<(Entry, Attachment)> {
    let parts: Vec<&str> = path.split(':').collect();
    let [host, container, options @ ..] = parts.as_slice() else {
        return fail("Storage path must be two valid paths divided by colon.");
    };
    let valid_host = host.starts_with('/')
        || (host.len() > 1
            && host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
    if !valid_host || !container.starts_with('/') || options.len() > 1 {
        return fail("Storage path must be two valid paths divided by colon.");
    }
    let entry = Entry {
        name: format!("legacy-{}", &sha1(host.as_bytes())[..10]),
        scheduler: "docker-local".to_owned(),
        host_path: (*host).to_owned(),
        chown: String::new(),
        mode: String::new(),
        reclaim_policy: String::new(),
        schema_version: 1,
    };
    let options: Vec<&str> = options.iter().flat_map(|options| options.split(',')).collect();
    let attachment = Attachment {
        entry: entry.name.clone(),
        container_path: (*container).to_owned(),
        phases: vec!["deploy".to_owned(), "run".to_owned()],
        process: "_default_".to_owned(),
        subpath: String::new(),
        readonly: options.contains(&"ro"),
        options: options.iter().filter(|option| **option != "ro").copied().collect::<Vec<_>>().join(","),
        chown: String::new(),
    };
    Ok((entry, attachment))
}

fn mount(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, MOUNT, false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let what = args.at(1, "a storage entry or path")?.to_owned();
    let mut all = attachments(&ctx.world, &app);
    if what.contains(':') {
        let (entry, attachment) = legacy(&what)?;
        let same = |one: &Attachment| one.entry == attachment.entry && one.container_path == attachment.container_path;
        if all.iter().any(same) {
            return fail("Mount path already exists.");
        }
        put_entry(&ctx.world, &entry)?;
        all.push(attachment);
        return put_attachments(&ctx.world, &app, &all);
    }
    if entry(&ctx.world, &what).is_none() {
        return fail(format!("storage entry \"{what}\" does not exist"));
    }
    let Some(container) = args.value("container-dir").filter(|path| path.starts_with('/')) else {
        return fail("--container-dir must be specified as an absolute path");
    };
    let phases: Vec<String> = match args.values("phase").as_slice() {
        [] => vec!["deploy".to_owned(), "run".to_owned()],
        given => given.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect(),
    };
    if phases.iter().any(|phase| !matches!(phase.as_str(), "deploy" | "run")) {
        return fail("--phase must be one of deploy, run");
    }
    let attachment = Attachment {
        entry: what.clone(),
        container_path: container.to_owned(),
        phases,
        process: args.value("process-type").unwrap_or("_default_").to_owned(),
        subpath: args.value("volume-subpath").unwrap_or_default().to_owned(),
        readonly: args.has("volume-readonly"),
        options: args.value("volume-options").unwrap_or_default().to_owned(),
        chown: args.value("volume-chown").unwrap_or_default().to_owned(),
    };
    let message = match all.iter_mut().find(|one| one.entry == what && one.container_path == container) {
        Some(one) => {
            *one = attachment;
            format!("Storage entry {what} mount at {container} on {app} updated")
        }
        None => {
            let message = format!("Storage entry {what} mounted at {container} on {app}");
            all.push(attachment);
            message
        }
    };
    put_attachments(&ctx.world, &app, &all)?;
    ctx.step(&message);
    Ok(())
}

fn unmount(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, MOUNT, false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let what = args.at(1, "a storage entry or path")?.to_owned();
    let mut all = attachments(&ctx.world, &app);
    let before = all.len();
    if what.contains(':') {
        let (entry, attachment) = legacy(&what)?;
        all.retain(|one| one.entry != entry.name || one.container_path != attachment.container_path);
        if all.len() == before {
            return fail("Mount path does not exist.");
        }
    } else {
        let at = args.value("container-dir");
        all.retain(|one| one.entry != what || at.is_some_and(|at| at != one.container_path));
        if all.len() == before {
            return fail(format!("storage entry \"{what}\" is not mounted on {app}"));
        }
        ctx.step(&format!("Storage entry {what} unmounted from {app}"));
    }
    put_attachments(&ctx.world, &app, &all)
}

fn destroy(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["destroy-host-dir"], false)?;
    let name = args.at(0, "a storage entry name")?.to_owned();
    let Some(entry) = entry(&ctx.world, &name) else {
        return fail(format!("storage entry \"{name}\" does not exist"));
    };
    let users = users(&ctx.world, &name);
    if !users.is_empty() {
        return fail(format!("storage entry \"{name}\" is still mounted by app(s): {}", users.join(", ")));
    }
    super::apps::confirm(ctx, &format!("This command will destroy storage entry {name}."), &name)?;
    if args.has("destroy-host-dir") && entry.host_path.starts_with('/') {
        remove_dir(Path::new(&entry.host_path))?;
        ctx.detail(&format!("Removed {}", entry.host_path));
    }
    remove_file(&registry(&ctx.world).join(format!("{name}.json")))?;
    ctx.step(&format!("Storage entry {name} destroyed"));
    Ok(())
}

fn list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["format="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    if args.value("format") != Some("json") {
        ctx.line(&format!("{app} volume bind-mounts:"));
        for mount in mounts(&ctx.world, &app, "deploy") {
            ctx.detail(&mount);
        }
        return Ok(());
    }
    let mut all: Vec<Attachment> = attachments(&ctx.world, &app)
        .into_iter()
        .filter(|one| one.phases.iter().any(|phase| phase == "deploy"))
        .collect();
    all.sort_by_key(|one| (host_path(&ctx.world, &one.entry), one.container_path.clone()));
    let shown: Vec<Value> = all
        .iter()
        .map(|one| {
            let mut value = json!({"entry_name": one.entry, "host_path": host_path(&ctx.world, &one.entry), "container_path": one.container_path});
            if one.readonly {
                value["readonly"] = Value::Bool(true);
            }
            if !one.options.is_empty() {
                value["volume_options"] = Value::String(one.options.clone());
            }
            value
        })
        .collect();
    ctx.line(&Value::Array(shown).to_string());
    Ok(())
}

fn list_entries(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["format="], false)?;
    let all = entries(&ctx.world);
    if args.value("format") == Some("json") {
        let text = serde_json::to_string_pretty(&all).map_err(|error| Stop::Fail(1, error.to_string()))?;
        ctx.line(&text);
    } else {
        ctx.head("Storage entries");
        for entry in all {
            ctx.line(&format!("{} {}", entry.name, entry.host_path));
        }
    }
    Ok(())
}

fn info(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["format="], false)?;
    let name = args.at(0, "a storage entry name")?;
    let Some(entry) = entry(&ctx.world, name) else {
        return fail(format!("storage entry \"{name}\" does not exist"));
    };
    let text = serde_json::to_string_pretty(&entry).map_err(|error| Stop::Fail(1, error.to_string()))?;
    ctx.line(&text);
    Ok(())
}

fn exists(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &[], false)?;
    let name = args.at(0, "a storage entry name")?;
    if entry(&ctx.world, name).is_some() { Ok(()) } else { fail(format!("storage entry \"{name}\" does not exist")) }
}

fn ensure_directory(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["chown="], false)?;
    let name = args.at(0, "a directory")?.to_owned();
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return fail("Directory can only contain the following set of characters: [A-Za-z0-9_-]");
    }
    ctx.warn("Deprecated: please use 'storage:create' instead of 'storage:ensure-directory'");
    let path = ctx.world.lib().join("data/storage").join(name).display().to_string();
    ctx.step(&format!("Ensuring {path} exists"));
    make_dir(&ctx.world, &path).map_err(|why| Stop::Fail(1, why))?;
    let id = match args.value("chown").unwrap_or("herokuish") {
        "false" => None,
        "herokuish" => Some("32767"),
        "heroku" => Some("1000"),
        "paketo" => Some("2000"),
        "root" => Some("0"),
        other => return fail(format!("Unsupported chown permissions: {other}")),
    };
    if let Some(id) = id {
        ctx.detail(&format!("Setting directory ownership to {id}:{id}"));
    }
    ctx.detail("Directory ready for mounting");
    Ok(())
}
