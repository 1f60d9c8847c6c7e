//! Replays every recorded command of a real Dokku against the sandbox and compares exit status, standard
//! output and standard error.
//!
//! What differs from run to run is made the same on both sides: ids and digests, addresses (but those
//! that a command names), ports that the system chose, times, process numbers, random suffixes of
//! directories and containers, and the order of lines that Dokku prints from parallel checks. Paths below
//! the world stand for `/var/lib/dokku` and `/home/dokku`.
//!
//! Lines that ask docker or curl instead of dokku are set aside. `fixtures/transcripts/known.txt` names
//! the answers that differ, with the reason; it may only shrink: an answer in it that agrees fails too.

#![allow(clippy::unwrap_used, reason = "a test may stop at once, also in its helpers")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dokku_compose::docker::{ContainerPort, ContainerSpec, Engine, HealthSpec, ImageFacts, NetworkSpec, VolumeSpec};
use dokku_compose::sandbox::{Behaviour, Faults, SandboxEngine, SeedImage, World, create_with};
use serde_json::Value;

const SCENARIOS: [&str; 3] = ["commands", "stack", "failures"];

fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("COMPOSE_SHARED").map(PathBuf::from);
    named
        .into_iter()
        .chain([here.join("../shared"), here.join("../../shared")])
        .find(|path| path.join("dokku-transcripts").is_dir())
}

/// The world in which the recordings were made: two images, an app and a network of other people.
fn world(root: &Path) -> World {
    create_with(root, Path::new(env!("CARGO_BIN_EXE_dokku-compose"))).unwrap();
    let world = World::new(&root.canonicalize().unwrap());
    let image = |name: &str, command: &[&str], exposed: &[&str]| ImageFacts {
        tags: vec![name.to_owned()],
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        exposed: exposed.iter().map(|port| (*port).to_owned()).collect(),
        ..ImageFacts::default()
    };
    world
        .add_image(SeedImage {
            facts: image("local/httpd:v2", &["/app/httpd"], &["8080/tcp"]),
            programs: vec!["/app/httpd".to_owned()],
            log: vec!["{time} listening on 8080".to_owned()],
        })
        .unwrap();
    world
        .add_image(SeedImage { facts: image("debian:bookworm-slim", &["bash"], &[]), ..SeedImage::default() })
        .unwrap();
    world.set_datastores(&[("mysql", "1.44.3"), ("postgres", "1.48.0"), ("redis", "1.43.0")]).unwrap();
    world.set_missing_images(&["no.such/image:1"]).unwrap();
    let labels = [("com.dokku.network-name".to_owned(), "xp".to_owned())].into();
    let engine = SandboxEngine::new(world.root());
    engine.network_create(&NetworkSpec { name: "xp".to_owned(), labels, ..NetworkSpec::default() }).unwrap();
    world
}

struct Reply {
    exit: i64,
    stdout: String,
    stderr: String,
}

