//! Errors of actions, undos, the journal and the commit.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use dokku_compose::apply::{ApplyError, Cause, Event, Faults, Limits, Outcome, RunLog, log, unfinished};
use dokku_compose::state::State;

use crate::toy::{NEW, OLD, Server, Setup, Toy, When, Wishes, after, applier, before, plan, snapshot};

fn set(op: usize) -> BTreeSet<usize> {
    BTreeSet::from([op])
}

fn parallel(parallel: usize) -> Limits {
    Limits { parallel, ..Setup::default().limits }
}

#[test]
fn success_leaves_the_wanted_world_and_a_closed_journal() {
    for at_once in [1, 4] {
        let server = Server::new();
        let outcome = server.run(Setup { limits: parallel(at_once), ..Setup::default() }).unwrap();
        let Outcome::Done { results, warnings } = outcome else { panic!("{outcome:?}") };
        assert_eq!((results.len(), warnings), (7, Vec::<String>::new()));
        assert_eq!(snapshot(&server.world()), after());
        server.assert_whole("success");
        assert!(server.dir().run(&server.run).join("journal.jsonl").exists());
    }
}

#[test]
fn a_failure_of_any_operation_leaves_the_world_as_before() {
    for at_once in [1, 4] {
        for op in 0..plan().ops.len() {
            for panics in [false, true] {
                let server = Server::new();
                let mut wishes = Wishes::default();
                if panics { &mut wishes.panic } else { &mut wishes.fail }.insert(op);
                let outcome = server.run(Setup { wishes, limits: parallel(at_once), ..Setup::default() }).unwrap();
                let Outcome::RolledBack { failure, warnings } = outcome else { panic!("{outcome:?}") };
                assert_eq!((failure.op, warnings.len()), (Some(op), 0));
                assert_eq!(failure.cause, if panics { Cause::Panic } else { Cause::Action });
                assert_eq!(failure.service, format!("service{op}"));
                if !panics {
                    assert_eq!(failure.message, format!("operation {op} refused ***"));
                    assert_eq!(failure.lines, ["password *** is wrong"]);
                }
                assert_eq!(snapshot(&server.world()), before());
                server.assert_whole("failure");
            }
        }
    }
}

#[test]
fn a_failed_undo_is_stuck_with_its_commands_until_recovery_succeeds() {
    for op in 0..7 {
        let server = Server::new();
        let wishes = Wishes { fail: set(6), fail_undo: set(op), ..Wishes::default() };
        let outcome = server.run(Setup { wishes: wishes.clone(), ..Setup::default() }).unwrap();
        let Outcome::Stuck { failure, stuck, .. } = outcome else { panic!("{op}: {outcome:?}") };
        assert_eq!((failure.op, stuck.len(), stuck[0].op), (Some(6), 1, op));
        if op == 3 {
            assert_eq!(stuck[0].by_hand, ["dokku p:set old k v1", "dokku p:set old extra "]);
        }
        assert!(!stuck[0].by_hand.is_empty() && stuck[0].message.contains("refused ***"));
        // The others are undone, and what the rest of the undo needs is kept.
        assert_ne!(snapshot(&server.world()), after());
        assert!(server.dir().before(&server.run).exists());
        // Nothing else begins meanwhile.
        let next = server.run(Setup::default());
        assert!(matches!(next, Err(ApplyError::Unfinished(run)) if run == server.run));
        // Recovery that fails again stays stuck; the next one ends it.
        let again = server.recover(Setup { wishes, ..Setup::default() }).unwrap();
        assert!(matches!(&again[0].outcome, Outcome::Stuck { stuck, .. } if stuck.len() == 1), "{again:?}");
        let ended = server.recover(Setup::default()).unwrap();
        let Outcome::RolledBack { failure, .. } = &ended[0].outcome else { panic!("{ended:?}") };
        assert_eq!((failure.cause, failure.op), (Cause::Interrupted, Some(6)));
        assert_eq!(snapshot(&server.world()), before());
        server.assert_whole("recovered");
    }
}

#[test]
fn a_disk_that_fills_up_at_any_write_of_the_journal_and_stays_full() {
    full_disk(u64::MAX, None);
    full_disk(u64::MAX, Some(5));
}

#[test]
fn a_disk_that_is_full_for_one_or_three_writes() {
    for more in [0, 2] {
        full_disk(more, None);
        full_disk(more, Some(5));
    }
}

