//! What a user can get wrong, and what can be wrong with a server: each is told with its place, ends with the
//! documented exit code, and leaves the server as it was. The server is the program's own sandbox.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dokku_compose::sandbox::{Behaviour, Fault, Faults, Play, World, create_with};

/// A file and what the import must say of it.
struct Case {
    name: &'static str,
    /// The compose file.
    text: &'static str,
    /// The place, `line:column`; empty where there is none.
    at: &'static str,
    /// What standard error must hold.
    says: &'static [&'static str],
}

const fn case(name: &'static str, text: &'static str, at: &'static str, says: &'static [&'static str]) -> Case {
    Case { name, text, at, says }
}

/// Files that are wrong by themselves.
const FILES: &[Case] = &[
    case("an empty file", "", "1:1", &["error[empty-file]"]),
    case("no YAML", "this is not: [yaml\n", "1:14", &["error[yaml-syntax]", "never closed"]),
    case("a sentence", "just a sentence\n", "1:1", &["error[not-a-mapping]", "not a string"]),
    case("tabs", "services:\n\tweb:\n\t\timage: app:1\n", "2:1", &["error[yaml-tab]", "replace the tab with spaces"]),
    case(
        "an unknown section",
        "servces:\n  web: {image: app}\n",
        "1:1",
        &["error[unknown-key]", "did you mean `services`?"],
    ),
    case(
        "an unknown key",
        "services:\n  web:\n    image: app:1\n    enviroment: {A: 1}\n",
        "4:5",
        &["unknown key `enviroment` in service `web`", "did you mean `environment`?"],
    ),
    case(
        "a number for a list",
        "services:\n  web:\n    image: app:1\n    ports: 8080\n",
        "4:12",
        &["must be a list, not a number"],
    ),
    case("a list for a mapping", "services:\n  - web\n", "2:3", &["`services` must be a mapping, not a list"]),
    case("a list for a text", "services:\n  web:\n    image: [a]\n", "3:12", &["must be a string, not a list"]),
    case(
        "a key twice",
        "services:\n  web: {image: app:1}\n  web: {image: app:2}\n",
        "3:3",
        &["error[duplicate-key]", "first here", "keep one of the two"],
    ),
    case("an unknown anchor", "services:\n  web: *nope\n", "2:8", &["error[unknown-anchor]", "&nope"]),
    case(
        "an undefined dependency",
        "services:\n  web:\n    image: app:1\n    depends_on: [dbb]\n  db: {image: app:1}\n",
        "4:18",
        &["service `web` depends on the undefined service `dbb`", "did you mean `db`?"],
    ),
    case(
        "a cycle",
        "services:\n  a: {image: app, depends_on: [b]}\n  b: {image: app, depends_on: [c]}\n  c: {image: app, depends_on: [a]}\n",
        "2:32",
        &["error[dependency-cycle]", "`a` -> `b` -> `c` -> `a`"],
    ),
    case(
        "a service that waits for itself",
        "services:\n  web: {image: app, depends_on: [web]}\n",
        "2:34",
        &["`web` -> `web`"],
    ),
    case(
        "an undefined network",
        "services:\n  web:\n    image: app:1\n    networks: [front]\nnetworks: {frnt: {}}\n",
        "4:16",
        &["error[undefined-network]", "did you mean `frnt`?"],
    ),
    case(
        "an undefined volume",
        "services:\n  web:\n    image: app:1\n    volumes: [\"data:/data\"]\nvolumes: {dta: {}}\n",
        "4:15",
        &["error[undefined-volume]", "did you mean `dta`?"],
    ),
    case(
        "an undefined secret",
        "services:\n  web: {image: app, secrets: [s]}\n",
        "2:31",
        &["error[undefined-secret]", "declare it in the top-level section `secrets`"],
    ),
    case(
        "an invalid service name",
        "services:\n  \"we b\": {image: app}\n",
        "2:3",
        &["error[invalid-name]", "use letters, digits"],
    ),
    case(
        "an unset required variable",
        "services:\n  web:\n    image: app:1\n    environment:\n      P: ${DB_PASSWORD:?set it with config:set}\n",
        "5:10",
        &["required variable `DB_PASSWORD` is not set: set it with config:set"],
    ),
    case(
        "a missing env_file",
        "services:\n  web:\n    image: app:1\n    env_file: ./nope.env\n",
        "4:15",
        &["error[missing-file]", "`nope.env`", "required: false"],
    ),
    case(
        "the server's directories",
        "services:\n  web:\n    image: app:1\n    volumes: [\"/etc:/host-etc\"]\n",
        "4:15",
        &["the host path /etc is not allowed", "dokku compose:set --global allowed-host-paths /etc"],
    ),
    case(
        "the server's directories by a way round",
        "services:\n  web:\n    image: app:1\n    volumes: [\"/tmp/../etc:/host-etc\"]\n",
        "4:15",
        &["error[host-path]", "really /etc"],
    ),
    case(
        "a volume of one letter",
        "services:\n  web: {image: \"app:1\", volumes: [\"v:/v\"]}\nvolumes: {v: {}}\n",
        "2:35",
        &["error[relative-target]", "is not absolute", "a name of one letter is read as a Windows drive"],
    ),
    case(
        "a newline in an option",
        "services:\n  web:\n    image: app:1\n    hostname: \"a\\nb\"\n",
        "4:5",
        &["error[newline-in-option]", "--hostname has a line break"],
    ),
    case(
        "a newline in a label",
        "services:\n  web:\n    image: app:1\n    labels: {a: \"b\\nc\"}\n",
        "4:5",
        &["error[newline-in-option]", "--label has a line break"],
    ),
    case(
        "a port that is none",
        "services:\n  web: {image: app, ports: [\"99999:80\"]}\n",
        "2:29",
        &["error[invalid-port]"],
    ),
    case(
        "a duration that is none",
        "services:\n  web: {image: app, stop_grace_period: soon}\n",
        "2:40",
        &["error[invalid-duration]", "such as `1m30s`"],
    ),
    case(
        "a negative scale",
        "services:\n  web: {image: app, deploy: {replicas: -1}}\n",
        "2:40",
        &["error[out-of-range]", "0 or more"],
    ),
    case("no image", "services:\n  web: {command: x}\n", "2:3", &["error[no-image]", "add `image:` or `build:`"]),
    case(
        "an image name that is none",
        "services:\n  web: {image: \"UPPER/Case:bad tag\"}\n",
        "2:9",
        &["error[invalid-image]", "lower case"],
    ),
    case("no service", "services: {}\n", "1:1", &["error[no-services]", "compose:destroy"]),
    case(
        "no service of the profile",
        "services:\n  web: {image: app, profiles: [x]}\n",
        "1:1",
        &["error[no-services]", "--profile"],
    ),
    case(
        "a missing build context",
        "services:\n  web: {build: ./nope}\n",
        "2:16",
        &["error[missing-context]", "import the whole directory"],
    ),
    case(
        "a missing Dockerfile",
        "services:\n  web: {build: .}\n",
        "2:16",
        &["error[missing-dockerfile]", "build.dockerfile"],
    ),
    case(
        "a missing secret file",
        "services:\n  web: {image: \"app:1\", secrets: [s]}\nsecrets: {s: {file: ./nope.txt}}\n",
        "2:35",
        &["nope.txt", "relative to the compose file"],
    ),
    case(
        "two services on one port of the host",
        "services:\n  a: {image: \"app:1\", ports: [\"127.0.0.1:9000:9000\"]}\n  b: {image: \"app:1\", ports: [\"9000:9001/tcp\"], x-dokku: {http: []}}\n",
        "3:",
        &["9000"],
    ),
    case(
        "replicas with a port of the host",
        "services:\n  a:\n    image: app:1\n    ports: [\"127.0.0.1:9000:9000\"]\n    scale: 2\n",
        "4:5",
        &["error[replicas-with-host-port]"],
    ),
    case(
        "an address outside of the subnet",
        "services:\n  a:\n    image: app:1\n    networks: {n: {ipv4_address: 10.9.9.9}}\nnetworks: {n: {ipam: {config: [{subnet: 10.8.0.0/24}]}}}\n",
        "4:",
        &["10.9.9.9", "10.8.0.0/24"],
    ),
    case(
        "a secret of a build that is not there",
        "services:\n  web: {build: {context: ., dockerfile_inline: FROM scratch, secrets: [s]}}\nsecrets: {s: {file: ./nope.txt}}\n",
        "2:",
        &["error[unreadable-file]", "nope.txt"],
    ),
    case(
        "a hook with privileges",
        "services:\n  web:\n    image: app:1\n    post_start: [{command: x, privileged: true}]\n",
        "4:",
        &["error[privilege]", "allowed-privileges privileged"],
    ),
    case(
        "an owner that is no number",
        "services:\n  web:\n    image: app:1\n    configs: [{source: c, uid: web}]\nconfigs: {c: {content: x}}\n",
        "4:",
        &["uid of c is no number"],
    ),
    case(
        "an external network that is not there",
        "services:\n  web: {image: \"app:1\", networks: [n]}\nnetworks: {n: {external: true, name: far}}\n",
        "3:1",
        &["error[missing-network]", "dokku network:create far"],
    ),
];

/// A world with one imported project, so that there is something to harm.
struct Server {
    folder: tempfile::TempDir,
}

/// How a command ended.
struct Ran {
    code: i32,
    text: String,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_dokku-compose");

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self { folder };
        create_with(&server.world(), Path::new(PROGRAM)).unwrap();
        server.source("good", "services:\n  web: {image: \"app:1\", ports: [\"8080:80\"], environment: {A: one}}\n");
        let ran = server.import("keep", &["good"]);
        assert_eq!(ran.code, 0, "{}", ran.text);
        server
    }

    fn world(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    fn faulty(&self, faults: Faults) {
        World::new(&self.world()).set_faults(&faults).unwrap();
    }

    /// A directory with a compose file.
    fn source(&self, name: &str, text: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("compose.yaml"), text).unwrap();
        dir
    }

    fn run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(PROGRAM)
            .args(args)
            .arg("--sandbox")
            .arg(self.world())
            .current_dir(self.folder.path())
            .env_remove("DOKKU_COMPOSE_SANDBOX")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses its arguments reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code().unwrap_or(-1), text }
    }

    fn import(&self, project: &str, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["import", project].iter().chain(args).copied().collect();
        self.run(&all, b"")
    }

    /// Every file of the world with its content, but for what the sandbox and the locks themselves write.
    fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut out = BTreeMap::new();
        walk(&self.world(), &self.world(), &mut out);
        out
    }

    /// Runs `work`, which must end with `code`, say `says`, and leave the world as it was.
    fn unharmed(&self, name: &str, code: i32, says: &[&str], work: impl FnOnce() -> Ran) {
        let before = self.snapshot();
        let ran = work();
        assert_eq!(ran.code, code, "{name}: {}", ran.text);
        for words in says {
            assert!(ran.text.contains(words), "{name}: `{words}` is not in:\n{}", ran.text);
        }
        assert!(!ran.text.contains("panicked"), "{name}: {}", ran.text);
        assert_same(name, &before, &self.snapshot());
    }
}

fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_path_buf();
        let name = relative.to_string_lossy().into_owned();
        // The sandbox's own bookkeeping; numbers that were used stay used.
        if ["calls.count", "calls.jsonl", "lock", "engine/next-id", "faults.json", "behaviour.json"]
            .contains(&name.as_str())
            || name.starts_with("faults/")
        {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            out.insert(relative, b"directory".to_vec());
            walk(root, &path, out);
        } else if meta.file_type().is_symlink() {
            out.insert(relative, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
        } else if name == "engine/state.json" {
            // An image that was asked for is known from then on, as one that was pulled is.
            let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for key in ["images", "tags"] {
                state.as_object_mut().unwrap().remove(key);
            }
            out.insert(relative, state.to_string().into_bytes());
        } else {
            out.insert(relative, fs::read(&path).unwrap());
        }
    }
}

fn assert_same(name: &str, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let differ: Vec<&PathBuf> =
        before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(differ.is_empty(), "{name}: the server is not as it was: {differ:?}");
}

#[test]
fn wrong_files_are_told_with_their_place_and_change_nothing() {
    let server = Server::new();
    for case in FILES {
        server.source("bad", case.text);
        let place = format!("compose.yaml:{}", case.at);
        let says: Vec<&str> = case.says.iter().copied().chain([place.as_str()]).collect();
        server.unharmed(case.name, 1, &says, || server.import("new", &["bad"]));
        // The project that is there is no worse off.
        server.unharmed(case.name, 1, &says, || server.import("keep", &["bad"]));
    }
}

