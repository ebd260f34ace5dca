//! How a decision would be set in each server, with the exceptions it needs; or why no setting is printed, and what would make the log tell.

use maillog::Protocol;

use crate::outcome::Direction;
use crate::query::policy::Server;
use crate::query::whatif::{CipherClass, Exception, Loss, Requirement, Total};

use super::super::advice::logging_cure;
use super::super::table::Note;
use super::super::words::{count, way};
use super::Case;

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
                Direction::Outbound => postfix_outbound(case, total),
                Direction::Inbound => postfix_inbound(case),
            });
        }
        if sendmail {
            notes.extend(match direction {
                Direction::Outbound => sendmail_outbound(case, total),
                Direction::Inbound => sendmail_inbound(case),
            });
        }
        notes.extend(untold(case, total));
    }
    notes
}

fn say(text: impl Into<String>) -> Note {
    Note::Paragraph(text.into())
}

fn line(text: impl Into<String>) -> Note {
    Note::Line(text.into())
}

fn is_much(n: u64, total: &Total) -> bool {
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

fn postfix_outbound(case: &Case<'_>, total: &Total) -> Vec<Note> {
    if let Some(relay) = &case.limits.smart_host {
        return behind_smart_host(case, total, relay);
    }
    match case.question.require {
        Requirement::Dane => dane(),
        Requirement::Verified if case.answer.distrustful.contains(&Server::Postfix) => vec![
            say(
                "For sent mail, in Postfix: it found no certificate good, of anybody. So it knows no authorities, and the log cannot tell who would be lost. \
                 This names them; ask again some days later:",
            ),
            line(
                "postconf -e 'smtp_tls_CAfile=/etc/ssl/certs/ca-certificates.crt'    # or where your system keeps them",
            ),
        ],
        _ if is_much(total.fate.unknown, total) => one_at_a_time(case, total),
        _ => {
            let mut notes = vec![say("For sent mail, in Postfix:")];
            notes.extend(postfix_level(case, total));
            notes.extend(postfix_exceptions(case));
            notes
        }
    }
}

fn postfix_level(case: &Case<'_>, total: &Total) -> Vec<Note> {
    let mut notes = match case.question.require {
        Requirement::Verified => vec![line("postconf -e 'smtp_tls_security_level=secure'")],
        _ => vec![line("postconf -e 'smtp_tls_security_level=encrypt'")],
    };
    if let Requirement::Version(least) = case.question.require {
        notes.extend(protocol_lines("smtp", least));
    }
    notes.extend(cipher_line("smtp", &case.question.deny));
    if total.verified > 0 {
        notes.push(say(
            "Some certificates were verified, so more than TLS is required of some already. Lines of the policy map stay; but where postconf smtp_tls_security_level \
             says dane now, this takes DANE from all.",
        ));
    }
    notes
}

/// What is asked of all mail at once cannot be asked of the domains one by one.
fn behind_smart_host(case: &Case<'_>, total: &Total, relay: &str) -> Vec<Note> {
    let mut notes = vec![say(
        "For sent mail, in Postfix: it asks its policy map for what `postconf -h relayhost` says, not for the domains behind it. What is required holds for all of this \
         mail at once, and so would an exception.",
    )];
    let is_kept = total.fate.lost == 0 && !is_much(total.fate.unknown, total);
    match case.question.require {
        Requirement::Tls | Requirement::Version(_) if is_kept => {
            notes.extend(postfix_level(case, total));
        }
        _ => notes.push(say(format!(
            "No setting is printed: {} of {} would be lost or the log cannot tell. Ask those who run {relay} for it first.",
            total.fate.lost + total.fate.unknown,
            count(total.fate.total(), "message", "messages")
        ))),
    }
    notes
}

/// No log tells of whom DANE can be required; what uses it where it can be had makes the log tell.
fn dane() -> Vec<Note> {
    vec![
        say(
            "For sent mail, in Postfix: nothing is printed that requires DANE of all, for no log tells who has it. This uses it with every domain that publishes \
             it, and holds back mail only where what is published is wrong. It takes a resolver on this host that checks DNSSEC, and requires no TLS of the others:",
        ),
        line("postconf -e 'smtp_dns_support_level=dnssec'"),
        line("postconf -e 'smtp_tls_security_level=dane'"),
        say(
            "Mail over DANE is then logged as Verified. Of such a domain the policy map can require it: DOMAIN dane-only",
        ),
    ]
}

/// What the log cannot tell of all, it tells of one of whom it is required.
fn one_at_a_time(case: &Case<'_>, total: &Total) -> Vec<Note> {
    let what = match case.question.deny.is_empty() {
        true => "whether the name in the certificate was right",
        false => "whether they would have met it",
    };
    let why = say(format!(
        "For sent mail, in Postfix: no setting for all is printed, for of {} of {} the log does not tell {what}. Ask it of one domain first, in the table that \
         smtp_tls_policy_maps names; its mail then goes or waits, and the log says which:",
        total.fate.unknown,
        count(total.fate.total(), "message", "messages")
    ));
    let candidates = case.answer.unknown.iter().chain(&case.answer.losses);
    let first = candidates
        .filter(|l| l.direction == Direction::Outbound && l.fate.unknown > 0 && is_domain(&l.peer))
        .max_by_key(|l| l.fate.unknown);
    let entry = |l: &Loss| line(format!("{} {}", l.peer, map_value(case)));
    [why].into_iter().chain(first.map(entry)).collect()
}

/// What is asked, as a policy map says it.
fn map_value(case: &Case<'_>) -> String {
    let mut value = match case.question.require {
        Requirement::Verified => "secure",
        _ => "encrypt",
    }
    .to_string();
    if let Requirement::Version(least) = case.question.require {
        value.push_str(&format!(" protocols={}", excluded(least).join(":")));
    }
    let ciphers = cipher_names(&case.question.deny);
    if !ciphers.is_empty() {
        value.push_str(&format!(" exclude={}", ciphers.join(":")));
    }
    value
}

/// An exception no wider than it must be: who has TLS keeps it.
fn postfix_exceptions(case: &Case<'_>) -> Vec<Note> {
    let value = |e: &Exception| match case.question.require {
        _ if e.in_clear > 0 => "may",
        Requirement::Version(_) => "encrypt protocols=!SSLv2:!SSLv3",
        _ => "encrypt",
    };
    let entries = exceptions(case, Server::Postfix, |e| {
        vec![format!("{} {}", e.name, value(e))]
    });
    if entries.is_empty() {
        return entries;
    }
    let mut notes = vec![say(
        "To go on reaching those who would be lost, an exception for each, in the table that smtp_tls_policy_maps names:",
    )];
    notes.extend(entries);
    let nameless = case.answer.losses.iter().filter(|l| {
        let named = |e: &Exception| e.name == l.peer;
        l.direction == Direction::Outbound
            && !case.servers.sendmail
            && !case.answer.exceptions.iter().any(named)
    });
    let nameless = nameless.count() as u64;
    if nameless > 0 {
        notes.push(say(format!(
            "{} that would be lost can stand in no table.",
            count(nameless, "name", "names")
        )));
    }
    if case.question.require == Requirement::Tls {
        notes.push(say(
            "`tlsnag policy --for postfix --base encrypt` writes this table, with a reason and an end for each entry.",
        ));
    }
    notes
}

/// The exceptions of a server, and how many are not shown.
fn exceptions(
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

fn postfix_inbound(case: &Case<'_>) -> Vec<Note> {
    let mut notes = vec![
        say(
            "For received mail, in Postfix (RFC 3207 forbids it to servers that strangers have to reach; an exception for one client takes a listener of its own):",
        ),
        line("postconf -e 'smtpd_tls_security_level=encrypt'"),
    ];
    if let Requirement::Version(least) = case.question.require {
        notes.extend(protocol_lines("smtpd", least));
    }
    notes.extend(cipher_line("smtpd", &case.question.deny));
    notes
}

const OLD_TO_NEW: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/// The versions before the least, as Postfix of any version excludes them.
fn excluded(least: Protocol) -> Vec<String> {
    let before = OLD_TO_NEW.iter().take_while(|name| **name != least.name());
    before.map(|name| format!("!{name}")).collect()
}

fn protocol_lines(side: &str, least: Protocol) -> [Note; 2] {
    let set = |value: &str| format!("postconf -e '{side}_tls_mandatory_protocols={value}'");
    [
        line(set(&format!(">={}", least.name()))),
        line(format!(
            "# before Postfix 3.6: {}",
            set(&excluded(least).join(", "))
        )),
    ]
}

/// As OpenSSL names them.
fn cipher_names(deny: &[CipherClass]) -> Vec<&'static str> {
    let names = deny.iter().flat_map(|class| match class {
        CipherClass::Anonymous => &["aNULL"][..],
        CipherClass::TripleDes => &["3DES"],
        CipherClass::Rc4 => &["RC4"],
        CipherClass::Cbc => &["SHA1", "SHA256", "SHA384"],
        CipherClass::Dhe => &["kDHE"],
    });
    names.copied().collect()
}

fn cipher_line(side: &str, deny: &[CipherClass]) -> Option<Note> {
    let names = cipher_names(deny).join(", ");
    let set = format!("postconf -e '{side}_tls_mandatory_exclude_ciphers={names}'");
    (!names.is_empty()).then(|| line(set))
}

/// Whether a name can stand in a table without meaning anything else.
fn is_domain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(allowed)
}

