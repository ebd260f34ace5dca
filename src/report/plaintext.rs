//! `plaintext`: who exchanges mail with us in clear, and why.

use std::cmp::Reverse;

use crate::query::Scope;
use crate::query::plaintext::{Plaintext, find_plaintext};
use crate::query::servers::find_servers;
use crate::store::{Result, Store};

use super::advice::what_to_do;
use super::share_line::Lines;
use super::table::{Column, Kind, Rows, Section, Table, Value};
use super::words::{count, way, what, whose};

const COLUMNS: &[Column] = &[
    Column::field("direction", Kind::Text),
    Column::both("peer", "peer", Kind::Text),
    Column::prose("mail"),
    Column::both("in_clear", "clear", Kind::Number),
    Column::field("total", Kind::Number),
    Column::both("share", "%", Kind::Number),
    Column::picture("TLS by day"),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::detail("what happens"),
    Column::field("fault", Kind::Text),
    Column::prose("fault"),
    Column::both("certainty", "how sure", Kind::Detail),
    Column::field("first_seen", Kind::Date),
    Column::both("last_seen", "last", Kind::Date),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let mut found = find_plaintext(store, scope)?;
    if !scope.all {
        found.sort_by_key(|p| Reverse(p.in_clear));
    }
    let messages: u64 = found.iter().map(|p| p.in_clear).sum();
    let headline = match found.len() as u64 {
        0 => "No mail is known to have crossed in clear in this period.".to_string(),
        n => format!(
            "{} in clear, with {}.",
            count(messages, "message", "messages"),
            count(n, "peer", "peers")
        ),
    };
    let notes = what_to_do(
        find_servers(store)?,
        found
            .iter()
            .filter_map(|p| Some((p.problem.class?, p.problem.cause.as_str()))),
    );
    let peers = found.iter().map(|p| (p.direction, p.peer.clone()));
    let lines = Lines::of(store, scope, peers)?;
    Ok(Table {
        headline,
        to_do: found.len(),
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(found, move |p| row(p, &lines)),
        }],
        notes,
    })
}

fn row(p: &Plaintext, lines: &Lines) -> Vec<Value> {
    vec![
        Value::text(p.direction.name()),
        Value::text(&p.peer),
        Value::text(way(p.direction)),
        Value::Number(p.in_clear),
        Value::Number(p.total),
        Value::share(p.in_clear, p.total),
        lines.cell(p.direction, &p.peer),
        Value::text(p.problem.class_name()),
        Value::text(&p.problem.cause),
        Value::text(what(p.problem.class, &p.problem.cause)),
        Value::text(&p.problem.fault),
        Value::text(whose(&p.problem.fault)),
        Value::text(p.certainty.words()),
        Value::Time(p.first_seen),
        Value::Time(p.last_seen),
    ]
}
