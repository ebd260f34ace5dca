//! Finds the process a line belongs to and hands the line's event to it; forgets processes that are gone; saves and restores what
//! is open.
//!
//! It holds no rule about TLS: those are in `outbound`, `inbound` and `verdict`.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use maillog::{Cause, Event, Handshake, Logging, Peer, Record, Side};
use serde::{Deserialize, Serialize};

use crate::outcome::{Direction, Emission, Fact, Parameters, ProofLine, Service, Tls, day_of};

use super::due::Due;
use super::host::Host;
use super::names::Names;
use super::own::{self, Own};
use super::process::{Inbound, Key, Outbound, Process, Spare};
use super::verdict::{self, Verdict};
use super::{inbound, letters, outbound, proof};

/// A process without a line of interest for so long is gone, in seconds of log time: what comes later under its number is another's.
const IDLE_SECONDS: i64 = REST_SECONDS;
/// How often to look for such processes, in seconds of log time.
const SWEEP_SECONDS: i64 = 600;
/// How many entries of processes that are gone may wait for their time.
const DUE_ROOM: usize = 1024;
/// A process that says nothing for so long and then something is another one with the same number, in seconds: servers and clients
/// wait for each other for minutes.
const REST_SECONDS: i64 = 3600;
/// For how long a syslog daemon that begins to drop records may go on, in seconds: the longest of the usual intervals is 600, and what
/// it says at the end of one may come a little later.
const LOSS_SECONDS: i64 = 900;
/// How long a service that has shown that it logs its TLS sessions is believed, in seconds.
const WITNESS_SECONDS: i64 = 86_400;
/// How long after the beginning of a log it may take to show that, in seconds.
const BEGINNING_SECONDS: i64 = 900;
/// Silence about more different peers in a row than this is rather a log that has stopped telling. Where 9 of 10 peers have TLS,
/// twenty without are as good as impossible; where half of them have it, one in a million.
const SILENT_PEERS: usize = 20;
/// As many peers in a row that had TLS and are silent now mean the same.
const TURNED_PEERS: u32 = 3;
/// For so long after its last TLS session a service is believed about a peer that had TLS, and to do TLS itself, in seconds.
const QUIET_SECONDS: i64 = 3600;
/// How many peers with TLS are remembered for that.
const ENCRYPTED_PEERS: usize = 32;
/// How many bytes most processes take when they are saved.
const SAVED_BYTES: usize = 320;
/// How many different sets of session parameters are shared between connections.
const SHARED_PARAMETERS: usize = 128;

/// Where a line stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Number of the source in the store.
    pub source: i64,
    /// Byte offset of the line in the uncompressed source.
    pub offset: u64,
}

/// All that is under way in a log.
#[derive(Debug, Default)]
pub struct Tracker {
    known: Known,
    /// By the name in stored form, which is what a later run knows it by.
    host_index: HashMap<String, u32>,
    /// Per host, by tag in stored form.
    service_index: Vec<HashMap<String, u32>>,
    /// Per host, when each of its processes is to be looked at. A process that is not there any more, or has another time, is none of
    /// these.
    due: Vec<Due>,
    /// Per host, by tag as it stands in the log: whether it is text need not be asked at each line.
    written_tags: Vec<HashMap<Box<[u8]>, u32>>,
    /// Host of the record before.
    latest_host: Vec<u8>,
    host_number: Option<u32>,
    processes: HashMap<Key, Process>,
}

/// What is known beside the processes, and what they share.
#[derive(Debug, Default)]
struct Known {
    own: Own,
    keep_addresses: bool,
    hosts: Vec<Host>,
    services: Vec<Tag>,
    /// Steady time of the record at hand.
    steady: i64,
    parameters: Vec<Arc<Parameters>>,
    names: Names,
    spare: Spare,
}

