//! A stand-in server that keeps its world in a directory and answers as a recorded Dokku does.
//!
//! [`create`] makes a world; its `bin/dokku` and `bin/prop` come back to this program
//! ([`dokku_main`], [`prop_main`]); [`SandboxEngine`] is its engine. What goes wrong is said by the
//! world's files: see [`Faults`] and [`Behaviour`]. The answers are those of `dokku-transcripts`
//! (Dokku 0.38.27, docker-local scheduler, nginx); nothing is shared with the adapters that ask.

mod behaviour;
mod build;
pub mod carried;
mod ctx;
mod deploy;
mod engine;
mod faults;
mod images;
mod options;
mod plugins;
mod prop;
mod release;
mod retire;
mod source;
mod source_files;
mod triggers;
mod words;
mod world;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

pub use behaviour::{Behaviour, Play};
pub use engine::SandboxEngine;
pub use faults::{CallRecord, Fault, Faults};
pub use images::SeedImage;
pub use world::World;

use ctx::{Answer, Ctx, Globals, Stop};
use engine::state::{Image, State};

/// Makes a world in `root`, or completes one that is there: the programs are written anew.
///
/// The programs start the file that this process runs from; `DOKKU_COMPOSE_BIN` names another one.
pub fn create(root: &Path) -> io::Result<()> {
    let program = match std::env::var_os("DOKKU_COMPOSE_BIN").filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => std::env::current_exe()?,
    };
    create_with(root, &program)
}

/// As [`create`], with the `dokku-compose` program to start.
pub fn create_with(root: &Path, program: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    let root = &root.canonicalize()?;
    let world = World::new(root);
    for directory in ["bin", "home", "lib/config", "lib/data/storage", "lib/services", "engine", "faults", "plugin"] {
        std::fs::create_dir_all(root.join(directory))?;
    }
    for name in ["dokku", "prop"] {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let script = format!("#!/bin/sh\nexec {} sandbox-{name} {} \"$@\"\n", quoted(program), quoted(root));
        world::write_program(&root.join("bin").join(name), &script)?;
    }
    for name in plugins::misc::core_plugins() {
        std::fs::create_dir_all(root.join("lib/core-plugins/available").join(name))?;
    }
    let tool = root.join("lib/core-plugins/available/common/prop");
    if !tool.exists() {
        std::os::unix::fs::symlink(root.join("bin/prop"), tool)?;
    }
    if !root.join("plugins.json").exists() {
        world.set_datastores(&[])?;
    }
    Ok(())
}

/// The file in a pushed tree by which the plugin's `post-extract` tells its `builder-build` that the push is refused.
const REFUSED: &str = ".dokku-compose-refused";

/// Triggers that the plugin implements, with the position of the app among their arguments, from 1.
const PLUGIN_TRIGGERS: &[(&str, usize)] = &[
    ("post-container-create", 3),
    ("check-deploy", 1),
    ("scheduler-deploy", 2),
    ("post-deploy", 1),
    ("scheduler-stop", 2),
    ("post-extract", 1),
    ("builder-build", 2),
    ("pre-delete", 1),
    ("post-delete", 1),
    ("post-app-rename-setup", 1),
    ("post-app-clone", 1),
];

/// Puts the plugin itself into the world, where the world has no other programs for its triggers: `plugin/NAME` runs
/// `dokku-compose trigger NAME` for the apps of projects, as the plugin's own files do.
pub fn install_triggers(root: &Path) -> io::Result<()> {
    let root = &root.canonicalize()?;
    let folder = root.join("plugin");
    if std::fs::read_dir(&folder)?.next().is_some() {
        return Ok(());
    }
    let program = match std::env::var_os("DOKKU_COMPOSE_BIN").filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => std::env::current_exe()?,
    };
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let data = |name: &str| quoted(&root.join("lib/data/compose").join(name));
    let (apps, settings) = (data("apps"), data("settings"));
    for (name, app) in PLUGIN_TRIGGERS {
        let known = format!("[ -f {apps}/\"${app}\" ] || [ -f {settings}/\"${app}\" ] || exit 0");
        let ask = format!("{} trigger {name} \"$@\"", quoted(&program));
        let script = match *name {
            // As the plugin's own files have it: the mark is how a refusal reaches the build.
            "post-extract" => format!("#!/bin/sh\n{known}\n{ask} || {{ : >\"$2/{REFUSED}\"; exit 1; }}\n"),
            "builder-build" => format!("#!/bin/sh\n{known}\n[ ! -e \"$3/{REFUSED}\" ]\n"),
            _ => format!("#!/bin/sh\n{known}\nexec {ask}\n"),
        };
        world::write_program(&folder.join(name), &script)?;
    }
    Ok(())
}

impl World {
    /// Sets which datastore plugins are installed, by name and version.
    pub fn set_datastores(&self, all: &[(&str, &str)]) -> io::Result<()> {
        let all: BTreeMap<&str, &str> = all.iter().copied().collect();
        // A plugin's directory is what others know it by.
        for folder in ["plugins/available", "plugins/enabled"] {
            let folder = self.lib().join(folder);
            world::remove_dir(&folder)?;
            for name in all.keys() {
                let commands = folder.join(name).join("subcommands");
                std::fs::create_dir_all(&commands)?;
                world::write_whole(&commands.join("set"), b"")?;
            }
        }
        self.set_json("plugins.json", &all)
    }

