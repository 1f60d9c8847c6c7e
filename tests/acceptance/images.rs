//! Images for a stack where no registry answers: each is the stand-in, dressed as the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::model::{Build, Model, Service};
use crate::{run, standin};

/// The label of every image that this harness makes.
pub const LABEL: &str = "com.dokku-compose.standin";
/// The image that all others are made from.
const BASE: &str = "dokku-compose-standin";
/// Where nothing says a port.
const DEFAULT_PORT: u16 = 8000;

/// Ports of well-known images, by the last part of the repository.
const WELL_KNOWN: &[(&str, &[u16])] = &[
    ("adminer", &[8080]),
    ("caddy", &[80]),
    ("elasticsearch", &[9200, 9300]),
    ("gitea", &[3000]),
    ("grafana", &[3000]),
    ("httpd", &[80]),
    ("kibana", &[5601]),
    ("mariadb", &[3306]),
    ("memcached", &[11211]),
    ("mongo", &[27017]),
    ("mysql", &[3306]),
    ("nextcloud", &[80]),
    ("nginx", &[80]),
    ("pgadmin4", &[80]),
    ("postgis", &[5432]),
    ("postgres", &[5432]),
    ("prometheus", &[9090]),
    ("rabbitmq", &[5672]),
    ("redis", &[6379]),
    ("redismod", &[6379]),
    ("timescaledb", &[5432]),
    ("traefik", &[80]),
    ("valkey", &[6379]),
    ("wordpress", &[80]),
];

/// Words that a shell or busybox knows; what else a file calls is given a stand-in.
const KNOWN_WORDS: &[&str] = &[
    "[", "cat", "cd", "echo", "env", "exec", "exit", "export", "false", "grep", "kill", "ls", "nc", "pgrep", "printf",
    "ps", "sed", "set", "sh", "sleep", "test", "true", "wget", "/bin/sh", "/standin",
];

/// Which ports a service's container listens on: `5432`, `53/udp`.
pub fn ports(model: &Model, name: &str) -> BTreeSet<String> {
    let service = &model.services[name];
    let mut out = BTreeSet::new();
    // Services that share an image or a context share what it listens on.
    for other in model.services.values().filter(|other| same_source(service, other)) {
        out.extend(own_ports(other));
    }
    if !out.iter().any(|port| !port.ends_with("/udp")) {
        out.insert(DEFAULT_PORT.to_string());
    }
    out
}

fn same_source(one: &Service, other: &Service) -> bool {
    match (&one.build, &other.build) {
        (Some(one), Some(other)) => one.context == other.context && one.dockerfile == other.dockerfile,
        (None, None) => one.image == other.image,
        _ => false,
    }
}

fn own_ports(service: &Service) -> BTreeSet<String> {
    let mut out: BTreeSet<String> =
        service.ports.iter().map(|port| format!("{}{}", port.target, if port.udp { "/udp" } else { "" })).collect();
    out.extend(service.expose.iter().map(u16::to_string));
    for word in service.health.iter().flat_map(|text| text.split_whitespace()) {
        let at = word.strip_prefix("http://").unwrap_or(word);
        for host in ["localhost:", "127.0.0.1:"] {
            let number: String =
                at.strip_prefix(host).into_iter().flat_map(str::chars).take_while(char::is_ascii_digit).collect();
            // Port 9 is the one where nothing ever listens (RFC 863): a check of it is meant to fail.
            if !number.is_empty() && number != "9" {
                out.insert(number);
            }
        }
    }
    let says_port = |name: &String| name == "PORT" || name.ends_with("SERVER_PORT");
    let said = service.environment.iter().filter(|(name, _)| says_port(name));
    out.extend(said.filter_map(|(_, value)| value.parse::<u16>().ok()).map(|port| port.to_string()));
    let repository = service.image.as_deref().map(repository).unwrap_or_default();
    for (name, ports) in WELL_KNOWN {
        if service.build.is_none() && *name == repository {
            out.extend(ports.iter().map(u16::to_string));
        }
    }
    out
}

/// `mariadb` of `docker.io/library/mariadb:10@sha256:…`.
fn repository(image: &str) -> &str {
    let plain = image.split('@').next().unwrap_or(image);
    let last = plain.rsplit('/').next().unwrap_or(plain);
    last.split(':').next().unwrap_or(last)
}

