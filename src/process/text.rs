//! A child's output: bounded, split into lines, without terminal sequences.

use std::collections::VecDeque;

/// Keeps the beginning and the end of a stream, and says how much was left out between.
#[derive(Debug)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    left_out: u64,
}

impl Capture {
    /// Keeps at most `keep` bytes: a quarter of them from the beginning.
    pub(super) fn new(keep: usize) -> Self {
        let head_limit = keep / 4;
        Self { head: Vec::new(), tail: VecDeque::new(), head_limit, tail_limit: keep - head_limit, left_out: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        self.head.extend_from_slice(&bytes[..to_head]);
        self.tail.extend(&bytes[to_head..]);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
    }

    /// The text, and how many bytes are not in it. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn finish(mut self) -> (String, u64) {
        if self.left_out > 0 {
            self.head.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        self.head.extend(self.tail);
        (into_text(self.head), self.left_out)
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// How long a line may grow before it is handed out in pieces.
const LINE_LIMIT: usize = 16 * 1024;

/// Cuts a stream of chunks into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Hands every line that `chunk` completes to `sink`, without its end.
    pub(super) fn push(&mut self, chunk: &[u8], mut sink: impl FnMut(&str)) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.pending.len() >= LINE_LIMIT {
                self.flush(&mut sink);
            }
        }
    }

    /// Hands out what has no line end yet.
    pub(super) fn flush(&mut self, mut sink: impl FnMut(&str)) {
        if self.pending.is_empty() {
            return;
        }
        let text = into_text(std::mem::take(&mut self.pending));
        sink(text.trim_end_matches(['\n', '\r']));
    }
}

/// `text` without terminal sequences (colours, titles, cursor moves) and other control characters;
/// line ends and tabs stay.
///
/// Dokku writes colours in deploy output even without a terminal, and what a container prints
/// comes through it.
pub fn strip_ansi(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // CSI: parameters, then one final byte.
                Some('[') => {
                    for c in chars.by_ref() {
                        if ('@'..='~').contains(&c) {
                            break;
                        }
                    }
                }
                // OSC, DCS, SOS, PM, APC: up to BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_keeps_head_and_tail() {
        let mut capture = Capture::new(8);
        capture.push(b"ab");
        capture.push(b"cdefghij");
        capture.push(b"kl");
        assert_eq!(capture.finish(), ("ab\n[4 bytes left out]\nghijkl".to_owned(), 4));
    }

    #[test]
    fn capture_below_the_limit_is_whole() {
        let mut capture = Capture::new(100);
        capture.push(b"ab\xff");
        assert_eq!(capture.finish(), ("ab\u{fffd}".to_owned(), 0));
    }

    #[test]
    fn lines_cross_chunks() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        lines.push(b"one\r\ntw", |line| seen.push(line.to_owned()));
        lines.push(b"o\n\nthree", |line| seen.push(line.to_owned()));
        lines.flush(|line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "", "three"]);
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let mut lines = Lines::default();
        let mut count = 0;
        lines.push(&vec![b'x'; LINE_LIMIT], |_| count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn colours_go() {
        let text = "\u{1b}[1m\u{1b}[31m !     \u{1b}[0m\u{1b}[0mNo healthchecks\n\tx\u{1b}]0;title\u{7}y\u{1b}]8;;u\u{1b}\\z\r\u{8}";
        assert_eq!(strip_ansi(text), " !     No healthchecks\n\txyz");
    }

    #[test]
    fn an_unfinished_sequence_ends_with_the_text() {
        assert_eq!(strip_ansi("a\u{1b}[31"), "a");
        assert_eq!(strip_ansi("a\u{1b}"), "a");
    }
}
