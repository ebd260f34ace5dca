//! What a Sendmail 8.17 says at LogLevel 9, with Dovecot and opendkim beside it.
//!
//! Not simulated: message submission by sendmail(8) with its second queue id, MTA-STS, DANE lookups, `[more]` recipients.

use std::fmt;
use std::rc::Rc;

use crate::noise;
use crate::peers::{Host, Peer, Policy};
use crate::postfix::{HOME, PEOPLE, handshake_fails, inbound_tls, recipient};
use crate::stamp::{SECOND, Time, civil};
use crate::truth::Fact;
use crate::world::{Message, Process, Step, World};

const TAG: &str = "sm-mta";

/// How an outbound handshake fails.
const CONNECT_ERRORS: &[&str] = &[
    "connect failed=-1, reason=wrong version number, SSL_error=1, errno=0, retry=-1",
    "connect failed=-1, reason=sslv3 alert handshake failure, SSL_error=1, errno=0, retry=-1",
    "connect failed=-1, reason=unknown, SSL_error=5, errno=104, retry=-1",
    "connect failed=-1, reason=unexpected eof while reading, SSL_error=1, errno=32, retry=-1",
];

/// The same of a client.
const ACCEPT_ERRORS: &[&str] = &[
    "accept failed=-1, reason=no shared cipher, SSL_error=1, errno=0, retry=-1",
    "accept failed=-1, reason=unexpected eof while reading, SSL_error=1, errno=0, retry=-1",
];

/// Kinds of arrivals, of a thousand.
const ARRIVALS: &[(u64, Arrival)] = &[
    (400, Arrival::Inbound),
    (480, Arrival::Outbound),
    (60, Arrival::Probe),
    (60, Arrival::Noise),
];

#[derive(Clone, Copy)]
enum Arrival {
    Inbound,
    Outbound,
    Probe,
    Noise,
}

/// `mail.example.org [192.0.2.40]`
struct Client<'a>(&'a Host);

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { name, address, v6 } = self.0;
        let tag = if *v6 { "IPv6:" } else { "" };
        match name.as_str() {
            "unknown" => write!(f, "[{tag}{address}]"),
            name => write!(f, "{name} [{tag}{address}]"),
        }
    }
}

/// `mx1.example.net. [192.0.2.25]`, the name shortened to `first18...last18` past 39 characters.
struct Relay<'a>(&'a Host);

impl fmt::Display for Relay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { name, address, v6 } = self.0;
        let tag = if *v6 { "IPv6:" } else { "" };
        let name = format!("{name}.");
        match name.len() {
            0..=39 => write!(f, "{name} [{tag}{address}]"),
            long => write!(
                f,
                "{}...{} [{tag}{address}]",
                &name[..18],
                &name[long - 18..]
            ),
        }
    }
}

/// `00:10:02`
struct Clock(Time);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / SECOND;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:02}", seconds % 60)
    }
}

/// Somebody comes.
pub fn arrive(world: &mut World<'_>, at: Time) {
    let host = world.any_host();
    match world.rng.weighted(ARRIVALS) {
        Arrival::Inbound => receive(world, host, at),
        Arrival::Outbound => submit(world, host, at),
        Arrival::Probe => probe(world, host, at),
        Arrival::Noise => noise::dovecot(world, host, at),
    }
}

/// A process of its own for each connection.
fn fork(world: &mut World<'_>, host: usize) -> Process {
    let pid = world.fork(host);
    Process {
        host,
        tag: TAG,
        pid,
    }
}

/// `YMDhms`, two characters of sequence, the process id: see `assign_queueid` of Sendmail.
fn queue_id(at: Time, sequence: u64, pid: u64) -> String {
    const DIGITS: &[u8; 60] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx";
    let now = civil(at);
    let digits = [
        now.year - 1900,
        now.month - 1,
        now.day,
        now.hour,
        now.minute,
        now.second,
        sequence / 60,
        sequence,
    ];
    let time: String = digits
        .iter()
        .map(|digit| char::from(DIGITS[(digit % 60) as usize]))
        .collect();
    format!("{time}{pid:06}")
}

fn receive(world: &mut World<'_>, host: usize, at: Time) {
    let peer = world.any_peer();
    let who = fork(world, host);
    let client = Client(&peer.out);
    let at = at + world.rng.between(40_000, 800_000);
    let Some(tls) = inbound_tls(&peer, &mut world.rng) else {
        let error = ACCEPT_ERRORS[peer.fault % ACCEPT_ERRORS.len()];
        let text = format_args!("STARTTLS=server, error: {error}, relay={client}");
        world.state(at, who, Fact::InboundHandshakeFailed, text);
        return say_no_mail(world, at + 500, who, &peer.out);
    };
    if tls {
        let (version, cipher, bits) = match peer.policy {
            Policy::Anonymous => ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "256/256"),
            _ => (peer.suite.version, peer.suite.cipher, peer.suite.bits),
        };
        world.say(
            at,
            who,
            format_args!(
                "STARTTLS=server, relay={client}, version={version}, verify=NO, cipher={cipher}, bits={bits}"
            ),
        );
    }
    take_mail(world, at, who, &peer, tls);
}

