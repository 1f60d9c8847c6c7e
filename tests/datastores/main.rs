//! Datastores as services of Dokku's plugins, on a sandbox: how they are made, kept, refused, lost and found again.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "shared with the lifecycle tests, which need more of it")]
#[path = "../lifecycle/bench.rs"]
mod bench;
mod carried;
mod failures;
mod kept;
mod made;
mod moved;
mod refused;

use std::fs;
use std::path::Path;

use bench::Bench;

/// Passwords that are looked for where none may be.
pub const SECRETS: [&str; 4] = ["pg-own-secret-1", "my-root-secret-2", "my-own-secret-3", "re-own-secret-4"];

/// Three databases with users of their own, an app that names them all, a job and a raw container beside it.
pub const FILE: &str = r#"name: shop
services:
  db:
    image: postgres:16.4
    container_name: the-database
    environment: { POSTGRES_USER: app, POSTGRES_PASSWORD: pg-own-secret-1, POSTGRES_DB: shop, TZ: UTC }
    command: ["postgres", "-c", "max_connections=50"]
    volumes: ["data:/var/lib/postgresql/data", "./init.sql:/docker-entrypoint-initdb.d/init.sql:ro"]
    shm_size: 128m
    mem_limit: 256m
    healthcheck: { test: ["CMD", "pg_isready"] }
  sql:
    image: mysql:8.4
    environment:
      MYSQL_ROOT_PASSWORD: my-root-secret-2
      MYSQL_USER: writer
      MYSQL_PASSWORD: my-own-secret-3
      MYSQL_DATABASE: blog
  cache:
    image: redis:7
    command: redis-server --appendonly yes --requirepass re-own-secret-4
    ports: ["127.0.0.1:16379:6379"]
    networks: [back]
  migrate:
    image: acme/api:1
    command: ["./migrate"]
    depends_on: { db: { condition: service_healthy } }
  api:
    image: acme/api:1
    environment:
      DATABASE_URL: postgres://app:pg-own-secret-1@db:5432/shop
      CACHE: redis://:re-own-secret-4@cache:6379/0
      BLOG_HOST: sql
    networks: [default, back]
    depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
  other:
    image: acme/web:1
    networks: [front]
networks: { back: {}, front: {} }
volumes: { data: {} }
"#;

/// A bench whose server has the plugins.
pub fn bench(file: &str) -> Bench {
    let bench = Bench::new(file);
    bench.world.set_datastores(&[("mysql", "1.44.3"), ("postgres", "1.48.0"), ("redis", "1.43.0")]).unwrap();
    bench.write("init.sql", "CREATE TABLE first (id int);\n");
    bench
}

/// What the client of a service was told.
pub fn statements(bench: &Bench, service: &str) -> String {
    let path = bench.world.path("lib/services").join(service).join("statements.sql");
    fs::read_to_string(path).unwrap_or_default()
}

/// Services of a plugin.
pub fn services(bench: &Bench, plugin: &str) -> Vec<String> {
    let out = bench.dokku(&["--quiet", &format!("{plugin}:list")]).out;
    out.lines().map(str::to_owned).collect()
}

/// Files below `root` that hold `word`.
pub fn holding(root: &Path, word: &str, out: &mut Vec<String>) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            holding(&entry.path(), word, out);
        } else if String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).contains(word) {
            out.push(entry.path().display().to_string());
        }
    }
}
