//! The phases of the Compose Specification, one module a phase, named as the Specification names them.

pub mod dotenv;
pub mod duration;
pub mod image;
pub mod interpolate;
pub mod shellwords;
pub mod template;
pub mod units;
pub mod variables;
