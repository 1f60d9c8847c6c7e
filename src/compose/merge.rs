//! Merge: one file over another, one service over the service that it extends.
//!
//! Mappings merge key by key, lists are appended without repeating an entry,
//! anything else is replaced; the table says where the Specification has
//! another rule.
//!
//! Specification: 13-merge.md.

use std::sync::LazyLock;

use super::path::Path;
use super::patterns::Patterns;
use super::tree::{describe, insert, is_null, map_mut, mapping, null, plain, printed, same, string, text};
use super::unicity;
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::yaml::{Kind, Map, Node};

/// A rule that replaces the general one.
#[derive(Clone, Copy)]
enum Rule {
    /// `KEY=VALUE` entries by key, whether written as a list or a mapping.
    KeyValue,
    /// One or several values, appended.
    Sequence,
    /// The later value stands.
    Replace,
    /// A list of names is a mapping to this default, else to nothing.
    Names { dependencies: bool },
    /// Options merge only under the same driver.
    Logging,
    /// A string is a context.
    Build,
    /// A single value replaces, a pair merges.
    Ulimit,
    /// Pools by subnet.
    IpamConfig,
}

const TABLE: &[(&str, Rule)] = &[
    ("networks.*.ipam.config", Rule::IpamConfig),
    ("networks.*.labels", Rule::KeyValue),
    ("volumes.*.labels", Rule::KeyValue),
    ("secrets.*.labels", Rule::KeyValue),
    ("configs.*.labels", Rule::KeyValue),
    ("services.*.annotations", Rule::KeyValue),
    ("services.*.build", Rule::Build),
    ("services.*.build.args", Rule::KeyValue),
    ("services.*.build.additional_contexts", Rule::KeyValue),
    ("services.*.build.extra_hosts", Rule::Sequence),
    ("services.*.build.labels", Rule::KeyValue),
    ("services.*.command", Rule::Replace),
    ("services.*.depends_on", Rule::Names { dependencies: true }),
    ("services.*.deploy.labels", Rule::KeyValue),
    ("services.*.dns", Rule::Sequence),
    ("services.*.dns_opt", Rule::Sequence),
    ("services.*.dns_search", Rule::Sequence),
    ("services.*.entrypoint", Rule::Replace),
    ("services.*.env_file", Rule::Sequence),
    ("services.*.label_file", Rule::Sequence),
    ("services.*.environment", Rule::KeyValue),
    ("services.*.extra_hosts", Rule::Sequence),
    ("services.*.healthcheck.test", Rule::Replace),
    ("services.*.labels", Rule::KeyValue),
    ("services.*.logging", Rule::Logging),
    ("services.*.models", Rule::Names { dependencies: false }),
    ("services.*.networks", Rule::Names { dependencies: false }),
    ("services.*.sysctls", Rule::KeyValue),
    ("services.*.tmpfs", Rule::Sequence),
    ("services.*.ulimits.*", Rule::Ulimit),
];

static RULES: LazyLock<Patterns<Rule>> = LazyLock::new(|| Patterns::of(TABLE));

/// `over` merged into `base` at `path`; what cannot be merged is reported and left as in `base`.
pub(super) fn merge(base: Node, over: Node, path: &Path<'_>, out: &mut Diagnostics) -> Node {
    if let Some(rule) = RULES.find(path) {
        return apply(rule, base, over, path, out);
    }
    if is_null(&over) {
        return base;
    }
    let span = over.span;
    match (base.kind, over.kind) {
        (Kind::Map(base), Kind::Map(over)) => map_node(merge_maps(base, over, path, out), span),
        (Kind::Seq(base), Kind::Seq(over)) => Node { kind: Kind::Seq(append(base, over)), span, tag: None },
        (Kind::Scalar(_), kind) => Node { kind, span, tag: None },
        (base, over) => {
            let over = Node { kind: over, span, tag: None };
            mismatch(&over, &Node { kind: base.clone(), span: base_span(&base, span), tag: None }, path, out);
            Node { kind: base, span, tag: None }
        }
    }
}

