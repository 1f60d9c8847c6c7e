//! Permission for what does not go through `dokku`: the engine, files, the property tool.

use std::path::Path;

use super::call::Program;
use super::{Call, Dokku, DokkuError, DokkuResult};

impl Dokku {
    /// Whether the caller may run `command` (`apps:create`, `shop-web`), asked as the `dokku` script
    /// asks before each command: the trigger `user-auth SSH_USER SSH_NAME COMMAND...`, unless only
    /// Dokku's own event log implements it.
    ///
    /// Calls of `dokku` ask by themselves; this is for what goes to the engine directly.
    pub fn may(&self, command: &[&str]) -> DokkuResult<bool> {
        if !self.has_user_auth() {
            return Ok(true);
        }
        let env = self.env();
        let name = |keys: &[&str], default: &str| {
            keys.iter().find_map(|key| env.get(*key)).map_or(default, String::as_str).to_owned()
        };
        let user = name(&["SSH_USER", "USER", "LOGNAME"], "root");
        let key = name(&["NAME"], "default");
        let args = ["trigger".to_owned(), "user-auth".to_owned(), user, key]
            .into_iter()
            .chain(command.iter().map(|word| (*word).to_owned()));
        match self.call(Call::other(Program::Plugn, args)) {
            Ok(_) => Ok(true),
            Err(DokkuError::Failed { .. } | DokkuError::UnknownApp { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a plugin other than Dokku's event log decides who may what.
    fn has_user_auth(&self) -> bool {
        let enabled = self.env().get("PLUGIN_ENABLED_PATH").map(String::as_str).unwrap_or_default();
        let plugins = match Path::new(enabled).read_dir() {
            Ok(plugins) => plugins,
            // Where nothing can be read, the trigger is asked.
            Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
        };
        plugins.flatten().any(|plugin| plugin.file_name() != "20_events" && plugin.path().join("user-auth").exists())
    }
}
