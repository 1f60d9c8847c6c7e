//! Loads and maps a compose file with everything around it fixed, so that the outcome depends on the file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dokku_compose::compose::{Disk, Request, load};
use dokku_compose::diag::{Diagnostic, Severity, Sources, Style, render};
use dokku_compose::docker::{ImageFacts, NetworkFacts, VolumeFacts};
use dokku_compose::map::datastores::Stores;
use dokku_compose::map::fates::Tally;
use dokku_compose::map::policy::Policy;
use dokku_compose::map::resources::Desired;
use dokku_compose::map::{Context, Findings, is_remote, map, precheck};
use dokku_compose::model::Project;
use dokku_compose::observe::Observed;
use dokku_compose::plan::{Inputs, Last, Plan, conflicts, reconcile};
use dokku_compose::secret::DigestKey;
use dokku_compose::site::Site;

/// The Dokku project of every case.
pub const PROJECT: &str = "shop";

/// The key of every digest.
pub const KEY: DigestKey = DigestKey([7; 32]);

/// What a case came to.
pub struct Planned {
    pub desired: Desired,
    /// `None` where an error forbids it.
    pub plan: Option<Plan>,
    /// How many keys are honoured.
    pub tally: Tally,
    /// All findings as they are drawn.
    pub findings: String,
}

/// Loads, maps and plans the compose file in `dir` against `observed`.
pub(crate) fn plan(dir: &Path, name: Option<&str>, observed: &Observed, last: Option<&Last>) -> Planned {
    let mut request = Request::new(dir);
    request.project_name = name.map(str::to_owned);
    plan_of(dir, &request, observed, last)
}

/// The same for files that are named.
pub(crate) fn plan_of(dir: &Path, request: &Request, observed: &Observed, last: Option<&Last>) -> Planned {
    let policy = match std::fs::read_to_string(dir.join("policy.json")) {
        Ok(text) => {
            let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
            let list = |name: &str| lists.get(name).cloned().unwrap_or_default();
            Policy { paths: list("paths"), privileges: list("privileges"), settings: "" }
        }
        // Which privileges are refused is the matter of few cases.
        Err(_) => Policy { privileges: vec!["all".into()], ..Policy::default() },
    };
    policy_plan(dir, request, observed, last, &policy)
}

/// The same for any request, with what the administrator allows. What is to be fetched from elsewhere is at `fetched`.
pub(crate) fn policy_plan(
    dir: &Path,
    request: &Request,
    observed: &Observed,
    last: Option<&Last>,
    policy: &Policy,
) -> Planned {
    let loaded = load(request, &Disk::default());
    let mut found = loaded.diagnostics.items.clone();
    let Some(project) = &loaded.project else {
        let tally = Tally::default();
        return Planned {
            desired: Desired::default(),
            plan: None,
            tally,
            findings: drawn(dir, &found, &loaded.sources),
        };
    };
    found.extend(precheck::check(project).items);
    let findings = Findings::default();
    let remote = project.services.values().filter_map(|service| service.build.as_ref()?.context.clone());
    let fetched = remote
        .filter(|context| dir.join("fetched").is_dir() && is_remote(context))
        .map(|context| (context, dir.join("fetched")))
        .collect();
    let site = Site::from_env(&BTreeMap::new());
    let domains = ["dokku.me".to_owned()];
    let reserved: BTreeSet<String> = ["apps", "compose", "config", "postgres", "redis"].map(str::to_owned).into();
    let ctx = Context {
        project: PROJECT,
        compose: project,
        site: &site,
        key: &KEY,
        images: &observed.images,
        volumes: &observed.volumes,
        domains: &domains,
        remembered: last.map(|last| &last.desired),
        stores: &stores(dir),
        policy,
        fetched: &fetched,
        reserved: &reserved,
        sent: None,
        contexts: Default::default(),
        findings: &findings,
    };
    let desired = map(&ctx);
    let tally = findings.tally();
    found.extend(findings.into_diagnostics().items);
    let positions = positions(project, &loaded.sources, &desired);
    let inputs =
        Inputs { desired: &desired, observed, last, positions: &positions, back: None, wishes: Default::default() };
    let owned = last.into_iter().flat_map(|last| last.desired.services.values());
    let owned = owned.map(|service| service.kind.resource_name().to_owned()).collect();
    found.extend(conflicts(&inputs, &owned, &|path| project.key_span(path)));
    let refused = found.iter().any(|finding| finding.severity == Severity::Error);
    let plan = (!refused).then(|| reconcile(&inputs));
    Planned { findings: drawn(dir, &found, &loaded.sources), desired, plan, tally }
}

