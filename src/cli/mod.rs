//! The command line: one file a subcommand. No logic of its own.

mod args;
mod check;
mod config;
mod contexts;
mod create;
mod destroy;
mod diff;
mod drift;
mod dumps;
mod explain;
mod export;
mod git;
mod handmade;
mod history;
mod hold;
mod import;
mod list;
mod load;
mod metrics;
mod programs;
mod push;
mod recover;
mod rollback;
mod session;
mod set;
mod set_push;
mod source;
mod sources;
mod status;
mod stores;
mod trace;
mod transformers;
mod trigger;
mod validators;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::state::State;
use crate::ui::{Format, Printer};
use args::{Cli, Command};
use session::Session;

/// How the program ends; the numbers are documented in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The file or the request is wrong.
    Wrong = 1,
    /// Changes are pending (`--detailed-exitcode`).
    Pending = 2,
    /// Failed and rolled back.
    RolledBack = 3,
    /// An undo failed; the commands to finish by hand were printed.
    Stuck = 4,
    /// Another run holds the lock.
    Busy = 5,
    /// No such subcommand (Dokku's convention).
    UnknownCommand = 10,
    /// No such project.
    UnknownProject = 20,
    /// A trigger could not be answered (`EX_UNAVAILABLE`).
    NoAnswer = 69,
}

/// An error with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    message: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let argv: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    match argv.get(1).map(String::as_str) {
        Some("sandbox-dokku") => return exit_with(crate::sandbox::dokku_main(&argv[2..])),
        Some("sandbox-prop") => return exit_with(crate::sandbox::prop_main(&argv[2..])),
        _ => {}
    }
    let cli = match Cli::try_parse_from(&argv) {
        Ok(cli) => cli,
        Err(error) => {
            let unknown = error.kind() == clap::error::ErrorKind::InvalidSubcommand;
            let text = error.render().to_string().replace(OWN_CALL, &called_as());
            // Help and version go to standard output and are no errors; a reader that went away is none either.
            let _ = if error.use_stderr() {
                std::io::stderr().write_all(text.as_bytes())
            } else {
                std::io::stdout().write_all(text.as_bytes())
            };
            return exit_with(match error.exit_code() {
                0 => 0,
                _ if unknown => Exit::UnknownCommand as i32,
                _ => Exit::Wrong as i32,
            });
        }
    };
    let quiet = cli.quiet || std::env::var_os("DOKKU_QUIET_OUTPUT").is_some_and(|value| !value.is_empty());
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let printer = Printer::new(format_of(&cli.command), quiet, no_color);
    match run(cli, &printer) {
        Ok(exit) => exit_with(exit as i32),
        Err(error) => {
            printer.warn(&format!("{error:#}"));
            let exit = error.downcast_ref::<Failed>().map_or(Exit::Wrong, |failed| failed.exit);
            exit_with(exit as i32)
        }
    }
}

/// How a command begins where the program is started by its own name.
const OWN_CALL: &str = "dokku-compose ";

/// How the caller's command began: the plugin's shell files say under which name Dokku knows the plugin.
fn called_as() -> String {
    match std::env::var("DOKKU_COMPOSE_PREFIX") {
        Ok(prefix) if !prefix.is_empty() => format!("dokku {prefix}:"),
        _ => OWN_CALL.to_owned(),
    }
}

fn exit_with(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn format_of(command: &Command) -> Format {
    match command {
        Command::Import(args) | Command::Plan(args) => args.run.format,
        Command::Rollback(args) => args.run.format,
        Command::CarryOver(args) => args.run.format,
        Command::Diff(args) => args.format,
        Command::Status(args) | Command::Recover(args) | Command::History(args) => args.format,
        Command::List(args) => args.format,
        Command::Check(args) if args.format != args::CheckFormat::Text => Format::Json,
        Command::Explain(args) => args.format,
        _ => Format::Text,
    }
}

fn run(cli: Cli, printer: &Printer) -> anyhow::Result<Exit> {
    if let Command::Help { command, keys } = &cli.command {
        if *keys {
            for line in crate::map::fates::lines() {
                printer.result(&line);
            }
            return Ok(Exit::Done);
        }
        return help(command.as_deref(), printer);
    }
    let session = Session::open(cli.sandbox.as_deref())?;
    match cli.command {
        Command::Import(args) => import::run(&session, printer, &args),
        Command::Plan(mut args) => {
            args.dry_run = true;
            import::run(&session, printer, &args)
        }
        Command::CarryOver(args) => {
            if State::load(&session.project_dir(&args.project)?)?.is_none() {
                return Err(recover::unknown(&args.project));
            }
            import::run(&session, printer, &args.import())
        }
        Command::History(args) => history::run(&session, printer, &args),
        Command::Diff(args) => diff::run(&session, printer, &args),
        Command::Trace(args) => trace::run(&session, printer, &args),
        Command::Rollback(args) => rollback::run(&session, printer, &args),
        Command::Status(args) => status::run(&session, printer, &args),
        Command::List(_) => list::run(&session, printer),
        Command::Destroy(args) => destroy::run(&session, printer, &args),
        Command::Config(args) => config::run(&session, printer, &args),
        Command::Export(args) => export::run(&session, printer, &args),
        Command::Check(args) => check::run(&session, printer, &args),
        Command::Explain(args) => explain::run(&session, printer, &args),
        Command::Recover(args) => recover::run(&session, printer, &args),
        Command::Lock(args) => hold::lock(&session, printer, &args),
        Command::Unlock(args) => hold::unlock(&session, printer, &args),
        Command::Create(args) => create::run(&session, printer, &args),
        Command::Set(args) => set::run(&session, printer, &args),
        Command::Trigger { name, args } => trigger::run(&session, printer, &name, &args),
        Command::Help { .. } => Ok(Exit::Done),
    }
}

fn help(command: Option<&str>, printer: &Printer) -> anyhow::Result<Exit> {
    let mut root = Cli::command();
    let text = match command {
        None => root.render_help(),
        Some(name) => {
            let name = name.strip_prefix("compose:").unwrap_or(name);
            match root.find_subcommand_mut(name) {
                Some(found) => found.clone().bin_name(format!("{}{name}", called_as())).render_long_help(),
                None => return Err(Failed::new(Exit::UnknownCommand, format!("there is no command {name}")).into()),
            }
        }
    };
    printer.result(text.to_string().trim_end());
    Ok(Exit::Done)
}
