//! Variable references in a string, as the Specification (12-interpolation.md) names them
//! and compose-go's `template` package reads them.
//!
//! A string is first cut into pieces, which does not depend on any variable's value; defaults,
//! replacements and messages are cut only when they are used, as compose-go does: an invalid
//! default that is not needed is no error.

use std::ops::Range;

/// How deep `${A:-${B:-...}}` may go.
pub(super) const DEEPEST: usize = 64;

/// Bytes that a string with its variables replaced may have.
pub(super) const LONGEST: usize = 4 << 20;
/// Problems of one string that are told; after so many more are noise.
const MOST_PROBLEMS: usize = 20;

/// A part of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text that stands for itself; `$$` is the text `$`.
    Text(&'t str),
    /// A reference to a variable.
    Reference(Reference<'t>),
    /// A `${` that starts no reference.
    Invalid(Range<usize>),
}

/// A reference to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'t> {
    /// The variable.
    pub name: &'t str,
    /// Where the reference stands in the string, in bytes.
    pub place: Range<usize>,
    /// What follows the name.
    pub operator: Option<Operator<'t>>,
}

/// What stands after the name inside braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator<'t> {
    /// What the operator does.
    pub action: Action,
    /// With a colon an empty variable counts as unset.
    pub colon: bool,
    /// The text after the operator, itself a template.
    pub argument: &'t str,
    /// Where the argument starts in the string, in bytes.
    pub offset: usize,
}

/// What an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `-`: the argument stands in for an unset variable.
    Default,
    /// `+`: the argument replaces a set variable.
    Alternate,
    /// `?`: an unset variable is an error with the argument as its reason.
    Require,
}

/// What was met while a template was expanded; places are bytes of the outermost string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A plain reference to a variable that is not set; an empty string stands for it.
    Unset {
        /// The reference.
        place: Range<usize>,
        /// The variable.
        name: String,
    },
    /// A required variable is not set.
    Required {
        /// The reference.
        place: Range<usize>,
        /// The variable.
        name: String,
        /// The file's own words on why; may be empty.
        reason: String,
    },
    /// A `${` that starts no reference.
    Invalid {
        /// The `${` and what could belong to it.
        place: Range<usize>,
    },
    /// The value becomes longer than [`LONGEST`] bytes; the rest of it is left out.
    TooLong {
        /// The reference at which it did.
        place: Range<usize>,
    },
    /// References inside references beyond any sense.
    TooDeep {
        /// The reference at which reading stopped.
        place: Range<usize>,
    },
}

/// Whether a string holds anything that expansion changes or refuses.
pub fn is_template(text: &str) -> bool {
    text.contains('$')
}

/// Cuts a string into its pieces.
pub fn parse(text: &str) -> Vec<Piece<'_>> {
    let mut scan = Scan { text, line_end: 0, last_brace: None };
    let mut pieces = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        let Some((piece, next)) = scan.piece(dollar) else {
            at = dollar + 1;
            continue;
        };
        if literal < dollar {
            pieces.push(Piece::Text(&text[literal..dollar]));
        }
        pieces.push(piece);
        literal = next;
        at = next;
    }
    if literal < text.len() {
        pieces.push(Piece::Text(&text[literal..]));
    }
    pieces
}

struct Scan<'t> {
    text: &'t str,
    /// End of the line that was searched last for its last `}`, and that brace.
    line_end: usize,
    last_brace: Option<usize>,
}

impl<'t> Scan<'t> {
    /// The piece that starts with the `$` at `dollar`, and where it ends; none where the `$`
    /// stands for itself, as in `$(date)`, `$1` and at the end.
    fn piece(&mut self, dollar: usize) -> Option<(Piece<'t>, usize)> {
        let after = &self.text[dollar + 1..];
        if after.starts_with('$') {
            return Some((Piece::Text(&self.text[dollar + 1..dollar + 2]), dollar + 2));
        }
        if after.starts_with('{') {
            return Some(self.braced(dollar));
        }
        let name = name(after)?;
        let end = dollar + 1 + name.len();
        let reference = Reference { name, place: dollar..end, operator: None };
        Some((Piece::Reference(reference), end))
    }

