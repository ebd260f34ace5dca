//! A framed line: who wrote it, when, and the text.
//!
//! It does not say what the text means; that is [`crate::mta`].

use crate::stamp::Stamp;

/// One log record with its envelope taken off.
///
/// All slices point into the line that was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was written, as far as the line tells.
    pub stamp: Stamp,
    /// Name of the logging host as written; empty where the format has none.
    pub host: &'a [u8],
    /// The syslog tag without process id: `postfix/smtp`, `postfix-out/relay/smtp`, `sm-mta`.
    pub program: &'a [u8],
    /// Process id of the writer; lines of one process are in the order of what happened.
    pub pid: Option<u32>,
    /// The message, without severity brackets that a syslog daemon put before it (Solaris `[ID 197553 mail.info]`).
    pub text: &'a [u8],
    /// How often this was written: 1, or the number inside `message repeated N times: [ TEXT]`, whose `TEXT` is then in `text`.
    pub times: u32,
}

/// What framing makes of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// A record of some program.
    Record(Record<'a>),
    /// `last message repeated N times`: N further copies of the previous line of this host.
    Repeated {
        /// Time of the marker.
        stamp: Stamp,
        /// The host whose previous line was repeated.
        host: &'a [u8],
        /// How many further copies there were.
        times: u32,
    },
    /// Known, and nothing a program said: an empty line, `-- MARK --`, `-- Journal begins at`, a log rotation notice.
    Noise,
    /// No known log format. Counted as unrecognised, never guessed at.
    Unframed,
}
