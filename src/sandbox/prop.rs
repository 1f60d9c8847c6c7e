//! Dokku's property tool: `prop get|set|del|... PLUGIN APP KEY [VALUE]`.

use super::ctx::{Answer, Ctx, Stop, fail};
use super::world::{remove_dir, write_whole};

pub(super) fn run(ctx: &mut Ctx, words: &[String]) -> Answer {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let world = ctx.world.clone();
    match words.as_slice() {
        ["setup", plugin] => Ok(std::fs::create_dir_all(world.lib().join("config").join(plugin))?),
        ["get", plugin, app, key] => {
            let value = world.property(plugin, app, key);
            ctx.line(&value);
            Ok(())
        }
        ["get-with-default", plugin, app, key, default] => {
            let value = world.property(plugin, app, key);
            ctx.line(if value.is_empty() { default } else { &value });
            Ok(())
        }
        ["get-all", plugin, app] => {
            for key in world.property_keys(plugin, app) {
                let value = world.property(plugin, app, &key);
                ctx.line(&format!("{key} {value}"));
            }
            Ok(())
        }
        ["set", plugin, app, key, value] => Ok(write_whole(&world.property_path(plugin, app, key), value.as_bytes())?),
        ["set", plugin, app, key] => Ok(write_whole(&world.property_path(plugin, app, key), b"")?),
        ["exists", plugin, app, key] => {
            if world.has_property(plugin, app, key) {
                Ok(())
            } else {
                Err(Stop::Exit(1))
            }
        }
        ["del", plugin, app, key] => Ok(world.set_property(plugin, app, key, "")?),
        ["destroy", plugin, app] => Ok(remove_dir(&world.property_dir(plugin, app))?),
        ["clone", plugin, old, new] => {
            for key in world.property_keys(plugin, old) {
                world.set_property(plugin, new, &key, &world.property(plugin, old, &key))?;
            }
            Ok(())
        }
        ["lrange", plugin, app, key, ..] => {
            for line in world.list(plugin, app, key) {
                ctx.line(&line);
            }
            Ok(())
        }
        ["rpush", plugin, app, key, value] => {
            let mut all = world.list(plugin, app, key);
            all.push((*value).to_owned());
            Ok(world.set_list(plugin, app, key, &all)?)
        }
        ["lrem", plugin, app, key, value] => {
            let mut all = world.list(plugin, app, key);
            all.retain(|line| line != value);
            Ok(world.set_list(plugin, app, key, &all)?)
        }
        ["lwrite", plugin, app, key, values @ ..] => {
            let all: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            Ok(world.set_list(plugin, app, key, &all)?)
        }
        other => fail(format!("Unknown property command or arguments: {}", other.join(" "))),
    }
}
