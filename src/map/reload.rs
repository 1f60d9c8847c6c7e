//! Programs that look the names in their configuration up only when they read it: whoever is deployed anew has another
//! address, and they go on with the old one, until they are told to read it again.
//!
//! `docker compose up` stops the old container first, and the new one gets its address. Dokku starts the new one beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::context::Context;
use super::datastores::repository;
use super::resources::{Desired, Kind, Reload};
use crate::model::{Build, Service};
use crate::plan::raw::replicas;

/// By image repository, the command that has the program read its configuration again without dropping a request.
const PROGRAMS: &[(&[&str], &[&str])] = &[
    (&["nginx", "nginxinc/nginx-unprivileged", "bitnami/nginx", "jonasal/nginx-certbot"], &["nginx", "-s", "reload"]),
    (&["openresty/openresty"], &["openresty", "-s", "reload"]),
    (&["httpd", "bitnami/apache"], &["httpd", "-k", "graceful"]),
    (
        &["haproxy", "haproxytech/haproxy-alpine", "haproxytech/haproxy-debian", "haproxytech/haproxy-ubuntu"],
        &["sh", "-c", "kill -USR2 1"],
    ),
];

/// No Dockerfile is longer; the rest of a file that is would only cost time.
const DOCKERFILE_LIMIT: u64 = 256 * 1024;

/// Gives every app those of its neighbours that have to be told of a deploy.
pub(super) fn assign(ctx: &Context<'_>, desired: &mut Desired) {
    let mut readers = Vec::new();
    for (name, service) in &desired.services {
        let Some(command) = ctx.compose.services.get(name).and_then(command) else { continue };
        let reloads = match &service.kind {
            Kind::App(app) => vec![Reload { name: app.app.clone(), app: true, command }],
            Kind::Container(raw) => replicas(raw)
                .into_iter()
                .map(|container| Reload { name: container.name, app: false, command: command.clone() })
                .collect(),
            Kind::Datastore(_) | Kind::Job(_) => continue,
        };
        readers.push((name.clone(), service.networks.clone(), reloads));
    }
    for (name, service) in &mut desired.services {
        let Kind::App(app) = &mut service.kind else { continue };
        app.hooks.reloads = readers
            .iter()
            .filter(|(reader, networks, _)| reader != name && !networks.is_disjoint(&service.networks))
            .flat_map(|(_, _, reloads)| reloads.iter().cloned())
            .collect();
    }
}

fn command(service: &Service) -> Option<Vec<String>> {
    let image = match &service.build {
        Some(build) => base(build)?,
        None => service.image.clone()?,
    };
    let repository = repository(&image);
    let (_, command) = PROGRAMS.iter().find(|(all, _)| all.contains(&repository))?;
    Some(command.iter().map(|word| (*word).to_owned()).collect())
}

/// The image that a build's last stage, or its target, begins with.
fn base(build: &Build) -> Option<String> {
    let text = match &build.dockerfile_inline {
        Some(text) => text.clone(),
        None => {
            let file = Path::new(build.context.as_deref()?).join(build.dockerfile.as_deref().unwrap_or("Dockerfile"));
            let mut text = String::new();
            File::open(file).ok()?.take(DOCKERFILE_LIMIT).read_to_string(&mut text).ok()?;
            text
        }
    };
    base_of(&text, build.target.as_deref(), &|name| build.args.get(name).cloned().flatten())
}

/// Reads the `FROM` lines of a Dockerfile (Dockerfile reference, "FROM" and "Understand how ARG and FROM interact").
fn base_of(text: &str, target: Option<&str>, given: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut args: BTreeMap<String, String> = BTreeMap::new();
    let mut stages: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("ARG") if stages.is_empty() => {
                for word in words {
                    let (name, default) = word.split_once('=').unwrap_or((word, ""));
                    let value = given(name).unwrap_or_else(|| default.trim_matches(['"', '\'']).to_owned());
                    args.insert(name.to_owned(), value);
                }
            }
            Some("FROM") => {
                let mut words = words.filter(|word| !word.starts_with("--"));
                let image = substituted(words.next()?, &args);
                let name = match (words.next(), words.next()) {
                    (Some(word), Some(name)) if word.eq_ignore_ascii_case("as") => name.to_ascii_lowercase(),
                    _ => stages.len().to_string(),
                };
                let image = stages
                    .iter()
                    .find(|(stage, _)| *stage == image.to_ascii_lowercase())
                    .map_or(image.clone(), |(_, base)| base.clone());
                stages.push((name, image));
            }
            _ => {}
        }
    }
    match target.filter(|target| !target.is_empty()) {
        Some(target) => {
            stages.into_iter().find(|(name, _)| *name == target.to_ascii_lowercase()).map(|(_, image)| image)
        }
        None => stages.pop().map(|(_, image)| image),
    }
}

/// `$NAME` and `${NAME}` by the arguments before the first stage; other forms stay as they are and match no program.
fn substituted(text: &str, args: &BTreeMap<String, String>) -> String {
    let mut out = text.to_owned();
    // The longest first, so that no name is taken for the beginning of another.
    let mut names: Vec<&String> = args.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        out = out.replace(&format!("${{{name}}}"), &args[name]).replace(&format!("${name}"), &args[name]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, target: Option<&str>) -> Option<String> {
        base_of(text, target, &|name| (name == "GIVEN").then(|| "nginx:given".to_owned()))
    }

    #[test]
    fn the_image_of_the_last_stage_or_of_the_target() {
        let two = "FROM node:20 AS build\nRUN make\nfrom --platform=linux/amd64 nginx:1.27 as serve\nCOPY --from=build /x /y\n";
        assert_eq!(of(two, None).as_deref(), Some("nginx:1.27"));
        assert_eq!(of(two, Some("BUILD")).as_deref(), Some("node:20"));
        assert_eq!(of(two, Some("none")), None);
        assert_eq!(of("FROM nginx AS base\nFROM base\n", None).as_deref(), Some("nginx"));
        assert_eq!(of("# FROM nginx\n", None), None);
    }

    #[test]
    fn arguments_before_the_first_stage_count() {
        assert_eq!(of("ARG TAG=1.2\nARG TAG_X=9\nFROM nginx:$TAG_X\n", None).as_deref(), Some("nginx:9"));
        assert_eq!(of("ARG GIVEN=busybox\nFROM ${GIVEN}\n", None).as_deref(), Some("nginx:given"));
        assert_eq!(of("FROM ${NONE:-nginx}\n", None).as_deref(), Some("${NONE:-nginx}"));
    }
}
