//! A sandbox, a folder with compose files, and the program on both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use dokku_compose::sandbox::{World, create_with};
use serde_json::Value;

pub const PROJECT: &str = "shop";

pub struct Bench {
    dir: tempfile::TempDir,
    pub world: World,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    #[track_caller]
    pub fn says(self, word: &str) -> Self {
        assert!(self.all().contains(word), "no `{word}` in\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn keeps_quiet_about(self, word: &str) -> Self {
        assert!(!self.all().contains(word), "`{word}` in\n{}", self.all());
        self
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl Bench {
    /// A fresh world with `compose` in the source folder.
    pub fn new(compose: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("stack")).unwrap();
        let world = World::new(&dir.path().canonicalize().unwrap().join("world"));
        create_with(world.root(), Path::new(env!("CARGO_BIN_EXE_dokku-compose"))).unwrap();
        let bench = Self { dir, world };
        bench.write("compose.yaml", compose);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the source folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path("stack").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces text of the compose file.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path("stack/compose.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn scrubbed(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scrubbed(env!("CARGO_BIN_EXE_dokku-compose"));
        command.args(args).arg("--sandbox").arg(self.world.root());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// The same as somebody who came by ssh with a key of this name.
    pub fn run_as(&self, who: &str, args: &[&str]) -> Ran {
        Ran::of(self.command(args).env("SSH_NAME", who).env("SSH_USER", "dokku").output().unwrap())
    }

    /// `import shop stack` and more.
    pub fn import(&self, more: &[&str]) -> Ran {
        self.run(&[&["import", PROJECT, "stack"], more].concat())
    }

    pub fn plan(&self, more: &[&str]) -> Ran {
        self.run(&[&["plan", PROJECT, "stack"], more].concat())
    }

    /// The stand-in dokku.
    pub fn dokku(&self, args: &[&str]) -> Ran {
        Ran::of(self.scrubbed(self.world.path("bin/dokku")).args(args).output().unwrap())
    }

    /// How many calls there were so far.
    pub fn mark(&self) -> usize {
        self.world.calls().len()
    }

    /// The words of the calls since `mark`.
    pub fn calls(&self, mark: usize) -> Vec<String> {
        self.world.calls()[mark..].iter().map(|call| call.argv.join(" ")).collect()
    }

    /// A file of the project's folder.
    pub fn project_file(&self, name: &str) -> PathBuf {
        self.world.path("lib/data/compose/projects").join(PROJECT).join(name)
    }
}
