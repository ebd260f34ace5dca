//! Changes of the share over TLS in words: since when, what carries them, and where to look first. Which numbers stand beside is the
//! business of `changes` and `trend`.

use crate::outcome::Direction;
use crate::query::changes::{Become, Change, Found, Moved};
use crate::query::fallback::{Kind, Turn};
use crate::query::parts::{OTHERS, Part};
use crate::query::shifts::Shift;
use crate::query::verdict::{OurSign, Shape};

use super::format::date;
use super::table::Note;
use super::words::count;

/// So many peers that lose TLS at once are many.
const MANY_AT_ONCE: usize = 3;
/// At once: within so many days.
const AT_ONCE: i32 = 2;
/// What carries at least this part of a change carries nearly all.
const NEARLY_ALL: f64 = 0.8;
/// With so many messages in both periods our other services can tell that it is not the peers.
const ENOUGH: u64 = 20;

/// A share that moved by so much, in per cent, is not called steady, though chance may have done it.
const NOT_STEADY: f64 = 3.0;

/// What is said of a share that no change was found in: of two parts of the time, and of all of it. `parts` names them.
pub(super) fn unchanged(
    way: &str,
    (before, now): (Option<f64>, f64),
    all: f64,
    parts: [&str; 2],
) -> String {
    match before {
        Some(before) if (now - before).abs() >= NOT_STEADY => format!(
            "{way} mail went from {before:.1} %{} to {now:.1} %{} over TLS, on too few occasions to tell it from chance",
            parts[0], parts[1]
        ),
        _ => format!("{way} mail is steady at {all:.1} % over TLS"),
    }
}

/// Which mail, at the beginning of a sentence.
pub(super) fn which(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "Sent",
        Direction::Inbound => "Received",
    }
}

/// The word for programs.
pub(super) fn shape_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::TooFew => "too-few",
        Shape::Steady => "steady",
        Shape::Cancelling => "cancelling",
        Shape::OnePeer => "one-peer",
        Shape::OneOperator => "one-operator",
        Shape::OurSide(_) => "our-side",
        Shape::ManyPeers => "many-peers",
        Shape::FewPeers => "few-peers",
        Shape::Mix => "mix",
    }
}

/// What a peer's TLS has come to.
pub(super) fn becomes(what: Become) -> &'static str {
    match what {
        Become::SwitchedOff => "no TLS any more",
        Become::NoneLately => "no TLS since, in little mail",
        Become::Partial => "TLS for part of its mail only",
        Become::Regained => "more TLS than before",
    }
}

/// What a change looks like, and what follows from that.
pub(super) fn explanation(change: &Change) -> Vec<Note> {
    let which = which(change.direction);
    let mut notes: Vec<Note> = Vec::new();
    for found in &change.found {
        notes.push(Note::Paragraph(format!("{which}: {}", account(found))));
    }
    // What the days have told need not be told of the periods once more.
    let text = bearer(change);
    if !text.is_empty() && (notes.is_empty() || !change.shape.is_of_rates()) && !is_untold(change) {
        notes.push(Note::Paragraph(format!("{which}: {text}")));
    }
    notes.extend(many_at_once(change).map(Note::Paragraph));
    notes.extend(change.turns.iter().map(|turn| Note::Item(turning(turn))));
    notes
}

/// The days tell more than the periods do.
fn is_untold(change: &Change) -> bool {
    change.shape == Shape::TooFew && !change.found.is_empty()
}

/// When a change by the day was, and who carries it.
pub(super) fn account(found: &Found) -> String {
    let when = course(&found.shift);
    match found.cause.shape {
        Shape::Steady => format!("{when}; no one peer carries it."),
        Shape::TooFew => format!("{when}; too few messages to say who carries it."),
        _ => format!("{when}; {}", bearer(&found.cause)),
    }
}

/// When a change began, was steepest, and ended.
pub(super) fn course(shift: &Shift) -> String {
    let what = if shift.is_fall() { "fell" } else { "rose" };
    let percent = |share: Option<f64>| 100.0 * share.unwrap_or(0.0);
    let (before, after) = (percent(shift.before.share()), percent(shift.after.share()));
    let days = match (shift.onset == shift.end, shift.steepest) {
        (true, _) => format!("on {}", date(shift.onset)),
        (_, steepest) => format!(
            "from {} on, most on {}, until {}",
            date(shift.onset),
            date(steepest),
            date(shift.end)
        ),
    };
    format!("the share over TLS {what} {days}: from {before:.1} % to {after:.1} %")
}

