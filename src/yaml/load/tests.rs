use super::*;

fn load_one(text: &str) -> Node {
    let mut documents = load(text, FileId(0), &Limits::default()).unwrap();
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

fn findings(text: &str) -> Vec<Diagnostic> {
    load(text, FileId(0), &Limits::default()).unwrap_err()
}

/// The only finding: its code and the text under each of its labels.
fn finding(text: &str) -> (&'static str, Vec<&str>) {
    let found = findings(text);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].code.to_string().leak(), found[0].labels.iter().map(|label| under(text, label.span)).collect())
}

fn under(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

/// A tree as one line: `{k: v}`, `[v]`, scalars with a mark of their style, tags before.
fn show(node: &Node) -> String {
    let tag = node.tag.as_ref().map(|tag| format!("{tag} ")).unwrap_or_default();
    let body = match &node.kind {
        Kind::Scalar(scalar) => match scalar.style {
            Style::Plain => scalar.text.to_string(),
            Style::Quoted => format!("'{}'", scalar.text),
            Style::Block => format!("|{:?}", scalar.text),
            Style::Empty => "~".to_owned(),
        },
        Kind::Seq(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Kind::Map(map) => {
            let entries = map.entries.iter().map(|(key, entry)| format!("{key}: {}", show(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    };
    tag + &body
}

fn shown(text: &str) -> String {
    show(&load_one(text))
}

#[test]
fn builds_the_tree_with_styles() {
    assert_eq!(
        shown("a: 1\nb: '1'\nc: |\n  x\n  y\nd:\ne: [x, {f: \"g\"}]\nh: ~\n"),
        r#"{a: 1, b: '1', c: |"x\ny\n", d: ~, e: [x, {f: 'g'}], h: ~}"#
    );
}

#[test]
fn tells_an_empty_value_from_a_written_tilde() {
    let node = load_one("a:\nb: ~\n");
    let style = |key| node.as_map().unwrap().get(key).unwrap().as_scalar().unwrap().style;
    assert_eq!((style("a"), style("b")), (Style::Empty, Style::Plain));
}

#[test]
fn marks_every_key_and_value() {
    let text = "top:\n  list:\n    - one\n    - &a {x: 'y'}\n  text: |\n    long\n\n  none:\n  last: *a\n\n# end\n";
    let node = load_one(text);
    let top = node.as_map().unwrap().get("top").unwrap();
    let map = top.as_map().unwrap();
    assert_eq!(under(text, node.as_map().unwrap().entries.get("top").unwrap().key), "top");
    assert_eq!(under(text, map.entries.get("last").unwrap().key), "last");
    let list = map.get("list").unwrap();
    assert_eq!(under(text, list.span), "- one\n    - &a {x: 'y'}");
    let items = list.as_seq().unwrap();
    assert_eq!(under(text, items[0].span), "one");
    assert_eq!(under(text, items[1].span), "{x: 'y'}");
    assert_eq!(under(text, items[1].as_map().unwrap().get("x").unwrap().span), "'y'");
    assert_eq!(under(text, map.get("text").unwrap().span), "long");
    let none = map.get("none").unwrap().span;
    assert_eq!((none.start, none.end), (none.end, text.find("none:").unwrap() as u32 + 5));
    // What an alias copies keeps the place where it was written; the mapping ends after the alias.
    assert_eq!(under(text, map.get("last").unwrap().span), "{x: 'y'}");
    assert!(under(text, top.span).ends_with("last: *a"));
}

#[test]
fn spans_count_bytes_in_crlf_and_wide_text() {
    let text = "é: \"→\"\r\nb: ü\r\n";
    let node = load_one(text);
    let map = node.as_map().unwrap();
    assert_eq!(under(text, map.entries.get("é").unwrap().key), "é");
    assert_eq!(under(text, map.get("é").unwrap().span), "\"→\"");
    assert_eq!(under(text, map.get("b").unwrap().span), "ü");
}

#[test]
fn reads_a_byte_order_mark_and_several_documents() {
    assert_eq!(shown("\u{FEFF}a: 1\n"), "{a: 1}");
    let documents = load("a: 1\n---\nb: 2\n", FileId(0), &Limits::default()).unwrap();
    assert_eq!(documents.iter().map(show).collect::<Vec<_>>(), ["{a: 1}", "{b: 2}"]);
    for empty in ["", "\n", "# only a comment\n"] {
        assert!(load(empty, FileId(0), &Limits::default()).unwrap().is_empty());
    }
    assert_eq!(shown("---\n"), "~");
}

#[test]
fn a_block_scalar_at_the_end_of_a_file_ends_as_the_file_does() {
    assert_eq!(shown("a: |\n  x"), r#"{a: |"x"}"#);
    assert_eq!(shown("a: |\n  x\n"), r#"{a: |"x\n"}"#);
    assert_eq!(shown("a: |-\n  x\n\n"), r#"{a: |"x"}"#);
}

#[test]
fn keeps_local_tags_and_makes_their_scalars_strings() {
    assert_eq!(
        shown("a: !reset\nb: !override {c: 1}\nd: !x 5\ne: ! 5\n"),
        "{a: !reset ~, b: !override {c: 1}, d: !x '5', e: 5}"
    );
}

#[test]
fn applies_core_tags() {
    assert_eq!(
        shown("a: !!str 5\nb: !!int '5'\nc: !!map {d: 1}\ne: !<tag:yaml.org,2002:str> no\n"),
        "{a: '5', b: 5, c: {d: 1}, e: 'no'}"
    );
    assert_eq!(finding("a: !!int x"), ("yaml-tag", vec!["x"]));
    assert_eq!(shown("!!merge <<: {a: 1}\n"), "{a: 1}");
}

#[test]
fn expands_aliases_and_shadows_anchors() {
    assert_eq!(shown("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"), "{a: 1, b: 1, c: 2, d: 2}");
    assert_eq!(shown("a: &k key\n*k : 1\n"), "{a: key, key: 1}");
}

#[test]
fn merges_mappings_with_own_keys_first() {
    assert_eq!(shown("a: &a {x: 1, y: 1}\nb: {y: 2, <<: *a, z: 3}\n"), "{a: {x: 1, y: 1}, b: {y: 2, z: 3, x: 1}}");
    assert_eq!(shown("[&a {x: 1}, &b {x: 2, y: 2}, {<<: [*a, *b]}]"), "[{x: 1}, {x: 2, y: 2}, {x: 1, y: 2}]");
    assert_eq!(shown("- &l [{x: 1}, {y: 2}]\n- <<: *l\n"), "[[{x: 1}, {y: 2}], {x: 1, y: 2}]");
    assert_eq!(shown("- &a {x: 1}\n- &b\n  <<: *a\n  y: 2\n- <<: *b\n"), "[{x: 1}, {y: 2, x: 1}, {y: 2, x: 1}]");
    assert_eq!(shown("{'<<': {a: 1}}"), "{<<: {a: 1}}");
}

#[test]
fn refuses_a_merge_of_anything_else() {
    for text in ["<<: text\n", "<<:\n", "<<: [{a: 1}, b]\n"] {
        assert_eq!(finding(text).0, "merge-key", "{text}");
    }
    assert_eq!(finding("<<: {a: 1}\n<<: {b: 1}\n"), ("duplicate-key", vec!["<<", "<<"]));
}

#[test]
fn names_both_places_of_every_duplicate_key() {
    let text = "a: 1\nb:\n  c: 1\n  \"c\": 2\na: 3\n";
    let found = findings(text);
    assert_eq!(found.iter().map(|one| one.code.as_ref()).collect::<Vec<_>>(), ["duplicate-key"; 2]);
    assert_eq!((found[0].labels[0].span.start, found[0].labels[1].span.start), (17, 10));
    assert_eq!((found[1].labels[0].span.start, found[1].labels[1].span.start), (24, 0));
}

#[test]
fn keys_must_be_strings() {
    for (text, under) in [
        ("80: x", "80"),
        ("true: x", "true"),
        ("~: x", "~"),
        ("1.5: x", "1.5"),
        ("2001-01-01: x", "2001-01-01"),
        ("? [a]\n: b", "[a]"),
        ("a: {{ b }}", "{ b }"),
        (": x", ""),
    ] {
        assert_eq!(finding(text), ("yaml-key", vec![under]), "{text}");
    }
    assert_eq!(shown("yes: x\n'80': y\nno: z\n"), "{yes: x, 80: y, no: z}");
}

#[test]
fn unknown_and_self_referring_aliases_are_errors() {
    assert_eq!(finding("a: &default 1\nb: *defualt\n"), ("unknown-anchor", vec!["*defualt"]));
    assert_eq!(findings("a: &default 1\nb: *defualt\n")[0].hints, ["did you mean `*default`?"]);
    assert_eq!(finding("a: &x [1, *x]\n"), ("self-reference", vec!["*x", "&x"]));
    assert_eq!(finding("a: &x 1\n---\nb: *x\n").0, "unknown-anchor");
}

#[test]
fn an_alias_bomb_ends_quickly() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{before}]\n");
    }
    let start = std::time::Instant::now();
    assert_eq!(finding(&bomb).0, "alias-limit");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    let nested = (0..100).map(|level| format!("&a{level} [")).collect::<String>();
    let nested = nested + &"x, ".repeat(20_000) + &"]".repeat(100);
    assert_eq!(finding(&nested).0, "alias-limit");
    // Long texts count too.
    let long = format!("- &a {}\n", "x".repeat(1 << 20)) + &"- *a\n".repeat(10_000);
    assert_eq!(finding(&long).0, "alias-limit");
}

#[test]
fn depth_has_a_limit_for_every_way_to_nest() {
    let flow = "[".repeat(100_000);
    let block = "- ".repeat(100_000) + "x";
    let mut chain = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for level in 1..20 {
        chain += &format!("a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]\n", level - 1);
    }
    for text in [flow.as_str(), &block, &chain] {
        assert_eq!(findings(text)[0].code, "yaml-too-deep");
    }
    assert_eq!(shown(&format!("{}{}", "[".repeat(100), "]".repeat(100))).len(), 200);
}

#[test]
fn tabs_get_a_hint_of_their_own() {
    for text in ["\ta: 1", "a:\n\tb: 1", "a:\n  b: 1\n\tc: 2\n", "a:\n\t- x\n"] {
        assert_eq!(finding(text), ("yaml-tab", vec!["\t"]), "{text:?}");
    }
    assert_eq!(shown("a:\tb\t# comment\n"), "{a: b}");
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, under) in [
        ("a: \"x", "\"x"),
        ("a: b: c", ":"),
        ("a: @x", "@x"),
        ("a: [1, 2", "["),
        ("a: \"b\" c", "c"),
        ("- a\nb: 1", "b"),
        ("a: *", "*"),
        ("a: 1\n b: 2", ":"),
        (" a: 1\nb: 2", "b"),
        ("a: !e!x 1", "!e"),
    ] {
        assert_eq!(finding(text), ("yaml-syntax", vec![under]), "{text:?}");
    }
}

#[test]
fn control_characters_are_refused() {
    assert_eq!(finding("a: \0"), ("yaml-control-character", vec!["\0"]));
    assert_eq!(finding("a: \"\u{1b}[0m\""), ("yaml-control-character", vec!["\u{1b}"]));
    assert_eq!(finding("a: \u{FEFF}b").0, "yaml-control-character");
}

#[test]
fn a_file_too_large_is_refused_unread() {
    let limits = Limits { bytes: 10, ..Limits::default() };
    assert_eq!(load("aaaaaaaaaaa", FileId(0), &limits).unwrap_err()[0].code, "yaml-too-large");
}
