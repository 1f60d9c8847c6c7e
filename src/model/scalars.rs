//! Values with units, and when a field counts as unset.
//!
//! Specification: 11-extension.md, "Specifying byte values" and "Specifying durations".

use std::fmt;

use crate::hashed::IndexMap;
use serde::{Serialize, Serializer};

/// Keys that begin with `x-`, as JSON values.
///
/// Specification: 11-extension.md.
pub type Extensions = IndexMap<String, serde_json::Value>;

/// A length of time in nanoseconds, printed as Go prints it: `1m30s`.
///
/// Specification: 11-extension.md, "Specifying durations".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

impl Duration {
    /// Whole seconds, rounded up, never negative.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).div_ceil(1_000_000_000)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_nanos(u64::try_from(duration.0).unwrap_or(0))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => write!(f, "{seconds}s"),
                    (0, minutes) => write!(f, "{minutes}m{seconds}s"),
                    (hours, minutes) => write!(f, "{hours}h{minutes}m{seconds}s"),
                }
            }
        }
    }
}

/// `value / unit` without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number of bytes (or of what a key counts in the same notation), printed as a string of digits.
///
/// Specification: 11-extension.md, "Specifying byte values".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub i64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A fraction in single precision, printed without `.0`.
///
/// Specification: 05-services.md, "cpus".
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Float(pub f32);

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // 2^24: beyond it single precision has no fractions and an integer could print other digits.
        if self.0.fract() == 0.0 && self.0.abs() < 16_777_216.0 {
            #[allow(clippy::cast_possible_truncation)]
            return serializer.serialize_i64(self.0 as i64);
        }
        // The shortest text of the single, read as a double: the digits that Go prints.
        match self.0.to_string().parse::<f64>() {
            Ok(value) => serializer.serialize_f64(value),
            Err(_) => serializer.serialize_f32(self.0),
        }
    }
}

/// What a key that was not written leaves in a field.
pub(super) trait Unset {
    /// Whether the field holds it.
    fn is_unset(&self) -> bool;
}

impl<T> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T> Unset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Unset for IndexMap<K, V> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Unset for bool {
    fn is_unset(&self) -> bool {
        !self
    }
}

impl Unset for u32 {
    fn is_unset(&self) -> bool {
        *self == 0
    }
}

/// For `skip_serializing_if`.
pub(super) fn is_unset<T: Unset>(value: &T) -> bool {
    value.is_unset()
}

/// For `skip_serializing_if` on flags that are on unless written otherwise.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(super) fn is_true(value: &bool) -> bool {
    *value
}

/// Host names and addresses as a sorted list of `host=address`.
pub(super) fn serialize_hosts<S: Serializer>(
    hosts: &IndexMap<String, Vec<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut lines: Vec<String> = hosts
        .iter()
        .flat_map(|(host, addresses)| addresses.iter().map(move |address| format!("{host}={address}")))
        .collect();
    lines.sort();
    lines.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        let cases = [
            (0, "0s"),
            (5, "5ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_000_000_000, "-1s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Duration(nanos).to_string(), text);
        }
    }

    #[test]
    fn seconds_round_up() {
        assert_eq!(Duration(1).seconds(), 1);
        assert_eq!(Duration(30_000_000_000).seconds(), 30);
        assert_eq!(Duration(-1).seconds(), 0);
    }

    #[test]
    fn floats_keep_their_written_digits() {
        let json = |value: f32| serde_json::to_string(&Float(value)).unwrap();
        assert_eq!(json(0.1), "0.1");
        assert_eq!(json(2.0), "2");
        assert_eq!(json(1.75), "1.75");
    }

    #[test]
    fn hosts_are_sorted_lines() {
        #[derive(Serialize)]
        struct Case(#[serde(serialize_with = "serialize_hosts")] IndexMap<String, Vec<String>>);
        let hosts = IndexMap::from_iter([
            ("b".to_owned(), vec!["::1".to_owned()]),
            ("a".to_owned(), vec!["2".to_owned(), "1".to_owned()]),
        ]);
        assert_eq!(serde_json::to_string(&Case(hosts)).unwrap(), r#"["a=1","a=2","b=::1"]"#);
    }
}
