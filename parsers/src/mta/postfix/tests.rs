//! Which daemon a tag names, and what is made of a tag that names none.

use super::*;
use crate::event::Transport;
use crate::stamp::Stamp;

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

#[test]
fn ok_daemon_of() {
    let p = |program: &str| daemon_of(program.as_bytes());
    for (program, daemon) in [
        ("postfix/smtp", Daemon::Smtp),
        ("postfix-239.58.50.50/smtp", Daemon::Smtp),
        ("postfix/127.0.0.1:10025/smtpd", Daemon::Smtpd),
        ("mx1-out/relay/smtp", Daemon::Smtp),
        ("postfix/lmtp", Daemon::Lmtp),
        ("postfix/smtpd.local", Daemon::Smtpd),
        ("postfix/sendmail", Daemon::Silent),
        ("postfix", Daemon::Lost),
        ("postfix-with-a-very-long-name/sm", Daemon::Lost),
        ("postfix-with-a-long-name-in/smtp", Daemon::Lost),
        ("postfix-with-a-long-name/in/smtpd", Daemon::Smtpd),
        ("postfix-with-a-long-name-in/qmgr", Daemon::Queue),
        ("postfix-with-a-long-nam/trivial-", Daemon::Silent),
    ] {
        assert_eq!(p(program), Some(daemon), "{program}");
    }
    for other in [
        "smtp",
        "smtpd",
        "sendmail",
        "sm-mta",
        "dovecot",
        "postfix-policyd-spf",
        "a/b",
        "amavis/x.smtp",
        "",
    ] {
        assert_eq!(p(other), None, "{other}");
    }
}

#[test]
fn a_lost_daemon_is_told_by_the_text() {
    let p = |text: &'static str| parse(&record("postfix", text)).unwrap();
    assert!(matches!(
        p("  connect from a[192.0.2.1]"),
        Line::Event(Event::Connect { .. })
    ));
    assert!(matches!(
        p("A1B2C3D4: client=a[192.0.2.1]"),
        Line::Event(Event::Transaction(_))
    ));
    assert!(matches!(
        p("A1B2C3D4: from=<a@b>, size=1, nrcpt=1 (queue active)"),
        Line::Event(Event::Sender { .. })
    ));
    let to = "A1B2C3D4: to=<a@b>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)";
    assert!(matches!(p(to), Line::Event(Event::Delivery(d)) if d.transport == Transport::Smtp));
    assert_eq!(
        p(
            "A1B2C3D4: to=<a@b>, relay=dovecot, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered)"
        ),
        Line::Irrelevant
    );
    assert!(matches!(
        p("SSL_connect error to mx[192.0.2.1]:25: -1"),
        Line::Event(Event::HandshakeFailed(_))
    ));
    assert!(matches!(
        p("SSL_accept error from mx[192.0.2.1]: -1"),
        Line::Event(Event::HandshakeFailed(_))
    ));
    assert!(matches!(
        p("CONNECT from [192.0.2.1]:40000"),
        Line::Event(Event::ProxyConnect { .. })
    ));
    assert_eq!(
        p("CONNECT from [192.0.2.1]:40000 to [192.0.2.2]:25"),
        Line::Irrelevant
    );
    assert_eq!(p("A1B2C3D4: message-id=<x>"), Line::Irrelevant);
    assert_eq!(p("hello"), Line::Unrecognised);
}

#[test]
fn lmtp_is_told_from_smtp() {
    let to = "A1B2C3D4: to=<a@b>, relay=mail.example.com[private/dovecot-lmtp], delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)";
    let Some(Line::Event(Event::Delivery(d))) = parse(&record("postfix/lmtp", to)) else {
        panic!("not a delivery")
    };
    assert_eq!((d.transport, d.relay), (Transport::Lmtp, Relay::Local));
}
