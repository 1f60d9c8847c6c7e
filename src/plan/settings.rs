//! One app's settings: desired against observed against last applied, as a list of changes.
//!
//! The rule is the same for every kind: what the file asks for is set; what an earlier import set and
//! the file no longer asks for is taken away; what somebody added by hand is left alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Class};
use crate::hashed::{self, IndexMap};
use crate::map::resources::{AppSpec, DockerOptions, UpdateOrder};
use crate::observe::ObservedApp;

/// One change with its cause, how much it disturbs and its inverse.
pub(super) struct Change {
    pub(super) action: Action,
    pub(super) cause: Cow<'static, str>,
    pub(super) class: Class,
    pub(super) undo: Vec<Action>,
}

/// What a change of settings makes necessary for it to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// `ps:restart`.
    Restart,
    /// `ps:rebuild`.
    Rebuild,
}

pub(super) struct Settings {
    pub(super) changes: Vec<Change>,
    pub(super) effect: Effect,
    /// Of a new app nobody asks for causes and inverses: destroying it undoes all of its settings at once.
    anew: bool,
}

impl Settings {
    /// The cause or the inverse that `make` gives; nothing of a new app.
    fn unless_new<T: Default>(&self, make: impl FnOnce() -> T) -> T {
        if self.anew { T::default() } else { make() }
    }

    fn push(&mut self, action: Action, cause: impl Into<Cow<'static, str>>, effect: Effect, undo: Vec<Action>) {
        let class = match effect {
            Effect::None => Class::None,
            Effect::Restart => Class::Config,
            Effect::Rebuild => Class::Image,
        };
        self.effect = self.effect.max(effect);
        self.changes.push(Change { action, cause: cause.into(), class, undo });
    }
}

/// All settings of an app that was just created.
pub(super) fn all(desired: &AppSpec) -> impl Iterator<Item = Action> {
    let bare = ObservedApp { checks: "enabled".into(), scale: 1, ..ObservedApp::default() };
    let out = Settings { changes: Vec::new(), effect: Effect::None, anew: true };
    changes(out, desired, &bare, None).changes.into_iter().map(|change| change.action)
}

/// The changes that bring `observed` to `desired`; `last` is what an import applied before.
pub(super) fn compare(desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) -> Settings {
    changes(Settings { changes: Vec::new(), effect: Effect::None, anew: false }, desired, observed, last)
}

fn changes(mut out: Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) -> Settings {
    properties(&mut out, desired, observed, last);
    config(&mut out, desired, observed, last);
    options(&mut out, desired, observed, last);
    mounts(&mut out, desired, observed, last);
    ports(&mut out, desired, observed, last);
    domains(&mut out, desired, observed, last);
    checks(&mut out, desired, observed);
    resources(&mut out, desired, observed, last);
    out
}

/// Whether it was the file or somebody's hand that made the difference.
fn cause(unchanged_in_file: bool, what: &str) -> String {
    if unchanged_in_file { format!("drift: {what} was changed by hand") } else { format!("{what} changed in the file") }
}

/// What must happen before a changed property works.
fn property_effect(name: &str) -> Effect {
    match name {
        "network.initial-network"
        | "network.bind-all-interfaces"
        | "ps.restart-policy"
        | "ps.dockerfile-start-cmd"
        | "scheduler-docker-local.init-process"
        | "logs.max-size"
        | "proxy.disabled" => Effect::Restart,
        "builder-dockerfile.dockerfile-path" | "builder.selected" | "builder.build-dir" => Effect::Rebuild,
        _ => Effect::None,
    }
}

pub(super) fn property(app: &str, name: &str, value: &str) -> Action {
    let (plugin, key) = name.split_once('.').unwrap_or((name, ""));
    Action::PropertySet { app: app.to_owned(), plugin: plugin.to_owned(), key: key.to_owned(), value: value.to_owned() }
}

fn properties(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let mut wanted: BTreeMap<&str, &str> =
        desired.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for name in last.into_iter().flat_map(|last| last.properties.keys()) {
        wanted.entry(name).or_insert("");
    }
    for (name, value) in wanted {
        let had = observed.properties.get(name).map_or("", String::as_str);
        if had == value {
            continue;
        }
        let before = last.and_then(|last| last.properties.get(name)).map_or("", String::as_str);
        let cause = out.unless_new(|| cause(last.is_some() && before == value, name));
        let undo = out.unless_new(|| vec![property(&desired.app, name, had)]);
        out.push(property(&desired.app, name, value), cause, property_effect(name), undo);
    }
}

