//! A deliberate hold and the lock of a run.

use std::fs;

use crate::bench::Bench;

const FILE: &str = "services:\n  web:\n    image: acme/web:1\n    environment: {A: '1'}\n";

#[test]
fn a_held_project_is_changed_by_nobody_until_it_is_unlocked() {
    let bench = Bench::new(FILE);
    bench.run(&["lock", "shop"]).ends(20);
    bench.run(&["unlock", "shop"]).ends(20);
    bench.import(&[]).ends(0);
    bench.run(&["unlock", "shop"]).ends(0).says("was not held");
    bench.run_as("ann", &["lock", "shop", "--reason", "the fair is on"]).ends(0);
    bench.run_as("bob", &["lock", "shop"]).ends(5).says("held by ann since 20").says("the fair is on");
    bench.edit("A: '1'", "A: '2'");
    let mark = bench.mark();
    bench.import(&[]).ends(5).says("held by ann since 20").says("the fair is on").says("compose:unlock shop");
    bench.run(&["destroy", "shop", "--force"]).ends(5).says("held by ann");
    assert_eq!(bench.calls(mark).iter().filter(|call| call.contains("config:import")).count(), 0);
    bench.plan(&["--detailed-exitcode"]).ends(2);
    bench.run(&["status", "shop"]).ends(0).says("held by ann");
    assert_eq!(bench.run(&["status", "shop", "--format", "json"]).json()["held"]["why"], "the fair is on");
    bench.run(&["unlock", "shop"]).ends(0).says("it was held by ann");
    bench.run(&["status", "shop"]).ends(0).keeps_quiet_about("held");
    bench.import(&[]).ends(0);
}

#[test]
fn a_run_at_work_is_waited_for_and_named() {
    let bench = Bench::new(FILE);
    bench.import(&[]).ends(0);
    let lock = fs::File::open(bench.project_file("lock")).unwrap();
    lock.lock().unwrap();
    bench.import(&[]).ends(5).says("another run works on shop").says("--lock-wait");
    bench.run(&["lock", "shop"]).ends(5).says("another run works on shop");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| bench.import(&["--lock-wait", "60"]));
        std::thread::sleep(std::time::Duration::from_millis(400));
        lock.unlock().unwrap();
        waiter.join().unwrap().ends(0);
    });
}
