//! A parallel import against the same one with its operations one after the other. The sandbox answers each call
//! of `dokku` after 50 ms and deploys in 500 ms; the eight services do not wait for each other.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use common::Sandbox;
use dokku_compose::sandbox::{Behaviour, Fault, Faults};

const SERVICES: usize = 8;
const CALL: u64 = 50;
const DEPLOY: u64 = 500;

fn main() {
    if common::only_tried() {
        return;
    }
    let mut rows = vec![["parallel", "dokku calls", "time", "ratio"].map(str::to_owned).to_vec()];
    let mut base = None;
    for parallel in ["1", "2", "4", "8"] {
        let mut sandbox = Sandbox::new(&common::apps(SERVICES, false)).unwrap();
        let slow = Fault { pattern: "*".to_owned(), action: "slow".to_owned(), ms: CALL, ..Fault::default() };
        sandbox.world.set_faults(&Faults { dokku: vec![slow], ..Faults::default() }).unwrap();
        sandbox.world.set_behaviour(&Behaviour { deploy_ms: DEPLOY, ..Behaviour::default() }).unwrap();
        let (calls, time) =
            sandbox.import(&["--parallel", parallel]).unwrap_or_else(|output| panic!("{output}"));
        let base = *base.get_or_insert(time);
        rows.push(vec![
            parallel.to_owned(),
            calls.dokku().to_string(),
            common::milliseconds(time),
            format!("{:.2}", time.as_secs_f64() / base.as_secs_f64()),
        ]);
    }
    println!("{SERVICES} services, {CALL} ms a call, {DEPLOY} ms a deploy; ratio: against --parallel 1");
    print!("{}", common::table(&rows));
}
