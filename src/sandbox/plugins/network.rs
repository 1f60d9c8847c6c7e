//! `network:*`.

use serde_json::{Value, json};

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::engine::state::{Network, State};
use super::report::{self, Shape, tiers};
use super::{ports, ps};

const KEYS: &[&str] = &[
    "attach-post-create",
    "attach-post-deploy",
    "bind-all-interfaces",
    "initial-network",
    "static-web-listener",
    "tld",
];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "network:create" => create(ctx, args),
        "network:exists" => exists(ctx, args),
        "network:destroy" => destroy(ctx, args),
        "network:list" => list(ctx, args),
        "network:info" => info(ctx, args),
        "network:set" => set(ctx, args),
        "network:rebuild" => Ok(()),
        "network" | "network:report" => {
            let shape = Shape { prefix: "network", title: "network", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let mut values =
                    report::map([("static-web-listener", ctx.world.property("network", app, "static-web-listener"))]);
                for key in ["attach-post-create", "attach-post-deploy", "initial-network", "tld"] {
                    tiers(ctx, &mut values, "network", app, key, "");
                }
                tiers(ctx, &mut values, "network", app, "bind-all-interfaces", "false");
                values.insert("web-listeners".to_owned(), Value::String(listeners(ctx, app)?));
                Ok(values)
            })
        }
        _ => return None,
    })
}

fn listeners(ctx: &mut Ctx, app: &str) -> Answer<String> {
    let state = State::load(&ctx.world)?;
    let port = ports::web_port(&ctx.world, app);
    let initial = ctx.world.property("network", app, "initial-network");
    let network = if initial.is_empty() { "bridge" } else { &initial };
    let all: Vec<String> = ps::running(ctx, app)?
        .iter()
        .filter(|name| name.contains(".web."))
        .filter_map(|name| {
            state.container(name)?.networks.get(network).map(|endpoint| format!("{}:{port}", endpoint.address))
        })
        .collect();
    Ok(all.join(" "))
}

fn set(ctx: &mut Ctx, args: &[String]) -> Answer {
    if let [_, key, values @ ..] = args
        && key.starts_with("attach-post")
        && values.iter().any(|value| value == "host" || value == "bridge")
    {
        return fail(format!("Invalid network name specified for {key}"));
    }
    report::set(ctx, "network", KEYS, args)
}

fn name(words: &[String], known: &[&str]) -> Answer<(Args, String)> {
    let args = Args::parse(words, known, false)?;
    match args.rest().first().filter(|name| !name.is_empty()).cloned() {
        Some(name) => Ok((args, name)),
        None => fail("No network name specified"),
    }
}

fn create(ctx: &mut Ctx, words: &[String]) -> Answer {
    let (_, name) = name(words, &[])?;
    ctx.step(&format!("Creating network {name}"));
    let mut state = State::load(&ctx.world)?;
    let labels = [("com.dokku.network-name".to_owned(), name.clone())].into();
    if let Err(error) = state.network_create(&ctx.world, &name, Network { labels, ..Network::default() }) {
        return fail(format!("Unable to create network: Error response from daemon: {error}\n"));
    }
    state.save(&ctx.world)?;
    Ok(())
}

fn exists(ctx: &mut Ctx, words: &[String]) -> Answer {
    let (_, name) = name(words, &[])?;
    if State::load(&ctx.world)?.networks.contains_key(&name) {
        ctx.step("Network exists");
        return Ok(());
    }
    fail("Network does not exist")
}

fn destroy(ctx: &mut Ctx, words: &[String]) -> Answer {
    let (_, name) = name(words, &[])?;
    super::apps::confirm(ctx, &format!("This command will destroy network {name}."), &name)?;
    ctx.step(&format!("Destroying network {name}"));
    let mut state = State::load(&ctx.world)?;
    if let Err(error) = state.network_remove(&name) {
        return fail(format!("Unable to destroy network: Error response from daemon: {error}\nexit status 1\n"));
    }
    state.save(&ctx.world)?;
    Ok(())
}

fn as_json(name: &str, network: &Network) -> Value {
    json!({
        "CreatedAt": "2024-02-25T01:55:24.275184461Z",
        "DokkuManaged": network.labels.contains_key("com.dokku.network-name"),
        "Driver": network.driver, "ID": network.id[..12], "Internal": network.internal, "IPv6": false,
        "Labels": network.labels, "Name": name, "Scope": "local"
    })
}

fn list(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["format=", "dokku-managed"], false)?;
    let state = State::load(&ctx.world)?;
    let managed = |network: &Network| network.labels.contains_key("com.dokku.network-name");
    let mut all: Vec<_> =
        state.networks.iter().filter(|(_, network)| !args.has("dokku-managed") || managed(network)).collect();
    all.sort_by_key(|(name, network)| (!managed(network), (*name).clone()));
    match args.value("format") {
        Some("json") => {
            ctx.line(&Value::Array(all.iter().map(|(name, network)| as_json(name, network)).collect()).to_string())
        }
        None | Some("text") => {
            ctx.head("Networks");
            for (name, _) in all {
                ctx.line(name);
            }
        }
        Some(other) => return Err(Stop::Fail(1, format!("Invalid output format specified: {other}"))),
    }
    Ok(())
}

fn info(ctx: &mut Ctx, words: &[String]) -> Answer {
    let (args, name) = name(words, &["format="])?;
    let state = State::load(&ctx.world)?;
    let Some(network) = state.networks.get(&name) else { return fail("Network does not exist") };
    if args.value("format") == Some("json") {
        ctx.line(&as_json(&name, network).to_string());
    } else {
        ctx.head(&format!("{name} network information"));
        for (key, value) in
            [("ID", &network.id[..12]), ("Name", &name), ("Driver", &network.driver), ("Scope", "local")]
        {
            ctx.detail(&format!("{:<20} {value}", format!("{key}:")));
        }
    }
    Ok(())
}
