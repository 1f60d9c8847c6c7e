//! Networks, volumes, raw containers and their replacement.

use super::*;
use dokku_compose::docker::{ContainerMount, NetworkSpec, VolumeSpec};
use dokku_compose::plan::raw::stash_name;

fn network(server: &Server, what: &str) -> NetworkSpec {
    NetworkSpec {
        name: server.network(what),
        attachable: true,
        labels: labels(&[(PROJECT_LABEL, "runner-test")]),
        ..NetworkSpec::default()
    }
}

fn endpoint(aliases: &[&str]) -> EndpointSpec {
    EndpointSpec { aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(), ..EndpointSpec::default() }
}

#[test]
fn networks_come_and_go() {
    let Some(server) = Server::with_engine() else { return };
    let spec = network(&server, "net");
    let before = server.engine_state();
    let create = Action::NetworkCreate { spec: Box::new(spec.clone()) };
    server.ensure(&create);
    let facts = server.engine.network(&spec.name).unwrap().unwrap();
    assert_eq!((facts.driver.as_str(), &facts.labels), ("bridge", &spec.labels));
    server.undo(&[Action::NetworkRemove { name: spec.name.clone() }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_network_of_somebody_else_is_refused_and_stays() {
    let Some(server) = Server::with_engine() else { return };
    let spec = network(&server, "net-taken");
    let other = NetworkSpec { labels: labels(&[(PROJECT_LABEL, "another")]), ..spec.clone() };
    server.engine.network_create(&other).unwrap();
    let before = server.engine_state();
    let error = server.run(&Action::NetworkCreate { spec: Box::new(spec) }).unwrap_err();
    assert!(error.message.contains("already exists"), "{error}");
    assert_eq!(server.engine_state(), before);
}

#[test]
fn volumes_come_and_go() {
    let Some(server) = Server::with_engine() else { return };
    let spec = VolumeSpec { name: server.volume("vol"), ..VolumeSpec::default() };
    let before = server.engine_state();
    server.ensure(&Action::VolumeCreate { spec: spec.clone() });
    assert_ne!(server.engine_state(), before);
    server.undo(&[Action::VolumeRemove { name: spec.name }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_container_is_found_by_its_aliases() {
    let Some(server) = Server::with_engine() else { return };
    let net = network(&server, "net-alias");
    server.run(&Action::NetworkCreate { spec: Box::new(net.clone()) }).unwrap();
    let before = server.engine_state();
    let mut spec = server.spec("alias", "1", &[]);
    spec.hostname = "the-database".to_owned();
    spec.networks = vec![(net.name.clone(), endpoint(&["db", "database"]))];
    server.ensure(&Action::ContainerRun { spec: spec.clone().into() });
    for alias in ["db", "database"] {
        let script = format!("until wget -qO- http://{alias}:8080/hostname; do sleep 0.1; done");
        let answer = server.shell(&net.name, "alias-client", &script).join("\n");
        assert!(answer.contains("the-database"), "{alias}: {answer}");
    }
    server.undo(&[Action::ContainerRemove { name: spec.name }]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_container_of_that_name_made_from_something_else_is_refused_and_stays() {
    let Some(server) = Server::with_engine() else { return };
    let one = server.spec("taken", "1", &[]);
    server.run(&Action::ContainerRun { spec: one.clone().into() }).unwrap();
    let before = server.engine_state();
    let mut two = one;
    two.labels.insert(HASH_LABEL.to_owned(), "2".to_owned());
    let error = server.run(&Action::ContainerRun { spec: two.into() }).unwrap_err();
    assert_eq!(error.message, format!("another container is named {}", server.made.lock().unwrap()[0][0]));
    assert_eq!(server.engine_state(), before);
}

#[test]
fn a_container_that_was_stopped_is_started_again() {
    let Some(server) = Server::with_engine() else { return };
    let spec = server.spec("stopped", "1", &[]);
    let run = Action::ContainerRun { spec: spec.clone().into() };
    server.run(&run).unwrap();
    let before = server.engine_state();
    server.engine.container_stop(&spec.name, Duration::from_secs(10)).unwrap();
    assert_ne!(server.engine_state(), before);
    server.run(&run).unwrap();
    assert_eq!(server.engine_state(), before);
}

/// A service on a volume, and its successor: each start adds a line to a file of the volume.
struct Pair {
    server: Server,
    net: String,
    old: ContainerSpec,
    new: ContainerSpec,
    stash: String,
}

impl Pair {
    fn new(what: &str) -> Option<Self> {
        let server = Server::with_engine()?;
        let net = network(&server, &format!("{what}-net"));
        let volume = VolumeSpec { name: server.volume(&format!("{what}-data")), ..VolumeSpec::default() };
        server.run(&Action::NetworkCreate { spec: Box::new(net.clone()) }).unwrap();
        server.run(&Action::VolumeCreate { spec: volume.clone() }).unwrap();
        let started = |name: &str| format!("echo {name} >>/data/starts; exec /standin serve");
        let mut old = server.spec(what, "old", &["sh", "-c", &started("old")]);
        old.mounts = vec![ContainerMount {
            kind: "volume".to_owned(),
            source: volume.name,
            target: "/data".to_owned(),
            ..ContainerMount::default()
        }];
        old.networks = vec![(net.name.clone(), endpoint(&["service"]))];
        let mut new = old.clone();
        new.command = Some(["sh", "-c", &started("new")].map(str::to_owned).to_vec());
        new.labels.insert(HASH_LABEL.to_owned(), "new".to_owned());
        let stash = stash_name(&old.name);
        server.made.lock().unwrap()[0].push(stash.clone());
        server.run(&Action::ContainerRun { spec: old.clone().into() }).unwrap();
        Some(Self { server, net: net.name, old, new, stash })
    }

    fn stash(&self) -> Action {
        Action::ContainerStash { name: self.old.name.clone(), stash: self.stash.clone() }
    }

    fn unstash(&self, running: bool) -> Action {
        Action::ContainerUnstash { name: self.old.name.clone(), stash: self.stash.clone(), running }
    }

    fn remove(&self, name: &str) -> Action {
        Action::ContainerRemove { name: name.to_owned() }
    }

    /// The lines of the volume's file, asked of whoever answers as `service`.
    fn starts(&self, what: &str) -> String {
        let script = "until wget -qO- 'http://service:8080/files?path=/data/starts'; do sleep 0.1; done";
        self.server.shell(&self.net, what, script).join("\n")
    }
}

#[test]
fn a_replaced_container_leaves_its_data_to_the_new_one() {
    let Some(pair) = Pair::new("replace") else { return };
    let server = &pair.server;
    assert!(!pair.starts("replace-look-1").contains("new"));
    server.ensure(&pair.stash());
    assert_eq!(server.engine.container(&pair.stash).unwrap().unwrap().status, "exited");
    server.ensure(&Action::ContainerRun { spec: pair.new.clone().into() });
    let starts = pair.starts("replace-look-2");
    assert!(starts.contains("old") && starts.contains("new"), "{starts}");
    // The cleanup after the commit.
    server.ensure(&pair.remove(&pair.stash));
    let there = server.engine.container(&pair.old.name).unwrap().unwrap();
    assert_eq!((there.status.as_str(), there.labels[HASH_LABEL].as_str()), ("running", "new"));
    assert_eq!(server.engine.container(&pair.stash).unwrap(), None);
}

#[test]
fn an_undone_replacement_brings_the_same_container_back() {
    let Some(pair) = Pair::new("back") else { return };
    let server = &pair.server;
    let before = server.engine_state();
    // Undone at every point where the run may have stopped.
    for done in 0..=2 {
        let steps = [pair.stash(), Action::ContainerRun { spec: pair.new.clone().into() }];
        for step in &steps[..done] {
            server.run(step).unwrap();
        }
        // The later operation first, as the executor does.
        if done == 2 {
            server.undo(&[pair.remove(&pair.new.name)]);
        }
        server.undo(&[pair.unstash(true)]);
        assert_eq!(server.engine_state(), before, "after {done} of 2");
    }
    let starts = pair.starts("back-look");
    assert!(starts.contains("new"), "the new one ran and its data is kept: {starts}");
}

#[test]
fn a_container_that_did_not_run_is_brought_back_as_it_was() {
    let Some(pair) = Pair::new("asleep") else { return };
    let server = &pair.server;
    server.engine.container_stop(&pair.old.name, Duration::from_secs(10)).unwrap();
    let before = server.engine_state();
    server.run(&pair.stash()).unwrap();
    server.run(&Action::ContainerRun { spec: pair.new.clone().into() }).unwrap();
    server.undo(&[pair.remove(&pair.new.name)]);
    server.undo(&[pair.unstash(false)]);
    assert_eq!(server.engine_state(), before);
}

#[test]
fn what_an_earlier_cleanup_left_does_not_come_back() {
    let Some(pair) = Pair::new("stale") else { return };
    let server = &pair.server;
    // A container of two imports ago that the cleanup could not remove.
    let mut stale = pair.old.clone();
    stale.name.clone_from(&pair.stash);
    server.run(&Action::ContainerRun { spec: stale.into() }).unwrap();
    server.engine.container_stop(&pair.stash, Duration::from_secs(10)).unwrap();
    let current = server.engine.container(&pair.old.name).unwrap().unwrap().id;
    server.run(&pair.stash()).unwrap();
    assert_eq!(server.engine.container(&pair.stash).unwrap().unwrap().id, current);
    server.undo(&[pair.unstash(true)]);
    let back = server.engine.container(&pair.old.name).unwrap().unwrap();
    assert_eq!((back.id, back.status), (current, "running".to_owned()));
}