/// A program of a log host.
#[derive(Clone, Debug)]
struct Tag {
    service: Arc<Service>,
    host: u32,
    /// Facts given out on the latest day, per direction, one bit each, so that they are not told again with every line.
    told: [(i32, u8); 2],
    /// Per direction.
    witness: [Witness; 2],
}

/// When a service last showed that it logs its TLS sessions, and which peers it has been silent about since.
///
/// Whether a day's silence means clear text is decided from all facts of that day. This keeps a change of the log level in the middle
/// of a day from turning the silent part into clear text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Witness {
    /// Steady time.
    at: Option<i64>,
    silent: Vec<u64>,
    /// Of the silent ones, those it had shown TLS with.
    turned: u32,
    /// Peers whose TLS sessions it logged lately.
    encrypted: Vec<u64>,
    /// When our side last did TLS, steady time.
    shown: Option<i64>,
    /// Why our side has not been able to do TLS since.
    broken: Option<Cause>,
}

fn peer_hash(peer: &Peer<'_>) -> u64 {
    let name = if peer.address.is_empty() {
        peer.name
    } else {
        peer.address
    };
    name_hash(name)
}

/// A number in place of a name (FNV-1a).
pub(super) fn name_hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    })
}

/// What the rules may use and change beside the process's own state.
pub struct Context<'c, 'l> {
    pub(super) key: Key,
    /// The time written: for what is given out.
    pub(super) at: i64,
    /// The host's steady time: for everything else.
    pub(super) steady: i64,
    pub(super) place: Place,
    pub(super) raw: &'l [u8],
    pub(super) service: &'c Arc<Service>,
    pub(super) host: &'c mut Host,
    pub(super) own: &'c Own,
    pub(super) keep_addresses: bool,
    pub(super) out: &'c mut Vec<Emission>,
    told: &'c mut [(i32, u8); 2],
    witness: &'c mut [Witness; 2],
    shared: &'c mut Vec<Arc<Parameters>>,
    pub(super) names: &'c mut Names,
    pub(super) spare: &'c mut Spare,
}

impl Context<'_, '_> {
    /// The line as proof.
    pub(super) fn proof(&self) -> ProofLine {
        proof::proof_line(self.place, self.raw)
    }

    /// Whether a host is ours.
    pub(super) fn is_ours(&self, peer: &Peer<'_>) -> bool {
        self.own.holds_host(
            peer.address,
            maillog::peer::without_dot(peer.name),
            &self.host.name,
        )
    }

    /// Whether a message is a letter of our own outreach.
    pub(super) fn is_letter(&self, queue_id: &[u8]) -> bool {
        !self.host.letters.is_empty() && self.host.letters.has(queue_id, self.steady)
    }

    /// Tells a fact, once a day.
    pub(super) fn fact(&mut self, direction: Direction, fact: Fact) {
        if fact == Fact::Logged {
            let witness = &mut self.witness[direction as usize];
            let early = witness.at.is_none() && self.steady - self.host.start <= BEGINNING_SECONDS;
            witness.at = Some(self.steady);
            witness.turned = 0;
            witness.silent.clear();
            if early {
                self.fact(direction, Fact::LoggedEarly);
            }
        }
        let (day, bit) = (day_of(self.at), 1u8 << fact as u8);
        let told = &mut self.told[direction as usize];
        if told.0 != day {
            *told = (day, 0);
        }
        if told.1 & bit == 0 {
            told.1 |= bit;
            let proof = self.proof();
            self.out.push(Emission::Fact {
                service: Arc::clone(self.service),
                direction,
                at: self.at,
                fact,
                proof,
            });
        }
    }

