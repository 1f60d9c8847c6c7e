//! Local images that stand in for real ones; see `standin.rs` for what they answer.

use std::path::Path;
use std::process::Command;

/// Builds an image `name` that listens on `ports` (`"8080 53/udp"`) and declares `expose` (empty:
/// nothing), with further Dockerfile lines. The error says what is missing.
pub fn image(name: &str, ports: &str, expose: &[&str], dockerfile: &str) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin/image");
    let expose = if expose.is_empty() { &["none"] } else { expose };
    let output = Command::new(script).args([name, ports]).args(expose).env("STANDIN_DOCKERFILE", dockerfile).output();
    let output = output.map_err(|error| format!("tests/standin/image: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
