//! The phases of the Compose Specification, one module a phase, named as the
//! Specification names them.
//!
//! [`load`] takes compose files to a [`Project`]: read and parse, interpolate
//! and cast, include, reset, extends, merge, unicity, schema, canonical,
//! defaults, validation, paths, normalize, decode, profiles, consistency,
//! environment. Every phase reports all that it finds, each with the place
//! where the value was written; the phase after it only runs on what is sound.

mod aliases;
mod budget;
mod canonical;
mod cast;
mod consistency;
mod decode;
mod defaults;
mod environment;
mod extends;
mod files;
mod hash;
mod include;
mod key_order;
mod load;
mod merge;
mod normalize;
mod origin;
mod path;
mod paths;
mod patterns;
mod profiles;
mod project_name;
mod prune;
mod render;
mod reset;
pub(crate) mod schema;
mod select;
mod selection;
mod short;
mod surprises;
mod trace;
mod tree;
mod unicity;
mod validation;

#[cfg(test)]
mod tests;

pub mod dotenv;
pub mod duration;
pub mod explain;
pub mod image;
pub mod interpolate;
pub mod shellwords;
pub mod template;
pub mod units;
pub mod variables;

use std::path::PathBuf;

use crate::diag::{Diagnostics, Sources};
use crate::hashed::IndexMap;
use crate::model::Project;
use crate::yaml::Node;

pub use files::{Disk, FileKind, Files, is_within};
pub use hash::service_hash;
pub use load::{load, load_model};
pub use origin::Origins;
pub(crate) use render::write_limits;
pub use render::{Format, config_json, render_config, render_model};
pub use surprises::surprises;

/// What messages call the compose file on standard input.
pub const STDIN: &str = "<stdin>";

/// What to load, with which variables, and how far the phases go.
///
/// Specification: 03-compose-file.md and 15-profiles.md; variables and options are those of the command line of
/// `docker compose`.
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
    /// What the project is called where nobody names it, instead of the directory's name, which may be a temporary one.
    pub default_name: Option<String>,
    /// Whether references between services, networks and volumes are checked.
    pub check_consistency: bool,
    /// Whether what the Specification leaves implicit is written out: the default network, implied dependencies, names.
    pub normalize: bool,
    /// Whether relative paths become absolute.
    pub resolve_paths: bool,
    /// Whether the env files and label files of services are read into them.
    pub resolve_environment: bool,
    /// Services to keep, with those that they depend on; empty: all that the profiles enable. A named service is
    /// enabled whatever its profiles.
    pub services: Vec<String>,
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
            variables: IndexMap::default(),
            stdin: None,
            interpolate: true,
            check_consistency: true,
            normalize: true,
            resolve_paths: true,
            resolve_environment: true,
            services: Vec::new(),
            place: None,
            default_name: None,
        }
    }

    /// What messages call the project's directory.
    pub(crate) fn place(&self) -> String {
        self.place.clone().unwrap_or_else(|| self.project_dir.display().to_string())
    }
}

/// What [`load_model`] gives: the files as one tree, before its values are typed.
#[derive(Clone, Debug)]
pub struct Model {
    /// The canonical tree of all files, not pruned and with the services of every profile; `None` where a diagnostic
    /// is an error.
    pub tree: Option<Node>,
    /// Every file read, for showing diagnostics.
    pub sources: Sources,
    /// What was found on the way.
    pub diagnostics: Diagnostics,
}

/// What [`load`] gives: the project, or why there is none, and what tells where all of it is from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The project; `None` where a diagnostic is an error.
    pub project: Option<Project>,
    /// Every file read, for showing diagnostics.
    pub sources: Sources,
    /// What was found on the way.
    pub diagnostics: Diagnostics,
    /// How values came to their places.
    pub origins: Origins,
    /// The path of each of the sources, in their order; `-` is standard input.
    pub paths: Vec<PathBuf>,
}
