//! What goes wrong on demand (`faults.json`), and the record of all calls (`calls.jsonl`).
//!
//! ```json
//! {"dokku":  [{"at": 7, "do": "fail", "exit": 1, "message": "disk full"},
//!             {"match": "git:from-image shop-*", "nth": 2, "do": "hang", "seconds": 600},
//!             {"match": "config:import *", "do": "kill", "signal": 9, "who": "parent", "when": "after"},
//!             {"match": "*", "do": "slow", "ms": 20}],
//!  "engine": [{"match": "container_start shop-*", "do": "fail", "status": 500, "message": "no space left"}]}
//! ```
//!
//! `at` counts all calls of the world from 1; `match` is a pattern with `*` on the arguments joined by
//! blanks (for `prop`, on `prop` and its arguments); `nth` (default: every one) counts the calls that match.
//! `when: after` acts when the work is done. `who: parent` kills the process that made the call.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::world::World;

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Number of the call, from 1; 0: any.
    pub at: u64,
    /// Pattern on the call's words; empty: any.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Which of the calls that match, from 1; 0: every.
    pub nth: u64,
    /// `fail`, `hang`, `kill` or `slow`.
    #[serde(rename = "do")]
    pub action: String,
    /// Exit code of `fail`; 0 is taken as 1.
    pub exit: i32,
    /// The engine's status of `fail`; 0 is taken as 500.
    pub status: u16,
    /// What `fail` says.
    pub message: String,
    /// Seconds of `hang`; 0 is taken as 3600.
    pub seconds: u64,
    /// Milliseconds of `slow`.
    pub ms: u64,
    /// Signal of `kill`; 0 is taken as 9.
    pub signal: i32,
    /// `self` (default) or `parent`.
    pub who: String,
    /// `before` (default) or `after` the work.
    pub when: String,
}

/// All faults of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Of the `dokku` and `prop` programs.
    pub dokku: Vec<Fault>,
    /// Of the engine's calls.
    pub engine: Vec<Fault>,
}

/// One line of `calls.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Number of the call, from 1.
    pub n: u64,
    /// `dokku`, `prop` or `engine`.
    pub of: String,
    /// Arguments.
    pub argv: Vec<String>,
    /// SHA-256 of standard input, where it was read.
    pub stdin: Option<String>,
    /// Exit code; none: it was killed.
    pub exit: Option<i32>,
    /// Milliseconds.
    pub ms: u64,
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut open = false;
    let mut last = "";
    for part in parts {
        open = true;
        last = part;
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    if open { last.is_empty() || text.ends_with(last) } else { rest.is_empty() }
}

/// The counters of calls: one for all, one for each fault.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counters {
    calls: u64,
    matched: BTreeMap<String, u64>,
}

/// A counted call and the faults that hit it.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Its number.
    pub n: u64,
    faults: Vec<Fault>,
}

/// Counts a call; the caller holds the world's lock. A faults file that cannot be read is an error: a test
/// must not pass because its faults never happened.
pub(super) fn count(world: &World, of: &str, words: &str) -> io::Result<Counted> {
    let mut counters: Counters = world.json("calls.count");
    counters.calls += 1;
    let path = world.path("faults.json");
    let faults: Faults =
        if path.is_file() { serde_json::from_slice(&std::fs::read(&path)?)? } else { Faults::default() };
    let list = if of == "engine" { faults.engine } else { faults.dokku };
    let mut hit = Vec::new();
    for (index, fault) in list.into_iter().enumerate() {
        if !fault.pattern.is_empty() && !fits(&fault.pattern, words) {
            continue;
        }
        let matched = counters.matched.entry(format!("{of}.{index}.{}", fault.pattern)).or_default();
        *matched += 1;
        if (fault.at == 0 || fault.at == counters.calls) && (fault.nth == 0 || fault.nth == *matched) {
            hit.push(fault);
        }
    }
    let n = counters.calls;
    world.set_json("calls.count", &counters)?;
    Ok(Counted { n, faults: hit })
}

impl Counted {
    /// Does what the faults of this moment say; a `fail` is given back. The caller holds no lock.
    pub fn strike(&self, world: &World, of: &str, argv: &[String], after: bool) -> Option<Fault> {
        for fault in self.faults.iter().filter(|fault| (fault.when == "after") == after) {
            match fault.action.as_str() {
                "slow" => std::thread::sleep(Duration::from_millis(fault.ms)),
                "hang" => {
                    std::thread::sleep(Duration::from_secs(if fault.seconds == 0 { 3600 } else { fault.seconds }));
                }
                "kill" => {
                    let _ = self.record(world, of, argv, None, None, 0);
                    kill(fault);
                }
                _ => return Some(fault.clone()),
            }
        }
        None
    }

    /// Writes the call's line.
    pub fn record(
        &self,
        world: &World,
        of: &str,
        argv: &[String],
        stdin: Option<&str>,
        exit: Option<i32>,
        ms: u64,
    ) -> io::Result<()> {
        let line = json!({"n": self.n, "of": of, "argv": argv, "stdin": stdin, "exit": exit, "ms": ms});
        world.append("calls.jsonl", &line.to_string())
    }
}

fn kill(fault: &Fault) {
    use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
    let signal = match fault.signal {
        0 => Some(Signal::KILL),
        number => Signal::from_named_raw(number),
    };
    let who = if fault.who == "parent" { getppid() } else { Some(getpid()) };
    if let (Some(who), Some(signal)) = (who, signal) {
        let who: Pid = who;
        // A parent that has ended already is as dead as it was to be.
        let _ = kill_process(who, signal);
    }
    // The signal is on its way; what follows must not happen.
    std::thread::sleep(Duration::from_secs(if fault.who == "parent" { 0 } else { 60 }));
}

impl World {
    /// Sets the world's faults and begins to count anew.
    pub fn set_faults(&self, faults: &Faults) -> io::Result<()> {
        super::world::remove_file(&self.path("calls.count"))?;
        self.set_json("faults.json", faults)
    }

    /// All calls so far, in the order in which they ended.
    pub fn calls(&self) -> Vec<CallRecord> {
        super::world::read_text(&self.path("calls.jsonl"))
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("config:import *", "config:import shop -"));
        assert!(fits("*shop-db*", "postgres:create shop-db --password x"));
        assert!(fits("apps:list", "apps:list") && !fits("apps:list", "apps:list x"));
        assert!(!fits("apps:*-b", "apps:create shop-bc"));
    }
}
