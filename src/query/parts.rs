//! What carries a change of the share over TLS: which peers, which operators of mail servers, which of our own services, which reasons and
//! which protocols.
//!
//! The share of a direction is S = Σ wᵢ rᵢ over its peers: wᵢ is a peer's part of the mail whose channel is known, rᵢ the part of that
//! which went over TLS. The change from period 0 to period 1 falls apart, without a rest, into what each peer did and how much each wrote:
//!
//! ```text
//! rate of i = (wᵢ⁰ + wᵢ¹) / 2 · (rᵢ¹ − rᵢ⁰)
//! mix of i  = (wᵢ¹ − wᵢ⁰) · ((rᵢ⁰ + rᵢ¹) / 2 − (S⁰ + S¹) / 2)
//! ```
//!
//! A peer without mail in one of the periods keeps the rate of the other: it changed the mix only. But a site has many correspondents that
//! write once, and should our own TLS break, it would show in no one of them: those of them that are small are taken together, as if
//! they were one peer. Operators and services fall apart in the same way. Reasons and protocols are no one's property; of them the parts of
//! all mail are compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;

use super::changes::Known;
use super::history::{Channel, History, How, NameId, Who};

/// What stands for all small peers that wrote in one of the periods only.
pub const OTHERS: &str = "(others)";
/// A peer that wrote in one period only is small if it has less than this part of that period's mail.
const SMALL: f64 = 0.01;

/// What one peer, operator or service did to the share.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Outbound the recipient domain; inbound the organisation, name or address of the client. [`OTHERS`] for many.
    pub peer: String,
    /// Who runs its server, by its number in the history; `None` of many, and of a service.
    pub operator: Option<NameId>,
    /// How many unrelated ones it stands for.
    pub operators: usize,
    /// Its mail in the period before, and in this one.
    pub before: Known,
    /// The same now.
    pub now: Known,
    /// By how much its own rate moved the share of all, -1 to 1.
    pub rate: f64,
    /// By how much the amount of its mail did.
    pub mix: f64,
}

impl Part {
    /// Both together.
    pub fn effect(&self) -> f64 {
        self.rate + self.mix
    }
}

/// A reason for clear text, or a protocol, and how much of all mail it had.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The class with its cause (`plaintext-not-offered`, `handshake-failed: eof`), or the protocol.
    pub name: String,
    /// Messages in the period before, and in this one.
    pub before: u64,
    /// The same now.
    pub now: u64,
    /// By how much it moved the share over TLS, -1 to 1.
    pub effect: f64,
}

/// The same change, seen from several sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    /// By who runs the other server.
    pub operators: Vec<Part>,
    /// By which of our services handled the mail.
    pub services: Vec<Part>,
    /// Why mail is in clear. Together they are the whole change.
    pub reasons: Vec<Component>,
    /// Over which protocol mail goes. Together they are the whole change.
    pub protocols: Vec<Component>,
}

/// Mail of the period before, and of this one.
pub type Periods = (Known, Known);

/// A name, and who runs the other server.
type Key<'h> = (&'h str, Option<NameId>);

/// The mail of one direction in two periods, added up by who it was exchanged with and how.
pub(super) struct Sums<'h> {
    history: &'h History,
    /// By the number of who: the first day with any, and the mail.
    whos: Vec<Option<(i32, Periods)>>,
    /// By the number of how.
    hows: Vec<(u64, u64)>,
}

