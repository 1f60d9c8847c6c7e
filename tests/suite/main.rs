//! The built program as a process, on a sandbox world: what an operator does, in whatever environment, with everything
//! that can go wrong.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod crash;
mod environment;
mod faults;
mod lifecycle;
mod scene;
mod secrets;
mod snapshot;
mod stacks;
mod triggers;
mod walk;
