//! Data of before: what a volume holds, whether a service of a plugin can take it over, and from where it is read.

use serde::{Deserialize, Serialize};

use super::image;
use super::table::{Datastore, Driver, repository};

/// What the name of a service is followed by in the names of the copy of its volume and of the container that serves it.
pub const CARRY: &str = ".carry";

/// What a volume was seen to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The volume.
    pub volume: String,
    /// Where in it the data lies, `.` at its top; empty: it holds nothing.
    pub path: String,
    /// Version as the data says it, empty where it does not.
    pub version: String,
    /// Kilobytes on the disk.
    pub kilobytes: u64,
    /// A running container outside of the project that has it mounted.
    pub container: String,
    /// What stands in the way of a look, empty where nothing does.
    pub unseen: String,
}

/// From where a service's data is carried over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CarrySource {
    /// The volume, which is only read.
    pub volume: String,
    /// Where in it the data lies.
    pub path: String,
    /// A running container that serves it, empty: a copy of the volume is served.
    pub container: String,
    /// The image that serves the copy.
    pub image: String,
    /// Version as the data says it.
    pub version: String,
    /// Kilobytes on the disk.
    pub kilobytes: u64,
}

impl CarrySource {
    /// What a plan says of it.
    pub fn words(&self) -> String {
        let version = if self.version.is_empty() { String::new() } else { format!(" of version {}", self.version) };
        let place = match self.container.as_str() {
            "" => format!("the volume {}", self.volume),
            running => format!("the container {running}"),
        };
        format!("carries {}{version} over from {place}", size(self.kilobytes))
    }
}

impl Held {
    /// `41.2 MB of postgres 16`.
    pub fn words(&self, plugin: &str) -> String {
        let version = if self.version.is_empty() { String::new() } else { format!(" {}", self.version) };
        format!("{} of {plugin}{version}", size(self.kilobytes))
    }

    /// From what a look printed.
    pub fn read(volume: &str, lines: &[String]) -> Self {
        let of = |word: &str| {
            let found = lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
            found.map(str::trim).unwrap_or_default().to_owned()
        };
        Self {
            volume: volume.to_owned(),
            path: of("path"),
            version: of("version"),
            kilobytes: of("size").parse().unwrap_or(0),
            ..Self::default()
        }
    }
}

fn size(kilobytes: u64) -> String {
    match kilobytes {
        0..1000 => format!("{kilobytes} kB"),
        1000..1_000_000 => format!("{}.{} MB", kilobytes / 1000, kilobytes % 1000 / 100),
        _ => format!("{}.{} GB", kilobytes / 1_000_000, kilobytes % 1_000_000 / 100_000),
    }
}

