//! The command line: one file a subcommand. No logic of its own.

use std::process::ExitCode;

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
