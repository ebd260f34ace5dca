//! Who exchanged how much mail with us, on which day, over which of our services, and how: what trend and changes are worked out from.
//!
//! Only mail counts here: recipients delivered to, outbound; messages accepted, inbound. What failed is `fallback`'s business.
//!
//! A year of a large site has millions of cells: what is said of each peer and of each way to send is kept once, by number, and names have
//! their numbers in the order of the alphabet, so that the order in which the store numbers things makes no difference.

use crate::outcome::{Class, Direction};
use crate::store::numbered::{Count, Meaning, Numbered, NumberedPeer};
use crate::store::{Result, Store};

use super::failures::who;
use super::numbers::Numbers;
use super::strata::{Mail, PeerDay};
use super::tally::is_sent;
use super::{Scope, bounds};

/// A name by its number in [`History::name`].
pub type NameId = u32;

/// Some mail of one peer's host on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Days since 1970, UTC.
    pub day: i32,
    /// With whom, by its number in [`History::whos`].
    pub who: u32,
    /// In which way, by its number in [`History::hows`].
    pub how: u32,
    /// How much, and from when to when.
    pub mail: Mail,
}

/// The other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: NameId,
    /// Who runs the other server: its registrable domain, else the peer itself.
    pub operator: NameId,
}

/// In which way mail crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct How {
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
}

/// How mail crossed the net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Each other side.
    pub whos: Vec<Who>,
    /// Each way.
    pub hows: Vec<How>,
    /// Parts of the days, in order.
    parts: Vec<Cells>,
    names: Texts,
}

/// Loads it.
pub fn find_history(store: &Store, scope: &Scope) -> Result<History> {
    let (from, to, ..) = bounds(scope);
    let mut numbered = store.numbered((from, to))?;
    let mail = OfMail::of(&numbered, scope);
    let parts = numbered.fold_days(room, |cells, peer, count| {
        mail.add(cells, peer, &count);
    })?;
    Ok(History::of(&numbered, parts))
}

/// The cells of some days: outbound and inbound, each in the order of days.
pub(super) type Cells = [Vec<Cell>; 2];

/// None yet, with room for so many in either direction: millions need not be moved as they become more, and what is not filled is never
/// touched.
pub(super) fn room(counts: usize) -> Cells {
    [Vec::with_capacity(counts), Vec::with_capacity(counts)]
}

/// Which counts are of mail that belongs to a history.
pub(super) struct OfMail {
    scope: Scope,
    from: i32,
    services: u32,
    /// Of each meaning: recipients are what was sent, else messages are.
    sent: Vec<bool>,
}

impl OfMail {
    /// That of a scope, from its first day on.
    pub(super) fn of(numbered: &Numbered<'_>, scope: &Scope) -> OfMail {
        OfMail {
            scope: *scope,
            from: bounds(scope).0,
            // OK to narrow: the ways are fewer than the rows that name them.
            services: numbered.services.len() as u32,
            sent: numbered
                .meanings
                .iter()
                .map(|m| is_sent(m.delivery))
                .collect(),
        }
    }

    /// Takes a count in, if it is one of them.
    pub(super) fn add(&self, cells: &mut Cells, peer: NumberedPeer<'_>, count: &Count) {
        let n = match self.sent[count.meaning as usize] {
            true => count.n,
            false => count.messages,
        };
        let direction = peer.direction();
        if n > 0 && count.day >= self.from && self.scope.includes(direction) {
            cells[side(direction)].push(Cell {
                day: count.day,
                who: count.peer,
                how: count.meaning * self.services + count.service,
                mail: Mail::new(n, count.first, count.last),
            });
        }
    }
}

/// Which peers have a cell: of few days most have none, and need no name.
fn met(peers: usize, parts: &[Cells]) -> Vec<bool> {
    let cells = || parts.iter().flatten();
    let are_many = cells().map(Vec::len).sum::<usize>() > peers;
    let mut met = vec![are_many; peers];
    if !are_many {
        cells()
            .flatten()
            .for_each(|cell| met[cell.who as usize] = true);
    }
    met
}

