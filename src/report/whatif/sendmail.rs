//! How a decision would be set in Sendmail, with the exceptions it needs: the access map, by MX host, and `sendmail.mc`.

use crate::query::policy::Server;
use crate::query::whatif::{Requirement, Total};

use super::super::table::Note;
use super::super::words::count;
use super::Case;
use super::setting::{cipher_names, exceptions, excluded, is_much, line, nameless, say};

pub(super) fn outbound(case: &Case<'_>, total: &Total) -> Vec<Note> {
    match case.question.require {
        Requirement::Dane => {
            return vec![
                say(
                    "For sent mail, Sendmail cannot require DANE of all. Where it is built with it (8.16 or newer; Debian 12's is not), this uses it with every host that \
                     publishes it, in sendmail.mc:",
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
    notes.extend(exceptions_by_host(case));
    notes.extend(nameless(case, Server::Sendmail));
    notes.extend(mc(case, "CLIENT"));
    notes
}

/// Sendmail looks up the MX host. TLS of an older version cannot be allowed to one host alone: its mail goes in clear.
fn exceptions_by_host(case: &Case<'_>) -> Vec<Note> {
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
    let mut notes = vec![say(match case.question.require {
        Requirement::Version(_) => {
            "To go on reaching those who would be lost, an exception for each MX host, in the same map; all this mail goes in clear then:"
        }
        _ => {
            "To go on reaching those who would be lost, an exception for each MX host, in the same map:"
        }
    })];
    notes.extend(entries);
    if case.question.require == Requirement::Tls {
        notes.push(say(
            "`tlsnag policy --for sendmail --base encrypt` writes these, with a reason and an end for each entry, and leaves out who has had nothing but TLS for long since.",
        ));
    }
    notes
}

/// What holds for all sessions of one side.
fn mc(case: &Case<'_>, side: &str) -> Vec<Note> {
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

pub(super) fn inbound(case: &Case<'_>) -> Vec<Note> {
    let mut notes = vec![say(
        "For received mail, in Sendmail (RFC 3207 forbids it to servers that strangers have to reach): the rules that `tlsnag policy --for sendmail --reject-text URL` \
         prints, URL being a page for those who are refused.",
    )];
    notes.extend(mc(case, "SERVER"));
    notes
}
