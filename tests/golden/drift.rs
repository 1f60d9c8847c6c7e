//! What somebody changed by hand: what the file asks for comes back, what was only added stays.

use dokku_compose::map::resources::{AppMount, Kind};
use dokku_compose::observe::ObservedApp;
use dokku_compose::plan::{Action, Last, Plan, drift};
use dokku_compose::secret::Secret;

use crate::project::{self, KEY};
use crate::server::Server;
use crate::{show, undo, updates};

const FILE: &str = "\
services:
  web:
    image: acme/web:1
    environment: {A: one, B: two}
    ports: ['8080:80']
    user: '1000'
    stop_grace_period: 20s
    restart: always
    volumes: ['data:/data']
    deploy:
      replicas: 2
      resources: {limits: {memory: 256M}}
  other:
    image: acme/other:1
  db:
    image: postgres:16
volumes:
  data:
";

struct Imported {
    server: Server,
    last: Last,
    home: tempfile::TempDir,
}

impl Imported {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("demo");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("compose.yaml"), FILE).unwrap();
        let (server, last) = updates::imported(&dir, Server::default());
        Self { server, last, home }
    }

    fn plan(&self) -> Plan {
        let planned =
            project::plan(&self.home.path().join("demo"), Some("demo"), &self.server.observed, Some(&self.last));
        planned.plan.unwrap_or_else(|| panic!("{}", planned.findings))
    }

    fn web(&mut self) -> &mut ObservedApp {
        self.server.observed.apps.get_mut("shop-web").unwrap()
    }

    fn phrases(&self) -> Vec<String> {
        let Kind::App(applied) = &self.last.desired.services["web"].kind else { panic!("web is an app") };
        drift(applied, &self.server.observed.apps["shop-web"])
    }
}

type Hand = fn(&mut ObservedApp);

/// What somebody did to the app `web`, and the words in which the plan says so.
const RESTORED: &[(&str, Hand)] = &[
    ("drift: variable A was changed by hand", |app| drop(app.config.insert("A".into(), Secret::new("else", &KEY)))),
    ("drift: variable A, B was changed by hand", |app| app.config.clear()),
    ("drift: deploy options was changed by hand", |app| app.options.deploy.clear()),
    ("drift: run options was changed by hand", |app| app.options.run.clear()),
    ("drift: ps.restart-policy was changed by hand", |app| {
        drop(app.properties.insert("ps.restart-policy".into(), "no".into()))
    }),
    ("drift: ps.stop-timeout-seconds was changed by hand", |app| {
        drop(app.properties.remove("ps.stop-timeout-seconds"))
    }),
    ("drift: network.initial-network was changed by hand", |app| {
        drop(app.properties.insert("network.initial-network".into(), "bridge".into()));
    }),
    ("drift: mount /data was changed by hand", |app| app.mounts.clear()),
    ("drift: the published ports was changed by hand", |app| app.ports.clear()),
    ("drift: the domains was changed by hand", |app| app.domains.retain(|domain| domain == "shop-web.dokku.me")),
    ("order of updates", |app| app.checks = "enabled".into()),
    ("drift: resource limits was changed by hand", |app| {
        drop(app.resources.insert("limit.memory".into(), "1g".into()))
    }),
    ("drift: resource limits was changed by hand", |app| app.resources.clear()),
    ("image changed from acme/hand:1 to acme/web:1", |app| app.source_image = "acme/hand:1".into()),
];

#[test]
fn what_the_file_asks_for_comes_back() {
    let clean = Imported::new();
    assert!(clean.plan().is_empty(), "{}", show::plan(&clean.plan()));
    for (words, hand) in RESTORED {
        let mut there = Imported::new();
        let wanted = there.server.observed.apps["shop-web"].clone();
        hand(there.web());
        let plan = there.plan();
        let text = show::plan(&plan);
        assert!(plan.ops.iter().any(|op| op.cause == *words), "{words}:\n{text}");
        assert!(plan.ops.iter().all(|op| &*op.service == "web"), "{words}: only web is touched:\n{text}");
        undo::leads_back(words, &there.server, &plan);
        there.server.run(&plan);
        assert_eq!(there.server.observed.apps["shop-web"], wanted, "{words}");
        assert!(there.plan().is_empty(), "{words}:\n{}", show::plan(&there.plan()));
    }
}

