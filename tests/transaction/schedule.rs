//! Which operation runs when.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
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