/// The span of a container's first part, else `fallback`.
fn base_span(kind: &Kind, fallback: Span) -> Span {
    match kind {
        Kind::Map(map) => map.entries.values().next().map_or(fallback, |entry| entry.key),
        Kind::Seq(items) => items.first().map_or(fallback, |item| item.span),
        Kind::Scalar(_) => fallback,
    }
}

fn mismatch(over: &Node, base: &Node, path: &Path<'_>, out: &mut Diagnostics) {
    out.push(
        Diagnostic::error(
            "cannot-merge",
            format!("`{path}` is {} here and {} in what it overrides", describe(over), describe(base)),
        )
        .at(over.span)
        .label(base.span, format!("{} here", describe(base))),
    );
}

fn map_node(map: Map, span: Span) -> Node {
    Node { kind: Kind::Map(map), span, tag: None }
}

/// Two mappings, key by key.
pub(super) fn merge_maps(mut base: Map, over: Map, path: &Path<'_>, out: &mut Diagnostics) -> Map {
    for (key, entry) in over.entries {
        match base.entries.get_mut(&key) {
            None => {
                base.entries.insert(key, entry);
            }
            Some(existing) => {
                let old = std::mem::take(&mut existing.value);
                if !is_null(&entry.value) {
                    existing.key = entry.key;
                }
                existing.value = merge(old, entry.value, &path.key(&key), out);
            }
        }
    }
    base
}

fn append(mut base: Vec<Node>, over: Vec<Node>) -> Vec<Node> {
    for item in over {
        if !base.iter().any(|existing| same(existing, &item)) {
            base.push(item);
        }
    }
    base
}

fn apply(rule: Rule, base: Node, over: Node, path: &Path<'_>, out: &mut Diagnostics) -> Node {
    let span = if is_null(&over) { base.span } else { over.span };
    match rule {
        Rule::Replace => over,
        Rule::Sequence => Node { kind: Kind::Seq(append(sequence(base), sequence(over))), span, tag: None },
        Rule::KeyValue => {
            let mut entries = sequence(base);
            entries.extend(sequence(over));
            Node { kind: Kind::Seq(unicity::by_key(entries)), span, tag: None }
        }
        Rule::Names { dependencies } => {
            let base = names(base, dependencies, path, out);
            let over = names(over, dependencies, path, out);
            map_node(merge_maps(base, over, path, out), span)
        }
        Rule::Build => map_node(merge_maps(build(base), build(over), path, out), span),
        Rule::Ulimit => match (base.kind, over.kind) {
            (Kind::Map(base), Kind::Map(over)) => map_node(merge_maps(base, over, path, out), span),
            (_, kind) => Node { kind, span: over.span, tag: None },
        },
        Rule::Logging => logging(base, over, path, out),
        Rule::IpamConfig => match (base.kind, over.kind) {
            (Kind::Seq(base), Kind::Seq(over)) => {
                Node { kind: Kind::Seq(pools(base, over, path, out)), span, tag: None }
            }
            (kind, over_kind) => {
                let base = Node { span: base.span, kind, tag: None };
                mismatch(&Node { kind: over_kind, span: over.span, tag: None }, &base, path, out);
                base
            }
        },
    }
}

/// One or several values as a list; a mapping as `key=value` entries.
fn sequence(node: Node) -> Vec<Node> {
    let span = node.span;
    match node.kind {
        Kind::Seq(items) => items,
        Kind::Map(map) => map
            .entries
            .into_iter()
            .flat_map(|(key, entry)| match &entry.value.kind {
                Kind::Seq(items) => items.iter().map(|item| pair(&key, item)).collect::<Vec<_>>(),
                _ => vec![match printed(&entry.value) {
                    Some(_) => pair(&key, &entry.value),
                    None => string(key, entry.key),
                }],
            })
            .collect(),
        Kind::Scalar(scalar) => {
            let node = Node { kind: Kind::Scalar(scalar), span, tag: None };
            if text(&node).is_some() { vec![node] } else { Vec::new() }
        }
    }
}

