//! The rest: `version`, `plugin:*`, `run`, `logs`, `enter`, `urls`, `certs:report`, `nginx:*`.

use serde_json::{Value, json};

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::deploy;
use super::super::engine::container::exit_of;
use super::super::engine::rfc3339;
use super::super::engine::state::State;
use super::super::world::read_text;
use super::proxy;
use super::report::{self, Shape};

/// The version that the sandbox plays.
pub(in crate::sandbox) const VERSION: &str = "0.38.27";

/// Dokku's own plugins: name and description.
const CORE: &[(&str, &str)] = &[
    ("00_dokku-standard", "standard"),
    ("20_events", "events logging"),
    ("app-json", "app-json"),
    ("apps", "apps"),
    ("builder", "builder"),
    ("builder-dockerfile", "builder-dockerfile"),
    ("builder-herokuish", "builder-herokuish"),
    ("builder-lambda", "builder-lambda"),
    ("builder-nixpacks", "builder-nixpacks"),
    ("builder-null", "builder-null"),
    ("builder-pack", "builder-pack"),
    ("builder-railpack", "builder-railpack"),
    ("buildpacks", "buildpacks"),
    ("builds", "builds"),
    ("caddy-vhosts", "caddy-vhosts"),
    ("certs", "certificate management"),
    ("checks", "checks"),
    ("common", "common"),
    ("config", "config"),
    ("cron", "cron"),
    ("docker-options", "docker-options"),
    ("domains", "domains"),
    ("enter", "enter"),
    ("git", "git"),
    ("haproxy-vhosts", "haproxy-vhosts"),
    ("logs", "logs"),
    ("network", "network"),
    ("nginx-vhosts", "nginx-vhosts"),
    ("openresty-vhosts", "openresty-vhosts"),
    ("plugin", "plugin"),
    ("ports", "ports"),
    ("proxy", "proxy"),
    ("ps", "ps"),
    ("registry", "registry"),
    ("repo", "repo"),
    ("resource", "resource"),
    ("run", "run"),
    ("scheduler", "scheduler"),
    ("scheduler-docker-local", "scheduler-docker-local"),
    ("scheduler-k3s", "scheduler-k3s"),
    ("scheduler-null", "scheduler-null"),
    ("shell", "shell"),
    ("ssh-keys", "ssh-keys"),
    ("storage", "storage"),
    ("trace", "trace"),
    ("traefik-vhosts", "traefik-vhosts"),
];

/// The names of Dokku's own plugins.
pub(in crate::sandbox) fn core_plugins() -> impl Iterator<Item = &'static str> {
    CORE.iter().map(|(name, _)| *name)
}

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "version" => {
            let behaviour = ctx.world.behaviour();
            let version = if behaviour.version.is_empty() { VERSION } else { &behaviour.version };
            ctx.line(&format!("dokku version {version}"));
            Ok(())
        }
        "plugin:list" => plugin_list(ctx, args),
        "plugin:installed" => match args.first() {
            Some(name) if ctx.world.datastores().contains_key(name) || CORE.iter().any(|(core, _)| core == name) => {
                Ok(())
            }
            _ => Err(Stop::Exit(1)),
        },
        "run" => one_off(ctx, args),
        "logs" => logs(ctx, args),
        "enter" => enter(ctx, args),
        "urls" => proxy::print_urls(ctx, args),
        "certs" | "certs:report" => {
            let shape = Shape { prefix: "ssl", title: "ssl", legacy: false };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let enabled = ctx.world.home(app).join("tls/server.crt").is_file();
                Ok(report::map([
                    ("dir", ctx.world.home(app).join("tls").display().to_string()),
                    ("enabled", enabled.to_string()),
                    ("hostnames", String::new()),
                    ("expires-at", String::new()),
                    ("issuer", String::new()),
                    ("starts-at", String::new()),
                    ("subject", String::new()),
                    ("verified", String::new()),
                ]))
            })
        }
        _ => return None,
    })
}