    fn braced(&mut self, dollar: usize) -> (Piece<'t>, usize) {
        let invalid = (Piece::Invalid(dollar..dollar + 2), dollar + 2);
        let Some(name) = name(&self.text[dollar + 2..]) else {
            return invalid;
        };
        let name_end = dollar + 2 + name.len();
        if self.text[name_end..].starts_with('}') {
            let place = dollar..name_end + 1;
            let reference = Reference { name, place: place.clone(), operator: None };
            return (Piece::Reference(reference), place.end);
        }
        let Some((action, colon)) = operator(&self.text[name_end..]) else {
            return invalid;
        };
        let offset = name_end + 1 + usize::from(colon);
        let Some(last) = self.last_brace_of_line(offset) else {
            return invalid;
        };
        // compose-go matches up to the last brace of the line, then goes back to the brace that
        // balances the first; where none does, the last one stays.
        let close = balanced(&self.text[dollar..=last]).map_or(last, |close| dollar + close);
        let reference = Reference {
            name,
            place: dollar..close + 1,
            operator: Some(Operator { action, colon, argument: &self.text[offset..close], offset }),
        };
        (Piece::Reference(reference), close + 1)
    }

    /// The last `}` between `from` and the end of its line.
    fn last_brace_of_line(&mut self, from: usize) -> Option<usize> {
        if from >= self.line_end {
            let rest = &self.text[from..];
            self.line_end = from + rest.find('\n').unwrap_or(rest.len());
            self.last_brace = self.text[from..self.line_end].rfind('}').map(|brace| from + brace);
        }
        self.last_brace.filter(|brace| *brace >= from)
    }
}

/// A variable's name at the start of `text`: letters, digits and underscores, no digit first.
/// compose-go's pattern ignores case, by which two further characters count as `s` and `k`.
fn name(text: &str) -> Option<&str> {
    let is_letter = |character: char| {
        character == '_' || character.is_ascii_alphabetic() || matches!(character, '\u{17F}' | '\u{212A}')
    };
    if !text.starts_with(is_letter) {
        return None;
    }
    let end = text.find(|character: char| !is_letter(character) && !character.is_ascii_digit());
    Some(&text[..end.unwrap_or(text.len())])
}

fn operator(text: &str) -> Option<(Action, bool)> {
    let (rest, colon) = match text.strip_prefix(':') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let action = match rest.bytes().next()? {
        b'-' => Action::Default,
        b'+' => Action::Alternate,
        b'?' => Action::Require,
        _ => return None,
    };
    Some((action, colon))
}

/// The index of the `}` that balances the first `{`. The byte after each `{` is not looked at:
/// so does compose-go, which makes `${A:-{}}` a reference with the default `{}`.
fn balanced(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Replaces every reference in `text`; problems go to `report` in the order met, and an empty
/// string stands where a value is missing.
pub fn expand(text: &str, variables: &dyn Fn(&str) -> Option<String>, report: &mut dyn FnMut(Problem)) -> String {
    let mut expansion = Expansion { variables, report, out: String::with_capacity(text.len()), problems: 0 };
    expansion.template(text, 0, 0);
    expansion.out
}

struct Expansion<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    report: &'a mut dyn FnMut(Problem),
    out: String,
    problems: usize,
}

