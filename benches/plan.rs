//! Reading and planning generated projects, in process: load, map, positions, reconcile, conflicts. The server is
//! empty, so everything is planned. Prints how the time and the peak memory grow with the services.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use dokku_compose::compose::{Disk, Request, load};
use dokku_compose::map::policy::Policy;
use dokku_compose::map::{self, Findings};
use dokku_compose::observe::Observed;
use dokku_compose::plan::{Inputs, Plan, conflicts, reconcile};
use dokku_compose::secret::DigestKey;
use dokku_compose::site::Site;

const SIZES: [usize; 3] = [10, 100, 1000];
/// The argument that makes this program measure itself: one plan, then its peak memory.
const PEAK: &str = "--peak-of";

/// Time by phase, of the processor: a busy machine adds nothing to it.
#[derive(Default)]
struct Phases {
    load: Duration,
    map: Duration,
    plan: Duration,
}

/// How long this process's main thread has run (`/proc/self/schedstat`, nanoseconds).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0))
}

/// All that an import does before it asks a server for more than what is there.
fn plan(dir: &Path, phases: &mut Phases) -> Plan {
    let begun = processor_time();
    let loaded = load(&Request::new(dir), &Disk::default());
    assert!(!loaded.diagnostics.has_errors(), "{:?}", loaded.diagnostics.items.first());
    let project = loaded.project.unwrap();
    phases.load += processor_time() - begun;

    let begun = processor_time();
    let observed = Observed::default();
    let findings = Findings::default();
    let site = Site::sandbox("/nonexistent".into());
    let desired = map::map(&map::Context {
        project: "big",
        compose: &project,
        site: &site,
        key: &DigestKey([7; 32]),
        images: &observed.images,
        volumes: &observed.volumes,
        domains: &["example.org".to_owned()],
        remembered: None,
        stores: &Default::default(),
        policy: &Policy::default(),
        fetched: &BTreeMap::new(),
        reserved: &BTreeSet::new(),
        sent: None,
        contexts: Default::default(),
        findings: &findings,
    });
    let found = findings.into_diagnostics();
    assert!(!found.has_errors(), "{:?}", found.items.first());
    phases.map += processor_time() - begun;

    let begun = processor_time();
    let position = |path: &str| project.key_span(path).and_then(|span| loaded.sources.position(span));
    let services = project.services.keys().map(|name| format!("services.{name}"));
    let positions: BTreeMap<String, String> =
        services.filter_map(|path| position(&path).map(|position| (path, position))).collect();
    let inputs = Inputs {
        desired: &desired,
        observed: &observed,
        last: None,
        positions: &positions,
        back: None,
        wishes: Default::default(),
    };
    let conflicts = conflicts(&inputs, &BTreeSet::new(), &|path| project.key_span(path));
    assert!(conflicts.is_empty(), "{conflicts:?}");
    let plan = reconcile(&inputs);
    phases.plan += processor_time() - begun;
    plan
}

fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Peak memory in KiB of a process that plans `dir` once; 0: that it starts at all.
fn peak_of(dir: &Path, services: usize) -> Option<u64> {
    let output =
        Command::new(std::env::current_exe().ok()?).arg(PEAK).arg(services.to_string()).arg(dir).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == PEAK) {
        if args[at + 1] != "0" {
            black_box(plan(Path::new(&args[at + 2]), &mut Phases::default()));
        }
        println!("{}", peak().unwrap_or(0));
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let dirs: Vec<_> = SIZES.map(|services| (services, root.path().join(services.to_string()))).into();
    for (services, dir) in &dirs {
        common::project(dir, *services).unwrap();
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let mut group = criterion.benchmark_group("plan");
    for (services, dir) in &dirs {
        group.throughput(Throughput::Elements(*services as u64));
        group.bench_with_input(BenchmarkId::from_parameter(services), dir, |bencher, dir| {
            bencher.iter(|| plan(dir, &mut Phases::default()));
        });
    }
    group.finish();
    criterion.final_summary();
    if !common::only_tried() {
        table(&dirs);
    }
}

fn table(dirs: &[(usize, std::path::PathBuf)]) {
    let head = ["services", "operations", "load", "map", "plan", "all", "per service", "ratio", "peak memory"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut first = None;
    let bare = peak_of(Path::new("/"), 0).unwrap_or(0);
    for (services, dir) in dirs {
        let runs = 2000 / services + 5;
        // The kernel tells the time of a running thread in steps: only many runs together are long enough for them.
        let mut phases = Phases::default();
        let mut operations = 0;
        for _ in 0..runs {
            operations = plan(dir, &mut phases).ops.len();
        }
        let mean = |time: Duration| time / u32::try_from(runs).unwrap();
        let time = mean(phases.load + phases.map + phases.plan);
        let each = time.as_secs_f64() * 1e6 / *services as f64;
        let first = *first.get_or_insert(each);
        let peak = peak_of(dir, *services).unwrap_or(0);
        rows.push(vec![
            services.to_string(),
            operations.to_string(),
            common::milliseconds(mean(phases.load)),
            common::milliseconds(mean(phases.map)),
            common::milliseconds(mean(phases.plan)),
            common::milliseconds(time),
            format!("{each:.1} us"),
            format!("{:.2}", each / first),
            format!("{:.1} MiB", peak as f64 / 1024.0),
        ]);
    }
    println!("\nprocessor time, means; ratio: time per service against that of {} services", dirs[0].0);
    print!("{}", common::table(&rows));
    println!("the program itself, without a plan: {:.1} MiB", bare as f64 / 1024.0);
}
