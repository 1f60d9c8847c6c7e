//! Starts one service in either form, and asks a shell in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dokku_compose::apply::runner::ServerRunner;
use dokku_compose::apply::{Cancel, Context as Step, Runner};
use dokku_compose::compose::{Disk, Request, load};
use dokku_compose::docker::{DockerEngine, Engine};
use dokku_compose::dokku::Dokku;
use dokku_compose::map::policy::Policy;
use dokku_compose::map::resources::{AppSpec, Desired, Kind};
use dokku_compose::map::{Context, Findings, map};
use dokku_compose::plan::Action;
use dokku_compose::secret::DigestKey;
use dokku_compose::site::Site;

use crate::cases::{Case, Form};
use crate::standin;

const IMAGE: &str = "effects-test-image:1";
const PROJECT: &str = "effects-test";

pub struct Bench {
    engine: Arc<DockerEngine>,
    runner: ServerRunner,
    world: tempfile::TempDir,
}

fn env() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

impl Bench {
    /// `None` where no engine answers.
    pub fn open() -> Option<Self> {
        let engine = Arc::new(DockerEngine::new(&Site::from_env(&env()), &env()));
        if let Err(error) = engine.info() {
            assert!(std::env::var_os("COMPOSE_REQUIRE_ENGINE").is_none(), "no Docker engine answers: {error}");
            let _ = writeln!(std::io::stderr(), "no Docker engine answers: tests/effects is not run ({error})");
            return None;
        }
        standin::image(IMAGE, "8080", &["8080"], "").unwrap();
        let world = tempfile::tempdir().unwrap();
        let site = Site::sandbox(world.path().to_owned());
        let runner = ServerRunner {
            dokku: Dokku::new(site.clone(), &env()),
            engine: engine.clone(),
            site,
            delivered: Mutex::default(),
        };
        Some(Self { engine, runner, world })
    }

    fn act(&self, action: &Action) -> Result<(), String> {
        let before = self.world.path().join("before");
        let cancel = Cancel::default();
        let step = Step {
            project: PROJECT,
            run: "20260101T000000Z-test",
            op: None,
            undoing: false,
            cancel: &cancel,
            deadline: Instant::now() + Duration::from_secs(120),
            before: &before,
            lines: &|_| {},
        };
        self.runner.run(action, &step).map(drop).map_err(|error| format!("{error} {:?}", error.lines))
    }

    /// The service `it` of a case, with what it needs, and `peer` beside it where the case has one.
    pub fn start(&self, case: &Case, form: Form) -> Result<Running<'_>, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("file.txt", "from the source\n"), ("secret.txt", "s3cret\n"), ("extra.env", "EXTRA=file\n")]
        {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let kind = if form == Form::App { "app" } else { "container" };
        let file = format!(
            "services:\n  it:\n    image: {IMAGE}\n    x-dokku: {{as: {kind}}}\n{}\n{}",
            indented(case.service),
            case.rest
        );
        std::fs::write(dir.path().join("compose.yaml"), file).unwrap();
        let loaded = load(&Request::new(dir.path()), &Disk::default());
        let project = loaded.project.ok_or_else(|| format!("{:?}", loaded.diagnostics.items))?;
        let findings = Findings::default();
        let images = [(IMAGE.to_owned(), self.engine.image(IMAGE).unwrap().unwrap())].into();
        let desired = map(&Context {
            project: PROJECT,
            compose: &project,
            site: &self.runner.site,
            key: &DigestKey([7; 32]),
            images: &images,
            volumes: &BTreeMap::new(),
            domains: &[],
            remembered: None,
            stores: &Default::default(),
            policy: &Policy::everything(),
            fetched: &BTreeMap::new(),
            contexts: dokku_compose::map::tree::Contexts::default(),
            reserved: &BTreeSet::new(),
            sent: None,
            findings: &findings,
        });
        let found = findings.into_diagnostics();
        if found.has_errors() {
            return Err(format!("{:?}", found.items));
        }
        let running = Running { bench: self, name: String::new(), desired };
        self.up(running)
    }

