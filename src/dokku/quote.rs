//! Values on their way through Dokku's two tokenisers.
//!
//! `docker-options:add` splits its arguments into shell words without expanding anything, groups
//! them at words that begin with `-`, quotes each again and stores one option a line
//! (`plugins/docker-options/dockeroptions.go`). At deploy, run and build the stored lines are
//! joined and split by `xargs` (`fn-docker-args-split`), which knows quotes and backslashes, and
//! ends a quoted string at a line end. A start command takes the second way only.

use std::fmt;

/// A value that Dokku cannot carry unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NotExpressible {
    /// What it belongs to: an option, a property, a variable.
    pub what: String,
    /// Why it cannot be carried.
    pub why: &'static str,
}

impl fmt::Display for NotExpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be given to Dokku: {}", self.what, self.why)
    }
}

impl NotExpressible {
    /// `what` cannot be carried, because of `why`.
    pub fn new(what: impl Into<String>, why: &'static str) -> Self {
        Self { what: what.into(), why }
    }
}

/// Flags that Dokku takes for its own, wherever they stand in a command line.
const GLOBAL_FLAGS: &[&str] = &["--quiet", "--trace", "--force", "--app", "--process"];

/// Whether Dokku can keep a docker option, `--flag` or `--flag=value`.
///
/// # Errors
///
/// Why it cannot, where [`quote_option`] and [`bare_option`] would say so too.
pub fn check_option(option: &str) -> Result<(), NotExpressible> {
    let Some((flag, _)) = option.split_once('=') else { return check_flag(option) };
    check_flag(flag)?;
    match unstorable(option) {
        Some(why) => Err(NotExpressible::new(flag, why)),
        None => Ok(()),
    }
}

/// A docker option with a value, as one argument of `docker-options:add`: `--flag=value`, quoted.
///
/// The result is spelled exactly as Dokku's report gives it back, so that equal options are equal
/// strings. `flag` comes with its dashes.
pub fn quote_option(flag: &str, value: &str) -> Result<String, NotExpressible> {
    check_flag(flag)?;
    let option = format!("{flag}={value}");
    if let Some(why) = unstorable(&option) {
        return Err(NotExpressible::new(flag, why));
    }
    Ok(quote_word(&option))
}

/// A docker option that has no value: `--read-only`.
pub fn bare_option(flag: &str) -> Result<String, NotExpressible> {
    check_flag(flag)?;
    Ok(flag.to_owned())
}

/// A docker option and its value as two words: the form that the Dockerfile builder's `--memory`
/// needs, whose `=` form Dokku drops.
pub fn spaced_option(flag: &str, value: &str) -> Result<String, NotExpressible> {
    check_flag(flag)?;
    if value.starts_with('-') {
        return Err(NotExpressible::new(flag, "a separate value that begins with a dash is taken for another option"));
    }
    if let Some(why) = unstorable(value) {
        return Err(NotExpressible::new(flag, why));
    }
    Ok(format!("{flag} {}", quote_word(value)))
}

fn check_flag(flag: &str) -> Result<(), NotExpressible> {
    let name = flag.trim_start_matches('-');
    let dashes = flag.len() - name.len();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain || !(1..=2).contains(&dashes) || (dashes == 1 && name.len() != 1) {
        return Err(NotExpressible::new(flag, "it is not the name of a docker option"));
    }
    if GLOBAL_FLAGS.contains(&flag) {
        return Err(NotExpressible::new(flag, "Dokku takes this option for its own"));
    }
    Ok(())
}

/// Why a word does not survive being a line of a file, trimmed at its ends when it is read.
fn unstorable(word: &str) -> Option<&'static str> {
    // Nearly every option is of these.
    if word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    if word.contains(['\n', '\r', '\0']) {
        return Some("it has a line end or a NUL, and Dokku keeps an option on one line");
    }
    if word.chars().any(|c| c.is_control() && c != '\t') {
        return Some("it has a control character");
    }
    if !needs_quotes(word) && word.trim() != word {
        return Some("it begins or ends with a space that Dokku trims");
    }
    None
}

/// The characters for which Dokku quotes a word before it stores it.
fn needs_quotes(word: &str) -> bool {
    let quoted = |byte| {
        matches!(
            byte,
            b' ' | b'\t'
                | b'\n'
                | b'"'
                | b'\''
                | b'$'
                | b'`'
                | b'\\'
                | b'*'
                | b'?'
                | b'['
                | b']'
                | b'<'
                | b'>'
                | b'|'
                | b'&'
                | b';'
                | b'('
                | b')'
                | b'{'
                | b'}'
                | b'!'
                | b'#'
                | b'~'
        )
    };
    word.bytes().any(quoted)
}