    /// Puts an image on the server, with its names.
    pub fn add_image(&self, seed: SeedImage) -> io::Result<()> {
        let _lock = self.lock()?;
        let mut state = State::load(self)?;
        let SeedImage { mut facts, programs, log } = seed;
        if facts.id.is_empty() {
            facts.id = format!("sha256:{}", world::digest(format!("seed {:?}", facts.tags).as_bytes()));
        }
        let (id, tags) = (facts.id.clone(), std::mem::take(&mut facts.tags));
        state.images.insert(id.clone(), Image { facts, programs, log });
        for tag in tags {
            state.tag(&tag, &id);
        }
        state.save(self)
    }

    /// Says that no registry has these images.
    pub fn set_missing_images(&self, names: &[&str]) -> io::Result<()> {
        world::write_whole(&self.path("faults/missing-images"), format!("{}\n", names.join("\n")).as_bytes())
    }
}

/// The stand-in `dokku`: the world's directory, then Dokku's arguments. Gives the exit code.
pub fn dokku_main(args: &[String]) -> i32 {
    counted(args, "dokku", |world, words, stdin| {
        let (globals, rest) = globals(words);
        let mut ctx = match Ctx::new(world.clone(), globals) {
            Ok(ctx) => ctx,
            Err(error) => return complain(&format!("the sandbox cannot go on: {error}")),
        };
        let code = ended(&mut ctx, |ctx| dispatch(ctx, rest));
        ctx.release();
        *stdin = ctx.stdin.take().map(|(digest, _)| digest);
        code
    })
}

/// The stand-in `prop`: the world's directory, then the arguments of Dokku's tool. Gives the exit code.
pub fn prop_main(args: &[String]) -> i32 {
    counted(args, "prop", |world, words, stdin| {
        let mut ctx = match Ctx::new(world.clone(), Globals::default()) {
            Ok(ctx) => ctx,
            Err(error) => return complain(&format!("the sandbox cannot go on: {error}")),
        };
        let words = words.to_vec();
        let code = ended(&mut ctx, |ctx| prop::run(ctx, &words));
        *stdin = ctx.stdin.take().map(|(digest, _)| digest);
        code
    })
}

/// Counts a call, lets faults strike before and after it, and writes its line.
fn counted(args: &[String], of: &str, work: impl FnOnce(&World, &[String], &mut Option<String>) -> i32) -> i32 {
    let Some((root, words)) = args.split_first() else {
        return complain("the world's directory is missing");
    };
    let world = World::new(Path::new(root));
    let begun = Instant::now();
    let name = if of == "prop" { format!("prop {}", words.join(" ")) } else { words.join(" ") };
    let counted = match world.lock().and_then(|lock| {
        let counted = faults::count(&world, of, &name);
        drop(lock);
        counted
    }) {
        Ok(counted) => counted,
        Err(error) => return complain(&format!("the world in {root} cannot be read: {error}")),
    };
    let mut stdin = None;
    let struck = |fault: Fault| {
        if !fault.message.is_empty() {
            complain(&fault.message);
        }
        if fault.exit == 0 { 1 } else { fault.exit }
    };
    let mut code = match counted.strike(&world, of, words, false) {
        Some(fault) => struck(fault),
        None => work(&world, words, &mut stdin),
    };
    if let Some(fault) = counted.strike(&world, of, words, true) {
        code = struck(fault);
    }
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match counted.record(&world, of, words, stdin.as_deref(), Some(code), ms) {
        Ok(()) => code,
        Err(error) => complain(&format!("the call cannot be recorded: {error}")),
    }
}

fn complain(text: &str) -> i32 {
    // Where standard error is closed nobody can be told.
    let _ = writeln!(io::stderr().lock(), " !     {text}");
    1
}

fn ended(ctx: &mut Ctx, work: impl FnOnce(&mut Ctx) -> Answer) -> i32 {
    match work(ctx) {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Fail(code, message)) => {
            ctx.warn(&message);
            code
        }
    }
}

/// Takes the global flags out of the arguments, wherever they stand; nested calls have them from the
/// environment. The command is the first word that is no flag.
fn globals(words: &[String]) -> (Globals, Vec<String>) {
    let on = |name: &str| std::env::var(name).is_ok_and(|value| value == "1");
    let mut globals = Globals {
        quiet: on("DOKKU_QUIET_OUTPUT"),
        force: on("DOKKU_APPS_FORCE_DELETE"),
        app: std::env::var("DOKKU_APP_NAME").ok().filter(|app| !app.is_empty()),
        all: std::env::var("DOKKU_GLOBAL_FLAGS").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    };
    let own: Vec<String> = words.iter().filter(|word| word.starts_with("--") && word.len() > 2).cloned().collect();
    if !own.is_empty() {
        globals.all = own;
    }
    let mut rest = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quiet" => globals.quiet = true,
            "--force" => globals.force = true,
            "--trace" => {}
            "--app" => globals.app = words.next().cloned(),
            _ => rest.push(word.clone()),
        }
    }
    (globals, rest)
}

fn dispatch(ctx: &mut Ctx, mut words: Vec<String>) -> Answer {
    let Some(command) = words.first().cloned() else {
        ctx.line("Usage: dokku [--quiet|--trace|--force] COMMAND <app> [command-specific-options]");
        return Ok(());
    };
    let datastore = ctx.world.datastores().contains_key(command.split(':').next().unwrap_or_default());
    if let Some(app) = ctx.globals.app.clone().filter(|_| !datastore) {
        words.insert(1, app);
    }
    let args = words[1..].to_vec();
    match plugins::run(ctx, &command, &args) {
        Some(answer) => answer,
        None => Err(plugins::unknown(&words)),
    }
}
