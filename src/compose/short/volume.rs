//! Short mount syntax: `[SOURCE:]TARGET[:OPTION[,OPTION]...]`.
//!
//! Specification: 05-services.md, "volumes", "Short syntax".

/// A mount of a short form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::compose) struct ShortVolume {
    /// Whether the source is a path of the host.
    pub(in crate::compose) bind: bool,
    /// Whether the form is so short that nothing but its target is known.
    pub(in crate::compose) bare: bool,
    pub(in crate::compose) source: String,
    pub(in crate::compose) target: String,
    pub(in crate::compose) read_only: bool,
    pub(in crate::compose) nocopy: bool,
    pub(in crate::compose) propagation: Option<String>,
    pub(in crate::compose) selinux: Option<String>,
    /// Options that are none of the above, which the reference drops.
    pub(in crate::compose) ignored: Vec<String>,
}

/// Reads a short form.
///
/// # Errors
///
/// What is wrong, as the end of a sentence.
pub(in crate::compose) fn parse(spec: &str) -> Result<ShortVolume, String> {
    let mut volume = ShortVolume::default();
    match spec.len() {
        0 => return Err("is empty".to_owned()),
        1 | 2 => return Ok(ShortVolume { target: spec.to_owned(), bare: true, ..volume }),
        _ => {}
    }
    let sections = sections(spec);
    let count = sections.len();
    for (position, section) in sections.into_iter().enumerate() {
        let last = position + 1 == count;
        if section.is_empty() {
            return Err("has nothing between two colons".to_owned());
        }
        if volume.source.is_empty() && last {
            volume.target = section;
        } else if volume.source.is_empty() {
            volume.source = section;
        } else if volume.target.is_empty() {
            volume.target = section;
        } else if last {
            volume.options(&section);
        } else {
            return Err("has too many colons".to_owned());
        }
    }
    volume.bind = is_host_path(&volume.source);
    Ok(volume)
}

impl ShortVolume {
    fn options(&mut self, options: &str) {
        for option in options.split(',') {
            match option {
                "ro" => self.read_only = true,
                "rw" => self.read_only = false,
                "nocopy" => self.nocopy = true,
                "z" | "Z" => self.selinux = Some(option.to_owned()),
                "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                    self.propagation = Some(option.to_owned())
                }
                _ => self.ignored.push(option.to_owned()),
            }
        }
    }
}

/// The parts between colons; a drive letter keeps its colon, and so does `${...}`.
fn sections(spec: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut depth = 0_usize;
    let mut chars = spec.chars().peekable();
    while let Some(char) = chars.next() {
        let current = sections.last().map_or("", String::as_str);
        let drive = char == ':' && current.chars().count() == 1 && current.chars().all(char::is_alphabetic);
        if char == '$' && chars.peek() == Some(&'{') {
            depth += 1;
        } else if char == '}' && depth > 0 {
            depth -= 1;
        } else if char == ':' && depth == 0 && !drive {
            sections.push(String::new());
            continue;
        }
        if let Some(current) = sections.last_mut() {
            current.push(char);
        }
    }
    sections
}

/// Whether a source is a path of the host and not the name of a volume.
fn is_host_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) | (Some('\\'), Some('\\')) => true,
        (Some(drive), Some(':')) => drive.is_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_targets() {
        let parts = |spec: &str| {
            let volume = parse(spec).unwrap();
            (volume.bind, volume.source, volume.target)
        };
        let expect = |bind, source: &str, target: &str| (bind, source.to_owned(), target.to_owned());
        assert_eq!(parts("/data"), expect(false, "", "/data"));
        assert_eq!(parts("db:/data"), expect(false, "db", "/data"));
        assert_eq!(parts("./a:/data:ro"), expect(true, "./a", "/data"));
        assert_eq!(parts("~/a:/data"), expect(true, "~/a", "/data"));
        assert_eq!(parts(r"C:\a:/data"), expect(true, r"C:\a", "/data"));
        assert_eq!(parts("memos/:/x"), expect(false, "memos/", "/x"));
        assert_eq!(parts("/a"), expect(false, "", "/a"));
    }

    #[test]
    fn options() {
        let volume = parse("./a:/b:ro,z,rslave,cached").unwrap();
        assert!(volume.read_only);
        assert_eq!(volume.selinux.as_deref(), Some("z"));
        assert_eq!(volume.propagation.as_deref(), Some("rslave"));
        assert_eq!(volume.ignored, ["cached"]);
        assert!(parse("db:/b:nocopy").unwrap().nocopy);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(parse("").unwrap_err(), "is empty");
        assert_eq!(parse(":/movies").unwrap_err(), "has nothing between two colons");
        assert_eq!(parse("db:/b:ro:x").unwrap_err(), "has too many colons");
    }
}
