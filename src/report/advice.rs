//! What to do about a class of problem, and the settings that make a log tell.

use maillog::Cause;

use crate::outcome::{Class, Direction};
use crate::query::servers::Servers;
use crate::query::services::Service;

use super::table::Note;

/// Where the cause has no advice of its own.
#[rustfmt::skip]
const ADVICE: &[(Class, &str)] = &[
    (Class::DaneDowngraded, "tell the domain's postmaster that none of its TLSA records can be used"),
    (Class::PlaintextNotOffered, "ask the postmaster to switch STARTTLS on (Postfix: smtpd_tls_security_level = may and a certificate; Sendmail: confSERVER_CERT and confSERVER_KEY)"),
    (Class::PlaintextStarttlsRefused, "ask the postmaster: the server announces STARTTLS and refuses it, mostly for want of a readable certificate or key"),
    (Class::PlaintextOpportunistic, "try `openssl s_client -starttls smtp -connect HOST:25` to see whether STARTTLS is missing or refused, then write to the postmaster"),
    (Class::PlaintextByPolicy, "our own policy switches TLS off for this destination: look at smtp_tls_security_level and smtp_tls_policy_maps (Postfix) or the access map (Sendmail: Try_TLS, VERIFY)"),
    (Class::PlaintextAfterFailedHandshake, "mail goes out in clear because the handshake fails: see the cause with `tlsnag peer NAME`"),
    (Class::PlaintextAfterFailedSession, "the TLS session dies before mail is accepted, the retry goes in clear: look for a firewall or TLS inspection on either side"),
    (Class::PlaintextCauseUnknown, "see what the server offers with `openssl s_client -starttls smtp -connect HOST:25` (outbound), or ask the client's postmaster to switch TLS on for sending (inbound)"),
    (Class::HandshakeFailed, "the log does not name the cause: try `openssl s_client -starttls smtp -connect HOST:25`"),
    (Class::StarttlsLostConnection, "the server hangs up at STARTTLS: ask its postmaster to look for a firewall that filters SMTP commands"),
    (Class::PostHandshakeFailure, "the session dies after the handshake: look for a firewall or a packet size limit on the path"),
    (Class::StarttlsRefused, "ask the postmaster why STARTTLS is refused; until then our policy holds the mail back"),
    (Class::TlsRequiredNotOffered, "ask the postmaster to switch STARTTLS on; until then our policy holds the mail back"),
    (Class::CertVerifyFailed, "compare the certificate with what our policy demands of this domain"),
    (Class::DaneTlsaLookupError, "check DNSSEC and the TLSA records of the MX host: our resolver or theirs"),
    (Class::DaneOnlyUnusable, "our policy demands DANE of a domain that has none: change its line in smtp_tls_policy_maps"),
    (Class::StsMxMismatch, "ask the domain's postmaster to bring its MTA-STS policy and MX records together"),
    (Class::RequiretlsViolation, "nothing to repair: the sender asked for more than this path can give"),
    (Class::PeerRequiresTls, "the server insists on TLS: switch it on for sending (Postfix: smtp_tls_security_level = may)"),
    (Class::LocalConfigError, "our own TLS configuration is broken: read the mail log for warnings at start-up"),
    (Class::InHandshakeFailed, "the log does not name the cause: raise the log level for a day and look at this client again"),
    (Class::InStarttlsRefusedByUs, "our server refuses STARTTLS: look at its certificate, key and rate limits"),
    (Class::InPlaintextRejected, "the client does not use TLS, which we require: ask its postmaster to switch it on for sending"),
    (Class::InClientCertRejected, "our server asks clients for certificates: switch that off for public mail (smtpd_tls_ask_ccert, confTLS_SRV_OPTIONS=V)"),
    (Class::InWrapperFailed, "the client may speak STARTTLS on the implicit TLS port (465), or the other way round"),
];

/// What to do about a problem; empty if there is nothing to do. Settings are those of our own server where the fault is ours, and of
/// either where it is not: what the others run is not in the log.
pub(super) fn advice(class: Class, cause: &str, servers: Servers) -> String {
    let by_class = || {
        ADVICE
            .iter()
            .find(|(c, _)| *c == class)
            .map_or("", |(_, text)| text)
            .to_string()
    };
    let Some(row) = Cause::from_name(cause)
        .filter(|c| *c != Cause::Unknown)
        .map(Cause::row)
    else {
        return by_class();
    };
    match (row.postfix, row.sendmail) {
        ("", "") => by_class(),
        (text, "") | ("", text) => text.to_string(),
        (postfix, _) if !servers.sendmail => postfix.to_string(),
        (_, sendmail) if !servers.postfix => sendmail.to_string(),
        (postfix, sendmail) if shared_words(postfix, sendmail) > 3 => postfix.to_string(),
        (postfix, sendmail) => format!("{postfix} (Sendmail: {sendmail})"),
    }
}

