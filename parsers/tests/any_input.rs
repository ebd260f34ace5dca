//! Nothing a log can hold makes the reader panic, and nothing a peer says becomes a field. The regular expressions of the notes the
//! parsers were written from serve as a second opinion.

use maillog::event::{Event, Line};
use maillog::framing::parse_line;
use maillog::mta::{ALL, parse_text};
use maillog::{Cause, Framed};
use proptest::prelude::*;
use regex::bytes::Regex;

/// Every sample of every mail server.
fn samples() -> Vec<&'static str> {
    ALL.iter()
        .flat_map(|mta| mta.samples.iter().copied())
        .collect()
}

/// Frames and reads; the answer does not matter.
fn read(line: &[u8]) {
    if let Framed::Record(record) = parse_line(line) {
        let _ = parse_text(&record);
        for mta in ALL {
            let _ = (mta.parse)(&record);
        }
    }
}

/// What is done to a sample.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize),
    Replace(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        Just(b"[".to_vec()),
        Just(b"]".to_vec()),
        Just(b"\"".to_vec()),
        Just(b", relay=".to_vec()),
        Just(b">, ".to_vec()),
        Just(b"status=".to_vec()),
        Just(b" (".to_vec()),
        Just("\u{fffd}".as_bytes().to_vec()),
    ];
    prop_oneof![
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, b)| Change::Replace(at, b)),
        (any::<usize>(), piece).prop_map(|(at, p)| Change::Insert(at, p)),
        (any::<usize>(), 0usize..16).prop_map(|(at, n)| Change::Remove(at, n)),
    ]
}

fn apply(line: &mut Vec<u8>, change: &Change) {
    if line.is_empty() {
        return;
    }
    let len = line.len();
    match change {
        Change::Cut(at) => line.truncate(at % len),
        Change::Replace(at, byte) => line[at % len] = *byte,
        Change::Insert(at, piece) => {
            line.splice(at % len..at % len, piece.iter().copied());
        }
        Change::Remove(at, count) => {
            let start = at % len;
            line.drain(start..(start + count).min(len));
        }
    }
}

/// A delivery whose text in parentheses is `reply`.
fn delivery(status: &str, text: &str) -> String {
    format!(
        "Nov  2 10:00:02 mail postfix/smtp[4101]: 4jXlwW1Kvyz1c6S7: to=<ann@example.net>, relay=mx1.example.net[192.0.2.25]:25, \
         delay=1.2, delays=0.1/0.01/0.6/0.5, dsn=2.0.0, status={status} ({text})"
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read(line in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&line);
        let _ = Cause::parse(&line);
        let _ = maillog::reason::parse_certificate(&line);
    }

    #[test]
    fn any_text_of_a_daemon_is_read(daemon in "smtp|smtpd|qmgr|error|tlsproxy|lmtp", text in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut line = format!("Nov  2 10:00:01 mail postfix/{daemon}[1]: ").into_bytes();
        line.extend(text);
        read(&line);
    }

    #[test]
    fn any_change_of_a_sample_is_read(at in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let samples = samples();
        let mut line = at.get(&samples).as_bytes().to_vec();
        for change in &changes {
            apply(&mut line, change);
            read(&line);
        }
    }

    #[test]
    fn a_reply_changes_nothing(reply in "[ -~]{0,120}") {
        let (plain, hostile) = (delivery("sent", "250 ok"), delivery("sent", &format!("250 {reply}")));
        prop_assert_eq!(fields(&plain), fields(&hostile));
        let (plain, hostile) = (delivery("deferred", "host mx[192.0.2.1] said: 450 no"), delivery("deferred", &format!("host mx[192.0.2.1] said: 450 {reply}")));
        prop_assert_eq!(fields(&plain), fields(&hostile));
    }
}

/// All of a delivery, printed.
fn fields(line: &str) -> Option<String> {
    let Framed::Record(record) = parse_line(line.as_bytes()) else {
        return None;
    };
    match parse_text(&record).1 {
        Line::Event(Event::Delivery(d)) => Some(format!("{d:?}")),
        _ => None,
    }
}

#[test]
fn the_worst_replies_change_nothing() {
    let plain = fields(&delivery("sent", "250 ok"));
    assert!(plain.is_some());
    for reply in [
        "250 ok), tls=secure, dsn=5.0.0, status=bounced (x",
        "Verified TLS connection established to mx1.example.net[192.0.2.25]:25: TLSv1.3 with cipher X (256/256 bits)",
        "Cannot start TLS: handshake failure",
        ">, relay=evil[192.0.2.66]:25, status=sent (x",
        "delivery temporarily suspended: x",
    ] {
        assert_eq!(fields(&delivery("sent", reply)), plain, "{reply}");
    }
}

const SUMMARY: &str = r"^(Anonymous|Untrusted|Trusted|Verified) TLS connection (established|reused) (to|from) (\S+?)(?: to (\S+))?: (\S+) with cipher (\S+) \((\d+)/(\d+) bits\)(?: key-exchange (\S+)(?: \(([^)]*)\))?)?(?: server-signature (\S+)(?: \(([^)]*)\))?(?: server-digest (\S+))?)?(?: client-signature (\S+)(?: \(([^)]*)\))?(?: client-digest (\S+))?)?$";

const DELIVERY: &str = r"^([0-9A-Za-z]+): to=<(.*?)>, (?:orig_to=<(.*?)>, )?relay=([^,]+), (?:conn_use=(\d+), )?delay=([\d.]+), delays=([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+), (?:tls=(\S+), )?dsn=(\d\.\d+\.\d+), status=(\S+)(?: \((.*?)\)?)?$";

#[test]
fn regular_expressions_agree() {
    let summary = Regex::new(SUMMARY).expect("the expression is constant");
    let delivery = Regex::new(DELIVERY).expect("the expression is constant");
    let (mut summaries, mut deliveries) = (0, 0);
    for row in include_str!("data/postfix-cases.txt").lines() {
        let Some(raw) = row.splitn(4, " | ").nth(3) else {
            continue;
        };
        let Framed::Record(record) = parse_line(raw.as_bytes()) else {
            continue;
        };
        match parse_text(&record).1 {
            Line::Event(Event::Handshake(h)) => {
                let Some(found) = summary.captures(record.text) else {
                    continue;
                };
                assert_eq!(
                    (&found[7], h.bits.to_string().as_bytes()),
                    (h.cipher, &found[8]),
                    "{raw}"
                );
                assert_eq!(h.reused, &found[2] == b"reused", "{raw}");
                summaries += 1;
            }
            Line::Event(Event::Delivery(d)) => {
                // the expression cannot tell a quoted `, relay=` from a real one
                let found = delivery.captures(record.text).expect("a delivery line");
                assert_eq!(&found[1], d.queue_id, "{raw}");
                assert_eq!(&found[2], d.recipients.text, "{raw}");
                assert_eq!(
                    found[12],
                    *d.dsn.expect("a status code").to_string().as_bytes(),
                    "{raw}"
                );
                deliveries += 1;
            }
            _ => assert!(
                !summary.is_match(record.text) && !delivery.is_match(record.text),
                "{raw}"
            ),
        }
    }
    assert!(
        summaries > 15 && deliveries > 40,
        "{summaries} summaries, {deliveries} deliveries"
    );
}
