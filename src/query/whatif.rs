//! Whom would we lose if we required more of TLS than we do?
//!
//! Each mail that crossed in the period is judged by the requirement: it met it, it did not, or the log cannot tell. What failed to
//! cross is not counted: it is lost already. A peer that lost all its mail would be cut off; one that lost some has servers or days
//! of both kinds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;

use maillog::Protocol;

use crate::outcome::{Class, Direction};
use crate::store::words::read_word;
use crate::store::{Result, Store, natural, registrable};

use super::certainty::Certainty;
use super::failures::who;
use super::own_entry::{find_own_entries, servers_of};
use super::policy::Server;
use super::requirement::{Judgement, Session};
use super::servers::find_servers;
use super::sums::{ByName, Entry, Named, Sums};
use super::tally::{Group, Problem};
use super::{Scope, ask, read_direction};

pub use super::requirement::{CipherClass, Question, Requirement};

/// Mail by what would become of it: recipients outbound, messages inbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It met the requirement.
    pub kept: u64,
    /// It did not.
    pub lost: u64,
    /// The log cannot tell.
    pub unknown: u64,
    /// In clear by an entry of our own map, which would stay.
    pub spared: u64,
}

impl Fate {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.kept + self.lost + self.unknown + self.spared
    }

    fn add(&mut self, judgement: Judgement, n: u64) {
        match judgement {
            Judgement::Kept => self.kept += n,
            Judgement::Lost => self.lost += n,
            Judgement::Unknown => self.unknown += n,
            Judgement::Spared => self.spared += n,
        }
    }
}

/// All mail of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Which way it went.
    pub direction: Direction,
    /// What would become of it.
    pub fate: Fate,
    /// Peers it was exchanged with.
    pub peers: u64,
    /// Over TLS, whichever.
    pub encrypted: u64,
    /// Over TLS of a version or with a cipher that would no longer do: where TLS is not required, up to so many would go in clear instead.
    pub weak: u64,
    /// Of Postfix, over TLS older than 1.2: where TLS is required it takes the versions of another setting than where it is not.
    pub old: u64,
    /// Of which the log does not tell whether TLS was used at all.
    pub untold: u64,
    /// With a certificate that satisfied more than a look at its chain.
    pub verified: u64,
}

impl Total {
    fn new(direction: Direction) -> Total {
        Total {
            direction,
            fate: Fate::default(),
            peers: 0,
            encrypted: 0,
            weak: 0,
            old: 0,
            untold: 0,
            verified: 0,
        }
    }

    fn add(&mut self, mail: &Mail<'_>, judgement: Judgement, is_weak: bool) {
        self.fate.add(judgement, mail.n);
        match mail.tls {
            "encrypted" => self.encrypted += mail.n,
            "unknown" => self.untold += mail.n,
            _ => {}
        }
        if is_weak {
            self.weak += mail.n;
        }
        if mail.verification == "verified" {
            self.verified += mail.n;
        }
        let protocol = Protocol::parse(mail.protocol.as_bytes());
        if mail.server == Server::Postfix && protocol.is_some_and(|p| p < Protocol::Tls12) {
            self.old += mail.n;
        }
    }
}

/// A peer some of whose mail would be lost, or about which the log cannot tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// The registrable domain of the peer's name, or the name.
    pub organisation: String,
    /// What would become of its mail.
    pub fate: Fate,
    /// Why it would be lost; no class if nothing would be.
    pub problem: Problem,
    /// How sure that is.
    pub certainty: Certainty,
    /// The latest mail that would have been lost, in seconds since 1970 UTC; 0 if there is none.
    pub last_lost: i64,
    /// The latest mail that would have been kept; 0 if there is none.
    pub last_kept: i64,
    /// It is rather in clear by an entry of our own, which would stay.
    pub is_own_entry: bool,
}

/// A person whose mail would be lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Which way the mail went.
    pub direction: Direction,
    /// The address.
    pub address: String,
    /// What would become of their mail.
    pub fate: Fate,
    /// Why it would be lost.
    pub problem: Problem,
    /// How sure that is.
    pub certainty: Certainty,
    /// The latest mail that would be lost, in seconds since 1970 UTC.
    pub last_lost: i64,
}

