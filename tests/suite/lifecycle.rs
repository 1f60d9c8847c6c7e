//! What an operator does with a project, from the first import to its end.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};
use crate::stacks::{BUILT, SHOP, Stack};

/// Calls of an import that has nothing to do: as many for ten services as for one.
const QUESTIONS: usize = 25;

fn imported(stack: &Stack) -> Bench {
    let bench = Bench::new();
    (stack.first)(&bench);
    bench.import(&[]).ends(0);
    bench
}

/// Calls that deploy or restart, without their options.
fn deploys(calls: &[String]) -> Vec<&String> {
    let words = ["git:from-", "ps:rebuild", "ps:restart", "ps:start", "ps:stop", "="];
    let deploy = |call: &&String| {
        words.iter().any(|word| call.contains(word)) && (!call.contains('=') || call.contains("ps:scale"))
    };
    calls.iter().filter(deploy).collect()
}

/// Calls that change something of an app other than `app`.
fn of_others<'a>(calls: &'a [String], app: &str) -> Vec<&'a String> {
    let reads = [":report", ":list", ":exists", "config:export", "config:show", "version", "apps:", ":auth"];
    calls
        .iter()
        .filter(|call| !reads.iter().any(|read| call.contains(read)) && call.contains("shop") && !call.contains(app))
        .collect()
}

fn rows(status: &Value) -> Vec<(String, String, u64, u64, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let services = status["services"].as_array().unwrap();
    services
        .iter()
        .map(|row| {
            (
                text(row, "service"),
                text(row, "kind"),
                row["desired"].as_u64().unwrap(),
                row["running"].as_u64().unwrap(),
                text(row, "health"),
            )
        })
        .collect()
}

#[test]
fn import_status_and_import_again() {
    let bench = imported(&SHOP);
    let status = bench.run(&["status", PROJECT, "--format", "json"]).ends(0).json();
    let row = |service: &str, kind: &str, count, health: &str| {
        (service.to_owned(), kind.to_owned(), count, count, health.to_owned())
    };
    let expected = vec![
        row("db", "container", 1, "healthy"),
        row("migrate", "job", 0, "exit code 0"),
        row("api", "app", 1, "up"),
        row("web", "app", 1, "up"),
    ];
    assert_eq!(rows(&status), expected);
    assert_eq!((&status["interrupted"], &status["left"], &status["release"]), (&Value::Null, &json!([]), &json!(1)));
    let text = bench.run(&["status", PROJECT]).ends(0).out;
    for name in ["shop-db", "shop-migrate", "shop-api", "shop-web"] {
        assert!(text.contains(name), "{text}");
    }

    let (before, containers, mark) = (bench.snapshot(), bench.containers(), bench.mark());
    let again = bench.import(&[]).ends(0);
    assert!(again.out.contains("nothing to do"), "{}", again.out);
    let calls = bench.dokku_since(mark);
    assert!(deploys(&calls).is_empty(), "{calls:?}");
    assert!(calls.len() <= QUESTIONS, "{} calls: {calls:#?}", calls.len());
    assert_eq!(bench.containers(), containers);
    before.same(&bench.snapshot(), "an import of an unchanged file");
}

#[test]
fn an_unchanged_file_asks_as_much_of_ten_services_as_of_one() {
    let asked = |services: usize| {
        let bench = Bench::new();
        let mut text = String::from("services:\n");
        for number in 0..services {
            text.push_str(&format!("  s{number}: {{ image: 'acme/s:1', environment: {{ N: '{number}' }} }}\n"));
        }
        bench.write("compose.yaml", &text);
        bench.import(&[]).ends(0);
        let mark = bench.mark();
        bench.import(&[]).ends(0);
        bench.calls_since(mark).len()
    };
    let (one, ten) = (asked(1), asked(10));
    println!("calls of an import that has nothing to do: {one} for one service, {ten} for ten");
    assert_eq!(one, ten);
}

#[test]
fn one_variable_restarts_one_app() {
    let bench = imported(&SHOP);
    let (containers, mark) = (bench.containers(), bench.mark());
    bench.edit("LEVEL: low", "LEVEL: high");
    bench.import(&[]).ends(0);
    let calls = bench.dokku_since(mark);
    assert_eq!(deploys(&calls).len(), 1, "{calls:#?}");
    assert!(of_others(&calls, "shop-api").is_empty(), "{:#?}", of_others(&calls, "shop-api"));
    let now = bench.containers();
    for name in ["shop-db", "shop-migrate", "shop-web.web.1"] {
        assert_eq!(now[name], containers[name], "{name} was made again");
    }
    assert_ne!(now["shop-api.web.1"], containers["shop-api.web.1"]);
    assert_eq!(bench.container("shop-api.web.1")["environment"]["LEVEL"], "high");
}

