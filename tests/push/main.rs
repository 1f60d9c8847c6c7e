//! Pushes of a repository to a project's own app, in the sandbox: with the plugin's own trigger files, in Dokku's order,
//! and with what a push leaves in the environment.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A server with the plugin, and a repository beside it.
pub(crate) struct Bench {
    home: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: Option<i32>,
    /// Both streams.
    pub text: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = [output.stdout, output.stderr].concat();
        Self { code: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
    }

    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self
    }

    /// It was refused, saying all of `words`.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) -> Self {
        assert_ne!(self.code, Some(0), "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "{word}\n{}", self.text);
        }
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.text.contains(word), "{word}\n{}", self.text);
        }
        self
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { home: tempfile::tempdir().unwrap() };
        bench.run(&["list"]).done();
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let plugin = bench.path("world/plugin");
        fs::remove_dir_all(&plugin).unwrap();
        fs::create_dir(&plugin).unwrap();
        let files = ["functions", "config", "post-extract", "builder-build", "check-deploy", "post-container-create"];
        for name in files.into_iter().chain(["pre-delete", "post-delete"]) {
            fs::copy(own.join(name), plugin.join(name)).unwrap();
        }
        let bin = bench.path("world/lib/data/compose/bin");
        fs::create_dir_all(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_dokku-compose"), bin.join("dokku-compose")).unwrap();
        bench.git(&["init", "--quiet", "--initial-branch", "master"]);
        bench
    }

    /// One whose project `shop` takes pushes.
    pub(crate) fn ready() -> Self {
        let bench = Self::new();
        bench.run(&["create", "shop"]).done();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path("repo").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null());
        // What git's quarantine and Dokku's own build leave to a trigger.
        for (name, value) in [
            ("GIT_DIR", "."),
            ("GIT_QUARANTINE_PATH", "/nonexistent/quarantine"),
            ("GIT_OBJECT_DIRECTORY", "/nonexistent/objects"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/nonexistent/other"),
            ("GIT_INDEX_FILE", "/nonexistent/index"),
            ("DOKKU_BUILD_ID", "b1"),
            ("DOKKU_BUILD_LOG_FILE", "/nonexistent/log"),
            ("DOKKU_PID", "1"),
            ("SSH_ORIGINAL_COMMAND", "git-receive-pack 'shop'"),
            ("SSH_USER", "dokku"),
            ("SSH_NAME", "deploy"),
        ] {
            command.env(name, value);
        }
        command
    }

    /// The program, on this world.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_dokku-compose")));
        Ran::of(command.arg("--sandbox").arg(self.path("world")).args(args).output().unwrap())
    }

    pub(crate) fn dokku(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(&self.path("world/bin/dokku")).args(args).output().unwrap())
    }

    pub(crate) fn git(&self, args: &[&str]) {
        fs::create_dir_all(self.path("repo")).unwrap();
        let mut command = Command::new("git");
        command.current_dir(self.path("repo")).env("GIT_CONFIG_GLOBAL", "/dev/null").args(["-c", "user.name=a"]);
        let output = command.args(["-c", "user.email=a@b"]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Commits all and brings it to the app the way Dokku does.
    pub(crate) fn push(&self) -> Ran {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        let repository = self.path("repo").display().to_string();
        self.dokku(&["git:sync", "--build", "shop", &repository, "master"])
    }

    /// All apps and containers there are.
    pub(crate) fn there(&self) -> (String, Vec<String>) {
        let apps: Vec<String> =
            serde_json::from_str(&self.dokku(&["--quiet", "apps:list", "--format", "json"]).done().text).unwrap();
        let state = fs::read_to_string(self.path("world/engine/state.json")).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_str(&state).unwrap_or_default();
        let containers = state["containers"].as_object().into_iter().flatten();
        // A push that was undone started its containers anew, under new ids.
        (apps.join("\n"), containers.map(|(_, one)| format!("{} {}", one["name"], one["image"])).collect())
    }

    /// How often the source of an app was deployed.
    pub(crate) fn builds(&self, app: &str) -> usize {
        let calls = fs::read_to_string(self.path("world/calls.jsonl")).unwrap();
        calls.lines().filter(|line| line.contains("git:from-archive") && line.contains(&format!("\"{app}\""))).count()
    }
}

pub(crate) const FILE: &str = r#"services:
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: "${DB_PASSWORD:-x}" }
    volumes: ["data:/var/lib/postgresql/data"]
  migrate:
    image: acme/api:1
    command: ["./migrate"]
    depends_on: [db]
  web:
    build: ./web
    ports: ["8080:3000"]
    volumes: ["./conf:/etc/web:ro"]
    depends_on: { migrate: { condition: service_completed_successfully } }
  worker:
    build: ./worker
