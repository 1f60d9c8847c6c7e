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
    /// Show the versions of a project
    History(ProjectArgs),
    /// Show what differs between two versions, or between the current one and the server
    Diff(DiffArgs),
    /// Go back to an earlier version: its images, variables, domains and scale
    Rollback(RollbackArgs),
    /// Print a run as a trace for Chrome's trace viewer or Perfetto
    Trace(TraceArgs),
    /// Show each service, what it became and whether it runs
    Status(ProjectArgs),
    /// List the imported projects
    List(FormatArgs),
    /// Remove a project and what it made
    Destroy(DestroyArgs),
    /// Print the normalized compose project
    Config(ConfigArgs),
    /// Write a project, or apps made by hand, as a compose file
    Export(ExportArgs),
    /// Check compose files without a server
    Check(CheckArgs),
    /// Show where a value came from, step by step
    Explain(ExplainArgs),
    /// Carry the data of databases in containers over into services of their plugins
    CarryOver(CarryOverArgs),
    /// End a run that was interrupted
    Recover(ProjectArgs),
    /// Hold a project: nobody changes it until it is unlocked
    Lock(LockArgs),
    /// Lift a hold
    Unlock(ProjectOnly),
    /// Make a project's own app, to which its repository is pushed
    Create(CreateArgs),
    /// Set what the administrator allows, and what a push to an app does
    Set(SetArgs),
    /// Show the commands
    Help {
        /// Show what becomes of each key of a compose file
        #[arg(long)]
        keys: bool,
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
    /// The top of a tree that was pushed; the source is a directory or file of it
    #[arg(skip)]
    pub(super) pushed: Option<PathBuf>,
}

#[derive(Args, Default)]
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
    /// Remove services that are not in the file any more, after all else has succeeded; volumes stay
    #[arg(long)]
    pub(super) prune: bool,
    /// Take over apps and containers that are there under the project's names
    #[arg(long)]
    pub(super) adopt: bool,
    /// Take over what somebody changed by hand on the server, until the file says something new about it
    #[arg(long)]
    pub(super) accept: bool,
    /// Whether databases become services of their Dokku plugins; what is imported already stays what it is
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(super) datastores: crate::map::datastores::Wish,
    /// Use no service of this plugin
    #[arg(long = "skip-plugin", value_name = "PLUGIN")]
    pub(super) skip_plugins: Vec<String>,
    /// Carry the data that lies in the volumes of databases over into services of their plugins; of these services alone
    #[arg(long, value_name = "SERVICE,...", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "")]
    pub(super) carry_over: Option<Vec<String>>,
    /// Write the plan to this file (with --dry-run)
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub(super) plan_out: Option<PathBuf>,
    /// Do what this saved plan says, only if it is still the plan
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Exit with 2 where changes are pending (with --dry-run)
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// How a run is carried out and shown.
#[derive(Args, Default)]
pub(super) struct RunArgs {
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Print progress as JSON lines
    #[arg(long)]
    pub(super) events: bool,
    /// Operations at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) parallel: Option<u16>,
    /// Seconds for one operation
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) timeout: Option<u64>,
    /// Seconds for the whole run until its commit
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) run_timeout: Option<u64>,
    /// Seconds to wait for another run on the project
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) lock_wait: u64,
    /// Also list every operation of the plan
    #[arg(long)]
    pub(super) operations: bool,
}

#[derive(Args)]
pub(super) struct CarryOverArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Services; without any all that have data
    #[arg(value_name = "SERVICE")]
    pub(super) services: Vec<String>,
    /// Directory, compose file, git URL or `-`, as for an import
    #[arg(long = "source", value_name = "SOURCE")]
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
    /// Only show the plan
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

impl CarryOverArgs {
    /// The import that does it.
    pub(super) fn import(self) -> ImportArgs {
        ImportArgs {
            project: Some(self.project),
            source: SourceArgs {
                source: self.source,
                files: self.files,
                profiles: self.profiles,
                env_files: self.env_files,
                env: self.env,
                pushed: None,
            },
            carry_over: Some(self.services),
            dry_run: self.dry_run,
            run: self.run,
            ..ImportArgs::default()
        }
    }
}

#[derive(Args)]
pub(super) struct RollbackArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Version to go back to, `v3` or `3`; without it the one before the current one
    #[arg(value_name = "VERSION", value_parser = version_number)]
    pub(super) version: Option<u32>,
    /// Remove services and networks that came after that version
    #[arg(long)]
    pub(super) prune: bool,
    /// Only show the plan
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Args)]
pub(super) struct TraceArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Run; without it the last one
    #[arg(value_name = "RUN")]
    pub(super) run: Option<String>,
}

#[derive(Args)]
pub(super) struct DiffArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Version, `v3` or `3`; without any the current version is compared with the server
    #[arg(value_name = "VERSION", value_parser = version_number)]
    pub(super) from: Option<u32>,
    /// Version to compare it with; without it the current one
    #[arg(value_name = "VERSION", value_parser = version_number)]
    pub(super) to: Option<u32>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// `v3` or `3`.
fn version_number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('v').unwrap_or(text);
    digits.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a version is v1, v2 ...".to_owned())
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
pub(super) struct ProjectOnly {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
}

