//! The one printer: human, JSON, quiet; progress; masking.

pub mod mask;
