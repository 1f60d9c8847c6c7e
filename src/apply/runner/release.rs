//! A release that a deploy replaces, kept and brought back.
//!
//! Dokku does not undo a failed deploy: the old container serves on, but image tag, repository and source stay
//! at the new release, and the next restart would run it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ActionError, Done, Ran, Step};
use crate::dokku;
use crate::plan::Release;
use crate::process::Command;
use crate::state::store;

pub(super) fn keep(step: &Step<'_>, release: &Release) -> Ran {
    if release.image_id.is_empty() {
        return Ok(Done::default());
    }
    let (repository, tag) = release.keep.split_once(':').unwrap_or((&release.keep, "previous"));
    let before = step.engine().image(&release.keep)?.map(|facts| facts.id);
    if before.is_none() {
        let note = first_kept(step, release);
        store::create_dir(step.context.before)
            .and_then(|()| store::write_bytes(&note, b""))
            .map_err(|error| ActionError::new(error.to_string()))?;
    }
    step.engine().image_tag(&release.image_id, repository, tag)?;
    if let Some(before) = before.filter(|before| *before != release.image_id) {
        // The release before the last. Dokku's own cleanup is off for the app, so it goes here, unless something
        // still uses it.
        let _ = step.engine().image_remove(&before);
    }
    Ok(Done::default())
}

/// The note in the run's folder that no release of the app was kept before.
fn first_kept(step: &Step<'_>, release: &Release) -> PathBuf {
    step.context.before.join(format!("kept-{}", release.keep.replace(['/', ':'], "-")))
}

pub(super) fn restore(step: &Step<'_>, app: &str, release: &Release) -> Ran {
    let done = bring_back(step, app, release)?;
    if first_kept(step, release).exists() {
        step.engine().image_remove(&release.keep)?;
    }
    Ok(done)
}

fn bring_back(step: &Step<'_>, app: &str, release: &Release) -> Ran {
    let latest = format!("dokku/{app}:latest");
    let engine = step.engine();
    let now = engine.image(&latest)?.map(|facts| facts.id).unwrap_or_default();
    if now != release.image_id && !release.image_id.is_empty() {
        engine.image_tag(&release.keep, &format!("dokku/{app}"), "latest")?;
    }
    repository(step, app, release)?;
    let source = step.dokku.source(app)?;
    if source.image != release.source_image {
        let value = Some(release.source_image.as_str()).filter(|image| !image.is_empty());
        step.call(dokku::property::set("git", app, "source-image", value)?)?;
    }
    let revision = step.dokku.config(app)?.get("GIT_REV").cloned().unwrap_or_default();
    if !release.commit.is_empty() && revision != release.commit {
        step.call(dokku::config::import(app, [("GIT_REV", release.commit.as_str())])?)?;
    }
    let label = format!("com.dokku.app-name={app}");
    let mut running: Vec<String> =
        engine.containers(&[&label])?.into_iter().filter(|one| one.status == "running").map(|one| one.id).collect();
    running.sort();
    if running == release.containers {
        return Ok(Done::default());
    }
    if release.running { step.live(dokku::ps::restart(app)) } else { step.call(dokku::ps::stop(app)) }
}

/// The deploy branch of the app's repository, as it was.
fn repository(step: &Step<'_>, app: &str, release: &Release) -> Result<(), ActionError> {
    let dir = step.runner.site.dokku_root.join(app);
    if release.branch.is_empty() || !dir.join("HEAD").exists() {
        return Ok(());
    }
    let reference = format!("refs/heads/{}", release.branch);
    let args: Vec<&str> = if release.commit.is_empty() {
        vec!["update-ref", "-d", &reference]
    } else {
        vec!["update-ref", &reference, &release.commit]
    };
    let env: BTreeMap<String, String> = step.dokku.env().clone();
    let output = Command::new("git", &env)
        .args(["--git-dir".as_ref(), dir.as_os_str()])
        .args(args)
        .limit(Duration::from_secs(60))
        .run()
        .map_err(|error| ActionError::new(error.to_string()))?;
    if output.success() { Ok(()) } else { Err(ActionError::new(format!("cannot set {reference} of {app} back"))) }
}
