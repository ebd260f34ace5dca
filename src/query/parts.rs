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

use super::changes::Known;
use super::history::{Cell, Channel, History};

/// What stands for all small peers that wrote in one of the periods only.
pub const OTHERS: &str = "(others)";
/// A peer that wrote in one period only is small if it has less than this part of that period's mail.
const SMALL: f64 = 0.01;

/// What one peer, operator or service did to the share.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Outbound the recipient domain; inbound the organisation, name or address of the client. [`OTHERS`] for many.
    pub peer: String,
    /// Who runs its server; of an operator or a service the same as `peer`.
    pub operator: String,
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

/// What cells are grouped by, with who runs the other server.
type Key<'h> = (&'h str, &'h str);

/// Which cells belong to the period before, and which to this one: split by the first day of this one.
pub(super) fn sum(cells: &[&Cell], first_day: i32) -> Periods {
    let mut periods = Periods::default();
    for cell in cells {
        add(&mut periods, cell, first_day);
    }
    periods
}

fn add(periods: &mut Periods, cell: &Cell, first_day: i32) {
    let known = match cell.day < first_day {
        true => &mut periods.0,
        false => &mut periods.1,
    };
    match cell.channel {
        Channel::Encrypted => known.encrypted += cell.mail.n,
        Channel::Plaintext => known.plaintext += cell.mail.n,
        Channel::Unknown => {}
    }
}

/// The parts of all peers, the small ones of one period taken together.
pub(super) fn by_peer(history: &History, cells: &[&Cell], first_day: i32) -> Vec<Part> {
    let name = |cell: &Cell| (history.name(cell.peer), history.name(cell.operator));
    let whole = sum(cells, first_day);
    let mut parts = Vec::new();
    let (mut others, mut operators) = (Periods::default(), BTreeSet::new());
    for ((peer, operator), mail) in grouped(cells, first_day, name) {
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
        let pooled = part((OTHERS, OTHERS), others, whole);
        parts.extend(pooled.map(|p| Part {
            operators: operators.len(),
            ..p
        }));
    }
    parts
}

/// All other sides.
pub(super) fn facets(history: &History, cells: &[&Cell], first_day: i32) -> Facets {
    let whole = sum(cells, first_day);
    let parts = |name: &dyn Fn(&Cell) -> u32| -> Vec<Part> {
        let both = |cell: &Cell| (history.name(name(cell)), history.name(name(cell)));
        let groups = grouped(cells, first_day, both).into_iter();
        groups
            .filter_map(|(key, mail)| part(key, mail, whole))
            .collect()
    };
    let clear = cells.iter().filter(|c| c.channel == Channel::Plaintext);
    let reason = |c: &Cell| match history.name(c.cause) {
        "" => c.class.name().to_string(),
        cause => format!("{}: {cause}", c.class.name()),
    };
    let encrypted = cells.iter().filter(|c| c.channel == Channel::Encrypted);
    let protocol = |c: &Cell| match history.name(c.protocol) {
        "" => "unknown".to_string(),
        protocol => protocol.to_string(),
    };
    Facets {
        operators: parts(&|c| c.operator),
        services: parts(&|c| c.service),
        reasons: components(clear.map(|c| (reason(c), *c)), first_day, whole, -1.0),
        protocols: components(encrypted.map(|c| (protocol(c), *c)), first_day, whole, 1.0),
    }
}

fn grouped<'h>(
    cells: &[&Cell],
    first_day: i32,
    name: impl Fn(&Cell) -> Key<'h>,
) -> BTreeMap<Key<'h>, Periods> {
    let mut groups: BTreeMap<&str, (&str, Periods)> = BTreeMap::new();
    for cell in cells.iter().filter(|c| c.channel != Channel::Unknown) {
        let (peer, operator) = name(cell);
        // A peer that moved to another operator stays one peer.
        let (_, periods) = groups.entry(peer).or_insert((operator, Periods::default()));
        add(periods, cell, first_day);
    }
    let flat = groups.into_iter();
    flat.map(|(peer, (operator, periods))| ((peer, operator), periods))
        .collect()
}

fn components<'c>(
    named: impl Iterator<Item = (String, &'c Cell)>,
    first_day: i32,
    whole: Periods,
    sign: f64,
) -> Vec<Component> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, cell) in named {
        let (before, now) = sums.entry(name).or_default();
        *(if cell.day < first_day { before } else { now }) += cell.mail.n;
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
        operator: operator.to_string(),
        operators: 1,
        before,
        now,
        rate: f64::midpoint(weights.0, weights.1) * (rate_now - rate_before),
        mix: (weights.1 - weights.0) * (f64::midpoint(rate_before, rate_now) - middle),
    })
}
