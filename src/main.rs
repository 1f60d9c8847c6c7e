//! The `dokku-compose` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dokku_compose::cli::main()
}
