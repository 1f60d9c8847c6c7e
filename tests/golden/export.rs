//! Round trip: what is exported of an imported stack imports to an empty plan.
//!
//! Of every fixture, and of every stack of the corpus (see `tests/corpus.rs`) that imports. `EXPORT_ONLY=TEXT` runs the
//! cases whose name holds the text, `EXPORT_SHOW=N` prints N failures, `EXPORT_KEEP=DIR` keeps the exported files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dokku_compose::compose::Request;
use dokku_compose::export::imported::{Imported, as_mounted, stack};
use dokku_compose::export::secrets::{Secrets, dotenv};
use dokku_compose::export::{compose_file, project::project};
use dokku_compose::map::resources::{Desired, FileContent, Kind};
use dokku_compose::observe::Observed;
use dokku_compose::plan::Last;
use dokku_compose::site::Site;

use crate::project::{KEY, Planned, plan_of};
use crate::server::Server;

/// What became of a case.
enum Outcome {
    /// It does not import.
    Refused,
    /// An empty plan.
    Same,
    /// What is wrong.
    Differs(String),
}

fn round_trip(name: &str, request: &Request, observed: Observed) -> Outcome {
    let mut server = Server { observed, ..Server::default() };
    server.observed.domains = vec!["dokku.me".into()];
    let dir = &request.project_dir;
    let Planned { desired, plan: Some(plan), .. } = plan_of(dir, request, &server.observed, None) else {
        return Outcome::Refused;
    };
    if desired.services.is_empty() {
        return Outcome::Refused;
    }
    server.run(&plan);
    let site = Site::from_env(&BTreeMap::new());
    let environments = environments(&desired);
    // A committed state has digests only.
    let remembered: Desired = serde_json::from_str(&serde_json::to_string(&desired).unwrap()).unwrap();
    let stack = stack(&Imported {
        desired: &remembered,
        observed: &server.observed,
        environments: &environments,
        secrets: &kept_texts(&desired),
        variables: BTreeMap::new(),
        site: &site,
        key: &KEY,
    });
    let contents = contents(&site, &desired);
    let written = project(&stack, &contents, Secrets::Env);
    let yaml = compose_file::yaml(&written).unwrap();
    let out = tempfile::tempdir().unwrap();
    let out = match std::env::var_os("EXPORT_KEEP") {
        Some(keep) => PathBuf::from(keep).join(name.replace('/', "_")),
        None => out.path().to_path_buf(),
    };
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("compose.yaml"), &yaml).unwrap();
    // Private keys are put there by hand.
    for (place, key) in contents.iter().filter(|(place, _)| place.contains("/ssh/")) {
        std::fs::write(out.join(Path::new(place).file_name().unwrap()), key).unwrap();
    }
    // The administrator of both servers is one.
    for file in ["policy.json", "server.json"] {
        let _ = std::fs::copy(dir.join(file), out.join(file));
    }
    std::fs::write(out.join(".env"), dotenv(&written.values, false)).unwrap();
    let last = Last { jobs: jobs(&desired), desired: remembered, version: 1, ..Last::default() };
    let again = plan_of(&out, &Request::new(&out), &server.observed, Some(&last));
    match again.plan {
        None => Outcome::Differs(format!("refused: {}", again.findings)),
        Some(plan) if plan.ops.is_empty() => Outcome::Same,
        Some(plan) => Outcome::Differs(
            plan.ops.iter().map(|op| format!("{}: {:?} ({})\n", op.service, op.action, op.cause)).collect(),
        ),
    }
}

/// What the engine says that each raw container runs with.
fn environments(desired: &Desired) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for service in desired.services.values() {
        if let Kind::Container(raw) | Kind::Job(raw) = &service.kind {
            let values = raw.container.environment.iter();
            let clear = values.map(|(name, value)| (name.clone(), value.expose().unwrap().to_owned())).collect();
            out.insert(service.kind.resource_name().to_owned(), clear);
        }
    }
    out
}

/// What is kept with the version: build arguments of raw containers, texts of delivered files.
fn kept_texts(desired: &Desired) -> BTreeMap<String, String> {
    let files = desired.services.values().flat_map(|service| &service.files);
    let texts = files.filter_map(|tree| match &tree.content {
        FileContent::Inline { text } => Some(text),
        FileContent::Path { .. } | FileContent::Empty => None,
    });
    let raws = desired.services.values().filter_map(|service| match &service.kind {
        Kind::Container(raw) | Kind::Job(raw) => raw.build.as_ref(),
        Kind::App(app) => app.build.as_ref(),
        Kind::Datastore(_) => None,
    });
    let mut stores = desired.clone();
    let stores = stores.services.values_mut().filter_map(|service| match &mut service.kind {
        Kind::Datastore(store) => Some(store.secrets_mut().into_iter().map(|secret| &*secret).collect::<Vec<_>>()),
        _ => None,
    });
    raws.flat_map(|build| build.args.values())
        .chain(texts)
        .chain(stores.flatten())
        .map(|value| (value.digest().to_owned(), value.expose().unwrap().to_owned()))
        .collect()
}

