//! Data of an export: a dump of each datastore service beside the file, which the image of a new database loads at its
//! first start.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::session::Session;
use super::{Exit, Failed};
use crate::docker::ContainerMount;
use crate::dokku::datastore::Service;
use crate::export::Stack;
use crate::state::store;

/// Plugins whose `:export` writes all that a service holds.
const EXPORTED: &[&str] = &["couchdb", "mariadb", "mongo", "mysql", "postgres", "redis"];

/// A dump that is to be written.
pub(super) struct Dump {
    plugin: String,
    service: String,
    file: PathBuf,
}

/// Mounts the dumps that will lie in `dir` where the databases look for them, and says in a note of each datastore where
/// its data is. Without `dir` it stays where it is. `beside` is the directory of the exported file.
///
/// # Errors
/// Where there is no file to lie beside, `dir` leads out of its directory, or a dump is there already.
pub(super) fn place(
    session: &Session,
    stack: &mut Stack,
    dir: Option<&Path>,
    beside: Option<&Path>,
) -> Result<Vec<Dump>> {
    let inside = match (dir, beside) {
        (None, _) => None,
        (Some(_), None) => return Err(wrong("--data needs a file to lie beside: give -o FILE too".into())),
        (Some(dir), Some(beside)) => {
            let place = std::path::absolute(dir)?;
            let inside = place.strip_prefix(beside).map(Path::to_path_buf).ok();
            let plain = |path: &PathBuf| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            let Some(inside) = inside.filter(plain) else {
                return Err(wrong(format!(
                    "--data {} is not below {}, where the file is",
                    dir.display(),
                    beside.display()
                )));
            };
            Some((place, inside))
        }
    };
    let mut out = Vec::new();
    for (name, (plugin, service)) in &stack.stores {
        let Some(unit) = stack.units.get_mut(name) else { continue };
        let what = format!("the {plugin} service {service}");
        let Some((place, inside)) = inside.as_ref().filter(|_| EXPORTED.contains(&plugin.as_str())) else {
            unit.notes.push(format!("{what}; its data stays where it is"));
            continue;
        };
        for command in ["export", "enter"] {
            if !session.dokku.may(&[&format!("{plugin}:{command}"), service])? {
                bail!("you may not read the {plugin} service {service} on this server");
            }
        }
        let loads = matches!(plugin.as_str(), "postgres" | "mysql" | "mariadb");
        let file = format!("{name}.{}", if loads { "sql" } else { "dump" });
        if place.join(&file).exists() {
            return Err(wrong(format!("{} is there already: name another directory", place.join(&file).display())));
        }
        let relative = Path::new(".").join(inside).join(&file);
        if loads {
            unit.spec.mounts.push(ContainerMount {
                kind: "bind".into(),
                source: relative.to_string_lossy().into_owned(),
                target: format!("/docker-entrypoint-initdb.d/{file}"),
                read_only: true,
                ..ContainerMount::default()
            });
            unit.notes.push(format!("{what}; a new database loads what it held, {}", relative.display()));
        } else {
            unit.notes.push(format!(
                "{what}; what it held is {}: dokku {plugin}:import SERVICE < {}",
                relative.display(),
                relative.display()
            ));
        }
        out.push(Dump { plugin: plugin.clone(), service: service.clone(), file: place.join(file) });
    }
    Ok(out)
}

/// Writes the dumps, all or none. The databases' own users read the files, and nobody else enters their directory.
pub(super) fn write(session: &Session, dumps: &[Dump]) -> Result<()> {
    let mut written: Vec<&Path> = Vec::new();
    for dump in dumps {
        let done = dump_one(session, dump);
        if done.is_err() {
            for file in written {
                let _ = std::fs::remove_file(file);
            }
            return done;
        }
        written.push(&dump.file);
    }
    Ok(())
}

fn dump_one(session: &Session, dump: &Dump) -> Result<()> {
    let Dump { plugin, service, file } = dump;
    let one = Service { plugin, name: service };
    let dir = file.parent().unwrap_or(Path::new("/"));
    store::create_dir(dir)?;
    let mut refused = None;
    let written = store::write_with(file, |to| {
        let call = if plugin == "postgres" {
            let dsn = session.dokku.service_dsn(&one).map_err(std::io::Error::other)?;
            one.export_statements(dsn.rsplit('/').next().unwrap_or_default(), to.try_clone()?)
        } else {
            one.export(to.try_clone()?).limit(crate::dokku::SLOW)
        };
        if let Err(error) = session.dokku.call(call) {
            refused = Some(error);
            return Err(std::io::Error::other("the export failed"));
        }
        to.set_permissions(std::fs::Permissions::from_mode(0o644))
    });
    if let Some(error) = refused {
        return Err(error).with_context(|| format!("cannot export the data of the {plugin} service {service}"));
    }
    Ok(written?)
}

fn wrong(message: String) -> anyhow::Error {
    Failed::new(Exit::Wrong, message).into()
}