/// One word, in single quotes where it needs them: what a shell, Dokku's tokeniser and `xargs` all
/// read as `word`, which has no line end.
pub(super) fn quote_word(word: &str) -> String {
    if word.is_empty() {
        return "''".to_owned();
    }
    if needs_quotes(word) { format!("'{}'", word.replace('\'', r"'\''")) } else { word.to_owned() }
}

/// A command line as the value of `ps:set APP dockerfile-start-cmd`: every argument arrives as it
/// is, quotes, spaces, `$`, empty ones and line ends too. No argument at all gives an empty string.
pub fn quote_command(argv: &[impl AsRef<str>]) -> Result<String, NotExpressible> {
    let mut line = String::new();
    for arg in argv {
        let arg = arg.as_ref();
        if arg.contains('\0') {
            return Err(NotExpressible::new("a command's argument", "it has a NUL"));
        }
        let first = line.is_empty();
        if !first {
            line.push(' ');
        }
        if (first && arg.starts_with('-'))
            || needs_quotes(arg)
            || arg.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            // A value that begins with a dash would be a flag of ps:set; xargs refuses a line end
            // inside quotes, but takes an escaped one.
            line.push_str(&format!("'{}'", arg.replace('\'', r"'\''").replace('\n', "'\\\n'")));
        } else {
            line.push_str(&quote_word(arg));
        }
    }
    Ok(line)
}

/// The arguments of a command line that [`quote_command`] wrote, or somebody in its place, as `xargs` reads it: an
/// escaped line end is one. `None` where a quote is not closed.
pub fn command_words(line: &str) -> Option<Vec<String>> {
    // The one thing in which the two readers differ.
    const LINE_END: char = '\u{F8F8}';
    let words = option_words(&line.replace("\\\n", &LINE_END.to_string()))?;
    Some(words.into_iter().map(|word| word.replace(LINE_END, "\n")).collect())
}

