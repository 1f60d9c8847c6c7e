//! Data of before: what lies in the volume of an earlier `docker compose up`, or of a container, goes into a service.

use std::collections::BTreeMap;
use std::fs;

use dokku_compose::sandbox::carried::VolumeData;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::{FILE, bench, services};

const VOLUME: &str = "shop_data";

/// Two databases, a user more than the file has.
fn data() -> VolumeData {
    let rows = |all: &[&str]| all.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
    VolumeData {
        path: ".".into(),
        version: "16".into(),
        kilobytes: 41_234,
        user: "app".into(),
        users: BTreeMap::from([("app".into(), "of-before".into()), ("reader".into(), "reader-secret-5".into())]),
        databases: BTreeMap::from([
            ("shop".into(), rows(&["CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)"])),
            ("stats".into(), rows(&["CREATE TABLE visits (id int)"])),
        ]),
        extensions: vec!["plpgsql".into()],
    }
}

/// A server on which `docker compose up` was run before.
fn with(data: &VolumeData) -> Bench {
    let bench = bench(FILE);
    bench.world.set_volume_data(VOLUME, data).unwrap();
    for image in ["postgres:16.4", "postgres:15"] {
        let mut seed = dokku_compose::sandbox::SeedImage::default();
        seed.facts.tags = vec![image.into()];
        bench.world.add_image(seed).unwrap();
    }
    bench
}

fn fault(bench: &Bench, fault: Value) {
    fs::write(bench.world.path("faults.json"), json!({ "dokku": [fault] }).to_string()).unwrap();
}

