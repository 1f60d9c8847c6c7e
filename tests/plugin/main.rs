//! The plugin's shell side, run as Dokku runs it, in a directory of its own with stand-ins for the program and for
//! everything that `install` may call.

#![allow(clippy::unwrap_used)]

mod commands;
mod house;
mod install;
mod scripts;
mod triggers;
