//! The engine adapter against a real Docker engine, with local images only. What it makes is named
//! `engine-test-*`. `COMPOSE_REQUIRE_ENGINE=1` makes the engine's absence a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod builds;
mod containers;
#[path = "../standin/mod.rs"]
mod standin;
mod waits;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use dokku_compose::docker::{
    ContainerMount, ContainerPort, ContainerSpec, DockerEngine, EndpointSpec, Engine, EngineError, ExecSpec,
    HealthSpec, ImageBuildSpec, IpamPool, NetworkSpec, UlimitSpec, Verdict, VolumeSpec, Want, wait_ready,
};
use dokku_compose::process::Cancel;
use dokku_compose::secret::{DigestKey, Secret};
use dokku_compose::site::Site;

const IMAGE: &str = "engine-test-image:1";
const LIMIT: Duration = Duration::from_secs(60);

fn env() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// The engine and the test image, or `None` where no engine answers.
fn engine() -> Option<DockerEngine> {
    static IMAGE_BUILT: Once = Once::new();
    let engine = DockerEngine::new(&Site::from_env(&env()), &env());
    if let Err(error) = engine.info() {
        assert!(std::env::var_os("COMPOSE_REQUIRE_ENGINE").is_none(), "no Docker engine answers: {error}");
        static TOLD: Once = Once::new();
        // Not eprintln!, which the test runner keeps to itself.
        TOLD.call_once(|| {
            let _ = writeln!(
                std::io::stderr(),
                "no Docker engine answers: the tests of tests/engine are not run ({error})"
            );
        });
        return None;
    }
    IMAGE_BUILT.call_once(|| {
        let dockerfile = "ENV BAKED=yes\nVOLUME /baked\nUSER root\nWORKDIR /tmp\nLABEL kind=test";
        standin::image(IMAGE, "8080", &["8080", "53/udp"], dockerfile).unwrap();
    });
    Some(engine)
}

/// A name of this process, removed by [`Made`].
fn name(what: &str) -> String {
    format!("engine-test-{what}-{}", std::process::id())
}

/// Removes what a test made, also when it fails.
#[derive(Default)]
struct Made {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
    images: Vec<String>,
}

impl Drop for Made {
    fn drop(&mut self) {
        let engine = DockerEngine::new(&Site::from_env(&env()), &env());
        let removed = self.containers.iter().map(|name| engine.container_remove(name));
        let removed = removed.chain(self.networks.iter().map(|name| engine.network_remove(name)));
        let removed = removed.chain(self.volumes.iter().map(|name| engine.volume_remove(name)));
        let removed = removed.chain(self.images.iter().map(|name| engine.image_remove(name)));
        for error in removed.filter_map(Result::err) {
            eprintln!("left behind: {error}");
        }
    }
}

/// A container of the test image, removed with `made`.
fn spec(made: &mut Made, what: &str, command: &[&str]) -> ContainerSpec {
    let name = name(what);
    made.containers.push(name.clone());
    let command = (!command.is_empty()).then(|| command.iter().map(|word| (*word).to_owned()).collect());
    ContainerSpec { name, image: IMAGE.to_owned(), command, ..ContainerSpec::default() }
}

fn start(engine: &DockerEngine, spec: &ContainerSpec) -> String {
    let id = engine.container_create(spec).unwrap();
    engine.container_start(&spec.name).unwrap();
    id
}

