//! Runs the operations of a plan, as many at once as allowed, in the order that their needs demand.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::context::{Done, Event};
use super::journal::Journal;
use super::ledger::{Entry, Header};
use super::undo::{Step, StepError};
use super::{Applier, ApplyError, Cause, Failure, Outcome, Results, before, recover};
use crate::plan::{Op, Plan};
use crate::state::{State, StoreError};

/// How often the coordinator looks for a signal or the end of the run's time.
const TICK: Duration = Duration::from_millis(50);

/// An operation that has ended.
struct Ended {
    id: usize,
    result: Result<Done, StepError>,
    elapsed: Duration,
}

impl Applier<'_> {
    /// Carries `plan` out as run `run` (see [`crate::state::store::new_run_id`]).
    ///
    /// `commit` saves the version and then the state, in which `run` stands; it is called once, after all
    /// operations are done, with what they reported. An error here means that nothing was changed; all
    /// that goes wrong later is in the [`Outcome`].
    pub fn execute<E: std::fmt::Display>(
        &self,
        plan: &Plan,
        run: &str,
        commit: impl FnOnce(&Results) -> Result<(), E>,
    ) -> Result<Outcome, ApplyError> {
        check(plan)?;
        let dir = self.lock.dir();
        if let Some(unfinished) = recover::unfinished(dir)? {
            return Err(ApplyError::Unfinished(unfinished.run));
        }
        let began = Instant::now();
        let mut journal = Journal::create(dir, run, self.faults)?;
        let prepared = before::write(dir, run, plan).and_then(|digest| {
            journal.append(Entry::Begin(Header {
                project: plan.project.clone(),
                run: run.to_owned(),
                plan: digest,
                ops: plan.ops.len(),
                by: self.lock.holder().clone(),
            }))
        });
        if let Err(error) = prepared {
            self.end(journal, run, &mut Vec::new());
            return Err(error.into());
        }
        self.observer.on(&Event::Begin { project: &plan.project, run, ops: plan.ops.len() });

        let (results, failure) = self.forward(&mut journal, plan, run, began);
        let mut warnings = Vec::new();
        let failure = failure.or_else(|| self.commit(run, &results, commit, &mut warnings));
        if let Some(failure) = failure {
            return Ok(self.undo(journal, plan, run, failure, warnings));
        }
        // State carries the run: it is committed, with this record or without.
        if let Err(error) = journal.append(Entry::Commit) {
            warnings.push(error.to_string());
        }
        self.observer.on(&Event::Committed { elapsed: began.elapsed() });
        self.clean_up(journal, plan, run, &mut warnings);
        Ok(Outcome::Done { results, warnings })
    }

    /// Saves state; the failure if that did not happen.
    fn commit<E: std::fmt::Display>(
        &self,
        run: &str,
        results: &Results,
        commit: impl FnOnce(&Results) -> Result<(), E>,
        warnings: &mut Vec<String>,
    ) -> Option<Failure> {
        let said = match catch_unwind(AssertUnwindSafe(|| commit(results))) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("internal error while saving state".to_owned()),
        };
        let message = self.masker.mask(&said?).into_owned();
        // The rule of recovery decides here too: what is on disk counts, not what was reported.
        if State::committed_run(self.lock.dir()).is_ok_and(|saved| saved.as_deref() == Some(run)) {
            self.observer.on(&Event::Warning { message: &message });
            warnings.push(message);
            return None;
        }
        Some(Failure { cause: Cause::Commit, op: None, service: String::new(), message, lines: Vec::new() })
    }

    /// Runs operations until all are done or one fails; awaits those that run then.
    fn forward(&self, journal: &mut Journal, plan: &Plan, run: &str, began: Instant) -> (Results, Option<Failure>) {
        let token = self.cancel.child();
        let ends = self.limits.run.map(|limit| began + limit);
        let mut queue = Queue::new(&plan.ops);
        let mut results = Results::new();
        let mut failure = None;
        let (send, receive) = mpsc::channel::<Ended>();
        thread::scope(|scope| {
            let mut running = 0;
            loop {
                let failed = |failure: &mut Option<Failure>, new: Failure| {
                    token.wind_down();
                    failure.get_or_insert(new);
                };
                if ends.is_some_and(|ends| Instant::now() >= ends) && !token.is_cancelled() {
                    token.cancel("the time for the whole run is over");
                    failed(&mut failure, stopped(&token, Cause::TimeLimit));
                } else if token.is_cancelled() {
                    failed(&mut failure, stopped(&token, Cause::Cancelled));
                }
                while failure.is_none() && running < self.limits.parallel.max(1) {
                    let Some(id) = queue.next() else { break };
                    let op = &plan.ops[id];
                    if let Err(error) = journal.append(Entry::Started { op: id }) {
                        failed(&mut failure, journal_failure(op, &error));
                        break;
                    }
                    self.observer.on(&Event::Started { op });
                    running += 1;
                    let (send, token) = (send.clone(), &token);
                    scope.spawn(move || {
                        let began = Instant::now();
                        let limit = began
                            + self.time_for(&op.action, self.limits.op).min(self.limits.cap.unwrap_or(Duration::MAX));
                        let deadline = ends.map_or(limit, |ends| limit.min(ends));
                        let project = &plan.project;
                        let step = Step { project, run, op: Some(op), undoing: false, cancel: token, deadline };
                        let result = self.step(&op.action, &step);
                        // The coordinator listens until every thread has spoken.
                        let _ = send.send(Ended { id, result, elapsed: began.elapsed() });
                    });
                }
                if running == 0 {
                    break;
                }
                let ended = match receive.recv_timeout(TICK) {
                    Ok(ended) => ended,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => continue,
                };
                running -= 1;
                let op = &plan.ops[ended.id];
                match ended.result {
                    Ok(done) => {
                        self.observer.on(&Event::Done { op, done: &done, elapsed: ended.elapsed });
                        results.insert(op.id, done);
                        queue.done(op.id);
                        if let Err(error) = journal.append(Entry::Done { op: op.id }) {
                            failed(&mut failure, journal_failure(op, &error));
                        }
                    }
                    Err(StepError { error, panicked }) => {
                        self.observer.on(&Event::Failed { op, error: &error, elapsed: ended.elapsed });
                        let record = Entry::Failed { op: op.id, message: error.message.clone() };
                        // Without it the journal has the operation as started: it is undone all the same.
                        let _ = journal.append(record);
                        let cause = if panicked { Cause::Panic } else { Cause::Action };
                        let own = Failure {
                            cause,
                            op: Some(op.id),
                            service: op.service.to_string(),
                            message: error.message,
                            lines: error.lines,
                        };
                        failed(
                            &mut failure,
                            if token.is_cancelled() { stopped(&token, Cause::Cancelled) } else { own },
                        );
                    }
                }
            }
        });
        if failure.is_none() && self.cancel.is_cancelled() {
            failure = Some(stopped(&self.cancel, Cause::Cancelled));
        }
        (results, failure)
    }
}

