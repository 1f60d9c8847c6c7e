//! The table for people: a document, and lines for a terminal.

use super::{Fate, Row, rows};

/// `docs/conversion.md`, whole.
pub fn markdown() -> String {
    let mut out = String::from(
        "# What becomes of each key\n\n\
         Made from the table in `src/map/fates`; `dokku compose:help --keys` prints it. An import says how many of a file's\n\
         keys are honoured and names those that are not, with their place. A key without a row of its own shares the fate of\n\
         the one above. Keys that begin with `x-` are for other programs, except `x-dokku`.\n",
    );
    for section in ["", "services", "networks", "volumes", "secrets", "configs"] {
        out.push_str(&format!("\n## {}\n\n| key | fate | how |\n|---|---|---|\n", heading(section)));
        for (_, key, row) in rows().map(split).filter(|(of, _, _)| *of == section) {
            let (fate, how) = words(row.fate);
            out.push_str(&format!("| `{key}` | {fate} | {} |\n", how.replace('|', "\\|")));
        }
    }
    out
}

/// One line a key, in columns.
pub fn lines() -> Vec<String> {
    let all: Vec<(&str, &str, String)> = rows()
        .map(|row| {
            let (fate, how) = words(row.fate);
            (row.path, fate, how)
        })
        .collect();
    let width = all.iter().map(|(path, _, _)| path.len()).max().unwrap_or(0);
    all.into_iter().map(|(path, fate, how)| format!("{path:width$}  {fate:12}  {how}")).collect()
}

/// The section of the file that a key belongs to, and the key within it.
fn split(row: &'static Row) -> (&'static str, &'static str, &'static Row) {
    match row.path.split_once(".*.") {
        Some((section, key)) if !section.contains('.') => (section, key, row),
        _ => ("", row.path, row),
    }
}

fn heading(section: &str) -> &str {
    match section {
        "" => "The file",
        "services" => "A service",
        "networks" => "A network",
        "volumes" => "A volume",
        "secrets" => "A secret",
        "configs" => "A config",
        other => other,
    }
}

fn words(fate: Fate) -> (&'static str, String) {
    match fate {
        Fate::Done(how) => ("done", how.to_owned()),
        Fate::Docker(option) => ("Docker", option.to_owned()),
        Fate::Approximated(how) => ("approximated", how.to_owned()),
        Fate::NotDone { why, instead: "" } => ("not done", why.to_owned()),
        Fate::NotDone { why, instead } => ("not done", format!("{why}; {instead}")),
    }
}
