//! What a trigger costs that has nothing to do: Dokku runs it for every app of the server. The base is a shell that
//! does nothing, and the program itself saying its version stands beside it.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::Criterion;

/// The triggers that run for every app, with the arguments that Dokku gives them for an app that is no project's.
const TRIGGERS: [(&str, &[&str]); 9] = [
    ("post-container-create", &["app", "0123456789ab", "blog", "deploy", "web"]),
    ("check-deploy", &["blog", "0123456789ab", "web", "5000", "172.17.0.2"]),
    ("scheduler-deploy", &["docker-local", "blog", "latest"]),
    ("post-deploy", &["blog", "5000", "172.17.0.2", "latest"]),
    ("scheduler-stop", &["docker-local", "blog", "false"]),
    ("post-extract", &["blog", "/tmp", "0123abc"]),
    ("post-delete", &["blog", "latest"]),
    ("post-app-rename-setup", &["blog", "blog2"]),
    ("post-app-clone", &["blog", "blog2"]),
];

type Case = (String, Box<dyn Fn() -> Command>);

fn cases(lib: &Path) -> Vec<Case> {
    let plugin = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shell = || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ":"]);
        command
    };
    let mut cases: Vec<Case> = vec![("sh -c :".to_owned(), Box::new(shell))];
    for (name, args) in TRIGGERS {
        let (plugin, lib) = (plugin.clone(), lib.to_owned());
        let trigger = move || {
            let mut command = Command::new(plugin.join(name));
            command.args(args).env("DOKKU_LIB_ROOT", &lib);
            command
        };
        cases.push((name.to_owned(), Box::new(trigger)));
    }
    let version = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dokku-compose"));
        command.arg("--version");
        command
    };
    cases.push(("dokku-compose --version".to_owned(), Box::new(version)));
    cases
}

fn run(case: &Case) {
    let mut command = (case.1)();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{}", case.0);
}

fn main() {
    let lib = tempfile::tempdir().unwrap();
    // A server with one project, whose app is another.
    std::fs::create_dir_all(lib.path().join("data/compose/apps")).unwrap();
    std::fs::write(lib.path().join("data/compose/apps/shop"), "{}").unwrap();
    let cases = cases(lib.path());
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("trigger");
    for case in &cases {
        group.bench_function(&case.0, |bencher| bencher.iter(|| run(case)));
    }
    group.finish();
    criterion.final_summary();
    if !common::only_tried() {
        table(&cases);
    }
}

/// In turns, so that what else the machine does falls on all alike.
fn table(cases: &[Case]) {
    const TURNS: usize = 301;
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(TURNS); cases.len()];
    for _ in 0..TURNS {
        for (case, times) in cases.iter().zip(&mut times) {
            let begun = Instant::now();
            run(case);
            times.push(begun.elapsed());
        }
    }
    let mut rows = vec![["", "median", "fastest", "ratio"].map(str::to_owned).to_vec()];
    let mut base = None;
    for (case, mut times) in cases.iter().zip(times) {
        times.sort();
        let median = times[times.len() / 2];
        let base = *base.get_or_insert(median);
        rows.push(vec![
            case.0.clone(),
            common::milliseconds(median),
            common::milliseconds(times[0]),
            format!("{:.2}", median.as_secs_f64() / base.as_secs_f64()),
        ]);
    }
    println!("\n{TURNS} turns; ratio: the median against that of a shell that does nothing");
    print!("{}", common::table(&rows));
}
