//! Schema: which keys there are and what their values may look like, before
//! any short form is expanded.
//!
//! Specification: its JSON schema, `compose-spec.json`; 11-extension.md for `x-` keys.

mod tables;

use std::collections::HashSet;

use super::path::{Path, Step};
use super::tree::{describe, is_null, printed, same};
use crate::diag::{Diagnostic, Diagnostics, Fix, Span, suggest};
use crate::yaml::{Entry, Kind, Map, Node, Scalar, Value};

/// What a value may be.
pub(super) enum Shape {
    /// Anything at all.
    Any,
    /// A scalar of one of these types.
    Scalar(Types),
    /// An integer between two numbers, or a string.
    Integer(i64, i64),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A string that a function accepts, and what that is.
    Text(fn(&str) -> bool, &'static str),
    /// A list of one shape; with `unique`, without repetition.
    List { item: &'static Shape, unique: bool },
    /// A mapping whose keys the author chooses.
    Map { value: &'static Shape, keys: Keys },
    /// A mapping whose keys are known.
    Object(&'static Object),
    /// One of several shapes, told apart by the kind of node.
    Either(&'static [Shape]),
}

/// Sets of scalar types.
#[derive(Clone, Copy)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const STRING: u8 = 1;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const NUMBER: u8 = 4;
    pub(super) const BOOLEAN: u8 = 8;
    pub(super) const NULL: u8 = 16;

    pub(super) const fn of(types: u8) -> Self {
        Self(types)
    }

    const fn has(self, kind: u8) -> bool {
        self.0 & kind != 0
    }
}

/// Keys whose texts are lengths of time: a number alone is none.
const DURATIONS: &[&str] =
    &["delay", "interval", "monitor", "start_interval", "start_period", "stop_grace_period", "timeout", "window"];

/// Which keys a mapping of the author may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Letters, digits, `.`, `_` and `-`.
    Names,
    /// Anything but nothing.
    NotEmpty,
    /// Anything; only keys of small letters are looked at.
    SmallLetters,
}

/// A mapping whose keys are known.
pub(super) struct Object {
    pub(super) keys: &'static [(&'static str, Shape)],
    pub(super) required: &'static [&'static str],
    /// Whether `x-*` keys are allowed.
    pub(super) extensions: bool,
    /// Whether keys that are not known are refused.
    pub(super) closed: bool,
}

/// Reports every place of a whole compose file that does not fit.
pub(super) fn check(tree: &Node, out: &mut Diagnostics) {
    if let Some(map) = tree.as_map()
        && let Some(finding) = other_format(map)
    {
        out.push(finding);
        return;
    }
    Checker { out }.check(tree, &Shape::Object(&tables::COMPOSE), &Path::default());
}

/// Whether a key is one that a service may have.
pub(super) fn is_service_key(key: &str) -> bool {
    tables::SERVICE.keys.iter().any(|(known, _)| *known == key)
}

/// A word for files that are no compose files of today.
fn other_format(map: &Map) -> Option<Diagnostic> {
    if let (Some(kind), Some(_)) = (map.entries.get("kind"), map.entries.get("apiVersion")) {
        return Some(
            Diagnostic::error("not-compose", "this is a Kubernetes manifest, not a Compose file").at(kind.key),
        );
    }
    let looks_like_service = |value: &Node| {
        value.as_map().is_some_and(|map| {
            (map.get("image").is_some() || map.get("build").is_some())
                && map.entries.keys().all(|key| is_service_key(key))
        })
    };
    let known = |key: &str| tables::COMPOSE.keys.iter().any(|(known, _)| *known == key) || key.starts_with("x-");
    if map.get("services").is_some() {
        return None;
    }
    let (_, first) = map.entries.iter().find(|(key, entry)| !known(key) && looks_like_service(&entry.value))?;
    Some(
        Diagnostic::error("version-1-file", "this is a Compose file of version 1: its services stand at the top level")
            .at(first.key)
            .hint("put the services under a `services:` key"),
    )
}

