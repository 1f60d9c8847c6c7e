//! The recorded answers of a real Dokku.

use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::super::git::Deployed;
use super::*;

#[derive(Deserialize)]
struct Recorded {
    command: String,
    exit: i32,
    stdout: String,
    stderr: String,
}

/// The recorded answers, where they are: beside the repository.
fn transcripts() -> Option<Vec<Recorded>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = std::env::var_os("COMPOSE_SHARED")
        .map(PathBuf::from)
        .into_iter()
        .chain([here.join("../shared"), here.join("../../shared")]);
    let dir = places.map(|place| place.join("dokku-transcripts")).find(|dir| dir.is_dir())?;
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let text = ["commands.jsonl", "stack.jsonl", "failures.jsonl"].map(read).concat();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A [`Dokku`] and the world that it plays in.
struct Player {
    dokku: Dokku,
    _world: World,
}

impl std::ops::Deref for Player {
    type Target = Dokku;

    fn deref(&self) -> &Dokku {
        &self.dokku
    }
}

/// A `dokku` that answers `command` as recorded, at its `nth` recording.
fn recorded(transcripts: &[Recorded], command: &str, nth: usize) -> Player {
    let answer = transcripts.iter().filter(|recorded| recorded.command == command).nth(nth);
    let answer = answer.unwrap_or_else(|| panic!("no recording of {command}"));
    let world = World::new(
        r#"key=$(printf '%s\0' "$@" | sha256sum | cut -c1-64); [ -f $W/$key.exit ] || { echo "not recorded: $*" >&2; exit 99; }
cat $W/$key.out; cat $W/$key.err >&2; exit $(cat $W/$key.exit)"#,
    );
    let words = option_words(command).unwrap();
    let args: Vec<u8> = words[1..].iter().flat_map(|word| word.bytes().chain([0])).collect();
    let key: String = Sha256::digest(args).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(world.path(&format!("{key}.out")), &answer.stdout).unwrap();
    fs::write(world.path(&format!("{key}.err")), &answer.stderr).unwrap();
    fs::write(world.path(&format!("{key}.exit")), answer.exit.to_string()).unwrap();
    Player { dokku: world.dokku(), _world: world }
}

/// Runs `test` on the recordings, or says that they are not there.
fn with_transcripts(test: impl FnOnce(&[Recorded])) {
    match transcripts() {
        Some(transcripts) => test(&transcripts),
        None => {
            // Not eprintln!, which the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "dokku-transcripts are absent: a test of recorded answers is not run");
        }
    }
}

