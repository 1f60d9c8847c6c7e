//! One action, one or few calls: the only code that changes a server.

mod await_gate;
mod carry;
mod containers;
mod datastore;
mod files;
mod release;
mod upgrade;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::{ActionError, Context, Done, RUN_VARIABLE, Runner};
use crate::docker::{ContainerFacts, EndpointSpec, Engine, EngineError, EngineResult, NetworkSpec};
use crate::dokku::{self, Dokku, DokkuError, DokkuResult, NotExpressible};
use crate::map::resources::{AppMount, Source};
use crate::plan::Action;
use crate::process::Stream;
use crate::secret::Secret;
use crate::site::Site;

/// What was delivered: target, then relative path, then SHA-256.
pub type Delivered = BTreeMap<PathBuf, BTreeMap<String, String>>;

/// Runs actions against a server, the real one or the sandbox.
pub struct ServerRunner {
    /// Dokku.
    pub dokku: Dokku,
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// The server's places.
    pub site: Site,
    /// Files as delivered, by earlier runs and by this one.
    pub delivered: Mutex<Delivered>,
}

impl From<DokkuError> for ActionError {
    fn from(error: DokkuError) -> Self {
        let mut out = ActionError::new(error.to_string());
        if let DokkuError::Failed { output, .. } | DokkuError::TimedOut { output, .. } = &error {
            out.lines = tail(output, 20);
        }
        out.retryable = error.says("deploy lock in place");
        out
    }
}

impl From<EngineError> for ActionError {
    fn from(error: EngineError) -> Self {
        ActionError::new(error.to_string())
    }
}

impl From<NotExpressible> for ActionError {
    fn from(error: NotExpressible) -> Self {
        ActionError::new(error.to_string())
    }
}

/// Whether a registry's answer may be another one in a while: it is busy, or the way to it was cut. A name that is not
/// known or a refusal stays one.
fn may_pass(message: &str) -> bool {
    const WORDS: &[&str] = &[
        "timeout",
        "timed out",
        "reset by peer",
        "unexpected eof",
        "toomanyrequests",
        "too many requests",
        "bad gateway",
        "service unavailable",
        "gateway time-out",
        "internal server error",
        "temporary failure",
    ];
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|word| message.contains(word))
}

