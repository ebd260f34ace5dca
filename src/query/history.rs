//! Who exchanged how much mail with us, on which day, over which of our services, and how: what trend and changes are worked out from.
//!
//! Only mail counts here: recipients delivered to, outbound; messages accepted, inbound. What failed is `fallback`'s business.

use std::collections::HashMap;

use crate::outcome::{Class, Direction};
use crate::store::numbered::{Meaning, NumberedPeer};
use crate::store::{Result, Store};

use super::failures::who;
use super::strata::{Mail, PeerDay};
use super::{Scope, bounds};

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
    /// In the order of days, directions and peers; no two are equal in all but how much.
    pub cells: Vec<Cell>,
    names: Vec<String>,
}

/// Loads it.
pub fn find_history(store: &Store, scope: &Scope) -> Result<History> {
    // A year of a large site has millions of rows: none of them has a name looked up.
    let (from, to, ..) = bounds(scope);
    let mut numbered = store.numbered((from, to))?;
    let mut names = Names::default();
    let services: Vec<NameId> = numbered
        .services
        .iter()
        .map(|service| names.number(&format!("{} on {}", service.1, service.0)))
        .collect();
    let (mut peers, mut kinds) = (Known::default(), Known::default());
    let mut cells = Vec::new();
    numbered.each_day(|peer, meaning, count| {
        let n = if meaning.delivery == "sent" {
            count.n
        } else {
            count.messages
        };
        if n == 0 || !scope.includes(peer.direction) {
            return;
        }
        let (number, operator) = peers.get(count.peer, || called(peer, &mut names));
        let kind = kinds.get(count.meaning, || kind(meaning, &mut names));
        cells.push(Cell {
            day: count.day,
            direction: peer.direction,
            peer: number,
            operator,
            service: services[count.service as usize],
            mail: Mail {
                n,
                first: count.first,
                last: count.last,
            },
            ..kind
        });
    })?;
    Ok(sorted(cells, names))
}

/// What is worked out once for each number.
struct Known<T>(Vec<Option<T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known(Vec::new())
    }
}

impl<T: Clone> Known<T> {
    fn get(&mut self, number: u32, find: impl FnOnce() -> T) -> T {
        let at = number as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        self.0[at].get_or_insert_with(find).clone()
    }
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

/// Peer and operator.
fn called(peer: &NumberedPeer, names: &mut Names) -> (NameId, NameId) {
    let name = who(
        peer.direction,
        [&peer.domain, &peer.organisation, &peer.host, &peer.address].map(String::as_str),
    );
    let operator = match peer.organisation.as_str() {
        "" => name,
        organisation => organisation,
    };
    (names.number(name), names.number(operator))
}

/// A cell that has yet to learn who, when and how much.
fn kind(meaning: &Meaning, names: &mut Names) -> Cell {
    Cell {
        channel: match meaning.tls.as_str() {
            "encrypted" => Channel::Encrypted,
            "plaintext" => Channel::Plaintext,
            _ => Channel::Unknown,
        },
        class: meaning.class,
        cause: names.number(&meaning.cause),
        fault: names.number(&meaning.fault),
        protocol: names.number(&meaning.protocol),
        day: 0,
        direction: Direction::Outbound,
        peer: 0,
        operator: 0,
        service: 0,
        mail: Mail::default(),
    }
}

/// Numbers in the order of the names, cells in the order of days and numbers, equal ones added up: the order in which the store
/// numbers things makes no difference.
fn sorted(mut cells: Vec<Cell>, names: Names) -> History {
    let mut order: Vec<usize> = (0..names.list.len()).collect();
    order.sort_by(|a, b| names.list[*a].cmp(&names.list[*b]));
    let mut rank = vec![0; order.len()];
    for (at, number) in order.iter().enumerate() {
        // OK to narrow: as when they were numbered.
        rank[*number] = at as NameId;
    }
    for cell in &mut cells {
        for id in [
            &mut cell.peer,
            &mut cell.operator,
            &mut cell.service,
            &mut cell.cause,
            &mut cell.fault,
            &mut cell.protocol,
        ] {
            *id = rank[*id as usize];
        }
    }
    for day in cells.chunk_by_mut(|a, b| a.day == b.day) {
        day.sort_unstable_by_key(Cell::key);
    }
    cells.dedup_by(|more, sum| {
        let same = more.key() == sum.key();
        if same {
            sum.mail.add(more.mail);
        }
        same
    });
    let mut list = names.list;
    let names = order.iter().map(|n| std::mem::take(&mut list[*n]));
    History {
        names: names.collect(),
        cells,
    }
}

impl Cell {
    /// All but how much.
    fn key(&self) -> impl Ord + use<> {
        (
            (self.day, self.direction, self.peer, self.operator),
            (self.service, self.channel, self.class),
            (self.cause, self.fault, self.protocol),
        )
    }
}

impl History {
    /// The name of this number.
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id as usize).map_or("", String::as_str)
    }

    /// The mail of one direction whose channel is known, one entry per peer and day.
    pub fn peer_days(&self, direction: Direction) -> Vec<PeerDay> {
        let mut days: Vec<PeerDay> = Vec::new();
        for cell in self.cells.iter().filter(|c| c.direction == direction) {
            let is_same = |d: &&mut PeerDay| (d.day, d.peer) == (cell.day, cell.peer);
            if days.last_mut().filter(is_same).is_none() {
                days.push(PeerDay {
                    day: cell.day,
                    peer: cell.peer,
                    operator: cell.operator,
                    ..PeerDay::default()
                });
            }
            let Some(day) = days.last_mut() else { continue };
            match cell.channel {
                Channel::Encrypted => day.encrypted.add(cell.mail),
                Channel::Plaintext => day.plaintext.add(cell.mail),
                Channel::Unknown => {}
            }
        }
        days.retain(|d| d.encrypted.n + d.plaintext.n > 0);
        days
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
        sorted(cells, names)
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
