//! The corpus: every file that loads gets a plan, and the keys that are honoured are counted.
//!
//! Files beside a compose file are not in the corpus: empty ones stand for them. The administrator allows everything, and
//! what is external is there. `CORPUS_SHOW=N` prints N refusals, `UPDATE_GOLDEN=1` writes what is reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dokku_compose::compose::{Disk, Request, load};
use dokku_compose::docker::{NetworkFacts, VolumeFacts};
use dokku_compose::map::policy::Policy;
use dokku_compose::map::{fates, secret_variable};
use dokku_compose::model::Project;
use dokku_compose::observe::Observed;
use serde_json::Value;

use crate::project::{Planned, policy_plan};

/// What is refused although it loads, because no engine could run it either.
const REFUSED: &[&str] = &["no-services", "invalid-image", "port-taken", "relative-target"];

#[derive(Default)]
pub(crate) struct Totals {
    files: usize,
    planned: usize,
    services: usize,
    keys: usize,
    done: usize,
    approximated: usize,
    not_done: usize,
    /// Keys that are not done as they are written, and of which nothing that is printed speaks.
    unexplained: Vec<String>,
    /// Keys that are not done, by path with `*` and `[]`.
    missed: BTreeMap<String, usize>,
    refusals: Vec<String>,
    /// Files that are refused although an engine could run them.
    wrong: Vec<String>,
}

struct Entry {
    name: String,
    dir: PathBuf,
    files: Vec<PathBuf>,
}

pub(crate) fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("COMPOSE_SHARED").map(PathBuf::from),
        Some(root.join("../shared")),
        Some(root.join("../../shared")),
    ];
    places.into_iter().flatten().find(|place| place.join("compose-corpus/cases.tar.gz").is_file())
}

/// The runs that the reference accepted, with empty files where files should be.
fn entries(corpus: &Path) -> Vec<Entry> {
    let mut out = Vec::new();
    let folders = |dir: &Path| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    for case in folders(corpus).iter().flat_map(|collection| folders(collection)) {
        let described: Value = serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
        let dir = case.join(described["project_dir"].as_str().unwrap());
        let dir = dir.canonicalize().unwrap_or(dir);
        for entry in described["entries"].as_array().unwrap() {
            if entry["ok"] != true || entry["no_consistency"] == true {
                continue;
            }
            let files: Vec<PathBuf> =
                entry["files"].as_array().unwrap().iter().map(|file| case.join(file.as_str().unwrap())).collect();
            let name = format!("{}: {}", case.strip_prefix(corpus).unwrap().display(), entry["out"].as_str().unwrap());
            if files.iter().all(|file| file.is_file()) {
                out.push(Entry { name, dir: dir.clone(), files });
            }
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Empty files where the project builds from, and what it reads.
fn stand_ins(project: &Project) {
    let file = |path: PathBuf| {
        if !path.exists() && std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
            let _ = std::fs::write(path, "");
        }
    };
    for build in project.services.values().filter_map(|service| service.build.as_ref()) {
        let context = Path::new(build.context.as_deref().unwrap_or_default());
        if context.is_absolute() {
            let _ = std::fs::create_dir_all(context);
            file(context.join(build.dockerfile.as_deref().unwrap_or("Dockerfile")));
        } else {
            // One of another machine.
            file(project.working_dir.join("fetched").join(build.dockerfile.as_deref().unwrap_or("Dockerfile")));
        }
    }
    let secrets = project.secrets.values().filter_map(|secret| secret.file.as_ref());
    let configs = project.configs.values().filter_map(|config| config.file.as_ref());
    secrets.chain(configs).for_each(|path| file(PathBuf::from(path)));
}

fn plan(entry: &Entry) -> Planned {
    let mut request = Request::new(&entry.dir);
    request.files.clone_from(&entry.files);
    let dir = entry.dir.to_str().unwrap();
    for (name, value) in [("PWD", dir), ("HOME", "/root"), ("USER", "root"), ("HOSTNAME", "oracle")] {
        request.variables.insert(name.to_owned(), value.to_owned());
    }
    let mut observed = Observed::default();
    if let Some(project) = load(&request, &Disk::default()).project {
        stand_ins(&project);
        for (key, network) in project.networks.iter().filter(|(_, network)| network.external) {
            let name = network.name.clone().unwrap_or_else(|| key.clone());
            observed.networks.insert(name.clone(), NetworkFacts { name, ..NetworkFacts::default() });
        }
        for (key, volume) in project.volumes.iter().filter(|(_, volume)| volume.external) {
            let name = volume.name.clone().unwrap_or_else(|| key.clone());
            observed.volumes.insert(name.clone(), VolumeFacts { name, ..VolumeFacts::default() });
        }
        let secrets = project.secrets.iter().filter(|(_, secret)| secret.external);
        let configs = project.configs.iter().filter(|(_, config)| config.external);
        let names = secrets
            .map(|(key, secret)| secret.name.as_ref().unwrap_or(key))
            .chain(configs.map(|(key, config)| config.name.as_ref().unwrap_or(key)));
        let from_environment = project.secrets.values().filter_map(|secret| secret.environment.clone());
        let variables: Vec<String> = names.map(|name| secret_variable(name)).chain(from_environment).collect();
        for variable in variables {
            request.variables.entry(variable).or_insert_with(|| "value".to_owned());
        }
    }
    policy_plan(&entry.dir, &request, &observed, None, &Policy::everything())
}

/// A path of a file as the table writes it.
fn pattern(path: &str) -> String {
    let mut text = String::new();
    for (index, step) in path.split('.').enumerate() {
        let (key, items) = step.split_once('[').map_or((step, ""), |(key, _)| (key, "[]"));
        let above = text.trim_end_matches("[]").rsplit('.').next().unwrap_or_default().to_owned();
        let named = ["services", "networks", "volumes", "secrets", "configs", "models", "depends_on", "ulimits"];
        let name = index > 0 && named.contains(&above.as_str()) && !text.ends_with("[]") && !above.is_empty();
        if index > 0 {
            text.push('.');
        }
        text.push_str(if name { "*" } else { key });
        text.push_str(items);
    }
    text
}

#[test]
fn every_file_gets_a_plan_and_the_share_of_honoured_keys_rises() {
    if let Some(totals) = totals() {
        totals.print();
        check(&totals);
    }
}

/// Plans every file of the corpus; none where there is no corpus.
pub(crate) fn totals() -> Option<Totals> {
    let Some(shared) = shared() else {
        println!(
            "the corpus is absent: nothing was planned (put it at ../shared/compose-corpus or set COMPOSE_SHARED)"
        );
        return None;
    };
    let corpus = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(shared.join("compose-corpus/cases.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(corpus.path()).unwrap();
    let entries = entries(&corpus.path().canonicalize().unwrap());
    assert!(entries.len() > 1000, "the corpus is read");
    let next = AtomicUsize::new(0);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let planned = plan(entry);
                    count(&mut totals.lock().unwrap(), entry, &planned);
                }
            });
        }
    });
    Some(totals.into_inner().unwrap())
}

