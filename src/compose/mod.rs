//! The phases of the Compose Specification, one module a phase, named as the
//! Specification names them.
//!
//! [`load`] takes compose files to a [`Project`]: read and parse, interpolate
//! and cast, include, reset, extends, merge, unicity, schema, canonical,
//! defaults, validation, paths, normalize, decode, profiles, consistency,
//! environment. Every phase reports all that it finds, each with the place
//! where the value was written; the phase after it only runs on what is sound.

mod aliases;
mod canonical;
mod cast;
mod consistency;
mod decode;
mod defaults;
mod environment;
mod extends;
mod files;
mod include;
mod load;
mod merge;
mod normalize;
mod path;
mod paths;
mod profiles;
mod project_name;
mod prune;
mod render;
mod reset;
mod schema;
mod select;
mod short;
mod tree;
mod unicity;
mod validation;

#[cfg(test)]
mod tests;

pub mod dotenv;
pub mod duration;
pub mod image;
pub mod interpolate;
pub mod shellwords;
pub mod template;
pub mod units;
pub mod variables;

use std::path::PathBuf;

use indexmap::IndexMap;

use crate::diag::{Diagnostics, Sources};
use crate::model::Project;

pub use files::{Disk, FileKind, Files, is_within};
pub use load::load;
pub use render::{Format, config_json, render_config};

/// What to load.
#[derive(Clone, Debug)]
pub struct Request {
    /// Compose files in the order in which they are merged; `-` is
    /// [`Request::stdin`]. Relative paths start at `project_dir`. Empty: the
    /// files of `COMPOSE_FILE`, else the usual names in `project_dir`.
    pub files: Vec<PathBuf>,
    /// The directory that relative paths in the files start from; absolute.
    pub project_dir: PathBuf,
    /// The project name; else `COMPOSE_PROJECT_NAME`, `name:` of the files, the directory's name.
    pub project_name: Option<String>,
    /// Active profiles; empty: those of `COMPOSE_PROFILES`. `*` is every profile.
    pub profiles: Vec<String>,
    /// Env files for interpolation, later ones stronger; empty: `.env` in
    /// `project_dir`, where there is one.
    pub env_files: Vec<PathBuf>,
    /// Variables stronger than the env files. The process environment is never read.
    pub variables: IndexMap<String, String>,
    /// The compose file called `-`.
    pub stdin: Option<String>,
    /// Whether variables are replaced. Without, they stay in strings as written; where a key wants
    /// a number, a boolean or a short form, text with a variable in it is an error.
    pub interpolate: bool,
    /// What messages call `project_dir`, where its own name says nothing: the folder that an archive was unpacked to.
    pub place: Option<String>,
    /// Whether references between services, networks and volumes are checked.
    pub check_consistency: bool,
}

impl Request {
    /// A request for the usual files of `project_dir`.
    pub fn new(project_dir: impl Into<PathBuf>) -> Self {
        Self {
            files: Vec::new(),
            project_dir: project_dir.into(),
            project_name: None,
            profiles: Vec::new(),
            env_files: Vec::new(),
            variables: IndexMap::new(),
            stdin: None,
            interpolate: true,
            check_consistency: true,
            place: None,
        }
    }

    /// What messages call the project's directory.
    pub(crate) fn place(&self) -> String {
        self.place.clone().unwrap_or_else(|| self.project_dir.display().to_string())
    }
}

/// What loading gives.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The project; `None` where a diagnostic is an error.
    pub project: Option<Project>,
    /// Every file read, for showing diagnostics.
    pub sources: Sources,
    /// What was found on the way.
    pub diagnostics: Diagnostics,
}
