//! The counts of a scope by number, loaded once, for all the questions that do not tell one day from another; and the groups of equal
//! outcomes they make of them. Names are looked at where they are asked for, and none is copied.

use std::hash::Hash;
use std::panic::resume_unwind;

use crate::outcome::Direction;
use crate::store::numbered::{Count, Meaning, Numbered, NumberedPeer};
use crate::store::peers::Peers;
use crate::store::{Result, Store};

use super::failures::who;
use super::numbers::Numbers;
use super::tally::{Group, is_sent};
use super::{Scope, bounds};

/// All counts of a scope.
pub(super) struct Sums {
    peers: Peers,
    meanings: Vec<Meaning>,
    /// Log host and tag of the services.
    services: Vec<(String, String)>,
    /// The place of each meaning in the order of channel, class, cause, fault and delivery: equal ones make one group.
    ranks: Vec<u32>,
    counts: Vec<Count>,
}

impl Sums {
    /// Loads them.
    pub(super) fn load(store: &Store, scope: &Scope) -> Result<Sums> {
        let (from, to, ..) = bounds(scope);
        let mut numbered = store.numbered((from, to))?;
        let mut counts = Vec::new();
        numbered.each_sum(|peer, _, count| {
            if scope.includes(peer.direction()) {
                counts.push(count);
            }
        })?;
        Ok(Sums::of(numbered, counts))
    }

    /// Loads those of the peers with these rows alone, day by day.
    pub(super) fn of_peers(store: &Store, scope: &Scope, rows: &[i64]) -> Result<Sums> {
        let (from, to, ..) = bounds(scope);
        let mut numbered = store.numbered((from, to))?;
        let mut counts = Vec::new();
        for row in rows {
            let number = numbered.peer(*row)?;
            numbered.each_day_of(number, |peer, _, count| {
                if scope.includes(peer.direction()) {
                    counts.push(count);
                }
            })?;
        }
        Ok(Sums::of(numbered, counts))
    }

    fn of(numbered: Numbered<'_>, counts: Vec<Count>) -> Sums {
        Sums {
            ranks: ranks(&numbered.meanings),
            peers: numbered.peers,
            meanings: numbered.meanings,
            services: numbered.services,
            counts,
        }
    }

    /// All counts with what they say.
    pub(super) fn each(&self) -> impl Iterator<Item = Entry<'_>> {
        self.counts.iter().map(|count| self.entry(count))
    }

    fn entry<'s>(&'s self, count: &'s Count) -> Entry<'s> {
        Entry {
            peer: self.peers.get(count.peer),
            meaning: &self.meanings[count.meaning as usize],
            service: &self.services[count.service as usize],
            count,
        }
    }

    /// Puts together what has the same name; what has none is left out.
    pub(super) fn by_name<'s, N: Copy + Hash + Eq>(
        &'s self,
        name: impl Fn(&Entry<'s>) -> Option<N>,
    ) -> ByName<'s, N> {
        let mut numbers = Numbers::default();
        let mut sizes: Vec<usize> = Vec::new();
        let mut named: Vec<(u32, u32)> = Vec::with_capacity(self.counts.len());
        for (at, count) in (0..).zip(&self.counts) {
            let Some(name) = name(&self.entry(count)) else {
                continue;
            };
            let number = numbers.number(name);
            if number as usize == sizes.len() {
                sizes.push(0);
            }
            sizes[number as usize] += 1;
            named.push((number, at));
        }
        let mut end = 0;
        let mut free: Vec<usize> = Vec::with_capacity(sizes.len());
        for size in sizes {
            free.push(end);
            end += size;
        }
        let mut counts = vec![0; named.len()];
        for (number, at) in named {
            let place = &mut free[number as usize];
            counts[*place] = at;
            *place += 1;
        }
        ByName {
            sums: self,
            names: numbers.names,
            // Each has been filled up to where the next begins.
            ends: free,
            counts,
        }
    }
}

/// The place of each in the order of what makes groups equal.
fn ranks(meanings: &[Meaning]) -> Vec<u32> {
    let key = |m: &Meaning| (m.tls, m.class.name(), m.cause, m.fault, m.delivery);
    let mut keys: Vec<_> = meanings.iter().map(key).collect();
    keys.sort();
    keys.dedup();
    let place = |m: &Meaning| keys.partition_point(|other| *other < key(m));
    // OK to narrow: there are no more than there are meanings.
    meanings.iter().map(|m| place(m) as u32).collect()
}

/// One count with what it says.
#[derive(Clone, Copy)]
pub(super) struct Entry<'s> {
    /// With whom.
    pub(super) peer: NumberedPeer<'s>,
    /// What it was.
    pub(super) meaning: &'s Meaning,
    /// Log host and syslog tag of our service.
    pub(super) service: &'s (String, String),
    /// How often.
    pub(super) count: &'s Count,
}

impl<'s> Entry<'s> {
    /// Syslog tag of our service.
    pub(super) fn tag(&self) -> &'s str {
        &self.service.1
    }

    /// What the peer is called in one word.
    pub(super) fn peer_name(&self) -> &'s str {
        who(self.peer.direction(), self.peer.names())
    }

    /// Mail that crossed: recipients outbound, messages inbound.
    pub(super) fn mails(&self) -> u64 {
        match self.peer.direction() {
            Direction::Outbound => self.count.n,
            Direction::Inbound => self.count.messages,
        }
    }

    /// Mail crossed.
    pub(super) fn is_mail(&self) -> bool {
        is_sent(self.meaning.delivery) || self.count.messages > 0
    }

    pub(super) fn group(&self) -> Group {
        Group {
            tls: self.meaning.tls,
            class: self.meaning.class,
            cause: self.meaning.cause,
            fault: self.meaning.fault,
            delivery: self.meaning.delivery,
            n: self.count.n,
            messages: self.count.messages,
            handshakes: self.count.handshakes,
            first: self.count.first,
            last: self.count.last,
        }
    }
}

