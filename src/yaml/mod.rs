//! Text to a tree with a span on every key and value. Knows nothing of Compose.

mod node;

pub use node::{Entry, Kind, Map, Node, Scalar, Style};