    /// What silence about this peer is worth. It counts if the service has shown within a day that it logs TLS sessions, and has not
    /// since been silent about so many peers, or about several it had shown TLS with, that it has rather stopped logging them.
    /// At the beginning of a log it counts if the service shows so soon.
    pub(super) fn weigh_silence(
        &mut self,
        direction: Direction,
        peer: &Peer<'_>,
        silent: Verdict,
    ) -> Verdict {
        let witness = &mut self.witness[direction as usize];
        let hash = peer_hash(peer);
        if witness.silent.len() <= SILENT_PEERS && !witness.silent.contains(&hash) {
            witness.silent.push(hash);
            witness.turned += u32::from(witness.encrypted.contains(&hash));
        }
        let stopped = witness.silent.len() > SILENT_PEERS || witness.turned >= TURNED_PEERS;
        // A peer that had TLS, and a service that has shown none since: which of them changed is not known.
        let quiet = witness
            .at
            .is_some_and(|at| self.steady - at > QUIET_SECONDS)
            && witness.encrypted.contains(&hash);
        match witness.at {
            _ if stopped || quiet => verdict::UNKNOWN,
            Some(at) if self.steady - at <= WITNESS_SECONDS => silent,
            None if self.steady - self.host.start <= BEGINNING_SECONDS => Verdict {
                tls: Tls::SilentEarly,
                ..silent
            },
            _ => verdict::UNKNOWN,
        }
    }

    /// A TLS session of this peer was logged.
    pub(super) fn saw_encrypted(&mut self, direction: Direction, peer: &Peer<'_>) {
        let encrypted = &mut self.witness[direction as usize].encrypted;
        let hash = peer_hash(peer);
        if !encrypted.contains(&hash) {
            if encrypted.len() == ENCRYPTED_PEERS {
                encrypted.remove(0);
            }
            encrypted.push(hash);
        }
    }

    /// Our side did TLS in this direction: it works.
    pub(super) fn shows_tls(&mut self, direction: Direction) {
        let witness = &mut self.witness[direction as usize];
        witness.shown = Some(self.steady);
        witness.broken = None;
    }

    /// Our side cannot do TLS in this direction, until it is seen to.
    pub(super) fn cannot_do_tls(&mut self, direction: Direction, cause: Cause) {
        self.witness[direction as usize].broken = Some(cause);
    }

    /// What is known of our own part in clear text of this direction: why we could not do TLS, and whether we had just done it.
    pub(super) fn our_part(&self, direction: Direction) -> (Option<Cause>, bool) {
        let witness = &self.witness[direction as usize];
        let shown = witness.broken.is_none()
            && witness
                .shown
                .is_some_and(|at| self.steady - at <= QUIET_SECONDS);
        (witness.broken, shown)
    }

    /// The parameters of a handshake; equal ones are shared.
    pub(super) fn parameters(&mut self, handshake: &Handshake<'_>) -> Arc<Parameters> {
        let same = |p: &Arc<Parameters>| {
            p.protocol == handshake.protocol
                && p.bits == handshake.bits
                && p.verification == handshake.verification
                && p.cipher.as_bytes() == handshake.cipher
                && p.key_exchange.as_bytes() == handshake.key_exchange
        };
        if let Some(at) = self.shared.iter().position(same) {
            let found = Arc::clone(&self.shared[at]);
            // What is asked for often is soon found early.
            self.shared.swap(at, at / 2);
            return found;
        }
        let new = Arc::new(Parameters {
            protocol: handshake.protocol,
            cipher: proof::text(handshake.cipher),
            bits: handshake.bits,
            key_exchange: proof::text(handshake.key_exchange),
            verification: handshake.verification,
        });
        if self.shared.len() == SHARED_PARAMETERS {
            self.shared.clear();
        }
        self.shared.push(Arc::clone(&new));
        new
    }
}

/// Host, tag, facts told and witnesses of a program.
type SavedTag<T, W> = (u32, T, [(i32, u8); 2], W);

/// The saved form of a [`Tracker`], borrowed to save and owned to restore.
#[derive(Serialize, Deserialize)]
struct Saved<H, T, W, P> {
    hosts: Vec<(H, Vec<(String, Key)>)>,
    services: Vec<SavedTag<T, W>>,
    processes: Vec<P>,
}

