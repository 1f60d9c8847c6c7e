//! `compose:create`, and `compose:set APP git-push true`: an app that a repository is pushed to.

use anyhow::Result;

use super::args::CreateArgs;
use super::session::Session;
use super::{Exit, Failed};
use crate::dokku;
use crate::map::names;
use crate::state::{PushSettings, State};
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &CreateArgs) -> Result<Exit> {
    let app = &args.project;
    opt_in(session, app, true)?;
    printer.header(&format!("{app} is ready: git push dokku@HOST:{app}"));
    Ok(Exit::Done)
}

/// Makes `app` a project's own app that takes pushes, from nothing where `create` says so.
///
/// Everything that is set may be set again: a second call mends what a first one left.
pub(super) fn opt_in(session: &Session, app: &str, create: bool) -> Result<()> {
    let refuse = |message: String| Err(Failed::new(Exit::Wrong, message).into());
    if !names::valid_project(app) {
        return refuse(format!(
            "{app} cannot be a project: use lower-case letters, digits and -, at most 40, beginning and ending with a letter or digit"
        ));
    }
    if session.reserved().contains(app) {
        return refuse(format!("{app} is the name of a Dokku plugin; choose another name"));
    }
    let dokku = &session.dokku;
    let known = State::load(&session.project_dir(app)?)?.is_some();
    let mut settings = PushSettings::load(&session.site, app)?;
    match (dokku.app_exists(app)?, create) {
        (false, false) => {
            return Err(no_app(app));
        }
        (false, true) => {
            dokku.create_parked(app)?;
            settings.created = true;
        }
        (true, _) if !known => {
            if session.engine.image(&format!("dokku/{app}:latest"))?.is_some() {
                return refuse(format!("{app} is deployed and is no compose project: a push goes on deploying it"));
            }
        }
        (true, _) => {}
    }
    for (plugin, key, value) in
        [("builder", "selected", "null"), ("network", "bind-all-interfaces", "false"), ("proxy", "disabled", "true")]
    {
        dokku.call(dokku::property::set(plugin, app, key, Some(value))?)?;
    }
    dokku.call(dokku::domains::disable(app))?;
    dokku.call(dokku::property::set("proxy", app, "type", None)?)?;
    settings.git_push = true;
    settings.save(&session.site, app)?;
    Ok(())
}

/// There is no such app.
pub(super) fn no_app(app: &str) -> anyhow::Error {
    Failed::new(Exit::UnknownProject, format!("there is no app {app}; dokku compose:create {app} makes it")).into()
}
