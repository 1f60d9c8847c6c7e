//! What becomes of the corpus: every file is planned, and the keys that are honoured are counted. No time is measured.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "shared with the tests, which hold the counts to what was reached before")]
#[path = "../tests/keys/corpus.rs"]
mod corpus;
#[allow(dead_code, reason = "shared with the golden tests, which need more of it")]
#[path = "../tests/golden/project.rs"]
mod project;

fn main() {
    // `cargo test --benches` only tries the others; the tests have planned the corpus already.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    if let Some(totals) = corpus::totals() {
        totals.print();
    }
}