fn pair(key: &str, value: &Node) -> Node {
    string(format!("{key}={}", printed(value).unwrap_or_default()), value.span)
}

/// A list of names, or one, as a mapping; a mapping stays.
fn names(node: Node, dependencies: bool, path: &Path<'_>, out: &mut Diagnostics) -> Map {
    let default = |span: Span| {
        if dependencies {
            mapping([("condition", string("service_started", span)), ("required", plain("true", span))], span)
        } else {
            null(span)
        }
    };
    let mut map = Map::default();
    let span = node.span;
    match node.kind {
        Kind::Map(map) => return map,
        Kind::Seq(items) => {
            for item in &items {
                match text(item) {
                    Some(name) => insert(&mut map, name, item.span, default(item.span)),
                    None => out.push(
                        Diagnostic::error(
                            "wrong-type",
                            format!("`{path}` lists names, but this is {}", describe(item)),
                        )
                        .at(item.span),
                    ),
                }
            }
        }
        Kind::Scalar(scalar) => {
            let node = Node { kind: Kind::Scalar(scalar), span, tag: None };
            if let Some(name) = text(&node) {
                insert(&mut map, name, span, default(span));
            } else if !is_null(&node) {
                out.push(
                    Diagnostic::error(
                        "wrong-type",
                        format!("`{path}` must be a list or a mapping, not {}", describe(&node)),
                    )
                    .at(span),
                );
            }
        }
    }
    map
}

fn build(node: Node) -> Map {
    let span = node.span;
    match node.kind {
        Kind::Map(map) => map,
        kind => {
            let node = Node { kind, span, tag: None };
            let mut map = Map::default();
            if text(&node).is_some() {
                insert(&mut map, "context", span, node);
            }
            map
        }
    }
}

fn logging(base: Node, over: Node, path: &Path<'_>, out: &mut Diagnostics) -> Node {
    let span = over.span;
    match (base.kind, over.kind) {
        (Kind::Map(base), Kind::Map(over)) => {
            let other_driver = match (base.get("driver"), over.get("driver")) {
                (Some(base), Some(over)) => !same(base, over),
                _ => false,
            };
            map_node(if other_driver { over } else { merge_maps(base, over, path, out) }, span)
        }
        (kind, over_kind) => {
            let base = Node { span: base.span, kind, tag: None };
            mismatch(&Node { kind: over_kind, span, tag: None }, &base, path, out);
            base
        }
    }
}

/// Address pools: those of one subnet merge, others stand side by side.
fn pools(base: Vec<Node>, over: Vec<Node>, path: &Path<'_>, out: &mut Diagnostics) -> Vec<Node> {
    let mut pools = base;
    for candidate in over {
        let Some(place) = pools.iter().position(|pool| same_subnet(pool, &candidate)) else {
            pools.push(candidate);
            continue;
        };
        let span = candidate.span;
        let pool = std::mem::take(&mut pools[place]);
        pools[place] = match (pool.kind, candidate.kind) {
            (Kind::Map(pool), Kind::Map(candidate)) => map_node(merge_maps(pool, candidate, path, out), span),
            (_, kind) => Node { kind, span, tag: None },
        };
    }
    pools
}

fn same_subnet(a: &Node, b: &Node) -> bool {
    let subnet = |node: &Node| node.as_map().and_then(|map| map.get("subnet")).and_then(printed);
    subnet(a) == subnet(b)
}

/// Merges `over` into `base` in place, both below `path`.
pub(super) fn merge_into(base: &mut Node, over: Node, path: &Path<'_>, out: &mut Diagnostics) {
    if map_mut(base).is_none() && is_null(base) {
        *base = over;
        return;
    }
    let old = std::mem::take(base);
    *base = merge(old, over, path, out);
}
