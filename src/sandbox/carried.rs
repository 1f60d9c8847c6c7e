//! What lies in volumes of datastores, and how it is read and taken over: the servers' own tools, played by what the scripts
//! that are run are called.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::world::{World, digest, read_text};

/// Databases by name with what was made in them, a statement each.
pub(super) type Databases = BTreeMap<String, Vec<String>>;

/// The data of a datastore in a volume (`engine/volumes/NAME.json`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeData {
    /// Where in the volume it lies.
    pub path: String,
    /// Version, as the data says it.
    pub version: String,
    /// Kilobytes.
    pub kilobytes: u64,
    /// Superuser.
    pub user: String,
    /// Further users with their passwords.
    pub users: BTreeMap<String, String>,
    /// Databases by name with what was made in them, a statement each.
    pub databases: BTreeMap<String, Vec<String>>,
    /// Extensions that they use.
    pub extensions: Vec<String>,
}

impl World {
    /// Puts data into a volume, which is made.
    pub fn set_volume_data(&self, volume: &str, data: &VolumeData) -> io::Result<()> {
        let _lock = self.lock()?;
        let mut state = super::engine::state::State::load(self)?;
        let facts = crate::docker::VolumeFacts {
            name: volume.to_owned(),
            driver: "local".into(),
            ..crate::docker::VolumeFacts::default()
        };
        state.volumes.entry(volume.to_owned()).or_insert(facts);
        state.save(self)?;
        self.set_json(&format!("engine/volumes/{volume}.json"), data)
    }

    pub(super) fn volume_data(&self, volume: &str) -> Option<VolumeData> {
        let file = format!("engine/volumes/{volume}.json");
        self.path(&file).exists().then(|| self.json(&file))
    }
}

/// What a look into a volume prints.
pub(super) fn looked(data: Option<&VolumeData>) -> Vec<String> {
    match data {
        None => vec!["size 4".into()],
        Some(data) => {
            vec![format!("path {}", data.path), format!("version {}", data.version), format!("size {}", data.kilobytes)]
        }
    }
}

/// What a server's script prints: exit code, standard output, standard error.
pub(super) fn played(world: &World, data: &VolumeData, what: &str, arguments: &[String]) -> (i64, String, Vec<String>) {
    let unit = arguments.get(1).map_or("", String::as_str);
    let text = match what {
        "carry-databases" => data.databases.keys().map(|name| format!("carry {}\n", hex(name))).collect(),
        "carry-extensions" => data.extensions.iter().map(|name| format!("carry {name}\n")).collect(),
        "carry-users" => {
            let made = |(name, password): (&String, &String)| {
                format!("CREATE ROLE \"{name}\";\nALTER ROLE \"{name}\" WITH LOGIN PASSWORD '{password}';\n")
            };
            data.users.iter().map(made).collect()
        }
        "carry-dump" => {
            let whole = dump(unit, &data.databases);
            let half = || whole[..whole.len() / 2].to_owned();
            match read_text(&world.path("faults/broken-dump")).trim() {
                "fails" => return (1, half(), vec!["the server closed the connection unexpectedly".into()]),
                "ends" => half(),
                _ => whole,
            }
        }
        "carry-sums" => sums(unit, &data.databases),
        other => return (127, String::new(), vec![format!("the sandbox has no {other}")]),
    };
    (0, text, Vec::new())
}

const END: &str = "-- end";

fn dump(unit: &str, databases: &Databases) -> String {
    let mut out = String::new();
    for (name, statements) in databases.iter().filter(|(name, _)| unit.is_empty() || *name == unit) {
        out.push_str(&format!("-- database {name}\n"));
        statements.iter().for_each(|statement| out.push_str(&format!("{statement}\n")));
    }
    format!("{out}{END}\n")
}

/// Reads a dump into `databases`; the error is what the tool says.
pub(super) fn restore(world: &World, text: &str, databases: &mut Databases) -> Result<(), String> {
    let Some(text) = text.strip_suffix(&format!("{END}\n")) else {
        return Err("could not read from input file: end of file".into());
    };
    let lost = read_text(&world.path("faults/lost-rows"));
    let mut here = String::new();
    for line in text.lines() {
        match line.strip_prefix("-- database ") {
            Some(name) => {
                here = name.to_owned();
                databases.entry(here.clone()).or_default();
            }
            None if !lost.is_empty() && line.contains(lost.trim()) => {}
            None => databases.entry(here.clone()).or_default().push(line.to_owned()),
        }
    }
    Ok(())
}

pub(super) fn sums(unit: &str, databases: &Databases) -> String {
    let mut out = String::new();
    for (name, statements) in databases.iter().filter(|(name, _)| unit.is_empty() || *name == unit) {
        for (number, statement) in statements.iter().enumerate() {
            let (name, sum) = (hex(&format!("{name}.{number}")), digest(statement.as_bytes()));
            out.push_str(&format!("carry {name} 1 {}\n", &sum[..12]));
        }
    }
    out
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
