//! `--data`: what datastore services hold, as files that a new database loads.

use std::io::Write;
use std::process::{Command, Stdio};

use dokku_compose::sandbox::World;

use super::{Bench, hand_made, mode};

fn with_data() -> Bench {
    let bench = hand_made();
    bench.dokku(&["git:from-image", "one", "acme/one:1"]);
    World::new(&bench.path("world")).set_datastores(&[("postgres", "1.48.0"), ("redis", "1.48.0")]).unwrap();
    bench.dokku(&["redis:create", "fast"]);
    bench.dokku(&["redis:link", "fast", "one", "--no-restart"]);
    let mut client = Command::new(bench.path("world/bin/dokku"))
        .args(["postgres:connect", "db"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(b"CREATE TABLE orders (id int);\n").unwrap();
    assert!(client.wait().unwrap().success());
    std::fs::create_dir(bench.path("out")).unwrap();
    bench
}

const EXPORT: &[&str] = &["export", "--apps", "one", "--name", "both", "-o", "out/compose.yaml", "--data"];

#[test]
fn a_new_database_loads_what_the_old_one_held() {
    let bench = with_data();
    bench.ok(&[EXPORT, &["out/data"]].concat());
    assert_eq!(mode(&bench.path("out/data")), 0o700);
    assert_eq!(mode(&bench.path("out/data/db.sql")), 0o644, "the database reads it as a user of its own");
    assert_eq!(mode(&bench.path("out/data/fast.dump")), 0o644);
    let text = std::fs::read_to_string(bench.path("out/compose.yaml")).unwrap();
    let password =
        |url: &str| url.split_once(":").unwrap().1.split_once('@').unwrap().0.rsplit(':').next().unwrap().to_owned();
    let env = std::fs::read_to_string(bench.path("out/.env")).unwrap();
    let value = |name: &str| env.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    assert_eq!(password(&value("DATABASE_URL")), value("POSTGRES_PASSWORD"));
    assert_eq!(password(&value("REDIS_URL")), value("REQUIREPASS"));
    assert!(!text.contains(&value("REQUIREPASS")) && !text.contains(&value("POSTGRES_PASSWORD")), "{text}");
    for part in [
        "      - --requirepass\n      - ${REQUIREPASS?}\n",
        "  # the postgres service db; a new database loads what it held, ./data/db.sql\n",
        "source: ./data/db.sql\n        target: /docker-entrypoint-initdb.d/db.sql\n        read_only: true\n",
        "  # the redis service fast; what it held is ./data/fast.dump: dokku redis:import SERVICE < ./data/fast.dump\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    std::fs::rename(bench.path("world"), bench.path("first")).unwrap();
    bench.ok(&["list"]);
    World::new(&bench.path("world")).set_datastores(&[("postgres", "1.48.0"), ("redis", "1.48.0")]).unwrap();
    bench.ok(&["import", "both", "out"]);
    let held = std::fs::read_to_string(bench.path("world/lib/services/postgres/both-db/data/server.json")).unwrap();
    assert!(held.contains("CREATE TABLE orders (id int);"), "{held}");
    let dsn = Command::new(bench.path("world/bin/dokku")).args(["redis:info", "both-fast", "--dsn"]).output().unwrap();
    assert_eq!(password(&String::from_utf8(dsn.stdout).unwrap()), value("REQUIREPASS"));
}

#[test]
fn data_goes_beside_the_file_or_nowhere() {
    let bench = with_data();
    let refused = |args: &[&str], why: &str| {
        let output = bench.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    };
    refused(&["export", "--apps", "one", "--data", "out/data"], "--data needs a file to lie beside");
    refused(&[EXPORT, &["elsewhere"]].concat(), "elsewhere is not below");
    refused(&[EXPORT, &["out/../elsewhere"]].concat(), "is not below");
    bench.write("out/data/db.sql", "mine\n");
    refused(&[EXPORT, &["out/data"]].concat(), "db.sql is there already");
    assert_eq!(std::fs::read_to_string(bench.path("out/data/db.sql")).unwrap(), "mine\n");
    assert!(!bench.path("out/compose.yaml").exists());
    // A dump that breaks off leaves neither itself nor the ones before it.
    let faults = serde_json::json!({"dokku": [{"match": "redis:export *", "do": "fail", "message": "it broke off", "when": "after"}]});
    World::new(&bench.path("world")).set_faults(&serde_json::from_value(faults).unwrap()).unwrap();
    refused(&[EXPORT, &["out/more"]].concat(), "cannot export the data of the redis service fast");
    assert_eq!(std::fs::read_dir(bench.path("out/more")).unwrap().count(), 0);
    // A service that is stopped says nothing of itself.
    bench.dokku(&["redis:stop", "fast"]);
    refused(
        &[EXPORT, &["out/more"]].concat(),
        "the redis service fast is stopped, and cannot be read: dokku redis:start",
    );
    assert!(!bench.path("out/compose.yaml").exists());
}
