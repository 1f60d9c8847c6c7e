//! A world that is a folder, a runner that changes it, and faults on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dokku_compose::apply::{
    ActionError, Applier, ApplyError, Cancel, Context, Done, Event, Faults, Limits, Observer, Outcome, Recovered,
    Runner,
};
use dokku_compose::docker::VolumeSpec;
use dokku_compose::plan::{Action, Class, Op, Plan};
use dokku_compose::secret::{DigestKey, Secret};
use dokku_compose::site::Site;
use dokku_compose::state::{Lock, ProjectDir, State, StoreError};
use dokku_compose::ui::mask::Masker;

pub const OLD: &str = "old-password";
pub const NEW: &str = "new-password";

/// Where faults are wanted.
#[derive(Clone, Default)]
pub struct Wishes {
    /// Operations that fail, after half of their work.
    pub fail: BTreeSet<usize>,
    /// Operations whose undo fails, after half of its work.
    pub fail_undo: BTreeSet<usize>,
    /// Operations that panic half way.
    pub panic: BTreeSet<usize>,
    /// Operations that fail once with an error that another try may help.
    pub flaky: BTreeSet<usize>,
    /// Operations that wait until they are told to stop; `true`: as breakable ones.
    pub wait: BTreeMap<usize, bool>,
    /// Every action takes so long.
    pub slow: Duration,
    /// The cleanup fails.
    pub fail_cleanup: bool,
    /// The process dies in this operation (`None`: in the cleanup), in its undo or not, half way or at its end.
    pub die: Option<(Option<usize>, bool, bool)>,
}

/// The runner.
pub struct Toy {
    pub world: PathBuf,
    pub wishes: Wishes,
    pub calls: Mutex<Vec<(Option<usize>, bool)>>,
    now: AtomicUsize,
    pub most: AtomicUsize,
    flaked: Mutex<BTreeSet<usize>>,
}

impl Toy {
    pub fn new(world: &Path, wishes: Wishes) -> Self {
        Self {
            world: world.to_owned(),
            wishes,
            calls: Mutex::default(),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            flaked: Mutex::default(),
        }
    }