volumes: { data: }
"#;

pub(crate) fn stack(bench: &Bench) -> &Bench {
    for service in ["web", "worker"] {
        bench.write(&format!("{service}/Dockerfile"), "FROM alpine:3\nCOPY main /main\nCMD [\"/main\"]\n");
        bench.write(&format!("{service}/main"), "one\n");
    }
    bench.write("conf/web.conf", "listen 3000\n").write("compose.yaml", FILE)
}

mod dropped;
mod refusals;

#[test]
fn a_push_deploys_the_stack_and_a_second_one_what_changed() {
    let bench = Bench::ready();
    stack(&bench);
    bench.push().done().says(&["Importing the compose project shop", "4 services", "shop is imported"]);
    let status = bench.run(&["status", "shop"]).done().text;
    for line in ["shop-db", "shop-web", "shop-worker", "exit code 0"] {
        assert!(status.contains(line), "{status}");
    }
    // The volume is the project's, not one of the directory that Dokku made for the push.
    assert!(fs::read_to_string(bench.path("world/engine/state.json")).unwrap().contains("shop_data"));
    assert_eq!((bench.builds("shop-web"), bench.builds("shop-worker")), (1, 1));
    bench.write("worker/main", "two\n");
    bench.push().done().says(&[
        "web is skipped: its source, Dockerfile, build arguments and settings are those of the last import",
        "db is skipped: its image and settings",
        "migrate is skipped: it has run",
    ]);
    assert_eq!((bench.builds("shop-web"), bench.builds("shop-worker")), (1, 2));
    // Nothing changed: nothing is built, and the push is taken.
    bench.push().done().says(&["shop is up to date: nothing to do"]);
    assert_eq!((bench.builds("shop-web"), bench.builds("shop-worker")), (1, 2));
}

