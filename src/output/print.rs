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
        self.answer(text).map(|_| ())
    }

    /// The same, and whether somebody took it: the reader of a pipe may have gone.
    pub fn answer(&self, text: &str) -> std::io::Result<bool> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            other => other.map(|()| true),
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

/// Whether the locale has more signs than ASCII. Cron has mostly none.
pub fn shows_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty());
    set.is_some_and(|value| {
        let name = value.to_string_lossy().to_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

/// An error that ends the run, with its causes.
pub fn error(error: &anyhow::Error) {
    line(&format!("tlsnag: {error:#}"));
}

fn line(text: &str) {
    // Nobody is left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text));
}

/// The text with what does something to a terminal, or is not to be seen on it, as escapes: remarks name files and hosts, and what
/// those are called is not ours.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\'' | '"' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_remark_reaches_the_terminal_as_text() {
        assert_eq!(
            harmless("it's \u{1b}]0;\u{9b}2J\r\"ü\u{202e}\"\nC:\\"),
            "it's \\u{1b}]0;\\u{9b}2J\\r\"ü\\u{202e}\"\nC:\\"
        );
    }
}
