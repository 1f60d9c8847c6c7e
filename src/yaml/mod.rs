//! Text to a tree with a span on every key and value. Knows nothing of Compose.

pub mod emit;
#[cfg(test)]
pub(crate) mod golden;
mod load;
mod merge_key;
mod node;
pub mod scalar;
pub mod text;
mod timestamp;

pub use load::{Limits, load};
pub use node::{Entry, Kind, Map, Node, Scalar, Style};
pub use scalar::Value;
pub use text::decode;
pub use timestamp::Timestamp;
