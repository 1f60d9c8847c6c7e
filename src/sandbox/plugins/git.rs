//! `git:*`: where an app's source comes from, and its deploy.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::ctx::{Answer, Args, Ctx, Stop, fail};
use super::super::engine::rfc3339;
use super::super::engine::state::State;
use super::super::source::{self, Committed};
use super::super::world::millis;
use super::super::{deploy, release};
use super::report::{self, Shape, tiers};

const KEYS: &[&str] =
    &["archive-max-files", "archive-max-size", "deploy-branch", "keep-git-dir", "rev-env-var", "source-image"];

pub(super) fn run(ctx: &mut Ctx, command: &str, args: &[String]) -> Option<Answer> {
    Some(match command {
        "git:from-image" => from_image(ctx, args, false),
        "git:load-image" => from_image(ctx, args, true),
        "git:from-archive" => from_archive(ctx, args),
        "git:sync" => sync(ctx, args),
        "git:initialize" => Args::parse(args, &[], false).and_then(|args| ctx.need_app(args.app()?)),
        "git:set" => report::set(ctx, "git", KEYS, args),
        "git" | "git:report" => {
            let shape = Shape { prefix: "git", title: "git", legacy: false };
            report::answer(ctx, &shape, args, &|ctx, app| {
                let mut values = report::map([
                    ("last-updated-at", source::updated_at(&ctx.world, app)),
                    ("sha", source::head(&ctx.world, app).unwrap_or_else(|| "HEAD".to_owned())),
                    ("source-image", ctx.world.property("git", app, "source-image")),
                ]);
                for (key, default) in [
                    ("archive-max-files", "10000"),
                    ("archive-max-size", "1073741824"),
                    ("deploy-branch", "master"),
                    ("keep-git-dir", "false"),
                ] {
                    tiers(ctx, &mut values, "git", app, key, default);
                }
                // These two can be set for the server alone.
                values.remove("archive-max-files");
                values.remove("archive-max-size");
                let variable = ctx.world.property("git", app, "rev-env-var");
                values.extend(report::map([(
                    "rev-env-var",
                    if variable.is_empty() { "GIT_REV".to_owned() } else { variable },
                )]));
                Ok(values)
            })
        }
        _ => return None,
    })
}

