//! How much mail went to and came from each peer in some days, whatever its channel was: the facts without what the silence of a service means,
//! which costs most of them.

use hashbrown::{HashMap, HashSet};

use super::packed::Row;
use super::peers::{NumberedPeer, Peers};
use super::{Result, Store};

/// What was exchanged with each peer.
#[derive(Debug)]
pub struct Exchanged {
    peers: Peers,
    /// By the row of the peer: recipients outbound, messages inbound.
    mails: HashMap<i64, u64>,
}

impl Exchanged {
    /// All peers that took or brought mail, with how much, in no order.
    pub fn each(&self) -> impl Iterator<Item = (NumberedPeer<'_>, u64)> {
        let mails = |peer: &NumberedPeer<'_>| self.mails.get(&peer.row()).copied();
        let peers = self.peers.iter();
        peers.filter_map(move |peer| Some((peer, mails(&peer).filter(|mails| *mails > 0)?)))
    }
}

impl Store {
    /// What was exchanged from one day to another, both included.
    pub fn exchanged(&self, days: (i32, i32)) -> Result<Exchanged> {
        let (peers, mails) = Peers::all_while(self, |store| store.mails(days))?;
        Ok(Exchanged { peers, mails })
    }

    fn mails(&self, (from, to): (i32, i32)) -> Result<HashMap<i64, u64>> {
        let sent = self.sent()?;
        let mut found: HashMap<i64, u64> = HashMap::new();
        let mut count = |row: &Row, is_more: bool| {
            let mails = match sent.contains(&row.outcome) {
                true => row.n,
                false => row.messages,
            };
            let sum = found.entry(row.peer).or_default();
            // What is taken away was added before, unless an import has written in between.
            *sum = match is_more {
                true => *sum + mails,
                false => sum.saturating_sub(mails),
            };
            Ok(())
        };
        // From the sums of the days gone by, a few days too many are taken away faster than many are added.
        match self.past_days()? {
            Some((first, last)) if from <= first && to < last && last - to < to - first => {
                self.each_past(|row| count(row, true))?;
                self.each_row((to + 1, last), |row| count(row, false))?;
            }
            _ => self.each_row((from, to), |row| count(row, true))?,
        }
        Ok(found)
    }

    /// The outcomes of mail that was sent.
    fn sent(&self) -> Result<HashSet<i64>> {
        let connection = &self.connection;
        let mut statement =
            connection.prepare_cached("SELECT id FROM outcome WHERE delivery = 'sent'")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, DAY, inbound, outbound};
    use maillog::{Cause, Protocol};

    use crate::outcome::Class;

    #[test]
    fn mail_counts_whatever_its_channel_and_attempts_do_not() {
        let to = |name: &str| outbound(name).times(2);
        let store = fixture::store([
            to("a.example").encrypted(Protocol::Tls13).build(),
            to("a.example").silent().build(),
            to("b.example").at(-86_400).silent().build(),
            to("c.example")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            inbound("mx.d.example", "192.0.2.9").silent().build(),
        ]);
        let of = |from| -> Vec<(String, u64)> {
            let found = store.exchanged((from, DAY)).unwrap();
            let named = found.each().map(|(peer, n)| (peer.names().concat(), n));
            let mut named: Vec<_> = named.collect();
            named.sort();
            named
        };
        let today = of(DAY);
        let names: Vec<&str> = today.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(today.len(), 2, "{names:?}");
        assert!(
            names[0].starts_with("a.example") && today[0].1 == 4,
            "{today:?}"
        );
        assert!(
            names[1].contains("mx.d.example") && today[1].1 == 1,
            "{today:?}"
        );
        assert_eq!(of(DAY - 1).len(), 3);
    }

    #[test]
    fn days_taken_from_the_sums_of_the_days_gone_by_leave_what_the_others_have() {
        let day = |n: i64| {
            let times = 1 + n as u32;
            let sent = outbound("a.example").at(n * 86_400).times(times);
            let late = outbound("late.example").at(n * 86_400);
            let late = (n > 30).then(|| late.encrypted(Protocol::Tls13).build());
            [sent.encrypted(Protocol::Tls13).build()]
                .into_iter()
                .chain(late)
        };
        let mut store = fixture::store((0..40).flat_map(day));
        let of = |store: &super::Store, to| -> Vec<(String, u64)> {
            let found = store.exchanged((DAY - 9, to)).unwrap();
            let named = found.each().map(|(peer, n)| (peer.domain().into(), n));
            named.collect()
        };
        let before = [DAY + 3, DAY + 29, DAY + 36, DAY + 39].map(|to| of(&store, to));
        assert_eq!(before[1], [("a.example".to_string(), 465)]);
        store.add_up_past().unwrap();
        assert_eq!(store.past_days().unwrap(), Some((DAY, DAY + 37)));
        let after = [DAY + 3, DAY + 29, DAY + 36, DAY + 39].map(|to| of(&store, to));
        assert_eq!(after, before);
    }
}