fn bearer(change: &Change) -> String {
    let less = change.difference() < 0.0;
    let more_or_less = if less { "less" } else { "more" };
    match &change.shape {
        Shape::Steady => String::new(),
        Shape::TooFew => "too few messages in one of the periods to say anything.".into(),
        Shape::OnePeer => one_peer(change),
        Shape::OneOperator => {
            let operator = change.facets.operators.first().map_or("", |p| p.peer.as_str());
            format!("several domains have {more_or_less} TLS than before, and the mail servers of most belong to {operator}.")
        }
        Shape::OurSide(sign) => our_side(sign, more_or_less),
        Shape::ManyPeers => format!(
            "several peers that have nothing to do with each other have {more_or_less} TLS than before.{}",
            if less { " They may have us in common: look at our own server and network first (`tlsnag doctor`), then at them." } else { "" }
        ),
        Shape::FewPeers => format!("a few peers have {more_or_less} TLS than before: {}.", names(change)),
        Shape::Mix => "what changed is rather who writes how much than how.".into(),
        Shape::Cancelling => "the share hardly moved, but peers did, in both directions: some have less TLS than before, and others more.".into(),
    }
}

fn our_side(sign: &OurSign, more_or_less: &str) -> String {
    let look = "Look at our own server and network first: `tlsnag doctor`.";
    match sign {
        OurSign::Fault => format!("by the log, most of it is our own doing. {look}"),
        OurSign::Service(service) => format!(
            "peers that have nothing to do with each other have {more_or_less} TLS than before, but only with {service} of ours. {look}"
        ),
        OurSign::AllAtOnce => format!(
            "nearly all peers have {more_or_less} TLS than before, which is rather our doing than theirs. {look}"
        ),
        OurSign::SameReason(reason) => format!(
            "peers that have nothing to do with each other have one reason in common, {reason}, which is rather our doing than theirs. {look}"
        ),
    }
}

/// The peers that carry most, by name.
fn names(change: &Change) -> String {
    let sign = change.difference().signum();
    let carry = |p: &&Part| sign * p.rate > 0.0 && p.peer != OTHERS;
    let names: Vec<&str> = change
        .parts
        .iter()
        .filter(carry)
        .map(|p| p.peer.as_str())
        .collect();
    names[..names.len().min(3)].join(", ")
}

/// Who carries a change alone, and what has become of its TLS.
pub(super) fn one_peer(change: &Change) -> String {
    let sign = change.difference().signum();
    let carries = |a: &&Part, b: &&Part| (sign * a.rate).total_cmp(&(sign * b.rate));
    let Some(part) = change
        .parts
        .iter()
        .filter(|p| p.peer != OTHERS)
        .max_by(carries)
    else {
        return String::new();
    };
    let name = &part.peer;
    let what = match Become::of(part.before, part.now) {
        // It does as it did; only the amount is another.
        _ if part.rate.abs() <= part.mix.abs() => {
            "is rather a matter of how much mail it has than of how"
        }
        _ if has_ended(change, name) => {
            "has no TLS any more: it was switched off, or is stripped on the way"
        }
        Become::SwitchedOff => {
            "has no TLS any more: it was switched off, or is stripped on the way"
        }
        Become::NoneLately => "has had no TLS since, in the little mail there was",
        Become::Partial => {
            "has TLS for part of its mail only: one of its servers, or one of its days"
        }
        Become::Regained => "has more TLS than before",
    };
    format!("{name} carries most of it, and {what}. `tlsnag peer {name}` has the lines.")
}

/// By its own days a peer's TLS has come to an end, though the period still has some from before.
fn has_ended(change: &Change, name: &str) -> bool {
    let mut moved = change.moved.iter().filter(|m| m.peer == name);
    moved.any(|m| m.what == Become::SwitchedOff)
}

/// Peers of unrelated operators that lost TLS on about the same day.
pub(super) fn many_at_once(change: &Change) -> Option<String> {
    let lost: Vec<&Moved> = change.lost().collect();
    let at_once = |first: &&Moved| {
        let onset = first.shift.onset;
        let same = lost
            .iter()
            .filter(|m| (onset..=onset + AT_ONCE).contains(&m.shift.onset));
        let operators: std::collections::BTreeSet<&str> =
            same.map(|m| m.operator.as_str()).collect();
        (operators.len(), onset)
    };
    let (operators, onset) = lost
        .iter()
        .map(at_once)
        .max_by_key(|(n, day)| (*n, -*day))?;
    (operators >= MANY_AT_ONCE).then(|| {
        let ours = match carrying_service(change) {
            Some(service) => format!("us, or rather {service}: with our other services they are as they were"),
            None => "us".to_string(),
        };
        format!(
            "{}: many at once: {} lost TLS within {AT_ONCE} days of {}, and what they have in common is {ours}. Look at our own server and network first: `tlsnag doctor`.",
            which(change.direction),
            count(operators as u64, "operator", "unrelated operators"),
            date(onset)
        )
    })
}

