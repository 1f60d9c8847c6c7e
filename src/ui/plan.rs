//! A plan for people and for machines.

use serde_json::{Value, json};

use super::Printer;
use crate::plan::{Class, Plan};

/// Counts of a plan's rows: to create, to change, to destroy.
pub fn counts(plan: &Plan) -> (usize, usize, usize) {
    let count = |symbol| plan.rows.iter().filter(|row| row.symbol == symbol).count();
    (count('+'), count('~'), count('-'))
}

/// The closing sentence of a plan.
pub fn summary(plan: &Plan) -> String {
    let (create, change, destroy) = counts(plan);
    if plan.is_empty() {
        "nothing to do".to_owned()
    } else {
        format!("{create} to create, {change} to change, {destroy} to destroy")
    }
}

/// Prints a plan: one line a service, network and volume, with a symbol, a reason and the place in the file.
pub fn print(printer: &Printer, plan: &Plan, services: usize) {
    printer.header(&format!("Plan for {}, {services} services", plan.project));
    let width = |field: fn(&crate::plan::Row) -> usize| plan.rows.iter().map(field).max().unwrap_or(0);
    let name = width(|row| row.name.chars().count());
    let what = width(|row| row.what.chars().count());
    for row in &plan.rows {
        let line = format!(
            "{} {:name$}  {:what$}  {}{}",
            row.symbol,
            row.name,
            row.what,
            row.detail,
            if row.at.is_empty() { String::new() } else { format!("  {}", row.at) },
        );
        if row.symbol == '!' {
            printer.warn(line.trim_start_matches("! ").trim_end());
        } else {
            printer.result(&format!("       {}", line.trim_end()));
        }
    }
}

/// The operations of a plan, one line each, as they are run.
pub fn print_operations(printer: &Printer, plan: &Plan) {
    for op in &plan.ops {
        let needs: Vec<String> = op.needs.iter().map(ToString::to_string).collect();
        let after = if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(", ")) };
        printer.detail(&format!("[{}]{after} {} ({})", op.id, describe(op), op.cause));
    }
}

/// One operation in a few words: what the journal, the log and the events call it.
pub fn describe(op: &crate::plan::Op) -> String {
    let lines = crate::apply::by_hand::title(&op.action);
    if op.service.is_empty() { lines } else { format!("{}: {lines}", op.service) }
}

/// The plan as one JSON object: `version`, `project`, `summary`, `rows`, `operations`, `cleanup`.
///
/// Values of variables and secrets are digests.
pub fn to_json(plan: &Plan) -> Value {
    let (create, change, destroy) = counts(plan);
    let operations: Vec<Value> = plan
        .ops
        .iter()
        .map(|op| {
            json!({
                "id": op.id,
                "service": op.service,
                "title": crate::apply::by_hand::title(&op.action),
                "action": op.action,
                "cause": op.cause,
                "class": class_word(op.class),
                "needs": op.needs,
                "undo": op.undo,
                "at": op.at,
            })
        })
        .collect();
    json!({
        "version": 1,
        "project": plan.project,
        "summary": { "create": create, "change": change, "destroy": destroy },
        "rows": plan.rows,
        "operations": operations,
        "cleanup": plan.cleanup,
    })
}

fn class_word(class: Class) -> &'static str {
    match class {
        Class::None => "none",
        Class::Scale => "scale",
        Class::Config => "config",
        Class::Image => "image",
        Class::Recreate => "recreate",
        Class::Data => "data",
    }
}
