//! The operations of one Dokku app.

use super::builder::Builder;
use super::settings::{self, Change, Effect, compare, property};
use super::{Action, AwaitTarget, Class, Inputs, Kept, Release, datastore};
use crate::map::resources::{AppSpec, DesiredService, Source};
use crate::observe::ObservedApp;

/// What a plan does to a service, for its row.
pub(super) struct Outcome {
    pub(super) symbol: char,
    pub(super) reasons: Vec<String>,
}

pub(super) fn plan(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, app: &AppSpec) -> Outcome {
    let last = inputs.last_app(&service.name);
    match inputs.observed.apps.get(&app.app) {
        None if inputs.observed.unchanged.contains(&app.app) => unchanged(inputs, builder, service, app),
        None => {
            create(inputs, builder, service, app);
            Outcome { symbol: '+', reasons: Vec::new() }
        }
        Some(observed) => update(inputs, builder, service, app, observed, last),
    }
}

/// The networks and volumes of an app. The first operation on it waits for them, so that the way back removes them after
/// the last one: as long as Dokku takes a container down, nobody can remove what it is on and has mounted.
fn places(service: &DesiredService) -> Vec<String> {
    let networks = service.networks.iter().map(|name| format!("network:{name}"));
    networks.chain(service.volumes.iter().map(|name| format!("volume:{name}"))).collect()
}

/// What an app waits for before it is deployed.
pub(super) fn gates(service: &DesiredService) -> Vec<String> {
    let mut things = places(service);
    things.extend(service.files.iter().map(|tree| format!("file:{}", tree.target.display())));
    things.extend(service.needs.iter().map(|(name, need)| format!("service:{name}/{need:?}")));
    things
}

fn create(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, app: &AppSpec) {
    let name = &app.app;
    let mut chain = builder.chain(&service.name, &inputs.at(&service.name));
    chain.wait_for("control");
    places(service).iter().for_each(|place| chain.wait_for(place));
    chain.add(
        Action::AppCreate { app: name.clone() },
        "new",
        Class::Recreate,
        vec![Action::AppDestroy { app: name.clone() }],
    );
    for action in settings::all(app) {
        chain.add(action, "new", Class::None, Vec::new());
    }
    if let Some(quantity) = app.scale.filter(|scale| *scale != 1) {
        chain.add(Action::Scale { app: name.clone(), quantity, deploy: false }, "new", Class::None, Vec::new());
    }
    chain.add(property(name, "proxy.type", ""), "new: the proxy is built once, by the deploy", Class::None, Vec::new());
    let undo = vec![Action::HooksRemove { app: name.clone() }];
    chain.add(Action::HooksWrite { app: name.clone(), hooks: Box::new(app.hooks.clone()) }, "new", Class::None, undo);
    for gate in gates(service) {
        chain.wait_for(&gate);
    }
    datastore::links(inputs, &mut chain, name, None);
    let source = match inputs.kept(&service.name) {
        // The image that the version kept, made the app's by Dokku's own means.
        Some(kept) => Source::Image { image: kept.release.keep.clone(), pull: false, platform: String::new() },
        None => {
            built(inputs, &mut chain, service, app);
            app.source.clone()
        }
    };
    chain.add(Action::Deploy { app: name.clone(), source: Box::new(source) }, "new", Class::Image, Vec::new());
    if let Some(kept) = inputs.kept(&service.name) {
        // Dokku built an image of the kept one and remembers that name: the release is what it was then.
        let release = Box::new(Release { running: true, containers: Vec::new(), ..kept.release.clone() });
        let restore = Action::ReleaseRestore { app: name.clone(), release };
        chain.add(restore, "as it was at that version", Class::Image, Vec::new());
    }
    finish(&mut chain, service, app);
    record(inputs, &mut chain, app);
}

/// The image that a deploy takes, where Dokku does not build it itself.
fn built(inputs: &Inputs<'_>, chain: &mut super::builder::Chain<'_>, service: &DesiredService, app: &AppSpec) {
    if let Some(spec) = &app.build {
        super::raw::build(inputs, chain, service, spec);
    }
}