fn full_disk(more: u64, fail: Option<usize>) {
    for write in 1.. {
        let what = format!("write {write} and {more} more, operation {fail:?} fails");
        let server = Server::new();
        let faults = Faults { fail_write_at: Some(write), fail_writes_more: more, ..Faults::default() };
        let wishes = Wishes { fail: fail.into_iter().collect(), ..Wishes::default() };
        match server.run(Setup { faults, wishes, ..Setup::default() }) {
            Err(error) => {
                assert_eq!(write, 1, "{what}");
                assert!(error.to_string().contains("free some space"), "{error}");
                assert_eq!(snapshot(&server.world()), before());
            }
            Ok(Outcome::RolledBack { failure, .. }) => {
                let full = failure.cause == Cause::Journal && failure.message.contains("free some space");
                assert!(full || fail == failure.op, "{what}: {failure:?}");
                assert_eq!(snapshot(&server.world()), before(), "{what}");
            }
            Ok(Outcome::Done { warnings, .. }) => {
                assert!(fail.is_none() && write >= 16, "{what}");
                assert_eq!(warnings.len(), usize::from(write == 16), "{what}: {warnings:?}");
            }
            Ok(other) => panic!("{what}: {other:?}"),
        }
        server.assert_whole(&what);
        if write > 30 {
            break;
        }
    }
}

#[test]
fn a_commit_that_fails_is_undone_and_one_that_is_on_disk_counts() {
    let server = Server::new();
    let toy = Toy::new(&server.world(), Wishes::default());
    let outcome = server.run_with(&toy, &Setup::default(), |_| Err(format!("no space for {NEW}"))).unwrap();
    let Outcome::RolledBack { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Commit, "no space for ***"));
    assert_eq!(snapshot(&server.world()), before());
    server.assert_whole("failed commit");

    let server = Server::new();
    let toy = Toy::new(&server.world(), Wishes::default());
    let outcome = server.run_with(&toy, &Setup::default(), |_| panic!("wished panic")).unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }));
    server.assert_whole("panic in the commit");

    let server = Server::new();
    let toy = Toy::new(&server.world(), Wishes::default());
    let outcome = server.run_with(&toy, &Setup::default(), |_| {
        server.save().unwrap();
        Err("the folder could not be synced".into())
    });
    let Outcome::Done { warnings, .. } = outcome.unwrap() else { panic!("not done") };
    assert_eq!(warnings, ["the folder could not be synced"]);
    assert_eq!(snapshot(&server.world()), after());
    server.assert_whole("commit on disk");
}

#[test]
fn a_failed_cleanup_is_a_warning() {
    let server = Server::new();
    let wishes = Wishes { fail_cleanup: true, ..Wishes::default() };
    let outcome = server.run(Setup { wishes, ..Setup::default() }).unwrap();
    let Outcome::Done { warnings, .. } = outcome else { panic!("{outcome:?}") };
    assert!(warnings.len() == 1 && warnings[0].starts_with("cleanup: cleanup refused; by hand: "), "{warnings:?}");
    assert_eq!(State::committed_run(&server.dir()).unwrap().as_deref(), Some(server.run.as_str()));
    assert_eq!(unfinished(&server.dir()).unwrap(), None);
}

#[test]
fn cancelled_at_any_operation_it_is_undone_although_the_token_stays_set() {
    for op in 0..plan().ops.len() {
        let server = Server::new();
        let setup = Setup::default();
        let cancel = setup.cancel.clone();
        let observer = When(|event: &Event<'_>| match event {
            Event::Started { op: started } if started.id == op => cancel.cancel("stopped by SIGINT"),
            Event::UndoStarted { .. } => assert!(cancel.is_undoing()),
            _ => {}
        });
        let outcome = server.run(Setup { observer: &observer, limits: parallel(2), ..setup }).unwrap();
        let Outcome::RolledBack { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((failure.cause, failure.op), (Cause::Cancelled, None));
        assert_eq!(failure.message, "stopped by SIGINT");
        assert!(!cancel.is_undoing());
        server.assert_whole("cancelled");
    }
}

#[test]
fn an_action_that_may_help_itself_is_tried_again_and_others_are_not() {
    let server = Server::new();
    let wishes = Wishes { flaky: BTreeSet::from([2, 6]), ..Wishes::default() };
    let toy = Toy::new(&server.world(), wishes);
    let outcome = server.run_with(&toy, &Setup::default(), |_| server.save().map_err(|e| e.to_string())).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }));
    let tries = |op| toy.calls.lock().unwrap().iter().filter(|call| **call == (Some(op), false)).count();
    assert_eq!((tries(2), tries(6), tries(0)), (2, 2, 1));

    let server = Server::new();
    let toy = Toy::new(&server.world(), Wishes { fail: set(0), ..Wishes::default() });
    server.run_with(&toy, &Setup::default(), |_| Ok(())).unwrap();
    let forward = toy.calls.lock().unwrap().iter().filter(|call| !call.1).count();
    assert_eq!(forward, 1);
}

