//! What a journal says so far, and which record may follow which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::Holder;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Format of the line.
    pub v: u32,
    /// Number of the line, from 1.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "kebab-case")]
pub enum Entry {
    /// The run begins; its plan lies in the run's folder.
    Begin(Header),
    /// The operation may have an effect from here on.
    Started {
        /// Id.
        op: usize,
    },
    /// It has succeeded.
    Done {
        /// Id.
        op: usize,
    },
    /// It has failed and may have left something.
    Failed {
        /// Id.
        op: usize,
        /// Masked.
        message: String,
    },
    /// Its undo may have an effect from here on.
    UndoStarted {
        /// Id.
        op: usize,
    },
    /// Nothing of it is left.
    Undone {
        /// Id.
        op: usize,
    },
    /// Its undo has failed.
    UndoFailed {
        /// Id.
        op: usize,
        /// Masked.
        message: String,
        /// Commands to finish by hand.
        by_hand: Vec<String>,
    },
    /// State was saved: all is as asked for.
    Commit,
    /// All is as before.
    RolledBack,
    /// An undo failed; recovery tries again.
    Stuck,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Project.
    pub project: String,
    /// Run.
    pub run: String,
    /// SHA-256 of the plan file.
    pub plan: String,
    /// How many operations it has.
    pub ops: usize,
    /// The process.
    pub by: Holder,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No line yet: nothing was done.
    #[default]
    Empty,
    /// Operations run.
    Forward,
    /// Operations are undone.
    Undoing,
    /// An undo failed.
    Stuck,
    /// Ended: as asked for.
    Committed,
    /// Ended: as before.
    RolledBack,
}

impl Phase {
    /// Whether nothing more is to be done or undone.
    pub fn is_end(self) -> bool {
        matches!(self, Phase::Committed | Phase::RolledBack)
    }
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpState {
    /// May have run.
    Started,
    /// Has run.
    Done,
    /// Has failed.
    Failed,
    /// May be undone.
    UndoStarted,
    /// Is undone.
    Undone,
    /// Could not be undone.
    UndoFailed,
}

/// All that the lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The first line.
    pub header: Option<Header>,
    /// Where the run stands.
    pub phase: Phase,
    /// Where each operation that may have run stands.
    pub ops: BTreeMap<usize, OpState>,
    /// Operations in the order in which they started.
    pub order: Vec<usize>,
    /// The first failure.
    pub failure: Option<(usize, String)>,
}

impl Ledger {
    /// Takes the next line in; an error says why it cannot follow.
    pub fn step(&mut self, entry: &Entry) -> Result<(), String> {
        use OpState::{Done, Failed, Started, UndoFailed, UndoStarted, Undone};
        use Phase::{Committed, Empty, Forward, RolledBack, Stuck, Undoing};

        let op = entry.op();
        let before = op.and_then(|op| self.ops.get(&op).copied());
        let all = |wanted: OpState| self.ops.values().all(|state| *state == wanted);
        // The one table of what may follow what.
        let (phase, after) = match (self.phase, before, entry) {
            (Empty, None, Entry::Begin(_)) => (Forward, None),
            (Forward, None, Entry::Started { .. }) => (Forward, Some(Started)),
            (Forward, Some(Started), Entry::Done { .. }) => (Forward, Some(Done)),
            (Forward, Some(Started), Entry::Failed { .. }) => (Forward, Some(Failed)),
            (Forward, None, Entry::Commit) if all(Done) => (Committed, None),
            (
                Forward | Undoing | Stuck,
                // One that is undone is so again where a later one had not been.
                Some(_),
                Entry::UndoStarted { .. },
            ) => (Undoing, Some(UndoStarted)),
            (Undoing, Some(UndoStarted), Entry::Undone { .. }) => (Undoing, Some(Undone)),
            (Undoing, Some(UndoStarted), Entry::UndoFailed { .. }) => (Undoing, Some(UndoFailed)),
            (Forward | Undoing | Stuck, None, Entry::RolledBack) if all(Undone) => (RolledBack, None),
            (Undoing | Stuck, None, Entry::Stuck) if !all(Undone) => (Stuck, None),
            _ => return Err(format!("{} cannot follow here", entry.describe())),
        };
        if let Entry::Begin(header) = entry {
            self.header = Some(header.clone());
        }
        if let Entry::Failed { op, message } = entry {
            self.failure.get_or_insert_with(|| (*op, message.clone()));
        }
        self.phase = phase;
        if let (Some(op), Some(after)) = (op, after) {
            if self.header.as_ref().is_some_and(|header| op >= header.ops) {
                return Err(format!("the plan has no operation {op}"));
            }
            if after == Started {
                self.order.push(op);
            }
            if after == UndoStarted && before == Some(UndoFailed) {
                let earlier = self.order.iter().take_while(|other| **other != op);
                for other in earlier {
                    if self.ops.get(other) == Some(&Undone) {
                        self.ops.insert(*other, UndoStarted);
                    }
                }
            }
            self.ops.insert(op, after);
        }
        Ok(())
    }

    /// Operations whose undo is due, the last started first.
    ///
    /// Where one could not be undone but earlier ones were, these are due again after it: undoing in
    /// order is what makes the end right, and undoing twice does no harm.
    pub fn to_undo(&self) -> Vec<usize> {
        let mut again = false;
        let mut due = |op: &usize| {
            let state = self.ops.get(op);
            again |= state == Some(&OpState::UndoFailed);
            again || state != Some(&OpState::Undone)
        };
        self.order.iter().rev().copied().filter(|op| due(op)).collect()
    }
}

