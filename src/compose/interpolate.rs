//! The interpolation phase: references to variables in a file's values are replaced.
//!
//! Every string value anywhere in the file is interpolated, block scalars and extensions too;
//! keys never are. A string stays a string: the phase after
//! this one turns it into a number or a boolean where the key asks for one.
//!
//! Specification: 12-interpolation.md.

use std::collections::HashSet;
use std::ops::Range;

use crate::diag::{Diagnostic, Diagnostics, Sources, Span};
use crate::yaml::{Kind, Node, Scalar, Style, Text, Value};

use super::template::{self, Problem};

/// Interpolates a tree without its text: the places of findings inside block scalars and
/// strings with escapes are then those of the whole scalar. `vars` gives none for a variable that is not set; what is
/// wrong, and each unset variable once, goes to `diags`.
pub fn interpolate(node: &mut Node, vars: &dyn Fn(&str) -> Option<String>, diags: &mut Diagnostics) {
    Interpolator::new(vars).run(node, diags);
}

/// Interpolates trees and warns of each unset variable once.
pub struct Interpolator<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    sources: Option<&'a Sources>,
    /// Messages of the warnings of unset variables; none before the first.
    warned: Option<HashSet<String>>,
    templates: Vec<(Span, Text)>,
    grown: usize,
}

impl<'a> Interpolator<'a> {
    /// Takes values from `variables`, which gives none for a variable that is not set.
    pub fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variables, sources: None, warned: None, templates: Vec::new(), grown: 0 }
    }

    /// Finds the exact place of a reference inside any scalar by looking at the text.
    #[must_use]
    pub fn with_sources(mut self, sources: &'a Sources) -> Self {
        self.sources = Some(sources);
        self
    }

    /// The strings that held a `$`: where each stands, and its text before anything was replaced; and how many bytes
    /// they have now.
    pub fn into_templates(self) -> (Vec<(Span, Text)>, usize) {
        (self.templates, self.grown)
    }

    /// Replaces the references in every string of `node`.
    ///
    /// A plain scalar that held a `$` is a quoted string afterwards, so that what a variable
    /// brings is never read as a number or null by itself.
    pub fn run(&mut self, node: &mut Node, diags: &mut Diagnostics) {
        match &mut node.kind {
            Kind::Scalar(scalar) => self.scalar(scalar, node.span, diags),
            Kind::Seq(items) => items.iter_mut().for_each(|item| self.run(item, diags)),
            Kind::Map(map) => {
                let values = map.entries.values_mut();
                values.for_each(|entry| self.run(&mut entry.value, diags));
            }
        }
    }

    fn scalar(&mut self, scalar: &mut Scalar, span: Span, diags: &mut Diagnostics) {
        if self.grown > MOST_GROWN || !template::is_template(&scalar.text) || !matches!(scalar.value(), Value::Str(_)) {
            return;
        }
        let mut problems = Vec::new();
        let expanded = template::expand(&scalar.text, self.variables, &mut |problem| {
            problems.push(problem);
        });
        for problem in problems {
            let locate = |place: &Range<usize>| locate(scalar, span, place, self.sources);
            let finding = finding(&problem, &scalar.text, locate);
            // Once in a run: another file of it may have warned of the variable.
            let warned = self.warned.get_or_insert_with(|| {
                diags.items.iter().filter(|item| item.code == UNSET).map(|item| item.message.clone()).collect()
            });
            if finding.code != UNSET || warned.insert(finding.message.clone()) {
                diags.push(finding);
            }
        }
        self.grown = self.grown.saturating_add(expanded.len());
        self.templates.push((span, std::mem::replace(&mut scalar.text, expanded.into())));
        if scalar.style == Style::Plain {
            scalar.style = Style::Quoted;
        }
    }
}

/// Bytes after which nothing more is replaced: the project is refused for its size anyway.
const MOST_GROWN: usize = 256 << 20;

const UNSET: &str = "unset-variable";

