//! The simulation: what is still to happen, in order of time, and the lines that come out of it.
//!
//! A session is planned when it begins: all its lines go to the heap with their times, so that sessions overlap in the log as
//! they do on a busy server. A fact of the truth is counted when the line that states it is written. This file knows nothing of
//! what a Postfix or a Sendmail says.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use crate::peers::{self, Peer};
use crate::rng::{Rng, Zipf};
use crate::stamp::{DAY, Stamper, Time};
use crate::truth::{Fact, Truth};

/// Who says a line.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Index of the log host.
    pub host: usize,
    /// `postfix/smtpd`
    pub tag: &'static str,
    /// Process id.
    pub pid: u64,
}

/// A message of ours on its way to a peer.
#[derive(Debug)]
pub struct Message {
    /// Index of the log host that has it in its queue.
    pub host: usize,
    /// Queue id.
    pub id: String,
    /// Envelope sender, which may be empty.
    pub sender: String,
    /// Envelope recipients, all of the peer's domain.
    pub recipients: Vec<String>,
    /// Whom it goes to.
    pub peer: Rc<Peer>,
    /// When it came in.
    pub arrived: Time,
    /// Octets.
    pub size: u64,
    /// Delivery attempts so far.
    pub tries: u64,
}

/// Something that will happen.
pub enum Step {
    /// A line, without its stamp, is written.
    Say(Vec<u8>, Option<(Fact, u64)>),
    /// A message is delivered, or tried again.
    Deliver(Box<Message>),
}

struct Planned {
    at: Time,
    order: u64,
    step: Step,
}

impl Ord for Planned {
    /// Reversed: the heap gives the earliest first, and of the same moment the one planned first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

/// Peers, clock, plans and log of one run.
pub struct World<'a> {
    /// The only source of chance.
    pub rng: Rng,
    /// What the log says in truth.
    pub truth: Truth,
    /// Names of the log hosts; at least one.
    pub hosts: Vec<String>,
    peers: Vec<Rc<Peer>>,
    zipf: Zipf,
    plans: BinaryHeap<Planned>,
    order: u64,
    /// Octets of the lines planned and not yet written.
    planned_octets: u64,
    /// Buffers of lines already written, to be used again.
    spare: Vec<Vec<u8>>,
    stamper: Stamper,
    out: &'a mut dyn Write,
    next_pid: Vec<u64>,
    next_queue: u64,
}

/// The highest process id of a 64-bit Linux.
const PID_MAX: u64 = 4_194_303;

impl<'a> World<'a> {
    /// A world where nothing has happened yet.
    pub fn new(
        seed: u64,
        peers: usize,
        hosts: usize,
        stamper: Stamper,
        out: &'a mut dyn Write,
    ) -> Self {
        let mut rng = Rng::new(seed);
        let hosts = match hosts {
            0 | 1 => vec!["mail".to_owned()],
            _ => (1..=hosts).map(|number| format!("mail{number}")).collect(),
        };
        World {
            peers: peers::make(peers, &mut rng),
            rng,
            truth: Truth::default(),
            zipf: Zipf::new(peers),
            plans: BinaryHeap::new(),
            order: 0,
            planned_octets: 0,
            spare: Vec::new(),
            stamper,
            out,
            next_pid: vec![1200; hosts.len()],
            next_queue: 0,
            hosts,
        }
    }

    /// A peer, the busy ones more often.
    pub fn any_peer(&mut self) -> Rc<Peer> {
        Rc::clone(&self.peers[self.zipf.rank(&mut self.rng)])
    }

    /// A host of ours.
    pub fn any_host(&mut self) -> usize {
        self.rng.below(self.hosts.len() as u64) as usize
    }

    /// A process id nobody has just now.
    pub fn fork(&mut self, host: usize) -> u64 {
        let next = &mut self.next_pid[host];
        *next += 1 + self.rng.below(7);
        if *next > PID_MAX {
            *next = 1200;
        }
        *next
    }

    /// A number no other message has had lately.
    pub fn queue_number(&mut self) -> u64 {
        self.next_queue += 1;
        self.next_queue
    }

    /// Plans a line that says nothing the truth counts.
    pub fn say(&mut self, at: Time, who: Process, text: fmt::Arguments<'_>) {
        self.plan_line(at, who, None, text);
    }

    /// Plans a line that states a fact of the truth.
    pub fn state(&mut self, at: Time, who: Process, fact: Fact, text: fmt::Arguments<'_>) {
        self.plan_line(at, who, Some((fact, 1)), text);
    }