/// The path of every key that a file may have: `*` for a name of the author, `[]` for an item of a list.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    fn walk(shape: &Shape, path: &str, out: &mut Vec<String>) {
        match shape {
            Shape::List { item, .. } => walk(item, &format!("{path}[]"), out),
            Shape::Map { value, .. } => walk(value, &format!("{path}.*"), out),
            Shape::Object(object) => {
                for (key, value) in object.keys {
                    let path = if path.is_empty() { (*key).to_owned() } else { format!("{path}.{key}") };
                    if !out.contains(&path) {
                        out.push(path.clone());
                    }
                    walk(value, &path, out);
                }
            }
            Shape::Either(shapes) => shapes.iter().for_each(|one| walk(one, path, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&Shape::Object(&tables::COMPOSE), "", &mut out);
    out
}

struct Checker<'a> {
    out: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn check(&mut self, node: &Node, shape: &Shape, path: &Path<'_>) {
        let Some(shape) = select(node, shape) else {
            self.wrong_type(node, shape, path);
            return;
        };
        match (shape, &node.kind) {
            (Shape::List { item, unique }, Kind::Seq(items)) => {
                for (index, entry) in items.iter().enumerate() {
                    self.check(entry, item, &path.index(index));
                }
                if *unique {
                    self.unique(items, path);
                }
            }
            (Shape::Map { value, keys }, Kind::Map(map)) => self.map(map, value, *keys, path),
            (Shape::Object(object), Kind::Map(map)) => self.object(node, map, object, path),
            (Shape::Choice(choices), Kind::Scalar(scalar)) => self.choice(node, scalar, choices, path),
            (Shape::Text(accepts, what), Kind::Scalar(scalar)) => {
                if let Value::Str(text) = scalar.value()
                    && !accepts(text)
                {
                    let message = format!("`{path}` must be {what}, but is `{text}`");
                    self.out.push(Diagnostic::error("invalid-value", message).at(node.span));
                }
            }
            (Shape::Integer(least, most), Kind::Scalar(scalar)) => {
                let within = match scalar.value() {
                    Value::Int(number) => (i128::from(*least)..=i128::from(*most)).contains(&number),
                    #[allow(clippy::cast_precision_loss)]
                    Value::Float(number) => (*least as f64..=*most as f64).contains(&number),
                    _ => true,
                };
                if !within {
                    let number = &scalar.text;
                    let message = format!("`{path}` must be between {least} and {most}, but is {number}");
                    self.out.push(Diagnostic::error("out-of-range", message).at(node.span));
                }
            }
            _ => {}
        }
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape, path: &Path<'_>) {
        let expected = expected(shape);
        let message = if is_null(node) {
            format!("`{path}` has no value; it must be {expected}")
        } else {
            format!("`{path}` must be {expected}, not {}", describe(node))
        };
        let mut finding = Diagnostic::error("wrong-type", message).at(node.span);
        match node.as_scalar().map(Scalar::value) {
            Some(Value::Null) => finding = finding.hint("give it a value or remove the key"),
            Some(Value::Bool(false))
                if matches!(path.steps().as_slice(), [Step::Key("services"), _, Step::Key("restart")]) =>
            {
                finding = finding.hint("write `restart: \"no\"`").fix(Fix::replace(
                    "write `\"no\"` for `false`",
                    node.span,
                    "\"no\"",
                ));
            }
            Some(Value::Int(_) | Value::Float(_)) if path.last_key().is_some_and(|key| DURATIONS.contains(&key)) => {
                if let Some(scalar) = node.as_scalar() {
                    finding = finding.hint(format!("add a unit, such as `{}s`", scalar.text));
                }
            }
            Some(Value::Int(_) | Value::Float(_) | Value::Bool(_)) if accepts(shape, Types::STRING) => {
                // What stands in quotes already was made a number by its key.
                let unquoted = |scalar: &&Scalar| (node.span.end - node.span.start) as usize == scalar.text.len();
                if let Some(scalar) = node.as_scalar().filter(unquoted) {
                    let quoted = format!("\"{}\"", scalar.text);
                    finding = finding.hint(format!("write it in quotes: {quoted}")).fix(Fix::replace(
                        format!("write `{quoted}` in quotes"),
                        node.span,
                        quoted,
                    ));
                }
            }
            _ => {}
        }
        self.out.push(finding);
    }

    fn choice(&mut self, node: &Node, scalar: &Scalar, choices: &[&str], path: &Path<'_>) {
        let Value::Str(text) = scalar.value() else { return };
        if choices.contains(&text) {
            return;
        }
        let list = listed(&choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>());
        let mut finding =
            Diagnostic::error("invalid-value", format!("`{path}` must be {list}, but is `{text}`")).at(node.span);
        if let Some(close) = suggest::closest(text, choices.iter().copied()) {
            finding = finding.hint(format!("did you mean `{close}`?"));
        }
        self.out.push(finding);
    }

    fn unique(&mut self, items: &[Node], path: &Path<'_>) {
        let mut seen: HashSet<String> = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let repeated = match printed(item) {
                // Equal texts may still differ in type, as 80 and "80" do.
                Some(text) => !seen.insert(text) && items[..index].iter().any(|other| same(other, item)),
                None => items[..index].iter().any(|other| same(other, item)),
            };
            if repeated {
                let mut finding = Diagnostic::error("duplicate-entry", format!("`{path}` holds the same entry twice"))
                    .at(item.span)
                    .fix(Fix::remove("remove the second of two equal entries", item.span));
                if let Some(first) = items[..index].iter().find(|other| same(other, item)) {
                    finding = finding.label(first.span, "first here");
                }
                self.out.push(finding);
            }
        }
    }

    fn map(&mut self, map: &Map, value: &Shape, keys: Keys, path: &Path<'_>) {
        for (key, entry) in &map.entries {
            let fits = match keys {
                Keys::Names => {
                    !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char))
                }
                Keys::NotEmpty => !key.is_empty(),
                Keys::SmallLetters => {
                    if key.is_empty() || !key.chars().all(|char| char.is_ascii_lowercase()) {
                        continue;
                    }
                    true
                }
            };
            if !fits {
                let message = match section(path) {
                    Some(kind) => format!("invalid {kind} name `{key}`"),
                    None if key.is_empty() => format!("`{path}` has an empty key"),
                    None => format!("invalid key `{key}` in `{path}`"),
                };
                let finding = Diagnostic::error("invalid-name", message).at(entry.key);
                self.out.push(if keys == Keys::Names {
                    finding.hint("use letters, digits, `.`, `_` and `-` only")
                } else {
                    finding
                });
                continue;
            }
            self.check(&entry.value, value, &path.key(key));
        }
    }

    fn object(&mut self, node: &Node, map: &Map, object: &Object, path: &Path<'_>) {
        for (key, entry) in &map.entries {
            match object.keys.iter().find(|(known, _)| known == key) {
                Some((_, shape)) => {
                    let before = self.out.items.len();
                    self.check(&entry.value, shape, &path.key(key));
                    if is_null(&entry.value)
                        && let Some(finding) = self.out.items.get_mut(before)
                    {
                        finding.fix = entry_span(entry)
                            .map(|span| Box::new(Fix::remove(format!("remove the empty `{key}`"), span)));
                    }
                }
                None if !object.closed || (object.extensions && key.starts_with("x-")) => {}
                None => self.unknown_key(key, entry.key, object, path),
            }
        }
        for key in object.required {
            if map.get(key).is_none() {
                let message = format!("`{path}` needs the key `{key}`");
                self.out.push(Diagnostic::error("missing-key", message).at(node.span));
            }
        }
    }

    fn unknown_key(&mut self, key: &str, span: Span, object: &Object, path: &Path<'_>) {
        let message = match path.steps().as_slice() {
            [] => format!("unknown top-level key `{key}`"),
            [Step::Key(section), Step::Key(name)] => match kind(section) {
                Some(kind) => format!("unknown key `{key}` in {kind} `{name}`"),
                None => format!("unknown key `{key}` in `{path}`"),
            },
            _ => format!("unknown key `{key}` in `{path}`"),
        };
        let mut finding = Diagnostic::error("unknown-key", message).at(span);
        if let Some(close) = suggest::closest(key, object.keys.iter().map(|(known, _)| *known)) {
            finding = finding.hint(format!("did you mean `{close}`?"));
        } else if path.len() == 0 && is_service_key(key) {
            finding = finding.hint("this is a key of a service: indent it below the service's name");
        } else if path.len() == 2 && tables::COMPOSE.keys.iter().any(|(known, _)| *known == key) {
            finding = finding.hint("this is a top-level key: it must not be indented");
        } else if object.extensions {
            finding = finding.hint(format!("remove it, or call it `x-{key}` if another tool reads it"));
        }
        self.out.push(finding);
    }
}

