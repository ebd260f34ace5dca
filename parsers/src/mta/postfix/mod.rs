//! Postfix 2.2 to 3.12: which daemon wrote a record, and the file that reads it.
//!
//! | file | daemons |
//! |---|---|
//! | `smtp` | smtp, lmtp: deliveries and failed attempts |
//! | `smtpd` | smtpd: clients |
//! | `tls` | lines of the TLS library's user, the same in all of them; tlsproxy |
//! | `queue` | qmgr, error, retry: senders, and echoes of earlier failures |
//! | `trace` | lines of loglevel 2 and of `-v`, which say nothing more |
//!
//! The tag is `SYSLOG_NAME/DAEMON`, where the name can be anything and may hold more slashes: only what follows the last one counts.
//! A bare `smtp` or `smtpd` is not Postfix but OpenSMTPD. Where the daemon is lost (RFC 5424 writes `postfix` alone, a tag may be cut
//! at 32 characters), the form of the text tells it.
//!
//! Text after `status=... (` and after `said: ` was written by the peer, and that of `from=<`, `to=<`, `helo=<` by the client. It is
//! never searched; every form is recognised from its start.

use crate::event::{Event, Line, Relay};
use crate::lex::find_entry;
use crate::mta::Mta;
use crate::record::Record;
use crate::scan::{Octets, find_last_octet, find_octet};

mod queue;
mod samples;
mod smtp;
mod smtpd;
mod tls;
mod trace;

/// Postfix.
pub const POSTFIX: Mta = Mta {
    name: "postfix",
    parse,
    samples: samples::SAMPLES,
};

/// The daemons that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Daemon {
    Smtp,
    Lmtp,
    Smtpd,
    Tlsproxy,
    Queue,
    Error,
    /// Says nothing about TLS or a delivery to another host.
    Silent,
    /// Postfix, but the tag does not tell which.
    Lost,
}

/// Names of executables, the busiest first.
const DAEMONS: &[(&[u8], Daemon)] = &[
    (b"smtp", Daemon::Smtp),
    (b"smtpd", Daemon::Smtpd),
    (b"qmgr", Daemon::Queue),
    (b"cleanup", Daemon::Silent),
    (b"tlsproxy", Daemon::Tlsproxy),
    (b"lmtp", Daemon::Lmtp),
    (b"error", Daemon::Error),
    (b"postscreen", Daemon::Silent),
    (b"anvil", Daemon::Silent),
    (b"local", Daemon::Silent),
    (b"pickup", Daemon::Silent),
    (b"bounce", Daemon::Silent),
    (b"scache", Daemon::Silent),
    (b"pipe", Daemon::Silent),
    (b"virtual", Daemon::Silent),
    (b"trivial-rewrite", Daemon::Silent),
    (b"nqmgr", Daemon::Queue),
    (b"oqmgr", Daemon::Queue),
    (b"retry", Daemon::Error),
    (b"defer", Daemon::Silent),
    (b"trace", Daemon::Silent),
    (b"discard", Daemon::Silent),
    (b"dnsblog", Daemon::Silent),
    (b"flush", Daemon::Silent),
    (b"master", Daemon::Silent),
    (b"nbdb_reindexd", Daemon::Silent),
    (b"postalias", Daemon::Silent),
    (b"postcat", Daemon::Silent),
    (b"postconf", Daemon::Silent),
    (b"postdrop", Daemon::Silent),
    (b"postfix", Daemon::Silent),
    (b"postfix-script", Daemon::Silent),
    (b"postfix-files", Daemon::Silent),
    (b"postfix-tls-script", Daemon::Silent),
    (b"postkick", Daemon::Silent),
    (b"postlock", Daemon::Silent),
    (b"postlog", Daemon::Silent),
    (b"postlogd", Daemon::Silent),
    (b"postmap", Daemon::Silent),
    (b"postmulti", Daemon::Silent),
    (b"postqueue", Daemon::Silent),
    (b"postsuper", Daemon::Silent),
    (b"proxymap", Daemon::Silent),
    (b"proxywrite", Daemon::Silent),
    (b"qmqpd", Daemon::Silent),
    (b"sendmail", Daemon::Silent),
    (b"set-permissions", Daemon::Silent),
    (b"showq", Daemon::Silent),
    (b"spawn", Daemon::Silent),
    (b"tlsmgr", Daemon::Silent),
    (b"verify", Daemon::Silent),
];