#[test]
fn rebuild_and_archive_import_too() {
    let bench = Bench::ready();
    stack(&bench);
    bench.push().done();
    // Somebody took a service away; the last push says that it belongs there.
    bench.dokku(&["--force", "apps:destroy", "shop-worker"]).done();
    bench.dokku(&["ps:rebuild", "shop"]).done().says(&["Importing the compose project shop", "shop is imported"]);
    assert!(bench.there().0.contains("shop-worker"));
    bench.write("web/main", "from an archive\n");
    let repository = bench.path("repo").display().to_string();
    let tar = Command::new("tar").args(["-C", &repository, "--exclude=.git", "-c", "."]).output().unwrap().stdout;
    let mut child = bench
        .command(&bench.path("world/bin/dokku"))
        .args(["git:from-archive", "--archive-type", "tar", "shop", "--"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &tar).unwrap();
    Ran::of(child.wait_with_output().unwrap()).done().says(&["shop is imported"]);
    assert_eq!(bench.builds("shop-web"), 2);
}

#[test]
fn files_profiles_and_projects_of_one_repository() {
    let bench = Bench::ready();
    stack(&bench);
    bench.write(
        "deploy/shop/docker-compose.yml",
        "services:\n  web:\n    build: ../../web\n    volumes: [\"../../conf:/etc/web:ro\"]\n  extra: {image: acme/extra:1, profiles: [more]}\n",
    );
    bench.write("deploy/shop/docker-compose.override.yml", "services: {web: {environment: {FROM: override}}}\n");
    bench.run(&["set", "shop", "compose-path", "deploy/shop"]).done();
    bench.push().done().says(&["shop is imported"]);
    assert_eq!(bench.there().0, "shop\nshop-web");
    let delivered = bench.path("world/lib/data/storage/shop/_top/conf/web.conf");
    assert_eq!(fs::read_to_string(delivered).unwrap(), "listen 3000\n");
    assert!(bench.dokku(&["config:export", "shop-web"]).text.contains("override"));
    bench.run(&["set", "shop", "profiles", "more"]).done();
    bench.push().done();
    assert!(bench.there().0.contains("shop-extra"));
    bench.run(&["set", "shop", "compose-path", "deploy/other.yaml"]).done();
    bench.push().refused(&["there is no deploy/other.yaml in what was pushed"]);
    bench.run(&["set", "shop", "compose-path", "../x"]).refused(&["leaves the repository"]);
    bench.run(&["set", "shop", "branch", "main"]).done();
    assert!(bench.dokku(&["git:report", "shop"]).text.contains("main"));
}

#[test]
fn labels_leave_a_service_out_and_name_the_primary() {
    let bench = Bench::ready();
    bench.write(
        "compose.yaml",
        "services:\n  one: {image: acme/one:1, ports: [\"8081:80\"]}\n  two:\n    image: acme/two:1\n    ports: [\"8082:80\"]\n    \
         labels: {com.dokku.primary-image: \"true\"}\n  tool: {image: acme/tool:1, labels: {com.dokku.compose: \"false\"}}\n",
    );
    bench.push().done();
    assert_eq!(bench.there().0, "shop\nshop-one\nshop-two");
    assert!(bench.dokku(&["domains:report", "shop-two"]).text.contains("shop.dokku.me"));
    assert!(!bench.dokku(&["domains:report", "shop-one"]).text.contains(" shop.dokku.me"));
}

#[test]
fn an_app_that_does_not_take_pushes_is_as_it_was() {
    let bench = Bench::new();
    bench.write("Dockerfile", "FROM alpine:3\nEXPOSE 5000\nCMD [\"/main\"]\n").write("compose.yaml", "services: {}\n");
    bench.dokku(&["apps:create", "shop"]).done();
    bench.push().done().says(&["Building shop from Dockerfile"]);
    // It is deployed: to make a project of it would take its source away.
    bench.run(&["set", "shop", "git-push", "true"]).refused(&["is deployed and is no compose project"]);
    bench.run(&["create", "shop"]).refused(&["is deployed"]);
    bench.run(&["set", "nosuch", "git-push", "true"]).refused(&["compose:create nosuch"]);
    bench.run(&["create", "network"]).refused(&["name of a Dokku plugin"]);
    bench.run(&["create", "a_b"]).refused(&["cannot be a project"]);
}

#[test]
fn what_nobody_pushed_to_can_be_destroyed() {
    let bench = Bench::ready();
    bench.run(&["destroy", "shop"]).refused(&["--force"]);
    bench.run(&["destroy", "shop", "--force"]).done().says(&["shop is destroyed"]);
    assert!(!bench.there().0.contains("shop"));
    assert!(!bench.path("world/lib/data/compose/projects/shop").exists());
    assert_eq!(bench.run(&["destroy", "shop", "--force"]).code, Some(20));
}

#[test]
fn an_imported_project_takes_pushes_once_it_is_told_to() {
    let bench = Bench::new();
    stack(&bench);
    bench.run(&["import", "shop", "repo"]).done();
    bench.push().refused(&["compose:set shop git-push true"]);
    bench.run(&["set", "shop", "git-push", "true"]).done();
    bench.push().done().says(&["shop is up to date"]);
    bench.run(&["set", "shop", "git-push", "false"]).done();
    bench.push().refused(&["takes no pushes"]);
}

#[test]
fn what_was_made_for_pushes_goes_with_the_project() {
    let bench = Bench::ready();
    stack(&bench);
    bench.push().done();
    bench.run(&["destroy", "shop", "--force", "--volumes"]).done();
    let (apps, containers) = bench.there();
    assert_eq!((apps.as_str(), containers.len()), ("", 0));
    assert!(!bench.path("world/lib/data/compose/settings/shop").exists());
}