fn tail(text: &str, lines: usize) -> Vec<String> {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

pub use await_gate::await_container;
pub use datastore::Maker;

/// How a container of an app joins a network: by name only where it serves, so that a one-off run is not found in
/// the service's place.
pub fn network_endpoint(endpoint: &EndpointSpec, serves: bool) -> EndpointSpec {
    if serves {
        endpoint.clone()
    } else {
        EndpointSpec { options: endpoint.options.clone(), links: endpoint.links.clone(), ..EndpointSpec::default() }
    }
}

type Ran = Result<Done, ActionError>;

impl Runner for ServerRunner {
    fn run(&self, action: &Action, context: &Context<'_>) -> Ran {
        let dokku = self.dokku.with_variable(RUN_VARIABLE, context.run).with_cancel(Some(context.cancel.process()));
        let dokku = dokku.with_own_count();
        let mut done = self.act(action, &Step { runner: self, dokku: &dokku, context })?;
        let calls = dokku.cost().0;
        if calls > 0 {
            done.facts.insert("calls".into(), calls.to_string());
        }
        Ok(done)
    }

    fn by_hand(&self, action: &Action) -> Vec<String> {
        super::by_hand::commands(action)
    }
}

impl ServerRunner {
    fn act(&self, action: &Action, one: &Step<'_>) -> Ran {
        let (dokku, context) = (one.dokku, one.context);
        match action {
            Action::NetworkCreate { spec } => one.network_create(spec),
            Action::NetworkRemove { name } => one.network_remove(name),
            Action::VolumeCreate { spec } => ok(self.engine.volume_create(spec)),
            Action::VolumeRemove { name } => one.volume_remove(name),
            Action::FilesDeliver { tree } => files::deliver(one, tree),
            Action::FilesRestore { target } => files::restore(one, target),
            Action::FilesRemove { target } => files::remove(one, target),
            Action::HooksWrite { app, hooks } => files::hooks(one, app, hooks),
            Action::HooksRemove { app } => files::hooks_remove(one, app),
            Action::AppCreate { app } => ok(dokku.create_parked(app)),
            Action::AppDestroy { app } => one.app_destroy(app),
            Action::ConfigSet { app, values } => one.config_set(app, values),
            Action::ConfigUnset { app, keys } => one.call(dokku::config::unset(app, keys.iter().map(String::as_str))?),
            Action::PropertySet { app, plugin, key, value } => {
                let value = Some(value.as_str()).filter(|value| !value.is_empty());
                one.call(dokku::property::set(plugin, app, key, value)?)
            }
            Action::OptionsAdd { app, phase, options } => one.options_add(app, phase, options),
            Action::OptionsRemove { app, phase, options } => {
                one.call(dokku::options::remove(app, &[phase_of(phase)], &quoted(options)?))
            }
            Action::StorageMount { app, mount } => one.storage(app, mount, true),
            Action::StorageUnmount { app, mount } => one.storage(app, mount, false),
            Action::PortsSet { app, ports } => one.ports(app, ports),
            Action::DomainsAdd { app, domains } => one.call(dokku::domains::add(app, &words(domains))),
            Action::DomainsRemove { app, domains } => one.call(dokku::domains::remove(app, &words(domains))),
            Action::DomainsDisable { app } => one.call(dokku::domains::disable(app)),
            Action::DomainsEnable { app } => one.call(dokku::domains::enable(app)),
            Action::ChecksSet { app, mode } => one.call(match mode.as_str() {
                "skipped" => dokku::checks::skip(app, &[]),
                "disabled" => dokku::checks::disable(app, &[]),
                _ => dokku::checks::enable(app, &[]),
            }),
            Action::ResourceSet { app, kind, values } => one.resources(app, kind, values),
            Action::Scale { app, quantity, deploy: false } => one.call(dokku::ps::scale(app, [("web", *quantity)])),
            Action::Scale { app, quantity, deploy: true } => one.live(dokku::ps::scale_now(app, [("web", *quantity)])),
            Action::Deploy { app, source } => one.deploy(app, source),
            Action::Rebuild { app } => one.live(dokku::ps::rebuild(app)),
            Action::Restart { app } => one.live(dokku::ps::restart(app)),
            Action::ReleaseKeep { release, .. } => release::keep(one, release),
            Action::ReleaseRestore { app, release } => release::restore(one, app, release),
            Action::ReleaseRecord { app, keep } => release::record(one, app, keep),
            Action::ReleaseForget { app, keep } => release::forget(one, app, keep),
            Action::ImageKeep { image, keep } => release::keep_image(one, image, keep),
            Action::Stop { app } => one.call(dokku::ps::stop(app)),
            Action::Start { app } => one.live(dokku::ps::start(app)),
            Action::ImagePull { image, platform } => {
                let platform = Some(platform.as_str()).filter(|platform| !platform.is_empty());
                one.pull(image, platform)
            }
            Action::ImageBuild { spec } => ok(self.engine.image_build(spec, context.remaining())),
            Action::ImageRemove { image } => ok(self.engine.image_remove(image)),
            Action::ContainerRun { spec } => containers::run(one, spec),
            Action::ContainerRemove { name } => containers::remove(one, name),
            Action::ContainerStash { name, stash } => containers::stash(one, name, stash),
            Action::ContainerUnstash { name, stash, running } => containers::unstash(one, name, stash, *running),
            Action::JobRun { spec, limit } => containers::job(one, spec, *limit),
            Action::Await { target, gate } => await_gate::wait(one, target, gate),
            Action::DatastoreCreate { store } => datastore::create(one, store),
            Action::DatastoreDestroy { plugin, service, of_run } => datastore::destroy(one, plugin, service, *of_run),
            Action::DatastoreSetup { store, first } => datastore::setup(one, store, *first),
            Action::DatastoreDump { store } => upgrade::dump(one, store),
            Action::DatastoreUpgrade { store, from } => upgrade::upgrade(one, store, from),
            Action::DatastoreCarryDump { store, from } => carry::dump(one, store, from),
            Action::DatastoreCarryImport { store } => carry::import(one, store),
            Action::DatastoreCarryDrop { service } => carry::drop(one, service),
            Action::DatastoreAwait { store } => datastore::ready(one, store),
            Action::DatastoreLink { plugin, service, app } => datastore::link(one, plugin, service, app),
            Action::DatastoreUnlink { plugin, service, app } => datastore::unlink(one, plugin, service, app),
            Action::DatastoreExpose { plugin, service, ports } => datastore::expose(one, plugin, service, ports),
            Action::DatastoreNetworks { plugin, service, networks } => {
                datastore::networks(one, plugin, service, networks)
            }
            Action::DatastoreStart { plugin, service } => datastore::start(one, plugin, service),
            Action::DatastoreStop { plugin, service } => datastore::stop(one, plugin, service),
        }
    }
}

fn ok<T, E: Into<ActionError>>(result: Result<T, E>) -> Ran {
    result.map(|_| Done::default()).map_err(Into::into)
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn phase_of(word: &str) -> dokku::options::Phase {
    match word {
        "build" => dokku::options::Phase::Build,
        "run" => dokku::options::Phase::Run,
        _ => dokku::options::Phase::Deploy,
    }
}

/// Options as Dokku's tokeniser takes them.
fn quoted(options: &[String]) -> Result<Vec<String>, ActionError> {
    options
        .iter()
        .map(|option| match option.split_once('=') {
            // The Dockerfile builder drops these two in their `=` form.
            Some((flag @ ("--memory" | "--memory-swap"), value)) => dokku::spaced_option(flag, value),
            Some((flag, value)) => dokku::quote_option(flag, value),
            None => dokku::bare_option(option),
        })
        .collect::<Result<_, _>>()
        .map_err(Into::into)
}

/// What one action works with.
struct Step<'a> {
    runner: &'a ServerRunner,
    dokku: &'a Dokku,
    context: &'a Context<'a>,
}

impl Step<'_> {
    fn engine(&self) -> &dyn Engine {
        self.runner.engine.as_ref()
    }

    fn call(&self, call: dokku::Call) -> Ran {
        let limit = self.context.remaining();
        ok(self.dokku.call(call.limit(limit)))
    }

    /// A call whose output is shown while it runs.
    fn live(&self, call: dokku::Call) -> Ran {
        let mut sink = |_: Stream, line: &str| self.context.line(line);
        ok(self.dokku.call_live(call.limit(self.context.remaining()), &mut sink))
    }

    fn pull(&self, image: &str, platform: Option<&str>) -> Ran {
        ok(self.engine().image_pull(image, platform, self.context.remaining()))
            .map_err(|error: ActionError| ActionError { retryable: may_pass(&error.message), ..error })
    }

    /// A network of that name that carries all the labels is the project's own.
    fn network_create(&self, spec: &NetworkSpec) -> Ran {
        match self.engine().network_create(spec) {
            Err(error @ EngineError::Refused { status: 409, .. }) => {
                let own = self.engine().network(&spec.name)?.is_some_and(|there| {
                    !spec.labels.is_empty()
                        && spec.labels.iter().all(|(key, value)| there.labels.get(key) == Some(value))
                });
                if own { Ok(Done::default()) } else { Err(error.into()) }
            }
            other => ok(other),
        }
    }

    fn network_remove(&self, name: &str) -> Ran {
        self.remove_freed(
            || self.engine().network_remove(name),
            || self.engine().network(name).ok().flatten().map(|network| network.containers).unwrap_or_default(),
        )
    }

    fn volume_remove(&self, name: &str) -> Ran {
        let uses = |one: &ContainerFacts| one.mounts.iter().any(|mount| mount == name);
        let users = || {
            let all = self.engine().containers(&["com.dokku.app-name"]).unwrap_or_default();
            all.into_iter().filter(uses).map(|one| one.id).collect()
        };
        self.remove_freed(|| self.engine().volume_remove(name), users)
    }

    /// Removes what containers that Dokku retires have until their time is over: those that it has only not removed yet
    /// are taken away.
    fn remove_freed(&self, remove: impl Fn() -> EngineResult<()>, users: impl Fn() -> Vec<String>) -> Ran {
        let until = std::time::Instant::now() + self.context.remaining().min(FREE);
        loop {
            match remove() {
                Err(EngineError::Refused { status: 403 | 409, .. }) if std::time::Instant::now() < until => {
                    for id in users() {
                        let one = self.engine().container(&id).ok().flatten();
                        if one.is_some_and(|one| retired(&one)) {
                            // A container that goes meanwhile is what is wanted.
                            let _ = self.engine().container_remove(&id);
                        }
                    }
                    self.context.cancel.sleep(std::time::Duration::from_secs(1));
                }
                other => return ok(other),
            }
        }
    }

    fn app_destroy(&self, app: &str) -> Ran {
        let proxied = self.runner.site.dokku_root.join(app).join("nginx.conf").exists();
        if self.dokku.app_exists(app)? {
            let _links = datastore::links_lock(self)?;
            self.call(dokku::apps::destroy(app))?;
        }
        if proxied {
            // Dokku reloads nginx before it removes the app's configuration, and the app's ports would stay taken. That
            // nginx refuses, be it for another app's configuration, is no fault of the app that is gone.
            let _ = self.call(dokku::proxy::reload_nginx());
        }
        // A container that never started, or was renamed on its way out, is unknown to `apps:destroy`.
        for left in self.engine().containers(&[&format!("com.dokku.app-name={app}")])? {
            self.engine().container_remove(&left.id)?;
        }
        // Of several that go at once, Dokku's own clean-up misses one now and then.
        let image = format!("dokku/{app}:latest");
        if self.engine().image(&image)?.is_some() {
            self.engine().image_remove(&image)?;
        }
        self.dokku.forget_parked(app)?;
        Ok(Done::default())
    }

    fn config_set(&self, app: &str, values: &crate::hashed::IndexMap<String, Secret>) -> Ran {
        let mut clear = Vec::with_capacity(values.len());
        for (name, value) in values {
            let Some(text) = value.expose() else {
                return Err(ActionError::new(format!("the value of {name} is not known any more")));
            };
            clear.push((name.as_str(), text));
        }
        self.call(dokku::config::import(app, clear)?)
    }

    fn options_add(&self, app: &str, phase: &str, options: &[String]) -> Ran {
        let mut options = quoted(options)?;
        if self.context.undoing {
            // Dokku would store an option that is there a second time.
            let there = self.dokku.options(app)?;
            options.retain(|option| !there.of(phase_of(phase)).contains(option));
        }
        if options.is_empty() {
            return Ok(Done::default());
        }
        self.call(dokku::options::add(app, &[phase_of(phase)], &options))
    }

    fn storage(&self, app: &str, mount: &AppMount, there: bool) -> Ran {
        let spec = dokku::storage::Mount {
            container_path: mount.target.clone(),
            phases: Vec::new(),
            read_only: mount.options.split(',').any(|option| option == "ro"),
            options: mount
                .options
                .split(',')
                .filter(|option| !option.is_empty() && *option != "ro")
                .map(str::to_owned)
                .collect(),
        };
        let call = if there {
            dokku::storage::mount_path(app, &mount.source, &spec)?
        } else {
            dokku::storage::unmount_path(app, &mount.source, &spec)?
        };
        match self.call(call) {
            Err(error) => {
                let now = self.dokku.mounts(app)?;
                let found =
                    now.iter().any(|have| have.host_path == mount.source && have.container_path == mount.target);
                if found == there { Ok(Done::default()) } else { Err(error) }
            }
            done => done,
        }
    }

    fn ports(&self, app: &str, ports: &[String]) -> Ran {
        if ports.is_empty() {
            return self.call(dokku::ports::clear(app));
        }
        let maps: Vec<dokku::ports::PortMap> = ports.iter().filter_map(|port| port.parse().ok()).collect();
        self.call(dokku::ports::set(app, &maps))
    }

    fn resources(&self, app: &str, kind: &str, values: &BTreeMap<String, String>) -> Ran {
        let limit = kind == "limit";
        let mut amounts = values.clone();
        if values.values().any(String::is_empty) {
            // Dokku clears all of a kind or none: the others are set again.
            let now = self.dokku.resources(app)?;
            let mut kept = if limit { now.limit } else { now.reserve };
            kept.extend(amounts);
            kept.retain(|_, value| !value.is_empty());
            amounts = kept;
            self.call(if limit { dokku::resource::clear_limit(app) } else { dokku::resource::clear_reserve(app) })?;
        }
        if amounts.is_empty() {
            return Ok(Done::default());
        }
        self.call(if limit { dokku::resource::limit(app, &amounts)? } else { dokku::resource::reserve(app, &amounts)? })
    }

    fn deploy(&self, app: &str, source: &Source) -> Ran {
        let call = match source {
            Source::Image { image, pull, platform } => {
                let absent = self.engine().image(image)?.is_none();
                if *pull || absent {
                    let platform = Some(platform.as_str()).filter(|platform| !platform.is_empty());
                    self.pull(image, platform)?;
                }
                dokku::git::from_image(app, image)
            }
            Source::Archive { context, dockerfile, dockerfile_inline, .. } => {
                let archive = super::archive::Archive {
                    context: context.clone(),
                    dockerfile: dockerfile.clone(),
                    inline: dockerfile_inline.clone(),
                };
                dokku::git::from_archive(app, Box::new(move |out| archive.write(out)))
            }
        };
        let mut sink = |_: Stream, line: &str| self.context.line(line);
        let deployed: DokkuResult<_> = self.dokku.deploy(call.limit(self.context.remaining()), &mut sink);
        match deployed? {
            dokku::git::Deployed::Done => Ok(Done::default()),
            dokku::git::Deployed::Unchanged => self.live(dokku::ps::rebuild(app)),
        }
    }
}

/// How long a network or volume may stay in use by containers that are on their way out.
const FREE: std::time::Duration = std::time::Duration::from_secs(90);

/// Whether Dokku is done with a container of an app, or never was with it.
fn retired(one: &ContainerFacts) -> bool {
    one.labels.contains_key("com.dokku.app-name") && (one.status != "running" || one.name.contains("upcoming"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_registry_is_asked_again_and_an_unknown_image_is_not() {
        assert!(may_pass("toomanyrequests: You have reached your pull rate limit"));
        assert!(may_pass("net/http: TLS handshake timeout"));
        assert!(may_pass("received unexpected HTTP status: 503 Service Unavailable"));
        assert!(!may_pass("manifest for acme/web:9 not found: manifest unknown"));
        assert!(!may_pass("pull access denied for acme/web, repository does not exist"));
    }
}
