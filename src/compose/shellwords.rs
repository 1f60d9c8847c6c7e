//! Splits a string `command` or `entrypoint` into words, as compose-go does with
//! mattn/go-shellwords: quotes and backslashes work, comments, variables and operators do not.
//! The string silently ends at the first operator; here that is told.
//!
//! Specification: 05-services.md, "command" and "entrypoint".

use thiserror::Error;

/// The words of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The words up to the end or the first operator.
    pub words: Vec<String>,
    /// Where an operator outside quotes ended the command, if one did.
    pub cut: Option<Cut>,
}

/// An operator that ended a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Byte of the operator in the string.
    pub offset: usize,
    /// The operator: `;`, `&`, `|`, `<` or `>`, of doubled ones the first.
    pub operator: char,
}

/// Why a string cannot be split; compose refuses such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WordsError {
    /// A quote, backtick or `$(` that nothing closes.
    #[error("`{0}` is never closed")]
    Unclosed(&'static str),
    /// A `(` without a `$` before it, or inside `$(`.
    #[error("`(` outside quotes is not allowed")]
    Parenthesis,
    /// A backslash with nothing after it.
    #[error("nothing follows the last backslash")]
    TrailingBackslash,
}

/// Splits a command line into words, and tells where it was cut.
///
/// # Errors
///
/// Where a quote is not closed, or a backslash ends the line.
pub fn split(line: &str) -> Result<Words, WordsError> {
    let mut splitter = Splitter::default();
    let mut cut = None;
    for (offset, character) in line.char_indices() {
        if splitter.step(character)? {
            cut = Some(Cut { offset, operator: character });
            break;
        }
    }
    splitter.finish().map(|words| Words { words, cut })
}

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: String,
    /// Whether `word` is a word even while it is empty.
    started: bool,
    escaped: bool,
    double: bool,
    single: bool,
    backtick: bool,
    /// Inside `$(`; a `)` alone opens it too, as in the original.
    dollar: bool,
}

impl Splitter {
    /// Takes a character; true where it is an operator that ends the command.
    fn step(&mut self, character: char) -> Result<bool, WordsError> {
        if self.escaped {
            self.escaped = false;
            self.push(character);
            return Ok(false);
        }
        let quoted = self.single || self.double || self.backtick || self.dollar;
        match character {
            '\\' if self.single => self.word.push(character),
            '\\' => self.escaped = true,
            ' ' | '\t' | '\r' | '\n' if quoted => self.word.push(character),
            ' ' | '\t' | '\r' | '\n' => self.end_word(),
            '"' if !self.single && !self.dollar => {
                self.started |= self.double;
                self.double = !self.double;
            }
            '\'' if !self.double && !self.dollar => {
                self.started |= self.single;
                self.single = !self.single;
            }
            '`' if !self.single && !self.double && !self.dollar => {
                self.backtick = !self.backtick;
                self.push(character);
            }
            ')' if !self.single && !self.double && !self.backtick => {
                self.dollar = !self.dollar;
                self.push(character);
            }
            '(' if !self.single && !self.double && !self.backtick => {
                if self.dollar || !self.word.ends_with('$') {
                    return Err(WordsError::Parenthesis);
                }
                self.dollar = true;
                self.word.push(character);
            }
            ';' | '&' | '|' | '<' | '>' if !quoted => {
                // The number of a redirected file descriptor is no word.
                if character == '>' && self.word.starts_with(|first: char| first.is_ascii_digit()) {
                    self.started = false;
                }
                return Ok(true);
            }
            _ => self.push(character),
        }
        Ok(false)
    }

    fn push(&mut self, character: char) {
        self.word.push(character);
        self.started = true;
    }

    fn end_word(&mut self) {
        if self.started {
            self.words.push(std::mem::take(&mut self.word));
            self.started = false;
        }
    }

    fn finish(mut self) -> Result<Vec<String>, WordsError> {
        self.end_word();
        let open = [(self.single, "'"), (self.double, "\""), (self.backtick, "`"), (self.dollar, "$(")];
        if let Some((_, quote)) = open.into_iter().find(|(open, _)| *open) {
            return Err(WordsError::Unclosed(quote));
        }
        if self.escaped {
            return Err(WordsError::TrailingBackslash);
        }
        Ok(self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;
    use serde_json::json;

    #[test]
    fn splits_as_the_original() {
        for case in golden::table("shellwords") {
            let line = case["in"].as_str().unwrap();
            let mut answer = json!({"in": line});
            match split(line) {
                Err(_) => answer["error"] = json!(true),
                Ok(found) => {
                    answer["out"] = json!(found.words);
                    if let Some(cut) = found.cut {
                        let index = line[..cut.offset].chars().count();
                        answer["cut"] = json!(index);
                    }
                }
            }
            let mut expected = case.clone();
            // The original counts one less where it drops a file descriptor's number.
            if let (Some(ours), Some(theirs)) = (answer["cut"].as_u64(), case["cut"].as_u64())
                && theirs + 1 == ours
                && line.chars().nth(ours as usize) == Some('>')
            {
                expected["cut"] = json!(ours);
            }
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn tells_what_cut_the_command() {
        let found = split("sleep 1 && echo done").unwrap();
        assert_eq!(found.words, ["sleep", "1"]);
        let cut = Cut { offset: 8, operator: '&' };
        assert_eq!(found.cut, Some(cut));
        assert_eq!(split("sh -c 'a && b'").unwrap().cut, None);
        assert_eq!(split("a 'b"), Err(WordsError::Unclosed("'")));
        assert_eq!(split("(a)"), Err(WordsError::Parenthesis));
        assert_eq!(split("a\\"), Err(WordsError::TrailingBackslash));
    }
}
