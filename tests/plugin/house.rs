//! A server's directories with the plugin in them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The triggers that Dokku runs for every app, and where their arguments name it and its tree.
pub const APP_TRIGGERS: [(&str, &[&str]); 11] = [
    ("post-container-create", &["app", "cid", "APP", "deploy", "web"]),
    ("check-deploy", &["APP", "cid", "web", "5000", "172.17.0.9", "1"]),
    ("scheduler-deploy", &["docker-local", "APP", "latest"]),
    ("post-deploy", &["APP", "", "", "latest"]),
    ("scheduler-stop", &["docker-local", "APP", "false"]),
    ("post-extract", &["APP", "TREE", "0123abc"]),
    ("pre-delete", &["APP", "latest"]),
    ("post-delete", &["APP", "latest"]),
    ("post-app-rename-setup", &["APP", "new-name"]),
    ("post-app-clone", &["APP", "new-name"]),
    ("builder-build", &["null", "APP", "TREE"]),
];

/// The triggers that ask the program about an app of a project.
pub fn asking_triggers() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    APP_TRIGGERS.into_iter().filter(|(name, _)| *name != "builder-build")
}

/// The commands that the shell files may use; `install` gets its sources (curl, cargo, docker) from a test only.
const TOOLS: [&str; 23] = [
    "cat",
    "chmod",
    "chown",
    "column",
    "cut",
    "dpkg",
    "find",
    "git",
    "grep",
    "id",
    "mkdir",
    "mktemp",
    "mv",
    "ps",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "tar",
    "uname",
    "xargs",
];

/// What stands where the program belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Nothing.
    Missing,
    /// Bytes that are no program, though a shell would run their first line.
    Text,
    /// The first bytes of a program.
    Truncated,
    /// Starts and never ends.
    Hanging,
    /// Answers, and ends triggers and commands with this code.
    Ending(u8),
}

/// The states in which the program cannot be asked.
pub const BROKEN: [Program; 5] =
    [Program::Missing, Program::Text, Program::Truncated, Program::Hanging, Program::Ending(101)];

/// A finished command.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A Dokku server's directories below a temporary one.
pub struct House {
    root: TempDir,
}

