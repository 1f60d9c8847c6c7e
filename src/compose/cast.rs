//! Cast: a string where the Specification wants a number or a boolean becomes
//! one, since a variable can only ever give a string.
//!
//! Specification: 12-interpolation.md; the types are those of each element in 05-services.md and deploy.md.

use std::sync::LazyLock;

use super::patterns::Patterns;
use super::tree::{boolean, plain, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::{Node, scalar::float_text};

#[derive(Clone, Copy)]
enum To {
    Integer,
    Float,
    Boolean,
    Umask,
}

/// Paths in a container: a service or one that runs before it.
const CONTAINER: &[(&str, To)] = &[
    ("cpu_count", To::Integer),
    ("cpu_percent", To::Float),
    ("cpu_period", To::Integer),
    ("cpu_quota", To::Integer),
    ("cpu_rt_period", To::Integer),
    ("cpu_rt_runtime", To::Integer),
    ("cpus", To::Float),
    ("cpu_shares", To::Integer),
    ("init", To::Boolean),
    ("networks.*.use_service_name_alias", To::Boolean),
    ("oom_kill_disable", To::Boolean),
    ("oom_score_adj", To::Integer),
    ("pids_limit", To::Integer),
    ("privileged", To::Boolean),
    ("read_only", To::Boolean),
    ("umask", To::Umask),
    ("ulimits.*", To::Integer),
    ("ulimits.*.hard", To::Integer),
    ("ulimits.*.soft", To::Integer),
    ("volumes.*.read_only", To::Boolean),
    ("volumes.*.volume.nocopy", To::Boolean),
];

/// Paths in a service only.
const SERVICE: &[(&str, To)] = &[
    ("depends_on.*.required", To::Boolean),
    ("depends_on.*.restart", To::Boolean),
    ("deploy.replicas", To::Integer),
    ("deploy.update_config.parallelism", To::Integer),
    ("deploy.update_config.max_failure_ratio", To::Float),
    ("deploy.rollback_config.parallelism", To::Integer),
    ("deploy.rollback_config.max_failure_ratio", To::Float),
    ("deploy.restart_policy.max_attempts", To::Integer),
    ("deploy.placement.max_replicas_per_node", To::Integer),
    ("healthcheck.retries", To::Integer),
    ("healthcheck.disable", To::Boolean),
    ("ports.*.target", To::Integer),
    ("scale", To::Integer),
    ("stdin_open", To::Boolean),
    ("tty", To::Boolean),
];

/// Paths in the other sections.
const RESOURCE: &[(&str, To)] = &[
    ("networks.*.external", To::Boolean),
    ("networks.*.internal", To::Boolean),
    ("networks.*.attachable", To::Boolean),
    ("networks.*.enable_ipv4", To::Boolean),
    ("networks.*.enable_ipv6", To::Boolean),
    ("volumes.*.external", To::Boolean),
    ("secrets.*.external", To::Boolean),
    ("configs.*.external", To::Boolean),
];

static PATTERNS: LazyLock<Patterns<To>> = LazyLock::new(|| {
    Patterns::below(&[
        ("", RESOURCE),
        ("services.*.", SERVICE),
        ("services.*.", CONTAINER),
        ("services.*.pre_start.*.", CONTAINER),
    ])
});

/// Casts every string of `document` that stands at such a path.
pub(super) fn cast(document: &mut Node, out: &mut Diagnostics) {
    PATTERNS.each_mut(document, &mut |node, path, to| {
        let Some(text) = text(node) else { return };
        match convert(text, to) {
            Ok(mut cast) => {
                cast.span = node.span;
                *node = cast;
            }
            Err(expected) => out.push(
                Diagnostic::error("wrong-type", format!("`{path}` must be {expected}, but is `{text}`")).at(node.span),
            ),
        }
    });
}

fn convert(text: &str, to: To) -> Result<Node, &'static str> {
    let span = crate::diag::Span::default();
    match to {
        To::Integer => text.parse::<i64>().map(|number| plain(number.to_string(), span)).map_err(|_| "a whole number"),
        To::Float => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(plain(float_text(number), span)),
            _ => Err("a number"),
        },
        To::Boolean => boolean_of(text).map(|value| boolean(value, span)).ok_or("`true` or `false`"),
        To::Umask => umask(text).map(|number| plain(number.to_string(), span)).ok_or("a file mode such as `0o022`"),
    }
}

/// YAML 1.1's booleans, in any case.
pub(super) fn boolean_of(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A number in the notation of its prefix: `022` and `0o22` are octal.
fn umask(text: &str) -> Option<u32> {
    let text = text.replace('_', "");
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text.as_str(), 10),
    };
    u32::from_str_radix(digits, radix).ok()
}
