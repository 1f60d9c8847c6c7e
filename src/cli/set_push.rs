//! `compose:set` of pushes: what a push to an app does, and what the administrator allows pushes.

use anyhow::{Result, bail};

use super::create;
use super::session::{Session, setting_file};
use crate::dokku;
use crate::map::{policy, pushed};
use crate::state::{PushSettings, store};

/// Settings of an app.
pub(super) const OF_APP: &[&str] = &["git-push", "compose-path", "profiles", "branch"];

/// What the administrator allows: lists, for all projects.
pub(super) const OF_ALL: &[&str] = &[
    "push-allowed-host-paths",
    "push-allowed-ports",
    "push-allowed-privileges",
    "push-allowed-registries",
    "push-max-size",
];

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Sets a list of the administrator; an empty value unsets.
pub(super) fn of_all(session: &Session, key: &str, value: &str) -> Result<()> {
    let items = list(value);
    let wrong = |item: &&String| match key {
        "push-allowed-host-paths" => !item.starts_with('/'),
        "push-allowed-ports" => pushed::range(item).is_none(),
        "push-max-size" => crate::compose::units::parse_bytes(item).is_err(),
        "push-allowed-privileges" => policy::unknown_rule(&[item.as_str()]).is_some(),
        _ => false,
    };
    if let Some(bad) = items.iter().find(wrong) {
        let like = match key {
            "push-allowed-ports" => "a port: write 25 or 8000-8010",
            "push-allowed-privileges" => "a privilege: write KEY or KEY:VALUE, such as cap_add:NET_ADMIN",
            "push-max-size" => "a size: write 512m or 2g",
            _ => "an absolute path",
        };
        bail!("{bad} is not {like}");
    }
    let file = setting_file(&session.site, key);
    if items.is_empty() {
        return Ok(store::remove_file(&file)?);
    }
    store::create_dir(&session.site.data())?;
    Ok(store::write_bytes(&file, format!("{}\n", items.join("\n")).as_bytes())?)
}

/// Sets what a push to `app` does; an empty value unsets.
pub(super) fn of_app(session: &Session, app: &str, key: &str, value: &str) -> Result<()> {
    if !session.dokku.may(&["compose:set", app])? {
        bail!("you may not change {app} on this server");
    }
    if (key, value) == ("git-push", "true") {
        return create::opt_in(session, app, false);
    }
    if !session.dokku.app_exists(app)? {
        return Err(create::no_app(app));
    }
    let mut settings = PushSettings::load(&session.site, app)?;
    match (key, value) {
        ("git-push", "" | "false") => settings.git_push = false,
        ("git-push", other) => bail!("git-push is true or false, not {other}"),
        ("compose-path", _) => {
            settings.compose_path = list(value);
            let plain = |path: &String| !path.starts_with('/') && !path.split('/').any(|part| part == "..");
            if let Some(bad) = settings.compose_path.iter().find(|path| !plain(path)) {
                bail!("{bad} leaves the repository: give a path from its top on");
            }
        }
        ("profiles", _) => settings.profiles = list(value),
        _ => {
            let value = Some(value).filter(|value| !value.is_empty());
            session.dokku.call(dokku::property::set("git", app, "deploy-branch", value)?)?;
            return Ok(());
        }
    }
    Ok(settings.save(&session.site, app)?)
}
