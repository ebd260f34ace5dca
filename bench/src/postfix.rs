//! What a Postfix 3.7 says, with `smtp_tls_loglevel = 1`, `smtpd_tls_loglevel = 1`, and postscreen, opendkim and Dovecot around it.
//!
//! Not simulated: connection reuse, tlsproxy, deep protocol tests of postscreen, content filters that queue mail again.

use std::fmt;
use std::rc::Rc;

use crate::noise;
use crate::peers::{Host, Peer, Policy};
use crate::rng::Rng;
use crate::stamp::{SECOND, Time, civil};
use crate::truth::Fact;
use crate::world::{Message, Pool, Process, Step, World};

/// The domain this server is for.
pub const HOME: &str = "home.test";

/// Local parts, of us and of others.
pub const PEOPLE: &[&str] = &[
    "ann", "bob", "eva", "info", "kim", "lee", "max", "news", "sales", "support",
];

/// Kinds of arrivals, of a thousand.
const ARRIVALS: &[(u64, Arrival)] = &[
    (430, Arrival::Inbound),
    (260, Arrival::Outbound),
    (185, Arrival::Scanner),
    (15, Arrival::Guesser),
    (25, Arrival::Rejected),
    (20, Arrival::Lost),
    (65, Arrival::Noise),
];

#[derive(Clone, Copy)]
enum Arrival {
    Inbound,
    Outbound,
    Scanner,
    Guesser,
    Rejected,
    Lost,
    Noise,
}

/// How an outbound handshake fails: what stands behind `SSL_connect error to NAP: `, and OpenSSL's words.
const CONNECT_ERRORS: &[(&str, Option<&str>)] = &[
    (
        "-1",
        Some("error:0A00010B:SSL routines::wrong version number:../ssl/record/ssl3_record.c:350:"),
    ),
    (
        "-1",
        Some(
            "error:0A000410:SSL routines::sslv3 alert handshake failure:../ssl/record/rec_layer_s3.c:1602:SSL alert number 40:",
        ),
    ),
    (
        "-1",
        Some(
            "error:0A00042E:SSL routines::tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1602:SSL alert number 70:",
        ),
    ),
    ("lost connection", None),
    ("Connection reset by peer", None),
];

/// The same for `SSL_accept error from NA: `.
const ACCEPT_ERRORS: &[(&str, Option<&str>)] = &[
    (
        "-1",
        Some("error:0A0000C1:SSL routines::no shared cipher:../ssl/statem/statem_srvr.c:2226:"),
    ),
    (
        "-1",
        Some("error:0A000102:SSL routines::unsupported protocol:../ssl/statem/statem_srvr.c:1657:"),
    ),
    ("lost connection", None),
];

/// The daemons of one host.
struct Site {
    smtpd: Pool,
    submission: Pool,
    smtp: Pool,
    lmtp: Pool,
    cleanup: Pool,
    bounce: Pool,
    qmgr: Process,
    pickup: Process,
    postscreen: Process,
    dnsblog: Pool,
    anvil: Process,
    opendkim: Process,
}

/// All Postfixes of the world.
pub struct Postfix(Vec<Site>);

/// The four parts of `delays=`, in microseconds.
#[derive(Clone, Copy)]
struct Delays([Time; 4]);

/// `a/b/c/d` and their sum as Postfix writes them.
impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delays([a, b, c, d]) = *self;
        let (sum, a, b, c, d) = (Delay(a + b + c + d), Delay(a), Delay(b), Delay(c), Delay(d));
        write!(f, "delay={sum}, delays={a}/{b}/{c}/{d}")
    }
}

/// Two significant digits, at most two after the point, no zeros at the end: `0.15`, `7.4`, `17`.
struct Delay(Time);

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 + 5_000) / 10_000;
        let (whole, rest) = match hundredths {
            0..100 => (0, hundredths),
            100..995 => {
                let tenths = (hundredths + 5) / 10;
                (tenths / 10, tenths % 10 * 10)
            }
            _ => ((hundredths + 50) / 100, 0),
        };
        match rest {
            0 => write!(f, "{whole}"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}", rest / 10),
            rest => write!(f, "{whole}.{rest:02}"),
        }
    }
}

