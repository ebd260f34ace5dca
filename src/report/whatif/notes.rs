//! What is said beside the lists: what it would take to keep who would be lost, what becomes of their mail, and what the answer does not hold.

use crate::outcome::Direction;
use crate::query::whatif::{CipherClass, Requirement, Total, Unseen};

use super::super::table::{Note, Value};
use super::super::words::{OWN_ENTRY, count};
use super::{Case, to_keep, why};

/// What it would take to keep those who would be lost, once for each reason.
pub(super) fn keeping(case: &Case<'_>) -> Vec<Note> {
    let mut items: Vec<String> = Vec::new();
    let losses = case.answer.losses.iter().map(|l| &l.problem);
    let people = case.answer.people.iter().map(|p| &p.problem);
    for problem in losses.chain(people) {
        let advice = to_keep(problem, case);
        let item = format!("{}: {advice}", why(problem));
        if !advice.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    if items.is_empty() {
        return Vec::new();
    }
    let heading = Note::Paragraph("What it would take to keep them:".into());
    [heading]
        .into_iter()
        .chain(items.into_iter().map(Note::Item))
        .collect()
}

/// What becomes of mail that does not meet the requirement.
pub(super) fn consequences(case: &Case<'_>) -> Vec<Note> {
    let mut texts: Vec<String> = Vec::new();
    if let Some(total) = case.answer.total(Direction::Outbound) {
        let after = match (case.servers.postfix, case.servers.sendmail) {
            (true, true) => {
                "5 days, if maximal_queue_lifetime (Postfix) and confTO_QUEUERETURN (Sendmail) are as they come"
            }
            (false, true) => "confTO_QUEUERETURN (5 days)",
            _ => "maximal_queue_lifetime (5 days)",
        };
        texts.push(format!(
            "Sent mail that does not meet it would wait in the queue and go back to its sender after {after}."
        ));
        texts.extend(weak_sent(case, total));
        texts.extend(old_versions(case, total));
    }
    if let Some(total) = case.answer.total(Direction::Inbound) {
        texts.push(
            "Clients that do not meet it would be refused (530 5.7.0 Must issue a STARTTLS command first); their servers return the mail to its sender."
                .into(),
        );
        texts.extend(weak_received(case, total));
        texts.extend(old_versions(case, total));
    }
    if !case.question.deny.is_empty() {
        texts.push(
            "Whether a peer has another cipher is not in the log, so mail that used a denied one is counted under \"?\", the log cannot tell."
                .into(),
        );
    }
    if case.question.deny.contains(&CipherClass::Dhe) {
        texts.push(
            "DHE counts as denied below 2048 bits, and where its size is not logged, as before TLS 1.3."
                .into(),
        );
    }
    texts.into_iter().map(Note::Paragraph).collect()
}

/// What is too little about TLS that is used, where it is more than a certificate.
fn too_little(case: &Case<'_>) -> Option<&'static str> {
    let version = matches!(case.question.require, Requirement::Version(_));
    match (version, case.question.deny.is_empty()) {
        (true, true) => Some("of an older version"),
        (true, false) => Some("of an older version or with a denied cipher"),
        (false, false) => Some("with a denied cipher"),
        (false, true) => None,
    }
}

/// To be strict without requiring TLS is another thing than to require it: Postfix falls back to clear text, Sendmail does not.
fn weak_sent(case: &Case<'_>, total: &Total) -> Vec<String> {
    let Some(too_little) = too_little(case).filter(|_| total.weak > 0) else {
        return Vec::new();
    };
    let weak = count(total.weak, "message sent", "messages sent");
    let in_clear = total.fate.total() - total.encrypted - total.untold;
    let mut texts = Vec::new();
    if case.servers.postfix || !case.servers.sendmail {
        let settings = match (
            too_little.contains("version"),
            too_little.contains("cipher"),
        ) {
            (true, true) => "smtp_tls_protocols and smtp_tls_exclude_ciphers",
            (true, false) => "smtp_tls_protocols",
            _ => "smtp_tls_exclude_ciphers",
        };
        texts.push(format!(
            "{weak} went over TLS {too_little}. Where TLS is not required (the level may), a handshake that fails for it ends in clear text: to set \
             {settings} alone would have put up to {} into clear text, beside {in_clear} that went in clear anyway.",
            total.weak
        ));
    }
    if case.servers.sendmail {
        texts.push(format!(
            "Sendmail does not fall back to clear text where a handshake fails: of {weak} over TLS {too_little}, all that find nothing better would wait in the queue."
        ));
    }
    texts
}

fn weak_received(case: &Case<'_>, total: &Total) -> Option<String> {
    let too_little = too_little(case).filter(|_| total.weak > 0)?;
    let weak = count(total.weak, "message received", "messages received");
    Some(format!(
        "{weak} came over TLS {too_little}. Where TLS is not required, it is up to the client whether such mail then comes in clear or not at all."
    ))
}

/// Mail that is kept only if what is required of versions is no more than it is.
fn old_versions(case: &Case<'_>, total: &Total) -> Option<String> {
    (total.old > 0 && case.question.require == Requirement::Tls).then(|| {
        let (side, way) = match total.direction {
            Direction::Outbound => ("smtp", "sent"),
            Direction::Inbound => ("smtpd", "received"),
        };
        format!(
            "{} {way} went over TLS older than 1.2. Where TLS is required, Postfix takes the versions of {side}_tls_mandatory_protocols in place of {side}_tls_protocols: \
             if postconf {side}_tls_mandatory_protocols asks for more, this mail is lost too.",
            count(total.old, "message", "messages")
        )
    })
}

/// Whom the answer is about, if that is not those the mail is for.
pub(super) fn smart_host(case: &Case<'_>) -> Option<Note> {
    let relay = case.limits.smart_host.as_ref()?;
    Some(Note::Paragraph(format!(
        "Nearly all mail leaves through one smart host, {relay}: what is required of it says nothing about the domains behind it."
    )))
}

/// What the answer does not hold.
pub(super) fn doubts(case: &Case<'_>) -> Vec<Note> {
    let mut texts: Vec<String> = Vec::new();
    if case.question.require == Requirement::Verified {
        texts.push(certificates(case).into());
    }
    if case.question.require == Requirement::Dane {
        texts.push("Whether a domain has TLSA records that work is in the DNS, not in the log; nothing here can be told from the log alone.".into());
    }
    if !case.question.require.concerns(Direction::Inbound)
        && case.scope.includes(Direction::Inbound)
    {
        texts.push("Received mail is not judged: clients show no certificate.".into());
    }
    if case.answer.strangers > 0 {
        texts.push(format!(
            "Not counted: {} in clear that never brought a message we accepted, mostly spam and scanners.",
            count(case.answer.strangers, "session", "sessions")
        ));
    }
    texts.extend(own_entries(case));
    texts.extend(case.answer.unseen.iter().map(unseen));
    if case.answer.unseen.is_empty() {
        texts.push("Peers not heard of in this period are in no number here.".into());
    }
    texts.into_iter().map(Note::Paragraph).collect()
}

/// Who is rather in clear by an entry of our own: `none` in a policy map, of which Postfix logs nothing before 3.11.
fn own_entries(case: &Case<'_>) -> Option<String> {
    let own = case.answer.losses.iter().filter(|l| l.is_own_entry);
    let names: Vec<&str> = own.map(|l| l.peer.as_str()).collect();
    let first = names.first()?;
    Some(format!(
        "{}: {OWN_ENTRY} `postmap -q {first} TABLE`, for each table that smtp_tls_policy_maps names, shows it. Such mail stays in clear whatever is required of all, \
         and needs no exception.",
        names.join(", ")
    ))
}

/// What a log tells of certificates.
fn certificates(case: &Case<'_>) -> &'static str {
    match (case.servers.postfix, case.servers.sendmail) {
        (false, true) => {
            "Sendmail checks the chain of a certificate and never the name in it: what it would accept may be another's."
        }
        _ => {
            "Where no policy demands it, Postfix checks the chain and not the name, so mail over a trusted chain is counted under \"?\", the log cannot tell."
        }
    }
}

/// Of whom there is no evidence either way.
fn unseen(u: &Unseen) -> String {
    let (who, way) = match u.direction {
        Direction::Outbound => (count(u.peers, "domain", "domains"), "sent"),
        Direction::Inbound => (
            count(u.peers, "sender's organisation", "senders' organisations"),
            "received",
        ),
    };
    let share = match Value::share(u.mails, u.of) {
        Value::Share(share) => format!("{share:.1}"),
        _ => String::new(),
    };
    format!(
        "No evidence either way: {who} of the year before, not heard of in this period; {} of {} {way} in that year ({share} %).",
        u.mails,
        count(u.of, "message", "messages")
    )
}