/// What one of our servers would need an entry for, to go on reaching it: the name it looks it up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Which server.
    pub server: Server,
    /// Recipient domain, or MX host.
    pub name: String,
    /// Mail that would be lost without it.
    pub lost: u64,
    /// Of this, in clear. The rest went over TLS that is less than required.
    pub in_clear: u64,
    /// Mail under this name with a certificate that satisfied more than a look at its chain, lost or not.
    pub verified: u64,
}

/// Peers of the time before the period that are not in it: there is no evidence either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Which way the mail went.
    pub direction: Direction,
    /// How many.
    pub peers: u64,
    /// Mail exchanged with them.
    pub mails: u64,
    /// Mail exchanged with all in that time.
    pub of: u64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// All mail, outbound and inbound, as far as asked for.
    pub totals: Vec<Total>,
    /// Peers that would lose mail: those that lose all first, then by how much.
    pub losses: Vec<Loss>,
    /// Peers about which the log cannot tell, and that would lose nothing that it can tell.
    pub unknown: Vec<Loss>,
    /// Persons, if addresses are kept: by how much they would lose.
    pub people: Vec<Person>,
    /// What would have to be excepted, by how much would be lost; outbound only.
    pub exceptions: Vec<Exception>,
    /// How many names that would be lost can stand in no map, of Postfix and of Sendmail.
    pub nameless: [u64; 2],
    /// Who was not heard of in the period.
    pub unseen: Vec<Unseen>,
    /// Servers that have found no certificate good.
    pub distrustful: Vec<Server>,
    /// Inbound sessions in clear that never brought a message we accepted: no loss.
    pub strangers: u64,
}

impl Answer {
    /// The total of a direction, if there is any mail in it.
    pub fn total(&self, direction: Direction) -> Option<&Total> {
        let found = self.totals.iter().find(|t| t.direction == direction);
        found.filter(|t| t.fate.total() > 0)
    }
}

/// Mail that went in one way.
#[derive(Clone, Copy)]
struct Mail<'m> {
    direction: Direction,
    server: Server,
    tls: &'m str,
    class: Class,
    protocol: &'m str,
    cipher: &'m str,
    key_exchange: &'m str,
    verification: &'m str,
    n: u64,
    last: i64,
}

impl<'m> Mail<'m> {
    fn of(entry: &Entry<'m>) -> Mail<'m> {
        let meaning = entry.meaning;
        Mail {
            direction: entry.peer.direction(),
            server: Server::of(entry.tag()),
            tls: meaning.tls,
            class: meaning.class,
            protocol: &meaning.protocol,
            cipher: &meaning.cipher,
            key_exchange: &meaning.key_exchange,
            verification: &meaning.verification,
            n: entry.mails(),
            last: entry.count.last,
        }
    }

    fn session(&self, distrustful: &[Server]) -> Session<'m> {
        Session {
            tls: self.tls,
            protocol: self.protocol,
            cipher: self.cipher,
            key_exchange: self.key_exchange,
            verification: self.verification,
            by_policy: self.class == Class::PlaintextByPolicy,
            server: self.server,
            trusts: !distrustful.contains(&self.server),
        }
    }
}

const PEOPLE: &str = "SELECT direction, correspondent, protocol, cipher, verification, tls, class, cause, fault, delivery,
         SUM(n), MIN(first_seen), MAX(last_seen)
  FROM people
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR delivery = '')
  GROUP BY direction, correspondent, protocol, cipher, verification, tls, class, cause, fault, delivery
  ORDER BY direction, correspondent, protocol, cipher, verification, tls, class, cause, fault, delivery";

const STRANGERS: &str = "SELECT SUM(n)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND direction = 'inbound' AND messages = 0 AND tls = 'plaintext'
  GROUP BY direction
  ORDER BY direction";

/// So many days before the period tell who is not in it.
const EARLIER_DAYS: i32 = 365;

type Key = (Direction, String);
type Name<'s> = (Direction, &'s str);

