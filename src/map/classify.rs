//! What a service becomes, and why.

use super::context::Context;
use super::datastores::{self, Datastore, Wish};
use super::proxy_labels;
use super::relations::Relations;
use super::resources::Kind;
use crate::model::Service;

/// The form of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    App,
    Container,
    Job,
    /// A service of a plugin, as far as its image says.
    Datastore(&'static Datastore),
}

impl Form {
    pub(super) fn word(self) -> &'static str {
        match self {
            Form::App => "app",
            Form::Container => "container",
            Form::Job => "job",
            Form::Datastore(_) => "datastore",
        }
    }
}

/// Decides, first rule first; `None` where the service is left out.
pub(super) fn form(
    ctx: &Context<'_>,
    relations: &Relations<'_>,
    service: &Service,
    name: &str,
) -> Option<(Form, String)> {
    if service.labels.get("com.dokku.compose").is_some_and(|value| value == "false") {
        return None;
    }
    let asked = service.extensions.get("x-dokku").is_some_and(|value| value.get("as").is_some());
    if !asked && proxy_labels::is_proxy(service) {
        ctx.report(
            crate::diag::Severity::Note,
            "left-out",
            &format!("services.{}", service.name),
            format!("{} is left out: Dokku's proxy serves the others, by the domains in their labels", service.name),
            "to run it all the same: x-dokku: {as: app}",
        );
        return None;
    }
    let (form, why) = decide(ctx, relations, service, name);
    changed(ctx, service, form, &why);
    Some((form, why))
}

/// A service stays what it is on the server: another form would find none of its data.
pub(super) fn changed(ctx: &Context<'_>, service: &Service, form: Form, why: &str) {
    let before = ctx.remembered.and_then(|last| last.services.get(&service.name)).map(|last| &last.kind);
    let carried = |before: &Kind| {
        ctx.stores.carries(&service.name) && matches!((before, form), (Kind::Container(_), Form::Datastore(_)))
    };
    if let Some(before) = before
        && before.word() != form.word()
        && !carried(before)
    {
        let path = format!("services.{}", service.name);
        let message = format!(
            "{} would become a {} now ({why}), and is a {} on the server",
            service.name,
            form.word(),
            kind_word(before)
        );
        let keep = format!("keep it as it is with x-dokku: {{as: {}}}", kind_word(before));
        let hint = match (before, form) {
            (Kind::Container(_), Form::Datastore(_)) => {
                format!("{keep}, or move its data: --carry-over={}", service.name)
            }
            (Kind::Datastore(store), Form::Container) => format!(
                "{keep}; its data would stay in {0}:{1} and not be in the container (dokku {0}:export {1} > FILE takes it out)",
                store.plugin, store.service
            ),
            _ => format!("{keep}, or destroy the project first"),
        };
        ctx.error("kind-changed", &path, message, &hint);
    }
}

fn kind_word(kind: &Kind) -> &'static str {
    kind.word()
}

fn decide(ctx: &Context<'_>, relations: &Relations<'_>, service: &Service, name: &str) -> (Form, String) {
    let path = format!("services.{}.x-dokku", service.name);
    match service.extensions.get("x-dokku").and_then(|value| value.get("as")).and_then(serde_json::Value::as_str) {
        Some("app") => return (Form::App, "x-dokku says app".into()),
        Some("container") => return (Form::Container, "x-dokku says container".into()),
        Some("job") => return (Form::Job, "x-dokku says job".into()),
        Some("datastore") => match service.image.as_deref().and_then(datastores::of_image) {
            Some(row) => {
                let image = service.image.as_deref().unwrap_or_default();
                return match datastores::possible(ctx, row, service, name) {
                    Ok(()) => (Form::Datastore(row), "x-dokku says datastore".into()),
                    Err(reason) => (Form::Container, because(ctx, service, &format!("image {image}"), &reason)),
                };
            }
            None => {
                let message = format!("the image of {} is none of a datastore plugin's", service.name);
                ctx.error("x-dokku", &path, message, "app, container or job");
            }
        },
        Some(other) => {
            let hint = "app, container, datastore or job";
            ctx.error("x-dokku", &path, format!("x-dokku.as cannot be {other}"), hint);
        }
        None => {}
    }
    let waiting = relations.awaited_by(&service.name);
    if !waiting.is_empty() {
        return (Form::Job, format!("runs once before {}", waiting.join(", ")));
    }
    if service.restart.as_deref() == Some("no") && service.ports.is_empty() {
        return (Form::Job, "restart is no: runs once".into());
    }
    if matches!(
        service.deploy.as_ref().and_then(|deploy| deploy.mode.as_deref()),
        Some("replicated-job" | "global-job")
    ) {
        return (Form::Job, "deploy.mode is a job: runs once".into());
    }
    for (key, value) in [("network_mode", &service.network_mode), ("pid", &service.pid), ("ipc", &service.ipc)] {
        if value.as_deref().is_some_and(|value| value.starts_with("service:") || value.starts_with("container:")) {
            return (Form::Container, format!("{key} shares another container's namespace"));
        }
    }
    // One that was imported as an app before its image was known as a datastore's stays one.
    let before = ctx.remembered.and_then(|last| last.services.get(&service.name)).map(|last| last.kind.word());
    let image = service.image.as_deref().filter(|_| service.build.is_none() && before != Some("app"));
    if let (Some(image), Some(row)) = (image, image.and_then(datastores::of_image)) {
        let why = format!("image {image}, a {} database", row.plugin);
        // Once a container, its data is in the container's volume; a plugin that is installed later finds none of it.
        if before == Some("container") && !ctx.stores.carries(&service.name) {
            return (Form::Container, why);
        }
        return match datastores::possible(ctx, row, service, name) {
            Ok(()) => (Form::Datastore(row), format!("image {image}")),
            Err(reason) => (Form::Container, because(ctx, service, &why, &reason)),
        };
    }
    let why = match (&service.build, &service.image) {
        (Some(build), _) => format!("build {}", shown_context(ctx, build)),
        (None, Some(image)) => format!("image {image}"),
        (None, None) => String::new(),
    };
    (Form::App, why)
}

/// Whether a service of a plugin is asked for, and nothing else will do.
pub(super) fn wanted(ctx: &Context<'_>, service: &Service) -> bool {
    let asked = service.extensions.get("x-dokku").and_then(|value| value.get("as"));
    let carried = ctx.stores.carry.as_ref().is_some_and(|named| named.contains(&service.name));
    carried || asked.map_or(ctx.stores.wish == Wish::Service, |asked| asked == "datastore")
}

/// Why a datastore's image is a container; an error where a service was asked for.
pub(super) fn because(ctx: &Context<'_>, service: &Service, why: &str, reason: &str) -> String {
    if wanted(ctx, service) && !reason.is_empty() {
        let message = format!("{} cannot be a service: {reason}", service.name);
        let hint = "change that, or do not ask for a service: --datastores auto, x-dokku: {as: container}";
        ctx.error("no-service", &format!("services.{}.image", service.name), message, hint);
    }
    if reason.is_empty() { why.to_owned() } else { format!("{why}, a container: {reason}") }
}

fn shown_context(ctx: &Context<'_>, build: &crate::model::Build) -> String {
    let context = build.context.clone().unwrap_or_default();
    match std::path::Path::new(&context).strip_prefix(&ctx.compose.working_dir) {
        Ok(relative) if relative.as_os_str().is_empty() => ".".into(),
        Ok(relative) => format!("./{}", relative.display()),
        Err(_) => context,
    }
}
