//! `apps:*`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::world::{World, remove_dir, remove_file, write_whole};
use super::super::{deploy, retire, source, triggers};
use super::report::{self, Shape};
use super::{config, datastore, domains, proxy};

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "apps:create" => parse(args, &[]).and_then(|args| create(ctx, args.app()?)),
        "apps:destroy" => destroy(ctx, args),
        "apps:exists" => on_app(ctx, args, |_, _| Ok(())),
        "apps" | "apps:list" => list(ctx, args),
        "apps:rename" => rename(ctx, args),
        "apps:clone" => clone(ctx, args),
        "apps:lock" => on_app(ctx, args, |ctx, app| {
            write_whole(&lock_file(&ctx.world, app), b"")?;
            ctx.step("Deploy lock created");
            Ok(())
        }),
        "apps:unlock" => on_app(ctx, args, |ctx, app| {
            if !lock_file(&ctx.world, app).exists() {
                return fail("Deploy lock not found");
            }
            remove_file(&lock_file(&ctx.world, app))?;
            ctx.warn("A deploy may be in progress.");
            ctx.warn("Removing the app lock will allow new deploys");
            ctx.step("Deploy lock removed");
            Ok(())
        }),
        "apps:locked" => on_app(ctx, args, |ctx, app| {
            if !lock_file(&ctx.world, app).exists() {
                return fail("Deploy lock does not exist");
            }
            ctx.step("Deploy lock exists");
            Ok(())
        }),
        "apps:report" => {
            let shape = Shape { prefix: "app", title: "app", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                Ok(report::map([
                    ("created-at", ctx.world.property("apps", app, "created-at")),
                    ("deploy-source", ctx.world.property("apps", app, "deploy-source")),
                    ("deploy-source-metadata", ctx.world.property("apps", app, "deploy-source-metadata")),
                    ("dir", ctx.world.home(app).display().to_string()),
                    ("global-disable-autocreation", ctx.world.property("apps", "--global", "disable-autocreation")),
                    ("locked", lock_file(&ctx.world, app).exists().to_string()),
                ]))
            })
        }
        _ => return None,
    })
}

fn parse(words: &[String], known: &[&str]) -> Answer<Args> {
    Args::parse(words, known, false)
}

fn on_app(ctx: &mut Ctx, words: &[String], work: fn(&mut Ctx, &str) -> Answer) -> Answer {
    let args = parse(words, &[])?;
    let app = args.app()?;
    ctx.need_app(app)?;
    work(ctx, app)
}

/// The file whose existence says that a deploy runs.
pub(in crate::sandbox) fn lock_file(world: &World, app: &str) -> std::path::PathBuf {
    world.lib().join("data/apps").join(app).join(".deploy.lock")
}

fn list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = parse(words, &["format="])?;
    let apps = ctx.world.apps();
    match args.value("format") {
        Some("json") => {
            let text = serde_json::to_string(&apps).map_err(|error| Stop::Fail(1, error.to_string()))?;
            ctx.line(&text);
        }
        Some(other) => return fail(format!("Invalid format specified: {other}")),
        None => {
            ctx.head("My Apps");
            if apps.is_empty() {
                ctx.warn("You haven't deployed any applications yet");
            }
            for app in apps {
                ctx.line(&app);
            }
        }
    }
    Ok(())
}

fn create(ctx: &mut Ctx, app: &str) -> Answer {
    let fine = app.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && app.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-');
    if !fine {
        return fail(
            "App name must begin with lowercase alphanumeric character, and may only contain lowercase alphanumerics, dots, and hyphens",
        );
    }
    if ctx.world.app_exists(app) {
        return fail("Name is already taken");
    }
    source::init(&ctx.world, app)?;
    let now = ctx.world.now().to_string();
    ctx.world.set_property("apps", app, "created-at", &now)?;
    ctx.world.set_property("ps", app, "scale.web", "1")?;
    config::store(&ctx.world, app, &BTreeMap::new())?;
    ctx.step(&format!("Creating {app}..."));
    ctx.step("Creating new app virtual host file...");
    domains::set_default(&ctx.world, app)?;
    proxy::build_config(ctx, app)?;
    if triggers::call(ctx, "post-create", &[app])? != 0 {
        return Err(Stop::Exit(1));
    }
    Ok(())
}

/// Asks for a name on standard input, unless `--force` stood somewhere.
pub(in crate::sandbox) fn confirm(ctx: &mut Ctx, what: &str, name: &str) -> Answer {
    if ctx.globals.force {
        return Ok(());
    }
    ctx.warn("WARNING: Potentially Destructive Action");
    ctx.warn(what);
    ctx.warn(&format!("To proceed, type \"{name}\""));
    ctx.raw("> ");
    let answer = String::from_utf8_lossy(&ctx.read_stdin()?).into_owned();
    match answer.lines().next() {
        Some(line) if line.trim() == name => Ok(()),
        None => fail("EOF"),
        Some(_) => fail("Confirmation did not match. Aborted."),
    }
}

