//! What a run has read, and how the user is told.

use std::fmt;
use std::path::PathBuf;

use crate::store::RunCounts;

/// What a run has read.
#[derive(Debug, Default)]
pub struct Intake {
    /// Logs that had something new.
    pub sources: u64,
    /// Logs that had nothing new.
    pub unchanged: u64,
    /// The counts that are stored too.
    pub counts: RunCounts,
    /// Deliveries and sessions of our own hosts and users, and of our own letters, left out.
    pub internal: u64,
    /// A line of a mail server that was not recognised, if there was one.
    pub stranger: Option<String>,
    /// Logs that write no year, and the year each is taken to begin in.
    pub guessed_years: Vec<(PathBuf, i32)>,
}

impl fmt::Display for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.counts;
        if self.sources == 0 {
            return write!(
                f,
                "Nothing new in {}.",
                plural(self.unchanged, "log", "logs")
            );
        }
        write!(
            f,
            "Read {}, {}: ",
            plural(self.sources, "log", "logs"),
            megabytes(c.bytes)
        )?;
        write!(
            f,
            "{} lines, of which {} understood, {} of no interest",
            grouped(c.lines),
            grouped(c.understood),
            grouped(c.irrelevant)
        )?;
        match &self.stranger {
            None => write!(f, ", none unrecognised.")?,
            Some(line) => write!(
                f,
                ", {} not recognised.\n  The first of them: {line}",
                grouped(c.unrecognised)
            )?,
        }
        write!(
            f,
            "\nFound {} deliveries and sessions with correspondents",
            grouped(c.outcomes)
        )?;
        match self.internal {
            0 => write!(f, "."),
            internal => write!(
                f,
                "; left out {} of our own hosts, users and letters.",
                grouped(internal)
            ),
        }?;
        for (path, year) in &self.guessed_years {
            let path = path.display();
            write!(
                f,
                "\n{path} writes no year; by the age of the file it begins in {year} (if not, read it into a new store with --year)."
            )?;
        }
        Ok(())
    }
}

fn plural(n: u64, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(n))
    }
}

/// A number in groups of three: 1 234 567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(
            (grouped(7), grouped(1234), grouped(1_234_567)),
            ("7".to_owned(), "1 234".to_owned(), "1 234 567".to_owned())
        );
        assert_eq!(
            (megabytes(999), megabytes(12_345_678)),
            ("1 kB".to_owned(), "12.3 MB".to_owned())
        );
        assert_eq!(
            Intake {
                unchanged: 1,
                ..Intake::default()
            }
            .to_string(),
            "Nothing new in 1 log."
        );
    }
}
