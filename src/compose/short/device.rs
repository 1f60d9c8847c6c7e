//! Short device syntax: `SOURCE[:TARGET[:PERMISSIONS]]`.
//!
//! Specification: 05-services.md, "devices".

/// A device of a short form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compose) struct ShortDevice {
    pub(in crate::compose) source: String,
    pub(in crate::compose) target: String,
    pub(in crate::compose) permissions: String,
}

/// Reads a short form; `None` where it has more than three parts.
pub(in crate::compose) fn parse(spec: &str) -> Option<ShortDevice> {
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, *source, "rwm"),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => return None,
    };
    let target = if target.is_empty() { source } else { target };
    Some(ShortDevice { source: source.to_owned(), target: target.to_owned(), permissions: permissions.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_three_parts() {
        let device = |spec: &str| parse(spec).map(|device| (device.source, device.target, device.permissions));
        let expect = |source: &str, target: &str, permissions: &str| {
            Some((source.to_owned(), target.to_owned(), permissions.to_owned()))
        };
        assert_eq!(device("/dev/a"), expect("/dev/a", "/dev/a", "rwm"));
        assert_eq!(device("/dev/a:/dev/b"), expect("/dev/a", "/dev/b", "rwm"));
        assert_eq!(device("/dev/a:/dev/b:r"), expect("/dev/a", "/dev/b", "r"));
        assert_eq!(device("a:b:c:d"), None);
    }
}
