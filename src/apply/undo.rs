//! What running and undoing share: one action with its tries, the undo of many operations, the end of a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::context::{ActionError, Context, Done, Event};
use super::journal::Journal;
use super::ledger::{Entry, Phase};
use super::{Applier, Failure, Outcome, StuckOp, before};
use crate::plan::{Action, Op, Plan};

/// Waits before a clean-up that failed is tried again.
const CLEANUP_PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// One try at carrying an action out.
pub(super) struct Step<'a> {
    pub project: &'a str,
    pub run: &'a str,
    pub op: Option<&'a Op>,
    pub undoing: bool,
    pub cancel: &'a Cancel,
    pub deadline: Instant,
}

/// Why a step failed, and whether the program itself did.
pub(super) struct StepError {
    pub error: ActionError,
    pub panicked: bool,
}

impl Applier<'_> {
    /// Carries one action out, again while its error says that this may help. A panic is an error like any other.
    pub(super) fn step(&self, action: &Action, step: &Step<'_>) -> Result<Done, StepError> {
        let dir = self.lock.dir();
        let before = dir.before(step.run);
        let lines = |text: &str| self.observer.on(&Event::Line { op: step.op, text: &self.masker.mask(text) });
        let context = Context {
            project: step.project,
            run: step.run,
            op: step.op,
            undoing: step.undoing,
            cancel: step.cancel,
            deadline: step.deadline,
            before: &before,
            lines: &lines,
        };
        let mut pause = self.limits.pause;
        let mut attempt = 1;
        loop {
            let error = match catch_unwind(AssertUnwindSafe(|| self.runner.run(action, &context))) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => self.masked(error),
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().map(String::as_str);
                    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
                    let message = format!("internal error: {}", said.unwrap_or("no message"));
                    let error = self.masked(ActionError::new(message));
                    return Err(StepError { error, panicked: true });
                }
            };
            attempt += 1;
            let again = error.retryable && attempt <= self.limits.attempts;
            if !again || context.remaining() <= pause || !step.cancel.sleep(pause) {
                return Err(StepError { error, panicked: false });
            }
            self.observer.on(&Event::Retry { op: step.op, message: &error.message, attempt });
            pause *= 2;
        }
    }

    fn masked(&self, error: ActionError) -> ActionError {
        let mask = |text: String| self.masker.mask(&text).into_owned();
        ActionError {
            message: mask(error.message),
            lines: error.lines.into_iter().map(mask).collect(),
            retryable: error.retryable,
            by_hand: error.by_hand.into_iter().map(mask).collect(),
        }
    }

    /// Undoes what is left to undo, the last started first, and ends the run if that succeeds.
    ///
    /// The journal is kept as far as it can be written: an undo that a full disk hides is repeated by
    /// recovery, which does no harm. A failed undo does not keep the others from being tried.
    pub(super) fn undo(
        &self,
        mut journal: Journal,
        plan: &Plan,
        run: &str,
        failure: Failure,
        mut warnings: Vec<String>,
    ) -> Outcome {
        let order = journal.ledger().to_undo();
        self.cancel.set_undoing(true);
        self.observer.on(&Event::RollingBack { failure: &failure, ops: order.len() });
        let mut stuck = Vec::new();
        for op in order.into_iter().filter_map(|id| plan.ops.get(id)) {
            let began = Instant::now();
            let recorded = journal.append(Entry::UndoStarted { op: op.id }).is_ok();
            self.observer.on(&Event::UndoStarted { op });
            match self.undo_op(op, plan, run) {
                Ok(()) => {
                    self.observer.on(&Event::Undone { op, elapsed: began.elapsed() });
                    // What this hides is made up for below or by recovery.
                    let _ = recorded && journal.append(Entry::Undone { op: op.id }).is_ok();
                }
                Err(left) => {
                    self.observer.on(&Event::UndoFailed { op, stuck: &left });
                    let entry =
                        Entry::UndoFailed { op: op.id, message: left.message.clone(), by_hand: left.by_hand.clone() };
                    let _ = recorded && journal.append(entry).is_ok();
                    stuck.push(left);
                }
            }
        }
        self.cancel.set_undoing(false);
        if !stuck.is_empty() {
            if let Err(error) = journal.append(Entry::Stuck) {
                warnings.push(error.to_string());
            }
            self.observer.on(&Event::Stuck { stuck: &stuck });
            return Outcome::Stuck { failure, stuck, warnings };
        }
        // What a full disk kept from being recorded. If it still does, moving the journal away says the same.
        let unrecorded = journal.ledger().to_undo().into_iter();
        let _ = unrecorded
            .flat_map(|op| [Entry::UndoStarted { op }, Entry::Undone { op }])
            .chain([Entry::RolledBack])
            .try_for_each(|entry| journal.append(entry));
        self.observer.on(&Event::RolledBack);
        self.end(journal, run, &mut warnings);
        Outcome::RolledBack { failure, warnings }
    }

    /// Undoes one operation: its actions in their order, until one fails.
    fn undo_op(&self, op: &Op, plan: &Plan, run: &str) -> Result<(), StuckOp> {
        let never = Cancel::default();
        for (index, action) in op.undo.iter().enumerate() {
            let deadline = Instant::now() + self.time_for(action, self.limits.undo);
            let step = Step { project: &plan.project, run, op: Some(op), undoing: true, cancel: &never, deadline };
            if let Err(StepError { error, .. }) = self.step(action, &step) {
                let rest = &op.undo[index + 1..];
                let first = Some(error.by_hand).filter(|commands| !commands.is_empty());
                let mut by_hand = first.unwrap_or_else(|| self.by_hand(action));
                by_hand.extend(rest.iter().flat_map(|action| self.by_hand(action)));
                return Err(StuckOp { op: op.id, service: op.service.to_string(), message: error.message, by_hand });
            }
        }
        Ok(())
    }

    fn by_hand(&self, action: &Action) -> Vec<String> {
        let commands = self.runner.by_hand(action);
        commands.into_iter().map(|command| self.masker.mask(&command).into_owned()).collect()
    }

    /// The time for an action: `usual`, or its own limit and a margin where that is longer.
    pub(super) fn time_for(&self, action: &Action, usual: Duration) -> Duration {
        let own = match action {
            Action::JobRun { limit, .. } => Some(*limit),
            Action::Await { gate, .. } => Some(gate.limit),
            _ => None,
        };
        let own = own.map(|seconds| Duration::from_secs(seconds).saturating_add(super::Limits::MARGIN));
        // A limit far beyond any run would overflow the clock.
        usual.max(own.unwrap_or_default()).min(Duration::from_secs(30 * 24 * 3600))
    }

    /// Does what a committed run leaves behind, deletes its secrets and closes its journal. While a replaced container
    /// cannot be removed the journal stays open.
    pub(super) fn clean_up(&self, journal: Journal, plan: &Plan, run: &str, warnings: &mut Vec<String>) {
        let mut due = false;
        for action in &plan.cleanup {
            let deadline = Instant::now() + self.time_for(action, self.limits.op);
            let step =
                Step { project: &plan.project, run, op: None, undoing: false, cancel: &Cancel::default(), deadline };
            let mut result = self.step(action, &step);
            for pause in CLEANUP_PAUSES {
                if result.is_ok() {
                    break;
                }
                std::thread::sleep(pause);
                result = self.step(action, &step);
            }
            if let Err(StepError { error, .. }) = result {
                // What stays beside the new container would be taken for the next run's; an image is in nobody's way.
                due |= matches!(action, Action::ContainerRemove { .. });
                let message = format!("cleanup: {}; by hand: {}", error.message, self.by_hand(action).join("; "));
                self.observer.on(&Event::Warning { message: &message });
                warnings.push(message);
            }
        }
        if due {
            let message = "the clean-up is not complete: the next command that changes the project, or compose:recover, goes on with it";
            self.observer.on(&Event::Warning { message });
            warnings.push(message.to_owned());
            return;
        }
        self.end(journal, run, warnings);
    }

    /// Deletes what only the undo needed and moves the journal to the run's folder. What fails here is
    /// made up for by the next recovery.
    pub(super) fn end(&self, journal: Journal, run: &str, warnings: &mut Vec<String>) {
        let dir = self.lock.dir();
        let open = !journal.ledger().phase.is_end() && journal.ledger().phase != Phase::Empty;
        let ended = before::remove(dir, run).and_then(|()| journal.archive(dir, run));
        if let Err(error) = ended {
            let what = if open { "the journal could not be closed and the undo will be repeated: " } else { "" };
            let message = format!("{what}{error}");
            self.observer.on(&Event::Warning { message: &message });
            warnings.push(message);
        }
    }
}
