//! Text to a tree with a span on every key and value. Knows nothing of Compose.

pub mod emit;
mod entries;
#[cfg(test)]
pub(crate) mod golden;
mod load;
mod merge_key;
mod node;
pub mod scalar;
pub mod text;
mod timestamp;

pub use entries::Entries;
pub use load::anchors::{Alias, Anchor, Anchors, anchors};
pub use load::{Limits, load};
pub use node::{Entry, Kind, Map, Node, Scalar, Style, Text};
pub use scalar::Value;
pub use text::decode;
pub use timestamp::Timestamp;