fn stopped(token: &Cancel, cause: Cause) -> Failure {
    let message = token.reason().unwrap_or_default();
    Failure { cause, op: None, service: String::new(), message, lines: Vec::new() }
}

fn journal_failure(op: &Op, error: &StoreError) -> Failure {
    Failure {
        cause: Cause::Journal,
        op: Some(op.id),
        service: op.service.to_string(),
        message: error.to_string(),
        lines: Vec::new(),
    }
}

/// Ids must be positions and needs must point backwards: then there is no cycle.
fn check(plan: &Plan) -> Result<(), ApplyError> {
    for (index, op) in plan.ops.iter().enumerate() {
        if op.id != index {
            return Err(ApplyError::Plan(format!("operation {index} has the number {}", op.id)));
        }
        if let Some(need) = op.needs.iter().find(|need| **need >= index) {
            return Err(ApplyError::Plan(format!("operation {index} needs {need}, which comes later")));
        }
    }
    Ok(())
}

/// Operations whose needs are done, the lowest first.
struct Queue {
    ready: BTreeSet<usize>,
    missing: Vec<usize>,
    dependents: Vec<Vec<usize>>,
}

impl Queue {
    fn new(ops: &[Op]) -> Self {
        let mut queue =
            Self { ready: BTreeSet::new(), missing: vec![0; ops.len()], dependents: vec![Vec::new(); ops.len()] };
        for op in ops {
            let needs: BTreeSet<usize> = op.needs.iter().copied().collect();
            queue.missing[op.id] = needs.len();
            if needs.is_empty() {
                queue.ready.insert(op.id);
            }
            for need in needs {
                queue.dependents[need].push(op.id);
            }
        }
        queue
    }

    fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    fn done(&mut self, id: usize) {
        for &dependent in &self.dependents[id] {
            self.missing[dependent] -= 1;
            if self.missing[dependent] == 0 {
                self.ready.insert(dependent);
            }
        }
    }
}
