//! `changes`: how the share over TLS moved against the period before, and who carries it.

use crate::outcome::Direction;
use crate::query::Scope;
use crate::query::changes::{Change, Known, Part, Shape, find_changes, period_before};
use crate::store::{Result, Store};

use super::format::date;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::way;

/// How many peers of a direction people see.
const MOST_ENTRIES: usize = 10;
/// A peer that moved the share by less than this, in parts of one, is not shown unless all are asked for.
const LEAST: f64 = 0.0005;

const COLUMNS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::both("peer", "peer", Kind::Text),
    Column::prose("mail"),
    Column::both("points", "points", Kind::Number),
    Column::both("rate", "by itself", Kind::Number),
    Column::both("mix", "by amount", Kind::Number),
    Column::both("share_before", "% before", Kind::Number),
    Column::both("share_now", "% now", Kind::Number),
    Column::field("mail_before", Kind::Number),
    Column::both("mail_now", "of", Kind::Number),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let changes = find_changes(store, scope)?;
    let mut rows = Vec::new();
    for change in &changes {
        rows.push(whole(change));
        let limit = if scope.all { usize::MAX } else { MOST_ENTRIES };
        let shown = change
            .parts
            .iter()
            .filter(|part| scope.all || (is_told(change) && part.effect().abs() >= LEAST));
        rows.extend(
            shown
                .take(limit)
                .map(|part| peer_row(change.direction, part)),
        );
    }
    let known = changes.iter().any(|c| c.before.total() + c.now.total() > 0);
    let mut notes: Vec<Note> = Vec::new();
    if known {
        notes.extend(changes.iter().flat_map(in_words));
        notes.push(Note::Paragraph(
            "The points of all peers add up to the change: \"by itself\" is what a peer did, \"by amount\" that more or less of the mail was its.".into(),
        ));
    }
    Ok(Table {
        headline: headline(&changes, scope, known),
        to_do: changes.iter().filter(|c| is_fall(c)).count(),
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: if known { rows } else { Vec::new() },
        }],
        notes,
    })
}

fn headline(changes: &[Change], scope: &Scope, known: bool) -> String {
    let Some(before) = period_before(scope).filter(|_| known) else {
        return match scope.period.from_day {
            Some(_) => "No mail is known of in this period, nor in the one before.".into(),
            None => "A change needs two periods: name the later one, such as --since 7d.".into(),
        };
    };
    let said: Vec<String> = changes.iter().filter_map(sentence).collect();
    let days = (before.period.from_day, before.period.to_day);
    let compared = match days {
        (Some(from), Some(to)) => format!("Against {} to {}: ", date(from), date(to)),
        _ => String::new(),
    };
    match said.is_empty() {
        true => format!("{compared}too few messages to say."),
        false => format!("{compared}{}.", said.join("; ")),
    }
}

fn sentence(change: &Change) -> Option<String> {
    let (before, now) = (percent(change.before)?, percent(change.now)?);
    let way = way(change.direction);
    Some(match change.shape {
        Shape::TooFew => return None,
        Shape::Steady => format!("{way} mail is steady at {now:.1} % over TLS"),
        _ => format!("{way} mail went from {before:.1} % to {now:.1} % over TLS"),
    })
}

/// Something happened.
fn is_told(change: &Change) -> bool {
    !matches!(change.shape, Shape::TooFew | Shape::Steady)
}

fn is_fall(change: &Change) -> bool {
    is_told(change) && change.difference() < 0.0
}

fn percent(known: Known) -> Option<f64> {
    known.share().map(|share| 100.0 * share)
}

/// What a change looks like, and what follows from that.
fn in_words(change: &Change) -> Vec<Note> {
    let which = match change.direction {
        Direction::Outbound => "Sent",
        Direction::Inbound => "Received",
    };
    let text = match change.shape {
        Shape::Steady => return Vec::new(),
        Shape::TooFew => {
            format!("{which}: too few messages in one of the periods to say anything.")
        }
        Shape::OnePeer => one_peer(which, change),
        Shape::ManyPeers if change.difference() < 0.0 => format!(
            "{which}: several peers have less TLS than before. Where they have nothing to do with each other, that is rather our own server or network: look at `tlsnag doctor` first."
        ),
        Shape::ManyPeers => format!("{which}: several peers have more TLS than before."),
        Shape::Mix => {
            format!("{which}: what changed is rather who writes how much than how.")
        }
    };
    vec![Note::Paragraph(text)]
}

fn one_peer(which: &str, change: &Change) -> String {
    let Some(part) = change.parts.first() else {
        return String::new();
    };
    let name = &part.peer;
    let what = match (part.before.share(), part.now.share()) {
        // It does as it did; only the amount is another.
        _ if part.rate.abs() <= part.mix.abs() => {
            "is rather a matter of how much mail it has than of how"
        }
        (Some(before), Some(0.0)) if before > 0.0 => {
            "has no TLS any more: it was switched off, or is stripped on the way"
        }
        (Some(before), Some(now)) if now < before => {
            "has TLS for part of its mail only: one of its servers, or one of its days"
        }
        (Some(before), Some(now)) if now > before => "has more TLS than before",
        _ => "writes more or less than before",
    };
    format!("{which}: {name} carries most of it, and {what}. `tlsnag peer {name}` has the lines.")
}

fn points(effect: f64) -> Value {
    // Nothing has no sign.
    Value::Share((1000.0 * effect).round() / 10.0 + 0.0)
}

fn share(known: Known) -> Value {
    Value::share(known.encrypted, known.total())
}

fn whole(change: &Change) -> Vec<Value> {
    let sum = |part: fn(&Part) -> f64| change.parts.iter().map(part).sum::<f64>();
    vec![
        Value::text("all"),
        Value::text(change.direction.name()),
        Value::text("(all)"),
        Value::text(way(change.direction)),
        points(change.difference()),
        points(sum(|p| p.rate)),
        points(sum(|p| p.mix)),
        share(change.before),
        share(change.now),
        Value::Number(change.before.total()),
        Value::Number(change.now.total()),
    ]
}

fn peer_row(direction: Direction, part: &Part) -> Vec<Value> {
    vec![
        Value::text("peer"),
        Value::text(direction.name()),
        Value::text(&part.peer),
        Value::text(way(direction)),
        points(part.effect()),
        points(part.rate),
        points(part.mix),
        share(part.before),
        share(part.now),
        Value::Number(part.before.total()),
        Value::Number(part.now.total()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_never_had_tls_is_not_said_to_have_lost_it() {
        let mail = |encrypted, plaintext| Known {
            encrypted,
            plaintext,
        };
        let change = Change {
            direction: Direction::Outbound,
            before: mail(90, 10),
            now: mail(90, 60),
            shape: Shape::OnePeer,
            parts: vec![Part {
                peer: "clear.example".into(),
                before: mail(0, 10),
                now: mail(0, 60),
                rate: 0.0,
                mix: -0.2,
            }],
        };
        let said = one_peer("Sent", &change);
        assert!(said.contains("how much mail it has"), "{said}");
        assert!(!said.contains("any more"), "{said}");
    }
}
