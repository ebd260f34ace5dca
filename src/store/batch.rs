//! Collects what `session` gives out, counted, until there is enough to write.
//!
//! Memory grows with the peers and days of the batch, not with its outcomes: an outcome is a count under four small numbers, and
//! of its proof lines only what the store would keep is kept here too.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};
use maillog::{Cause, Dsn, Fault, Status};

use crate::outcome::{
    Class, Direction, Emission, Fact, Outcome, Parameters, PeerName, ProofLine, Service, Span, Tls,
    day_of,
};

use super::evidence::{Kept, Proof};
use super::intern::Interner;
use super::peer_row::KnownRows;
use super::shape::Shapes;

/// Names that are kept from one commit to the next, and kinds and services; past this many they are forgotten.
const MOST_NAMES: usize = 32_768;
const MOST_KINDS: usize = 4096;
/// How many services are known by where they lie: a log has few that do TLS.
const SAME_SERVICES: usize = 8;

/// With more of anything than this a batch is full: of counts because their table would soon double, to 4 MB, of names and of lines because
/// of the room they take. What is on its way to the batch by then still goes in.
const FULL_ROWS: usize = 26_624;
const FULL_NAMES: usize = 36_864;
const FULL_PROOF_BYTES: usize = 4 * 1024 * 1024;

/// The other side, in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) direction: Direction,
    pub(super) name: Arc<PeerName>,
}

/// The numbers of the peers of a batch by those that outcomes come with ([`Outcome::met`]), which were given one after the other.
#[derive(Debug, Default)]
struct Met {
    /// What `numbers` begins with.
    first: u32,
    /// One more than the number, 0 if there is none.
    numbers: Vec<u32>,
}

impl Met {
    fn find(&self, met: u32) -> Option<u32> {
        let at = met.checked_sub(self.first)? as usize;
        self.numbers.get(at)?.checked_sub(1)
    }

    fn remember(&mut self, met: u32, number: u32) {
        if met == 0 {
            return;
        }
        // Of those long gone nothing comes any more.
        if self.numbers.len() > MOST_NAMES || met < self.first {
            (self.first, self.numbers) = (met, Vec::new());
        }
        let at = (met - self.first) as usize;
        if at > 2 * MOST_NAMES {
            return;
        }
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        self.numbers[at] = number + 1;
    }
}

/// All of an outcome that is not who, when and how often. It is looked up with parameters that are borrowed: to count another owner of
/// what two threads own costs more than to compare it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind<P = Arc<Parameters>> {
    pub(super) tls: Tls,
    pub(super) class: Class,
    pub(super) cause: Cause,
    pub(super) fault: Fault,
    pub(super) delivery: Option<Status>,
    pub(super) dsn: Option<Dsn>,
    pub(super) parameters: P,
}

impl<P> Kind<P> {
    fn with<Q>(&self, parameters: Q) -> Kind<Q> {
        Kind {
            tls: self.tls,
            class: self.class,
            cause: self.cause,
            fault: self.fault,
            delivery: self.delivery,
            dsn: self.dsn,
            parameters,
        }
    }
}

impl Equivalent<Kind> for Kind<&Parameters> {
    fn equivalent(&self, own: &Kind) -> bool {
        *self == own.with(&*own.parameters)
    }
}

