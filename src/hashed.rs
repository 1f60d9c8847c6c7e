//! Maps by hash, all with one seeded hasher: keys are short, and SipHash took longer over them than the rest of a look-up.

use foldhash::fast::RandomState;

/// Entries in the order in which their keys came.
pub type IndexMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
/// Entries in no order.
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// An empty map with room for `entries`.
pub fn with_capacity<K, V>(entries: usize) -> IndexMap<K, V> {
    IndexMap::with_capacity_and_hasher(entries, RandomState::default())
}
