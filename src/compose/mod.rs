//! The phases of the Compose Specification, one module a phase, named as the Specification names them.

pub mod interpolate;
pub mod template;
pub mod variables;
