//! What the benchmarks share: generated stacks, medians, tables.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A compose file of `services` services. Every second one is built, from a context that all of them share; the
/// others are images. Each has ten variables, two ports, a volume of its own, a health check, and waits for the
/// one before it.
pub fn compose(services: usize) -> String {
    let mut out = String::from("name: big\nservices:\n");
    for index in 0..services {
        let _ = write!(out, "  service-{index}:\n");
        if index % 2 == 0 {
            out.push_str("    build:\n      context: ./context\n      args:\n        VERSION: \"1\"\n");
        } else {
            let _ = write!(out, "    image: registry.example/team/service-{index}:1.2.3\n");
        }
        out.push_str("    environment:\n");
        for variable in 0..10 {
            let _ = write!(out, "      VARIABLE_{variable}: value-{variable}-of-service-{index}\n");
        }
        let _ = write!(out, "    ports:\n      - \"{}:8080\"\n      - \"{}:9090\"\n", 10_000 + index, 20_000 + index);
        let _ = write!(out, "    volumes:\n      - data-{index}:/var/lib/data\n");
        out.push_str("    healthcheck:\n      test: [\"CMD\", \"wget\", \"-q\", \"http://localhost:8080/health\"]\n");
        out.push_str("      interval: 10s\n      timeout: 3s\n      retries: 3\n");
        if index > 0 {
            let before = index - 1;
            let _ = write!(out, "    depends_on:\n      service-{before}:\n        condition: service_healthy\n");
        }
    }
    out.push_str("volumes:\n");
    for index in 0..services {
        let _ = write!(out, "  data-{index}: {{}}\n");
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
