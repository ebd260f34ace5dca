//! The systemd journal of this machine, read through `journalctl`, which alone knows its files.
//!
//! What it prints are JSON lines for [`super::Joiner`]. Where to go on is the cursor of the last entry read. `--cursor` is asked for, not
//! `--after-cursor`: the first line must then be that entry again, and if it is not, the entry is gone from the journal, and others
//! after it may be gone too. (`--after-cursor` does not tell, and before systemd 250 it skips the first of those still there.)
//!
//! Beside what has facility `mail`, the journal's own word that it dropped records of some service is read: after it, silence proves
//! nothing.
//!
//! Nothing is remembered here, and whether the cursor was found is for the caller to see.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use super::lines::{LastLine, Line, Lines};

/// Where the journal is kept, on disk and in memory.
pub const JOURNAL_DIRECTORIES: &[&str] = &["/var/log/journal", "/run/log/journal"];
/// JSON, whole, and words that can be recognised: `journalctl` is run with `LC_ALL=C`.
const ALWAYS: &[&str] = &["--output=json", "--all", "--no-pager"];
/// Records of mail servers.
const MAIL: &str = "SYSLOG_FACILITY=2";
/// `Suppressed N messages from UNIT` (SD_MESSAGE_JOURNAL_DROPPED), as an alternative to what stands before it.
const OR_DROPPED: [&str; 2] = ["+", "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"];
/// What `journalctl` says if it is not allowed to read all; it may still end as if all were well.
const DENIED: &[&str] = &[
    "not seeing messages from other users",
    "insufficient permissions",
    "Permission denied",
];
/// How much of its messages is kept.
const MAX_WORDS: u64 = 16 * 1024;

/// The journal, as seen through a program.
#[derive(Clone, Debug)]
pub struct Journal {
    program: OsString,
}

/// Why the journal cannot be read. The sentence is its `Display`; the words of `journalctl` in it are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// There is no such program.
    NoProgram(String),
    /// It cannot be run.
    NotRun(String, String),
    /// It was not allowed to read everything.
    Denied(String),
    /// It ended with an error: how, and its first words.
    Failed(String, String),
}

impl std::error::Error for JournalError {}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::NoProgram(program) => write!(
                f,
                "cannot read the journal: there is no {program} in PATH; name a log file instead, or read the journal where systemd runs"
            ),
            JournalError::NotRun(program, why) => {
                write!(f, "cannot read the journal: {program} cannot be run: {why}")
            }
            JournalError::Denied(words) => write!(
                f,
                "cannot read the whole journal: {words}; run as root, or as a member of the group systemd-journal or adm"
            ),
            JournalError::Failed(how, words) if words.is_empty() => {
                write!(f, "journalctl {how} and said nothing")
            }
            JournalError::Failed(how, words) => write!(f, "journalctl {how}: {words}"),
        }
    }
}

impl Journal {
    /// The journal of this machine.
    pub fn of_this_machine() -> Journal {
        Journal {
            program: "journalctl".into(),
        }
    }

    /// Whether one of these directories is there, which are empty or missing where no journal is kept.
    pub fn is_kept_in(directories: &[&str]) -> bool {
        directories
            .iter()
            .any(|directory| Path::new(directory).is_dir())
    }

    /// Whether there is a record of a mail server in the journal. Fails if it cannot be read as a whole, so that nothing is begun.
    pub fn has_mail(&self) -> Result<bool, JournalError> {
        let mut entries = self.run(&["--lines=1", MAIL])?;
        let mut found = false;
        while let Ok(Some(line)) = entries.next_line() {
            found |= line.bytes.first() == Some(&b'{');
        }
        entries.end().map(|_| found)
    }

    /// The entries from this cursor on, with the one it stands for if that is still there; all of them if the cursor is empty.
    pub fn entries(&self, cursor: &str) -> Result<Entries, JournalError> {
        let from = format!("--cursor={cursor}");
        let mut args = vec![MAIL, OR_DROPPED[0], OR_DROPPED[1]];
        if !cursor.is_empty() {
            args.insert(0, &from);
        }
        self.run(&args)
    }

