//! How Dokku cuts text into words: `docker-options` as a shell does (at `add`), `xargs` (at a deploy).
//!
//! Written from Dokku's behaviour, apart from the adapters' own quoting, so that the two cannot
//! share a mistake.

/// Cuts `text` as a POSIX shell would without expansion.
pub(super) fn shell(text: &str) -> Result<Vec<String>, String> {
    cut(text, true)
}

/// Cuts `text` as `xargs` does: quotes protect anything but a line end, a backslash one character.
pub(super) fn xargs(text: &str) -> Result<Vec<String>, String> {
    cut(text, false)
}

fn cut(text: &str, shell: bool) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\\' => {
                let next = chars.next().ok_or("unexpected end after a backslash")?;
                if !(shell && next == '\n') {
                    word.get_or_insert_default().push(next);
                }
            }
            '\'' | '"' => quoted(&mut chars, c, shell, word.get_or_insert_default())?,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, quote: char, shell: bool, word: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            None => return Err(format!("reached end without closing quote {quote}")),
            Some('\n') if !shell => {
                return Err(format!("xargs: unmatched {} quote", if quote == '"' { "double" } else { "single" }));
            }
            Some(c) if c == quote => return Ok(()),
            Some('\\') if shell && quote == '"' => match chars.next() {
                None => return Err(format!("reached end without closing quote {quote}")),
                Some('\n') => {}
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
            },
            Some(c) => word.push(c),
        }
    }
}

/// Quotes a word as the shell package that Dokku uses does: only where it must be.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+[]{}^".contains(c) || !c.is_ascii();
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.contains('\'') {
        let mut quoted = String::from("\"");
        for c in word.chars() {
            if matches!(c, '"' | '\\' | '$' | '`') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted.push('"');
        return quoted;
    }
    format!("'{word}'")
}

/// Options as Dokku stores them: every word that begins with `-` begins an option, the words after it
/// belong to it; each is quoted anew.
pub(super) fn options(text: &str) -> Result<Vec<String>, String> {
    let mut options: Vec<Vec<String>> = Vec::new();
    for word in shell(text)? {
        match options.last_mut() {
            Some(last) if !word.starts_with('-') => last.push(word),
            _ => options.push(vec![word]),
        }
    }
    Ok(options.iter().map(|words| words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_ends_where_the_next_dash_begins() {
        assert_eq!(options("--memory-swap -1 --link a:b").unwrap(), ["--memory-swap", "-1", "--link a:b"]);
        assert_eq!(options("--label=a b").unwrap(), ["--label=a b"]);
        assert_eq!(
            options("--health-cmd=\"wget -q || exit 1\"").unwrap(),
            ["'--health-cmd=wget -q || exit 1'"],
            "quotes go around the whole word"
        );
        assert!(options("'--label=x").is_err());
    }

    #[test]
    fn xargs_knows_no_backslash_inside_quotes_and_no_line_end() {
        assert_eq!(xargs(r#"'a b' "c\d" e\ f"#).unwrap(), ["a b", r"c\d", "e f"]);
        assert!(xargs("'a\nb'").is_err());
        assert_eq!(shell("'a\nb'").unwrap(), ["a\nb"]);
        assert_eq!(shell(r#""a\$b\c""#).unwrap(), [r"a$b\c"]);
    }
}
