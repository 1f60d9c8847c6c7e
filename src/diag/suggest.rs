//! "Did you mean": the nearest known name to a wrong one.

/// Letters beyond which nothing is looked for.
const LONGEST: usize = 100;

/// The candidate nearest to `wrong`, where one is near enough to be a slip of the keyboard: a
/// third of its letters may differ (a swap of neighbours counts once), and case never counts.
/// Of equally near ones the first in alphabetical order, so that the answer never changes.
///
/// Names of more than 100 letters have none: to compare two of a megabyte takes an hour.
pub fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let length = wrong.chars().count();
    if length > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 4 * LONGEST)
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let other = lower.chars().count();
            let allowed = (length.max(other) / 3).max(1);
            // Each letter that one has more is a difference.
            if length.abs_diff(other) > allowed {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&wrong, &lower);
            // One wrong letter of one is another name, not a slip.
            let everything_differs = distance >= length.min(other);
            (distance <= allowed && (!everything_differs || distance == 0)).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_not_compared() {
        let (one, other) = ("a".repeat(1 << 20), "a".repeat((1 << 20) + 1));
        assert_eq!(closest(&one, [other.as_str()]), None);
        assert_eq!(closest("aaaa", [other.as_str(), "aaab"]), Some("aaab"));
    }

    #[test]
    fn finds_slips_and_nothing_else() {
        let keys = ["image", "ports", "environment", "volumes", "user", "tty"];
        let near = |wrong| closest(wrong, keys);
        assert_eq!(near("imgae"), Some("image"));
        assert_eq!(near("port"), Some("ports"));
        assert_eq!(near("enviroment"), Some("environment"));
        assert_eq!(near("Volumes"), Some("volumes"));
        assert_eq!(near("usr"), Some("user"));
        assert_eq!(near("command"), None);
        assert_eq!(near("x"), None);
        assert_eq!(near(""), None);
        assert_eq!(closest("x", ["y"]), None);
        assert_eq!(closest("web1", ["web3", "web2"]), Some("web2"));
    }
}