/// `mx1.example.net[192.0.2.25]`
pub struct NameAddress<'a>(pub &'a Host);

impl fmt::Display for NameAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0.name, self.0.address)
    }
}

/// How one attempt at one MX host went on.
enum Try<'a> {
    /// The mail crossed, or was refused by the peer.
    Session(&'a Host, bool),
    /// It did not come so far; why.
    Failed(&'a Host, &'static str, &'static str),
    /// No connection at all.
    Unreachable(&'a Host),
}

impl Postfix {
    /// A Postfix on each host.
    pub fn new(world: &mut World<'_>) -> Self {
        Postfix(
            (0..world.hosts.len())
                .map(|host| Site::new(host, world))
                .collect(),
        )
    }

    /// Somebody comes.
    pub fn arrive(&mut self, world: &mut World<'_>, at: Time) {
        let host = world.any_host();
        let postfix = &mut self.0[host];
        match world.rng.weighted(ARRIVALS) {
            Arrival::Inbound => postfix.receive(world, at),
            Arrival::Outbound => postfix.submit(world, at),
            Arrival::Scanner => postfix.screen_out(world, at),
            Arrival::Guesser => postfix.guess(world, at),
            Arrival::Rejected => postfix.reject(world, at),
            Arrival::Lost => postfix.lose(world, at),
            Arrival::Noise => noise::dovecot(world, host, at),
        }
    }

    /// A message is due.
    pub fn deliver(&mut self, world: &mut World<'_>, at: Time, message: Box<Message>) {
        self.0[message.host].deliver(world, at, message);
    }
}

impl Site {
    fn new(host: usize, world: &mut World<'_>) -> Self {
        let mut alone = |tag| Process {
            host,
            tag,
            pid: world.fork(host),
        };
        Site {
            qmgr: alone("postfix/qmgr"),
            pickup: alone("postfix/pickup"),
            postscreen: alone("postfix/postscreen"),
            anvil: alone("postfix/anvil"),
            opendkim: alone("opendkim"),
            smtpd: Pool::new(host, "postfix/smtpd"),
            submission: Pool::new(host, "postfix/submission/smtpd"),
            smtp: Pool::new(host, "postfix/smtp"),
            lmtp: Pool::new(host, "postfix/lmtp"),
            cleanup: Pool::new(host, "postfix/cleanup"),
            bounce: Pool::new(host, "postfix/bounce"),
            dnsblog: Pool::new(host, "postfix/dnsblog"),
        }
    }

    /// A peer brings mail, or fails to shake hands.
    fn receive(&mut self, world: &mut World<'_>, at: Time) {
        let peer = world.any_peer();
        let port = world.rng.between(1024, 65_000);
        let at = self.pass(world, at, &peer.out, port);
        let smtpd = self.smtpd.take(at, world);
        let from = NameAddress(&peer.out);
        world.say(at, smtpd, format_args!("connect from {from}"));
        let end = match inbound_tls(&peer, &mut world.rng) {
            None => self.fail_accept(world, at, smtpd, &peer),
            Some(tls) => self.take_mail(world, at, smtpd, &peer, tls),
        };
        self.smtpd.free(smtpd, end);
        if world.rng.permille(250) {
            noise::anvil(world, self.anvil, end, &peer.out.address);
        }
    }

    /// postscreen lets a client through to smtpd.
    fn pass(&mut self, world: &mut World<'_>, at: Time, client: &Host, port: u64) -> Time {
        let (who, address) = (self.postscreen, &client.address);
        world.say(
            at,
            who,
            format_args!("CONNECT from [{address}]:{port} to [192.0.2.1]:25"),
        );
        if !world.rng.permille(850) {
            let done = at + 6 * SECOND;
            world.say(done, who, format_args!("PASS NEW [{address}]:{port}"));
            return done + 900;
        }
        world.say(at + 200, who, format_args!("PASS OLD [{address}]:{port}"));
        at + 1_100
    }

    fn fail_accept(
        &mut self,
        world: &mut World<'_>,
        at: Time,
        smtpd: Process,
        peer: &Peer,
    ) -> Time {
        let from = NameAddress(&peer.out);
        let (error, library) = ACCEPT_ERRORS[peer.fault % ACCEPT_ERRORS.len()];
        let at = at + world.rng.between(30_000, 900_000);
        world.state(
            at,
            smtpd,
            Fact::InboundHandshakeFailed,
            format_args!("SSL_accept error from {from}: {error}"),
        );
        if let Some(library) = library {
            world.say(
                at + 20,
                smtpd,
                format_args!("warning: TLS library problem: {library}"),
            );
        }
        world.say(
            at + 40,
            smtpd,
            format_args!("lost connection after STARTTLS from {from}"),
        );
        world.say(
            at + 60,
            smtpd,
            format_args!("disconnect from {from} ehlo=1 starttls=0/1 commands=1/2"),
        );
        at + 60
    }

    fn take_mail(
        &mut self,
        world: &mut World<'_>,
        at: Time,
        smtpd: Process,
        peer: &Peer,
        tls: bool,
    ) -> Time {
        let from = NameAddress(&peer.out);
        let mut at = at + world.rng.between(20_000, 400_000);
        if tls {
            say_accepted(world, at, smtpd, peer);
        }
        let messages = *world.rng.weighted(&[(85, 1), (11, 2), (4, 3)]);
        let mut recipients = 0;
        for _ in 0..messages {
            at += world.rng.between(50_000, 1_500_000);
            recipients += self.take_message(world, at, smtpd, peer);
            at += world.rng.between(20_000, 300_000);
        }
        let (fact, greeting, greetings) = match tls {
            true => (Fact::InboundTls, "ehlo=2 starttls=1", 3),
            false => (Fact::InboundPlaintext, "ehlo=1", 1),
        };
        let commands = greetings + 2 * messages + recipients + 1;
        world.state(
            at,
            smtpd,
            fact,
            format_args!(
                "disconnect from {from} {greeting} mail={messages} rcpt={recipients} data={messages} quit=1 commands={commands}"
            ),
        );
        at
    }

    /// One message of a peer: into the queue, signed or not, into the mailboxes. How many recipients it has.
    fn take_message(
        &mut self,
        world: &mut World<'_>,
        at: Time,
        smtpd: Process,
        peer: &Peer,
    ) -> u64 {
        let id = queue_id(world, at);
        let from = NameAddress(&peer.out);
        world.say(at, smtpd, format_args!("{id}: client={from}"));
        let queued = self.clean_up(world, at + 900, &id, Origin::Client(&peer.domain));
        noise::opendkim_inbound(world, self.opendkim, queued, &id, peer);
        let sender = format!("{}@{}", world.rng.one_of(PEOPLE), peer.domain);
        let size = world.rng.between(1_500, 90_000);
        let recipients = *world.rng.weighted(&[(93, 1), (5, 2), (2, 3)]);
        let active = queued + world.rng.between(500, 40_000);
        self.activate(world, active, &id, &sender, size, recipients);
        if world.rng.permille(60) {
            noise::amavis(
                world,
                self.qmgr.host,
                active,
                &id,
                &peer.out.address,
                &sender,
            );
        }
        self.deliver_home(world, at, active, &id, recipients);
        recipients
    }

    /// cleanup(8) takes the message, and makes an id for one that has none: see `cleanup_header_done_callback` of Postfix.
    fn clean_up(&mut self, world: &mut World<'_>, at: Time, id: &str, origin: Origin<'_>) -> Time {
        let cleanup = self.cleanup.take(at, world);
        let (one, two) = (world.rng.bits() as u32, world.rng.bits() as u32);
        let message_id = match origin {
            Origin::Client(domain) => format!("{one:08x}.{two:08x}@{domain}"),
            Origin::Here => format!("{}.{id}@mail.{HOME}", Compact(at)),
        };
        let line = format_args!("{id}: message-id=<{message_id}>");
        world.state(at, cleanup, Fact::Message, line);
        let end = at + world.rng.between(2_000, 90_000);
        self.cleanup.free(cleanup, end);
        end
    }

    fn activate(
        &self,
        world: &mut World<'_>,
        at: Time,
        id: &str,
        sender: &str,
        size: u64,
        count: u64,
    ) {
        world.say(
            at,
            self.qmgr,
            format_args!("{id}: from=<{sender}>, size={size}, nrcpt={count} (queue active)"),
        );
    }

    /// lmtp(8) brings a message into the mailboxes of this host.
    fn deliver_home(
        &mut self,
        world: &mut World<'_>,
        arrived: Time,
        active: Time,
        id: &str,
        recipients: u64,
    ) {
        let delays = Delays([
            active - arrived,
            world.rng.between(1_000, 30_000),
            world.rng.between(1_000, 20_000),
            world.rng.between(10_000, 120_000),
        ]);
        let start = active + delays.0[1];
        let end = start + delays.0[2] + delays.0[3];
        let lmtp = self.lmtp.take(start, world);
        let first = world.rng.below(PEOPLE.len() as u64) as usize;
        for number in 0..recipients as usize {
            let person = PEOPLE[(first + number) % PEOPLE.len()];
            world.say(
                end + number as Time,
                lmtp,
                format_args!(
                    "{id}: to=<{person}@{HOME}>, relay=mail.{HOME}[private/dovecot-lmtp], {delays}, dsn=2.0.0, \
                     status=sent (250 2.0.0 <{person}@{HOME}> {id} Saved)"
                ),
            );
        }
        self.lmtp.free(lmtp, end + recipients);
        world.say(end + 300, self.qmgr, format_args!("{id}: removed"));
    }

    /// One of us sends mail: from a program on this host, or from a mail user agent.
    fn submit(&mut self, world: &mut World<'_>, at: Time) {
        let id = queue_id(world, at);
        let sender = format!("{}@{HOME}", world.rng.one_of(PEOPLE));
        let origin = match world.rng.permille(450) {
            true => {
                let line = format_args!("{id}: uid=1001 from=<{sender}>");
                world.say(at, self.pickup, line);
                Origin::Here
            }
            false => {
                self.say_submission(world, at, &id, &sender);
                Origin::Client(HOME)
            }
        };
        let queued = self.clean_up(world, at + 700, &id, origin);
        noise::opendkim_outbound(world, self.opendkim, queued, &id);
        let peer = world.any_peer();
        let count = *world
            .rng
            .weighted(&[(82, 1), (10, 2), (5, 3), (2, 6), (1, 12)]);
        let recipients = (0..count)
            .map(|_| recipient(&peer, &mut world.rng))
            .collect();
        let message = Message {
            host: self.qmgr.host,
            id,
            sender,
            recipients,
            peer,
            arrived: at,
            size: world.rng.between(900, 60_000),
            tries: 0,
        };
        let active = queued + world.rng.between(500, 30_000);
        world.plan(active, Step::Deliver(Box::new(message)));
    }

    fn say_submission(&mut self, world: &mut World<'_>, at: Time, id: &str, sender: &str) {
        let client = noise::dialup(world);
        let smtpd = self.submission.take(at - SECOND, world);
        let user = sender.split('@').next().unwrap_or_default();
        world.say(at - SECOND, smtpd, format_args!("connect from {client}"));
        world.say(
            at - SECOND / 2,
            smtpd,
            format_args!(
                "Anonymous TLS connection established from {client}: TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits) \
                 key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"
            ),
        );
        world.say(
            at,
            smtpd,
            format_args!("{id}: client={client}, sasl_method=PLAIN, sasl_username={user}"),
        );
        let end = at + world.rng.between(100_000, 900_000);
        world.say(
            end,
            smtpd,
            format_args!(
                "disconnect from {client} ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"
            ),
        );
        self.submission.free(smtpd, end);
    }

    /// smtp(8) tries the MX hosts of a peer one after the other.
    fn deliver(&mut self, world: &mut World<'_>, at: Time, mut message: Box<Message>) {
        let Message {
            id,
            sender,
            recipients,
            size,
            ..
        } = &*message;
        self.activate(world, at, id, sender, *size, recipients.len() as u64);
        message.tries += 1;
        let queued = at + world.rng.between(200, 40_000);
        let smtp = self.smtp.take(queued, world);
        let peer = Rc::clone(&message.peer);
        let (connected, last) = try_hosts(world, smtp, queued, &message, &peer);
        let spent = match last {
            Try::Session(..) => world.rng.between(20_000, 900_000),
            _ => 0,
        };
        let delays = Delays([at - message.arrived, queued - at, connected - queued, spent]);
        let end = connected + spent;
        let status = say_status(world, end, smtp, &message, delays, &last);
        let after = end + message.recipients.len() as Time;
        self.smtp.free(smtp, after);
        self.finish(world, after, message, status);
    }

    fn finish(&mut self, world: &mut World<'_>, at: Time, message: Box<Message>, status: Status) {
        let id = &message.id;
        match status {
            Status::Deferred if message.tries < 4 => {
                let wait = 300 << (message.tries - 1);
                let jitter = world.rng.below(60 * SECOND);
                world.plan(at + wait * SECOND + jitter, Step::Deliver(message));
                return;
            }
            Status::Deferred => {
                let sender = &message.sender;
                world.say(
                    at + 100,
                    self.qmgr,
                    format_args!("{id}: from=<{sender}>, status=expired, returned to sender"),
                );
                self.bounce(world, at, id);
            }
            Status::Bounced => self.bounce(world, at, id),
            Status::Sent => {}
        }
        world.say(at + 9_000, self.qmgr, format_args!("{id}: removed"));
    }

    /// The sender is told.
    fn bounce(&mut self, world: &mut World<'_>, at: Time, id: &str) {
        let notice = queue_id(world, at);
        let born = at + 1_000;
        let queued = self.clean_up(world, born, &notice, Origin::Here);
        self.activate(world, queued, &notice, "", 2_900, 1);
        let bounce = self.bounce.take(queued, world);
        world.say(
            queued + 50,
            bounce,
            format_args!("{id}: sender non-delivery notification: {notice}"),
        );
        self.bounce.free(bounce, queued + 50);
        self.deliver_home(world, born, queued, &notice, 1);
    }

    /// A scanner: postscreen keeps it away from smtpd.
    fn screen_out(&mut self, world: &mut World<'_>, at: Time) {
        let who = self.postscreen;
        let address = noise::stranger(world);
        let port = world.rng.between(1024, 65_000);
        world.say(
            at,
            who,
            format_args!("CONNECT from [{address}]:{port} to [192.0.2.1]:25"),
        );
        let listed = at + world.rng.between(20_000, 200_000);
        let dnsblog = self.dnsblog.take(at, world);
        for code in [4, 11] {
            world.say(
                listed,
                dnsblog,
                format_args!("addr {address} listed by domain zen.dnsbl.example as 127.0.0.{code}"),
            );
        }
        self.dnsblog.free(dnsblog, listed);
        let at = at + world.rng.between(300_000, 6 * SECOND);
        match world.rng.permille(600) {
            true => world.say(
                at,
                who,
                format_args!("PREGREET 11 after 0.06 from [{address}]:{port}: EHLO User\\r\\n"),
            ),
            false => world.say(
                at,
                who,
                format_args!(
                    "HANGUP after 0.2 from [{address}]:{port} in tests before SMTP handshake"
                ),
            ),
        }
        world.say(
            at + 200_000,
            who,
            format_args!("DISCONNECT [{address}]:{port}"),
        );
    }

    /// Somebody guesses passwords.
    fn guess(&mut self, world: &mut World<'_>, at: Time) {
        let client = format!("unknown[{}]", noise::stranger(world));
        let smtpd = self.submission.take(at, world);
        world.say(at, smtpd, format_args!("connect from {client}"));
        let end = at + world.rng.between(SECOND, 4 * SECOND);
        world.say(
            end,
            smtpd,
            format_args!("warning: {client}: SASL LOGIN authentication failed: UGFzc3dvcmQ6"),
        );
        world.say(
            end + 90_000,
            smtpd,
            format_args!("lost connection after AUTH from {client}"),
        );
        world.say(
            end + 90_040,
            smtpd,
            format_args!("disconnect from {client} ehlo=1 auth=0/1 commands=1/2"),
        );
        self.submission.free(smtpd, end + 90_040);
    }

    /// A client asks for a mailbox that does not exist.
    fn reject(&mut self, world: &mut World<'_>, at: Time) {
        let client = format!("unknown[{}]", noise::stranger(world));
        let smtpd = self.smtpd.take(at, world);
        let peer = world.any_peer();
        let (person, domain) = (world.rng.one_of(PEOPLE), &peer.domain);
        world.say(at, smtpd, format_args!("connect from {client}"));
        let end = at + world.rng.between(200_000, 2 * SECOND);
        world.say(
            end,
            smtpd,
            format_args!(
                "NOQUEUE: reject: RCPT from {client}: 550 5.1.1 <nosuch@{HOME}>: Recipient address rejected: User unknown in \
                 virtual mailbox table; from=<{person}@{domain}> to=<nosuch@{HOME}> proto=ESMTP helo=<{domain}>"
            ),
        );
        world.say(
            end + 60_000,
            smtpd,
            format_args!("disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"),
        );
        self.smtpd.free(smtpd, end + 60_000);
    }

    /// A client goes away without a word.
    fn lose(&mut self, world: &mut World<'_>, at: Time) {
        let client = format!("unknown[{}]", noise::stranger(world));
        let smtpd = self.smtpd.take(at, world);
        world.say(at, smtpd, format_args!("connect from {client}"));
        let end = at + world.rng.between(50_000, 3 * SECOND);
        world.say(
            end,
            smtpd,
            format_args!("lost connection after EHLO from {client}"),
        );
        world.say(
            end + 40,
            smtpd,
            format_args!("disconnect from {client} ehlo=1 commands=1"),
        );
        self.smtpd.free(smtpd, end + 40);
    }
}

#[derive(Clone, Copy)]
enum Status {
    Sent,
    Deferred,
    Bounced,
}

/// How a client of that peer speaks to us: over TLS, in clear, or it fails to shake hands.
pub fn inbound_tls(peer: &Peer, rng: &mut Rng) -> Option<bool> {
    match peer.policy {
        Policy::NoTls => Some(false),
        Policy::Flaky if rng.permille(400) => None,
        _ => Some(true),
    }
}

/// Whether a handshake with a host of that peer fails this time.
pub fn handshake_fails(peer: &Peer, rng: &mut Rng) -> bool {
    peer.policy == Policy::Flaky && rng.permille(400)
}

/// A person at the peer.
pub fn recipient(peer: &Peer, rng: &mut Rng) -> String {
    format!("{}{}@{}", rng.one_of(PEOPLE), rng.below(1000), peer.domain)
}

/// Who made a message: a client, whose domain is in its id, or a program of this host, which leaves that to Postfix.
enum Origin<'a> {
    Client(&'a str),
    Here,
}

/// `20260302091044`
struct Compact(Time);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = civil(self.0);
        write!(f, "{}{:02}{:02}", at.year, at.month, at.day)?;
        write!(f, "{:02}{:02}{:02}", at.hour, at.minute, at.second)
    }
}

