//! `Procfile` and `app.json` of a source tree, which Dokku keeps beside the app after a deploy.

use std::fs;
use std::io;

use super::ctx::Answer;
use super::source;
use super::world::{World, read_text, write_whole};

/// Plugin that keeps the file, property of its path, usual path.
const FILES: [(&str, &str, &str); 2] = [("ps", "procfile-path", "Procfile"), ("app-json", "appjson-path", "app.json")];

/// The files of the tree that is deployed; empty: not there.
#[derive(Default)]
pub(super) struct SourceFiles {
    texts: [String; 2],
}

impl SourceFiles {
    /// Reads them from the commit of the deploy branch; an app of an image has none that are known here.
    pub(super) fn read(world: &World, app: &str) -> Answer<Self> {
        if !world.property("git", app, "source-image").is_empty() {
            return Ok(Self::default());
        }
        let Some(sha) = source::head(world, app) else { return Ok(Self::default()) };
        let directory = tempfile::tempdir()?;
        let tree = directory.path().join("tree");
        fs::create_dir(&tree)?;
        source::checkout(world, app, &sha, &tree)?;
        let texts = FILES.map(|(plugin, property, usual)| {
            let path = world.property(plugin, app, property);
            read_text(&tree.join(if path.is_empty() { usual } else { &path }))
        });
        Ok(Self { texts })
    }

    /// Whether `app.json` has health checks of the web process.
    pub(super) fn has_checks(&self) -> bool {
        let json: serde_json::Value = serde_json::from_str(&self.texts[1]).unwrap_or_default();
        json["healthchecks"]["web"].as_array().is_some_and(|list| !list.is_empty())
    }

    /// Keeps them where the plugins do.
    pub(super) fn keep(&self, world: &World, app: &str) -> io::Result<()> {
        for ((plugin, _, usual), text) in FILES.iter().zip(&self.texts) {
            let directory = world.lib().join("data").join(plugin).join(app);
            if !text.is_empty() {
                fs::create_dir_all(&directory)?;
                write_whole(&directory.join(usual), text.as_bytes())?;
            } else if directory.exists() {
                fs::remove_dir_all(&directory)?;
            }
        }
        Ok(())
    }
}
