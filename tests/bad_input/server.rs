//! A sandbox with one project in it, and what proves that a command left it alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dokku_compose::sandbox::{Faults, World, create_with};

/// A world with one imported project, so that there is something to harm.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) text: String,
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_dokku-compose");

impl Server {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self { folder };
        create_with(&server.world(), Path::new(PROGRAM)).unwrap();
        server.source("good", "services:\n  web: {image: \"app:1\", ports: [\"8080:80\"], environment: {A: one}}\n");
        let ran = server.import("keep", &["good"]);
        assert_eq!(ran.code, 0, "{}", ran.text);
        server
    }

    pub(crate) fn world(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    pub(crate) fn faulty(&self, faults: Faults) {
        World::new(&self.world()).set_faults(&faults).unwrap();
    }

    /// A directory with a compose file.
    pub(crate) fn source(&self, name: &str, text: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("compose.yaml"), text).unwrap();
        dir
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(PROGRAM)
            .args(args)
            .arg("--sandbox")
            .arg(self.world())
            .current_dir(self.folder.path())
            .env_remove("DOKKU_COMPOSE_SANDBOX")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code().unwrap_or(-1), text }
    }

    pub(crate) fn import(&self, project: &str, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["import", project].iter().chain(args).copied().collect();
        self.run(&all, b"")
    }

    /// Every file of the world with its content, but for what the sandbox and the locks themselves write.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut out = BTreeMap::new();
        walk(&self.world(), &self.world(), &mut out);
        out
    }

    /// Runs `work`, which must end with `code`, say `says`, and leave the world as it was.
    pub(crate) fn unharmed(&self, name: &str, code: i32, says: &[&str], work: impl FnOnce() -> Ran) {
        let before = self.snapshot();
        let ran = work();
        assert_eq!(ran.code, code, "{name}: {}", ran.text);
        for words in says {
            assert!(ran.text.contains(words), "{name}: `{words}` is not in:\n{}", ran.text);
        }
        assert!(!ran.text.contains("panicked"), "{name}: {}", ran.text);
        assert_same(name, &before, &self.snapshot());
    }
}

pub(crate) fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_path_buf();
        let name = relative.to_string_lossy().into_owned();
        // The sandbox's own bookkeeping; numbers that were used stay used.
        if ["calls.count", "calls.jsonl", "lock", "engine/next-id", "faults.json", "behaviour.json"]
            .contains(&name.as_str())
            || name.starts_with("faults/")
            // Dokku itself never forgets what was mounted once.
            || name == "lib/data/storage-registry"
        {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        // Nor does it take away the directory in which it kept the mounts of an app.
        if name == "lib/config/storage" && fs::read_dir(&path).unwrap().next().is_none() {
            continue;
        }
        if meta.is_dir() {
            out.insert(relative, b"directory".to_vec());
            walk(root, &path, out);
        } else if meta.file_type().is_symlink() {
            out.insert(relative, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
        } else if name == "engine/state.json" {
            // An image that was asked for is known from then on, as one that was pulled is.
            let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for key in ["images", "tags"] {
                state.as_object_mut().unwrap().remove(key);
            }
            out.insert(relative, state.to_string().into_bytes());
        } else {
            out.insert(relative, fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn assert_same(name: &str, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let differ: Vec<&PathBuf> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(differ.is_empty(), "{name}: the server is not as it was: {differ:?}");
}