/// `4B8D517C`: the microseconds of the second and the inode, in hexadecimal digits.
fn queue_id(world: &mut World<'_>, at: Time) -> String {
    let inode = 0x172 + world.queue_number() % 0xF_0000;
    format!("{:05X}{inode:X}", at % SECOND)
}

fn say_accepted(world: &mut World<'_>, at: Time, smtpd: Process, peer: &Peer) {
    let from = NameAddress(&peer.out);
    let suite = peer.suite;
    // an anonymous cipher suite is the server's to offer: a client has another
    let (version, cipher, bits, rest) = match peer.policy {
        Policy::Anonymous => ("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "256/256", ""),
        _ => (suite.version, suite.cipher, suite.bits, suite.as_client),
    };
    world.say(
        at,
        smtpd,
        format_args!(
            "Anonymous TLS connection established from {from}: {version} with cipher {cipher} ({bits} bits){rest}"
        ),
    );
}

/// Tries up to three MX hosts. What an attempt that is not the last one says is said here.
fn try_hosts<'a>(
    world: &mut World<'_>,
    smtp: Process,
    at: Time,
    message: &Message,
    peer: &'a Peer,
) -> (Time, Try<'a>) {
    let mut at = at;
    let hosts = &peer.mx[..peer.mx.len().min(3)];
    for (number, host) in hosts.iter().enumerate() {
        at += world.rng.between(40_000, 800_000);
        let tried = try_host(world, smtp, &mut at, message, host);
        let is_last = number + 1 == hosts.len();
        match tried {
            Try::Failed(_, reason, _) if !is_last => {
                world.say(at, smtp, format_args!("{}: {reason}", message.id));
            }
            Try::Unreachable(host) if !is_last => say_unreachable(world, at, smtp, host),
            tried => return (at, tried),
        }
    }
    (at, Try::Unreachable(&peer.mx[0]))
}

