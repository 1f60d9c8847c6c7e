//! The kept inputs of the fuzz targets (`fuzz/corpus`), through the same functions: what fuzzing has reached and found
//! stays handled. `fuzz/run` looks for more.

mod broken;
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

#[test]
fn kept_inputs_hold_what_is_promised() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::ALL {
        let mut inputs: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name} has no inputs");
        inputs.sort();
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "{} breaks a promise, see above", input.display());
        }
    }
}
