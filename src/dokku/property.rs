//! Properties: what `PLUGIN:set` writes, for every plugin alike.

use super::call::Program;
use super::{Call, NotExpressible};

/// `PLUGIN:set APP KEY [VALUE]`; without a value the property is unset.
///
/// A value that begins with a dash would be read as a flag, and is refused.
pub fn set(plugin: &str, app: &str, key: &str, value: Option<&str>) -> Result<Call, NotExpressible> {
    if value.is_some_and(|value| value.starts_with('-')) {
        return Err(NotExpressible::new(
            format!("{plugin}:set {key}"),
            "a value that begins with a dash is taken for a flag",
        ));
    }
    Ok(set_plain(plugin, app, key, value))
}

/// The same for values that are known to be plain words.
pub(super) fn set_plain(plugin: &str, app: &str, key: &str, value: Option<&str>) -> Call {
    let args = [app, key].into_iter().chain(value.filter(|value| !value.is_empty()));
    Call::new(&format!("{plugin}:set"), args).about(app)
}

/// Writes a property through Dokku's property tool, without the checks and triggers of `PLUGIN:set`:
/// the app need not exist. For properties that the plugin's own command would write the same way.
pub(super) fn write(plugin: &str, app: &str, key: &str, value: &str) -> Call {
    Call::other(Program::Prop, ["set", plugin, app, key, value]).about(app)
}

/// Writes a property that no command of Dokku writes alone, through its property tool; an empty value removes it.
pub fn record(plugin: &str, app: &str, key: &str, value: &str) -> Call {
    if value.is_empty() { delete(plugin, app, key) } else { write(plugin, app, key, value) }
}

/// Removes a property through Dokku's property tool.
pub(super) fn delete(plugin: &str, app: &str, key: &str) -> Call {
    Call::other(Program::Prop, ["del", plugin, app, key]).about(app)
}