/// Runs a shell line with the world's `dokku` and a `sleep` of a tenth of the time.
fn run(world: &World, line: &str, stdin: Option<&str>) -> Reply {
    let path =
        format!("{}:{}:{}", world.path("bin").display(), world.path("short").display(), std::env::var("PATH").unwrap());
    let input = world.path("stdin");
    std::fs::write(&input, stdin.unwrap_or_default()).unwrap();
    let output = Command::new("sh")
        .args(["-c", line])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::from(std::fs::File::open(input).unwrap()))
        .output()
        .unwrap();
    Reply {
        exit: i64::from(output.status.code().unwrap_or(-1)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn hex(c: char) -> bool {
    c.is_ascii_digit() || ('a'..='f').contains(&c)
}

/// Replaces each run of `fits` characters of at least `least` by `mark`, if `whole` agrees.
fn runs(text: &str, fits: fn(char) -> bool, whole: impl Fn(&str) -> bool, mark: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if fits(c) {
            run.push(c);
            continue;
        }
        out.push_str(if whole(&run) { mark } else { &run });
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// `1234567..89abcde  master -> master`: here an id may be of digits or of letters alone.
fn commit_range(line: &str) -> String {
    let Some((before, after)) = line.split_once("..").filter(|(_, after)| after.contains("->")) else {
        return line.to_owned();
    };
    let id = |word: &str| word == "ID" || word.len() == 7 && word.chars().all(hex);
    let (first, rest) = after.split_at(after.find(' ').unwrap_or(after.len()));
    if !id(before.trim()) || !id(first) {
        return line.to_owned();
    }
    format!("{}ID..ID{rest}", &before[..before.len() - before.trim_start().len()])
}

fn normal(text: &str, world: &World, line: &str) -> String {
    let root = world.root().display().to_string();
    let text = text.replace(&format!("{root}/lib"), "/var/lib/dokku").replace(&format!("{root}/home"), "/home/dokku");
    // Ids in hexadecimal: 64, 40, 12, 11 or 7 digits with a letter and a digit in them.
    let id = |word: &str| {
        matches!(word.len(), 64 | 40 | 12 | 11 | 7)
            && word.chars().any(|c| c.is_ascii_digit())
            && (word.len() > 12 || word.chars().any(|c| c.is_ascii_alphabetic()) || word.len() == 11)
    };
    let text = runs(&text, |c| c.is_ascii_alphanumeric(), |word| word.chars().all(hex) && id(word), "ID");
    let text = text.lines().map(commit_range).collect::<Vec<_>>().join("\n");
    // IPv4 addresses, with a port that was not asked for.
    let address = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 4
            && parts.iter().all(|part| !part.is_empty() && part.len() <= 3)
            && !line.contains(word)
            && !word.starts_with("127.")
    };
    let text = runs(&text, |c| c.is_ascii_digit() || c == '.', address, "ADDRESS");
    // Seconds since 1970.
    let text = runs(
        &text,
        |c| c.is_ascii_digit(),
        |word| word.len() == 10 && word.starts_with('1') && word != "1073741824",
        "SECONDS",
    );
    let mut lines: Vec<String> = text.split('\n').map(times).collect();
    // The two checks run at once; either may begin.
    for at in 1..lines.len() {
        let check = |line: &str| line.trim_start().starts_with("Running healthcheck");
        if check(&lines[at - 1]) && check(&lines[at]) && lines[at - 1] > lines[at] {
            lines.swap(at - 1, at);
        }
    }
    // A look-up's width depends on the address.
    lines
        .iter()
        .map(|line| {
            if line.starts_with("ADDRESS ") {
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            } else {
                line.clone()
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Times, process numbers and random suffixes of one line.
fn times(line: &str) -> String {
    let digits = runs(
        line,
        |c| c.is_ascii_digit() || "/-:.TZ".contains(c),
        |word| word.starts_with("20") && word.len() >= 10 && word[4..].starts_with(['-', '/']),
        "TIME",
    );
    let digits =
        runs(&digits, |c| c.is_ascii_digit() || c == ':', |word| word.len() == 8 && word.as_bytes()[2] == b':', "TIME");
    let mut out = Vec::new();
    for word in digits.split(' ') {
        let word = match word {
            _ if word.contains('#')
                && word
                    .trim_end_matches(':')
                    .split('#')
                    .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())) =>
            {
                "PID#PID:".to_owned()
            }
            _ => word.to_owned(),
        };
        let word = cut(&word, ".upcoming-", |c| c.is_ascii_digit());
        let word = cut(&word, "/tmp/dokku-", |c| c.is_ascii_digit());
        let word = cut(&word, "git-from-directory.", |c| c.is_ascii_alphanumeric());
        out.push(cut(&word, "git-from-archive.", |c| c.is_ascii_alphanumeric()));
    }
    let line = out.join(" ");
    // A container's old name: the time, and in the sandbox no more.
    match line.find(".SECONDS.") {
        Some(at) => line[..at + 8].to_owned(),
        None => line,
    }
}

fn cut(word: &str, before: &str, gone: fn(char) -> bool) -> String {
    match word.find(before) {
        Some(at) => {
            let (head, tail) = word.split_at(at + before.len());
            format!("{head}R{}", tail.trim_start_matches(gone))
        }
        None => word.to_owned(),
    }
}

fn known() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts/known.txt");
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").expect("scenario:number: reason"))
        .map(|(key, reason)| (key.to_owned(), reason.to_owned()))
        .collect()
}

#[test]
fn the_sandbox_answers_as_recorded() {
    let Some(shared) = shared() else {
        println!("NOT RUN: there is no ../shared/dokku-transcripts beside this repository");
        return;
    };
    let known = known();
    let (mut same, mut total, mut aside) = (0, 0, 0);
    let mut wrong = Vec::new();
    for scenario in SCENARIOS {
        let directory = tempfile::tempdir().unwrap();
        let world = world(directory.path());
        assert_eq!(run(&world, "dokku apps:create xp-api", None).exit, 0);
        if scenario != "commands" {
            assert_eq!(run(&world, "dokku --force apps:destroy xp-api", None).exit, 0);
        }
        std::fs::create_dir(world.path("short")).unwrap();
        std::fs::write(
            world.path("short/sleep"),
            "#!/bin/sh\nexec /bin/sleep \"$(echo \"$1\" | awk '{print $1/10}')\"\n",
        )
        .unwrap();
        Command::new("chmod").arg("+x").arg(world.path("short/sleep")).status().unwrap();
        let text = std::fs::read_to_string(shared.join(format!("dokku-transcripts/{scenario}.jsonl"))).unwrap();
        for (number, line) in text.lines().enumerate() {
            let record: Value = serde_json::from_str(line).unwrap();
            let command = record["command"].as_str().unwrap();
            if set_aside(&world, command) {
                aside += 1;
                continue;
            }
            // A deploy in the background is there to hold the lock, so it must take its time.
            let deploy_ms = if command.contains('&') && command.contains("sleep") { 1500 } else { 0 };
            world.set_behaviour(&Behaviour { deploy_ms, ..Behaviour::default() }).unwrap();
            // The volume that a mixed line makes first is made in the world's engine.
            let dokku_part = command.strip_prefix("docker volume create t_vol >/dev/null; ").unwrap_or(command);
            let command_here = dokku_part.replace("/tmp/f1", &world.path("f1").display().to_string());
            let reply = run(&world, &command_here, record["stdin"].as_str());
            total += 1;
            let side = |text: &str| normal(text, &world, command);
            let (want_out, want_err) =
                (side(record["stdout"].as_str().unwrap()), side(record["stderr"].as_str().unwrap()));
            let (have_out, have_err) = (side(&reply.stdout), side(&reply.stderr));
            let agrees = record["exit"].as_i64() == Some(reply.exit) && want_out == have_out && want_err == have_err;
            let key = format!("{scenario}:{number}");
            match (agrees, known.contains_key(&key)) {
                (true, false) => same += 1,
                (false, true) => {}
                (true, true) => wrong.push(format!("{key} agrees now: take it out of known.txt")),
                (false, false) => wrong.push(format!(
                    "{key}: {command}\n  exit {} recorded, {} here\n--- stdout recorded\n{want_out}\n--- stdout here\n{have_out}\n--- stderr recorded\n{want_err}\n--- stderr here\n{have_err}\n",
                    record["exit"], reply.exit
                )),
            }
        }
    }
    println!(
        "{same}/{total} the same, {} known differences, {aside} set aside (they ask docker or curl, not dokku)",
        known.len()
    );
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lines that dokku has no part in. What they change is done through the world's engine.
fn set_aside(world: &World, command: &str) -> bool {
    if let Some(rest) = command.strip_prefix("docker volume rm ") {
        SandboxEngine::new(world.root()).volume_remove(rest.trim()).unwrap();
    }
    let mixed = command.contains("; dokku ");
    !command.contains("dokku ") || (!mixed && (command.starts_with("docker ") || command.starts_with("curl ")))
}

#[test]
fn faults_strike_the_call_that_they_name() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path());
    let fault = |text: &str| serde_json::from_str::<Faults>(text).unwrap();
    world
        .set_faults(&fault(
            r#"{"dokku": [{"at": 2, "do": "fail", "exit": 7, "message": "no"},
                {"match": "config:set *", "do": "kill", "when": "after"}, {"match": "version", "nth": 2, "do": "fail"}],
                "engine": [{"match": "volume_create v", "do": "fail", "status": 507, "message": "full"}]}"#,
        ))
        .unwrap();
    assert_eq!(run(&world, "dokku apps:create a", None).exit, 0);
    let failed = run(&world, "dokku apps:create b", None);
    assert_eq!((failed.exit, failed.stderr.as_str()), (7, " !     no\n"));
    assert_eq!(run(&world, "dokku apps:exists b", None).exit, 20, "a fault before the work leaves it undone");
    let killed = run(&world, "dokku config:set --no-restart a A=1", None).exit;
    assert_eq!(killed, 137, "killed by a signal, as its shell tells it");
    assert_eq!(run(&world, "dokku config:get a A", None).stdout, "1\n", "killed after the work was done");
    assert_eq!(run(&world, "dokku version", None).exit, 0);
    assert_eq!(run(&world, "dokku version", None).exit, 1);
    let volume = VolumeSpec { name: "v".to_owned(), ..VolumeSpec::default() };
    assert_eq!(SandboxEngine::new(world.root()).volume_create(&volume).unwrap_err().to_string(), "full");
    let calls = world.calls();
    assert_eq!(calls.iter().filter(|call| call.of == "dokku").count(), 7);
    assert_eq!(calls.iter().find(|call| call.exit.is_none()).unwrap().argv[0], "config:set");
}