impl Expansion<'_> {
    fn template(&mut self, text: &str, offset: usize, depth: usize) {
        for piece in parse(text) {
            if self.problems > MOST_PROBLEMS || self.out.len() > LONGEST {
                return;
            }
            match piece {
                Piece::Text(literal) => self.out.push_str(literal),
                Piece::Invalid(place) => self.report(Problem::Invalid { place: shifted(&place, offset) }),
                Piece::Reference(reference) => self.reference(&reference, offset, depth),
            }
        }
    }

    fn report(&mut self, problem: Problem) {
        // A variable that is not set is told once whatever follows; only what is wrong comes to an end.
        self.problems += usize::from(!matches!(problem, Problem::Unset { .. }));
        (self.report)(problem);
    }

    fn push(&mut self, value: &str, place: Range<usize>) {
        if self.out.len() + value.len() > LONGEST {
            self.report(Problem::TooLong { place });
            self.problems = usize::MAX / 2;
        } else {
            self.out.push_str(value);
        }
    }

    fn reference(&mut self, reference: &Reference<'_>, offset: usize, depth: usize) {
        let place = shifted(&reference.place, offset);
        if depth >= DEEPEST {
            return self.report(Problem::TooDeep { place });
        }
        let value = (self.variables)(reference.name);
        let Some(operator) = reference.operator else {
            match value {
                Some(value) => self.push(&value, place),
                None => self.report(Problem::Unset { place, name: reference.name.to_owned() }),
            }
            return;
        };
        let present = value.as_deref().is_some_and(|value| !operator.colon || !value.is_empty());
        match (operator.action, present) {
            (Action::Default, false) | (Action::Alternate, true) => {
                self.template(operator.argument, offset + operator.offset, depth + 1);
            }
            (Action::Require, false) => {
                let start = self.out.len();
                self.template(operator.argument, offset + operator.offset, depth + 1);
                let reason = self.out.split_off(start);
                self.report(Problem::Required { place, name: reference.name.to_owned(), reason });
            }
            _ => self.push(&value.unwrap_or_default(), place),
        }
    }
}

fn shifted(place: &Range<usize>, offset: usize) -> Range<usize> {
    place.start + offset..place.end + offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::variables::collect_text;
    use crate::diag::Span;
    use crate::hashed::IndexMap;
    use crate::yaml::golden;
    use serde_json::{Value, json};

    fn expanded(text: &str) -> (String, Vec<Problem>) {
        let mut problems = Vec::new();
        let out = expand(text, &golden::variable, &mut |problem| problems.push(problem));
        (out, problems)
    }

    /// The answer in the form of the table: result and unset names, or the first error.
    fn answer(text: &str) -> Value {
        let (out, problems) = expanded(text);
        let mut unset = Vec::new();
        for problem in problems {
            match problem {
                Problem::Unset { name, .. } => unset.push(name),
                Problem::Required { name, reason, .. } => {
                    return json!({"in": text, "error": {"variable": name, "reason": reason}});
                }
                Problem::Invalid { .. } => return json!({"in": text, "error": "invalid"}),
                Problem::TooDeep { .. } | Problem::TooLong { .. } => panic!("{text:?} is not deep"),
            }
        }
        let mut answer = json!({"in": text, "out": out});
        if !unset.is_empty() {
            answer["unset"] = json!(unset);
        }
        let mut found = IndexMap::default();
        collect_text(text, Span::default(), &mut found, 0);
        if !found.is_empty() {
            let rows = found.into_iter().map(|(name, variable)| {
                let text = |value: Option<String>| value.unwrap_or_default();
                let row = json!([text(variable.default), text(variable.alternate), variable.required]);
                (name, row)
            });
            answer["variables"] = Value::Object(rows.collect());
        }
        answer
    }

    #[test]
    fn expands_as_the_original() {
        for mut case in golden::table("template") {
            // The original lists an invalid reference in an unused default as a variable
            // without a name.
            if let Some(Value::Object(variables)) = case.get_mut("variables") {
                variables.shift_remove("");
                if variables.is_empty() {
                    case.as_object_mut().unwrap().shift_remove("variables");
                }
            }
            assert_eq!(answer(case["in"].as_str().unwrap()), case);
        }
    }

    #[test]
    fn places_are_those_in_the_outermost_string() {
        let text = "é $A ${B:-x ${C:?because $D} y} ${1}";
        let (_, problems) = expanded(text);
        let places: Vec<_> = problems
            .iter()
            .map(|problem| match problem {
                Problem::Unset { place, .. }
                | Problem::Required { place, .. }
                | Problem::Invalid { place }
                | Problem::TooLong { place }
                | Problem::TooDeep { place } => &text[place.clone()],
            })
            .collect();
        assert_eq!(places, ["$A", "$D", "${C:?because $D}", "${"]);
    }

    #[test]
    fn depth_ends_as_a_problem_and_size_in_time() {
        let deep = "${A:-".repeat(50_000) + &"}".repeat(50_000);
        let start = std::time::Instant::now();
        assert!(matches!(expanded(&deep).1[0], Problem::TooDeep { .. }));
        let wide = "${A:-x} $B ".repeat(50_000);
        assert_eq!(expanded(&wide).1.len(), 50_000);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}
