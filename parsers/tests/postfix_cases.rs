//! Lines whose class is known: each must give the event its class names.
//!
//! `data/postfix-cases.txt` holds `case | line class | result | raw line`; the result is a matter of several lines and not looked at
//! here.

use maillog::event::{Event, Line, StatedTls, Transport};
use maillog::framing::parse_line;
use maillog::mta::parse_text;
use maillog::{Cause, Framed, Reason, Side};

const CASES: &str = include_str!("data/postfix-cases.txt");

/// Case, class and line of each row.
fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CASES
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|row| {
            let mut parts = row.splitn(4, " | ");
            let mut next = || parts.next().unwrap_or_default();
            let (case, class, _result) = (next(), next(), next());
            (case, class, next())
        })
}

fn line_of(raw: &str) -> Line<'_> {
    match parse_line(raw.as_bytes()) {
        Framed::Record(record) => parse_text(&record).1,
        other => panic!("not a record: {other:?}: {raw}"),
    }
}

/// Whether an event is of this class.
fn fits(class: &str, line: &Line<'_>) -> bool {
    let Line::Event(event) = line else {
        return *line == Line::Irrelevant
            && matches!(class, "tlsproxy-disconnect" | "policy-warning");
    };
    match event {
        Event::Handshake(h) => match class {
            "summary-out" | "summary-out-legacy" => {
                h.side == Side::Client && !h.reused && !h.duplicate
            }
            "summary-out-reused" => h.side == Side::Client && h.reused,
            "summary-in" => h.side == Side::Server && !h.duplicate,
            "summary-in-tlsproxy" => h.side == Side::Server && h.duplicate,
            "summary-duplicate-ignore" => h.duplicate,
            _ => false,
        },
        Event::HandshakeFailed(f) => match class {
            "ssl-connect-error" => f.side == Side::Client && !f.by_proxy,
            "ssl-accept-error" => f.side == Side::Server && !f.by_proxy,
            "tlsproxy-handshake-failed" => f.by_proxy,
            _ => false,
        },
        Event::AttemptFailed(a) => match class {
            "bare-cannot-start-tls" => a.reason == Reason::HandshakeFailed,
            "bare-cert-not-verified" => a.reason == Reason::CertVerifyFailed,
            "bare-lost-connection" => a.reason == Reason::LostBeforeTls,
            "connect-error" => a.reason == Reason::NoSession,
            "sts-warning" => a.reason == Reason::StsMxMismatch,
            _ => false,
        },
        Event::TlsRpt { failure, .. } => match class {
            "tlsrpt-failure" => failure.is_some(),
            "tlsrpt-success" => failure.is_none(),
            _ => false,
        },
        Event::Certificate { cause, .. } => {
            class == "cert-verify" || (class == "dane-warning" && *cause == Cause::TlsaUnusable)
        }
        Event::Rejected { reason, .. } => match reason {
            Reason::PlainRejected => class == "reject",
            Reason::ClientCertRejected => class == "abort",
            _ => class == "local-warning",
        },
        Event::Delivery(_) => class == "delivery",
        Event::Detail(_) => class == "tls-library-problem",
        Event::Offered(_) => class == "offered",
        Event::Transaction(_) => class == "client",
        Event::Connect { .. } => class == "connect",
        Event::Disconnect(_) => class == "disconnect",
        Event::Lost { .. } => class == "lost-connection",
        Event::ProxyConnect { .. } => class == "tlsproxy-connect",
        Event::LocalFault { .. } => class == "local-warning",
        Event::Loss { .. } => class == "loss-marker",
        _ => false,
    }
}

#[test]
fn each_line_gets_its_class() {
    let mut seen = 0;
    for (case, class, raw) in cases() {
        let line = line_of(raw);
        assert!(fits(class, &line), "{case}: {class}: {line:?}");
        seen += 1;
    }
    assert!(seen > 130, "only {seen} lines were read");
}

/// What a delivery line must say by itself: case, reason, what `tls=` states.
const DELIVERIES: &[(&str, Reason, &str)] = &[
    ("o05-311-L0", Reason::None, "encrypted"),
    ("o06-311", Reason::None, "plaintext"),
    ("o07-311", Reason::None, "policy"),
    ("o08-311-greeting", Reason::NoSession, "undecided"),
    (
        "o09-311-required",
        Reason::TlsRequiredNotOffered,
        "violated",
    ),
    ("o10-echo", Reason::SuspendedEcho, "elsewhere"),
    ("o11-refused4", Reason::StarttlsRefused, "violated"),
    ("o12-refused5-bounce", Reason::StarttlsRefused, "violated"),
    ("o13-hsfail-first", Reason::HandshakeFailed, "elsewhere"),
    ("o17-post-handshake", Reason::LostBeforeTls, "encrypted"),
    ("o18-expired-cert", Reason::CertVerifyFailed, "violated"),
    ("o20-selfsigned-old", Reason::CertVerifyFailed, "elsewhere"),
    (
        "o21-dane-tlsa-error",
        Reason::DaneTlsaLookupError,
        "elsewhere",
    ),
    ("o22-dane-only", Reason::DaneOnlyUnusable, "elsewhere"),
    ("o23-tlsa-unusable", Reason::None, "downgraded"),
    ("o24-halfdane", Reason::None, "encrypted"),
    ("o29-311-connuse-plain-TRAP", Reason::None, "undecided"),
    (
        "o35-starttls-lost",
        Reason::StarttlsLostConnection,
        "elsewhere",
    ),
    ("o36-connect", Reason::NoSession, "elsewhere"),
    ("o37-lmtp-unix", Reason::None, "policy"),
    ("o38-requiretls", Reason::RequiretlsViolation, "violated"),
    ("o39-dane-only-field", Reason::CertVerifyFailed, "violated"),
    ("o40-local-engine", Reason::LocalConfigError, "elsewhere"),
    ("o42-peer-requires", Reason::PeerRequiresTls, "elsewhere"),
    ("o43-hostile-reply", Reason::None, "elsewhere"),
    ("o44-truncated", Reason::Other, "encrypted"),
    ("o46-resumed13", Reason::None, "elsewhere"),
    ("o50-deferred-over-tls", Reason::Other, "elsewhere"),
];

fn stated(tls: &StatedTls<'_>) -> &'static str {
    match tls {
        StatedTls::Elsewhere => "elsewhere",
        StatedTls::Undecided => "undecided",
        StatedTls::Encrypted {
            dane_downgraded: true,
            ..
        } => "downgraded",
        StatedTls::Encrypted { .. } => "encrypted",
        StatedTls::Plaintext { by_policy: true } => "policy",
        StatedTls::Plaintext { by_policy: false } => "plaintext",
        StatedTls::Violated => "violated",
    }
}

#[test]
fn deliveries_say_what_they_say_themselves() {
    for (name, reason, tls) in DELIVERIES {
        let of_case = cases().filter(|(case, class, _)| case == name && *class == "delivery");
        let (_, _, raw) = of_case.last().expect("the case is in the file");
        let Line::Event(Event::Delivery(d)) = line_of(raw) else {
            panic!("{name}: not a delivery");
        };
        assert_eq!((d.reason, stated(&d.tls)), (*reason, *tls), "{name}");
        assert_eq!(
            d.transport == Transport::Echo,
            *reason == Reason::SuspendedEcho,
            "{name}"
        );
    }
}
