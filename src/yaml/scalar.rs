//! Types of scalars as compose-go's YAML reader (go.yaml.in/yaml/v4) gives them, and the text
//! that Go prints for each, which is what `docker compose config` shows in an environment map.

use std::borrow::Cow;

use super::node::{Scalar, Style};
use super::timestamp::{self, Timestamp};

/// A scalar with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing, `~`, `null`.
    Null,
    /// `true` or `false` in one of three spellings each; `yes`, `no`, `on`, `off` are strings.
    Bool(bool),
    /// An integer that fits 64 bits with or without a sign.
    Int(i128),
    /// A floating point number.
    Float(f64),
    /// An unquoted date or date with time.
    Timestamp(Timestamp),
    /// Everything else.
    Str(&'a str),
}

impl Scalar {
    /// The typed value; only a plain scalar can be anything but a string.
    pub fn value(&self) -> Value<'_> {
        match self.style {
            Style::Empty => Value::Null,
            Style::Plain => resolve(&self.text),
            Style::Quoted | Style::Block => Value::Str(&self.text),
        }
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        self.value() == Value::Null
    }
}

/// The typed value of an unquoted scalar.
///
/// Order and oddities are those of go.yaml.in/yaml/v4's resolver: a leading zero makes an octal
/// number, `08` is not octal and therefore the float 8, underscores are dropped from numbers,
/// and a number too large for a float is a string.
pub fn resolve(text: &str) -> Value<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        "-0" | "-0.0" => return Value::Float(-0.0),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => pointed_float(text).map_or(Value::Str(text), Value::Float),
        b'0'..=b'9' | b'+' | b'-' => number(text),
        _ => Value::Str(text),
    }
}

fn number(text: &str) -> Value<'_> {
    if let Some(time) = timestamp::parse(text) {
        return Value::Timestamp(time);
    }
    let plain = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if let Some(int) = integer(&plain) {
        return Value::Int(int);
    }
    decimal_float(&plain).map_or(Value::Str(text), Value::Float)
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint` of the same, without underscores.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() != text.len();
    let (radix, digits) = match digits.as_bytes() {
        [] => return None,
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    let fits = i64::try_from(value).is_ok() || (!signed && value >= 0);
    fits.then_some(value)
}

/// A float that starts with its point; Go takes underscores there only between digits.
fn pointed_float(text: &str) -> Option<f64> {
    let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let between_digits = text.match_indices('_').all(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)));
    between_digits.then(|| decimal_float(&text.replace('_', ""))).flatten()
}

/// A float of decimal digits with an optional point and exponent; none where it overflows.
fn decimal_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_is_number = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_is_number = exponent.is_none_or(|exponent| {
        let digits_only = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits_only.is_empty() && digits(digits_only)
    });
    if !mantissa_is_number || !exponent_is_number {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

impl Value<'_> {
    /// The text that Go's `fmt.Sprint` gives for the value: what an environment map, a label or
    /// another map of strings shows for it. Null is none: the key then has no value.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => float_text(*value),
            Value::Timestamp(value) => value.to_string(),
            Value::Str(text) => (*text).to_owned(),
        })
    }
}

/// Go's `%v` of a float: shortest digits, an exponent of at least two digits below 1e-4 and from 1e6.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;

    /// What go-yaml and `fmt.Sprint` answer for the same text.
    #[test]
    fn types_and_texts_are_those_of_the_original() {
        for case in golden::table("scalar") {
            let text = case["in"].as_str().unwrap();
            let value = resolve(text);
            let kind = match value {
                Value::Null => "<nil>",
                Value::Bool(_) => "bool",
                Value::Int(int) if i64::try_from(int).is_ok() => "int",
                Value::Int(_) => "uint64",
                Value::Float(_) => "float64",
                Value::Timestamp(_) => "time.Time",
                Value::Str(_) => "string",
            };
            let answer = (kind, value.to_text());
            let expected = case["text"].as_str().map(str::to_owned);
            assert_eq!(answer, (case["type"].as_str().unwrap(), expected), "{text:?}");
        }
    }

    #[test]
    fn only_plain_scalars_have_types() {
        let scalar = |style| Scalar { text: "0444".into(), style };
        assert_eq!(scalar(Style::Plain).value(), Value::Int(292));
        assert_eq!(scalar(Style::Quoted).value(), Value::Str("0444"));
        assert_eq!(scalar(Style::Block).value(), Value::Str("0444"));
        assert!(Scalar { text: "".into(), style: Style::Empty }.is_null());
        assert!(!Scalar { text: "".into(), style: Style::Quoted }.is_null());
    }
}