/// With how many equal words two texts begin: those that begin alike differ only in the names of settings.
fn shared_words(a: &str, b: &str) -> usize {
    a.split(' ')
        .zip(b.split(' '))
        .take_while(|(a, b)| a == b)
        .count()
}

/// How many different pieces of advice one report gives.
const MOST_ITEMS: usize = 8;

/// What to do, once for each different problem, in the order given. A cause is mended in the same way whatever it led to.
pub(super) fn what_to_do<'a>(
    servers: Servers,
    problems: impl Iterator<Item = (Class, &'a str)>,
) -> Vec<Note> {
    let mut items: Vec<(String, String)> = Vec::new();
    for (class, cause) in problems {
        let text = advice(class, cause, servers);
        let known = Cause::from_name(cause).filter(|c| *c != Cause::Unknown);
        let problem = known
            .map_or(class.row().words, |c| c.row().words)
            .to_string();
        if !text.is_empty() && !items.iter().any(|(p, _)| *p == problem) {
            items.push((problem, text));
        }
    }
    if items.is_empty() {
        return Vec::new();
    }
    let notes = items
        .into_iter()
        .take(MOST_ITEMS)
        .map(|(problem, text)| Note::Item(format!("{problem}: {text}")));
    [Note::Paragraph("What to do:".into())]
        .into_iter()
        .chain(notes)
        .collect()
}

/// The line that makes a service log its TLS sessions.
pub(super) fn logging_cure(service: &Service) -> String {
    let tag = service.tag.as_str();
    if tag.contains("sendmail") || tag.starts_with("sm-") {
        return "define(`confLOG_LEVEL', `10')dnl".into();
    }
    let (instance, program) = tag.split_once('/').map_or(("", tag), |(first, rest)| {
        (first, rest.rsplit('/').next().unwrap_or(rest))
    });
    let setting = match (program, service.direction) {
        ("lmtp", _) => "lmtp_tls_loglevel=1",
        (_, Direction::Outbound) => "smtp_tls_loglevel=1",
        (_, Direction::Inbound) => "smtpd_tls_loglevel=1",
    };
    let plain = instance
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match instance.starts_with("postfix-") && plain {
        true => format!("postmulti -i {instance} -x postconf -e {setting}"),
        false => format!("postconf -e {setting}"),
    }
}

/// What switches our own TLS on, for whoever finds that nothing at all is encrypted.
pub(super) fn switch_on(direction: Direction, servers: Servers) -> Vec<String> {
    let postfix = match direction {
        Direction::Outbound => "postconf -e smtp_tls_security_level=may",
        Direction::Inbound => {
            "postconf -e smtpd_tls_security_level=may smtpd_tls_chain_files=KEY_AND_CERTIFICATE.pem"
        }
    };
    let sendmail = match direction {
        Direction::Outbound => {
            "tlsnag peer NAME    # and look for Try_TLS:NAME NO in the access map"
        }
        Direction::Inbound => {
            "define(`confSERVER_CERT', `CERTIFICATE.pem')dnl define(`confSERVER_KEY', `KEY.pem')dnl"
        }
    };
    let lines = [(servers.postfix, postfix), (servers.sendmail, sendmail)];
    lines
        .into_iter()
        .filter(|(runs, _)| *runs)
        .map(|(_, line)| line.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CLASSES;

    #[test]
    fn every_class_that_needs_action_has_advice() {
        let mail_in_clear = |name: &str| name.starts_with("plaintext-");
        for row in CLASSES
            .iter()
            .filter(|row| row.tls_failure || mail_in_clear(row.name))
        {
            assert!(
                !advice(row.class, "", Servers::default()).is_empty(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_cure_names_the_setting_of_the_service() {
        let cure = |tag: &str, direction| {
            logging_cure(&Service {
                direction,
                host: "mx".into(),
                tag: tag.into(),
                encrypted: 0,
                plaintext: 0,
                unknown: 1,
                logs: false,
            })
        };
        for (tag, direction, expected) in [
            (
                "postfix/smtp",
                Direction::Outbound,
                "postconf -e smtp_tls_loglevel=1",
            ),
            (
                "postfix/submission/smtpd",
                Direction::Inbound,
                "postconf -e smtpd_tls_loglevel=1",
            ),
            (
                "postfix/lmtp",
                Direction::Outbound,
                "postconf -e lmtp_tls_loglevel=1",
            ),
            (
                "postfix-out/relay/smtp",
                Direction::Outbound,
                "postmulti -i postfix-out -x postconf -e smtp_tls_loglevel=1",
            ),
            (
                "postfix-$(x)/smtp",
                Direction::Outbound,
                "postconf -e smtp_tls_loglevel=1",
            ),
            (
                "sm-mta",
                Direction::Inbound,
                "define(`confLOG_LEVEL', `10')dnl",
            ),
        ] {
            assert_eq!(cure(tag, direction), expected, "{tag}");
        }
    }
}
