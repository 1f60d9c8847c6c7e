//! From a commit to a release: the deploy lock, the tree, the build.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::build::{Dockerfile, Failure};
use super::ctx::{Answer, Ctx, Stop};
use super::engine::state::State;
use super::plugins::{apps, config, docker_options};
use super::{deploy, images, source, triggers, words};

/// Builds and deploys a commit, holding the app's deploy lock.
///
/// The lock's file stays after a failed build, as on a server; its flock does not.
pub(super) fn receive(ctx: &mut Ctx, app: &str, sha: &str) -> Answer {
    let path = apps::lock_file(&ctx.world, app);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            ctx.warn(&format!("{app} currently has a deploy lock in place. Exiting..."));
            ctx.warn("Run 'apps:unlock' to release the existing deploy lock");
            return Err(Stop::Exit(1));
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    config::put(&ctx.world, app, &[("GIT_REV", sha)])?;
    build(ctx, app, sha)?;
    let result = deploy::release_and_deploy(ctx, app);
    fs::remove_file(&path)?;
    result
}

fn build(ctx: &mut Ctx, app: &str, sha: &str) -> Answer {
    let directory = tempfile::Builder::new().prefix("dokku-").tempdir()?;
    let work = directory.path().join("tree");
    fs::create_dir(&work)?;
    source::checkout(&ctx.world, app, sha, &work)?;
    let tree = context(ctx, app, &work)?;
    let place = tree.display().to_string();
    // How it ends is not looked at: seen on a server.
    triggers::call(ctx, "post-extract", &[app, &place, sha])?;
    let selected = ctx.world.property("builder", app, "selected");
    if selected == "null" {
        let code = triggers::call(ctx, "builder-build", &[&selected, app, &place])?;
        return if code == 0 { Ok(()) } else { undone(ctx, app) };
    }
    if ctx.world.property("builder", app, "skip-cleanup") == "true" {
        ctx.step("DOKKU_SKIP_CLEANUP set. Skipping dokku cleanup");
    } else {
        ctx.step("Cleaning up...");
    }
    let path = ctx.world.property("builder-dockerfile", app, "dockerfile-path");
    let file = tree.join(if path.is_empty() { "Dockerfile" } else { &path });
    let Ok(text) = fs::read_to_string(&file) else {
        let builder = if selected.is_empty() { "herokuish" } else { &selected };
        ctx.step(&format!("Building {app} from {builder}"));
        ctx.warn("Unable to select a buildpack");
        return undone(ctx, app);
    };
    ctx.world.set_property("builder", app, "detected", "dockerfile")?;
    ctx.step(&format!("Building {app} from Dockerfile"));
    let (args, target) = build_options(ctx, app)?;
    let digest = super::build::tree_digest(&tree);
    let world = ctx.world.clone();
    let parsed = Dockerfile::parse(&text, &args, target.as_deref());
    let result = match parsed {
        Ok(file) => {
            let built =
                deploy::engine(ctx, |state: &mut State| Ok(file.build(state, &world, &format!("{app} {digest}"))))??;
            show(ctx, app, &text, &file, &built);
            built
        }
        Err(failure) => {
            ctx.line(&format!("ERROR: {}", failure.message));
            Err(failure)
        }
    };
    let Ok(image) = result else { return undone(ctx, app) };
    let exposed = image.facts.exposed.clone();
    deploy::engine(ctx, |state| {
        let id = image.facts.id.clone();
        state.images.entry(id.clone()).or_insert(image);
        state.tag(&format!("dokku/{app}:latest"), &id);
        Ok(())
    })??;
    let detected: Vec<String> = exposed.iter().map(|port| detected(port)).collect();
    ctx.world.set_list("ports", app, "map-detected", &detected)?;
    Ok(())
}

/// The directory that is built: `build-dir` replaces the whole tree.
fn context(ctx: &mut Ctx, app: &str, work: &Path) -> Answer<PathBuf> {
    let inner = ctx.world.property("builder", app, "build-dir");
    let tree = work.join(&inner);
    if tree.is_dir() {
        return Ok(tree);
    }
    ctx.warn(&format!("Specified build-dir {inner} does not exist"));
    Err(Stop::Exit(1))
}

fn detected(port: &str) -> String {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    match (number, protocol) {
        (number, "udp") => format!("udp:{number}:{number}"),
        ("443", _) => "https:443:443".to_owned(),
        (number, _) => format!("http:{number}:{number}"),
    }
}