/// A script of `sh` that tells what the volume at `/from` holds: lines `size`, `path` and `version`.
pub fn look(driver: Driver) -> &'static str {
    match driver {
        // A cluster has its version at its top (PostgreSQL, "Database File Layout"), which an image's PGDATA chooses.
        Driver::Postgres => {
            r#"cd /from && for at in . data pgdata data/pgdata */docker */data; do
if [ -s "$at/PG_VERSION" ] && [ -d "$at/global" ]; then
echo "path $at"; echo "version $(head -n 1 "$at/PG_VERSION")"; break; fi; done; echo "size $(du -sk . | cut -f 1)""#
        }
        // Written by each server's upgrade: MariaDB, MySQL until 8.3, MySQL from 8.4 on.
        Driver::Mysql => {
            r#"cd /from && if [ -d mysql ] && [ -e ibdata1 ]; then echo "path ."
version=$(cat mariadb_upgrade_info mysql_upgrade_info 2>/dev/null | head -n 1 | tr -d '\000')
[ -n "$version" ] || version=$(tr ',' '\n' <mysql_upgrade_history 2>/dev/null | sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' | tail -n 1)
echo "version $version"; fi; echo "size $(du -sk . | cut -f 1)""#
        }
        // The server's version is among the first bytes of a snapshot (`redis-ver`).
        Driver::Redis => {
            r#"cd /from && if [ -s dump.rdb ] || [ -s appendonly.aof ] || [ -d appendonlydir ]; then echo "path ."
version=$(cat dump.rdb appendonlydir/*.rdb appendonly.aof 2>/dev/null | head -c 200 | tr -cd '[:print:]' | sed -n 's/.*\(redis\|valkey\)-ver\([0-9][0-9.]*\).*/\2/p')
echo "version $version"; fi; echo "size $(du -sk . | cut -f 1)""#
        }
        Driver::Open => "echo size 0",
    }
}

/// From where the data is read; the error is why it cannot be carried over.
pub(super) fn source(row: &Datastore, wanted: &str, held: &Held) -> Result<CarrySource, String> {
    let driver = row.driver.unwrap_or(Driver::Open);
    if !held.unseen.is_empty() {
        return Err(held.unseen.clone());
    }
    let (name, tag) = image::split(wanted);
    let mut source = CarrySource {
        volume: held.volume.clone(),
        path: held.path.clone(),
        container: held.container.clone(),
        image: wanted.to_owned(),
        version: held.version.clone(),
        kilobytes: held.kilobytes,
    };
    let have = numbers(&held.version);
    let want = match driver {
        Driver::Postgres => {
            super::login::postgres_major(repository(name), tag).map(|major| vec![major]).unwrap_or_default()
        }
        _ => numbers(tag),
    };
    // The two have gone apart: neither reads the files of the other's versions of today (MariaDB, "Incompatibilities").
    let is_maria = held.version.contains("MariaDB");
    if !have.is_empty()
        && (row.plugin == "mysql" && is_maria || row.plugin == "mariadb" && !is_maria && have[0] >= 8 && have[0] < 10)
    {
        let other = if is_maria { "MariaDB" } else { "MySQL" };
        return Err(format!("its data is of {other} {}, whose files {wanted} does not read", held.version));
    }
    // PostgreSQL counts its series by the first number; a tag that says less than the data is the latest of what it says.
    let series = if driver == Driver::Postgres { 1 } else { 2 };
    let told = have.len().min(want.len()).min(series);
    if have[..told] > want[..told] {
        return Err(format!(
            "its data is of {} {}, and {wanted} is older: no server reads what a newer one wrote",
            row.plugin, held.version
        ));
    }
    if driver == Driver::Postgres && source.container.is_empty() && have.first() != want.first() {
        let (Some(have), Some(want)) = (have.first(), want.first()) else {
            return Err("its data does not say of which version it is".into());
        };
        // Only a server of the same series reads its files.
        let kind = tag.split_once('-').map(|(_, kind)| kind).filter(|kind| kind.starts_with("alpine"));
        let kind = kind.map(|_| "-alpine").unwrap_or_default();
        source.image = match repository(name) {
            "postgres" => format!("{name}:{have}{kind}"),
            "pgvector/pgvector" => format!("{name}:{}", tag.replace(&format!("pg{want}"), &format!("pg{have}"))),
            other => {
                return Err(format!("its data is of version {have}, and which image of {other} reads it is not known"));
            }
        };
    }
    Ok(source)
}

/// The numbers with which a version begins.
fn numbers(version: &str) -> Vec<u32> {
    let plain = version.split(['-', '@', '+', ' ']).next().unwrap_or_default();
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(version: &str) -> Held {
        Held { volume: "shop_data".into(), path: ".".into(), version: version.into(), ..Held::default() }
    }

    fn of(plugin: &str, image: &str, version: &str) -> Result<String, String> {
        source(Datastore::of_plugin(plugin).unwrap(), image, &held(version)).map(|source| source.image)
    }

    #[test]
    fn the_same_or_an_older_version_is_read_by_an_image_of_its_series() {
        for (plugin, image, version, by) in [
            ("postgres", "postgres:16.4", "16", "postgres:16.4"),
            ("postgres", "postgres:17", "15", "postgres:15"),
            ("postgres", "docker.io/library/postgres:17-alpine3.20", "15", "docker.io/library/postgres:15-alpine"),
            ("postgres", "pgvector/pgvector:pg17", "16", "pgvector/pgvector:pg16"),
            ("mysql", "mysql:8.4", "8.0.40", "mysql:8.4"),
            ("mysql", "mysql:8", "8.4.1", "mysql:8"),
            ("mysql", "mysql:latest", "", "mysql:latest"),
            ("mariadb", "mariadb:11.8", "10.6.1-MariaDB", "mariadb:11.8"),
            ("redis", "redis:7", "7.2.4", "redis:7"),
        ] {
            assert_eq!(of(plugin, image, version).as_deref(), Ok(by), "{image} on {version}");
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        for (plugin, image, version) in [
            ("postgres", "postgres:16.4", "17"),
            ("postgres", "pgvector/pgvector:pg15", "16"),
            ("mysql", "mysql:8.0.40", "8.4.1"),
            ("mariadb", "mariadb:10", "11.8.6-MariaDB"),
            ("redis", "redis:6.2", "7.0.1"),
        ] {
            assert!(of(plugin, image, version).unwrap_err().contains("is older"), "{image} on {version}");
        }
        assert!(of("mysql", "mysql:latest", "10.6.1-MariaDB").unwrap_err().contains("of MariaDB 10.6.1"));
        assert!(of("mariadb", "mariadb:11", "8.0.40").unwrap_err().contains("of MySQL 8.0.40"));
        assert!(of("postgres", "postgis/postgis:17-3.5", "15").unwrap_err().contains("not known"));
        assert!(of("postgres", "postgres:17", "").unwrap_err().contains("does not say"));
        let unseen = Held { unseen: "its image is not there".into(), ..held("16") };
        assert!(source(Datastore::of_plugin("postgres").unwrap(), "postgres:16", &unseen).is_err());
    }

    #[test]
    fn what_a_look_prints_is_read() {
        let lines = ["path 17/docker", "version 17", "size 41234"].map(str::to_owned);
        let held = Held::read("shop_data", &lines);
        assert_eq!((held.path.as_str(), held.words("postgres").as_str()), ("17/docker", "41.2 MB of postgres 17"));
        assert!(Held::read("shop_data", &["size 4".to_owned()]).path.is_empty());
        assert_eq!((size(999), size(2_300_000)), ("999 kB".into(), "2.3 GB".into()));
    }
}
