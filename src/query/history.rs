//! Who exchanged how much mail with us, on which day, over which of our services, and how: what trend and changes are worked out from.
//!
//! Only mail counts here: recipients delivered to, outbound; messages accepted, inbound. What failed is `fallback`'s business.

use std::collections::{BTreeMap, HashMap};

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::failures::who;
use super::strata::{Mail, PeerDay};
use super::{Scope, ask, read_direction};

/// A name by its number in [`History::name`].
pub type NameId = u32;

/// Equal mail of one peer on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: NameId,
    /// Who runs the other server: its registrable domain, else the peer itself.
    pub operator: NameId,
    /// Which of our services handled it, with the log host.
    pub service: NameId,
    /// Over TLS, in clear, or not known.
    pub channel: Channel,
    /// Why.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: NameId,
    /// Whose fault.
    pub fault: NameId,
    /// Of the TLS session; empty without.
    pub protocol: NameId,
    /// How much, and from when to when.
    pub mail: Mail,
}

/// How mail crossed the net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Over TLS.
    Encrypted,
    /// In clear.
    Plaintext,
    /// The log cannot tell.
    Unknown,
}

/// All mail of some days.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order of days.
    pub cells: Vec<Cell>,
    names: Vec<String>,
}

const SQL: &str = "SELECT day, direction, domain, organisation, host, address, service_host, service_tag, tls, class, cause, fault, protocol,
         SUM(CASE WHEN delivery = 'sent' THEN n ELSE messages END), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR messages > 0)
  GROUP BY day, direction, domain, organisation, host, address, service_host, service_tag, tls, class, cause, fault, protocol
  ORDER BY day, direction DESC, domain, organisation, host, address, service_host, service_tag, tls, class, cause, fault, protocol";

/// Loads it.
pub fn find_history(store: &Store, scope: &Scope) -> Result<History> {
    let rows = ask(store, SQL, scope, |row| {
        let text = |at: usize| row.get::<_, String>(at);
        Ok(Row {
            day: row.get(0)?,
            direction: read_direction(row, 1)?,
            names: [text(2)?, text(3)?, text(4)?, text(5)?],
            service: format!("{} on {}", text(7)?, text(6)?),
            words: [text(8)?, text(9)?, text(10)?, text(11)?, text(12)?],
            mail: Mail {
                n: natural(row, 13)?,
                first: row.get(14)?,
                last: row.get(15)?,
            },
        })
    })?;
    let mut numbers = HashMap::new();
    let mut history = History::default();
    for row in rows {
        let cell = row.cell(|name| history.number(&mut numbers, name));
        history.cells.push(cell);
    }
    Ok(history)
}

struct Row {
    day: i32,
    direction: Direction,
    names: [String; 4],
    service: String,
    words: [String; 5],
    mail: Mail,
}

impl Row {
    fn cell(self, mut number: impl FnMut(String) -> NameId) -> Cell {
        let organisation = self.names[1].clone();
        let peer = who(self.direction, self.names);
        let operator = match organisation.is_empty() {
            true => peer.clone(),
            false => organisation,
        };
        let [tls, class, cause, fault, protocol] = self.words;
        Cell {
            day: self.day,
            direction: self.direction,
            peer: number(peer),
            operator: number(operator),
            service: number(self.service),
            channel: match tls.as_str() {
                "encrypted" => Channel::Encrypted,
                "plaintext" => Channel::Plaintext,
                _ => Channel::Unknown,
            },
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: number(cause),
            fault: number(fault),
            protocol: number(protocol),
            mail: self.mail,
        }
    }
}

impl History {
    /// The name of this number.
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
    }

    fn number(&mut self, numbers: &mut HashMap<String, NameId>, name: String) -> NameId {
        let names = &mut self.names;
        *numbers.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            // OK to narrow: no store has 2^32 peers.
            (names.len() - 1) as NameId
        })
    }

    /// The mail of one direction whose channel is known, one entry per peer and day.
    pub fn peer_days(&self, direction: Direction) -> Vec<PeerDay> {
        let mut days: BTreeMap<(i32, NameId), PeerDay> = BTreeMap::new();
        for cell in self.cells.iter().filter(|c| c.direction == direction) {
            let entry = days.entry((cell.day, cell.peer)).or_insert(PeerDay {
                day: cell.day,
                peer: cell.peer,
                operator: cell.operator,
                ..PeerDay::default()
            });
            match cell.channel {
                Channel::Encrypted => entry.encrypted.add(cell.mail),
                Channel::Plaintext => entry.plaintext.add(cell.mail),
                Channel::Unknown => {}
            }
        }
        days.into_values()
            .filter(|d| d.encrypted.n + d.plaintext.n > 0)
            .collect()
    }
}

#[cfg(test)]
impl History {
    /// A history of mail sent, as tests make it: peers and operators are called by their numbers.
    pub(super) fn of_peer_days(mail: &[PeerDay], why: impl Fn(&PeerDay) -> Why) -> History {
        let (mut history, mut numbers) = (History::default(), HashMap::new());
        for day in mail {
            let Why {
                service,
                class,
                cause,
                fault,
            } = why(day);
            for (channel, mail) in [
                (Channel::Encrypted, day.encrypted),
                (Channel::Plaintext, day.plaintext),
            ] {
                let clear = channel == Channel::Plaintext;
                let mut number = |name: String| history.number(&mut numbers, name);
                let cell = Cell {
                    day: day.day,
                    direction: Direction::Outbound,
                    peer: number(format!("p{}.example", day.peer)),
                    operator: number(format!("p{}.example", day.operator)),
                    service: number(service.into()),
                    channel,
                    class: if clear { class } else { Class::TlsTrusted },
                    cause: number(if clear { cause.into() } else { String::new() }),
                    fault: number(if clear { fault } else { "nobody" }.into()),
                    protocol: number(if clear { "" } else { "TLSv1.3" }.into()),
                    mail,
                };
                history.cells.extend((mail.n > 0).then_some(cell));
            }
        }
        history
    }
}

/// What tests say about the mail of a day.
#[cfg(test)]
pub(super) struct Why {
    pub(super) service: &'static str,
    pub(super) class: Class,
    pub(super) cause: &'static str,
    pub(super) fault: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::Protocol;

    #[test]
    fn a_peer_has_one_entry_a_day_whatever_hosts_and_protocols_it_has() {
        let store = fixture::store([
            outbound("a.example").encrypted(Protocol::Tls13).build(),
            outbound("a.example")
                .host("mx.hoster.example", "192.0.2.2")
                .encrypted(Protocol::Tls12)
                .at(7_200)
                .build(),
            outbound("a.example")
                .plaintext(Class::PlaintextNotOffered)
                .times(5)
                .build(),
            outbound("dark.example").silent().build(),
        ]);
        let history = find_history(&store, &Scope::ALL).unwrap();
        assert_eq!(history.cells.len(), 4);
        let days = history.peer_days(Direction::Outbound);
        assert_eq!(days.len(), 1);
        let day = &days[0];
        assert_eq!((day.day, history.name(day.peer)), (DAY, "a.example"));
        assert_eq!((day.encrypted.n, day.plaintext.n), (2, 5));
        assert_eq!(day.encrypted.last - day.encrypted.first, 7_200);
    }
}
