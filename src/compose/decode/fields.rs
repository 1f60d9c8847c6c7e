//! Reading the keys of one mapping of a canonical tree.

use std::fmt::Display;

use crate::compose::cast::boolean_of;
use crate::compose::environment::VALUE;
use crate::compose::path::Path;
use crate::compose::tree::{describe, is_null, printed, text};
use crate::compose::{duration, shellwords, units};
use crate::diag::{Diagnostic, Diagnostics};
use crate::hashed::IndexMap;
use crate::model::{Bytes, Duration, Extensions, Float};
use crate::yaml::{Kind, Map, Node, Scalar, Value};

/// One mapping, its place, and where findings go.
pub(super) struct Fields<'a, 'o> {
    map: &'a Map,
    /// The marks of the keys: nearly all that is asked for is not there, and need not be searched.
    marks: u64,
    pub(super) path: Path<'a>,
    pub(super) out: &'o mut Diagnostics,
}

/// One of 64 bits for a key, by its length and its ends; different keys may have the same.
fn mark(key: &str) -> u64 {
    let end = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or_default());
    let bytes = key.as_bytes();
    1 << ((bytes.len() * 11 + end(bytes.first()) * 5 + end(bytes.last())) % 64)
}

impl<'a, 'o> Fields<'a, 'o> {
    /// The fields of `node`; those of an empty mapping where it is none.
    pub(super) fn of(node: &'a Node, path: Path<'a>, out: &'o mut Diagnostics) -> Self {
        static NOTHING: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::default);
        let map = node.as_map().unwrap_or(&NOTHING);
        let marks = map.entries.keys().fold(0, |marks, key| marks | mark(key));
        Self { map, marks, path, out }
    }

    /// The value under `key`, unless it is null.
    pub(super) fn value(&self, key: &str) -> Option<&'a Node> {
        if self.marks & mark(key) == 0 {
            return None;
        }
        self.map.get(key).filter(|node| !is_null(node))
    }

    fn error(&mut self, code: &'static str, node: &Node, message: impl Display) {
        self.out.push(Diagnostic::error(code, message.to_string()).at(node.span));
    }

    /// The value under `key` is of another type.
    fn wrong(&mut self, node: &Node, key: &str, expected: &str) {
        let above = self.path;
        self.wrong_at(&above.key(key), node, expected);
    }

    fn wrong_at(&mut self, path: &Path<'_>, node: &Node, expected: &str) {
        let found = match text(node) {
            Some(text) => format!("but is `{text}`"),
            None => format!("not {}", describe(node)),
        };
        self.error("wrong-type", node, format!("`{path}` must be {expected}, {found}"));
    }

    /// Text; an empty one is as good as none.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let node = self.value(key)?;
        match written(node) {
            Some(text) => Some(text).filter(|text| !text.is_empty()),
            None => {
                self.wrong(node, key, "a string");
                None
            }
        }
    }

    /// One text or several.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(node) = self.value(key) else { return Vec::new() };
        match &node.kind {
            Kind::Scalar(_) => match written(node) {
                Some(text) => vec![text],
                None => {
                    self.wrong(node, key, "a string or a list");
                    Vec::new()
                }
            },
            Kind::Seq(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    // A whole number stands for its digits, one with a fraction has no one way to write it.
                    let whole = !matches!(item.as_scalar().map(Scalar::value), Some(Value::Float(_)));
                    match written(item).filter(|_| whole) {
                        Some(text) => texts.push(text),
                        None => {
                            let above = self.path;
                            self.wrong_at(&above.key(key).index(index), item, "a string");
                        }
                    }
                }
                texts
            }
            Kind::Map(_) => {
                self.wrong(node, key, "a list");
                Vec::new()
            }
        }
    }

    /// A boolean that may be absent.
    pub(super) fn choice(&mut self, key: &str) -> Option<bool> {
        let node = self.value(key)?;
        let value = match node.as_scalar().map(|scalar| scalar.value()) {
            Some(Value::Bool(value)) => Some(value),
            Some(Value::Str(text)) => boolean_of(text),
            _ => None,
        };
        if value.is_none() {
            self.wrong(node, key, "`true` or `false`");
        }
        value
    }

    /// A boolean, false where absent.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.choice(key).unwrap_or_default()
    }

    /// A whole number, zero included.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        let node = self.value(key)?;
        let value = match node.as_scalar().map(|scalar| scalar.value()) {
            Some(Value::Int(number)) => i64::try_from(number).ok(),
            // The reference cuts the fraction off.
            #[allow(clippy::cast_possible_truncation)]
            Some(Value::Float(number)) if number.is_finite() => Some(number as i64),
            Some(Value::Str(text)) => text.parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.wrong(node, key, "a whole number");
        }
        value
    }

    /// A whole number; zero is as good as none.
    pub(super) fn amount(&mut self, key: &str) -> Option<i64> {
        self.integer(key).filter(|number| *number != 0)
    }

    /// A whole number that another type holds.
    pub(super) fn narrow<T: TryFrom<i64>>(&mut self, key: &str, expected: &str) -> Option<T> {
        let number = self.integer(key)?;
        match T::try_from(number) {
            Ok(number) => Some(number),
            Err(_) => {
                if let Some(node) = self.map.get(key) {
                    let message = format!("`{}` must be {expected}, but is {number}", self.path.key(key));
                    self.error("out-of-range", node, message);
                }
                None
            }
        }
    }

    /// A number with a fraction; zero is as good as none.
    pub(super) fn float(&mut self, key: &str) -> Option<Float> {
        let node = self.value(key)?;
        let value = match node.as_scalar().map(|scalar| scalar.value()) {
            #[allow(clippy::cast_precision_loss)]
            Some(Value::Int(number)) => Some(number as f32),
            // By way of the text, the digits stay those that were written.
            Some(Value::Float(number)) => number.to_string().parse().ok(),
            Some(Value::Str(text)) => text.parse().ok(),
            _ => None,
        };
        match value.filter(|value: &f32| value.is_finite()) {
            Some(value) => Some(Float(value)).filter(|value| value.0 != 0.0),
            None => {
                self.wrong(node, key, "a number");
                None
            }
        }
    }

    /// A size; zero is as good as none.
    pub(super) fn bytes(&mut self, key: &str) -> Option<Bytes> {
        let node = self.value(key)?;
        let value = match node.as_scalar().map(|scalar| scalar.value()) {
            Some(Value::Int(number)) => i64::try_from(number).ok(),
            Some(Value::Str(text)) => match units::parse_bytes(text) {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    self.error("invalid-size", node, format!("`{}`: {error}", self.path.key(key)));
                    return None;
                }
            },
            // The reference takes a fraction for nothing.
            Some(Value::Float(_)) => Some(0),
            _ => None,
        };
        match value {
            Some(value) => Some(Bytes(value)).filter(|bytes| bytes.0 != 0),
            None => {
                self.wrong(node, key, "a size such as `512m`");
                None
            }
        }
    }

    /// A length of time, zero included.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let node = self.value(key)?;
        let text = printed(node).unwrap_or_default();
        match duration::parse(&text) {
            Ok(nanoseconds) => Some(Duration(nanoseconds)),
            Err(error) => {
                self.error("invalid-duration", node, format!("`{}`: {error}", self.path.key(key)));
                None
            }
        }
    }

    /// A command: a list of words, or a string split as a shell would; an empty one clears.
    pub(super) fn command(&mut self, key: &str) -> Option<Vec<String>> {
        let node = self.value(key)?;
        let Some(line) = text(node) else { return Some(self.texts(key)) };
        match shellwords::split(line) {
            Ok(words) => {
                if let Some(cut) = words.cut {
                    self.cut_command(key, node, line, cut);
                }
                Some(words.words)
            }
            Err(error) => {
                self.error("invalid-command", node, format!("`{}`: {error}", self.path.key(key)));
                None
            }
        }
    }

    fn cut_command(&mut self, key: &str, node: &Node, line: &str, cut: shellwords::Cut) {
        let path = self.path.key(key);
        let rest = line.get(cut.offset..).unwrap_or_default().trim_end();
        let message = format!("`{path}` ends before `{}`: no shell runs it, and what follows is dropped", cut.operator);
        let dropped = rest.lines().next().unwrap_or_default();
        self.out.push(
            Diagnostic::warning("command-cut", message)
                .label(node.span, format!("dropped: {dropped}"))
                .hint("write it as a list: `[\"sh\", \"-c\", \"...\"]`"),
        );
    }

    /// `KEY: VALUE` or `KEY=VALUE` entries; a key without a value has an empty one.
    pub(super) fn mapping(&mut self, key: &str) -> IndexMap<String, String> {
        self.entries(key, Option::unwrap_or_default)
    }

    /// The same where a key may have no value.
    pub(super) fn variables(&mut self, key: &str) -> IndexMap<String, Option<String>> {
        if let Some(Kind::Seq(items)) = self.value(key).map(|node| &node.kind) {
            for item in items {
                let name = text(item).unwrap_or_default().split('=').next().unwrap_or_default();
                if name.ends_with(char::is_whitespace) {
                    let message = format!("the variable name `{name}` ends in a space");
                    self.out.push(
                        Diagnostic::error("invalid-name", message)
                            .at(item.span)
                            .hint("write `NAME=value` without spaces around `=`"),
                    );
                }
            }
        }
        self.entries(key, std::convert::identity)
    }

    /// The entries under `key`, each value (none where there is none) as `value` has it.
    fn entries<T>(&mut self, key: &str, value: impl Fn(Option<String>) -> T) -> IndexMap<String, T> {
        let mut entries = IndexMap::default();
        let Some(node) = self.value(key) else { return entries };
        match &node.kind {
            Kind::Map(map) => {
                entries.reserve(map.entries.len());
                for (name, entry) in &map.entries {
                    if !matches!(entry.value.kind, Kind::Scalar(_)) {
                        let above = self.path;
                        self.wrong_at(&above.key(key).key(name), &entry.value, "a string");
                        continue;
                    }
                    entries.insert(name.as_str().to_owned(), value(printed(&entry.value)));
                }
            }
            Kind::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    if matches!(item.as_scalar().map(Scalar::value), Some(Value::Timestamp(_))) {
                        let above = self.path;
                        self.wrong_at(&above.key(key).index(index), item, "a string");
                    }
                    let Some(item) = printed(item) else { continue };
                    match item.split_once('=') {
                        Some((name, text)) => entries.insert(name.to_owned(), value(Some(text.to_owned()))),
                        None => entries.insert(item, value(None)),
                    };
                }
            }
            Kind::Scalar(_) => {
                self.wrong(node, key, "a mapping or a list");
            }
        }
        entries
    }

    /// Host names with their addresses.
    pub(super) fn hosts(&mut self, key: &str) -> IndexMap<String, Vec<String>> {
        let mut hosts: IndexMap<String, Vec<String>> = IndexMap::default();
        let Some(node) = self.value(key) else { return hosts };
        match &node.kind {
            Kind::Map(map) => {
                for (host, entry) in &map.entries {
                    let addresses = match &entry.value.kind {
                        Kind::Seq(items) => items.iter().filter_map(printed).collect(),
                        _ => vec![printed(&entry.value).unwrap_or_default()],
                    };
                    hosts.insert(host.as_str().to_owned(), addresses);
                }
            }
            Kind::Seq(items) => {
                for item in items {
                    let line = printed(item).unwrap_or_default();
                    match line.split_once('=').or_else(|| line.split_once(':')) {
                        Some((host, addresses)) => {
                            hosts.entry(host.to_owned()).or_default().extend(addresses.split(',').map(str::to_owned))
                        }
                        None => {
                            self.out.push(
                                Diagnostic::error("invalid-host", format!("`{line}` gives a host name no address"))
                                    .at(item.span)
                                    .hint("write `host=address`"),
                            );
                        }
                    }
                }
            }
            Kind::Scalar(_) => {}
        }
        for (host, addresses) in &mut hosts {
            if host.is_empty() || host.contains([':', '=']) {
                self.out.push(Diagnostic::error("invalid-host", format!("`{host}` is no host name")).at(node.span));
            }
            for address in addresses {
                if let Some(bare) =
                    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|bare| !bare.is_empty())
                {
                    *address = bare.to_owned();
                }
            }
        }
        hosts
    }

    /// The mapping under `key`, read by `read`.
    pub(super) fn object<T>(&mut self, key: &str, read: impl FnOnce(&mut Fields<'_, '_>) -> T) -> Option<T> {
        let node = self.value(key)?;
        let above = self.path;
        let path = above.key(key);
        if node.as_map().is_none() {
            self.wrong_at(&path, node, "a mapping");
            return None;
        }
        Some(read(&mut Fields::of(node, path, self.out)))
    }

    /// The same for what few have and is large.
    pub(super) fn boxed<T>(&mut self, key: &str, read: impl FnOnce(&mut Fields<'_, '_>) -> T) -> Option<Box<T>> {
        self.object(key, read).map(Box::new)
    }

    /// The list of mappings under `key`, each read by `read`.
    pub(super) fn objects<T>(&mut self, key: &str, mut read: impl FnMut(&mut Fields<'_, '_>) -> T) -> Vec<T> {
        let Some(node) = self.value(key) else { return Vec::new() };
        let items = node.as_seq().unwrap_or_default();
        let above = self.path;
        let path = above.key(key);
        let mut objects = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path.index(index);
            if item.as_map().is_none() {
                self.wrong_at(&path, item, "a mapping");
                continue;
            }
            objects.push(read(&mut Fields::of(item, path, self.out)));
        }
        objects
    }

    /// The mapping of mappings under `key`; what is null is nothing.
    pub(super) fn named<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Fields<'_, '_>, &Node) -> T,
    ) -> IndexMap<String, Option<T>> {
        let Some(map) = self.value(key).and_then(Node::as_map) else { return IndexMap::default() };
        let above = self.path;
        let path = above.key(key);
        map.entries
            .iter()
            .map(|(name, entry)| {
                let value = (!is_null(&entry.value))
                    .then(|| read(&mut Fields::of(&entry.value, path.key(name), self.out), &entry.value));
                (name.as_str().to_owned(), value)
            })
            .collect()
    }

    /// The same where what is null is empty.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Fields<'_, '_>, &Node) -> T,
    ) -> IndexMap<String, T> {
        let Some(map) = self.value(key).and_then(Node::as_map) else { return IndexMap::default() };
        let above = self.path;
        let path = above.key(key);
        map.entries
            .iter()
            .map(|(name, entry)| {
                let value = read(&mut Fields::of(&entry.value, path.key(name), self.out), &entry.value);
                (name.as_str().to_owned(), value)
            })
            .collect()
    }

    /// The `x-*` keys.
    pub(super) fn extensions(&self) -> Extensions {
        let keys = self.map.entries.iter().filter(|(key, _)| key.starts_with("x-") && *key != VALUE);
        keys.map(|(key, entry)| (key.as_str().to_owned(), json(&entry.value))).collect()
    }
}

/// The text of a scalar that may stand where text is wanted: anything but a date, which YAML would write its own way.
fn written(node: &Node) -> Option<String> {
    printed(node).filter(|_| !matches!(node.as_scalar().map(Scalar::value), Some(Value::Timestamp(_))))
}

/// A node as JSON.
pub(in crate::compose) fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Map(map) => map.entries.iter().map(|(key, entry)| (key.clone(), json(&entry.value))).collect(),
        Kind::Seq(items) => items.iter().map(json).collect(),
        Kind::Scalar(scalar) => match scalar.value() {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => value.into(),
            Value::Int(number) => {
                i64::try_from(number).map_or_else(|_| u64::try_from(number).unwrap_or_default().into(), Into::into)
            }
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 =>
            {
                #[allow(clippy::cast_possible_truncation)]
                (number as i64).into()
            }
            Value::Float(number) => number.into(),
            Value::Timestamp(time) => time.to_string().into(),
            Value::Str(text) => text.into(),
        },
    }
}
