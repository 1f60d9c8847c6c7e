//! What a push may ask of the host. Whoever may push may not be an administrator, so that less is allowed than to an
//! import, and an administrator's leave for imports does not hold here.

use std::path::Path;

use super::http::{Route, route};
use crate::compose::image;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{MountType, Project};

/// What pushed files may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushRules {
    /// Host paths that may be mounted, with all below them.
    pub paths: Vec<String>,
    /// Ports of the host that may be published, `5432` or `8000-8010`; empty: those from 1024 on.
    pub ports: Vec<String>,
    /// Registries, with or without a path, that images may come from; empty: all.
    pub registries: Vec<String>,
}

/// Checks what a push asks for; `root` is the pushed tree.
pub fn check(project: &Project, root: &Path, rules: &PushRules) -> Diagnostics {
    let mut out = Diagnostics::default();
    let mut refuse = |path: String, message: String, setting: &str, value: &str| {
        let mut found = Diagnostic::error("push-policy", message);
        if let Some(span) = project.key_span(&path) {
            found = found.at(span);
        }
        out.push(found.hint(format!("an administrator can allow it: dokku compose:set --global {setting} {value}")));
    };
    for (name, service) in &project.services {
        for (index, volume) in service.volumes.iter().enumerate() {
            let source = volume.source.as_deref().unwrap_or_default();
            let host = volume.kind == MountType::Bind && !Path::new(source).starts_with(root);
            if host && !rules.paths.iter().any(|allowed| Path::new(source).starts_with(allowed)) {
                let message = format!("a push may not mount the host path {source}");
                refuse(format!("services.{name}.volumes[{index}]"), message, "push-allowed-host-paths", source);
            }
        }
        for (index, port) in service.ports.iter().enumerate() {
            let published = port.published.as_deref().filter(|published| !published.is_empty());
            if let (Route::Host(_), Some(published)) = (route(service, port), published)
                && !rules.port(published)
            {
                let message = format!("a push may not publish port {published} of the host");
                refuse(format!("services.{name}.ports[{index}]"), message, "push-allowed-ports", published);
            }
        }
        if let (Some(image), None) = (&service.image, &service.build)
            && !rules.registry(image)
        {
            let message = format!("a push may not take images from where {image} comes from");
            refuse(format!("services.{name}.image"), message, "push-allowed-registries", image);
        }
    }
    out
}

impl PushRules {
    /// Whether a published port, or each of a range, may be published.
    fn port(&self, published: &str) -> bool {
        let Some((first, last)) = range(published) else { return false };
        if self.ports.is_empty() {
            return first >= 1024;
        }
        self.ports.iter().filter_map(|rule| range(rule)).any(|(from, to)| from <= first && last <= to)
    }

    /// Whether an image may be used: its name begins with a rule, at a part's end.
    fn registry(&self, image: &str) -> bool {
        // What is no reference is refused elsewhere, with its place.
        let Ok(reference) = image::parse(image) else { return true };
        let full = reference.name();
        self.registries.is_empty()
            || self.registries.iter().any(|rule| {
                full.strip_prefix(rule.trim_end_matches('/'))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

/// `8000` or `8000-8010`.
pub fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn ports_below_1024_need_leave() {
        let none = PushRules::default();
        assert!(none.port("5432") && none.port("8000-8010"));
        assert!(!none.port("25") && !none.port("1000-2000") && !none.port("x"));
        let some = PushRules { ports: list(&["25", "8000-8010"]), ..PushRules::default() };
        assert!(some.port("25") && some.port("8001-8003") && !some.port("5432"));
    }

    #[test]
    fn registries_match_whole_parts() {
        assert!(PushRules::default().registry("evil.example/x"));
        let some = PushRules { registries: list(&["ghcr.io/acme", "docker.io/library"]), ..PushRules::default() };
        assert!(some.registry("ghcr.io/acme/web:1") && some.registry("redis:7"));
        assert!(!some.registry("ghcr.io/acmeevil/web") && !some.registry("bitnami/redis"));
    }
}
