//! How a decision would be set in Postfix, with the exceptions it needs.

use maillog::Protocol;

use crate::outcome::Direction;
use crate::query::policy::Server;
use crate::query::whatif::{CipherClass, Exception, Loss, Requirement, Total};

use super::super::policy::listed;
use super::super::table::Note;
use super::super::words::count;
use super::Case;
use super::setting::{cipher_names, exceptions, excluded, is_much, line, nameless, say};

pub(super) fn outbound(case: &Case<'_>, total: &Total) -> Vec<Note> {
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
            // The exceptions come first: else mail would be held back until they are there.
            let mut notes = exceptions_of_losses(case);
            notes.push(say(match notes.is_empty() {
                true => "For sent mail, in Postfix:",
                false => "Then, for all others:",
            }));
            notes.extend(level(case, total));
            notes.extend(nameless(case, Server::Postfix));
            notes
        }
    }
}

fn level(case: &Case<'_>, total: &Total) -> Vec<Note> {
    let mut notes = match case.question.require {
        Requirement::Verified => vec![line("postconf -e 'smtp_tls_security_level=secure'")],
        _ => vec![line("postconf -e 'smtp_tls_security_level=encrypt'")],
    };
    if let Requirement::Version(least) = case.question.require {
        notes.extend(protocol_lines("smtp", least));
    }
    notes.extend(cipher_line("smtp", &case.question.deny));
    notes.push(line("postfix reload"));
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
            notes.extend(level(case, total));
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

/// An exception no wider than it must be: who has TLS keeps it, and who has DANE keeps that. `dane` is `may` for hosts that publish none.
fn value_of_exception(e: &Exception, case: &Case<'_>) -> String {
    let level = match () {
        () if is_partly_verified(e) => "dane",
        () if e.in_clear > 0 => "may",
        () => "encrypt",
    };
    let is_old = e.lost > e.in_clear && matches!(case.question.require, Requirement::Version(_));
    match is_old && level != "may" {
        true => format!("{level} protocols=!SSLv2:!SSLv3"),
        false => level.into(),
    }
}

/// Mail in clear beside verified mail, which `may` would give up.
fn is_partly_verified(e: &Exception) -> bool {
    e.in_clear > 0 && e.verified > 0
}

fn exceptions_of_losses(case: &Case<'_>) -> Vec<Note> {
    let entries = exceptions(case, Server::Postfix, |e| {
        vec![format!("{} {}", e.name, value_of_exception(e, case))]
    });
    if entries.is_empty() {
        return entries;
    }
    let mut notes = vec![say(
        "For sent mail, in Postfix: to go on reaching those who would be lost, first an exception for each, in a table of their own, here /etc/postfix/tls_policy:",
    )];
    notes.extend(entries);
    notes.push(say(
        "It is put behind the tables that smtp_tls_policy_maps names already, which are asked first (once; postmap again after each change):",
    ));
    let (add, _) = listed(
        "smtp_tls_policy_maps",
        "$default_database_type",
        "/etc/postfix/tls_policy",
    );
    notes.push(line(format!("postmap /etc/postfix/tls_policy && {add}")));
    let mut own = case.answer.exceptions.iter();
    if own.any(|e| e.server == Server::Postfix && is_partly_verified(e)) {
        notes.push(say(
            "Where it says dane, some of the mail was verified and some went in clear. dane requires of a host the certificate that it publishes, and is may for hosts that publish \
             none; may would give up what was verified. If a line of your own verified it, it needs no exception: that line goes on deciding.",
        ));
    }
    if case.question.require == Requirement::Tls {
        notes.push(say(
            "`tlsnag policy --for postfix --base encrypt` writes this table, with a reason and an end for each entry, and leaves out who has had nothing but TLS for long since.",
        ));
    }
    notes
}

pub(super) fn inbound(case: &Case<'_>) -> Vec<Note> {
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
    notes.push(line("postfix reload"));
    notes
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
