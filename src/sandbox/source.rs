//! An app's source: a bare git repository in `DOKKU_ROOT/APP`, as on a server.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ctx::{Answer, Stop};
use super::world::{World, read_text, write_whole};

/// What a commit came to.
#[derive(Debug)]
pub(super) enum Committed {
    /// The tree is that of the last commit.
    Unchanged,
    /// The first commit.
    First(String),
    /// A further one.
    Next {
        /// Before the last commit, where there was one.
        before: Option<String>,
        /// The last commit.
        old: String,
        /// The new one.
        new: String,
    },
}

/// Makes the repository of a new app.
pub(super) fn init(world: &World, app: &str) -> io::Result<()> {
    let home = world.home(app);
    for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        fs::create_dir_all(home.join(directory))?;
    }
    write_whole(&home.join("HEAD"), b"ref: refs/heads/master\n")?;
    write_whole(&home.join("config"), b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")
}

/// The branch that is deployed.
pub(super) fn branch(world: &World, app: &str) -> String {
    let branch = world.property("git", app, "deploy-branch");
    if branch.is_empty() { "master".to_owned() } else { branch }
}

/// The commit of the deploy branch.
pub(super) fn head(world: &World, app: &str) -> Option<String> {
    let sha = read_text(&world.home(app).join("refs/heads").join(branch(world, app)));
    let sha = sha.trim();
    (!sha.is_empty()).then(|| sha.to_owned())
}

/// When the deploy branch last changed, seconds since 1970; empty: never.
pub(super) fn updated_at(world: &World, app: &str) -> String {
    let path = world.home(app).join("refs/heads").join(branch(world, app));
    let since = fs::metadata(path)
        .and_then(|facts| facts.modified())
        .ok()
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.map(|since| since.as_secs().to_string()).unwrap_or_default()
}

/// Runs git in the app's repository with nothing of the caller's environment but its PATH.
fn git(world: &World, app: &str, variables: &[(&str, &Path)], args: &[&str]) -> Answer<String> {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Dokku").env(format!("GIT_{who}_EMAIL"), "automated@dokku.sh");
    }
    command
        .arg("-c")
        .arg("safe.directory=*")
        .arg("-c")
        .arg("core.autocrlf=false")
        .arg("--git-dir")
        .arg(world.home(app));
    command.envs(variables.iter().map(|(name, value)| (*name, *value))).args(args).stdin(Stdio::null());
    let output = command.output().map_err(|error| {
        Stop::Fail(1, format!("the sandbox keeps an app's source with git, which does not start: {error}"))
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(Stop::Fail(1, format!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim())))
    }
}

/// Commits the content of a directory to the deploy branch.
pub(super) fn commit(world: &World, app: &str, directory: &Path) -> Answer<Committed> {
    let index = directory.with_extension("index");
    let variables: [(&str, &Path); 2] = [("GIT_INDEX_FILE", &index), ("GIT_WORK_TREE", directory)];
    git(world, app, &variables, &["add", "--all", "--force", "."])?;
    let tree = git(world, app, &variables, &["write-tree"])?;
    super::world::remove_file(&index)?;
    let old = head(world, app);
    if let Some(old) = &old
        && git(world, app, &[], &["rev-parse", &format!("{old}^{{tree}}")])? == tree
    {
        return Ok(Committed::Unchanged);
    }
    let mut words = vec!["commit-tree", &tree, "-m", "Automated commit"];
    if let Some(old) = &old {
        words.extend(["-p", old.as_str()]);
    }
    let new = git(world, app, &[], &words)?;
    set_head(world, app, &new)?;
    Ok(match old {
        None => Committed::First(new),
        Some(old) => {
            let before = git(world, app, &[], &["rev-parse", "--verify", "--quiet", &format!("{old}^")]).ok();
            Committed::Next { before, old, new }
        }
    })
}

/// Moves the deploy branch.
pub(super) fn set_head(world: &World, app: &str, sha: &str) -> Answer {
    write_whole(&world.home(app).join("refs/heads").join(branch(world, app)), format!("{sha}\n").as_bytes())?;
    Ok(())
}

/// Writes the tree of a commit into an empty directory.
pub(super) fn checkout(world: &World, app: &str, sha: &str, directory: &Path) -> Answer {
    let index = directory.with_extension("index");
    let variables: [(&str, &Path); 2] = [("GIT_INDEX_FILE", &index), ("GIT_WORK_TREE", directory)];
    git(world, app, &variables, &["read-tree", sha])?;
    git(world, app, &variables, &["checkout-index", "--all", "--force"])?;
    super::world::remove_file(&index)?;
    Ok(())
}

/// Fetches a branch, tag or commit of another repository.
pub(super) fn fetch(world: &World, app: &str, repository: &str, reference: &str) -> Answer<String> {
    git(world, app, &[], &["fetch", "--quiet", repository, reference])?;
    git(world, app, &[], &["rev-parse", "FETCH_HEAD"])
}