/// Build arguments and target; Dokku drops what its builder does not know.
fn build_options(ctx: &Ctx, app: &str) -> Answer<(BTreeMap<String, String>, Option<String>)> {
    let text = docker_options::options(&ctx.world, app, "_default_", "build").join(" ");
    let variables = config::load(&ctx.world, app);
    let mut args = BTreeMap::new();
    let mut target = None;
    let mut all = words::xargs(&text).map_err(|why| Stop::Fail(1, why))?.into_iter();
    while let Some(word) = all.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        match name.as_str() {
            "--build-arg" => {
                let pair = value.or_else(|| all.next()).unwrap_or_default();
                match pair.split_once('=') {
                    Some((key, value)) => args.insert(key.to_owned(), value.to_owned()),
                    None => args.insert(pair.clone(), variables.get(&pair).cloned().unwrap_or_default()),
                };
            }
            "--target" => target = value.or_else(|| all.next()),
            _ => {}
        }
    }
    Ok((args, target))
}

/// What BuildKit says of a build.
fn show(ctx: &mut Ctx, app: &str, text: &str, file: &Dockerfile, built: &Result<super::engine::state::Image, Failure>) {
    let layers = file.layers();
    let total = layers.len() + 1;
    let base = images::long(&file.base);
    let mut lines = vec![
        "#0 building with \"default\" instance using docker driver".to_owned(),
        String::new(),
        "#1 [internal] load build definition from Dockerfile".to_owned(),
        format!("#1 transferring dockerfile: {}B done", text.len() + 37),
        "#1 DONE 0.0s".to_owned(),
        String::new(),
        "#2 [internal] load .dockerignore".to_owned(),
        "#2 transferring context: 2B done".to_owned(),
        "#2 DONE 0.0s".to_owned(),
        String::new(),
        format!("#3 [internal] load metadata for {base}"),
    ];
    let failure = built.as_ref().err();
    if failure.is_some_and(|failure| failure.step.is_none()) {
        lines.push("#3 ERROR".to_owned());
    } else {
        lines.push("#3 DONE 0.0s".to_owned());
        lines.extend([String::new(), format!("#4 [1/{total}] FROM {base}"), "#4 CACHED".to_owned(), String::new()]);
    }
    let failed = failure.and_then(|failure| failure.step.as_ref());
    for (at, layer) in layers.iter().enumerate() {
        if failure.is_some_and(|failure| failure.step.is_none()) || failed.is_some_and(|(number, ..)| at + 1 > *number)
        {
            break;
        }
        lines.push(format!("#{} [{}/{total}] {layer}", at + 5, at + 2));
        match failed.filter(|(number, ..)| *number == at + 1) {
            Some((_, step, code)) => {
                let script = step.strip_prefix("RUN ").unwrap_or(step);
                lines.push(format!(
                    "#{} ERROR: executor failed running [/bin/sh -c {script}]: exit code: {code}",
                    at + 5
                ));
                lines.extend(["------".to_owned(), format!(" > [{}/{total}] {layer}:", at + 2), "------".to_owned()]);
            }
            None => lines.extend([format!("#{} DONE 0.1s", at + 5), String::new()]),
        }
    }
    match built {
        Ok(image) => {
            let number = total + 4;
            lines.push(format!("#{number} exporting to image"));
            lines.push(format!("#{number} exporting layers done"));
            lines.push(format!("#{number} writing image {} done", image.facts.id));
            lines.push(format!("#{number} naming to docker.io/dokku/{app}:latest done"));
            lines.push(format!("#{number} DONE 0.0s"));
        }
        Err(failure) => lines.push(format!("ERROR: {}", failure.message)),
    }
    ctx.line(&lines.join("\n"));
}

/// A failed build: the image's name stays with the old one.
fn undone(ctx: &mut Ctx, app: &str) -> Answer {
    let name = format!("dokku/{app}:latest");
    match State::load(&ctx.world)?.image(&name) {
        Some(old) => {
            let id = old.facts.id.trim_start_matches("sha256:")[..12].to_owned();
            ctx.warn(&format!("Retagging old image {id} as {name}"));
        }
        None => ctx.warn(&format!("Removing invalid image tag {name}")),
    }
    ctx.warn("App build failed");
    Err(Stop::Exit(1))
}
