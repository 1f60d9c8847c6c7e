//! The stacks that are imported and broken, each with a first and a second version.

use dokku_compose::sandbox::SeedImage;
use dokku_compose::sandbox::carried::VolumeData;

use crate::bench::Bench;

/// A stack in two versions.
#[derive(Clone, Copy)]
pub struct Stack {
    pub name: &'static str,
    /// Writes the first version.
    pub first: fn(&Bench),
    /// Turns it into the second one.
    pub second: fn(&Bench),
    /// Takes services out of the first one.
    pub fewer: fn(&Bench),
    /// Words of the import that is interrupted.
    pub words: &'static [&'static str],
}

/// A database as a raw container, a job, an app with files and variables, an app behind the proxy.
pub const SHOP: Stack = Stack { name: "shop", first: shop, second: shop_changed, fewer: shop_fewer, words: &[] };

/// Apps that are built, on two networks, one with a secret and two containers.
pub const BUILT: Stack = Stack { name: "built", first: built, second: built_changed, fewer: built_fewer, words: &[] };

/// Two services of datastore plugins, and two apps that name both.
pub const STORES: Stack =
    Stack { name: "stores", first: stores, second: stores_changed, fewer: stores_fewer, words: &[] };

/// The same, to another version of one and other options of the other.
pub const MOVED: Stack =
    Stack { name: "moved stores", first: stores, second: stores_moved, fewer: stores_fewer, words: &[] };

/// A database whose volume holds data of before: a container at first, then a service that takes the data over.
pub const CARRIED: Stack = Stack {
    name: "carried stores",
    first: carried,
    second: carried_changed,
    fewer: stores_fewer,
    words: &["--carry-over"],
};

const SHOP_FILE: &str = r#"name: shop
services:
  db:
    image: postgres:16
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD}
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: { test: ["CMD", "pg_isready"], interval: 1s }
  migrate:
    image: acme/api:1
    command: ["./migrate", "up"]
    depends_on:
      db: { condition: service_healthy }
  api:
    image: acme/api:1
    environment: { MODE: one, LEVEL: low }
    volumes: ["./conf:/etc/api:ro"]
    depends_on:
      migrate: { condition: service_completed_successfully }
  web:
    image: acme/web:1
    ports: ["8080:3000"]
    depends_on: [api]
volumes:
  data:
"#;

fn shop(bench: &Bench) {
    bench.write("compose.yaml", SHOP_FILE);
    bench.write(".env", "DB_PASSWORD=correct-horse-battery\n");
    bench.write("conf/api.conf", "listen 8000\n");
    bench.write("conf/old.conf", "old\n");
}