    fn run(&self, args: &[&str]) -> Result<Entries, JournalError> {
        let shown = || self.program.to_string_lossy().escape_debug().to_string();
        let not_run = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => JournalError::NoProgram(shown()),
            _ => JournalError::NotRun(shown(), error.to_string()),
        };
        let mut child = Command::new(&self.program)
            .args(ALWAYS)
            .args(args)
            .env("LC_ALL", "C")
            .env("SYSTEMD_COLORS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_run)?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(JournalError::NotRun(shown(), "it has no output".into()));
        };
        Ok(Entries {
            child,
            // Whatever has no line feed was cut off.
            lines: Lines::new(output, LastLine::Leave),
            words: Some(thread::spawn(move || listen(errors))),
        })
    }
}

/// What a child writes to standard error: kept as far as it is short, read to its end so that the child never waits.
fn listen(mut errors: ChildStderr) -> String {
    let mut words = Vec::new();
    // An error here leaves what was heard before it.
    let _ = errors.by_ref().take(MAX_WORDS).read_to_end(&mut words);
    let _ = io::copy(&mut errors, &mut io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

/// Entries as they come. Dropping it ends the child.
pub struct Entries {
    child: Child,
    lines: Lines<ChildStdout>,
    words: Option<JoinHandle<String>>,
}

impl Entries {
    /// The next line; `None` at the end, which [`Entries::end`] judges.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.lines.next_line()
    }

    /// Where the next line starts, in bytes of this run.
    pub fn position(&self) -> u64 {
        self.lines.position()
    }

    /// After the last line: whether that was the end of the journal. Gives what `journalctl` said without failing, its first line, if
    /// anything.
    pub fn end(mut self) -> Result<Option<String>, JournalError> {
        let torn = self.lines.torn() > 0;
        let status = self.child.wait();
        let all = self
            .words
            .take()
            .and_then(|words| words.join().ok())
            .unwrap_or_default();
        let first = first_line(&all);
        if DENIED.iter().any(|words| all.contains(words)) {
            return Err(JournalError::Denied(first));
        }
        match status {
            Ok(status) if !status.success() => {
                Err(JournalError::Failed(format!("ended with {status}"), first))
            }
            Err(error) => Err(JournalError::Failed(format!("is lost ({error})"), first)),
            Ok(_) if torn => Err(JournalError::Failed(
                "ended in the middle of an entry".into(),
                first,
            )),
            Ok(_) => Ok(Some(first).filter(|first| !first.is_empty())),
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // It has ended already, or nobody reads it any more: neither can fail in a way that matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line that says something, for a terminal.
fn first_line(words: &str) -> String {
    let line = words.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .trim_end_matches('.')
        .chars()
        .take(300)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(program: &str) -> Journal {
        Journal {
            program: program.into(),
        }
    }

    #[test]
    fn err_no_program() {
        let error = journal("no-such-journalctl").has_mail().unwrap_err();
        assert_eq!(error, JournalError::NoProgram("no-such-journalctl".into()));
        assert!(error.to_string().contains("no no-such-journalctl in PATH"));
    }

    #[test]
    fn err_a_program_that_fails_without_a_word() {
        let error = journal("false").has_mail().unwrap_err();
        assert_eq!(
            error.to_string(),
            "journalctl ended with exit status: 1 and said nothing"
        );
    }

    #[test]
    fn ok_a_program_that_says_nothing_has_no_mail() {
        assert_eq!(journal("true").has_mail(), Ok(false));
        let mut entries = journal("true").entries("s=1").unwrap();
        assert!(entries.next_line().unwrap().is_none());
        assert_eq!(entries.end(), Ok(None));
    }

    #[test]
    fn ok_its_words_are_escaped_and_cut() {
        assert_eq!(first_line("\n  a\u{1b}[31m b\nsecond"), "a\\u{1b}[31m b");
        assert_eq!(first_line(&"x".repeat(1000)).len(), 300);
    }

    #[test]
    fn ok_a_journal_is_kept_where_its_directory_is() {
        let directory = tempfile::TempDir::new().unwrap();
        let there = directory.path().to_str().unwrap();
        assert!(Journal::is_kept_in(&["/nowhere/journal", there]));
        assert!(!Journal::is_kept_in(&["/nowhere/journal"]));
    }
}