/// The finding for a problem in `text`; `locate` gives the place in the file.
pub(super) fn finding(problem: &Problem, text: &str, locate: impl Fn(&Range<usize>) -> Span) -> Diagnostic {
    match problem {
        Problem::Unset { place, name } => {
            Diagnostic::warning(UNSET, format!("variable `{name}` is not set, an empty string stands for it"))
                .at(locate(place))
                .hint(format!("set it, or write a default: `${{{name}:-default}}`"))
        }
        Problem::Required { place, name, reason } => {
            let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            Diagnostic::error("required-variable", format!("required variable `{name}` is not set{because}"))
                .at(locate(place))
        }
        Problem::Invalid { place } => {
            let shown = invalid_extent(text, place);
            let found = Diagnostic::error(
                "invalid-interpolation",
                format!("`{}` is not a reference to a variable", &text[shown.clone()]),
            )
            .at(locate(&shown));
            found.hint("write `$$` for a dollar sign that is text; a reference is `${NAME}`, with one of `:-` `-` `:?` `?` `:+` `+` after the name")
        }
        Problem::TooLong { place } => {
            let message = format!("the variables in this value make it longer than {} MiB", template::LONGEST >> 20);
            Diagnostic::error("invalid-interpolation", message).at(locate(place))
        }
        Problem::TooDeep { place } => {
            Diagnostic::error("invalid-interpolation", "too many references inside one another").at(locate(place))
        }
    }
}

/// The `${` with what the writer probably meant to belong to it: up to the next `}` of the line.
fn invalid_extent(text: &str, place: &Range<usize>) -> Range<usize> {
    const LONGEST: usize = 40;
    let near = text[place.start..].bytes().take(LONGEST);
    match near.take_while(|byte| *byte != b'\n').position(|byte| byte == b'}') {
        Some(brace) => place.start..place.start + brace + 1,
        None => place.clone(),
    }
}

/// The place in the file of bytes `place` of a scalar's text.
fn locate(scalar: &Scalar, span: Span, place: &Range<usize>, sources: Option<&Sources>) -> Span {
    let raw = sources
        .and_then(|sources| sources.get(span.file))
        .and_then(|source| source.text.get(span.start as usize..span.end as usize));
    let Some(raw) = raw else {
        let length = (span.end - span.start) as usize;
        return if scalar.style == Style::Plain && length == scalar.text.len() {
            part(span, span.start, place)
        } else {
            span
        };
    };
    for (quotes, inside) in [(0, Some(raw)), (1, raw.get(1..raw.len().saturating_sub(1)))] {
        if inside == Some(scalar.text.as_str()) {
            return part(span, span.start + quotes, place);
        }
    }
    // The reference itself is the same text in the file; folding and indentation only change
    // what stands between, so the n-th there is the n-th here.
    let wanted = scalar.text.get(place.clone()).unwrap_or_default();
    let before = scalar.text[..place.start].matches(wanted).count();
    match raw.match_indices(wanted).nth(before) {
        Some((at, found)) if !found.is_empty() => part(span, span.start, &(at..at + found.len())),
        _ => span,
    }
}

