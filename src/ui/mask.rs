//! Takes secrets out of text before anybody sees it.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// What stands in a secret's place.
const STARS: &str = "***";
/// Shorter secrets are not searched for: they are parts of everything.
const MIN: usize = 4;
/// Shorter pieces of a secret (a line of a key, a stretch of base64) are not searched for.
const MIN_PIECE: usize = 8;

/// A set of secrets, with the forms in which they turn up: as they are, line by line, URL-encoded,
/// in JSON and shell quoting, in base64 alone or inside something longer.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    /// By first byte, longest first.
    needles: std::collections::BTreeMap<u8, Vec<String>>,
}

impl Masker {
    /// A masker for `secrets`; those shorter than four bytes are left out.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        Self::default().and(secrets)
    }

    /// One that hides `secrets` too.
    pub fn and<S: AsRef<str>>(&self, secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms: BTreeSet<String> = self.needles.values().flatten().cloned().collect();
        for secret in secrets {
            let secret = secret.as_ref();
            if secret.trim().len() >= MIN {
                forms.extend(forms_of(secret));
            }
        }
        let mut masker = Self::default();
        for form in forms {
            if let Some(first) = form.bytes().next() {
                masker.needles.entry(first).or_default().push(form);
            }
        }
        for bucket in masker.needles.values_mut() {
            bucket.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        }
        masker
    }

    /// `text` with every secret replaced by `***`. Secrets that overlap go together.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            let Some(bucket) = self.needles.get(&byte) else {
                continue;
            };
            let rest = &text.as_bytes()[at..];
            let Some(needle) = bucket.iter().find(|needle| rest.starts_with(needle.as_bytes())) else {
                continue;
            };
            let end = at + needle.len();
            match spans.last_mut() {
                Some(last) if at < last.1 => last.1 = last.1.max(end),
                _ => spans.push((at, end)),
            }
        }
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in spans {
            masked.push_str(&text[done..start]);
            masked.push_str(STARS);
            done = end;
        }
        masked.push_str(&text[done..]);
        Cow::Owned(masked)
    }
}

fn forms_of(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), secret.replace('\'', r"'\''"), json(secret)];
    forms.extend([url(secret, false), url(secret, true)].map(|form| form.replace("%20", "+")));
    forms.extend([url(secret, false), url(secret, true)]);
    if secret.contains('\n') {
        forms.extend(secret.lines().map(str::trim).filter(|line| line.len() >= MIN_PIECE).map(str::to_owned));
    }
    for before in 0..3 {
        let piece = base64_inside(secret.as_bytes(), before);
        if piece.len() >= MIN_PIECE {
            forms.push(piece.replace('+', "-").replace('/', "_"));
            forms.push(piece);
        }
    }
    forms.push(base64(secret.as_bytes()));
    forms
}

/// As it stands between the quotes of JSON.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Percent-encoded but for the unreserved characters of RFC 3986.
fn url(text: &str, lower: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if lower => out.push_str(&format!("%{byte:02x}")),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The part of the base64 text that depends on `secret` alone where `before` bytes (modulo 3) precede it
/// and anything follows.
fn base64_inside(secret: &[u8], before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend(secret);
    let encoded = base64(&bytes);
    // Six bits a character: those that lie wholly within the secret's bits.
    let first = (before * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    encoded.get(first..last).unwrap_or_default().to_owned()
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0usize, |word, i| word << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let char = if i <= chunk.len() { ALPHABET[word >> (18 - 6 * i) & 63] } else { b'=' };
            out.push(char::from(char));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn every_form_is_hidden() {
        let masker = Masker::new(["p@ss w/örd'\"1", "-----BEGIN KEY-----\nMIIBVgIBADAN\nxyz\n"]);
        let shown = [
            ("psql -p 'p@ss w/örd'\\''\"1'", "psql -p '***'"),
            (r#"{"a":"p@ss w/örd'\"1"}"#, r#"{"a":"***"}"#),
            ("postgres://u:p%40ss%20w%2F%C3%B6rd%27%221@db", "postgres://u:***@db"),
            ("x=p%40ss+w%2f%c3%b6rd%27%221&y", "x=***&y"),
            ("line MIIBVgIBADAN of a key, xyz", "line *** of a key, xyz"),
        ];
        for (text, expected) in shown {
            assert_eq!(masker.mask(text), expected);
        }
    }

    #[test]
    fn short_secrets_and_clean_text_are_left_alone() {
        let masker = Masker::new(["abc", "   a", "longer"]);
        assert!(matches!(masker.mask("abc a def"), Cow::Borrowed(_)));
        assert_eq!(Masker::default().mask("x"), "x");
    }

    #[test]
    fn longest_first_and_overlaps_together() {
        let masker = Masker::new(["secret", "secret-two", "twofold"]);
        assert_eq!(masker.mask("a secret-two b"), "a *** b");
        assert_eq!(masker.mask("a secret-twofold b secret"), "a *** b ***");
    }

    proptest! {
        #[test]
        fn base64_of_anything_around_a_secret_hides_it(
            before in "[a-z:]{0,9}", secret in "[!-~]{12,40}", after in "[a-z:]{0,9}"
        ) {
            let masker = Masker::new([&secret]);
            let text = base64(format!("{before}{secret}{after}").as_bytes());
            let masked = masker.mask(&text).into_owned();
            prop_assert!(masked.contains(STARS));
            // At most the characters at the two seams, shared with neighbours, are left.
            let left = masked.replace(STARS, "").len();
            let around = (before.len() + after.len() + 4) * 4 / 3 + 6;
            prop_assert!(left <= around, "{left} {around} {masked}");
        }

        #[test]
        fn no_form_survives(secret in "\\PC{4,20}", around in "\\PC{0,20}") {
            prop_assume!(secret.trim().len() >= MIN && !STARS.contains(&secret));
            let masker = Masker::new([&secret]);
            for form in [secret.clone(), url(&secret, false), json(&secret)] {
                let masked = masker.mask(&format!("{around}{form}{around}")).into_owned();
                prop_assert!(masked.contains(STARS));
                prop_assert!(!masked.contains(&form) || around.contains(&form) || form.contains('*'));
            }
        }
    }
}
