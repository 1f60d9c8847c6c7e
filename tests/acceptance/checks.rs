//! What an imported stack is asked from inside and outside: each finding is one sentence.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::model::{Model, Port, Service};
use crate::server::{self, Container};
use crate::{http, images, run};

/// Findings and what was looked at.
#[derive(Debug, Default)]
pub struct Report {
    pub wrong: Vec<String>,
    /// Published ports that answered, and how many of them through Dokku's proxy.
    pub answered: usize,
    pub proxied: usize,
}

/// What each service became: `app`, `container`, `job`, or `-`.
pub fn kinds(model: &Model, project: &str, all: &[Container]) -> BTreeMap<String, &'static str> {
    let apps = server::apps(project);
    let kind = |name: &String, service: &Service| {
        if apps.contains(&server::app(project, name)) {
            "app"
        } else if service.is_job(name, model) {
            "job"
        } else if server::of_service(all, project, name).is_empty() {
            "-"
        } else {
            "container"
        }
    };
    model.services.iter().map(|(name, service)| (name.clone(), kind(name, service))).collect()
}

/// Everything that the model asks of the running stack.
pub fn all(model: &Model, project: &str, extra: &str) -> Report {
    let mut report = Report::default();
    let containers = match server::containers() {
        Ok(containers) => containers,
        Err(error) => {
            report.wrong.push(error);
            return report;
        }
    };
    let kinds = kinds(model, project, &containers);
    for (name, service) in &model.services {
        if kinds[name] == "job" {
            continue;
        }
        let own = server::of_service(&containers, project, name);
        let mut wrong = Vec::new();
        let running = own.iter().filter(|container| container.running).count() as u64;
        if running != service.replicas {
            wrong.push(format!("{running} containers run, {} are asked for", service.replicas));
        }
        for container in &own {
            outside(service, container, &mut wrong);
        }
        if let Some(container) = own.iter().find(|container| container.running && container.stand_in) {
            inside(service, container, &mut wrong);
            names(model, name, &kinds, project, container, &mut wrong);
        }
        published(service, project, name, &own, &mut report, &mut wrong);
        report.wrong.extend(wrong.into_iter().map(|text| format!("{name}: {text}")));
    }
    let checks: Value = serde_json::from_str(extra).unwrap_or_default();
    for check in checks.as_array().into_iter().flatten() {
        let name = check["service"].as_str().unwrap_or_default();
        let script = check["run"].as_str().unwrap_or_default();
        let own = server::of_service(&containers, project, name);
        let (ok, text) =
            own.first().map_or_else(|| (false, "no container".to_owned()), |container| shell(container, script));
        let as_expected = match check["is"].as_str() {
            Some(wanted) => ok && text == wanted,
            None => ok != (check["fails"] == true),
        };
        if !as_expected {
            report.wrong.push(format!("{name}: {script} gives {text:?}, expected {check}"));
        }
    }
    report
}

/// What the engine says about a container.
fn outside(service: &Service, container: &Container, wrong: &mut Vec<String>) {
    let off = matches!(service.health.first().map(String::as_str), None | Some("NONE"));
    if !off && container.health != "healthy" {
        wrong.push(format!("{} is {:?}, not healthy", container.name, container.health));
    }
    let restart = service.restart.as_deref().map(|policy| policy.split(':').next().unwrap_or(policy));
    if restart.is_some_and(|restart| restart != container.restart) {
        wrong.push(format!("restart policy {} instead of {}", container.restart, restart.unwrap_or_default()));
    }
    if let Some(memory) = service.memory.as_deref().and_then(|memory| memory.parse::<u64>().ok())
        && memory != container.memory
    {
        wrong.push(format!("memory limit {} instead of {memory}", container.memory));
    }
}

/// What a shell in `container` says.
fn shell(container: &Container, script: &str) -> (bool, String) {
    let output = run::run(&["docker", "exec", &container.id, "/bin/sh", "-c", script], None, Duration::from_secs(30));
    (output.ok(), if output.ok() { output.stdout } else { output.text() })
}

