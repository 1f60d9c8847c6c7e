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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dokku_compose::docker::{Engine, ImageFacts, NetworkSpec};
use dokku_compose::sandbox::{Behaviour, SandboxEngine, SeedImage, World, create_with};
use serde_json::Value;

const SCENARIOS: [&str; 3] = ["commands", "stack", "failures"];

fn shared() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("COMPOSE_SHARED").map(PathBuf::from);
    named.into_iter().chain([here.join("../shared"), here.join("../../shared")]).find(|path| path.join("dokku-transcripts").is_dir())
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
    world.add_image(SeedImage { facts: image("debian:bookworm-slim", &["bash"], &[]), ..SeedImage::default() }).unwrap();
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
    let path = format!("{}:{}:{}", world.path("bin").display(), world.path("short").display(), std::env::var("PATH").unwrap());
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
    // IPv4 addresses, with a port that was not asked for.
    let address = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 4 && parts.iter().all(|part| !part.is_empty() && part.len() <= 3) && !line.contains(word) && !word.starts_with("127.")
    };
    let text = runs(&text, |c| c.is_ascii_digit() || c == '.', address, "ADDRESS");
    // Seconds since 1970.
    let text = runs(&text, |c| c.is_ascii_digit(), |word| word.len() == 10 && word.starts_with('1') && word != "1073741824", "SECONDS");
    let mut lines: Vec<String> = text.split('\n').map(|line| times(line)).collect();
    // The two checks run at once; either may begin.
    for at in 1..lines.len() {
        let check = |line: &str| line.trim_start().starts_with("Running healthcheck");
        if check(&lines[at - 1]) && check(&lines[at]) && lines[at - 1] > lines[at] {
            lines.swap(at - 1, at);
        }
    }
    // A look-up's width depends on the address.
    lines.iter().map(|line| if line.starts_with("ADDRESS ") { line.split_whitespace().collect::<Vec<_>>().join(" ") } else { line.clone() }).collect::<Vec<_>>().join("\n")
}

/// Times, process numbers and random suffixes of one line.
fn times(line: &str) -> String {
    let digits = runs(line, |c| c.is_ascii_digit() || "/-:.TZ".contains(c), |word| word.starts_with("20") && word.len() >= 10 && word[4..].starts_with(['-', '/']), "TIME");
    let digits = runs(&digits, |c| c.is_ascii_digit() || c == ':', |word| word.len() == 8 && word.as_bytes()[2] == b':', "TIME");
    let mut out = Vec::new();
    for word in digits.split(' ') {
        let word = match word {
            _ if word.contains('#') && word.trim_end_matches(':').split('#').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())) => "PID#PID:".to_owned(),
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
        std::fs::write(world.path("short/sleep"), "#!/bin/sh\nexec /bin/sleep \"$(echo \"$1\" | awk '{print $1/10}')\"\n").unwrap();
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
            let (want_out, want_err) = (side(record["stdout"].as_str().unwrap()), side(record["stderr"].as_str().unwrap()));
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
    println!("{same}/{total} the same, {} known differences, {aside} set aside (they ask docker or curl, not dokku)", known.len());
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lines that dokku has no part in. What they change is done through the world's engine.
fn set_aside(world: &World, command: &str) -> bool {
    if let Some(rest) = command.strip_prefix("docker volume rm ") {
        SandboxEngine::new(world.root()).volume_remove(rest.trim()).unwrap();
    }
    let asks_dokku = command.contains("dokku ") && !command.starts_with("docker ") && !command.starts_with("curl ");
    // `docker volume create` before a dokku command on the same line is not for the sandbox either.
    !asks_dokku || (command.contains("docker ") && !command.contains("; dokku "))
}

#[test]
fn known_differences_have_a_reason() {
    for (key, reason) in known() {
        let (scenario, number) = key.split_once(':').expect("scenario:number");
        assert!(SCENARIOS.contains(&scenario) && number.parse::<u32>().is_ok(), "{key}");
        assert!(reason.len() > 10, "{key}: {reason}");
    }
}
