//! Another version of a service's image, and a dump of its data.

use super::super::super::ctx::{Answer, Args, Ctx, fail};
use super::super::super::deploy;
use super::super::super::engine::state::{Container, State};
use super::{Kind, Service, bring_up, existing, pause, server, take_away};

/// What `:upgrade` is told of (`service_parse_args`).
const UPGRADE: &[&str] = &[
    "config-options=",
    "c=",
    "custom-env=",
    "C=",
    "image=",
    "i=",
    "image-version=",
    "I=",
    "memory=",
    "m=",
    "restart-apps=",
    "R=",
    "shm-size=",
    "s=",
];

pub(super) fn upgrade(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service) = existing(ctx, kind, words, UPGRADE)?;
    let (repository, version) = kind.image.split_once(':').unwrap_or((kind.image, "latest"));
    let value = |long: &str, short: &str| args.value(long).or_else(|| args.value(short)).unwrap_or_default().to_owned();
    let or = |given: String, usual: &str| if given.is_empty() { usual.to_owned() } else { given };
    let image = format!("{}:{}", or(value("image", "i"), repository), or(value("image-version", "I"), version));
    pull(ctx, kind, &image)?;
    let runs = State::load(&ctx.world)?.container(&service.container()).map(|one| one.image.clone());
    if runs.as_deref() == Some(&image) {
        ctx.step(&format!("Service {} already running {image}", service.name));
        return Ok(());
    }
    commit(&service, &args, &image)?;
    ctx.head(&format!("Upgrading {} to {image}", service.name));
    ctx.head(&format!("Stopping {}", service.name));
    if State::load(&ctx.world)?.container(&service.container()).is_some() {
        pause(ctx, &service)?;
        take_away(ctx, &service)?;
    }
    bring_up(ctx, &service, false)?;
    ctx.head("Done");
    Ok(())
}

/// Options and variables are what it is told, and nothing where it is told nothing; a limit that it is not told stays
/// (`service_commit_config`).
fn commit(service: &Service<'_>, args: &Args, image: &str) -> Answer {
    let value = |long: &str, short: &str| args.value(long).or_else(|| args.value(short)).unwrap_or_default().to_owned();
    let mut environment = value("custom-env", "C");
    if environment.is_empty() {
        environment = std::env::var("SERVICE_CUSTOM_ENV").unwrap_or_default();
    }
    service.put("ENV", &environment.replace(';', "\n"))?;
    service.put("CONFIG_OPTIONS", &value("config-options", "c"))?;
    for (file, text) in [("SERVICE_MEMORY", value("memory", "m")), ("SHM_SIZE", value("shm-size", "s"))] {
        if !text.is_empty() {
            service.put(file, &text)?;
        }
    }
    service.put("IMAGE", image)
}

/// Pulls an image that is not there.
pub(super) fn pull(ctx: &mut Ctx, kind: &Kind, image: &str) -> Answer {
    let world = ctx.world.clone();
    let pulled = deploy::engine(ctx, |state| match state.image(image) {
        Some(_) => Ok(()),
        None => state.pull(&world, image).map(drop),
    })?;
    if let Err(error) = pulled {
        ctx.error_line(&error.to_string());
        return fail(format!("{} image {image} pull failed", kind.title));
    }
    Ok(())
}

/// The service's own database.
pub(super) fn export(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    if !State::load(&ctx.world)?.container(&service.container()).is_some_and(Container::active) {
        return fail(format!("Error response from daemon: container {} is not running", service.container()));
    }
    let held = server::Server::load(&service);
    ctx.line(&format!("dump of {}", service.database()));
    for statement in held.databases.get(&service.database()).into_iter().flatten() {
        ctx.line(statement);
    }
    Ok(())
}
