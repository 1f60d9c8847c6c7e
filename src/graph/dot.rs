//! A graph in Graphviz' language.

use std::fmt::Write;

use petgraph::visit::EdgeRef;

use super::Graph;

impl<T> Graph<T> {
    /// The graph as DOT text: an arrow leads from a dependent to what it depends on. `label`
    /// gives the word on an arrow, none for no word. Nodes and arrows are in the order of names.
    pub fn dot(&self, title: &str, label: impl Fn(&T) -> Option<String>) -> String {
        let mut out = format!("digraph {} {{\n", quoted(title));
        for name in self.names() {
            line(&mut out, format_args!("{};", quoted(name)));
        }
        let mut edges: Vec<_> = self
            .inner
            .edge_references()
            .map(|edge| (self.name(edge.source()), self.name(edge.target()), edge.weight()))
            .collect();
        edges.sort_unstable_by_key(|(from, to, _)| (*from, *to));
        for (from, to, value) in edges {
            let word = label(value).map(|word| format!(" [label={}]", quoted(&word))).unwrap_or_default();
            line(&mut out, format_args!("{} -> {}{word};", quoted(from), quoted(to)));
        }
        out.push_str("}\n");
        out
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {text}");
}

/// A DOT string; only quotes need an escape in it, and a backslash before a quote or at the end
/// must not become one.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