fn strings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What a stand-in answers at `path`; asked until it listens.
fn get(address: &str, path: &str) -> serde_json::Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect((address, 8080)) {
            Ok(mut stream) => {
                write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                let body = text.split_once("\r\n\r\n").unwrap().1;
                return serde_json::from_str(body).unwrap_or_else(|_| body.into());
            }
            Err(error) if Instant::now() > deadline => panic!("{address}: {error}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn status(error: EngineError) -> u16 {
    match error {
        EngineError::Refused { status, .. } => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_tells_its_version() {
    let Some(engine) = engine() else { return };
    let info = engine.info().unwrap();
    assert!(semver::Version::parse(info.version.split('+').next().unwrap()).is_ok(), "{info:?}");
    let (major, minor) = info.api.split_once('.').unwrap();
    assert!(major == "1" && minor.parse::<u32>().unwrap() >= 40, "{info:?}");
}

#[test]
fn an_engine_that_is_not_there() {
    for host in ["unix:///no/such/socket", "tcp://127.0.0.1:1"] {
        let engine = DockerEngine::new(&Site::from_env(&env()), &strings(&[("DOCKER_HOST", host)]));
        match engine.containers(&[]) {
            Err(EngineError::Unreachable(message)) => {
                assert!(message.contains("/no/such/socket") || message.contains("tcp://"), "{message}")
            }
            other => panic!("{host}: {other:?}"),
        }
    }
}

#[test]
fn networks_are_made_once_and_read_back() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let name = name("net");
    made.networks.push(name.clone());
    let spec = NetworkSpec {
        name: name.clone(),
        driver: "bridge".to_owned(),
        internal: true,
        attachable: true,
        ipam: vec![IpamPool {
            subnet: "10.213.77.0/24".to_owned(),
            gateway: "10.213.77.254".to_owned(),
            ..IpamPool::default()
        }],
        labels: strings(&[("test", "1")]),
        options: strings(&[("com.docker.network.bridge.enable_icc", "true")]),
        ..NetworkSpec::default()
    };
    assert_eq!(engine.network(&name).unwrap(), None);
    engine.network_create(&spec).unwrap();
    assert_eq!(status(engine.network_create(&spec).unwrap_err()), 409);
    let facts = engine.network(&name).unwrap().unwrap();
    assert_eq!((facts.name.as_str(), facts.driver.as_str(), facts.internal), (name.as_str(), "bridge", true));
    assert_eq!(
        (facts.subnets.as_slice(), facts.labels),
        (["10.213.77.0/24".to_owned()].as_slice(), strings(&[("test", "1")]))
    );
    assert!(engine.networks().unwrap().iter().any(|network| network.name == name));
    engine.network_remove(&name).unwrap();
    engine.network_remove(&name).unwrap();
    assert_eq!(engine.network(&name).unwrap(), None);
}

#[test]
fn volumes_are_the_same_or_a_conflict() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let name = name("vol");
    made.volumes.push(name.clone());
    let spec = VolumeSpec {
        name: name.clone(),
        options: strings(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]),
        labels: strings(&[("test", "1")]),
        ..VolumeSpec::default()
    };
    engine.volume_create(&spec).unwrap();
    engine.volume_create(&spec).unwrap();
    assert_eq!(
        status(engine.volume_create(&VolumeSpec { options: BTreeMap::new(), ..spec.clone() }).unwrap_err()),
        409
    );
    let facts = engine.volumes().unwrap().into_iter().find(|volume| volume.name == name).unwrap();
    assert_eq!((facts.driver.as_str(), facts.options, facts.labels), ("local", spec.options, spec.labels));
    engine.volume_remove(&name).unwrap();
    engine.volume_remove(&name).unwrap();
}

#[test]
fn images_are_read_named_and_unnamed() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let image = engine.image(IMAGE).unwrap().unwrap();
    assert!(image.id.starts_with("sha256:") && image.tags.contains(&IMAGE.to_owned()));
    assert_eq!(
        (image.exposed, image.volumes, image.healthcheck),
        (vec!["53/udp".to_owned(), "8080/tcp".to_owned()], vec!["/baked".to_owned()], false)
    );
    assert_eq!((image.entrypoint, image.command), (vec!["/standin".to_owned()], vec!["serve".to_owned()]));
    assert_eq!((image.user.as_str(), image.working_dir.as_str()), ("root", "/tmp"));
    assert!(image.environment.contains(&"BAKED=yes".to_owned()) && image.labels["kind"] == "test");
    let repository = name("tagged");
    made.images.push(format!("{repository}:2"));
    engine.image_tag(&image.id, &repository, "2").unwrap();
    assert_eq!(engine.image(&format!("{repository}:2")).unwrap().unwrap().id, image.id);
    engine.image_remove(&format!("{repository}:2")).unwrap();
    engine.image_remove(&format!("{repository}:2")).unwrap();
    assert_eq!(engine.image(&format!("{repository}:2")).unwrap(), None);
    assert!(engine.image(IMAGE).unwrap().is_some());
}

#[test]
fn names_cannot_change_what_is_called() {
    let Some(engine) = engine() else { return };
    for name in ["", "a?force=1", "../images/x", "a#b", "a b", "a/", "/a", "a\n"] {
        assert_eq!(status(engine.container(name).unwrap_err()), 400, "{name:?}");
        assert_eq!(status(engine.network_remove(name).unwrap_err()), 400, "{name:?}");
    }
}