/// The one of several services of ours with which peers have less TLS than before.
fn carrying_service(change: &Change) -> Option<&str> {
    let services = &change.facets.services;
    let all: f64 = services.iter().map(|p| p.rate).sum();
    let carries = |p: &&Part| all < 0.0 && p.rate / all >= NEARLY_ALL;
    let carrier = services.iter().find(carries)?;
    // One that has next to no mail beside it is no witness for the others.
    let messages = |p: &Part| p.before.total().min(p.now.total());
    let others: u64 = services
        .iter()
        .filter(|p| p.peer != carrier.peer)
        .map(messages)
        .sum();
    (others >= ENOUGH).then_some(carrier.peer.as_str())
}

/// What has become of mail whose TLS fails.
pub(super) fn turning(turn: &Turn) -> String {
    let (peer, since) = (&turn.peer, date(turn.since));
    let before = count(turn.days_before, "day", "days");
    match turn.kind {
        Kind::NewFallback => format!(
            "{peer}: since {since} mail whose TLS handshake fails goes out in clear ({}); on the {before} before, it was not delivered",
            count(turn.fell_back_now, "time", "times")
        ),
        Kind::LostFallback => format!(
            "{peer}: since {since} mail whose TLS handshake fails is no longer sent in clear, and is not delivered ({})",
            count(turn.failed_now, "attempt", "attempts")
        ),
        Kind::BuildingUp => format!(
            "{peer}: since {since} {} left mail in the queue because of TLS, on the {before} before {}; {}",
            count(turn.failed_now, "attempt", "attempts"),
            match turn.failed_before {
                0 => "none".to_string(),
                n => n.to_string(),
            },
            match turn.delivered_now {
                0 => format!(
                    "nothing was delivered since, so mail builds up: it has waited for up to {}",
                    count(turn.days_since, "day", "days")
                ),
                n => format!("{n} delivered all the same"),
            }
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::changes::Known;
    use crate::query::parts::Facets;
    use crate::query::shifts::Course;

    fn lost(operator: &str, onset: i32) -> Moved {
        let mail = |encrypted, plaintext| Known {
            encrypted,
            plaintext,
        };
        Moved {
            peer: format!("mail.{operator}"),
            operator: operator.into(),
            what: Become::SwitchedOff,
            shift: Shift {
                onset,
                steepest: onset,
                end: onset,
                days_before: (0, onset - 1),
                days_after: (onset, onset + 9),
                before: mail(90, 10),
                after: mail(0, 50),
                own: -0.9,
                confidence: 1.0,
            },
        }
    }

    fn change(moved: Vec<Moved>) -> Change {
        Change {
            direction: Direction::Inbound,
            before: Known::default(),
            now: Known::default(),
            shape: Shape::ManyPeers,
            parts: Vec::new(),
            facets: Facets::default(),
            course: Course::TooFew,
            found: Vec::new(),
            moved,
            turns: Vec::new(),
        }
    }

    #[test]
    fn peers_of_one_operator_or_of_different_weeks_are_not_many_at_once() {
        let same = vec![
            lost("a.example", 100),
            lost("a.example", 100),
            lost("a.example", 101),
        ];
        assert_eq!(many_at_once(&change(same)), None);
        let apart = vec![
            lost("a.example", 100),
            lost("b.example", 107),
            lost("c.example", 114),
        ];
        assert_eq!(many_at_once(&change(apart)), None);
        let many = vec![
            lost("a.example", 99),
            lost("b.example", 100),
            lost("c.example", 101),
        ];
        let said = many_at_once(&change(many)).unwrap_or_default();
        assert!(
            said.contains("3 unrelated operators lost TLS within 2 days of 1970-04-10"),
            "{said}"
        );
        assert!(said.contains("our own server and network first"), "{said}");
    }

    #[test]
    fn the_service_of_ours_that_has_many_at_once_is_named() {
        let mut many = change(vec![
            lost("a.example", 99),
            lost("b.example", 100),
            lost("c.example", 101),
        ]);
        let service = |name: &str, rate| Part {
            peer: name.into(),
            operator: None,
            operators: 1,
            before: Known {
                encrypted: 100,
                plaintext: 0,
            },
            now: Known {
                encrypted: 90,
                plaintext: 10,
            },
            rate,
            mix: 0.0,
        };
        many.facets.services = vec![
            service("postfix/smtpd on mx1", -0.2),
            service("postfix/smtpd on mx2", -0.01),
        ];
        let said = many_at_once(&many).unwrap_or_default();
        assert!(
            said.contains("us, or rather postfix/smtpd on mx1"),
            "{said}"
        );
        many.facets.services[1].rate = -0.2;
        let said = many_at_once(&many).unwrap_or_default();
        assert!(said.contains("in common is us. Look"), "{said}");
    }

    #[test]
    fn a_change_of_one_day_is_told_with_that_day_alone() {
        let one = lost("a.example", 100).shift;
        assert_eq!(
            course(&one),
            "the share over TLS fell on 1970-04-11: from 90.0 % to 0.0 %"
        );
    }
}