/// The Dockerfile of a stand-in for `service`.
fn dockerfile(model: &Model, name: &str, base: &str) -> String {
    let service = &model.services[name];
    let alike: Vec<&Service> = model.services.values().filter(|other| same_source(service, other)).collect();
    let mut programs = BTreeMap::new();
    let mut directories = BTreeSet::new();
    let mut users = BTreeSet::new();
    let mut has_entrypoint = false;
    for other in &alike {
        for word in shell_words(&other.health) {
            programs.insert(word.clone(), "client");
        }
        let words = other.entrypoint.iter().flatten().chain(other.command.iter().flatten());
        let words: Vec<String> = words.cloned().collect();
        let first = words.first().map(String::as_str).unwrap_or_default();
        // The entry point of a real image makes something of words that are no program of it.
        let to_entrypoint = other.entrypoint.is_none() && (first.starts_with('-') || unknown(first).is_some());
        has_entrypoint |= to_entrypoint;
        for word in server_words(&words, &mut directories) {
            let role = match word.as_str() {
                word if to_entrypoint && word == first => continue,
                // The stand-in needs no configuration: what comes in goes out.
                "envsubst" => "/bin/cat",
                _ => "serve",
            };
            programs.insert(word, role);
        }
        let user = other.user.as_deref().unwrap_or_default().split(':').next().unwrap_or_default();
        if !user.is_empty() && !user.starts_with(|char: char| char.is_ascii_digit()) && user != "root" {
            users.insert(user.to_owned());
        }
    }
    let (tcp_and_udp, build) = (ports(model, name), service.build.as_ref());
    let mut out = format!("FROM {base}");
    let target = build.and_then(|build| build.target.clone());
    if let Some(target) = &target {
        let _ = write!(out, " AS {target}");
    }
    out.push('\n');
    for arg in build.into_iter().flat_map(|build| build.args.keys()) {
        let _ = writeln!(out, "ARG {arg}\nENV STANDIN_ARG_{arg}=${{{arg}}}");
    }
    if let Some(target) = &target {
        let _ = writeln!(out, "ENV STANDIN_STAGE={target}");
    }
    let mut script = Vec::new();
    for directory in &directories {
        script.push(format!("mkdir -p {directory}"));
    }
    for (program, role) in &programs {
        let place = if program.starts_with('/') { program.clone() } else { format!("/bin/{program}") };
        let parent = Path::new(&place).parent().unwrap_or(Path::new("/")).display();
        let make = match *role {
            "client" => format!("ln -s /standin {place}"),
            role => {
                let call = if role == "serve" { format!("/standin serve {program}") } else { role.to_owned() };
                format!("printf '%s\\n' '#!/bin/sh' 'exec {call} \"$@\"' >{place} && chmod 0755 {place}")
            }
        };
        script.push(format!("mkdir -p {parent} && {{ [ -e {place} ] || {{ {make}; }}; }}"));
    }
    for (index, user) in users.iter().enumerate() {
        script.push(format!("echo '{user}:x:{0}:{0}::/:/bin/sh' >>/etc/passwd", 900 + index));
    }
    if !script.is_empty() {
        let _ = writeln!(out, "RUN {}", script.join(" && \\\n    "));
    }
    let all: Vec<&str> = tcp_and_udp.iter().map(String::as_str).collect();
    let _ = writeln!(out, "ENV STANDIN_PORTS=\"{0}\"\nEXPOSE {0}", all.join(" "));
    if has_entrypoint {
        out.push_str("ENTRYPOINT [\"/standin\"]\n");
    } else {
        out.push_str("CMD [\"/standin\"]\n");
    }
    if target.is_some() {
        // Built without its target, a context gives this stage.
        out.push_str("\nFROM scratch\nLABEL wrong.stage=true\n");
    }
    out
}

/// Programs that a health check calls.
fn shell_words(test: &[String]) -> BTreeSet<String> {
    match test {
        [kind, script] if kind == "CMD-SHELL" => called(script).collect(),
        [kind, program, ..] if kind == "CMD" => unknown(program).into_iter().collect(),
        _ => BTreeSet::new(),
    }
}

/// Programs that a command calls, and into `directories` those that it writes to.
fn server_words(words: &[String], directories: &mut BTreeSet<String>) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = words.first().and_then(|word| unknown(word)).into_iter().collect();
    if let [shell, option, script, ..] = words
        && shell.ends_with("sh")
        && option == "-c"
    {
        out.extend(called(script));
        for part in script.split('>').skip(1) {
            let file = part.split_whitespace().next().unwrap_or_default();
            let parent = Path::new(file).parent().and_then(Path::to_str).unwrap_or_default();
            if parent.starts_with('/') {
                directories.insert(parent.to_owned());
            }
        }
    }
    out
}

fn unknown(word: &str) -> Option<String> {
    let plain = word.chars().all(|char| char.is_ascii_alphanumeric() || "-_./[".contains(char));
    (plain && !word.is_empty() && !KNOWN_WORDS.contains(&word)).then(|| word.to_owned())
}

/// The first words of a script's simple commands.
fn called(script: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![script];
    for separator in ["&&", "||", "|", ";", "$(", "\n"] {
        parts = parts.into_iter().flat_map(|part| part.split(separator)).collect();
    }
    parts.into_iter().filter_map(|part| unknown(part.split_whitespace().next()?)).collect::<Vec<_>>().into_iter()
}

