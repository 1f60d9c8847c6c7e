//! What a changed file does to a project that is already there.

use std::path::{Path, PathBuf};

use dokku_compose::map::resources::{Desired, Kind};
use dokku_compose::plan::raw::HASH_LABEL;
use dokku_compose::plan::{Action, Class, Last, Plan};

use crate::server::Server;
use crate::{agrees, directories, features, fixtures, project, show};

/// A server on which a project is imported, and the plan for another file.
pub struct Update {
    pub server: Server,
    pub last: Last,
    pub plan: Option<Plan>,
    findings: String,
    dir: PathBuf,
}

/// The name of the compose project of every case, and of its folder.
const NAME: &str = "demo";

pub(crate) fn cases() -> Vec<PathBuf> {
    directories(&fixtures().join("updates"))
}

impl Update {
    /// Imports `before.yaml` (or the folder `before`) and plans `after`.
    pub fn read(case: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join(NAME);
        stage(case, "before", &dir);
        let (server, last) = imported(&dir, Server::default());
        std::fs::remove_dir_all(&dir).unwrap();
        stage(case, "after", &dir);
        let planned = project::plan(&dir, Some(NAME), &server.observed, Some(&last));
        Self { server, last, plan: planned.plan, findings: planned.findings, dir }
    }

    fn text(&self) -> String {
        let plan = self.plan.as_ref().map_or("refused\n".to_owned(), show::plan);
        let gap = if self.findings.is_empty() { "" } else { "\n" };
        project::place_free(&format!("{plan}{gap}{}", self.findings), &self.dir)
    }
}

