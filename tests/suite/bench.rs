//! A world, a folder with compose files, and the program on both.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dokku_compose::sandbox::{CallRecord, Faults, World};
use serde_json::Value;
use tempfile::TempDir;

use crate::snapshot::Snapshot;

/// No run of the program may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// The project of all tests.
pub const PROJECT: &str = "shop";

/// The program under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_dokku-compose"))
}

/// One server and one source folder, in a directory that goes with it.
pub struct Bench {
    dir: TempDir,
    pub world: World,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; none: a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The same, which ended with `code`.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "signal {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.signal,
            self.out,
            self.err
        );
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl Bench {
    /// A fresh world and an empty source folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("stack")).unwrap();
        let world = World::new(&dir.path().canonicalize().unwrap().join("world"));
        dokku_compose::sandbox::create_with(world.root(), &program()).unwrap();
        Self { dir, world }
    }

    /// The source folder.
    pub fn source(&self) -> PathBuf {
        self.dir.path().join("stack")
    }

    /// A path beside world and source.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the source folder.
    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Replaces text of the compose file.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) -> &Self {
        let path = self.source().join("compose.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
        self
    }

    /// The program with arguments and the world, in a scrubbed environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).arg("--sandbox").arg(self.world.root());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.dir.path());
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it.
    pub fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args))
    }

    /// Runs it with variables more.
    pub fn run_with(&self, args: &[&str], env: &[(&str, OsString)]) -> Ran {
        let mut command = self.command(args);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        finish(command)
    }

    /// `import shop SOURCE` and more arguments.
    pub fn import(&self, more: &[&str]) -> Ran {
        self.run(&self.import_args(more).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The arguments of [`Bench::import`].
    pub fn import_args(&self, more: &[&str]) -> Vec<String> {
        let source = self.source().display().to_string();
        ["import", PROJECT, &source].iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// The stand-in dokku.
    pub fn dokku(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(self.world.path("bin/dokku"));
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command)
    }

    /// How many calls there were so far.
    pub fn mark(&self) -> usize {
        self.world.calls().len()
    }

    /// The calls since a mark.
    pub fn calls_since(&self, mark: usize) -> Vec<CallRecord> {
        self.world.calls().split_off(mark)
    }

    /// Their words, of the programs `dokku` and `prop` only.
    pub fn dokku_since(&self, mark: usize) -> Vec<String> {
        self.calls_since(mark).iter().filter(|call| call.of != "engine").map(|call| call.argv.join(" ")).collect()
    }

    /// What is on the server.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.world)
    }

    /// The engine's whole state.
    pub fn engine(&self) -> Value {
        let bytes = fs::read(self.world.path("engine/state.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Ids of running containers by name.
    pub fn containers(&self) -> std::collections::BTreeMap<String, String> {
        let engine = self.engine();
        let all = engine["containers"].as_object().into_iter().flatten();
        all.map(|(id, one)| (one["name"].as_str().unwrap().to_owned(), id.clone())).collect()
    }

    /// A container of the engine.
    #[track_caller]
    pub fn container(&self, name: &str) -> Value {
        let engine = self.engine();
        let found = engine["containers"].as_object().unwrap().values().find(|one| one["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("there is no container {name}: {:?}", self.containers()))
    }

    /// Sets what goes wrong; calls are counted anew.
    pub fn faults(&self, faults: &Value) {
        let faults: Faults = serde_json::from_value(faults.clone()).unwrap();
        self.world.set_faults(&faults).unwrap();
    }

    /// Nothing goes wrong any more.
    pub fn no_faults(&self) {
        self.world.set_faults(&Faults::default()).unwrap();
    }

    /// Gives the server a key of digests before the first import does.
    pub fn give_key(&self) {
        let key = self.world.path("lib/data/compose/digest.key");
        fs::create_dir_all(key.parent().unwrap()).unwrap();
        fs::write(key, [7; 32]).unwrap();
    }

    /// Keeps the world as it is, for [`Bench::restore`].
    pub fn save(&self) {
        copy(self.world.root(), &self.path("saved"));
    }

    /// Adds a file of the world as it is now to what is kept.
    pub fn save_with(&self, name: &str) {
        fs::copy(self.world.path(name), self.path("saved").join(name)).unwrap();
    }

    /// Brings the kept world back, once nothing works in this one any more: the calls of a killed program go on without
    /// it.
    pub fn restore(&self) {
        let until = Instant::now() + LIMIT;
        while let Some(busy) = self.busy() {
            assert!(Instant::now() < until, "still at work: {busy}");
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::remove_dir_all(self.world.root()).unwrap();
        copy(&self.path("saved"), self.world.root());
    }

    /// The command line of a program that works in this world.
    fn busy(&self) -> Option<String> {
        let root = self.world.root().display().to_string();
        fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
            process.file_name().to_str()?.parse::<u32>().ok()?;
            // One that has ended meanwhile is no longer there to read.
            let line = fs::read(process.path().join("cmdline")).ok()?;
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let named = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&root);
            (named(&line) || named(&environment)).then(|| String::from_utf8_lossy(&line).replace('\0', " "))
        })
    }

    /// Puts the plugin's trigger files into the world, as Dokku has them of every plugin.
    pub fn with_plugin(self) -> Self {
        let plugin = self.world.path("plugin");
        let from = Path::new(env!("CARGO_MANIFEST_DIR"));
        let triggers = [
            "post-container-create",
            "check-deploy",
            "scheduler-deploy",
            "post-deploy",
            "scheduler-stop",
            "post-extract",
            "pre-delete",
            "post-delete",
            "post-app-rename-setup",
            "post-app-clone",
            "pre-restore",
        ];
        for name in triggers.into_iter().chain(["functions"]) {
            assert!(from.join(name).is_file(), "the plugin has no {name}");
            let _ = fs::remove_file(plugin.join(name));
            std::os::unix::fs::symlink(from.join(name), plugin.join(name)).unwrap();
        }
        let config = fs::read_to_string(from.join("config")).unwrap();
        fs::write(plugin.join("config"), format!("{config}\ncompose_installed='{}'\n", program().display())).unwrap();
        self
    }
}

/// Runs a command to its end; one that does not end is killed and fails the test.
pub fn finish(mut command: Command) -> Ran {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.unwrap().read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|stream| Box::new(stream) as Box<_>));
    let err = read(child.stderr.take().map(|stream| Box::new(stream) as Box<_>));
    let until = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it did not end: {command:?}\n{}\n{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Ran { code: status.code(), signal: status.signal(), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
