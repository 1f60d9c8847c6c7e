//! `compose:config`: the normalized project, as `docker compose config` prints it.

use anyhow::Result;
use indexmap::IndexMap;

use super::args::ConfigArgs;
use super::session::Session;
use super::{Exit, load};
use crate::compose;
use crate::ui::Printer;

pub(super) fn run(session: &Session, printer: &Printer, args: &ConfigArgs) -> Result<Exit> {
    let interpolate = !args.no_interpolate;
    // What is printed is the file's own; nothing of it is masked, as with docker compose.
    let quiet = Printer::new(crate::ui::Format::Text, true, true);
    let input =
        load::load(&args.source, session, "", IndexMap::new(), &quiet, |request| request.interpolate = interpolate)?;
    let project = &input.project;
    let names: Option<Vec<String>> = if args.services {
        Some(project.services.keys().cloned().collect())
    } else if args.volumes {
        Some(project.volumes.keys().cloned().collect())
    } else if args.images {
        Some(
            project
                .services
                .values()
                .map(|service| service.image.clone().unwrap_or_else(|| format!("{}-{}", project.name, service.name)))
                .collect(),
        )
    } else if args.profiles_list {
        let all = project.services.values().chain(project.disabled_services.values());
        let mut names: Vec<String> = all.flat_map(|service| service.profiles.iter().cloned()).collect();
        names.sort();
        names.dedup();
        Some(names)
    } else {
        None
    };
    match names {
        Some(names) => {
            for name in names {
                printer.result(&name);
            }
        }
        None => {
            let format = if args.format == "json" { compose::Format::Json } else { compose::Format::Yaml };
            let text = compose::render_config(project, format).map_err(anyhow::Error::msg)?;
            printer.result(text.trim_end());
        }
    }
    Ok(Exit::Done)
}
