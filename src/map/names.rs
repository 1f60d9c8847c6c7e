//! Names on the server: apps, containers, stable and unique.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

/// Longest app name: the image `dokku/APP`, container names and DNS labels have to hold it.
const LONGEST: usize = 50;

/// Whether `name` may be a project: `[a-z0-9][a-z0-9-]*`, at most 40 characters.
pub fn valid_project(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.ends_with('-')
        && name.len() <= 40
}

/// App names by compose service: `<project>-<service>`, lower case, `_` and `.` to `-`, other characters
/// dropped, short enough, never in `reserved`, unique by a short hash where two services would share one.
pub fn apps<'a>(
    project: &str,
    services: impl Iterator<Item = &'a str>,
    reserved: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names: Vec<(&str, String)> = services.map(|service| (service, plain(service))).collect();
    // The service that spells its name as the app does keeps it, whatever the order in the file.
    names.sort_unstable_by(|(a, plain_a), (b, plain_b)| (plain_a != a, a).cmp(&(plain_b != b, b)));
    let mut out = BTreeMap::new();
    for (service, plain) in names {
        let base = [project, "-", &plain].concat();
        let base = base.trim_end_matches('-').to_owned();
        let fits = base.len() <= LONGEST && !taken.contains(&base) && !reserved.contains(&base) && !plain.is_empty();
        let app = if fits { base } else { hashed(&base, service) };
        taken.insert(app.clone());
        out.insert(service.to_owned(), app);
    }
    out
}

fn plain(service: &str) -> String {
    service
        .chars()
        .filter_map(|char| match char {
            'a'..='z' | '0'..='9' | '-' => Some(char),
            'A'..='Z' => Some(char.to_ascii_lowercase()),
            '_' | '.' => Some('-'),
            _ => None,
        })
        .collect()
}

fn hashed(base: &str, service: &str) -> String {
    let digest = Sha256::digest(service.as_bytes());
    let tag: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    let room = LONGEST - tag.len() - 1;
    let head: String = base.chars().take(room).collect();
    format!("{}-{tag}", head.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(project: &str, services: &[&str]) -> BTreeMap<String, String> {
        apps(project, services.iter().copied(), &BTreeSet::from(["shop-redis".to_owned()]))
    }

    #[test]
    fn names_follow_the_rule() {
        let names = named("shop", &["web", "My_API.v2", "été"]);
        assert_eq!(names["web"], "shop-web");
        assert_eq!(names["My_API.v2"], "shop-my-api-v2");
        assert_eq!(names["été"], "shop-t");
    }

    #[test]
    fn services_that_would_share_a_name_are_kept_apart_in_any_order() {
        let one = named("shop", &["a_b", "a-b"]);
        let two = named("shop", &["a-b", "a_b"]);
        assert_eq!(one, two);
        assert_eq!(one["a-b"], "shop-a-b");
        assert!(one["a_b"].starts_with("shop-a-b-") && one["a_b"].len() == "shop-a-b-".len() + 6);
    }

    #[test]
    fn reserved_and_long_names_get_a_hash() {
        assert!(named("shop", &["redis"])["redis"].starts_with("shop-redis-"));
        let long = "x".repeat(80);
        assert!(named("shop", &[&long])[&long].len() <= LONGEST);
    }

    #[test]
    fn project_names() {
        assert!(valid_project("shop") && valid_project("1a-b"));
        for bad in ["", "-a", "A", "a_b", "a.b", "a-", &"a".repeat(41)] {
            assert!(!valid_project(bad), "{bad}");
        }
    }
}