impl House {
    /// A server with the plugin enabled, its data directories made, and no program.
    pub fn new() -> Self {
        let house = Self { root: tempfile::tempdir().unwrap() };
        let plugin = house.plugin();
        fs::create_dir_all(plugin.join("src")).unwrap();
        fs::create_dir_all(house.path("bin")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in shell_files() {
            copy(&source.join(&name), &plugin.join(&name));
        }
        fs::create_dir(plugin.join("subcommands")).unwrap();
        for entry in fs::read_dir(source.join("subcommands")).unwrap() {
            let name = entry.unwrap().file_name();
            let target = fs::read_link(source.join("subcommands").join(&name)).unwrap();
            symlink(target, plugin.join("subcommands").join(&name)).unwrap();
        }
        fs::copy(source.join("plugin.toml"), plugin.join("plugin.toml")).unwrap();
        fs::write(plugin.join("Cargo.toml"), "[package]\nrust-version = \"1.89\"\n").unwrap();
        fs::write(plugin.join("Cargo.lock"), "").unwrap();
        fs::write(plugin.join("src/main.rs"), "fn main() {}\n").unwrap();
        // Places outside the server's own directories.
        let config = fs::read_to_string(plugin.join("config")).unwrap();
        let config = config
            .replace("=/usr/bin/dokku-compose", &format!("={}", house.packaged().display()))
            .replace("=/root/.cargo/bin/cargo", &format!("={}", house.path("root-cargo").display()));
        fs::write(plugin.join("config"), config).unwrap();

        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(tool)).find(|path| path.exists());
            symlink(found.unwrap_or_else(|| panic!("the tests need {tool}")), house.path("bin").join(tool)).unwrap();
        }
        // Every limit shrinks to a second, so that a hanging program costs no more.
        house.tool("timeout", "shift 3; exec /usr/bin/timeout -k 1 1 \"$@\"");
        for dir in ["bin", "apps", "projects"] {
            fs::create_dir_all(house.data().join(dir)).unwrap();
        }
        house
    }

    /// A path below the server's root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The enabled plugin.
    pub fn plugin(&self) -> PathBuf {
        self.path("plugins/enabled/compose")
    }

    /// The plugin's data.
    pub fn data(&self) -> PathBuf {
        self.path("lib/data/compose")
    }

    /// The program that `install` puts in place.
    pub fn installed(&self) -> PathBuf {
        self.data().join("bin/dokku-compose")
    }

    /// The program of the package.
    pub fn packaged(&self) -> PathBuf {
        self.path("packaged-dokku-compose")
    }

    /// Makes a project with its own app and one service's app.
    pub fn add_project(&self, name: &str) {
        fs::create_dir(self.data().join("projects").join(name)).unwrap();
        fs::write(self.data().join("apps").join(name), "{\"hooks\": \"x\"}\n").unwrap();
        fs::write(self.data().join("apps").join(format!("{name}-web")), "{\"hooks\": \"x\"}\n").unwrap();
    }

    /// Puts `program` where `install` would.
    pub fn put(&self, program: Program) {
        self.put_at(&self.installed(), program);
    }

    /// Puts `program` at `path`; one that runs leaves a line in [`House::started`].
    pub fn put_at(&self, path: &Path, program: Program) {
        let started = self.path("started");
        let started = started.display();
        let content = match program {
            Program::Missing => return fs::remove_file(path).unwrap_or(()),
            Program::Text => format!("echo broken >>'{started}'\n\u{0}").into_bytes(),
            Program::Truncated => b"\x7fELF\x02\x01\x01\0".to_vec(),
            Program::Hanging => format!("#!/bin/sh\necho \"$*\" >>'{started}'\nexec sleep 600\n").into_bytes(),
            Program::Ending(code) => self.program(env!("CARGO_PKG_VERSION"), code).into_bytes(),
        };
        write_executable(path, &content);
    }

    /// A program that answers as `version` and ends with `code`; it notes its arguments and its standard input.
    pub fn program(&self, version: &str, code: u8) -> String {
        let root = self.root.path().display();
        format!(
            "#!/bin/sh\n\
             if [ \"$1\" = --version ]; then echo 'dokku-compose {version}'; exit 0; fi\n\
             {{ printf '<%s>' \"$@\"; echo; }} >>'{root}/started'\n\
             cat >>'{root}/stdin'\n\
             exit {code}\n"
        )
    }

    /// What the program was started with, a line each time.
    pub fn started(&self) -> String {
        fs::read_to_string(self.path("started")).unwrap_or_default()
    }

    /// What the program found on its standard input.
    pub fn stdin_seen(&self) -> String {
        fs::read_to_string(self.path("stdin")).unwrap_or_default()
    }

    /// Puts a command on the PATH; its body runs in `sh`.
    pub fn tool(&self, name: &str, body: &str) {
        write_executable(&self.path("bin").join(name), format!("#!/bin/sh\n{body}\n").as_bytes());
    }

    /// A command of the plugin as Dokku starts it: by its whole path, in Dokku's environment.
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(self.plugin().join(script));
        command
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("DOKKU_LIB_ROOT", self.path("lib"))
            .env("DOKKU_NOT_IMPLEMENTED_EXIT", "10");
        command
    }

    /// Runs a file of the plugin with nothing on its standard input.
    pub fn run(&self, script: &str, args: &[&str]) -> Run {
        finish(self.command(script).args(args), "")
    }

    /// A trigger's arguments for `app`, with a new and empty tree.
    pub fn arguments(&self, args: &[&str], app: &str) -> Vec<String> {
        let tree = self.path("tree");
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir(&tree).unwrap();
        args.iter().map(|arg| arg.replace("APP", app).replace("TREE", tree.to_str().unwrap())).collect()
    }

    /// Runs a trigger for `app`.
    pub fn trigger(&self, (name, args): (&str, &[&str]), app: &str) -> Run {
        finish(self.command(name).args(self.arguments(args, app)), "")
    }
}

/// Runs a command to its end with `stdin`.
pub fn finish(command: &mut Command, stdin: &str) -> Run {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A command that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The shell files at the plugin's top level.
pub fn shell_files() -> Vec<String> {
    let mut names: Vec<String> = APP_TRIGGERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.extend(
        ["commands", "config", "functions", "install", "pre-restore", "subcommand", "uninstall", "update"]
            .map(String::from),
    );
    names
}

/// Writes a file whole and makes it executable.
pub fn write_executable(path: &Path, content: &[u8]) {
    // By a child, so that no other thread's fork holds the file open for writing while it is started (ETXTBSY).
    let status = Command::new("/bin/sh")
        .args(["-c", "cat >\"$1\" && chmod 0755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            child.stdin.take().unwrap().write_all(content)?;
            child.wait()
        })
        .unwrap();
    assert!(status.success());
}

/// Copies a file or a link as it is.
fn copy(from: &Path, to: &Path) {
    match fs::read_link(from) {
        Ok(target) => symlink(target, to).unwrap(),
        Err(_) => {
            write_executable(to, &fs::read(from).unwrap());
            fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
        }
    }
    assert!(to.exists() || to.ends_with("update"));
}

/// The permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