fn take_mail(world: &mut World<'_>, at: Time, who: Process, peer: &Peer, tls: bool) {
    let client = Client(&peer.out);
    let (proto, mut session) = match tls {
        true => ("ESMTPS", Some(Fact::InboundTls)),
        false => ("ESMTP", Some(Fact::InboundPlaintext)),
    };
    let messages = *world.rng.weighted(&[(88, 1), (9, 2), (3, 3)]);
    let mut at = at;
    for _ in 0..messages {
        at += world.rng.between(100_000, 2 * SECOND);
        let sequence = world.queue_number();
        let id = queue_id(at, sequence, who.pid);
        let (size, count) = (world.rng.between(900, 90_000), 1 + world.rng.below(12) / 10);
        let (person, domain) = (world.rng.one_of(PEOPLE), &peer.domain);
        let number = world.rng.bits() as u32;
        let text = format_args!(
            "{id}: from=<{person}@{domain}>, size={size}, class=0, nrcpts={count}, msgid=<{number:08x}@{domain}>, \
             proto={proto}, daemon=MTA-v4, relay={client}"
        );
        match session.take() {
            Some(fact) => world.state(at, who, fact, text),
            None => world.say(at, who, text),
        }
        deliver_home(world, at, who.host, &id, size);
    }
}

/// A child brings the message into a mailbox of this host.
fn deliver_home(world: &mut World<'_>, at: Time, host: usize, id: &str, size: u64) {
    let child = fork(world, host);
    let end = at + world.rng.between(20_000, 900_000);
    let person = world.rng.one_of(PEOPLE);
    let (delay, priority) = (Clock(end - at), size + 30_000);
    // the `from=` line may state the session already: the message is counted here, once
    world.state(
        end,
        child,
        Fact::Message,
        format_args!(
            "{id}: to=<{person}@{HOME}>, delay={delay}, xdelay={delay}, mailer=local, pri={priority}, relay=local, dsn=2.0.0, stat=Sent"
        ),
    );
}

fn say_no_mail(world: &mut World<'_>, at: Time, who: Process, client: &Host) {
    let sequence = world.queue_number();
    let id = queue_id(at, sequence, who.pid);
    let client = Client(client);
    world.say(
        at,
        who,
        format_args!(
            "{id}: {client} did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4"
        ),
    );
}

fn probe(world: &mut World<'_>, host: usize, at: Time) {
    let who = fork(world, host);
    let address = noise::stranger(world);
    let client = Host {
        name: "unknown".to_owned(),
        address,
        v6: false,
    };
    say_no_mail(world, at, who, &client);
}

/// One of us sends mail.
fn submit(world: &mut World<'_>, host: usize, at: Time) {
    let who = fork(world, host);
    let sequence = world.queue_number();
    let id = queue_id(at, sequence, who.pid);
    let peer = world.any_peer();
    let count = *world.rng.weighted(&[(84, 1), (10, 2), (4, 3), (2, 6)]);
    let recipients: Vec<String> = (0..count)
        .map(|_| recipient(&peer, &mut world.rng))
        .collect();
    let size = world.rng.between(900, 60_000);
    let sender = format!("{}@{HOME}", world.rng.one_of(PEOPLE));
    let number = world.rng.bits() as u32;
    world.state(
        at,
        who,
        Fact::Message,
        format_args!(
            "{id}: from=<{sender}>, size={size}, class=0, nrcpts={count}, msgid=<{number:08x}@{HOME}>, proto=ESMTP, \
             daemon=MTA-v4, relay=localhost [127.0.0.1]"
        ),
    );
    let message = Message {
        host,
        id,
        sender,
        recipients,
        peer,
        arrived: at,
        size,
        tries: 0,
    };
    let due = at + world.rng.between(5_000, 200_000);
    world.plan(due, Step::Deliver(Box::new(message)));
}

/// The end of an attempt.
struct End {
    fact: Fact,
    dsn: &'static str,
    /// From `stat=` on, or from `reply=` on.
    text: String,
    again: bool,
}

/// A child, or a queue runner, tries the MX hosts one after the other.
pub fn deliver(world: &mut World<'_>, at: Time, mut message: Box<Message>) {
    message.tries += 1;
    let who = fork(world, message.host);
    let peer = Rc::clone(&message.peer);
    let mut now = at;
    let hosts = &peer.mx[..peer.mx.len().min(3)];
    for (number, host) in hosts.iter().enumerate() {
        now += world.rng.between(60_000, 900_000);
        let end = try_host(world, now, who, &peer, host);
        if matches!(end.fact, Fact::DeliveryNone) && number + 1 < hosts.len() {
            continue;
        }
        now += world.rng.between(20_000, 900_000);
        say_delivery(world, at, now, who, &message, host, &end);
        if end.again && message.tries < 4 {
            let wait = 600 + world.rng.below(60);
            world.plan(now + wait * SECOND, Step::Deliver(message));
        }
        return;
    }
}