/// Where a whole entry stands; none where its value was written elsewhere.
pub(super) fn entry_span(entry: &Entry) -> Option<Span> {
    let value = entry.value.span;
    (value.file == entry.key.file && value.start >= entry.key.end).then_some(Span { end: value.end, ..entry.key })
}

/// What the entries of a top-level section are called.
fn kind(section: &str) -> Option<&'static str> {
    match section {
        "services" => Some("service"),
        "networks" => Some("network"),
        "volumes" => Some("volume"),
        "secrets" => Some("secret"),
        "configs" => Some("config"),
        "models" => Some("model"),
        _ => None,
    }
}

fn section(path: &Path<'_>) -> Option<&'static str> {
    match path.steps().as_slice() {
        [Step::Key(section)] => kind(section),
        _ => None,
    }
}

/// The shape that fits the kind of `node`, if one does.
fn select<'a>(node: &Node, shape: &'a Shape) -> Option<&'a Shape> {
    match (shape, &node.kind) {
        (Shape::Any, _) | (Shape::List { .. }, Kind::Seq(_)) | (Shape::Map { .. } | Shape::Object(_), Kind::Map(_)) => {
            Some(shape)
        }
        (Shape::Either(shapes), _) => shapes.iter().find_map(|shape| select(node, shape)),
        (_, Kind::Scalar(scalar)) => fits(scalar, shape).then_some(shape),
        _ => None,
    }
}

