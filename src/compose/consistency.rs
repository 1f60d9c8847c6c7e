//! Consistency: what services refer to exists, and keys do not contradict each other.
//!
//! Specification: 05-services.md and the sections of the other elements, where they say what excludes or needs what.

mod cycle;
mod limits;

use super::load::MOST_SUGGESTED;
use crate::diag::{Diagnostic, Diagnostics, Span, suggest};
use crate::hashed::HashMap;
use crate::model::{MountType, Project, Service, WatchAction};

/// Reports every contradiction of the enabled services.
pub(super) fn check(project: &Project, out: &mut Diagnostics) {
    let mut checker = Checker { project, out };
    for (name, service) in &project.services {
        let at = At { project, path: format!("services.{name}") };
        checker.source(name, service, &at);
        checker.build(name, service, &at);
        checker.networks(name, service, &at);
        checker.dependencies(name, service, &at);
        checker.references(name, service, &at);
        checker.healthcheck(service, &at);
        checker.develop(service, &at);
        checker.mounts(service, &at);
        limits::check(name, service, &at, checker.out);
    }
    checker.secrets();
    checker.container_names();
    cycle::check(project, out);
}

/// Writes the number of containers where it may be written, too: the two do not differ.
pub(super) fn agree(project: &mut Project) {
    for service in project.services.values_mut() {
        if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy) {
            deploy.replicas = Some(scale);
        }
    }
}

/// Places of one service.
struct At<'a> {
    project: &'a Project,
    path: String,
}

impl At<'_> {
    /// The value of `key`, else its key, else the service.
    fn value(&self, key: &str) -> Span {
        let path = format!("{}.{key}", self.path);
        // One value may be written where several are allowed.
        let whole = || path.rsplit_once('[').and_then(|(list, _)| self.project.span(list));
        self.project.span(&path).or_else(whole).unwrap_or_else(|| self.service())
    }

    fn key(&self, key: &str) -> Span {
        let path = format!("{}.{key}", self.path);
        self.project.key_span(&path).unwrap_or_else(|| self.service())
    }

    fn service(&self) -> Span {
        self.project.key_span(&self.path).unwrap_or_default()
    }
}

