//! Every key of a compose file is either in the plan or in what is printed.
//!
//! `mutation`: each key of the Specification, added to a small file, changes the plan or the findings. `corpus`: every
//! file of the corpus that loads gets a plan, and the share of keys that is honoured only rises. `datastores`: each image that
//! is or looks like a datastore is taken for what a hand-made list says.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod corpus;
mod datastores;
mod mutation;
#[allow(dead_code, reason = "shared with the golden tests, which need more of it")]
#[path = "../golden/project.rs"]
mod project;
mod samples;
