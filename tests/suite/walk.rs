//! A random walk: changes of five stacks, one after the other. After each the plan is empty, and the way back to a
//! version gives the server that it had.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use crate::bench::{Bench, PROJECT};
use crate::snapshot::Snapshot;

/// Changes of each stack.
const CHANGES: usize = 40;
/// Stacks, at the same time.
const STACKS: u64 = 5;
/// A walk that takes longer stops where it is; it says how far it came.
const LIMIT: Duration = Duration::from_secs(60);

/// The walk that everybody takes.
const SEED: u64 = 276_118;

/// Numbers that a seed decides (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

/// A service as far as the walk changes it.
#[derive(Clone, Default)]
struct Service {
    version: usize,
    built: bool,
    database: bool,
    environment: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    replicas: usize,
    memory: usize,
    ports: Vec<usize>,
    domains: Vec<String>,
    volumes: Vec<String>,
    network: bool,
    command: Option<String>,
    needs: Vec<String>,
}

/// A stack and what it was.
struct Walk {
    seed: u64,
    dice: Dice,
    bench: Bench,
    services: BTreeMap<String, Service>,
    /// What the server had with each version.
    known: BTreeMap<u32, Snapshot>,
    did: Vec<String>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut walk = Self {
            seed,
            dice: Dice(seed | 1),
            bench: Bench::new(),
            services: BTreeMap::new(),
            known: BTreeMap::new(),
            did: Vec::new(),
        };
        walk.services.insert("db".into(), Service { database: true, version: 15, ..Service::default() });
        for (name, built) in [("web", false), ("api", walk.seed.is_multiple_of(2))] {
            walk.services.insert(name.into(), Service { built, version: 1, replicas: 1, ..Service::default() });
        }
        walk
    }

    /// One change of the stack, in words.
    fn change(&mut self) -> String {
        let names: Vec<String> = self.services.keys().cloned().collect();
        let name = names[self.dice.roll(names.len())].clone();
        let number = self.dice.roll(1000);
        let kind = self.dice.roll(14);
        let key = self.dice.of(&["MODE", "LEVEL", "TOKEN"]).to_owned();
        let spare = self.dice.of(&["extra", "worker", "jobs"]).to_owned();
        let service = self.services.get_mut(&name).unwrap();
        match kind {
            0 if service.database => service.version = 14 + number % 4,
            0 | 1 if !service.database => service.version += 1,
            2 | 3 => drop(service.environment.insert(key.clone(), number.to_string())),
            4 => drop(service.environment.remove(&key)),
            5 => drop(service.labels.insert(format!("walk.{key}"), number.to_string())),
            6 if !service.database => service.replicas = number % 3,
            7 => service.memory = 64 + number % 4 * 64,
            8 if !service.database => {
                service.ports = if service.ports.is_empty() { vec![20_000 + number] } else { Vec::new() };
            }
            9 if !service.database => service.domains = vec![format!("{name}-{number}.example.com")],
            10 => service.volumes = vec![format!("v{}", number % 3)],
            11 => service.network = !service.network,
            12 if !service.database => service.command = Some(format!("serve --number {number}")),
            _ => match self.services.remove(&spare) {
                Some(_) => {
                    self.services.values_mut().for_each(|other| other.needs.retain(|need| *need != spare));
                    return format!("{spare} leaves");
                }
                None => {
                    let new = Service { version: 1, replicas: 1, needs: vec!["db".into()], ..Service::default() };
                    self.services.insert(spare.clone(), new);
                    return format!("{spare} comes");
                }
            },
        }
        format!("{name}: change {kind} by {number} ({key})")
    }

    fn write(&self) {
        let mut text = String::from("services:\n");
        for (name, one) in &self.services {
            let _ = writeln!(text, "  {name}:\n    x-dokku: {{ checks: false, domains: {:?} }}", one.domains);
            if one.database {
                let _ = writeln!(text, "    image: postgres:{}", one.version);
            } else if one.built {
                let _ = writeln!(text, "    build: ./{name}");
                self.bench.write(&format!("{name}/Dockerfile"), "FROM alpine:3\nCOPY main /main\nCMD [\"/main\"]\n");
                self.bench.write(&format!("{name}/main"), &format!("{}\n", one.version));
            } else {
                let _ = writeln!(text, "    image: acme/{name}:{}", one.version);
            }
            let _ = writeln!(text, "    environment: {:?}", one.environment);
            let _ = writeln!(text, "    labels: {:?}", one.labels);
            let _ = writeln!(text, "    depends_on: {:?}", one.needs);
            if one.memory > 0 {
                let _ = writeln!(text, "    mem_limit: {}m", one.memory);
            }
            if !one.database {
                let _ = writeln!(text, "    scale: {}", one.replicas);
            }
            if let Some(port) = one.ports.first() {
                let _ = writeln!(text, "    ports: ['{port}:80']");
            }
            if let Some(volume) = one.volumes.first() {
                let _ = writeln!(text, "    volumes: ['{volume}:/data']");
            }
            if one.network {
                let _ = writeln!(text, "    networks: [default, back]");
            }
            if let Some(command) = &one.command {
                let _ = writeln!(text, "    command: {command}");
            }
        }
        text.push_str("networks: { back: {} }\nvolumes: { v0: {}, v1: {}, v2: {} }\n");
        self.bench.write("compose.yaml", &text);
    }

    /// The server without what versions add to it: records, kept images, volumes, which stay with their data.
    fn server(&self) -> Snapshot {
        self.bench.snapshot().without_commits().without(|path| {
            path.starts_with("lib/data/compose/projects/")
                || path.starts_with("volume ")
                || path.starts_with("image dokku-compose/")
                || path.contains("/refs/")
                || path.contains("packed-refs")
                // Dokku builds it again when it next looks at the app.
                || path.ends_with("/nginx.conf")
                // A note of Dokku's for people, which nothing acts on.
                || path.ends_with("/deploy-source-metadata")
        })
    }

    fn version(&self) -> u32 {
        let folder = self.bench.world.path("lib/data/compose/projects").join(PROJECT).join("versions");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.parse().ok()).max().unwrap()
    }

    fn said(&self) -> String {
        format!("seed {} after {:#?}", self.seed, self.did)
    }

    /// Imports what is written; then nothing is left to do.
    fn settle(&mut self) {
        self.write();
        let ran = self.bench.import(&["--prune"]);
        assert_eq!(ran.code, Some(0), "{}\n{}", self.said(), ran.all());
        let source = self.bench.source().display().to_string();
        let plan = self.bench.run(&["plan", PROJECT, &source, "--prune", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "the plan is not empty: {}\n{}", self.said(), plan.all());
        self.know();
    }

    /// Keeps what the server has with this version; a version has one state only.
    fn know(&mut self) {
        let (version, now) = (self.version(), self.server());
        match self.known.get(&version) {
            Some(known) => known.same(&now, &format!("version {version} is not what it was: {}", self.said())),
            None => drop(self.known.insert(version, now)),
        }
    }

    /// Back to some version, and forward again.
    fn back(&mut self) {
        let versions: Vec<u32> = self.known.keys().rev().take(10).copied().collect();
        let target = versions[self.dice.roll(versions.len())];
        self.did.push(format!("rollback to v{target}"));
        let ran = self.bench.run(&["rollback", PROJECT, &format!("v{target}"), "--prune"]);
        assert_eq!(ran.code, Some(0), "{}\n{}", self.said(), ran.all());
        let now = self.server();
        self.known[&target].same(&now, &self.said());
        self.know();
        self.settle();
    }
}