impl Tracker {
    /// Nothing under way. `keep_addresses`: outcomes name the correspondent's full address.
    pub fn new(own: Own, keep_addresses: bool) -> Self {
        Tracker {
            known: Known {
                own,
                keep_addresses,
                ..Known::default()
            },
            ..Tracker::default()
        }
    }

    /// Takes note of a record of any kind, with the time written on it: must be called for each, before [`Tracker::take`]. The first
    /// record of a host tells since when its log is there. Gives the host's number.
    pub fn see(&mut self, host: &[u8], at: i64, out: &mut Vec<Emission>) -> u32 {
        let same = self.latest_host == host && self.host_number.is_some();
        let number = match self.host_number.filter(|_| same) {
            Some(number) => number,
            None => self.host(host, at),
        };
        if !same {
            self.host_number = Some(number);
            self.latest_host.clear();
            self.latest_host.extend_from_slice(host);
        }
        let host = &mut self.known.hosts[number as usize];
        let advance = host.advance(at);
        self.known.steady = advance.steady;
        if let Some(span) = advance.heard {
            let host = host.name.to_string();
            out.push(Emission::Heard { host, span });
        }
        if advance.set_back > 0 {
            out.push(Emission::ClockStep {
                host: host.name.to_string(),
                at,
                seconds: advance.set_back,
            });
        }
        if advance.another_log {
            self.forget_all(number, out);
        } else if host.now - host.swept >= SWEEP_SECONDS {
            host.swept = host.now;
            let limit = host.now - IDLE_SECONDS;
            self.forget(number, limit, out);
        }
        number
    }

    /// Takes the event of the record that was seen last. `at` is the line's time in seconds since 1970 UTC, `raw` the whole line; what follows from it is
    /// added to `out`.
    pub fn take(
        &mut self,
        record: &Record<'_>,
        event: &Event<'_>,
        at: i64,
        place: Place,
        raw: &[u8],
        out: &mut Vec<Emission>,
    ) {
        let Some(host) = self.host_number else {
            return;
        };
        let service = self.service(host, record.program);
        let key = (service, record.pid.unwrap_or(0));
        match event {
            Event::Loss {
                records, goes_on, ..
            } => {
                self.lost(host, at, records.unwrap_or(0), out);
                if *goes_on {
                    self.known.hosts[host as usize].doubt_until(self.known.steady + LOSS_SECONDS);
                }
            }
            Event::Sender { queue_id, sender } => self.sender(service, queue_id, sender),
            // Without a process id nothing can be tied together.
            _ if record.pid.is_none() => {}
            _ => {
                let Tracker {
                    known,
                    due,
                    processes,
                    ..
                } = self;
                let mut entry = match processes.entry(key) {
                    Entry::Occupied(entry) => entry,
                    Entry::Vacant(entry) => entry.insert_entry(Process::default()),
                };
                let process = entry.get_mut();
                if known.steady - process.last > REST_SECONDS {
                    known.close_one(key, process, out);
                    known.spare.put_all(std::mem::take(process));
                }
                // Records overtake each other; a process was not heard of earlier for that.
                (process.last, process.stamp) = (process.last.max(known.steady), at);
                apply(process, event, &mut known.context(key, at, place, raw, out));
                if !process.says_something() {
                    known.spare.put_all(entry.remove());
                } else if process.due == 0 {
                    process.due = process.last;
                    due[host as usize].push(process.due, key);
                }
            }
        }
    }

    /// Takes note of a record like [`Tracker::see`], of a host none of whose processes goes on: the machine was started anew and counts
    /// its processes from the beginning, or what they did last is not in the log.
    pub fn begin_anew(&mut self, host: &[u8], at: i64, out: &mut Vec<Emission>) {
        let host = self.see(host, at, out);
        self.forget_all(host, out);
    }