/// Answers the question from the mail of a period.
pub fn find_losses(store: &Store, scope: &Scope, question: &Question) -> Result<Answer> {
    let sums = Sums::load(store, scope)?;
    let is_concerned =
        |entry: &Entry<'_>| entry.is_mail() && question.require.concerns(entry.peer.direction());
    let distrustful = find_distrustful(sums.each().filter(is_concerned));
    let alone = alone_in_clear(&sums, is_concerned);
    let own = find_own_entries(store, scope, &alone, &servers_of(&sums, &alone))?;
    let by_peer = sums
        .by_name(|entry| is_concerned(entry).then(|| (entry.peer.direction(), entry.peer_name())));
    let mut tally = Tally::new(scope, question, &distrustful);
    for ((direction, peer), named) in by_peer.iter() {
        tally.add(direction, peer, named);
    }
    let mut answer = Answer {
        people: find_people(store, scope, question, &distrustful)?,
        unseen: find_unseen(store, scope, question, &by_peer)?,
        strangers: ask(store, STRANGERS, scope, |row| natural(row, 0))?
            .into_iter()
            .sum(),
        ..Answer::default()
    };
    tally.finish(&mut answer);
    for loss in &mut answer.losses {
        loss.is_own_entry = loss.direction == Direction::Outbound && own.contains(&loss.peer);
    }
    answer.distrustful = distrustful;
    Ok(answer)
}

/// Domains that are in clear for no reason that the log tells, with a server that takes TLS for another: only of these there is more to ask.
fn alone_in_clear(sums: &Sums, is_concerned: impl Fn(&Entry<'_>) -> bool) -> BTreeSet<String> {
    let sent = || {
        let is_sent = |e: &Entry<'_>| e.peer.direction() == Direction::Outbound && is_concerned(e);
        sums.each().filter(is_sent)
    };
    let untold: Vec<Entry<'_>> = sent()
        .filter(|e| {
            let is_clear = e.meaning.tls == "plaintext";
            let is_untold = is_clear && e.meaning.class == Class::PlaintextCauseUnknown;
            is_untold && Server::of(e.tag()) == Server::Postfix
        })
        .collect();
    if untold.is_empty() {
        return BTreeSet::new();
    }
    let takes_tls: HashSet<&str> = sent()
        .filter(|e| e.meaning.tls == "encrypted")
        .map(|e| e.peer.host())
        .collect();
    let alone = untold.iter().filter(|e| takes_tls.contains(e.peer.host()));
    alone.map(|e| e.peer_name().to_owned()).collect()
}

/// Servers with certificates before them of which they found none good.
fn find_distrustful<'s>(mails: impl Iterator<Item = Entry<'s>>) -> Vec<Server> {
    let sent = mails.filter(|entry| entry.peer.direction() == Direction::Outbound);
    // Of each server: whether it found any certificate bad, and any good.
    let mut found = [
        (Server::Postfix, false, false),
        (Server::Sendmail, false, false),
    ];
    for entry in sent {
        let server = Server::of(entry.tag());
        for (_, bad, good) in found.iter_mut().filter(|(of, ..)| *of == server) {
            match entry.meaning.verification.as_str() {
                "untrusted" => *bad = true,
                "trusted" | "verified" => *good = true,
                _ => {}
            }
        }
    }
    found
        .into_iter()
        .filter(|(_, bad, good)| *bad && !good)
        .map(|(server, ..)| server)
        .collect()
}