fn config(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let app = &desired.app;
    let mut set = hashed::with_capacity(desired.config.len().saturating_sub(observed.config.len()));
    let (mut before, mut added) = (IndexMap::default(), Vec::new());
    let mut by_hand = true;
    for (key, value) in &desired.config {
        let had = observed.config.get(key);
        if had.is_some_and(|had| had.digest() == value.digest()) {
            continue;
        }
        by_hand &= last.and_then(|last| last.config.get(key)).is_some_and(|last| last.digest() == value.digest());
        match had {
            Some(had) => drop(before.insert(key.clone(), had.clone())),
            None if out.anew => {}
            None => added.push(key.clone()),
        }
        set.insert(key.clone(), value.clone());
    }
    if !set.is_empty() {
        let names = || set.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let cause = out.unless_new(|| cause(by_hand, &format!("variable {}", names())));
        let mut undo = Vec::new();
        if !added.is_empty() {
            undo.push(Action::ConfigUnset { app: app.clone(), keys: added });
        }
        if !before.is_empty() {
            undo.push(Action::ConfigSet { app: app.clone(), values: before });
        }
        out.push(Action::ConfigSet { app: app.clone(), values: set }, cause, Effect::Restart, undo);
    }
    let mut gone = Vec::new();
    let mut values = IndexMap::default();
    for key in last.into_iter().flat_map(|last| last.config.keys()).filter(|key| !desired.config.contains_key(*key)) {
        if let Some(had) = observed.config.get(key) {
            gone.push(key.clone());
            values.insert(key.clone(), had.clone());
        }
    }
    if !gone.is_empty() {
        let cause = format!("variable {} left the file", gone.join(", "));
        let undo = vec![Action::ConfigSet { app: app.clone(), values }];
        out.push(Action::ConfigUnset { app: app.clone(), keys: gone }, cause, Effect::Restart, undo);
    }
}

/// Items to add and to remove by the three-way rule, in order.
fn three_way<T: Ord + Clone>(desired: &[T], observed: &[T], last: &[T]) -> (Vec<T>, Vec<T>) {
    if observed.is_empty() {
        return (desired.to_vec(), Vec::new());
    }
    let have: BTreeSet<&T> = observed.iter().collect();
    let want: BTreeSet<&T> = desired.iter().collect();
    let add = desired.iter().filter(|item| !have.contains(item)).cloned().collect();
    let remove = last.iter().filter(|item| !want.contains(item) && have.contains(item)).cloned().collect();
    (add, remove)
}

fn options(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let none = DockerOptions::default();
    let last_options = last.map_or(&none, |last| &last.options);
    let phases = [
        ("build", &desired.options.build, &observed.options.build, &last_options.build, Effect::Rebuild),
        ("deploy", &desired.options.deploy, &observed.options.deploy, &last_options.deploy, Effect::Restart),
        ("run", &desired.options.run, &observed.options.run, &last_options.run, Effect::None),
    ];
    for (phase, want, have, before, effect) in phases {
        let (add, remove) = three_way(want, have, before);
        let app = desired.app.clone();
        let effect =
            |options: &[String]| if options.iter().all(|option| marks(option)) { Effect::None } else { effect };
        if !remove.is_empty() {
            let effect = effect(&remove);
            let undo = vec![Action::OptionsAdd { app: app.clone(), phase: phase.into(), options: remove.clone() }];
            let action = Action::OptionsRemove { app: app.clone(), phase: phase.into(), options: remove };
            out.push(action, format!("{phase} options left the file"), effect, undo);
        }
        if !add.is_empty() {
            let by_hand = add.iter().all(|option| before.contains(option));
            let effect = effect(&add);
            let cause = out.unless_new(|| cause(by_hand, &format!("{phase} options")));
            let remove = || Action::OptionsRemove { app: app.clone(), phase: phase.into(), options: add.clone() };
            let undo = out.unless_new(|| vec![remove()]);
            let action = Action::OptionsAdd { app, phase: phase.into(), options: add };
            out.push(action, cause, effect, undo);
        }
    }
}

/// Whether an option is a mark for this plugin alone, which no container has to be made anew for.
fn marks(option: &str) -> bool {
    option.starts_with("--label=com.dokku.primary-image=")
}

fn mounts(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let before = last.map_or(&[][..], |last| &last.mounts);
    let (add, remove) = three_way(&desired.mounts, &observed.mounts, before);
    let app = &desired.app;
    for mount in remove {
        let undo = vec![Action::StorageMount { app: app.clone(), mount: mount.clone() }];
        let cause = format!("mount {} left the file", mount.target);
        out.push(Action::StorageUnmount { app: app.clone(), mount }, cause, Effect::Restart, undo);
    }
    for mount in add {
        let undo = out.unless_new(|| vec![Action::StorageUnmount { app: app.clone(), mount: mount.clone() }]);
        let cause = out.unless_new(|| cause(before.contains(&mount), &format!("mount {}", mount.target)));
        out.push(Action::StorageMount { app: app.clone(), mount }, cause, Effect::Restart, undo);
    }
}

