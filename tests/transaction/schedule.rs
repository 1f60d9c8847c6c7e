//! Which operation runs when.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dokku_compose::apply::{Event, Limits, Outcome};
use dokku_compose::plan::Plan;
use proptest::prelude::*;

use crate::toy::{Server, Setup, Toy, When, Wishes, op, property};

/// Runs a plan; the events `(started or ended, operation)` and how many ran at once at most.
fn trace(needs: &[Vec<usize>], parallel: usize, slow: Duration) -> (Vec<(bool, usize)>, usize) {
    let server = Server::new();
    let ops = needs.iter().enumerate();
    let ops = ops.map(|(id, needs)| op(id, needs, property("a", &id.to_string(), "x"), Vec::new())).collect();
    let plan = Plan { project: "shop".into(), ops, ..Plan::default() };
    let events = Mutex::new(Vec::new());
    let observer = When(|event: &Event<'_>| match event {
        Event::Started { op } => events.lock().unwrap().push((true, op.id)),
        Event::Done { op, .. } => events.lock().unwrap().push((false, op.id)),
        _ => {}
    });
    let limits = Limits { parallel, ..Setup::default().limits };
    let setup = Setup { plan, limits, observer: &observer, ..Setup::default() };
    let toy = Toy::new(&server.world(), Wishes { slow, ..Wishes::default() });
    let outcome = server.run_with(&toy, &setup, |_| server.save().map_err(|error| error.to_string())).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let most = toy.most.load(Ordering::SeqCst);
    (events.into_inner().unwrap(), most)
}

#[test]
fn as_many_as_allowed_run_at_once_and_not_more() {
    let (events, most) = trace(&vec![Vec::new(); 12], 3, Duration::from_millis(30));
    assert_eq!((events.len(), most), (24, 3));
    assert_eq!(trace(&vec![Vec::new(); 3], 0, Duration::ZERO).1, 1, "no bound is one at a time");
}

#[test]
fn alone_the_lowest_ready_number_goes_first() {
    let needs = [vec![], vec![], vec![1], vec![], vec![0, 3]];
    let (events, _) = trace(&needs, 1, Duration::ZERO);
    let started: Vec<usize> = events.iter().filter(|event| event.0).map(|event| event.1).collect();
    assert_eq!(started, [0, 1, 2, 3, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn needs_are_done_before(seed in proptest::collection::vec(proptest::collection::vec(0usize..100, 0..4), 1..14),
                             parallel in 1usize..5) {
        // Needs point backwards; doubles are allowed.
        let needs: Vec<Vec<usize>> = seed.iter().enumerate()
            .map(|(id, wishes)| if id == 0 { Vec::new() } else { wishes.iter().map(|wish| wish % id).collect() })
            .collect();
        let (events, most) = trace(&needs, parallel, Duration::ZERO);
        prop_assert!(most <= parallel);
        prop_assert_eq!(events.len(), needs.len() * 2);
        let at: BTreeMap<(bool, usize), usize> = events.iter().enumerate().map(|(at, event)| (*event, at)).collect();
        for (id, needs) in needs.iter().enumerate() {
            for need in needs {
                prop_assert!(at[&(false, *need)] < at[&(true, id)], "{} before {}", need, id);
            }
        }
    }
}

/// Runs a plan whose last operation fails; the events of its undo and how many were undone at once at most.
fn undo_trace(needs: &[Vec<usize>], parallel: usize, slow: Duration) -> (Vec<(bool, usize)>, usize) {
    let server = Server::new();
    let ops = needs.iter().enumerate();
    let own = |id: usize, value: &str| property("old", &id.to_string(), value);
    let ops: Vec<_> = ops.map(|(id, needs)| op(id, needs, own(id, "x"), vec![own(id, "")])).collect();
    let last = ops.len() - 1;
    let plan = Plan { project: "shop".into(), ops, ..Plan::default() };
    let events = Mutex::new(Vec::new());
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let observer = When(|event: &Event<'_>| match event {
        Event::UndoStarted { op } => {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            events.lock().unwrap().push((true, op.id));
        }
        Event::Undone { op, .. } => {
            now.fetch_sub(1, Ordering::SeqCst);
            events.lock().unwrap().push((false, op.id));
        }
        _ => {}
    });
    let limits = Limits { parallel, ..Setup::default().limits };
    let setup = Setup { plan, limits, observer: &observer, ..Setup::default() };
    let toy = Toy::new(&server.world(), Wishes { slow, fail: [last].into(), ..Wishes::default() });
    let outcome = server.run_with(&toy, &setup, |_| Ok::<(), String>(())).unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    server.assert_whole("undone at once");
    (events.into_inner().unwrap(), most.into_inner())
}

#[test]
fn what_does_not_need_one_another_is_undone_at_once() {
    // All are done before the last, which needs them, fails.
    let mut needs = vec![Vec::new(); 9];
    needs.push((0..9).collect());
    let (events, most) = undo_trace(&needs, 3, Duration::from_millis(20));
    assert_eq!((events.len(), most), (20, 3));
    let (events, most) = undo_trace(&needs, 1, Duration::ZERO);
    let started: Vec<usize> = events.iter().filter(|event| event.0).map(|event| event.1).collect();
    assert_eq!((started, most), ((0..10).rev().collect(), 1), "alone, the last started goes first");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_is_undone_before_what_needed_it(
        seed in proptest::collection::vec(proptest::collection::vec(0usize..100, 0..4), 1..12),
        parallel in 1usize..5,
    ) {
        let mut needs: Vec<Vec<usize>> = seed.iter().enumerate()
            .map(|(id, wishes)| if id == 0 { Vec::new() } else { wishes.iter().map(|wish| wish % id).collect() })
            .collect();
        needs.push((0..needs.len()).collect());
        let (events, most) = undo_trace(&needs, parallel, Duration::ZERO);
        prop_assert!(most <= parallel);
        for (id, needs) in needs.iter().enumerate() {
            let ended = events.iter().position(|event| *event == (false, id)).unwrap();
            for need in needs {
                let began = events.iter().position(|event| *event == (true, *need)).unwrap();
                prop_assert!(ended < began, "{need} is undone before {id}, which needed it: {events:?}");
            }
        }
    }
}
