//! Containers that a deploy replaced and that wait for their removal: lines `ID DUE` a list an app.

use std::path::PathBuf;

use super::ctx::{Answer, Ctx};
use super::engine::state::State;
use super::world::{World, names, read_text, remove_dir, write_whole};

fn path(world: &World, app: &str) -> PathBuf {
    world.lib().join("data/scheduler-docker-local").join(app).join("dead-containers")
}

fn list(world: &World, app: &str) -> Vec<(String, u64)> {
    let line = |line: &str| line.split_once(' ').and_then(|(id, due)| Some((id.to_owned(), due.parse().ok()?)));
    read_text(&path(world, app)).lines().filter_map(line).collect()
}

fn put(world: &World, app: &str, all: &[(String, u64)]) -> Answer {
    let text: String = all.iter().map(|(id, due)| format!("{id} {due}\n")).collect();
    write_whole(&path(world, app), text.as_bytes())?;
    Ok(())
}

/// Whether a container of the app waits for its removal.
pub(super) fn waits(world: &World, app: &str, id: &str) -> bool {
    list(world, app).iter().any(|(waiting, _)| waiting == id)
}

/// Puts a container on the list.
pub(super) fn add(world: &World, app: &str, id: &str, after: u64) -> Answer {
    let mut all = list(world, app);
    all.push((id.to_owned(), world.now() + after));
    put(world, app, &all)
}

/// Drops the list of an app.
pub(super) fn forget(world: &World, app: &str) -> Answer {
    remove_dir(&world.lib().join("data/scheduler-docker-local").join(app))?;
    Ok(())
}

/// Removes the containers of an app whose time has come.
pub(super) fn expired(ctx: &mut Ctx, app: &str) -> Answer {
    let now = ctx.world.now();
    let (due, rest): (Vec<_>, Vec<_>) = list(&ctx.world, app).into_iter().partition(|(_, due)| *due <= now);
    if due.is_empty() {
        return Ok(());
    }
    let mut state = State::load(&ctx.world)?;
    for (id, _) in due {
        if state.container(&id).is_some() {
            ctx.detail(&format!("Attempting to retire {app} container {id}"));
            state.remove(&id);
        }
    }
    state.save(&ctx.world)?;
    put(&ctx.world, app, &rest)
}

/// `ps:retire [APP]`.
pub(super) fn all(ctx: &mut Ctx, app: Option<&str>) -> Answer {
    ctx.step("Retiring old containers and images");
    let apps = match app {
        Some(app) => vec![app.to_owned()],
        None => names(&ctx.world.lib().join("data/scheduler-docker-local")),
    };
    for app in apps {
        expired(ctx, &app)?;
    }
    ctx.step("Retiring expired run and cron containers");
    ctx.step("Retiring all run and cron containers");
    Ok(())
}
