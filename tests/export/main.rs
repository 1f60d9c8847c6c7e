//! `compose:export` on the sandbox, as its user runs it.

#![allow(clippy::unwrap_used)]

mod data;
mod formats;
mod processes;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Bench {
    home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dokku-compose"))
            .args(args)
            .arg("--sandbox")
            .arg(self.path("world"))
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn dokku(&self, args: &[&str]) {
        let status = Command::new(self.path("world/bin/dokku")).args(args).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{args:?}");
    }
}

/// An app `one` made by hand, with a postgres service `db` linked to it.
fn hand_made() -> Bench {
    let bench = Bench::new();
    bench.ok(&["list"]);
    bench.dokku(&["apps:create", "one"]);
    dokku_compose::sandbox::World::new(&bench.path("world")).set_datastores(&[("postgres", "1.48.0")]).unwrap();
    bench.dokku(&["postgres:create", "db"]);
    bench.dokku(&["postgres:link", "db", "one", "--no-restart"]);
    bench
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const FILE: &str = r#"# kept as it is
name: shop
services:
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD: "${DB_PASSWORD}" }
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: { test: ["CMD", "pg_isready"], interval: 1s }
  migrate:
    image: acme/api:1
    command: ["./migrate", "up", "$$HOME"]
    depends_on: { db: { condition: service_healthy } }
  web:
    build: { context: ./app, args: { FLAVOUR: plain } }
    environment: { DATABASE_URL: "postgres://postgres:${DB_PASSWORD}@db/app", MODE: fast }
    ports: ["8080:3000"]
    secrets: [token]
    configs: [{ source: motd, target: /etc/motd }]
    volumes: ["./conf:/etc/web:ro"]
    depends_on: { migrate: { condition: service_completed_successfully } }
volumes: { data: }
secrets: { token: { file: ./token.txt } }
configs: { motd: { content: "hello $${USER}\n" } }
"#;

const PASSWORD: &str = "correct-horse-battery";

fn imported() -> Bench {
    let bench = Bench::new();
    bench.write("src/compose.yaml", FILE).write("src/.env", &format!("DB_PASSWORD={PASSWORD}\n"));
    bench.write("src/app/Dockerfile", "FROM alpine:3\nCOPY main /main\nCMD [\"/main\"]\n").write("src/app/main", "x\n");
    bench.write("src/token.txt", "tok'en of the day\n").write("src/conf/web.conf", "listen 8000\n");
    bench.ok(&["import", "shop", "src"]);
    bench
}

#[test]
fn what_is_exported_imports_to_an_empty_plan() {
    let bench = imported();
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "-o", "out/compose.yaml"]);
    assert_eq!(mode(&bench.path("out/.env")), 0o600);
    let text = std::fs::read_to_string(bench.path("out/compose.yaml")).unwrap();
    assert!(!text.contains(PASSWORD) && !text.contains("tok'en"), "{text}");
    // Ends with 2 where anything is to be done.
    bench.ok(&["plan", "shop", "out", "--detailed-exitcode"]);
    // The same again over its own files is fine.
    bench.ok(&["export", "shop", "-o", "out/compose.yaml"]);
}

#[test]
fn what_somebody_changed_by_hand_is_exported() {
    let bench = imported();
    bench.dokku(&["config:set", "--no-restart", "shop-web", "MODE=slow"]);
    bench.dokku(&["ps:scale", "--skip-deploy", "shop-web", "web=3"]);
    bench.dokku(&["domains:add", "shop-web", "shop.example.com"]);
    let text = bench.ok(&["export", "shop"]);
    for line in ["      MODE: slow\n", "    scale: 3\n", "        - shop.example.com\n", "  # x-dokku.domains: "] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn secrets_go_where_they_are_asked_to() {
    let bench = imported();
    let output = bench.run(&["export", "shop"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains(PASSWORD));
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"));
    assert!(bench.ok(&["export", "shop", "--secrets", "inline"]).contains(PASSWORD));
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "--redact", "--format", "json", "-o", "out/compose.json"]);
    let env = std::fs::read_to_string(bench.path("out/.env")).unwrap();
    assert!(env.contains("POSTGRES_PASSWORD=\n") && !env.contains(PASSWORD), "{env}");
    // Somebody's own variables are not written over, and then nothing else is written either.
    bench.write("mine/.env", "A=1\n");
    assert_eq!(bench.run(&["export", "shop", "-o", "mine/compose.yaml"]).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(bench.path("mine/.env")).unwrap(), "A=1\n");
    assert!(!bench.path("mine/compose.yaml").exists());
}

