//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a change.

use serde_json::{Value, json};

use super::{Diagnostic, Diagnostics, Edit, Label, Severity, Sources, Span};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Where the codes are described.
const CODES: &str = "https://github.com/dokku-compose/dokku-compose/blob/main/docs/diagnostics.md";

/// One run with all findings. A place that is in no known file is left out.
pub fn to_sarif(diagnostics: &Diagnostics, sources: &Sources) -> Value {
    let mut rules: Vec<&str> = Vec::new();
    let results: Vec<Value> = diagnostics
        .items
        .iter()
        .map(|item| {
            let index = rules.iter().position(|rule| *rule == item.code).unwrap_or_else(|| {
                rules.push(&item.code);
                rules.len() - 1
            });
            result(item, index, sources)
        })
        .collect();
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|rule| json!({ "id": rule, "shortDescription": { "text": rule.replace('-', " ") }, "helpUri": CODES }))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dokku-compose",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(item: &Diagnostic, rule: usize, sources: &Sources) -> Value {
    let level = match item.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut text = item.message.clone();
    for hint in &item.hints {
        text.push_str("; ");
        text.push_str(hint);
    }
    let mut result = json!({
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": level,
        "message": { "text": text },
        "locations": item.labels.iter().take(1).filter_map(|label| location(label, sources)).collect::<Vec<_>>(),
    });
    let related: Vec<Value> = item.labels.iter().skip(1).filter_map(|label| location(label, sources)).collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some(changes) = fix(item, sources) {
        result["fixes"] = changes;
    }
    result
}

fn location(label: &Label, sources: &Sources) -> Option<Value> {
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&sources.get(label.span.file)?.name) },
        "region": region(label.span, sources)?,
    } });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": label.text });
    }
    Some(location)
}

fn region(span: Span, sources: &Sources) -> Option<Value> {
    let source = sources.get(span.file)?;
    let (line, column) = source.line_column(span.start)?;
    let (end_line, end_column) = source.line_column(span.end)?;
    Some(json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column }))
}

fn fix(item: &Diagnostic, sources: &Sources) -> Option<Value> {
    let fix = item.fix.as_ref()?;
    let file = fix.edits.first().map(Edit::file)?;
    let source = sources.get(file)?;
    let replacements = fix.edits.iter().map(|edit| {
        let (range, text) = edit.resolve(&source.text)?;
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { file, start: offset(range.start), end: offset(range.end) };
        Some(json!({ "deletedRegion": region(span, sources)?, "insertedContent": { "text": text } }))
    });
    let replacements: Vec<Value> = replacements.collect::<Option<_>>()?;
    Some(json!([{
        "description": { "text": fix.title },
        "artifactChanges": [{ "artifactLocation": { "uri": uri(&source.name) }, "replacements": replacements }],
    }]))
}

/// A file's name as a URI reference (RFC 3986).
fn uri(name: &str) -> String {
    let name = if name == "-" { "stdin" } else { name };
    let mut uri = if name.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::super::Fix;
    use super::*;

    #[test]
    fn places_hints_and_fixes_are_given() {
        let mut sources = Sources::default();
        let file = sources.add("my dir/é.yaml", "a: 1\nb: 2\n");
        let span = |start, end| Span { file, start, end };
        let found = Diagnostic::warning("some-code", "a word")
            .at(span(3, 4))
            .label(span(5, 6), "the other")
            .hint("do this")
            .fix(Fix::replace("put it in quotes", span(3, 4), "\"1\""));
        let nowhere = Diagnostic::error("some-code", "no place");
        let all = Diagnostics { items: vec![found, nowhere] };
        let sarif = to_sarif(&all, &sources);
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
        let result = &run["results"][0];
        assert_eq!(result["message"]["text"], "a word; do this");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20dir/%C3%A9.yaml");
        assert_eq!(place["region"], json!({"startLine": 1, "startColumn": 4, "endLine": 1, "endColumn": 5}));
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "the other");
        let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
        assert_eq!(change["insertedContent"]["text"], "\"1\"");
        assert_eq!(run["results"][1]["locations"], json!([]));
    }
}