/// The words of a stored option line; `None` where a quote is not closed.
///
/// `--link db:alias` is one stored option and two words.
pub fn option_words(stored: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = stored.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('$' | '`' | '"' | '\\') => word.push(c),
                            '\n' => {}
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => word.get_or_insert_default().push('\\'),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::process::{Command, Stdin, child_env};

    /// The second tokeniser, the real one, run as Dokku runs it.
    fn xargs(line: &str) -> Vec<String> {
        let env = child_env(&BTreeMap::new());
        let command = Command::new("xargs", &env).args(["-r", "printf", "%s\\0"]).stdin(Stdin::Bytes(line.into()));
        let output = command.run().unwrap();
        assert!(output.success(), "{line:?}: {}", output.stderr);
        output.stdout.split_terminator('\0').map(str::to_owned).collect()
    }

    const NASTY: &[&str] = &[
        "",
        "plain",
        "a b",
        "  two  spaces  ",
        "tab\there",
        "it's",
        "'",
        "''",
        "\"quoted\"",
        "\"",
        "back\\slash",
        "\\",
        "\\\\",
        "trailing\\",
        "$HOME ${X:-y} $(id) `id`",
        "*",
        "?[a-z]{1,2}",
        "#comment",
        "a #b",
        "~",
        "!x",
        "a;b|c&d>e<f",
        "Host(`shop.example.com`) && Path(`/`)",
        "wget -q -O- http://localhost:8080/ || exit 1",
        "-leading",
        "--quiet",
        "a=b=c",
        "ümläut ☃",
        "^%@:,+",
        "a,b:c",
        "\u{a0}inner\u{a0}nbsp",
    ];

    #[test]
    fn options_survive_both_tokenisers() {
        for value in NASTY {
            let quoted = quote_option("--label", value).unwrap();
            let expected = vec![format!("--label={value}")];
            assert_eq!(option_words(&quoted).as_ref(), Some(&expected), "{quoted}");
            assert_eq!(xargs(&quoted), expected, "{quoted}");
        }
    }

    #[test]
    fn several_options_on_one_line_stay_apart() {
        let quoted: Vec<_> = NASTY.iter().map(|value| quote_option("--env", value).unwrap()).collect();
        let expected: Vec<_> = NASTY.iter().map(|value| format!("--env={value}")).collect();
        assert_eq!(xargs(&quoted.join(" ")), expected);
    }

    #[test]
    fn golden_spelling_as_dokku_reports_it() {
        // From the recorded report of a real Dokku.
        let health = quote_option("--health-cmd", "wget -q -O- http://localhost:8080/ || exit 1").unwrap();
        assert_eq!(health, "'--health-cmd=wget -q -O- http://localhost:8080/ || exit 1'");
        let quotes = quote_option("--health-cmd", r#"echo "$HOME" \ * 'q'"#).unwrap();
        assert_eq!(quotes, r#"'--health-cmd=echo "$HOME" \ * '\''q'\'''"#);
        assert_eq!(quote_option("--ulimit", "nofile=1024:2048").unwrap(), "--ulimit=nofile=1024:2048");
        assert_eq!(spaced_option("--memory", "512m").unwrap(), "--memory 512m");
        assert_eq!(bare_option("--init").unwrap(), "--init");
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        for value in ["a\nb", "a\r", "\0", "bell\u{7}", "nbsp\u{a0}"] {
            assert!(quote_option("--label", value).is_err(), "{value:?}");
        }
        for flag in ["label", "--", "-", "---x", "-ab", "--a b", "--a=b", "--app", "--force", "--process", ""] {
            assert!(quote_option(flag, "x").is_err(), "{flag:?}");
            assert!(bare_option(flag).is_err(), "{flag:?}");
        }
        assert!(spaced_option("--memory-swap", "-1").is_err());
        let error = quote_option("--label", "a\nb").unwrap_err().to_string();
        assert!(error.starts_with("--label cannot be given to Dokku: "), "{error}");
    }

    #[test]
    fn commands_arrive_as_they_are() {
        let mut argv = NASTY.to_vec();
        argv.extend(["line\nend", "\n", "crlf\r\n", "'\n'"]);
        let line = quote_command(&argv).unwrap();
        assert_eq!(xargs(&line), argv);
        let dashes = quote_command(&["--port", "80", "--verbose"]).unwrap();
        assert_eq!(dashes, "'--port' 80 --verbose");
        assert_eq!(quote_command(&["--force"]).unwrap(), "'--force'");
        assert_eq!(quote_command(&[] as &[&str]).unwrap(), "");
        assert!(quote_command(&["a\0"]).is_err());
    }

    #[test]
    fn stored_lines_of_other_hands_are_read() {
        assert_eq!(option_words("--link dokku.postgres.db:db").unwrap(), ["--link", "dokku.postgres.db:db"]);
        assert_eq!(option_words(r#"--label="a \"b\" \c" x\ y"#).unwrap(), [r#"--label=a "b" \c"#, "x y"]);
        assert_eq!(option_words("--label='open"), None);
        assert_eq!(option_words("--label=\"open"), None);
        assert_eq!(option_words("  ").unwrap(), Vec::<String>::new());
        assert_eq!(option_words("''").unwrap(), [""]);
    }

    proptest! {
        #[test]
        fn every_expressible_value_round_trips(value in "[ -~äß☃\t]{0,40}") {
            let quoted = quote_option("--env", &value).unwrap();
            prop_assert_eq!(option_words(&quoted), Some(vec![format!("--env={value}")]));
        }
    }

    proptest! {
        #[test]
        fn a_command_is_read_back(words in proptest::collection::vec("(\\PC|[ \t\n'\"\\\\$-]){0,12}", 0..5)) {
            prop_assert_eq!(command_words(&quote_command(&words).unwrap()), Some(words));
        }
    }

    /// Many random values in few processes.
    #[test]
    fn random_values_survive_xargs() {
        use proptest::strategy::ValueTree;
        use proptest::test_runner::TestRunner;
        let mut runner = TestRunner::deterministic();
        let strategy = proptest::collection::vec("[ -~äß☃\t]{0,40}", 200);
        for _ in 0..5 {
            let values = strategy.new_tree(&mut runner).unwrap().current();
            let line: Vec<_> = values.iter().map(|value| quote_option("--env", value).unwrap()).collect();
            let expected: Vec<_> = values.iter().map(|value| format!("--env={value}")).collect();
            assert_eq!(xargs(&line.join(" ")), expected);
            assert_eq!(xargs(&quote_command(&values).unwrap()), values);
        }
    }
}