impl<'h> Sums<'h> {
    /// Adds up the mail whose channel is known. `is_now` tells the period of a day, `None` if it is in neither.
    pub(super) fn of(
        history: &'h History,
        direction: Direction,
        is_now: impl Fn(i32) -> Option<bool>,
    ) -> Sums<'h> {
        let mut sums = Sums {
            history,
            whos: vec![None; history.whos.len()],
            hows: vec![(0, 0); history.hows.len()],
        };
        for cells in history.days(direction) {
            let day = cells[0].day;
            let Some(is_now) = is_now(day) else { continue };
            for cell in cells {
                let (_, who) = match history.hows[cell.how as usize].channel {
                    Channel::Unknown => continue,
                    _ => sums.whos[cell.who as usize].get_or_insert((day, Periods::default())),
                };
                let how = &mut sums.hows[cell.how as usize];
                let (known, sum) = match is_now {
                    false => (&mut who.0, &mut how.0),
                    true => (&mut who.1, &mut how.1),
                };
                let n = u64::from(cell.mail.n);
                *sum += n;
                match history.hows[cell.how as usize].channel {
                    Channel::Encrypted => known.encrypted += n,
                    _ => known.plaintext += n,
                }
            }
        }
        sums
    }

    /// All together.
    pub(super) fn whole(&self) -> Periods {
        self.of_hows(|_| true)
    }

    fn of_hows(&self, wanted: impl Fn(&How) -> bool) -> Periods {
        let mut periods = Periods::default();
        for (how, (before, now)) in self.hows().filter(|(how, _)| wanted(how)) {
            add(&mut periods, how, (*before, *now));
        }
        periods
    }

    fn hows(&self) -> impl Iterator<Item = (&How, &(u64, u64))> {
        let seen = self.history.hows.iter().zip(&self.hows);
        seen.filter(|(_, (before, now))| before + now > 0)
    }

    /// Clear text that is our own fault.
    pub(super) fn ours(&self) -> Periods {
        self.of_hows(|how| {
            how.channel == Channel::Plaintext && self.history.name(how.fault) == "us"
        })
    }

    /// The parts of all peers, the small ones of one period taken together.
    pub(super) fn by_peer(&self) -> Vec<Part> {
        let whole = self.whole();
        let mut parts = Vec::new();
        let (mut others, mut operators) = (Periods::default(), BTreeSet::new());
        for ((peer, operator), mail) in self.grouped(|who| who.peer) {
            let (before, now) = (mail.0.total(), mail.1.total());
            let most = SMALL * if before == 0 { whole.1 } else { whole.0 }.total() as f64;
            if before.min(now) == 0 && (before.max(now) as f64) < most {
                others = (plus(others.0, mail.0), plus(others.1, mail.1));
                operators.insert(operator);
            } else {
                parts.extend(part((peer, operator), mail, whole));
            }
        }
        if !operators.is_empty() {
            let pooled = part((OTHERS, None), others, whole);
            parts.extend(pooled.map(|p| Part {
                operators: operators.len(),
                ..p
            }));
        }
        parts
    }

    /// The mail of each peer or operator, in the order of the names. A peer that moved to another operator stays one peer, with the first.
    fn grouped(&self, name: impl Fn(&Who) -> NameId) -> impl Iterator<Item = (Key<'h>, Periods)> {
        type Group = Option<((i32, NameId), Periods)>;
        let mut groups: Vec<Group> = vec![None; self.history.names()];
        for (who, mail) in self.history.whos.iter().zip(&self.whos) {
            let Some((day, mail)) = mail else { continue };
            let first = (*day, who.operator);
            let group = &mut groups[name(who) as usize];
            *group = Some(match group {
                None => (first, *mail),
                Some((earlier, sum)) => {
                    let sum = (plus(sum.0, mail.0), plus(sum.1, mail.1));
                    (first.min(*earlier), sum)
                }
            });
        }
        let history = self.history;
        (0..).zip(groups).filter_map(move |(name, group)| {
            let ((_, operator), mail) = group?;
            Some(((history.name(name), Some(operator)), mail))
        })
    }

    /// All other sides.
    pub(super) fn facets(&self) -> Facets {
        let (history, whole) = (self.history, self.whole());
        let operators = self.grouped(|who| who.operator);
        let clear = self.hows().filter(|(h, _)| h.channel == Channel::Plaintext);
        let reason = |h: &How| match history.name(h.cause) {
            "" => h.class.name().to_string(),
            cause => format!("{}: {cause}", h.class.name()),
        };
        let encrypted = self.hows().filter(|(h, _)| h.channel == Channel::Encrypted);
        let protocol = |h: &How| match history.name(h.protocol) {
            "" => "unknown".to_string(),
            protocol => protocol.to_string(),
        };
        Facets {
            operators: operators
                .filter_map(|(operator, mail)| part(operator, mail, whole))
                .collect(),
            services: self.by_service(whole),
            reasons: components(clear.map(|(h, n)| (reason(h), *n)), whole, -1.0),
            protocols: components(encrypted.map(|(h, n)| (protocol(h), *n)), whole, 1.0),
        }
    }

    fn by_service(&self, whole: Periods) -> Vec<Part> {
        let mut services: BTreeMap<&str, Periods> = BTreeMap::new();
        for (how, n) in self.hows() {
            add(
                services.entry(self.history.name(how.service)).or_default(),
                how,
                *n,
            );
        }
        let services = services.into_iter();
        services
            .filter_map(|(service, mail)| part((service, None), mail, whole))
            .collect()
    }
}

fn add(periods: &mut Periods, how: &How, (before, now): (u64, u64)) {
    for (known, n) in [(&mut periods.0, before), (&mut periods.1, now)] {
        match how.channel {
            Channel::Encrypted => known.encrypted += n,
            Channel::Plaintext => known.plaintext += n,
            Channel::Unknown => {}
        }
    }
}

fn components(
    named: impl Iterator<Item = (String, (u64, u64))>,
    whole: Periods,
    sign: f64,
) -> Vec<Component> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, (more_before, more_now)) in named {
        let (before, now) = sums.entry(name).or_default();
        (*before, *now) = (*before + more_before, *now + more_now);
    }
    let (all_before, all_now) = (whole.0.total() as f64, whole.1.total() as f64);
    if all_before == 0.0 || all_now == 0.0 {
        return Vec::new();
    }
    let component = |(name, (before, now)): (String, (u64, u64))| Component {
        name,
        before,
        now,
        effect: sign * (now as f64 / all_now - before as f64 / all_before),
    };
    sums.into_iter().map(component).collect()
}

fn plus(a: Known, b: Known) -> Known {
    Known {
        encrypted: a.encrypted + b.encrypted,
        plaintext: a.plaintext + b.plaintext,
    }
}

/// What a peer did to the share of all; `None` if one of the periods has no mail at all.
fn part((peer, operator): Key<'_>, (before, now): Periods, whole: Periods) -> Option<Part> {
    let (all_before, all_now) = (whole.0.share()?, whole.1.share()?);
    let weight = |known: Known, whole: Known| known.total() as f64 / whole.total() as f64;
    let weights = (weight(before, whole.0), weight(now, whole.1));
    let rate_before = before.share().or(now.share())?;
    let rate_now = now.share().or(before.share())?;
    let middle = f64::midpoint(all_before, all_now);
    Some(Part {
        peer: peer.to_string(),
        operator,
        operators: 1,
        before,
        now,
        rate: f64::midpoint(weights.0, weights.1) * (rate_now - rate_before),
        mix: (weights.1 - weights.0) * (f64::midpoint(rate_before, rate_now) - middle),
    })
}