fn from_image(ctx: &mut Ctx, words: &[String], load: bool) -> Answer {
    let args = Args::parse(words, &["build-dir="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let image = args.at(1, "an image")?.to_owned();
    ctx.merged = true;
    if load {
        let bytes = ctx.read_stdin()?;
        if bytes.is_empty() {
            return fail("Expecting tar archive on stdin");
        }
        ctx.step("Loading image");
    }
    ctx.step("Generating build context");
    let known = State::load(&ctx.world)?.image(&image).is_some();
    if known && !ctx.globals.force {
        ctx.step("Image exists on host, skipping pull");
    } else {
        ctx.step("Pulling image");
        let world = ctx.world.clone();
        if let Err(error) = deploy::engine(ctx, |state| state.pull(&world, &image))? {
            ctx.line(&error.to_string());
            return fail(format!("Failed to pull image: {image}"));
        }
        ctx.line(&format!("Status: Downloaded newer image for {image}"));
    }
    let directory = tempfile::Builder::new().prefix("dokku-").tempdir()?;
    let tree = directory.path().join("tree");
    match args.value("build-dir") {
        Some(given) => copy(Path::new(given), &tree)?,
        None => fs::create_dir(&tree)?,
    }
    let text = format!("FROM {image}\nLABEL com.dokku.docker-image-labeler/alternate-tags=[\\\"{image}\\\"]\n");
    fs::write(tree.join("Dockerfile"), text)?;
    ctx.world.set_property("git", &app, "source-image", &image)?;
    from_directory(ctx, &app, &tree)?;
    deployed_from(ctx, &app, "docker-image", &image)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}

fn deployed_from(ctx: &Ctx, app: &str, kind: &str, what: &str) -> Answer {
    ctx.world.set_property("apps", app, "deploy-source", kind)?;
    ctx.world.set_property("apps", app, "deploy-source-metadata", what)?;
    if kind != "docker-image" {
        ctx.world.set_property("git", app, "source-image", "")?;
    }
    Ok(())
}

/// Commits a directory and deploys the commit. A failed deploy moves the branch back, a failed build does
/// not: seen on a server.
fn from_directory(ctx: &mut Ctx, app: &str, tree: &Path) -> Answer {
    ctx.step("Updating git repository with specified build context");
    let committed = source::commit(&ctx.world, app, tree)?;
    let (new, old) = match committed {
        Committed::Unchanged => {
            ctx.warn("No changes detected, skipping git commit");
            ctx.warn("Call 'ps:rebuild' on app to rebuild the app from existing source");
            return Err(Stop::Exit(1));
        }
        Committed::First(new) => {
            let branch = source::branch(&ctx.world, app);
            if !ctx.world.has_property("git", app, "deploy-branch") {
                ctx.detail(&format!("Detected branch, setting deploy-branch to {branch}"));
                ctx.world.set_property("git", app, "deploy-branch", &branch)?;
            }
            (new, None)
        }
        Committed::Next { before, old, new } => {
            let branch = source::branch(&ctx.world, app);
            let pid = std::process::id();
            let mut lines = vec![(branch.clone(), format!("{}..{}", &old[..7], &new[..7]))];
            if let Some(before) = before {
                lines.push((format!("origin/{branch}"), format!("{}..{}", &before[..7], &old[..7])));
            }
            let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max(10);
            ctx.line(&format!("From /tmp/dokku-{pid}-trigger-git-git-from-directory.{}", suffix(&new)));
            for (name, range) in lines {
                ctx.line(&format!("   {range}  {name:<width$} -> {name}"));
            }
            (new, Some(old))
        }
    };
    let result = release::receive(ctx, app, &new);
    // A build that failed, and a lock that another deploy holds, leave the lock's file.
    let built = !super::apps::lock_file(&ctx.world, app).exists();
    if let (Err(_), true, Some(old)) = (&result, built, old) {
        source::set_head(&ctx.world, app, &old)?;
    }
    result
}

fn suffix(sha: &str) -> &str {
    &sha[..6]
}

fn from_archive(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["archive-type="], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let from = args.at(1, "an archive url")?.to_owned();
    let kind = args.value("archive-type").unwrap_or("tar").to_owned();
    if !matches!(kind.as_str(), "tar" | "tar.gz" | "tgz" | "zip") {
        return fail(format!("Invalid archive type specified: {kind}"));
    }
    ctx.merged = true;
    if from != "--" {
        return fail("the sandbox reads archives from standard input only");
    }
    ctx.step(&format!("Fetching {kind} file from stdin"));
    let bytes = ctx.read_stdin()?;
    ctx.line(&bytes.len().to_string());
    ctx.step("Generating build context");
    let directory = tempfile::Builder::new().prefix("dokku-").tempdir()?;
    let tree = directory.path().join("tree");
    let entries = match unpack(&kind, &bytes, &tree) {
        Ok(entries) => entries,
        Err(_) => {
            ctx.line("tar: This does not look like a tar archive");
            ctx.line("tar: Exiting with failure status due to previous errors");
            ctx.detail("Striping 0 worth of directories from tarball");
            return Err(Stop::Exit(2));
        }
    };
    ctx.detail(&format!("Striping {} worth of directories from tarball", common_depth(&entries)));
    let time = format!("{}Z", &rfc3339(millis())[..19]);
    let pid = std::process::id();
    let temporary = format!("/tmp/dokku-{pid}-trigger-git-git-from-archive");
    for event in ["extraction_started", "extraction_completed"] {
        ctx.line(&format!(
            "[archive-security] timestamp={time} user=root event={event} archive_type={kind} source={temporary}.AAAAAA/src.{kind} details=dest={temporary}.BBBBBB"
        ));
    }
    ctx.detail("Moving unarchived files and folders into place");
    let root = stripped(&tree)?;
    from_directory(ctx, &app, &root)?;
    deployed_from(ctx, &app, "tar", &from)
}

/// Unpacks a tar; gives the names of its entries.
fn unpack(kind: &str, bytes: &[u8], tree: &Path) -> std::io::Result<Vec<String>> {
    fs::create_dir(tree)?;
    let reader: Box<dyn Read> = match kind {
        "tar" => Box::new(bytes),
        "zip" => return Err(std::io::Error::other("the sandbox does not read zip archives")),
        _ => Box::new(flate2::read::GzDecoder::new(bytes)),
    };
    let mut archive = tar::Archive::new(reader);
    let mut names = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        names.push(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
        if !entry.unpack_in(tree)? {
            return Err(std::io::Error::other("an entry lies outside the archive"));
        }
    }
    if names.is_empty() { Err(std::io::Error::other("no entries")) } else { Ok(names) }
}

/// How many leading directories all entries share.
fn common_depth(names: &[String]) -> usize {
    let Some(first) = names.first() else { return 0 };
    let mut shared = first.len();
    for name in names {
        shared = shared.min(first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count());
    }
    first[..shared].matches('/').count()
}

/// The directory inside which all entries are.
fn stripped(tree: &Path) -> std::io::Result<PathBuf> {
    let mut root = tree.to_owned();
    loop {
        let entries: Vec<_> = fs::read_dir(&root)?.collect::<Result<_, _>>()?;
        match entries.as_slice() {
            [only] if only.file_type()?.is_dir() => root = only.path(),
            _ => return Ok(root),
        }
    }
}

fn sync(ctx: &mut Ctx, words: &[String]) -> Answer {
    let args = Args::parse(words, &["build", "build-if-changes", "skip-deploy-branch"], false)?;
    let app = args.app()?.to_owned();
    ctx.need_app(&app)?;
    let repository = args.at(1, "a git repository")?.to_owned();
    let reference = args.rest().get(2).cloned().unwrap_or_else(|| "HEAD".to_owned());
    ctx.merged = true;
    ctx.step(&format!("Fetching remote code for {app} from {repository} with {reference} as deploy branch"));
    let old = source::head(&ctx.world, &app);
    let new = source::fetch(&ctx.world, &app, &repository, &reference)?;
    source::set_head(&ctx.world, &app, &new)?;
    let changed = old.as_deref() != Some(&new);
    if args.has("build-if-changes") && !changed {
        ctx.step("Skipping build as no changes were detected");
        return Ok(());
    }
    if args.has("build") || args.has("build-if-changes") {
        ctx.world.set_property("git", &app, "source-image", "")?;
        release::receive(ctx, &app, &new)?;
        return deployed_from(ctx, &app, "git-sync", &format!("{repository}#{reference}"));
    }
    Ok(())
}