fn sendmail_outbound(case: &Case<'_>, total: &Total) -> Vec<Note> {
    match case.question.require {
        Requirement::Dane => {
            return vec![
                say(
                    "For sent mail, Sendmail cannot require DANE of all. Where it is built with it (8.16 or newer; Debian 12's is not), this uses it with every host that publishes it, in sendmail.mc:",
                ),
                line("define(`confDANE', `true')dnl"),
            ];
        }
        Requirement::Verified if case.answer.distrustful.contains(&Server::Sendmail) => {
            return vec![
                say(
                    "For sent mail, in Sendmail: it found no certificate good, of anybody. So it knows no authorities, and the log cannot tell who would be lost. \
                     This names them in sendmail.mc; ask again some days later:",
                ),
                line("define(`confCACERT', `/etc/ssl/certs/ca-certificates.crt')dnl"),
            ];
        }
        _ if is_much(total.fate.unknown, total) => {
            return vec![say(format!(
                "For sent mail, in Sendmail: no setting is printed, for of {} of {} the log does not tell whether they would have met it.",
                total.fate.unknown,
                count(total.fate.total(), "message", "messages")
            ))];
        }
        _ => {}
    }
    let mut notes = vec![
        say(
            "For sent mail, in Sendmail, in the access map (then makemap hash /etc/mail/access < /etc/mail/access):",
        ),
        line(match case.question.require {
            Requirement::Verified => "TLS_Srv: VERIFY",
            _ => "TLS_Srv: ENCR:112",
        }),
    ];
    notes.extend(sendmail_exceptions(case));
    notes.extend(sendmail_mc(case, "CLIENT"));
    notes
}