fn server(bench: &Bench) -> Value {
    let text = fs::read_to_string(bench.world.path("lib/services/postgres/shop-db/data/server.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn engine(bench: &Bench) -> Value {
    serde_json::from_str(&fs::read_to_string(bench.world.path("engine/state.json")).unwrap()).unwrap()
}

/// No copy, nothing that serves it, no dump; the volume as it was.
fn clean(bench: &Bench, data: &VolumeData) {
    let state = engine(bench);
    let text = state.to_string();
    assert!(!text.contains(".carry\"") && !text.contains(".replaced\""), "{text}");
    assert!(state["volumes"].get(VOLUME).is_some(), "{text}");
    assert!(!bench.world.path("lib/data/compose/projects/shop/carry").exists());
    let now = fs::read_to_string(bench.world.path(&format!("engine/volumes/{VOLUME}.json"))).unwrap();
    assert_eq!(serde_json::from_str::<VolumeData>(&now).unwrap(), *data);
}

/// Everything that the volume held, in the service.
fn carried(bench: &Bench) {
    let held = server(bench);
    assert_eq!(held["databases"]["shop"], json!(["CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)"]));
    assert_eq!(held["databases"]["stats"], json!(["CREATE TABLE visits (id int)"]));
    assert_eq!(held["users"]["reader"], "reader-secret-5");
    // The file's own user has the file's password.
    assert_eq!(held["users"]["app"], "pg-own-secret-1");
}

#[test]
fn a_volume_that_holds_data_keeps_its_container_and_the_plan_says_what_it_holds() {
    let bench = with(&data());
    bench.plan(&[]).ends(0).says("the volume shop_data holds 41.2 MB of postgres 16; --carry-over moves it");
    bench.import(&[]).ends(0);
    assert!(services(&bench, "postgres").is_empty());
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn an_empty_volume_is_no_reason() {
    let bench = with(&data());
    fs::remove_file(bench.world.path("engine/volumes/shop_data.json")).unwrap();
    bench.import(&[]).ends(0);
    assert_eq!(services(&bench, "postgres"), ["shop-db"]);
    let bench = with(&VolumeData { path: String::new(), ..data() });
    bench.import(&[]).ends(0).says("the volume shop_data is there and may hold its data");
    assert!(services(&bench, "postgres").is_empty());
}

#[test]
fn data_is_carried_over_and_the_volume_stays_as_it_was() {
    let bench = with(&data());
    bench
        .plan(&["--carry-over", "--operations"])
        .ends(0)
        .says("carries 41.2 MB of version 16 over from the volume shop_data");
    assert!(services(&bench, "postgres").is_empty());
    let ran = bench.import(&["--carry-over"]).ends(0).says("equal in count and sum");
    assert!(!ran.all().contains("reader-secret"), "{}", ran.all());
    carried(&bench);
    clean(&bench, &data());
    // The script of the file ran when the data was made.
    assert!(!crate::statements(&bench, "postgres/shop-db").contains("CREATE TABLE first"));
    bench.plan(&["--detailed-exitcode"]).ends(0);
    bench.plan(&["--carry-over", "--detailed-exitcode"]).ends(0);
    // Once the project is forgotten, its service is found, not the volume of before.
    bench.run(&["destroy", "shop", "--force", "--forget"]).ends(0);
    bench.import(&[]).ends(0);
    assert_eq!(services(&bench, "postgres"), ["shop-db"]);
    carried(&bench);
}

#[test]
fn an_older_version_is_read_by_its_own_image() {
    let old = VolumeData { version: "15".into(), ..data() };
    let bench = with(&old);
    let mark = bench.mark();
    bench.import(&["--carry-over=db"]).ends(0);
    let calls = bench.calls(mark);
    assert!(calls.iter().any(|call| call.contains("postgres:create shop-db --image postgres --image-version 16.4")));
    carried(&bench);
    clean(&bench, &old);
}

#[test]
fn what_cannot_be_carried_over_is_refused_before_anything_starts() {
    for (data, carry, said) in [
        (
            VolumeData { version: "17".into(), ..data() },
            "--carry-over",
            "is older: no server reads what a newer one wrote",
        ),
        (data(), "--carry-over=nothing", "there is no service nothing in the file"),
    ] {
        let bench = with(&data);
        bench.import(&[carry]).ends(1).says(said);
        assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
        clean(&bench, &data);
    }
    // Its image would have to be fetched to look.
    let bench = with(&data());
    bench.edit("postgres:16.4", "postgres:16.9");
    bench.import(&["--carry-over=db"]).ends(1).says("is not on the server to look into it");
    // The plugin that would have to serve it is not there.
    let bench = with(&data());
    bench.world.set_datastores(&[("mysql", "1.44.3"), ("redis", "1.43.0")]).unwrap();
    bench.import(&["--carry-over=db"]).ends(1).says("the postgres plugin is not installed");
}

#[test]
fn what_fails_on_the_way_leaves_all_as_it_was() {
    for (file, text, said) in [
        ("broken-dump", "fails", "the data of before cannot be read"),
        ("broken-dump", "ends", "end of file"),
        ("lost-rows", "INSERT INTO orders", "is not what it was"),
    ] {
        let bench = with(&data());
        fs::write(bench.world.path("faults").join(file), text).unwrap();
        bench.import(&["--carry-over"]).ends(3).says(said);
        assert!(services(&bench, "postgres").is_empty());
        clean(&bench, &data());
        fs::remove_file(bench.world.path("faults").join(file)).unwrap();
        bench.import(&["--carry-over"]).ends(0);
        carried(&bench);
    }
    for (bad, said) in [
        (VolumeData { extensions: vec!["vector".into()], ..data() }, "the extensions vector"),
        (VolumeData { user: "boss".into(), ..data() }, "has no superuser app"),
    ] {
        let bench = with(&bad);
        let mark = bench.mark();
        bench.import(&["--carry-over"]).ends(3).says(said);
        assert!(!bench.calls(mark).iter().any(|call| call.starts_with("postgres:create")));
        clean(&bench, &bad);
    }
}

#[test]
fn a_running_container_is_read_where_it_runs() {
    let bench = with(&data());
    let spec = dokku_compose::docker::ContainerSpec {
        name: "shop-db-1".into(),
        image: "postgres:16.4".into(),
        mounts: vec![dokku_compose::docker::ContainerMount {
            kind: "volume".into(),
            source: VOLUME.into(),
            target: "/var/lib/postgresql/data".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    use dokku_compose::docker::Engine as _;
    let engine_of = dokku_compose::sandbox::SandboxEngine::new(bench.world.root());
    engine_of.container_create(&spec).unwrap();
    engine_of.container_start("shop-db-1").unwrap();
    bench.import(&["--carry-over"]).ends(0);
    carried(&bench);
    clean(&bench, &data());
    assert_eq!(engine_of.container("shop-db-1").unwrap().unwrap().status, "running");
}

#[test]
fn a_container_of_the_project_moves_into_a_service() {
    let bench = with(&data());
    bench.import(&[]).ends(0);
    bench.run(&["carry-over", "other"]).ends(20);
    let source = bench.path("stack").display().to_string();
    let mark = bench.mark();
    let plan = bench.run(&["carry-over", "shop", "db", "--source", &source, "--dry-run"]).ends(0);
    plan.says("postgres service shop-db  [data]");
    bench.run(&["carry-over", "shop", "db", "--source", &source]).ends(0);
    carried(&bench);
    clean(&bench, &data());
    assert!(!engine(&bench).to_string().contains("\"name\":\"shop-db\""));
    // Nothing is written to it any more once it is read.
    let calls = bench.calls(mark);
    let at =
        |word: &str| calls.iter().position(|call| call.contains(word)).unwrap_or_else(|| panic!("{word}: {calls:#?}"));
    assert!(at("container_rename shop-db shop-db.replaced") < at("container_create shop-db.carry"), "{calls:#?}");
    bench.dokku(&["run", "shop-api", "getent", "hosts", "db"]).ends(0);
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_move_that_fails_brings_the_container_back() {
    let bench = with(&data());
    bench.import(&[]).ends(0);
    fs::write(bench.world.path("faults/lost-rows"), "visits").unwrap();
    bench.import(&["--carry-over"]).ends(3).says("is not what it was");
    clean(&bench, &data());
    assert!(services(&bench, "postgres").is_empty());
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

#[test]
fn a_carry_over_that_was_killed_leaves_nothing() {
    for (call, when) in [
        ("postgres:create *", "before"),
        ("postgres:enter * carry-restore *", "before"),
        ("postgres:enter * carry-sums *", "after"),
    ] {
        let bench = with(&data());
        fault(&bench, json!({ "match": call, "do": "kill", "signal": 9, "who": "parent", "when": when }));
        assert_eq!(bench.import(&["--carry-over"]).code, None, "{call}");
        fs::remove_file(bench.world.path("faults.json")).unwrap();
        bench.run(&["recover", "shop"]);
        clean(&bench, &data());
        assert!(services(&bench, "postgres").is_empty());
        bench.import(&["--carry-over"]).ends(0);
        carried(&bench);
    }
}

#[test]
fn a_service_does_not_change_its_form_by_the_way() {
    // A container that the file wants as a service: its data has to come along.
    let bench = with(&data());
    bench.import(&[]).ends(0);
    bench.edit("    shm_size: 128m\n", "    shm_size: 128m\n    x-dokku: { as: datastore }\n");
    bench.import(&[]).ends(1).says("kind-changed").says("--carry-over=db");
    bench.import(&["--carry-over"]).ends(0);
    carried(&bench);
    // And back: the service keeps its data, whatever asks for a container.
    bench.edit("as: datastore", "as: container");
    bench.import(&[]).ends(1).says("kind-changed").says("postgres:export shop-db");
    bench.edit("    x-dokku: { as: container }\n", "");
    bench.import(&["--datastores", "container"]).ends(1).says("kind-changed");
    bench.world.set_datastores(&[("mysql", "1.44.3"), ("redis", "1.43.0")]).unwrap();
    bench.import(&[]).ends(1).says("the postgres plugin is not installed").says("kind-changed");
    bench.world.set_datastores(&[("mysql", "1.44.3"), ("postgres", "1.48.0"), ("redis", "1.43.0")]).unwrap();
    bench.plan(&["--detailed-exitcode"]).ends(0);
    carried(&bench);
}

#[test]
fn data_that_lies_in_no_volume_of_the_file_is_not_left_behind() {
    let bench = with(&data());
    bench.edit(r#""data:/var/lib/postgresql/data", "#, "");
    bench.import(&["--datastores", "container"]).ends(0);
    bench.import(&["--carry-over"]).ends(0);
    assert!(services(&bench, "postgres").is_empty());
    bench
        .import(&["--carry-over=db"])
        .ends(1)
        .says("its container's data lies in no volume that could be carried over");
    assert_eq!(engine_of(&bench, "shop-db"), "running");
}

#[test]
fn a_service_that_is_there_is_not_taken_for_the_data() {
    let bench = bench(FILE);
    bench.edit("    ports: [\"127.0.0.1:16379:6379\"]\n", "");
    bench.import(&[]).ends(0);
    bench.run(&["destroy", "shop", "--force"]).ends(0);
    bench.world.set_volume_data(VOLUME, &data()).unwrap();
    bench.import(&["--datastores", "container"]).ends(0);
    bench.import(&["--carry-over"]).ends(1).says("the postgres service shop-db is there, with data of its own");
    assert_eq!(engine_of(&bench, "shop-db"), "running");
    bench.plan(&["--detailed-exitcode"]).ends(0);
}

fn engine_of(bench: &Bench, container: &str) -> String {
    let state = engine(bench);
    let all = state["containers"].as_object().unwrap().values();
    all.filter(|one| one["name"] == container).map(|one| one["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn mysql_and_redis_are_carried_over_as_a_whole() {
    let bench = bench(FILE);
    bench.edit("      MYSQL_DATABASE: blog\n", "      MYSQL_DATABASE: blog\n    volumes: [\"sql:/var/lib/mysql\"]\n");
    bench.edit("    networks: [back]\n  migrate", "    networks: [back]\n    volumes: [\"cache:/data\"]\n  migrate");
    bench.edit("volumes: { data: {} }", "volumes: { data: {}, sql: {}, cache: {} }");
    let of = |version: &str, user: &str, databases: &[(&str, &str)]| VolumeData {
        path: ".".into(),
        version: version.into(),
        kilobytes: 2_100_000,
        user: user.into(),
        databases: databases.iter().map(|(name, row)| ((*name).into(), vec![(*row).into()])).collect(),
        ..VolumeData::default()
    };
    let sql = of("8.4.1", "root", &[("blog", "CREATE TABLE posts (id int)"), ("more", "CREATE TABLE x (id int)")]);
    let cache = of("7.2.4", "default", &[("0", "SET key value")]);
    bench.world.set_volume_data("shop_sql", &sql).unwrap();
    bench.world.set_volume_data("shop_cache", &cache).unwrap();
    for image in ["mysql:8.4", "redis:7"] {
        let mut seed = dokku_compose::sandbox::SeedImage::default();
        seed.facts.tags = vec![image.into()];
        bench.world.add_image(seed).unwrap();
    }
    let ran = bench.import(&["--carry-over"]).ends(0).says("carries 2.1 GB of version 8.4.1 over");
    assert!(!ran.all().contains("-secret-"), "{}", ran.all());
    let held = |service: &str| {
        let text = fs::read_to_string(bench.world.path("lib/services").join(service).join("data/server.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(held("mysql/shop-sql")["databases"]["more"], json!(["CREATE TABLE x (id int)"]));
    assert_eq!(held("mysql/shop-sql")["users"]["writer"], "my-own-secret-3");
    assert_eq!(held("redis/shop-cache")["databases"]["0"], json!(["SET key value"]));
    assert!(!engine(&bench).to_string().contains(".carry\""));
    bench.plan(&["--detailed-exitcode"]).ends(0);
}