/// What somebody added, and the words in which `status` says so; nothing where that is the user's own business.
const KEPT: &[(&str, Hand)] = &[
    ("variable EXTRA was added by hand and is kept", |app| {
        drop(app.config.insert("EXTRA".into(), Secret::new("x", &KEY)))
    }),
    ("1 deploy options were added by hand and are kept", |app| app.options.deploy.push("--label=by=hand".into())),
    ("", |app| {
        let hand = AppMount { source: "/srv/hand".into(), target: "/hand".into(), options: String::new() };
        app.mounts.push(hand);
    }),
    ("", |app| app.ports.push("https:443:80".into())),
    ("", |app| app.domains.push("www.example.com".into())),
    ("", |app| drop(app.properties.insert("builder.build-dir".into(), "sub".into()))),
    ("", |app| drop(app.resources.insert("limit.nvidia-gpu".into(), "1".into()))),
];

#[test]
fn what_was_added_by_hand_is_kept_and_named() {
    assert_eq!(Imported::new().phrases(), Vec::<String>::new());
    for (words, hand) in KEPT {
        let mut there = Imported::new();
        hand(there.web());
        let plan = there.plan();
        assert!(plan.is_empty(), "{words}:\n{}", show::plan(&plan));
        let expected: Vec<&str> = [*words].into_iter().filter(|words| !words.is_empty()).collect();
        assert_eq!(there.phrases(), expected);
    }
}

type Accident = fn(&mut Server);

/// What happened to the server, the row that tells, and the services that the plan then touches.
const ACCIDENTS: &[(&str, Accident, &[&str])] = &[
    ("~ web", |server| drop(server.observed.app_containers.remove("shop-web")), &["web"]),
    (
        "+ web",
        |server| {
            server.apply(&Action::AppDestroy { app: "shop-web".into() });
            server.apply(&Action::HooksRemove { app: "shop-web".into() });
        },
        &["web"],
    ),
    ("+ db", |server| drop(server.observed.containers.remove("shop-db")), &["db"]),
    ("~ db", |server| server.observed.containers.get_mut("shop-db").unwrap().status = "exited".into(), &["db"]),
    ("~ web", |server| server.apply(&Action::Scale { app: "shop-web".into(), quantity: 5, deploy: true }), &["web"]),
    (
        "~ db",
        |server| drop(server.observed.containers.get_mut("shop-db").unwrap().labels.remove("com.dokku-compose.hash")),
        &["db"],
    ),
    ("~ db", |server| server.observed.images.get_mut("postgres:16").unwrap().id = "sha256:newer".into(), &["db"]),
    ("+ volume", |server| drop(server.observed.volumes.remove("demo_data")), &[""]),
    ("+ network", |server| drop(server.observed.networks.remove("shop_default")), &[""]),
    ("= web", |server| server.apply(&Action::AppDestroy { app: "shop".into() }), &[""]),
];

#[test]
fn what_went_missing_is_made_again() {
    for (row, accident, touched) in ACCIDENTS {
        let mut there = Imported::new();
        accident(&mut there.server);
        let plan = there.plan();
        let text = show::plan(&plan);
        assert!(text.lines().any(|line| line.starts_with(&format!("{row} | "))), "{row}:\n{text}");
        let mut services: Vec<&str> = plan.ops.iter().map(|op| &*op.service).collect();
        services.dedup();
        assert_eq!(services, *touched, "{row}:\n{text}");
        undo::leads_back(row, &there.server, &plan);
        there.server.run(&plan);
        assert!(there.plan().is_empty(), "{row}:\n{}", show::plan(&there.plan()));
    }
}