    /// The log hosts seen so far, and the time written on the latest record of each.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, i64)> {
        self.known
            .hosts
            .iter()
            .map(|host| (&*host.name, host.latest))
    }

    /// Records were lost just before the record that was last seen, which was written `at`; 0 if it is not known how many.
    pub fn lose(&mut self, at: i64, records: u64, out: &mut Vec<Emission>) {
        if let Some(host) = self.host_number {
            self.lost(host, at, records, out);
        }
    }

    /// Gives out what was heard of each host since it was last given out: to be called before each [`Tracker::save`].
    pub fn tell_heard(&mut self, out: &mut Vec<Emission>) {
        for host in &mut self.known.hosts {
            if let Some(span) = host.take_heard() {
                let host = host.name.to_string();
                out.push(Emission::Heard { host, span });
            }
        }
    }

    /// Forgets what is open about a peer or a person, known by these names (lower case). A process that mentions one of them is
    /// dropped whole; what it did for others is then in doubt, and nothing is concluded from silence about it. What is left are
    /// numbers in place of addresses, for as long as they keep a client from being blamed for our own fault.
    /// Returns how many processes and addresses that were.
    pub fn forget_names(&mut self, names: &[String]) -> u64 {
        let mentions = |process: &Process| {
            // A process always has a JSON text.
            let text = serde_json::to_string(process).unwrap_or_default();
            let text = text.to_lowercase();
            names.iter().any(|name| text.contains(name.as_str()))
        };
        let dropped = self.drop_processes(mentions);
        let hosts = self.known.hosts.iter_mut();
        dropped + hosts.map(|host| host.disguise(names)).sum::<u64>()
    }

    /// Forgets what is open and was last heard of before `at`, in seconds since 1970 UTC. Returns how many
    /// processes that were.
    pub fn forget_before(&mut self, at: i64) -> u64 {
        self.drop_processes(|process| process.stamp < at)
    }

    fn drop_processes(&mut self, is_to_go: impl Fn(&Process) -> bool) -> u64 {
        let before = self.processes.len();
        let services = &self.known.services;
        let hosts = &mut self.known.hosts;
        self.processes.retain(|key, process| {
            let goes = is_to_go(process);
            if goes
                && let Some(tag) = services.get(key.0 as usize)
                && let Some(host) = hosts.get_mut(tag.host as usize)
            {
                host.doubt();
            }
            !goes
        });
        (before - self.processes.len()) as u64
    }

    /// Gives out what is certain about everything still open, as if the log had ended for good.
    pub fn finish(&mut self, out: &mut Vec<Emission>) {
        let mut keys: Vec<Key> = self.processes.keys().copied().collect();
        keys.sort_unstable();
        self.close(&keys, out);
    }

    /// What is open, as JSON text; see [`Tracker::restore`]. Fails only for want of memory.
    pub fn save(&self) -> Result<String, serde_json::Error> {
        let mut processes: Vec<(&Key, &Process)> = self.processes.iter().collect();
        processes.sort_unstable_by_key(|(key, _)| **key);
        let saved = Saved {
            hosts: self
                .known
                .hosts
                .iter()
                .map(|h| (h, h.waiting_ids()))
                .collect(),
            services: self
                .known
                .services
                .iter()
                .map(|t| (t.host, &t.service.tag, t.told, &t.witness))
                .collect(),
            processes,
        };
        // Thousands of sessions at once: room that has to grow takes three times as much.
        let mut text = Vec::with_capacity(self.processes.len() * SAVED_BYTES);
        serde_json::to_writer(&mut text, &saved)?;
        // JSON is UTF-8.
        String::from_utf8(text).map_err(serde::ser::Error::custom)
    }

    /// Takes up what an earlier run left open. Fails if the text is not what [`Tracker::save`] writes.
    pub fn restore(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let saved: Saved<Host, String, [Witness; 2], (Key, Process)> = serde_json::from_str(text)?;
        for (mut host, ids) in saved.hosts {
            host.restore_ids(ids);
            self.new_host(host);
        }
        for (host, tag, told, witness) in saved.services {
            if host as usize >= self.known.hosts.len() {
                continue;
            }
            let number = self.new_service(host, tag);
            let restored = &mut self.known.services[number as usize];
            (restored.told, restored.witness) = (told, witness);
        }
        self.processes = saved.processes.into_iter().collect();
        for (key, process) in &mut self.processes {
            process.due = process.last;
            if let Some(tag) = self.known.services.get(key.0 as usize) {
                self.due[tag.host as usize].push(process.due, *key);
            }
        }
        Ok(())
    }

    /// Number of the service a record comes from.
    fn service(&mut self, host: u32, program: &[u8]) -> u32 {
        if let Some(number) = self.written_tags[host as usize].get(program) {
            return *number;
        }
        let tag = proof::readable(program);
        let number = match self.service_index[host as usize].get(&*tag) {
            Some(number) => *number,
            None => self.new_service(host, tag.into_owned()),
        };
        self.written_tags[host as usize].insert(program.into(), number);
        number
    }

    /// Number of a host, which begins now if it is new.
    fn host(&mut self, name: &[u8], at: i64) -> u32 {
        let name = proof::readable(name);
        match self.host_index.get(&*name) {
            Some(number) => *number,
            None => self.new_host(Host::new((&*name).into(), at)),
        }
    }

    fn new_host(&mut self, host: Host) -> u32 {
        // OK to narrow: far fewer than 2^32 hosts fit into memory.
        let number = self.known.hosts.len() as u32;
        self.host_index.insert(host.name.to_string(), number);
        self.known.hosts.push(host);
        self.service_index.push(HashMap::new());
        self.written_tags.push(HashMap::new());
        self.due.push(Due::default());
        number
    }

    fn new_service(&mut self, host: u32, tag: String) -> u32 {
        let number = self.known.services.len() as u32;
        self.service_index[host as usize].insert(tag.clone(), number);
        let service = Service {
            host: self.known.hosts[host as usize].name.to_string(),
            tag,
        };
        self.known.services.push(Tag {
            service: Arc::new(service),
            host,
            told: [(i32::MIN, 0); 2],
            witness: Default::default(),
        });
        number
    }

    /// Gives out and drops the processes of a host that have been idle since `limit`, steady time. Looks at those only whose time has
    /// come: it is when they were first heard of, or were when they were last looked at.
    fn forget(&mut self, host: u32, limit: i64, out: &mut Vec<Emission>) {
        let due = &mut self.due[host as usize];
        let mut gone: Vec<Key> = Vec::new();
        for (at, key) in due.take_before(limit) {
            match self.processes.get_mut(&key).filter(|p| p.due == at) {
                Some(process) if process.last < limit => gone.push(key),
                Some(process) => {
                    process.due = process.last;
                    due.push(process.due, key);
                }
                None => {}
            }
        }
        // Sessions come and go much faster than their time comes.
        if due.len() > DUE_ROOM + 2 * self.processes.len() {
            let processes = &self.processes;
            due.retain(|at, key| processes.get(&key).is_some_and(|p| p.due == at));
        }
        gone.sort_unstable();
        gone.dedup();
        self.close(&gone, out);
    }

    /// Gives out and drops all processes of a host.
    fn forget_all(&mut self, host: u32, out: &mut Vec<Emission>) {
        self.due[host as usize] = Due::default();
        let is_of_host = |key: &&Key| self.known.services[key.0 as usize].host == host;
        let mut keys: Vec<Key> = self.processes.keys().filter(is_of_host).copied().collect();
        keys.sort_unstable();
        self.close(&keys, out);
    }

    fn close(&mut self, keys: &[Key], out: &mut Vec<Emission>) {
        for key in keys {
            if let Some(mut process) = self.processes.remove(key) {
                self.known.close_one(*key, &mut process, out);
                self.known.spare.put_all(process);
            }
        }
    }

    fn lost(&mut self, host: u32, at: i64, records: u64, out: &mut Vec<Emission>) {
        let host = &mut self.known.hosts[host as usize];
        // What stands in the same second may still be on either side of the hole.
        host.lost = host.lost.max(Some(self.known.steady));
        out.push(Emission::Gap {
            host: host.name.to_string(),
            at,
            records,
        });
    }

    fn sender(&mut self, service: u32, queue_id: &[u8], sender: &[u8]) {
        let host = &mut self.known.hosts[self.known.services[service as usize].host as usize];
        let key = host.take_id(queue_id);
        let session = key
            .and_then(|key| self.processes.get_mut(&key))
            .and_then(|p| p.inbound.as_mut());
        let is_letter = letters::is_sender(sender);
        if is_letter || !host.letters.is_empty() {
            let tag = key.and_then(|key| self.known.services.get(key.0 as usize));
            let is_own = |session: &Inbound| {
                let peer = session.peer.view();
                let name = maillog::peer::without_dot(peer.name);
                session.authenticated
                    || session.reinjected
                    || tag.is_some_and(|tag| own::submission_service(&tag.service.tag).is_some())
                    || self.known.own.holds_host(peer.address, name, &host.name)
            };
            let is_own = session.as_deref().is_none_or(|session| is_own(session));
            host.letters
                .take(queue_id, is_letter && is_own, self.known.steady);
        }
        let Some(session) = session else {
            return;
        };
        if let Some(mail) = session
            .mails
            .iter_mut()
            .find(|m| m.queue_id.as_bytes() == queue_id)
        {
            mail.sender = proof::short(sender);
        }
    }
}

