//! Calls the triggers of the plugin in `WORLD/plugin`, as Dokku calls those of all plugins.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::ctx::Ctx;

/// How long a trigger may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a trigger without the world's lock, so that it can call Dokku; gives its exit code, 0 where the
/// plugin has no such trigger.
pub(super) fn call(ctx: &mut Ctx, name: &str, args: &[&str]) -> io::Result<i32> {
    let program = ctx.world.path("plugin").join(name);
    if !program.is_file() {
        return Ok(0);
    }
    ctx.unlocked(|ctx| {
        io::stdout().flush()?;
        let world = &ctx.world;
        let mut command = Command::new(&program);
        command.args(args).stdin(Stdio::null());
        if ctx.merged {
            command.stderr(io::stdout().as_fd().try_clone_to_owned()?);
        }
        let mut path = world.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .env("PATH", path)
            .env("DOKKU_ROOT", world.path("home"))
            .env("DOKKU_HOST_ROOT", world.path("home"))
            .env("DOKKU_LIB_ROOT", world.lib())
            .env("DOKKU_LIB_HOST_ROOT", world.lib())
            .env("PLUGIN_PATH", world.lib().join("plugins"))
            .env("PLUGIN_AVAILABLE_PATH", world.lib().join("plugins/available"))
            .env("PLUGIN_ENABLED_PATH", world.lib().join("plugins/enabled"))
            .env("PLUGIN_CORE_PATH", world.lib().join("core-plugins"))
            .env("PLUGIN_CORE_AVAILABLE_PATH", world.lib().join("core-plugins/available"))
            .env("PLUGIN_CORE_ENABLED_PATH", world.lib().join("core-plugins/enabled"))
            .env("DOKKU_API_VERSION", "1")
            .env("DOKKU_NOT_IMPLEMENTED_EXIT", "10")
            .env("DOKKU_VALID_EXIT", "0")
            .env("DOKKU_PID", std::process::id().to_string())
            .env("DOKKU_GLOBAL_FLAGS", ctx.globals.all.join(" "))
            .env("DOKKU_COMPOSE_SANDBOX", world.root());
        if ctx.globals.quiet {
            command.env("DOKKU_QUIET_OUTPUT", "1");
        }
        if ctx.globals.force {
            command.env("DOKKU_APPS_FORCE_DELETE", "1");
        }
        if let Some(app) = &ctx.globals.app {
            command.env("DOKKU_APP_NAME", app);
        }
        let mut child = command.spawn()?;
        let ends = Instant::now() + LIMIT;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code().unwrap_or(137));
            }
            if Instant::now() >= ends {
                child.kill()?;
                child.wait()?;
                return Ok(137);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    })?
}
