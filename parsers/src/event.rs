//! What one line can say, in words no mail server owns.
//!
//! An event holds only what its own line states. What several lines say together is found out by the reader of the log, per process.

use crate::dsn::{Dsn, Status};
use crate::peer::Peer;
use crate::reason::{Cause, Reason};
use crate::tls::{Handshake, Protocol, Side, Verification};

/// What a line of a known mail server says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    /// Something about TLS, a session or a delivery.
    Event(Event<'a>),
    /// Known, and nothing about TLS or delivery.
    Irrelevant,
    /// A form this crate does not know. Counted, so that a reader can say how much of a log was understood.
    Unrecognised,
}

/// One fact from one line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A handshake succeeded.
    Handshake(Handshake<'a>),
    /// A handshake failed.
    HandshakeFailed(HandshakeFailed<'a>),
    /// What the TLS library said, naming no peer: belongs to the line before it of the same process, if that was a failed handshake.
    Detail(Detail<'a>),
    /// The peer's certificate did not pass; the handshake goes on and its summary follows.
    Certificate {
        /// Whose certificate.
        peer: Peer<'a>,
        /// What was wrong with it.
        cause: Cause,
    },
    /// The peer announced STARTTLS.
    Offered(Offered<'a>),
    /// Our own configuration keeps TLS from being tried with this peer (Sendmail `Try_TLS:... NO`, Postfix `discarding EHLO
    /// keywords: ... STARTTLS`). The name may be empty: then whoever this process is talking to.
    PlainByPolicy {
        /// The peer, as far as named.
        peer: Peer<'a>,
    },
    /// An attempt at one host ended, and the message may go on to another host, or to the same one again.
    AttemptFailed(AttemptFailed<'a>),
    /// The outcome for one or more recipients.
    Delivery(Delivery<'a>),
    /// RFC 8460 result that the mail server handed to its TLSRPT library.
    TlsRpt {
        /// Recipient domain.
        domain: &'a [u8],
        /// The MX host.
        peer: Peer<'a>,
        /// `None` for success.
        failure: Option<Reason>,
    },
    /// A server that serves many sessions in one process took on a session as TLS client (`tlsproxy: CONNECT to`) or server.
    ProxyConnect {
        /// Which end we are.
        side: Side,
        /// Address and port; no name.
        peer: Peer<'a>,
    },
    /// A client connected.
    Connect {
        /// The client.
        peer: Peer<'a>,
    },
    /// A client began a mail transaction that has a recipient (Postfix `QID: client=`).
    Transaction(Transaction<'a>),
    /// A message was accepted and its line tells all about its session (Sendmail `from=... proto=...`).
    Message(Message<'a>),
    /// Who sent a queued message, and nothing about its session (Postfix `qmgr: QID: from=<...>, size=`).
    Sender {
        /// Queue id.
        queue_id: &'a [u8],
        /// Envelope sender, without brackets; empty for bounces.
        sender: &'a [u8],
    },
    /// The connection of a client broke.
    Lost {
        /// The client.
        peer: Peer<'a>,
        /// Last command it had given: `STARTTLS`, `CONNECT`, `DATA (14 bytes)`.
        after: &'a [u8],
    },
    /// A client left; with the counts of its commands where the version writes them.
    Disconnect(Disconnect<'a>),
    /// A client left without having tried to send mail (Sendmail `did not issue MAIL/EXPN/VRFY/ETRN`).
    NoMail {
        /// The client.
        peer: Peer<'a>,
        /// Name of the listening daemon (`MTA-v4`), may be empty.
        daemon: &'a [u8],
    },
    /// We turned a client away because of TLS: it must use TLS and did not (`PlainRejected`), its certificate did not please us
    /// (`ClientCertRejected`), or we refused its STARTTLS (`StarttlsRefusedByUs`).
    Rejected {
        /// The client.
        peer: Peer<'a>,
        /// One of these, or [`Reason::Other`]: we refused a command for a reason with no bearing on TLS.
        reason: Reason,
    },
    /// Our own TLS is broken or limited; concerns whatever this process does next.
    LocalFault {
        /// The side it concerns, if the line tells.
        side: Option<Side>,
        /// What is wrong.
        cause: Cause,
    },
    /// Says what kind of line this program writes, which is what makes a missing line mean something.
    Logging(Logging),
    /// Records were lost before this point.
    Loss {
        /// How many, if told.
        records: Option<u64>,
        /// Process that lost them, if told.
        pid: Option<u32>,
        /// More will be lost after this point, and where that ends may not be said.
        goes_on: bool,
    },
}

/// How long a TLS connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    /// For one message; another message over the same connection is announced by a `reused` line (Postfix).
    Message,
    /// For any number of messages, silently, as long as the process has the connection (Sendmail's connection cache).
    Process,
}

/// A failed handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeFailed<'a> {
    /// Which end we were.
    pub side: Side,
    /// `None` where the line does not name the peer (Sendmail client; Sendmail before 8.14.6).
    pub peer: Option<Peer<'a>>,
    /// As far as this line tells: [`Cause::Unknown`] if a [`Detail`] may follow.
    pub cause: Cause,
    /// Written by a process that serves many sessions at once (`tlsproxy`), so that order within the process means nothing.
    pub by_proxy: bool,
}

/// A line of the TLS library's error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detail<'a> {
    /// What it comes down to.
    pub cause: Cause,
    /// The library's own words, for display.
    pub text: &'a [u8],
}

/// STARTTLS was seen in the peer's EHLO reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered<'a> {
    /// The peer; Postfix names it without address.
    pub peer: Peer<'a>,
    /// Whether our client went on to send STARTTLS. `false`: it noted the offer and stays in clear by our own policy.
    pub taken: bool,
    /// This server writes such a line for every offer before the peer has answered, so that a host without one did not offer
    /// (Sendmail from 8.17.1 at LogLevel 10).
    pub always_written: bool,
}

/// An attempt at one host failed without being the last word on the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptFailed<'a> {
    /// Queue id; empty if the line has none.
    pub queue_id: &'a [u8],
    /// The host, if named; else the one of the failed handshake before it.
    pub peer: Option<Peer<'a>>,
    /// Why.
    pub reason: Reason,
    /// More precisely why, where the line tells.
    pub cause: Cause,
    /// Whether a delivery line of the same host reports the same attempt again (Sendmail `ruleset=tls_server`), so that it must not
    /// be counted twice. Postfix's do not.
    pub repeated_by_delivery: bool,
}

/// What became of one or more recipients of a message at one host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delivery<'a> {
    /// Queue id.
    pub queue_id: &'a [u8],
    /// The recipients this line speaks of.
    pub recipients: Recipients<'a>,
    /// Where it went.
    pub relay: Relay<'a>,
    /// What carried it.
    pub transport: Transport,
    /// Sent over a connection opened for an earlier message (Postfix `conn_use=`).
    pub reused: bool,
    /// Seconds spent on connecting and sending, from `delays=a/b/c/d` (c + d) or `xdelay=`; `None` if not written.
    pub seconds: Option<f32>,
    /// What the line itself says about TLS.
    pub tls: StatedTls<'a>,
    /// Enhanced status code.
    pub dsn: Option<Dsn>,
    /// What became of the recipients.
    pub status: Status,
    /// What our own words inside the line say went wrong; [`Reason::None`] if nothing, [`Reason::Other`] if something with no
    /// bearing on TLS, such as the peer's refusal of a recipient.
    pub reason: Reason,
    /// More precisely, where the text tells.
    pub cause: Cause,
    /// Whether the line shows that the peer answered mail commands (`sent`, `said:`, `reply=`): a mail session took place.
    pub answered: bool,
    /// How long this server keeps a TLS connection: whether the handshake of this delivery may stand before an earlier message.
    pub scope: Scope,
    /// The server writes a line like this only at a level at which it logs its TLS sessions too (Sendmail `stat=Deferred`).
    pub proves_logging: bool,
}

/// Which kind of agent wrote a delivery line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// SMTP to another host.
    Smtp,
    /// LMTP, to a mail store.
    Lmtp,
    /// A queue manager or error agent that repeats an earlier reason: no attempt took place.
    Echo,
}

/// Where a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay<'a> {
    /// A host.
    Peer(Peer<'a>),
    /// A socket of this machine, or a mailer of its own.
    Local,
    /// Nowhere: no host was reached.
    None,
}

/// The recipients of a delivery line, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipients<'a> {
    /// `ann@example.net`, or Sendmail's `<ann@example.net>,<bob@example.net>` with the brackets.
    pub text: &'a [u8],
    /// Whether `text` is Sendmail's list.
    pub list: bool,
}

