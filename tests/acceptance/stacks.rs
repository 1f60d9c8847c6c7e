//! The stacks: this project's own, and real ones of the corpus, which is read where it lies and never kept.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::model::{self, Model};
use crate::run;
use crate::server::PREFIX;

/// The collection of the corpus, and which of its stacks are run.
const COLLECTION: &str = "docker__awesome-compose";
const FROM_CORPUS: &[&str] = &[
    "aspnet-mssql",
    "elasticsearch-logstash-kibana",
    "fastapi",
    "flask-redis",
    "gitea-postgres",
    "nextcloud-redis-mariadb",
    "nginx-flask-mongo",
    "nginx-flask-mysql",
    "nginx-golang-postgres",
    "nginx-nodejs-redis",
    "nginx-wsgi-flask",
    "prometheus-grafana",
    "react-express-mongodb",
    "react-express-mysql",
    "react-java-mysql",
    "react-rust-postgres",
    "spring-postgres",
    "wordpress-mysql",
];

/// Stacks that are sent as a tar on standard input, as from another machine; the others are read where they lie.
const SENT: &[&str] = &["env-and-files"];

/// A stack as it lies somewhere.
#[derive(Clone, Debug)]
pub struct Stack {
    pub name: String,
    from: PathBuf,
}

/// A stack that was copied to be imported; the copy goes with this value.
pub struct Copied {
    /// The project on the server.
    pub project: String,
    pub dir: PathBuf,
    pub model: Model,
    /// Whether it is sent as a tar.
    pub sent: bool,
    /// Further checks, JSON: `[{"service", "ask", "is" | "fails"}]`.
    pub checks: String,
    _holder: TempDir,
}

/// This project's own stacks, in the order of their names.
pub fn own() -> Vec<Stack> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stacks");
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .expect("fixtures/stacks")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().map(|name| Stack { from: dir.join(&name), name }).collect()
}

/// The stacks of the corpus, unpacked into a directory that goes with the second value.
///
/// # Errors
/// Where the corpus is not there, in words.
pub fn corpus() -> Result<(Vec<Stack>, TempDir), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = vec![root.join("../shared"), root.join("../../shared")];
    if let Some(shared) = std::env::var_os("COMPOSE_SHARED") {
        places.insert(0, shared.into());
    }
    let archive = places
        .iter()
        .map(|place| place.join("compose-corpus/cases.tar.gz"))
        .find(|archive| archive.is_file())
        .ok_or("the corpus (compose-corpus/cases.tar.gz in ../shared or $COMPOSE_SHARED) is not here")?;
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (file, into) = (archive.to_str().unwrap_or_default(), dir.path().to_str().unwrap_or_default());
    run::expect(&["tar", "--extract", "--gzip", "--file", file, "--directory", into, COLLECTION])?;
    let stacks =
        FROM_CORPUS.iter().map(|name| Stack { name: (*name).to_owned(), from: dir.path().join(COLLECTION).join(name) });
    Ok((stacks.collect(), dir))
}

/// Copies a stack to a place that user dokku can read, with the files that its `tree.txt` says it has, so that
/// build contexts and bind mounts exist.
///
/// # Errors
/// What could not be read or written.
pub fn copy(stack: &Stack) -> Result<Copied, String> {
    let words = |error: std::io::Error| format!("{}: {error}", stack.name);
    let holder = tempfile::Builder::new().prefix("acceptance-").tempdir().map_err(words)?;
    std::fs::set_permissions(holder.path(), std::fs::Permissions::from_mode(0o755)).map_err(words)?;
    let project = format!("{PREFIX}{}", stack.name);
    let dir = holder.path().join(&project);
    copy_tree(&stack.from, &dir).map_err(words)?;
    let expected = std::fs::read_to_string(stack.from.join("expected.json")).map_err(words)?;
    let model = model::read(&expected, &dir);
    let tree = std::fs::read_to_string(stack.from.join("tree.txt")).unwrap_or_default();
    for path in tree.lines().filter_map(|line| line.split_once('\t')).map(|(_, path)| path) {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Dockerfiles are the harness's own, and what they leave out of a context too.
        if !name.contains("Dockerfile") && !name.starts_with(".docker") {
            write_missing(&dir.join(path), &format!("stands in for {path}\n")).map_err(words)?;
        }
    }
    for service in model.services.values() {
        if let Some(build) = &service.build {
            std::fs::create_dir_all(&build.context).map_err(words)?;
        }
        for source in service.mounts.iter().filter_map(|mount| mount.source.as_ref()) {
            if source.starts_with(&dir) && !source.exists() {
                std::fs::create_dir_all(source).map_err(words)?;
            }
        }
    }
    let checks = std::fs::read_to_string(stack.from.join("checks.json")).unwrap_or_else(|_| "[]".into());
    Ok(Copied { project, dir, model, sent: SENT.contains(&stack.name.as_str()), checks, _holder: holder })
}

fn write_missing(path: &Path, text: &str) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, text)
}

/// Without what is not the stack's: what the reference said, notes.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if !name.starts_with("expected.") && !["case.json", "tree.txt", "checks.json"].contains(&name.as_str()) {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

impl Copied {
    /// What an import is given: the source, and standard input where that is it.
    ///
    /// # Errors
    /// What tar said.
    pub fn source(&self) -> Result<(String, Option<File>), String> {
        let dir = self.dir.to_string_lossy().into_owned();
        if !self.sent {
            return Ok((dir, None));
        }
        let file = self.dir.with_extension("tar");
        run::expect(&["tar", "--create", "--file", &file.to_string_lossy(), "--directory", &dir, "."])?;
        let file = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(("-".to_owned(), Some(file)))
    }

    /// The compose file.
    pub fn file(&self) -> PathBuf {
        ["compose.yaml", "compose.yml", "docker-compose.yml"]
            .iter()
            .map(|name| self.dir.join(name))
            .find(|path| path.is_file())
            .unwrap_or_else(|| self.dir.join("compose.yaml"))
    }
}