/// Walks; how many changes and ways back there were.
fn walk(seed: u64, until: Instant) -> (usize, usize) {
    let mut walk = Walk::new(seed);
    walk.settle();
    let (mut changes, mut backs) = (0, 0);
    while changes < CHANGES && Instant::now() < until {
        let what = walk.change();
        walk.did.push(what);
        walk.settle();
        changes += 1;
        if changes % 5 == 0 {
            walk.back();
            backs += 1;
        }
    }
    (changes, backs)
}

#[test]
fn two_hundred_changes_of_five_stacks() {
    // The same walk each time, unless another is asked for: `new`, or the number of one.
    let given = std::env::var("DOKKU_COMPOSE_WALK").unwrap_or_default();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % 1_000_000;
    let seed: u64 = if given == "new" { now } else { given.parse().unwrap_or(SEED) };
    println!("DOKKU_COMPOSE_WALK={seed} walks the same way");
    let (begun, until) = (Instant::now(), Instant::now() + LIMIT);
    let ends: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let walks: Vec<_> =
            (0..STACKS).map(|index| scope.spawn(move || walk(seed * STACKS + index + 1, until))).collect();
        walks.into_iter().map(|walk| walk.join().unwrap()).collect()
    });
    let (changes, backs): (usize, usize) = ends.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{changes} changes, {backs} ways back in {} s", begun.elapsed().as_secs());
    assert!(changes >= 20, "a walk of {changes} changes says nothing");
}
