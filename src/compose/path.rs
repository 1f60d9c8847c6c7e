//! Paths in a compose tree.

use std::fmt;

/// One step of a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Into a mapping.
    Key(&'a str),
    /// Into a sequence.
    Index(usize),
}

/// A place in a compose tree: `services.web.ports[0]`.
///
/// A path borrows its keys and what it is made from. The phases make one for every node that they look at, and only a
/// finding needs it: making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    /// Keys from the root.
    Of(&'a [&'a str]),
    /// One step further.
    Below(&'a Self, Step<'a>),
}

impl Default for Path<'_> {
    /// The root.
    fn default() -> Self {
        Self::Of(&[])
    }
}

impl<'a> Path<'a> {
    /// This path and one more key.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self::Below(self, Step::Key(key))
    }

    /// This path and one more index.
    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Below(self, Step::Index(index))
    }

    /// The last step, where it is a key.
    pub(super) fn last_key(&self) -> Option<&'a str> {
        match self {
            Self::Of(keys) => keys.last().copied(),
            Self::Below(_, Step::Key(key)) => Some(key),
            Self::Below(..) => None,
        }
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Of(keys) => keys.len(),
            Self::Below(above, _) => above.len() + 1,
        }
    }

    /// The steps from the root.
    pub(super) fn steps(&self) -> Vec<Step<'a>> {
        match self {
            Self::Of(keys) => keys.iter().map(|key| Step::Key(key)).collect(),
            Self::Below(above, step) => {
                let mut steps = above.steps();
                steps.push(*step);
                steps
            }
        }
    }

    /// Whether this is the place that `owned` names.
    pub(super) fn is(&self, owned: &OwnedPath) -> bool {
        self.len() == owned.0.len() && self.steps().into_iter().eq(owned.steps())
    }
}

impl fmt::Display for Path<'_> {
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

/// A path that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnedPath(Vec<OwnedStep>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum OwnedStep {
    Key(String),
    Index(usize),
}

impl OwnedPath {
    /// The steps from the root.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.0.iter().map(|step| match step {
            OwnedStep::Key(key) => Step::Key(key),
            OwnedStep::Index(index) => Step::Index(*index),
        })
    }

    /// This path with another key at one step.
    pub(super) fn with_key(mut self, step: usize, key: &str) -> Self {
        if let Some(step) = self.0.get_mut(step) {
            *step = OwnedStep::Key(key.to_owned());
        }
        self
    }
}

impl From<&Path<'_>> for OwnedPath {
    fn from(path: &Path<'_>) -> Self {
        let steps = path.steps().into_iter().map(|step| match step {
            Step::Key(key) => OwnedStep::Key(key.to_owned()),
            Step::Index(index) => OwnedStep::Index(index),
        });
        Self(steps.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_their_steps() {
        let ports = Path::Of(&["services", "my.web", "ports"]);
        let port = ports.index(2);
        assert_eq!(port.key("target").to_string(), "services.my.web.ports[2].target");
        assert_eq!((Path::default().to_string(), Path::default().len()), (String::new(), 0));
        assert_eq!(port.len(), 4);
    }

    #[test]
    fn a_kept_path_is_the_same_place() {
        let root = Path::default();
        let services = root.key("services");
        let web = services.key("web");
        let kept = OwnedPath::from(&Path::Of(&["services", "web"]));
        assert!(web.is(&kept) && !services.is(&kept) && !web.index(0).is(&kept) && !services.index(0).is(&kept));
        assert!(Path::Of(&["services", "api"]).is(&kept.with_key(1, "api")));
    }
}
