//! `.dockerignore`: which files of a context a build never sees (Docker reference, "`.dockerignore` files").

use std::path::Path;

/// The rules of one file, last match wins.
#[derive(Debug, Default)]
pub struct Ignore {
    rules: Vec<(bool, Vec<String>)>,
}

impl Ignore {
    /// Reads `.dockerignore` of a context; without one nothing is ignored.
    pub fn read(context: &Path) -> Self {
        std::fs::read_to_string(context.join(".dockerignore"))
            .map_or_else(|_| Self::default(), |text| Self::parse(&text))
    }

    /// The rules of a text.
    pub fn parse(text: &str) -> Self {
        let mut rules = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keep, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let parts: Vec<String> =
                pattern.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect();
            if !parts.is_empty() {
                rules.push((keep, parts));
            }
        }
        Self { rules }
    }

    /// Whether the file or directory at `path` (relative to the context) is left out with all that is below it.
    ///
    /// A directory is kept where a later `!` rule could bring something below it back.
    pub fn matches(&self, path: &Path) -> bool {
        let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
        let mut ignored = false;
        for (keep, rule) in &self.rules {
            if (1..=parts.len()).any(|depth| glob_path(rule, &parts[..depth])) {
                ignored = !keep;
            } else if *keep && ignored && could_hold(rule, &parts) {
                return false;
            }
        }
        ignored
    }
}

/// Whether a rule could match something below `parts`.
fn could_hold(rule: &[String], parts: &[&str]) -> bool {
    rule.iter().zip(parts).all(|(pattern, part)| pattern == "**" || glob(pattern, part))
        || rule.first().is_some_and(|first| first == "**")
}

fn glob_path(rule: &[String], parts: &[&str]) -> bool {
    match (rule.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => (0..=parts.len()).any(|skip| glob_path(rest, &parts[skip..])),
        (Some((first, rest)), Some((part, parts))) => glob(first, part) && glob_path(rest, parts),
        _ => false,
    }
}

/// One path component against `*`, `?`, `[a-z]` and `\x`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    component(&pattern, &text)
}

fn component(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|skip| component(rest, &text[skip..])),
        Some(('?', rest)) => !text.is_empty() && component(rest, &text[1..]),
        Some(('[', rest)) => class(rest, text),
        Some(('\\', rest)) if !rest.is_empty() => text.first() == rest.first() && component(&rest[1..], &text[1..]),
        Some((char, rest)) => text.first() == Some(char) && component(rest, &text[1..]),
    }
}

fn class(pattern: &[char], text: &[char]) -> bool {
    let Some(end) = pattern.iter().position(|char| *char == ']') else {
        return false;
    };
    let Some(first) = text.first() else {
        return false;
    };
    let (negated, set) = match pattern[..end].split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, &pattern[..end]),
    };
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            found |= (set[at]..=set[at + 2]).contains(first);
            at += 3;
        } else {
            found |= set[at] == *first;
            at += 1;
        }
    }
    found != negated && component(&pattern[end + 1..], &text[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_the_reference() {
        let ignore = Ignore::parse("# comment\n*/temp*\nnode_modules\n**/*.log\n*.md\n!README.md\nsecret-[0-9]\n");
        let is = |path: &str| ignore.matches(Path::new(path));
        assert!(is("somedir/temporary.txt") && is("somedir/temp"));
        assert!(!is("a/b/temp"));
        assert!(is("node_modules") && is("node_modules/x/y") && !is("a/node_modules"));
        assert!(is("x.log") && is("a/b/x.log"));
        assert!(is("notes.md") && !is("README.md"));
        assert!(is("secret-1") && !is("secret-a"));
        assert!(!is("src/main.rs"));
    }

    #[test]
    fn a_directory_with_an_exception_is_still_walked() {
        let ignore = Ignore::parse("*\n!src/main.c\n");
        assert!(!ignore.matches(Path::new("src")));
        assert!(!ignore.matches(Path::new("src/main.c")));
        assert!(ignore.matches(Path::new("src/other.c")));
        assert!(ignore.matches(Path::new("doc")));
    }
}
