//! Plain words for people in place of the words programs read.

use maillog::Cause;

use crate::outcome::{Class, Direction};
use crate::query::tally::Verdict;

/// What happens, with what the TLS library said about it.
pub(super) fn what(class: Option<Class>, cause: &str) -> String {
    let Some(class) = class else {
        return String::new();
    };
    match Cause::from_name(cause).filter(|cause| *cause != Cause::Unknown) {
        Some(cause) => format!("{}: {}", led_up_to(class, cause), cause.row().words),
        None => class.row().words.to_string(),
    }
}

/// What happens, where a cause is known: clear text whose cause the log does not state may still have had something before it.
fn led_up_to(class: Class, cause: Cause) -> &'static str {
    match class {
        Class::PlaintextCauseUnknown | Class::PlaintextOpportunistic
            if cause.name().starts_with("own-") =>
        {
            "in clear because our own TLS does not work"
        }
        Class::PlaintextCauseUnknown => "in clear, after the client's TLS with us had failed",
        _ => class.row().words,
    }
}

/// Whose fault it is.
pub(super) fn whose(fault: &str) -> &'static str {
    match fault {
        "peer" => "theirs",
        "us" => "ours",
        "either" => "either",
        _ => "",
    }
}

/// How mail reaches a peer.
pub(super) fn how(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Encrypted => "encrypted",
        Verdict::Plaintext => "in clear",
        Verdict::Mixed => "partly in clear",
        Verdict::Undeliverable => "not delivered",
        Verdict::Unknown => "the log cannot tell",
    }
}

/// Which way the mail went.
pub(super) fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "sent",
        Direction::Inbound => "received",
    }
}

/// `1 domain`, `2 domains`.
pub(super) fn count(n: u64, one: &str, several: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { several })
}

/// The text with a capital at its beginning.
pub(super) fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

/// Said of a domain that is rather in clear by an entry of our own.
pub(super) const OWN_ENTRY: &str = "rather in clear by an entry of your own (none) than by the doing of the server, which took TLS from the same service for others, before and after, on the same days; \
     it offers STARTTLS before it is told a domain.";