fn fits(scalar: &Scalar, shape: &Shape) -> bool {
    match scalar.value() {
        // A date reaches the schema as text, and in its own form, which is none that a list of words or a rule takes.
        Value::Timestamp(_) => accepts(shape, Types::STRING) && !matches!(shape, Shape::Choice(_) | Shape::Text(..)),
        Value::Null => accepts(shape, Types::NULL),
        Value::Bool(_) => accepts(shape, Types::BOOLEAN),
        Value::Int(_) => accepts(shape, Types::INTEGER) || accepts(shape, Types::NUMBER),
        Value::Float(number) if number.fract() == 0.0 => {
            accepts(shape, Types::INTEGER) || accepts(shape, Types::NUMBER)
        }
        Value::Float(number) => accepts(shape, Types::NUMBER) && number.is_finite(),
        Value::Str(_) => accepts(shape, Types::STRING),
    }
}

fn accepts(shape: &Shape, kind: u8) -> bool {
    match shape {
        Shape::Scalar(types) => types.has(kind),
        Shape::Integer(..) => kind == Types::INTEGER || kind == Types::STRING,
        Shape::Choice(_) | Shape::Text(..) => kind == Types::STRING,
        Shape::Either(shapes) => shapes.iter().any(|shape| accepts(shape, kind)),
        Shape::Any => true,
        Shape::List { .. } | Shape::Map { .. } | Shape::Object(_) => false,
    }
}

/// `a string`, `a list or a mapping`.
fn expected(shape: &Shape) -> String {
    let mut words = Vec::new();
    collect(shape, &mut words);
    listed(&words)
}

fn collect(shape: &Shape, words: &mut Vec<String>) {
    let mut add = |word: &str| {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    };
    match shape {
        Shape::Any => add("anything"),
        Shape::Scalar(types) => {
            let names = [
                (Types::STRING, "a string"),
                (Types::NUMBER, "a number"),
                (Types::INTEGER, "a whole number"),
                (Types::BOOLEAN, "a boolean"),
                (Types::NULL, "empty"),
            ];
            names.iter().filter(|(kind, _)| types.has(*kind)).for_each(|(_, word)| add(word));
        }
        Shape::Integer(..) => {
            add("a whole number");
            add("a string");
        }
        Shape::Choice(_) | Shape::Text(..) => add("a string"),
        Shape::List { .. } => add("a list"),
        Shape::Map { .. } | Shape::Object(_) => add("a mapping"),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| collect(shape, words)),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