fn side(direction: Direction) -> usize {
    usize::from(direction == Direction::Inbound)
}

type Names<'n> = Numbers<&'n str>;

fn known_as<'n>(peer: &'n str, operator: &'n str, names: &mut Names<'n>) -> Who {
    let number = names.number(peer);
    Who {
        peer: number,
        // Most clients go by the name of who runs them.
        operator: match operator == peer {
            true => number,
            false => names.number(operator),
        },
    }
}

fn how<'n>(meaning: &'n Meaning, service: NameId, names: &mut Names<'n>) -> How {
    How {
        service,
        channel: match meaning.tls {
            "encrypted" => Channel::Encrypted,
            "plaintext" => Channel::Plaintext,
            _ => Channel::Unknown,
        },
        class: meaning.class,
        cause: names.number(meaning.cause),
        fault: names.number(meaning.fault),
        protocol: names.number(&meaning.protocol),
    }
}

/// Gives names the numbers of their order.
fn sorted(parts: Vec<Cells>, mut whos: Vec<Who>, mut hows: Vec<How>, names: &Names<'_>) -> History {
    let names = &names.names;
    let mut order: Vec<(u64, NameId)> = (0..).zip(names).map(|(n, s)| (head(s), n)).collect();
    // Most names differ in their first octets.
    order.sort_unstable_by(|a, b| {
        let name = |n: NameId| names[n as usize];
        a.0.cmp(&b.0).then_with(|| name(a.1).cmp(name(b.1)))
    });
    let mut rank = vec![0; order.len()];
    for (at, (_, number)) in (0..).zip(&order) {
        rank[*number as usize] = at;
    }
    let place = |id: &mut NameId| *id = rank[*id as usize];
    for who in &mut whos {
        place(&mut who.peer);
        place(&mut who.operator);
    }
    for how in &mut hows {
        for id in [
            &mut how.service,
            &mut how.cause,
            &mut how.fault,
            &mut how.protocol,
        ] {
            place(id);
        }
    }
    let mut sorted = Texts::default();
    for (_, number) in order {
        sorted.text.push_str(names[number as usize]);
        sorted.ends.push(sorted.text.len());
    }
    History {
        whos,
        hows,
        parts,
        names: sorted,
    }
}

/// Texts by number, in one piece of memory.
#[derive(Clone, Debug, Default)]
struct Texts {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }
}

/// The first eight octets, as a number that compares as they do.
fn head(name: &str) -> u64 {
    let mut octets = [0; 8];
    let length = name.len().min(8);
    octets[..length].copy_from_slice(&name.as_bytes()[..length]);
    u64::from_be_bytes(octets)
}

impl History {
    /// That of some parts of the days, in order.
    pub(super) fn of(numbered: &Numbered<'_>, parts: Vec<Cells>) -> History {
        let labels = numbered.services.iter();
        let labels: Vec<String> = labels
            .map(|(host, tag)| format!("{tag} on {host}"))
            .collect();
        let mut names = Names::default();
        let tags: Vec<NameId> = labels.iter().map(|label| names.number(label)).collect();
        let (peers, meanings) = (&numbered.peers, &numbered.meanings);
        let met = met(peers.len(), &parts);
        let whos = peers.iter().zip(&met).map(|(peer, is_met)| {
            if !is_met {
                return known_as("", "", &mut names);
            }
            let name = who(peer.direction(), peer.names());
            let operator = match peer.organisation() {
                "" => name,
                organisation => organisation,
            };
            known_as(name, operator, &mut names)
        });
        let whos = whos.collect();
        let ways = meanings
            .iter()
            .flat_map(|m| tags.iter().map(move |tag| (m, *tag)));
        let hows = ways.map(|(meaning, service)| how(meaning, service, &mut names));
        let hows = hows.collect();
        sorted(parts, whos, hows, &names)
    }