/// Puts the compose file with its siblings into `dir`, whose place is the same before and after.
fn stage(case: &Path, which: &str, dir: &Path) {
    std::fs::create_dir(dir).unwrap();
    let file = case.join(format!("{which}.yaml"));
    if file.exists() {
        std::fs::copy(file, dir.join("compose.yaml")).unwrap();
    } else {
        copy(&case.join(which), dir);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Imports the file in `dir`: the server afterwards, and what is remembered of it.
pub(crate) fn imported(dir: &Path, mut server: Server) -> (Server, Last) {
    let planned = project::plan(dir, Some(NAME), &server.observed, None);
    server.run(&planned.plan.unwrap_or_else(|| panic!("{}: {}", dir.display(), planned.findings)));
    let last = remember(planned.desired);
    (server, last)
}

fn remember(desired: Desired) -> Last {
    let jobs = desired.services.values().filter_map(|service| match &service.kind {
        Kind::Job(raw) => Some((service.name.clone(), raw.container.labels[HASH_LABEL].clone())),
        _ => None,
    });
    Last { jobs: jobs.collect(), desired, version: 1, ..Last::default() }
}

#[test]
fn every_change_of_a_file_does_what_is_recorded() {
    let cases = cases();
    assert!(cases.len() >= 12, "the fixtures are there");
    let mut wrong = Vec::new();
    for case in &cases {
        if !agrees(&case.join("plan.txt"), &Update::read(case).text()) {
            wrong.push(case.file_name().unwrap().to_owned());
        }
    }
    assert!(wrong.is_empty(), "other plans than recorded: {wrong:?}");
}

#[test]
fn a_second_import_of_the_same_file_has_nothing_to_do() {
    for dir in features() {
        for pulled_before in [true, false] {
            let there = project::server(&dir);
            let mut server = Server { observed: there.clone(), ..Server::default() };
            if !pulled_before {
                server.observed.images.clear();
            }
            let first = project::plan(&dir, None, &server.observed, None);
            let Some(plan) = first.plan else { continue };
            server.run(&plan);
            // Images that a case says something about are pulled as they are.
            server.observed.images.extend(there.images);
            let last = remember(first.desired);
            let second = project::plan(&dir, None, &server.observed, Some(&last)).plan.unwrap();
            assert!(second.is_empty(), "{}:\n{}", dir.display(), show::plan(&second));
        }
    }
}

#[test]
fn an_update_ends_in_what_the_file_asks_for() {
    for case in cases() {
        let mut update = Update::read(&case);
        let Some(plan) = update.plan.take() else { continue };
        update.server.run(&plan);
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join(NAME);
        stage(&case, "after", &dir);
        let after = project::plan(&dir, Some(NAME), &update.server.observed, Some(&update.last));
        let last = remember(after.desired);
        let again = project::plan(&dir, Some(NAME), &update.server.observed, Some(&last)).plan.unwrap();
        assert!(again.is_empty(), "{}:\n{}", case.display(), show::plan(&again));
    }
}

#[test]
fn services_that_did_not_change_are_not_touched() {
    for case in cases() {
        let update = Update::read(&case);
        let Some(plan) = &update.plan else { continue };
        for row in plan.rows.iter().filter(|row| row.symbol == '=') {
            assert!(plan.ops.iter().all(|op| *op.service != *row.name), "{}: {}", case.display(), row.name);
        }
        let destroys = |action: &Action| matches!(action, Action::AppDestroy { .. } | Action::VolumeRemove { .. });
        assert!(!plan.ops.iter().any(|op| destroys(&op.action)), "{}: an import destroys nothing", case.display());
    }
}

/// Case, the services that change with their class, and the words of the only operations that may then disturb a
/// container.
type Smallest = (&'static str, &'static [(&'static str, Class)], &'static [&'static str]);

const SMALLEST: &[Smallest] = &[
    ("nothing", &[], &[]),
    ("scale", &[("web", Class::Scale)], &["ps:scale shop-web"]),
    ("container-scale", &[("db", Class::Scale)], &["docker rename shop-db-2", "docker rename shop-db-3"]),
    ("port", &[("web", Class::None)], &[]),
    ("domain-moved", &[("api", Class::None), ("web", Class::None)], &[]),
    ("variable", &[("web", Class::Config)], &["ps:restart shop-web"]),
    ("label", &[("web", Class::Config)], &["ps:restart shop-web"]),
    ("resources", &[("web", Class::Config)], &["ps:restart shop-web"]),
    ("image", &[("web", Class::Image)], &["git:from-image shop-web"]),
    ("container-image", &[("db", Class::Recreate)], &["docker rename shop-db", "run container shop-db"]),
];

#[test]
fn each_class_of_change_disturbs_as_little_as_it_may() {
    let disturbs = |action: &Action| match action {
        Action::Scale { deploy, .. } => *deploy,
        Action::Deploy { .. }
        | Action::Rebuild { .. }
        | Action::Restart { .. }
        | Action::Start { .. }
        | Action::Stop { .. }
        | Action::ReleaseRestore { .. }
        | Action::AppCreate { .. }
        | Action::AppDestroy { .. }
        | Action::ContainerRun { .. }
        | Action::ContainerRemove { .. }
        | Action::ContainerStash { .. }
        | Action::JobRun { .. } => true,
        _ => false,
    };
    for (case, classes, words) in SMALLEST {
        let plan = Update::read(&fixtures().join("updates").join(case)).plan.unwrap();
        let mut found: Vec<(&str, Class)> =
            plan.rows.iter().filter_map(|row| Some((row.name.as_str(), row.class?))).collect();
        found.sort_unstable_by_key(|(name, _)| name.to_owned());
        assert_eq!(found, *classes, "{case}:\n{}", show::plan(&plan));
        let disturbing: Vec<String> = plan
            .ops
            .iter()
            .filter(|op| disturbs(&op.action))
            .map(|op| dokku_compose::apply::by_hand::title(&op.action))
            .collect();
        assert_eq!(disturbing.len(), words.len(), "{case}: {disturbing:?}");
        for (title, word) in disturbing.iter().zip(*words) {
            assert!(title.starts_with(word), "{case}: {title} is not {word}");
        }
    }
}