#[test]
fn what_changes_in_the_file_changes_on_the_server_and_nothing_else() {
    let bench = imported(&SHOP);
    let changed = |from: &str, to: &str, untouched: &[&str]| {
        let containers = bench.containers();
        bench.edit(from, to);
        bench.import(&[]).ends(0);
        let now = bench.containers();
        for name in untouched {
            assert_eq!(now[*name], containers[*name], "{to}: {name} was made again");
        }
        bench.import(&["--dry-run", "--detailed-exitcode"]).ends(0);
    };
    // An image.
    changed("acme/web:1", "acme/web:2", &["shop-db", "shop-migrate", "shop-api.web.1"]);
    assert_eq!(
        bench.container("shop-web.web.1")["labels"]["com.dokku.docker-image-labeler/alternate-tags"],
        r#"["acme/web:2"]"#
    );
    // A service more.
    changed(
        "volumes:\n  data:",
        "  mail:\n    image: acme/mail:1\nvolumes:\n  data:",
        &["shop-db", "shop-migrate", "shop-api.web.1", "shop-web.web.1"],
    );
    assert_eq!(bench.container("shop-mail.web.1")["status"], "running");
    // A scale.
    changed(
        "image: acme/mail:1",
        "image: acme/mail:1\n    deploy: { replicas: 2 }",
        &["shop-db", "shop-api.web.1", "shop-web.web.1"],
    );
    assert_eq!(bench.container("shop-mail.web.2")["status"], "running");
    changed("replicas: 2", "replicas: 1", &["shop-db", "shop-api.web.1", "shop-web.web.1"]);
    assert_eq!(
        bench.dokku(&["ps:scale", "shop-mail"]).ends(0).out.lines().last().map(|line| line.replace(' ', "")).as_deref(),
        Some("web:1")
    );
    // A job.
    let job = bench.containers()["shop-migrate"].clone();
    changed(r#""up"]"#, r#""up", "--all"]"#, &["shop-db", "shop-web.web.1"]);
    assert_ne!(bench.containers()["shop-migrate"], job, "the job did not run again");
    // A file that a service mounts.
    let api = bench.containers()["shop-api.web.1"].clone();
    bench.write("conf/api.conf", "listen 9000\n");
    changed("LEVEL: low", "LEVEL: low", &["shop-db", "shop-migrate", "shop-web.web.1"]);
    assert_ne!(bench.containers()["shop-api.web.1"], api, "the service still has the old file");
    let delivered = bench.world.path("lib/data/storage/shop/conf/api.conf");
    assert_eq!(std::fs::read_to_string(delivered).unwrap(), "listen 9000\n");
}

#[test]
fn a_service_that_left_the_file_is_told_and_stays() {
    let bench = imported(&SHOP);
    bench.edit("  web:\n    image: acme/web:1\n    ports: [\"8080:3000\"]\n    depends_on: [api]\n", "");
    let containers = bench.containers();
    let plan = bench.import(&["--dry-run"]).ends(0).all();
    assert!(plan.contains("web"), "{plan}");
    bench.import(&[]).ends(0);
    assert_eq!(bench.containers(), containers);
    let status = bench.run(&["status", PROJECT]).ends(0);
    assert!(status.err.contains("web is not in the file any more"), "{}", status.all());
    let status = bench.run(&["status", PROJECT, "--format", "json"]).ends(0).json();
    assert_eq!(status["left"], json!(["web"]));
    bench.run(&["destroy", PROJECT, "--force"]).ends(0);
    assert!(bench.containers().keys().all(|name| !name.starts_with("shop")), "{:?}", bench.containers());
}

#[test]
fn destroy_leaves_the_server_as_it_was() {
    for (stack, volumes) in [(&SHOP, true), (&SHOP, false), (&BUILT, true)] {
        let bench = Bench::new();
        bench.run(&["list"]).ends(0);
        let fresh = bench.snapshot();
        (stack.first)(&bench);
        bench.import(&[]).ends(0);
        (stack.second)(&bench);
        bench.import(&[]).ends(0);
        bench.run(&["destroy", PROJECT]).ends(1);
        assert!(bench.containers().len() > 1, "destroy did not wait for a yes");
        let more: &[&str] = if volumes { &["--volumes"] } else { &[] };
        let ran = bench.run(&[&["destroy", PROJECT, "--force"], more].concat()).ends(0);
        let now = bench.snapshot();
        if !volumes {
            assert!(ran.out.contains("shop_data"), "{}", ran.out);
            assert!(!fresh.difference(&now).is_empty(), "the volume is gone");
        }
        fresh.same(
            &now.without(|path| {
                !volumes && path == "volume shop_data" || path.starts_with("lib/data/compose/destroyed/shop/")
            }),
            &format!("{} with volumes {volumes}", stack.name),
        );
        assert!(!bench.world.path("lib/data/compose/projects/shop").exists());
        bench.run(&["status", PROJECT]).ends(20);
        bench.run(&["destroy", PROJECT, "--force"]).ends(20);
    }
}

#[test]
fn destroy_keeps_what_the_server_made_and_no_empty_folder() {
    for made in [None, Some("lib/data/storage/shop/conf/cache/kept.db")] {
        let bench = Bench::new();
        (SHOP.first)(&bench);
        bench.import(&[]).ends(0);
        // The engine's place for a mount within the mount, and a file of the application's.
        let conf = bench.world.path("lib/data/storage/shop/conf");
        fs::create_dir_all(conf.join("node_modules/deep")).unwrap();
        if let Some(file) = made {
            fs::create_dir_all(bench.world.path(file).parent().unwrap()).unwrap();
            fs::write(bench.world.path(file), "data").unwrap();
        }
        let ran = bench.run(&["destroy", PROJECT, "--force", "--volumes"]).ends(0);
        assert!(!conf.join("node_modules").exists() && !conf.join("api.conf").exists());
        match made {
            None => assert!(!bench.world.path("lib/data/storage/shop").exists()),
            Some(file) => {
                assert_eq!(fs::read_to_string(bench.world.path(file)).unwrap(), "data");
                assert!(ran.all().contains("data/storage/shop"), "what is kept is not named: {}", ran.all());
            }
        }
    }
}

#[test]
fn a_plan_reads_and_changes_nothing() {
    let bench = Bench::new();
    (SHOP.first)(&bench);
    // The engine's state is written by the first question.
    bench.import(&["--dry-run"]).ends(0);
    for update in [false, true] {
        if update {
            bench.import(&[]).ends(0);
            (SHOP.second)(&bench);
        }
        let bytes = all_bytes(&bench);
        let source = bench.source().display().to_string();
        let plan = bench.run(&["plan", PROJECT, &source]).ends(0);
        let dry = bench.import(&["--dry-run"]).ends(0);
        assert_eq!(plan.out, dry.out);
        bench.import(&["--dry-run", "--detailed-exitcode"]).ends(2);
        let json = bench.import(&["--dry-run", "--format", "json"]).ends(0).json();
        let now = all_bytes(&bench);
        let changed: Vec<_> =
            bytes.keys().chain(now.keys()).filter(|path| bytes.get(*path) != now.get(*path)).collect();
        assert!(changed.is_empty(), "a plan changed {changed:?}");
        assert_eq!(json["project"], PROJECT);
        let operations = json["operations"].as_array().unwrap();
        assert!(operations.len() > 5, "{json:#}");
        assert!(json["rows"].as_array().is_some_and(|rows| rows.len() >= 4), "{json:#}");
        assert_eq!((&json["warnings"], &json["keys"]["not_done"]), (&json!(0), &json!([])));
    }
    bench.import(&[]).ends(0);
    bench.import(&["--dry-run", "--detailed-exitcode"]).ends(0);
}

/// Every file of the world but the records of calls.
fn all_bytes(bench: &Bench) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    fn walk(at: &std::path::Path, out: &mut std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                out.insert(path.clone(), std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
            } else if path.is_dir() {
                out.insert(path.clone(), Vec::new());
                walk(&path, out);
            } else {
                out.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut out = std::collections::BTreeMap::new();
    walk(bench.world.root(), &mut out);
    let root = bench.world.root();
    out.retain(|path, _| !["calls.jsonl", "calls.count", "lock"].iter().any(|name| *path == root.join(name)));
    out
}

#[test]
fn results_for_programs_have_one_shape() {
    let bench = Bench::new();
    (SHOP.first)(&bench);
    let done = bench.import(&["--format", "json"]).ends(0).json();
    assert_eq!(
        (&done["version"], &done["project"], &done["outcome"], &done["failure"]),
        (&json!(1), &json!(PROJECT), &json!("done"), &Value::Null)
    );
    assert!(done["plan"]["operations"].is_array() && done["seconds"].is_number(), "{done:#}");
    let unchanged = bench.import(&["--format", "json"]).ends(0).json();
    assert_eq!(unchanged["outcome"], "unchanged");
    let list = bench.run(&["list", "--format", "json"]).ends(0).json();
    assert_eq!((&list["projects"][0]["project"], &list["projects"][0]["services"]), (&json!(PROJECT), &json!(4)));
    bench.edit("LEVEL: low", "LEVEL: high");
    bench.faults(
        &json!({ "dokku": [{ "match": "*config:import*", "nth": 1, "do": "fail", "exit": 1, "message": "played" }] }),
    );
    let failed = bench.import(&["--format", "json"]).ends(3).json();
    assert_eq!((&failed["outcome"], &failed["failure"]["service"]), (&json!("rolled-back"), &json!("api")));
    bench.no_faults();
    let events = bench.import(&["--events"]).ends(0).out;
    let codes: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes.first().map(String::as_str), Some("begin"), "{events}");
    assert!(codes.iter().any(|code| code == "started") && codes.iter().any(|code| code == "done"), "{events}");
    assert_eq!(codes.iter().filter(|code| *code == "committed").count(), 1, "{events}");
}

#[test]
fn quiet_silences_steps_and_keeps_results() {
    let bench = Bench::new();
    (SHOP.first)(&bench);
    let ran = bench.import(&["--quiet"]).ends(0);
    assert!(!ran.out.contains("----->"), "{}", ran.out);
    assert!(ran.out.contains("shop is imported"), "{}", ran.out);
}

#[test]
fn exit_codes_are_those_of_the_manual() {
    let bench = imported(&SHOP);
    let before = bench.snapshot();
    bench.run(&["no-such-command"]).ends(10);
    bench.run(&["help", "no-such-command"]).ends(10);
    bench.run(&["help"]).ends(0);
    bench.run(&["help", "compose:import"]).ends(0);
    bench.run(&["import"]).ends(1);
    bench.run(&["import", "Not_A_Name", "."]).ends(1);
    bench.run(&["import", "other", "/nonexistent"]).ends(1);
    for args in [["status", "nobody"], ["destroy", "nobody"], ["recover", "nobody"]] {
        bench.run(&args).ends(20);
    }
    bench.write("broken.yaml", "services:\n  a: { imagee: x }\n");
    let broken = bench.source().join("broken.yaml").display().to_string();
    let ran = bench.run(&["import", PROJECT, "-f", &broken]).ends(1);
    assert!(ran.err.contains("broken.yaml:2"), "{}", ran.err);
    bench.run(&["check", "-f", &broken]).ends(1);
    bench.run(&["check", &bench.source().join("compose.yaml").display().to_string(), "--env", "DB_PASSWORD=x"]).ends(0);
    let config = bench.run(&["config", &bench.source().display().to_string(), "--format", "json"]).ends(0).json();
    assert_eq!(config["services"]["api"]["image"], "acme/api:1");
    bench.run(&["set", "--global", "allowed-host-paths", "relative"]).ends(1);
    before.same(&bench.snapshot(), "after requests that are wrong");
    bench.run(&["set", "--global", "allowed-host-paths", "/var/run/docker.sock"]).ends(0);
    bench.run(&["set", "--global", "allowed-host-paths"]).ends(0);
    before.same(&bench.snapshot(), "after a setting that was taken back");
}

#[test]
fn of_two_imports_at_once_one_is_told_to_wait() {
    let bench = imported(&SHOP);
    (SHOP.second)(&bench);
    bench.faults(&json!({ "dokku": [{ "match": "*config:import*", "do": "slow", "ms": 3000 }] }));
    let args = bench.import_args(&[]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let command = bench.command(&args);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| crate::bench::finish(command));
        let journals = bench.world.path("lib/data/compose/projects/shop/journal");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while std::fs::read_dir(&journals).is_ok_and(|mut all| all.next().is_none())
            && std::time::Instant::now() < until
        {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let second = bench.import(&[]).ends(5);
        assert!(second.err.contains("compose:import"), "it does not say who holds the lock: {}", second.err);
        // Who only looks is not kept out.
        bench.run(&["status", PROJECT]).ends(0);
        bench.run(&["list"]).ends(0);
        let waited = bench.import(&["--lock-wait", "60"]).ends(0);
        assert!(waited.out.contains("nothing to do"), "{}", waited.out);
        first.join().unwrap().ends(0);
    });
}

#[test]
fn a_signal_undoes_the_run() {
    use std::os::unix::process::CommandExt;
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let bench = imported(&SHOP);
        let before = bench.snapshot();
        (SHOP.second)(&bench);
        bench.faults(&json!({ "dokku": [{ "match": "*git:from-image*", "do": "slow", "ms": 4000 }] }));
        let args = bench.import_args(&[]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = bench.command(&args);
        command.process_group(0).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let mark = bench.mark();
        while bench.dokku_since(mark).iter().all(|call| !call.contains("config:import")) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before the signal");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{signal:?}");
        before.same(&bench.snapshot(), &format!("after {signal:?}"));
    }
}
