//! The outcome: a row a stack, and below it what was wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One stack's outcome; times in seconds.
#[derive(Debug, Default)]
pub struct Row {
    pub stack: String,
    pub kinds: BTreeMap<String, &'static str>,
    pub import: Option<f64>,
    pub again: Option<f64>,
    pub change: Option<f64>,
    pub destroy: Option<f64>,
    pub answered: usize,
    pub proxied: usize,
    pub notes: Vec<String>,
    pub wrong: Vec<String>,
}

impl Row {
    pub fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn verdict(&self) -> String {
        let mut out =
            if self.wrong.is_empty() { "as expected".to_owned() } else { format!("{} wrong", self.wrong.len()) };
        for note in &self.notes {
            let _ = write!(out, "; {note}");
        }
        out
    }
}

/// The table, for people.
pub fn render(rows: &[Row]) -> String {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let mut lines =
        vec![["stack", "services", "import", "again", "change", "destroy", "ports", "verdict"].map(str::to_owned)];
    for row in rows {
        let kinds: Vec<String> = row.kinds.iter().map(|(name, kind)| format!("{name}={kind}")).collect();
        lines.push([
            row.stack.clone(),
            kinds.join(" "),
            seconds(row.import),
            seconds(row.again),
            seconds(row.change),
            seconds(row.destroy),
            format!("{} ({} proxied)", row.answered, row.proxied),
            row.verdict(),
        ]);
    }
    let widths: Vec<usize> =
        (0..8).map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    for row in rows {
        for wrong in &row.wrong {
            let _ = writeln!(out, " !     {}: {wrong}", row.stack);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_below_the_table() {
        let row = Row { stack: "acc-x".into(), import: Some(12.34), wrong: vec!["db: no".into()], ..Row::default() };
        let text = render(&[row]);
        assert!(
            text.contains("12.3") && text.contains("1 wrong") && text.ends_with(" !     acc-x: db: no\n"),
            "{text}"
        );
    }
}
