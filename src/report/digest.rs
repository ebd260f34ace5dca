//! A week or a month all in all, for the mail that comes when it is over: the figures beside those of the days before, what changed, what to
//! act on, who got better, what became of our letters, and of which days the log says nothing. Every number in it is one of another report.

use std::collections::BTreeMap;

use crate::outcome::day_of;
use crate::query::Scope;
use crate::query::changes::{find_changes, period_before};
use crate::query::coverage::{Uncovered, find_uncovered};
use crate::query::good_news::{Improvement, find_good_news};
use crate::query::news::items;
use crate::query::summary::{Totals, find_summary};
use crate::query::verdict::Shape;
use crate::store::{Result, Store};

use super::format::{date, rfc3339};
use super::news::sentence;
use super::summary::{entries_by_fault, headline, limits};
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{count, way, what};

/// How many of each list are named.
const MOST_ENTRIES: usize = 10;

const COLUMNS: &[Column] = &[
    Column::field("direction", Kind::Text),
    Column::prose("mail"),
    Column::both("share", "% over TLS", Kind::Number),
    Column::both("share_before", "% before", Kind::Number),
    Column::both("encrypted", "encrypted", Kind::Number),
    Column::both("plaintext", "in clear", Kind::Number),
    Column::both("unknown", "cannot tell", Kind::Number),
    Column::both("failed_tls", "failed for TLS", Kind::Number),
];

/// Of the days of the scope, which has a first and a last one. `span` is what they are: `week` or `month`.
pub fn build(store: &Store, scope: &Scope, span: &str) -> Result<Table> {
    let summary = find_summary(store, scope)?;
    let before = match period_before(scope) {
        Some(before) => find_summary(store, &before)?.totals,
        None => Vec::new(),
    };
    let mut notes = changed(store, scope, span)?;
    notes.extend(entries_by_fault(&summary.to_do, MOST_ENTRIES));
    if summary.to_do.len() > MOST_ENTRIES {
        let more = summary.to_do.len() - MOST_ENTRIES;
        notes.push(Note::Paragraph(format!(
            "... and {more} more: `tlsnag report`."
        )));
    }
    notes.extend(better(store, scope)?);
    notes.extend(letters(store, scope)?);
    notes.extend(without_records(store, scope)?);
    notes.extend(limits(&summary.limits));
    let totals = summary.totals.iter();
    let rows = totals
        .filter(|t| t.total() + t.failed_tls > 0)
        .map(|t| row(t, &before));
    Ok(Table {
        headline: format!("The {span} in all: {}", headline(&summary)),
        to_do: summary.to_do.len(),
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: rows.collect(),
        }],
        notes,
    })
}

fn row(totals: &Totals, before: &[Totals]) -> Vec<Value> {
    // Of nothing there is no share.
    let share = |t: &Totals| match t.total() {
        0 => Value::text(""),
        all => Value::share(t.encrypted, all),
    };
    let before = before.iter().find(|b| b.direction == totals.direction);
    vec![
        Value::text(totals.direction.name()),
        Value::text(way(totals.direction)),
        share(totals),
        before.map_or_else(|| Value::text(""), share),
        Value::Number(totals.encrypted),
        Value::Number(totals.plaintext),
        Value::Number(totals.unknown),
        Value::Number(totals.failed_tls),
    ]
}

/// What changed against the days before, as far as it is more than chance.
fn changed(store: &Store, scope: &Scope, span: &str) -> Result<Vec<Note>> {
    let changes = find_changes(store, scope)?;
    let told = changes
        .iter()
        .flat_map(|change| items(change).into_iter().map(|n| sentence(change, &n)));
    let told: Vec<Note> = told.map(Note::Item).collect();
    let heading = match told.is_empty() {
        true if changes.iter().all(|c| c.shape == Shape::TooFew) => {
            format!("There is too little mail to compare it with the {span} before.")
        }
        true => format!("Against the {span} before nothing changed by more than chance."),
        false => format!("What changed against the {span} before:"),
    };
    let heading = Note::Paragraph(heading);
    Ok([heading].into_iter().chain(told).collect())
}

fn better(store: &Store, scope: &Scope) -> Result<Vec<Note>> {
    let news = find_good_news(store, scope)?;
    if news.is_empty() {
        return Ok(Vec::new());
    }
    let mut notes = vec![Note::Paragraph("Who got better:".into())];
    let sentence = |i: &Improvement| {
        format!(
            "{} ({}): nothing but TLS since {}; before, {}",
            i.peer,
            way(i.direction),
            date(i.since),
            what(i.was.class, &i.was.cause)
        )
    };
    let named = news.iter().take(MOST_ENTRIES);
    notes.extend(named.map(|i| Note::Item(sentence(i))));
    if news.len() > MOST_ENTRIES {
        let more = news.len() - MOST_ENTRIES;
        notes.push(Note::Paragraph(format!(
            "... and {more} more: `tlsnag report good-news`."
        )));
    }
    Ok(notes)
}

/// What the figures lack, host by host.
fn without_records(store: &Store, scope: &Scope) -> Result<Vec<Note>> {
    let (Some(from), Some(to)) = (scope.period.from_day, scope.period.to_day) else {
        return Ok(Vec::new());
    };
    let found = find_uncovered(store, from, to)?;
    let named = found.iter().take(MOST_ENTRIES);
    let mut notes: Vec<Note> = named.map(|u| Note::Paragraph(silent_on(u))).collect();
    if found.len() > MOST_ENTRIES {
        let more = (found.len() - MOST_ENTRIES) as u64;
        let hosts = count(more, "more host", "more hosts");
        notes.push(Note::Paragraph(format!(
            "The logs of {hosts} do not cover all of it either: `tlsnag doctor`."
        )));
    }
    Ok(notes)
}

fn silent_on(u: &Uncovered) -> String {
    let begins = u.begins.map(|at| format!("before {}", rfc3339(at)));
    let gaps = u.gaps.iter().map(|(from, to)| match from == to {
        true => format!("on {}", date(*from)),
        false => format!("from {} to {}", date(*from), date(*to)),
    });
    let ends = u.ends.map(|at| format!("after {}", rfc3339(at)));
    // Some collectors keep no host name.
    let host = match u.host.is_empty() {
        true => "a log without a host name",
        false => &u.host,
    };
    let when: Vec<String> = begins.into_iter().chain(gaps).chain(ends).collect();
    format!(
        "No record of {host} {}: what happened then is in none of these figures.",
        when.join(", nor ")
    )
}

/// Where the cases stand that moved on in these days.
fn letters(store: &Store, scope: &Scope) -> Result<Vec<Note>> {
    let (from, to) = (scope.period.from_day, scope.period.to_day);
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for case in store.cases()? {
        let day = Some(day_of(case.changed));
        if from <= day && day <= to {
            *states.entry(case.state.name()).or_default() += 1;
        }
    }
    if states.is_empty() {
        return Ok(Vec::new());
    }
    let all = states.values().sum();
    let each = states.iter().map(|(state, n)| format!("{n} {state}"));
    Ok(vec![Note::Paragraph(format!(
        "Letters: {} moved on ({}): `tlsnag campaign status`.",
        count(all, "case", "cases"),
        each.collect::<Vec<_>>().join(", ")
    ))])
}
