//! Hash: the digest by which `docker compose` knows that a service's configuration changed.
//!
//! The Specification has nothing of it: `pkg/compose/hash.go` of Docker Compose is followed.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::key_order;
use crate::model::Service;

/// Keys that a change of which makes no new container.
const IGNORED: &[&str] = &["build", "pull_policy", "scale", "depends_on", "profiles"];

/// The SHA-256 of a service's configuration in hexadecimal, as `docker compose config --hash` prints it.
pub fn service_hash(service: &Service) -> String {
    let mut value = serde_json::to_value(service).unwrap_or_default();
    super::render::sort_authored(&mut value);
    if let Value::Object(keys) = &mut value {
        super::render::limits_of_devices(keys);
        keys.retain(|key, _| !IGNORED.contains(&key.as_str()));
        if let Some(deploy) = keys.get_mut("deploy").and_then(Value::as_object_mut) {
            deploy.shift_remove("replicas");
        }
        key_order::sort(keys);
    }
    let digest = Sha256::digest(as_go(&value.to_string()).as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Go writes JSON that can stand in HTML. None of these characters is part of JSON itself.
fn as_go(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}