fn try_host<'a>(
    world: &mut World<'_>,
    smtp: Process,
    at: &mut Time,
    message: &Message,
    host: &'a Host,
) -> Try<'a> {
    let peer = &message.peer;
    if world.rng.permille(10) {
        return Try::Unreachable(host);
    }
    if peer.policy == Policy::NoTls {
        return Try::Session(host, false);
    }
    if handshake_fails(peer, &mut world.rng) {
        say_failed(world, *at, smtp, peer, host);
        // Postfix tries again in clear, but not on a message younger than five minutes
        if *at - message.arrived < 300 * SECOND {
            return Try::Failed(host, "Cannot start TLS: handshake failure", "4.7.5");
        }
        *at += 60;
        world.say(
            *at,
            smtp,
            format_args!("{}: Cannot start TLS: handshake failure", message.id),
        );
        *at += world.rng.between(30_000, 300_000);
        return Try::Session(host, false);
    }
    say_established(world, *at, smtp, peer, host);
    match peer.policy {
        Policy::BadCertificate => {
            *at += 200;
            Try::Failed(host, "Server certificate not verified", "4.7.5")
        }
        _ => Try::Session(host, true),
    }
}

fn say_failed(world: &mut World<'_>, at: Time, smtp: Process, peer: &Peer, host: &Host) {
    let (error, library) = CONNECT_ERRORS[peer.fault % CONNECT_ERRORS.len()];
    let to = NameAddress(host);
    world.state(
        at,
        smtp,
        Fact::OutboundHandshakeFailed,
        format_args!("SSL_connect error to {to}:25: {error}"),
    );
    if let Some(library) = library {
        world.say(
            at,
            smtp,
            format_args!("warning: TLS library problem: {library}"),
        );
    }
}