#[test]
fn triggers_may_call_dokku_and_a_failed_check_keeps_the_old_container() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path());
    let trigger = |name: &str, script: &str| {
        let path = world.path("plugin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    trigger("post-container-create", "dokku config:set --no-restart \"$3\" SEEN=\"$4.$5\" >/dev/null");
    assert_eq!(
        run(&world, "dokku apps:create a && dokku checks:skip a && dokku git:from-image a nginx:1", None).exit,
        0
    );
    assert_eq!(run(&world, "dokku config:get a SEEN", None).stdout, "deploy.web\n");
    let engine = SandboxEngine::new(world.root());
    let before = engine.container("a.web.1").unwrap().unwrap();
    let release = engine.image("dokku/a:latest").unwrap().unwrap().id;
    trigger("check-deploy", "exit 1");
    assert_eq!(run(&world, "dokku git:from-image a nginx:2", None).exit, 1);
    let after = engine.container("a.web.1").unwrap().unwrap();
    assert_eq!((before.id, after.status.as_str()), (after.id, "running"));
    assert_ne!(engine.image("dokku/a:latest").unwrap().unwrap().id, release, "the image is the new, broken one");
    assert_eq!(engine.containers(&["com.dokku.app-name=a"]).unwrap().len(), 1, "the new container is gone");
}