fn plugin_list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["format="], false)?;
    let mut all: Vec<(String, Value)> = CORE
        .iter()
        .map(|(name, what)| {
            let version = if *name == "builds" { "0.34.0" } else { VERSION };
            let value = json!({"name": name, "version": version, "enabled": true, "core": true, "description": format!("dokku core {what} plugin"), "source_url": "", "committish": "", "branch": ""});
            ((*name).to_owned(), value)
        })
        .collect();
    for (name, version) in ctx.world.datastores() {
        let digest = super::super::world::digest(format!("{name} {version}").as_bytes());
        let value = json!({"name": name, "version": version, "enabled": true, "core": false, "description": format!("dokku {name} service plugin"), "source_url": format!("https://github.com/dokku/dokku-{name}.git"), "committish": digest[..40], "branch": "master"});
        all.push((name, value));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if args.value("format") == Some("json") {
        ctx.line(&Value::Array(all.into_iter().map(|(_, value)| value).collect()).to_string());
    } else {
        for (name, value) in all {
            ctx.line(&format!(
                "  {name:<20} {:<8} enabled    {}",
                value["version"].as_str().unwrap_or_default(),
                value["description"].as_str().unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn one_off(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["env=", "no-tty", "force-tty", "cron-id=", "ttl-seconds="], true)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let command = args.rest()[1..].to_vec();
    if command.is_empty() {
        return fail("No command specified");
    }
    if State::load(&ctx.world)?.image(&format!("dokku/{app}:latest")).is_none() {
        return fail(format!("App image (dokku/{app}:latest) not found"));
    }
    let number = ctx.world.fresh_id("run")?[..4].to_owned();
    let name = format!("{app}.run.{number}");
    let id = deploy::add_container(ctx, &app, "run", &name, "run", Some(&command), &format!("run.{number}"))?;
    let code = super::super::triggers::call(ctx, "post-container-create", &["app", &id, &app, "run", "run"])?;
    let behaviour = ctx.world.behaviour();
    let started = if code == 0 { deploy::engine(ctx, |state| state.start(&behaviour, &id))? } else { Ok(()) };
    let state = State::load(&ctx.world)?;
    let (networks, links, play) = match state.container(&id) {
        Some(container) => {
            (container.networks.keys().cloned().collect(), container.links.clone(), container.play(&behaviour))
        }
        None => (Vec::new(), Vec::new(), Default::default()),
    };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let exit = match (&started, words.as_slice()) {
        (Err(error), _) => {
            ctx.error_line(&format!("Error response from daemon: {error}"));
            1
        }
        (Ok(()), ["getent", "hosts", names @ ..]) => {
            let mut exit = 0;
            for name in names {
                let found = state.resolve(&networks, &links, name);
                if found.is_empty() {
                    exit = 2;
                }
                for address in found {
                    ctx.line(&format!("{address:<15} {name}"));
                }
            }
            exit
        }
        (Ok(()), ["env"] | ["printenv"]) => {
            for (key, value) in state.container(&id).map(|container| container.environment.clone()).unwrap_or_default()
            {
                ctx.line(&format!("{key}={value}"));
            }
            0
        }
        (Ok(()), words) => i32::try_from(play.exit.or_else(|| exit_of(words)).unwrap_or(0)).unwrap_or(1),
    };
    deploy::engine(ctx, |state| {
        state.remove(&id);
        Ok(())
    })??;
    match (code, exit) {
        (0, 0) => Ok(()),
        (0, exit) => Err(Stop::Exit(exit)),
        (code, _) => Err(Stop::Exit(code)),
    }
}

fn logs(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["num=", "n=", "tail", "t", "ps=", "p=", "quiet"], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    if !deploy::deployed(&ctx.world, &app) {
        return fail(format!("App {app} has not been deployed"));
    }
    let limit: usize = args.value("num").or(args.value("n")).and_then(|text| text.parse().ok()).unwrap_or(100);
    let state = State::load(&ctx.world)?;
    let mut lines = Vec::new();
    for container in state.labelled(&[&format!("com.dokku.app-name={app}"), "com.dokku.container-type=deploy"]) {
        let dyno = container.labels.get("com.dokku.dyno").cloned().unwrap_or_default();
        if super::super::retire::waits(&ctx.world, &app, &container.id) {
            continue;
        }
        let time = rfc3339(container.started_ms);
        lines.extend(container.log.iter().map(|line| format!("\u{1b}[36m{time} app[{dyno}]:\u{1b}[0m {line}")));
    }
    for line in &lines[lines.len().saturating_sub(limit)..] {
        ctx.line(line);
    }
    Ok(())
}

fn enter(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["container-id="], true)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    // A file of a running container is what Dokku itself looks for.
    if read_text(&ctx.world.home(&app).join("CONTAINER.web.1")).is_empty() {
        return fail(format!("App {app} has not been deployed"));
    }
    let words: Vec<&str> = args.rest()[1..].iter().map(String::as_str).skip(1).collect();
    match exit_of(&words) {
        None | Some(0) => Ok(()),
        Some(code) => Err(Stop::Exit(i32::try_from(code).unwrap_or(1))),
    }
}
