//! The only place that writes to standard output and standard error.
//!
//! A reader that goes away (`tlsnag report | head`) is not an error.

use std::io::Write;

/// Writes results to standard output and remarks to standard error.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// No remarks.
    pub quiet: bool,
}

impl Printer {
    /// A result, as it is. Fails on a full disk, not on a closed pipe.
    pub fn result(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// A remark for a person: one line on standard error, unless quiet.
    pub fn remark(&self, text: &str) {
        if !self.quiet {
            line(text);
        }
    }

    /// A warning: shown even when quiet.
    pub fn warning(&self, text: &str) {
        line(&format!("tlsnag: warning: {text}"));
    }
}

/// An error that ends the run, with its causes.
pub fn error(error: &anyhow::Error) {
    line(&format!("tlsnag: {error:#}"));
}

fn line(text: &str) {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
