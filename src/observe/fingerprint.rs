//! A cheap proof that nobody changed an app's settings since the last commit: the digest of Dokku's own files of it.
//!
//! Nothing is read out of these files, whose format is Dokku's own business. An equal digest means equal settings;
//! another one only means that Dokku has to be asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::site::Site;

/// Properties that change without anybody changing a setting.
const VOLATILE: &[&str] = &[
    "git/last-updated-at",
    "ps/scale.old",
    "common/deployed",
    "apps/created-at",
    "builder/detected",
    "ports/map-detected",
];

/// The digest of each app's settings; an app without any files has none.
pub fn fingerprints(site: &Site, apps: &[String]) -> BTreeMap<String, String> {
    let root = site.lib_root.join("config");
    let mut plugins: Vec<String> = fs::read_dir(&root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    plugins.sort();
    let mut out = BTreeMap::new();
    for app in apps {
        let mut hash = Sha256::new();
        let mut files = 0;
        for plugin in &plugins {
            let dir = root.join(plugin).join(app);
            files += add_directory(&mut hash, plugin, &dir);
        }
        files += add_file(&mut hash, "ENV", &root.join(app).join("ENV"));
        let home = site.dokku_root.join(app);
        for name in ["ENV", "VHOST", "HEAD", "refs/heads/master", "refs/heads/main", "packed-refs"] {
            files += add_file(&mut hash, name, &home.join(name));
        }
        files += add_file(&mut hash, "hooks", &site.app_file(app));
        if files > 0 {
            let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            out.insert(app.clone(), digest);
        }
    }
    out
}

fn add_directory(hash: &mut Sha256, plugin: &str, dir: &Path) -> usize {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut files = 0;
    for name in names {
        let key = format!("{plugin}/{name}");
        if !VOLATILE.contains(&key.as_str()) {
            files += add_file(hash, &key, &dir.join(&name));
        }
    }
    files
}

fn add_file(hash: &mut Sha256, key: &str, path: &Path) -> usize {
    let Ok(bytes) = fs::read(path) else { return 0 };
    // An empty property is the same as none.
    if bytes.is_empty() {
        return 0;
    }
    hash.update(key.as_bytes());
    hash.update([0]);
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(&bytes);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_setting_changes_the_digest_and_a_volatile_one_does_not() {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_path_buf());
        let write = |name: &str, text: &str| {
            let path = site.lib_root.join("config").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let apps = ["shop-web".to_owned(), "none".to_owned()];
        write("network/shop-web/initial-network", "shop_default");
        write("git/shop-web/last-updated-at", "1");
        let one = fingerprints(&site, &apps);
        assert!(!one.contains_key("none"));
        write("git/shop-web/last-updated-at", "2");
        assert_eq!(fingerprints(&site, &apps), one);
        write("shop-web/ENV", "A=1");
        assert_ne!(fingerprints(&site, &apps), one);
    }
}
