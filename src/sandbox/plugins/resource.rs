//! `resource:*`: limits and reservations a process type.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::ctx::{Answer, Args, Ctx, fail};
use super::report::{self, Shape};

const KINDS: [&str; 7] = ["cpu", "memory", "memory-swap", "network", "network-ingress", "network-egress", "nvidia-gpu"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "resource:limit" => set(ctx, args, "limit", "limits"),
        "resource:reserve" => set(ctx, args, "reserve", "reservation"),
        "resource:limit-clear" => clear(ctx, args, "limit", "limits"),
        "resource:reserve-clear" => clear(ctx, args, "reserve", "reservation"),
        "resource" | "resource:report" => {
            let shape = Shape { prefix: "resource", title: "resource", legacy: true };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let keys = ctx.world.property_keys("resource", app);
                Ok(keys
                    .iter()
                    .map(|key| (key.clone(), Value::String(ctx.world.property("resource", app, key))))
                    .collect::<BTreeMap<_, _>>())
            })
        }
        _ => return None,
    })
}

fn set(ctx: &mut Ctx, words: &[String], verb: &str, title: &str) -> Answer {
    let args = Args::parse(
        words,
        &[
            "cpu=",
            "memory=",
            "memory-swap=",
            "network=",
            "network-ingress=",
            "network-egress=",
            "nvidia-gpu=",
            "process-type=",
        ],
        false,
    )?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let process = args.value("process-type").unwrap_or("_default_").to_owned();
    let given: Vec<(&str, &str)> =
        KINDS.iter().filter_map(|kind| args.value(kind).map(|value| (*kind, value))).collect();
    let named = if process == "_default_" { String::new() } else { format!(" ({process})") };
    if given.is_empty() {
        ctx.head(&format!("resource {title} {app}{named} information"));
        return Ok(());
    }
    if verb == "reserve" && given.iter().any(|(kind, _)| matches!(*kind, "memory-swap")) {
        return fail("unknown flag: --memory-swap");
    }
    ctx.head(&format!("Setting resource {title} for {app}{named}"));
    for (kind, value) in given {
        ctx.detail(&format!("{kind}: {value}"));
        let value = if value == "clear" { "" } else { value };
        ctx.world.set_property("resource", &app, &format!("{process}.{verb}.{kind}"), value)?;
    }
    Ok(())
}

fn clear(ctx: &mut Ctx, words: &[String], verb: &str, title: &str) -> Answer {
    let args = Args::parse(words, &["process-type="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let process = args.value("process-type").unwrap_or("_default_");
    ctx.head(&format!("Clearing resource {title} for {app}"));
    for kind in KINDS {
        ctx.world.set_property("resource", &app, &format!("{process}.{verb}.{kind}"), "")?;
    }
    Ok(())
}
