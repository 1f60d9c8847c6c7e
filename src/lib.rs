//! Imports Docker Compose files into Dokku as running stacks.
//!
//! The modules stand in the order in which data flows: text to a tree
//! ([`yaml`]), the phases of the Compose Specification ([`compose`]) to a typed
//! project ([`model`]), its dependency graph ([`graph`]), the resources it asks
//! for ([`map`]), what the server has ([`observe`]), the operations between the
//! two ([`plan`]), their execution ([`apply`]) and the memory of it ([`state`]).
//! See `ARCHITECTURE.md` for the rules each room keeps.

pub mod diag;
pub mod hashed;
pub mod yaml;

pub mod compose;
pub mod model;

pub mod graph;
pub mod map;

pub mod docker;
pub mod dokku;
pub mod process;
pub mod secret;
pub mod site;

pub mod observe;
pub mod plan;

pub mod apply;
pub mod state;

pub mod export;
pub mod sandbox;

pub mod cli;
pub mod ui;