/// Counts put together by name.
pub(super) struct ByName<'s, N> {
    sums: &'s Sums,
    names: Vec<N>,
    /// Where the counts of each name end.
    ends: Vec<usize>,
    /// By their places in the sums.
    counts: Vec<u32>,
}

impl<'s, N: Copy> ByName<'s, N> {
    /// Each name with what has it, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (N, Named<'s, '_>)> {
        (0..self.names.len()).map(|number| self.get(number))
    }

    /// The same in the order of the names.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (N, Named<'s, '_>)>
    where
        N: Ord,
    {
        let order = self.order().into_iter();
        order.map(|number| self.get(number))
    }

    /// What is made of each name with what has it, in the order of the names: half of them at a time, where there is a second core.
    pub(super) fn make_in_order<T: Send>(
        &self,
        make: impl Fn(N, Named<'s, '_>) -> Option<T> + Sync,
    ) -> Vec<T>
    where
        N: Ord + Send + Sync,
    {
        let order = self.order();
        let make_all = |numbers: &[usize]| -> Vec<T> {
            let named = numbers.iter().map(|number| self.get(*number));
            named
                .filter_map(|(name, named)| make(name, named))
                .collect()
        };
        let (first, second) = order.split_at(order.len() / 2);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| make_all(second));
            let mut made = make_all(first);
            made.extend(second.join().unwrap_or_else(|panic| resume_unwind(panic)));
            made
        })
    }

    /// The numbers of the names in their order.
    fn order(&self) -> Vec<usize>
    where
        N: Ord,
    {
        let mut order: Vec<(N, usize)> = self.names.iter().copied().zip(0..).collect();
        order.sort_unstable_by_key(|(name, _)| *name);
        order.into_iter().map(|(_, number)| number).collect()
    }

    fn get(&self, number: usize) -> (N, Named<'s, '_>) {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let named = Named {
            sums: self.sums,
            counts: &self.counts[start..self.ends[number]],
        };
        (self.names[number], named)
    }
}

/// The counts of one name.
#[derive(Clone, Copy)]
pub(super) struct Named<'s, 'n> {
    sums: &'s Sums,
    counts: &'n [u32],
}

impl<'s, 'n> Named<'s, 'n> {
    /// Each of them.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'s>> + Clone + use<'s, 'n> {
        let all = &self.sums.counts;
        let counts = self.counts.iter().map(|at| &all[*at as usize]);
        counts.map(move |count| self.sums.entry(count))
    }

    /// Groups of equal outcomes, in the order of what makes them equal.
    pub(super) fn groups(self) -> Vec<Group> {
        let groups = self.groups_by(|_| Some(()));
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// The same, apart by what else tells them apart and first in the order of that; `None` leaves out.
    pub(super) fn groups_by<P: Ord>(
        self,
        part: impl Fn(&Entry<'s>) -> Option<P>,
    ) -> Vec<(P, Group)> {
        let mut groups: Vec<(P, u32, Group)> = Vec::with_capacity(self.counts.len());
        groups.extend(self.entries().filter_map(|entry| {
            let rank = self.sums.ranks[entry.count.meaning as usize];
            Some((part(&entry)?, rank, entry.group()))
        }));
        groups.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        groups.dedup_by(|more, sum| {
            let is_equal = (&more.0, more.1) == (&sum.0, sum.1);
            if is_equal {
                sum.2.add(&more.2);
            }
            is_equal
        });
        let groups = groups.into_iter();
        groups.map(|(part, _, group)| (part, group)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use maillog::{Cause, Protocol};

    #[test]
    fn equal_outcomes_of_a_name_are_one_group_and_names_come_in_order() {
        let store = fixture::store([
            outbound("b.example").encrypted(Protocol::Tls13).build(),
            outbound("a.example").encrypted(Protocol::Tls12).build(),
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(2)
                .build(),
            outbound("a.example")
                .host("mx2.example", "192.0.2.7")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
        ]);
        let sums = Sums::load(&store, &Scope::ALL).unwrap();
        let by_domain = sums.by_name(|entry| Some(entry.peer.domain()));
        let found: Vec<(&str, Vec<(String, u64)>)> = by_domain
            .in_order()
            .map(|(name, named)| {
                let groups = named.groups().into_iter();
                (name, groups.map(|g| (g.tls.to_string(), g.n)).collect())
            })
            .collect();
        let encrypted = |n| ("encrypted".to_string(), n);
        assert_eq!(
            found,
            [
                ("a.example", vec![encrypted(3), ("none".to_string(), 1)]),
                ("b.example", vec![encrypted(1)])
            ]
        );
        let only = sums.by_name(|entry| entry.is_mail().then_some(Direction::Outbound));
        let (_, named) = only.iter().next().unwrap();
        let parts = named.groups_by(|entry| Some(entry.peer.domain()));
        assert_eq!(parts.iter().map(|(_, g)| g.n).collect::<Vec<_>>(), [3, 1]);
    }
}