/// `file:line:column` of services, and of networks and volumes by their name on the server.
fn positions(project: &Project, sources: &Sources, desired: &Desired) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut put = |name: String, path: &str| {
        if let Some(at) = project.key_span(path).and_then(|span| sources.position(span)) {
            out.insert(name, at);
        }
    };
    for name in project.services.keys() {
        put(format!("services.{name}"), &format!("services.{name}"));
    }
    for (key, network) in &project.networks {
        let name = network.name.clone().filter(|name| *name != format!("{}_{key}", project.name));
        put(format!("network {}", name.unwrap_or_else(|| format!("{PROJECT}_{key}"))), &format!("networks.{key}"));
    }
    for (key, name) in &desired.volume_names {
        put(format!("volume {name}"), &format!("volumes.{key}"));
    }
    out
}

/// The datastore plugins that a case's server has, and the services that are there and somebody else's.
fn stores(dir: &Path) -> Stores {
    let there = std::fs::read_to_string(dir.join("server.json")).unwrap_or_else(|_| "{}".to_owned());
    let there: There = serde_json::from_str(&there).unwrap();
    Stores {
        installed: there.plugins.into_iter().map(|plugin| (plugin, true)).collect(),
        taken: there.services.into_iter().collect(),
        ..Stores::default()
    }
}

fn drawn(dir: &Path, found: &[Diagnostic], sources: &Sources) -> String {
    let all: Vec<String> = found.iter().map(|finding| render(finding, sources, Style::default())).collect();
    place_free(&all.join("\n\n"), dir)
}

/// The text without the place of this checkout.
pub(crate) fn place_free(text: &str, dir: &Path) -> String {
    text.replace(dir.to_str().unwrap(), "@DIR@")
}

/// What a case's `server.json` says is there before the import: `images` by reference, with what differs from an image
/// that declares nothing, and names of `volumes`, `networks`, datastore `plugins` and their `services`.
pub(crate) fn server(dir: &Path) -> Observed {
    let mut observed = Observed::default();
    let Ok(text) = std::fs::read_to_string(dir.join("server.json")) else { return observed };
    let there: There = serde_json::from_str(&text).unwrap();
    for (reference, given) in there.images {
        let mut facts =
            serde_json::to_value(ImageFacts { id: format!("sha256:{reference}"), ..ImageFacts::default() }).unwrap();
        for (key, value) in given {
            assert!(facts.get(&key).is_some(), "server.json: an image has no {key}");
            facts[key] = value;
        }
        observed.images.insert(reference, serde_json::from_value(facts).unwrap());
    }
    for name in there.volumes {
        observed.volumes.insert(name.clone(), VolumeFacts { name, ..VolumeFacts::default() });
    }
    for name in there.networks {
        let subnets = there.subnets.get(&name).cloned().into_iter().collect();
        observed.networks.insert(name.clone(), NetworkFacts { name, subnets, ..NetworkFacts::default() });
    }
    observed.volume_users = there.volume_users;
    observed
}

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct There {
    images: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    volumes: Vec<String>,
    networks: Vec<String>,
    /// Of a network.
    subnets: BTreeMap<String, String>,
    /// Datastore plugins.
    plugins: Vec<String>,
    /// Services of others, `postgres:shop-db`.
    services: Vec<String>,
    /// Containers outside of the project that run with a volume.
    volume_users: BTreeMap<String, Vec<String>>,
}