fn say_delivery(
    world: &mut World<'_>,
    began: Time,
    at: Time,
    who: Process,
    message: &Message,
    host: &Host,
    end: &End,
) {
    let (id, count) = (&message.id, message.recipients.len() as u64);
    let to = format!("<{}>", message.recipients.join(">,<"));
    let (delay, spent) = (Clock(at - message.arrived), Clock(at - began));
    let priority = message.size + 30_000 * count + 90_000 * (message.tries - 1);
    let (relay, dsn, text) = (Relay(host), end.dsn, &end.text);
    world.state_times(
        at,
        who,
        end.fact,
        count,
        format_args!(
            "{id}: to={to}, delay={delay}, xdelay={spent}, mailer=esmtp, pri={priority}, relay={relay}, dsn={dsn}, {text}"
        ),
    );
}

fn try_host(world: &mut World<'_>, at: Time, who: Process, peer: &Peer, host: &Host) -> End {
    let name = &host.name;
    if world.rng.permille(10) {
        return undelivered(
            "4.0.0",
            format!("stat=Deferred: Connection refused by {name}."),
        );
    }
    if peer.policy == Policy::NoTls {
        return reply(world, Fact::DeliveryPlaintext);
    }
    if handshake_fails(peer, &mut world.rng) {
        let error = CONNECT_ERRORS[peer.fault % CONNECT_ERRORS.len()];
        let text = format_args!("STARTTLS=client, error: {error}");
        world.state(at, who, Fact::OutboundHandshakeFailed, text);
        return refuse(world, at, who, name, "SOFTWARE", "TLS handshake failed.");
    }
    let verify = match peer.policy {
        Policy::Trusted => "OK",
        Policy::Verified => "TRUSTED",
        Policy::Anonymous => "NO",
        Policy::Untrusted | Policy::Flaky | Policy::BadCertificate | Policy::NoTls => "FAIL",
    };
    let (version, cipher, bits) = (peer.suite.version, peer.suite.cipher, peer.suite.bits);
    world.say(
        at,
        who,
        format_args!(
            "STARTTLS=client, relay={name}., version={version}, verify={verify}, cipher={cipher}, bits={bits}"
        ),
    );
    match peer.policy {
        Policy::BadCertificate => refuse(world, at, who, name, verify, "authentication failed"),
        _ => reply(world, Fact::DeliveryEncrypted),
    }
}

/// Our ruleset ends the session.
fn refuse(
    world: &mut World<'_>,
    at: Time,
    who: Process,
    name: &str,
    verify: &str,
    why: &str,
) -> End {
    world.say(
        at,
        who,
        format_args!("ruleset=tls_server, arg1={verify}, relay={name}, reject=454 4.7.0 {why}"),
    );
    undelivered("4.7.0", format!("stat=Deferred: 454 4.7.0 {why}"))
}

fn undelivered(dsn: &'static str, text: String) -> End {
    End {
        fact: Fact::DeliveryNone,
        dsn,
        text,
        again: true,
    }
}

/// What a host says in a session.
fn reply(world: &mut World<'_>, fact: Fact) -> End {
    let number = world.rng.bits();
    let (dsn, text, again) = match world.rng.below(1000) {
        0..10 => (
            "4.2.0",
            "reply=450 4.2.0 Greylisted, stat=Deferred: 450 4.2.0 Greylisted".to_owned(),
            true,
        ),
        10..20 => (
            "5.1.1",
            "reply=550 5.1.1 No such user, stat=User unknown".to_owned(),
            false,
        ),
        20..700 => (
            "2.0.0",
            format!("stat=Sent (Ok: queued as {:010X})", number >> 24),
            false,
        ),
        _ => (
            "2.0.0",
            format!(
                "stat=Sent (OK id=1r{:04X}-0000{:02X}-1B)",
                number >> 48,
                number & 255
            ),
            false,
        ),
    };
    End {
        fact,
        dsn,
        text,
        again,
    }
}

#[cfg(test)]
mod tests {
    use super::{Relay, queue_id};
    use crate::peers::Host;
    use crate::stamp::{SECOND, parse_day};

    #[test]
    fn a_long_relay_is_shortened() {
        let host = |name: &str| Host {
            name: name.to_owned(),
            address: "192.0.2.88".to_owned(),
            v6: false,
        };
        let long = host("example-com.mail.protection.region1.example.net");
        assert_eq!(
            Relay(&long).to_string(),
            "example-com.mail.p...gion1.example.net. [192.0.2.88]"
        );
        let short = host("a234567890.b234567890.c234567890.example");
        assert!(Relay(&short).to_string().contains("..."));
        assert_eq!(
            Relay(&host("mx1.example.net")).to_string(),
            "mx1.example.net. [192.0.2.88]"
        );
    }

    #[test]
    fn a_queue_id_is_that_of_a_real_one() {
        let at = parse_day("2026-11-22").unwrap() + 86_271 * SECOND;
        assert_eq!(queue_id(at, 0, 18_629), "6AMNvp00018629");
    }
}
