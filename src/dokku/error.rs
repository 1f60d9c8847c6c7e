//! What a call to Dokku can come to, besides an answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::quote::NotExpressible;
use crate::process::strip_ansi;

/// A call to Dokku that did not do what it was made for.
///
/// Texts are free of terminal sequences, and of the secrets that the call carried.
#[derive(Debug, thiserror::Error)]
pub enum DokkuError {
    /// The program is not there or may not be run; nothing was done.
    #[error("cannot run {}: {source}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It did not end in time and was killed; what it had done by then is unknown.
    #[error("`{command}` did not end within {limit:?}")]
    TimedOut {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
        /// What it had printed, see [`DokkuError::Failed`].
        output: String,
    },
    /// The run was cancelled; where `started`, what it had done by then is unknown.
    #[error("`{command}` was cancelled")]
    Cancelled {
        /// The command line.
        command: String,
        /// Whether it had begun.
        started: bool,
    },
    /// There is no such app (exit code 20).
    #[error("app {app} does not exist")]
    UnknownApp {
        /// The app.
        app: String,
        /// The command line.
        command: String,
    },
    /// An app of that name exists already.
    #[error("an app named {app} exists already")]
    AppExists {
        /// The app.
        app: String,
    },
    /// Dokku said no.
    #[error("`{command}` failed (exit code {exit}){}", explain(messages, output))]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code.
        exit: i32,
        /// Dokku's own words: its ` !     ` lines of both streams, without the marks.
        messages: Vec<String>,
        /// All that it printed: standard output, then standard error.
        output: String,
    },
    /// It was ended by a signal that this run did not send.
    #[error("`{command}` was killed by signal {signal}")]
    Signalled {
        /// The command line.
        command: String,
        /// The signal's number.
        signal: i32,
        /// What it had printed.
        output: String,
    },
    /// Its standard input could not be produced; it was killed before it could take a part for the whole.
    #[error("`{command}`: cannot produce its input: {source}")]
    Input {
        /// The command line.
        command: String,
        /// The reason.
        source: io::Error,
    },
    /// It answered something that is not what Dokku answers.
    #[error("`{command}` answered something unexpected: {what}")]
    Unreadable {
        /// The command line.
        command: String,
        /// What was wrong with the answer; never the answer itself, which may hold secrets.
        what: String,
    },
    /// Dokku has no way to express it; nothing was done.
    #[error(transparent)]
    NotExpressible(#[from] NotExpressible),
}

impl DokkuError {
    /// Whether Dokku's own words contain `text`.
    pub fn says(&self, text: &str) -> bool {
        matches!(self, Self::Failed { messages, .. } if messages.iter().any(|message| message.contains(text)))
    }

    /// Whether another deploy of the app was running.
    pub fn is_locked(&self) -> bool {
        self.says("currently has a deploy lock in place")
    }

    /// Whether nothing can have been changed by the call.
    pub fn is_without_effect(&self) -> bool {
        matches!(
            self,
            Self::NotStarted { .. }
                | Self::UnknownApp { .. }
                | Self::AppExists { .. }
                | Self::NotExpressible(_)
                | Self::Cancelled { started: false, .. }
        )
    }

    /// What it had printed, where it printed anything.
    pub fn output(&self) -> Option<&str> {
        match self {
            Self::TimedOut { output, .. } | Self::Failed { output, .. } | Self::Signalled { output, .. } => {
                Some(output)
            }
            _ => None,
        }
    }
}

/// How the engine, git and build tools begin the line that says why they failed.
const CAUSES: &[&str] =
    &["Error response from daemon:", "docker: Error response from daemon:", "ERROR:", "error:", "fatal:"];
/// What Dokku warns of in deploys that are well.
const HARMLESS: &[&str] = &["No healthchecks found in app.json", "No web listeners specified"];

/// The end of the message of a failed call: Dokku's words, or else the last line that it printed.
fn explain(messages: &[String], output: &str) -> String {
    // Behind a deploy's warnings the program that Dokku started may have said what was wrong.
    let cause = output
        .lines()
        .map(|line| strip_ansi(line).trim().to_owned())
        .rfind(|line| CAUSES.iter().any(|start| line.starts_with(start)));
    // A container's own lines, which the plugin's triggers quote so, are shown above the message.
    let quoted = |line: &str| line.starts_with('|');
    let harmless = |line: &str| HARMLESS.iter().any(|text| line.contains(text));
    let told: Vec<&str> = messages.iter().map(String::as_str).filter(|line| !harmless(line) && !quoted(line)).collect();
    let words = match told.as_slice() {
        [] if cause.is_some() => cause.unwrap_or_default(),
        [] => output.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned(),
        told => told.join("; "),
    };
    if words.is_empty() { words } else { format!(": {words}") }
}

/// Dokku's warnings and errors in `output`: lines that begin with ` !`, on either stream, in colour or not.
pub(super) fn messages(output: &str) -> Vec<String> {
    output
        .lines()
        // A plugin's own warning is shown within Dokku's.
        .filter_map(|line| {
            strip_ansi(line).strip_prefix(" !").map(|text| text.trim_start_matches([' ', '!']).trim_end().to_owned())
        })
        .filter(|text| !text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(output: &str) -> DokkuError {
        DokkuError::Failed {
            command: "dokku x".to_owned(),
            exit: 1,
            messages: messages(output),
            output: output.to_owned(),
        }
    }

    #[test]
    fn dokkus_words_are_found_on_both_streams_in_colour() {
        let output = "-----> Building\n !     No changes detected, skipping git commit\n\u{1b}[1m\u{1b}[31m !     \u{1b}[0m\u{1b}[0mFailure in name='default'\n ! \n";
        assert_eq!(messages(output), ["No changes detected, skipping git commit", "Failure in name='default'"]);
        assert!(failed(output).says("No changes detected"));
        assert!(!failed(output).is_locked());
        assert!(failed(" !     t-lock currently has a deploy lock in place. Exiting...").is_locked());
    }

    #[test]
    fn the_message_ends_with_the_reason() {
        assert_eq!(
            failed(" !     Name is already taken\n").to_string(),
            "`dokku x` failed (exit code 1): Name is already taken"
        );
        assert_eq!(
            failed("ERROR 1044: Access denied\n\n").to_string(),
            "`dokku x` failed (exit code 1): ERROR 1044: Access denied"
        );
        assert_eq!(failed("").to_string(), "`dokku x` failed (exit code 1)");
        assert_eq!(
            failed(" !     | a line of the log\n !     web: shop-web.web.1 is unhealthy\n").to_string(),
            "`dokku x` failed (exit code 1): web: shop-web.web.1 is unhealthy"
        );
        let deploy = " !     No healthchecks found in app.json for web process type\n-----> Deploying web (count=1)\n\
                      Error response from daemon: invalid mount path: 'v:/v'\nparallel: This job failed:\nscheduler-deploy x\n";
        assert_eq!(
            failed(deploy).to_string(),
            "`dokku x` failed (exit code 1): Error response from daemon: invalid mount path: 'v:/v'"
        );
    }
}