/// Where some syslog daemons cut a tag.
const TAG_LIMIT: usize = 32;

fn parse<'a>(record: &Record<'a>) -> Option<Line<'a>> {
    let daemon = daemon_of(record.program)?;
    // Postfix 1.x put several blanks behind the tag, RFC 5424 writers put two
    let text = record.text.trim_ascii_start();
    Some(match daemon {
        Daemon::Lost => parse_unknown(text),
        _ => parse_daemon(daemon, text),
    })
}

fn parse_daemon(daemon: Daemon, text: &[u8]) -> Line<'_> {
    match daemon {
        Daemon::Smtp | Daemon::Lmtp => smtp::parse(text, daemon == Daemon::Lmtp),
        Daemon::Smtpd => smtpd::parse(text),
        Daemon::Tlsproxy => tls::parse_proxy(text),
        Daemon::Queue => queue::parse(text),
        Daemon::Error => queue::parse_echo(text),
        Daemon::Silent | Daemon::Lost => Line::Irrelevant,
    }
}

/// The daemon of a tag; `None` if the tag is not Postfix's.
fn daemon_of(program: &[u8]) -> Option<Daemon> {
    let Some(slash) = find_last_octet(program, b'/') else {
        return (program == b"postfix").then_some(Daemon::Lost);
    };
    let process = &program[slash + 1..];
    if program.len() == TAG_LIMIT {
        return cut_daemon(process);
    }
    find_daemon(process).or_else(|| {
        // a renamed copy of an executable: `smtpd.local`
        let (name, _) = process.split_at(find_octet(process, b'.')?);
        find_daemon(name)
    })
}

fn find_daemon(process: &[u8]) -> Option<Daemon> {
    let (_, daemon) = DAEMONS.iter().find(|(name, _)| *name == process)?;
    Some(*daemon)
}

/// The daemon behind a tag that may have been cut: only if no other name begins alike.
fn cut_daemon(process: &[u8]) -> Option<Daemon> {
    let mut alike = DAEMONS.iter().filter(|(name, _)| name.starts_with(process));
    let (_, daemon) = alike.next()?;
    Some(if alike.all(|(_, other)| other == daemon) {
        *daemon
    } else {
        Daemon::Lost
    })
}

/// Starts of texts that only one daemon writes. `CONNECT from [a]:1 to [b]:25` is postscreen's and ends in `Silent` by way of
/// [`parse_unknown`].
const FORMS: &[(&[u8], Daemon)] = &[
    (b"connect from ", Daemon::Smtpd),
    (b"disconnect from ", Daemon::Smtpd),
    (b"NOQUEUE: ", Daemon::Smtpd),
    (b"lost connection after ", Daemon::Smtpd),
    (b"timeout after ", Daemon::Smtpd),
    (b"too many errors after ", Daemon::Smtpd),
    (b"SSL_accept", Daemon::Smtpd),
    (b"setting up TLS connection from ", Daemon::Smtpd),
    (b"CONNECT to ", Daemon::Tlsproxy),
    (b"DISCONNECT [", Daemon::Tlsproxy),
    (b"TLS handshake failed for service=", Daemon::Tlsproxy),
    (b"PASS ", Daemon::Silent),
    (b"PREGREET ", Daemon::Silent),
    (b"HANGUP ", Daemon::Silent),
    (b"WHITELISTED ", Daemon::Silent),
    (b"ALLOWLISTED ", Daemon::Silent),
    (b"DNSBL rank ", Daemon::Silent),
    (b"COMMAND ", Daemon::Silent),
    (b"BARE NEWLINE ", Daemon::Silent),
    (b"NON-SMTP COMMAND ", Daemon::Silent),
    (b"statistics: ", Daemon::Silent),
    (b"daemon started ", Daemon::Silent),
    (b"terminating on signal ", Daemon::Silent),
    (b"reload ", Daemon::Silent),
    (b"starting the Postfix mail system", Daemon::Silent),
    (b"stopping the Postfix mail system", Daemon::Silent),
    (b"refreshing the Postfix mail system", Daemon::Silent),
];

