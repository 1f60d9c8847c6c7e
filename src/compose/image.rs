//! Image references as distribution/reference reads them: `redis`, `ghcr.io/acme/api:2`,
//! `localhost:5000/x@sha256:...`.
//!
//! Specification: 05-services.md, "image".

use std::fmt;

use thiserror::Error;

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library/";
/// The longest domain and path together.
const LONGEST_NAME: usize = 255;

/// A reference with the defaults of Docker Hub filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// The registry, with its port: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// The repository in the registry: `library/redis`, `acme/api`.
    pub repository: String,
    /// The tag, where one is written.
    pub tag: Option<String>,
    /// The digest, where one is written: `sha256:...`.
    pub digest: Option<String>,
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Repositories are lower case.
    #[error("the repository of image `{0}` must be lower case")]
    Uppercase(String),
    /// 64 hexadecimal digits are an image's id.
    #[error("`{0}` is an image id, not the name of an image")]
    Identifier(String),
    /// Registry and repository have more than 255 characters.
    #[error("the name of image `{0}` is longer than 255 characters")]
    TooLong(String),
    /// The tag has a character that tags cannot have, or more than 128.
    #[error("`{0}` is not an image tag")]
    Tag(String),
    /// The digest is not a known algorithm with its hexadecimal digits.
    #[error("`{0}` is not an image digest")]
    Digest(String),
    /// Anything else.
    #[error("`{0}` is not an image reference")]
    Invalid(String),
}

/// Reads a reference as a user writes it; a name without a registry is Docker Hub's.
///
/// # Errors
///
/// Where a part of it breaks the grammar; the error names the part.
pub fn parse(text: &str) -> Result<ImageReference, ImageError> {
    if text.len() == 64 && text.bytes().all(is_lower_hex) {
        return Err(ImageError::Identifier(text.to_owned()));
    }
    let (registry, remainder) = split_registry(text);
    let invalid = || ImageError::Invalid(text.to_owned());
    let name_end = remainder.find([':', '@']).unwrap_or(remainder.len());
    let (repository, suffix) = remainder.split_at(name_end);
    if repository.to_lowercase() != repository {
        return Err(ImageError::Uppercase(text.to_owned()));
    }
    let (tag, digest) = match suffix.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (suffix, None),
    };
    let tag = match tag.strip_prefix(':') {
        Some(tag) if !is_tag(tag) => return Err(ImageError::Tag(tag.to_owned())),
        tag => tag,
    };
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Err(ImageError::Digest(digest.to_owned()));
    }
    // What looks like a registry and cannot be one may still be the start of a path.
    let (registry, repository) = if is_registry(&registry) {
        (registry, repository.to_owned())
    } else {
        (String::new(), format!("{registry}/{repository}"))
    };
    if !is_path(&repository) {
        return Err(invalid());
    }
    let separator = usize::from(!registry.is_empty());
    if registry.len() + separator + repository.len() > LONGEST_NAME {
        return Err(ImageError::TooLong(text.to_owned()));
    }
    Ok(ImageReference { registry, repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
}

impl ImageReference {
    /// Registry and repository: `docker.io/library/redis`.
    pub fn name(&self) -> String {
        if self.registry.is_empty() {
            return self.repository.clone();
        }
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name without what Docker Hub implies: `redis`, `bitnami/redis`, `ghcr.io/acme/api`.
    pub fn familiar_name(&self) -> String {
        if self.registry != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.repository.strip_prefix(OFFICIAL) {
            Some(official) if !official.contains('/') => official.to_owned(),
            _ => self.repository.clone(),
        }
    }

    /// The familiar name with tag and digest.
    pub fn familiar(&self) -> String {
        self.familiar_name() + &self.suffix()
    }

    /// The tag that is used: `latest` where neither tag nor digest is written.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag.as_deref(),
        }
    }

    fn suffix(&self) -> String {
        let tag = self.tag.iter().map(|tag| format!(":{tag}"));
        let digest = self.digest.iter().map(|digest| format!("@{digest}"));
        tag.chain(digest).collect()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), self.suffix())
    }
}

/// The registry and the rest: the part before the first slash is a registry when it has a dot, a
/// colon or an upper case letter, or is `localhost`.
fn split_registry(text: &str) -> (String, String) {
    let (registry, remainder) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first => {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    };
    let registry = if registry == "index.docker.io" { DEFAULT_DOMAIN } else { registry };
    let official = registry == DEFAULT_DOMAIN && !remainder.contains('/');
    let prefix = if official { OFFICIAL } else { "" };
    (registry.to_owned(), format!("{prefix}{remainder}"))
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// A host name, an IPv4 address or an IPv6 address in brackets, with an optional port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(hex) {
                return false;
            }
            (None, port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (Some(&text[..end]), &text[end..])
        }
    };
    let port_is_number = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    port_is_number && host.is_none_or(|host| host.split('.').all(is_host_label))
}

fn is_host_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

/// Lower case letters and digits, joined by one dot, one or two underscores or any dashes.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_word(first)
        && is_word(last)
        && bytes
            .chunk_by(|a, b| is_word(a) == is_word(b))
            .all(|run| is_word(&run[0]) || matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
        && !text.starts_with(['.', '-'])
}

/// One of the algorithms that the Open Container Initiative registers, with as many digits.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    digits.len() == length && digits.bytes().all(is_lower_hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::golden;
    use serde_json::json;

    #[test]
    fn reads_as_the_original() {
        for case in golden::table("image") {
            let text = case["in"].as_str().unwrap();
            let mut answer = json!({"in": text});
            match parse(text) {
                Err(_) => answer["error"] = json!(true),
                Ok(image) => {
                    answer["domain"] = json!(image.registry);
                    answer["path"] = json!(image.repository);
                    answer["familiar"] = json!(image.familiar());
                    answer["string"] = json!(image.to_string());
                    if let Some(tag) = &image.tag {
                        answer["tag"] = json!(tag);
                    }
                    if let Some(digest) = &image.digest {
                        answer["digest"] = json!(digest);
                    }
                }
            }
            assert_eq!(answer, case);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("Redis"), Err(ImageError::Uppercase("Redis".into())));
        assert_eq!(parse("a:-1"), Err(ImageError::Tag("-1".into())));
        assert_eq!(parse("a@sha256:1"), Err(ImageError::Digest("sha256:1".into())));
        assert_eq!(parse("a b"), Err(ImageError::Invalid("a b".into())));
    }

    #[test]
    fn the_tag_used_is_latest_only_without_a_digest() {
        let tag = |text: &str| parse(text).unwrap().effective_tag().map(str::to_owned);
        assert_eq!(tag("redis").as_deref(), Some("latest"));
        assert_eq!(tag("redis:7").as_deref(), Some("7"));
        assert_eq!(tag(&format!("redis@sha256:{}", "0".repeat(64))), None);
    }
}
