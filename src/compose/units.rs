//! Sizes in bytes as docker/go-units reads them: `64m` is 67,108,864, units are powers of 1024.
//!
//! Specification: 11-extension.md, "Specifying byte values".

use thiserror::Error;

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// It does not start with a number.
    #[error("`{0}` is not a size such as `512m` or `1.5gb`")]
    NotASize(String),
    /// The number is followed by something else than a unit.
    #[error("`{0}` is not one of the units b, k, m, g, t, p")]
    Unit(String),
    /// More than 64 bits hold.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Bytes of a size: a whole number, which may be negative, or a decimal number with a unit (`b`,
/// `k`, `kb`, `kib`, ... up to `p`, in any case, after at most one blank), which may not.
/// Fractions of a byte are dropped.
///
/// # Errors
///
/// Where the text is no such size, or one that 64 bits do not hold.
pub fn parse_bytes(text: &str) -> Result<i64, SizeError> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole);
    }
    let not_a_size = || SizeError::NotASize(text.to_owned());
    let last = text
        .rfind(|character: char| character.is_ascii_digit() || matches!(character, '.' | ' '))
        .ok_or_else(not_a_size)?;
    let unit = &text[last + 1..];
    let number = text[..=last].strip_suffix(' ').unwrap_or(&text[..=last]);
    let size = decimal(number).filter(|size| *size >= 0.0).ok_or_else(not_a_size)?;
    let factor = factor(unit).ok_or_else(|| SizeError::Unit(unit.to_owned()))?;
    let bytes = size * factor;
    // The first float that a signed 64 bit number does not hold.
    if bytes < 9_223_372_036_854_775_808.0 { Ok(bytes as i64) } else { Err(SizeError::TooLarge(text.to_owned())) }
}

/// A decimal number as Go's `ParseFloat` takes it, with underscores between digits; not its
/// hexadecimal and named forms, which are no sizes.
fn decimal(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let well_formed = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'_' => is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)),
        b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' => true,
        _ => false,
    });
    if !well_formed {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn factor(unit: &str) -> Option<f64> {
    let unit = unit.to_ascii_lowercase();
    let (letter, rest) = match unit.as_bytes() {
        [] | [b'b'] => return Some(1.0),
        [letter, rest @ ..] => (*letter, rest),
    };
    if !matches!(rest, b"" | b"b" | b"ib") {
        return None;
    }
    let power = b"kmgtp".iter().position(|known| *known == letter)?;
    Some(1024f64.powi(i32::try_from(power).ok()? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;

    #[test]
    fn reads_as_the_original() {
        for case in golden::table("size") {
            let text = case["in"].as_str().unwrap();
            let expected = case["out"].as_i64();
            match parse_bytes(text) {
                // Beyond 64 bits Go's conversion gives the smallest number.
                Err(SizeError::TooLarge(_)) => {
                    assert!(expected.is_none_or(|bytes| bytes == i64::MIN), "{text:?}");
                }
                answer if text.contains("0x") => assert!(answer.is_err(), "{text:?}"),
                answer => assert_eq!(answer.ok(), expected, "{text:?}"),
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse_bytes("64m"), Ok(67_108_864));
        assert_eq!(parse_bytes("m"), Err(SizeError::NotASize("m".into())));
        assert_eq!(parse_bytes("64x"), Err(SizeError::Unit("x".into())));
        assert_eq!(parse_bytes("99999999p"), Err(SizeError::TooLarge("99999999p".into())));
    }
}
