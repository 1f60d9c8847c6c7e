//! Deploys of an image or a source tree: `git:*`.

use super::call::DEPLOY;
use super::{Call, Dokku, DokkuError, DokkuResult, Report};
use crate::process::{LineSink, StdinWriter};

/// What a deploy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployed {
    /// The app was built and deployed.
    Done,
    /// The source is what it was: Dokku built and deployed nothing. [`ps::rebuild`](super::ps::rebuild)
    /// does it with the source that is there.
    Unchanged,
}

/// `git:from-image APP IMAGE`: builds and deploys an app from an image, which is pulled where it is
/// not there. The app must exist.
pub fn from_image(app: &str, image: &str) -> Call {
    Call::new("git:from-image", [app, image]).about(app).limit(DEPLOY)
}

/// `git:from-archive --archive-type tar APP --`: builds and deploys the tree that `tar` writes.
/// Dokku strips a directory that all entries are in.
pub fn from_archive(app: &str, tar: StdinWriter) -> Call {
    let call = Call::new("git:from-archive", ["--archive-type", "tar", app, "--"]).about(app).limit(DEPLOY);
    call.stdin_from(tar, "a tar of the source")
}

/// Where an app's source comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The commit, or `HEAD` where there is none.
    pub sha: String,
    /// The image of [`from_image`], or empty.
    pub image: String,
}

impl Source {
    /// Reads an app's `git:report`.
    pub fn from_report(report: &Report) -> Self {
        Self { sha: report.text("sha").to_owned(), image: report.text("source-image").to_owned() }
    }
}

impl Dokku {
    /// Makes a call that deploys a source: an unchanged one is an outcome, not an error.
    ///
    /// After an error the app's source and image may be the new, broken ones, while the old
    /// containers serve on.
    pub fn deploy(&self, call: Call, sink: LineSink<'_>) -> DokkuResult<Deployed> {
        match self.call_live(call, sink) {
            Ok(_) => Ok(Deployed::Done),
            Err(error @ DokkuError::Failed { exit: 1, .. }) if error.says("No changes detected") => {
                Ok(Deployed::Unchanged)
            }
            Err(error) => Err(error),
        }
    }

    /// Where an app's source comes from (`git:report`).
    pub fn source(&self, app: &str) -> DokkuResult<Source> {
        Ok(Source::from_report(&self.report("git", app)?))
    }
}