/// What the stand-in in `container` answers on the first of its ports.
fn json(container: &Container, path: &str) -> Result<Value, String> {
    let (ok, text) = shell(
        container,
        &format!(
            "for port in $STANDIN_PORTS; do case $port in */udp) ;; *) exec curl -f http://127.0.0.1:$port{path} ;; esac; done; exit 1"
        ),
    );
    if !ok {
        return Err(format!("the stand-in does not answer {path}: {:.200}", text.trim()));
    }
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

/// Environment, words, mounts, build stage and arguments.
fn inside(service: &Service, container: &Container, wrong: &mut Vec<String>) {
    match json(container, "/env") {
        Ok(env) => {
            for (name, value) in &service.environment {
                match env[name].as_str() {
                    Some(has) if has == value => {}
                    Some(has) => wrong.push(format!("{name} is {has:?}, expected {value:?}")),
                    None => wrong.push(format!("{name} is not set, expected {value:?}")),
                }
            }
            if let Some(build) = &service.build {
                let stage = env["STANDIN_STAGE"].as_str();
                if build.target.as_deref() != stage {
                    wrong.push(format!("built stage {stage:?}, expected {:?}", build.target));
                }
                for (name, value) in &build.args {
                    let has = env[format!("STANDIN_ARG_{name}")].as_str();
                    if has != Some(value) {
                        wrong.push(format!("build argument {name} was {has:?}, expected {value:?}"));
                    }
                }
            }
        }
        Err(error) => wrong.push(error),
    }
    let words: Vec<&str> =
        service.entrypoint.iter().flatten().chain(service.command.iter().flatten()).map(String::as_str).collect();
    let words = own_words(&words);
    // What a shell makes of its words is not said here.
    if !words.is_empty() && !words[0].ends_with("sh") {
        match json(container, "/argv") {
            Ok(argv) => {
                let has: Vec<&str> = argv.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                if own_words(&has) != words {
                    wrong.push(format!("its words are {has:?}, expected {words:?}"));
                }
            }
            Err(error) => wrong.push(error),
        }
    }
    if service.mounts.is_empty() {
        return;
    }
    let mounts = match json(container, "/mounts") {
        Ok(mounts) => mounts,
        Err(error) => {
            wrong.push(error);
            return;
        }
    };
    for mount in &service.mounts {
        let target = mount.target.trim_end_matches('/');
        let found = mounts.as_array().into_iter().flatten().rfind(|found| found["target"] == target);
        let Some(found) = found else {
            wrong.push(format!("nothing is mounted at {target}"));
            continue;
        };
        let read_only = found["options"].as_str().unwrap_or_default().split(',').any(|option| option == "ro");
        // A secret or config that can be written to is a matter of taste, a volume is not.
        if read_only != mount.read_only && (mount.read_only || !mount.bind) {
            wrong.push(format!("{target} is mounted {}", if read_only { "read-only" } else { "for writing" }));
        }
        if let Some(source) = mount.source.as_ref().filter(|source| source.is_file()) {
            let wanted = std::fs::read_to_string(source).unwrap_or_default();
            let (ok, has) = shell(container, &format!("cat '{target}'"));
            if !ok || has != wanted {
                wrong.push(format!("{target} does not have the content of {}: {has:.80?}", source.display()));
            }
        }
    }
}

/// What follows `/standin serve`.
fn own_words<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let words = words.strip_prefix(&["/standin"]).unwrap_or(words);
    words.strip_prefix(&["serve"]).unwrap_or(words)
}

/// Whether the running container of a service has these variables; what is wrong, if anything is.
pub fn environment(project: &str, name: &str, wanted: &BTreeMap<String, String>) -> Option<String> {
    let containers = server::containers().unwrap_or_default();
    let own = server::of_service(&containers, project, name);
    let Some(container) = own.iter().find(|container| container.running && container.stand_in) else {
        return Some("no stand-in runs".into());
    };
    match json(container, "/env") {
        Ok(env) => wanted
            .iter()
            .find(|(name, value)| env[name.as_str()] != value.as_str())
            .map(|(name, value)| format!("{name} is {}, expected {value:?}", env[name.as_str()])),
        Err(error) => Some(error),
    }
}

