//! Delivered files: one that nobody touched follows the source, one changed on the server is kept, nothing that the
//! server made is deleted, and every delivery can be taken back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use dokku_compose::map::resources::{AppHooks, FileContent, FileTree};
use dokku_compose::secret::{DigestKey, Secret};

/// Everything below `root`: relative path, permission bits, content or target of a link.
fn tree(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                out.insert(format!("{name}/"), String::new());
                walk(root, &path, out);
            } else if meta.file_type().is_symlink() {
                out.insert(name, format!("-> {}", fs::read_link(&path).unwrap().display()));
            } else {
                out.insert(name, format!("{:o} {}", meta.permissions().mode() & 0o777, text(&path)));
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

/// A source directory, its place on the server, and a runner.
struct Site {
    server: Server,
    source: PathBuf,
    target: PathBuf,
}

impl Site {
    fn new() -> Self {
        let server = Server::new();
        let (source, target) = (server.path("source"), server.path("lib/data/storage/runner-test/conf"));
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(server.path("lib/data/storage")).unwrap();
        Self { server, source, target }
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.source.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Somebody, or a container, changes the server's copy.
    fn touch(&self, relative: &str, text: &str) {
        let path = self.target.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn there(&self, relative: &str) -> Option<String> {
        fs::read_to_string(self.target.join(relative)).ok()
    }

    fn action(&self, mirror: bool) -> Action {
        let content = FileContent::Path { path: self.source.clone() };
        Action::FilesDeliver {
            tree: FileTree { target: self.target.clone(), content, digest: String::new(), mirror, mode: 0 },
        }
    }

    fn deliver(&self, mirror: bool) {
        self.server.run(&self.action(mirror)).unwrap();
    }

    fn restore(&self) {
        self.server.undo(&[Action::FilesRestore { target: self.target.clone() }]);
    }

    fn remove(&self) {
        self.server.ensure(&Action::FilesRemove { target: self.target.clone() });
    }

    /// All of the server's storage.
    fn storage(&self) -> BTreeMap<String, String> {
        tree(&self.server.path("lib/data/storage"))
    }
}

#[test]
fn a_first_delivery_copies_the_source_and_is_taken_back_whole() {
    let site = Site::new();
    site.write("nginx.conf", "listen 80;\n");
    site.write("bin/start", "#!/bin/sh\n");
    fs::set_permissions(site.source.join("bin/start"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(site.source.join("nginx.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("nginx.conf", site.source.join("default.conf")).unwrap();
    site.write(".git/HEAD", "not content\n");
    let before = site.storage();
    site.server.ensure(&site.action(false));
    let expected = [
        ("bin/", ""),
        // Containers run as any user: what the owner may read they may read.
        ("bin/start", "744 #!/bin/sh\n"),
        ("default.conf", "-> nginx.conf"),
        ("nginx.conf", "644 listen 80;\n"),
    ];
    assert_eq!(tree(&site.target), labels(&expected));
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn the_three_way_rule() {
    let site = Site::new();
    for name in ["untouched", "changed", "both", "same"] {
        site.write(name, "one\n");
    }
    site.deliver(false);
    site.touch("changed", "by hand\n");
    site.touch("both", "by hand\n");
    site.touch("made/by/the/server", "data\n");
    site.server.shown();
    for name in ["untouched", "both"] {
        site.write(name, "two\n");
    }
    site.write("new", "two\n");
    let before = site.storage();
    site.server.next_run();
    site.deliver(false);
    let there = |name: &str| site.there(name).unwrap();
    assert_eq!((there("untouched"), there("new")), ("two\n".into(), "two\n".into()));
    assert_eq!((there("both"), there("changed")), ("by hand\n".into(), "by hand\n".into()));
    assert_eq!((there("same"), there("made/by/the/server")), ("one\n".into(), "data\n".into()));
    let told = site.server.shown();
    for name in ["both", "changed"] {
        let line = format!("{} was changed on the server and is kept as it is", site.target.join(name).display());
        assert!(told.contains(&line), "{told:?}");
    }
    assert_eq!(told.len(), 2);
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn a_change_on_the_server_is_kept_over_any_number_of_imports() {
    let site = Site::new();
    site.write("app.ini", "1\n");
    site.deliver(false);
    site.touch("app.ini", "by hand\n");
    for version in ["2\n", "3\n", "4\n"] {
        site.write("app.ini", version);
        site.server.next_run();
        site.deliver(false);
        assert_eq!(site.there("app.ini").unwrap(), "by hand\n");
    }
    site.remove();
    assert_eq!(site.there("app.ini").unwrap(), "by hand\n");
}

#[test]
fn what_stood_there_before_the_first_delivery_is_the_servers() {
    let site = Site::new();
    site.touch("app.ini", "of before\n");
    for version in ["1\n", "2\n"] {
        site.write("app.ini", version);
        site.server.next_run();
        site.deliver(false);
        assert_eq!(site.there("app.ini").unwrap(), "of before\n", "source {version}");
    }
    site.remove();
    assert_eq!(site.there("app.ini").unwrap(), "of before\n");
}

#[test]
fn read_only_mounts_follow_the_source_whatever_was_changed() {
    let site = Site::new();
    site.write("nginx.conf", "1\n");
    site.deliver(true);
    site.touch("nginx.conf", "by hand\n");
    site.touch("made-by-the-server", "data\n");
    let before = site.storage();
    site.server.next_run();
    site.deliver(true);
    assert_eq!(site.there("nginx.conf").unwrap(), "1\n");
    assert_eq!(site.there("made-by-the-server").unwrap(), "data\n");
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn a_file_that_left_the_source_leaves_the_server_unless_it_was_changed_there() {
    let site = Site::new();
    for name in ["stays", "conf.d/goes", "changed"] {
        site.write(name, "1\n");
    }
    site.deliver(false);
    site.touch("changed", "by hand\n");
    site.touch("made-by-the-server", "data\n");
    fs::remove_file(site.source.join("conf.d/goes")).unwrap();
    fs::remove_file(site.source.join("changed")).unwrap();
    let before = site.storage();
    site.server.next_run();
    site.deliver(false);
    assert_eq!(site.there("conf.d/goes"), None);
    for (name, text) in [("stays", "1\n"), ("changed", "by hand\n"), ("made-by-the-server", "data\n")] {
        assert_eq!(site.there(name).as_deref(), Some(text), "{name}");
    }
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn a_delivery_that_is_repeated_in_its_run_can_still_be_taken_back() {
    let site = Site::new();
    site.write("old", "1\n");
    site.deliver(false);
    let before = site.storage();
    site.write("old", "2\n");
    site.write("new", "2\n");
    site.server.next_run();
    site.server.ensure(&site.action(false));
    assert_eq!((site.there("old").unwrap(), site.there("new").unwrap()), ("2\n".into(), "2\n".into()));
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn a_restore_of_what_was_never_delivered_does_nothing() {
    let site = Site::new();
    site.touch("made-by-the-server", "data\n");
    let before = site.storage();
    site.restore();
    assert_eq!(site.storage(), before);
}

#[test]
fn a_restore_keeps_what_a_container_wrote_meanwhile() {
    let site = Site::new();
    site.write("app.ini", "1\n");
    site.deliver(false);
    site.touch("cache/data", "written by the container\n");
    site.restore();
    assert_eq!(site.there("app.ini"), None);
    assert_eq!(site.there("cache/data").unwrap(), "written by the container\n");
}

#[test]
fn removal_takes_what_was_delivered_and_nothing_else() {
    let site = Site::new();
    for name in ["plain", "deep/er", "changed"] {
        site.write(name, "1\n");
    }
    site.deliver(false);
    site.touch("changed", "by hand\n");
    site.touch("made-by-the-server", "data\n");
    site.remove();
    let left = [("changed", "644 by hand\n"), ("made-by-the-server", "644 data\n")];
    assert_eq!(tree(&site.target), labels(&left));
    let clean = Site::new();
    let before = clean.storage();
    clean.write("plain", "1\n");
    clean.deliver(false);
    clean.remove();
    assert_eq!(clean.storage(), before);
}

#[test]
fn a_single_file_with_its_own_mode() {
    let site = Site::new();
    let key = DigestKey([3; 32]);
    let action = |text: &str| Action::FilesDeliver {
        tree: FileTree {
            target: site.target.clone(),
            content: FileContent::Inline { text: Secret::new(text, &key) },
            digest: String::new(),
            mirror: true,
            mode: 0o440,
        },
    };
    let before = site.storage();
    site.server.ensure(&action("hunter2"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((text(&site.target), mode(&site.target)), ("hunter2".to_owned(), 0o440));
    let first = site.storage();
    site.server.next_run();
    site.server.ensure(&action("hunter3"));
    assert_eq!(text(&site.target), "hunter3");
    site.restore();
    assert_eq!(site.storage(), first);
    site.remove_after_restore();
    assert_eq!(site.storage(), before);
}

impl Site {
    /// A run that was undone is not remembered: what was delivered is what the run before left.
    fn remove_after_restore(&self) {
        let digest = |text: &str| {
            use sha2::Digest;
            sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let files = BTreeMap::from([(String::new(), digest("hunter2"))]);
        self.server.runner.delivered.lock().unwrap().insert(self.target.clone(), files);
        self.remove();
    }
}

#[test]
fn a_link_out_of_the_source_is_refused_before_anything_is_written() {
    let site = Site::new();
    site.write("a-first", "1\n");
    std::os::unix::fs::symlink("/etc/passwd", site.source.join("passwd")).unwrap();
    let before = site.storage();
    let error = site.server.run(&site.action(false)).unwrap_err();
    assert!(error.message.contains("leaves the mounted directory"), "{error}");
    assert_eq!(site.storage(), before);
}

/// A container may write to its mount: a link that it puts there must not lead the delivery elsewhere.
#[test]
fn a_link_on_the_server_leads_nothing_outside_of_the_mount() {
    let site = Site::new();
    site.write("conf.d/site", "1\n");
    site.deliver(true);
    let outside = site.server.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("site"), "1\n").unwrap();
    fs::remove_dir_all(site.target.join("conf.d")).unwrap();
    std::os::unix::fs::symlink(&outside, site.target.join("conf.d")).unwrap();
    site.write("conf.d/site", "2\n");
    site.write("conf.d/more", "2\n");
    site.server.next_run();
    let error = site.server.run(&site.action(true)).unwrap_err();
    assert!(error.message.contains("is a link on the server"), "{error}");
    site.restore();
    site.remove();
    assert_eq!(tree(&outside), labels(&[("site", "644 1\n")]));
}

#[test]
fn the_notes_for_the_triggers() {
    let server = Server::new();
    let hooks = AppHooks { project: "runner-test".into(), service: "web".into(), ..AppHooks::default() };
    let (write, remove) = (
        Action::HooksWrite { app: "runner-test-web".into(), hooks: Box::new(hooks.clone()) },
        Action::HooksRemove { app: "runner-test-web".into() },
    );
    server.ensure(&write);
    let path = server.runner.site.app_file("runner-test-web");
    assert_eq!(serde_json::from_str::<AppHooks>(&text(&path)).unwrap(), hooks);
    server.undo(&[remove]);
    assert!(!path.exists());
}
