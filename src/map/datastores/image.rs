//! An image as the plugins take it.

/// `host/repository` and `tag[@digest]` of an image, as `--image` and `--image-version` take them.
///
/// The plugins join the two with a colon, so a digest without a tag is `name@sha256` and the number.
pub(super) fn split(image: &str) -> (&str, &str) {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let colon = name.rfind(':').filter(|at| !name[*at..].contains('/'));
    match (colon, digest) {
        (Some(at), _) => (&image[..at], &image[at + 1..]),
        (None, Some(digest)) => {
            let number = digest.rfind(':').map_or(image.len(), |at| name.len() + 1 + at);
            (&image[..number], image.get(number + 1..).unwrap_or_default())
        }
        (None, None) => (name, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_split_as_the_plugins_join_it() {
        assert_eq!(split("postgres:16.4-alpine"), ("postgres", "16.4-alpine"));
        assert_eq!(split("localhost:5000/postgres"), ("localhost:5000/postgres", "latest"));
        assert_eq!(split("localhost:5000/postgres:9"), ("localhost:5000/postgres", "9"));
        assert_eq!(split("redis@sha256:abc"), ("redis@sha256", "abc"));
        assert_eq!(split("redis:7@sha256:abc"), ("redis", "7@sha256:abc"));
    }
}
