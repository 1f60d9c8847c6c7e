//! A release that a deploy replaces, kept and brought back.
//!
//! Dokku does not undo a failed deploy: the old container serves on, but image tag, repository and source stay
//! at the new release, and the next restart would run it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ActionError, Done, Ran, Step};
use crate::docker::EngineError;
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
    if let Some(before) = before.filter(|before| *before != release.image_id)
        && step.engine().image(&before)?.is_some_and(|facts| facts.tags.is_empty())
    {
        // The release before the last. Dokku's own cleanup is off for the app, so it goes here, unless something
        // still uses it. By its id an image goes with its last name, which may be that of a version.
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
    deploy_source(step, app, release)?;
    let revision = step.dokku.config(app)?.get("GIT_REV").cloned().unwrap_or_default();
    if !release.commit.is_empty() && revision != release.commit {
        step.call(dokku::config::import(app, [("GIT_REV", release.commit.as_str())])?)?;
    }
    let label = format!("com.dokku.app-name={app}");
    // A deploy that was ended on its way has not named its containers yet, and Dokku knows nothing of them.
    for one in engine.containers(&[&label])?.into_iter().filter(|one| is_upcoming(&one.name)) {
        engine.container_remove(&one.id)?;
    }
    let mut running: Vec<String> =
        engine.containers(&[&label])?.into_iter().filter(|one| one.status == "running").map(|one| one.id).collect();
    running.sort();
    // A release of an earlier version names no containers of its own: where none runs it has to be started.
    if running == release.containers && !(release.running && running.is_empty()) && named(step, app, &running) {
        return Ok(Done::default());
    }
    if release.running { step.live(dokku::ps::restart(app)) } else { step.call(dokku::ps::stop(app)) }
}

/// Keeps what was just deployed: the image by a tag, the commit by a reference, since a later rollback leaves no
/// branch on it.
pub(super) fn record(step: &Step<'_>, app: &str, keep: &str) -> Ran {
    let mut done = keep_image(step, &format!("dokku/{app}:latest"), keep)?;
    let dir = step.runner.site.dokku_root.join(app);
    let branch = deploy_branch(step, app, &dir)?;
    let commit = crate::observe::commit(&dir, &branch);
    if !commit.is_empty() {
        git(step, &dir, &["update-ref", &reference(keep), &commit])?;
    }
    done.facts.insert("commit".into(), commit);
    done.facts.insert("branch".into(), branch);
    Ok(done)
}

/// The deploy branch: the only one there is, else Dokku is asked.
fn deploy_branch(step: &Step<'_>, app: &str, dir: &std::path::Path) -> Result<String, ActionError> {
    let heads = std::fs::read_dir(dir.join("refs/heads")).into_iter().flatten().flatten();
    let mut names: Vec<String> = heads.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    if names.len() == 1 && dir.join("refs/heads").join(&names[0]).is_file() {
        return Ok(names.remove(0));
    }
    let branch = step.dokku.report("git", app)?.text("computed-deploy-branch").to_owned();
    Ok(if branch.is_empty() { "master".into() } else { branch })
}

/// `dokku-compose/shop-web:v3` as a reference of the app's repository.
fn reference(keep: &str) -> String {
    let tag = keep.rsplit_once(':').map_or(keep, |(_, tag)| tag);
    format!("refs/dokku-compose/{tag}")
}

pub(super) fn forget(step: &Step<'_>, app: &str, keep: &str) -> Ran {
    match step.engine().image_remove(keep) {
        // A container that Dokku retires still uses it.
        Err(EngineError::Refused { status: 409, .. }) if !step.context.undoing => return Ok(Done::default()),
        other => other?,
    }
    let dir = step.runner.site.dokku_root.join(app);
    if dir.join("HEAD").exists() {
        git(step, &dir, &["update-ref", "-d", &reference(keep)])?;
        // git leaves the empty directory.
        let _ = std::fs::remove_dir(dir.join("refs/dokku-compose"));
    }
    Ok(Done::default())
}

pub(super) fn keep_image(step: &Step<'_>, image: &str, keep: &str) -> Ran {
    let Some(facts) = step.engine().image(image)? else {
        return Err(ActionError::new(format!("the image {image} is not on the server")));
    };
    let (repository, tag) = keep.rsplit_once(':').unwrap_or((keep, "latest"));
    step.engine().image_tag(&facts.id, repository, tag)?;
    let mut done = Done::default();
    done.facts.insert("image_id".into(), facts.id);
    Ok(done)
}

fn git(step: &Step<'_>, dir: &std::path::Path, args: &[&str]) -> Result<(), ActionError> {
    let env: BTreeMap<String, String> = step.dokku.env().clone();
    let output = Command::new("git", &env)
        .args(["--git-dir".as_ref(), dir.as_os_str()])
        .args(args)
        .limit(Duration::from_secs(60))
        .run()
        .map_err(|error| ActionError::new(error.to_string()))?;
    if output.success() {
        Ok(())
    } else {
        Err(ActionError::new(format!("git {} failed in {}", args.join(" "), dir.display())))
    }
}

/// Whether Dokku's own notes name none but these containers: a deploy whose later containers failed leaves them with the
/// first of the new ones.
fn named(step: &Step<'_>, app: &str, running: &[String]) -> bool {
    let notes = std::fs::read_dir(step.runner.site.dokku_root.join(app)).into_iter().flatten().flatten();
    let mut notes = notes.filter(|entry| entry.file_name().to_string_lossy().starts_with("CONTAINER."));
    notes.all(|entry| {
        let id = std::fs::read_to_string(entry.path()).unwrap_or_default();
        id.trim().is_empty() || running.iter().any(|one| one.starts_with(id.trim()))
    })
}

/// `shop-web.web.1.upcoming-17850`: a container of a deploy that has not ended.
fn is_upcoming(name: &str) -> bool {
    name.rsplit_once(".upcoming-").is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What `apps:report` says was deployed last, as it was.
fn deploy_source(step: &Step<'_>, app: &str, release: &Release) -> Result<(), ActionError> {
    let now = step.dokku.report("apps", app)?;
    for (key, before) in
        [("deploy-source", &release.deploy_source), ("deploy-source-metadata", &release.deploy_metadata)]
    {
        if now.text(key) != before {
            step.call(dokku::property::record("apps", app, key, before))?;
        }
    }
    // A deploy takes a lock away, and one that was ended on its way leaves its own.
    match (now.text("locked") == "true", release.locked) {
        (true, false) => step.call(dokku::apps::unlock(app)).map(drop)?,
        (false, true) => step.call(dokku::apps::lock(app)).map(drop)?,
        _ => {}
    }
    Ok(())
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
        let commit = format!("{}^{{commit}}", release.commit);
        if git(step, &dir, &["cat-file", "-e", &commit]).is_err() {
            step.context.line(&format!(
                "the source of {app} went with an app of that name that was destroyed since: its image runs, and \
                 ps:rebuild builds what was deployed last"
            ));
            return Ok(());
        }
        vec!["update-ref", &reference, &release.commit]
    };
    git(step, &dir, &args)
}