    /// Plans a line that states a fact of the truth several times.
    pub fn state_times(
        &mut self,
        at: Time,
        who: Process,
        fact: Fact,
        times: u64,
        text: fmt::Arguments<'_>,
    ) {
        self.plan_line(at, who, Some((fact, times)), text);
    }

    fn plan_line(
        &mut self,
        at: Time,
        who: Process,
        fact: Option<(Fact, u64)>,
        text: fmt::Arguments<'_>,
    ) {
        let mut line = self.spare.pop().unwrap_or_default();
        let Process { host, tag, pid } = who;
        writeln!(line, "{} {tag}[{pid}]: {text}", self.hosts[host])
            .expect("a Vec takes every octet");
        self.planned_octets += line.len() as u64;
        self.plan(at, Step::Say(line, fact));
    }

    /// Plans a step.
    pub fn plan(&mut self, at: Time, step: Step) {
        self.order += 1;
        let order = self.order;
        self.plans.push(Planned { at, order, step });
    }

    /// Octets written, and those certain to be.
    pub fn octets(&self) -> u64 {
        // a stamp is 16 or 33 octets: the shorter will do for the few lines not yet written
        self.truth.octets + self.planned_octets
    }

    /// Writes what is due until that moment; a message that is due goes to `deliver`.
    pub fn run_until(
        &mut self,
        until: Time,
        deliver: &mut dyn FnMut(&mut Self, Time, Box<Message>),
    ) -> io::Result<()> {
        while self.plans.peek().is_some_and(|next| next.at <= until) {
            let Some(Planned { at, step, .. }) = self.plans.pop() else {
                break;
            };
            match step {
                Step::Say(line, fact) => self.write(at, line, fact)?,
                Step::Deliver(message) => deliver(self, at, message),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: Time, mut line: Vec<u8>, fact: Option<(Fact, u64)>) -> io::Result<()> {
        let mut stamp = self.spare.pop().unwrap_or_default();
        self.stamper.write(at, &mut stamp)?;
        self.out.write_all(&stamp)?;
        self.out.write_all(&line)?;
        self.planned_octets -= line.len() as u64;
        self.truth
            .count_line((stamp.len() + line.len()) as u64, fact);
        stamp.clear();
        line.clear();
        self.spare.extend([stamp, line]);
        Ok(())
    }
}

/// How busy a server is at that hour, in hundredths of the mean: less at night.
pub fn activity(at: Time) -> u64 {
    const BY_HOUR: [u64; 24] = [
        50, 40, 35, 35, 40, 55, 75, 100, 140, 165, 170, 160, 140, 145, 160, 155, 145, 125, 105, 90,
        80, 75, 65, 55,
    ];
    BY_HOUR[(at % DAY / (DAY / 24)) as usize]
}

/// A pool of processes of one daemon: each serves one session at a time and retires after a hundred, or when idle for long.
pub struct Pool {
    who: (usize, &'static str),
    /// When it is free, process id, sessions served.
    members: Vec<(Time, u64, u32)>,
}

/// Postfix `max_use`.
const MAX_USE: u32 = 100;
/// Postfix `max_idle`.
const MAX_IDLE: Time = 100 * crate::stamp::SECOND;

impl Pool {
    /// An empty pool of a daemon of a host.
    pub fn new(host: usize, tag: &'static str) -> Self {
        Pool {
            who: (host, tag),
            members: Vec::new(),
        }
    }

    /// A process that is free from that moment on. It is busy until `free` says otherwise.
    pub fn take(&mut self, at: Time, world: &mut World<'_>) -> Process {
        self.members
            .retain(|(free, _, used)| *used < MAX_USE && free.saturating_add(MAX_IDLE) > at);
        let (host, tag) = self.who;
        let idle = self.members.iter_mut().find(|(free, ..)| *free < at);
        let pid = match idle {
            Some((free, pid, used)) => {
                *free = Time::MAX;
                *used += 1;
                *pid
            }
            None => {
                let pid = world.fork(host);
                self.members.push((Time::MAX, pid, 1));
                pid
            }
        };
        Process { host, tag, pid }
    }

    /// The process has ended its session at that moment.
    pub fn free(&mut self, who: Process, at: Time) {
        if let Some(member) = self.members.iter_mut().find(|(_, pid, _)| *pid == who.pid) {
            member.0 = at;
        }
    }
}