fn count(totals: &mut Totals, entry: &Entry, planned: &Planned) {
    totals.files += 1;
    // A reverse proxy whose place Dokku's takes is planned by not being there.
    let left_out = planned.findings.lines().filter(|line| line.starts_with("note[left-out]")).count();
    totals.services += planned.desired.services.len() + left_out;
    if planned.plan.is_some() {
        totals.planned += 1;
    } else {
        let said: Vec<&str> = planned.findings.lines().filter(|line| line.starts_with("error[")).collect();
        let code = |line: &str| line["error[".len()..].split(']').next().unwrap_or_default().to_owned();
        if said.is_empty() || !said.iter().any(|line| REFUSED.contains(&code(line).as_str())) {
            totals.wrong.push(entry.name.clone());
        }
        totals.refusals.push(format!("{}\n    {}", entry.name, said.join("\n    ")));
    }
    let tally = &planned.tally;
    totals.keys += tally.total();
    totals.done += tally.done;
    totals.approximated += tally.approximated.len();
    totals.not_done += tally.not_done.len();
    for (path, _) in &tally.not_done {
        *totals.missed.entry(pattern(path)).or_default() += 1;
    }
    let told = told(&planned.findings);
    for (path, _) in tally.not_done.iter().chain(&tally.approximated) {
        let key = path.strip_prefix("services.").unwrap_or(path);
        if !told.iter().any(|told| covers(told, key) || covers(key, told)) {
            totals.unexplained.push(format!("{}: {path}", entry.name));
        }
    }
}

/// The keys of which findings say that they are not done, or done in another way.
fn told(findings: &str) -> Vec<&str> {
    let of = |line: &'static str| findings.lines().filter_map(move |found| found.strip_prefix(line));
    let keys = of("warning[not-done]: ").chain(of("note[approximated]: "));
    keys.filter_map(|found| found.split([' ', ':']).next()).collect()
}

/// Whether `below` is the key `above`, or a part of what stands under it.
fn covers(above: &str, below: &str) -> bool {
    below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl Totals {
    /// Prints the counts, and the keys that are not done, the most frequent ones first.
    pub(crate) fn print(&self) {
        let share = |part: usize| 100.0 * part as f64 / self.keys.max(1) as f64;
        println!("files planned    {} of {}", self.planned, self.files);
        println!("services planned {}", self.services);
        println!("keys             {}", self.keys);
        println!("keys done        {} ({:.2} %)", self.done, share(self.done));
        println!("approximated     {} ({:.2} %)", self.approximated, share(self.approximated));
        println!("not done         {} ({:.2} %)", self.not_done, share(self.not_done));
        println!("unexplained      {}", self.unexplained.len());
        let mut missed: Vec<_> = self.missed.iter().collect();
        missed.sort_by_key(|(path, count)| (std::cmp::Reverse(**count), (*path).clone()));
        for (path, count) in missed.iter().take(40) {
            println!("  not done {count:5}  {path}");
        }
        let show = std::env::var("CORPUS_SHOW").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
        for refusal in self.refusals.iter().take(show) {
            println!("{refusal}");
        }
    }
}

fn check(totals: &Totals) {
    assert!(totals.done + totals.approximated >= totals.keys * 95 / 100);
    assert!(totals.unexplained.is_empty(), "nothing is said of these: {:#?}", totals.unexplained);
    for path in totals.missed.keys() {
        assert!(fates::fate(path).is_some(), "{path} is no key of the table");
    }
    assert!(totals.wrong.is_empty(), "no plan, and no good reason: {:#?}", totals.wrong);
    floor(totals);
}

/// What is reached may only be raised: planned files and services, and of 10,000 keys those that are honoured.
fn floor(totals: &Totals) {
    let reached = [
        ("files planned", totals.planned),
        ("services planned", totals.services),
        ("keys honoured of 10000", 10_000 * (totals.done + totals.approximated) / totals.keys),
        ("keys done of 10000", 10_000 * totals.done / totals.keys),
    ];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/corpus-floor.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text: String = reached.iter().map(|(what, number)| format!("{what}\t{number}\n")).collect();
        std::fs::write(&file, text).unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    for (line, (what, number)) in text.lines().zip(reached) {
        let (name, least) = line.split_once('\t').unwrap();
        assert_eq!(name, what);
        assert!(number >= least.parse().unwrap(), "{what}: {number}, was {least}");
    }
}
