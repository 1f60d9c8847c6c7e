//! What a plugin cannot keep stays a container, and the plan says why.

use crate::bench::Bench;
use crate::{FILE, bench, services};

const SMALL: &str = "services:\n  db:\n    image: postgres:16\n    environment: {POSTGRES_PASSWORD: secret-pw}\n    volumes: ['data:/var/lib/postgresql/data']\n  web:\n    image: acme/web:1\n    depends_on: [db]\nvolumes: {data: {}}\n";

#[test]
fn without_the_plugin_it_is_a_container_and_the_command_to_install_it_is_told() {
    let bench = Bench::new(SMALL);
    let install = "sudo dokku plugin:install https://github.com/dokku/dokku-postgres.git --name postgres";
    bench.import(&[]).ends(0).says("container shop-db").says(install);
    // Told once: the choice is made.
    bench.plan(&[]).ends(0).keeps_quiet_about("plugin:install");
    bench.plan(&["--datastores", "service"]).ends(0);
    bench.run(&["plan", "other", "stack", "--datastores", "service"]).ends(1).says("cannot be a service").says(install);
}

#[test]
fn what_was_imported_as_a_container_stays_one() {
    let bench = Bench::new(SMALL);
    bench.import(&[]).ends(0);
    bench.world.set_datastores(&[("postgres", "1.48.0")]).unwrap();
    bench.plan(&["--detailed-exitcode"]).ends(0);
    bench.edit("secret-pw", "another-pw");
    bench.import(&[]).ends(0);
    assert!(services(&bench, "postgres").is_empty());
    assert!(std::fs::read_to_string(bench.world.path("engine/state.json")).unwrap().contains("stack_data"));
}

#[test]
fn a_volume_that_is_there_keeps_its_container() {
    let bench = bench(SMALL);
    // As `docker compose up` left it.
    let engine = dokku_compose::sandbox::SandboxEngine::new(bench.world.root());
    let spec = dokku_compose::docker::VolumeSpec { name: "stack_data".into(), ..Default::default() };
    dokku_compose::docker::Engine::volume_create(&engine, &spec).unwrap();
    bench.import(&[]).ends(0).says("container shop-db").says("the volume stack_data is there and may hold its data");
    assert!(services(&bench, "postgres").is_empty());
}

#[test]
fn a_service_of_somebody_elses_is_left_alone() {
    let bench = bench(SMALL);
    bench.dokku(&["postgres:create", "shop-db"]).ends(0);
    bench.import(&[]).ends(0).says("container shop-db").says("is there and is not of this project");
    bench.run(&["destroy", "shop", "--force", "--datastores", "--volumes"]).ends(0);
    assert_eq!(services(&bench, "postgres"), ["shop-db"]);
}

#[test]
fn the_caller_may_ask_for_containers() {
    let bench = bench(FILE);
    bench.plan(&["--datastores", "container"]).ends(0).says("container shop-db").says("container shop-sql");
    bench.plan(&["--skip-plugin", "mysql"]).ends(0).says("postgres service shop-db").says("container shop-sql");
}

#[test]
fn settings_that_the_plugin_cannot_keep_are_named() {
    for (from, to, why) in [
        ("image: postgres:16", "image: postgres", "the tag names no major version"),
        ("image: postgres:16", "image: bitnami/postgresql:16", "does not run this image as its own"),
        ("secret-pw", "\"it's; 100%\"", "its password has characters"),
        ("'data:/var/lib", "'./data:/var/lib", "its data is to lie at"),
        ("image: postgres:16", "image: postgres:16\n    ulimits: {nofile: 99}", "the plugin cannot keep ulimits"),
        ("image: postgres:16", "image: postgres:16\n    ports: ['5432:5432', '5433:5432']", "several ports"),
        ("image: postgres:16", "image: postgres:16\n    command: [sh, -c, 'exec postgres']", "another program"),
        ("image: postgres:16", "image: postgres:16\n    deploy: {replicas: 2}", "one container"),
        ("{POSTGRES_PASSWORD: secret-pw}", "{POSTGRES_HOST: x}", "it has no POSTGRES_PASSWORD"),
        ("{POSTGRES_PASSWORD: secret-pw}", "{POSTGRES_PASSWORD: ''}", "it has no POSTGRES_PASSWORD"),
        ("secret-pw", "\"two\\nlines\"", "several lines"),
    ] {
        let bench = bench(&SMALL.replace(from, to));
        bench.write("data/PG_VERSION", "16\n");
        let ran = bench.plan(&[]).ends(0).says("container shop-db");
        assert!(ran.all().contains(why), "{why} is not in\n{}", ran.all());
    }
    let redis = SMALL.replace("postgres:16", "redis:7");
    bench(&redis.replace("/var/lib/postgresql/data", "/data"))
        .plan(&[])
        .ends(0)
        .says("it has no password, and the plugin sets one");
}

#[test]
fn passwords_with_odd_characters_are_the_users_own() {
    let long = "0123456789".repeat(20);
    for odd in ["a'b;c%d \\\"", "$HOME `id` $(id)", long.as_str()] {
        let yaml = serde_json::to_string(odd).unwrap().replace('$', "$$");
        let bench =
            bench(&SMALL.replace(
                "{POSTGRES_PASSWORD: secret-pw}",
                &format!("{{POSTGRES_USER: app, POSTGRES_PASSWORD: {yaml}}}"),
            ));
        bench.import(&[]).ends(0).says("postgres service shop-db");
        let told = crate::statements(&bench, "postgres/shop-db");
        assert!(told.contains(&format!("PASSWORD '{}';", odd.replace('\'', "''"))), "{told}");
    }
}

#[test]
fn a_setting_that_cannot_reach_the_service_is_an_error_with_its_place() {
    for (from, to, said) in [
        (
            "app:pg-own-secret-1@db:5432/shop",
            "app:some-wrong-one@db:5432/shop",
            "api has another password for app of db",
        ),
        ("app:pg-own-secret-1@db:5432/shop", "app:pg-own-secret-1@db:15432/shop", "api looks for db on port 15432"),
        ("redis://:re-own-secret-4@cache", "redis://:wrong@cache", "api has another password for default of cache"),
        ("BLOG_HOST: sql", "BLOG_HOST: sql\n      BLOG_USER: root\n      BLOG_PASSWORD: wrong", "for root of sql"),
        ("BLOG_HOST: sql", "BLOG_URL: jdbc:mysql://sql:3307/blog", "api looks for sql on port 3307"),
    ] {
        let bench = bench(&FILE.replacen(from, to, 1));
        let ran = bench.import(&[]).ends(1).says(said).says("datastore-reference").says("nothing was changed");
        assert!(ran.all().contains("--> compose.yaml:") && ran.all().contains("^^^"), "{}", ran.all());
        assert!(!bench.dokku(&["apps:list"]).out.contains("shop"));
    }
    // What somebody else may still make is not judged, nor a host of that name on another network.
    for (from, to) in [
        ("app:pg-own-secret-1@db:5432/shop", "reader:its-own@db/other"),
        (
            "    image: acme/web:1\n    networks: [front]",
            "    image: acme/web:1\n    environment: {U: 'postgres://app:x@db/y'}\n    networks: [front]",
        ),
    ] {
        bench(&FILE.replacen(from, to, 1)).plan(&[]).ends(0).keeps_quiet_about("datastore-reference");
    }
}
