//! The adapter against a real Dokku, where one is installed; apps are named `adapter-test-*` and
//! destroyed again. `COMPOSE_REQUIRE_DOKKU=1` makes its absence a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod deploy;
#[path = "../standin/mod.rs"]
mod standin;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Once;

use dokku_compose::dokku::options::{Options, Phase};
use dokku_compose::dokku::ports::PortMap;
use dokku_compose::dokku::storage::Mount;
use dokku_compose::dokku::{
    Dokku, DokkuError, FLOOR, apps, checks, config, domains, network, option_words, options, ports, proxy, ps,
    quote_command, quote_option, resource, storage,
};
use dokku_compose::site::Site;

/// The installed Dokku, called with this process's environment.
fn installed() -> Option<Dokku> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let dokku = Dokku::new(Site::from_env(&env), &env);
    // They make apps on whatever server this is, so somebody has to ask for them.
    let asked = ["COMPOSE_REQUIRE_DOKKU", "COMPOSE_ACCEPTANCE"].iter().any(|name| std::env::var_os(name).is_some());
    match dokku.version() {
        Ok(version) if version >= FLOOR && asked => Some(dokku),
        other => {
            assert!(std::env::var_os("COMPOSE_REQUIRE_DOKKU").is_none(), "no usable Dokku: {other:?}");
            static TOLD: Once = Once::new();
            // Not eprintln!, which the test runner keeps to itself.
            TOLD.call_once(|| {
                let _ = writeln!(
                    std::io::stderr(),
                    "no usable Dokku answers: the tests of tests/dokku are not run ({other:?})"
                );
            });
            None
        }
    }
}

/// An app that is destroyed with this value.
struct TestApp<'d> {
    dokku: &'d Dokku,
    name: String,
}

impl<'d> TestApp<'d> {
    fn new(dokku: &'d Dokku, name: &str) -> Self {
        let name = format!("adapter-test-{name}-{}", std::process::id());
        dokku.create_parked(&name).unwrap();
        Self { dokku, name }
    }
}

impl Drop for TestApp<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.dokku.call(apps::destroy(&self.name)) {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }
}

const NASTY: &[&str] = &[
    "",
    "plain",
    "  two  spaces  ",
    "tab\there",
    "it's",
    "\"quoted\"",
    "mid\"dle \\n \\$x",
    "back\\slash\\",
    "$HOME ${X:-y} $(id) `id`",
    "* ?[a-z]{1,2}",
    "#comment a #b",
    "~ !x",
    "a;b|c&d>e<f (g)",
    "ümläut ☃",
    "-dash --quiet",
    "007",
    "C:\\dir\\",
    "a=b=c",
];