/// Names: those of neighbours and links resolve and answer on every port, others do not resolve.
fn names(
    model: &Model,
    name: &str,
    kinds: &BTreeMap<String, &str>,
    project: &str,
    container: &Container,
    wrong: &mut Vec<String>,
) {
    let service = &model.services[name];
    if service.network_mode.is_some() {
        return;
    }
    let neighbours: Vec<&String> = service.neighbours(name, model).filter(|other| kinds[*other] != "job").collect();
    let mut targets = Vec::new();
    for other in &neighbours {
        for port in images::ports(model, other).iter().filter(|port| !port.ends_with("/udp")) {
            targets.push(format!("{other}:{port}"));
        }
    }
    for (alias, other) in service.links.iter().filter(|(_, other)| neighbours.contains(other)) {
        let ports = images::ports(model, other);
        let port = ports.iter().find(|port| !port.ends_with("/udp"));
        targets.extend(port.map(|port| format!("{alias}:{port}")));
    }
    let strangers: Vec<&String> = model
        .services
        .keys()
        .filter(|other| {
            *other != name
                && !neighbours.contains(other)
                && model.services[*other].network_mode.is_none()
                && kinds[*other] != "job"
                && kinds[*other] != "-"
        })
        .collect();
    let mut probe = vec!["docker", "exec", &container.id, "/standin", "probe"];
    probe.extend(targets.iter().map(String::as_str));
    probe.extend(strangers.iter().map(|name| name.as_str()));
    if probe.len() == 5 {
        return;
    }
    let limit = Duration::from_secs(20 + 5 * probe.len() as u64);
    answered("", &run::run(&probe, None, limit), &targets, &strangers, wrong);
    // One-off runs find the same names.
    if kinds[name] == "app" && service.entrypoint.is_none() && !targets.is_empty() {
        let app = server::app(project, name);
        let mut words = vec!["dokku", "--quiet", "run", &app, "/standin", "probe"];
        words.extend(targets.iter().map(String::as_str));
        answered("dokku run: ", &run::run(&words, None, limit), &targets, &[], wrong);
    }
}

fn answered(prefix: &str, output: &run::Output, targets: &[String], strangers: &[&String], wrong: &mut Vec<String>) {
    let line =
        |target: &str| output.stdout.lines().map(str::trim).find_map(|line| line.strip_prefix(&format!("{target} ")));
    for target in targets {
        match line(target) {
            Some(answer) if answer.starts_with("ok") => {}
            Some(answer) => wrong.push(format!("{prefix}{target}: {answer}")),
            None => {
                wrong.push(format!("{prefix}{target}: no answer: {:.300}", output.tail(4)));
                return;
            }
        }
    }
    for name in strangers {
        if line(name).is_some_and(|answer| answer.starts_with("ok")) {
            wrong.push(format!("{prefix}{name} resolves, though no network is shared"));
        }
    }
}

/// Published ports answer, and it is the service's own container that does.
fn published(
    service: &Service,
    project: &str,
    name: &str,
    own: &[&Container],
    report: &mut Report,
    wrong: &mut Vec<String>,
) {
    let domain = run::expect(&["dokku", "domains:report", "--global", "--domains-global-vhosts"]).unwrap_or_default();
    let domain = domain.split_whitespace().next().unwrap_or("dokku.me");
    let host = format!("{}.{domain}", server::app(project, name));
    for port in &service.ports {
        let Some(number) = port.published else { continue };
        let address = SocketAddr::new(address(port), number);
        if port.udp {
            match http::echo(address) {
                Ok(()) => report.answered += 1,
                Err(error) => wrong.push(format!("{number}/udp: {error}")),
            }
            continue;
        }
        if !own.iter().any(|container| container.stand_in) {
            continue;
        }
        let ours = |answer: &http::Answer| {
            own.iter()
                .any(|container| answer.body.contains(&format!(" on {} port {}\n", container.hostname, port.target)))
        };
        match http::get_until(address, &host, ours) {
            Ok(answer) => {
                report.answered += 1;
                report.proxied += usize::from(answer.proxied);
            }
            Err(error) => {
                let hosts: Vec<&str> = own.iter().map(|container| container.hostname.as_str()).collect();
                wrong.push(format!(
                    "port {number} (container port {}, on {}) at {host}: {error}",
                    port.target,
                    hosts.join(" ")
                ));
            }
        }
    }
}

fn address(port: &Port) -> IpAddr {
    let given = port.host_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
    given.filter(|ip| !ip.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