impl Known {
    fn context<'c, 'l>(
        &'c mut self,
        key: Key,
        at: i64,
        place: Place,
        raw: &'l [u8],
        out: &'c mut Vec<Emission>,
    ) -> Context<'c, 'l> {
        let tag = &mut self.services[key.0 as usize];
        Context {
            key,
            at,
            steady: self.steady,
            place,
            raw,
            service: &tag.service,
            host: &mut self.hosts[tag.host as usize],
            own: &self.own,
            keep_addresses: self.keep_addresses,
            out,
            told: &mut tag.told,
            witness: &mut tag.witness,
            shared: &mut self.parameters,
            names: &mut self.names,
            spare: &mut self.spare,
        }
    }

    fn close_one(&mut self, key: Key, process: &mut Process, out: &mut Vec<Emission>) {
        // The proof of an outcome without a last line is in the lines that were kept.
        let place = Place {
            source: 0,
            offset: 0,
        };
        let mut cx = self.context(key, process.stamp, place, b"", out);
        if let Some(state) = &mut process.outbound {
            outbound::abandoned(state, &mut cx);
        }
        if let Some(session) = &process.inbound {
            inbound::abandoned(session, &mut cx);
        }
    }
}

/// Hands an event to the side of the process it concerns.
fn apply(process: &mut Process, event: &Event<'_>, cx: &mut Context<'_, '_>) {
    match event {
        Event::Handshake(h) if h.side == Side::Client => {
            outbound::handshake(client(process, cx), h, cx)
        }
        Event::Handshake(h) if h.duplicate => {}
        Event::Handshake(h) => {
            inbound::handshake(inbound::session(&mut process.inbound, &h.peer, cx), h, cx)
        }
        Event::HandshakeFailed(f) if f.by_proxy || f.side == Side::Client => {
            outbound::handshake_failed(client(process, cx), f, cx)
        }
        Event::HandshakeFailed(f) => {
            let peer = f.peer.unwrap_or_default();
            inbound::handshake_failed(inbound::session(&mut process.inbound, &peer, cx), f, cx);
        }
        Event::Detail(detail) => {
            if let Some(state) = &mut process.outbound {
                outbound::detail(state, detail, cx);
            }
            if let Some(session) = &mut process.inbound {
                inbound::detail(session, detail, cx);
            }
        }
        Event::Certificate { peer, cause } => {
            outbound::certificate(client(process, cx), peer, *cause, cx)
        }
        Event::Offered(offer) => outbound::offered(client(process, cx), offer, cx),
        Event::PlainByPolicy { peer } => outbound::plain_by_policy(client(process, cx), peer, cx),
        Event::AttemptFailed(attempt) => outbound::attempt_failed(client(process, cx), attempt, cx),
        Event::Delivery(delivery) => outbound::delivery(client(process, cx), delivery, cx),
        Event::TlsRpt {
            peer,
            failure: None,
            ..
        } => outbound::reported_success(client(process, cx), peer, cx),
        Event::TlsRpt { .. } => {}
        Event::ProxyConnect {
            side: Side::Client,
            peer,
        } => cx.host.proxy_line(peer, cx.steady, false, false),
        Event::ProxyConnect { .. } => {}
        Event::LocalFault { side, cause } => local_fault(process, *side, *cause, cx),
        Event::Logging(logging) => learn(*logging, cx),
        other => apply_inbound(&mut process.inbound, other, cx),
    }
}

