//! The command line as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::ui::Format;

/// Imports Docker Compose files into Dokku.
#[derive(Parser)]
#[command(name = "dokku-compose", version, about, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Say only results and warnings
    #[arg(long, global = true)]
    pub(super) quiet: bool,
    /// Dokku's own flag, which may stand anywhere
    #[arg(long, global = true, hide = true)]
    pub(super) trace: bool,
    /// Work on a sandbox in this directory instead of a server
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) sandbox: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Bring a compose project up, or bring it up to date
    Import(ImportArgs),
    /// Show what an import would do
    Plan(ImportArgs),
    /// Show each service, what it became and whether it runs
    Status(ProjectArgs),
    /// List the imported projects
    List(FormatArgs),
    /// Remove a project and what it made
    Destroy(DestroyArgs),
    /// Print the normalized compose project
    Config(ConfigArgs),
    /// Check compose files without a server
    Check(CheckArgs),
    /// End a run that was interrupted
    Recover(ProjectArgs),
    /// Set what the administrator allows
    Set(SetArgs),
    /// Show the commands
    Help {
        /// A command
        command: Option<String>,
    },
    /// Run one of Dokku's triggers
    #[command(hide = true)]
    Trigger {
        /// Its name
        name: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Where the compose files are.
#[derive(Args, Clone, Default)]
pub(super) struct SourceArgs {
    /// Directory, compose file, git URL (`URL#ref:dir`), or `-` for a compose file or tar on standard input
    #[arg(value_name = "SOURCE")]
    pub(super) source: Option<String>,
    /// Compose file; several are merged
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Enable a profile
    #[arg(long = "profile", value_name = "NAME")]
    pub(super) profiles: Vec<String>,
    /// Read variables from this file instead of `.env`
    #[arg(long = "env-file", value_name = "FILE")]
    pub(super) env_files: Vec<PathBuf>,
    /// Set a variable, or take it from the environment
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub(super) env: Vec<String>,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// Project: the name of its app and the prefix of all others
    #[arg(value_name = "PROJECT")]
    pub(super) project: Option<String>,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Project, instead of the first argument
    #[arg(long = "project", value_name = "PROJECT")]
    pub(super) named: Option<String>,
    /// Only show the plan
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Print progress as JSON lines
    #[arg(long)]
    pub(super) events: bool,
    /// Exit with 2 where changes are pending (with --dry-run)
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Operations at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) parallel: Option<u16>,
    /// Seconds for one operation
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) timeout: Option<u64>,
    /// Seconds to wait for another run on the project
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) lock_wait: u64,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
    /// Also list every operation of the plan
    #[arg(long)]
    pub(super) operations: bool,
}

#[derive(Args)]
pub(super) struct ProjectArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Args)]
pub(super) struct FormatArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Args)]
pub(super) struct DestroyArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Also remove the volumes that the project made, with their data
    #[arg(long)]
    pub(super) volumes: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) force: bool,
    /// Seconds to wait for another run on the project
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) lock_wait: u64,
}

#[derive(Args)]
pub(super) struct ConfigArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Print JSON instead of YAML
    #[arg(long, value_name = "FORMAT", value_parser = ["yaml", "json"], default_value = "yaml")]
    pub(super) format: String,
    /// Print the names of the services
    #[arg(long)]
    pub(super) services: bool,
    /// Print the names of the volumes
    #[arg(long)]
    pub(super) volumes: bool,
    /// Print the images
    #[arg(long)]
    pub(super) images: bool,
    /// Print the profiles
    #[arg(long)]
    pub(super) profiles_list: bool,
    /// Do not replace variables
    #[arg(long)]
    pub(super) no_interpolate: bool,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Args)]
pub(super) struct SetArgs {
    /// For all projects
    #[arg(long, required = true)]
    pub(super) global: bool,
    /// `allowed-host-paths`
    #[arg(value_name = "KEY", value_parser = ["allowed-host-paths"])]
    pub(super) key: String,
    /// Comma-separated paths; none: the default
    #[arg(value_name = "VALUE")]
    pub(super) value: Option<String>,
}