struct Checker<'a> {
    project: &'a Project,
    out: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn error(&mut self, code: &'static str, span: Span, message: String) {
        self.out.push(Diagnostic::error(code, message).at(span));
    }

    /// `container_name` is unique on a machine, so in a project too (docker compose checks it when it prints or runs one).
    fn container_names(&mut self) {
        let mut first: HashMap<&str, &str> = HashMap::default();
        for (name, service) in &self.project.services {
            let Some(container) = &service.container_name else { continue };
            let Some(other) = first.get(container.as_str()) else {
                first.insert(container, name);
                continue;
            };
            let at =
                |name: &str| At { project: self.project, path: format!("services.{name}") }.value("container_name");
            let message = format!("services `{other}` and `{name}` have the same `container_name`, `{container}`");
            self.out.push(
                Diagnostic::error("duplicate-container-name", message)
                    .at(at(name))
                    .label(at(other), "the other one")
                    .hint("give each its own name, or remove the key"),
            );
        }
    }

    fn source(&mut self, name: &str, service: &Service, at: &At<'_>) {
        if service.build.is_none() && service.image.is_none() && service.provider.is_none() {
            self.out.push(
                Diagnostic::error("no-image", format!("service `{name}` has neither an image nor a build"))
                    .at(at.service())
                    .hint("add `image:` or `build:`"),
            );
        }
    }

    fn build(&mut self, name: &str, service: &Service, at: &At<'_>) {
        let Some(build) = &service.build else { return };
        if build.dockerfile.is_some() && build.dockerfile_inline.is_some() {
            self.out.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("service `{name}` has a `dockerfile` and a `dockerfile_inline`"),
                )
                .at(at.key("build.dockerfile_inline"))
                .label(at.key("build.dockerfile"), "the other one"),
            );
        }
        for (context, source) in &build.additional_contexts {
            let Some(target) = source.strip_prefix("service:") else { continue };
            let span = at.value(&format!("build.additional_contexts.{context}"));
            match self.project.any_service(target) {
                None => self.undefined("service", name, target, span, self.project.services.keys()),
                Some(other) if other.build.is_none() => {
                    self.error(
                        "invalid-context",
                        span,
                        format!("service `{target}` is not built and cannot be a build context of `{name}`"),
                    );
                }
                Some(_) => {}
            }
        }
        if let Some(platform) = &service.platform
            && !build.platforms.is_empty()
            && !build.platforms.contains(platform)
        {
            self.out.push(
                Diagnostic::error(
                    "conflicting-keys",
                    format!("`build.platforms` of service `{name}` lacks its own platform `{platform}`"),
                )
                .at(at.value("build.platforms"))
                .label(at.value("platform"), "the service's platform"),
            );
        }
        for (index, secret) in build.secrets.iter().enumerate() {
            if let Some(source) = &secret.source
                && !self.project.secrets.contains_key(source)
            {
                let span = at.value(&format!("build.secrets[{index}].source"));
                self.undefined("secret", name, source, span, self.project.secrets.keys());
            }
        }
    }

    /// The closest of the known names.
    fn near<'n>(&self, name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        if self.out.items.len() < MOST_SUGGESTED { suggest::closest(name, known) } else { None }
    }

    /// Something that is not declared, with the closest name that is.
    fn undefined<'n>(
        &mut self,
        kind: &str,
        service: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'n String>,
    ) {
        let code = match kind {
            "network" => "undefined-network",
            "volume" => "undefined-volume",
            "secret" => "undefined-secret",
            "config" => "undefined-config",
            "model" => "undefined-model",
            _ => "undefined-service",
        };
        let mut error =
            Diagnostic::error(code, format!("service `{service}` refers to the undefined {kind} `{name}`")).at(span);
        let known: Vec<&str> = known.map(String::as_str).collect();
        match self.near(name, known.iter().copied()) {
            Some(close) => {
                error = error.hint(format!("did you mean `{close}`?"));
                if let Some(declared) = self.project.key_span(&format!("{kind}s.{close}")) {
                    error = error.label(declared, format!("`{close}` is declared here"));
                }
            }
            None if kind == "volume" && name.contains('/') => {
                error = error.hint(format!("a path starts with `./`: write `./{name}`"))
            }
            None if kind != "service" => error = error.hint(format!("declare it in the top-level section `{kind}s`")),
            None => {}
        }
        self.out.push(error);
    }

    fn networks(&mut self, name: &str, service: &Service, at: &At<'_>) {
        if service.network_mode.is_some() && !service.networks.is_empty() {
            self.out.push(
                Diagnostic::error("conflicting-keys", format!("service `{name}` has `network_mode` and `networks`"))
                    .at(at.key("networks"))
                    .label(at.key("network_mode"), "the other one"),
            );
        }
        for network in service.networks.keys() {
            if !self.project.networks.contains_key(network) {
                let span = at.key(&format!("networks.{network}"));
                self.undefined("network", name, network, span, self.project.networks.keys());
            }
        }
    }

    fn dependencies(&mut self, name: &str, service: &Service, at: &At<'_>) {
        for (target, dependency) in &service.depends_on {
            if self.project.services.contains_key(target) {
                continue;
            }
            let span = at.key(&format!("depends_on.{target}"));
            match self.project.disabled_services.get(target) {
                Some(_) if !dependency.required => {}
                Some(disabled) => {
                    let profiles =
                        disabled.profiles.iter().map(|profile| format!("`{profile}`")).collect::<Vec<_>>().join(", ");
                    let mut error = Diagnostic::error(
                        "disabled-dependency",
                        format!("service `{name}` depends on `{target}`, which no active profile enables"),
                    )
                    .at(span)
                    .hint(format!("activate one of its profiles: {profiles}"));
                    if let Some(declared) = self.project.key_span(&format!("services.{target}")) {
                        error = error.label(declared, "declared here");
                    }
                    self.out.push(error);
                }
                None => {
                    let mut error = Diagnostic::error(
                        "undefined-service",
                        format!("service `{name}` depends on the undefined service `{target}`"),
                    )
                    .at(span);
                    let known = self.project.services.keys().chain(self.project.disabled_services.keys());
                    if let Some(close) = self.near(target, known.map(String::as_str)) {
                        error = error.hint(format!("did you mean `{close}`?"));
                        if let Some(declared) = self.project.key_span(&format!("services.{close}")) {
                            error = error.label(declared, format!("`{close}` is declared here"));
                        }
                    }
                    self.out.push(error);
                }
            }
        }
    }

    fn references(&mut self, name: &str, service: &Service, at: &At<'_>) {
        let project = self.project;
        for (index, volume) in service.volumes.iter().enumerate() {
            if let (MountType::Volume, Some(source)) = (volume.kind, &volume.source)
                && !project.volumes.contains_key(source)
            {
                let span = at.value(&format!("volumes[{index}].source"));
                self.undefined("volume", name, source, span, project.volumes.keys());
            }
        }
        for (index, config) in service.configs.iter().enumerate() {
            let source = config.source.as_deref().unwrap_or_default();
            if !project.configs.contains_key(source) {
                let span = at.value(&format!("configs[{index}].source"));
                self.undefined("config", name, source, span, project.configs.keys());
            }
        }
        for (index, secret) in service.secrets.iter().enumerate() {
            let source = secret.source.as_deref().unwrap_or_default();
            if !project.secrets.contains_key(source) {
                let span = at.value(&format!("secrets[{index}].source"));
                self.undefined("secret", name, source, span, project.secrets.keys());
            }
        }
        for model in service.models.keys() {
            if !project.models.contains_key(model) {
                let span = at.key(&format!("models.{model}"));
                self.undefined("model", name, model, span, project.models.keys());
            }
        }
    }

    fn healthcheck(&mut self, service: &Service, at: &At<'_>) {
        let Some(first) = service.healthcheck.as_ref().and_then(|check| check.test.first()) else { return };
        if !["CMD", "CMD-SHELL", "NONE"].contains(&first.as_str()) {
            let message =
                format!("`healthcheck.test` must begin with `CMD`, `CMD-SHELL` or `NONE`, but begins with `{first}`");
            self.error("invalid-healthcheck", at.value("healthcheck.test"), message);
        }
    }

    fn develop(&mut self, service: &Service, at: &At<'_>) {
        for (index, watch) in service.develop.iter().flat_map(|develop| &develop.watch).enumerate() {
            if watch.target.is_none() && !matches!(watch.action, WatchAction::Rebuild | WatchAction::Restart) {
                let message = format!("`{}.develop.watch[{index}]` needs a `target`: it copies files", at.path);
                self.error("missing-key", at.value(&format!("develop.watch[{index}]")), message);
            }
        }
    }

    fn mounts(&mut self, service: &Service, at: &At<'_>) {
        let tmpfs = service.tmpfs.iter().map(|mount| mount.split(':').next().unwrap_or_default());
        let volumes = service.volumes.iter().map(|mount| mount.target.as_deref().unwrap_or_default());
        let tmpfs = tmpfs.enumerate().map(|(index, target)| (target, "tmpfs", index));
        let volumes = volumes.enumerate().map(|(index, target)| (target, "volumes", index));
        // Only a finding needs the places.
        let place = |key: &str, index: usize| at.value(&format!("{key}[{index}]"));
        let mut seen: HashMap<&str, (&str, usize)> = HashMap::default();
        for (target, key, index) in tmpfs.chain(volumes) {
            if let Some((first, of)) = seen.get(target) {
                self.out.push(
                    Diagnostic::error("duplicate-mount", format!("`{target}` of `{}` is mounted twice", at.path))
                        .at(place(key, index))
                        .label(place(first, *of), "first here"),
                );
            } else {
                seen.insert(target, (key, index));
            }
        }
    }

    fn secrets(&mut self) {
        for (name, secret) in &self.project.secrets {
            if !secret.external && secret.file.is_none() && secret.environment.is_none() {
                let span = self.project.key_span(&format!("secrets.{name}")).unwrap_or_default();
                let message = format!("secret `{name}` has neither a `file` nor an `environment`");
                self.out.push(Diagnostic::error("missing-key", message).at(span));
            }
        }
    }
}
