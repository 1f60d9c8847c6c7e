//! Which Dokku this is.

use semver::Version;

use super::{Call, Dokku, DokkuResult};

/// The oldest Dokku that answers as this room reads: `apps:list --format json` and
/// `ps:scale --format json` came with 0.38.21, the `*-list` keys of `docker-options:report` with 0.38.22.
pub const FLOOR: Version = Version::new(0, 38, 22);

impl Dokku {
    /// `dokku version`.
    pub fn version(&self) -> DokkuResult<Version> {
        let reply = self.call(Call::new("version", [] as [&str; 0]))?;
        parse(&reply.stdout).ok_or_else(|| reply.unreadable("no version number"))
    }
}

/// The number in `dokku version 0.38.27`; what a development build appends is left out.
fn parse(text: &str) -> Option<Version> {
    let word = text.trim().rsplit(' ').next()?;
    let number = word.split(['-', '+']).next()?;
    Version::parse(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("dokku version 0.38.27\n"), Some(Version::new(0, 38, 27)));
        assert_eq!(parse("dokku version 0.38.27-12-gabc\n"), Some(Version::new(0, 38, 27)));
        assert_eq!(parse("master\n"), None);
        assert!(Version::new(0, 38, 27) > FLOOR && Version::new(0, 37, 30) < FLOOR);
    }
}
