//! "Did you mean": the nearest known name to a wrong one.

/// The candidate nearest to `wrong`, where one is near enough to be a slip of the keyboard: a
/// third of its letters may differ (a swap of neighbours counts once), and case never counts.
/// Of equally near ones the first in alphabetical order, so that the answer never changes.
pub fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let length = wrong.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let allowed = (length.max(lower.chars().count()) / 3).max(1);
            let distance = strsim::damerau_levenshtein(&wrong, &lower);
            // One wrong letter of one is another name, not a slip.
            let everything_differs = distance >= length.min(lower.chars().count());
            (distance <= allowed && (!everything_differs || distance == 0)).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

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