/// What was deployed is kept for rollbacks.
fn record(inputs: &Inputs<'_>, chain: &mut super::builder::Chain<'_>, app: &AppSpec) {
    let (app, keep) = (app.app.clone(), inputs.keep(&app.app));
    let undo = vec![Action::ReleaseForget { app: app.clone(), keep: keep.clone() }];
    chain.add(Action::ReleaseRecord { app, keep }, "for rollbacks", Class::None, undo);
}

/// The end of every chain that deployed something: the gate, and what dependents wait for.
fn finish(chain: &mut super::builder::Chain<'_>, service: &DesiredService, app: &AppSpec) {
    chain.provides(format!("service:{}/Started", service.name));
    if app.await_gate && app.scale != Some(0) {
        let target = AwaitTarget::App(app.app.clone());
        chain.add(Action::Await { target, gate: app.hooks.gate.clone() }, "gate", Class::None, Vec::new());
    }
    chain.provides(format!("service:{}/Healthy", service.name));
}

/// Settings are as at the last commit; only what runs may differ.
fn unchanged(inputs: &Inputs<'_>, builder: &mut Builder, service: &DesiredService, app: &AppSpec) -> Outcome {
    if app.scale == Some(0) || inputs.observed.running(&app.app) {
        return Outcome { symbol: '=', reasons: Vec::new() };
    }
    let mut chain = builder.chain(&service.name, &inputs.at(&service.name));
    start(&mut chain, app);
    finish(&mut chain, service, app);
    Outcome { symbol: '~', reasons: vec!["drift: no container runs".into()] }
}

fn start(chain: &mut super::builder::Chain<'_>, app: &AppSpec) {
    let undo = vec![Action::Stop { app: app.app.clone() }];
    chain.add(Action::Start { app: app.app.clone() }, "drift: no container runs", Class::Config, undo);
}

/// How the new settings come into force.
enum Rollout {
    Nothing,
    Restart(String),
    Rebuild(String),
    Deploy(String),
    /// An earlier release, which was kept.
    Back(Release),
}

