//! `trend`: the share over TLS day by day, by messages and by peers, and the days on which it changed.

use crate::outcome::Direction;
use crate::query::Scope;
use crate::query::changes::Known;
use crate::query::shifts::{Course, Shift};
use crate::query::trend::{Trend, TrendDay, find_trend};
use crate::store::{Result, Store};

use super::change_words::{course, unchanged};
use super::changes::{share, sure};
use super::chart::Mark;
use super::share_line;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{sentence_case, way};

/// For programs.
const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::field("day", Kind::Date),
    Column::field("encrypted", Kind::Number),
    Column::field("plaintext", Kind::Number),
    Column::field("unknown", Kind::Number),
    Column::field("share", Kind::Number),
    Column::field("lower", Kind::Number),
    Column::field("upper", Kind::Number),
    Column::field("peers_encrypted", Kind::Number),
    Column::field("peers_plaintext", Kind::Number),
    Column::field("what", Kind::Text),
    Column::field("onset", Kind::Date),
    Column::field("steepest", Kind::Date),
    Column::field("end", Kind::Date),
    Column::field("share_before", Kind::Number),
    Column::field("share_after", Kind::Number),
    Column::field("points_own", Kind::Number),
    Column::field("confidence", Kind::Number),
    Column::field("share_peers", Kind::Number),
];

const fn titled(title: &'static str, kind: Kind) -> Column {
    Column {
        name: "",
        title,
        kind,
    }
}

const CHANGES: &[Column] = &[
    Column::prose("mail"),
    Column::prose("it"),
    titled("began", Kind::Date),
    titled("steepest", Kind::Date),
    titled("new since", Kind::Date),
    titled("% before", Kind::Number),
    titled("% after", Kind::Number),
    titled("by themselves", Kind::Number),
    titled("% sure", Kind::Number),
];

const DAYS: &[Column] = &[
    titled("day", Kind::Date),
    Column::prose("mail"),
    titled("TLS", Kind::Number),
    titled("clear", Kind::Number),
    titled("unknown", Kind::Number),
    titled("%", Kind::Number),
    titled("between", Kind::Number),
    titled("peers TLS", Kind::Number),
    titled("clear", Kind::Number),
    titled("%", Kind::Number),
    Column::prose("change"),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let trends = find_trend(store, scope)?;
    let changes = || {
        trends
            .iter()
            .flat_map(|t| t.course.shifts().iter().map(move |s| (t, s)))
    };
    let mut fields: Vec<Vec<Value>> = days(&trends).map(|(t, d)| day_fields(t, d)).collect();
    fields.extend(changes().map(|(t, s)| change_fields(t, s)));
    Ok(Table {
        headline: headline(&trends),
        to_do: changes().filter(|(_, s)| s.is_fall()).count(),
        sections: vec![
            section(
                "Over the days",
                share_line::COLUMNS,
                trends.iter().flat_map(lines).collect(),
            ),
            changes_section(&trends),
            section(
                "Day by day",
                DAYS,
                days(&trends).map(|(t, d)| day_row(t, d)).collect(),
            ),
            section("", FIELDS, fields),
        ],
        notes: notes(&trends),
    })
}

fn section(title: &'static str, columns: &'static [Column], rows: Vec<Vec<Value>>) -> Section {
    Section {
        title,
        columns,
        rows: rows.into(),
    }
}

fn changes_section(trends: &[Trend]) -> Section {
    let of = |t: &Trend| -> Vec<Vec<Value>> {
        let shifts = t.course.shifts().iter();
        shifts.map(|s| change_row(t.direction, s)).collect()
    };
    let rows = trends.iter().flat_map(of).collect();
    section("Changes of what peers do", CHANGES, rows)
}

/// The days of all directions, oldest first.
fn days(trends: &[Trend]) -> impl Iterator<Item = (&Trend, &TrendDay)> {
    let all = trends
        .iter()
        .flat_map(|t| t.days.iter().map(move |d| (t, d)));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, day)| day.day);
    all.into_iter()
}

fn headline(trends: &[Trend]) -> String {
    let said: Vec<String> = trends.iter().map(sentence).collect();
    match said.is_empty() {
        true => "No mail is known of in this period.".into(),
        false => sentence_case(&format!("{}.", said.join("; "))),
    }
}

/// What one direction did: its last change, if there was one.
pub(super) fn sentence(trend: &Trend) -> String {
    let way = way(trend.direction);
    let share = |days: &[TrendDay]| {
        let all = days.iter().fold(Known::default(), |sum, day| Known {
            encrypted: sum.encrypted + day.known.encrypted,
            plaintext: sum.plaintext + day.known.plaintext,
        });
        all.share().map(|share| 100.0 * share)
    };
    match (&trend.course, trend.course.shifts().last()) {
        (Course::TooFew, _) => format!("{way} mail: too few messages to say"),
        (_, Some(shift)) => format!("{way} mail: {}", course(shift)),
        _ => {
            let (first, second) = trend.days.split_at(trend.days.len() / 2);
            let halves = (share(first), share(second).unwrap_or(0.0));
            let all = share(&trend.days).unwrap_or(0.0);
            let parts = [" in the first half of the days", " in the second"];
            unchanged(way, halves, all, parts)
        }
    }
}

