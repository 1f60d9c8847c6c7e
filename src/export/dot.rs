//! The stack as a graph for Graphviz: services, what they wait for, networks and volumes.

use super::stack::{Form, Stack};
use crate::map::resources::Need;

/// The graph; an arrow leads from a service to what it needs.
pub fn dot(stack: &Stack) -> String {
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n", id(&stack.project));
    for unit in stack.units.values() {
        let shape = match unit.form {
            Form::App => "box",
            Form::Container => "box3d",
            Form::Job => "ellipse",
        };
        out.push_str(&format!(
            "  {} [shape={shape}, label={}];\n",
            id(&unit.name),
            id(&format!("{}\n{} {}", unit.name, unit.form.word(), unit.resource))
        ));
    }
    for unit in stack.units.values() {
        for (other, need) in &unit.needs {
            let label = match need {
                Need::Started => "started",
                Need::Healthy => "healthy",
                Need::Completed => "completed",
            };
            out.push_str(&format!("  {} -> {} [label={}];\n", id(&unit.name), id(other), id(label)));
        }
        for mount in unit.spec.mounts.iter().filter(|mount| mount.kind == "volume") {
            let volume = format!("volume {}", mount.source);
            out.push_str(&format!("  {} [shape=cylinder];\n", id(&volume)));
            out.push_str(&format!("  {} -> {} [style=dotted, dir=none];\n", id(&unit.name), id(&volume)));
        }
        for (network, _) in &unit.spec.networks {
            let network = format!("network {network}");
            out.push_str(&format!("  {} [shape=plain];\n", id(&network)));
            out.push_str(&format!("  {} -> {} [style=dashed, dir=none];\n", id(&unit.name), id(&network)));
        }
    }
    out.push_str("}\n");
    out
}

/// A quoted identifier of the DOT language.
fn id(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
