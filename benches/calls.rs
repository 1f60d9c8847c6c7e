//! How often an import calls Dokku, by the number of services: the first time, again with nothing changed, and with
//! one variable changed. Against the sandbox, which counts. `tests/calls.rs` holds what must stay true of it.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use common::Sandbox;

fn main() {
    if common::only_tried() {
        return;
    }
    let head = ["services", "import", "dokku calls", "per service", "deploys", "engine calls", "time"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for services in [1, 5, 10] {
        let compose = common::apps(services, true);
        let mut sandbox = Sandbox::new(&compose).unwrap();
        for import in ["first", "second", "one variable"] {
            if import == "one variable" {
                sandbox.write(&compose.replacen("MODE: production", "MODE: test", 1)).unwrap();
            }
            let (calls, time) = sandbox.import(&[]).unwrap_or_else(|output| panic!("{output}"));
            rows.push(vec![
                services.to_string(),
                import.to_owned(),
                calls.dokku().to_string(),
                format!("{:.1}", calls.dokku() as f64 / services as f64),
                calls.deploys().len().to_string(),
                calls.engine().to_string(),
                common::milliseconds(time),
            ]);
        }
    }
    print!("{}", common::table(&rows));
}
