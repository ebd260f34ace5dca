//! `failures`: what fails because of TLS, and whose fault it is.

use std::cmp::Reverse;

use crate::query::Scope;
use crate::query::certainty::Certainty;
use crate::query::failures::{Failure, find_failures};
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
    Column::both("host", "host", Kind::Detail),
    Column::both("attempts", "tries", Kind::Number),
    Column::both("undelivered", "no mail", Kind::Number),
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
    let mut failures = find_failures(store, scope)?;
    if !scope.all {
        failures.sort_by_key(|f| Reverse(f.attempts));
    }
    let tls: Vec<&Failure> = failures.iter().filter(|f| f.is_because_of_tls()).collect();
    let ours = tls.iter().filter(|f| f.fault == "us").count() as u64;
    let headline = match (tls.len() as u64, ours) {
        (0, _) => "Nothing failed because of TLS in this period.".to_string(),
        (n, 0) => format!(
            "{} with TLS, none of them our own fault.",
            count(n, "way to fail", "ways to fail")
        ),
        (n, ours) => format!(
            "{} with TLS, {ours} of them our own fault.",
            count(n, "way to fail", "ways to fail")
        ),
    };
    let notes = what_to_do(
        find_servers(store)?,
        tls.iter().map(|f| (f.class, f.cause.as_str())),
    );
    let peers = failures.iter().map(|f| (f.direction, f.peer.clone()));
    let lines = Lines::of(store, scope, peers)?;
    let to_do = tls.len();
    Ok(Table {
        headline,
        to_do,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(failures, move |f| row(f, &lines)),
        }],
        notes,
    })
}

fn row(f: &Failure, lines: &Lines) -> Vec<Value> {
    vec![
        Value::text(f.direction.name()),
        Value::text(&f.peer),
        Value::text(way(f.direction)),
        Value::text(&f.host),
        Value::Number(f.attempts),
        Value::Number(f.undelivered),
        lines.cell(f.direction, &f.peer),
        Value::text(f.class.name()),
        Value::text(&f.cause),
        Value::text(what(Some(f.class), &f.cause)),
        Value::text(&f.fault),
        Value::text(whose(&f.fault)),
        Value::text(Certainty::of(f.class, f.attempts).words()),
        Value::Time(f.first_seen),
        Value::Time(f.last_seen),
    ]
}