fn part(span: Span, base: u32, place: &Range<usize>) -> Span {
    let offset = |at: usize| base + u32::try_from(at).unwrap_or(0);
    Span { start: offset(place.start), end: offset(place.end), ..span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, load};

    fn variable(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".to_owned()),
            "NUM" => Some("42".to_owned()),
            _ => None,
        }
    }

    struct Run {
        sources: Sources,
        node: Node,
        diags: Diagnostics,
    }

    fn run(text: &str) -> Run {
        let mut sources = Sources::default();
        let file = sources.add("compose.yaml", text);
        let mut node = load(text, file, &Limits::default()).unwrap().remove(0);
        let mut diags = Diagnostics::default();
        Interpolator::new(&variable).with_sources(&sources).run(&mut node, &mut diags);
        Run { sources, node, diags }
    }

    impl Run {
        fn value(&self, key: &str) -> &Scalar {
            let map = self.node.as_map().unwrap();
            map.get(key).unwrap().as_scalar().unwrap()
        }

        /// Code, position and marked text of each finding.
        fn found(&self) -> Vec<(&str, String, &str)> {
            let items = self.diags.items.iter();
            items
                .map(|item| {
                    let span = item.labels[0].span;
                    let text = &self.sources.get(span.file).unwrap().text;
                    let position = self.sources.position(span).unwrap();
                    let marked = &text[span.start as usize..span.end as usize];
                    (item.code.as_ref(), position, marked)
                })
                .collect()
        }
    }

    #[test]
    fn replaces_in_values_of_every_kind_and_never_in_keys() {
        let done = run("$SET: $NUM\nlist: ['${SET}', {x: \"a$SET\"}]\nblock: |\n  a $SET\n  b\nplain: 0444\n");
        assert!(done.diags.items.is_empty());
        assert_eq!(done.value("$SET").text, "42");
        assert_eq!(done.value("$SET").style, Style::Quoted);
        assert_eq!(done.value("block").text, "a value\nb\n");
        assert_eq!(done.value("block").style, Style::Block);
        assert_eq!(done.value("plain").style, Style::Plain);
        let list = done.node.as_map().unwrap().get("list").unwrap();
        let items = list.as_seq().unwrap();
        assert_eq!(items[0].as_scalar().unwrap().text, "value");
        let inner = items[1].as_map().unwrap().get("x").unwrap();
        assert_eq!(inner.as_scalar().unwrap().text, "avalue");
    }

    #[test]
    fn a_value_from_a_variable_stays_a_string() {
        let done = run("a: ${NUM}\nb: ${EMPTY-}\n");
        assert_eq!(done.value("a").value(), Value::Str("42"));
        assert_eq!(done.value("b").value(), Value::Str(""));
    }

    #[test]
    fn places_findings_inside_scalars() {
        let text = "plain: x ${A:?a} y\nquoted: \"é ${B:?b}\"\nescaped: \"\\t${C:?c} ${C:?c}\"\nblock: |\n    one\n    two ${D:?d}\nfolded: >-\n  a\n  ${1}\n";
        assert_eq!(
            run(text).found(),
            [
                ("required-variable", "compose.yaml:1:10".to_owned(), "${A:?a}"),
                ("required-variable", "compose.yaml:2:12".to_owned(), "${B:?b}"),
                ("required-variable", "compose.yaml:3:13".to_owned(), "${C:?c}"),
                ("required-variable", "compose.yaml:3:21".to_owned(), "${C:?c}"),
                ("required-variable", "compose.yaml:6:9".to_owned(), "${D:?d}"),
                ("invalid-interpolation", "compose.yaml:9:3".to_owned(), "${1}"),
            ]
        );
    }

    #[test]
    fn places_findings_in_what_a_tag_makes_a_string() {
        assert_eq!(
            run("x: !t \u{e9}${A:?a}\n  b\n").found(),
            [("required-variable", "compose.yaml:1:8".to_owned(), "${A:?a}")]
        );
    }

    #[test]
    fn without_the_text_a_folded_scalar_is_marked_whole() {
        let text = "a: |\n  x\n  ${A:?a}\n";
        let mut node = load(text, Default::default(), &Limits::default()).unwrap().remove(0);
        let mut diags = Diagnostics::default();
        interpolate(&mut node, &variable, &mut diags);
        let span = diags.items[0].labels[0].span;
        assert_eq!(&text[span.start as usize..span.end as usize], "x\n  ${A:?a}");
    }

    #[test]
    fn warns_of_an_unset_variable_once() {
        let done = run("a: $X\nb: ${X}\nc: [$X, $Y]\nd: ${X:-x}\n");
        assert_eq!(
            done.found(),
            [
                ("unset-variable", "compose.yaml:1:4".to_owned(), "$X"),
                ("unset-variable", "compose.yaml:3:9".to_owned(), "$Y"),
            ]
        );
        assert!(!done.diags.has_errors());
        let mut diags = done.diags.clone();
        let mut again = load("z: $X", Default::default(), &Limits::default()).unwrap().remove(0);
        interpolate(&mut again, &variable, &mut diags);
        assert_eq!(diags.items.len(), 2, "a second file does not warn again");
    }

    #[test]
    fn tells_the_reason_of_a_required_variable() {
        let done = run("a: ${X:?give $SET}\n");
        assert_eq!(done.diags.items[0].message, "required variable `X` is not set: give value");
        assert!(done.diags.has_errors());
    }
}
