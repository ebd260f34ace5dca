//! What other programs say beside an MTA: Dovecot, opendkim, amavis, anvil. None of it is about TLS between mail servers.

use crate::peers::{self, Peer};
use crate::postfix::{HOME, PEOPLE};
use crate::stamp::{SECOND, Time, civil};
use crate::world::{Process, World};

/// Addresses of strangers begin behind those of the peers.
const STRANGERS: u64 = 1 << 24;

/// The address of a scanner.
pub fn stranger(world: &mut World<'_>) -> String {
    peers::v4(STRANGERS + world.rng.below(20_000))
}

/// Where a user of ours sits, as Postfix writes it.
pub fn dialup(world: &mut World<'_>) -> String {
    let number = world.rng.below(400);
    format!(
        "dsl-{number}.isp.example[{}]",
        peers::v4(2 * STRANGERS + number)
    )
}

/// A user reads mail.
pub fn dovecot(world: &mut World<'_>, host: usize, at: Time) {
    let tag = "dovecot";
    let who = Process {
        host,
        tag,
        pid: 1100,
    };
    let person = world.rng.one_of(PEOPLE);
    let child = world.fork(host);
    let address = peers::v4(2 * STRANGERS + world.rng.below(400));
    let session = world.rng.bits() >> 20;
    world.say(
        at,
        who,
        format_args!(
            "imap-login: Login: user=<{person}@{HOME}>, method=PLAIN, rip={address}, lip=192.0.2.1, mpid={child}, TLS, session=<{session:x}>"
        ),
    );
    let end = at + world.rng.between(SECOND, 90 * SECOND);
    world.say(
        end,
        who,
        format_args!(
            "imap({person}@{HOME})<{child}><{session:x}>: Logged out in=422 out=9183 deleted=0 expunged=0 trashed=0 hdr_count=3 hdr_bytes=1204 body_count=1 body_bytes=3312"
        ),
    );
}

/// anvil(8) tells its statistics.
pub fn anvil(world: &mut World<'_>, who: Process, at: Time, address: &str) {
    let later = at + 200 * SECOND;
    let then = civil(at);
    let (day, hour, minute, second) = (then.day, then.hour, then.minute, then.second);
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ][then.month as usize - 1];
    for what in ["rate 1/60s", "count 1"] {
        world.say(
            later,
            who,
            format_args!(
                "statistics: max connection {what} for (smtp:{address}) at {month} {day:>2} {hour:02}:{minute:02}:{second:02}"
            ),
        );
    }
}

/// opendkim looks at a message of a peer.
pub fn opendkim_inbound(world: &mut World<'_>, who: Process, at: Time, id: &str, peer: &Peer) {
    let (name, address) = (&peer.out.name, &peer.out.address);
    world.say(
        at,
        who,
        format_args!("{id}: {name} [{address}] not internal"),
    );
    if world.rng.permille(700) {
        world.say(
            at + 200,
            who,
            format_args!("{id}: DKIM verification successful"),
        );
    }
}

/// opendkim signs a message of ours.
pub fn opendkim_outbound(world: &mut World<'_>, who: Process, at: Time, id: &str) {
    world.say(
        at,
        who,
        format_args!("{id}: DKIM-Signature field added (s=mail, d={HOME})"),
    );
}

/// amavis has looked at a message.
pub fn amavis(world: &mut World<'_>, host: usize, at: Time, id: &str, address: &str, sender: &str) {
    let who = Process {
        host,
        tag: "amavis",
        pid: 1300 + world.rng.below(4),
    };
    let (mail, spent) = (world.rng.bits() >> 16, world.rng.between(200, 3_000));
    world.say(
        at,
        who,
        format_args!(
            "({:05}-01) Passed CLEAN {{RelayedInbound}}, [{address}] <{sender}> -> <ann@{HOME}>, Queue-ID: {id}, mail_id: {mail:012x}, Hits: -1.9, size: 4312, {spent} ms",
            who.pid
        ),
    );
}