    fn up<'a>(&'a self, mut running: Running<'a>) -> Result<Running<'a>, String> {
        let desired = running.desired.clone();
        for spec in &desired.networks {
            self.act(&Action::NetworkCreate { spec: Box::new(spec.clone()) })?;
        }
        for spec in &desired.volumes {
            self.act(&Action::VolumeCreate { spec: spec.clone() })?;
        }
        for service in desired.services.values() {
            for tree in &service.files {
                self.act(&Action::FilesDeliver { tree: tree.clone() })?;
            }
            let name = match &service.kind {
                Kind::App(app) => self.app(app)?,
                Kind::Datastore(_) => return Err("no plugin is there".into()),
                Kind::Container(raw) | Kind::Job(raw) => {
                    self.act(&Action::ContainerRun { spec: Box::new(raw.container.clone()) })?;
                    raw.container.name.clone()
                }
            };
            if service.name == "it" {
                running.name = name;
            }
        }
        Ok(running)
    }

    /// `docker container create` as Dokku's scheduler calls it: options, storage, limits, network, then image and command.
    fn app(&self, app: &AppSpec) -> Result<String, String> {
        let name = format!("{}.web.1", app.app);
        let mut args: Vec<String> = vec!["container".into(), "create".into(), format!("--name={name}")];
        args.extend(app.config.iter().map(|(key, value)| format!("--env={key}={}", value.expose().unwrap())));
        args.extend(app.options.deploy.iter().cloned());
        args.extend(app.mounts.iter().map(|mount| format!("--volume={}", mount.spec())));
        for (property, flag) in [
            ("network.initial-network", "--network"),
            ("ps.restart-policy", "--restart"),
            ("ps.stop-timeout-seconds", "--stop-timeout"),
        ] {
            args.extend(app.properties.get(property).map(|value| format!("{flag}={value}")));
        }
        if app.properties.get("scheduler-docker-local.init-process").is_some_and(|value| value == "true") {
            args.push("--init".into());
        }
        args.extend(app.properties.get("logs.max-size").map(|size| format!("--log-opt=max-size={size}")));
        for (resource, value) in &app.resources {
            args.push(match resource.as_str() {
                "limit.cpu" => format!("--cpus={value}"),
                "limit.memory" => format!("--memory={value}"),
                "limit.memory-swap" => format!("--memory-swap={value}"),
                "reserve.memory" => format!("--memory-reservation={value}"),
                other => return Err(format!("{other} has no option")),
            });
        }
        args.push(IMAGE.into());
        if let Some(command) = app.properties.get("ps.dockerfile-start-cmd") {
            // Dokku splits it with xargs.
            args.extend(words(command)?);
        }
        docker(&args)?;
        for (network, endpoint) in &app.hooks.networks {
            self.engine.network_connect(network, &name, endpoint).map_err(|error| error.to_string())?;
        }
        for copy in &app.hooks.copies {
            self.engine.container_copy(&name, copy).map_err(|error| error.to_string())?;
        }
        docker(&["container".into(), "start".into(), name.clone()])?;
        Ok(name)
    }
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let mut child = Command::new("xargs")
        .args(["printf", "%s\\n"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn docker(args: &[String]) -> Result<String, String> {
    let output = Command::new("docker").args(args).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("docker {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// A started case; removed when dropped.
pub struct Running<'a> {
    bench: &'a Bench,
    name: String,
    desired: Desired,
}

impl Running<'_> {
    /// What a shell in the container prints; `inspect FORMAT`: what the engine says of it.
    pub fn ask(&self, command: &str) -> String {
        let args: Vec<String> = match command.strip_prefix("inspect ") {
            Some(format) => vec!["inspect".into(), "--format".into(), format.into(), self.name.clone()],
            None => vec!["exec".into(), self.name.clone(), "sh".into(), "-c".into(), command.into()],
        };
        docker(&args).unwrap_or_else(|error| error)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let engine = &self.bench.engine;
        for service in self.desired.services.values() {
            let name = service.kind.resource_name();
            let _ = engine.container_remove(name);
            let _ = engine.container_remove(&format!("{name}.web.1"));
        }
        let networks = self.desired.networks.iter().map(|spec| engine.network_remove(&spec.name));
        let volumes = self.desired.volumes.iter().map(|spec| engine.volume_remove(&spec.name));
        for error in networks.chain(volumes).filter_map(Result::err) {
            eprintln!("left behind: {error}");
        }
    }
}
