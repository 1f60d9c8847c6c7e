//! One stack from import to destroy, step by step; what was wrong is collected, and everything is taken away at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;

use crate::backend::Backend;
use crate::change;
use crate::checks;
use crate::model::Model;
use crate::run::{self, Output};
use crate::server::{self, Container};
use crate::stacks::Copied;
use crate::table::Row;

/// A running scenario.
pub struct Scenario<'a> {
    backend: &'a Backend,
    stack: &'a Copied,
    row: Row,
    log: String,
}

/// Runs a stack's whole life; `log` gets every command's output.
pub fn life(backend: &Backend, stack: &Copied, log: &PathBuf) -> Row {
    let mut scenario = Scenario::new(backend, stack);
    if scenario.import() {
        scenario.look_inside();
        scenario.status();
        scenario.import_again();
        scenario.change();
    }
    scenario.destroy();
    scenario.end(log)
}

/// Runs a stack whose import has to fail with `status` and leave nothing.
pub fn failure(backend: &Backend, stack: &Copied, status: i32, log: &PathBuf) -> Row {
    let mut scenario = Scenario::new(backend, stack);
    let output = scenario.run_import(&[]);
    scenario.row.import = Some(output.seconds);
    if output.status != Some(status) {
        scenario.wrong(format!("import: status {:?}, expected {status}: {}", output.status, output.tail(15)));
    }
    scenario.nothing_left("the failed import");
    scenario.end(log)
}

fn volumes(model: &Model) -> Vec<String> {
    model.volumes.values().cloned().collect()
}

/// Identity of every service's containers: id and the time of the start.
fn identities(model: &Model, project: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let all = server::containers().unwrap_or_default();
    let of = |name: &String| {
        let mut ids: Vec<(String, String)> = server::of_service(&all, project, name)
            .iter()
            .map(|container: &&Container| (container.id.clone(), container.started.clone()))
            .collect();
        ids.sort();
        (name.clone(), ids)
    };
    model.services.keys().map(of).collect()
}

impl<'a> Scenario<'a> {
    fn new(backend: &'a Backend, stack: &'a Copied) -> Self {
        let row = Row { stack: stack.project.clone(), ..Row::default() };
        Self { backend, stack, row, log: String::new() }
    }

    fn wrong(&mut self, text: String) {
        self.row.wrong.push(text);
    }

    fn compose(&mut self, name: &str, args: &[&str]) -> Output {
        self.compose_with(name, args, None)
    }

    fn compose_with(&mut self, name: &str, args: &[&str], stdin: Option<File>) -> Output {
        let output = self.backend.compose(name, args, stdin);
        let _ = writeln!(
            self.log,
            "$ compose:{name} {}\n{}\nstatus {:?}, {:.1} s\n",
            args.join(" "),
            output.text(),
            output.status,
            output.seconds
        );
        output
    }

    fn run_import(&mut self, more: &[&str]) -> Output {
        let (source, stdin) = self.stack.source().unwrap_or_else(|error| {
            self.wrong(error);
            ("-".to_owned(), None)
        });
        let mut args = vec![self.stack.project.as_str(), &source];
        args.extend(more);
        // The same containers on every server, whatever datastore plugins it has.
        args.extend(["--datastores", "container"]);
        self.compose_with("import", &args, stdin)
    }

    fn import(&mut self) -> bool {
        let output = self.run_import(&[]);
        self.row.import = Some(output.seconds);
        if !output.ok() {
            self.wrong(format!("import: status {:?}: {}", output.status, output.tail(25)));
        }
        output.ok()
    }

    fn look_inside(&mut self) {
        if !self.backend.is_real() {
            return;
        }
        let (model, project) = (&self.stack.model, &self.stack.project);
        self.row.kinds = checks::kinds(model, project, &server::containers().unwrap_or_default());
        let report = checks::all(model, project, &self.stack.checks);
        (self.row.answered, self.row.proxied) = (report.answered, report.proxied);
        self.row.wrong.extend(report.wrong);
    }

    fn status(&mut self) {
        let output = self.compose("status", &[&self.stack.project, "--format", "json"]);
        if !output.ok() {
            self.wrong(format!("status: status {:?}: {}", output.status, output.tail(10)));
        }
        match serde_json::from_str::<serde_json::Value>(&output.stdout) {
            Ok(value) => {
                let text = value.to_string();
                for name in self.stack.model.services.keys() {
                    if !text.contains(&format!("\"{name}\"")) {
                        self.wrong(format!("status does not name {name}"));
                    }
                }
            }
            Err(error) => self.wrong(format!("status --format json: {error}")),
        }
    }