#[derive(Args)]
pub(super) struct LockArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
    /// Why; shown to whoever is refused
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Seconds to wait for another run on the project
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) lock_wait: u64,
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
    /// Also destroy the datastore services that the project made, with their data
    #[arg(long)]
    pub(super) datastores: bool,
    /// Also forget the history, with the files as they were read
    #[arg(long)]
    pub(super) forget: bool,
    /// Disconnect what is on the project's networks from outside
    #[arg(long)]
    pub(super) cascade: bool,
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
    /// Only these services and those that they depend on
    #[arg(value_name = "SERVICE")]
    pub(super) only: Vec<String>,
    /// Form of the result; that of --variables is a table unless this is given
    #[arg(long, value_name = "FORMAT", value_parser = ["yaml", "json"])]
    pub(super) format: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Print nothing, only check (--quiet does the same)
    #[arg(short = 'q')]
    pub(super) only_check: bool,
    #[command(flatten)]
    pub(super) list: ConfigList,
    /// Do not replace variables
    #[arg(long)]
    pub(super) no_interpolate: bool,
    /// Do not write out what the Specification leaves implicit
    #[arg(long)]
    pub(super) no_normalize: bool,
    /// Do not make paths absolute
    #[arg(long)]
    pub(super) no_path_resolution: bool,
    /// Do not check references between services, networks and volumes
    #[arg(long)]
    pub(super) no_consistency: bool,
    /// Do not read the env files of services
    #[arg(long)]
    pub(super) no_env_resolution: bool,
}

/// What is printed instead of the whole project.
#[derive(Args)]
#[group(multiple = false)]
pub(super) struct ConfigList {
    /// Print the names of the services
    #[arg(long)]
    pub(super) services: bool,
    /// Print the names of the volumes
    #[arg(long)]
    pub(super) volumes: bool,
    /// Print the names of the networks
    #[arg(long)]
    pub(super) networks: bool,
    /// Print the AI models
    #[arg(long)]
    pub(super) models: bool,
    /// Print the images
    #[arg(long)]
    pub(super) images: bool,
    /// Print the profiles
    #[arg(long = "profiles", id = "list-profiles")]
    pub(super) profiles: bool,
    /// Print the configuration hash of services: `*` or names with commas
    #[arg(long, value_name = "SERVICES")]
    pub(super) hash: Option<String>,
    /// Print the variables that the files read, with their defaults
    #[arg(long)]
    pub(super) variables: bool,
    /// Print the variables that interpolation sees
    #[arg(long)]
    pub(super) environment: bool,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Form of the result; SARIF 2.1.0 is for code hosts and editors
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: CheckFormat,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
    /// Make the safe changes that take findings away, and say which
    #[arg(long)]
    pub(super) fix: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CheckFormat {
    /// For people, with the source lines.
    #[default]
    Text,
    /// One JSON object on standard output.
    Json,
    /// SARIF 2.1.0 on standard output.
    Sarif,
}

#[derive(Args)]
pub(super) struct CreateArgs {
    /// Project
    #[arg(value_name = "PROJECT")]
    pub(super) project: String,
}

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// Project as it was imported last; or directory, compose file, git URL, `-`
    #[arg(value_name = "PROJECT|SOURCE")]
    pub(super) target: String,
    /// Value, such as services.web.ports[0].published
    #[arg(value_name = "PATH")]
    pub(super) path: String,
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
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Args)]
pub(super) struct SetArgs {
    /// For all projects
    #[arg(long)]
    pub(super) global: bool,
    /// PROJECT (not with --global), KEY (`keep-versions`, `allowed-host-paths`, `allowed-privileges`, `metrics-file`), VALUE; without a value: unset
    #[arg(value_name = "WORD", required = true, num_args = 1..=3)]
    pub(super) words: Vec<String>,
}

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Project
    #[arg(value_name = "PROJECT", required_unless_present = "apps", conflicts_with = "apps", default_value = "")]
    pub(super) project: String,
    /// Apps that were made by hand, with the datastores and networks that they are linked to
    #[arg(long, value_name = "APP,...", value_delimiter = ',')]
    pub(super) apps: Vec<String>,
    /// Name of the exported project, with --apps
    #[arg(long, value_name = "NAME", requires = "apps")]
    pub(super) name: Option<String>,
    /// File to write, with its secrets in `.env` beside it; `-`: standard output
    #[arg(short = 'o', long = "output", value_name = "FILE", default_value = "-")]
    pub(super) output: String,
    /// Format
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ExportFormat,
    /// Write no secret values
    #[arg(long)]
    pub(super) redact: bool,
    /// Where secret values go
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub(super) secrets: crate::export::secrets::Secrets,
    /// Also write the data of datastore services into DIR, beside the file, and mount what a new database loads
    #[arg(long, value_name = "DIR", conflicts_with_all = ["original", "redact"])]
    pub(super) data: Option<std::path::PathBuf>,
    /// The files as they were imported, byte for byte: of the current version, or of vN
    #[arg(long, value_name = "VERSION", num_args = 0..=1, default_missing_value = "current", conflicts_with = "redact")]
    pub(super) original: Option<String>,
}

/// What an export is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExportFormat {
    /// A compose file
    #[default]
    Compose,
    /// The same as JSON
    Json,
    /// A graph for Graphviz
    Dot,
    /// The shell commands that would make it
    Dokku,
    /// A recipe of docket
    Docket,
}
