//! The loader against the reference implementation, compose-go, in one run: for each set of files first one, then the
//! other, so that both meet the same load of the machine. The real files of the corpus, where it is there, and
//! generated ones, whose cost and memory are also measured alone.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "common/corpus.rs"]
mod cases;
#[path = "common/mod.rs"]
mod common;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use dokku_compose::compose::{Disk, Request, load};
use serde_json::{Value, json};

const SIZES: [usize; 4] = [10, 100, 1000, 10_000];
/// How often each set of files is loaded; the median counts.
const RUNS: usize = 5;
/// How long the reference may take for one set of files.
const LIMIT: Duration = Duration::from_secs(120);
/// The argument that makes this program measure itself: load one directory, then tell the peak memory.
const PEAK: &str = "--peak-of";

/// The reference as a child process that answers one request at a time.
struct Reference {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reference {
    fn start(program: &Path) -> Self {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines: Lines<BufReader<ChildStdout>> = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, answers) = channel();
        std::thread::spawn(move || lines.map_while(|line| send.send(line).ok()).for_each(drop));
        Self { stdin: child.stdin.take().unwrap(), child, answers }
    }

    /// The answer, none where it does not come in time.
    fn ask(&mut self, request: &Request, runs: usize) -> Option<Value> {
        let ask = json!({
            "dir": request.project_dir,
            "files": request.files,
            "environment": request.variables,
            "runs": runs,
            "consistency": request.check_consistency,
        });
        writeln!(self.stdin, "{ask}").unwrap();
        let line = self.answers.recv_timeout(LIMIT).ok()?.unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }
}

/// Builds the reference into `dir`; says why where that cannot be.
fn build(dir: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reference");
    let program = dir.join("reference");
    let built = Command::new("go").arg("build").arg("-o").arg(&program).arg(".").current_dir(source).status();
    match built {
        Ok(status) if status.success() => Some(program),
        Ok(status) => {
            println!("the reference does not build ({status}): nothing is compared");
            None
        }
        Err(error) => {
            println!("there is no Go ({error}): nothing is compared with the reference");
            None
        }
    }
}

fn seconds(answer: &Value) -> Option<f64> {
    let mut times: Vec<u64> = answer["times"].as_array()?.iter().filter_map(Value::as_u64).collect();
    times.sort_unstable();
    Some(*times.get(times.len() / 2)? as f64 / 1e9)
}

fn own(request: &Request, runs: usize) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            let loaded = load(request, &Disk::default());
            let time = begun.elapsed().as_secs_f64();
            assert!(loaded.project.is_some(), "{:?}", loaded.diagnostics.items.first());
            black_box(loaded);
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The value below which `percent` of `values` lie.
fn at(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

fn corpus(reference: &mut Reference) {
    let Some(shared) = cases::shared() else {
        println!("the corpus is absent (../shared/compose-corpus, or COMPOSE_SHARED): only generated files are loaded");
        return;
    };
    let unpacked = cases::unpack(&shared);
    let (mut ours, mut theirs, mut ratios, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut refused = 0;
    for entry in cases::entries(unpacked.path()).iter().filter(|entry| entry.accepted && entry.is_complete()) {
        let request = entry.request();
        if load(&request, &Disk::default()).project.is_none() {
            refused += 1;
            continue;
        }
        let Some(their) = reference.ask(&request, RUNS).as_ref().and_then(seconds) else {
            refused += 1;
            continue;
        };
        let our = own(&request, RUNS);
        ours.push(our);
        theirs.push(their);
        ratios.push(their / our);
        bytes.push(entry.files.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len() as f64).sum());
    }
    println!("\n{} projects of the corpus, median of {RUNS} runs each ({refused} not loaded by both)", ours.len());
    let mut rows = vec![["", "5 %", "median", "95 %"].map(str::to_owned).to_vec()];
    let mut row = |name: &str, values: &mut Vec<f64>, show: &dyn Fn(f64) -> String| {
        let cells = [5, 50, 95].map(|percent| show(at(values, percent)));
        rows.push([name.to_owned()].into_iter().chain(cells).collect());
    };
    row("size of the files", &mut bytes, &|bytes| format!("{bytes:.0} B"));
    row("here", &mut ours, &milliseconds);
    row("reference", &mut theirs, &milliseconds);
    row("times as long", &mut ratios, &|ratio| format!("{ratio:.0}"));
    print!("{}", common::table(&rows));
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

/// Peak memory in KiB of a process that loads `dir` once.
fn peak_of(dir: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap()).arg(PEAK).arg(dir).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or(0)
}

fn generated(root: &Path, program: Option<&Path>) {
    let mebibytes = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
    let head = ["services", "text", "here", "per service", "ratio", "peak memory", "of the text"];
    let mut rows = vec![[&head[..], &["reference", "its peak", "times as long"]].concat()];
    let mut rows: Vec<Vec<String>> = rows.drain(..).map(|row| row.into_iter().map(str::to_owned).collect()).collect();
    let mut first = None;
    let bare = peak_of(Path::new("/nonexistent"));
    for services in SIZES {
        let dir = root.join(services.to_string());
        common::project(&dir, services).unwrap();
        let file = dir.join("compose.yaml");
        let text = file.metadata().unwrap().len() as f64;
        let mut request = Request::new(&dir);
        request.files = vec![file];
        let time = own(&request, if services > 1000 { 3 } else { 11 });
        let each = time / services as f64;
        let memory = peak_of(&dir);
        let mut row = vec![
            services.to_string(),
            mebibytes(text / 1024.0),
            milliseconds(time),
            format!("{:.1} us", each * 1e6),
            format!("{:.2}", each / *first.get_or_insert(each)),
            mebibytes(memory as f64),
            format!("{:.1}", memory.saturating_sub(bare) as f64 * 1024.0 / text),
        ];
        if let Some(program) = program {
            // A process of its own each time: its memory is that of these files.
            let answer = Reference::start(program).ask(&request, 1);
            match answer.as_ref().and_then(|answer| Some((seconds(answer)?, answer["peak"].as_f64()?))) {
                Some((their, peak)) => {
                    row.extend([milliseconds(their), mebibytes(peak), format!("{:.0}", their / time)]);
                }
                None => row.push(format!("none in {} s", LIMIT.as_secs())),
            }
        }
        rows.push(row);
    }
    println!("\ngenerated projects; ratio: time per service against that of {} services;", SIZES[0]);
    println!(
        "of the text: peak memory beyond the bare program's {}, as a multiple of the text",
        mebibytes(bare as f64)
    );
    print!("{}", common::table(&rows));
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == PEAK) {
        let loaded = load(&Request::new(&args[at + 1]), &Disk::default());
        println!("{}", peak());
        drop(loaded);
        return;
    }
    // `cargo test --benches`: nothing here is a test.
    if common::only_tried() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let program = build(root.path());
    if let Some(program) = &program {
        corpus(&mut Reference::start(program));
    }
    generated(root.path(), program.as_deref());
}