fn say_established(world: &mut World<'_>, at: Time, smtp: Process, peer: &Peer, host: &Host) {
    let to = NameAddress(host);
    let trust = match peer.policy {
        Policy::Verified => "Verified",
        Policy::Trusted => "Trusted",
        Policy::Anonymous => "Anonymous",
        Policy::Untrusted | Policy::Flaky | Policy::BadCertificate | Policy::NoTls => "Untrusted",
    };
    if peer.policy == Policy::BadCertificate {
        world.say(
            at,
            smtp,
            format_args!(
                "server certificate verification failed for {to}:25: num=62:hostname mismatch"
            ),
        );
    }
    let suite = peer.suite;
    let (version, cipher, bits, rest) = (suite.version, suite.cipher, suite.bits, suite.as_server);
    world.say(
        at,
        smtp,
        format_args!(
            "{trust} TLS connection established to {to}:25: {version} with cipher {cipher} ({bits} bits){rest}"
        ),
    );
}

fn say_unreachable(world: &mut World<'_>, at: Time, smtp: Process, host: &Host) {
    let to = NameAddress(host);
    world.say(
        at,
        smtp,
        format_args!("connect to {to}:25: Connection refused"),
    );
}

/// The `to=` lines, one for each recipient.
fn say_status(
    world: &mut World<'_>,
    at: Time,
    smtp: Process,
    message: &Message,
    delays: Delays,
    last: &Try<'_>,
) -> Status {
    let (fact, relay, dsn, text, status) = match last {
        Try::Session(host, tls) => {
            let fact = match tls {
                true => Fact::DeliveryEncrypted,
                false => Fact::DeliveryPlaintext,
            };
            let (dsn, text, status) = reply(world, host);
            (fact, format!("{}:25", NameAddress(host)), dsn, text, status)
        }
        Try::Failed(host, reason, dsn) => (
            Fact::DeliveryNone,
            format!("{}:25", NameAddress(host)),
            *dsn,
            format!("deferred ({reason})"),
            Status::Deferred,
        ),
        Try::Unreachable(host) => {
            say_unreachable(world, at, smtp, host);
            let text = format!(
                "deferred (connect to {}:25: Connection refused)",
                NameAddress(host)
            );
            let none = "none".to_owned();
            (Fact::DeliveryNone, none, "4.4.1", text, Status::Deferred)
        }
    };
    let id = &message.id;
    for (number, to) in message.recipients.iter().enumerate() {
        world.state(
            at + number as Time,
            smtp,
            fact,
            format_args!("{id}: to=<{to}>, relay={relay}, {delays}, dsn={dsn}, status={text}"),
        );
    }
    status
}