#[test]
fn settings_are_read_back_as_they_were_written() {
    let Some(dokku) = installed() else { return };
    let app = TestApp::new(&dokku, "settings");
    let name = app.name.as_str();
    assert!(matches!(dokku.create_parked(name), Err(DokkuError::AppExists { .. })));
    assert!(dokku.app_exists(name).unwrap());
    assert!(!dokku.app_exists("adapter-test-no-such-app").unwrap());
    assert!(dokku.proxy(name).unwrap().is_parked());

    let vars: BTreeMap<String, String> = NASTY
        .iter()
        .filter(|value| config::check("V", value).is_ok())
        .enumerate()
        .map(|(at, value)| (format!("V{at}"), (*value).to_owned()))
        .collect();
    let mut wanted = vars.clone();
    wanted.insert("MULTI".to_owned(), "line one\nline 'two'\n\n".to_owned());
    dokku
        .call(config::import(name, wanted.iter().map(|(key, value)| (key.as_str(), value.as_str()))).unwrap())
        .unwrap();
    assert_eq!(dokku.config(name).unwrap(), wanted);
    dokku.call(config::unset(name, ["V0", "V1", "NOT_SET"]).unwrap()).unwrap();
    let left = dokku.config(name).unwrap();
    assert!(!left.contains_key("V0") && left.len() == wanted.len() - 2);

    dokku.call(network::keep_inside(name)).unwrap();
    dokku.call(network::set(name, "attach-post-deploy", &["one", "two"])).unwrap();
    let networks = dokku.networks(name).unwrap();
    assert_eq!((networks.bind_all_interfaces.as_str(), networks.post_deploy.len()), ("false", 2));
    assert!(!dokku.network_exists("adapter-test-no-such-network").unwrap());

    let maps: Vec<PortMap> = vec!["http:80:8080".parse().unwrap(), "https:443:8080".parse().unwrap()];
    dokku.call(ports::set(name, &maps)).unwrap();
    assert_eq!(dokku.ports(name).unwrap(), maps);
    dokku.call(ports::clear(name)).unwrap();
    assert_eq!(dokku.ports(name).unwrap(), []);

    dokku.call(domains::set(name, &["a.test.example.com", "b.test.example.com"])).unwrap();
    assert_eq!(dokku.domains(name).unwrap().names, ["a.test.example.com", "b.test.example.com"]);
    dokku.global_domains().unwrap();

    dokku.call(checks::disable(name, &[])).unwrap();
    assert_eq!(dokku.checks(name).unwrap().disabled, ["_all_"]);
    dokku.call(checks::enable(name, &[])).unwrap();
    dokku.call(checks::set_wait_to_retire(name, Some(5))).unwrap();
    let seen = dokku.checks(name).unwrap();
    assert_eq!((seen.disabled.len(), seen.wait_to_retire.as_str()), (0, "5"));

    let amounts = BTreeMap::from(
        [("cpu", "0.5"), ("memory", "64m"), ("memory-swap", "-1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    dokku.call(resource::limit(name, &amounts).unwrap()).unwrap();
    assert_eq!(dokku.resources(name).unwrap().limit, amounts);
    dokku.call(resource::clear_limit(name)).unwrap();
    assert_eq!(dokku.resources(name).unwrap(), resource::Resources::default());

    dokku.call(ps::scale(name, [("web", 2), ("worker", 0)])).unwrap();
    assert_eq!(dokku.scale(name).unwrap(), BTreeMap::from([("web".to_owned(), 2), ("worker".to_owned(), 0)]));

    let command = quote_command(&["--flag", "it's", "a\nb", ""]).unwrap();
    dokku.call(ps::set(name, "dockerfile-start-cmd", Some(&command)).unwrap()).unwrap();
    dokku.call(ps::set(name, "dockerfile-start-cmd", None).unwrap()).unwrap();

    dokku.call(proxy::set_disabled(name, true)).unwrap();
    assert!(!dokku.proxy(name).unwrap().enabled);
    dokku.call(proxy::set_disabled(name, false)).unwrap();
    dokku.call(proxy::unpark(name)).unwrap();
    let seen = dokku.proxy(name).unwrap();
    assert!(seen.enabled && !seen.is_parked());
    assert_eq!(dokku.source(name).unwrap().image, "");
}

#[test]
fn options_are_stored_as_they_are_spelled() {
    let Some(dokku) = installed() else { return };
    let app = TestApp::new(&dokku, "options");
    let mut added: Vec<String> = NASTY
        .iter()
        .enumerate()
        .map(|(at, value)| quote_option("--label", &format!("n{at:02}={value}")).unwrap())
        .collect();
    dokku.call(options::add(&app.name, &[Phase::Deploy, Phase::Run], &added)).unwrap();
    let mut stored = dokku.options(&app.name).unwrap();
    added.sort();
    stored.deploy.sort();
    assert_eq!(stored.deploy, added);
    let words: Vec<_> = stored.deploy.iter().map(|line| option_words(line).unwrap()).collect();
    for (at, value) in NASTY.iter().enumerate() {
        assert!(words.contains(&vec![format!("--label=n{at:02}={value}")]), "{value:?} in {words:?}");
    }
    dokku.call(options::remove(&app.name, &[Phase::Deploy], &added[1..])).unwrap();
    let left = dokku.options(&app.name).unwrap();
    assert_eq!((left.deploy, left.run.len(), left.build.len()), (vec![added[0].clone()], NASTY.len(), 0));
    dokku.call(options::clear(&app.name, &[Phase::Deploy, Phase::Run])).unwrap();
    assert_eq!(dokku.options(&app.name).unwrap(), Options::default());
}

#[test]
fn storage_in_both_forms() {
    let Some(dokku) = installed() else { return };
    let app = TestApp::new(&dokku, "storage");
    let entry = format!("adapter-test-{}", std::process::id());
    dokku.call(storage::create_entry(&entry, Some("adapter-test-volume"), None).unwrap()).unwrap();
    let data = Mount {
        container_path: "/data".to_owned(),
        phases: vec![Phase::Deploy],
        read_only: true,
        options: vec!["nocopy".to_owned()],
    };
    dokku.call(storage::mount_entry(&app.name, &entry, &data).unwrap()).unwrap();
    let file = Mount { container_path: "/etc/x".to_owned(), read_only: true, ..Mount::default() };
    dokku.call(storage::mount_path(&app.name, "/etc/hostname", &file).unwrap()).unwrap();
    let mounts = dokku.mounts(&app.name).unwrap();
    let seen: Vec<_> = mounts
        .iter()
        .map(|mount| (mount.host_path.as_str(), mount.container_path.as_str(), mount.phases.len(), mount.read_only))
        .collect();
    assert_eq!(seen, [("adapter-test-volume", "/data", 1, true), ("/etc/hostname", "/etc/x", 2, true)]);
    assert_eq!(
        (mounts[0].entry.as_str(), mounts[0].options.as_slice()),
        (entry.as_str(), ["nocopy".to_owned()].as_slice())
    );
    assert!(dokku.storage_entries().unwrap().iter().any(|found| found.name == entry));
    dokku.call(storage::unmount_entry(&app.name, &entry, "/data")).unwrap();
    dokku.call(storage::unmount_path(&app.name, "/etc/hostname", &file).unwrap()).unwrap();
    assert_eq!(dokku.mounts(&app.name).unwrap(), []);
    dokku.call(storage::destroy_entry(&entry)).unwrap();
}

#[test]
fn reports_of_all_apps_are_given_to_the_right_ones() {
    let Some(dokku) = installed() else { return };
    let (one, two) = (TestApp::new(&dokku, "report-a"), TestApp::new(&dokku, "report-b"));
    dokku.call(network::set_initial(&one.name, "net-of-a")).unwrap();
    dokku.call(network::set_initial(&two.name, "net-of-b")).unwrap();
    let plugins = ["apps", "network", "docker-options", "storage", "resource", "checks", "proxy", "builder", "git"];
    let (names, reports) = dokku.all_reports(&plugins, 2).unwrap();
    assert!(names.contains(&one.name) && names.contains(&two.name));
    assert_eq!(reports["network"][&one.name].text("initial-network"), "net-of-a");
    assert_eq!(reports["network"][&two.name].text("initial-network"), "net-of-b");
    for name in [&one.name, &two.name] {
        assert!(reports["apps"][name].text("dir").ends_with(name.as_str()));
    }
}

#[test]
fn an_unknown_app_is_told_apart_everywhere() {
    let Some(dokku) = installed() else { return };
    let app = "adapter-test-no-such-app";
    let calls = [
        config::import(app, [("A", "1")]).unwrap(),
        config::unset(app, ["A"]).unwrap(),
        network::keep_inside(app),
        options::add(app, &[Phase::Deploy], &["--init".to_owned()]),
        ports::clear(app),
        domains::clear(app),
        proxy::park(app),
        checks::disable(app, &[]),
        ps::scale(app, [("web", 1)]),
        ps::restart(app),
        resource::clear_limit(app),
        apps::destroy(app),
        storage::unmount_entry(app, "x", "/x"),
    ];
    for call in calls {
        let line = call.to_string();
        assert!(matches!(dokku.call(call), Err(DokkuError::UnknownApp { app: named, .. }) if named == app), "{line}");
    }
}
