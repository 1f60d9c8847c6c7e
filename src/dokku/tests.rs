//! The room against a stand-in `dokku`: scripts for what can go wrong, and the recorded answers of
//! a real one.

mod recorded;
mod reports;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::ports::PortMap;
use super::*;
use crate::process::{Cancel, Stream};
use crate::site::Site;

/// A world whose `dokku` and `prop` are shell scripts; each appends its arguments to `WORLD/calls`.
struct World {
    dir: TempDir,
}

impl World {
    fn new(script: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(world.path("bin")).unwrap();
        world.program("dokku", script);
        world.program("prop", "");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let world = self.dir.path().display();
        let text = self.path(&format!("{name}.text"));
        fs::write(&text, format!("#!/bin/sh\nW={world}\necho \"{name} $*\" >>$W/calls\n{script}\n")).unwrap();
        // Another test's child would hold a program that is written here open, and nobody may start it then.
        assert!(std::process::Command::new("cp").arg(&text).arg(&path).status().unwrap().success());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn dokku(&self) -> Dokku {
        Dokku::new(Site::sandbox(self.dir.path().to_owned()), &BTreeMap::new())
    }

    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn any() -> Call {
    Call::new("x:y", ["shop"]).about("shop")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_answer_is_exit_code_zero_whatever_is_on_standard_error() {
    let world = World::new(r"printf '\033[36mout\033[0m\n'; echo ' !     No web listeners' >&2");
    let reply = world.dokku().call(any()).unwrap();
    assert_eq!((reply.stdout.as_str(), reply.stderr.as_str()), ("out\n", " !     No web listeners\n"));
}

#[test]
fn failures_are_told_apart() {
    let of = |script: &str| World::new(script).dokku().call(any().limit(Duration::from_millis(500))).unwrap_err();
    match of("echo '-----> Building'; echo ' !     Failed to pull image'; echo ' !     App x' >&2; exit 3") {
        DokkuError::Failed { command, exit: 3, messages, output } => {
            assert!(command.ends_with("/bin/dokku x:y shop"), "{command}");
            assert_eq!(messages, ["Failed to pull image", "App x"]);
            assert_eq!(output, "-----> Building\n !     Failed to pull image\n !     App x\n");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(of("echo ' !     App shop does not exist' >&2; exit 20"), DokkuError::UnknownApp { app, .. } if app == "shop")
    );
    assert!(matches!(of("echo building; exit 20"), DokkuError::Failed { exit: 20, .. }));
    assert!(matches!(of("kill -9 $$"), DokkuError::Signalled { signal: 9, .. }));
    assert!(matches!(of("echo begun; sleep 60"), DokkuError::TimedOut { output, .. } if output == "begun\n"));
    let missing = World::new("");
    fs::remove_file(missing.path("bin/dokku")).unwrap();
    let error = missing.dokku().call(any()).unwrap_err();
    assert!(matches!(&error, DokkuError::NotStarted { .. }) && error.is_without_effect(), "{error:?}");
}

#[test]
fn cancelled_before_and_while_running() {
    let world = World::new("sleep 60");
    let cancel = Cancel::new();
    let dokku = world.dokku().with_cancel(Some(cancel.clone()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel();
        });
        assert!(matches!(dokku.call(any()), Err(DokkuError::Cancelled { started: true, .. })));
    });
    assert!(matches!(dokku.call(any()), Err(DokkuError::Cancelled { started: false, .. })));
    world.program("dokku", "");
    assert!(dokku.with_cancel(None).call(any()).is_ok());
}

#[test]
fn a_variable_more_reaches_the_child() {
    let world = World::new("echo \" !     mark is $MARK\" >&2; exit 3");
    let error = world.dokku().with_variable("MARK", "r1").call(any()).unwrap_err();
    assert!(error.says("mark is r1"), "{error:?}");
    assert!(!world.dokku().call(any()).unwrap_err().says("mark is r1"));
}

#[test]
fn no_secret_is_seen() {
    let log = Arc::new(Mutex::new(String::new()));
    let logged = |world: &World| {
        let seen = Arc::clone(&log);
        world.dokku().with_log(move |record| seen.lock().unwrap().push_str(&format!("{record:?}\n")))
    };
    let lines = RefCell::new(Vec::new());

    let world = World::new("cat; echo ' !     bad value hunter2' >&2; exit 1");
    let call = any().mask(["hunter2", "first line\nsecond line"]).stdin("hunter2\nsecond line\n", "a password");
    let error = logged(&world).call_live(call, &mut |_, line| lines.borrow_mut().push(line.to_owned())).unwrap_err();
    assert!(error.to_string().ends_with("< (a password)` failed (exit code 1): bad value ***"), "{error}");
    assert_eq!(lines.borrow().len(), 3);
    let mut shown = format!("{error:?}");

    // As Dokku complains about a file of variables that it cannot read.
    let world =
        World::new(r#"echo " !     unexpected character \"\\\" in variable name near \"V=hunter2\"" >&2; cat; exit 1"#);
    let error = logged(&world).call(config::import("shop", [("A", "hunter2")]).unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("failed (exit code 1): unexpected character"), "{error}");
    shown += &format!("{error:?}");
    shown += &format!("{:?}", logged(&world).config("shop").unwrap_err());
    assert_eq!(world.calls()[0], "dokku --quiet config:import --no-restart --format json shop -");

    let world = World::new(r#"echo '{"PASSWORD": "hunter2"'"#);
    shown += &format!("{:?}", logged(&world).config("shop").unwrap_err());

    shown += &format!("{:?} {}", lines.borrow(), log.lock().unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("second line"), "{shown}");
}

#[test]
fn calls_are_counted_with_their_time() {
    let world = World::new("sleep 0.05; exit 1");
    let dokku = world.dokku();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| dokku.clone().call(any()));
        }
    });
    let (calls, time) = dokku.cost();
    assert_eq!(calls, 3);
    assert!(time >= Duration::from_millis(150), "{time:?}");
}

