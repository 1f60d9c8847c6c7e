//! Dokku's own event log (`dokku events:on`): who did what, when. Lines look like
//! `2026-11-21T04:18:45.172910+00:00 host dokku-event[1]: INVOKED: post-config-update( shop-web set A ) NAME=ann ...`
//! (`plugins/20_events/hook`); `NAME` is the ssh key's name, empty for the server's own shell.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Bytes of the log's end that are looked at.
const TAIL: u64 = 4 << 20;

/// One call of a trigger that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When, as the log has it.
    pub at: String,
    /// The name of the ssh key, empty: the server's own shell.
    pub who: String,
    trigger: String,
    args: Vec<String>,
    time: SystemTime,
}

/// What the log says after `since` (RFC 3339 in UTC); nothing where there is no log, or it may not be read.
pub fn read(log: &Path, since: &str) -> Vec<Told> {
    let since = humantime::parse_rfc3339(since).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        file.take(TAIL).read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    String::from_utf8_lossy(&bytes).lines().filter_map(line).filter(|told| told.time > since).collect()
}

/// The last event that explains a change of `field` (in the words of [`crate::plan::changes`]) of `app`.
pub fn explains<'a>(all: &'a [Told], app: &str, field: &str) -> Option<&'a Told> {
    let (trigger, word) = match field.split_once(' ') {
        Some(("variable", name)) => ("post-config-update", Some(name)),
        None if field == "domains" => ("post-domains-update", None),
        None if field == "ports" => ("post-proxy-ports-update", None),
        None if field == "scale" => ("ps-set-scale", None),
        None if field == "image" => ("git-from-image", None),
        None if field == "service" => ("post-delete", None),
        _ => return None,
    };
    all.iter().rev().find(|told| {
        told.trigger == trigger
            && told.args.first().is_some_and(|first| first == app)
            && word.is_none_or(|word| told.args.iter().any(|arg| arg == word))
    })
}

fn line(text: &str) -> Option<Told> {
    let (head, rest) = text.split_once(" INVOKED: ")?;
    let at = head.split(' ').next()?;
    let (trigger, rest) = rest.split_once('(')?;
    let (args, rest) = rest.rsplit_once(") NAME=")?;
    let who = rest.split(" FINGERPRINT=").next().unwrap_or_default();
    Some(Told {
        at: at.to_owned(),
        // Dokku's own word for the server's shell.
        who: if who == "default" { String::new() } else { who.to_owned() },
        trigger: trigger.to_owned(),
        args: args.split_whitespace().map(str::to_owned).collect(),
        time: time(at)?,
    })
}

/// A time with an offset, `2026-11-21T04:18:45.172910+01:00` or with `Z`.
fn time(text: &str) -> Option<SystemTime> {
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(text).ok();
    }
    let (base, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let utc = humantime::parse_rfc3339(&format!("{base}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<u64>().ok()? * 3600 + minutes.parse::<u64>().ok()? * 60;
    let shift = Duration::from_secs(seconds);
    if offset.starts_with('-') { utc.checked_add(shift) } else { utc.checked_sub(shift) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2026-11-21T04:18:45.172910+00:00 vm dokku-event[1]: INVOKED: post-config-update( shop-web set A B ) NAME=ann FINGERPRINT=x DOKKU_PID=1
2026-11-21T05:18:46.000000+01:00 vm dokku-event[2]: INVOKED: post-domains-update( shop-web add a.test ) NAME=default FINGERPRINT= DOKKU_PID=1
2026-11-21T04:18:47.000000+00:00 vm dokku-event[3]: INVOKED: post-config-update( shop-api set A ) NAME=bob FINGERPRINT= DOKKU_PID=1
half a li";

    #[test]
    fn the_last_event_of_app_and_field_tells() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("events.log");
        std::fs::write(&log, LOG).unwrap();
        let all = read(&log, "2026-11-21T04:00:00Z");
        let who = |app, field| explains(&all, app, field).map(|told| told.who.as_str());
        assert_eq!(who("shop-web", "variable A"), Some("ann"));
        assert_eq!(who("shop-web", "variable C"), None);
        assert_eq!(who("shop-api", "variable A"), Some("bob"));
        assert_eq!(who("shop-web", "domains"), Some(""));
        assert_eq!(who("shop-web", "limit.memory"), None);
        // What was told before the last import is no news.
        assert_eq!(read(&log, "2026-11-21T04:18:46.500Z").len(), 1);
        assert!(read(&dir.path().join("none"), "").is_empty());
    }
}
