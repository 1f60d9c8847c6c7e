//! Build contexts of an export: a directory that is still there is named, one that went with its import comes out of the
//! app's own repository.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::session::Session;
use crate::export::{Origin, Stack};
use crate::process;

/// Longest time that one tree may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Gives each build a context; the apps whose source is to be written, and where to. `beside` is where the compose file
/// is written; without it nothing is, and a comment says where the source is.
pub(super) fn place(stack: &mut Stack, beside: Option<&Path>) -> Result<Vec<(String, PathBuf)>> {
    let mut out = Vec::new();
    for unit in stack.units.values_mut() {
        let Origin::Build { build, repository } = &mut unit.origin else { continue };
        if build.context.is_dir() {
            continue;
        }
        if repository.is_none() && !build.tag.is_empty() {
            // One build of several services, or of a job: no app has its source, and the image is kept.
            let image = std::mem::take(&mut build.tag);
            unit.notes.push(format!(
                "built from a directory that is not there any more; the image is on this server only (docker save {image})"
            ));
            unit.origin = Origin::Image { image, pull: false };
            continue;
        }
        // Process types of an app share its source.
        let folder = unit.process_of.as_ref().unwrap_or(&unit.name);
        build.context = Path::new(".").join(folder);
        match (repository, beside) {
            (Some(app), Some(dir)) => {
                let target = dir.join(folder);
                if out.iter().any(|(_, known)| *known == target) {
                    continue;
                }
                if target.exists() {
                    bail!("{} is there already: name a file in another directory", target.display());
                }
                out.push((app.clone(), target));
            }
            (Some(app), None) => unit.notes.push(format!("its source: git clone dokku@HOST:{app} {folder}")),
            (None, _) => unit.notes.push("its source is not on the server any more: put it there".into()),
        }
    }
    Ok(out)
}

/// Writes what an app was last built from into a directory that is not there yet.
pub(super) fn extract(session: &Session, app: &str, target: &Path) -> Result<()> {
    let report = session.dokku.report("git", app)?;
    let branch = Some(report.text("computed-deploy-branch")).filter(|branch| !branch.is_empty()).unwrap_or("master");
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let tar = folder.path().join("tree.tar");
    let output = process::Command::new("git", session.dokku.env())
        .args(["-c", "safe.directory=*", "--git-dir"])
        .args([session.site.dokku_root.join(app)])
        .args(["archive", "--format=tar", "--output"])
        .args([&tar])
        .args([branch])
        .limit(LIMIT)
        .run()?;
    if !output.success() {
        bail!("cannot read the source of {app}: {}", output.stderr.trim());
    }
    std::fs::create_dir(target).with_context(|| format!("cannot make {}", target.display()))?;
    tar::Archive::new(std::fs::File::open(&tar)?)
        .unpack(target)
        .with_context(|| format!("cannot write the source of {app} to {}", target.display()))
}