fn apply_inbound(state: &mut Option<Box<Inbound>>, event: &Event<'_>, cx: &mut Context<'_, '_>) {
    match event {
        Event::Connect { peer } => inbound::connect(state, peer, cx),
        Event::Transaction(t) => inbound::transaction(inbound::session(state, &t.peer, cx), t, cx),
        Event::Message(m) => inbound::message(inbound::session(state, &m.peer, cx), m, cx),
        Event::Lost { peer, after } => inbound::lost(inbound::session(state, peer, cx), after, cx),
        Event::Rejected { peer, reason } => {
            inbound::rejected(inbound::session(state, peer, cx), *reason, cx)
        }
        Event::Disconnect(end) => {
            inbound::session(state, &end.peer, cx);
            if let Some(session) = state.take() {
                inbound::disconnect(&session, end, cx);
                cx.spare.put(session);
            }
        }
        Event::NoMail { peer, daemon } => {
            inbound::session(state, peer, cx);
            if let Some(session) = state.take() {
                inbound::no_mail(&session, peer, daemon, cx);
                cx.spare.put(session);
            }
        }
        _ => {}
    }
}

fn client<'p>(process: &'p mut Process, cx: &mut Context<'_, '_>) -> &'p mut Outbound {
    process.outbound.get_or_insert_with(|| cx.spare.outbound())
}