/// Another image of the API and another migration, another variable, another file, another password of the database
/// (its container is made again), a port more.
fn shop_changed(bench: &Bench) {
    bench.edit("acme/api:1", "acme/api:2").edit("MODE: one, LEVEL: low", "MODE: two, EXTRA: high");
    bench.edit(r#"["8080:3000"]"#, r#"["8080:3000", "9090:3000"]"#);
    bench.write(".env", "DB_PASSWORD=another-horse-battery\n");
    bench.write("conf/api.conf", "listen 9000\n");
    bench.write("conf/new.conf", "new\n");
}

/// Without the app behind the proxy, and with a variable more.
fn shop_fewer(bench: &Bench) {
    bench.edit("  web:\n    image: acme/web:1\n    ports: [\"8080:3000\"]\n    depends_on: [api]\n", "");
    bench.edit("MODE: one", "MODE: alone");
}

const BUILT_FILE: &str = r#"name: shop
services:
  cache:
    image: redis:7
    container_name: the-cache
    networks: [back]
  app:
    build: { context: ./app, args: { FLAVOUR: plain } }
    environment: [ "CACHE=cache" ]
    networks:
      front: {}
      back: { aliases: [backend] }
    secrets: [token]
    deploy: { replicas: 2, resources: { limits: { memory: 128M } } }
    depends_on: [cache]
networks:
  front:
  back:
secrets:
  token: { file: ./token.txt }
"#;

fn built(bench: &Bench) {
    bench.write("compose.yaml", BUILT_FILE);
    bench.write("app/Dockerfile", "FROM alpine:3\nARG FLAVOUR\nCOPY main /main\nEXPOSE 5000\nCMD [\"/main\"]\n");
    bench.write("app/main", "one\n");
    bench.write("token.txt", "token-of-the-first-day\n");
}

/// Another source, another scale and limit, another secret, and a service that left.
fn built_changed(bench: &Bench) {
    bench.edit("replicas: 2", "replicas: 1").edit("128M", "256M").edit("FLAVOUR: plain", "FLAVOUR: spicy");
    bench.edit("redis:7", "redis:8");
    bench.write("app/main", "two\n");
    bench.write("token.txt", "token-of-the-second-day\n");
}

/// Only the container stays, on its network.
fn built_fewer(bench: &Bench) {
    let from = BUILT_FILE.find("  app:\n").unwrap();
    let to = BUILT_FILE.find("networks:\n  front:").unwrap();
    bench.edit(&BUILT_FILE[from..to], "").edit("  front:\n", "").edit("secrets:\n  token: { file: ./token.txt }\n", "");
}

const STORES_FILE: &str = r#"name: shop
services:
  db:
    image: postgres:16.4
    environment: { POSTGRES_USER: app, POSTGRES_PASSWORD: "${DB_PASSWORD}", POSTGRES_DB: shop }
    volumes: ["data:/var/lib/postgresql/data", "./init.sql:/docker-entrypoint-initdb.d/init.sql:ro"]
  cache:
    image: redis:7
    command: redis-server --requirepass cache-password-1
  api:
    image: acme/api:1
    environment:
      DATABASE_URL: postgres://app:${DB_PASSWORD}@db/shop
      CACHE: redis://:cache-password-1@cache:6379/0
    depends_on:
      db: { condition: service_healthy }
  worker:
    image: acme/web:1
    environment: { DB_HOST: db, DB_USER: app, DB_PASSWORD: "${DB_PASSWORD}", CACHE_HOST: cache }
    depends_on: [db]
volumes:
  data:
"#;

fn stores(bench: &Bench) {
    bench.world.set_datastores(&[("postgres", "1.48.0"), ("redis", "1.43.0")]).unwrap();
    bench.write("compose.yaml", STORES_FILE);
    bench.write(".env", "DB_PASSWORD=correct-horse-battery\n");
    bench.write("init.sql", "CREATE TABLE first (id int);\n");
}

fn carried(bench: &Bench) {
    stores(bench);
    let data = VolumeData {
        path: ".".into(),
        version: "16".into(),
        kilobytes: 41_234,
        user: "app".into(),
        users: [("reader".to_owned(), "of-before".to_owned())].into(),
        databases: [("shop".to_owned(), vec!["CREATE TABLE orders (id int)".to_owned()])].into(),
        extensions: Vec::new(),
    };
    bench.world.set_volume_data("shop_data", &data).unwrap();
    let mut image = SeedImage::default();
    image.facts.tags = vec!["postgres:16.4".into()];
    bench.world.add_image(image).unwrap();
}

/// A consumer of another image.
fn carried_changed(bench: &Bench) {
    bench.edit("acme/api:1", "acme/api:2");
}

/// Something that an app wrote: a service that is made anew does not have it.
fn written(bench: &Bench) {
    for service in ["postgres/shop-db", "redis/shop-cache"] {
        std::fs::write(bench.world.path("lib/services").join(service).join("data/rows"), "one\n").unwrap();
    }
}

/// Another password, a consumer of another image, one that leaves a database, and a port of the host.
fn stores_changed(bench: &Bench) {
    written(bench);
    bench.write(".env", "DB_PASSWORD=another-horse-battery\n");
    bench.edit("acme/api:1", "acme/api:2").edit(", CACHE_HOST: cache }", " }");
    bench.edit(
        "--requirepass cache-password-1",
        "--requirepass cache-password-1\n    ports: [\"127.0.0.1:16379:6379\"]",
    );
}

/// A later version of a database, another option of the other one and a consumer of another image.
fn stores_moved(bench: &Bench) {
    written(bench);
    bench.edit("postgres:16.4", "postgres:16.9").edit("acme/api:1", "acme/api:2");
    bench.edit("--requirepass cache-password-1", "--requirepass cache-password-1 --maxmemory 64mb");
}

/// Without one of the consumers and without a database, whose service stays.
fn stores_fewer(bench: &Bench) {
    written(bench);
    let from = STORES_FILE.find("  worker:\n").unwrap();
    let to = STORES_FILE.find("volumes:\n  data:").unwrap();
    bench.edit(&STORES_FILE[from..to], "");
    bench.edit("  cache:\n    image: redis:7\n    command: redis-server --requirepass cache-password-1\n", "");
    bench.edit("      CACHE: redis://:cache-password-1@cache:6379/0\n", "");
}
