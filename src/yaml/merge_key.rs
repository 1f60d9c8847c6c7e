//! The merge key `<<` (YAML's `tag:yaml.org,2002:merge`): keys of other mappings are taken over
//! where the mapping itself does not have them.

use crate::diag::{Diagnostic, Span};

use super::node::{Kind, Map, Node};

/// Merges the value of a `<<` key into the mapping that holds it.
///
/// `value` is a mapping, or a list of mappings of which the first that has a key wins; a key that
/// `map` has itself is kept. `key` is where the `<<` stands, for the error when `value` is
/// anything else.
pub(super) fn merge_into(map: &mut Map, key: Span, value: Node) -> Result<(), Diagnostic> {
    match value.kind {
        Kind::Map(other) => take_missing(map, other),
        Kind::Seq(items) => {
            for item in items {
                match item.kind {
                    Kind::Map(other) => take_missing(map, other),
                    _ => return Err(wrong_value(key, item.span)),
                }
            }
        }
        Kind::Scalar(_) => return Err(wrong_value(key, value.span)),
    }
    Ok(())
}

fn take_missing(map: &mut Map, other: Map) {
    for (name, entry) in other.entries {
        map.entries.get_or_insert_with(name, || entry);
    }
}

fn wrong_value(key: Span, value: Span) -> Diagnostic {
    Diagnostic::error("merge-key", "the merge key `<<` takes a mapping or a list of mappings")
        .label(value, "this is neither")
        .label(key, "merged here")
        .hint("write `<<: *anchor`, where the anchor names a mapping")
}
