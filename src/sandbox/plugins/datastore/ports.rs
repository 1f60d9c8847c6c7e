//! The port of the host that leads to a service: a container of its own holds it.

use super::super::super::ctx::{Answer, Ctx, Stop, fail};
use super::super::super::deploy;
use super::super::super::engine::state::{Container, State, refused};
use super::{Kind, Service, existing};

const IMAGE: &str = "dokku/ambassador:0.8.2";

/// Name of the container.
pub(super) fn holder(service: &Service<'_>) -> String {
    format!("{}.ambassador", service.container())
}

pub(super) fn expose(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (args, service) = existing(ctx, kind, words, &[])?;
    if !service.file("PORT").is_empty() {
        return fail(format!("Service {} already exposed on port(s) {}", service.name, service.file("PORT")));
    }
    if State::load(&ctx.world)?.container(&holder(&service)).is_some() {
        ctx.warn(&format!("Service {} has an untracked expose container, removing", service.name));
        drop_holder(ctx, &service)?;
    }
    let ports = match &args.rest()[1..] {
        [] => (20_000 + std::process::id() % 10_000).to_string(),
        [one] => one.clone(),
        _ => return fail(format!("1 ports to be exposed need to be provided in the following order: {}", kind.port)),
    };
    service.put("PORT", &ports)?;
    hold(ctx, &service)?;
    ctx.step(&format!("Service {} exposed on port(s) [container->host]: {} ", service.name, shown(&service)));
    Ok(())
}

/// `6379->127.0.0.1:16379`, empty where it is not exposed.
pub(super) fn shown(service: &Service<'_>) -> String {
    let port = service.file("PORT");
    if port.is_empty() { port } else { format!("{}->{port}", service.kind.port) }
}

/// Starts the container that holds the port, or makes it (`service_port_reconcile_status`).
pub(super) fn hold(ctx: &mut Ctx, service: &Service<'_>) -> Answer {
    let port = service.file("PORT");
    if port.is_empty() {
        return Ok(());
    }
    let name = holder(service);
    let world = ctx.world.clone();
    let behaviour = world.behaviour();
    let kind = service.kind;
    let begun = deploy::engine(ctx, |state| {
        if let Some(there) = state.container(&name) {
            if there.active() {
                return Ok(());
            }
            // It is linked to the container that was there when it was made.
            let (from, to) = (service.container(), &name);
            return refused(500, format!("Cannot link to a non running container: /{from} AS /{to}/{}", kind.name));
        }
        if state.image(IMAGE).is_none() {
            state.pull(&world, IMAGE)?;
        }
        let labels = [("dokku", "ambassador"), ("dokku.ambassador", kind.name)];
        let container = Container {
            name: name.clone(),
            image: IMAGE.to_owned(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            publish: vec![format!("{port}:{}", kind.port)],
            restart: "always".to_owned(),
            ..Container::default()
        };
        let id = state.create(&world, container)?;
        state.connect("bridge", &id, &[], "")?;
        state.start(&behaviour, &id)
    })?;
    match begun {
        Ok(()) => Ok(()),
        Err(error) => {
            ctx.error_line(&format!("docker: Error response from daemon: {error}"));
            Err(Stop::Exit(125))
        }
    }
}

fn drop_holder(ctx: &mut Ctx, service: &Service<'_>) -> Answer {
    let name = holder(service);
    deploy::engine(ctx, |state| {
        state.remove(&name);
        Ok(())
    })??;
    Ok(())
}

pub(super) fn unexpose(ctx: &mut Ctx, kind: &Kind, words: &[String]) -> Answer {
    let (_, service) = existing(ctx, kind, words, &[])?;
    service.put("PORT", "")?;
    drop_holder(ctx, &service)?;
    ctx.step(&format!("Service {} unexposed", service.name));
    Ok(())
}
