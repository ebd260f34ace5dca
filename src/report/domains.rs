//! `domains`: how mail reaches each recipient domain.

use std::cmp::Reverse;

use crate::outcome::Direction;
use crate::query::Scope;
use crate::query::domains::{Domain, find_domains};
use crate::query::servers::find_servers;
use crate::query::tally::{Counters, Verdict};
use crate::store::{Result, Store};

use super::advice::what_to_do;
use super::share_line::Lines;
use super::table::{Column, Kind, Note, Rows, Section, Table, Value};
use super::words::{count, what, whose};

const COLUMNS: &[Column] = &[
    Column::both("domain", "domain", Kind::Text),
    Column::both("encrypted", "TLS", Kind::Number),
    Column::both("plaintext", "clear", Kind::Number),
    Column::both("unknown", "?", Kind::Number),
    Column::both("failed_tls", "failed", Kind::Number),
    Column::picture("TLS by day"),
    Column::field("failed_other", Kind::Number),
    Column::field("verdict", Kind::Text),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::detail("what happens"),
    Column::field("fault", Kind::Text),
    Column::prose("fault"),
    Column::field("first_seen", Kind::Date),
    Column::both("last_seen", "last", Kind::Date),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let all = find_domains(store, scope)?;
    let (mut shown, left): (Vec<Domain>, Vec<Domain>) = all
        .into_iter()
        .partition(|d| scope.all || needs_action(&d.counters));
    if !scope.all {
        shown.sort_by_key(|d| Reverse(size(&d.counters)));
    }
    let acting: Vec<&Domain> = shown.iter().filter(|d| needs_action(&d.counters)).collect();
    let mut notes = what_to_do(
        find_servers(store)?,
        acting
            .iter()
            .filter_map(|d| Some((d.problem.class?, d.problem.cause.as_str()))),
    );
    let peers = shown
        .iter()
        .map(|d| (Direction::Outbound, d.domain.clone()));
    let lines = Lines::of(store, scope, peers)?;
    notes.extend(left_out(
        left.iter().map(|d| d.verdict),
        "domain",
        "domains",
    ));
    let (to_do, of) = (acting.len(), shown.len() + left.len());
    Ok(Table {
        headline: headline(
            to_do as u64,
            of as u64,
            "recipient domain",
            "recipient domains",
        ),
        to_do,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(shown, move |d| row(d, &lines)),
        }],
        notes,
    })
}

/// Mail in clear, or mail held back by TLS. What the log cannot tell accuses nobody.
pub(super) fn needs_action(counters: &Counters) -> bool {
    size(counters) > 0
}

/// How much mail the problem concerns.
pub(super) fn size(counters: &Counters) -> u64 {
    counters.plaintext + counters.failed_tls
}

pub(super) fn headline(acting: u64, of: u64, one: &str, several: &str) -> String {
    match (acting, of) {
        (_, 0) => format!("Nothing is known about any {one} in this period."),
        (0, _) => format!(
            "Nothing to act on: none of {} gets mail in clear or fails because of TLS.",
            count(of, one, several)
        ),
        (1, _) => format!(
            "1 of {} gets mail in clear or fails because of TLS.",
            count(of, one, several)
        ),
        _ => format!(
            "{acting} of {} get mail in clear or fail because of TLS.",
            count(of, one, several)
        ),
    }
}

/// What the default leaves out and why.
pub(super) fn left_out(
    verdicts: impl Iterator<Item = Verdict> + Clone,
    one: &str,
    several: &str,
) -> Vec<Note> {
    let number = |wanted: Verdict| verdicts.clone().filter(|v| *v == wanted).count() as u64;
    let mut notes = Vec::new();
    if number(Verdict::Unknown) > 0 {
        let some = count(number(Verdict::Unknown), one, several);
        notes.push(Note::Paragraph(format!(
            "{some} cannot be judged: the log does not tell whether mail was encrypted. `tlsnag report summary` names the setting."
        )));
    }
    if number(Verdict::Undeliverable) > 0 {
        let some = count(number(Verdict::Undeliverable), one, several);
        notes.push(Note::Paragraph(format!(
            "{some} got no mail for reasons that have nothing to do with TLS."
        )));
    }
    if verdicts.clone().next().is_some() {
        notes.push(Note::Paragraph(
            "Not shown: what needs no action (--all shows it).".into(),
        ));
    }
    notes
}

fn row(d: &Domain, lines: &Lines) -> Vec<Value> {
    let c = &d.counters;
    vec![
        Value::text(&d.domain),
        Value::Number(c.encrypted),
        Value::Number(c.plaintext),
        Value::Number(c.unknown),
        Value::Number(c.failed_tls),
        lines.cell(Direction::Outbound, &d.domain),
        Value::Number(c.failed_other),
        Value::text(d.verdict.name()),
        Value::text(d.problem.class_name()),
        Value::text(&d.problem.cause),
        Value::text(what(d.problem.class, &d.problem.cause)),
        Value::text(&d.problem.fault),
        Value::text(whose(&d.problem.fault)),
        Value::Time(d.first_seen),
        Value::Time(d.last_seen),
    ]
}