/// What is counted under: the primary key of `daily`, with the numbers of this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) day: i32,
    pub(super) peer: u32,
    pub(super) kind: u32,
    pub(super) service: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) n: u64,
    pub(super) messages: u64,
    pub(super) handshakes: u64,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Counts {
    /// Adds up counts of the same key.
    pub(super) fn add(&mut self, more: &Counts) {
        self.n += more.n;
        self.messages += more.messages;
        self.handshakes += more.handshakes;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// What is proven about the logging of one service in one direction on one day.
#[derive(Clone, Debug, Default)]
pub(super) struct Logging {
    pub(super) logged: bool,
    pub(super) unlogged: bool,
    pub(super) offers: bool,
    pub(super) early: bool,
    /// The line of the first `Logged`.
    pub(super) proof: Option<ProofLine>,
}

/// Outcomes on their way into one store. Keep one batch for one store: it remembers the store's row numbers.
#[derive(Debug, Default)]
pub struct Batch {
    keep_correspondents: bool,
    pub(super) services: Interner<Arc<Service>>,
    /// Those met lately, known by where they lie.
    same: Vec<(Arc<Service>, u32)>,
    pub(super) peers: Interner<Peer>,
    met: Met,
    pub(super) kinds: Interner<Kind>,
    pub(super) addresses: Interner<String>,
    pub(super) counts: HashMap<Key, Counts>,
    pub(super) correspondents: HashMap<(u32, Key), Counts>,
    pub(super) logging: HashMap<(i32, u32, Direction), Logging>,
    pub(super) evidence: HashMap<(u32, u32), Kept>,
    /// How long the lines of all evidence are.
    proof_bytes: usize,
    pub(super) gaps: Vec<(String, i64, u64)>,
    pub(super) clock_steps: Vec<(String, i64, i64)>,
    pub(super) spans: HashMap<String, BTreeMap<i32, Span>>,
    pub(super) shapes: Shapes,
    pub(super) rows: RowNumbers,
    pub(super) known_rows: KnownRows,
}

/// Row numbers in the store of the first names of a batch.
#[derive(Debug, Default)]
pub(super) struct RowNumbers {
    pub(super) services: Vec<i64>,
    pub(super) peers: Vec<i64>,
    pub(super) kinds: Vec<i64>,
}

impl Batch {
    /// An empty batch. Addresses of correspondents are dropped unless `keep_correspondents`.
    pub fn new(keep_correspondents: bool) -> Batch {
        Batch {
            keep_correspondents,
            ..Batch::default()
        }
    }

    /// Takes a copy of what is new in one emission. An outcome that is internal is left out.
    pub fn add(&mut self, emission: &Emission) {
        match emission {
            Emission::Outcome(outcome) if outcome.internal => {}
            Emission::Outcome(outcome) => self.add_outcome(outcome),
            Emission::Fact {
                service,
                direction,
                at,
                fact,
                proof,
            } => self.add_fact(service, *direction, day_of(*at), *fact, proof),
            Emission::Gap { host, at, records } => self.gaps.push((host.clone(), *at, *records)),
            Emission::ClockStep { host, at, seconds } => {
                self.clock_steps.push((host.clone(), *at, *seconds));
            }
            Emission::Heard { host, span } => {
                let days = self.spans.entry(host.clone()).or_default();
                days.entry(span.day)
                    .and_modify(|have| have.add(span))
                    .or_insert(*span);
            }
        }
    }

    /// Takes up the shapes a store has, so that the same ones are counted whatever the cuts between batches.
    pub fn know_shapes(&mut self, known: Vec<super::Shape>) {
        self.shapes.know(known);
    }

    /// Counts a line that was not recognised under its shape.
    pub fn add_shape(&mut self, shape: &str, at: i64) {
        self.shapes.add(shape, at);
    }

    /// Whether it takes the room that is meant for it: then it is time to write.
    pub fn is_full(&self) -> bool {
        let rows = [
            self.counts.len(),
            self.correspondents.len(),
            self.logging.len(),
            self.gaps.len(),
            self.clock_steps.len(),
        ];
        rows.iter().sum::<usize>() > FULL_ROWS
            || self.names() > FULL_NAMES
            || self.proof_bytes > FULL_PROOF_BYTES
    }

    fn names(&self) -> usize {
        self.peers.values().len() + self.addresses.values().len()
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.logging.is_empty() && self.gaps.is_empty()
    }

    /// The earliest day anything that waits is about; every count has its day's logging.
    pub(super) fn earliest_day(&self) -> Option<i32> {
        self.logging.keys().map(|(day, _, _)| *day).min()
    }

    /// Drops what is waiting, and keeps the names.
    pub fn clear(&mut self) {
        if self.names() > MOST_NAMES {
            self.peers.clear();
            self.addresses.clear();
            self.rows.peers.clear();
            self.met = Met::default();
        }
        if self.kinds.values().len() + self.services.values().len() > MOST_KINDS {
            self.kinds.clear();
            self.services.clear();
            self.same.clear();
            self.rows.kinds.clear();
            self.rows.services.clear();
        }
        self.counts.clear();
        self.correspondents.clear();
        self.logging.clear();
        self.evidence.clear();
        self.proof_bytes = 0;
        self.gaps.clear();
        self.clock_steps.clear();
        self.spans.clear();
        self.shapes.clear();
    }

    fn add_outcome(&mut self, outcome: &Outcome) {
        let kind = Kind {
            tls: outcome.tls,
            class: outcome.class,
            cause: outcome.cause,
            fault: outcome.fault(),
            delivery: outcome.delivery,
            dsn: outcome.dsn,
            parameters: &*outcome.parameters,
        };
        let (at, direction) = (outcome.at, outcome.direction);
        let key = Key {
            day: day_of(at),
            peer: self.peer(outcome),
            kind: self
                .kinds
                .number(&kind, || kind.with(Arc::clone(&outcome.parameters))),
            service: self.service(&outcome.service),
        };
        let counts = Counts {
            n: outcome.count.into(),
            messages: outcome.messages.into(),
            handshakes: outcome.handshakes.into(),
            first: at,
            last: at,
        };
        add_counts(&mut self.counts, key, counts);
        self.logging
            .entry((key.day, key.service, direction))
            .or_default();
        let address = &outcome.correspondent;
        // Mail alone makes a correspondent: whose name was used for what we refused may know nothing of it.
        let n = match direction {
            Direction::Outbound => counts.n,
            Direction::Inbound => counts.messages,
        };
        if self.keep_correspondents && !address.is_empty() && n > 0 {
            let address = self.addresses.number(address, || address.clone());
            let mail = Counts { n, ..counts };
            add_counts(&mut self.correspondents, (address, key), mail);
        }
        // Further recipients of one line rest on the same lines as the first.
        if outcome.wants_proof() && !outcome.proof.is_empty() {
            let proof = Proof::new(key.service, at, &outcome.proof);
            self.proof_bytes += proof.bytes();
            let kept = self.evidence.entry((key.peer, key.kind)).or_default();
            let over = kept.push(proof);
            self.proof_bytes -= over.map_or(0, |over| over.bytes());
        }
    }

    fn peer(&mut self, outcome: &Outcome) -> u32 {
        if let Some(number) = self.met.find(outcome.met) {
            debug_assert_eq!(self.peers.values()[number as usize].name, outcome.peer);
            return number;
        }
        let peer = Peer {
            direction: outcome.direction,
            name: Arc::clone(&outcome.peer),
        };
        let number = self.peers.number(&peer, || peer.clone());
        self.met.remember(outcome.met, number);
        number
    }

    fn service(&mut self, service: &Arc<Service>) -> u32 {
        if let Some((_, number)) = self.same.iter().find(|(s, _)| Arc::ptr_eq(s, service)) {
            return *number;
        }
        let number = self.services.number(service, || Arc::clone(service));
        if self.same.len() == SAME_SERVICES {
            self.same.clear();
        }
        self.same.push((Arc::clone(service), number));
        number
    }

    fn add_fact(
        &mut self,
        service: &Arc<Service>,
        direction: Direction,
        day: i32,
        fact: Fact,
        proof: &ProofLine,
    ) {
        let service = self.service(service);
        let logging = self.logging.entry((day, service, direction)).or_default();
        match fact {
            Fact::Logged => {
                logging.logged = true;
                logging.proof.get_or_insert_with(|| proof.clone());
            }
            Fact::Unlogged => logging.unlogged = true,
            Fact::OffersLogged => logging.offers = true,
            Fact::LoggedEarly => logging.early = true,
        }
    }
}

fn add_counts<K: Eq + std::hash::Hash>(map: &mut HashMap<K, Counts>, key: K, more: Counts) {
    map.entry(key)
        .and_modify(|have| have.add(&more))
        .or_insert(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::fixture::outbound;
    use maillog::Protocol;

    fn add(batch: &mut Batch, domains: std::ops::Range<usize>) {
        for number in domains {
            let found = outbound(&format!("d{number}.example")).encrypted(Protocol::Tls13);
            batch.add(&found.build());
        }
    }

    fn rows(store: &Store) -> (i64, i64) {
        let sql = "SELECT COUNT(*), SUM(n) FROM daily";
        store
            .connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    }

    #[test]
    fn a_batch_is_full_of_counts_once_and_forgets_its_names_without_counting_a_peer_anew() {
        let mut store = Store::in_memory().unwrap();
        let mut batch = Batch::new(false);
        add(&mut batch, 0..FULL_ROWS - 1);
        assert!(!batch.is_full());
        add(&mut batch, 0..MOST_NAMES + 1);
        assert!(batch.is_full());
        store.commit(&mut batch, &[], "", None).unwrap();
        assert!(!batch.is_full() && batch.is_empty());
        assert_eq!(batch.names(), 0);
        // Found again by the rows that are remembered, and by the store.
        add(&mut batch, 0..10);
        batch.known_rows = KnownRows::default();
        store.commit(&mut batch, &[], "", None).unwrap();
        add(&mut batch, 5..20);
        store.commit(&mut batch, &[], "", None).unwrap();
        let (peers, mails) = rows(&store);
        assert_eq!(peers as usize, MOST_NAMES + 1);
        assert_eq!(mails as usize, FULL_ROWS - 1 + MOST_NAMES + 1 + 10 + 15);
    }

    #[test]
    fn a_batch_is_full_of_proof_by_what_is_kept_of_it() {
        let mut store = Store::in_memory().unwrap();
        let mut batch = Batch::new(false);
        let failed = |peer: u64, offset| {
            outbound(&format!("d{peer}.example"))
                .failed(Class::HandshakeFailed, Cause::Eof)
                .proof(offset)
                .build()
        };
        // Of one peer five are kept, however many there are.
        (0..100_000).for_each(|offset| batch.add(&failed(0, offset)));
        assert!(!batch.is_full() && batch.proof_bytes < 1000);
        let one = batch.proof_bytes / 5;
        let peers = FULL_PROOF_BYTES / one / 5;
        for peer in 0..=peers as u64 {
            (0..5).for_each(|offset| batch.add(&failed(peer, 1_000_000 + offset)));
        }
        assert!(batch.is_full());
        store.commit(&mut batch, &[], "", None).unwrap();
        assert!(!batch.is_full());
    }
}