    /// The same source again: nothing to do, no container touched.
    fn import_again(&mut self) {
        let before = identities(&self.stack.model, &self.stack.project);
        let output = self.run_import(&["--detailed-exitcode"]);
        self.row.again = Some(output.seconds);
        if !output.ok() {
            self.wrong(format!("second import: status {:?}: {}", output.status, output.tail(15)));
        }
        if self.backend.is_real() && before != identities(&self.stack.model, &self.stack.project) {
            self.wrong("second import: containers were touched".into());
        }
    }

    /// One variable of one service: that service's containers are new, no other's.
    fn change(&mut self) {
        let path = self.stack.file();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let Some((service, changed)) =
            self.candidates().into_iter().find_map(|name| Some((name.clone(), change::set_variable(&text, &name)?)))
        else {
            self.row.note("no variable to change");
            return;
        };
        if let Err(error) = std::fs::write(&path, &changed.text) {
            self.wrong(format!("{}: {error}", path.display()));
            return;
        }
        let before = identities(&self.stack.model, &self.stack.project);
        let output = self.run_import(&[]);
        self.row.change = Some(output.seconds);
        if !output.ok() {
            self.wrong(format!(
                "change of {service}.{}: status {:?}: {}",
                changed.name,
                output.status,
                output.tail(20)
            ));
            return;
        }
        if !self.backend.is_real() {
            return;
        }
        let after = identities(&self.stack.model, &self.stack.project);
        for (name, ids) in &before {
            match (name == &service, ids == &after[name]) {
                (true, true) => self.wrong(format!("change: {name} still runs its old container")),
                (false, false) => self.wrong(format!("change of {service}: {name} was touched too")),
                _ => {}
            }
        }
        let wanted = BTreeMap::from([(changed.name.clone(), changed.value.clone())]);
        if let Some(text) = checks::environment(&self.stack.project, &service, &wanted) {
            self.wrong(format!("change: {service}: {text}"));
        }
    }

    /// Services whose change can be one app's alone, best first: one that reads the compose file itself (its
    /// context or a mount is the stack's directory), which changes anyway; apps with variables; other apps.
    fn candidates(&self) -> Vec<String> {
        let model = &self.stack.model;
        let reads_all = |name: &String| {
            let service = &model.services[name];
            let context = service.build.as_ref().is_some_and(|build| build.context == self.stack.dir);
            context || service.mounts.iter().any(|mount| mount.source.as_deref() == Some(&self.stack.dir))
        };
        let is_app = |name: &String| !self.backend.is_real() || self.row.kinds.get(name) == Some(&"app");
        let mut names: Vec<String> = model.services.keys().filter(|name| is_app(name)).cloned().collect();
        names.sort_by_key(|name| (!reads_all(name), model.services[name].environment.is_empty(), name.clone()));
        names
    }

    fn destroy(&mut self) {
        let output = self.compose("destroy", &[&self.stack.project, "--force", "--volumes"]);
        self.row.destroy = Some(output.seconds);
        let imported = self.row.again.is_some();
        if imported && !output.ok() {
            self.wrong(format!("destroy: status {:?}: {}", output.status, output.tail(15)));
        }
        self.nothing_left(if imported { "destroy" } else { "the failed import" });
    }

    fn nothing_left(&mut self, when: &str) {
        let left = match self.backend {
            Backend::Dokku => server::leftovers(&self.stack.project, &volumes(&self.stack.model)),
            Backend::Sandbox { world } => {
                let dokku = world.join("bin/dokku").to_string_lossy().into_owned();
                let apps = run::expect(&[&dokku, "--quiet", "apps:list"]).unwrap_or_else(|error| error);
                apps.lines().filter(|line| line.contains(&self.stack.project)).map(str::to_owned).collect()
            }
        };
        if !left.is_empty() {
            self.wrong(format!("left after {when}: {}", left.join(", ")));
            if self.backend.is_real() {
                server::sweep(&self.stack.project);
            }
        }
    }

    fn end(self, log: &PathBuf) -> Row {
        let text = format!("{}{}\n", self.log, self.row.wrong.join("\n"));
        drop(std::fs::write(log, text));
        self.row
    }
}