impl<'a> Recipients<'a> {
    /// One address.
    pub fn one(address: &'a [u8]) -> Self {
        Recipients {
            text: address,
            list: false,
        }
    }

    /// A comma-separated list, with or without angle brackets, perhaps ending in ` [more]`.
    pub fn list(text: &'a [u8]) -> Self {
        Recipients { text, list: true }
    }

    /// Each address, without angle brackets. Commas inside quoted local parts do not separate.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.text);
        std::iter::from_fn(move || {
            loop {
                let text = rest?;
                let (item, tail) = if self.list {
                    split_address(text)
                } else {
                    (text, None)
                };
                rest = tail;
                let item = item.trim_ascii();
                let item = item
                    .strip_prefix(b"<")
                    .map_or(item, |i| i.strip_suffix(b">").unwrap_or(i));
                if !(self.list && (item.is_empty() || item == b"[more]")) {
                    return Some(item);
                }
            }
        })
    }
}

/// The text up to the first comma outside quotes, and what follows it.
fn split_address(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr2(b',', b'"', text) {
        None => return (text, None),
        Some(at) if text[at] == b',' => return (&text[..at], Some(&text[at + 1..])),
        Some(_) => {}
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

/// The domain of an address: what follows its last `@`; empty if it has none.
pub fn domain_of(address: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', address).map_or(b"", |at| &address[at + 1..])
}

/// What a delivery line itself says about TLS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StatedTls<'a> {
    /// Nothing: earlier lines of the process tell, or nobody does.
    Elsewhere,
    /// The version writes it, but the session ended before it was decided (Postfix 3.11 `tls=may?`).
    Undecided,
    /// The message went over TLS.
    Encrypted {
        /// As far as stated.
        verification: Verification,
        /// As far as stated.
        protocol: Option<Protocol>,
        /// As far as stated; may be empty.
        cipher: &'a [u8],
        /// DANE was configured, but its records were unusable, so that the peer was not authenticated (`dane:encrypt`).
        dane_downgraded: bool,
    },
    /// The session was in clear.
    Plaintext {
        /// Because our own policy says so (`tls=none`).
        by_policy: bool,
    },
    /// A policy was violated and nothing was sent (`tls=!encrypt`).
    Violated,
}

/// A mail transaction of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// Queue id; `NOQUEUE` before a proxy filter.
    pub queue_id: &'a [u8],
    /// The client.
    pub peer: Peer<'a>,
    /// It logged in: submission, not a correspondent.
    pub authenticated: bool,
    /// Handed back by a content filter of ours (`orig_client=`).
    pub reinjected: bool,
}

