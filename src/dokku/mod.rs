//! Dokku, as typed commands and reports; the only room that starts `dokku`. No policy.
//!
//! A write is a [`Call`], made by a function of its topic (`dokku::apps::create("shop")`): a value
//! that prints as the line a person would type, so that plan, journal and advice show what is run.
//! [`Dokku::call`] runs it. A read is a method of [`Dokku`], in the file of its topic.

pub mod apps;
pub mod auth;
mod call;
pub mod checks;
mod client;
pub mod config;
pub mod datastore;
pub mod domains;
mod envfile;
mod error;
pub mod events;
pub mod git;
pub mod network;
pub mod options;
pub mod ports;
pub mod property;
pub mod proxy;
pub mod ps;
mod quote;
mod report;
pub mod resource;
mod source_files;
pub mod storage;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod version;

pub use call::{Call, DEPLOY, QUICK, SLOW};
pub use client::{CallRecord, Dokku, Reply};
pub use error::DokkuError;
pub use quote::{
    NotExpressible, bare_option, check_option, command_words, option_words, quote_command, quote_option, spaced_option,
};
pub use report::{Report, Reports};
pub use version::FLOOR;

/// Result of a call to Dokku.
pub type DokkuResult<T> = Result<T, DokkuError>;
