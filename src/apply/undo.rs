//! What running and undoing share: one action with its tries, the undo of many operations, the end of a run.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
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

/// Seconds that a database may take to be dumped or imported.
const CARRY: u64 = 6 * 3600;

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
        let stuck = self.backward(&mut journal, plan, run, &order);
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

    /// Undoes `order`, the last started first, as many at once as allowed: each after all that needed it. What could
    /// not be undone.
    fn backward(&self, journal: &mut Journal, plan: &Plan, run: &str, order: &[usize]) -> Vec<StuckOp> {
        let mut queue = Back::new(&plan.ops, order);
        let mut stuck: Vec<StuckOp> = Vec::new();
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            let mut running = 0;
            loop {
                while running < self.limits.parallel.max(1) {
                    let Some(op) = queue.next().and_then(|id| plan.ops.get(id)) else { break };
                    let recorded = journal.append(Entry::UndoStarted { op: op.id }).is_ok();
                    self.observer.on(&Event::UndoStarted { op });
                    running += 1;
                    let send = send.clone();
                    scope.spawn(move || {
                        let began = Instant::now();
                        let result = self.undo_op(op, plan, run);
                        // The coordinator listens until every thread has spoken.
                        let _ = send.send((op, recorded, result, began.elapsed()));
                    });
                }
                if running == 0 {
                    break;
                }
                let Ok((op, recorded, result, elapsed)) = receive.recv() else { break };
                running -= 1;
                queue.done(op.id);
                match result {
                    Ok(()) => {
                        self.observer.on(&Event::Undone { op, elapsed });
                        // What this hides is made up for below or by recovery.
                        let _ = recorded && journal.append(Entry::Undone { op: op.id }).is_ok();
                    }
                    Err(left) => {
                        self.observer.on(&Event::UndoFailed { op, stuck: &left });
                        let (message, by_hand) = (left.message.clone(), left.by_hand.clone());
                        let entry = Entry::UndoFailed { op: op.id, message, by_hand };
                        let _ = recorded && journal.append(entry).is_ok();
                        stuck.push(left);
                    }
                }
            }
        });
        // As one after the other would have told them.
        stuck.sort_by_key(|left| order.iter().position(|id| *id == left.op));
        stuck
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
            Action::DatastoreCarryDump { .. } | Action::DatastoreCarryImport { .. } => Some(CARRY),
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
        let removes = |action: &Action| {
            matches!(action, Action::AppDestroy { .. } | Action::ContainerRemove { .. } | Action::NetworkRemove { .. })
        };
        if let Some(cleaned) = self.cleaned.filter(|_| plan.cleanup.iter().any(removes))
            && let Err(error) = cleaned()
        {
            let message = format!("what was removed is still counted as the project's: {error:#}");
            self.observer.on(&Event::Warning { message: &message });
            warnings.push(message);
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

/// The graph of a plan backwards: operations to undo, each ready once all that needed it are undone.
struct Back<'a> {
    ops: &'a [Op],
    /// Place of each operation in the order in which they are due; `None`: nothing of it is to be undone.
    due: Vec<Option<usize>>,
    order: &'a [usize],
    /// How many that need it are still there.
    waiting: Vec<usize>,
    /// Places in `order`.
    ready: BTreeSet<usize>,
}

impl<'a> Back<'a> {
    fn new(ops: &'a [Op], order: &'a [usize]) -> Self {
        let mut due = vec![None; ops.len()];
        for (place, id) in order.iter().enumerate() {
            if let Some(due) = due.get_mut(*id) {
                *due = Some(place);
            }
        }
        let mut waiting = vec![0; ops.len()];
        for need in ops.iter().flat_map(needs) {
            waiting[need] += 1;
        }
        let free: Vec<usize> = (0..ops.len()).filter(|id| waiting[*id] == 0).collect();
        let mut queue = Self { ops, due, order, waiting, ready: BTreeSet::new() };
        queue.release(free);
        queue
    }

    /// The one that is due first of those that may be undone.
    fn next(&mut self) -> Option<usize> {
        self.ready.pop_first().map(|place| self.order[place])
    }

    fn done(&mut self, id: usize) {
        let freed = self.let_go(id);
        self.release(freed);
    }

    /// Operations that nothing waits for any more on account of `id`.
    fn let_go(&mut self, id: usize) -> Vec<usize> {
        let mut freed = Vec::new();
        for need in needs(&self.ops[id]) {
            self.waiting[need] -= 1;
            if self.waiting[need] == 0 {
                freed.push(need);
            }
        }
        freed
    }

    /// Those with nothing to undo hold nobody up.
    fn release(&mut self, mut free: Vec<usize>) {
        while let Some(id) = free.pop() {
            match self.due[id] {
                Some(place) => drop(self.ready.insert(place)),
                None => free.extend(self.let_go(id)),
            }
        }
    }
}

/// What an operation needs, each once.
fn needs(op: &Op) -> BTreeSet<usize> {
    op.needs.iter().copied().collect()
}