fn destroy(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = parse(words, &[])?;
    let app = args.app()?;
    ctx.need_app(app)?;
    confirm(ctx, &format!("This command will destroy app {app}."), app)?;
    remove(ctx, app)
}

fn remove(ctx: &mut Ctx, app: &str) -> Answer {
    ctx.step(&format!("Destroying {app} (including all add-ons)"));
    let code = triggers::call(ctx, "pre-delete", &[app, "latest"])?;
    if code != 0 {
        return Err(Stop::Exit(code));
    }
    datastore::unlink_all(ctx, app)?;
    ctx.step("Cleaning up...");
    ctx.step("Retiring old containers and images");
    retire::expired(ctx, app)?;
    deploy::remove_containers(ctx, app)?;
    let had_proxy = !proxy::disabled(&ctx.world, app) && ctx.world.property("proxy", app, "type").is_empty();
    if had_proxy {
        // Before the app's files are gone: nginx goes on with its ports until it is reloaded once more.
        proxy::reloaded(ctx)?;
    }
    for plugin in ctx.world.property_plugins() {
        remove_dir(&ctx.world.property_dir(&plugin, app))?;
    }
    remove_file(&ctx.world.lib().join("config").join(app).join("ENV"))?;
    // The directory stays where an app is named as a plugin is.
    let _ = fs::remove_dir(ctx.world.lib().join("config").join(app));
    for plugin in ["apps", "ps", "app-json"] {
        remove_dir(&ctx.world.lib().join("data").join(plugin).join(app))?;
    }
    retire::forget(&ctx.world, app)?;
    remove_dir(&ctx.world.home(app))?;
    let code = triggers::call(ctx, "post-delete", &[app, "latest"])?;
    if code == 0 { Ok(()) } else { Err(Stop::Exit(code)) }
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

/// Gives a new app what the old one has: options, properties, variables, source; not its domains.
fn take_over(ctx: &mut Ctx, old: &str, new: &str) -> Answer {
    let world = ctx.world.clone();
    for plugin in world.property_plugins().into_iter().filter(|plugin| plugin != "common") {
        let from = world.property_dir(&plugin, old);
        if from.is_dir() && plugin != old {
            copy_dir(&from, &world.property_dir(&plugin, new))?;
        }
    }
    config::store(&world, new, &config::load(&world, old))?;
    for part in ["objects", "refs"] {
        copy_dir(&world.home(old).join(part), &world.home(new).join(part))?;
    }
    Ok(())
}

fn rename(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = parse(words, &["skip-deploy"])?;
    let (old, new) = (args.app()?.to_owned(), args.at(1, "a new app name")?.to_owned());
    ctx.need_app(&old)?;
    if ctx.world.app_exists(&new) {
        return fail("Name is already taken");
    }
    ctx.step(&format!("Renaming {old} to {new}"));
    create(ctx, &new)?;
    let deployed = deploy::deployed(&ctx.world, &old);
    take_over(ctx, &old, &new)?;
    let code = triggers::call(ctx, "post-app-rename-setup", &[&old, &new])?;
    if code != 0 {
        return Err(Stop::Exit(code));
    }
    let quiet = std::mem::replace(&mut ctx.globals.force, true);
    remove(ctx, &old)?;
    ctx.globals.force = quiet;
    triggers::call(ctx, "post-app-rename", &[&old, &new])?;
    if deployed && !args.has("skip-deploy") {
        ctx.merged = true;
        deploy::rebuild(ctx, &new)?;
    }
    Ok(())
}

fn clone(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = parse(words, &["skip-deploy", "ignore-existing"])?;
    let (old, new) = (args.app()?.to_owned(), args.at(1, "a new app name")?.to_owned());
    ctx.need_app(&old)?;
    if ctx.world.app_exists(&new) {
        if args.has("ignore-existing") {
            ctx.warn("Name is already taken");
            return Ok(());
        }
        return fail("Name is already taken");
    }
    ctx.step(&format!("Cloning {old} to {new}"));
    create(ctx, &new)?;
    let created = ctx.world.property("apps", &new, "created-at");
    take_over(ctx, &old, &new)?;
    ctx.world.set_property("apps", &new, "created-at", &created)?;
    let code = triggers::call(ctx, "post-app-clone-setup", &[&old, &new])?;
    if code != 0 {
        return Err(Stop::Exit(code));
    }
    triggers::call(ctx, "post-app-clone", &[&old, &new])?;
    if deploy::deployed(&ctx.world, &old) && !args.has("skip-deploy") {
        ctx.merged = true;
        deploy::rebuild(ctx, &new)?;
    }
    Ok(())
}
