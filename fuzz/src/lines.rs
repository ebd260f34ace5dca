//! Targets that look at one line: framing, and the grammars of the mail servers.

use maillog::event::{Event, Line};
use maillog::framing::{docker, journal, parse_line, parse_stamp, template};
use maillog::mta::{ALL, parse_text};
use maillog::{Framed, Record, Stamp};

/// Any bytes as a line of a log.
pub fn framing(line: &[u8]) {
    let framed = parse_line(line);
    check(line, framed);
    let _ = parse_stamp(line);
    if let Some(unwrapped) = docker::unwrap_json(line) {
        check(&unwrapped.text, unwrapped.framed());
    }
    if let Some(entry) = journal::parse_entry(line)
        && let Framed::Record(record) = entry.framed()
    {
        read(&record);
        let _ = parse_line(&entry.render_line());
    }
    if let Some(object) = template::parse_object(line)
        && let Framed::Record(record) = object.framed()
    {
        read(&record);
        let _ = parse_line(&object.render_line());
    }
    // What a syslog daemon leaves at the edges of a line is not part of it.
    assert_eq!(parse_line(&[b"\0\0", line].concat()), framed);
    if line.last() != Some(&b'\r') {
        assert_eq!(parse_line(&[line, b"\r"].concat()), framed);
    }
}

/// What a Postfix daemon wrote: the first byte chooses the daemon.
pub fn postfix(input: &[u8]) {
    const DAEMONS: [&[u8]; 10] = [
        b"postfix/smtp",
        b"postfix/smtpd",
        b"postfix/qmgr",
        b"postfix/cleanup",
        b"postfix/tlsproxy",
        b"postfix/lmtp",
        b"postfix/error",
        b"postfix/bounce",
        b"postfix/postscreen",
        b"postfix-out/submission/smtpd",
    ];
    daemon(&DAEMONS, input);
}

/// What Sendmail wrote: the first byte chooses the name it goes by.
pub fn sendmail(input: &[u8]) {
    const DAEMONS: [&[u8]; 4] = [b"sendmail", b"sm-mta", b"sm-msp-queue", b"sendmail-mta"];
    daemon(&DAEMONS, input);
}

fn daemon(daemons: &[&[u8]], input: &[u8]) {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let record = Record {
        stamp: Stamp::Missing,
        host: b"mail",
        program: daemons[usize::from(*choice) % daemons.len()],
        pid: Some(1),
        text,
        times: 1,
    };
    read(&record);
    let line = [b"Nov  2 10:00:01 mail ", record.program, b"[1]: ", text].concat();
    if let Framed::Record(framed) = parse_line(&line) {
        read(&framed);
    }
}

fn check(line: &[u8], framed: Framed<'_>) {
    if let Framed::Record(record) = framed {
        for part in [record.host, record.program, record.text] {
            assert!(is_within(part, line), "a part that is not in the line");
        }
        read(&record);
    }
}

/// Every grammar must stand every text, not only its own.
fn read(record: &Record<'_>) {
    let (_, line) = parse_text(record);
    within(&line, record);
    for mta in ALL {
        if let Some(line) = (mta.parse)(record) {
            within(&line, record);
        }
    }
}

/// What can be checked of an event without knowing the text: its parts are parts of the text.
fn within(line: &Line<'_>, record: &Record<'_>) {
    let Line::Event(event) = line else { return };
    let parts: [&[u8]; 3] = match event {
        Event::Delivery(d) => [d.queue_id, d.recipients.text, b""],
        Event::Handshake(h) => [h.cipher, h.peer.name, h.peer.address],
        Event::Connect { peer } => [peer.name, peer.address, b""],
        Event::Sender { queue_id, sender } => [queue_id, sender, b""],
        _ => return,
    };
    for part in parts {
        assert!(
            is_within(part, record.text),
            "a part that is not in the text"
        );
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let start = whole.as_ptr() as usize;
    let at = part.as_ptr() as usize;
    part.is_empty() || (at >= start && at + part.len() <= start + whole.len())
}