#[test]
fn the_engine_plays_jobs_health_and_conflicts() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path());
    world
        .set_behaviour(
            &serde_json::from_str::<Behaviour>(
                r#"{"containers": {"bad-job": {"exit": 3}, "sick": {"health": "unhealthy"}, "no-start": {"start_error": "no"}}}"#,
            )
            .unwrap(),
        )
        .unwrap();
    let engine = SandboxEngine::new(world.root());
    engine.image_pull("postgres:16", None, Duration::from_secs(1)).unwrap();
    let spec = |name: &str, port: &str| ContainerSpec {
        name: name.to_owned(),
        image: "postgres:16".to_owned(),
        health: Some(HealthSpec { test: vec!["CMD".to_owned(), "true".to_owned()], ..HealthSpec::default() }),
        ports: vec![ContainerPort { host_port: port.to_owned(), container_port: 1, ..ContainerPort::default() }],
        ..ContainerSpec::default()
    };
    let up =
        |name: &str, port: &str| engine.container_create(&spec(name, port)).and_then(|_| engine.container_start(name));
    up("well", "81").unwrap();
    assert_eq!(engine.container("well").unwrap().unwrap().health, "healthy");
    up("sick", "82").unwrap();
    assert_eq!(engine.container("sick").unwrap().unwrap().health, "unhealthy");
    assert!(up("well", "83").unwrap_err().to_string().contains("already in use by container"));
    assert!(up("taken", "81").unwrap_err().to_string().contains("port is already allocated"));
    assert_eq!(up("no-start", "84").unwrap_err().to_string(), "no");
    up("bad-job", "").unwrap();
    assert_eq!(engine.container_wait("bad-job", Duration::from_secs(5)).unwrap(), 3);
    up("job", "").unwrap();
    assert_eq!(engine.container_wait("job", Duration::from_secs(5)).unwrap(), 0);
    let network = NetworkSpec { name: "xp".to_owned(), ..NetworkSpec::default() };
    assert!(engine.network_create(&network).unwrap_err().to_string().contains("already exists"));
}

#[test]
fn known_differences_have_a_reason() {
    for (key, reason) in known() {
        let (scenario, number) = key.split_once(':').expect("scenario:number");
        assert!(SCENARIOS.contains(&scenario) && number.parse::<u32>().is_ok(), "{key}");
        assert!(reason.len() > 10, "{key}: {reason}");
    }
}
