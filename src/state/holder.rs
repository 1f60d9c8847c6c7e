//! Who runs something: a person, a command, a process that lives or does not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use super::store;

/// A process that works on a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The ssh key's name (`SSH_NAME`), else the system user that ssh came from (`SSH_USER`), else `uid N`.
    pub who: String,
    /// Since when, RFC 3339.
    pub when: String,
    /// The command, `compose:import`.
    pub command: String,
    /// Process id.
    pub pid: u32,
    /// Boot and start time of the process, which tell it from a later one with its id; empty: unknown.
    #[serde(default)]
    pub birth: String,
}

impl Holder {
    /// This process; `env` is its environment.
    pub fn current(command: &str, env: &BTreeMap<String, String>) -> Self {
        let named = ["SSH_NAME", "SSH_USER"].iter().filter_map(|name| env.get(*name)).find(|value| !value.is_empty());
        let pid = std::process::id();
        Self {
            who: named.cloned().unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
            when: store::now(),
            command: command.to_owned(),
            pid,
            birth: birth(pid).unwrap_or_default(),
        }
    }

    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw) else {
            return false;
        };
        // A process of another user answers with a refusal: it lives.
        let answers = rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH);
        answers
            && match birth(self.pid) {
                Some(birth) if !self.birth.is_empty() => birth == self.birth,
                _ => true,
            }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} since {}, process {}", self.command, self.who, self.when, self.pid)
    }
}

/// Boot id and start time (field 22 of `/proc/PID/stat`, proc(5)); `None` without `/proc`.
fn birth(pid: u32) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold spaces and parentheses.
    let start = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{}:{start}", boot.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        let me = Holder::current("compose:import", &BTreeMap::new());
        assert!(me.is_alive() && me.who.starts_with("uid "));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!Holder { pid, ..me.clone() }.is_alive());
        assert!(!Holder { birth: "another boot:1".into(), ..me.clone() }.is_alive(), "a reused process id");
        assert!(!Holder { pid: 0, ..me }.is_alive());
    }

    #[test]
    fn the_ssh_name_comes_first() {
        let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(Holder::current("x", &env(&[("SSH_NAME", "ann"), ("SSH_USER", "dokku")])).who, "ann");
        assert_eq!(Holder::current("x", &env(&[("SSH_NAME", ""), ("SSH_USER", "dokku")])).who, "dokku");
    }
}
