//! The project to desired resources: what each service becomes and why. Talks to no server.

pub mod resources;