fn rollout(
    app: &AppSpec,
    observed: &ObservedApp,
    last: Option<&AppSpec>,
    kept: Option<&Kept>,
    effect: Effect,
    reasons: &[String],
) -> Rollout {
    let because = || reasons.first().cloned().unwrap_or_else(|| "settings changed".into());
    if let Some(Kept { release, .. }) = kept {
        let same = observed.image_id == release.image_id
            && observed.commit == release.commit
            && observed.source_image == release.source_image;
        return match effect {
            _ if !same => Rollout::Back(Release { running: true, containers: Vec::new(), ..release.clone() }),
            Effect::None => Rollout::Nothing,
            Effect::Restart | Effect::Rebuild => Rollout::Restart(because()),
        };
    }
    if !observed.deployed() {
        return Rollout::Deploy("was never deployed".into());
    }
    match (&app.source, last.map(|last| &last.source)) {
        (Source::Image { image, .. }, Some(_)) if app.build.is_some() && observed.source_image != *image => {
            return Rollout::Deploy("what it is built from changed".into());
        }
        (Source::Image { image, .. }, _) if observed.source_image != *image => {
            return Rollout::Deploy(format!("image changed from {} to {image}", or_none(&observed.source_image)));
        }
        (Source::Archive { .. }, _) if !observed.source_image.is_empty() => {
            return Rollout::Deploy(format!("drift: source was changed by hand to image {}", observed.source_image));
        }
        (Source::Archive { digest, .. }, Some(Source::Archive { digest: before, .. })) if digest == before => {}
        (Source::Archive { .. }, _) => return Rollout::Deploy("the build context changed".into()),
        (Source::Image { .. }, _) => {}
    }
    let content =
        last.filter(|last| !last.image_id.is_empty() && !app.image_id.is_empty() && last.image_id != app.image_id);
    if content.is_some() {
        return Rollout::Rebuild("the image of that name has new content".into());
    }
    match effect {
        Effect::None => Rollout::Nothing,
        Effect::Restart => Rollout::Restart(because()),
        Effect::Rebuild => Rollout::Rebuild(because()),
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn update(
    inputs: &Inputs<'_>,
    builder: &mut Builder,
    service: &DesiredService,
    app: &AppSpec,
    observed: &ObservedApp,
    last: Option<&AppSpec>,
) -> Outcome {
    let name = &app.app;
    let settings = compare(app, observed, last);
    let mut effect = settings.effect;
    let mut reasons: Vec<String> = settings.changes.iter().map(|change| change.cause.to_string()).collect();
    let hooks_changed = last.is_none_or(|last| last.hooks != app.hooks);
    let networks_changed = last.is_none_or(|last| last.hooks.networks != app.hooks.networks);
    if last.is_some() && networks_changed {
        effect = effect.max(Effect::Restart);
        reasons.push("networks changed in the file".into());
    }
    if last.is_some_and(|last| last.hooks.copies != app.hooks.copies) {
        effect = effect.max(Effect::Restart);
        reasons.push("secrets or configs changed in the file".into());
    }
    if last.is_some_and(|last| last.hooks.hooks != app.hooks.hooks) {
        effect = effect.max(Effect::Restart);
        reasons.push("hooks changed in the file".into());
    }
    if let Some(other) = builder.restarted(&service.restarts_with).filter(|_| observed.deployed()) {
        effect = effect.max(Effect::Restart);
        reasons.push(format!("restarts with {other}"));
    }
    if inputs.files_changed(service) {
        effect = effect.max(Effect::Restart);
        reasons.push("a mounted file changed".into());
    }
    let unlinked = datastore::unlinked(inputs, name, observed);
    if !unlinked.is_empty() {
        effect = effect.max(Effect::Restart);
        reasons.push(format!("is not linked to {}", unlinked.join(", ")));
    }
    let rollout = rollout(app, observed, last, inputs.kept(&service.name), effect, &reasons);
    let adopted = last.is_none() && inputs.wishes.adopt;
    if adopted {
        reasons.insert(0, "taken over as it is".into());
    }
    let at = inputs.at(&service.name);
    let mut chain = builder.chain(&service.name, &at);
    places(service).iter().for_each(|place| chain.wait_for(place));
    if !matches!(rollout, Rollout::Nothing) && observed.deployed() {
        let release = Box::new(inputs.release(app, observed));
        let mut undo = inputs.files_back(service);
        undo.push(Action::ReleaseRestore { app: name.clone(), release: release.clone() });
        chain.add(Action::ReleaseKeep { app: name.clone(), release }, "before a deploy", Class::None, undo);
    }
    for Change { action, cause, class, undo } in settings.changes {
        chain.add(action, cause, class, undo);
    }
    if hooks_changed {
        let undo = match last {
            Some(last) => Action::HooksWrite { app: name.clone(), hooks: Box::new(last.hooks.clone()) },
            None => Action::HooksRemove { app: name.clone() },
        };
        chain.add(
            Action::HooksWrite { app: name.clone(), hooks: Box::new(app.hooks.clone()) },
            "settings of the gate and networks",
            Class::None,
            vec![undo],
        );
    }
    let scaled = app.scale.filter(|scale| *scale != observed.scale);
    if let Some(quantity) = scaled {
        let deploy = matches!(rollout, Rollout::Nothing);
        let cause = format!("replicas from {} to {quantity}", observed.scale);
        // Behind a new release the undo must not deploy: the release is brought back after it, and is what then runs.
        let undo = vec![Action::Scale { app: name.clone(), quantity: observed.scale, deploy }];
        reasons.push(cause.clone());
        chain.add(Action::Scale { app: name.clone(), quantity, deploy }, cause, Class::Scale, undo);
    }
    for gate in gates(service) {
        chain.wait_for(&gate);
    }
    if matches!(rollout, Rollout::Rebuild(_) | Rollout::Deploy(_)) {
        built(inputs, &mut chain, service, app);
    }
    datastore::links(inputs, &mut chain, name, Some(observed));
    match &rollout {
        Rollout::Nothing => {
            let wanted = app.scale.unwrap_or(observed.scale);
            if wanted > 0 && scaled.is_none() && !inputs.observed.running(name) {
                start(&mut chain, app);
                reasons.push("drift: no container runs".into());
                finish(&mut chain, service, app);
            }
        }
        Rollout::Restart(cause) => {
            chain.add(Action::Restart { app: name.clone() }, cause.clone(), Class::Config, Vec::new());
            finish(&mut chain, service, app);
        }

        Rollout::Rebuild(cause) => {
            reasons.push(cause.clone());
            chain.add(Action::Rebuild { app: name.clone() }, cause.clone(), Class::Image, Vec::new());
            finish(&mut chain, service, app);
            record(inputs, &mut chain, app);
        }
        Rollout::Back(release) => {
            let cause = format!("back to the image of version {}", inputs.back.map_or(0, |back| back.version));
            reasons.insert(0, cause.clone());
            let action = Action::ReleaseRestore { app: name.clone(), release: Box::new(release.clone()) };
            chain.add(action, cause, Class::Image, Vec::new());
            finish(&mut chain, service, app);
        }
        Rollout::Deploy(cause) => {
            reasons.insert(0, cause.clone());
            chain.add(
                Action::Deploy { app: name.clone(), source: Box::new(app.source.clone()) },
                cause.clone(),
                Class::Image,
                Vec::new(),
            );
            finish(&mut chain, service, app);
            record(inputs, &mut chain, app);
        }
    }
    if adopted && matches!(rollout, Rollout::Nothing | Rollout::Restart(_)) {
        record(inputs, &mut chain, app);
    }
    let symbol = if chain.is_empty() { '=' } else { '~' };
    reasons.dedup();
    Outcome { symbol, reasons }
}

/// The control app: settings that keep it from ever being built or served.
pub(super) fn control(inputs: &Inputs<'_>, builder: &mut Builder) {
    let app = &inputs.desired.project;
    let hooks = crate::map::resources::AppHooks { project: app.clone(), ..Default::default() };
    let wanted = [("builder.selected", "null"), ("network.bind-all-interfaces", "false"), ("proxy.disabled", "true")];
    let observed = inputs.observed.apps.get(app);
    if observed.is_none() && inputs.observed.unchanged.contains(app) {
        return;
    }
    let mut chain = builder.chain("", "");
    if observed.is_none() {
        chain.add(
            Action::AppCreate { app: app.clone() },
            "new: the project's own app",
            Class::Recreate,
            vec![Action::AppDestroy { app: app.clone() }],
        );
    }
    for (name, value) in wanted {
        let had = observed.and_then(|observed| observed.properties.get(name)).map_or("", String::as_str);
        if had != value {
            let undo = if observed.is_some() { vec![settings::property(app, name, had)] } else { Vec::new() };
            chain.add(property(app, name, value), "the project's own app serves nothing itself", Class::None, undo);
        }
    }
    if observed.is_none_or(|observed| observed.domains_enabled) {
        let undo = if observed.is_some() { vec![Action::DomainsEnable { app: app.clone() }] } else { Vec::new() };
        chain.add(
            Action::DomainsDisable { app: app.clone() },
            "the project's own app serves nothing itself",
            Class::None,
            undo,
        );
    }
    if observed.is_none() {
        chain.add(property(app, "proxy.type", ""), "new", Class::None, Vec::new());
    }
    if inputs.last.is_none() {
        let undo = vec![Action::HooksRemove { app: app.clone() }];
        chain.add(Action::HooksWrite { app: app.clone(), hooks: Box::new(hooks) }, "new", Class::None, undo);
    }
    chain.provides("control".into());
}

impl Inputs<'_> {
    /// The release that a deploy of `app` would replace.
    fn release(&self, app: &AppSpec, observed: &ObservedApp) -> Release {
        let containers = self.observed.app_containers.get(&app.app);
        let mut ids: Vec<String> =
            containers.into_iter().flatten().filter(|one| one.status == "running").map(|one| one.id.clone()).collect();
        ids.sort();
        Release {
            image_id: observed.image_id.clone(),
            commit: observed.commit.clone(),
            branch: observed.branch.clone(),
            source_image: observed.source_image.clone(),
            deploy_source: observed.deploy_source.clone(),
            deploy_metadata: observed.deploy_metadata.clone(),
            locked: observed.locked,
            keep: format!("dokku-compose/{}:previous", app.app),
            running: !ids.is_empty(),
            containers: ids,
        }
    }
}
