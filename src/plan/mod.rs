//! Desired, observed and last applied to a graph of operations. Pure functions.

pub mod accept;
pub mod action;
mod app;
mod builder;
pub mod changes;
mod conflicts;
mod datastore;
pub mod raw;
mod reconcile;
mod settings;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use action::{Action, AwaitTarget, Kept, Release};
pub use conflicts::conflicts;
pub use reconcile::{Back, Inputs, Last, Wishes, reconcile, removal};
pub use settings::drift;

/// How much an operation disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Nothing that runs notices.
    None,
    /// Containers are added or taken away.
    Scale,
    /// The app restarts.
    Config,
    /// The app is deployed from another image.
    Image,
    /// Something is made anew.
    Recreate,
    /// Data may be lost.
    Data,
}

/// One node of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Its number in the plan, from 0; the journal refers to it.
    pub id: usize,
    /// Compose service, empty for what belongs to the whole project.
    pub service: Arc<str>,
    /// What it does.
    pub action: Action,
    /// Why: `new`, `image changed from a to b`, `drift: set by hand`.
    pub cause: Cow<'static, str>,
    /// How much it disturbs.
    pub class: Class,
    /// What brings the server back to where it was before; run in this order.
    pub undo: Vec<Action>,
    /// Operations that must be done before, by id, always smaller ones.
    pub needs: Vec<usize>,
    /// `file:line:column` of what asks for it, or empty.
    pub at: Arc<str>,
}

/// What is to be done, and what the reader of the plan sees of each service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Project.
    pub project: String,
    /// Operations; `needs` point backwards.
    pub ops: Vec<Op>,
    /// Done after the commit, each on its own; a failure is a warning.
    pub cleanup: Vec<Action>,
    /// One row a service, for the human view.
    pub rows: Vec<Row>,
    /// What the administrator's transformers changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformed: Vec<Transformed>,
}

/// A field that a transformer changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformed {
    /// The transformer.
    pub by: String,
    /// Compose service.
    pub service: String,
    /// `limit.memory`, `variable A`.
    pub field: String,
    /// What the file asks for; absent: nothing. A secret is `(hidden)`.
    pub before: Option<String>,
    /// What is asked for instead.
    pub after: Option<String>,
}

/// One line of the human view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `+` create, `~` change, `-` remove, `=` nothing, `!` needs attention.
    pub symbol: char,
    /// Compose service, or `network`, `volume`.
    pub name: String,
    /// `app shop-api`, `container shop-db`, `job`.
    pub what: String,
    /// `build ./api, waits for db healthy`.
    pub detail: String,
    /// `file:line` or empty.
    pub at: String,
    /// How much the change of what is there disturbs; none where nothing is changed or all of it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

impl Class {
    /// The word in plans: `none`, `scale`, `config`, `image`, `recreate`, `data`.
    pub fn word(self) -> &'static str {
        match self {
            Class::None => "none",
            Class::Scale => "scale",
            Class::Config => "config",
            Class::Image => "image",
            Class::Recreate => "recreate",
            Class::Data => "data",
        }
    }
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.cleanup.is_empty()
    }
}
