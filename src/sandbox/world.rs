//! The world's directory: where everything is kept, whole files only, one lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A stand-in server's directory.
///
/// `bin/` programs, `lib/` what `DOKKU_LIB_ROOT` is on a server, `home/` what `DOKKU_ROOT` is,
/// `engine/` the engine's state, `plugin/` the triggers that deploys call, and the files by which a
/// test says what goes wrong (`faults.json`, `faults/missing-images`, `behaviour.json`).
#[derive(Clone, Debug)]
pub struct World {
    root: PathBuf,
}

/// The world's lock; released when dropped.
pub struct Locked {
    _file: File,
}

impl World {
    /// The world in `root`; nothing is read.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// `DOKKU_LIB_ROOT`.
    pub fn lib(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// An app's directory, `DOKKU_ROOT/APP`.
    pub fn home(&self, app: &str) -> PathBuf {
        self.root.join("home").join(app)
    }

    /// Whether an app exists.
    pub fn app_exists(&self, app: &str) -> bool {
        app.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && self.home(app).is_dir()
    }

    /// All apps in the order of their names.
    pub fn apps(&self) -> Vec<String> {
        names(&self.root.join("home")).into_iter().filter(|name| self.app_exists(name)).collect()
    }

    /// Waits for the world's lock.
    pub fn lock(&self) -> io::Result<Locked> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.path("lock"))?;
        file.lock()?;
        Ok(Locked { _file: file })
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        millis() / 1000
    }

    /// A new hexadecimal number of 64 digits; the caller holds the lock.
    pub fn fresh_id(&self, kind: &str) -> io::Result<String> {
        let path = self.path("engine/next-id");
        let next: u64 = read_text(&path).trim().parse().unwrap_or(1);
        write_whole(&path, format!("{}\n", next + 1).as_bytes())?;
        Ok(digest(format!("{kind} {next} {}", self.root.display()).as_bytes()))
    }

    /// The property `key` of `app` in `plugin`, empty where it is not set.
    pub fn property(&self, plugin: &str, app: &str, key: &str) -> String {
        let text = read_text(&self.property_path(plugin, app, key));
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Whether the property is set, be it to the empty text.
    pub fn has_property(&self, plugin: &str, app: &str, key: &str) -> bool {
        self.property_path(plugin, app, key).is_file()
    }

    /// Sets a property; an empty value removes it.
    pub fn set_property(&self, plugin: &str, app: &str, key: &str, value: &str) -> io::Result<()> {
        let path = self.property_path(plugin, app, key);
        if value.is_empty() { remove_file(&path) } else { write_whole(&path, value.as_bytes()) }
    }

    /// The lines of a list property.
    pub fn list(&self, plugin: &str, app: &str, key: &str) -> Vec<String> {
        self.property(plugin, app, key).lines().map(str::to_owned).collect()
    }

    /// Sets a list property; an empty list removes it.
    pub fn set_list(&self, plugin: &str, app: &str, key: &str, lines: &[String]) -> io::Result<()> {
        self.set_property(plugin, app, key, &lines.join("\n"))
    }

    /// Names of the properties that `app` has in `plugin`.
    pub fn property_keys(&self, plugin: &str, app: &str) -> Vec<String> {
        names(&self.property_dir(plugin, app))
    }

    /// Where a plugin keeps an app's properties.
    pub fn property_dir(&self, plugin: &str, app: &str) -> PathBuf {
        self.lib().join("config").join(plugin).join(app)
    }

    /// A property's file.
    pub fn property_path(&self, plugin: &str, app: &str, key: &str) -> PathBuf {
        self.property_dir(plugin, app).join(key)
    }

    /// The plugins that have properties.
    pub fn property_plugins(&self) -> Vec<String> {
        names(&self.lib().join("config"))
    }

    /// A JSON file below the world, or the default where there is none or it does not parse.
    pub fn json<T: DeserializeOwned + Default>(&self, relative: &str) -> T {
        fs::read(self.path(relative)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Writes a JSON file below the world.
    pub fn set_json<T: Serialize>(&self, relative: &str, value: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        write_whole(&self.path(relative), &bytes)
    }

    /// Appends a line to a file below the world in one write.
    pub fn append(&self, relative: &str, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(relative))?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    /// The installed datastore plugins: name to version (`plugins.json`).
    pub fn datastores(&self) -> std::collections::BTreeMap<String, String> {
        self.json("plugins.json")
    }
}

/// Milliseconds since 1970.
pub(super) fn millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's text, empty where there is none.
pub(super) fn read_text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The names in a directory, sorted, without those that begin with a dot.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    all.sort();
    all
}

/// Writes a file whole or not at all, with its directory, readable by its owner only.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_mode(path, bytes, 0o600)
}

/// Writes a program.
pub(super) fn write_program(path: &Path, text: &str) -> io::Result<()> {
    write_mode(path, text.as_bytes(), 0o755)
}

fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = directory.join(format!(".{name}.{}.{:?}", std::process::id(), std::thread::current().id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
    // A program that somebody has open for writing cannot be run.
    drop(file);
    fs::rename(&temporary, path)
}

/// Removes a file; absent is success.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Removes a directory with its content; absent is success.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
