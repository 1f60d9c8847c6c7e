//! A stand-in server that keeps its world in a directory and answers as a recorded Dokku does.
pub fn create(_: &std::path::Path) -> std::io::Result<()> { Ok(()) }
pub fn dokku_main(_: &[String]) -> i32 { 1 }
pub fn prop_main(_: &[String]) -> i32 { 1 }