#[test]
fn the_same_mistakes_are_seen_in_a_dry_run() {
    let server = Server::new();
    for case in FILES {
        server.source("bad", case.text);
        let place = format!("compose.yaml:{}", case.at);
        let says: Vec<&str> = case.says.iter().copied().chain([place.as_str()]).collect();
        server.unharmed(case.name, 1, &says, || server.run(&["plan", "new", "bad"], b""));
    }
}

#[test]
fn wrong_sources_are_told() {
    let server = Server::new();
    fs::create_dir(server.folder.path().join("empty")).unwrap();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("a missing file", &["nope/compose.yaml"], &["there is no", "nope/compose.yaml", "name a directory"]),
        ("a missing -f", &["good", "-f", "nope.yaml"], &["compose file `nope.yaml` does not exist"]),
        ("no compose file", &["empty"], &["error[no-compose-file]", "looked for compose.yaml", "-f"]),
        ("a missing --env-file", &["good", "--env-file", "nope.env"], &["nope.env", "does not exist"]),
        ("a variable without a name", &["good", "--env", "=x"], &["--env NAME=VALUE"]),
        ("no time at all", &["good", "--timeout", "0"], &["--timeout"]),
        ("an unknown flag", &["good", "--nope"], &["--nope"]),
    ];
    for (name, args, says) in cases {
        server.unharmed(name, 1, says, || server.import("new", args));
    }
    for (project, words) in
        [("../../etc", "cannot be a project"), ("Shop_1", "lower-case"), ("", "cannot be a project")]
    {
        server.unharmed(project, 1, &[words], || server.import(project, &["good"]));
    }
    server.unharmed("no such project", 20, &["there is no project nope"], || server.run(&["status", "nope"], b""));
    server.unharmed("no such project", 20, &["there is no project nope"], || {
        server.run(&["destroy", "nope", "--force"], b"")
    });
}