/// The delivered secrets and configs, as they lie on the server.
fn contents(site: &Site, desired: &Desired) -> BTreeMap<String, Vec<u8>> {
    let files = desired.services.values().flat_map(|service| &service.files);
    files
        .filter_map(|tree| match &tree.content {
            FileContent::Inline { text } => {
                let at = as_mounted(site, &tree.target).to_string_lossy().into_owned();
                Some((at, text.expose().unwrap().as_bytes().to_vec()))
            }
            _ => None,
        })
        .collect()
}

fn jobs(desired: &Desired) -> BTreeMap<String, String> {
    desired
        .services
        .values()
        .filter_map(|service| match &service.kind {
            Kind::Job(raw) => Some((service.name.clone(), raw.container.labels["com.dokku-compose.hash"].clone())),
            _ => None,
        })
        .collect()
}

/// Runs the cases; those that differ.
fn run(cases: Vec<(String, Request, Observed)>) -> (usize, Vec<(String, String)>) {
    let only = std::env::var("EXPORT_ONLY").unwrap_or_default();
    let show = std::env::var("EXPORT_SHOW").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    let (mut same, mut refused, mut wrong) = (0, 0, Vec::new());
    for (name, request, observed) in cases.into_iter().filter(|(name, ..)| name.contains(&only)) {
        match round_trip(&name, &request, observed) {
            Outcome::Refused => refused += 1,
            Outcome::Same => same += 1,
            Outcome::Differs(why) => wrong.push((name, why)),
        }
    }
    println!("round trips: {same} empty plans, {} others, {refused} stacks do not import", wrong.len());
    for (name, why) in wrong.iter().take(show) {
        println!("== {name}\n{why}");
    }
    (same, wrong)
}

#[test]
fn every_fixture_comes_back() {
    let cases = crate::features()
        .into_iter()
        .map(|dir| {
            let name = dir.file_name().unwrap().to_string_lossy().into_owned();
            (name, Request::new(&dir), crate::project::server(&dir))
        })
        .collect();
    let (same, wrong) = run(cases);
    assert!(wrong.is_empty(), "{:?}", wrong.iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert!(same >= 25 || std::env::var_os("EXPORT_ONLY").is_some(), "only {same} fixtures import");
}

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        std::env::var_os("COMPOSE_SHARED").map(PathBuf::from),
        Some(root.join("../shared")),
        Some(root.join("../../shared")),
    ];
    places.into_iter().flatten().map(|place| place.join("compose-corpus/cases.tar.gz")).find(|file| file.is_file())
}

#[test]
fn every_stack_of_the_corpus_comes_back() {
    let Some(archive) = corpus() else {
        println!("the corpus is absent: nothing was exported");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(archive).unwrap()))
        .unpack(folder.path())
        .unwrap();
    let root = folder.path().canonicalize().unwrap();
    let mut cases = Vec::new();
    for case in crate::directories(&root).iter().flat_map(|collection| crate::directories(collection)) {
        let described: serde_json::Value =
            serde_json::from_slice(&std::fs::read(case.join("case.json")).unwrap()).unwrap();
        beside(&case);
        let dir = match described["project_dir"].as_str().unwrap() {
            "." => case.clone(),
            dir => case.join(dir),
        };
        for entry in described["entries"].as_array().unwrap().iter().filter(|entry| entry["ok"] == true) {
            let mut request = Request::new(&dir);
            let files = entry["files"].as_array().unwrap().iter().map(|file| case.join(file.as_str().unwrap()));
            request.files = files.collect();
            std::fs::write(dir.join("policy.json"), r#"{"paths": ["/"], "privileges": ["all"]}"#).unwrap();
            let name = format!("{}/{}", case.strip_prefix(&root).unwrap().display(), entry["out"].as_str().unwrap());
            cases.push((name, request, Observed::default()));
        }
    }
    let (same, wrong) = run(cases);
    let names: Vec<&String> = wrong.iter().map(|(name, _)| name).collect();
    assert!(wrong.is_empty(), "{} stacks differ: {names:?}", wrong.len());
    assert!(same >= 500 || std::env::var_os("EXPORT_ONLY").is_some(), "only {same} stacks import");
}

/// What lies beside the compose files in their repository, empty: the corpus has names only, and an import looks for
/// build contexts and bind sources.
fn beside(case: &Path) {
    let Ok(tree) = std::fs::read_to_string(case.join("tree.txt")) else { return };
    for path in tree.lines().filter_map(|line| line.split_once(char::is_whitespace).map(|(_, path)| path.trim())) {
        let place = case.join(path);
        if place.exists() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            continue;
        }
        if path.ends_with('/') {
            let _ = std::fs::create_dir_all(&place);
        } else if std::fs::create_dir_all(place.parent().unwrap()).is_ok() {
            let _ = std::fs::write(&place, "");
        }
    }
}