#[test]
fn a_directory_that_cannot_be_written_to_is_told_first() {
    let bench = imported();
    bench.write("file", "mine\n");
    for target in ["nosuch/compose.yaml", "file/compose.yaml"] {
        let output = bench.run(&["export", "shop", "-o", target]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot write to ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn the_original_comes_back_byte_for_byte() {
    let bench = imported();
    assert_eq!(bench.ok(&["export", "shop", "--original"]), FILE);
    bench.write("src/compose.yaml", &FILE.replace("MODE: fast", "MODE: faster"));
    bench.ok(&["import", "shop", "src"]);
    assert_eq!(bench.ok(&["export", "shop", "--original", "v1"]), FILE);
    bench.ok(&["export", "shop", "--original", "v1", "-o", "old"]);
    assert_eq!(std::fs::read_to_string(bench.path("old/compose.yaml")).unwrap(), FILE);
    let output = bench.run(&["export", "shop", "--original", "v7"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("kept are v1, v2"));
    assert_eq!(bench.run(&["export", "nosuch"]).status.code(), Some(20));
}

#[test]
fn a_graph_has_what_waits_for_what() {
    let graph = imported().ok(&["export", "shop", "--format", "dot"]);
    assert!(graph.starts_with("digraph \"shop\" {") && graph.contains("\"web\" -> \"migrate\" [label=\"completed\"];"));
}

#[test]
fn a_source_that_went_comes_out_of_the_apps_repository() {
    let bench = imported();
    std::fs::rename(bench.path("src/app"), bench.path("gone")).unwrap();
    assert!(bench.ok(&["export", "shop"]).contains("  # its source: git clone dokku@HOST:shop-web web\n"));
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "-o", "out/compose.yaml"]);
    assert_eq!(std::fs::read_to_string(bench.path("out/web/main")).unwrap(), "x\n");
    bench.ok(&["plan", "shop", "out", "--detailed-exitcode"]);
    // What is there is not written over.
    assert_eq!(bench.run(&["export", "shop", "-o", "out/other.yaml"]).status.code(), Some(1));
}

#[test]
fn a_shared_build_whose_source_went_is_its_image() {
    let bench = Bench::new();
    bench.write("src/app/Dockerfile", "FROM alpine:3\nCMD [\"/main\"]\n");
    bench.write(
        "src/compose.yaml",
        "services:\n  job: {build: ./app, command: [x], restart: 'no'}\n  web: {build: ./app, ports: ['8080:80'], \
         depends_on: {job: {condition: service_completed_successfully}}}\n",
    );
    bench.ok(&["import", "shop", "src"]);
    std::fs::rename(bench.path("src/app"), bench.path("gone")).unwrap();
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "shop", "-o", "out/compose.yaml"]);
    let text = std::fs::read_to_string(bench.path("out/compose.yaml")).unwrap();
    assert_eq!(text.matches("    image: dokku-compose/shop-build:").count(), 2, "{text}");
    assert!(text.contains("the image is on this server only (docker save dokku-compose/shop-build:"), "{text}");
    bench.write("out/compose.yaml", &text.replace("name: shop", "name: copy").replace("8080", "8081"));
    bench.ok(&["import", "copy", "out"]);
}

#[test]
fn apps_made_by_hand_become_a_stack_that_imports_to_equal_apps() {
    let bench = hand_made();
    bench.dokku(&["config:set", "--no-restart", "one", "MODE=hand", "API_TOKEN=tok-en-12345"]);
    bench.dokku(&["docker-options:add", "one", "deploy", "--label=team=x"]);
    bench.dokku(&["resource:limit", "--memory", "64m", "one"]);
    bench.dokku(&["git:from-image", "one", "acme/one:1"]);
    bench.dokku(&["ports:set", "one", "http:80:5000"]);
    bench.dokku(&["domains:add", "one", "one.example.com"]);
    bench.dokku(&["apps:create", "two"]);
    bench.dokku(&["git:from-image", "two", "acme/two:1"]);
    bench.dokku(&["ports:set", "two", "http:80:3000"]);
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.ok(&["export", "--apps", "one,two", "--name", "both", "-o", "out/compose.yaml"]);
    let text = std::fs::read_to_string(bench.path("out/compose.yaml")).unwrap();
    assert!(text.contains("API_TOKEN: ${API_TOKEN?}") && !text.contains("tok-en-12345"), "{text}");
    assert!(text.contains("- dokku-postgres-db"), "{text}");
    assert_eq!(text.matches("published: \"80\"").count(), 1, "two services of a file cannot hold one port: {text}");
    assert_eq!(bench.run(&["export", "--apps", "one,nosuch"]).status.code(), Some(20));
    // On a server where there is nothing.
    std::fs::rename(bench.path("world"), bench.path("first")).unwrap();
    bench.ok(&["import", "both", "out"]);
    let of = |world: &str, args: &[&str]| {
        let output = Command::new(bench.path(world).join("bin/dokku")).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let config = of("world", &["config:export", "--format", "json", "both-one"]);
    for part in ["hand", "tok-en-12345", "dokku-postgres-db"] {
        assert!(config.contains(part), "{config}");
    }
    assert!(of("world", &["ports:list", "both-two"]).contains("3000"));
    assert!(of("world", &["domains:report", "both-one"]).contains("one.example.com"));
    assert!(of("world", &["resource:report", "both-one"]).contains("64m"));
    assert!(of("world", &["docker-options:report", "both-one"]).contains("--label=team=x"));
}
