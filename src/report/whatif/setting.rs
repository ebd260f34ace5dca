//! How a decision would be set, or why no setting is printed and what would make the log tell; and what both servers' lines share.

use maillog::Protocol;

use crate::outcome::Direction;
use crate::query::policy::Server;
use crate::query::whatif::{CipherClass, Exception, Total};

use super::super::advice::logging_cure;
use super::super::table::Note;
use super::super::words::{count, way};
use super::{Case, postfix, sendmail};

/// Where the log cannot tell of one mail in so many, it cannot tell what a setting would cost.
const MUCH: u64 = 20;

/// What each server would be told, for each direction.
pub(super) fn settings(case: &Case<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    let (postfix, sendmail) = match (case.servers.postfix, case.servers.sendmail) {
        (false, false) => (true, false),
        seen => seen,
    };
    for direction in [Direction::Outbound, Direction::Inbound] {
        let Some(total) = case.answer.total(direction) else {
            continue;
        };
        if let Some(refusal) = refusal(case, total) {
            notes.extend(refusal);
            continue;
        }
        if postfix {
            notes.extend(match direction {
                Direction::Outbound => postfix::outbound(case, total),
                Direction::Inbound => postfix::inbound(case),
            });
        }
        if sendmail {
            notes.extend(match direction {
                Direction::Outbound => sendmail::outbound(case, total),
                Direction::Inbound => sendmail::inbound(case),
            });
        }
        notes.extend(untold(case, total));
    }
    notes
}

pub(super) fn say(text: impl Into<String>) -> Note {
    Note::Paragraph(text.into())
}

pub(super) fn line(text: impl Into<String>) -> Note {
    Note::Line(text.into())
}

pub(super) fn is_much(n: u64, total: &Total) -> bool {
    n * MUCH > total.fate.total()
}

/// Why nothing is printed for this direction, with what would make the log tell.
fn refusal(case: &Case<'_>, total: &Total) -> Option<Vec<Note>> {
    let mail = way(total.direction);
    if !is_much(total.untold, total) {
        return (total.encrypted == 0).then(|| {
            vec![say(format!(
                "No setting for {mail} mail is printed: none went over TLS, with anybody, so our own TLS is likelier to be at fault than everybody's. See `tlsnag doctor`."
            ))]
        });
    }
    let cures = cures(case, total.direction);
    let then = match cures.is_empty() {
        true => "`tlsnag doctor` tells why.",
        false => "This makes it tell; ask again some days later:",
    };
    let why = say(format!(
        "No setting for {mail} mail is printed: of {} of {} the log does not tell whether TLS was used, and more may be lost than is named here. {then}",
        total.untold,
        count(total.fate.total(), "message", "messages")
    ));
    Some(
        [why]
            .into_iter()
            .chain(cures.into_iter().map(line))
            .collect(),
    )
}

/// What makes those services log TLS that do not.
fn cures(case: &Case<'_>, direction: Direction) -> Vec<String> {
    let blind = case.limits.blind.iter();
    let blind = blind.filter(|s| s.direction == direction && !s.logs);
    let mut cures: Vec<String> = blind.map(logging_cure).collect();
    cures.sort();
    cures.dedup();
    cures
}

/// What is left untold, where that is little.
fn untold(case: &Case<'_>, total: &Total) -> Vec<Note> {
    let cures = cures(case, total.direction);
    if cures.is_empty() {
        return Vec::new();
    }
    let why = say(format!(
        "Of {} {} the log does not tell whether TLS was used; this makes it tell:",
        count(total.untold, "message", "messages"),
        way(total.direction)
    ));
    [why]
        .into_iter()
        .chain(cures.into_iter().map(line))
        .collect()
}

/// The exceptions of a server, and how many are not shown.
pub(super) fn exceptions(
    case: &Case<'_>,
    server: Server,
    lines: impl Fn(&Exception) -> Vec<String>,
) -> Vec<Note> {
    let own = || case.answer.exceptions.iter().filter(|e| e.server == server);
    let shown = own().take(case.most());
    let mut notes: Vec<Note> = shown.flat_map(lines).map(line).collect();
    let more = own().count().saturating_sub(case.most());
    if more > 0 {
        notes.push(say(format!(
            "... and {}; {} prints all.",
            count(more as u64, "more exception", "more exceptions"),
            case.option_for_all()
        )));
    }
    notes
}

/// Who would be lost and cannot be excepted.
pub(super) fn nameless(case: &Case<'_>, server: Server) -> Option<Note> {
    let [postfix, sendmail] = case.answer.nameless;
    let (n, names) = match server {
        Server::Postfix => (postfix, count(postfix, "name", "names")),
        Server::Sendmail => (sendmail, count(sendmail, "MX host", "MX hosts")),
    };
    (n > 0).then(|| say(format!("{names} that would be lost can stand in no table.")))
}

const OLD_TO_NEW: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/// The versions before the least, as Postfix of any version excludes them.
pub(super) fn excluded(least: Protocol) -> Vec<String> {
    let before = OLD_TO_NEW.iter().take_while(|name| **name != least.name());
    before.map(|name| format!("!{name}")).collect()
}

/// As OpenSSL names them.
pub(super) fn cipher_names(deny: &[CipherClass]) -> Vec<&'static str> {
    let names = deny.iter().flat_map(|class| match class {
        CipherClass::Anonymous => &["aNULL"][..],
        CipherClass::TripleDes => &["3DES"],
        CipherClass::Rc4 => &["RC4"],
        CipherClass::Cbc => &["SHA1", "SHA256", "SHA384"],
        CipherClass::Dhe => &["kDHE"],
    });
    names.copied().collect()
}
