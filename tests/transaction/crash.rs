//! The process dies for real: a child of this test program aborts at every journal record and half way
//! through every action, forward and in the undo.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dokku_compose::apply::journal::Journal;
use dokku_compose::apply::{Faults, Limits, Outcome, RUN_VARIABLE, Signals, before, unfinished};
use rustix::process::{Pid, Signal, kill_process};

use crate::toy::{Server, Setup, Toy, Wishes, plan, snapshot};

/// What a child is to do.
#[derive(Clone, Copy, Default)]
struct Orders {
    recover: bool,
    fail: Option<usize>,
    parallel: usize,
    /// After this record.
    abort: Option<u64>,
    /// In this operation (`None`: in the cleanup); in its undo; half way.
    die: Option<(Option<usize>, bool, bool)>,
    /// Around the saving of state: before or after.
    die_at_commit: Option<bool>,
    /// Every action takes so many milliseconds, and signals are listened to.
    slow: u64,
    /// In the first operation a process is started that changes the world after so many milliseconds.
    straggler: u64,
}

fn text<T: std::fmt::Debug>(value: T) -> String {
    format!("{value:?}")
}

/// Runs a child; whether it died as ordered. A child that ends otherwise ends well.
fn dies(server: &Server, orders: Orders) -> bool {
    let output = start(server, orders).wait_with_output().unwrap();
    let died = output.status.signal() == Some(6);
    assert!(died || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    died
}

fn start(server: &Server, orders: Orders) -> Child {
    let fault = orders.abort.map(|record| format!("journal-abort:{record}")).unwrap_or_default();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("TOY_ROOT", &server.root)
        .env("TOY_RECOVER", text(orders.recover))
        .env("TOY_FAIL", text(orders.fail))
        .env("TOY_PARALLEL", orders.parallel.max(1).to_string())
        .env("TOY_DIE", text(orders.die))
        .env("TOY_COMMIT", text(orders.die_at_commit))
        .env("DOKKU_COMPOSE_FAULT", fault)
        .env("TOY_SLOW", orders.slow.to_string())
        .env("TOY_STRAGGLER", orders.straggler.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The child; does nothing where no parent gave it orders. What it starts it does not wait for: that is the point.
#[allow(clippy::zombie_processes)]
#[test]
#[ignore = "started by the other tests"]
fn child() {
    let Some(root) = std::env::var_os("TOY_ROOT") else {
        return;
    };
    let server = Server::at(PathBuf::from(root));
    let given = |name: &str| std::env::var(name).unwrap_or_default();
    let places = [None].into_iter().chain((0..plan().ops.len()).map(Some));
    let all =
        places.flat_map(|op| [(false, false), (false, true), (true, false), (true, true)].map(|(u, h)| (op, u, h)));
    let die = all.map(Some).find(|place| text(place) == given("TOY_DIE")).flatten();
    let fail = (0..plan().ops.len()).filter(|op| text(Some(op)) == given("TOY_FAIL")).collect();
    let parallel = given("TOY_PARALLEL").parse().unwrap();
    let slow: u64 = given("TOY_SLOW").parse().unwrap();
    let setup = Setup {
        wishes: Wishes { fail, die, slow: Duration::from_millis(slow), ..Wishes::default() },
        limits: Limits { parallel, ..Limits::default() },
        faults: Faults::from_env(),
        ..Setup::default()
    };
    let _signals = (slow > 0).then(|| Signals::listen(setup.cancel.clone(), |_| {}).unwrap());
    let straggler: u64 = given("TOY_STRAGGLER").parse().unwrap();
    if straggler > 0 {
        let late = format!("sleep {}; echo late > old/PASSWORD; echo late > old/p.k", straggler as f64 / 1000.0);
        let mut command = Command::new("sh");
        command.args(["-c", &late]).current_dir(server.world()).env(RUN_VARIABLE, &server.run);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    }
    if given("TOY_RECOVER") == "true" {
        server.recover(setup).unwrap();
        return;
    }
    let toy = Toy::new(&server.world(), setup.wishes.clone());
    let commit = given("TOY_COMMIT");
    let outcome = server.run_with(&toy, &setup, |_| {
        if commit == text(Some(false)) {
            std::process::abort();
        }
        server.save().unwrap();
        if commit == text(Some(true)) {
            std::process::abort();
        }
        Ok(())
    });
    assert!(!matches!(outcome.unwrap(), Outcome::Stuck { .. }));
}

fn recovered(server: &Server, what: &str) {
    let found = unfinished(&server.dir()).unwrap().unwrap_or_else(|| panic!("{what}: nothing unfinished"));
    assert!((found.run.as_str(), found.at_work) == (server.run.as_str(), false), "{what}");
    let ended = server.recover(Setup::default()).unwrap();
    assert!(ended.iter().all(|run| !matches!(run.outcome, Outcome::Stuck { .. })), "{what}: {ended:?}");
    server.assert_whole(what);
    assert_eq!(server.recover(Setup::default()).unwrap(), [], "{what}");
    server.assert_whole(what);
}

/// Dies at each record until the run ends before that record; how many there were.
fn at_every_record(orders: Orders) -> u64 {
    for record in 1.. {
        let server = Server::new();
        if !dies(&server, Orders { abort: Some(record), ..orders }) {
            server.assert_whole("not killed");
            return record - 1;
        }
        recovered(&server, &format!("killed after record {record}"));
    }
    0
}

#[test]
fn killed_at_every_record_of_a_run_that_succeeds() {
    // begin, started and done of seven operations, commit.
    assert_eq!(at_every_record(Orders::default()), 16);
    assert_eq!(at_every_record(Orders { parallel: 3, ..Orders::default() }), 16);
}

#[test]
fn killed_at_every_record_of_a_run_that_is_undone() {
    // begin, five done and one failed operation, the undo of six, rolled-back.
    assert_eq!(at_every_record(Orders { fail: Some(5), ..Orders::default() }), 1 + 12 + 12 + 1);
    assert_eq!(at_every_record(Orders { fail: Some(6), parallel: 3, ..Orders::default() }), 1 + 14 + 14 + 1);
}

#[test]
fn killed_half_way_and_at_the_end_of_every_action() {
    for half in [true, false] {
        for op in 0..plan().ops.len() {
            let server = Server::new();
            assert!(dies(&server, Orders { die: Some((Some(op), false, half)), parallel: 2, ..Orders::default() }));
            recovered(&server, &format!("killed in operation {op}, half way: {half}"));
        }
        for op in 0..6 {
            let server = Server::new();
            let orders = Orders { die: Some((Some(op), true, half)), fail: Some(5), ..Orders::default() };
            assert!(dies(&server, orders));
            recovered(&server, &format!("killed in the undo of {op}, half way: {half}"));
        }
        let server = Server::new();
        assert!(dies(&server, Orders { die: Some((None, false, half)), ..Orders::default() }));
        recovered(&server, "killed in the cleanup");
        assert_eq!(snapshot(&server.world()), crate::toy::after());
    }
}

#[test]
fn killed_around_the_commit_point() {
    for (late, expected) in [(false, crate::toy::before()), (true, crate::toy::after())] {
        let server = Server::new();
        assert!(dies(&server, Orders { die_at_commit: Some(late), ..Orders::default() }));
        recovered(&server, "killed at the commit");
        assert_eq!(snapshot(&server.world()), expected);
    }
}

#[test]
fn recovery_killed_at_every_record_and_again() {
    for first in [15, 10] {
        for record in first + 1.. {
            let server = Server::new();
            assert!(dies(&server, Orders { abort: Some(first), ..Orders::default() }));
            let orders = Orders { recover: true, abort: Some(record), ..Orders::default() };
            if !dies(&server, orders) {
                server.assert_whole("recovery not killed");
                assert!(record > first + 8, "recovery wrote only {} records", record - first - 1);
                break;
            }
            // And once more, in the middle of an undo this time.
            let dead = dies(&server, Orders { die: Some((Some(2), true, true)), ..orders });
            let ended = unfinished(&server.dir()).unwrap().is_none();
            assert!(dead || ended, "the third process did not run");
            if !ended {
                recovered(&server, &format!("recovery killed after record {record}"));
            }
            server.assert_whole("after all");
        }
    }
}

#[test]
fn a_journal_torn_at_any_byte_of_its_last_record() {
    for fail in [None, Some(5)] {
        for record in 1..=26 {
            let crashed = Server::new();
            if !dies(&crashed, Orders { abort: Some(record), fail, ..Orders::default() }) {
                break;
            }
            let path = crashed.dir().journal(&crashed.run);
            let bytes = fs::read(&path).unwrap();
            let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            // Every byte at the seams and every seventh between.
            let cuts = (last..bytes.len()).filter(|cut| {
                let (from, to) = (cut - last, bytes.len() - cut);
                from < 3 || to < 4 || cut % 7 == 0
            });
            for cut in cuts {
                let server = crashed.copy();
                fs::write(server.dir().journal(&server.run), &bytes[..cut]).unwrap();
                recovered(&server, &format!("record {record} cut at {cut}"));
            }
        }
    }
}

#[test]
fn killed_before_the_first_record() {
    let server = Server::new();
    let lock = server.lock();
    drop(Journal::create(lock.dir(), &server.run, Faults::default()).unwrap());
    before::write(lock.dir(), &server.run, &plan()).unwrap();
    drop(lock);
    assert!(fs::read_dir(server.dir().before(&server.run)).unwrap().count() > 0);
    recovered(&server, "killed before the first record");
    assert!(!server.dir().before(&server.run).exists());
}

#[test]
fn signals_undo_the_run_and_further_ones_do_not_stop_the_undo() {
    let server = Server::new();
    let child = start(&server, Orders { slow: 120, ..Orders::default() });
    let pid = Pid::from_child(&child);
    let wait_for = |word: &str| {
        let until = Instant::now() + Duration::from_secs(30);
        let said = || fs::read_to_string(server.dir().journal(&server.run)).unwrap_or_default().contains(word);
        while !said() {
            assert!(Instant::now() < until, "no {word}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(r#""ev":"started","op":2"#);
    kill_process(pid, Signal::TERM).unwrap();
    wait_for(r#""ev":"undo-started""#);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(pid, signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(snapshot(&server.world()), crate::toy::before());
    server.assert_whole("signals");
}

#[test]
fn what_a_killed_run_had_started_ends_before_the_undo() {
    for straggler in [500, 60_000] {
        let server = Server::new();
        let orders = Orders { die: Some((Some(3), false, false)), straggler, ..Orders::default() };
        assert!(dies(&server, orders));
        let limits = Limits { orphans: Duration::from_secs(2), ..Setup::default().limits };
        server.recover(Setup { limits, ..Setup::default() }).unwrap();
        server.assert_whole("straggler");
        std::thread::sleep(Duration::from_millis(straggler.min(700)));
        server.assert_whole("straggler, later");
    }
}