    fn trouble(&self, context: &Context<'_>, half: bool) -> Result<(), ActionError> {
        let id = context.op.map(|op| op.id);
        if self.wishes.die == Some((id, context.undoing, half)) {
            std::process::abort();
        }
        if !half {
            return Ok(());
        }
        let Some(id) = id else {
            let wished = self.wishes.fail_cleanup;
            return if wished { Err(ActionError::new("cleanup refused")) } else { Ok(()) };
        };
        let wished = if context.undoing { &self.wishes.fail_undo } else { &self.wishes.fail };
        if wished.contains(&id) {
            let mut error = ActionError::new(format!("operation {id} refused {NEW}"));
            error.lines = vec![format!("password {OLD} is wrong")];
            return Err(error);
        }
        if context.undoing {
            return Ok(());
        }
        if self.wishes.panic.contains(&id) {
            panic!("wished panic in {id}");
        }
        if self.wishes.flaky.contains(&id) && self.flaked.lock().unwrap().insert(id) {
            return Err(ActionError { retryable: true, ..ActionError::new("busy") });
        }
        if let Some(breakable) = self.wishes.wait.get(&id) {
            loop {
                context.check(*breakable)?;
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    fn act(&self, action: &Action, context: &Context<'_>) -> Result<(), ActionError> {
        if context.undoing {
            // An undo is never told to stop.
            context.check(true)?;
        }
        let folder = |name: &str| self.world.join(name);
        let put = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let drop = |path: PathBuf| {
            let _ = fs::remove_file(path);
        };
        match action {
            Action::AppCreate { app } => {
                fs::create_dir_all(folder(app)).unwrap();
                self.trouble(context, true)?;
                put(folder(app).join("created"), "yes");
            }
            Action::AppDestroy { app } => {
                drop(folder(app).join("created"));
                self.trouble(context, true)?;
                let _ = fs::remove_dir_all(folder(app));
            }
            Action::ConfigSet { app, values } => {
                for (index, (key, value)) in values.iter().enumerate() {
                    if index > 0 || values.len() == 1 {
                        self.trouble(context, true)?;
                    }
                    let text = value.expose().ok_or_else(|| ActionError::new("sealed"))?;
                    put(folder(app).join(key), text);
                }
            }
            Action::ConfigUnset { app, keys } => {
                self.trouble(context, true)?;
                keys.iter().for_each(|key| drop(folder(app).join(key)));
            }
            Action::PropertySet { app, plugin, key, value } => {
                self.trouble(context, true)?;
                let file = folder(app).join(format!("{plugin}.{key}"));
                if value.is_empty() { drop(file) } else { put(file, value) }
            }
            Action::VolumeCreate { spec } => {
                self.trouble(context, true)?;
                put(folder("volumes").join(&spec.name), "data");
            }
            Action::VolumeRemove { name } => {
                self.trouble(context, true)?;
                drop(folder("volumes").join(name));
            }
            other => panic!("the toy has no {other:?}"),
        }
        Ok(())
    }
}

impl Runner for Toy {
    fn run(&self, action: &Action, context: &Context<'_>) -> Result<Done, ActionError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.calls.lock().unwrap().push((context.op.map(|op| op.id), context.undoing));
        context.line(&format!("setting {NEW}"));
        std::thread::sleep(self.wishes.slow);
        // A panic inside must not leave the count too high.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.act(action, context).and_then(|()| self.trouble(context, false))
        }));
        self.now.fetch_sub(1, Ordering::SeqCst);
        match result {
            Ok(result) => result.map(|()| Done { detail: "set".into(), ..Done::default() }),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn by_hand(&self, action: &Action) -> Vec<String> {
        vec![match action {
            Action::AppDestroy { app } => format!("dokku apps:destroy {app}"),
            Action::ConfigUnset { app, keys } => {
                format!("dokku config:unset {app} {}", keys.join(" "))
            }
            Action::PropertySet { app, plugin, key, value } => format!("dokku {plugin}:set {app} {key} {value}"),
            other => format!("undo {other:?}"),
        }]
    }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text, &DigestKey([3; 32]))
}

pub fn op(id: usize, needs: &[usize], action: Action, undo: Vec<Action>) -> Op {
    let (service, cause, at) = (format!("service{id}"), "new".into(), String::new());
    let (service, at) = (service.into(), at.into());
    Op { id, service, action, cause, class: Class::Config, undo, needs: needs.to_vec(), at }
}

pub fn property(app: &str, key: &str, value: &str) -> Action {
    Action::PropertySet { app: app.into(), plugin: "p".into(), key: key.into(), value: value.into() }
}

/// A diamond over an app that was there and one that is new, with secrets before and after.
pub fn plan() -> Plan {
    let config = |app: &str, pairs: &[(&str, &str)]| Action::ConfigSet {
        app: app.into(),
        values: pairs.iter().map(|(key, value)| (key.to_string(), secret(value))).collect(),
    };
    let volume = VolumeSpec { name: "fresh".into(), ..VolumeSpec::default() };
    let ops = vec![
        op(0, &[], Action::AppCreate { app: "a".into() }, vec![Action::AppDestroy { app: "a".into() }]),
        op(
            1,
            &[0],
            config("a", &[("K", NEW), ("L", "second")]),
            vec![Action::ConfigUnset { app: "a".into(), keys: vec!["K".into(), "L".into()] }],
        ),
        op(2, &[], config("old", &[("PASSWORD", NEW)]), vec![config("old", &[("PASSWORD", OLD)])]),
        op(3, &[2], property("old", "k", "v2"), vec![property("old", "k", "v1"), property("old", "extra", "")]),
        op(4, &[], Action::VolumeCreate { spec: volume }, vec![Action::VolumeRemove { name: "fresh".into() }]),
        op(5, &[1, 4], property("a", "k", "v"), vec![property("a", "k", "")]),
        // The same key again: only undoing in reverse order gives the first value back.
        op(6, &[3, 5], property("old", "k", "v3"), vec![property("old", "k", "v2")]),
    ];
    let cleanup = vec![Action::VolumeRemove { name: "stash".into() }];
    Plan { project: "shop".into(), ops, cleanup, ..Plan::default() }
}

/// All files of a folder with their content, and its empty folders.
pub fn snapshot(folder: &Path) -> BTreeMap<String, String> {
    fn walk(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                found.insert(format!("{name}/"), String::new());
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, "", &mut found);
    found
}

/// A server with one project and a world.
pub struct Server {
    _temporary: Option<tempfile::TempDir>,
    pub root: PathBuf,
    /// The id of its one run, other than that of any other server.
    pub run: String,
}

impl Server {
    /// A new one, in memory where that is possible.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let temporary = made.unwrap();
        let root = temporary.path().to_owned();
        let run = format!("run{}", root.file_name().unwrap().to_string_lossy());
        fs::write(root.join("run"), &run).unwrap();
        let server = Self { root, run, _temporary: Some(temporary) };
        let world = server.world();
        fs::create_dir_all(world.join("old")).unwrap();
        fs::create_dir_all(world.join("volumes")).unwrap();
        fs::write(world.join("old/PASSWORD"), OLD).unwrap();
        fs::write(world.join("old/p.k"), "v1").unwrap();
        fs::write(world.join("volumes/stash"), "old data").unwrap();
        server
    }

