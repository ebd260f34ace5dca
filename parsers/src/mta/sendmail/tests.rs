//! Whose records are whose, and lines whose event is known.
//!
//! `tests/data/sendmail-cases.txt` holds `case | event | class | raw line`; the class is a matter of several lines and not looked at
//! here.

use super::*;
use crate::event::{Delivery, Relay};
use crate::framing::parse_line;
use crate::reason::Reason;
use crate::record::Framed;
use crate::stamp::Stamp;
use crate::tls::Side;

const CASES: &str = include_str!("../../../tests/data/sendmail-cases.txt");

fn record<'a>(program: &'a str, text: &'a str) -> Record<'a> {
    let (program, text) = (program.as_bytes(), text.as_bytes());
    Record {
        stamp: Stamp::Missing,
        host: b"mail",
        program,
        pid: Some(1),
        text,
        times: 1,
    }
}

fn p<'a>(text: &'a str) -> Line<'a> {
    parse(&record("sm-mta", text)).unwrap()
}

/// Case, event and line of each row.
fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let rows = CASES
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    rows.map(|row| {
        let mut parts = row.splitn(4, " | ");
        let mut next = || parts.next().unwrap_or_default();
        let (case, event, _class) = (next(), next(), next());
        (case, event, next())
    })
}

/// Whether a line is of this kind.
fn fits(event: &str, line: &Line<'_>) -> bool {
    let found = match line {
        Line::Irrelevant => return matches!(event, "split-part") || event == "delivery",
        Line::Unrecognised => return false,
        Line::Event(found) => found,
    };
    match found {
        Event::Handshake(h) => {
            event
                == if h.side == Side::Client {
                    "summary-out"
                } else {
                    "summary-in"
                }
        }
        Event::HandshakeFailed(f) => {
            event
                == if f.side == Side::Client {
                    "client-error"
                } else {
                    "server-error"
                }
        }
        Event::Detail(_) => event == "openssl-line",
        Event::AttemptFailed(a) => {
            let rcpt = if a.queue_id.is_empty() {
                "ruleset-tls_server"
            } else {
                "ruleset-tls_rcpt"
            };
            event == rcpt && a.repeated_by_delivery && a.peer.is_some()
        }
        Event::PlainByPolicy { .. } => event == "ruleset-try_tls",
        Event::Logging(_) => event == "dane-warning",
        Event::Offered(o) => event == "starttls-attempted" && o.always_written,
        Event::LocalFault { .. } => event == "local-config",
        Event::Rejected { reason, .. } => match reason {
            Reason::PlainRejected => event == "ruleset-check_mail",
            _ => event == "ruleset-tls_client",
        },
        Event::Message(_) => event == "from",
        Event::NoMail { .. } => event == "no-mail",
        Event::Delivery(d) => event == "delivery" && whole(d),
        _ => false,
    }
}

/// Whether all that each delivery of the cases has was found.
fn whole(d: &Delivery<'_>) -> bool {
    d.queue_id.len() == 14
        && d.seconds.is_some()
        && d.dsn.is_some()
        && d.recipients.iter().count() > 0
        && d.relay != Relay::None
}

#[test]
fn each_case_gives_the_event_it_names() {
    let mut count = 0;
    for (case, event, raw) in cases() {
        let Framed::Record(record) = parse_line(raw.as_bytes()) else {
            panic!("{case}: not framed: {raw}");
        };
        let Some(line) = parse(&record) else {
            panic!("{case}: not Sendmail's: {raw}");
        };
        assert!(fits(event, &line), "{case}: {event}: {line:?}");
        count += 1;
    }
    assert_eq!(count, 119);
}