fn ports(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let before = last.map_or(&[][..], |last| &last.ports);
    let mut want: BTreeSet<String> = desired.ports.iter().cloned().collect();
    want.extend(observed.ports.iter().filter(|port| !before.contains(port)).cloned());
    let have: BTreeSet<String> = observed.ports.iter().cloned().collect();
    if want == have {
        return;
    }
    let app = desired.app.clone();
    let undo = out.unless_new(|| vec![Action::PortsSet { app: app.clone(), ports: observed.ports.clone() }]);
    let same = last.is_some_and(|last| last.ports == desired.ports);
    let cause = out.unless_new(|| cause(same, "the published ports"));
    out.push(Action::PortsSet { app, ports: want.into_iter().collect() }, cause, Effect::None, undo);
}

fn domains(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let before = last.map_or(&[][..], |last| &last.domains);
    let (add, remove) = three_way(&desired.domains, &observed.domains, before);
    let app = &desired.app;
    if !remove.is_empty() {
        let undo = vec![Action::DomainsAdd { app: app.clone(), domains: remove.clone() }];
        out.push(
            Action::DomainsRemove { app: app.clone(), domains: remove },
            "domains left the file",
            Effect::None,
            undo,
        );
    }
    if !add.is_empty() {
        let undo = out.unless_new(|| vec![Action::DomainsRemove { app: app.clone(), domains: add.clone() }]);
        let cause = out.unless_new(|| cause(add.iter().all(|domain| before.contains(domain)), "the domains"));
        out.push(Action::DomainsAdd { app: app.clone(), domains: add }, cause, Effect::None, undo);
    }
}

/// Dokku's word for the order of an update.
pub(super) fn checks_mode(order: UpdateOrder) -> &'static str {
    match order {
        UpdateOrder::StartFirst => "skipped",
        UpdateOrder::StopFirst => "disabled",
    }
}

fn checks(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp) {
    let mode = checks_mode(desired.order);
    if observed.checks != mode {
        let undo =
            out.unless_new(|| vec![Action::ChecksSet { app: desired.app.clone(), mode: observed.checks.clone() }]);
        out.push(
            Action::ChecksSet { app: desired.app.clone(), mode: mode.into() },
            "order of updates",
            Effect::None,
            undo,
        );
    }
}

fn resources(out: &mut Settings, desired: &AppSpec, observed: &ObservedApp, last: Option<&AppSpec>) {
    let mut wanted: BTreeMap<&str, &str> =
        desired.resources.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for name in last.into_iter().flat_map(|last| last.resources.keys()) {
        wanted.entry(name).or_insert("");
    }
    for kind in ["limit", "reserve"] {
        let (mut set, mut before) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in &wanted {
            let Some(resource) = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let had = observed.resources.get(*name).map_or("", String::as_str);
            if had != *value {
                set.insert(resource.to_owned(), (*value).to_owned());
                before.insert(resource.to_owned(), had.to_owned());
            }
        }
        if !set.is_empty() {
            let app = desired.app.clone();
            let undo = vec![Action::ResourceSet { app: app.clone(), kind: kind.into(), values: before }];
            let cause =
                cause(last.is_some_and(|last| last.resources == desired.resources), &format!("resource {kind}s"));
            out.push(Action::ResourceSet { app, kind: kind.into(), values: set }, cause, Effect::Restart, undo);
        }
    }
}

/// What differs between an app as it was imported and as it is: phrases without values.
///
/// Variables, options and mounts that somebody added are named too; an import leaves them alone.
pub fn drift(applied: &AppSpec, now: &ObservedApp) -> Vec<String> {
    let changes = compare(applied, now, Some(applied)).changes;
    let mut out: Vec<String> = changes.into_iter().map(|change| change.cause.into_owned()).collect();
    let own =
        |name: &str| name == "NO_VHOST" || name == "GIT_REV" || name.starts_with("DOKKU_") || name.ends_with("_URL");
    let added: Vec<&str> = now
        .config
        .keys()
        .filter(|name| !applied.config.contains_key(*name) && !own(name))
        .map(String::as_str)
        .collect();
    if !added.is_empty() {
        out.push(format!("variable {} was added by hand and is kept", added.join(", ")));
    }
    let mine = &applied.options;
    let lists = [
        ("build", &mine.build, &now.options.build),
        ("deploy", &mine.deploy, &now.options.deploy),
        ("run", &mine.run, &now.options.run),
    ];
    for (phase, mine, there) in lists {
        let count = there.iter().filter(|option| !mine.contains(option) && !option.starts_with("--link")).count();
        if count > 0 {
            out.push(format!("{count} {phase} options were added by hand and are kept"));
        }
    }
    out
}
