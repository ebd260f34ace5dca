//! What must hold whatever a log holds, as functions of arbitrary bytes. A function that returns has found nothing wrong.
//!
//! `cargo test -p tlsnag-fuzz` runs each over its corpus (`fuzz/corpus/NAME/`), `fuzz/run` runs each under libFuzzer. What a
//! fuzzer finds is mended and its input put into the corpus.
//!
//! | function | input | holds |
//! |---|---|---|
//! | [`framing()`] | a line | no panic; a record is made of bytes of the line; framing does not depend on what stood before it |
//! | [`postfix()`], [`sendmail()`] | what a daemon wrote | no panic; an event is made of bytes of the line |
//! | [`importer()`] | a log file | no panic; a log read twice, or cut in two runs, gives the same store |

mod importer;
mod lines;

pub use importer::importer;
pub use lines::{framing, postfix, sendmail};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs a target over its corpus; at least so many inputs must be there.
    fn run_over(corpus: &str, least: usize, target: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(corpus);
        let entries = fs::read_dir(&directory).expect("the corpus is in the repository");
        let mut inputs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        inputs.sort();
        assert!(inputs.len() >= least, "{} inputs", inputs.len());
        for input in inputs {
            println!("{}", input.display());
            target(&fs::read(&input).expect("the file was listed"));
        }
    }

    #[test]
    fn framing_holds_over_its_corpus() {
        run_over("framing", 20, super::framing);
    }

    #[test]
    fn postfix_holds_over_its_corpus() {
        run_over("postfix", 20, super::postfix);
    }

    #[test]
    fn sendmail_holds_over_its_corpus() {
        run_over("sendmail", 20, super::sendmail);
    }

    #[test]
    fn importer_holds_over_its_corpus() {
        run_over("importer", 15, super::importer);
    }
}
