//! What the benchmarks and `tests/calls.rs` share: generated stacks, imports into a sandbox, medians, tables.

#![allow(dead_code, reason = "each of them uses its part")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dokku_compose::sandbox::{CallRecord, World, create_with};

/// A compose file of `services` services. Every second one is built, from a context that all of them share; the
/// others are images. Each has ten variables, two ports, a volume of its own, a health check, and waits for the
/// one before it.
pub fn compose(services: usize) -> String {
    let mut out = String::from("name: big\nservices:\n");
    for index in 0..services {
        let _ = writeln!(out, "  service-{index}:");
        if index % 2 == 0 {
            out.push_str("    build:\n      context: ./context\n      args:\n        VERSION: \"1\"\n");
        } else {
            let _ = writeln!(out, "    image: registry.example/team/service-{index}:1.2.3");
        }
        out.push_str("    environment:\n");
        for variable in 0..10 {
            let _ = writeln!(out, "      VARIABLE_{variable}: value-{variable}-of-service-{index}");
        }
        let _ = write!(out, "    ports:\n      - \"{}:8080\"\n      - \"{}:9090\"\n", 10_000 + index, 20_000 + index);
        let _ = writeln!(out, "    volumes:\n      - data-{index}:/var/lib/data");
        out.push_str("    healthcheck:\n      test: [\"CMD\", \"wget\", \"-q\", \"http://localhost:8080/health\"]\n");
        out.push_str("      interval: 10s\n      timeout: 3s\n      retries: 3\n");
        if index > 0 {
            let before = index - 1;
            let _ = writeln!(out, "    depends_on:\n      service-{before}:\n        condition: service_healthy");
        }
    }
    out.push_str("volumes:\n");
    for index in 0..services {
        let _ = writeln!(out, "  data-{index}: {{}}");
    }
    out
}

/// A project directory with the generated file and its build context.
pub fn project(dir: &Path, services: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(dir.join("context"))?;
    std::fs::write(dir.join("context/Dockerfile"), "FROM busybox\nCOPY app /app\nCMD [\"/app\"]\n")?;
    std::fs::write(dir.join("context/app"), "#!/bin/sh\nexec sleep 3600\n")?;
    std::fs::write(dir.join("compose.yaml"), compose(services))
}

/// The median of `runs` runs of `work`.
pub fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs.max(1))
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// `12.34 ms`.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// Rows with their columns aligned; the first row is the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(out, "{cell:>width$}  ");
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// Whether criterion was asked to only try each benchmark once (`cargo test --benches`).
pub fn only_tried() -> bool {
    std::env::args().any(|arg| arg == "--test" || arg == "--list")
}

/// A compose file of `services` small apps from images; with `chained` each waits for the one before it.
pub fn apps(services: usize, chained: bool) -> String {
    let mut out = String::from("services:\n");
    for index in 0..services {
        let _ = writeln!(out, "  app{index}:\n    image: traefik/whoami:v1.{index}");
        let _ = writeln!(out, "    environment:\n      NAME: app{index}\n      MODE: production");
        let _ = write!(out, "    ports:\n      - \"{}:80\"\n", 8000 + index);
        if chained && index > 0 {
            let _ = write!(out, "    depends_on:\n      - app{}\n", index - 1);
        }
    }
    out
}

/// A sandbox and a project directory beside it.
pub struct Sandbox {
    dir: tempfile::TempDir,
    /// The stand-in server.
    pub world: World,
    seen: usize,
}

impl Sandbox {
    /// A new world whose programs are this build's, and `compose` as the project's file.
    pub fn new(compose: &str) -> std::io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let root = dir.path().join("world");
        create_with(&root, Path::new(env!("CARGO_BIN_EXE_dokku-compose")))?;
        let world = World::new(&root);
        let sandbox = Self { dir, world, seen: 0 };
        std::fs::create_dir(sandbox.dir.path().join("shop"))?;
        sandbox.write(compose)?;
        Ok(sandbox)
    }

    /// Replaces the project's file.
    pub fn write(&self, compose: &str) -> std::io::Result<()> {
        std::fs::write(self.dir.path().join("shop/compose.yaml"), compose)
    }

    /// `compose:import shop`; what it called and how long it took. The error is its output.
    pub fn import(&mut self, args: &[&str]) -> Result<(Calls, Duration), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dokku-compose"));
        command.arg("--sandbox").arg(self.world.root()).args(["import", "shop"]).arg(self.dir.path().join("shop"));
        command.args(args).env("DOKKU_COMPOSE_BIN", env!("CARGO_BIN_EXE_dokku-compose"));
        let begun = Instant::now();
        let output = command.output().map_err(|error| error.to_string())?;
        let time = begun.elapsed();
        if !output.status.success() {
            let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            return Err(format!("{}\n{out}{error}", output.status));
        }
        let all = self.world.calls();
        let calls = Calls(all[self.seen.min(all.len())..].to_vec());
        self.seen = all.len();
        Ok((calls, time))
    }
}

/// What an import called.
pub struct Calls(pub Vec<CallRecord>);

impl Calls {
    /// Calls of Dokku's programs: `dokku` and its property tool, each a process on a server.
    pub fn dokku(&self) -> usize {
        self.0.iter().filter(|call| call.of != "engine").count()
    }

    /// Calls of the Docker engine.
    pub fn engine(&self) -> usize {
        self.0.len() - self.dokku()
    }

    /// Calls that deploy an app or start it anew.
    pub fn deploys(&self) -> Vec<String> {
        let deploying = |call: &&CallRecord| match call.argv.first().map(String::as_str) {
            Some("git:from-image" | "git:from-archive" | "ps:rebuild" | "ps:restart" | "ps:start") => true,
            Some("ps:scale") => {
                call.argv.iter().any(|word| word.contains('=')) && !call.argv.iter().any(|word| word == "--skip-deploy")
            }
            _ => false,
        };
        self.0.iter().filter(deploying).map(|call| call.argv.join(" ")).collect()
    }

    /// One line a call, for the reader of a failure.
    pub fn list(&self) -> String {
        self.0.iter().map(|call| format!("{} {}\n", call.of, call.argv.join(" "))).collect()
    }
}
