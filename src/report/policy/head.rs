//! What stands above our lines in a map: what they are, by which evidence, how to switch them on and back.

use crate::outcome::Direction;
use crate::query::policy::Server;

use super::super::format::date;
use super::super::words::count;
use super::plan::{Plan, WAITING};
use super::{Base, Question};

/// What stands above our lines.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// What our comments begin with. Sendmail has one map for both directions.
    pub(super) mark: &'static str,
    /// The lines, without the mark. The first says when, and changes when nothing else does.
    pub(super) lines: Vec<String>,
}

/// What stands above the lines of this map.
pub(super) fn head(question: &Question, plan: &Plan) -> Head {
    Head {
        mark: mark(question),
        lines: lines(question, plan),
    }
}

/// What our comments begin with.
pub(super) fn mark(question: &Question) -> &'static str {
    match question.direction {
        Direction::Outbound => "# tlsnag: ",
        Direction::Inbound => "# tlsnag inbound: ",
    }
}

fn lines(question: &Question, plan: &Plan) -> Vec<String> {
    let rules = &question.rules;
    let mut lines = vec![
        format!(
            "Written on {} by tlsnag: {}.",
            date(rules.today),
            subject(question)
        ),
        basis(question),
    ];
    lines.extend(caution(question).map(str::to_owned));
    lines.extend(switch(question));
    lines.push(
        "Lines without a comment of this kind right above them are yours, and stay as they are."
            .into(),
    );
    let waiting = plan
        .left_out
        .get(WAITING)
        .filter(|_| question.path.is_none() && question.base == Base::Encrypt);
    lines.extend(waiting.map(|n| {
        format!(
            "Left out: {n}: {WAITING}. If a map in use excepts those others, name it with --current, and ask again."
        )
    }));
    if let Some(refusal) = &plan.refusal {
        lines.push(format!("NO ENTRY IS ADDED: {refusal}."));
        lines.extend(plan.cures.iter().map(|cure| format!("    {cure}")));
    }
    lines
}

fn subject(question: &Question) -> &'static str {
    match (question.direction, question.base, question.rules.server) {
        (Direction::Inbound, ..) => {
            "clients whose TLS with us fails and who send no mail for it; STARTTLS is not offered to them"
        }
        (_, Base::May, Server::Postfix) => {
            "domains of whom TLS is required, because their mail has long gone over TLS"
        }
        (_, Base::May, Server::Sendmail) => {
            "MX hosts of whom TLS is required because mail has long gone over TLS, and those whose TLS is broken"
        }
        (_, Base::Encrypt, Server::Postfix) => {
            "domains of whom TLS is not required, because their mail goes in clear or their TLS fails"
        }
        (_, Base::Encrypt, Server::Sendmail) => {
            "MX hosts of whom TLS is not required, because mail goes in clear or TLS fails"
        }
    }
}

fn basis(question: &Question) -> String {
    let rules = &question.rules;
    let days = |n: u32, kind: &str| count(n.into(), &format!("{kind}day"), &format!("{kind}days"));
    let expire = days(rules.expire.unsigned_abs(), "");
    let clean = days(rules.days, "clean ");
    let mails = count(rules.messages, "mail", "mails");
    match (question.direction, question.base) {
        (Direction::Inbound, _) => format!(
            "An entry takes {} on two days and no mail since, and ends {expire} after the last.",
            count(rules.messages, "failed session", "failed sessions")
        ),
        (_, Base::May) => format!(
            "An entry takes {clean} with {mails}, and ends {expire} after the last of them or at the first evidence against it."
        ),
        (_, Base::Encrypt) => format!(
            "An entry ends {expire} after the last mail in clear or failure, or after {clean} with {mails}."
        ),
    }
}

/// What to know before switching it on.
fn caution(question: &Question) -> Option<&'static str> {
    match (question.direction, question.rules.server) {
        (Direction::Outbound, Server::Postfix) => Some(
            "An entry takes the place of smtp_tls_security_level for its domain, of dane too. Tables that smtp_tls_policy_maps names already are asked first.",
        ),
        (Direction::Outbound, Server::Sendmail) if question.path.is_none() => Some(
            "An entry holds for the host and for all names below it. Name the map in use with --current: where a TLS_Srv line of your own requires TLS of a host, its mail \
             would wait for ever beside Try_TLS.",
        ),
        (Direction::Outbound, Server::Sendmail) => {
            Some("An entry holds for the host and for all names below it.")
        }
        (Direction::Inbound, _) => Some(
            "Their mail will come in clear. Better than this is to mend what fails: tlsnag peer ADDRESS",
        ),
    }
}

fn switch(question: &Question) -> Vec<String> {
    let path = |usual: &str| match &question.path {
        Some(path) if is_plain(path) => path.clone(),
        _ => usual.to_string(),
    };
    match (question.direction, question.rules.server) {
        (Direction::Outbound, Server::Postfix) => {
            let path = path("/etc/postfix/tls_policy");
            let (add, take) = listed("smtp_tls_policy_maps", "$default_database_type", &path);
            let level = |level: &str| match question.base {
                Base::May => String::new(),
                Base::Encrypt => format!(" && postconf -e smtp_tls_security_level={level}"),
            };
            let mut lines = vec![
                format!(
                    "On:   postmap {path} && {add}{}    (once; postmap again after each change)",
                    level("encrypt")
                ),
                format!("Back: {take}{}", level("may")),
            ];
            if question.base == Base::Encrypt {
                lines.push("      postconf smtp_tls_security_level    shows first what is to be gone back to. Where it says dane, encrypt takes DANE from all.".into());
            }
            lines
        }
        (Direction::Inbound, Server::Postfix) => {
            let path = path("/etc/postfix/no_starttls.cidr");
            let (add, take) = listed("smtpd_discard_ehlo_keyword_address_maps", "cidr", &path);
            vec![
                format!(
                    "On:   {add} && postfix reload    (once; postfix reload again after each change)"
                ),
                format!("Back: {take} && postfix reload"),
            ]
        }
        (direction, Server::Sendmail) => {
            let path = path("/etc/mail/access");
            let mut lines = vec![
                format!(
                    "On:   makemap hash {path} < {path}    (with FEATURE(`access_db'); in place of hash the type that grep ^Kaccess /etc/mail/sendmail.cf shows)"
                ),
                "Back: take these lines out, and run makemap again".into(),
            ];
            if direction == Direction::Outbound && question.base == Base::Encrypt {
                lines.insert(1, "      and a line of your own:  TLS_Srv: ENCR:112".into());
            }
            lines
        }
    }
}

/// The commands that add a table to those a setting of Postfix names, and that take just that one out again.
pub(in crate::report) fn listed(setting: &str, kind: &str, path: &str) -> (String, String) {
    let (in_double_quotes, in_pattern) = (kind.replace('$', "\\$"), kind.replace('$', "[$]"));
    (
        format!("postconf -e \"{setting}=$(postconf -h {setting}) {in_double_quotes}:{path}\""),
        format!(
            "postconf -e \"{setting}=$(postconf -h {setting} | sed 's|[, ]*{in_pattern}:{path}||')\""
        ),
    )
}

/// Whether a path can stand in a comment and in a command as it is.
fn is_plain(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    !path.is_empty() && path.chars().all(allowed)
}