#[test]
fn time_limits_end_an_operation_and_the_run() {
    let waits = |breakable| Wishes { wait: [(4, breakable)].into(), ..Wishes::default() };
    let limits = Limits { op: Duration::from_millis(80), ..parallel(2) };
    let server = Server::new();
    let outcome = server.run(Setup { wishes: waits(false), limits, ..Setup::default() }).unwrap();
    let Outcome::RolledBack { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.op, failure.message.as_str()), (Some(4), "took too long"));
    server.assert_whole("operation's limit");

    let limits = Limits { run: Some(Duration::from_millis(150)), ..parallel(1) };
    let server = Server::new();
    let wishes = Wishes { slow: Duration::from_millis(60), ..Wishes::default() };
    let outcome = server.run(Setup { wishes, limits, ..Setup::default() }).unwrap();
    let Outcome::RolledBack { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.cause, Cause::TimeLimit);
    server.assert_whole("run's limit");
}

#[test]
fn a_breakable_wait_ends_when_another_operation_fails() {
    let server = Server::new();
    let wishes = Wishes { fail: set(2), wait: [(0, true)].into(), ..Wishes::default() };
    let began = std::time::Instant::now();
    let outcome = server.run(Setup { wishes, limits: parallel(2), ..Setup::default() }).unwrap();
    let Outcome::RolledBack { failure, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.op, Some(2), "the first failure is the reason");
    assert!(began.elapsed() < Duration::from_secs(30));
    server.assert_whole("wound down");
}

#[test]
fn plans_that_are_none_change_nothing() {
    let mut wrong_number = plan();
    wrong_number.ops[3].id = 9;
    let mut cycle = plan();
    cycle.ops[3].needs = vec![3];
    for plan in [wrong_number, cycle] {
        let server = Server::new();
        assert!(matches!(server.run(Setup { plan, ..Setup::default() }), Err(ApplyError::Plan(_))));
        server.assert_whole("no plan");
    }
}

#[test]
fn an_empty_plan_commits() {
    let server = Server::new();
    let mut empty = plan();
    empty.ops.clear();
    empty.cleanup.clear();
    let outcome = server.run(Setup { plan: empty, ..Setup::default() }).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }));
    assert_eq!(snapshot(&server.world()), before());
}

#[test]
fn a_damaged_journal_or_plan_is_an_error_that_can_be_given_up() {
    for damage_plan in [true, false] {
        let server = Server::new();
        let wishes = Wishes { fail: set(5), fail_undo: set(0), ..Wishes::default() };
        server.run(Setup { wishes, ..Setup::default() }).unwrap();
        let path = if damage_plan { server.dir().plan_file(&server.run) } else { server.dir().journal(&server.run) };
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("shop", "sho{", 1).replacen("\"v\":1", "\"v:1", 1)).unwrap();
        let world = snapshot(&server.world());
        let error = server.recover(Setup::default()).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(snapshot(&server.world()), world);
        let found = unfinished(&server.dir()).unwrap().unwrap();
        assert_eq!(found.ledger.is_err(), !damage_plan);
        let toy = Toy::new(&server.world(), Wishes::default());
        applier(&server.lock(), &toy, &Setup::default()).abandon(&server.run).unwrap();
        assert_eq!(unfinished(&server.dir()).unwrap(), None);
        assert!(!server.dir().before(&server.run).exists());
    }
}

#[test]
fn the_log_tells_the_run_with_context_and_without_secrets() {
    let server = Server::new();
    let run_log = RunLog::open(&server.dir(), &server.run).unwrap();
    let wishes = Wishes { fail: set(3), fail_undo: set(2), ..Wishes::default() };
    server.run(Setup { wishes, observer: &run_log, ..Setup::default() }).unwrap();
    let lines = log::read(&server.dir(), &server.run).unwrap();
    let failed = lines.iter().find(|line| line.ev == "failed").unwrap();
    assert_eq!((failed.level, failed.op, failed.action.as_str()), (log::Level::Error, Some(3), "property_set"));
    assert_eq!(
        (failed.service.as_str(), failed.run.as_str(), failed.project.as_str()),
        ("service3", server.run.as_str(), "shop")
    );
    assert!(failed.duration_ms.is_some() && failed.message.contains("refused ***"));
    let human = failed.to_string();
    assert!(human.contains("error #3 service3 property_set failed: operation 3 refused ***"), "{human}");
    let count = |ev: &str| lines.iter().filter(|line| line.ev == ev).count();
    assert_eq!((count("begin"), count("started"), count("done"), count("stuck")), (1, 4, 3, 1));
    let text = fs::read_to_string(server.dir().log_file(&server.run)).unwrap();
    assert!(text.contains("setting ***") && !text.contains(OLD) && !text.contains(NEW));
    assert_eq!(run_log.lost(), 0);
}