fn notes(trends: &[Trend]) -> Vec<Note> {
    if trends.is_empty() {
        return Vec::new();
    }
    let mut notes = vec![Note::Paragraph(
        "A peer counts as one over TLS on a day on which none of its mail went in clear. \"Between\" has the exact 95 % bounds of the share, in which mail of one peer within an hour counts as about one. A change is told if \
         peers do otherwise than before; that others write, or write more, is none. Of a hundred months without a change fewer than one is \
         said to have one."
            .into(),
    )];
    if trends.iter().any(|t| !t.course.shifts().is_empty()) {
        notes.push(Note::Paragraph(
            "Who carries a change: `tlsnag report changes`.".into(),
        ));
    }
    notes
}

/// The shares by day: of messages, and of peers.
fn lines(trend: &Trend) -> [Vec<Value>; 2] {
    let days = || trend.days.iter();
    let of_messages = days().filter_map(|d| Some((d.day, d.known.share()?)));
    let of_peers = days().filter_map(|d| {
        let (encrypted, clear) = d.peers;
        let all = encrypted + clear;
        (all > 0).then(|| (d.day, encrypted as f64 / all as f64))
    });
    let peers = share_line::row(trend.direction, &of_peers.collect::<Vec<_>>());
    let of = format!("{}, of peers", way(trend.direction));
    let labelled = [Value::text(of)]
        .into_iter()
        .chain(peers.into_iter().skip(1));
    [
        share_line::row(trend.direction, &of_messages.collect::<Vec<_>>()),
        labelled.collect(),
    ]
}

fn change_row(direction: Direction, shift: &Shift) -> Vec<Value> {
    vec![
        Value::text(way(direction)),
        Value::text(if shift.is_fall() { "fell" } else { "rose" }),
        Value::Day(shift.onset),
        Value::Day(shift.steepest),
        Value::Day(shift.end),
        share(shift.before),
        share(shift.after),
        own(shift),
        sure(shift),
    ]
}

/// By how many points peers moved the share themselves.
fn own(shift: &Shift) -> Value {
    Value::Share((1000.0 * shift.own).round() / 10.0)
}

fn percent(part: f64) -> f64 {
    (1000.0 * part).round() / 10.0
}

fn day_row(trend: &Trend, day: &TrendDay) -> Vec<Value> {
    let between = match day.known.total() {
        0 => String::new(),
        _ => format!("{:.0}-{:.0}", 100.0 * day.bounds.0, 100.0 * day.bounds.1),
    };
    vec![
        Value::Day(day.day),
        Value::text(way(trend.direction)),
        Value::Number(day.known.encrypted),
        Value::Number(day.known.plaintext),
        Value::Number(day.unknown),
        share(day.known),
        Value::text(between),
        Value::Number(day.peers.0),
        Value::Number(day.peers.1),
        share_of_peers(day),
        Value::text(mark(trend, day.day)),
    ]
}

/// Of the peers with mail whose channel is known, those with none in clear; empty where there are none.
fn share_of_peers(day: &TrendDay) -> Value {
    match day.peers {
        (0, 0) => Value::text(""),
        (encrypted, clear) => Value::share(encrypted, encrypted + clear),
    }
}

/// What a day is in the course of a change.
pub(super) fn mark(trend: &Trend, day: i32) -> &'static str {
    let of = |shift: &Shift| {
        let words = [
            (
                shift.onset == day && shift.onset == shift.end,
                ("fell", "rose"),
            ),
            (shift.onset == day, ("begins to fall", "begins to rise")),
            (shift.steepest == day, ("falls most", "rises most")),
            (shift.end == day, ("has fallen", "has risen")),
        ];
        let found = words.into_iter().find(|(is_it, _)| *is_it);
        found.map(|(_, (fall, rise))| if shift.is_fall() { fall } else { rise })
    };
    trend.course.shifts().iter().find_map(of).unwrap_or("")
}

fn day_fields(trend: &Trend, day: &TrendDay) -> Vec<Value> {
    let known = day.known.total() > 0;
    let bound = |part: f64| match known {
        true => Value::Share(percent(part)),
        false => Value::text(""),
    };
    let mut values = vec![
        Value::text("day"),
        Value::text(trend.direction.name()),
        Value::Day(day.day),
        Value::Number(day.known.encrypted),
        Value::Number(day.known.plaintext),
        Value::Number(day.unknown),
        share(day.known),
        bound(day.bounds.0),
        bound(day.bounds.1),
        Value::Number(day.peers.0),
        Value::Number(day.peers.1),
        Value::text(mark(trend, day.day)),
    ];
    values.resize(FIELDS.len() - 1, Value::text(""));
    values.push(share_of_peers(day));
    values
}

fn change_fields(trend: &Trend, shift: &Shift) -> Vec<Value> {
    let mut values = vec![Value::text("change"), Value::text(trend.direction.name())];
    values.resize(11, Value::text(""));
    values.extend([
        Value::text(if shift.is_fall() { "fall" } else { "rise" }),
        Value::Day(shift.onset),
        Value::Day(shift.steepest),
        Value::Day(shift.end),
        share(shift.before),
        share(shift.after),
        own(shift),
        sure(shift),
        Value::text(""),
    ]);
    values
}

/// The changes of all directions, for a picture.
pub(super) fn marks(trends: &[Trend]) -> Vec<Mark> {
    let mark = |t: &Trend, s: &Shift| Mark {
        days: (s.onset, s.end),
        is_fall: s.is_fall(),
        words: format!("{} mail: {}", way(t.direction), course(s)),
    };
    let each = trends
        .iter()
        .flat_map(|t| t.course.shifts().iter().map(move |s| mark(t, s)));
    each.collect()
}

/// The changes alone, for a place beside a picture.
pub(super) fn found(trends: &[Trend]) -> Table {
    Table {
        sections: vec![changes_section(trends)],
        ..Table::default()
    }
}
