//! Surprises: what a file says is sound, and Compose makes something else of it than most who write it expect.
//!
//! Specification: 05-services.md, "image", "ports" and "secrets".

use super::image;
use crate::diag::{Diagnostic, Diagnostics, Sources, Span};
use crate::model::{Project, Service};
use crate::yaml::{Kind, Node, Scalar, Style, Value};

/// Mappings whose values are texts, so that a number is written out as YAML reads it.
const TEXTS: &[&str] =
    &["environment", "labels", "annotations", "args", "sysctls", "options", "driver_opts", "storage_opt"];

/// Warns of each surprise of a project that was loaded.
pub fn surprises(project: &Project, sources: &Sources) -> Diagnostics {
    let mut out = Diagnostics::default();
    for (name, service) in &project.services {
        image_tag(project, name, service, &mut out);
        ports(project, name, service, &mut out);
        modes(project, name, service, sources, &mut out);
    }
    numbers(&project.tree, sources, &mut out);
    out
}

/// An image without a tag is another one tomorrow.
fn image_tag(project: &Project, name: &str, service: &Service, out: &mut Diagnostics) {
    let Some(text) = service.image.as_ref().filter(|_| service.build.is_none()) else { return };
    let Ok(reference) = image::parse(text) else { return };
    let named = match (&reference.tag, &reference.digest) {
        (None, None) => format!("image `{text}` of service `{name}` names no version: `latest` is taken"),
        (Some(tag), None) if tag == "latest" => {
            format!("image `{text}` of service `{name}` is whatever is newest when it is pulled")
        }
        _ => return,
    };
    let mut warning = Diagnostic::warning("latest-image", named);
    if let Some(span) = project.span(&format!("services.{name}.image")) {
        warning = warning.at(span);
    }
    out.push(warning.hint("name a version, so that two imports give the same"));
}

/// A published port is open to the world, whatever a firewall says: Docker's rules come before it.
fn ports(project: &Project, name: &str, service: &Service, out: &mut Diagnostics) {
    let mut seen: Vec<Span> = Vec::new();
    for (index, port) in service.ports.iter().enumerate() {
        let (Some(published), None | Some("0.0.0.0" | "::")) = (&port.published, port.host_ip.as_deref()) else {
            continue;
        };
        let span = project.span(&format!("services.{name}.ports[{index}]"));
        // A range is one entry of the file and many ports.
        if span.is_some_and(|span| seen.contains(&span)) {
            continue;
        }
        seen.extend(span);
        let message = format!("port {published} of service `{name}` is published on every interface of the server");
        let mut warning = Diagnostic::warning("port-on-every-interface", message);
        if let Some(span) = span {
            warning = warning.at(span);
        }
        out.push(
            warning
                .hint(format!("write `127.0.0.1:{published}:{}` if only this server is to reach it", port.target))
                .hint("services of the project reach each other without a published port"),
        );
    }
}

/// A mode is read in octal only where it starts with a zero or stands in quotes.
fn modes(project: &Project, name: &str, service: &Service, sources: &Sources, out: &mut Diagnostics) {
    let lists = [("secrets", &service.secrets), ("configs", &service.configs)];
    for (key, files) in lists {
        for index in 0..files.len() {
            let Some(span) = project.span(&format!("services.{name}.{key}[{index}].mode")) else { continue };
            let written = source(span, sources);
            if written.len() == 3 && written.bytes().all(|byte| (b'0'..b'8').contains(&byte)) {
                let mode = written.parse::<u32>().unwrap_or_default();
                let message = format!("mode `{written}` is a decimal number, the mode {mode:04o}");
                out.push(Diagnostic::warning("decimal-mode", message).at(span).hint(format!("write `0{written}`")));
            }
        }
    }
}

/// Numbers where text is wanted, which are written out in another form than the file has.
fn numbers(node: &Node, sources: &Sources, out: &mut Diagnostics) {
    match &node.kind {
        Kind::Map(map) => {
            for (key, entry) in &map.entries {
                if TEXTS.contains(&key.as_str()) {
                    values(&entry.value, sources, out);
                } else if !key.starts_with("x-") {
                    numbers(&entry.value, sources, out);
                }
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| numbers(item, sources, out)),
        Kind::Scalar(_) => {}
    }
}

fn values(node: &Node, sources: &Sources, out: &mut Diagnostics) {
    for entry in node.as_map().into_iter().flat_map(|map| map.entries.values()) {
        let span = entry.value.span;
        let written = source(span, sources);
        let scalar = Scalar { text: written.into(), style: Style::Plain };
        let kind = match scalar.value() {
            Value::Int(_) if is_octal(written) => "an octal number",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Timestamp(_) => "a date",
            _ => continue,
        };
        let Some(read) = scalar.value().to_text().filter(|read| read != written) else { continue };
        // The same place may be used by several services.
        if out.items.iter().any(|item| item.labels.first().is_some_and(|label| label.span == span)) {
            continue;
        }
        let code = if is_octal(written) { "octal-number" } else { "rewritten-number" };
        let message = format!("`{written}` is {kind} to YAML, the value is `{read}`");
        out.push(
            Diagnostic::warning(code, message)
                .at(span)
                .hint(format!("write it in quotes if the text is meant: \"{written}\"")),
        );
    }
}

fn is_octal(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0o")
        || digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn source(span: Span, sources: &Sources) -> &str {
    sources.get(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize)).unwrap_or_default()
}
