//! Who exchanged how much mail with us, on which day, over which of our services, and how: what trend and changes are worked out from.
//!
//! Only mail counts here: recipients delivered to, outbound; messages accepted, inbound. What failed is `fallback`'s business.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Row;

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
    // A year of a large site has millions of rows: each becomes numbers as it is read.
    let mut names = Names::default();
    let cells = ask(store, SQL, scope, |row| read_cell(row, &mut names))?;
    Ok(History {
        cells,
        names: names.list,
    })
}

/// Gives names numbers.
#[derive(Default)]
struct Names {
    list: Vec<String>,
    numbers: HashMap<String, NameId>,
}

impl Names {
    fn number(&mut self, name: &str) -> NameId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // OK to narrow: no store has 2^32 peers.
        let number = self.list.len() as NameId;
        self.list.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

fn read_cell(row: &Row<'_>, names: &mut Names) -> rusqlite::Result<Cell> {
    let text = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
    let direction = read_direction(row, 1)?;
    let organisation = text(3)?;
    let peer = who(direction, [text(2)?, organisation, text(4)?, text(5)?]);
    let operator = if organisation.is_empty() {
        peer
    } else {
        organisation
    };
    Ok(Cell {
        day: row.get(0)?,
        direction,
        peer: names.number(peer),
        operator: names.number(operator),
        service: names.number(&format!("{} on {}", text(7)?, text(6)?)),
        channel: match text(8)? {
            "encrypted" => Channel::Encrypted,
            "plaintext" => Channel::Plaintext,
            _ => Channel::Unknown,
        },
        class: Class::from_name(text(9)?).unwrap_or(Class::Unknown),
        cause: names.number(text(10)?),
        fault: names.number(text(11)?),
        protocol: names.number(text(12)?),
        mail: Mail {
            n: natural(row, 13)?,
            first: row.get(14)?,
            last: row.get(15)?,
        },
    })
}

impl History {
    /// The name of this number.
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
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
        let (mut cells, mut names) = (Vec::new(), Names::default());
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
                let mut number = |name: String| names.number(&name);
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
                cells.extend((mail.n > 0).then_some(cell));
            }
        }
        History {
            cells,
            names: names.list,
        }
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
