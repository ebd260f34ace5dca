//! Whom would we lose if we required more of TLS than we do?
//!
//! Each mail that crossed in the period is judged by the requirement: it met it, it did not, or the log cannot tell. What failed to
//! cross is not counted: it is lost already. A peer that lost all its mail would be cut off; one that lost some has servers or days
//! of both kinds.

use std::cmp::Reverse;

use maillog::Protocol;

use crate::outcome::Direction;
use crate::store::{Result, Store, natural};

use super::certainty::Certainty;
use super::limits::smart_host;
use super::sums::{Entry, Named, Sums};
use super::tally::{Group, Problem};
use super::{Scope, ask, read_direction};

/// What would be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Any TLS.
    Tls,
    /// At least this version.
    Version(Protocol),
    /// A certificate with the right name from a known authority; outbound only.
    Verified,
    /// DANE; outbound only, and the log tells it of those only for which we demand it already.
    Dane,
}

impl Requirement {
    /// Whether it can be asked of mail in this direction.
    pub fn concerns(self, direction: Direction) -> bool {
        direction == Direction::Outbound
            || matches!(self, Requirement::Tls | Requirement::Version(_))
    }
}

/// Ciphers that would no longer be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherClass {
    /// Without a certificate.
    Anonymous,
    /// 3DES.
    TripleDes,
    /// RC4.
    Rc4,
    /// CBC mode.
    Cbc,
    /// Finite-field Diffie-Hellman.
    Dhe,
}

impl CipherClass {
    /// Whether a cipher, by OpenSSL's name, is one of these. Only suites up to TLS 1.2 are.
    fn holds(self, cipher: &str) -> bool {
        let starts = |heads: &[&str]| heads.iter().any(|h| cipher.starts_with(h));
        let has = |parts: &[&str]| parts.iter().any(|p| cipher.contains(p));
        match self {
            CipherClass::Anonymous => starts(&["ADH-", "AECDH-", "DH-anon"]),
            CipherClass::TripleDes => has(&["DES-CBC3", "3DES"]),
            CipherClass::Rc4 => has(&["RC4"]),
            CipherClass::Cbc => {
                !cipher.is_empty() && !starts(&["TLS_"]) && !has(&["GCM", "CHACHA20", "CCM", "RC4"])
            }
            CipherClass::Dhe => starts(&["DHE-", "EDH-"]),
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What would be required.
    pub require: Requirement,
    /// What would no longer be accepted.
    pub deny: Vec<CipherClass>,
}

/// Mail by what would become of it: recipients outbound, messages inbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It met the requirement.
    pub kept: u64,
    /// It did not.
    pub lost: u64,
    /// The log cannot tell.
    pub unknown: u64,
}

impl Fate {
    fn add_all(&mut self, more: &Fate) {
        self.kept += more.kept;
        self.lost += more.lost;
        self.unknown += more.unknown;
    }

    /// All three.
    pub fn total(&self) -> u64 {
        self.kept + self.lost + self.unknown
    }

    fn add(&mut self, judgement: Judgement, n: u64) {
        match judgement {
            Judgement::Kept => self.kept += n,
            Judgement::Lost => self.lost += n,
            Judgement::Unknown => self.unknown += n,
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
}

/// A person whose mail would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Which way the mail went.
    pub direction: Direction,
    /// The address.
    pub address: String,
    /// How many mails would be lost.
    pub lost: u64,
    /// The latest of them, in seconds since 1970 UTC.
    pub last_lost: i64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// All mail, outbound and inbound, as far as asked for.
    pub totals: Vec<(Direction, Fate)>,
    /// Peers that would lose mail: those that lose all first, then by how much.
    pub losses: Vec<Loss>,
    /// Peers about which the log cannot tell, and that would lose nothing that it can tell.
    pub unknown: Vec<Loss>,
    /// Persons, if addresses are kept: by how much they would lose.
    pub people: Vec<Person>,
    /// The relay that carries nearly all our mail, if one does.
    pub smart_host: Option<String>,
    /// Inbound sessions in clear that never brought a message we accepted: no loss.
    pub strangers: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Kept,
    Lost,
    Unknown,
}

/// What the log tells of a session's TLS.
struct Session<'r> {
    tls: &'r str,
    protocol: &'r str,
    cipher: &'r str,
    verification: &'r str,
}

impl Question {
    fn judge_entry(&self, entry: &Entry<'_>) -> Judgement {
        self.judge(&Session {
            tls: &entry.meaning.tls,
            protocol: &entry.meaning.protocol,
            cipher: &entry.meaning.cipher,
            verification: &entry.meaning.verification,
        })
    }

