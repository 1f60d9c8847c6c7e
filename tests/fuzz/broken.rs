//! Broken documents, made at random: the promises of the `yaml` target hold for them too.

use proptest::prelude::*;

use crate::targets;

/// Pieces of text that mean something to YAML.
const TOKENS: [&str; 44] = [
    "\n",
    "\n  ",
    "\n    ",
    "  ",
    "\t",
    "\r\n",
    ":",
    ": ",
    "- ",
    "? ",
    "-",
    "&a ",
    "*a",
    "*b",
    "<<: ",
    "!x ",
    "!!int ",
    "!!str ",
    "|\n",
    ">-\n",
    "|2+\n",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "#",
    " # c\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "é",
    "😀",
    "\u{2028}",
    "\u{FEFF}",
    "\0",
    "~",
    "null",
    "key",
    "\\",
    "\\x4",
    "@",
];

const DOCUMENTS: [&str; 5] = [
    "",
    "services:\n  web: &web\n    image: nginx\n    ports:\n      - \"80:80\"\n  api:\n    <<: *web\n    command: |\n      one\n      two\n",
    "a: &a {b: [1, 2, {c: 'd'}], e: \"f\\tg\"}\nh: *a\ni:\n- j\n-\n- k: l\n",
    "---\n# comment\nx: !reset\ny: !override [é, 'ü', \"→\"]\n...\n---\nz: >-\n  folded\n  text\n",
    "? key\n: value\n'quoted': ~\n\"escaped \\u00e9\": 0x1F\nempty:\n",
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, usize),
    Remove(usize, usize),
    Copy(usize, usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        3 => (any::<usize>(), 0..TOKENS.len()).prop_map(|(at, token)| Edit::Insert(at, token)),
        1 => (any::<usize>(), 1usize..8).prop_map(|(at, count)| Edit::Remove(at, count)),
        1 => (any::<usize>(), any::<usize>(), 1usize..30).prop_map(|(from, to, count)| Edit::Copy(from, to, count)),
    ];
    proptest::collection::vec(edit, 0..12)
}

fn edited(document: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = document.chars().collect();
    for edit in edits {
        let place = |at: usize, length: usize| at % (length + 1);
        let length = characters.len();
        match *edit {
            Edit::Insert(at, token) => {
                let at = place(at, length);
                characters.splice(at..at, TOKENS[token].chars());
            }
            Edit::Remove(at, count) => {
                let at = place(at, length);
                characters.drain(at..(at + count).min(length));
            }
            Edit::Copy(from, to, count) => {
                let from = place(from, length);
                let part = characters[from..(from + count).min(length)].to_vec();
                let to = place(to, length);
                characters.splice(to..to, part);
            }
        }
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn broken_documents(document in 0..DOCUMENTS.len(), edits in edits()) {
        targets::yaml(edited(DOCUMENTS[document], &edits).as_bytes());
    }

    #[test]
    fn any_text(text in "\\PC{0,40}") {
        targets::yaml(text.as_bytes());
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        targets::yaml(&bytes);
    }
}
