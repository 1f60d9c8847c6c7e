use std::cell::RefCell;
use std::path::PathBuf;

use super::*;

fn env() -> BTreeMap<String, String> {
    child_env(&BTreeMap::new())
}

fn sh(script: &str) -> Result<Output, RunError> {
    Command::new("/bin/sh", &env()).args(["-c", script]).run()
}

/// Whether a process is there and not a zombie.
fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Waits a moment for `pid` to go.
fn gone(pid: &str) -> bool {
    for _ in 0..100 {
        if !alive(pid) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn both_streams_and_the_code() {
    let output = sh("echo out; echo err >&2; exit 7").unwrap();
    assert_eq!((output.exit, output.ended), (Exit::Code(7), Ended::ByItself));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    assert!(!output.success());
    assert!(sh("true").unwrap().success());
}

#[test]
fn a_signal_is_told() {
    assert_eq!(sh("kill -9 $$").unwrap().exit, Exit::Signal(9));
}

#[test]
fn not_found_and_not_executable() {
    for (program, kind) in [
        ("/no/such/program", io::ErrorKind::NotFound),
        ("no-such-program-at-all", io::ErrorKind::NotFound),
        ("/etc/passwd", io::ErrorKind::PermissionDenied),
    ] {
        match Command::new(program, &env()).run() {
            Err(RunError::NotStarted { program: named, source }) => {
                assert_eq!((named, source.kind()), (PathBuf::from(program), kind))
            }
            other => panic!("{program}: {other:?}"),
        }
    }
}

#[test]
fn the_environment_is_what_was_given() {
    let output = Command::new("env", &env()).env("ONE", "1").run().unwrap();
    let mut lines: Vec<_> = output.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ONE=1".to_owned(), format!("PATH={SAFE_PATH}")]);
}

#[test]
fn it_runs_in_the_root_or_where_told() {
    assert_eq!(sh("pwd").unwrap().stdout, "/\n");
    assert_eq!(Command::new("/bin/sh", &env()).args(["-c", "pwd"]).cwd("/usr").run().unwrap().stdout, "/usr\n");
}

#[test]
fn the_limit_ends_it() {
    let env = env();
    let output = Command::new("/bin/sh", &env)
        .args(["-c", "echo begun; sleep 60"])
        .limit(Duration::from_millis(200))
        .run()
        .unwrap();
    assert_eq!((output.ended, output.exit, output.stdout.as_str()), (Ended::TimedOut, Exit::Signal(15), "begun\n"));
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
}

#[test]
fn who_ignores_the_first_signal_gets_the_second() {
    let env = env();
    let command = Command::new("/bin/sh", &env).args(["-c", "trap '' TERM; while :; do sleep 1; done"]);
    let output = command.limit(Duration::from_millis(200)).grace(Duration::from_millis(300)).run().unwrap();
    assert_eq!((output.ended, output.exit), (Ended::TimedOut, Exit::Signal(9)));
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
}

#[test]
fn who_is_told_to_end_may_clean_up() {
    let env = env();
    let script = "trap 'echo cleaned; exit 3' TERM; while :; do sleep 0.05; done";
    let output = Command::new("/bin/sh", &env).args(["-c", script]).limit(Duration::from_millis(300)).run().unwrap();
    assert_eq!((output.ended, output.exit, output.stdout.as_str()), (Ended::TimedOut, Exit::Code(3), "cleaned\n"));
}

#[test]
fn grandchildren_die_with_it() {
    let env = env();
    let script = "(trap '' TERM; exec sleep 300) & echo $!; wait";
    let command = Command::new("/bin/sh", &env).args(["-c", script]);
    let output = command.limit(Duration::from_millis(300)).grace(Duration::from_millis(300)).run().unwrap();
    assert_eq!(output.ended, Ended::TimedOut);
    assert!(gone(output.stdout.trim()), "grandchild {} lives", output.stdout.trim());
}

#[test]
fn what_it_leaves_in_the_background_lives_and_is_not_waited_for() {
    let output = sh("sleep 20 & echo $!").unwrap();
    let pid = output.stdout.trim();
    assert!(output.success());
    assert!(output.elapsed < Duration::from_secs(5), "{:?}", output.elapsed);
    assert!(alive(pid));
    assert!(sh(&format!("kill {pid}")).unwrap().success());
}

#[test]
fn large_output_on_both_streams_is_bounded() {
    let env = env();
    let script = "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr '\\0' o; head -c 100000 /dev/zero | tr '\\0' e >&2; i=$((i+1)); done; echo end";
    let output = Command::new("/bin/sh", &env).args(["-c", script]).keep(1_000_000).run().unwrap();
    assert!(output.success());
    assert_eq!(output.stdout_left_out, 4_000_004 - 1_000_000);
    assert!(output.stdout.starts_with("ooo") && output.stdout.ends_with("oooend\n") && output.stdout.len() < 1_000_100);
    assert!(output.stderr.len() < 1_000_100 && output.stderr.len() >= 1_000_000);
}

#[test]
fn large_input_while_it_writes() {
    let env = env();
    let output = Command::new("cat", &env).stdin(Stdin::Bytes(vec![b'x'; 3_000_000])).run().unwrap();
    assert_eq!(output.stdout.len(), 3_000_000);
}

#[test]
fn a_writer_streams() {
    let env = env();
    let writer = Stdin::Writer(Box::new(|pipe| {
        for number in 0..1000 {
            writeln!(pipe, "{number}")?;
        }
        Ok(())
    }));
    let output = Command::new("/bin/sh", &env).args(["-c", "tail -n 1"]).stdin(writer).run().unwrap();
    assert_eq!(output.stdout, "999\n");
}

#[test]
fn who_does_not_read_its_input_is_no_error() {
    let env = env();
    for stdin in [Stdin::Bytes(vec![0; 5_000_000]), Stdin::Writer(Box::new(|pipe| pipe.write_all(&vec![0; 5_000_000])))]
    {
        assert!(Command::new("true", &env).stdin(stdin).run().unwrap().success());
    }
}

#[test]
fn half_an_input_is_never_taken_for_the_whole() {
    let env = env();
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let writer = Stdin::Writer(Box::new(|pipe| {
        pipe.write_all(b"half")?;
        Err(io::Error::other("the other half is unreadable"))
    }));
    let script = format!("cat >/dev/null && touch {}", mark.display());
    match Command::new("/bin/sh", &env).args(["-c", script.as_str()]).stdin(writer).run() {
        Err(RunError::Stdin(error)) => assert!(error.to_string().contains("unreadable")),
        other => panic!("{other:?}"),
    }
    assert!(!mark.exists());
}

#[test]
fn nothing_is_read_from_the_caller() {
    assert_eq!(sh("cat; echo end").unwrap().stdout, "end\n");
}

#[test]
fn lines_come_as_they_are_written() {
    let env = env();
    let seen = RefCell::new(Vec::new());
    let started = Instant::now();
    let mut sink = |stream, line: &str| seen.borrow_mut().push((stream, line.to_owned(), started.elapsed()));
    let script = "echo one; sleep 1; echo two >&2; printf last";
    Command::new("/bin/sh", &env).args(["-c", script]).lines(&mut sink).run().unwrap();
    let seen = seen.into_inner();
    let texts: Vec<_> = seen.iter().map(|(_, line, _)| line.as_str()).collect();
    assert!(texts == ["one", "two", "last"] || texts == ["one", "last", "two"], "{texts:?}");
    assert_eq!((seen[0].0, seen[1..].iter().filter(|line| line.0 == Stream::Err).count()), (Stream::Out, 1));
    assert!(seen[1].2 - seen[0].2 > Duration::from_millis(500), "{seen:?}");
}

#[test]
fn a_cancellation_ends_it_and_prevents_the_next() {
    let env = env();
    let cancel = Cancel::new();
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            cancel.cancel();
        });
        Command::new("sleep", &env).args(["60"]).cancel(&cancel).run().unwrap()
    });
    assert_eq!((output.ended, output.exit), (Ended::Cancelled, Exit::Signal(15)));
    assert!(output.elapsed < Duration::from_secs(4), "{:?}", output.elapsed);
    assert!(matches!(Command::new("true", &env).cancel(&cancel).run(), Err(RunError::Cancelled)));
}

#[test]
fn no_child_is_left_behind_when_a_sink_panics() {
    let pid = RefCell::new(String::new());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let env = env();
        let mut sink = |_, line: &str| {
            pid.borrow_mut().push_str(line);
            panic!("the sink fails");
        };
        Command::new("/bin/sh", &env).args(["-c", "echo $$; exec sleep 300"]).lines(&mut sink).run()
    }));
    assert!(result.is_err());
    assert!(!PathBuf::from(format!("/proc/{}", pid.borrow())).exists());
}
