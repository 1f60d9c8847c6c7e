//! From one version of a datastore's image to another: whether the data can stay where it lies.

use super::table::{Datastore, Driver, repository};

/// Whether a service's data is read by `wanted` as `now` left it, and by `now` again if the change is undone. The error is
/// the reason. Both as `postgres:16.4`.
///
/// Within a series nothing of the files' format changes: PostgreSQL's first number (its "Upgrading a Cluster"), the first two
/// of MySQL ("Downgrading"), MariaDB, Redis and Valkey.
pub fn can_stay(plugin: &str, now: &str, wanted: &str) -> Result<(), String> {
    let driver = Datastore::of_plugin(plugin).and_then(|row| row.driver);
    let series = match driver {
        Some(Driver::Open) => return Ok(()),
        Some(Driver::Postgres) => 1,
        _ => 2,
    };
    if repository(now) != repository(wanted) {
        return Err("it is another image".into());
    }
    let (Some((have, kind)), Some((want, other))) = (version(now), version(wanted)) else {
        return Err("their tags do not say which versions they are".into());
    };
    // Debian's and Alpine's C libraries order text differently, and indexes are made by that order.
    if kind != other {
        return Err("the two are built in different ways".into());
    }
    if let Some((have, want)) = have.iter().zip(&want).find(|(have, want)| have != want)
        && want < have
    {
        return Err("it is an older version, and servers do not read what newer ones wrote".into());
    }
    if have.len() < series || want.len() < series {
        return Err("their tags do not say of which series they are".into());
    }
    if have[..series] != want[..series] {
        return Err("it is of another series, which does not keep its data in the same form".into());
    }
    Ok(())
}

/// The numbers with which a tag begins, and what follows them; `None` where it has none or is a digest.
fn version(image: &str) -> Option<(Vec<u32>, &str)> {
    let tag = image.rsplit('/').next()?.split_once(':')?.1;
    if tag.contains('@') || image.contains('@') {
        return None;
    }
    let (numbers, kind) = tag.split_once('-').unwrap_or((tag, ""));
    let numbers: Option<Vec<u32>> = numbers.split('.').map(|part| part.parse().ok()).collect();
    Some((numbers?, kind))
}

#[cfg(test)]
mod tests {
    use super::can_stay;

    #[test]
    fn data_stays_within_a_series() {
        for (plugin, now, wanted) in [
            ("postgres", "postgres:16.4", "postgres:16.9"),
            ("postgres", "postgres:16-alpine", "postgres:16.9-alpine"),
            ("postgres", "docker.io/library/postgres:16", "postgres:16.1"),
            ("mysql", "mysql:8.4", "mysql:8.4.3"),
            ("mariadb", "mariadb:11.8.1", "mariadb:11.8.6"),
            ("redis", "redis:7.2.1-alpine", "redis:7.2.5-alpine"),
            ("redis", "valkey/valkey:8.0.1", "valkey/valkey:8.0.2"),
            ("memcached", "memcached:1.5", "memcached:1.6-alpine"),
        ] {
            assert_eq!(can_stay(plugin, now, wanted), Ok(()), "{now} to {wanted}");
        }
    }

    #[test]
    fn what_would_not_be_read_is_refused() {
        for (plugin, now, wanted, why) in [
            ("postgres", "postgres:16.4", "postgres:17.1", "another series"),
            ("postgres", "postgres:16.4", "postgres:16.2", "older"),
            ("postgres", "postgres:17", "postgres:16.9", "older"),
            ("postgres", "postgres:16.4", "postgres:16.9-alpine", "different ways"),
            ("postgres", "postgres:16.4-bookworm", "postgres:16.9-alpine", "different ways"),
            ("postgres", "postgres:16", "pgvector/pgvector:pg16", "another image"),
            ("postgres", "pgvector/pgvector:pg16", "pgvector/pgvector:pg17", "which versions"),
            ("mysql", "mysql:8.0.40", "mysql:8.4.3", "another series"),
            ("mysql", "mysql:8", "mysql:8.4", "of which series"),
            ("redis", "redis:latest", "redis:7.2", "which versions"),
            ("redis", "redis:7.2@sha256:ab", "redis:7.2.5", "which versions"),
            ("redis", "localhost:5000/redis", "redis:7.2.5", "which versions"),
        ] {
            assert!(can_stay(plugin, now, wanted).unwrap_err().contains(why), "{now} to {wanted}");
        }
    }
}
