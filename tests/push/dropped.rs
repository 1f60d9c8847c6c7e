//! The connection goes in the middle: nobody reads on, the parent dies, the terminal hangs up. What had begun ends whole.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Bench, stack};

/// Longest time that anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A command at work, both of its outputs in one pipe, as over ssh.
struct AtWork {
    child: Child,
    output: BufReader<PipeReader>,
}

impl AtWork {
    fn start(mut command: Command) -> Self {
        let (read, write) = std::io::pipe().unwrap();
        command.stdout(write.try_clone().unwrap()).stderr(write).stdin(Stdio::null());
        Self { child: command.spawn().unwrap(), output: BufReader::new(read) }
    }

    /// Reads until a line has `word`.
    fn until(mut self, word: &str) -> Self {
        let mut seen = String::new();
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if line.contains(word) {
                return self;
            }
            seen.push_str(&std::mem::take(&mut line));
        }
        panic!("{word} was not said:\n{seen}");
    }

    /// Nobody reads on.
    fn drop_output(self) -> Child {
        self.child
    }
}

fn ended(mut child: Child) -> Option<i32> {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Bench {
    /// Until nothing works in this world any more.
    fn idle(&self) {
        let world = self.path("world").display().to_string();
        let until = Instant::now() + LIMIT;
        loop {
            let busy = fs::read_dir("/proc").unwrap().flatten().any(|process| {
                let own = process.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
                // A process that has ended meanwhile has no command line to read.
                own && fs::read(process.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&world))
            });
            if !busy {
                return;
            }
            assert!(Instant::now() < until, "something goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A repository whose stack takes a moment to deploy.
    fn slow(ready: bool) -> Self {
        let bench = if ready { Self::ready() } else { Self::new() };
        stack(&bench);
        fs::write(bench.path("world/behaviour.json"), r#"{"deploy_ms": 300}"#).unwrap();
        bench.git(&["add", "--all"]);
        bench.git(&["commit", "--quiet", "-m", "one"]);
        bench
    }

    fn pushing(&self) -> AtWork {
        let repository = self.path("repo").display().to_string();
        let mut command = self.command(&self.path("world/bin/dokku"));
        command.args(["git:sync", "--build", "shop", &repository, "master"]);
        AtWork::start(command)
    }

    fn importing(&self) -> AtWork {
        let mut command = self.command(std::path::Path::new(env!("CARGO_BIN_EXE_dokku-compose")));
        command.arg("--sandbox").arg(self.path("world")).args(["import", "shop", "repo"]);
        AtWork::start(command)
    }

    /// The whole stack is there, as the files say.
    #[track_caller]
    fn whole(&self) {
        self.run(&["plan", "shop", "repo", "--detailed-exitcode"]).done();
        assert_eq!(self.there().0, "shop\nshop-web\nshop-worker");
    }

    /// Nothing of the stack is there.
    #[track_caller]
    fn nothing(&self, apps: &str) {
        assert_eq!(self.there(), (apps.to_owned(), Vec::new()));
    }
}

#[test]
fn an_import_that_nobody_listens_to_goes_on_to_its_end() {
    let bench = Bench::slow(false);
    let child = bench.importing().until("-----> [").drop_output();
    assert_eq!(ended(child), Some(0));
    bench.whole();
}

#[test]
fn an_import_whose_terminal_hangs_up_is_undone_as_a_whole() {
    let bench = Bench::slow(false);
    let child = bench.importing().until("deploy").drop_output();
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(ended(child), Some(3));
    bench.nothing("");
    bench.importing().until("shop is imported");
    bench.idle();
    bench.whole();
}

#[test]
fn a_push_that_nobody_listens_to_ends_whole() {
    let bench = Bench::slow(true);
    let child = bench.pushing().until("-----> [").drop_output();
    ended(child);
    bench.idle();
    bench.whole();
}

#[test]
fn a_push_whose_parent_dies_ends_whole_and_the_next_one_is_taken() {
    let bench = Bench::slow(true);
    let mut child = bench.pushing().until("-----> [").drop_output();
    child.kill().unwrap();
    child.wait().unwrap();
    bench.idle();
    // The import did not need who had started it.
    bench.whole();
    bench.write("worker/main", "two\n");
    bench.push().done().says(&["web is skipped"]);
    bench.whole();
}
