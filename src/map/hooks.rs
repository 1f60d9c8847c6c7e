//! `post_start` and `pre_stop`: commands for the plugin to run in a container.
//!
//! They may hold secrets, so they lie in a private file of the project, and what the server is told is its digest.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::policy;
use super::resources::{FileContent, FileTree};
use crate::docker::ExecSpec;
use crate::model::{Hook, Service};
use crate::site::Site;

/// Label of a raw container that has hooks: the digest of their file.
pub const LABEL: &str = "com.dokku-compose.hooks";

/// The commands of a service.
#[derive(Default, Serialize, Deserialize)]
pub struct Hooks {
    /// Once the container has started, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<ExecSpec>,
    /// Before it is stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<ExecSpec>,
}

impl Hooks {
    /// Where the hooks of a service lie.
    pub fn file(site: &Site, project: &str, service: &str) -> std::path::PathBuf {
        site.project(project).join("hooks").join(service)
    }
}

/// The file of a service's hooks; `None` where it has none.
pub(super) fn file(ctx: &Context<'_>, service: &Service) -> Option<FileTree> {
    if service.post_start.is_empty() && service.pre_stop.is_empty() {
        return None;
    }
    let hooks = Hooks {
        post_start: commands(ctx, service, "post_start", &service.post_start),
        pre_stop: commands(ctx, service, "pre_stop", &service.pre_stop),
    };
    // Our own plain structures can always be written.
    let text = ctx.secret(serde_json::to_string(&hooks).unwrap_or_default());
    Some(FileTree {
        target: Hooks::file(ctx.site, ctx.project, &service.name),
        digest: text.digest().to_owned(),
        content: FileContent::Inline { text },
        mirror: true,
        mode: 0o600,
    })
}

fn commands(ctx: &Context<'_>, service: &Service, key: &str, hooks: &[Hook]) -> Vec<ExecSpec> {
    let mut out = Vec::new();
    for (index, hook) in hooks.iter().enumerate() {
        let path = format!("services.{}.{key}[{index}]", service.name);
        let Hook { command, user, privileged, working_dir, environment, extensions: _ } = hook;
        if *privileged {
            policy::allow(ctx, "privileged", "", &format!("{path}.privileged"));
        }
        let command = command.clone().unwrap_or_default();
        if command.is_empty() {
            ctx.error("no-command", &path, format!("{key} of {} has no command", service.name), "add `command:`");
            continue;
        }
        out.push(ExecSpec {
            command,
            user: user.clone().unwrap_or_default(),
            privileged: *privileged,
            working_dir: working_dir.clone().unwrap_or_default(),
            environment: environment.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect(),
        });
    }
    out
}