    /// The name of this number.
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id as usize).unwrap_or_default()
    }

    /// How many names there are.
    pub fn names(&self) -> usize {
        self.names.ends.len()
    }

    /// The cells of one direction, a day at a time, in the order of days.
    pub fn days(&self, direction: Direction) -> impl Iterator<Item = &[Cell]> {
        let parts = self.parts.iter().map(move |part| &part[side(direction)]);
        parts.flat_map(|cells| cells.chunk_by(|a, b| a.day == b.day))
    }

    /// The mail of one direction whose channel is known, one entry per peer and day, in the order of days and peers.
    pub fn peer_days(&self, direction: Direction) -> Vec<PeerDay> {
        let cells = self.parts.iter().map(|part| part[side(direction)].len());
        let mut days = Vec::with_capacity(cells.sum());
        // One day at a time: each peer at its place, and a bit for each place that is taken.
        let mut of_day = vec![PeerDay::default(); self.names()];
        let mut taken = vec![0_u64; self.names().div_ceil(64)];
        for cells in self.days(direction) {
            for cell in cells {
                let who = self.whos[cell.who as usize];
                let (place, bit) = (who.peer as usize, 1 << (who.peer % 64));
                let entry = &mut of_day[place];
                if taken[place / 64] & bit == 0 {
                    taken[place / 64] |= bit;
                    *entry = PeerDay {
                        day: cell.day,
                        peer: who.peer,
                        operator: who.operator,
                        ..PeerDay::default()
                    };
                }
                entry.operator = entry.operator.min(who.operator);
                match self.hows[cell.how as usize].channel {
                    Channel::Encrypted => entry.encrypted.add(cell.mail),
                    Channel::Plaintext => entry.plaintext.add(cell.mail),
                    Channel::Unknown => {}
                }
            }
            for (at, bits) in taken.iter_mut().enumerate() {
                while *bits != 0 {
                    let entry = of_day[64 * at + bits.trailing_zeros() as usize];
                    *bits &= *bits - 1;
                    days.extend((entry.encrypted.n + entry.plaintext.n > 0).then_some(entry));
                }
            }
        }
        days
    }
}

#[cfg(test)]
impl History {
    /// A history of mail sent, as tests make it: peers and operators are called by their numbers.
    pub(super) fn of_peer_days(mail: &[PeerDay], why: impl Fn(&PeerDay) -> Why) -> History {
        let numbers: Vec<u32> = mail.iter().flat_map(|d| [d.peer, d.operator]).collect();
        let texts: std::collections::HashMap<u32, String> = numbers
            .into_iter()
            .map(|number| (number, format!("p{number}.example")))
            .collect();
        let (mut cells, mut names) = (Vec::new(), Names::default());
        let (mut whos, mut hows) = (Vec::new(), Vec::new());
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
                if mail.n == 0 {
                    continue;
                }
                let clear = channel == Channel::Plaintext;
                cells.push(Cell {
                    day: day.day,
                    who: whos.len() as u32,
                    how: hows.len() as u32,
                    mail,
                });
                let (peer, operator) = (&texts[&day.peer], &texts[&day.operator]);
                whos.push(known_as(peer, operator, &mut names));
                hows.push(How {
                    service: names.number(service),
                    channel,
                    class: if clear { class } else { Class::TlsTrusted },
                    cause: names.number(if clear { cause } else { "" }),
                    fault: names.number(if clear { fault } else { "nobody" }),
                    protocol: names.number(if clear { "" } else { "TLSv1.3" }),
                });
            }
        }
        sorted(vec![[cells, Vec::new()]], whos, hows, &names)
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
        assert_eq!(
            history
                .days(Direction::Outbound)
                .map(<[_]>::len)
                .sum::<usize>(),
            4
        );
        let days = history.peer_days(Direction::Outbound);
        assert_eq!(days.len(), 1);
        let day = &days[0];
        assert_eq!((day.day, history.name(day.peer)), (DAY, "a.example"));
        assert_eq!((day.encrypted.n, day.plaintext.n), (2, 5));
        assert_eq!(day.encrypted.last - day.encrypted.first, 7_200);
    }
}
