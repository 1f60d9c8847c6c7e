//! A project's life from outside: plans in files, versions, drift, removal, locks. Against the sandbox.

#![allow(clippy::unwrap_used, missing_docs)]

mod behind;
mod bench;
mod builds;
mod drift;
mod hold;
mod hooks;
mod owned_files;
mod removal;
mod rollback;
mod saved_plan;
mod transformers;
mod watching;