/// What is added up while the mail is judged.
struct Tally<'q> {
    question: &'q Question,
    distrustful: &'q [Server],
    totals: Vec<Total>,
    losses: Vec<Loss>,
    unknown: Vec<Loss>,
    exceptions: BTreeMap<(bool, &'q str), Exception>,
    /// Names that can stand in no map.
    nameless: BTreeSet<(bool, &'q str)>,
    /// Verified mail by the name an exception would have.
    verified: BTreeMap<(bool, &'q str), u64>,
}

impl<'q> Tally<'q> {
    fn new(scope: &Scope, question: &'q Question, distrustful: &'q [Server]) -> Tally<'q> {
        let asked = [Direction::Outbound, Direction::Inbound]
            .into_iter()
            .filter(|d| scope.includes(*d) && question.require.concerns(*d));
        Tally {
            question,
            distrustful,
            totals: asked.map(Total::new).collect(),
            losses: Vec::new(),
            unknown: Vec::new(),
            exceptions: BTreeMap::new(),
            nameless: BTreeSet::new(),
            verified: BTreeMap::new(),
        }
    }

    /// Adds all mail of a peer.
    fn add(&mut self, direction: Direction, peer: &'q str, mails: Named<'q, '_>) {
        let mut total = self.totals.iter_mut().find(|t| t.direction == direction);
        let mut loss = Loss::new(direction);
        for entry in mails.entries() {
            let mail = Mail::of(&entry);
            let session = mail.session(self.distrustful);
            let judgement = self.question.judge(&session);
            if let Some(total) = &mut total {
                total.add(&mail, judgement, self.question.is_too_weak(&session));
            }
            if mail.verification == "verified" && direction == Direction::Outbound {
                let key = key_in_map(mail.server, peer, entry.peer.host());
                *self.verified.entry(key).or_default() += mail.n;
            }
            loss.add(&mail, judgement);
        }
        if let Some(total) = total {
            total.peers += 1;
        }
        match loss.fate {
            Fate { lost: 1.., .. } => {
                self.explain(&mut loss, peer, mails);
                self.losses.push(loss.named(peer));
            }
            Fate { unknown: 1.., .. } => self.unknown.push(loss.named(peer)),
            _ => {}
        }
    }

    /// Says why a peer's mail would be lost, and what to except to keep it.
    fn explain(&mut self, loss: &mut Loss, peer: &'q str, mails: Named<'q, '_>) {
        let groups = mails.groups_by(|entry| {
            let m = Mail::of(entry);
            let is_lost = self.question.judge(&m.session(self.distrustful)) == Judgement::Lost;
            let way = [m.protocol, m.cipher, m.key_exchange, m.verification];
            is_lost.then(|| (entry.peer.names(), entry.tag(), way))
        });
        let groups = groups
            .into_iter()
            .map(|(part, group)| (part, group.of_mails(loss.direction)));
        let groups: Vec<_> = groups.collect();
        for (([_, _, host, _], tag, _), group) in &groups {
            let server = Server::of(tag);
            let key = key_in_map(server, peer, host);
            if loss.direction == Direction::Inbound {
                continue;
            }
            match server.can_look_up(key.1) {
                true => self.except(server, key, group),
                false => {
                    self.nameless.insert(key);
                }
            }
        }
        loss.problem = Problem::dominating(groups.iter().map(|(_, group)| group));
        loss.certainty = certainty(&loss.problem);
    }

    fn except(&mut self, server: Server, key: (bool, &'q str), group: &Group) {
        let exception = self.exceptions.entry(key).or_insert_with(|| Exception {
            server,
            name: key.1.to_owned(),
            lost: 0,
            in_clear: 0,
            verified: 0,
        });
        exception.lost += group.n;
        if group.tls == "plaintext" {
            exception.in_clear += group.n;
        }
    }

    fn finish(mut self, answer: &mut Answer) {
        answer.totals = self.totals;
        let servers = [Server::Postfix, Server::Sendmail];
        answer.nameless = servers.map(|server| {
            let is_sendmail = server == Server::Sendmail;
            let own = self.nameless.iter().filter(|(is, _)| *is == is_sendmail);
            own.count() as u64
        });
        answer.losses = self.losses;
        answer.unknown = self.unknown;
        let cut_off = |l: &Loss| l.fate.kept == 0;
        let by_name = |a: &Loss, b: &Loss| (a.direction, &a.peer).cmp(&(b.direction, &b.peer));
        let lost = |l: &Loss| Reverse((cut_off(l), l.fate.lost));
        let unknown = |l: &Loss| Reverse(l.fate.unknown);
        let losses = &mut answer.losses;
        losses.sort_by(|a, b| lost(a).cmp(&lost(b)).then_with(|| by_name(a, b)));
        let untold = &mut answer.unknown;
        untold.sort_by(|a, b| unknown(a).cmp(&unknown(b)).then_with(|| by_name(a, b)));
        for (key, exception) in &mut self.exceptions {
            exception.verified = self.verified.get(key).copied().unwrap_or(0);
        }
        answer.exceptions = self.exceptions.into_values().collect();
        answer.exceptions.sort_by_key(|e| Reverse(e.lost));
    }
}

/// Under which name its server looks up what is required of mail, and whether that is Sendmail.
fn key_in_map<'q>(server: Server, peer: &'q str, host: &'q str) -> (bool, &'q str) {
    match server {
        Server::Postfix => (false, peer),
        Server::Sendmail => (true, host),
    }
}

fn certainty(problem: &Problem) -> Certainty {
    Certainty::of(problem.class.unwrap_or(Class::Unknown), problem.n)
}

impl Loss {
    /// Of nobody yet: most have nothing to lose, and names cost.
    fn new(direction: Direction) -> Loss {
        Loss {
            direction,
            peer: String::new(),
            organisation: String::new(),
            fate: Fate::default(),
            problem: Problem::default(),
            certainty: Certainty::CannotTell,
            last_lost: 0,
            last_kept: 0,
            is_own_entry: false,
        }
    }

    fn add(&mut self, mail: &Mail<'_>, judgement: Judgement) {
        self.fate.add(judgement, mail.n);
        match judgement {
            Judgement::Kept => self.last_kept = self.last_kept.max(mail.last),
            Judgement::Lost => self.last_lost = self.last_lost.max(mail.last),
            Judgement::Unknown | Judgement::Spared => {}
        }
    }

    fn named(self, peer: &str) -> Loss {
        Loss {
            peer: peer.to_string(),
            organisation: registrable(peer).unwrap_or(peer).to_owned(),
            ..self
        }
    }
}

/// Which server wrote of a person is not kept: it is Sendmail where there is no other.
fn find_people(
    store: &Store,
    scope: &Scope,
    question: &Question,
    distrustful: &[Server],
) -> Result<Vec<Person>> {
    let servers = find_servers(store)?;
    let server = match (servers.postfix, servers.sendmail) {
        (false, true) => Server::Sendmail,
        _ => Server::Postfix,
    };
    let mut people: BTreeMap<Key, Vec<(Judgement, Group)>> = BTreeMap::new();
    let rows = ask(store, PEOPLE, scope, |row| {
        let group = Group {
            tls: read_word(row, 5)?,
            class: Class::from_name(row.get_ref(6)?.as_str()?).unwrap_or(Class::Unknown),
            cause: read_word(row, 7)?,
            fault: read_word(row, 8)?,
            delivery: read_word(row, 9)?,
            n: natural(row, 10)?,
            messages: 0,
            handshakes: 0,
            first: row.get(11)?,
            last: row.get(12)?,
        };
        let mail = Mail {
            direction: read_direction(row, 0)?,
            server,
            tls: group.tls,
            class: group.class,
            protocol: row.get_ref(2)?.as_str()?,
            cipher: row.get_ref(3)?.as_str()?,
            key_exchange: "",
            verification: row.get_ref(4)?.as_str()?,
            n: group.n,
            last: group.last,
        };
        let judgement = question.judge(&mail.session(distrustful));
        Ok(((mail.direction, row.get(1)?), (judgement, group)))
    })?;
    for (key, judged) in rows {
        if question.require.concerns(key.0) {
            people.entry(key).or_default().push(judged);
        }
    }
    let mut people: Vec<Person> = people.into_iter().filter_map(person).collect();
    people.sort_by_key(|p| Reverse(p.fate.lost));
    Ok(people)
}

/// A person, if any of their mail would be lost.
fn person(((direction, address), mails): (Key, Vec<(Judgement, Group)>)) -> Option<Person> {
    let mut fate = Fate::default();
    for (judgement, group) in &mails {
        fate.add(*judgement, group.n);
    }
    let lost = mails.iter().filter(|(j, _)| *j == Judgement::Lost);
    let lost = lost.map(|(_, group)| group);
    let problem = Problem::dominating(lost.clone());
    let last_lost = lost.map(|group| group.last).max()?;
    Some(Person {
        direction,
        address,
        fate,
        certainty: certainty(&problem),
        problem,
        last_lost,
    })
}

/// Who was heard of in the time before the period and not in it.
fn find_unseen(
    store: &Store,
    scope: &Scope,
    question: &Question,
    seen: &ByName<'_, Name<'_>>,
) -> Result<Vec<Unseen>> {
    let Some(from) = scope.period.from_day else {
        return Ok(Vec::new());
    };
    let seen: HashSet<Name<'_>> = seen.iter().map(|(name, _)| name).collect();
    let days = (from.saturating_sub(EARLIER_DAYS), from.saturating_sub(1));
    let earlier = store.exchanged(days)?;
    let directions = [Direction::Outbound, Direction::Inbound];
    let concerned =
        |direction: &Direction| scope.includes(*direction) && question.require.concerns(*direction);
    let unseen = directions.into_iter().filter(concerned).map(|direction| {
        let (mut gone, mut mails, mut of) = (HashSet::new(), 0, 0);
        for (peer, n) in earlier.each().filter(|(p, _)| p.direction() == direction) {
            of += n;
            let name = who(direction, peer.names());
            if !seen.contains(&(direction, name)) {
                mails += n;
                gone.insert(name);
            }
        }
        Unseen {
            direction,
            peers: gone.len() as u64,
            mails,
            of,
        }
    });
    Ok(unseen.filter(|u| u.peers > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Period;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Cause;

    fn ask_for(require: Requirement, store: &Store) -> Answer {
        let question = Question {
            require,
            deny: Vec::new(),
        };
        find_losses(store, &Scope::ALL, &question).unwrap()
    }

    fn short(losses: &[Loss]) -> Vec<(&str, u64, u64, u64)> {
        losses
            .iter()
            .map(|l| (l.peer.as_str(), l.fate.kept, l.fate.lost, l.fate.unknown))
            .collect()
    }

    #[test]
    fn days_gone_by_are_asked_one_by_one_where_not_all_are_asked_for() {
        let day = |n: i64| {
            let plain = outbound("a.example").plaintext(Class::PlaintextNotOffered);
            plain.at(n * 86_400).build()
        };
        let mut store = fixture::store((0..40).map(day));
        let lost = |store: &Store, from_day, to_day| {
            let scope = Scope {
                period: Period { from_day, to_day },
                ..Scope::ALL
            };
            let question = Question {
                require: Requirement::Tls,
                deny: Vec::new(),
            };
            let answer = find_losses(store, &scope, &question).unwrap();
            answer.losses.iter().map(|p| p.fate.lost).sum::<u64>()
        };
        let first = fixture::DAY;
        let periods = [
            (None, None, 40),
            (Some(first + 10), None, 30),
            (None, Some(first + 9), 10),
            (Some(first + 5), Some(first + 6), 2),
        ];
        for added_up in [false, true] {
            for (from, to, expected) in periods {
                assert_eq!(
                    lost(&store, from, to),
                    expected,
                    "{added_up} {from:?} {to:?}"
                );
            }
            store.add_up_past().unwrap();
            assert!(store.past_days().unwrap().is_some());
        }
    }

    fn store() -> Store {
        fixture::store([
            outbound("good.example")
                .encrypted(Protocol::Tls13)
                .times(5)
                .build(),
            outbound("old.example").encrypted(Protocol::Tls10).build(),
            outbound("mixed.example").encrypted(Protocol::Tls12).build(),
            outbound("mixed.example")
                .plaintext(Class::PlaintextNotOffered)
                .times(4)
                .build(),
            outbound("clear.example")
                .plaintext(Class::PlaintextNotOffered)
                .times(2)
                .correspondent("ann@clear.example")
                .build(),
            outbound("failing.example")
                .failed(Class::HandshakeFailed, Cause::NoSharedCipher)
                .build(),
            inbound("mx.client.example", "192.0.2.9")
                .plaintext(Class::PlaintextCauseUnknown)
                .build(),
        ])
    }

    #[test]
    fn who_is_in_clear_is_lost_and_who_is_cut_off_comes_first() {
        let answer = ask_for(Requirement::Tls, &store());
        assert_eq!(
            short(&answer.losses),
            [
                ("clear.example", 0, 2, 0),
                ("client.example", 0, 1, 0),
                ("mixed.example", 1, 4, 0)
            ]
        );
        let people: Vec<_> = answer
            .people
            .iter()
            .map(|p| (p.address.as_str(), p.fate.lost, p.certainty))
            .collect();
        assert_eq!(
            people,
            [("ann@clear.example", 2, Certainty::ProvenBySilence)]
        );
        let sent = answer.total(Direction::Outbound).unwrap();
        assert_eq!((sent.fate.kept, sent.fate.lost, sent.peers), (7, 6, 4));
        let exceptions: Vec<_> = answer
            .exceptions
            .iter()
            .map(|e| (e.name.as_str(), e.lost, e.in_clear))
            .collect();
        assert_eq!(
            exceptions,
            [("mixed.example", 4, 4), ("clear.example", 2, 2)]
        );
    }

    #[test]
    fn an_old_version_is_lost_where_a_newer_one_is_required() {
        let answer = ask_for(Requirement::Version(Protocol::Tls12), &store());
        assert!(short(&answer.losses).contains(&("old.example", 0, 1, 0)));
        assert!(!short(&answer.losses).iter().any(|l| l.0 == "good.example"));
    }

    #[test]
    fn what_the_log_does_not_tell_is_not_lost() {
        let silent = fixture::store([outbound("a.example").silent().build()]);
        let answer = ask_for(Requirement::Tls, &silent);
        assert!(answer.losses.is_empty());
        assert_eq!(short(&answer.unknown), [("a.example", 0, 0, 1)]);
        // A chain that is good says nothing of the name.
        let answer = ask_for(Requirement::Verified, &store());
        assert!(short(&answer.unknown).contains(&("good.example", 0, 0, 5)));
        assert!(
            answer
                .losses
                .iter()
                .all(|l| l.direction == Direction::Outbound)
        );
    }

    #[test]
    fn what_is_denied_besides_takes_no_loss_back() {
        let old = outbound("old.example").encrypted(Protocol::Tls10);
        let store = fixture::store([old.cipher("ECDHE-RSA-AES128-SHA", "").build()]);
        for (require, deny, lost, unknown, weak) in [
            (Requirement::Tls, vec![], 0, 0, 0),
            (Requirement::Tls, vec![CipherClass::Cbc], 0, 1, 1),
            (Requirement::Version(Protocol::Tls12), vec![], 1, 0, 1),
            (
                Requirement::Version(Protocol::Tls12),
                vec![CipherClass::Cbc],
                1,
                0,
                1,
            ),
        ] {
            let question = Question { require, deny };
            let answer = find_losses(&store, &Scope::ALL, &question).unwrap();
            let total = answer.totals[0];
            let found = (total.fate.lost, total.fate.unknown, total.weak);
            assert_eq!(found, (lost, unknown, weak), "{question:?}");
        }
    }

    #[test]
    fn what_our_own_map_sends_in_clear_is_neither_lost_nor_excepted() {
        let ours = outbound("none.example").plaintext(Class::PlaintextByPolicy);
        let answer = ask_for(Requirement::Tls, &fixture::store([ours.build()]));
        assert_eq!(answer.totals[0].fate.spared, 1);
        assert!(answer.losses.is_empty() && answer.exceptions.is_empty());
    }

    #[test]
    fn a_server_that_never_found_a_certificate_good_tells_nothing_of_certificates() {
        let untrusted = || {
            let mail = outbound("a.example").encrypted(Protocol::Tls13);
            mail.verification(maillog::Verification::Untrusted).build()
        };
        let alone = ask_for(Requirement::Verified, &fixture::store([untrusted()]));
        assert_eq!(alone.distrustful, [Server::Postfix]);
        assert_eq!(short(&alone.unknown), [("a.example", 0, 0, 1)]);
        let good = outbound("b.example").encrypted(Protocol::Tls13).build();
        let beside = ask_for(Requirement::Verified, &fixture::store([untrusted(), good]));
        assert_eq!(short(&beside.losses), [("a.example", 0, 1, 0)]);
        assert_eq!(
            (beside.exceptions[0].lost, beside.exceptions[0].in_clear),
            (1, 0)
        );
    }

    #[test]
    fn what_was_verified_of_a_domain_that_goes_in_clear_is_counted() {
        let clear = || outbound("half.example").plaintext(Class::PlaintextNotOffered);
        let tls = |name: &str| outbound(name).encrypted(Protocol::Tls13);
        let store = fixture::store([
            tls("half.example").verified().times(3).build(),
            clear().times(2).build(),
            tls("good.example").verified().build(),
        ]);
        let answer = ask_for(Requirement::Tls, &store);
        let short: Vec<_> = answer
            .exceptions
            .iter()
            .map(|e| (e.name.as_str(), e.lost, e.in_clear, e.verified))
            .collect();
        assert_eq!(short, [("half.example", 2, 2, 3)]);
    }

    #[test]
    fn who_was_heard_of_before_and_not_since_is_counted_apart() {
        let at = |name: &str, days: i64| {
            let mail = outbound(name).at(-days * 86_400);
            mail.encrypted(Protocol::Tls13).times(3).build()
        };
        let store = fixture::store([
            at("here.example", 0),
            at("here.example", 40),
            at("gone.example", 40),
            at("long-gone.example", 500),
        ]);
        let scope = Scope {
            period: Period {
                from_day: Some(fixture::DAY - 29),
                to_day: None,
            },
            ..Scope::ALL
        };
        let question = Question {
            require: Requirement::Tls,
            deny: Vec::new(),
        };
        let answer = find_losses(&store, &scope, &question).unwrap();
        let unseen = Unseen {
            direction: Direction::Outbound,
            peers: 1,
            mails: 3,
            of: 6,
        };
        assert_eq!(answer.unseen, [unseen]);
    }
}
