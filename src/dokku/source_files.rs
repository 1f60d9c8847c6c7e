//! What Dokku keeps of an app's source after a deploy: no command prints these files.

use super::Dokku;

/// Longest text that is read.
const MOST: u64 = 1 << 20;

impl Dokku {
    /// The `Procfile` of the last deploy (`core-post-deploy` of the plugin `ps`); empty: there is none.
    pub fn procfile(&self, app: &str) -> String {
        self.kept("ps", app, "Procfile")
    }

    /// The `app.json` of the last deploy (`core-post-deploy` of the plugin `app-json`); empty: there is none.
    pub fn app_json(&self, app: &str) -> String {
        self.kept("app-json", app, "app.json")
    }

    fn kept(&self, plugin: &str, app: &str, name: &str) -> String {
        let path = self.site().lib_root.join("data").join(plugin).join(app).join(name);
        let small = std::fs::metadata(&path).is_ok_and(|facts| facts.is_file() && facts.len() <= MOST);
        if small { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() }
    }
}
