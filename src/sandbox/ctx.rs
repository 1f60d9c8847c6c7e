//! One call of the stand-in `dokku`: its flags, its output, its hold on the world.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use super::world::{Locked, World};

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// With this exit code; everything was said.
    Exit(i32),
    /// With exit code 1, or another, and a warning.
    Fail(i32, String),
}

/// What a command gives.
pub(super) type Answer<T = ()> = Result<T, Stop>;

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Fail(1, format!("the sandbox cannot go on: {error}"))
    }
}

/// Ends a command with a warning and exit code 1.
pub(super) fn fail<T>(message: impl Into<String>) -> Answer<T> {
    Err(Stop::Fail(1, message.into()))
}

/// Flags that Dokku takes from anywhere in the arguments, and hands on to nested calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    /// `--quiet`.
    pub quiet: bool,
    /// `--force`.
    pub force: bool,
    /// `--app NAME`.
    pub app: Option<String>,
    /// All flags of the arguments, in order.
    pub all: Vec<String>,
}

/// A call.
pub(super) struct Ctx {
    /// The world.
    pub world: World,
    /// Global flags.
    pub globals: Globals,
    /// Standard error goes to standard output, as in Dokku's deploys.
    pub merged: bool,
    /// Digest and length of what was read from standard input.
    pub stdin: Option<(String, usize)>,
    lock: Option<Locked>,
    errors: Vec<String>,
}

impl Ctx {
    pub fn new(world: World, globals: Globals) -> io::Result<Self> {
        let lock = Some(world.lock()?);
        Ok(Self { world, globals, merged: false, stdin: None, lock, errors: Vec::new() })
    }

    /// Does what must not hold the world's lock: waiting, reading standard input, calling triggers.
    pub fn unlocked<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> io::Result<T> {
        self.lock = None;
        let done = work(self);
        self.lock = Some(self.world.lock()?);
        Ok(done)
    }

    /// Lets go of the lock for good.
    pub fn release(&mut self) {
        self.lock = None;
    }

    /// All of standard input.
    pub fn read_stdin(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.unlocked(|_| {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        })??;
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.stdin = Some((digest, bytes.len()));
        Ok(bytes)
    }

    /// Text on standard output as it is. A reader that has gone is no error: Dokku's shell goes on too.
    pub fn raw(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// A line on standard output.
    pub fn line(&mut self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    /// A step, `----->`.
    pub fn step(&mut self, text: &str) {
        self.chatter("----->", text);
    }

    /// A header, `=====>`.
    pub fn head(&mut self, text: &str) {
        self.chatter("=====>", text);
    }

    /// A detail, seven columns in.
    pub fn detail(&mut self, text: &str) {
        self.chatter("      ", text);
    }

    fn chatter(&mut self, mark: &str, text: &str) {
        if !self.globals.quiet {
            self.line(&format!("{mark} {text}"));
        }
    }

    /// A line on standard error, or standard output while `merged`.
    pub fn error_line(&mut self, text: &str) {
        if self.merged {
            self.line(text);
        } else {
            self.errors.push(text.to_owned());
            let mut err = io::stderr().lock();
            let _ = writeln!(err, "{text}");
        }
    }

    /// A warning.
    pub fn warn(&mut self, text: &str) {
        self.error_line(&format!(" !     {text}"));
    }

    /// What went to standard error so far.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// An unknown app ends the command with exit code 20.
    pub fn need_app(&self, app: &str) -> Answer {
        if self.world.app_exists(app) { Ok(()) } else { Err(Stop::Fail(20, format!("App {app} does not exist"))) }
    }
}

/// A command's flags and the rest of its arguments.
#[derive(Debug, Default)]
pub(super) struct Args {
    flags: Vec<(String, String)>,
    rest: Vec<String>,
}

impl Args {
    /// Tells flags from arguments. `known` names the flags; one that ends in `=` takes a value.
    /// With `lead_only` flags end at the first argument. An unknown flag is an error.
    pub fn parse(words: &[String], known: &[&str], lead_only: bool) -> Answer<Self> {
        let mut args = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" || !word.starts_with('-') || word == "-" || (lead_only && !args.rest.is_empty()) {
                args.rest.push(word.clone());
                continue;
            }
            let name = word.trim_start_matches('-');
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (name, None),
            };
            if known.contains(&format!("{name}=").as_str()) {
                let value = value.or_else(|| words.next().cloned());
                let Some(value) = value else {
                    return Err(Stop::Fail(2, format!("flag needs an argument: --{name}")));
                };
                args.flags.push((name.to_owned(), value));
            } else if known.contains(&name) {
                args.flags.push((name.to_owned(), value.unwrap_or_else(|| "true".to_owned())));
            } else {
                return Err(Stop::Fail(2, format!("unknown flag: {word}")));
            }
        }
        Ok(args)
    }

    /// The last value of a flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// All values of a flag.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.flags.iter().filter(|(flag, _)| flag == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a switch is on.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    /// The arguments.
    pub fn rest(&self) -> &[String] {
        &self.rest
    }

    /// The first argument, an app's name; a missing one ends the command.
    pub fn app(&self) -> Answer<&str> {
        match self.rest.first() {
            Some(app) if !app.is_empty() => Ok(app),
            _ => fail("Please specify an app to run the command on"),
        }
    }

    /// The argument at `at`, or what is missing.
    pub fn at(&self, at: usize, what: &str) -> Answer<&str> {
        match self.rest.get(at) {
            Some(word) => Ok(word),
            None => fail(format!("Please specify {what}")),
        }
    }
}