/// A message with all about its session on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Queue id.
    pub queue_id: &'a [u8],
    /// Envelope sender as written, without brackets.
    pub sender: &'a [u8],
    /// The client; empty name and address for local submission.
    pub peer: Peer<'a>,
    /// Submitted on this machine, without SMTP.
    pub local: bool,
    /// Recipients accepted; 0: MAIL was seen, nothing was accepted.
    pub recipients: u32,
    /// Whether the protocol word states TLS: `Some(true)` for ESMTPS, `Some(false)` for SMTP (HELO has no STARTTLS), `None` for
    /// ESMTP, which old versions write under TLS too.
    pub tls: Option<bool>,
    /// The protocol word has an S or A, which proves a version that writes them (8.15.1).
    pub modern: bool,
    /// The client logged in.
    pub authenticated: bool,
    /// Name of the listening daemon (`MTA-v4`, `MSA`, `MSP-v4`, `TLSMTA`), may be empty.
    pub daemon: &'a [u8],
}

/// The end of a session that a client had opened. Counters are `(accepted, given)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// The client.
    pub peer: Peer<'a>,
    /// Whether the line has counters at all (Postfix 3.0 and later).
    pub counted: bool,
    /// STARTTLS commands.
    pub starttls: (u32, u32),
    /// MAIL commands.
    pub mail: (u32, u32),
    /// RCPT commands.
    pub rcpt: (u32, u32),
    /// DATA commands.
    pub data: (u32, u32),
    /// BDAT commands.
    pub bdat: (u32, u32),
    /// AUTH commands.
    pub auth: (u32, u32),
    /// All commands.
    pub commands: (u32, u32),
}

/// What a line proves about the level of logging or the version of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// The program logs its TLS sessions, inbound and outbound.
    Sessions,
    /// The protocol word of accepted messages states TLS.
    ProtocolWord,
    /// The program stated its version: (major, minor, patch).
    Version(u16, u16, u16),
}

impl Logging {
    /// Whether this version states TLS in the protocol word of accepted messages (Sendmail 8.15.1).
    pub fn states_protocol(self) -> bool {
        matches!(self, Logging::ProtocolWord)
            || matches!(self, Logging::Version(a, b, c) if (a, b, c) >= (8, 15, 1))
    }

    /// Whether this version writes a line for each STARTTLS offer before the peer has answered (Sendmail 8.17.1).
    pub fn writes_offers_early(self) -> bool {
        matches!(self, Logging::Version(a, b, c) if (a, b, c) >= (8, 17, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(r: Recipients<'_>) -> Vec<String> {
        r.iter()
            .map(|a| String::from_utf8_lossy(a).into_owned())
            .collect()
    }

    #[test]
    fn ok_recipients() {
        assert_eq!(
            all(Recipients::one(b"\"b, relay=evil\"@example.net")),
            ["\"b, relay=evil\"@example.net"]
        );
        assert_eq!(
            all(Recipients::list(b"<a@b>,<c@b>, [more]")),
            ["a@b", "c@b"]
        );
        assert_eq!(all(Recipients::list(b"a@b,c@b")), ["a@b", "c@b"]);
        assert_eq!(all(Recipients::list(b"<\"x,y\"@b>")), ["\"x,y\"@b"]);
    }

    #[test]
    fn ok_domain() {
        assert_eq!(domain_of(b"\"a@b\"@example.net"), b"example.net");
        assert_eq!(domain_of(b"root"), b"");
    }
}