#[test]
fn recorded_reads() {
    with_transcripts(|all| {
        let of = |command: &str| recorded(all, command, 0);
        assert_eq!(of("dokku version").version().unwrap(), semver::Version::new(0, 38, 27));
        assert_eq!(of("dokku apps:list --format json").apps().unwrap(), ["xp-api"]);
        assert!(of("dokku apps:exists t-api").app_exists("t-api").unwrap());
        assert!(!of("dokku apps:exists t-none").app_exists("t-none").unwrap());
        let config = of("dokku config:export --format json t-api").config("t-api").unwrap();
        assert_eq!((config["D"].as_str(), config["E"].as_str()), ("line1\nline2", "q\"uote $HOME `x`"));
        assert!(!of("dokku network:exists t_default").network_exists("t_default").unwrap());
        assert!(recorded(all, "dokku network:exists t_default", 1).network_exists("t_default").unwrap());
        let networks = of("dokku network:report t-api --format json").networks("t-api").unwrap();
        assert_eq!((networks.initial.as_str(), networks.bind_all_interfaces.as_str()), ("t_default", "false"));
        let options = recorded(all, "dokku docker-options:report t-api --format json", 1).options("t-api").unwrap();
        assert_eq!(options.run, ["--cap-add=NET_ADMIN", "--ulimit=nofile=1024:2048"]);
        assert_eq!(
            options.deploy[0],
            quote_option("--health-cmd", "wget -q -O- http://localhost:8080/ || exit 1").unwrap()
        );
        let mounts = of("dokku storage:report t-api --format json").mounts("t-api").unwrap();
        let seen: Vec<_> =
            mounts.iter().map(|mount| (mount.entry.as_str(), mount.container_path.as_str(), mount.read_only)).collect();
        assert_eq!(
            seen,
            [("t-data", "/data", false), ("legacy-d9c5f609a1", "/etc/hostname.host", true), ("t-vol", "/vol", true)]
        );
        assert_eq!(
            (mounts[2].host_path.as_str(), mounts[2].phases.as_slice()),
            ("t_vol", names(&["deploy", "run"]).as_slice())
        );
        let entries = of("dokku storage:list-entries --format json").storage_entries().unwrap();
        assert_eq!((entries.len(), entries[2].name.as_str(), entries[2].host_path.as_str()), (3, "t-vol", "t_vol"));
        let domains = of("dokku domains:report f-web --format json").domains("f-web").unwrap();
        assert_eq!((domains.enabled, domains.names), (true, names(&["f.example.com", "f2.example.com"])));
        let proxy = of("dokku proxy:report t-api --format json").proxy("t-api").unwrap();
        assert_eq!((proxy.computed_type.as_str(), proxy.enabled, proxy.is_parked()), ("nginx", true, false));
        let checks = of("dokku checks:report t-api --format json").checks("t-api").unwrap();
        assert_eq!(checks, checks::Checks::default());
        let resources = of("dokku resource:report t-api --format json").resources("t-api").unwrap();
        assert_eq!(
            (resources.limit["cpu"].as_str(), resources.limit["memory"].as_str(), resources.reserve["memory"].as_str()),
            ("0.5", "64m", "32m")
        );
        assert_eq!((resources.limit.len(), resources.reserve.len()), (2, 1));
        assert_eq!(
            of("dokku ps:scale t-api --format json").scale("t-api").unwrap(),
            BTreeMap::from([("web".to_owned(), 2)])
        );
        assert_eq!(of("dokku git:report t-api --format json").source("t-api").unwrap().sha, "HEAD");
    });
}

#[test]
fn recorded_failures() {
    with_transcripts(|all| {
        let error = recorded(all, "dokku apps:create t-api", 1).call(apps::create("t-api")).unwrap_err();
        assert!(error.says("Name is already taken"), "{error}");
        let error = recorded(all, "dokku apps:report t-none --format json", 0).report("apps", "t-none").unwrap_err();
        assert!(matches!(error, DokkuError::UnknownApp { app, .. } if app == "t-none"));
        let nothing = &mut |_: Stream, _: &str| {};
        let again = recorded(all, "dokku git:from-image t-api local/httpd:v2", 1);
        assert_eq!(again.deploy(git::from_image("t-api", "local/httpd:v2"), nothing).unwrap(), Deployed::Unchanged);
        let first = recorded(all, "dokku git:from-image t-api local/httpd:v2", 0);
        assert_eq!(first.deploy(git::from_image("t-api", "local/httpd:v2"), nothing).unwrap(), Deployed::Done);
        let missing = recorded(all, "dokku git:from-image t-api no.such/image:1", 0);
        let error = missing.deploy(git::from_image("t-api", "no.such/image:1"), nothing).unwrap_err();
        assert!(error.says("Failed to pull image: no.such/image:1"), "{error}");
        let error =
            recorded(all, "dokku ps:scale f-web web=1", 0).call(ps::scale_now("f-web", [("web", 1)])).unwrap_err();
        assert!(error.says("Failure in name='default'"), "{error}");
        let error = recorded(all, "dokku network:destroy --force t_default", 0)
            .call(network::destroy("t_default"))
            .unwrap_err();
        assert!(error.says("has active endpoints"), "{error}");
    });
}
