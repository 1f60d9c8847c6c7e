//! Durations as compose-go reads them (xhit/go-str2duration: Go's own form with days and weeks)
//! and prints them (Go's `time.Duration`).
//!
//! Specification: 11-extension.md, "Specifying durations".

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not numbers with units, or more nanoseconds than 64 bits hold.
    #[error("`{0}` is not a duration such as `1m30s`")]
    Invalid(String),
    /// A number without a unit.
    #[error("`{0}` lacks a unit such as `s`")]
    MissingUnit(String),
    /// A unit that there is not.
    #[error("`{0}` is not one of the units ns, us, ms, s, m, h, d, w")]
    UnknownUnit(String),
}

const SECOND: i64 = 1_000_000_000;

/// Nanoseconds of a duration: an optional sign, then numbers with units, `1w2d`, `1.5h`, `-5s`;
/// zero needs no unit.
///
/// # Errors
///
/// Where the text is no such duration, or one of more nanoseconds than 64 bits hold.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i64;
    while !rest.is_empty() {
        let (number, after) = Number::read(rest).ok_or_else(invalid)?;
        let end = after.find(|character: char| character == '.' || character.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if name.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let unit = unit(name).ok_or_else(|| DurationError::UnknownUnit(name.to_owned()))?;
        let part = number.times(unit).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(if negative { -total } else { total })
}

fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "ns" => 1,
        // The micro sign and the Greek letter mu.
        "us" | "\u{B5}s" | "\u{3BC}s" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 604_800 * SECOND,
        _ => return None,
    })
}

/// A decimal number: its whole part, and its fraction as a quotient.
struct Number {
    whole: i64,
    fraction: i64,
    scale: f64,
}

impl Number {
    /// The number at the start of `text` and what follows it; none without a digit or when the
    /// whole part is too large.
    fn read(text: &str) -> Option<(Self, &str)> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole_digits, mut rest) = text.split_at(digits(text));
        let whole = if whole_digits.is_empty() { 0 } else { whole_digits.parse().ok()? };
        let (mut fraction, mut scale) = (0i64, 1f64);
        let mut any = !whole_digits.is_empty();
        if let Some(after) = rest.strip_prefix('.') {
            let (fraction_digits, after) = after.split_at(digits(after));
            any |= !fraction_digits.is_empty();
            rest = after;
            // Digits beyond 64 bits add nothing.
            for digit in fraction_digits.bytes() {
                let next = fraction.checked_mul(10).and_then(|shifted| shifted.checked_add(i64::from(digit - b'0')));
                let Some(next) = next else { break };
                fraction = next;
                scale *= 10.0;
            }
        }
        any.then_some((Self { whole, fraction, scale }, rest))
    }

    fn times(&self, unit: i64) -> Option<i64> {
        let whole = self.whole.checked_mul(unit)?;
        let fraction = self.fraction as f64 * (unit as f64 / self.scale);
        whole.checked_add(fraction as i64)
    }
}

/// A duration of nanoseconds as Go prints it: `1h30m0s`, `1.5s`, `100ms`, `0s`.
pub fn format(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let value = nanoseconds.unsigned_abs();
    let second = SECOND.unsigned_abs();
    if value == 0 {
        return "0s".to_owned();
    }
    let (unit, name) = match value {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "\u{B5}s"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (second, "s"),
    };
    if unit < second {
        return format!("{sign}{}{name}", decimal(value, unit));
    }
    let (minutes, below) = (value / (60 * second), value % (60 * second));
    let seconds = decimal(below, second);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit` without trailing zeros, where `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;

    #[test]
    fn reads_and_prints_as_the_originals() {
        for case in golden::table("duration") {
            let text = case["in"].as_str().unwrap();
            let answer = parse(text).ok();
            assert_eq!(answer, case["out"].as_i64(), "{text:?}");
            if let Some(nanoseconds) = answer {
                assert_eq!(format(nanoseconds), case["text"].as_str().unwrap());
            }
        }
        assert_eq!(format(i64::MIN), "-2562047h47m16.854775808s");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("10"), Err(DurationError::MissingUnit("10".into())));
        assert_eq!(parse("1y"), Err(DurationError::UnknownUnit("y".into())));
        assert_eq!(parse("x"), Err(DurationError::Invalid("x".into())));
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_reads_back(nanoseconds in i64::MIN + 1..) {
            proptest::prop_assert_eq!(parse(&format(nanoseconds)), Ok(nanoseconds));
        }
    }
}