    /// The one that another process made.
    pub fn at(root: PathBuf) -> Self {
        let run = fs::read_to_string(root.join("run")).unwrap();
        Self { _temporary: None, root, run }
    }

    pub fn copy(&self) -> Self {
        let copy = Self::new();
        fs::remove_dir_all(&copy.root).unwrap();
        copy_tree(&self.root, &copy.root);
        Self { run: self.run.clone(), ..copy }
    }

    pub fn world(&self) -> PathBuf {
        self.root.join("world")
    }

    pub fn dir(&self) -> ProjectDir {
        ProjectDir::new(&Site::sandbox(self.root.clone()), "shop").unwrap()
    }

    pub fn lock(&self) -> Lock {
        Lock::acquire(&self.dir(), "compose:import", &BTreeMap::new(), Duration::from_secs(30), &|| false).unwrap()
    }

    pub fn save(&self) -> Result<(), StoreError> {
        State { project: "shop".into(), version: 1, run: self.run.clone(), ..State::default() }.save(&self.dir())
    }

    /// Runs the plan.
    pub fn run(&self, setup: Setup<'_>) -> Result<Outcome, ApplyError> {
        let toy = Toy::new(&self.world(), setup.wishes.clone());
        self.run_with(&toy, &setup, |_| self.save().map_err(|error| error.to_string()))
    }

    pub fn run_with(
        &self,
        toy: &Toy,
        setup: &Setup<'_>,
        commit: impl FnOnce(&dokku_compose::apply::Results) -> Result<(), String>,
    ) -> Result<Outcome, ApplyError> {
        let lock = self.lock();
        applier(&lock, toy, setup).execute(&setup.plan, &self.run, commit)
    }

    pub fn recover(&self, setup: Setup<'_>) -> Result<Vec<Recovered>, StoreError> {
        let toy = Toy::new(&self.world(), setup.wishes.clone());
        applier(&self.lock(), &toy, &setup).recover()
    }

    /// The world is as before, or as after where the run had committed; nothing is unfinished and no secret is left.
    pub fn assert_whole(&self, what: &str) {
        let committed = State::committed_run(&self.dir()).unwrap().as_deref() == Some(self.run.as_str());
        assert_eq!(snapshot(&self.world()), if committed { after() } else { before() }, "{what}");
        assert_eq!(dokku_compose::apply::unfinished(&self.dir()).unwrap(), None, "{what}");
        self.assert_no_secrets(what);
    }

    pub fn assert_no_secrets(&self, what: &str) {
        for (file, text) in snapshot(self.dir().root()) {
            assert!(!text.contains(OLD) && !text.contains(NEW), "{what}: a secret in {file}");
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The world at the start.
pub fn before() -> BTreeMap<String, String> {
    snapshot(&Server::new().world())
}

/// The world that the plan asks for.
pub fn after() -> BTreeMap<String, String> {
    let changes = [
        ("a/", ""),
        ("a/created", "yes"),
        ("a/K", NEW),
        ("a/L", "second"),
        ("a/p.k", "v"),
        ("old/PASSWORD", NEW),
        ("old/p.k", "v3"),
        ("volumes/fresh", "data"),
    ];
    let mut world = before();
    world.extend(changes.map(|(file, text)| (file.to_owned(), text.to_owned())));
    world.remove("volumes/stash");
    world
}

/// How to run.
pub struct Setup<'a> {
    pub plan: Plan,
    pub wishes: Wishes,
    pub faults: Faults,
    pub limits: Limits,
    pub cancel: Cancel,
    pub observer: &'a dyn Observer,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            plan: plan(),
            wishes: Wishes::default(),
            faults: Faults::default(),
            limits: Limits { parallel: 1, pause: Duration::from_millis(1), ..Limits::default() },
            cancel: Cancel::default(),
            observer: &Deaf,
        }
    }
}

pub fn applier<'a>(lock: &'a Lock, toy: &'a Toy, setup: &Setup<'a>) -> Applier<'a> {
    Applier {
        observer: setup.observer,
        masker: Masker::new([OLD, NEW]),
        limits: setup.limits,
        cancel: setup.cancel.clone(),
        faults: setup.faults,
        ..Applier::new(lock, toy)
    }
}

pub struct Deaf;

impl Observer for Deaf {
    fn on(&self, _: &Event<'_>) {}
}

/// Does something at an event.
pub struct When<F: Fn(&Event<'_>) + Sync>(pub F);

impl<F: Fn(&Event<'_>) + Sync> Observer for When<F> {
    fn on(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}