impl Entry {
    fn op(&self) -> Option<usize> {
        match self {
            Entry::Started { op }
            | Entry::Done { op }
            | Entry::Failed { op, .. }
            | Entry::UndoStarted { op }
            | Entry::Undone { op }
            | Entry::UndoFailed { op, .. } => Some(*op),
            Entry::Begin(_) | Entry::Commit | Entry::RolledBack | Entry::Stuck => None,
        }
    }

    fn describe(&self) -> String {
        let word = match self {
            Entry::Begin(_) => "begin",
            Entry::Started { .. } => "started",
            Entry::Done { .. } => "done",
            Entry::Failed { .. } => "failed",
            Entry::UndoStarted { .. } => "undo-started",
            Entry::Undone { .. } => "undone",
            Entry::UndoFailed { .. } => "undo-failed",
            Entry::Commit => "commit",
            Entry::RolledBack => "rolled-back",
            Entry::Stuck => "stuck",
        };
        self.op().map_or_else(|| format!("`{word}`"), |op| format!("`{word}` of operation {op}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(ops: usize) -> Entry {
        let by = Holder::default();
        Entry::Begin(Header { project: "shop".into(), run: "r".into(), plan: String::new(), ops, by })
    }

    fn ledger(entries: &[Entry]) -> Result<Ledger, String> {
        let mut ledger = Ledger::default();
        entries.iter().try_for_each(|entry| ledger.step(entry))?;
        Ok(ledger)
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let record = Record { v: 1, seq: 2, at: "t".into(), entry: Entry::Started { op: 7 } };
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(line, r#"{"v":1,"seq":2,"at":"t","ev":"started","op":7}"#);
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
        let record = Record { v: 1, seq: 1, at: "t".into(), entry: begin(3) };
        assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn undo_takes_all_that_may_have_run_last_first() {
        let mut run = ledger(&[
            begin(4),
            Entry::Started { op: 0 },
            Entry::Started { op: 2 },
            Entry::Done { op: 0 },
            Entry::Started { op: 1 },
            Entry::Failed { op: 2, message: "no".into() },
        ])
        .unwrap();
        assert_eq!(run.to_undo(), [1, 2, 0]);
        assert_eq!(run.failure, Some((2, "no".into())));
        run.step(&Entry::UndoStarted { op: 1 }).unwrap();
        assert_eq!(run.to_undo(), [1, 2, 0]);
        run.step(&Entry::Undone { op: 1 }).unwrap();
        assert_eq!(run.to_undo(), [2, 0]);
        run.step(&Entry::Stuck).unwrap();
        run.step(&Entry::UndoStarted { op: 2 }).unwrap();
        assert!(run.step(&Entry::RolledBack).is_err());
        run.step(&Entry::Undone { op: 2 }).unwrap();
        run.step(&Entry::UndoStarted { op: 0 }).unwrap();
        run.step(&Entry::Undone { op: 0 }).unwrap();
        run.step(&Entry::RolledBack).unwrap();
        assert!(run.phase.is_end());
    }

    #[test]
    fn after_a_failed_undo_the_earlier_ones_are_due_again() {
        let undo = |op| [Entry::UndoStarted { op }, Entry::Undone { op }];
        let mut entries = vec![begin(2), Entry::Started { op: 0 }, Entry::Started { op: 1 }];
        entries.push(Entry::UndoStarted { op: 1 });
        entries.push(Entry::UndoFailed { op: 1, message: String::new(), by_hand: Vec::new() });
        entries.extend(undo(0));
        let mut run = ledger(&entries).unwrap();
        assert_eq!(run.to_undo(), [1, 0]);
        run.step(&Entry::Stuck).unwrap();
        undo(1).iter().for_each(|entry| run.step(entry).unwrap());
        assert_eq!(run.to_undo(), [0]);
        assert!(run.clone().step(&Entry::RolledBack).is_err());
        undo(0).iter().for_each(|entry| run.step(entry).unwrap());
        run.step(&Entry::RolledBack).unwrap();
    }

    #[test]
    fn what_cannot_follow_is_refused() {
        let started = Entry::Started { op: 0 };
        let done = Entry::Done { op: 0 };
        let undo = Entry::UndoStarted { op: 0 };
        let illegal: [&[Entry]; 10] = [
            std::slice::from_ref(&started),
            &[begin(1), begin(1)],
            &[begin(1), done.clone()],
            &[begin(1), Entry::Started { op: 1 }],
            &[begin(1), started.clone(), started.clone()],
            &[begin(1), started.clone(), Entry::Commit],
            &[begin(1), started.clone(), Entry::RolledBack],
            &[begin(1), started.clone(), undo.clone(), done.clone()],
            &[begin(1), started.clone(), done.clone(), Entry::Commit, undo.clone()],
            &[begin(1), started.clone(), undo, Entry::Undone { op: 0 }, started.clone()],
        ];
        for entries in illegal {
            assert!(ledger(entries).is_err(), "{entries:?}");
        }
        assert_eq!(ledger(&[begin(1), started, done, Entry::Commit]).unwrap().phase, Phase::Committed);
        assert_eq!(ledger(&[begin(1), Entry::RolledBack]).unwrap().phase, Phase::RolledBack);
    }
}
