//! Where a stack is imported: a real Dokku with the plugin, or the program's own sandbox.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::run::{self, Output};

/// The longest that one command of the plugin may take.
const LIMIT: Duration = Duration::from_secs(900);

/// A server to import into.
#[derive(Debug)]
pub enum Backend {
    /// `dokku compose:NAME ARGUMENTS`.
    Dokku,
    /// `dokku-compose NAME --sandbox WORLD ARGUMENTS`.
    Sandbox { world: PathBuf },
}

impl Backend {
    /// Runs one of the plugin's commands to its end.
    pub fn compose(&self, name: &str, args: &[&str], stdin: Option<File>) -> Output {
        match self {
            Self::Dokku => {
                let name = format!("compose:{name}");
                let mut words = vec!["dokku", &name];
                words.extend(args);
                run::run(&words, stdin, LIMIT)
            }
            Self::Sandbox { world } => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_dokku-compose"));
                command.arg(name).arg("--sandbox").arg(world).args(args);
                run::finish(command, stdin, LIMIT)
            }
        }
    }

    pub fn is_real(&self) -> bool {
        matches!(self, Self::Dokku)
    }
}

/// Whether stacks can be run against a Dokku here.
#[derive(Debug, PartialEq, Eq)]
pub enum Presence {
    Ready,
    /// Why not, as a sentence's beginning.
    Absent(&'static str),
}

/// Looks for Dokku and the plugin.
pub fn presence() -> Presence {
    let quick = Duration::from_secs(30);
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("dokku").is_file()));
    if !on_path {
        return Presence::Absent("no Dokku on the PATH");
    }
    let plugins = run::run(&["dokku", "plugin:list"], None, quick);
    if !plugins.ok() {
        return Presence::Absent("the Dokku on the PATH does not answer");
    }
    if !plugins.stdout.lines().any(|line| line.split_whitespace().next() == Some("compose") && line.contains("enabled"))
    {
        return Presence::Absent("the Dokku on the PATH does not have this plugin");
    }
    Presence::Ready
}
