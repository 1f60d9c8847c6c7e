//! What differs with a terminal: progress in its place, and answers to questions.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Bench, stack};

impl Bench {
    /// The program on a terminal of its own (`script` of util-linux); `typed` is what somebody types.
    fn on_a_terminal(&self, args: &[&str], typed: &str) -> (Option<i32>, String) {
        let words = [&["--sandbox", "world"], args].concat().join(" ");
        let mut child = Command::new("script")
            .args(["-qec", &format!("{} {words}", env!("CARGO_BIN_EXE_dokku-compose")), "/dev/null"])
            .current_dir(self.home.path())
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TERM", "xterm"), ("SHELL", "/bin/sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        drop(stdin);
        (child.wait().unwrap().code(), text)
    }
}

#[test]
fn progress_is_redrawn_on_a_terminal_and_a_line_an_event_elsewhere() {
    let bench = Bench::new();
    let plain = bench.run(&["import", "other", "-"], &stack());
    assert_eq!(plain.code, Some(0), "{}", plain.text);
    assert!(!plain.text.contains(['\r', '\u{1b}']), "{}", plain.text);
    assert!(plain.text.lines().any(|line| line.starts_with("-----> [1/")), "{}", plain.text);
    std::fs::create_dir(bench.path("src")).unwrap();
    tar::Archive::new(stack().as_slice()).unpack(bench.path("src")).unwrap();
    let (code, text) = bench.on_a_terminal(&["import", "shop", "src"], "");
    assert_eq!(code, Some(0), "{text}");
    let redrawn: Vec<&str> = text.split("\r\u{1b}[K").filter(|part| part.starts_with("\u{1b}[?7l       [")).collect();
    assert!(redrawn.len() > 3, "{text}");
    assert!(redrawn.iter().any(|part| part.contains("deploy")), "{text}");
    // The last sentence stands alone, and nothing is left below it.
    assert!(text.trim_end().lines().last().unwrap().contains("=====> shop is imported"), "{text}");
    let (_, quiet) = bench.on_a_terminal(&["--quiet", "import", "shop", "src"], "");
    assert!(!quiet.contains("\u{1b}[K"), "{quiet}");
}

#[test]
fn only_a_person_at_a_terminal_may_confirm() {
    let bench = Bench::new();
    bench.run(&["import", "shop", "-"], &stack());
    // A pipe with the right answer in it, and one on which nothing comes.
    let piped = bench.run(&["destroy", "shop"], b"shop\n");
    assert_eq!(piped.code, Some(1), "{}", piped.text);
    assert!(piped.text.contains("no terminal to confirm this on") && piped.text.contains("--force"), "{}", piped.text);
    let begun = Instant::now();
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_dokku-compose"))
        .args(["--sandbox", "world", "destroy", "shop"])
        .current_dir(bench.home.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.apps(), ["shop", "shop-web"]);
    let (code, text) = bench.on_a_terminal(&["destroy", "shop"], "other\n");
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(bench.apps(), ["shop", "shop-web"]);
    let (code, text) = bench.on_a_terminal(&["destroy", "shop"], "shop\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(bench.apps().is_empty());
}