#[test]
fn lines_come_live_and_clean() {
    let world = World::new(r"printf '\033[1mone\033[0m\n'; echo two >&2");
    let lines = RefCell::new(Vec::new());
    world.dokku().call_live(any(), &mut |stream, line| lines.borrow_mut().push((stream, line.to_owned()))).unwrap();
    let mut lines = lines.into_inner();
    lines.sort_by_key(|(stream, _)| *stream as u8);
    assert_eq!(lines, [(Stream::Out, "one".to_owned()), (Stream::Err, "two".to_owned())]);
}

#[test]
fn tools_find_where_dokku_is() {
    let world = World::new("");
    world.program("prop", "env >$W/env");
    world.dokku().call(property::delete("proxy", "shop", "type")).unwrap();
    let env = fs::read_to_string(world.path("env")).unwrap();
    let lib = world.path("lib");
    for (name, path) in [
        ("DOKKU_LIB_ROOT", lib.clone()),
        ("PLUGIN_PATH", lib.join("plugins")),
        ("PLUGIN_ENABLED_PATH", lib.join("plugins/enabled")),
        ("PLUGIN_CORE_AVAILABLE_PATH", lib.join("core-plugins/available")),
    ] {
        let line = format!("{name}={}", path.display());
        assert!(env.lines().any(|found| found == line), "{line} not in {env}");
    }
}

#[test]
fn an_app_is_created_parked() {
    let world = World::new(r#"[ "$1" = apps:exists ] || exit 0; echo ' !     App shop does not exist' >&2; exit 20"#);
    world.dokku().create_parked("shop").unwrap();
    assert_eq!(world.calls(), ["dokku apps:exists shop", "prop set proxy shop type parked", "dokku apps:create shop"]);
}

#[test]
fn an_app_that_exists_is_not_parked() {
    let world = World::new("");
    assert!(matches!(world.dokku().create_parked("shop"), Err(DokkuError::AppExists { app }) if app == "shop"));
    assert_eq!(world.calls(), ["dokku apps:exists shop"]);
}

#[test]
fn a_creation_that_fails_leaves_no_property() {
    let world = World::new(
        r#"[ "$1" = apps:exists ] && { echo ' !     App shop does not exist' >&2; exit 20; }; echo ' !     App name must begin' >&2; exit 1"#,
    );
    assert!(world.dokku().create_parked("shop").unwrap_err().says("App name must begin"));
    assert_eq!(world.calls().last().map(String::as_str), Some("prop del proxy shop type"));
}

#[test]
fn permission_is_asked_of_the_plugins_that_decide() {
    let world = World::new("");
    let plugins = world.path("lib/plugins/enabled");
    assert!(world.dokku().may(&["apps:create", "shop"]).unwrap(), "no plugin at all");
    fs::create_dir_all(plugins.join("20_events")).unwrap();
    fs::write(plugins.join("20_events/user-auth"), "").unwrap();
    assert!(world.dokku().may(&["apps:create", "shop"]).unwrap(), "the event log only");
    fs::create_dir_all(plugins.join("acl")).unwrap();
    let decider = plugins.join("acl/user-auth");
    fs::write(
        &decider,
        format!(
            "#!/bin/sh
echo \"$*\" >>{}
exit 1
",
            world.path("asked").display()
        ),
    )
    .unwrap();
    fs::set_permissions(&decider, fs::Permissions::from_mode(0o755)).unwrap();
    let env = BTreeMap::from(
        [("SSH_USER", "dokku"), ("SSH_NAME", "intern")].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let dokku = Dokku::new(Site::sandbox(world.dir.path().to_owned()), &env);
    match dokku.may(&["apps:create", "shop"]) {
        Ok(allowed) => {
            assert!(!allowed);
            assert_eq!(
                fs::read_to_string(world.path("asked")).unwrap(),
                "dokku intern apps:create shop
"
            );
        }
        // Without plugn nothing can be asked, and nothing is allowed.
        Err(error) => assert!(matches!(error, DokkuError::NotStarted { .. }), "{error}"),
    }
}

#[test]
fn ports_are_read_from_the_info_flag() {
    let world = World::new("echo 'http:80:8080 udp:53:53'");
    let maps: Vec<PortMap> = ["http:80:8080", "udp:53:53"].map(|map| map.parse().unwrap()).into();
    assert_eq!(world.dokku().ports("shop").unwrap(), maps);
    assert_eq!(world.calls(), ["dokku ports:report shop --ports-map"]);
    assert_eq!(World::new("echo").dokku().ports("shop").unwrap(), []);
    assert!(matches!(World::new("echo what").dokku().ports("shop"), Err(DokkuError::Unreadable { .. })));
}
