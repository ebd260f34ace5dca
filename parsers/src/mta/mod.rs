//! The mail servers whose lines are known, and which of them a record belongs to.
//!
//! | file | reads |
//! |---|---|
//! | `postfix` | Postfix 2.2 to 3.12 |
//! | `sendmail` | Sendmail 8.12 to 8.18 |
//! | `syslogd` | what syslog daemons say about records they lost |
//!
//! Another mail server is a file of its own with one constant, and a line in [`ALL`].

use crate::event::Line;
use crate::record::Record;

pub mod postfix;
pub mod sendmail;
mod syslogd;

/// One mail server.
#[derive(Clone, Copy, Debug)]
pub struct Mta {
    /// Its name, as stored and shown.
    pub name: &'static str,
    /// What a record says that was written by it, which the program's name tells as far as possible; `None` for any other record.
    pub parse: for<'a> fn(&Record<'a>) -> Option<Line<'a>>,
    /// Whole log lines, one or more of each form it reads.
    pub samples: &'static [&'static str],
}

/// Every mail server. A record is read by the first one whose it is; a test holds that no sample is of two.
pub const ALL: &[&Mta] = &[&postfix::POSTFIX, &sendmail::SENDMAIL];

/// What a record says, and whose it is. A record of another program is [`Line::Irrelevant`], unless it tells of lost records.
#[inline]
pub fn parse_text<'a>(record: &Record<'a>) -> (Option<&'static str>, Line<'a>) {
    for mta in ALL {
        if let Some(line) = (mta.parse)(record) {
            return (Some(mta.name), line);
        }
    }
    (None, syslogd::parse(record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::parse_line;
    use crate::record::Framed;

    #[test]
    fn each_sample_is_recognised_and_by_its_own_server_only() {
        for mta in ALL {
            for sample in mta.samples {
                let Framed::Record(record) = parse_line(sample.as_bytes()) else {
                    panic!("not framed: {sample}");
                };
                let claimants: Vec<_> = ALL
                    .iter()
                    .filter(|m| (m.parse)(&record).is_some())
                    .map(|m| m.name)
                    .collect();
                assert_eq!(claimants, [mta.name], "{sample}");
                let (name, line) = parse_text(&record);
                assert_eq!(name, Some(mta.name), "{sample}");
                assert_ne!(line, Line::Unrecognised, "{sample}");
            }
        }
    }
}
