//! What a service's server holds: users with their passwords, databases with what was made in them. It lies with the
//! service's data, so that it goes with it and outlives a container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::super::ctx::Answer;
use super::super::super::world::{read_text, write_whole};
use super::Service;

/// Users and databases.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    /// Passwords by user, beside the plugin's own.
    pub(super) users: BTreeMap<String, String>,
    /// By database what was made in it, a statement each.
    pub(super) databases: BTreeMap<String, Vec<String>>,
}

impl Server {
    pub(super) fn load(service: &Service<'_>) -> Self {
        serde_json::from_str(&read_text(&service.root().join("data/server.json"))).unwrap_or_default()
    }

    pub(super) fn save(&self, service: &Service<'_>) -> Answer {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Ok(write_whole(&service.root().join("data/server.json"), text.as_bytes())?)
    }

    /// Does what it is told, a statement a line. `database` is where the client is at first.
    pub(super) fn obey(&mut self, text: &str, database: &str) {
        let mut here = database.to_owned();
        for line in text.lines().map(str::trim) {
            // `SELECT 'CREATE ...' WHERE ...\gexec` does what it selects.
            let made = line.strip_prefix("SELECT ").filter(|_| line.ends_with("\\gexec")).and_then(quoted);
            let statement = made.as_deref().unwrap_or(line);
            let statement = statement.strip_prefix("DO $carry$ BEGIN ").unwrap_or(statement);
            let words: Vec<&str> = statement.split_whitespace().take(2).collect();
            let name = statement.find(['"', '`', '\'']).and_then(|at| quoted(&statement[at..]));
            match (words.as_slice(), name) {
                (["CREATE", "ROLE"], Some(user)) => drop(self.users.entry(user).or_default()),
                (["ALTER", "ROLE"], Some(user)) => {
                    if let Some(password) = behind(statement, " PASSWORD ") {
                        self.users.insert(user, password);
                    }
                }
                (["CREATE", "USER"], Some(user)) if !self.users.contains_key(&user) => {
                    self.users.insert(user, behind(statement, " BY ").unwrap_or_default());
                }
                (["ALTER", "USER"], Some(user)) => {
                    self.users.insert(user, behind(statement, " BY ").unwrap_or_default());
                }
                (["CREATE", "DATABASE"], Some(database)) => drop(self.databases.entry(database).or_default()),
                (["\\connect" | "USE", ..], Some(database)) => here = database,
                (["CREATE" | "INSERT", what], _) if *what != "USER" => {
                    self.databases.entry(here.clone()).or_default().push(statement.to_owned());
                }
                _ => {}
            }
        }
    }
}

fn behind(statement: &str, word: &str) -> Option<String> {
    statement.rfind(word).and_then(|at| quoted(&statement[at + word.len()..]))
}

/// What stands between the quotes with which `text` begins, where a doubled one stands for one.
fn quoted(text: &str) -> Option<String> {
    let mut chars = text.chars().peekable();
    let quote = chars.next().filter(|char| ['"', '`', '\''].contains(char))?;
    let mut out = String::new();
    while let Some(char) = chars.next() {
        if char == quote && chars.next_if_eq(&quote).is_none() {
            return Some(out);
        }
        out.push(char);
    }
    None
}
