//! Short SSH syntax of a build: `default` or `ID=PATH`.
//!
//! Specification: build.md, "ssh".

/// Reads a short form as identifier and path; `None` where the path is missing.
pub(in crate::compose) fn parse(spec: &str) -> Option<(&str, Option<&str>)> {
    match spec.split_once('=') {
        Some((id, path)) => Some((id, Some(path))),
        None if spec == "default" => Some((spec, None)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_default_needs_no_path() {
        assert_eq!(parse("default"), Some(("default", None)));
        assert_eq!(parse("ci=~/.ssh/id"), Some(("ci", Some("~/.ssh/id"))));
        assert_eq!(parse("ci"), None);
    }
}