#[test]
fn a_record_is_claimed_by_its_tag_or_by_its_form() {
    let to = "5A2900Xw004099: to=<a@b>, delay=00:00:02, xdelay=00:00:02, mailer=esmtp, pri=1, relay=mx. [192.0.2.1], dsn=2.0.0, stat=Sent (ok)";
    let from =
        "5A2900Xw004099: from=<a@b>, size=1, class=0, nrcpts=1, proto=ESMTP, relay=c [192.0.2.2]";
    for (program, text) in [
        ("sm-mta", "anything"),
        ("sendmail", ""),
        ("mta-in", to),
        ("mta-in", from),
        ("mta-in", "STARTTLS=client, start=ok"),
        ("mta-in", "5A2900Xw004099: STARTTLS=server, relay=x"),
        (
            "mta-in",
            "ruleset=tls_server, arg1=SOFTWARE, relay=mx, reject=454 4.7.0 TLS handshake failed.",
        ),
    ] {
        assert!(claims(&record(program, text)), "{program}: {text}");
    }
    for (program, text) in [
        ("postfix/sendmail", to),
        (
            "postfix/qmgr",
            "4jXlwW1Kvyz1c6S7: from=<a@b>, size=1, nrcpt=1 (queue active)",
        ),
        (
            "postfix",
            "4jXlwW1Kvyz1c6S7: from=<a@b>, size=1, nrcpt=1 (queue active)",
        ),
        (
            "exim",
            "1tQ2aB-0001x2-3Y => a@b R=dnslookup T=remote_smtp H=mx [192.0.2.1] X=TLS1.3:x:256 CV=yes",
        ),
        (
            "smtpd",
            "0000000000000000 mta delivery evpid=1 from=<a@b> to=<c@d> result=Ok",
        ),
        ("milter", "5A2900Xw004099: from=<a@b>"),
        ("mta-in", "anything"),
        ("", ""),
    ] {
        assert!(!claims(&record(program, text)), "{program}: {text}");
    }
}

#[test]
fn ok_version() {
    let version = |a, b, c| Line::Event(Event::Logging(Logging::Version(a, b, c)));
    assert_eq!(
        p("starting daemon (8.17.1.9): SMTP+queueing@00:10:00"),
        version(8, 17, 1)
    );
    assert_eq!(p("starting daemon (8.12.11): SMTP"), version(8, 12, 11));
    assert_eq!(p("starting daemon (x): SMTP"), Line::Irrelevant);
}

#[test]
fn what_proves_the_level_of_logging() {
    for text in [
        "5A2900Xw004099: done; delay=00:00:01, ntries=1",
        "tls_srv_features=(null), relay=a [192.0.2.1]",
        "NOQUEUE: connect from root@localhost",
    ] {
        assert_eq!(p(text), LOGGING, "{text}");
        assert_eq!(
            parse(&record("sm-msp-queue", text)).unwrap(),
            Line::Irrelevant,
            "{text}"
        );
    }
    let deferred = "5A2900Xw004099: to=<a@b>, delay=00:00:02, xdelay=00:00:02, mailer=esmtp, pri=1, relay=mx. [192.0.2.1], dsn=4.0.0, stat=Deferred";
    for (program, proves) in [("sm-mta", true), ("sm-msp-queue", false)] {
        let line = parse(&record(program, deferred)).unwrap();
        assert!(
            matches!(line, Line::Event(Event::Delivery(d)) if d.proves_logging == proves),
            "{program}"
        );
    }
}

#[test]
fn a_part_of_a_line_counts_only_if_it_is_a_whole_handshake() {
    let whole = p(
        "[1]: STARTTLS=client, relay=mx.example.net., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256, ...",
    );
    assert!(matches!(whole, Line::Event(Event::Handshake(h)) if h.bits == 256));
    for part in [
        "[1]: STARTTLS=client, relay=mx.example.net., version=TLSv1.3, verify=OK, ...",
        "[2]: ... cipher=TLS_AES_256_GCM_SHA384, bits=256/256",
        "5A2900Xw004099[1]: to=<a@b>, delay=00:00:02, ...",
        "[1]: tls_clt_features=CipherList=ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256, ...",
    ] {
        assert_eq!(p(part), Line::Irrelevant, "{part}");
    }
}

#[test]
fn err_cut_off() {
    for text in [
        "5A2900Xw004099: to=<a@b>, delay=00:0",
        "5A2900Xw004099: from=<a@b>, si",
        "STARTTLS=cli",
        "tls_clt_features=x",
        "5A2900Xw004099: ",
    ] {
        assert_eq!(p(text), Line::Unrecognised, "{text}");
    }
}
