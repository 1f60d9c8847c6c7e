//! What comes from another machine: archives on standard input, permissions of a key, and the scripts of the documents.

#![allow(clippy::unwrap_used, missing_docs)]

mod terminal;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Bench {
    home: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    text: String,
}

impl Bench {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program as sshd starts it: a clean environment, no terminal.
    fn run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dokku-compose"))
            .arg("--sandbox")
            .arg(self.path("world"))
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games"), ("SSH_USER", "dokku"), ("SSH_NAME", "ci")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses does not read to the end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ran { code: output.status.code(), text }
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn apps(&self) -> Vec<String> {
        let dokku = self.path("world/bin/dokku");
        let output = Command::new(dokku).args(["apps:list", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

const FILE: &str = "services:\n  web: {build: ./app, volumes: [\"./conf:/etc/web:ro\"]}\n";

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn stack() -> Vec<u8> {
    tar(&[
        ("./compose.yaml", FILE),
        ("./app/Dockerfile", "FROM alpine:3\nCOPY main /main\nCMD [\"/main\"]\n"),
        ("./app/main", "one\n"),
        ("./conf/web.conf", "listen 3000\n"),
    ])
}

fn through(program: &str, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.stdout
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn a_directory_travels_in_every_form() {
    let plain = stack();
    for (name, bytes) in [("plain", plain.clone()), ("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        let bench = Bench::new();
        let ran = bench.run(&["import", "shop", "-"], &bytes);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.text);
        let delivered = bench.path("world/lib/data/storage/shop/conf/web.conf");
        assert_eq!(fs::read_to_string(delivered).unwrap(), "listen 3000\n", "{name}");
        assert_eq!(bench.apps(), ["shop", "shop-web"], "{name}");
        // Without a terminal nothing is drawn over.
        assert!(!ran.text.contains(['\r', '\u{1b}']), "{name}: {:?}", ran.text);
    }
}

#[test]
fn an_archive_that_is_cut_off_is_refused_whole() {
    let bench = Bench::new();
    let plain = stack();
    // Between entries, inside of a header, inside of a file, before the end's own blocks.
    let mut cuts: Vec<(String, Vec<u8>)> =
        [512, 700, 1024, 2048, 2060, 3072].map(|at| (format!("plain at {at}"), plain[..at].to_vec())).into();
    let whole = plain.iter().rposition(|byte| *byte != 0).unwrap().next_multiple_of(512);
    cuts.push(("plain without its end".into(), plain[..whole].to_vec()));
    for (name, bytes) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        for part in [3, 2] {
            cuts.push((format!("{name} after 1/{part}"), bytes[..bytes.len() / part].to_vec()));
        }
    }
    let gz = gzip(&plain);
    cuts.push(("gzip without its checksum".into(), gz[..gz.len() - 4].to_vec()));
    for (name, bytes) in cuts {
        let ran = bench.run(&["import", "shop", "-"], &bytes);
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.text);
        assert!(ran.text.contains("cut off"), "{name}: {}", ran.text);
        assert!(bench.apps().is_empty() && !bench.path("world/lib/data/compose/projects/shop").exists(), "{name}");
    }
}

#[test]
fn a_hostile_archive_is_refused_whole() {
    let bench = Bench::new();
    let entry = |name: &str, kind: tar::EntryType, link: &str, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let end = [0; 1024];
    let regular = tar::EntryType::Regular;
    let cases = [
        ("an entry above", [entry("../evil", regular, "", 0), stack()].concat(), "leaves the directory"),
        (
            "a way out by a link",
            [entry("out", tar::EntryType::Symlink, "/tmp", 0), entry("out/evil", regular, "", 0), end.to_vec()]
                .concat(),
            "cannot unpack",
        ),
        (
            "a hard link to the host",
            [entry("compose.yaml", tar::EntryType::Link, "/etc/passwd", 0), end.to_vec()].concat(),
            "cannot unpack",
        ),
        ("a pipe", [entry("p", tar::EntryType::Fifo, "", 0), end.to_vec()].concat(), "of a kind that is not accepted"),
        ("three gigabytes", entry("big", regular, "", 3 << 30), "more than 2 GiB"),
        ("three gigabytes in gzip", gzip(&entry("big", regular, "", 3 << 30)), "more than 2 GiB"),
    ];
    for (name, bytes, words) in cases {
        let ran = bench.run(&["import", "shop", "-"], &bytes);
        assert_eq!(ran.code, Some(1), "{name}: {}", ran.text);
        assert!(ran.text.contains(words), "{name}: {}", ran.text);
        assert!(bench.apps().is_empty() && !bench.path("world/lib/data/compose/projects/shop").exists(), "{name}");
        assert!(!Path::new("/tmp/evil").exists(), "{name}");
    }
}

#[test]
fn findings_of_a_file_alone_have_a_place() {
    let ran = Bench::new().run(&["check", "-"], b"services:\n  web:\n    imag: x\n");
    assert!(ran.text.contains("--> <stdin>:3:5"), "{}", ran.text);
}

#[test]
fn what_a_key_may_not_touch_is_refused_before_the_first_change() {
    let bench = Bench::new();
    bench.run(&["list"], b"");
    let deny = |words: &str| {
        bench.script("world/lib/plugins/enabled/acl/user-auth", "#!/bin/sh\n");
        // `plugn trigger user-auth USER KEY COMMAND ARGUMENTS...`
        bench.script(
            "world/bin/plugn",
            &format!(
                "#!/bin/sh\necho \"$*\" >>'{}'\ncase \"$*\" in *'{words}'*) exit 1 ;; esac\n",
                bench.path("asked").display()
            ),
        );
    };
    let db = "services:\n  db: {image: postgres:16, volumes: [\"data:/var/lib/postgresql/data\"]}\nvolumes: {data: }\n";
    for (words, file) in [
        ("apps:create shop-web", FILE),
        ("git:from-archive shop-web", FILE),
        ("compose:import shop", FILE),
        ("apps:create shop-db", db),
    ] {
        deny(words);
        let archive = if file == FILE { stack() } else { tar(&[("compose.yaml", file)]) };
        let ran = bench.run(&["import", "shop", "-"], &archive);
        assert_eq!(ran.code, Some(1), "{words}: {}", ran.text);
        assert!(ran.text.contains("you may not run") && ran.text.contains("nothing was changed"), "{}", ran.text);
        assert!(bench.apps().is_empty(), "{words}");
    }
    assert!(fs::read_to_string(bench.path("asked")).unwrap().contains("trigger user-auth dokku ci apps:create shop"));
    // A change that takes a container's place asks for the old one too.
    deny("nothing at all");
    assert_eq!(bench.run(&["import", "shop", "-"], &tar(&[("compose.yaml", db)])).code, Some(0));
    deny("apps:destroy shop-db");
    let ran = bench.run(&["import", "shop", "-"], &tar(&[("compose.yaml", &db.replace("postgres:16", "postgres:17"))]));
    assert!(ran.code == Some(1) && ran.text.contains("apps:destroy for shop-db"), "{}", ran.text);
}

/// The scripts of an example: what stands under `run: |`, or the items under `script:`.
fn scripts(yaml: &str) -> String {
    let mut out = String::new();
    let mut lines = yaml.lines().skip_while(|line| !(line.trim() == "run: |" || line.trim() == "script:"));
    let head = lines.next().unwrap();
    let depth = head.len() - head.trim_start().len();
    for line in lines.take_while(|line| line.len() - line.trim_start().len() > depth) {
        let line = line.trim_start();
        out.push_str(if head.trim() == "script:" { line.strip_prefix("- ").unwrap() } else { line });
        out.push('\n');
    }
    out
}

#[test]
fn the_documented_pipelines_deploy() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/remote.md")).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|part| part.split("\n```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let bench = Bench::new();
        let program = env!("CARGO_BIN_EXE_dokku-compose");
        let world = bench.path("world");
        bench.script("bin/ssh-keyscan", "#!/bin/sh\necho \"$1 ssh-ed25519 AAAA\"\n");
        // `ssh -i KEY dokku@HOST compose:COMMAND ARGUMENTS...`, which Dokku makes a subcommand.
        let ssh = format!(
            "#!/bin/sh\n[ \"$1\" = -i ] && [ -r \"$2\" ] && [ \"$3\" = dokku@dokku.example ] || exit 9\nshift 3\n\
             name=${{1#compose:}}\nshift\nexec '{program}' --sandbox '{}' \"$name\" \"$@\"\n",
            world.display()
        );
        bench.script("bin/ssh", &ssh);
        for (name, content) in [("compose.yaml", FILE), ("app/Dockerfile", "FROM alpine:3\n"), ("conf/web.conf", "a\n")]
        {
            let path = bench.path("repo").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let output = Command::new("/bin/sh")
            .args(["-e", "-c", &scripts(example)])
            .current_dir(bench.path("repo"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bench.path("bin").display()))
            .env("HOME", bench.home.path())
            .env("DOKKU_KEY", "the key")
            .env("DOKKU_HOST", "dokku.example")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.contains("shop is imported"), "{example}\n{said}");
        assert_eq!(fs::metadata(bench.path(".ssh/dokku")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bench.apps(), ["shop", "shop-web"]);
    }
}

#[test]
fn zstd_as_its_own_program_writes_it() {
    if Command::new("zstd").arg("--version").output().is_err() {
        return;
    }
    let bench = Bench::new();
    for args in [&["-19", "-c"][..], &["--long=24", "-c"], &["--no-check", "-c"]] {
        let ran = bench.run(&["import", "shop", "-"], &through("zstd", args, &stack()));
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.text);
    }
}
