//! A server to a compose file: the inverse of [`crate::map`].
//!
//! The modules stand in the order in which data flows: what the server says of an app ([`options`], [`app`]) or of
//! a raw container ([`raw`]) becomes a [`stack::Unit`] in the engine's terms; a unit becomes a service of the typed
//! model ([`service`]); values that must not stand in a file leave for the companion `.env` ([`secrets`]); the
//! project is written as a compose file ([`compose_file`]) or as a graph ([`dot`]). An app in Dokku's own words
//! becomes its commands ([`script`]) or a recipe of docket ([`docket`]). Talks to no server: what is there is
//! handed in.

pub mod app;
mod commands;
pub mod compose_file;
mod container;
mod devices;
pub mod docket;
pub mod dot;
mod files;
pub mod imported;
mod options;
pub mod processes;
pub mod project;
pub mod raw;
pub mod script;
pub mod secrets;
mod service;
pub mod stack;

pub use stack::{Form, Origin, Stack, Unit};