/// The same for texts behind a queue id.
const QUEUE_ID_FORMS: &[(&[u8], Daemon)] = &[
    (b"client=", Daemon::Smtpd),
    (b"reject", Daemon::Smtpd),
    (b"lost connection after ", Daemon::Smtpd),
    (b"timeout after ", Daemon::Smtpd),
    (b"from=<", Daemon::Queue),
    (b"removed", Daemon::Queue),
    (b"to=<", Daemon::Smtp),
    (b"message-id=", Daemon::Silent),
    (b"resent-message-id=", Daemon::Silent),
    (b"milter-", Daemon::Silent),
    (b"uid=", Daemon::Silent),
    (b"sender non-delivery notification: ", Daemon::Silent),
    (b"sender delay notification: ", Daemon::Silent),
    (b"sender delivery status notification: ", Daemon::Silent),
    (b"postmaster ", Daemon::Silent),
];

/// A record whose tag does not tell the daemon: the form of the text does. Summaries of tlsproxy cannot be told from those of smtp.
fn parse_unknown(text: &[u8]) -> Line<'_> {
    if text.starts_with(b"CONNECT from ") {
        let line = tls::parse_proxy(text);
        return if line == Line::Unrecognised {
            Line::Irrelevant
        } else {
            line
        };
    }
    let daemon = match queue_id(text) {
        Some((_, rest)) => find_form(QUEUE_ID_FORMS, rest).or_else(|| find_form(FORMS, text)),
        None => find_form(FORMS, text),
    };
    match daemon {
        // deliveries of local(8), virtual(8) and pipe(8) look alike, but go to no host
        Some(Daemon::Smtp) => tolerate(smtp::parse(text, false)),
        Some(daemon) => parse_daemon(daemon, text),
        None => first_known(text),
    }
}

fn find_form(table: &[(&[u8], Daemon)], text: &[u8]) -> Option<Daemon> {
    let (_, daemon) = table.iter().find(|(form, _)| text.starts_with(form))?;
    Some(*daemon)
}

/// A delivery to no host is none of ours when the daemon is not known.
fn tolerate(line: Line<'_>) -> Line<'_> {
    match line {
        Line::Event(Event::Delivery(d)) if matches!(d.relay, Relay::Peer(p) if p.address.is_empty()) => {
            Line::Irrelevant
        }
        other => other,
    }
}

/// What the first daemon says that knows the text.
fn first_known(text: &[u8]) -> Line<'_> {
    let line = smtp::parse(text, false);
    if line != Line::Unrecognised {
        return line;
    }
    smtpd::parse(text)
}

/// A queue id and the text behind it. Any word of letters and digits is taken for one: other programs that feed a Postfix log make
/// theirs in other ways, and the words that begin a line of Postfix have been looked at before.
fn queue_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, rest) = text.split_at(Octets::ALPHANUMERIC.span(text));
    let rest = rest.strip_prefix(b": ")?;
    (id.len() >= 3).then(|| (id, rest.trim_ascii_start()))
}

/// What follows `warning: `, `error: `, `fatal: ` or `panic: `.
fn without_severity(text: &[u8]) -> (bool, &[u8]) {
    const SEVERITIES: &[&[u8]] = &[b"warning: ", b"error: ", b"fatal: ", b"panic: "];
    match SEVERITIES.iter().find_map(|s| text.strip_prefix(*s)) {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// Whether the text begins with an entry of the table.
fn starts_with_any(text: &[u8], table: &[&[u8]]) -> bool {
    let first = text.first();
    table
        .iter()
        .any(|t| t.first() == first && text.starts_with(t))
}

/// Whether `word` is one of the words of a list separated by blanks.
fn has_word(list: &[u8], word: &[u8]) -> bool {
    find_entry(list, word).is_some()
        && list
            .split(|b| *b == b' ')
            .any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
