//! The actions of `ServerRunner` that Dokku has no part in, against a real Docker engine with local images only:
//! raw containers, jobs, gates, networks, volumes, delivered files. Every action is done twice and undone twice,
//! as after a crash. What is made is named `runner-test-*`. `COMPOSE_REQUIRE_ENGINE=1` makes the engine's absence
//! a failure; the files need none.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod containers;
mod files;
mod gates;
mod runs;
#[path = "../standin/mod.rs"]
mod standin;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use dokku_compose::apply::runner::ServerRunner;
use dokku_compose::apply::{ActionError, Cancel, Context, Done, Runner};
use dokku_compose::docker::{ContainerSpec, DockerEngine, EndpointSpec, Engine};
use dokku_compose::dokku::Dokku;
use dokku_compose::plan::Action;
use dokku_compose::plan::raw::{HASH_LABEL, PROJECT_LABEL};
use dokku_compose::site::Site;

const IMAGE: &str = "runner-test-image:1";

fn env() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// A runner whose server's places lie in a directory of its own.
struct Server {
    runner: ServerRunner,
    engine: Arc<DockerEngine>,
    world: tempfile::TempDir,
    lines: Mutex<Vec<String>>,
    cancel: Cancel,
    limit: Duration,
    /// Counts the runs: each has a folder of its own for what it replaces.
    runs: AtomicU32,
    /// Removed at the end, also when the test fails: names of containers, networks, volumes.
    made: Mutex<[Vec<String>; 3]>,
}

impl Server {
    /// Without asking the engine for anything.
    fn new() -> Self {
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        let engine = Arc::new(DockerEngine::new(&Site::from_env(&env()), &env()));
        let runner = ServerRunner {
            dokku: Dokku::new(site.clone(), &env()),
            engine: engine.clone(),
            site,
            delivered: Mutex::default(),
        };
        Self {
            runner,
            engine,
            world,
            lines: Mutex::default(),
            cancel: Cancel::default(),
            limit: Duration::from_secs(120),
            runs: AtomicU32::new(1),
            made: Mutex::default(),
        }
    }

    /// With an engine that answers and the test image, or `None` where there is no engine.
    fn with_engine() -> Option<Self> {
        static IMAGE_BUILT: Once = Once::new();
        static TOLD: Once = Once::new();
        let server = Self::new();
        if let Err(error) = server.engine.info() {
            assert!(std::env::var_os("COMPOSE_REQUIRE_ENGINE").is_none(), "no Docker engine answers: {error}");
            // Not eprintln!, which the test runner keeps to itself.
            TOLD.call_once(|| {
                let text = "no Docker engine answers: of tests/jobs only the files are tested";
                let _ = writeln!(std::io::stderr(), "{text} ({error})");
            });
            return None;
        }
        IMAGE_BUILT.call_once(|| standin::image(IMAGE, "8080", &["8080"], "").unwrap());
        Some(server)
    }

    fn run(&self, action: &Action) -> Result<Done, ActionError> {
        self.act(action, false)
    }

    fn act(&self, action: &Action, undoing: bool) -> Result<Done, ActionError> {
        let lines = |text: &str| self.lines.lock().unwrap().push(text.to_owned());
        let before = self.path(&format!("before-{}", self.runs.load(Ordering::SeqCst)));
        let context = Context {
            project: "runner-test",
            run: "20260101T000000Z-test",
            op: None,
            undoing,
            cancel: &self.cancel,
            deadline: Instant::now() + self.limit,
            before: &before,
            lines: &lines,
        };
        self.runner.run(action, &context)
    }

    /// Does an action twice, as a run that is resumed may.
    fn ensure(&self, action: &Action) {
        for time in ["once", "twice"] {
            self.run(action).unwrap_or_else(|error| panic!("{action:?} {time}: {error} {:?}", error.lines));
        }
    }

    /// Undoes twice, as an undo that is repeated after a crash.
    fn undo(&self, actions: &[Action]) {
        for time in ["once", "twice"] {
            for action in actions {
                self.act(action, true).unwrap_or_else(|error| panic!("undo {action:?} {time}: {error}"));
            }
        }
    }

    fn next_run(&self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.world.path().join(relative)
    }

    /// The lines shown since the last look.
    fn shown(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn name(&self, kind: usize, what: &str) -> String {
        let name = format!("runner-test-{what}-{}", std::process::id());
        self.made.lock().unwrap()[kind].push(name.clone());
        name
    }

    fn network(&self, what: &str) -> String {
        self.name(1, what)
    }

    fn volume(&self, what: &str) -> String {
        self.name(2, what)
    }

    /// A container of the test image; `hash` stands for the digest of all that it is made from.
    fn spec(&self, what: &str, hash: &str, command: &[&str]) -> ContainerSpec {
        let command = (!command.is_empty()).then(|| command.iter().map(|word| (*word).to_owned()).collect());
        ContainerSpec {
            name: self.name(0, what),
            image: IMAGE.to_owned(),
            command,
            labels: labels(&[(HASH_LABEL, hash), (PROJECT_LABEL, "runner-test")]),
            ..ContainerSpec::default()
        }
    }

    /// What a shell on `network` prints.
    fn shell(&self, network: &str, what: &str, script: &str) -> Vec<String> {
        let mut spec = self.spec(what, "1", &["sh", "-c", script]);
        spec.networks = vec![(network.to_owned(), EndpointSpec::default())];
        self.shown();
        let name = spec.name.clone();
        let ran = self.run(&Action::JobRun { spec, limit: 30 });
        let shown = self.shown();
        ran.unwrap_or_else(|error| panic!("{script}: {error} {shown:?}"));
        self.run(&Action::ContainerRemove { name }).unwrap();
        shown
    }

    /// The state of the containers, networks and volumes of this test: what an undo has to bring back.
    fn engine_state(&self) -> Vec<String> {
        let [containers, networks, volumes] = &*self.made.lock().unwrap();
        let containers = containers.iter().filter_map(|name| self.engine.container(name).unwrap());
        let containers = containers.map(|one| format!("{} {} {}", one.name, one.id, one.status));
        let networks = networks.iter().filter_map(|name| self.engine.network(name).unwrap());
        let networks = networks.map(|one| format!("network {} {:?}", one.name, one.containers));
        let there = self.engine.volumes().unwrap();
        let volumes = there.into_iter().filter(|one| volumes.contains(&one.name)).map(|one| format!("volume {one:?}"));
        let mut all: Vec<String> = containers.chain(networks).chain(volumes).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let [containers, networks, volumes] = &*self.made.lock().unwrap();
        let removed = containers.iter().map(|name| self.engine.container_remove(name));
        let removed = removed.chain(networks.iter().map(|name| self.engine.network_remove(name)));
        let removed = removed.chain(volumes.iter().map(|name| self.engine.volume_remove(name)));
        for error in removed.filter_map(Result::err) {
            eprintln!("left behind: {error}");
        }
    }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
