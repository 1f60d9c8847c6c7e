//! Collects operations in an order in which every dependency comes first.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Action, Class, Op};

/// Makes the plan's operations; ids are handed out in order, so `needs` always point backwards.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) ops: Vec<Op>,
    /// The operation after which a thing is there: `network:x`, `volume:x`, `service:x/started` ...
    ready: BTreeMap<String, usize>,
}

/// The chain of operations of one service: each needs the one before.
pub(super) struct Chain<'a> {
    builder: &'a mut Builder,
    service: Arc<str>,
    at: Arc<str>,
    last: Option<usize>,
    gates: Vec<usize>,
}

impl Builder {
    /// Starts a chain for `service` (empty: the project's).
    pub(super) fn chain(&mut self, service: &str, at: &str) -> Chain<'_> {
        Chain { builder: self, service: service.into(), at: at.into(), last: None, gates: Vec::new() }
    }

    /// The first of `services` whose containers this plan makes anew or restarts.
    pub(super) fn restarted(&self, services: &BTreeSet<String>) -> Option<String> {
        let anew = |action: &Action| {
            matches!(
                action,
                Action::Deploy { .. }
                    | Action::Rebuild { .. }
                    | Action::Restart { .. }
                    | Action::ReleaseRestore { .. }
                    | Action::Start { .. }
                    | Action::ContainerRun { .. }
            )
        };
        let of = |service: &&String| self.ops.iter().any(|op| *op.service == ***service && anew(&op.action));
        services.iter().find(of).cloned()
    }

    /// The operation after which `thing` is there; `None`: it is there already.
    pub(super) fn ready(&self, thing: &str) -> Option<usize> {
        self.ready.get(thing).copied()
    }
}

impl Chain<'_> {
    /// Adds an operation behind the last one of this chain.
    pub(super) fn add(
        &mut self,
        action: Action,
        cause: impl Into<Cow<'static, str>>,
        class: Class,
        undo: Vec<Action>,
    ) -> usize {
        let id = self.builder.ops.len();
        let mut needs: Vec<usize> = self.last.iter().copied().chain(self.gates.drain(..)).collect();
        needs.sort_unstable();
        needs.dedup();
        self.builder.ops.push(Op {
            id,
            service: Arc::clone(&self.service),
            action,
            cause: cause.into(),
            class,
            undo,
            needs,
            at: Arc::clone(&self.at),
        });
        self.last = Some(id);
        id
    }

    /// The next operation also waits for `thing`.
    pub(super) fn wait_for(&mut self, thing: &str) {
        if let Some(id) = self.builder.ready(thing) {
            self.gates.push(id);
        }
    }

    /// Whether an earlier operation provides `thing`.
    pub(super) fn has(&self, thing: &str) -> bool {
        self.builder.ready(thing).is_some()
    }

    /// `thing` is there once the chain's last operation is done.
    pub(super) fn provides(&mut self, thing: String) {
        if let Some(last) = self.last {
            self.builder.ready.insert(thing, last);
        }
    }

    /// Whether this chain has an operation.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}
