//! What one played container does as time passes.

use super::super::behaviour::{Behaviour, Play};
use super::super::world::millis;
use super::state::Container;
use crate::docker::ContainerFacts;

impl Container {
    /// Whether it holds its ports and addresses.
    pub fn active(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }

    /// Its name as a test would write it: an app's container keeps its plain name while it is new.
    fn plain_name(&self) -> &str {
        self.name.split(".upcoming-").next().unwrap_or(&self.name)
    }

    /// What it does once started.
    pub fn play(&self, behaviour: &Behaviour) -> Play {
        let app = self.labels.get("com.dokku.app-name").map_or("", String::as_str);
        let names = [self.plain_name(), app, self.image.as_str()];
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let mut play = behaviour.of(&names);
        if play.exit.is_none() {
            let words: Vec<&str> = self.entrypoint.iter().chain(&self.command).map(String::as_str).collect();
            play.exit = exit_of(&words);
        }
        if play.crash_loop && play.exit.is_none() {
            play.exit = Some(1);
        }
        play
    }

    /// Lets the time pass that has passed.
    pub fn refresh(&mut self, play: &Play) {
        let Some(code) = play.exit else { return };
        if !self.active() || millis() < self.started_ms + play.after_ms {
            return;
        }
        self.exit_code = code;
        let (policy, limit) = self
            .restart
            .split_once(':')
            .map_or((self.restart.as_str(), 0), |(policy, limit)| (policy, limit.parse().unwrap_or(0)));
        let again = match policy {
            "always" | "unless-stopped" => true,
            "on-failure" => code != 0 && (limit == 0 || limit > 7),
            _ => play.crash_loop,
        };
        self.status = if again { "restarting" } else { "exited" }.to_owned();
        self.restarts = if again {
            7
        } else if policy == "on-failure" && code != 0 {
            limit
        } else {
            0
        };
    }

    /// `starting`, `healthy`, `unhealthy` or empty.
    pub fn health(&self, play: &Play) -> String {
        if !self.health_check || self.status != "running" {
            return String::new();
        }
        let waits = millis() < self.started_ms + play.healthy_after_ms;
        match play.health.as_str() {
            _ if waits => "starting".to_owned(),
            "" => "healthy".to_owned(),
            other => other.to_owned(),
        }
    }

    /// `ADDRESS:PORT` of the host, as far as it was not left to the engine.
    fn open_ports(&self) -> Vec<String> {
        let all = self.publish.iter().filter_map(|port| super::state::host_port(port));
        all.map(|port| port.split('/').next().unwrap_or_default().to_owned()).collect()
    }

    /// As the engine's calls tell it.
    pub fn facts(&self, behaviour: &Behaviour) -> ContainerFacts {
        let play = self.play(behaviour);
        ContainerFacts {
            error: String::new(),
            id: self.id.clone(),
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: self.image_id.clone(),
            status: self.status.clone(),
            health: self.health(&play),
            failed_check: String::new(),
            exit_code: self.exit_code,
            restarts: self.restarts,
            started_at: if self.started_ms == 0 { String::new() } else { super::rfc3339(self.started_ms) },
            labels: self.labels.clone(),
            networks: self.networks.iter().map(|(name, endpoint)| (name.clone(), endpoint.address.clone())).collect(),
            mounts: self
                .mounts
                .iter()
                .map(|mount| mount.split(':').next().unwrap_or_default().to_owned())
                .filter(|source| !source.is_empty())
                .collect(),
            ports: if self.status == "running" { self.open_ports() } else { Vec::new() },
        }
    }
}

/// The exit code of a command that plainly ends at once; `None`: it runs.
pub(in crate::sandbox) fn exit_of(words: &[&str]) -> Option<i64> {
    match words {
        ["true"] | ["/bin/true"] => Some(0),
        ["false"] | ["/bin/false"] => Some(1),
        ["sh" | "/bin/sh" | "bash" | "/bin/bash", "-c", script] => {
            let words: Vec<&str> = script.split_whitespace().collect();
            match words.as_slice() {
                ["exit", code] => code.parse().ok(),
                ["exec", rest @ ..] => exit_of(rest),
                other => exit_of(other),
            }
        }
        _ => None,
    }
}
