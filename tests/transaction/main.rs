//! All or nothing: a run ends as asked for or as before, whatever fails and whenever it dies.
//! The world is a folder; the plan, journal, state and lock are the real ones.

// A test that fails shows where.
#![allow(clippy::unwrap_used, clippy::panic)]

mod crash;
mod failures;
mod schedule;
mod toy;
