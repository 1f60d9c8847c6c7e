//! A plan for people and for machines.

use serde_json::{Value, json};

use super::Printer;
use crate::plan::Plan;

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

/// How many of the keys that a file has are honoured.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// All that were written.
    pub total: usize,
    /// Those that are done, in whatever way.
    pub honoured: usize,
    /// Of these, those that are done in another way.
    pub approximated: usize,
    /// The others: path and `file:line:column`.
    pub not_done: Vec<(String, String)>,
}

impl Keys {
    /// `total`, `honoured`, `approximated`, `not_done` with `key` and `at` each.
    pub fn to_json(&self) -> Value {
        let not_done: Vec<Value> = self.not_done.iter().map(|(key, at)| json!({ "key": key, "at": at })).collect();
        json!({
            "total": self.total,
            "honoured": self.honoured,
            "approximated": self.approximated,
            "not_done": not_done,
        })
    }
}

/// Prints a plan: one line a service, network and volume, with a symbol, a reason and the place in the file; then the
/// keys that are not honoured.
pub fn print(printer: &Printer, plan: &Plan, services: usize, keys: &Keys) {
    let honoured = match keys.total {
        // Nothing was read: an earlier version is gone back to.
        0 => String::new(),
        total => format!(", {} of {total} keys honoured", keys.honoured),
    };
    printer.header(&format!("Plan for {}, {services} services{honoured}", plan.project));
    let width = |field: fn(&crate::plan::Row) -> usize| plan.rows.iter().map(field).max().unwrap_or(0);
    let name = width(|row| row.name.chars().count());
    let what = width(|row| row.what.chars().count());
    for row in &plan.rows {
        let line = format!(
            "{} {:name$}  {:what$}  {}{}{}",
            row.symbol,
            row.name,
            row.what,
            row.class.map(|class| format!("[{}] ", class.word())).unwrap_or_default(),
            row.detail,
            if row.at.is_empty() { String::new() } else { format!("  {}", row.at) },
        );
        if row.symbol == '!' {
            printer.warn(line.trim_start_matches("! ").trim_end());
        } else {
            printer.result(&format!("       {}", line.trim_end()));
        }
    }
    for one in &plan.transformed {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        let (before, after) = (value(&one.before), value(&one.after));
        printer.result(&format!("       * {}  {}: {after} instead of {before}  by {}", one.service, one.field, one.by));
    }
    for (key, at) in &keys.not_done {
        let key = key.strip_prefix("services.").unwrap_or(key);
        printer.warn(format!("{key} is not done  {at}").trim_end());
    }
}

/// The operations of a plan, one line each, as they are run: needs, what, class, cause, place in the file.
pub fn print_operations(printer: &Printer, plan: &Plan) {
    for op in &plan.ops {
        let needs: Vec<String> = op.needs.iter().map(ToString::to_string).collect();
        let after = if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(", ")) };
        let at = if op.at.is_empty() { String::new() } else { format!("  {}", op.at) };
        printer.detail(&format!("[{}]{after} {} [{}] ({}){at}", op.id, describe(op), op.class.word(), op.cause));
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
                "class": op.class.word(),
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
        "transformed": plan.transformed,
        "operations": operations,
        "cleanup": plan.cleanup,
    })
}