#[test]
fn standard_input_that_is_wrong_is_told() {
    let server = Server::new();
    let cases: &[(&str, &[u8], &str)] = &[
        ("nothing", b"", "nothing came on standard input"),
        ("zip", b"PK\x03\x04rest of an archive", "a zip archive"),
        ("xz", b"\xfd7zXZ\0rest", "compressed with xz"),
        ("zstd that is none", b"\x28\xb5\x2f\xfdrest", "broken or cut off"),
        ("no text", b"\xff\xfe\x00garbage", "not UTF-8"),
        ("gzip that is cut off", b"\x1f\x8b\x08\x00\x00\x00", "broken or cut off"),
    ];
    for (name, bytes, words) in cases {
        server.unharmed(name, 1, &[words], || server.run(&["import", "new", "-"], bytes));
    }
    for (name, bytes, words) in archives() {
        server.unharmed(name, 1, &[words], || server.run(&["import", "new", "-"], &bytes));
    }
}

/// Archives that try to have the program read what is not theirs.
fn archives() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    use tar::EntryType::{Char, Regular, Symlink};
    const WEB: &str = "services: {web: {image: 'app:1'}}\n";
    vec![
        ("a device", archive(&[("dev", Char, ""), ("compose.yaml", Regular, WEB)]), "of a kind that is not accepted"),
        ("a compose file elsewhere", archive(&[("compose.yaml", Symlink, "/etc/passwd")]), "outside of what was sent"),
        (
            "an env file elsewhere",
            archive(&[
                ("compose.yaml", Regular, "services: {web: {image: 'app:1', env_file: e}}\n"),
                ("e", Symlink, "/etc/passwd"),
            ]),
            "outside of what was sent",
        ),
        (
            "an env file of the server",
            archive(&[("compose.yaml", Regular, "services: {web: {image: 'app:1', env_file: /etc/passwd}}\n")]),
            "outside of what was sent",
        ),
        (
            "a config of the server",
            archive(&[(
                "compose.yaml",
                Regular,
                "services: {web: {image: 'app:1', configs: [c]}}\nconfigs: {c: {file: /etc/passwd}}\n",
            )]),
            "outside of what was sent",
        ),
        (
            "a link as a bind source",
            archive(&[
                ("compose.yaml", Regular, "services: {web: {image: 'app:1', volumes: ['./s:/s']}}\n"),
                ("s", Symlink, "/etc"),
            ]),
            "error[host-path]",
        ),
        ("no compose file", archive(&[("sub/compose.yaml", Regular, WEB)]), "the top directory of the archive"),
    ]
}

fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        if *kind == tar::EntryType::Symlink {
            header.set_size(0);
            tar.append_link(&mut header, name, text).unwrap();
        } else {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

#[test]
fn an_environment_that_is_too_large_is_told() {
    let server = Server::new();
    let text =
        format!("services:\n  web:\n    image: app:1\n    environment:\n      BIG: \"{}\"\n", "x".repeat(140_000));
    server.source("bad", &text);
    let says = ["error[environment-too-large]", "compose.yaml:4:5", "128 KiB", "configs or secrets"];
    server.unharmed("128 KiB", 1, &says, || server.import("new", &["bad"]));
}

#[test]
fn names_that_meet_are_kept_apart_and_foreign_ones_left_alone() {
    let server = Server::new();
    server.source("twins", "services:\n  a_b: {image: \"app:1\"}\n  a-b: {image: \"app:1\"}\n");
    let ran = server.run(&["plan", "new", "twins", "--format", "json"], b"");
    assert_eq!(ran.code, 0, "{}", ran.text);
    let plan: serde_json::Value = serde_json::from_str(&ran.text).unwrap();
    let mut apps: Vec<&str> =
        plan["rows"].as_array().unwrap().iter().filter_map(|row| row["what"].as_str()?.strip_prefix("app ")).collect();
    apps.sort_unstable();
    assert_eq!(apps.len(), 2);
    assert!(apps[0] == "new-a-b" && apps[1].starts_with("new-a-b-"), "{apps:?}");

    // Somebody's own app has the name.
    let dokku = server.world().join("bin/dokku");
    for args in [&["apps:create", "new-web"][..], &["git:from-image", "new-web", "app:1"][..]] {
        assert!(Command::new(&dokku).args(args).stdin(Stdio::null()).output().unwrap().status.success());
    }
    server.unharmed("a name that is taken", 1, &["error[name-taken]", "new-web", "compose.yaml:2:3"], || {
        server.import("new", &["good"])
    });
}

#[test]
fn a_second_import_is_refused_while_one_is_at_work() {
    let server = Server::new();
    let lock = fs::File::open(server.world().join("lib/data/compose/projects/keep/lock")).unwrap();
    lock.lock().unwrap();
    let says = ["another run works on keep", "--lock-wait"];
    server.unharmed("two at once", 5, &says, || server.import("keep", &["good"]));
    server.unharmed("two at once", 5, &says, || server.run(&["destroy", "keep", "--force"], b""));
}

/// What a server may do to an import, where, and what must be said. The import is undone: exit code 3.
#[test]
fn what_fails_on_the_server_is_told_and_undone() {
    let fail = |pattern: &str, message: &str| Fault {
        pattern: pattern.to_owned(),
        action: "fail".to_owned(),
        exit: 1,
        message: message.to_owned(),
        ..Fault::default()
    };
    let dokku = |pattern: &str, message: &str| Faults { dokku: vec![fail(pattern, message)], ..Faults::default() };
    let engine = |pattern: &str, message: &str| Faults { engine: vec![fail(pattern, message)], ..Faults::default() };
    let cases = [
        ("the disk is full", dokku("*config:import *", "No space left on device")),
        ("no permission", dokku("docker-options:add *", "You do not have permission")),
        ("another app's broken vhost", dokku("git:from-image *", "nginx: [emerg] host not found in upstream")),
        (
            "no free address pool",
            engine("network_create *", "could not find an available, non-overlapping IPv4 address pool"),
        ),
    ];
    for (name, faults) in cases {
        let server = Server::new();
        let message = faults.dokku.iter().chain(&faults.engine).map(|fault| fault.message.clone()).next().unwrap();
        server.faulty(faults);
        server.unharmed(name, 3, &[&message, "rolled back", "everything is as it was before"], || {
            server.import("new", &["good"])
        });
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_and_undone() {
    let server = Server::new();
    World::new(&server.world()).set_missing_images(&["far.invalid/x:1"]).unwrap();
    server.source("bad", "services:\n  web: {image: \"far.invalid/x:1\"}\n");
    let says = ["far.invalid/x:1", "asked for at compose.yaml:2:3", "rolled back"];
    server.unharmed("no pull", 3, &says, || server.import("new", &["bad"]));
}

#[test]
fn containers_that_do_not_come_up_are_told_and_undone() {
    for (name, image, play, words) in [
        (
            "a port in use",
            "mongo:3.4",
            Play { start_error: "address already in use".into(), ..Play::default() },
            "address already in use",
        ),
        (
            "a job that fails",
            "app:1",
            Play { exit: Some(7), log: vec!["boom".into()], ..Play::default() },
            "ended with exit code 7",
        ),
    ] {
        let server = Server::new();
        let containers = BTreeMap::from([("new-one".to_owned(), play)]);
        World::new(&server.world()).set_behaviour(&Behaviour { containers, ..Behaviour::default() }).unwrap();
        server.source("bad", &format!("services:\n  one: {{image: \"{image}\", restart: \"no\", command: [x]}}\n"));
        server.unharmed(name, 3, &[words, "asked for at compose.yaml:2:3", "rolled back"], || {
            server.import("new", &["bad"])
        });
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_told() {
    let fail = |pattern: &str, message: &str| Fault {
        pattern: pattern.to_owned(),
        action: "fail".to_owned(),
        message: message.to_owned(),
        ..Fault::default()
    };
    let server = Server::new();
    server.faulty(Faults { engine: vec![fail("*", "connection refused")], ..Faults::default() });
    server.unharmed("no engine", 1, &["connection refused"], || server.import("new", &["good"]));
    let server = Server::new();
    server.faulty(Faults { dokku: vec![fail("version", "dokku is broken")], ..Faults::default() });
    server.unharmed("no version", 1, &["dokku is broken"], || server.import("new", &["good"]));
}

#[test]
fn an_old_dokku_is_refused() {
    let server = Server::new();
    let old = Behaviour { version: "0.30.1".into(), ..Behaviour::default() };
    World::new(&server.world()).set_behaviour(&old).unwrap();
    server.unharmed("too old", 1, &["Dokku 0.30.1 is too old", "0.38.22 or newer"], || server.import("new", &["good"]));
}

/// Variables of the caller reach neither the plan nor the program.
#[test]
fn the_callers_environment_changes_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let server = Server::new();
    let plan = |pairs: &[(&str, &std::ffi::OsStr)]| {
        let output = Command::new(PROGRAM)
            .args(["plan", "new", "good", "--operations", "--sandbox"])
            .arg(server.world())
            .current_dir(server.folder.path())
            .envs(pairs.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), output.stdout)
    };
    let quiet = plan(&[]);
    assert_eq!(quiet.0, Some(0));
    let hostile: [(&str, &std::ffi::OsStr); 10] = [
        ("A", "two".as_ref()),
        ("COMPOSE_FILE", "/nonexistent".as_ref()),
        ("COMPOSE_PROJECT_NAME", "evil".as_ref()),
        ("COMPOSE_PROFILES", "x".as_ref()),
        ("DOKKU_APP_NAME", "keep".as_ref()),
        ("DOKKU_GLOBAL_FLAGS", "--force".as_ref()),
        ("DOKKU_APPS_FORCE_DELETE", "1".as_ref()),
        ("GIT_DIR", "/nonexistent".as_ref()),
        ("BASH_ENV", "/nonexistent".as_ref()),
        ("NOT_TEXT", std::ffi::OsStr::from_bytes(b"\xff\xfe")),
    ];
    assert_eq!(plan(&hostile), quiet);
}
