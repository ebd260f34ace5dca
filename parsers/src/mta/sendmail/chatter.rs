//! Lines that tell nothing about TLS or a delivery: how each begins, behind the queue id.
//!
//! A table, not a catch-all: what is not in it is counted as not understood. Most of these are written at LogLevel 10 and above only.

use crate::event::Line;
use crate::mta::sendmail::id::strip_queue_id;
use crate::mta::sendmail::lex::peer;

/// Starts of lines, the busiest first.
const STARTS: &[&[u8]] = &[
    b"SMTP ",
    b"<-- ",
    b"--- ",
    b"engine=",
    b"AUTH: ",
    b"AUTH=",
    b"AUTH ",
    b"Milter",
    b"milter",
    b"alias ",
    b"timeout waiting for input ",
    b"lost input channel from ",
    b"makeconnection",
    b"stopping daemon",
    b"starting daemon ",
    b"started as: ",
    b"SYSERR",
    b"Authentication-Warning: ",
    b"assigned id",
    b"changed",
    b"locked",
    b"unlock",
    b"unquarantine",
    b"quarantine",
    b"too young",
    b"discarded",
    b"clone",
    b"done",
    b"forward ",
    b"forwarding ",
    b"include ",
    b"aliasing/forwarding loop",
    b"deferred: ",
    b"removed",
    b"split: ",
    b"sendenvelope",
    b"dropenvelope",
    b"queueup",
    b"dowork",
    b"runqueue",
    b"rq: ",
    b"rqe: ",
    b"rwg: ",
    b"sqr: ",
    b"gatherq: ",
    b"checkqueuerunner: ",
    b"grew WorkList",
    b"FAILED to grow WorkList",
    b"WorkList ",
    b"Losing ",
    b"queue ",
    b"persistent queue runner",
    b"restart queue runner",
    b"restarting ",
    b"starting persistent queue",
    b"collect: ",
    b"headers too large",
    b"header overflow",
    b"header check ",
    b"message size ",
    b"Bare linefeed",
    b"Truncated ",
    b"Fixed MIME ",
    b"Dropped invalid comments",
    b"Warning: ",
    b"WARNING: ",
    b"ERROR",
    b"error: ",
    b"POSSIBLE ATTACK",
    b"possible ",
    b"possible spam ",
    b"Saved message in ",
    b"returntosender: ",
    b"rejecting ",
    b"delaying",
    b"deferring ",
    b"accepting ",
    b"low on space",
    b"daemon ",
    b"gethostby",
    b"getauth",
    b"invalid domain name ",
    b"unable to ",
    b"My unqualified host name ",
    b"unauthorized PIPELINING",
    b"tcpwrappers ",
    b"stat=occ_exceeded",
    b"TLSA=",
    b"DANE_depth=",
    b"SSL_dane_enable=",
    b"SSL_CTX_dane_enable=",
    b"fipsmode=",
    b"clt_features=",
    b"srvfeatures: ",
    b"smtps: ",
    b"smtpquit: ",
    b"x-connect",
    b"haproxy: ",
    b"mci_",
    b"dns ",
    b"map ",
    b"hash map ",
    b"ldap=",
    b"ldap_",
    b"nisplus_",
    b"socket_map",
    b"timeout connecting to ",
    b"rewrite: ",
    b"setsender: ",
    b"cannot ",
    b"can't ",
    b"could not ",
    b"encode64 ",
    b"hostsignature ",
    b"Timeout.to_aconnect ",
    b"proc_list_probe",
    b"user ",
    b"Null connection",
    b"null connection",
    b"log terminated, too many parts",
    b"finis",
    b"in background",
    b"disconnect",
    b"interrupt",
    b"unlink ",
    b"sync_dir: ",
    b"bogus queue file",
    b"dangerous permissions",
    b"filesys_update",
    b"ownership change ",
    b"conn_limits: ",
    b"\"",
    // a file: `/etc/mail/aliases: 9 aliases, longest 9 bytes, 134 bytes total`
    b"/",
];

/// What may follow a second queue id: a report on the message of the first one.
const REPORTS: &[&[u8]] = &[
    b"DSN: ",
    b"sender notify: ",
    b"postmaster notify: ",
    b"return to sender: ",
    b"return receipt",
    b"return ",
    b"clone",
];

/// What may follow a peer.
const BEHIND_PEER: &[&[u8]] = &[
    b": SMTP ",
    b": ETRN ",
    b": EXPN ",
    b": VRFY ",
    b": expn ",
    b": vrfy ",
    b": Possible SMTP RCPT flood",
    b": possible SMTP attack",
    b": probable open proxy",
];

/// Irrelevant, or not understood.
pub(super) fn parse(text: &[u8]) -> Line<'_> {
    let known = starts_with_any(text, STARTS)
        || is_report(text)
        || is_remark_on_address(text)
        || is_remark_on_peer(text);
    if known {
        Line::Irrelevant
    } else {
        Line::Unrecognised
    }
}

fn starts_with_any(text: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|s| text.starts_with(s))
}

/// `QID: DSN: User unknown`, behind another queue id.
fn is_report(text: &[u8]) -> bool {
    let (id, rest) = strip_queue_id(text);
    starts_with_any(if id.is_empty() { text } else { rest }, REPORTS)
}

/// `<nosuch@example.com>... User unknown`: one word, three dots, a blank.
fn is_remark_on_address(text: &[u8]) -> bool {
    memchr::memchr(b' ', text).is_some_and(|at| at > 3 && text[..at].ends_with(b"..."))
}

fn is_remark_on_peer(text: &[u8]) -> bool {
    // a name without an address takes the colon with it
    let colon = memchr::memmem::find(text, b": ").map(|at| &text[at..]);
    let behind = peer(text)
        .map(|(_, rest)| rest)
        .filter(|rest| rest.starts_with(b": "));
    let one_word = colon.filter(|rest| !text[..text.len() - rest.len()].contains(&b' '));
    behind
        .or(one_word)
        .is_some_and(|rest| starts_with_any(rest, BEHIND_PEER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_irrelevant() {
        for text in [
            "<-- rcpt TO:<a@b>",
            "--- 050 <a@b>... Sent (relay=x)",
            "6AMNsSo2000170: DSN: User unknown",
            "<nosuch@example.com>... User unknown",
            "mx.example.org [192.0.2.1]: possible SMTP attack: command=AUTH, count=5",
            "mx.example.org.: SMTP DATA-1 protocol error: 250 ok",
            "SYSERR(root): readqf: cannot open ./df6AN0QuNi023670: No such file or directory",
        ] {
            assert_eq!(parse(text.as_bytes()), Line::Irrelevant, "{text}");
        }
    }

    #[test]
    fn err_unrecognised() {
        for text in [
            "",
            " ",
            "... x",
            "tomorrow's words",
            "a: b",
            "6AMNsSo2000170: tomorrow's words",
        ] {
            assert_eq!(parse(text.as_bytes()), Line::Unrecognised, "{text}");
        }
    }
}