    /// What would become of all mail of a peer.
    fn fate(&self, named: Named<'_, '_>) -> Fate {
        let mut fate = Fate::default();
        for entry in named.entries() {
            fate.add(self.judge_entry(&entry), entry.mails());
        }
        fate
    }

    fn judge(&self, session: &Session<'_>) -> Judgement {
        match session.tls {
            "plaintext" => Judgement::Lost,
            // That another cipher could be agreed on instead is not in the log.
            "encrypted" if self.deny.iter().any(|c| c.holds(session.cipher)) => Judgement::Unknown,
            "encrypted" => self.judge_encrypted(session),
            _ => Judgement::Unknown,
        }
    }

    fn judge_encrypted(&self, session: &Session<'_>) -> Judgement {
        match self.require {
            Requirement::Tls => Judgement::Kept,
            Requirement::Version(least) => match Protocol::parse(session.protocol.as_bytes()) {
                Some(protocol) if protocol >= least => Judgement::Kept,
                Some(_) => Judgement::Lost,
                None => Judgement::Unknown,
            },
            // A chain that is good says nothing of the name, and one that is not may still match a TLSA record.
            Requirement::Verified => match session.verification {
                "verified" => Judgement::Kept,
                "untrusted" | "anonymous" => Judgement::Lost,
                _ => Judgement::Unknown,
            },
            Requirement::Dane => Judgement::Unknown,
        }
    }
}

const PEOPLE: &str = "SELECT direction, correspondent, protocol, cipher, verification, tls, SUM(n), MAX(last_seen)
  FROM people
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR delivery = '')
  GROUP BY direction, correspondent, protocol, cipher, verification, tls
  ORDER BY direction, correspondent, protocol, cipher, verification, tls";

const STRANGERS: &str = "SELECT SUM(n)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND direction = 'inbound' AND messages = 0 AND tls = 'plaintext'
  GROUP BY direction
  ORDER BY direction";

/// Answers the question from the mail of a period.
pub fn find_losses(store: &Store, scope: &Scope, question: &Question) -> Result<Answer> {
    let sums = Sums::load(store, scope)?;
    let strangers = ask(store, STRANGERS, scope, |row| natural(row, 0))?;
    let mut answer = Answer {
        totals: [Direction::Outbound, Direction::Inbound]
            .into_iter()
            .filter(|d| scope.includes(*d) && question.require.concerns(*d))
            .map(|direction| (direction, Fate::default()))
            .collect(),
        people: find_people(store, scope, question)?,
        strangers: strangers.into_iter().sum(),
        smart_host: smart_host(&sums),
        ..Answer::default()
    };
    let by_peer = sums.by_name(|entry| {
        let direction = entry.peer.direction();
        let is_asked = entry.is_mail() && question.require.concerns(direction);
        is_asked.then(|| (direction, entry.peer_name()))
    });
    for ((direction, peer), named) in by_peer.iter() {
        let fate = question.fate(named);
        if let Some((_, sum)) = answer.totals.iter_mut().find(|(d, _)| *d == direction) {
            sum.add_all(&fate);
        }
        match fate {
            Fate { lost: 1.., .. } => answer.losses.push(loss(question, direction, peer, named)),
            Fate { unknown: 1.., .. } => {
                answer.unknown.push(loss(question, direction, peer, named));
            }
            _ => {}
        }
    }
    let cut_off = |l: &Loss| l.fate.kept == 0;
    answer
        .losses
        .sort_by_key(|l| Reverse((cut_off(l), l.fate.lost)));
    answer.unknown.sort_by_key(|l| Reverse(l.fate.unknown));
    Ok(answer)
}

