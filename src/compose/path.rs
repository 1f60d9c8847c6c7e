//! Paths in a compose tree, and the patterns that the phases' tables use.

use std::fmt;
use std::rc::Rc;

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a sequence.
    Index(usize),
}

/// A place in a compose tree: `services.web.ports[0]`.
///
/// A path shares its steps with those that it is made from: the phases make one for every node of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    last: Option<Rc<Link>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Link {
    step: Step,
    above: Path,
    len: usize,
}

impl Path {
    /// The path of `keys` from the root.
    pub(super) fn of(keys: &[&str]) -> Self {
        keys.iter().fold(Self::default(), |path, key| path.key(key))
    }

    fn step(&self, step: Step) -> Self {
        Self { last: Some(Rc::new(Link { step, above: self.clone(), len: self.len() + 1 })) }
    }

    /// This path and one more key.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// This path and one more index.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// This path with another key at one step.
    pub(super) fn with_key(&self, step: usize, key: &str) -> Self {
        let steps = self.steps().into_iter().enumerate();
        steps.fold(Self::default(), |path, (at, old)| if at == step { path.key(key) } else { path.step(old.clone()) })
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.last.as_ref().map_or(0, |last| last.len)
    }

    /// The steps from the root.
    pub(super) fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.upwards().collect();
        steps.reverse();
        steps
    }

    /// The steps from the last one to the root.
    fn upwards(&self) -> impl Iterator<Item = &Step> {
        let links = std::iter::successors(self.last.as_deref(), |link| link.above.last.as_deref());
        links.map(|link| &link.step)
    }

    /// Whether `pattern` fits: keys separated by dots, `*` for any key or index.
    pub(super) fn matches(&self, pattern: &str) -> bool {
        self.without(pattern).is_some_and(|above| above.last.is_none())
    }

    /// What stands above the part of the path that `pattern` fits, where it fits the end.
    pub(super) fn without(&self, pattern: &str) -> Option<&Self> {
        let mut left = pattern;
        let mut path = self;
        loop {
            let link = path.last.as_deref()?;
            let rest = match (left.strip_suffix('*'), &link.step) {
                (Some(rest), _) => rest,
                (None, Step::Key(key)) if !key.contains('.') => left.strip_suffix(key.as_str())?,
                _ => return None,
            };
            path = &link.above;
            if rest.is_empty() {
                return Some(path);
            }
            left = rest.strip_suffix('.')?;
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps().into_iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let path = Path::of(&["services", "my.web", "ports"]).index(2);
        assert!(path.matches("services.*.ports.*"));
        assert!(!path.matches("services.*.ports"));
        assert!(!path.matches("services.*.ports.*.target"));
        assert!(!path.matches("services.*.volumes.*"));
        assert!(!path.matches("*.services.*.ports.*") && !path.matches("my.web.ports.*"));
        assert!(!Path::of(&["services", "deploy.labels"]).matches("services.deploy.labels"));
        assert!(!Path::of(&["services", "web", "sports"]).matches("services.*.ports"));
        assert!(!Path::of(&["services", "web", "ports"]).matches("services.*.sports"));
        assert!(!Path::default().matches("services"));
        assert_eq!(path.to_string(), "services.my.web.ports[2]");
    }
}
