//! Paths: relative paths become absolute.
//!
//! Specification: 05-services.md, where an element is a path; 14-include.md, "project_directory".

use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use super::load::Variables;
use super::path::Path as TreePath;
use super::patterns::Patterns;
use super::tree::{map_mut, string, text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::{Map, Node};

/// How the path at a place is read.
#[derive(Clone, Copy)]
enum Rule {
    /// A directory, or something remote.
    Context,
    /// A path of this machine.
    Local,
    /// A path of this or of a Windows machine.
    Host,
    /// A mount whose source may be a path.
    Mount,
    /// A volume whose driver binds a path.
    DriverOptions,
}

const TABLE: &[(&str, Rule)] = &[
    ("services.*.build.context", Rule::Context),
    ("services.*.build.additional_contexts.*", Rule::Context),
    ("services.*.build.ssh.*", Rule::Host),
    ("services.*.env_file.*.path", Rule::Local),
    ("services.*.label_file.*", Rule::Local),
    ("services.*.extends.file", Rule::Local),
    ("services.*.develop.watch.*.path", Rule::Local),
    ("services.*.volumes.*", Rule::Mount),
    ("services.*.pre_start.*.env_file.*.path", Rule::Local),
    ("services.*.pre_start.*.label_file.*", Rule::Local),
    ("services.*.pre_start.*.volumes.*", Rule::Mount),
    ("configs.*.file", Rule::Host),
    ("secrets.*.file", Rule::Host),
    ("volumes.*", Rule::DriverOptions),
];

static RULES: LazyLock<Patterns<Rule>> = LazyLock::new(|| Patterns::of(TABLE));

/// Makes every relative path of a canonical tree start at `dir`.
pub(super) fn resolve(tree: &mut Node, dir: &Path, variables: &Variables, out: &mut Diagnostics) {
    let mut resolver = Resolver { dir, home: variables.get("HOME").map(String::as_str), out };
    RULES.each_mut(tree, &mut |node, path, rule| resolver.apply(rule, node, path));
}

struct Resolver<'a> {
    dir: &'a Path,
    home: Option<&'a str>,
    out: &'a mut Diagnostics,
}

impl Resolver<'_> {
    fn apply(&mut self, rule: Rule, node: &mut Node, path: &TreePath<'_>) {
        match rule {
            Rule::Context => {
                if !text(node).is_some_and(|context| is_remote(context) || context.starts_with("service:")) {
                    self.local(node);
                }
            }
            Rule::Local => self.local(node),
            Rule::Host => self.host(node),
            Rule::Mount => self.mount(node, path),
            Rule::DriverOptions => {
                if let Some(volume) = map_mut(node) {
                    self.driver_options(volume);
                }
            }
        }
    }

    fn local(&mut self, node: &mut Node) {
        let Some(path) = text(node).filter(|path| !path.is_empty()) else { return };
        let path = self.expand_home(path, node);
        *node = string(join(self.dir, Path::new(&path)).to_string_lossy(), node.span);
    }

    /// An absolute path stays exactly as written.
    fn host(&mut self, node: &mut Node) {
        let Some(path) = text(node) else { return };
        let path = self.expand_home(path, node);
        let path = if path.starts_with('/') || is_windows_absolute(&path) {
            path
        } else {
            join(self.dir, Path::new(&path)).to_string_lossy().into_owned()
        };
        *node = string(path, node.span);
    }

    fn mount(&mut self, node: &mut Node, path: &TreePath<'_>) {
        let span = node.span;
        let Some(mount) = map_mut(node) else { return };
        if mount.get("type").and_then(text) != Some("bind") {
            return;
        }
        match mount.entries.get_mut("source") {
            Some(source) => self.host(&mut source.value),
            None => self.out.push(
                Diagnostic::error("missing-key", format!("`{path}` is a bind mount and needs a `source`")).at(span),
            ),
        }
    }

    fn driver_options(&mut self, volume: &mut Map) {
        if volume.get("driver").and_then(text) != Some("local") {
            return;
        }
        let Some(options) = volume.entries.get_mut("driver_opts").and_then(|entry| map_mut(&mut entry.value)) else {
            return;
        };
        if options.get("o").and_then(text) == Some("bind")
            && let Some(device) = options.entries.get_mut("device")
        {
            self.host(&mut device.value);
        }
    }

    fn expand_home(&mut self, path: &str, node: &Node) -> String {
        let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
        match self.home {
            Some(home) => clean(&format!("{home}/{rest}")),
            None => {
                self.out.push(
                    Diagnostic::warning(
                        "no-home",
                        format!("`{path}` cannot be expanded: the variable `HOME` is not set"),
                    )
                    .at(node.span)
                    .hint("write the path without `~`"),
                );
                path.to_owned()
            }
        }
    }
}

/// A Git reference or a URL, which is no path.
fn is_remote(context: &str) -> bool {
    context.contains("://") || context.starts_with("github.com/") || context.starts_with("git@")
}

/// `C:\`, `C:/`, or a UNC path.
fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    match bytes {
        [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
        [b'\\' | b'/', b'\\' | b'/', ..] => true,
        _ => false,
    }
}

/// `path` from `dir` on, without `.` and `..`.
pub(super) fn join(dir: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut joined = PathBuf::new();
    for component in dir.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(joined.components().next_back(), None | Some(Component::ParentDir)) => {
                joined.push("..");
            }
            Component::ParentDir => {
                if joined != Path::new("/") {
                    joined.pop();
                }
            }
            other => joined.push(other),
        }
    }
    if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
}

/// The way to `dir` from the directory `from`, both absolute; nothing where they are the same.
pub(super) fn relative(from: &Path, dir: &Path) -> PathBuf {
    let same = from.components().zip(dir.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(same).map(|_| Component::ParentDir);
    up.chain(dir.components().skip(same)).collect()
}

/// A slash-separated path without empty parts, `.` and needless `..`; nothing is `.`.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_follows_the_slashes() {
        for (path, cleaned) in
            [("/a//b/", "/a/b"), ("/a/../..", "/"), ("a/./b", "a/b"), ("../a/..", ".."), ("", "."), ("/", "/")]
        {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn joining_starts_at_the_directory() {
        assert_eq!(join(Path::new("/p"), Path::new("./a/../b")), Path::new("/p/b"));
        assert_eq!(join(Path::new("/p"), Path::new("../..")), Path::new("/"));
        assert_eq!(join(Path::new("../p"), Path::new("../../a")), Path::new("../../a"));
        assert_eq!(join(Path::new(""), Path::new("./a")), Path::new("a"));
        assert_eq!(join(Path::new(""), Path::new(".")), Path::new("."));
        assert_eq!(join(Path::new("/p"), Path::new("/a/../b")), Path::new("/a/../b"));
    }

    #[test]
    fn the_way_from_a_directory_to_another() {
        for (from, to, way) in
            [("/p", "/p", ""), ("/p", "/p/a/b", "a/b"), ("/p/a", "/p/b", "../b"), ("/p", "/", ".."), ("/", "/q", "q")]
        {
            assert_eq!(relative(Path::new(from), Path::new(to)), Path::new(way), "{from} {to}");
        }
    }

    #[test]
    fn windows_paths_are_absolute() {
        assert!(is_windows_absolute(r"C:\data"));
        assert!(is_windows_absolute(r"\\server\share"));
        assert!(!is_windows_absolute("C:data"));
    }
}