/// What is known of one of them.
fn loss(question: &Question, direction: Direction, peer: &str, named: Named<'_, '_>) -> Loss {
    let lost = named.groups_by(|entry| {
        let m = entry.meaning;
        let session: [&str; 3] = [&m.protocol, &m.cipher, &m.verification];
        let is_lost = question.judge_entry(entry) == Judgement::Lost;
        is_lost.then(|| (entry.peer.names(), session))
    });
    let lost: Vec<Group> = lost
        .into_iter()
        .map(|(_, group)| group.of_mails(direction))
        .collect();
    let problem = Problem::dominating(lost.iter());
    let last = |judgement: Judgement| {
        let judged = named.entries();
        let same = judged.filter(|entry| question.judge_entry(entry) == judgement);
        same.map(|entry| entry.count.last).fold(0, i64::max)
    };
    Loss {
        direction,
        peer: peer.to_owned(),
        fate: question.fate(named),
        certainty: match problem.class {
            Some(class) => Certainty::of(class, problem.n),
            None => Certainty::CannotTell,
        },
        problem,
        last_lost: last(Judgement::Lost),
        last_kept: last(Judgement::Kept),
    }
}

fn find_people(store: &Store, scope: &Scope, question: &Question) -> Result<Vec<Person>> {
    let rows = ask(store, PEOPLE, scope, |row| {
        let (protocol, cipher, verification, tls): (String, String, String, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        let judgement = question.judge(&Session {
            tls: &tls,
            protocol: &protocol,
            cipher: &cipher,
            verification: &verification,
        });
        let person = Person {
            direction: read_direction(row, 0)?,
            address: row.get(1)?,
            lost: natural(row, 6)?,
            last_lost: row.get(7)?,
        };
        Ok((judgement, person))
    })?;
    let mut people: Vec<Person> = Vec::new();
    for (judgement, person) in rows {
        if !matches!(judgement, Judgement::Lost) || !question.require.concerns(person.direction) {
            continue;
        }
        match people.last_mut() {
            Some(p) if (p.direction, &p.address) == (person.direction, &person.address) => {
                p.lost += person.lost;
                p.last_lost = p.last_lost.max(person.last_lost);
            }
            _ => people.push(person),
        }
    }
    people.sort_by_key(|p| Reverse(p.lost));
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
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
            .map(|p| (p.address.as_str(), p.lost))
            .collect();
        assert_eq!(people, [("ann@clear.example", 2)]);
        let (direction, fate) = answer.totals[0];
        assert_eq!(
            (direction, fate.kept, fate.lost),
            (Direction::Outbound, 7, 6)
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
    fn a_denied_cipher_is_doubt_and_no_loss() {
        let store = store();
        let question = |deny| Question {
            require: Requirement::Tls,
            deny: vec![deny],
        };
        let with = |deny| find_losses(&store, &Scope::ALL, &question(deny)).unwrap();
        assert_eq!(with(CipherClass::Cbc), with(CipherClass::Rc4));
        for (class, cipher) in [
            (CipherClass::Cbc, "ECDHE-RSA-AES256-SHA384"),
            (CipherClass::Dhe, "DHE-RSA-AES256-GCM-SHA384"),
            (CipherClass::Anonymous, "ADH-AES256-GCM-SHA384"),
            (CipherClass::TripleDes, "DES-CBC3-SHA"),
            (CipherClass::Rc4, "RC4-SHA"),
        ] {
            assert!(
                class.holds(cipher) && !class.holds("TLS_AES_256_GCM_SHA384"),
                "{cipher}"
            );
        }
    }
}
