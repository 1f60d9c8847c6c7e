//! `x-dokku` of a service: what Compose has no key for. Its schema is `docs/x-dokku.schema.json`.

use serde_json::Value;

use super::context::Context;
use crate::diag::suggest;
use crate::model::Service;

/// Every key, as the schema has them.
pub const KEYS: &[&str] = &["app", "as", "checks", "cron", "docker-options", "domains", "http", "ports", "scheduler"];

/// Phases of `docker-options`.
const PHASES: &[&str] = &["build", "deploy", "run"];

/// What a service says, as far as it is sound. `app` and `as` are read where names and forms are decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extension {
    /// Domains beyond the one that Dokku gives the app.
    pub(super) domains: Vec<String>,
    /// Ports of the proxy, `scheme:host:container`.
    pub(super) ports: Vec<String>,
    /// Container ports that speak HTTP; `None`: the table of ports decides.
    pub(super) http: Option<Vec<u32>>,
    /// Whether a new container is waited for.
    pub(super) checks: Checks,
    /// `docker-options`, by phase as in [`PHASES`].
    pub(super) options: Vec<(&'static str, String)>,
}

/// How a new container is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    /// It is not waited for.
    pub(super) off: bool,
    /// Seconds at most.
    pub(super) limit: Option<u64>,
    /// Seconds that it has to stay up.
    pub(super) settle: Option<u64>,
}

/// Reads it; what is wrong is an error with its place.
pub(super) fn read(ctx: &Context<'_>, service: &Service) -> Extension {
    let mut out = Extension::default();
    let Some(value) = service.extensions.get("x-dokku") else { return out };
    let path = format!("services.{}.x-dokku", service.name);
    let error = |path: &str, message: String, hint: &str| ctx.error("x-dokku", path, message, hint);
    let Some(map) = value.as_object() else {
        error(&path, "x-dokku is a mapping".into(), "as in x-dokku: {domains: [shop.example.com]}");
        return out;
    };
    for (key, value) in map {
        let at = format!("{path}.{key}");
        match key.as_str() {
            "app" | "as" => {}
            "domains" => match texts(value) {
                Some(domains) if domains.iter().all(|domain| is_domain(domain)) => out.domains = domains,
                _ => error(&at, "x-dokku.domains is a list of host names".into(), "[shop.example.com]"),
            },
            "ports" => match texts(value) {
                Some(ports) if ports.iter().all(|port| is_port_map(port)) => out.ports = ports,
                _ => error(&at, "x-dokku.ports is a list of scheme:host:container".into(), "[\"http:80:3000\"]"),
            },
            "http" => match numbers(value) {
                Some(ports) => out.http = Some(ports),
                None => error(&at, "x-dokku.http is a list of container ports".into(), "[3000]"),
            },
            "checks" => match checks(value) {
                Some(checks) => out.checks = checks,
                None => {
                    error(
                        &at,
                        "x-dokku.checks is false, or what is to be waited for".into(),
                        "{limit: 300, settle: 10}",
                    );
                }
            },
            "docker-options" => options(ctx, &at, value, &mut out),
            // Said by the table of fates.
            "cron" => {}
            "scheduler" => {
                if value.as_str() != Some("docker-local") {
                    let message = format!("x-dokku.scheduler cannot be {}", shown(value));
                    error(&at, message, "docker-local is the only one that services are mapped to");
                }
            }
            unknown => {
                let hint = match suggest::closest(unknown, KEYS.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it takes {}", KEYS.join(", ")),
                };
                error(&at, format!("x-dokku has no {unknown}"), &hint);
            }
        }
    }
    out
}

fn options(ctx: &Context<'_>, at: &str, value: &Value, out: &mut Extension) {
    let wrong = |at: &str| {
        let hint = "{deploy: [\"--shm-size=1g\"]}";
        ctx.error("x-dokku", at, "x-dokku.docker-options is a list for each of build, deploy and run", hint);
    };
    let Some(map) = value.as_object() else { return wrong(at) };
    for (name, list) in map {
        let place = format!("{at}.{name}");
        let phase = PHASES.iter().find(|phase| *phase == name);
        let (Some(phase), Some(list)) = (phase, texts(list)) else {
            wrong(&place);
            continue;
        };
        if !list.iter().all(|option| option.starts_with('-')) {
            wrong(&place);
            continue;
        }
        // An option can be any privilege at all.
        if super::policy::allow(ctx, "docker-options", "", &place) {
            out.options.extend(list.into_iter().map(|option| (*phase, option)));
        }
    }
}

fn checks(value: &Value) -> Option<Checks> {
    match value {
        Value::Bool(wanted) => Some(Checks { off: !wanted, ..Checks::default() }),
        Value::Object(map) => {
            let mut out = Checks::default();
            for (key, value) in map {
                let seconds = value.as_u64().filter(|seconds| *seconds <= 86_400)?;
                match key.as_str() {
                    "limit" => out.limit = Some(seconds),
                    "settle" => out.settle = Some(seconds),
                    _ => return None,
                }
            }
            Some(out)
        }
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn numbers(value: &Value) -> Option<Vec<u32>> {
    let port = |item: &Value| u32::try_from(item.as_u64()?).ok().filter(|port| (1..=65535).contains(port));
    value.as_array()?.iter().map(port).collect()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A host name as Dokku takes it, also with `*` as its first part.
pub(super) fn is_domain(domain: &str) -> bool {
    let rest = domain.strip_prefix("*.").unwrap_or(domain);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-' || char == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    rest.len() <= 253 && rest.split('.').all(label)
}

/// `http:80:3000`, as `ports:set` takes it.
fn is_port_map(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    matches!(parts.as_slice(), [scheme, host, container]
        if ["http", "https", "grpc", "grpcs"].contains(scheme) && port(host) && port(container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_has_the_same_keys() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/x-dokku.schema.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, KEYS);
        assert_eq!(schema["additionalProperties"], false);
        let rows: Vec<&str> =
            super::super::fates::rows().filter_map(|row| row.path.strip_prefix("services.*.x-dokku.")).collect();
        assert_eq!(rows, KEYS, "every key has its fate");
    }

    #[test]
    fn host_names_and_port_maps() {
        for good in ["shop.example.com", "*.example.com", "localhost", "a_b.local"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in ["", "a..b", "-a.b", "a b", "https://a.b", "a.b/c", "*"] {
            assert!(!is_domain(bad), "{bad}");
        }
        assert!(is_port_map("http:80:3000") && is_port_map("https:443:3000"));
        assert!(!is_port_map("80:3000") && !is_port_map("tcp:80:80") && !is_port_map("http:0:80"));
    }

    #[test]
    fn checks_in_their_forms() {
        let of = |text: &str| checks(&serde_json::from_str(text).unwrap());
        assert!(of("false").unwrap().off && !of("true").unwrap().off);
        assert_eq!(of(r#"{"limit": 300, "settle": 10}"#).unwrap().limit, Some(300));
        assert_eq!(of(r#"{"wait": 1}"#), None);
        assert_eq!(of("3"), None);
    }
}
