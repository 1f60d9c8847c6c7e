//! The commands, one file a Dokku plugin.

pub(super) mod apps;
pub(super) mod checks;
pub(super) mod config;
pub(super) mod datastore;
pub(super) mod docker_options;
pub(super) mod domains;
pub(super) mod git;
pub(super) mod misc;
pub(super) mod network;
pub(super) mod ports;
pub(super) mod properties;
pub(super) mod proxy;
pub(super) mod ps;
pub(super) mod report;
pub(super) mod resource;
pub(super) mod storage;

use super::ctx::{Answer, Ctx, Stop};

/// Runs a command; `None` where Dokku has no such command.
pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    let plugin = command.split(':').next().unwrap_or_default();
    if ctx.world.datastores().contains_key(plugin) {
        return datastore::run(ctx, command, args);
    }
    let all = [
        apps::run,
        config::run,
        docker_options::run,
        storage::run,
        network::run,
        ports::run,
        domains::run,
        proxy::run,
        checks::run,
        resource::run,
        ps::run,
        git::run,
        properties::run,
        misc::run,
    ];
    all.iter().find_map(|run| run(ctx, command, args))
}

/// The name of a command that Dokku does not have.
pub(super) fn unknown(words: &[String]) -> Stop {
    let command = words.join(" ");
    Stop::Fail(
        1,
        format!("`{command}` is not a dokku command.\n !     See `dokku help` for a list of available commands."),
    )
}
