//! Paths in a compose tree, and the patterns that the phases' tables use.

use std::fmt;

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a sequence.
    Index(usize),
}

/// A place in a compose tree: `services.web.ports[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

impl Path {
    /// The path of `keys` from the root.
    pub(super) fn of(keys: &[&str]) -> Self {
        Self { steps: keys.iter().map(|key| Step::Key((*key).to_owned())).collect() }
    }

    /// This path and one more key.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step::Key(key.to_owned()));
        Self { steps }
    }

    /// This path and one more index.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step::Index(index));
        Self { steps }
    }

    /// This path with another key at one step.
    pub(super) fn with_key(&self, step: usize, key: &str) -> Self {
        let mut steps = self.steps.clone();
        if let Some(place) = steps.get_mut(step) {
            *place = Step::Key(key.to_owned());
        }
        Self { steps }
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The steps.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether `pattern` fits: keys separated by dots, `*` for any key or index.
    pub(super) fn matches(&self, pattern: &str) -> bool {
        let mut steps = self.steps.iter();
        for part in pattern.split('.') {
            let fits = match steps.next() {
                None => false,
                Some(_) if part == "*" => true,
                Some(Step::Key(key)) => key == part,
                Some(Step::Index(_)) => false,
            };
            if !fits {
                return false;
            }
        }
        steps.next().is_none()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
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
        assert_eq!(path.to_string(), "services.my.web.ports[2]");
    }
}