/// What a host says in a session, in the words `status=` has for it.
fn reply(world: &mut World<'_>, host: &Host) -> (&'static str, String, Status) {
    let from = NameAddress(host);
    let number = world.rng.bits();
    match world.rng.below(1000) {
        0..10 => (
            "4.2.0",
            format!(
                "deferred (host {from} said: 450 4.2.0 Recipient address rejected: Greylisted (in reply to RCPT TO command))"
            ),
            Status::Deferred,
        ),
        10..20 => (
            "5.1.1",
            format!(
                "bounced (host {from} said: 550 5.1.1 Recipient address rejected: User unknown (in reply to RCPT TO command))"
            ),
            Status::Bounced,
        ),
        20..600 => (
            "2.0.0",
            format!("sent (250 2.0.0 Ok: queued as {:010X})", number >> 24),
            Status::Sent,
        ),
        600..800 => (
            "2.0.0",
            format!(
                "sent (250 2.0.0 OK  {} {:x}-20020a05600c0a0100b003si{} - gsmtp)",
                number >> 34,
                number & 0xfff,
                number & 0xfffff
            ),
            Status::Sent,
        ),
        _ => (
            "2.0.0",
            format!(
                "sent (250 OK id=1r{:04X}-0000{:02X}-1B)",
                number >> 48,
                number & 255
            ),
            Status::Sent,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{Delay, Delays};

    #[test]
    fn a_delay_has_two_digits() {
        for (time, text) in [
            (0, "0"),
            (4_000, "0"),
            (10_000, "0.01"),
            (146_000, "0.15"),
            (200_000, "0.2"),
            (7_440_000, "7.4"),
            (7_000_000, "7"),
            (9_960_000, "10"),
            (17_200_000, "17"),
            (345_620_700_000, "345621"),
        ] {
            assert_eq!(Delay(time).to_string(), text);
        }
    }

    #[test]
    fn the_whole_is_the_sum() {
        let delays = Delays([60_000, 10_000, 140_000, 20_000]);
        assert_eq!(delays.to_string(), "delay=0.23, delays=0.06/0.01/0.14/0.02");
    }
}
