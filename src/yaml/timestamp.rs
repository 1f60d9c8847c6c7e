//! Unquoted dates as go.yaml.in/yaml/v4 reads them and as Go's `time.Time` prints them.

use std::fmt;

/// A date with a time of day and an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    /// Minutes east of UTC.
    offset: i32,
}

/// Reads one of the four layouts that go-yaml accepts: a date, a date and a time with a blank
/// between, a date and a time with `T` or `t` between and a zone at the end.
pub fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let mut rest = Cursor { text };
    let year = rest.digits(4, 4)?;
    rest.literal('-')?;
    let month = rest.digits(1, 2)?;
    rest.literal('-')?;
    let day = rest.digits(1, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let mut time = Timestamp { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0, offset: 0 };
    let zoned = match rest.text.chars().next() {
        None => return Some(time),
        Some('T' | 't') => true,
        Some(' ') => false,
        Some(_) => return None,
    };
    // Go's layouts take any number of blanks where the layout has one.
    rest.text = if zoned { &rest.text[1..] } else { rest.text.trim_start_matches(' ') };
    time.hour = rest.digits(1, 2)?;
    rest.literal(':')?;
    time.minute = rest.digits(1, 2)?;
    rest.literal(':')?;
    time.second = rest.digits(1, 2)?;
    if time.hour > 23 || time.minute > 59 || time.second > 59 {
        return None;
    }
    time.nanosecond = rest.fraction();
    if zoned {
        time.offset = rest.zone()?;
    }
    rest.text.is_empty().then_some(time)
}

struct Cursor<'a> {
    text: &'a str,
}

impl Cursor<'_> {
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (head, tail) = self.text.split_at(count);
        self.text = tail;
        head.parse().ok()
    }

    fn literal(&mut self, wanted: char) -> Option<()> {
        self.text = self.text.strip_prefix(wanted)?;
        Some(())
    }

    /// A point or comma and any number of digits, of which nine count; zero where there is none.
    fn fraction(&mut self) -> u32 {
        let Some(after) = self.text.strip_prefix(['.', ',']) else {
            return 0;
        };
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return 0;
        }
        self.text = &after[count..];
        let nine = after.bytes().take(count).chain(std::iter::repeat(b'0')).take(9);
        nine.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    }

    /// `Z` or `+hh:mm`, in minutes.
    fn zone(&mut self) -> Option<i32> {
        if let Some(rest) = self.text.strip_prefix('Z') {
            self.text = rest;
            return Some(0);
        }
        let sign = if self.text.starts_with('-') { -1 } else { 1 };
        self.text = self.text.strip_prefix(['+', '-'])?;
        let hours = i32::try_from(self.digits(2, 2)?).ok()?;
        self.literal(':')?;
        let minutes = i32::try_from(self.digits(2, 2)?).ok()?;
        // Go's own range: offsets of 24 hours and of 60 minutes are let through.
        (hours <= 24 && minutes <= 60).then_some(sign * (hours * 60 + minutes))
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, nanosecond, offset } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        if *nanosecond > 0 {
            let digits = format!("{nanosecond:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if *offset == 0 {
            return f.write_str(" +0000 UTC");
        }
        let sign = if *offset < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60);
        write!(f, " {zone} {zone}")
    }
}