/// The base image, made once a run of the stand-in.
///
/// # Errors
/// What the compiler or the engine said.
fn base() -> Result<&'static str, String> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let dockerfile = format!("LABEL {LABEL}=base\nENTRYPOINT []\nCMD [\"/standin\"]");
    MADE.get_or_init(|| standin::image(BASE, "", &[], &dockerfile)).clone().map(|()| BASE)
}

fn docker_build(tag: &str, context: &Path) -> Result<(), String> {
    let words = ["docker", "build", "--quiet", "--tag", tag, context.to_str().unwrap_or_default()];
    let output = run::run(&words, None, Duration::from_secs(300));
    if output.ok() { Ok(()) } else { Err(format!("docker build of {tag}: {}", output.tail(20))) }
}

/// Makes every image that the stack names and this machine does not have, and puts a Dockerfile into every build
/// context that has none.
///
/// # Errors
/// What the engine said.
pub fn prepare(model: &Model) -> Result<(), String> {
    let base = base()?;
    for (name, service) in &model.services {
        match (&service.build, &service.image) {
            (Some(build), _) => context(model, name, build, base)?,
            (None, Some(image)) => {
                let has = run::run(
                    &["docker", "image", "inspect", "--format", "{{.Config.Labels}}", image],
                    None,
                    Duration::from_secs(30),
                );
                if has.ok() && !has.stdout.contains(LABEL) {
                    continue;
                }
                let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
                let text = dockerfile(model, name, base);
                std::fs::write(dir.path().join("Dockerfile"), text).map_err(|error| error.to_string())?;
                docker_build(image, dir.path())?;
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// As [`prepare`], without an engine: Dockerfiles only.
///
/// # Errors
/// What could not be written.
pub fn prepare_contexts(model: &Model) -> Result<(), String> {
    let mut builds = model.services.iter().filter_map(|(name, service)| Some((name, service.build.as_ref()?)));
    builds.try_for_each(|(name, build)| context(model, name, build, BASE))
}

fn context(model: &Model, name: &str, build: &Build, base: &str) -> Result<(), String> {
    let file: PathBuf = build.context.join(if build.dockerfile.is_empty() { "Dockerfile" } else { &build.dockerfile });
    if file.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(file.parent().unwrap_or(&build.context))
        .and_then(|()| std::fs::write(&file, dockerfile(model, name, base)))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Removes the images that this harness made, whatever the run they are from.
pub fn remove_all() {
    let filter = format!("label={LABEL}");
    let words = ["docker", "image", "ls", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}}"];
    let names = run::expect(&words).unwrap_or_default();
    for name in names.lines().filter(|name| !name.contains("<none>") && !name.starts_with("dokku/")) {
        drop(run::run(&["docker", "image", "rm", name], None, Duration::from_secs(60)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn images_are_dressed_as_the_file_uses_them() {
        let text = r#"{"name":"x","services":{
            "db":{"image":"mariadb:10-focal","command":["--default-authentication-plugin=x"],
                "healthcheck":{"test":["CMD-SHELL","mysqladmin ping --password=\"$$(cat /run/secrets/p)\" --silent"]}},
            "web":{"image":"nginx","command":["/bin/bash","-c","envsubst < /tmp/a > /etc/nginx/conf.d/b && nginx -g 'daemon off;'"]},
            "api":{"build":{"context":"@CASE@/api","dockerfile":"Dockerfile","target":"builder","args":{"MODE":"x"}},"command":["npm","start"],"user":"app"}}}"#;
        let model = model::read(text, Path::new("/tmp/acc-x"));
        let db = dockerfile(&model, "db", "base");
        assert!(db.contains("EXPOSE 3306\nENTRYPOINT [\"/standin\"]"), "{db}");
        assert!(db.contains("ln -s /standin /bin/mysqladmin"), "{db}");
        let web = dockerfile(&model, "web", "base");
        assert!(web.contains("mkdir -p /etc/nginx/conf.d") && web.contains("'exec /bin/cat \"$@\"'"), "{web}");
        assert!(web.contains("'exec /standin serve nginx \"$@\"' >/bin/nginx"), "{web}");
        let api = dockerfile(&model, "api", "base");
        assert!(
            api.starts_with(
                "FROM base AS builder\nARG MODE\nENV STANDIN_ARG_MODE=${MODE}\nENV STANDIN_STAGE=builder\n"
            ),
            "{api}"
        );
        assert!(api.contains("ENTRYPOINT") && !api.contains("/bin/npm"), "{api}");
        assert!(api.contains("EXPOSE 8000") && api.contains("app:x:900:900") && api.contains("FROM scratch"), "{api}");
    }
}