/// Sendmail looks up the MX host. TLS of an older version cannot be allowed to one host alone: its mail goes in clear.
fn sendmail_exceptions(case: &Case<'_>) -> Vec<Note> {
    let entries = exceptions(case, Server::Sendmail, |e| {
        let accept = |value: &str| format!("TLS_Srv:{} {value}", e.name);
        match case.question.require {
            Requirement::Version(_) if e.in_clear == 0 => {
                vec![accept("OK"), format!("Try_TLS:{} NO", e.name)]
            }
            Requirement::Verified if e.in_clear == 0 => vec![accept("ENCR:112")],
            _ => vec![accept("OK")],
        }
    });
    if entries.is_empty() {
        return entries;
    }
    let mut notes = vec![say(
        "To go on reaching those who would be lost, an exception for each MX host, in the same map; with Try_TLS: NO its mail goes in clear:",
    )];
    notes.extend(entries);
    if case.question.require == Requirement::Tls {
        notes.push(say(
            "`tlsnag policy --for sendmail --base encrypt` writes these, with a reason and an end for each entry.",
        ));
    }
    notes
}

/// What holds for all sessions of one side.
fn sendmail_mc(case: &Case<'_>, side: &str) -> Vec<Note> {
    let mut lines = Vec::new();
    if let Requirement::Version(least) = case.question.require {
        let options = excluded(least);
        let options = options.iter().map(|name| {
            let name = name.trim_start_matches('!').replace('.', "_");
            format!("+SSL_OP_NO_{name}")
        });
        let options: Vec<String> = options.collect();
        lines.push(format!(
            "define(`conf{side}_SSL_OPTIONS', `{}')dnl",
            options.join(" ")
        ));
    }
    let ciphers = cipher_names(&case.question.deny);
    if !ciphers.is_empty() {
        lines.push(format!(
            "define(`confCIPHER_LIST', `DEFAULT:!{}')dnl",
            ciphers.join(":!")
        ));
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let heading = say(match ciphers.is_empty() {
        true => "And in sendmail.mc:",
        false => "And in sendmail.mc, where the list of ciphers holds for both directions:",
    });
    [heading]
        .into_iter()
        .chain(lines.into_iter().map(line))
        .collect()
}

fn sendmail_inbound(case: &Case<'_>) -> Vec<Note> {
    let mut notes = vec![say(
        "For received mail, in Sendmail (RFC 3207 forbids it to servers that strangers have to reach): the rules that `tlsnag policy --for sendmail --reject-text URL` \
         prints, URL being a page for those who are refused.",
    )];
    notes.extend(sendmail_mc(case, "SERVER"));
    notes
}
