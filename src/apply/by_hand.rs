//! The commands that do an action by hand, for the reader of a stuck run. No secret is among them.

use crate::plan::Action;

fn word(text: &str) -> String {
    let plain =
        !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn dokku(command: &str, args: &[&str]) -> Vec<String> {
    let words: Vec<String> = args.iter().filter(|arg| !arg.is_empty()).map(|arg| word(arg)).collect();
    vec![format!("dokku {command} {}", words.join(" ")).trim_end().to_owned()]
}

fn docker(command: &str, args: &[&str]) -> Vec<String> {
    let words: Vec<String> = args.iter().map(|arg| word(arg)).collect();
    vec![format!("docker {command} {}", words.join(" "))]
}

/// What to type; an action on files names them.
pub(super) fn commands(action: &Action) -> Vec<String> {
    match action {
        Action::NetworkCreate { spec } => docker("network create", &[&spec.name]),
        Action::NetworkRemove { name } => docker("network rm", &[name]),
        Action::VolumeCreate { spec } => docker("volume create", &[&spec.name]),
        Action::VolumeRemove { name } => docker("volume rm", &[name]),
        Action::FilesDeliver { tree } => vec![format!("# put {} in place", tree.target.display())],
        Action::FilesRestore { target } => vec![format!("# put {} back from the run's folder", target.display())],
        Action::FilesRemove { target } => vec![format!("rm -r {}", word(&target.to_string_lossy()))],
        Action::HooksWrite { app, .. } => vec![format!("# the triggers do not know {app}: import again")],
        Action::HooksRemove { app } => vec![format!("# remove the plugin's file of {app}")],
        Action::AppCreate { app } => dokku("apps:create", &[app]),
        Action::AppDestroy { app } => dokku("apps:destroy --force", &[app]),
        Action::ConfigSet { app, values } => {
            values.keys().map(|key| format!("dokku config:set --no-restart {} {key}=...", word(app))).collect()
        }
        Action::ConfigUnset { app, keys } => {
            let mut args = vec![app.as_str()];
            args.extend(keys.iter().map(String::as_str));
            dokku("config:unset --no-restart", &args)
        }
        Action::PropertySet { app, plugin, key, value } => dokku(&format!("{plugin}:set"), &[app, key, value]),
        Action::OptionsAdd { app, phase, options } => options_line("add", app, phase, options),
        Action::OptionsRemove { app, phase, options } => options_line("remove", app, phase, options),
        Action::StorageMount { app, mount } => dokku("storage:mount", &[app, &mount.spec()]),
        Action::StorageUnmount { app, mount } => dokku("storage:unmount", &[app, &mount.spec()]),
        Action::PortsSet { app, ports } if ports.is_empty() => dokku("ports:clear", &[app]),
        Action::PortsSet { app, ports } => with_list("ports:set", app, ports),
        Action::DomainsAdd { app, domains } => with_list("domains:add", app, domains),
        Action::DomainsRemove { app, domains } => with_list("domains:remove", app, domains),
        Action::DomainsDisable { app } => dokku("domains:disable", &[app]),
        Action::DomainsEnable { app } => dokku("domains:enable", &[app]),
        Action::ChecksSet { app, mode } => {
            let verb = match mode.as_str() {
                "skipped" => "checks:skip",
                "disabled" => "checks:disable",
                _ => "checks:enable",
            };
            dokku(verb, &[app])
        }
        Action::ResourceSet { app, kind, values } => {
            let mut args: Vec<String> = values.iter().map(|(name, value)| format!("--{name}={value}")).collect();
            args.push(app.clone());
            dokku(&format!("resource:{kind}"), &args.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Action::Scale { app, quantity, .. } => dokku("ps:scale", &[app, &format!("web={quantity}")]),
        Action::Deploy { app, .. } | Action::Rebuild { app } => dokku("ps:rebuild", &[app]),
        Action::Restart { app } => dokku("ps:restart", &[app]),
        Action::ReleaseKeep { release, .. } => docker("tag", &[&release.image_id, &release.keep]),
        Action::ReleaseRestore { app, release } => {
            let mut out = docker("tag", &[&release.keep, &format!("dokku/{app}:latest")]);
            out.extend(dokku("git:set", &[app, "source-image", &release.source_image]));
            out.extend(dokku("ps:restart", &[app]));
            out
        }
        Action::ReleaseRecord { app, keep } => docker("tag", &[&format!("dokku/{app}:latest"), keep]),
        Action::ReleaseForget { keep, .. } => docker("rmi", &[keep]),
        Action::ImageKeep { image, keep } => docker("tag", &[image, keep]),
        Action::Stop { app } => dokku("ps:stop", &[app]),
        Action::Start { app } => dokku("ps:start", &[app]),
        Action::ImagePull { image, .. } => docker("pull", &[image]),
        Action::ImageBuild { spec } => docker("build", &["-t", &spec.tag, &spec.context.to_string_lossy()]),
        Action::ImageRemove { image } => docker("rmi", &[image]),
        Action::ContainerRun { spec } | Action::JobRun { spec, .. } => docker("start", &[&spec.name]),
        Action::ContainerRemove { name } => docker("rm -f", &[name]),
        Action::ContainerStash { name, stash } => docker("rename", &[name, stash]),
        Action::ContainerUnstash { name, stash, running } => {
            let mut out = docker("rename", &[stash, name]);
            if *running {
                out.extend(docker("start", &[name]));
            }
            out
        }
        Action::Await { .. } | Action::DatastoreAwait { .. } => Vec::new(),
        Action::DatastoreCreate { store } => {
            let (image, version) = (&store.image, &store.version);
            let verb = format!("{}:create", store.plugin);
            dokku(&verb, &[&store.service, "--image", image, "--image-version", version])
        }
        Action::DatastoreDestroy { plugin, service, .. } => dokku(&format!("{plugin}:destroy"), &[service, "--force"]),
        Action::DatastoreSetup { store, .. } => {
            vec![format!("# give {} its user and database: dokku {}:connect {0}", store.service, store.plugin)]
        }
        Action::DatastoreDump { store } => {
            vec![format!("dokku {}:export {1} > {1}.dump", store.plugin, store.service)]
        }
        Action::DatastoreCarryDump { from, .. } => vec![format!("# dump the data of the volume {}", from.volume)],
        Action::DatastoreCarryImport { store } => {
            vec![format!("# import the dump: dokku {}:import {} < FILE", store.plugin, store.service)]
        }
        Action::DatastoreCarryDrop { service } => {
            let name = format!("{service}{}", crate::map::datastores::CARRY);
            let mut out = docker("rm -f", &[&name]);
            out.extend(docker("volume rm", &[&name]));
            out
        }
        Action::DatastoreUpgrade { store, .. } => {
            let verb = format!("{}:upgrade", store.plugin);
            dokku(&verb, &[&store.service, "--image", &store.image, "--image-version", &store.version])
        }
        Action::DatastoreLink { plugin, service, app } => {
            dokku(&format!("{plugin}:link"), &[service, app, "--no-restart"])
        }
        Action::DatastoreUnlink { plugin, service, app } => {
            dokku(&format!("{plugin}:unlink"), &[service, app, "--no-restart"])
        }
        Action::DatastoreExpose { plugin, service, ports } if ports.is_empty() => {
            dokku(&format!("{plugin}:unexpose"), &[service])
        }
        Action::DatastoreExpose { plugin, service, ports } => with_list(&format!("{plugin}:expose"), service, ports),
        Action::DatastoreNetworks { plugin, service, networks } => {
            dokku(&format!("{plugin}:set"), &[service, "post-create-network", &networks.join(",")])
        }
        Action::DatastoreStart { plugin, service } => dokku(&format!("{plugin}:start"), &[service]),
        Action::DatastoreStop { plugin, service } => dokku(&format!("{plugin}:stop"), &[service]),
    }
}

fn with_list(command: &str, app: &str, list: &[String]) -> Vec<String> {
    let mut args = vec![app];
    args.extend(list.iter().map(String::as_str));
    dokku(command, &args)
}

fn options_line(verb: &str, app: &str, phase: &str, options: &[String]) -> Vec<String> {
    // A variable that only `--env` can carry may be a secret.
    let shown: Vec<String> = options
        .iter()
        .map(|option| match option.strip_prefix("--env=").and_then(|pair| pair.split_once('=')) {
            Some((name, _)) => format!("--env={name}=..."),
            None => option.clone(),
        })
        .collect();
    let mut args = vec![app, phase];
    args.extend(shown.iter().map(String::as_str));
    dokku(&format!("docker-options:{verb}"), &args)
}

/// One line that says what an action does: its command, or a phrase where there is none.
pub fn title(action: &Action) -> String {
    match action {
        Action::FilesDeliver { tree } => format!("deliver {}", tree.target.display()),
        Action::FilesRestore { target } => format!("put back {}", target.display()),
        Action::FilesRemove { target } => format!("remove {}", target.display()),
        Action::HooksWrite { app, .. } => format!("tell the triggers of {app}"),
        Action::HooksRemove { app } => format!("the triggers forget {app}"),
        Action::ConfigSet { app, values } => {
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            format!("config:import {app} ({})", names.join(" "))
        }
        Action::Deploy { app, source } => match &**source {
            crate::map::resources::Source::Image { image, .. } => format!("git:from-image {app} {image}"),
            crate::map::resources::Source::Archive { context, .. } => {
                format!("git:from-archive {app} ({})", context.display())
            }
        },
        Action::ReleaseKeep { app, .. } => format!("keep the release of {app}"),
        Action::ReleaseRestore { app, .. } => format!("bring the release of {app} back"),
        Action::ReleaseRecord { app, keep } => format!("keep the release of {app} as {keep}"),
        Action::ReleaseForget { keep, .. } => format!("forget {keep}"),
        Action::ImageKeep { image, keep } => format!("keep {image} as {keep}"),
        Action::ContainerRun { spec } => format!("run container {} of {}", spec.name, spec.image),
        Action::JobRun { spec, .. } => format!("run job {} of {}", spec.name, spec.image),
        Action::Await { target, gate } => {
            let name = match target {
                crate::plan::AwaitTarget::Container(name) | crate::plan::AwaitTarget::App(name) => name,
            };
            if gate.healthy { format!("wait until {name} is healthy") } else { format!("wait until {name} is up") }
        }
        Action::DatastoreSetup { store, .. } => {
            let parts = [&store.login.user, &store.login.database];
            let named: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            format!("set up {} service {} ({})", store.plugin, store.service, named.join(", "))
        }
        Action::DatastoreAwait { store } => format!("wait until {} answers", store.service),
        Action::DatastoreCarryDump { from, .. } => {
            let where_from = match from.container.as_str() {
                "" => format!("a copy of the volume {}, read by {}", from.volume, from.image),
                container => format!("the container {container}"),
            };
            format!("dump the data out of {where_from}")
        }
        Action::DatastoreCarryImport { store } => {
            format!("import the data into {} service {} and compare it", store.plugin, store.service)
        }
        Action::DatastoreCarryDrop { service } => format!("remove the copy and the dump of {service}"),
        other => {
            let first = commands(other).into_iter().next().unwrap_or_default();
            first.strip_prefix("dokku ").map_or(first.clone(), str::to_owned)
        }
    }
}
