//! Pulls and builds, with every docker command of this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// Every docker command that is on this machine, each also as if it had no buildx plugin: they
/// build in different ways.
fn docker_commands(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in ["/usr/local/bin/docker", "/usr/bin/docker"].map(PathBuf::from) {
        let same = |known: &PathBuf| fs::canonicalize(known).ok() == fs::canonicalize(&place).ok();
        if place.exists() && !found.iter().any(same) {
            found.push(place);
        }
    }
    for (at, docker) in found.clone().into_iter().enumerate() {
        let bare = dir.join(format!("docker-{at}"));
        let script = format!("#!/bin/sh\n[ \"$1\" = buildx ] && exit 1\nexec {} \"$@\"\n", docker.display());
        fs::write(&bare, script).unwrap();
        fs::set_permissions(&bare, fs::Permissions::from_mode(0o755)).unwrap();
        found.push(bare);
    }
    found
}

#[test]
fn builds() {
    let Some(_) = engine() else { return };
    let mut made = Made::default();
    let key = DigestKey([7; 32]);
    let context = tempfile::tempdir().unwrap();
    fs::write(context.path().join("file"), "from the context").unwrap();
    fs::create_dir(context.path().join("docker")).unwrap();
    let dockerfile = format!(
        "FROM {IMAGE}\nARG PASSWORD\nARG DOCKER_HOST\nCOPY file /file\nRUN printf '%s' \"$PASSWORD\" >/password\nLABEL host=$DOCKER_HOST\n"
    );
    fs::write(context.path().join("docker/Dockerfile.prod"), &dockerfile).unwrap();
    let programs = tempfile::tempdir().unwrap();
    for (at, docker) in docker_commands(programs.path()).into_iter().enumerate() {
        let site = Site { docker, ..Site::from_env(&env()) };
        let engine = DockerEngine::new(&site, &env());
        let tag = format!("{}:{at}", name("built"));
        made.images.push(tag.clone());
        let from_file = ImageBuildSpec {
            tag: tag.clone(),
            context: context.path().to_owned(),
            dockerfile: PathBuf::from("docker/Dockerfile.prod"),
            options: vec!["--no-cache".to_owned()],
            args: BTreeMap::from(
                [("PASSWORD", "it's $HOME"), ("DOCKER_HOST", "tcp://nowhere.invalid:1")]
                    .map(|(name, value)| (name.to_owned(), Secret::new(value, &key))),
            ),
            labels: strings(&[("engine-test", "a b")]),
            ..ImageBuildSpec::default()
        };
        let inline = ImageBuildSpec {
            dockerfile: PathBuf::new(),
            dockerfile_inline: Some(dockerfile.clone()),
            ..from_file.clone()
        };
        for spec in [from_file, inline] {
            let id = engine.image_build(&spec, LIMIT).unwrap();
            let image = engine.image(&tag).unwrap().unwrap();
            assert_eq!(
                (image.id.as_str(), image.labels["engine-test"].as_str(), image.labels["host"].as_str()),
                (id.as_str(), "a b", "tcp://nowhere.invalid:1")
            );
            let job =
                ContainerSpec { image: tag.clone(), ..self::spec(&mut made, "built", &["cat", "/file", "/password"]) };
            start(&engine, &job);
            assert_eq!(engine.container_wait(&job.name, LIMIT).unwrap(), 0);
            assert_eq!(engine.container_logs(&job.name, 5).unwrap(), ["from the contextit's $HOME"]);
            engine.container_remove(&job.name).unwrap();
            engine.image_remove(&tag).unwrap();
        }
        let broken = ImageBuildSpec {
            dockerfile_inline: Some(format!("FROM {IMAGE}\nRUN echo the-reason && exit 9\n")),
            tag: tag.clone(),
            context: context.path().to_owned(),
            ..ImageBuildSpec::default()
        };
        match engine.image_build(&broken, LIMIT) {
            Err(EngineError::Refused { status: 0, message }) => {
                assert!(message.contains("the-reason") && message.starts_with("docker image build"), "{message}")
            }
            other => panic!("{other:?}"),
        }
        let slow = ImageBuildSpec { dockerfile_inline: Some(format!("FROM {IMAGE}\nRUN sleep 60\n")), ..broken };
        let started = Instant::now();
        assert!(matches!(engine.image_build(&slow, Duration::from_secs(3)), Err(EngineError::TimedOut(_))));
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

#[test]
fn a_pull_that_cannot_succeed_says_why() {
    let Some(engine) = engine() else { return };
    match engine.image_pull("registry.invalid/no/such:1", Some("linux/amd64"), LIMIT) {
        Err(EngineError::Refused { status: 0, message }) => assert!(
            message.starts_with("docker image pull registry.invalid/no/such:1 failed (exit code 1): "),
            "{message}"
        ),
        other => panic!("{other:?}"),
    }
    assert!(matches!(engine.image_pull("--all-tags", None, LIMIT), Err(EngineError::Refused { .. })));
}

/// Needs BuildKit of Docker 23; without it the build is refused with what to do.
#[test]
fn a_further_context_of_a_build_is_read_or_what_it_needs_is_said() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let dir = tempfile::tempdir().unwrap();
    for sub in ["context", "more"] {
        fs::create_dir(dir.path().join(sub)).unwrap();
    }
    fs::write(dir.path().join("more/word"), "more").unwrap();
    let tag = format!("{}:1", name("contexts"));
    made.images.push(tag.clone());
    let spec = ImageBuildSpec {
        tag: tag.clone(),
        context: dir.path().join("context"),
        dockerfile_inline: Some(format!("FROM {IMAGE}\nCOPY --from=more word /word\n")),
        contexts: [("more".to_owned(), dir.path().join("more").display().to_string())].into(),
        ..ImageBuildSpec::default()
    };
    match engine.image_build(&spec, LIMIT) {
        Err(EngineError::Refused { status: 0, message }) => {
            let old = message.ends_with("at the top of the Dockerfile") && message.contains("need Docker 23 or newer");
            let none = "--build-context needs BuildKit: install the package docker-buildx-plugin on the server";
            assert!(old || message == none, "{message}");
            let _ = writeln!(std::io::stderr(), "no BuildKit of Docker 23: further contexts are not tested");
            return;
        }
        built => drop(built.unwrap()),
    }
    let job = ContainerSpec { image: tag, ..self::spec(&mut made, "contexts", &["cat", "/word"]) };
    start(&engine, &job);
    engine.container_wait(&job.name, LIMIT).unwrap();
    assert_eq!(engine.container_logs(&job.name, 5).unwrap()[0].trim(), "more");
    engine.container_remove(&job.name).unwrap();
}

/// Needs BuildKit; without it the build is refused with what to install.
#[test]
fn a_secret_of_a_build_is_read_by_its_step_and_left_in_no_layer() {
    let Some(engine) = engine() else { return };
    let mut made = Made::default();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "t0ps3cret").unwrap();
    fs::create_dir(dir.path().join("context")).unwrap();
    let tag = format!("{}:1", name("secret"));
    made.images.push(tag.clone());
    let spec = ImageBuildSpec {
        tag: tag.clone(),
        context: dir.path().join("context"),
        dockerfile_inline: Some(format!(
            "FROM {IMAGE}\nRUN --mount=type=secret,id=npm wc -c </run/secrets/npm >/length\n"
        )),
        options: vec![format!("--secret=id=npm,src={}", dir.path().join("token").display())],
        ..ImageBuildSpec::default()
    };
    match engine.image_build(&spec, LIMIT) {
        Err(EngineError::Refused { status: 0, message }) => {
            assert_eq!(message, "--secret needs BuildKit: install the package docker-buildx-plugin on the server");
            let _ = writeln!(std::io::stderr(), "no BuildKit: secrets of builds are not tested");
            return;
        }
        built => drop(built.unwrap()),
    }
    let script = "cat /length; ls /run/secrets/npm";
    let job = ContainerSpec { image: tag.clone(), ..self::spec(&mut made, "secret", &["sh", "-c", script]) };
    start(&engine, &job);
    engine.container_wait(&job.name, LIMIT).unwrap();
    let seen = engine.container_logs(&job.name, 5).unwrap();
    assert_eq!(seen[0].trim(), "9");
    assert!(!seen.concat().contains("t0ps3cret"), "{seen:?}");
    // Neither in a layer nor in the history.
    let saved = std::process::Command::new("docker").args(["image", "save", &tag]).output().unwrap();
    assert!(saved.status.success());
    assert!(!saved.stdout.windows(9).any(|bytes| bytes == b"t0ps3cret"));
    engine.container_remove(&job.name).unwrap();
}