/// A fault of our own concerns the side that the line names, or the one the process is on. Where our TLS is dead, it concerns all that
/// this service does from now on.
fn local_fault(process: &mut Process, side: Option<Side>, cause: Cause, cx: &mut Context<'_, '_>) {
    let direction = match (side, &process.inbound) {
        (Some(Side::Server), _) | (None, Some(_)) => Direction::Inbound,
        _ => Direction::Outbound,
    };
    if matches!(cause, Cause::OwnEngine | Cause::OwnCertificate) {
        cx.cannot_do_tls(direction, cause);
    }
    match direction {
        Direction::Inbound => inbound::local_fault(
            inbound::session(&mut process.inbound, &Peer::default(), cx),
            cause,
            cx,
        ),
        Direction::Outbound => outbound::local_fault(client(process, cx), cause, cx),
    }
}

/// What a line proves about logging.
fn learn(logging: Logging, cx: &mut Context<'_, '_>) {
    match logging {
        Logging::Sessions => {
            cx.fact(Direction::Outbound, Fact::Logged);
            cx.fact(Direction::Inbound, Fact::Logged);
        }
        Logging::ProtocolWord => cx.fact(Direction::Inbound, Fact::Logged),
        Logging::Version(..) => {
            cx.host.states_protocol = logging.states_protocol();
            cx.host.offers_early = logging.writes_offers_early();
        }
    }
}
